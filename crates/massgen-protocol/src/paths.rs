//! Texts in which some words are replaced by others: places of this machine by places that a reader can use, names of
//! agents by those that their peers see.

use std::borrow::Cow;

/// What may stand around a word that is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// It is a path: what stands before and after it must not make it a part of another name.
    Path,
    /// It is a name: no letter or digit stands before or after it.
    Word,
}

/// One word and what comes in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The word.
    pub from: String,
    /// What comes in its place.
    pub to: String,
    /// What may stand around it.
    pub edge: Edge,
}

/// Rules, the longest word first.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

/// Replaces each path `from` in `text` by its `to`, where it stands for itself or for something below it: `/a/b` is
/// replaced in `/a/b`, `/a/b/c` and `file:///a/b`, not in `/a/bc`, `/a/b.txt` or `/x/a/b`. The longest path that fits
/// counts. What was put in is not looked at again. A `/` at the end of `from` makes no difference; an empty `from`, and
/// `/`, replace nothing.
pub fn moved<'a>(text: &'a str, places: &[(&str, &str)]) -> Cow<'a, str> {
    let rule = |(from, to): &(&str, &str)| Rule {
        from: from.trim_end_matches('/').to_owned(),
        to: (*to).to_owned(),
        edge: Edge::Path,
    };
    Rules::new(places.iter().map(rule)).apply(text)
}

impl Rules {
    /// These rules. Those without a word replace nothing.
    pub fn new(rules: impl IntoIterator<Item = Rule>) -> Self {
        let mut rules: Vec<Rule> = rules.into_iter().filter(|rule| !rule.from.is_empty()).collect();
        rules.sort_by(|one, other| {
            other.from.len().cmp(&one.from.len()).then_with(|| one.from.cmp(&other.from))
        });
        Self { rules }
    }

    /// `text` after all replacements. What was put in is not looked at again.
    pub fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut begins = [false; 256];
        for byte in self.rules.iter().filter_map(|rule| rule.from.bytes().next()) {
            if let Some(begins) = begins.get_mut(usize::from(byte)) {
                *begins = true;
            }
        }
        let may_begin = |byte: u8| begins.get(usize::from(byte)).copied().unwrap_or(false);
        let mut done = String::new();
        let (mut copied, mut at) = (0, 0);
        while let Some(next) =
            text.as_bytes().get(at..).and_then(|rest| rest.iter().position(|byte| may_begin(*byte)))
        {
            at += next;
            let Some((before, rest)) = text.split_at_checked(at) else {
                at += 1;
                continue;
            };
            match self.rules.iter().find(|rule| rule.fits(before, rest)) {
                Some(rule) => {
                    done.push_str(text.get(copied..at).unwrap_or_default());
                    done.push_str(&rule.to);
                    at += rule.from.len();
                    copied = at;
                }
                None => at += 1,
            }
        }
        if copied == 0 {
            return Cow::Borrowed(text);
        }
        done.push_str(text.get(copied..).unwrap_or_default());
        Cow::Owned(done)
    }
}

impl Rule {
    fn fits(&self, before: &str, rest: &str) -> bool {
        rest.strip_prefix(self.from.as_str()).is_some_and(|after| match self.edge {
            Edge::Path => begins_a_path(before) && (self.from.ends_with('/') || ends_a_name(after)),
            Edge::Word => {
                let joins = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
                !joins(before.as_bytes().last()) && !joins(after.as_bytes().first())
            }
        })
    }
}

/// Whether a path can begin after `before`. Letters that are not ASCII end a path: in some scripts nothing else stands
/// between a path and the words around it.
fn begins_a_path(before: &str) -> bool {
    match before.as_bytes().last() {
        Some(b'/') => before.ends_with("://"),
        Some(b'.') => false,
        Some(byte) => !is_part_of_a_name(*byte),
        None => true,
    }
}

/// Whether a name is over before `after`. A full stop belongs to it only if it goes on behind it.
fn ends_a_name(after: &str) -> bool {
    let mut rest = after.bytes().skip_while(|byte| *byte == b'.');
    match (after.as_bytes().first(), rest.next()) {
        (Some(b'.'), next) => !next.is_some_and(is_part_of_a_name),
        (Some(byte), _) => !is_part_of_a_name(*byte),
        (None, _) => true,
    }
}

fn is_part_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'~' | b'+' | b'@' | b'%')
}

#[cfg(test)]
#[path = "paths_tests.rs"]
mod tests;

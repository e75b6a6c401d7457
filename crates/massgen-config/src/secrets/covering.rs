//! Covering known secrets in other texts: in messages, and where an alias or a comment repeats one.

use super::{SHORTEST, Secrets};
use crate::source::star;

/// Most characters of a text that a message shows before it cuts it off.
const SHOWN: usize = 80;

/// Known secrets, in a form in which a text is read once, however many there are.
pub(crate) struct Covering {
    /// In order, each once, as they are and as messages write them.
    secrets: Vec<String>,
    /// Of each, the longest other one that it begins with.
    parents: Vec<Option<usize>>,
}

impl Covering {
    pub(super) fn of(secrets: &Secrets) -> Self {
        let both = |secret: &str| [secret.to_owned(), secret.escape_debug().to_string()];
        let long = |secret: &String| secret.len() >= SHORTEST;
        let mut secrets: Vec<String> = secrets.texts().flat_map(both).filter(long).collect();
        secrets.sort_unstable();
        secrets.dedup();
        let mut parents = Vec::with_capacity(secrets.len());
        // The chain of beginnings of the secret before.
        let mut chain: Vec<usize> = Vec::new();
        for (at, secret) in secrets.iter().enumerate() {
            let begins =
                |known: &usize| secrets.get(*known).is_some_and(|known| secret.starts_with(known.as_str()));
            while chain.last().is_some_and(|last| !begins(last)) {
                chain.pop();
            }
            parents.push(chain.last().copied());
            chain.push(at);
        }
        Self { secrets, parents }
    }

    /// `text` with every secret replaced, byte for byte.
    pub(crate) fn text(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut covered_to = 0;
        for (at, c) in text.char_indices() {
            if at >= covered_to {
                covered_to = at + text.get(at..).and_then(|rest| self.longest(rest)).unwrap_or_default();
            }
            out.push(if at < covered_to { star(c) } else { c });
        }
        out
    }

    /// A message with every secret replaced, byte for byte; of one that it cuts off, what is left of it.
    pub(crate) fn message(&self, text: &str) -> String {
        let mut covered = self.text(text);
        for (end, _) in text.match_indices('…') {
            let Some(start) = text.get(..end).and_then(|before| self.cut_off(before)) else { continue };
            let stars: String = text.get(start..end).unwrap_or_default().chars().map(star).collect();
            covered.replace_range(start..end, &stars);
        }
        covered
    }

    /// The length of the longest secret that `rest` begins with.
    fn longest(&self, rest: &str) -> Option<usize> {
        // All beginnings of `rest` are beginnings of the last secret that is not behind it in order.
        let mut at = self.secrets.partition_point(|secret| secret.as_str() <= rest).checked_sub(1)?;
        let common =
            rest.bytes().zip(self.secrets.get(at)?.bytes()).take_while(|(one, other)| one == other).count();
        loop {
            let length = self.secrets.get(at)?.len();
            if length <= common {
                return Some(length);
            }
            at = (*self.parents.get(at)?)?;
        }
    }

    /// Where the beginning of a secret stands at the end of `before`.
    fn cut_off(&self, before: &str) -> Option<usize> {
        let starts: Vec<usize> = before.char_indices().rev().map(|(start, _)| start).take(SHOWN).collect();
        starts.into_iter().rev().find(|start| {
            let shown = before.get(*start..).unwrap_or_default();
            let next = self.secrets.partition_point(|secret| secret.as_str() <= shown);
            shown.len() >= SHORTEST && self.secrets.get(next).is_some_and(|secret| secret.starts_with(shown))
        })
    }
}

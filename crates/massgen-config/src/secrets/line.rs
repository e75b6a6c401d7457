//! Secrets in a program and its arguments.

use std::ops::Range;

use super::{
    Part, address, is_made_like_a_key, named, named_parts, names_a_secret, of_name, variable_names_a_secret,
};

/// What a flag wants behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wants {
    /// A secret.
    Secret,
    /// `Name: value`.
    Header,
    /// `NAME=value`.
    Assignment,
}

impl Wants {
    /// What the flag `written`, dashes included, wants; `None` for anything else, or nothing.
    fn of(written: &str) -> Option<Self> {
        const MORE: [&str; 7] = ["auth", "jwt", "pass", "pwd", "psk", "otp", "pin"];
        let name = written.trim_start_matches('-');
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            _ if written == "-H" => Some(Self::Header),
            "header" | "headers" => Some(Self::Header),
            "e" | "env" => Some(Self::Assignment),
            _ if variable_names_a_secret(name) || MORE.contains(&lower.as_str()) => Some(Self::Secret),
            _ => None,
        }
    }

    fn parts(self, value: &str) -> Vec<Part> {
        match self {
            Self::Secret => named(value),
            Self::Header => pair(value, ':').unwrap_or_else(|| named(value)),
            Self::Assignment => pair(value, '=').unwrap_or_default(),
        }
    }
}

/// The secrets in settings as JSON, which many servers take as an argument.
fn in_json(text: &str) -> Vec<Part> {
    if text.contains('{') { named_parts(text).into_iter().map(Part::likely).collect() } else { Vec::new() }
}

/// The secret in the value of `name:value` or `name=value`.
fn pair(text: &str, mark: char) -> Option<Vec<Part>> {
    let (name, value) = text.split_once(mark)?;
    let start = text.len() - value.trim_start().len();
    Some(of_name(name.trim(), value.trim_start()).into_iter().map(|part| part.within(start)).collect())
}

/// Reads arguments one after the other.
#[derive(Default)]
pub(super) struct Words {
    /// What the flag before wants.
    wanted: Option<Wants>,
}

impl Words {
    /// Whether the argument that follows is a secret, when it is no text.
    pub(super) fn want_a_secret(&mut self) -> bool {
        self.wanted.take() == Some(Wants::Secret)
    }

    /// The secrets in one argument, or in a text that is a whole line.
    pub(super) fn item(&mut self, text: &str) -> Vec<Part> {
        let words = split(text);
        if self.wanted.is_some() || words.len() < 2 {
            return self.word(text);
        }
        // An argument such as `Authorization: Bearer x` is one thing.
        let whole = Self::written_pair(text);
        if !whole.is_empty() {
            return whole;
        }
        let mut parts = in_json(text);
        for range in words {
            let word = text.get(range.clone()).unwrap_or_default();
            // A word in quotes may be a line itself, as behind `sh -c`.
            let is_line = word.contains(char::is_whitespace) && self.wanted.is_none();
            let found = if is_line { Self::default().item(word) } else { self.word(word) };
            parts.extend(found.into_iter().map(|part| part.within(range.start)));
        }
        parts
    }

    /// The secrets in one word.
    pub(super) fn word(&mut self, text: &str) -> Vec<Part> {
        let wanted = self.wanted.take();
        if is_flag(text) {
            let Some((flag, value)) = text.split_once('=') else {
                self.wanted = Wants::of(text);
                return Vec::new();
            };
            let start = text.len() - value.len();
            let parts =
                Wants::of(flag).map_or_else(|| Self::default().word(value), |wants| wants.parts(value));
            return parts.into_iter().map(|part| part.within(start)).collect();
        }
        if let Some(wants) = wanted {
            return wants.parts(text);
        }
        let written = Self::written_pair(text);
        if !written.is_empty() {
            return written;
        }
        if is_made_like_a_key(text) {
            return vec![Part::likely(0..text.len())];
        }
        let mut parts = address::of_line(text);
        parts.extend(in_json(text));
        parts
    }

    /// The secret in `Name: value` or `NAME=value`, when the name says that it is one.
    fn written_pair(text: &str) -> Vec<Part> {
        let is_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
        };
        let header = text.split_once(':').is_some_and(|(name, _)| is_name(name) && names_a_secret(name));
        let variable =
            text.split_once('=').is_some_and(|(name, _)| is_name(name) && variable_names_a_secret(name));
        let mark = if header { ':' } else { '=' };
        if header || variable { pair(text, mark).unwrap_or_default() } else { Vec::new() }
    }
}

/// `--name`, `--name=value`, `-n`, `-name=value`; not a value that begins with a dash.
fn is_flag(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    match text.strip_prefix("--") {
        Some(long) => long.starts_with(is_letter),
        None => text.strip_prefix('-').is_some_and(|short| {
            let name = short.split('=').next().unwrap_or_default();
            name.starts_with(is_letter) && (name.len() == 1 || names_a_secret(name) || short != name)
        }),
    }
}

/// The words of a line, without the quotes around them.
fn split(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut word: Option<usize> = None;
    let mut quote: Option<char> = None;
    for (at, c) in line.char_indices() {
        match (quote, word) {
            (Some(open), Some(start)) if c == open => {
                words.push(start..at);
                (quote, word) = (None, None);
            }
            (None, None) if matches!(c, '"' | '\'') => (quote, word) = (Some(c), Some(at + 1)),
            (None, None) if !c.is_whitespace() => word = Some(at),
            (None, Some(start)) if c.is_whitespace() => {
                words.push(start..at);
                word = None;
            }
            (Some(_) | None, _) => {}
        }
    }
    words.extend(word.map(|start| start..line.len()));
    words
}

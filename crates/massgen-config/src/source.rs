//! A configuration text with its name, places in it, and the hiding of keys before any of it is shown.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use crate::secrets::named_parts;

/// A configuration text and the name under which a person knows it.
#[derive(Clone)]
pub struct Source {
    name: String,
    text: String,
}

impl Source {
    /// A source called `name` (a path as the user would type it) with content `text`.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let visible = |c: char| if c.is_control() { '?' } else { c };
        Self { name: name.into().chars().map(visible).collect(), text: text.into() }
    }

    /// The name, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is JSON by its name.
    pub(crate) fn is_json(&self) -> bool {
        Path::new(&self.name).extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("json"))
    }

    /// The whole text. It may hold keys: show findings with [`render`](crate::render), which covers them.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text under `span`.
    pub(crate) fn slice(&self, span: Span) -> Option<&str> {
        self.text.get(span.bytes())
    }

    /// The place at a line and column, both from 1.
    pub(crate) fn place(&self, line: u32, column: u32) -> Option<Span> {
        let above = (line as usize).checked_sub(1)?;
        let before: usize = self.text.split_inclusive('\n').take(above).map(str::len).sum();
        let rest = self.text.get(before..)?;
        let into: usize = rest.chars().take((column as usize).checked_sub(1)?).map(char::len_utf8).sum();
        Some(Span { line, column, start: before + into, length: 0 })
    }

    /// The same source, safe to show: every key written into it and everything that could steer a terminal is
    /// replaced, byte for byte and character for character, so that all places stay. `secrets` are the places that
    /// are known; lines whose key merely looks like that of a secret are covered too, because a text that does not
    /// parse has no known places.
    pub(crate) fn masked(&self, secrets: &[Span]) -> Self {
        let mut covered: Vec<Range<usize>> = secrets.iter().map(|span| span.bytes()).collect();
        let mut start = 0;
        for line in self.text.split_inclusive('\n') {
            covered.extend(named_parts(line).into_iter().map(|part| part.start + start..part.end + start));
            start += line.len();
        }
        covered.sort_by_key(|range| range.start);
        let mut ranges = covered.into_iter().peekable();
        let mut covered_to = 0;
        let text = self
            .text
            .char_indices()
            .map(|(at, c)| {
                while let Some(range) = ranges.next_if(|range| range.start <= at) {
                    covered_to = covered_to.max(range.end);
                }
                let hidden = at < covered_to || steers_terminals(c);
                if hidden && !matches!(c, '\n' | '\r' | '\t') { star(c) } else { c }
            })
            .collect();
        Self { name: self.name.clone(), text }
    }
}

/// A mark of as many bytes as `c`.
pub(crate) fn star(c: char) -> char {
    match c.len_utf8() {
        1 => '*',
        2 => '·',
        3 => '•',
        _ => '🞄',
    }
}

/// Whether `c` moves the cursor, starts an escape sequence or turns the direction of writing.
pub(crate) fn steers_terminals(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Shows the name and the size only: the text may hold a key.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("bytes", &self.text.len()).finish()
    }
}

/// A place in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// First byte, from 0.
    pub start: usize,
    /// Length in bytes.
    pub length: usize,
}

impl Span {
    /// The bytes of the place.
    pub(crate) fn bytes(self) -> Range<usize> {
        self.start..self.start.saturating_add(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_keys_are_covered_and_columns_stay() {
        let text =
            "backend:\n  api_key: sk-längst  # x\n  model: m\n{\"api_key\": \"sk-1\", \"model\": \"m\"}\n";
        let masked = Source::new("c", text).masked(&[]);
        assert!(!masked.text().contains("sk-"), "{}", masked.text());
        assert!(masked.text().contains("model: m") && masked.text().contains("\"model\": \"m\""));
        let places = |text: &str| text.char_indices().map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(places(masked.text()), places(text));
    }

    #[test]
    fn variables_and_token_counts_stay_readable() {
        let text = "api_key: ${OPENAI_API_KEY}\n{api_key: ${X}, max_tokens: 5}\nmax_tokens: 100\n";
        assert_eq!(Source::new("c", text).masked(&[]).text(), text);
    }

    #[test]
    fn nothing_that_steers_a_terminal_is_shown() {
        let masked = Source::new("c\u{1b}", "a: \u{1b}[2J\u{202e}x\n").masked(&[]);
        assert_eq!((masked.name(), masked.text()), ("c?", "a: *[2J•x\n"));
    }

    #[test]
    fn debug_output_does_not_hold_the_text() {
        assert_eq!(
            format!("{:?}", Source::new("c.yaml", "api_key: sk-1")),
            "Source { name: \"c.yaml\", bytes: 13 }"
        );
    }
}

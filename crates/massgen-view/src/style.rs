//! How output looks: width, colour, glyphs; and text with looks, which is measured, wrapped and cut without its
//! escape sequences.

use std::iter;
use std::ops::Range;

use textwrap::WordSeparator;
use textwrap::core::{Word, break_words};
use textwrap::wrap_algorithms::wrap_first_fit;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::clean::clean_text;

/// What the reader's terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns that may be used.
    pub width: usize,
    /// Whether colours and attributes are written.
    pub color: Color,
    /// Which characters draw bullets, rules and marks.
    pub glyphs: Glyphs,
    /// What becomes of the end of a reason that does not fit.
    pub ends: Ends,
}

impl Style {
    /// No colour, Unicode glyphs; what does not fit is cut.
    pub fn plain(width: usize) -> Self {
        Self { width, color: Color::Never, glyphs: Glyphs::Unicode, ends: Ends::Cut }
    }

    /// `self` with another width.
    #[must_use]
    pub fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    pub(crate) fn glyph(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        match self.glyphs {
            Glyphs::Unicode => unicode,
            Glyphs::Ascii => ascii,
        }
    }

    pub(crate) fn ellipsis(&self) -> &'static str {
        self.glyph("…", "...")
    }
}

/// Whether colours and attributes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Color {
    /// With escape sequences.
    Always,
    /// Without any (`NO_COLOR`, files, pipes).
    Never,
}

/// Which characters draw bullets, rules and marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Glyphs {
    /// Box drawing and symbols.
    Unicode,
    /// ASCII only.
    Ascii,
}

/// What becomes of the end of a reason that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// It is left out: a person sees the line go by.
    Cut,
    /// It stays, on lines below: a file is read later, and searched.
    Kept,
}

/// Colour and attributes of a piece of text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    hue: u8,
    attributes: u8,
}

impl Look {
    pub(crate) const PLAIN: Self = Self { hue: 0, attributes: 0 };
    pub(crate) const BOLD: Self = Self::attribute(1);
    pub(crate) const DIM: Self = Self::attribute(2);
    pub(crate) const ITALIC: Self = Self::attribute(4);
    pub(crate) const UNDERLINE: Self = Self::attribute(8);
    pub(crate) const STRIKE: Self = Self::attribute(16);
    pub(crate) const RED: Self = Self::color(31);
    pub(crate) const GREEN: Self = Self::color(32);
    pub(crate) const YELLOW: Self = Self::color(33);
    pub(crate) const BLUE: Self = Self::color(34);
    pub(crate) const CYAN: Self = Self::color(36);

    const fn attribute(bit: u8) -> Self {
        Self { hue: 0, attributes: bit }
    }

    const fn color(hue: u8) -> Self {
        Self { hue, attributes: 0 }
    }

    /// The look of an agent's id; neighbours differ.
    pub(crate) fn of_agent(index: usize) -> Self {
        let hues = [Self::CYAN, Self::color(35), Self::BLUE, Self::GREEN, Self::YELLOW];
        hues.get(index % hues.len()).copied().unwrap_or_default().and(Self::BOLD)
    }

    /// Both looks together; the colour of `other` wins.
    pub(crate) const fn and(self, other: Self) -> Self {
        let hue = if other.hue == 0 { self.hue } else { other.hue };
        Self { hue, attributes: self.attributes | other.attributes }
    }

    fn paint(self, text: &str, color: Color, out: &mut String) {
        let lines = Self::UNDERLINE.attributes | Self::STRIKE.attributes;
        let blank = self.attributes & lines == 0 && text.trim().is_empty();
        if color == Color::Never || self == Self::PLAIN || blank {
            out.push_str(text);
            return;
        }
        let codes = [(1, "1"), (2, "2"), (4, "3"), (8, "4"), (16, "9")];
        let mut codes: Vec<String> = codes
            .iter()
            .filter(|(bit, _)| self.attributes & bit != 0)
            .map(|(_, code)| (*code).to_owned())
            .collect();
        if self.hue != 0 {
            codes.push(self.hue.to_string());
        }
        out.push_str("\u{1b}[");
        out.push_str(&codes.join(";"));
        out.push('m');
        out.push_str(text);
        out.push_str("\u{1b}[0m");
    }
}

/// Columns that a rendered line takes in a terminal; its colours take none.
pub fn columns(line: &str) -> usize {
    textwrap::core::display_width(line)
}

/// Columns that `text` takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.width()
}

/// Text with looks. Whatever is pushed is cleaned first, so what is painted holds no escape sequences but ours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Styled {
    text: String,
    /// Where each look ends, in bytes; looks begin where the one before ends.
    runs: Vec<(usize, Look)>,
}

impl Styled {
    pub(crate) fn new(text: &str, look: Look) -> Self {
        let mut styled = Self::default();
        styled.push(text, look);
        styled
    }

    pub(crate) fn plain(text: &str) -> Self {
        Self::new(text, Look::PLAIN)
    }

    pub(crate) fn push(&mut self, text: &str, look: Look) {
        self.push_clean(&clean_text(text), look);
    }

    fn push_clean(&mut self, text: &str, look: Look) {
        if text.is_empty() {
            return;
        }
        self.text.push_str(text);
        let end = self.text.len();
        match self.runs.last_mut() {
            Some((last, same)) if *same == look => *last = end,
            _ => self.runs.push((end, look)),
        }
    }

    pub(crate) fn append(&mut self, other: &Self) {
        for (piece, look) in other.pieces(0..other.text.len()) {
            self.push_clean(piece, look);
        }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    pub(crate) fn width(&self) -> usize {
        width(&self.text)
    }

    /// Fills up with spaces to `columns`.
    pub(crate) fn pad(&mut self, columns: usize) {
        let missing = columns.saturating_sub(self.width());
        self.push_clean(&" ".repeat(missing), Look::PLAIN);
    }

    fn pieces(&self, range: Range<usize>) -> impl Iterator<Item = (&str, Look)> {
        let mut start = 0;
        self.runs.iter().filter_map(move |(end, look)| {
            let piece = start.max(range.start)..(*end).min(range.end);
            start = *end;
            let text = if piece.start < piece.end {
                self.text.get(piece)?
            } else {
                return None;
            };
            Some((text, *look))
        })
    }

    fn slice(&self, range: Range<usize>) -> Self {
        let mut part = Self::default();
        for (piece, look) in self.pieces(range) {
            part.push_clean(piece, look);
        }
        part
    }

    /// The lines of the text: at its line feeds, and where it would be wider than `columns`. Words that are too
    /// wide are broken.
    pub(crate) fn wrap(&self, columns: usize) -> Vec<Self> {
        self.wrap_hanging(columns, columns)
    }

    /// As [`Self::wrap`], with another width for the first line.
    pub(crate) fn wrap_hanging(&self, first: usize, rest: usize) -> Vec<Self> {
        let (first, rest) = (first.max(2), rest.max(2));
        let mut lines = Vec::new();
        let mut start = 0;
        for paragraph in self.text.split('\n') {
            let head = if lines.is_empty() { first } else { rest };
            for range in wrap_ranges(paragraph, head, rest) {
                lines.push(self.slice(start + range.start..start + range.end));
            }
            start += paragraph.len() + 1;
        }
        lines
    }

    /// The text itself when it fits in `columns`, else its beginning and an ellipsis.
    pub(crate) fn cut(&self, columns: usize, style: &Style) -> Self {
        if self.width() <= columns {
            return self.clone();
        }
        let room = columns.saturating_sub(width(style.ellipsis()));
        let mut used = 0;
        let end = self
            .text
            .char_indices()
            .find(|(_, c)| {
                used += c.width().unwrap_or(0);
                used > room
            })
            .map_or(self.text.len(), |(at, _)| at);
        let mut head = self.slice(0..end);
        let look = self.pieces(end..self.text.len()).next().map(|(_, look)| look).unwrap_or_default();
        if columns >= width(style.ellipsis()) {
            head.push_clean(style.ellipsis(), look);
        }
        head
    }

    /// As [`Self::cut`], but the end is kept: for lines that are still growing.
    pub(crate) fn cut_front(&self, columns: usize, style: &Style) -> Self {
        if self.width() <= columns {
            return self.clone();
        }
        let room = columns.saturating_sub(width(style.ellipsis()));
        let mut used = 0;
        let mut start = self.text.len();
        for (at, c) in self.text.char_indices().rev() {
            used += c.width().unwrap_or(0);
            if used > room {
                break;
            }
            start = at;
        }
        let tail = self.slice(start..self.text.len());
        let mut line = Self::default();
        if columns >= width(style.ellipsis()) {
            line.push_clean(style.ellipsis(), Look::DIM);
        }
        line.append(&tail);
        line
    }

    /// The text with escape sequences where `style` wants colour, without trailing spaces.
    pub(crate) fn paint(&self, style: &Style) -> String {
        let end = self.text.trim_end_matches(' ').len();
        let mut out = String::with_capacity(end + 16);
        for (piece, look) in self.pieces(0..end) {
            look.paint(piece, style.color, &mut out);
        }
        out
    }
}

/// Where the lines of `paragraph` (without line feeds) begin and end, in bytes; white space at breaks is left out.
fn wrap_ranges(paragraph: &str, first: usize, rest: usize) -> Vec<Range<usize>> {
    if paragraph.is_empty() {
        return iter::once(0..0).collect();
    }
    let words: Vec<Word<'_>> = break_words(words(paragraph), first.min(rest));
    #[expect(clippy::cast_precision_loss, reason = "terminal widths are small")]
    let widths = [first as f64, rest as f64];
    let mut start = 0;
    let mut ranges = Vec::new();
    for line in wrap_first_fit(&words, &widths) {
        let length: usize = line.iter().map(|word| word.len() + word.whitespace.len()).sum();
        let trailing = line.last().map_or(0, |word| word.whitespace.len());
        ranges.push(start..start + length - trailing);
        start += length;
    }
    ranges
}

/// The words of `paragraph` by the rules of Unicode, except that addresses and paths stay whole: between two ASCII
/// characters only white space parts.
fn words(paragraph: &str) -> Vec<Word<'_>> {
    let mut words: Vec<Word<'_>> = Vec::new();
    let mut start = 0;
    let mut end = 0;
    let ascii = |c: Option<char>| c.is_some_and(|c| c.is_ascii());
    for word in WordSeparator::UnicodeBreakProperties.find_words(paragraph) {
        let glued = words.last().is_some_and(|last| {
            last.whitespace.is_empty() && ascii(last.chars().next_back()) && ascii(word.chars().next())
        });
        if glued {
            words.pop();
        } else {
            start = end;
        }
        end += word.len() + word.whitespace.len();
        words.push(Word::from(paragraph.get(start..end).unwrap_or_default()));
    }
    words
}

#[cfg(test)]
#[path = "style_tests.rs"]
mod tests;

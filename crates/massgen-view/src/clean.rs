//! Makes text of models, providers and files harmless: no terminal escape sequence, no control character and no
//! invisible reordering mark is left, only visible text and line feeds.

use unicode_width::UnicodeWidthChar;

use crate::limits;

/// What a tabulator becomes.
const TAB: &str = "    ";

/// Longest control sequence that is taken for one; anything longer is text again.
const SEQUENCE_CHARS: u16 = 64;

/// Cleans a text that comes in pieces: a sequence that is cut between two pieces is still recognised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleaner {
    state: State,
    /// The last character was a carriage return, so a line feed after it says nothing new.
    after_return: bool,
    /// Zero-width characters in a row so far.
    marks: u8,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum State {
    /// Visible text.
    #[default]
    Text,
    /// After ESC.
    Escape,
    /// In a control sequence (`ESC [ …`), with its length so far.
    Control(u16),
    /// In a string command (`ESC ] …`: titles, links, clipboard).
    Command,
    /// After an ESC in a string command.
    CommandEscape,
}

impl Cleaner {
    /// Appends what is visible of `piece` to `out`.
    pub fn push(&mut self, piece: &str, out: &mut String) {
        for c in piece.chars() {
            self.push_char(c, out);
        }
    }

    fn push_char(&mut self, c: char, out: &mut String) {
        if matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}') {
            // A line end closes every sequence: an unfinished one may hide one line at most.
            if !(c == '\n' && self.after_return) {
                out.push('\n');
            }
            *self = Self { after_return: c == '\r', ..Self::default() };
            return;
        }
        self.after_return = false;
        self.state = match self.state {
            State::Text => self.text_char(c, out),
            State::Escape => match c {
                '[' => State::Control(0),
                ']' | 'P' | 'X' | '^' | '_' => State::Command,
                '\u{1b}' | ' '..='/' => State::Escape,
                '0'..='~' => State::Text,
                _ => self.text_char(c, out),
            },
            State::Control(length) => match c {
                ' '..='?' if length < SEQUENCE_CHARS => State::Control(length + 1),
                '@'..='~' => State::Text,
                _ => self.text_char(c, out),
            },
            State::Command => match c {
                '\u{7}' | '\u{9c}' => State::Text,
                '\u{1b}' => State::CommandEscape,
                _ => State::Command,
            },
            State::CommandEscape => match c {
                '\\' => State::Text,
                '[' => State::Control(0),
                '\u{1b}' => State::CommandEscape,
                _ => State::Command,
            },
        };
    }

    /// Handles `c` outside of any sequence and tells what follows.
    fn text_char(&mut self, c: char, out: &mut String) -> State {
        match c {
            '\u{1b}' => return State::Escape,
            '\u{9b}' => return State::Control(0),
            '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => return State::Command,
            '\t' => out.push_str(TAB),
            _ if c.is_control() || is_invisible(c) => {}
            _ if c.width() == Some(0) => {
                self.marks = self.marks.saturating_add(1);
                if self.marks <= limits::MARKS_PER_CHAR {
                    out.push(c);
                }
                return State::Text;
            }
            _ => out.push(c),
        }
        self.marks = 0;
        State::Text
    }
}

/// Characters that show nothing but change what is around them: direction overrides, which make text read other
/// than it is, tags and fillers. Joiners stay; scripts and emoji need them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` without anything that a terminal would obey; line ends become line feeds and tabulators four spaces.
pub fn clean_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    Cleaner::default().push(text, &mut out);
    out
}

/// As [`clean_text`], on one line: every run of white space becomes one space. At most
/// [`limits::LINE_CHARS`] characters are kept, and a mark stands for the rest.
pub fn clean_line(text: &str) -> String {
    let mut out = String::new();
    let mut chars = 0;
    // Cleaning only as much as can be shown keeps a reply of many megabytes cheap.
    let head: String = text.chars().take(limits::LINE_CHARS * 8).collect();
    for word in clean_text(&head).split_whitespace() {
        if chars > 0 {
            out.push(' ');
            chars += 1;
        }
        for c in word.chars() {
            if chars >= limits::LINE_CHARS {
                out.push('…');
                return out;
            }
            out.push(c);
            chars += 1;
        }
    }
    out
}

/// Whether `line` tells something: rules, fences and brackets alone do not.
pub(crate) fn tells(line: &str) -> bool {
    line.chars().any(char::is_alphanumeric)
}

/// The first line of `text` that tells something, cleaned.
pub fn first_line(text: &str) -> String {
    text.lines().map(clean_line).find(|line| tells(line)).unwrap_or_default()
}

/// The last line of `text` that tells something, cleaned.
pub fn last_line(text: &str) -> String {
    text.lines().rev().map(clean_line).find(|line| tells(line)).unwrap_or_default()
}

/// Words of `text`; in scripts without spaces every wide character counts as one.
pub fn words(text: &str) -> usize {
    let mut count = 0;
    let mut in_word = false;
    for c in text.chars() {
        let wide = c.width() == Some(2);
        if c.is_whitespace() {
            in_word = false;
        } else if wide || !in_word {
            count += 1;
            in_word = !wide;
        }
    }
    count
}

#[cfg(test)]
#[path = "clean_tests.rs"]
mod tests;

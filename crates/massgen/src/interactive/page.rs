//! Text for a terminal of a given width: whatever comes in is cleaned, wrapped or cut, and never coloured.

use massgen_view::clean::{clean_line, clean_text};
use massgen_view::columns;
use textwrap::core::Word;
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm, wrap};

/// Narrowest width that lines are wrapped for; a narrower terminal wraps them itself.
const LEAST_COLUMNS: usize = 20;

/// Widest text: longer lines are hard to read.
const MOST_COLUMNS: usize = 100;

/// Columns between a name and what is said of it.
const GAP: usize = 2;

/// How far text under a name goes in when there is no room beside it.
const INDENT: &str = "    ";

/// Lines that are being put together.
#[derive(Debug)]
pub(crate) struct Page {
    /// Columns of the terminal.
    terminal: usize,
    lines: Vec<String>,
}

impl Page {
    /// An empty page for a terminal of so many columns.
    pub(crate) fn new(terminal: usize) -> Self {
        Self { terminal: terminal.max(LEAST_COLUMNS), lines: Vec::new() }
    }

    /// Columns of running text.
    fn width(&self) -> usize {
        self.terminal.min(MOST_COLUMNS)
    }

    /// Lines break between words only. What is longer than a line stays whole, so that paths can be copied.
    fn options(&self) -> Options<'static> {
        Options::new(self.width())
            .wrap_algorithm(WrapAlgorithm::FirstFit)
            .word_separator(WordSeparator::Custom(words))
            .word_splitter(WordSplitter::NoHyphenation)
            .break_words(false)
    }

    /// An empty line, unless the page is empty or ends with one.
    pub(crate) fn blank(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(String::new());
        }
    }

    /// `text` on one line, or wrapped.
    pub(crate) fn line(&mut self, text: &str) {
        let text = clean_line(text);
        self.lines.extend(wrap(&text, self.options()).into_iter().map(String::from));
    }

    /// Names in one column and what is said of them in another; under each other where there is no room.
    pub(crate) fn pairs(&mut self, pairs: &[(String, String)]) {
        let pairs: Vec<_> = pairs.iter().map(|(name, text)| (clean_line(name), clean_line(text))).collect();
        let names = pairs.iter().map(|(name, _)| columns(name)).max().unwrap_or(0) + GAP;
        if names * 2 > self.width() {
            for (name, text) in pairs {
                let indented = self.options().initial_indent(INDENT).subsequent_indent(INDENT);
                self.lines.push(cut(&name, self.terminal));
                self.lines.extend(wrap(&text, indented).into_iter().map(String::from));
            }
            return;
        }
        for (name, text) in pairs {
            let head = format!("{name}{}", " ".repeat(names - columns(&name)));
            let rest = " ".repeat(names);
            let hanging = self.options().initial_indent(&head).subsequent_indent(&rest);
            let wrapped = wrap(&text, hanging);
            if wrapped.is_empty() {
                self.lines.push(head.trim_end().to_owned());
            }
            self.lines.extend(wrapped.into_iter().map(|line| line.trim_end().to_owned()));
        }
    }

    /// `text` as it is laid out, cleaned.
    pub(crate) fn verbatim(&mut self, text: &str) {
        self.lines.extend(clean_text(text).lines().map(|line| line.trim_end().to_owned()));
    }

    /// `text` as it is laid out, cleaned, each line cut at the edge of the terminal. Tells whether one was.
    pub(crate) fn cut(&mut self, text: &str) -> Cut {
        let mut was = Cut::Nothing;
        for line in clean_text(text).lines() {
            let shown = cut(line.trim_end(), self.terminal);
            if shown != line.trim_end() {
                was = Cut::Something;
            }
            self.lines.push(shown);
        }
        was
    }

    /// Text that a renderer of `massgen-view` has made for this width.
    pub(crate) fn rendered(&mut self, text: &str) {
        self.lines.extend(text.lines().map(str::to_owned));
    }

    /// The page, its last line ended.
    pub(crate) fn finish(mut self) -> String {
        while self.lines.last().is_some_and(String::is_empty) {
            self.lines.pop();
        }
        self.lines.push(String::new());
        self.lines.join("\n")
    }
}

/// The words of `line`. Scripts without spaces break where they may; a path is one word.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let words = WordSeparator::AsciiSpace.find_words(line);
    Box::new(words.flat_map(|word| -> Box<dyn Iterator<Item = Word<'_>>> {
        if word.word.contains('/') {
            return Box::new(std::iter::once(word));
        }
        let parts = WordSeparator::UnicodeBreakProperties.find_words(word.word);
        let mut parts: Vec<_> = parts.collect();
        if let Some(last) = parts.last_mut() {
            last.whitespace = word.whitespace;
        }
        Box::new(parts.into_iter())
    }))
}

/// Whether lines were too long for the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Nothing,
    Something,
}

/// The beginning of `line` that fits into `width` columns.
fn cut(line: &str, width: usize) -> String {
    if columns(line) <= width {
        return line.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for c in line.chars() {
        used += columns(c.encode_utf8(&mut [0; 4]));
        if used >= width {
            break;
        }
        shown.push(c);
    }
    shown.push('…');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_beside_their_texts_where_there_is_room_and_above_them_elsewhere() {
        let pairs = [
            ("/help".to_owned(), "show what can be done here".to_owned()),
            ("/inspect [N|all]".to_owned(), "look at the run of a question".to_owned()),
        ];
        let shown = |width| {
            let mut page = Page::new(width);
            page.pairs(&pairs);
            page.finish()
        };
        insta::assert_snapshot!(shown(40), @"
        /help             show what can be done
                          here
        /inspect [N|all]  look at the run of a
                          question
        ");
        insta::assert_snapshot!(shown(24), @"
        /help
            show what can be
            done here
        /inspect [N|all]
            look at the run of a
            question
        ");
    }

    #[test]
    fn a_path_stays_whole_and_a_script_without_spaces_does_not() {
        let mut page = Page::new(24);
        page.line(
            "all of it is in turn_1/attempt_1/coordination_table.txt, 漢字漢字漢字漢字漢字漢字漢字漢字",
        );
        insta::assert_snapshot!(page.finish(), @"
        all of it is in
        turn_1/attempt_1/coordination_table.txt,
        漢字漢字漢字漢字漢字漢字
        漢字漢字
        ");
    }

    #[test]
    fn no_escape_sequence_gets_through_and_no_line_is_too_wide() {
        let hostile =
            "\u{1b}]0;title\u{7}\u{1b}[31mred\u{1b}[0m \u{202e}desrever 漢字漢字漢字漢字漢字漢字漢字漢字";
        let mut page = Page::new(24);
        page.line(hostile);
        page.pairs(&[(hostile.to_owned(), hostile.to_owned())]);
        assert_eq!(page.cut(hostile), Cut::Something);
        assert_eq!(page.cut("short"), Cut::Nothing);
        let text = page.finish();
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{text:?}");
        assert!(text.lines().all(|line| columns(line) <= 24), "{text}");
    }
}

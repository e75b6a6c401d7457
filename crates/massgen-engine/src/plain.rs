//! What tools print, without what is meant for terminals: it would cost tokens, and could deceive who reads a log.

use std::borrow::Cow;

/// `text` without escape sequences and control characters. Tabs and line ends stay. A carriage return ends a line as a
/// line feed does, and with one it is one end: nothing goes that was in a file, and nothing can be hidden by writing over
/// it. Lines that are empty because of carriage returns are left out.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    let is_unwanted = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(is_unwanted) {
        return Cow::Borrowed(text);
    }
    let stripped = anstream::adapter::strip_str(text).to_string();
    let mut out = String::with_capacity(stripped.len());
    for line in stripped.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        let mut parts = line.split('\r').filter(|part| !part.is_empty()).peekable();
        while let Some(part) = parts.next() {
            out.extend(part.chars().filter(|c| !is_unwanted(*c)));
            if parts.peek().is_some() {
                out.push('\n');
            }
        }
        out.push_str(end);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_meant_for_terminals_is_left_out() {
        for (text, expected) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("\u{1b}[1;31mred\u{1b}[0m and \u{1b}]0;title\u{7}more", "red and more"),
            ("10 %\r50 %\r100 %\ndone\r\n", "10 %\n50 %\n100 %\ndone\n"),
            ("old Mac\rlines\r\r\nend\r\n\r\n", "old Mac\nlines\nend\n\n"),
            ("hidden\rseen", "hidden\nseen"),
            ("a\u{8}b\u{0}c\u{9b}2Jd", "abc2Jd"),
            ("\u{1b}", ""),
            ("é\u{1b}[2K✓", "é✓"),
        ] {
            assert_eq!(plain(text), expected, "{text:?}");
        }
        assert!(matches!(plain("as it is\n"), Cow::Borrowed(_)));
    }
}

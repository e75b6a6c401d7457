//! Short forms of long texts and lists.

/// Entries of a list of agents or labels that every agent's part of a document repeats. Whole, such lists would make the
/// document grow with the square of the number of agents; the whole list stands in `status.json` and in the journal.
pub(crate) const LISTED: usize = 64;

/// The first `chars` characters of `text`.
pub(crate) fn head(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).and_then(|(at, _)| text.get(..at)).unwrap_or(text)
}

/// The first `chars` characters of `text`, with `...` behind them if there are more.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    let head = head(text, chars);
    if head.len() == text.len() { text.to_owned() } else { format!("{head}...") }
}

/// `text` on one line: a line of a log or of standard output must not look like two.
pub(crate) fn one_line(text: &str) -> String {
    let is_gap = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let mut out = String::with_capacity(text.len());
    for part in text.split(is_gap).map(str::trim).filter(|part| !part.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(head("äöü", 2), "äö");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöü", 1), "ä...");
    }

    #[test]
    fn one_line_has_no_line_break_and_no_escape() {
        assert_eq!(one_line("a\r\n\nb\u{1b}[31m \u{2028} c\u{85}d\t"), "a b [31m c d");
    }
}

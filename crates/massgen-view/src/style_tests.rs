use proptest::prelude::*;

use super::*;

fn lines(text: &str, columns: usize) -> Vec<String> {
    Styled::plain(text).wrap(columns).iter().map(|line| line.paint(&Style::plain(columns))).collect()
}

#[test]
fn wrapping_keeps_words_and_breaks_only_what_is_too_wide() {
    assert_eq!(lines("one two three", 7), ["one two", "three"]);
    assert_eq!(lines("abcdefghij", 4), ["abcd", "efgh", "ij"]);
    assert_eq!(lines("日本語の文章", 5), ["日本", "語の", "文章"]);
    assert_eq!(lines("a\n\nb", 5), ["a", "", "b"]);
    assert_eq!(
        lines("see https://example.org/a/b?c=1 now", 28),
        ["see", "https://example.org/a/b?c=1", "now"]
    );
    assert_eq!(lines("uses gpt-5.4", 8), ["uses", "gpt-5.4"]);
}

#[test]
fn looks_follow_their_text_over_line_ends() {
    let mut text = Styled::plain("plain ");
    text.push("bold words here", Look::BOLD);
    let style = Style { color: Color::Always, ..Style::plain(12) };
    let painted: Vec<_> = text.wrap(12).iter().map(|line| line.paint(&style)).collect();
    assert_eq!(painted, ["plain \u{1b}[1mbold\u{1b}[0m", "\u{1b}[1mwords here\u{1b}[0m"]);
}

#[test]
fn a_cut_says_that_it_is_one_and_counts_wide_characters() {
    let style = Style::plain(80);
    assert_eq!(Styled::plain("abcdef").cut(4, &style).paint(&style), "abc…");
    assert_eq!(Styled::plain("日本語").cut(4, &style).paint(&style), "日…");
    assert_eq!(Styled::plain("abcdef").cut_front(4, &style).paint(&style), "…def");
    let ascii = Style { glyphs: Glyphs::Ascii, ..style };
    assert_eq!(Styled::plain("abcdefgh").cut(6, &ascii).paint(&ascii), "abc...");
}

proptest! {
    #[test]
    fn no_line_is_wider_than_asked_and_no_word_is_lost(text in "[a-z 日本é👍\n-]{0,80}", columns in 2_usize..40) {
        let text = clean_text(&text);
        let wrapped = lines(&text, columns);
        for line in &wrapped {
            prop_assert!(width(line) <= columns, "{line:?} is wider than {columns}");
        }
        let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        prop_assert_eq!(dense(&wrapped.concat()), dense(&text));
    }

    #[test]
    fn a_cut_fits(text in "[a-z 日本é👍-]{0,40}", columns in 0_usize..40) {
        let style = Style::plain(columns);
        let text = Styled::plain(&text);
        prop_assert!(text.cut(columns, &style).width() <= columns);
        prop_assert!(text.cut_front(columns, &style).width() <= columns);
    }
}

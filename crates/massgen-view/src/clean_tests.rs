use proptest::prelude::*;

use super::*;

#[test]
fn escape_sequences_disappear_whole() {
    for (hostile, seen) in [
        ("a\u{1b}[31mred\u{1b}[0m b", "ared b"),
        ("\u{1b}[2J\u{1b}[1;1Hclear", "clear"),
        ("\u{1b}]0;title\u{7}after", "after"),
        ("\u{1b}]8;;https://evil.example\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
        ("\u{1b}]52;c;aGk=\u{7}clipboard", "clipboard"),
        ("\u{1b}P1;2|dcs\u{1b}\\x", "x"),
        ("\u{9b}31mc1", "c1"),
        ("\u{9d}0;c1 title\u{9c}x", "x"),
        ("\u{1b}(Bcharset\u{1b}c", "charset"),
        ("\u{1b}\u{1b}[31mtwo", "two"),
        ("bell\u{7}back\u{8}del\u{7f}nul\0", "bellbackdelnul"),
        ("end\u{1b}", "end"),
        ("\u{1b}é", "é"),
    ] {
        assert_eq!(clean_text(hostile), seen, "{hostile:?}");
    }
}

#[test]
fn an_unfinished_sequence_hides_at_most_its_line() {
    assert_eq!(clean_text("\u{1b}]0;never ends\nnext line"), "\nnext line");
    assert_eq!(clean_text("\u{1b}[31\nnext line"), "\nnext line");
    let long = format!("\u{1b}[{}x", "1".repeat(100));
    assert!(clean_text(&long).ends_with("1x"), "a sequence has a greatest length");
}

#[test]
fn a_sequence_that_is_cut_between_pieces_is_still_recognised() {
    let mut cleaner = Cleaner::default();
    let mut seen = String::new();
    for piece in ["a\u{1b}", "[3", "1mb\r", "\nc\u{1b}]8;;x", "\u{1b}", "\\d"] {
        cleaner.push(piece, &mut seen);
    }
    assert_eq!(seen, "ab\ncd");
}

#[test]
fn text_that_reads_other_than_it_is_is_put_straight() {
    assert_eq!(clean_text("user\u{202e}nimda\u{202c}"), "usernimda");
    assert_eq!(clean_text("a\u{2066}b\u{2069}c\u{200f}d\u{feff}\u{e0041}"), "abcd");
    assert_eq!(clean_text("👨\u{200d}👩\u{200d}👧"), "👨\u{200d}👩\u{200d}👧", "joiners of emoji stay");
    let zalgo = format!("e{}", "\u{301}".repeat(100));
    assert_eq!(clean_text(&zalgo).chars().count(), 1 + usize::from(limits::MARKS_PER_CHAR));
}

#[test]
fn a_line_is_one_line_and_bounded() {
    assert_eq!(clean_line("  two\r\n lines\tand\u{2028}more "), "two lines and more");
    let long = clean_line(&"x".repeat(1_000_000));
    assert_eq!(long.chars().count(), limits::LINE_CHARS + 1);
    assert_eq!(first_line("\n \n first \nsecond"), "first");
    assert_eq!(last_line("first\nlast\u{1b}[0m\n```\n"), "last");
}

#[test]
fn words_are_counted_in_scripts_with_and_without_spaces() {
    assert_eq!(words(" The tides  are\ncaused "), 4);
    assert_eq!(words("潮汐は月"), 4);
    assert_eq!(words("GPT は 2"), 3);
    assert_eq!(words(""), 0);
}

proptest! {
    #[test]
    fn nothing_a_terminal_obeys_survives(text in hostile_text()) {
        let clean = clean_text(&text);
        prop_assert!(clean.chars().all(|c| c == '\n' || !(c.is_control() || is_invisible(c))), "{clean:?}");
        prop_assert_eq!(clean_text(&clean), clean);
    }

    #[test]
    fn pieces_and_the_whole_are_cleaned_alike(text in hostile_text(), at in any::<prop::sample::Index>()) {
        let chars: Vec<char> = text.chars().collect();
        let (head, tail) = chars.split_at(at.index(chars.len() + 1));
        let mut cleaner = Cleaner::default();
        let mut seen = String::new();
        cleaner.push(&head.iter().collect::<String>(), &mut seen);
        cleaner.push(&tail.iter().collect::<String>(), &mut seen);
        prop_assert_eq!(seen, clean_text(&text));
    }
}

fn hostile_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        any::<String>(),
        prop::sample::select(vec![
            "\u{1b}", "[", "]", "0;", "31m", "\u{7}", "\\", "\u{9b}", "\u{9d}", "\u{9c}", "\r", "\n",
            "\u{202e}", "\u{301}", "\t", "P", "x",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

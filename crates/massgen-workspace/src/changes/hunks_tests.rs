use proptest::prelude::*;

use super::{DoesNotFit, between, held, put_in};
use crate::changes::file_change::{Hunk, Text};

fn hunks(old: &[u8], new: &[u8]) -> Vec<Hunk> {
    match between(old, new) {
        Text::Hunks(hunks) => hunks,
        Text::Same => Vec::new(),
        other @ (Text::Binary | Text::Long) => panic!("{other:?}"),
    }
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    let line = proptest::sample::select(vec![&b"a"[..], b"b", b"c\r", b"\xe9", b""]);
    (proptest::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lines, ends)| {
        let mut text = lines.join(&b'\n');
        if ends && !text.is_empty() {
            text.push(b'\n');
        }
        text
    })
}

proptest! {
    #[test]
    fn all_hunks_make_the_new_text_of_the_old(old in text(), new in text()) {
        let hunks = hunks(&old, &new);
        let all: Vec<_> = hunks.iter().collect();
        prop_assert_eq!(put_in(&old, &all).unwrap(), new);
    }

    #[test]
    fn some_hunks_and_then_the_others_make_the_new_text(
        old in text(), new in text(), choice in any::<u64>()
    ) {
        let hunks = hunks(&old, &new);
        let chosen: Vec<_> = hunks.iter().filter(|hunk| choice >> (hunk.index % 64) & 1 == 1).collect();
        let partly = put_in(&old, &chosen).unwrap();
        // What is still missing is what was not chosen.
        let rest = self::hunks(&partly, &new);
        prop_assert_eq!(put_in(&partly, &rest.iter().collect::<Vec<_>>()).unwrap(), new);
    }
}

#[test]
fn hunk_follows_its_lines_when_others_were_added_above() {
    let old = b"1\n2\n3\n4\n5\n";
    let hunks = hunks(old, b"1\n2\nthree\n4\n5\n");
    let drifted = b"0\n1\n2\n3\n4\n5\n";
    assert_eq!(put_in(drifted, &[&hunks[0]]).unwrap(), b"0\n1\n2\nthree\n4\n5\n");
}

#[test]
fn hunk_whose_lines_are_gone_or_ambiguous_does_not_fit() {
    let hunks = hunks(b"x\n1\n", b"x\n2\n");
    assert_eq!(put_in(b"x\n3\n", &[&hunks[0]]), Err(DoesNotFit(0)));
    assert_eq!(put_in(b"-\nx\n1\n-\nx\n1\n", &[&hunks[0]]), Err(DoesNotFit(0)));
}

#[test]
fn missing_last_line_ending_never_glues_lines_together() {
    // The old text ends without a line ending, and so does the hunk; in the middle of a text that would join two lines.
    let hunks = hunks(b"a\nb", b"a\nc");
    assert_eq!(put_in(b"a\nb", &[&hunks[0]]).unwrap(), b"a\nc");
    assert_eq!(put_in(b"a\nb\nmore\n", &[&hunks[0]]), Err(DoesNotFit(0)));
}

#[test]
fn bytes_with_a_zero_are_binary_and_everything_else_is_text() {
    assert_eq!(between(b"a\0b", b"a"), Text::Binary);
    assert!(matches!(between(b"\xff\xfe", b"\xff"), Text::Hunks(_)));
}

#[test]
fn text_that_is_too_long_to_compare_is_replaced_between_what_is_alike() {
    let body = |seed: usize| -> String {
        let lines: Vec<_> = (0..30_000).map(|i| (i * seed % 7919).to_string() + "\n").collect();
        lines.concat()
    };
    let old = format!("head\n{}tail\n", body(3));
    let new = format!("head\n{}tail\n", body(5));
    let hunks = hunks(old.as_bytes(), new.as_bytes());
    assert_eq!(hunks.len(), 1);
    assert_eq!(put_in(old.as_bytes(), &[&hunks[0]]).unwrap(), new.as_bytes());
}

#[test]
fn hunks_that_stand_in_a_text_are_known_and_any_other_difference_is_one() {
    let text = |lines: [&str; 3]| {
        let same = "same\n".repeat(9);
        format!("{}\n{same}{}\n{same}{}\n", lines[0], lines[1], lines[2]).into_bytes()
    };
    let old = text(["a", "b", "c"]);
    let Text::Hunks(hunks) = between(&old, &text(["A\nand more", "", "C"])) else { panic!("it is a text") };
    assert_eq!(hunks.len(), 3);
    let held = |lines| held(&old, &hunks, &text(lines)).map(|held| held.into_iter().collect::<Vec<_>>());
    assert_eq!(held(["a", "b", "c"]), Some(vec![]));
    assert_eq!(held(["A\nand more", "b", "c"]), Some(vec![0]));
    assert_eq!(held(["a", "", "C"]), Some(vec![1, 2]));
    assert_eq!(held(["A\nand more", "", "C"]), Some(vec![0, 1, 2]));
    assert_eq!(held(["A", "b", "c"]), None);
    assert_eq!(held(["A\nand more", "b", "c\n"]), None);
    assert_eq!(held(["mine\na", "", "c"]), None);
}

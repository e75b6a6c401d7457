//! Two texts side by side, for models and people.

use massgen_protocol::limits::SHOWN_DIFFERENCE_BYTES;

use crate::changes::{Sides, line_by_line, write_hunk};

/// The unified diff from `before` to `after`, with `context` lines around each change. Empty when they are the same. What
/// takes too long to compare is shown as replaced, and of a long diff the first [`SHOWN_DIFFERENCE_BYTES`] bytes.
pub fn unified_diff(before: &str, after: &str, names: (&str, &str), context: usize) -> String {
    let hunks = line_by_line(before.as_bytes(), after.as_bytes(), context);
    if hunks.is_empty() {
        return String::new();
    }
    let mut diff = format!("--- {}\n+++ {}\n", names.0, names.1).into_bytes();
    for hunk in &hunks {
        write_hunk(&mut diff, hunk, Sides::BOTH);
    }
    // Both texts are UTF-8, and are cut at the ends of lines only.
    let mut shown = String::from_utf8_lossy(&diff).into_owned();
    let end =
        diff.iter().take(SHOWN_DIFFERENCE_BYTES).rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if diff.len() > SHOWN_DIFFERENCE_BYTES {
        let more = diff.get(end..).unwrap_or_default().split_inclusive(|byte| *byte == b'\n').count();
        shown.truncate(end);
        let rest = format!("(… {more} more lines)\n");
        shown.push_str(&rest);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_with_lines_around_it() {
        let diff = unified_diff("a\nb\nc\nd\n", "a\nb\nC\nd", ("old", "new"), 1);
        assert_eq!(
            diff,
            "--- old\n+++ new\n@@ -2,3 +2,3 @@\n b\n-c\n-d\n+C\n+d\n\\ No newline at end of file\n"
        );
        assert_eq!(unified_diff("a\n", "a\n", ("old", "new"), usize::MAX), "");
        assert!(unified_diff("a\nb\n", "a\nc\n", ("old", "new"), usize::MAX).contains("\n a\n-b\n+c\n"));
    }

    #[test]
    fn texts_that_take_too_long_to_compare_are_shown_as_replaced_and_not_all_of_it() {
        // No line of one is in the other, and each would be looked for everywhere.
        let text =
            |from: usize| (from..from + 60_000).map(|n| format!("{n:030}\n")).collect::<Vec<_>>().concat();
        let diff = unified_diff(&text(0), &text(100_000), ("old", "new"), 3);
        assert!(diff.starts_with("--- old\n+++ new\n@@ -1,60000 +1,60000 @@\n-0"), "{}", &diff[..80]);
        assert!(diff.len() < SHOWN_DIFFERENCE_BYTES + 100);
        let more = 120_000 + 3 - (diff.lines().count() - 1);
        assert!(diff.ends_with(&format!("\n(… {more} more lines)\n")), "{}", &diff[diff.len() - 80..]);
    }
}

//! Hunks in a text. A hunk that fits in several places, or in none, changes nothing.

use super::parse::{End, Hunk, Line};

/// Characters of a line that a message repeats.
const REPEATED: usize = 100;

/// Why a hunk does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misfit {
    #[error(
        "the line `{0}` after `@@` is not in the file below the hunk before; copy it exactly or leave it out"
    )]
    NoHeader(String),
    #[error(
        "hunk {hunk} does not fit: `{line}` and the lines with it are not in the file; read the file again"
    )]
    Nowhere { hunk: usize, line: String },
    #[error("hunk {hunk} fits at lines {first} and {second}; add a line after `@@` or more lines around it")]
    Twice { hunk: usize, first: usize, second: usize },
}

/// How exactly lines are compared.
#[derive(Debug, Clone, Copy)]
enum Exactness {
    /// All of them.
    Whole,
    /// Without the space at their ends.
    WithoutEnd,
    /// Without the space on both sides.
    Trimmed,
}

impl Exactness {
    fn same(self, one: &str, other: &str) -> bool {
        match self {
            Self::Whole => one == other,
            Self::WithoutEnd => one.trim_end() == other.trim_end(),
            Self::Trimmed => one.trim() == other.trim(),
        }
    }
}

/// `text` with all hunks applied, in order. Line endings and a mark at the beginning stay.
pub(super) fn apply(text: &str, hunks: &[Hunk]) -> Result<String, Misfit> {
    let (mark, text) = match text.strip_prefix('\u{feff}') {
        Some(rest) => ("\u{feff}", rest),
        None => ("", text),
    };
    let ending = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let plain: Vec<&str> = lines.iter().map(|line| line.trim_end_matches(['\n', '\r'])).collect();
    let ends_open = lines.last().is_some_and(|line| !line.ends_with('\n'));
    let mut result: Vec<String> = Vec::new();
    let mut at = 0;
    for (index, hunk) in hunks.iter().enumerate() {
        let mut from = at;
        for header in &hunk.after {
            let below = plain.get(from..).unwrap_or_default();
            let place = [Exactness::Whole, Exactness::Trimmed]
                .into_iter()
                .find_map(|exactness| below.iter().position(|line| exactness.same(line, header)));
            from += place.ok_or_else(|| Misfit::NoHeader(shortened(header)))? + 1;
        }
        let begin = place_of(&plain, hunk, from, index + 1)?;
        let mut next = begin;
        result.extend(lines.get(at..begin).unwrap_or_default().iter().map(|line| (*line).to_owned()));
        for line in &hunk.lines {
            match line {
                Line::Kept(_) => {
                    result.extend(lines.get(next).map(|line| (*line).to_owned()));
                    next += 1;
                }
                Line::Removed(_) => next += 1,
                Line::Added(added) => {
                    if let Some(last) = result.last_mut().filter(|last| !last.ends_with('\n')) {
                        last.push_str(ending);
                    }
                    result.push(format!("{added}{ending}"));
                }
            }
        }
        at = next;
    }
    result.extend(lines.get(at..).unwrap_or_default().iter().map(|line| (*line).to_owned()));
    let mut text = result.concat();
    // A file without a line break at its end keeps none.
    if ends_open && at == lines.len() && text.ends_with(ending) {
        text.truncate(text.len() - ending.len());
    }
    Ok(format!("{mark}{text}"))
}

/// The line before which `hunk` begins, from `from` on.
fn place_of(plain: &[&str], hunk: &Hunk, from: usize, number: usize) -> Result<usize, Misfit> {
    let old: Vec<&str> = hunk
        .lines
        .iter()
        .filter_map(|line| match line {
            Line::Kept(text) | Line::Removed(text) => Some(text.trim_end_matches('\r')),
            Line::Added(_) => None,
        })
        .collect();
    if old.is_empty() {
        // Only new lines: below the line after `@@`, else at the end.
        return Ok(if hunk.after.is_empty() || hunk.end == End::OfFile { plain.len() } else { from });
    }
    let below = plain.get(from..).unwrap_or_default();
    for exactness in [Exactness::Whole, Exactness::WithoutEnd, Exactness::Trimmed] {
        let fits = |window: &[&str]| window.iter().zip(&old).all(|(line, old)| exactness.same(line, old));
        let is_last = |at: usize| at + old.len() == below.len();
        let mut places = below
            .windows(old.len())
            .enumerate()
            .filter(|(at, window)| fits(window) && (hunk.end == End::Open || is_last(*at)))
            .map(|(at, _)| from + at);
        match (places.next(), places.next()) {
            (Some(first), Some(second)) if hunk.after.is_empty() => {
                return Err(Misfit::Twice { hunk: number, first: first + 1, second: second + 1 });
            }
            (Some(first), _) => return Ok(first),
            (None, _) => {}
        }
    }
    let line = old.iter().find(|line| !line.trim().is_empty()).copied().unwrap_or_default();
    Err(Misfit::Nowhere { hunk: number, line: shortened(line) })
}

fn shortened(line: &str) -> String {
    line.chars().take(REPEATED).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::parse::{Change, parse};
    use super::*;

    fn changed(text: &str, hunks: &str) -> Result<String, Misfit> {
        let patch =
            parse(&format!("*** Begin Patch\n*** Update File: f\n{hunks}\n*** End Patch")).expect("a patch");
        let Some(Change::Update { hunks, .. }) = patch.0.first() else { panic!("an update") };
        apply(text, hunks)
    }

    #[test]
    fn hunks_are_applied_where_they_fit() {
        for (text, hunks, after) in [
            ("a\nb\nc\n", " a\n-b\n+x", "a\nx\nc\n"),
            ("a\nb\nc", " b\n-c\n+x", "a\nb\nx"),
            ("a\nb", "+x", "a\nb\nx"),
            ("", "+x", "x\n"),
            ("a\r\nb\r\n", " a\n+x\n b", "a\r\nx\r\nb\r\n"),
            ("f\n  x\ng\n  x\n", "@@ g\n-  x\n+  y", "f\n  x\ng\n  y\n"),
            ("a  \nb\n", " a\n-b\n+c", "a  \nc\n"),
            ("\u{feff}a\n", "-a\n+b", "\u{feff}b\n"),
            ("x\ny\nx\n", "-x\n+z\n*** End of File", "x\ny\nz\n"),
            ("1\n2\n3\n4\n", "-1\n+a\n@@\n-4\n+b", "a\n2\n3\nb\n"),
            ("a\n\nb\n", " a\n\n-b\n+c", "a\n\nc\n"),
            ("a\nb\n", "@@ a\n+x", "a\nx\nb\n"),
        ] {
            assert_eq!(changed(text, hunks).as_deref(), Ok(after), "{text:?} {hunks:?}");
        }
    }

    #[test]
    fn a_hunk_that_fits_nowhere_or_twice_is_refused() {
        assert!(matches!(changed("a\n", "-b"), Err(Misfit::Nowhere { hunk: 1, .. })));
        assert!(matches!(changed("a\nb\na\n", "-a"), Err(Misfit::Twice { hunk: 1, first: 1, second: 3 })));
        assert!(matches!(changed("a\n", "@@ z\n-a"), Err(Misfit::NoHeader(_))));
        // Hunks come in the order of the file.
        assert!(matches!(changed("a\nb\n", "-b\n@@\n-a"), Err(Misfit::Nowhere { hunk: 2, .. })));
    }

    proptest! {
        #[test]
        fn one_line_that_is_there_once_is_replaced_and_the_rest_stays(
            before in prop::collection::vec("[a-d]{0,3}", 0..6),
            after in prop::collection::vec("[a-d]{0,3}", 0..6),
            new in "[x-z]{1,3}",
            ends in any::<bool>(),
        ) {
            let text = |line: &str| {
                let lines: Vec<&str> =
                    before.iter().map(String::as_str).chain([line]).chain(after.iter().map(String::as_str)).collect();
                format!("{}{}", lines.join("\n"), if ends { "\n" } else { "" })
            };
            prop_assert_eq!(changed(&text("OLD"), &format!("-OLD\n+{new}")), Ok(text(&new)));
        }
    }
}

//! Two texts side by side, for models and people.

use similar::TextDiff;

/// The unified diff from `before` to `after`, with `context` lines around each change. Empty when they are the same.
pub fn unified_diff(before: &str, after: &str, names: (&str, &str), context: usize) -> String {
    let diff = TextDiff::from_lines(before, after);
    diff.unified_diff().context_radius(context).header(names.0, names.1).to_string()
}

//! Changes for people, and for programs that show them.

use serde::Serialize;

use crate::changes::file_change::{FileChange, Hunk, Side, Status, Text};
use crate::changes::spelling::{spell, spell_bytes};
use crate::tree::{Entry, Mode, TreePath};

/// A change as review files list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Where it is, below the context path; the new place of a renamed file. It is what an approval names.
    pub path: String,
    /// `M`, `A`, `D`, `R` or `T`.
    pub status: char,
}

/// The change as review files list it. An empty folder ends in `/`.
pub fn listed(change: &FileChange) -> Listed {
    let is_folder = [&change.before, &change.after].into_iter().flatten().all(|e| *e == Entry::EmptyFolder);
    let end = if is_folder { "/" } else { "" };
    Listed { path: format!("{}{end}", spell(&change.path)), status: change.status.letter() }
}

/// The changes of one context path as review requests carry them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContextReview {
    /// The context path.
    pub original_path: String,
    /// Where the agent changed it.
    pub isolated_path: String,
    /// What the paths of the changes are relative to: the isolated path.
    pub repo_root: String,
    /// The commit in the isolated path that the agent began with.
    pub base_ref: Option<String>,
    /// Always nothing: paths are relative to the context path already.
    pub context_prefix: Option<String>,
    /// Every change.
    pub changes: Vec<Listed>,
    /// All changes as [`unified`] writes them; bytes that are not UTF-8 are replaced.
    pub diff: String,
}

/// All changes as one text in git's format, which `git apply` and `patch` read. Empty folders are not in it, as git does not
/// know them. It need not be UTF-8.
pub fn unified(changes: &[FileChange]) -> Vec<u8> {
    let mut out = Vec::new();
    for change in changes {
        match change.status {
            Status::TypeChanged => {
                section(&mut out, &change.path, &change.path, change.before.as_ref(), None, change);
                section(&mut out, &change.path, &change.path, None, change.after.as_ref(), change);
            }
            Status::Added | Status::Modified | Status::Deleted | Status::Renamed { .. } => {
                let from = change.from.as_ref().unwrap_or(&change.path);
                section(&mut out, from, &change.path, change.before.as_ref(), change.after.as_ref(), change);
            }
        }
    }
    out
}

fn section(
    out: &mut Vec<u8>,
    from: &TreePath,
    to: &TreePath,
    before: Option<&Entry>,
    after: Option<&Entry>,
    change: &FileChange,
) {
    let (old_mode, new_mode) = (before.and_then(mode), after.and_then(mode));
    if old_mode.is_none() && new_mode.is_none() {
        return;
    }
    let (a, b) = (named("a/", from), named("b/", to));
    let mut line = |text: String| {
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    };
    line(format!("diff --git {a} {b}"));
    match (old_mode, new_mode) {
        (None, Some(mode)) => line(format!("new file mode {mode}")),
        (Some(mode), None) => line(format!("deleted file mode {mode}")),
        (Some(old), Some(new)) if old != new => {
            line(format!("old mode {old}"));
            line(format!("new mode {new}"));
        }
        (Some(_), Some(_)) | (None, None) => {}
    }
    if let Status::Renamed { percent } = change.status {
        line(format!("similarity index {percent}%"));
        line(format!("rename from {}", spell(from)));
        line(format!("rename to {}", spell(to)));
    }
    let old_name = old_mode.map_or("/dev/null", |_| &a);
    let new_name = new_mode.map_or("/dev/null", |_| &b);
    match &change.text {
        Text::Same => {}
        Text::Binary => line(format!("Binary files {old_name} and {new_name} differ")),
        Text::Long => line(format!("Files {old_name} and {new_name} differ: too long to be shown")),
        Text::Hunks(hunks) => {
            let shows = |hunk: &Hunk| {
                (old_mode.is_some() && hunk.old_lines().next().is_some())
                    || (new_mode.is_some() && hunk.new_lines().next().is_some())
            };
            if hunks.iter().any(shows) {
                line(format!("--- {}", with_end(old_name)));
                line(format!("+++ {}", with_end(new_name)));
            }
            for hunk in hunks.iter().filter(|hunk| shows(hunk)) {
                write_hunk(out, hunk, Sides { old: old_mode.is_some(), new: new_mode.is_some() });
            }
        }
    }
}

/// Which sides of a hunk are shown.
#[derive(Clone, Copy)]
pub(crate) struct Sides {
    old: bool,
    new: bool,
}

impl Sides {
    pub(crate) const BOTH: Self = Self { old: true, new: true };
}

/// Writes a hunk with its header.
pub(crate) fn write_hunk(out: &mut Vec<u8>, hunk: &Hunk, sides: Sides) {
    let old = if sides.old { hunk.old_lines().count() } else { 0 };
    let new = if sides.new { hunk.new_lines().count() } else { 0 };
    let header = format!("@@ -{} +{} @@\n", range(hunk.old_start, old), range(hunk.new_start, new));
    out.extend_from_slice(header.as_bytes());
    for line in &hunk.lines {
        let sign = match line.side {
            Side::Both => b' ',
            Side::Old if sides.old => b'-',
            Side::New if sides.new => b'+',
            Side::Old | Side::New => continue,
        };
        out.push(sign);
        out.extend_from_slice(&line.bytes);
        if !line.bytes.ends_with(b"\n") {
            out.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}

/// A range of lines as the format wants it: counted from 1, without a length of one; an empty one names the line before.
fn range(start: usize, length: usize) -> String {
    match length {
        0 => format!("{start},0"),
        1 => format!("{}", start + 1),
        _ => format!("{},{length}", start + 1),
    }
}

fn mode(entry: &Entry) -> Option<&'static str> {
    match entry {
        Entry::File { mode: Mode::Plain, .. } => Some("100644"),
        Entry::File { mode: Mode::Executable, .. } => Some("100755"),
        Entry::Link { .. } => Some("120000"),
        Entry::EmptyFolder => None,
    }
}

fn named(side: &str, path: &TreePath) -> String {
    let mut bytes = side.as_bytes().to_vec();
    bytes.extend_from_slice(path.as_bytes());
    spell_bytes(&bytes)
}

/// A name with a space ends in a tab, so that readers know where it ends.
fn with_end(name: &str) -> String {
    if name.contains(' ') { format!("{name}\t") } else { name.to_owned() }
}

#[cfg(test)]
#[path = "unified_tests.rs"]
mod tests;

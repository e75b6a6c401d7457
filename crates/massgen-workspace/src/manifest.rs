//! A tree as bytes: one form for each tree, so that its hash names it.
//!
//! ```text
//! massgen snapshot 1\n
//! f <size> <hash> <path>\0          a file
//! x <size> <hash> <path>\0          a file that its owner may execute
//! l <length> <target> <path>\0      a symbolic link; the length is that of the target, in bytes
//! d <path>\0                        an empty folder
//! o <path>\0                        something that was left out
//! ```
//!
//! Entries stand in order of path, compared byte by byte, and what was left out stands behind them. Names are bytes as
//! they are.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use crate::tree::{Digest, Entry, Mode, Tree, TreePath};

/// The first line; the number is that of the form.
const HEADER: &[u8] = b"massgen snapshot 1\n";

/// About what one entry takes, to ask for memory once.
const USUAL_ENTRY_BYTES: usize = 128;

/// What a snapshot says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    /// What it holds.
    pub tree: Tree,
    /// What the folder held and the snapshot does not. What stands here, or below it, was not looked at: it is not in
    /// the tree, and was not deleted. A `.git` does not stand here; it is never kept.
    pub left_out: BTreeSet<TreePath>,
}

impl Manifest {
    /// Whether `path`, or a folder that it is in, was left out.
    pub fn leaves_out(&self, path: &TreePath) -> bool {
        let mut above = Some(path.clone());
        while let Some(path) = above {
            if self.left_out.contains(&path) {
                return true;
            }
            above = path.parent();
        }
        false
    }
}

/// The bytes of a manifest of `tree`, which leaves out `left_out`.
pub(crate) fn encode(tree: &Tree, left_out: &BTreeSet<TreePath>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER.len() + tree.entries.len() * USUAL_ENTRY_BYTES);
    bytes.extend_from_slice(HEADER);
    for (path, entry) in &tree.entries {
        // Writing to memory does not fail.
        let _ = match entry {
            Entry::File { digest, size, mode } => {
                let kind = match mode {
                    Mode::Plain => 'f',
                    Mode::Executable => 'x',
                };
                write!(bytes, "{kind} {size} {digest} ")
            }
            Entry::Link { target } => write!(bytes, "l {} ", target.len()).map(|()| {
                bytes.extend_from_slice(target);
                bytes.push(b' ');
            }),
            Entry::EmptyFolder => write!(bytes, "d "),
        };
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
    }
    for path in left_out {
        bytes.extend_from_slice(b"o ");
        bytes.extend_from_slice(path.as_bytes());
        bytes.push(0);
    }
    bytes
}

/// The manifest with these bytes.
///
/// # Errors
/// What is wrong with the bytes. Only what [`encode`] writes is taken.
pub(crate) fn decode(bytes: &[u8]) -> Result<Manifest, String> {
    let mut rest = bytes
        .strip_prefix(HEADER)
        .ok_or("it does not begin as a snapshot does, or it was written by a newer massgen")?;
    let (mut entries, mut left_out) = (BTreeMap::new(), BTreeSet::new());
    while !rest.is_empty() {
        let read = entries.len() + left_out.len();
        let (path, line) = one(&mut rest).ok_or_else(|| format!("entry {} cannot be read", read + 1))?;
        let in_order = match line {
            Line::Entry(entry) => {
                let in_order = entries.last_key_value().is_none_or(|(last, _)| *last < path);
                entries.insert(path.clone(), entry);
                in_order && left_out.is_empty()
            }
            Line::LeftOut => {
                let in_order = left_out.last().is_none_or(|last| *last < path);
                left_out.insert(path.clone());
                in_order
            }
        };
        if !in_order {
            return Err(format!("`{path}` is not in order"));
        }
    }
    let tree = Tree { entries };
    if let Some(path) = tree.entries.keys().find(|path| tree.holds_below(path)) {
        return Err(format!("`{path}` has something below it and is not a folder"));
    }
    Ok(Manifest { tree, left_out })
}

/// What is said of a path.
enum Line {
    Entry(Entry),
    LeftOut,
}

/// Takes one line off the front of `rest`.
fn one(rest: &mut &[u8]) -> Option<(TreePath, Line)> {
    let kind = until(rest, b' ')?;
    let line = match kind {
        b"f" | b"x" => {
            let size = number(until(rest, b' ')?)?;
            let digits = until(rest, b' ')?;
            let digest = Digest::parse(str::from_utf8(digits).ok()?)?;
            if digits.iter().any(u8::is_ascii_uppercase) {
                return None;
            }
            let mode = if kind == b"x" { Mode::Executable } else { Mode::Plain };
            Line::Entry(Entry::File { digest, size, mode })
        }
        b"l" => {
            let length = usize::try_from(number(until(rest, b' ')?)?).ok()?;
            let (target, after) = rest.split_at_checked(length)?;
            *rest = after.strip_prefix(b" ")?;
            Line::Entry(Entry::Link { target: target.to_vec() })
        }
        b"d" => Line::Entry(Entry::EmptyFolder),
        b"o" => Line::LeftOut,
        _ => return None,
    };
    Some((TreePath::new(until(rest, 0)?)?, line))
}

/// What stands before the next `end`, which is taken off too.
fn until<'a>(rest: &mut &'a [u8], end: u8) -> Option<&'a [u8]> {
    let at = rest.iter().position(|byte| *byte == end)?;
    let (before, after) = rest.split_at_checked(at)?;
    *rest = after.get(1..)?;
    Some(before)
}

/// A number as [`encode`] writes it: digits, without a sign or leading zeros.
fn number(digits: &[u8]) -> Option<u64> {
    let plain = digits == b"0" || (digits.first() != Some(&b'0') && digits.iter().all(u8::is_ascii_digit));
    plain.then(|| str::from_utf8(digits).ok()?.parse().ok())?
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;

//! Finds deleted and added files that are one file under another name.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use massgen_protocol::limits::{RENAME_FILE_BYTES, RENAME_PAIRS};

use crate::changes::hunks::lines;
use crate::contents::Contents;
use crate::tree::{Digest, Entry, TreePath};

/// How alike two files must be to count as one, of 100.
const ALIKE: u8 = 50;

/// How many files with the same content are looked through for one with the same name.
const SAME_NAMES: usize = 100;

/// A file under another name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rename {
    pub(crate) from: TreePath,
    pub(crate) percent: u8,
}

/// The files of `added` that were among `deleted`, each at most once: first those with the same content, then the most
/// alike.
pub(crate) fn find(
    deleted: &BTreeMap<&TreePath, &Entry>,
    added: &BTreeMap<&TreePath, &Entry>,
    contents: &dyn Contents,
) -> io::Result<BTreeMap<TreePath, Rename>> {
    let mut sources: BTreeMap<&TreePath, (Digest, u64)> = files(deleted);
    let mut by_content: BTreeMap<Digest, Vec<&TreePath>> = BTreeMap::new();
    for (path, (digest, _)) in &sources {
        by_content.entry(*digest).or_default().push(path);
    }
    let mut found = BTreeMap::new();
    let mut open = Vec::new();
    for (path, (digest, size)) in files(added) {
        let same = by_content.get_mut(&digest).filter(|same| !same.is_empty());
        let best = same.map(|same| {
            let place = same.iter().take(SAME_NAMES).position(|from| name(from) == name(path));
            same.remove(place.unwrap_or(0))
        });
        match best {
            Some(from) => {
                sources.remove(from);
                found.insert(path.clone(), Rename { from: from.clone(), percent: 100 });
            }
            None => open.push((path, digest, size)),
        }
    }
    for (path, from, percent) in alike(&sources, &open, contents)? {
        if sources.contains_key(from) && !found.contains_key(path) {
            sources.remove(from);
            found.insert(path.clone(), Rename { from: from.clone(), percent });
        }
    }
    Ok(found)
}

/// All pairs that are alike enough, the most alike first.
fn alike<'a>(
    sources: &BTreeMap<&'a TreePath, (Digest, u64)>,
    added: &[(&'a TreePath, Digest, u64)],
    contents: &dyn Contents,
) -> io::Result<Vec<(&'a TreePath, &'a TreePath, u8)>> {
    let comparable = |size: u64| size <= RENAME_FILE_BYTES;
    let old: Vec<_> = sources.iter().filter(|(_, (_, size))| comparable(*size)).collect();
    let new: Vec<_> = added.iter().filter(|(_, _, size)| comparable(*size)).collect();
    if old.is_empty() || new.is_empty() || old.len().saturating_mul(new.len()) > RENAME_PAIRS {
        return Ok(Vec::new());
    }
    let old = old
        .into_iter()
        .map(|(path, (digest, _))| Ok((*path, Profile::of(&contents.read(digest)?))))
        .collect::<io::Result<Vec<_>>>()?;
    let mut pairs = Vec::new();
    for (path, digest, _) in new {
        let profile = Profile::of(&contents.read(digest)?);
        for (from, source) in &old {
            let percent = source.likeness(&profile);
            if percent >= ALIKE {
                pairs.push((*path, *from, percent));
            }
        }
    }
    pairs.sort_by_key(|(path, from, percent)| {
        (std::cmp::Reverse(*percent), name(path) != name(from), path.as_bytes(), from.as_bytes())
    });
    Ok(pairs)
}

/// Files with content: empty ones are all alike and say nothing.
fn files<'a>(entries: &BTreeMap<&'a TreePath, &'a Entry>) -> BTreeMap<&'a TreePath, (Digest, u64)> {
    let with_content = |entry: &Entry| match entry {
        Entry::File { digest, size, .. } => (*size > 0).then_some((*digest, *size)),
        Entry::Link { .. } | Entry::EmptyFolder => None,
    };
    entries.iter().filter_map(|(path, entry)| Some((*path, with_content(entry)?))).collect()
}

fn name(path: &TreePath) -> &[u8] {
    path.as_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// How many bytes of a file stand in which lines.
struct Profile {
    bytes: u64,
    lines: BTreeMap<u64, u64>,
}

impl Profile {
    fn of(text: &[u8]) -> Self {
        let mut profile = Self { bytes: length(text), lines: BTreeMap::new() };
        for line in lines(text) {
            // Its seed is fixed, so the result is the same in every run.
            let mut hasher = DefaultHasher::new();
            line.hash(&mut hasher);
            *profile.lines.entry(hasher.finish()).or_default() += length(line);
        }
        profile
    }

    /// The share of bytes in common lines, of 99: only equal contents are wholly alike.
    fn likeness(&self, other: &Self) -> u8 {
        let common: u64 =
            self.lines.iter().filter_map(|(hash, bytes)| Some((*bytes).min(*other.lines.get(hash)?))).sum();
        let share = common.saturating_mul(100) / self.bytes.max(other.bytes).max(1);
        u8::try_from(share.min(99)).unwrap_or(99)
    }
}

fn length(text: &[u8]) -> u64 {
    u64::try_from(text.len()).unwrap_or(u64::MAX)
}

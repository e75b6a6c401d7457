//! What is known of the files of a folder from its last scan, so that only changed ones are read again.

use std::collections::{BTreeSet, btree_map};
use std::iter::{Peekable, Zip};
use std::slice;
use std::sync::Arc;

use rustix::fs::Stat;

use crate::tree::{Digest, Entry, Tree, TreePath};

/// What the file system says of a file. While it is the same, so are the bytes; a program that changes them through
/// mapped memory, and keeps the mapping, may go unnoticed until it lets go, as with git.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Bytes.
    pub(crate) size: u64,
    device: i64,
    inode: i64,
    /// When the bytes changed, in nanoseconds since 1970. A program can set it.
    modified: i64,
    /// When anything changed. No program can set it.
    changed: i64,
}

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// File systems stamp with the time of the last tick of the kernel, at most 10 ms ago. Two writes within a tick have the
/// same stamp.
const TICK: i64 = SECOND / 100;

/// What file systems with coarse times round to.
const COARSE: i64 = 2 * SECOND;

impl Stamp {
    pub(crate) fn of(stat: &Stat) -> Self {
        let nanoseconds = |seconds: i64, part: i64| seconds.saturating_mul(SECOND).saturating_add(part);
        Self {
            size: number(stat.st_size).try_into().unwrap_or(0),
            device: number(stat.st_dev),
            inode: number(stat.st_ino),
            modified: nanoseconds(number(stat.st_mtime), number(stat.st_mtime_nsec)),
            changed: nanoseconds(number(stat.st_ctime), number(stat.st_ctime_nsec)),
        }
    }

    /// Whether the file could have been written again at `now` without another stamp.
    fn is_fresh(self, now: Moment) -> bool {
        let last = self.modified.max(self.changed);
        let grain = if last % SECOND == 0 { COARSE } else { TICK };
        last.saturating_add(grain) >= now.0
    }
}

/// Fields of a stat have other types on other systems.
fn number<T: TryInto<i64>>(value: T) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

/// A moment by the clock that stamps files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(i64);

impl Moment {
    /// When a file was last changed.
    pub(crate) fn of_change(stat: &Stat) -> Self {
        Self(Stamp::of(stat).changed)
    }
}

/// What the last scan of one folder found. One for each folder and store; empty at the beginning.
#[derive(Debug, Clone, Default)]
pub struct StatCache {
    tree: Arc<Tree>,
    /// For each entry of the tree, in its order, the stamp of the file; none if it must be read again.
    stamps: Vec<Option<Stamp>>,
    /// What was left out, and which snapshot it became.
    kept: Option<(BTreeSet<TreePath>, Digest)>,
}

/// Entries of a tree, each with its stamp.
type Stamped<'a> = Zip<btree_map::Iter<'a, TreePath, Entry>, slice::Iter<'a, Option<Stamp>>>;

/// Looks paths up that come in order.
#[derive(Debug)]
pub(crate) struct Lookup<'a> {
    entries: Peekable<Stamped<'a>>,
}

impl StatCache {
    /// How many files need not be read again while they are as they are.
    pub fn known(&self) -> usize {
        self.stamps.iter().flatten().count()
    }

    pub(crate) fn lookup(&self) -> Lookup<'_> {
        Lookup { entries: self.tree.entries.iter().zip(&self.stamps).peekable() }
    }

    /// What a scan found that began at `began`, with the stamps of its entries in their order, and the snapshot that it
    /// became. Files that were changed so late that they could change again unnoticed are read again.
    pub(crate) fn remember(
        began: Moment,
        tree: Arc<Tree>,
        mut stamps: Vec<Option<Stamp>>,
        left_out: BTreeSet<TreePath>,
        id: Digest,
    ) -> Self {
        for stamp in &mut stamps {
            *stamp = stamp.filter(|stamp| !stamp.is_fresh(began));
        }
        Self { tree, stamps, kept: Some((left_out, id)) }
    }

    /// The last snapshot, if it is the one of `tree` without `left_out`.
    pub(crate) fn is_of(&self, tree: &Arc<Tree>, left_out: &BTreeSet<TreePath>) -> Option<Digest> {
        let (last_left_out, id) = self.kept.as_ref()?;
        (Arc::ptr_eq(tree, &self.tree) && last_left_out == left_out).then_some(*id)
    }

    /// What the last scan found.
    pub(crate) fn tree(&self) -> &Arc<Tree> {
        &self.tree
    }
}

impl Lookup<'_> {
    /// The hash of the file at `path`, if it is as it was. Paths must come in order.
    pub(crate) fn find(&mut self, path: &TreePath, stamp: Stamp) -> Option<Digest> {
        while self.entries.next_if(|((known, _), _)| *known < path).is_some() {}
        let ((_, entry), known) = self.entries.next_if(|((known, _), _)| *known == path)?;
        match entry {
            Entry::File { digest, .. } if *known == Some(stamp) => Some(*digest),
            Entry::File { .. } | Entry::Link { .. } | Entry::EmptyFolder => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Mode;

    fn stamp(modified: i64, changed: i64) -> Stamp {
        Stamp { size: 1, device: 1, inode: 1, modified, changed }
    }

    #[test]
    fn a_file_that_was_just_written_is_read_again() {
        let began = Moment(100 * SECOND + 5);
        let old = 90 * SECOND + 7;
        let files = [
            ("a-old", stamp(old, old)),
            ("b-written-now", stamp(100 * SECOND + 4, 100 * SECOND + 4)),
            ("c-set-back", stamp(old, 100 * SECOND - 1)),
            ("d-in-the-future", stamp(500 * SECOND + 1, old)),
            ("e-coarse", stamp(99 * SECOND, 99 * SECOND)),
        ];
        let path = |name: &str| TreePath::new(name).unwrap();
        let file = || Entry::File { digest: Digest::of(b"x"), size: 1, mode: Mode::Plain };
        let tree = Tree { entries: files.iter().map(|(name, _)| (path(name), file())).collect() };
        let stamps = files.iter().map(|(_, stamp)| Some(*stamp)).collect();
        let cache = StatCache::remember(began, Arc::new(tree), stamps, BTreeSet::new(), Digest::of(b""));
        let mut lookup = cache.lookup();
        let found: Vec<&str> = files
            .iter()
            .filter(|(name, stamp)| lookup.find(&path(name), *stamp).is_some())
            .map(|(name, _)| *name)
            .collect();
        assert_eq!(found, ["a-old"]);
        assert!(cache.lookup().find(&path("a-old"), stamp(old, old + 1)).is_none());
        assert!(cache.lookup().find(&path("a"), stamp(old, old)).is_none());
    }
}

//! What a folder holds, as plain data: paths, and for each the hash of its bytes.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// BLAKE3 hash of the bytes of a file, or of a manifest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// A hash that was computed piece by piece.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 hexadecimal digits, as [`fmt::Display`] writes them.
    pub fn parse(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A path below the root of a tree: bytes, as file names are on Unix, parts joined by `/`. Never empty, absolute, and
/// without `.`, `..` or empty parts, so that joining it to a folder stays in the folder.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreePath(Vec<u8>);

impl TreePath {
    /// The path of these bytes, if it is one.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        let part_is_plain =
            |part: &[u8]| !part.is_empty() && part != b"." && part != b".." && !part.contains(&0);
        bytes.split(|byte| *byte == b'/').all(part_is_plain).then_some(Self(bytes))
    }

    /// A relative path of the file system.
    pub fn from_path(path: &Path) -> Option<Self> {
        Self::new(path.as_os_str().as_bytes())
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a relative path of the file system.
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Its parts, from the root.
    pub fn parts(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/')
    }

    /// The last part.
    pub fn name(&self) -> &[u8] {
        self.parts().next_back().unwrap_or_default()
    }

    /// The folder that it is in; none for what stands at the root.
    pub fn parent(&self) -> Option<Self> {
        let end = self.0.iter().rposition(|byte| *byte == b'/')?;
        self.0.get(..end).map(|above| Self(above.to_vec()))
    }

    /// What `name` is called below this path, if `name` is a name.
    pub fn join(&self, name: &[u8]) -> Option<Self> {
        Self::new([self.as_bytes(), name].join(&b'/'))
    }

    /// Between which paths those stand that are below it, when paths are in order. The ends are no paths themselves.
    pub(crate) fn range_below(&self) -> Range<Self> {
        let followed_by = |byte: u8| Self([self.as_bytes(), &[byte]].concat());
        followed_by(b'/')..followed_by(b'/' + 1)
    }

    /// The path relative to `folder`, if it is below it.
    pub fn strip(&self, folder: &Self) -> Option<Self> {
        let below = self.0.strip_prefix(folder.as_bytes())?.strip_prefix(b"/")?;
        Some(Self(below.to_vec()))
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for TreePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    File {
        /// The hash of its bytes.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// Whether its owner may execute it.
        mode: Mode,
    },
    /// A symbolic link.
    Link {
        /// What it says, as it stands.
        target: Vec<u8>,
    },
    /// An empty folder. Others follow from what is in them.
    EmptyFolder,
}

/// The mode of a file, as far as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Data.
    Plain,
    /// A program.
    Executable,
}

/// What a folder holds, in order of path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// What stands where. No path is a part of another.
    pub entries: BTreeMap<TreePath, Entry>,
}

impl Tree {
    /// What stands at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Whether something is below `folder`.
    pub fn holds_below(&self, folder: &TreePath) -> bool {
        self.entries.range(folder.range_below()).next().is_some()
    }

    /// How many files it holds.
    pub fn files(&self) -> u64 {
        let files = self.entries.values().filter(|entry| matches!(entry, Entry::File { .. })).count();
        u64::try_from(files).unwrap_or(u64::MAX)
    }

    /// Bytes of all its files together.
    pub fn bytes(&self) -> u64 {
        let size = |entry: &Entry| match entry {
            Entry::File { size, .. } => *size,
            Entry::Link { .. } | Entry::EmptyFolder => 0,
        };
        self.entries.values().map(size).fold(0, u64::saturating_add)
    }

    /// What is below `folder`, with paths relative to it.
    #[must_use]
    pub fn below(&self, folder: &TreePath) -> Self {
        let relative = |(path, entry): (&TreePath, &Entry)| Some((path.strip(folder)?, entry.clone()));
        Self { entries: self.entries.iter().filter_map(relative).collect() }
    }
}

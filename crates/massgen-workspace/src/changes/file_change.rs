//! What became of one file, as plain data.

use crate::tree::{Entry, TreePath};

/// What became of one file, link or empty folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// What happened.
    pub status: Status,
    /// Where it is; for a deleted one, where it was.
    pub path: TreePath,
    /// Where a renamed one was.
    pub from: Option<TreePath>,
    /// What was there; nothing for an added one.
    pub before: Option<Entry>,
    /// What is there; nothing for a deleted one.
    pub after: Option<Entry>,
    /// What happened to the content.
    pub text: Text,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is new.
    Added,
    /// Its content or mode changed, or what a link says.
    Modified,
    /// It is gone.
    Deleted,
    /// It has another name, and perhaps another content.
    Renamed {
        /// How alike the two are, 50 to 100.
        percent: u8,
    },
    /// A file, a link or an empty folder became another of these.
    TypeChanged,
}

impl Status {
    /// The letter that git uses, and review files.
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Modified => 'M',
            Self::Deleted => 'D',
            Self::Renamed { .. } => 'R',
            Self::TypeChanged => 'T',
        }
    }
}

/// What happened to a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// Nothing, or there is none: the mode or the name changed, or it is a folder.
    Same,
    /// These places changed, in order. Lines are bytes: they need not be UTF-8.
    Hunks(Vec<Hunk>),
    /// It is no text.
    Binary,
    /// It is too long to be compared line by line.
    Long,
}

/// A place in a file that changed, with up to three unchanged lines before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// Its number within the file, from 0.
    pub index: usize,
    /// Where it begins in the old content: lines that come before it.
    pub old_start: usize,
    /// Where it begins in the new content: lines that come before it.
    pub new_start: usize,
    /// Its lines.
    pub lines: Vec<Line>,
}

/// A line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands.
    pub side: Side,
    /// Its bytes with the line ending, which the last line of a file may lack.
    pub bytes: Vec<u8>,
}

/// Where a line of a hunk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// In both contents.
    Both,
    /// In the old one only.
    Old,
    /// In the new one only.
    New,
}

impl Hunk {
    /// Its lines in the old content.
    pub(crate) fn old_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(|line| line.side != Side::New).map(|line| line.bytes.as_slice())
    }

    /// Its lines in the new content.
    pub(crate) fn new_lines(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.iter().filter(|line| line.side != Side::Old).map(|line| line.bytes.as_slice())
    }
}

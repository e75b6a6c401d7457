//! Why changes cannot be computed, applied or undone.

use std::io;
use std::path::PathBuf;

use crate::changes::spelling::spell;
use crate::tree::TreePath;

/// Why changes cannot be computed, applied or undone. Unless a variant says otherwise, nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangesError {
    /// A file or folder of the target, or of what is kept, cannot be read or written.
    #[error("cannot work on `{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The bytes of a version are not there.
    #[error("the content of `{}` cannot be read: {source}", spell(path))]
    Content {
        /// Whose.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// Files were changed in the project since the run began, and the policy is to apply nothing then.
    #[error("changed in the project since the run began: {}", listed(paths))]
    Drifted {
        /// Which.
        paths: Vec<TreePath>,
    },
    /// What stands in the way of a change cannot be removed, and the policy is to apply nothing then.
    #[error("something else stands in the way of {}", listed(paths))]
    Blocked {
        /// Of which changes.
        paths: Vec<TreePath>,
    },
    /// A hunk was approved that is not there.
    #[error("`{}` has no place {}", spell(path), index + 1)]
    NoSuchHunk {
        /// The file.
        path: TreePath,
        /// The number that was given, from 0.
        index: usize,
    },
    /// The lines that a hunk replaces are not in the file, or in more than one place.
    #[error("place {} of `{}` does not fit", index + 1, spell(path))]
    HunkDoesNotFit {
        /// The file.
        path: TreePath,
        /// The hunk, from 0.
        index: usize,
    },
    /// Between the plan and its application the target changed.
    #[error("`{}` changed while changes were applied", spell(path))]
    Raced {
        /// What changed.
        path: TreePath,
    },
    /// Applying failed, and what was applied so far could not be taken back whole.
    #[error("{cause}; taking back what was applied failed at `{}`: {rollback}", spell(path))]
    Torn {
        /// Why applying failed.
        cause: Box<Self>,
        /// Where taking it back failed.
        path: TreePath,
        /// Why that failed.
        rollback: Box<Self>,
    },
    /// The record of an application cannot be understood.
    #[error("`{}` is no record of applied changes: {problem}", path.display())]
    Record {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The record's folder is in use by another application.
    #[error("`{}` holds the record of other changes", path.display())]
    RecordTaken {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to undo: the changes were never applied, or were taken back.
    #[error("the changes recorded in `{}` are not applied", path.display())]
    NotApplied {
        /// The record's folder.
        path: PathBuf,
    },
    /// An application was interrupted and has not been recovered.
    #[error("an interrupted application is recorded in `{}`", path.display())]
    Interrupted {
        /// The record's folder.
        path: PathBuf,
    },
}

impl ChangesError {
    /// What a person can do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Drifted { .. } => {
                Some("put your own changes to them aside, or set `drift_conflict_policy: skip`")
            }
            Self::HunkDoesNotFit { .. } => Some("approve the whole file, or apply the hunk by hand"),
            Self::Torn { .. } => Some("take it back with `massgen undo` once the cause is gone"),
            Self::Raced { .. } => Some("apply again when nothing else writes to the project"),
            Self::Interrupted { .. } => Some("take it back with `massgen undo`"),
            Self::Io { .. }
            | Self::Content { .. }
            | Self::Blocked { .. }
            | Self::NoSuchHunk { .. }
            | Self::Record { .. }
            | Self::RecordTaken { .. }
            | Self::NotApplied { .. } => None,
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, error: impl Into<io::Error>) -> Self {
        Self::Io { path: path.into(), source: error.into() }
    }
}

/// The first few of `paths`, for a sentence.
fn listed(paths: &[TreePath]) -> String {
    const SHOWN: usize = 5;
    let text =
        paths.iter().take(SHOWN).map(|path| format!("`{}`", spell(path))).collect::<Vec<_>>().join(", ");
    match paths.len().checked_sub(SHOWN) {
        None | Some(0) => text,
        Some(more) => format!("{text} and {more} more"),
    }
}

//! Sessions: questions asked one after the other, each by a run of its own that knows the answers before it.
//!
//! What it holds: [`Registry`], the user's index of sessions in the home directory; [`SessionFolder`], the turns of one
//! session in its project; [`TurnRecord`], which folds the events of a run into what is kept of it.
//!
//! What it does not hold: a clock, a display, or the decision which session goes on. The truth about a turn is its
//! journal; what is kept here is what the next turn needs of it, in files that other programs read too.
//!
//! Who calls it: the binary, before and after a run.

mod folder;
mod memories;
mod record;
mod registry;

use std::fmt;
use std::path::PathBuf;

use massgen_protocol::{Timestamp, limits};

use crate::artifacts::stamps::LocalTime;

pub use folder::{Claim, PartialAnswer, SessionFolder, StoredEnd, StoredTurn};
pub use record::{Ending, TurnRecord};
pub use registry::{Entry, Registry, Sessions, Updated};

/// Why a session could not be read or kept. The run itself is in its journal.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// What the file system says; names the path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A document cannot be written as JSON.
    #[error("a document cannot be written as JSON: {0}")]
    Write(#[from] serde_json::Error),
    /// A file does not hold what it should.
    #[error("`{path}` is not understood: {problem}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file is longer than anything that belongs there.
    #[error("`{path}` has {bytes} bytes; at most {limit} are read")]
    TooLong {
        /// The file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A text cannot be the id of a session.
    #[error("`{0}` is not the id of a session: letters, digits, `_`, `-` and `.` make one")]
    BadId(String),
    /// Too many sessions began in the same second.
    #[error("no id is free for a session in `{0}`")]
    NoFreeId(PathBuf),
    /// The record does not begin with the start of a run.
    #[error("the turn has not begun")]
    NotStarted,
}

/// The id of a session; it is also the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(String);

impl SessionId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    /// [`SessionError::BadId`] when it could leave the folder of sessions or is longer than
    /// [`limits::SESSION_ID_BYTES`].
    pub fn new(text: impl Into<String>) -> Result<Self, SessionError> {
        let text = text.into();
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        let is_id = !text.is_empty()
            && text.len() <= limits::SESSION_ID_BYTES
            && !text.starts_with('.')
            && text.chars().all(fits);
        if is_id { Ok(Self(text)) } else { Err(SessionError::BadId(text)) }
    }

    /// The id of a session that began `at`: `session_YYYYMMDD_HHMMSS` in local time.
    pub fn at(at: Timestamp, utc_offset_seconds: i32) -> Self {
        Self(format!("session_{}", LocalTime::new(utc_offset_seconds).second_stamp(at)))
    }

    /// The `number`-th id (from 1) of the sessions that began in the same second: the id itself, then with `_2`, `_3`.
    pub(crate) fn with_number(&self, number: u32) -> Self {
        if number == 1 { self.clone() } else { Self(format!("{}_{number}", self.0)) }
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// `at` as the files of sessions spell it: local time without offset, `2026-02-14T09:30:15.482913`.
pub fn local_time(at: Timestamp, utc_offset_seconds: i32) -> String {
    LocalTime::new(utc_offset_seconds).iso(at)
}

#[cfg(test)]
#[path = "sessions/tests.rs"]
mod tests;

//! What the file system and SQLite say, as the errors of the port.

use std::error::Error;
use std::io;
use std::path::Path;

use massgen_ports::JournalError;
use massgen_protocol::Seq;
use rusqlite::{ErrorCode, ffi};

/// The error of a file operation on `path`.
pub(crate) fn from_io(path: &Path, error: &io::Error) -> JournalError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            JournalError::DiskFull { path: path.to_owned() }
        }
        // `fs_err` puts the path in front; the port's error names it already.
        _ => problem(path, error.source().map_or_else(|| error.to_string(), ToString::to_string)),
    }
}

/// The error of a database operation on the journal at `path`, while it was at event `seq`.
pub(crate) fn from_sqlite(path: &Path, seq: Seq, error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error() {
        Some(failure) if failure.code == ErrorCode::DiskFull => {
            JournalError::DiskFull { path: path.to_owned() }
        }
        // SQLite's name for "no space for the index of the log"; its documentation gives a full volume as the cause.
        Some(failure) if failure.extended_code == ffi::SQLITE_IOERR_SHMSIZE => {
            JournalError::DiskFull { path: path.to_owned() }
        }
        Some(failure) if failure.code == ErrorCode::NotADatabase => {
            corrupt(path, seq, "it is not an SQLite database")
        }
        Some(failure) if failure.code == ErrorCode::DatabaseCorrupt => corrupt(path, seq, error.to_string()),
        Some(_) => problem(path, error.to_string()),
        // Not from SQLite but about values: a column does not hold what it should.
        None => corrupt(path, seq, error.to_string()),
    }
}

/// The journal at `path` holds something that cannot be read.
pub(crate) fn corrupt(path: &Path, seq: Seq, problem: impl Into<String>) -> JournalError {
    JournalError::Corrupt { path: path.to_owned(), seq, problem: problem.into() }
}

/// Anything else about `path`.
pub(crate) fn problem(path: &Path, problem: impl Into<String>) -> JournalError {
    JournalError::Io { path: path.to_owned(), problem: problem.into() }
}

//! The lock that keeps a run to one process: `journal.lock`, held with the operating system's advisory lock, so it is
//! free as soon as its owner is dead.

use std::fmt;
use std::fs::TryLockError;
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use fs_err::File;
use massgen_ports::JournalError;
use serde::{Deserialize, Serialize};

use crate::error::from_io;
use crate::private;

/// The longest description of an owner that is read.
const OWNER_BYTES: u64 = 64 * 1024;

/// Who has a run open; what a second process is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Its process id.
    pub pid: u32,
    /// When it started: seconds since the Unix epoch.
    pub started_at: i64,
    /// What it runs, for people who look into the file; without secrets.
    pub command: String,
}

/// Prints `process 4242, started 2026-11-21 07:12:03 UTC`.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        match jiff::Timestamp::from_second(self.started_at) {
            Ok(started) => write!(f, ", started {}", started.strftime("%Y-%m-%d %H:%M:%S UTC")),
            Err(_) => write!(f, ", start unknown"),
        }
    }
}

/// Name of the file in a run folder that is locked.
const LOCK: &str = "journal.lock";

/// Who holds the lock on the run in `run_dir`, for people; `None` when nobody does. A run without a lock is held by
/// nobody.
pub(crate) fn holder(run_dir: &Path) -> io::Result<Option<String>> {
    let mut file = match File::open(run_dir.join(LOCK)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // Who leaves in order says so; only for the others the lock itself is tried, because trying holds it for a moment.
    let mut first = [0];
    if file.read(&mut first)? == 0 {
        return Ok(None);
    }
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => {
            file.rewind()?;
            Ok(Some(describe(&file)))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// The lock on a run, held until it is dropped.
#[derive(Debug)]
pub(crate) struct RunLock {
    file: File,
}

impl RunLock {
    /// Takes the lock on the run in `run_dir`, a folder that exists.
    pub(crate) fn acquire(run_dir: &Path, owner: &Owner) -> Result<Self, JournalError> {
        let path = run_dir.join(LOCK);
        let failed = |error: io::Error| from_io(&path, &error);
        // Never removed: a lock on a file that has lost its name would keep nobody out.
        let file = private::file().create(true).truncate(false).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { path: run_dir.to_owned(), owner: describe(&file) });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let mut lock = Self { file };
        lock.write(owner).map_err(failed)?;
        Ok(lock)
    }

    fn write(&mut self, owner: &Owner) -> io::Result<()> {
        let json = serde_json::to_vec(owner)?;
        self.file.set_len(0)?;
        self.file.write_all(&json)
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        // The description goes first, so that nobody is told of an owner who has left. Closing the file would not be
        // enough: a child process that another thread starts at this moment has it open too, until it becomes its
        // own program.
        if let Err(error) = self.file.set_len(0).and_then(|()| self.file.unlock()) {
            tracing::warn!(%error, "the lock of the run was not released in order");
        }
    }
}

/// The owner as the file tells it. A moment after it took the lock, an owner has not yet written who it is.
fn describe(file: &File) -> String {
    let mut json = String::new();
    let unknown = || "a process that has not told who it is".to_owned();
    if file.take(OWNER_BYTES).read_to_string(&mut json).is_err() {
        return unknown();
    }
    serde_json::from_str(&json).map_or_else(|_| unknown(), |owner: Owner| owner.to_string())
}

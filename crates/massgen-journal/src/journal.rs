//! The journal as the engine sees it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, JoinHandle};

use futures::channel::oneshot;
use futures::future::BoxFuture;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::{Envelope, Seq, limits};
use rusqlite::Connection;

use crate::blobs::Blobs;
use crate::error::{from_io, problem};
use crate::lock::{Owner, RunLock};
use crate::writer::{Job, Writer};
use crate::{database, private, read};

/// The journal of one run in `<run_dir>/journal.db`, open for writing in this process only.
///
/// Dropping it stores what is queued, moves SQLite's log into the file and gives the run free.
#[derive(Debug)]
pub struct SqliteJournal {
    path: PathBuf,
    /// `None` once the journal is being dropped.
    jobs: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    commits: Arc<AtomicU64>,
    /// Released after the writer has ended: fields are dropped after `Drop::drop`.
    _lock: RunLock,
}

impl SqliteJournal {
    /// Starts the journal of a new run in `run_dir`, which is made if it is missing.
    ///
    /// # Errors
    /// [`JournalError::Io`] when there is a journal already or the folder cannot be written,
    /// [`JournalError::Locked`] when another process is at it, [`JournalError::DiskFull`].
    pub fn create(run_dir: &Path, owner: &Owner) -> Result<Self, JournalError> {
        private::create_folder(run_dir).map_err(|error| from_io(run_dir, &error))?;
        let lock = RunLock::acquire(run_dir, owner)?;
        let path = database::path_in(run_dir);
        match private::file().create_new(true).open(&path) {
            // SQLite opens the file by itself and would lose its locks if another handle to it were closed later.
            Ok(file) => drop(file),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(problem(&path, "there is a journal already"));
            }
            Err(error) => return Err(from_io(&path, &error)),
        }
        for folder in
            [Some(run_dir), run_dir.parent().filter(|parent| *parent != Path::new(""))].into_iter().flatten()
        {
            private::sync_folder(folder).map_err(|error| from_io(folder, &error))?;
        }
        let connection = database::open_for_writing(&path)?;
        Self::start(connection, run_dir, Seq(0), lock)
    }

    /// Opens the journal in `run_dir` again and returns it with all its events, checked for density and, where their
    /// bodies are blobs, against their hashes. A journal whose writer was killed before its first commit holds none.
    ///
    /// # Errors
    /// [`JournalError::NotFound`] without a journal, [`JournalError::Locked`] while it is open elsewhere,
    /// [`JournalError::Corrupt`] when it holds something that cannot be read or is of a newer format,
    /// [`JournalError::Io`], [`JournalError::DiskFull`].
    pub fn open(run_dir: &Path, owner: &Owner) -> Result<(Self, Vec<Envelope>), JournalError> {
        let path = database::path_in(run_dir);
        if !database::is_there(&path)? {
            return Err(JournalError::NotFound { path: run_dir.to_owned() });
        }
        let lock = RunLock::acquire(run_dir, owner)?;
        let connection = database::open_for_writing(&path)?;
        let events = read::all_events(&connection, run_dir)?;
        let last = events.last().map_or(Seq(0), |envelope| envelope.seq);
        Ok((Self::start(connection, run_dir, last, lock)?, events))
    }

    /// Stores `content` beside the journal, once, and returns the name by which [`crate::load_bytes`] finds it. It is
    /// durable when this returns. Only before the first append: the thread that writes events has the same folder.
    ///
    /// # Errors
    /// [`JournalError::Io`], [`JournalError::DiskFull`].
    pub fn keep(&self, content: &[u8]) -> Result<String, JournalError> {
        let mut blobs = Blobs::new(self.path.parent().unwrap_or(Path::new("")));
        let name = blobs.store(content)?;
        blobs.sync()?;
        Ok(name)
    }

    /// How many transactions this journal has committed since it was opened. Batches that are queued together share
    /// one.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    fn start(connection: Connection, run_dir: &Path, last: Seq, lock: RunLock) -> Result<Self, JournalError> {
        let path = database::path_in(run_dir);
        let commits = Arc::new(AtomicU64::new(0));
        let (jobs, queue) = sync_channel(limits::JOURNAL_QUEUE);
        let writer = Writer::new(connection, run_dir, last, Arc::clone(&commits));
        let writer = Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer.run(&queue))
            .map_err(|error| from_io(&path, &error))?;
        Ok(Self { path, jobs: Some(jobs), writer: Some(writer), commits, _lock: lock })
    }
}

impl Journal for SqliteJournal {
    /// Queues at once, in the order of the calls. With [`limits::JOURNAL_QUEUE`] batches waiting, which takes a caller
    /// that does not wait for its appends, it holds the calling thread up until the writer takes them, at most for
    /// one commit: the promise that a batch is stored even if its future is dropped leaves nobody else to wait.
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        let (done, stored) = oneshot::channel();
        let gone = problem(&self.path, "the thread that writes the journal has ended");
        let queued = self.jobs.as_ref().is_some_and(|jobs| jobs.send(Job { batch, done }).is_ok());
        Box::pin(async move {
            if !queued {
                return Err(gone);
            }
            stored.await.unwrap_or(Err(gone))
        })
    }
}

impl Drop for SqliteJournal {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(writer) = self.writer.take()
            && writer.join().is_err()
        {
            tracing::error!(path = %self.path.display(), "the thread that writes the journal has panicked");
        }
    }
}

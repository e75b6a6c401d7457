//! The journal: where events become durable.

use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::{Envelope, Seq};

/// Why the journal could not store or read. After one of these the session stops; what was committed stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// No space is left.
    #[error("the disk with `{path}` is full")]
    DiskFull {
        /// The journal file.
        path: PathBuf,
    },
    /// Another process has the run open.
    #[error("the run in `{path}` is open in another process: {owner}")]
    Locked {
        /// The run folder.
        path: PathBuf,
        /// Process id, host and start time of the owner, for people.
        owner: String,
    },
    /// There is no journal here.
    #[error("there is no journal in `{path}`")]
    NotFound {
        /// The run folder.
        path: PathBuf,
    },
    /// The journal holds something that cannot be read.
    #[error("the journal `{path}` cannot be read at event {seq}: {problem}")]
    Corrupt {
        /// The journal file.
        path: PathBuf,
        /// The event.
        seq: Seq,
        /// What is wrong with it.
        problem: String,
    },
    /// An envelope does not follow the last one.
    #[error("event {found} does not follow event {last}")]
    OutOfOrder {
        /// The last event.
        last: Seq,
        /// The event that was to follow it.
        found: Seq,
    },
    /// Anything else that the file system or the database says.
    #[error("cannot use `{path}`: {problem}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was said.
        problem: String,
    },
}

/// An append-only list of envelopes, dense by sequence number.
pub trait Journal: Send + Sync {
    /// Queues `batch`, before it returns, to be stored as one unit. The future completes when it is durable, and everything queued
    /// before it; the batch is stored even if the future is dropped. After an error nothing more is stored.
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>>;
}

impl<J: Journal + ?Sized> Journal for Arc<J> {
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        (**self).append(batch)
    }
}

//! The thread that owns the database: it takes everything that is queued, stores it in one transaction, and then tells
//! everyone who waits.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;

use futures::channel::oneshot;
use massgen_ports::JournalError;
use massgen_protocol::{Envelope, Seq, limits};
use rusqlite::{Connection, TransactionBehavior, params};

use crate::error::{from_sqlite, problem};
use crate::{blobs::Blobs, body, database};

/// A batch to be stored as one unit, and who waits for it.
#[derive(Debug)]
pub(crate) struct Job {
    /// The batch.
    pub(crate) batch: Vec<Arc<Envelope>>,
    /// Told when the batch is durable, or why it is not. Nobody may be listening any more.
    pub(crate) done: oneshot::Sender<Result<(), JournalError>>,
}

impl Job {
    fn finish(self, result: Result<(), JournalError>) {
        // The future of an append may be dropped; the batch is stored all the same.
        drop(self.done.send(result));
    }
}

/// What the thread owns.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: Connection,
    blobs: Blobs,
    path: PathBuf,
    /// The last event that is stored.
    last: Seq,
    /// Set by the first error; from then on nothing is stored.
    failed: Option<JournalError>,
    commits: Arc<AtomicU64>,
}

impl Writer {
    /// A writer that goes on after event `last`. `commits` counts its transactions.
    pub(crate) fn new(connection: Connection, run_dir: &Path, last: Seq, commits: Arc<AtomicU64>) -> Self {
        let path = database::path_in(run_dir);
        Self { connection, blobs: Blobs::new(run_dir), path, last, failed: None, commits }
    }

    /// Serves `jobs` until all senders are gone and the queue is empty, then closes the database.
    pub(crate) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(first) = jobs.recv() {
            let more = jobs.try_iter().take(limits::JOURNAL_QUEUE);
            let group = std::iter::once(first).chain(more).collect();
            self.serve(group);
        }
        self.close();
    }

    fn serve(&mut self, group: Vec<Job>) {
        let mut refused = group;
        if self.failed.is_none() {
            let (in_order, out_of_order) = self.count_in_order(&refused);
            let rest = refused.split_off(in_order);
            let stored = self.store(&refused);
            self.failed = stored.as_ref().err().cloned().or(out_of_order);
            for job in std::mem::replace(&mut refused, rest) {
                job.finish(stored.clone());
            }
        }
        if let Some(error) = &self.failed {
            for job in refused {
                job.finish(Err(error.clone()));
            }
        }
    }

    /// How many jobs at the front of `group` continue the journal without a gap, and what is wrong with the next.
    fn count_in_order(&self, group: &[Job]) -> (usize, Option<JournalError>) {
        let mut last = self.last;
        for (index, job) in group.iter().enumerate() {
            for envelope in &job.batch {
                if envelope.seq != last.next() {
                    return (index, Some(JournalError::OutOfOrder { last, found: envelope.seq }));
                }
                last = envelope.seq;
            }
        }
        (group.len(), None)
    }

    /// Stores all batches of `group` in one transaction: all of them or none.
    fn store(&mut self, group: &[Job]) -> Result<(), JournalError> {
        let mut envelopes = group.iter().flat_map(|job| &job.batch).peekable();
        if envelopes.peek().is_none() {
            return Ok(());
        }
        let mut last = self.last;
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|error| from_sqlite(&self.path, last, &error))?;
        for envelope in envelopes {
            last = envelope.seq;
            insert(&transaction, &mut self.blobs, &self.path, envelope)?;
        }
        self.blobs.sync()?;
        transaction.commit().map_err(|error| from_sqlite(&self.path, last, &error))?;
        self.last = last;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Moves the log into the database file, as far as readers allow, and closes it.
    fn close(self) {
        let checkpoint = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        let closed = self.connection.close().map_err(|(_, error)| error);
        if let Err(error) = checkpoint.and(closed) {
            // Nothing is lost: what is not in the file stays in the log beside it.
            tracing::warn!(path = %self.path.display(), %error, "the journal was not closed in order");
        }
    }
}

fn insert(
    connection: &Connection,
    blobs: &mut Blobs,
    path: &Path,
    envelope: &Envelope,
) -> Result<(), JournalError> {
    let not_storable = |what: String| problem(path, format!("event {}: {what}", envelope.seq));
    let json = body::encode(&envelope.event).map_err(not_storable)?;
    let (body, blob) = if json.len() > limits::INLINE_BODY_BYTES {
        (None, Some(blobs.store(json.as_bytes())?))
    } else {
        (Some(json), None)
    };
    let seq = i64::try_from(envelope.seq.0).map_err(|error| not_storable(error.to_string()))?;
    let run_ms = i64::try_from(envelope.run_time.0).map_err(|error| not_storable(error.to_string()))?;
    connection
        .prepare_cached(
            "INSERT INTO events (seq, at, run_ms, v, kind, agent, body, blob) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .and_then(|mut statement| {
            statement.execute(params![
                seq,
                envelope.at.micros(),
                run_ms,
                envelope.v,
                envelope.event.kind(),
                envelope.event.agent().map(|agent| agent.to_string()),
                body,
                blob
            ])
        })
        .map(drop)
        .map_err(|error| from_sqlite(path, envelope.seq, &error))
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;

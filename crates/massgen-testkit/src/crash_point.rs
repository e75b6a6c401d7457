//! A process that dies at a chosen boundary of its journal, the way `kill -9` makes it die: no destructor runs, no
//! buffer is written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::future::BoxFuture;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::Envelope;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Where the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPoint {
    /// At which append, from 1.
    pub append: u64,
    /// On which side of its commit.
    pub side: Side,
}

/// Sides of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Nothing of the batch is stored.
    Before,
    /// The batch is durable, and nobody has been told.
    After,
}

/// Counts the appends to the journal inside it and kills its own process at a [`CrashPoint`].
#[derive(Debug)]
pub struct CrashingJournal<J> {
    inner: J,
    point: Option<CrashPoint>,
    appends: AtomicU64,
}

impl<J: Journal> CrashingJournal<J> {
    /// Kills the process at `point` of `inner`; with `None` it only counts.
    pub fn new(inner: J, point: Option<CrashPoint>) -> Self {
        Self { inner, point, appends: AtomicU64::new(0) }
    }

    /// How often `append` was called: the number of boundaries of a run, each with two sides.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }
}

impl<J: Journal> Journal for CrashingJournal<J> {
    /// On [`Side::After`] the process dies when the future is polled to its end: whoever asks for a crash there must
    /// wait for the append.
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        let append = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        let side = self.point.filter(|point| point.append == append).map(|point| point.side);
        if side == Some(Side::Before) {
            die();
        }
        let stored = self.inner.append(batch);
        Box::pin(async move {
            let stored = stored.await;
            if side == Some(Side::After) {
                die();
            }
            stored
        })
    }
}

/// Ends this process with `SIGKILL`.
fn die() -> ! {
    // The signal arrives before the call returns. Should it ever be refused, the process must not go on either.
    let _ = kill(Pid::this(), Signal::SIGKILL);
    std::process::abort()
}

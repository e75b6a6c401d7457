//! What a frontend holds of a running session.

use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use massgen_protocol::event::RunOutcome;
use massgen_protocol::{Command, Delta, Envelope, Seq};

use crate::journal::JournalError;

/// How a session of a run ended in this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// The run is over.
    Finished(RunOutcome),
    /// It was interrupted on request and can be resumed.
    Interrupted,
    /// The journal failed; what was committed is kept and the run can be resumed.
    JournalFailed(JournalError),
}

/// A running session, for frontends: commands in, committed events out.
pub trait SessionHandle: Send + Sync {
    /// Hands `command` to the session. Returns `false` when the session has ended.
    fn send(&self, command: Command) -> BoxFuture<'static, bool>;

    /// All committed events after `after` (0 for all), past ones first, then as they are committed; ends with the
    /// session. Every subscriber sees the same envelopes in the same order.
    fn events(&self, after: Seq) -> BoxStream<'static, Arc<Envelope>>;

    /// Pieces of replies from now on. A reader that falls behind loses the oldest.
    fn deltas(&self) -> BoxStream<'static, Delta>;

    /// Completes when the session has ended.
    fn ended(&self) -> BoxFuture<'static, SessionEnd>;
}

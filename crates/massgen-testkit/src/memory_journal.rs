//! A journal in memory: it keeps the contract of the port, and can be told to fail.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::{BoxFuture, ready};
use massgen_ports::{Journal, JournalError};
use massgen_protocol::{Envelope, Seq};

/// Keeps envelopes for as long as it lives. An append is stored when the call returns, before its future is polled.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    envelopes: Vec<Arc<Envelope>>,
    /// Calls of `append` so far, failed ones included.
    appends: u64,
    /// The call that is to fail, and how.
    planned: Option<(u64, JournalError)>,
    /// Set by the first failure; from then on nothing is stored.
    failed: Option<JournalError>,
}

impl MemoryJournal {
    /// An empty journal.
    pub fn new() -> Self {
        Self::default()
    }

    /// A journal that holds `envelopes` already, as after a resume. They are taken as they are.
    pub fn holding(envelopes: impl IntoIterator<Item = Arc<Envelope>>) -> Self {
        let state = State { envelopes: envelopes.into_iter().collect(), ..State::default() };
        Self { state: Mutex::new(state) }
    }

    /// Makes the `append`-th call (from 1) of `append`, and every one after it, fail with `error`.
    #[must_use]
    pub fn failing_at(self, append: u64, error: JournalError) -> Self {
        self.state().planned = Some((append, error));
        self
    }

    /// Everything that is stored.
    pub fn envelopes(&self) -> Vec<Arc<Envelope>> {
        self.state().envelopes.clone()
    }

    /// How often `append` was called, failed calls included.
    pub fn appends(&self) -> u64 {
        self.state().appends
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code here leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, batch: Vec<Arc<Envelope>>) -> Result<(), JournalError> {
        self.appends += 1;
        if let Some((_, error)) = self.planned.take_if(|(append, _)| *append == self.appends) {
            self.failed.get_or_insert(error);
        }
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let mut last = self.envelopes.last().map_or(Seq(0), |envelope| envelope.seq);
        for envelope in &batch {
            if envelope.seq != last.next() {
                let error = JournalError::OutOfOrder { last, found: envelope.seq };
                return Err(self.failed.insert(error).clone());
            }
            last = envelope.seq;
        }
        self.envelopes.extend(batch);
        Ok(())
    }
}

impl Journal for MemoryJournal {
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        Box::pin(ready(self.state().append(batch)))
    }
}

#[cfg(test)]
mod tests {
    use massgen_ports::contract;
    use massgen_protocol::event::ENVELOPE_VERSION;
    use massgen_protocol::{Event, RunMillis, Timestamp};

    use super::*;

    fn envelope(seq: u64) -> Arc<Envelope> {
        Arc::new(Envelope {
            v: ENVELOPE_VERSION,
            seq: Seq(seq),
            at: Timestamp::from_micros(1),
            run_time: RunMillis(2),
            event: Event::RunResumed,
        })
    }

    #[tokio::test]
    async fn the_journal_in_memory_keeps_the_contract() {
        contract::journal_is_dense(&MemoryJournal::new()).await.unwrap();
    }

    #[tokio::test]
    async fn a_batch_is_stored_even_if_nobody_waits_for_it() {
        let journal = MemoryJournal::holding([envelope(1)]);
        drop(journal.append(vec![envelope(2), envelope(3)]));
        assert_eq!(journal.envelopes(), [envelope(1), envelope(2), envelope(3)]);
    }

    #[tokio::test]
    async fn from_the_planned_failure_on_nothing_is_stored() {
        let full = JournalError::DiskFull { path: "/run/journal.db".into() };
        let journal = MemoryJournal::new().failing_at(2, full.clone());
        assert_eq!(journal.append(vec![envelope(1)]).await, Ok(()));
        assert_eq!(journal.append(vec![envelope(2)]).await, Err(full.clone()));
        assert_eq!(journal.append(vec![envelope(2)]).await, Err(full));
        assert_eq!((journal.envelopes(), journal.appends()), (vec![envelope(1)], 3));
    }

    #[tokio::test]
    async fn a_batch_with_a_gap_is_refused_as_a_whole() {
        let journal = MemoryJournal::new();
        let gap = JournalError::OutOfOrder { last: Seq(1), found: Seq(3) };
        assert_eq!(journal.append(vec![envelope(1), envelope(3)]).await, Err(gap.clone()));
        assert_eq!(journal.append(vec![envelope(1)]).await, Err(gap));
        assert_eq!(journal.envelopes(), []);
    }
}

//! The committed events of a session, for any number of readers from any position.

use std::sync::{Arc, PoisonError, RwLock};

use futures::stream::{self, BoxStream, StreamExt};
use massgen_protocol::{Envelope, Seq};
use tokio::sync::watch;

/// How far the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    events: usize,
    is_closed: bool,
}

/// A list of envelopes that only grows, and wakes its readers.
#[derive(Debug)]
pub(crate) struct EventLog {
    events: RwLock<Vec<Arc<Envelope>>>,
    head: watch::Sender<Head>,
}

impl EventLog {
    pub(crate) fn new(past: Vec<Arc<Envelope>>) -> Self {
        let head = Head { events: past.len(), is_closed: false };
        Self { events: RwLock::new(past), head: watch::Sender::new(head) }
    }

    /// Publishes committed envelopes.
    pub(crate) fn publish(&self, batch: Vec<Arc<Envelope>>) {
        let mut events = self.events.write().unwrap_or_else(PoisonError::into_inner);
        events.extend(batch);
        let len = events.len();
        drop(events);
        self.head.send_modify(|head| head.events = len);
    }

    /// No more will come; readers end when they have read everything.
    pub(crate) fn close(&self) {
        self.head.send_modify(|head| head.is_closed = true);
    }

    /// The number of the newest envelope.
    pub(crate) fn end(&self) -> Seq {
        Seq(u64::try_from(self.head.borrow().events).unwrap_or(u64::MAX))
    }

    /// All envelopes after `after`, past ones first.
    pub(crate) fn read(self: &Arc<Self>, after: Seq) -> BoxStream<'static, Arc<Envelope>> {
        let log = Arc::clone(self);
        let head = self.head.subscribe();
        let position = usize::try_from(after.0).unwrap_or(usize::MAX);
        stream::unfold((log, head, position), |(log, mut head, position)| async move {
            let now = *head.wait_for(|head| head.events > position || head.is_closed).await.ok()?;
            let batch = log.after(position);
            if batch.is_empty() && now.is_closed {
                return None;
            }
            let next = position + batch.len();
            Some((stream::iter(batch), (log, head, next)))
        })
        .flatten()
        .boxed()
    }

    fn after(&self, position: usize) -> Vec<Arc<Envelope>> {
        let events = self.events.read().unwrap_or_else(PoisonError::into_inner);
        events.get(position..).unwrap_or_default().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use massgen_protocol::event::ENVELOPE_VERSION;
    use massgen_protocol::{Event, RunMillis, Timestamp};

    use super::*;

    fn envelope(seq: u64) -> Arc<Envelope> {
        Arc::new(Envelope {
            v: ENVELOPE_VERSION,
            seq: Seq(seq),
            at: Timestamp::default(),
            run_time: RunMillis::default(),
            event: Event::RunResumed,
        })
    }

    #[tokio::test]
    async fn every_reader_sees_the_same_from_any_position() {
        let log = Arc::new(EventLog::new(vec![envelope(1)]));
        let late = log.read(Seq(2));
        let all = log.read(Seq(0));
        log.publish(vec![envelope(2), envelope(3)]);
        log.close();
        let seqs = |events: Vec<Arc<Envelope>>| events.iter().map(|event| event.seq.0).collect::<Vec<_>>();
        assert_eq!(seqs(all.collect().await), [1, 2, 3]);
        assert_eq!(seqs(late.collect().await), [3]);
        assert_eq!(seqs(log.read(Seq(7)).collect().await), [0u64; 0]);
    }
}

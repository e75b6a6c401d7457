//! Leaving only when the journal is closed: then all of it is in one file, and its lock names nobody.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::Envelope;
use tokio::sync::oneshot;

/// Longest wait for a journal that is not closed although its session has ended. What is in it is durable anyway.
const PATIENCE: Duration = Duration::from_secs(2);

/// A journal that tells when it has been closed.
struct Watched {
    /// Dropped first: the other field tells of it.
    inner: Arc<dyn Journal>,
    _open: oneshot::Sender<()>,
}

impl Journal for Watched {
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        self.inner.append(batch)
    }
}

/// Waits for a journal to be closed.
pub(crate) struct Closing(oneshot::Receiver<()>);

impl Closing {
    /// `journal`, and what waits until its last holder has let it go.
    pub(crate) fn watch(journal: Arc<dyn Journal>) -> (Arc<dyn Journal>, Self) {
        let (open, closed) = oneshot::channel();
        (Arc::new(Watched { inner: journal, _open: open }), Self(closed))
    }

    /// Returns when the journal is closed.
    pub(crate) async fn closed(self) {
        // That the sender is gone is the news.
        let _ = tokio::time::timeout(PATIENCE, self.0).await;
    }
}

//! Lines for a person beside everything else: on stderr, through the display while that draws there.

use std::io::Write;

use tokio::sync::mpsc;

/// Remarks that may wait for the display; there are a few in a run.
const QUEUE: usize = 64;

/// Where remarks go.
#[derive(Debug, Clone)]
pub(crate) struct Remarks(Option<mpsc::Sender<String>>);

impl Remarks {
    /// To stderr.
    pub(crate) fn direct() -> Self {
        Self(None)
    }

    /// To whoever draws on stderr. Once the receiver is gone, to stderr itself.
    pub(crate) fn through_display() -> (Self, mpsc::Receiver<String>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self(Some(sender)), receiver)
    }

    /// Tells `text`, one line or more.
    pub(crate) fn tell(&self, text: &str) {
        let is_taken = self.0.as_ref().is_some_and(|display| display.try_send(text.to_owned()).is_ok());
        if !is_taken {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

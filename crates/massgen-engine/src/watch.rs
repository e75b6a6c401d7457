//! What a session hears of a tool call while it is under way.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use massgen_core::Input;
use massgen_ports::CallWatch;
use massgen_protocol::message::Asking;
use massgen_protocol::{Delta, DeltaKind, Envelope, Event, ToolUse};
use tokio::sync::{broadcast, mpsc, watch};

use crate::log::EventLog;
use crate::redact::Redactor;

/// Shortest time between two lines of progress of one call that are shown.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(200);

/// Hears of one call.
#[derive(Debug)]
pub(crate) struct ToolWatch {
    tool_use: ToolUse,
    inputs: mpsc::Sender<Input>,
    log: Arc<EventLog>,
    redactor: Redactor,
    progress: watch::Sender<String>,
}

impl ToolWatch {
    /// For the call `tool_use`, and what is heard of its progress.
    pub(crate) fn new(
        tool_use: ToolUse,
        inputs: mpsc::Sender<Input>,
        log: Arc<EventLog>,
        redactor: Redactor,
    ) -> (Arc<Self>, Progress) {
        let (progress, newest) = watch::channel(String::new());
        let heard = Progress { tool_use, newest, redactor: redactor.clone() };
        (Arc::new(Self { tool_use, inputs, log, redactor, progress }), heard)
    }
}

impl CallWatch for ToolWatch {
    fn asks(&self, asking: Asking) -> BoxFuture<'static, ()> {
        let asking = self.redactor.asking(asking);
        let (tool_use, inputs, log) = (self.tool_use, self.inputs.clone(), Arc::clone(&self.log));
        Box::pin(async move {
            let mut events = log.read(log.end());
            let sent = inputs.send(Input::ToolAsks { tool_use, asking: asking.clone() }).await;
            let stored = |envelope: &Envelope| match &envelope.event {
                Event::ToolCallAsked { tool_use: of, asking: stored } => *of == tool_use && *stored == asking,
                _ => false,
            };
            while let (Ok(()), Some(envelope)) = (&sent, events.next().await) {
                if stored(&envelope) {
                    return;
                }
            }
            // The session is over, and what is not stored must not be acted on.
            std::future::pending::<()>().await;
        })
    }

    fn progress(&self, line: &str) {
        self.progress.send_replace(line.to_owned());
    }
}

/// What a call tells of its progress, on its way to the displays.
#[derive(Debug)]
pub(crate) struct Progress {
    tool_use: ToolUse,
    newest: watch::Receiver<String>,
    redactor: Redactor,
}

impl Progress {
    /// Shows the newest line of the tool `name` again and again, each at most once.
    pub(crate) async fn show(mut self, name: &str, deltas: broadcast::Sender<Delta>) -> Infallible {
        while self.newest.changed().await.is_ok() {
            let text = format!("{name}: {}", *self.newest.borrow_and_update());
            let text = self.redactor.told(text);
            // Nobody may be looking; deltas are for those who do.
            let _ = deltas.send(Delta { call: self.tool_use.call, kind: DeltaKind::ToolProgress, text });
            tokio::time::sleep(PROGRESS_INTERVAL).await;
        }
        std::future::pending().await
    }
}

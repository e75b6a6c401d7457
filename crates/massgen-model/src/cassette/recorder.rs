//! A model that records what another one does.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::{ModelRequest, Reply};
use tokio::sync::OwnedMutexGuard;
use tokio::time::Instant;

use super::request_hash::request_hash;
use super::{CassetteError, CassetteWriter, Line, RecordedEnd};

/// Records the calls of one model and passes them on unchanged.
///
/// The line about a call is written when its stream is polled again after the end or dropped, and until then no
/// other call of the recording gets its end. So when the session puts the end into its queue before it does either,
/// the lines stand in the order of that queue, on any number of threads.
pub struct Recorder {
    model: Arc<dyn Model>,
    writer: Arc<CassetteWriter>,
}

impl Recorder {
    /// Records `model` to `writer`.
    pub fn new(model: Arc<dyn Model>, writer: Arc<CassetteWriter>) -> Self {
        Self { model, writer }
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("writer", &self.writer).finish_non_exhaustive()
    }
}

impl Model for Recorder {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let take = Take::new(Arc::clone(&self.writer), &request);
        let calling = (self.model.call(request), take);
        stream::unfold(calling, async |(mut events, mut take)| {
            take.settle();
            take.start();
            let event = events.next().await?;
            take.see(&event).await;
            Some((event, (events, take)))
        })
        .boxed()
    }
}

/// One call under way. Dropping it writes the line, if a request was sent.
struct Take {
    writer: Arc<CassetteWriter>,
    /// The line as far as it is known; `None` when it is written or cannot be.
    line: Option<Line>,
    /// When the stream was first polled.
    started: Option<Instant>,
    /// Keeps other ends back while the session has the end of this call and has not taken it.
    turn: Option<OwnedMutexGuard<()>>,
}

impl Take {
    fn new(writer: Arc<CassetteWriter>, request: &ModelRequest) -> Self {
        let line = match request_hash(request, writer.redaction()) {
            Ok(request_hash) => Some(Line {
                completed: 0,
                agent: request.context.agent.clone(),
                call: request.context.call.number,
                purpose: request.context.purpose,
                request_hash,
                made_after: 0,
                first_token_ms: None,
                duration_ms: 0,
                end: RecordedEnd::Cut,
            }),
            Err(error) => {
                writer.give_up(&CassetteError::Json(error));
                None
            }
        };
        Self { writer, line, started: None, turn: None }
    }

    fn start(&mut self) {
        if self.started.is_none() {
            self.started = Some(Instant::now());
            if let Some(line) = &mut self.line {
                line.made_after = self.writer.ends_seen();
            }
        }
    }

    async fn see(&mut self, event: &ModelEvent) {
        let elapsed = self.elapsed_ms();
        let Some(line) = &mut self.line else { return };
        let end = match event {
            ModelEvent::Delta { .. } => {
                line.first_token_ms.get_or_insert(elapsed);
                return;
            }
            // A call that is replayed waits for nobody.
            ModelEvent::Service { .. } => return,
            ModelEvent::Retrying { .. } => {
                // The pieces up to here are void.
                line.first_token_ms = None;
                return;
            }
            ModelEvent::Finished(reply) => RecordedEnd::Replied(Arc::new(Reply::clone(reply))),
            ModelEvent::Failed(failure) => RecordedEnd::Failed(failure.clone()),
        };
        // The session may cut the call off while its end waits here; then it is one that was cut off.
        self.turn = Some(self.writer.turn().await);
        line.end = end;
        line.duration_ms = elapsed;
    }

    /// Writes the line if the end was given out.
    fn settle(&mut self) {
        if self.turn.is_some() {
            if let Some(line) = self.line.take() {
                self.writer.append(line);
            }
            self.turn = None;
        }
    }

    fn elapsed_ms(&self) -> u64 {
        whole_millis(self.started.map(|started| started.elapsed()).unwrap_or_default())
    }
}

impl Drop for Take {
    fn drop(&mut self) {
        self.settle();
        if self.started.is_some() {
            let duration_ms = self.elapsed_ms();
            if let Some(line) = self.line.take() {
                self.writer.append_cut(Line { duration_ms, ..line });
            }
        }
    }
}

fn whole_millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

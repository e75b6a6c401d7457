//! The work of one effect: a model call or a tool call, from its start to the input that it ends in.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_core::Input;
use massgen_ports::{Model, ModelEvent, ToolHost};
use massgen_prompt::{PromptError, Prompts, Viewer};
use massgen_protocol::message::{CallContext, FailureKind, ModelFailure, ToolOutcome};
use massgen_protocol::{AgentId, CallId, Delta, DeltaKind, ModelRequest, ToolCall, ToolSchema, ToolUse};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use crate::materials::PromptMaterials;
use crate::redact::Redactor;

/// Pieces of a reply that come faster than this are shown together.
const DELTA_INTERVAL: Duration = Duration::from_millis(40);

/// What the prompts of an agent begin with, the same for the whole run.
#[derive(Debug, Clone)]
pub(crate) struct FixedPrompt {
    pub(crate) system: Arc<str>,
    pub(crate) tools: Arc<[ToolSchema]>,
}

/// One model call to be made.
pub(crate) struct ModelTurn {
    pub(crate) model: Arc<dyn Model>,
    pub(crate) prompts: Arc<Prompts>,
    pub(crate) fixed: FixedPrompt,
    pub(crate) viewer: Viewer,
    pub(crate) context: CallContext,
    pub(crate) materials: PromptMaterials,
    pub(crate) max_output_tokens: Option<u32>,
    pub(crate) redactor: Redactor,
}

impl ModelTurn {
    /// Makes the call and sends what comes of it. Dropping the future cuts the call off.
    pub(crate) async fn perform(self, inputs: mpsc::Sender<Input>, deltas: broadcast::Sender<Delta>) {
        let call = self.context.call;
        let request = match self.request() {
            Ok(request) => request,
            Err(error) => {
                let message = format!("the prompt could not be made: {error}");
                let failure = ModelFailure { kind: FailureKind::Rejected, message, attempts: 0 };
                let _ = inputs.send(Input::ModelFailed { call, failure }).await;
                return;
            }
        };
        let mut events = self.model.call(request);
        let mut pieces = Pieces::new(call, deltas);
        while let Some(event) = events.next().await {
            let input = match event {
                ModelEvent::Delta { kind, text } => {
                    pieces.add(kind, &text);
                    continue;
                }
                ModelEvent::Retrying { attempt, kind, message, delay } => {
                    let message = self.redactor.owned(message);
                    Input::ModelRetrying { call, attempt, kind, message, delay }
                }
                ModelEvent::Finished(reply) => {
                    pieces.flush();
                    Input::ModelReplied { call, reply: Arc::new(self.redactor.reply(*reply)) }
                }
                ModelEvent::Failed(failure) => {
                    Input::ModelFailed { call, failure: self.redactor.failure(failure) }
                }
            };
            // The session may have ended meanwhile; then nobody wants the outcome.
            if inputs.send(input).await.is_err() {
                return;
            }
        }
    }

    fn request(&self) -> Result<ModelRequest, PromptError> {
        Ok(ModelRequest {
            context: self.context.clone(),
            system: Arc::clone(&self.fixed.system),
            tools: Arc::clone(&self.fixed.tools),
            messages: self.prompts.messages(self.viewer, &self.materials.conversation, &self.materials)?,
            max_output_tokens: self.max_output_tokens,
        })
    }
}

/// Pieces of one reply on their way to the displays, put together while they come fast.
struct Pieces {
    call: CallId,
    out: broadcast::Sender<Delta>,
    held: Option<(DeltaKind, String)>,
    sent: Instant,
}

impl Pieces {
    fn new(call: CallId, out: broadcast::Sender<Delta>) -> Self {
        Self { call, out, held: None, sent: Instant::now() }
    }

    fn add(&mut self, kind: DeltaKind, text: &str) {
        if self.out.receiver_count() == 0 {
            return;
        }
        match &mut self.held {
            Some((held, pieces)) if *held == kind => pieces.push_str(text),
            Some(_) | None => {
                self.flush();
                self.held = Some((kind, text.to_owned()));
            }
        }
        if self.sent.elapsed() >= DELTA_INTERVAL {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if let Some((kind, text)) = self.held.take() {
            self.sent = Instant::now();
            // Nobody may be looking; deltas are for those who do.
            let _ = self.out.send(Delta { call: self.call, kind, text });
        }
    }
}

/// One tool call to be made.
pub(crate) struct ToolTurn {
    pub(crate) host: Arc<dyn ToolHost>,
    pub(crate) agent: AgentId,
    pub(crate) tool_use: ToolUse,
    pub(crate) tool_call: ToolCall,
    pub(crate) redactor: Redactor,
}

impl ToolTurn {
    /// Runs the tool and sends its outcome. Dropping the future stops it.
    pub(crate) async fn perform(self, inputs: mpsc::Sender<Input>) {
        let started = Instant::now();
        let outcome: ToolOutcome = self.host.run(&self.agent, self.tool_use, self.tool_call).await;
        let (tool_use, duration) = (self.tool_use, started.elapsed());
        let outcome = self.redactor.outcome(outcome);
        let _ = inputs.send(Input::ToolFinished { tool_use, outcome, duration }).await;
    }
}

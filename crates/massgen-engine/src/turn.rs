//! The work of one effect: a model call or a tool call, from its start to the input that it ends in.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use massgen_core::Input;
use massgen_ports::{Model, ModelEvent, ToolHost, Workspaces};
use massgen_prompt::{PromptError, Prompts, Viewer};
use massgen_protocol::message::{CallContext, FailureKind, ModelFailure, ToolOutcome};
use massgen_protocol::{
    AgentId, AttachedFile, CallId, Command, Delta, DeltaKind, ModelRequest, Notice, OutputSchema, Snapshot,
    SnapshotId, SnapshotOutcome, ToolCall, ToolSchema, ToolUse,
};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

use crate::log::EventLog;
use crate::materials::PromptMaterials;
use crate::redact::Redactor;
use crate::watch::ToolWatch;

/// Pieces of a reply that come faster than this are shown together.
const DELTA_INTERVAL: Duration = Duration::from_millis(40);

/// What the prompts of an agent begin with, the same for the whole run.
#[derive(Debug, Clone)]
pub(crate) struct FixedPrompt {
    pub(crate) system: Arc<str>,
    pub(crate) tools: Arc<[ToolSchema]>,
    /// What goes with the task.
    pub(crate) files: Arc<[Arc<AttachedFile>]>,
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
    pub(crate) output: Option<Arc<OutputSchema>>,
    pub(crate) redactor: Redactor,
    pub(crate) workspaces: Arc<dyn Workspaces>,
    /// What the agent's workspace must hold before the call.
    pub(crate) restore: Option<SnapshotId>,
}

impl ModelTurn {
    /// Makes the call and sends what comes of it. Dropping the future cuts the call off.
    pub(crate) async fn perform(self, inputs: mpsc::Sender<Input>, deltas: broadcast::Sender<Delta>) {
        let call = self.context.call;
        let end = AssertUnwindSafe(self.end(&inputs, deltas)).catch_unwind().await;
        let end = end.unwrap_or_else(|_| broken(call, "the adapter of the model broke"));
        // The session may have ended meanwhile; then nobody wants the outcome.
        let _ = inputs.send(end).await;
    }

    /// How the call ends. Whatever the model does, there is one end, or the session would wait for it in vain.
    async fn end(self, inputs: &mpsc::Sender<Input>, deltas: broadcast::Sender<Delta>) -> Input {
        let call = self.context.call;
        if let Some(snapshot) = &self.restore
            && let Err(message) = self.workspaces.restore(&self.context.agent, snapshot).await
        {
            return Input::FilesNotRestored { call, message: self.redactor.owned(message) };
        }
        // What a prompt speaks of is there before it is read.
        let shown = self.materials.snapshots.clone();
        if self.materials.workspace.is_some()
            && let Err(message) = self.workspaces.show(&self.context.agent, shown).await
        {
            let message = format!("the files of peers cannot be shown: {message}");
            let notice = Notice { message, agent: Some(self.context.agent.clone()) };
            let _ = inputs.send(Input::Command(Command::Report(notice))).await;
        }
        let request = self.request();
        // Hundreds of agents may wait for their models: none holds more than it needs meanwhile.
        drop(self.materials);
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                let message = format!("the prompt could not be made: {error}");
                let failure = ModelFailure { kind: FailureKind::Rejected, message, attempts: 0 };
                return Input::ModelFailed { call, failure };
            }
        };
        let mut events = self.model.call(request);
        let mut pieces = Pieces::new(call, deltas, &self.redactor);
        while let Some(event) = events.next().await {
            match event {
                ModelEvent::Delta { kind, text } => pieces.add(kind, &text),
                ModelEvent::Retrying { attempt, kind, message, delay } => {
                    pieces.forget();
                    let message = self.redactor.owned(message);
                    let _ = inputs.send(Input::ModelRetrying { call, attempt, kind, message, delay }).await;
                }
                ModelEvent::Service { service, report } => {
                    let service = self.redactor.owned(service);
                    let _ = inputs.send(Input::ServiceReported { call, service, report }).await;
                }
                ModelEvent::Finished(reply) => {
                    pieces.flush();
                    return Input::ModelReplied { call, reply: Arc::new(self.redactor.reply(*reply)) };
                }
                ModelEvent::Failed(failure) => {
                    return Input::ModelFailed { call, failure: self.redactor.failure(failure) };
                }
            }
        }
        broken(call, "the model's stream ended without a reply")
    }

    fn request(&self) -> Result<ModelRequest, PromptError> {
        Ok(ModelRequest {
            context: self.context.clone(),
            system: Arc::clone(&self.fixed.system),
            tools: Arc::clone(&self.fixed.tools),
            messages: self.prompts.messages(self.viewer, &self.materials.conversation, &self.materials)?,
            max_output_tokens: self.max_output_tokens,
            output: self.output.clone(),
        })
    }
}

/// The end of a call whose model does not keep to the port's contract.
fn broken(call: CallId, message: &str) -> Input {
    let failure = ModelFailure { kind: FailureKind::Malformed, message: message.to_owned(), attempts: 1 };
    Input::ModelFailed { call, failure }
}

/// Pieces of one reply on their way to the displays, put together while they come fast.
struct Pieces<'a> {
    call: CallId,
    out: broadcast::Sender<Delta>,
    redactor: &'a Redactor,
    held: Option<(DeltaKind, String)>,
    sent: Instant,
}

impl<'a> Pieces<'a> {
    fn new(call: CallId, out: broadcast::Sender<Delta>, redactor: &'a Redactor) -> Self {
        Self { call, out, redactor, held: None, sent: Instant::now() }
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

    /// What is held belongs to a request that failed.
    fn forget(&mut self) {
        self.held = None;
    }

    fn flush(&mut self) {
        if let Some((kind, text)) = self.held.take() {
            self.sent = Instant::now();
            let text = self.redactor.owned(text);
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
    pub(crate) log: Arc<EventLog>,
}

impl ToolTurn {
    /// Runs the tool and sends its outcome. Dropping the future stops it.
    pub(crate) async fn perform(self, inputs: mpsc::Sender<Input>, deltas: broadcast::Sender<Delta>) {
        let started = Instant::now();
        let (tool_use, tool_call) = (self.tool_use, self.tool_call);
        let (watch, progress) = ToolWatch::new(tool_use, inputs.clone(), self.log, self.redactor.clone());
        let name = tool_call.name.clone();
        let run = async {
            tokio::select! {
                run = async { self.host.run(&self.agent, tool_use, tool_call, watch).await } => run,
                never = progress.show(&name, deltas) => match never {},
            }
        };
        let run = AssertUnwindSafe(run).catch_unwind().await.unwrap_or_else(|_| {
            let text = "the tool broke; it may or may not have had its effect".to_owned();
            ToolOutcome::Error { text }.into()
        });
        // As the journal keeps it, so that files written now and files written from the journal are the same.
        let duration =
            Duration::from_millis(u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX));
        let outcome = self.redactor.outcome(run.outcome);
        let decisions = self.redactor.decisions(run.decisions);
        let _ = inputs.send(Input::ToolFinished { tool_use, outcome, duration, decisions }).await;
    }
}

/// One workspace to be kept.
pub(crate) struct KeepTurn {
    pub(crate) workspaces: Arc<dyn Workspaces>,
    pub(crate) agent: AgentId,
    /// The call whose reply submits.
    pub(crate) call: CallId,
    pub(crate) redactor: Redactor,
}

impl KeepTurn {
    /// Keeps the workspace and sends what became of it.
    pub(crate) async fn perform(self, inputs: mpsc::Sender<Input>) {
        let call = self.call;
        let keep = async { self.workspaces.keep(&self.agent).await };
        let kept = AssertUnwindSafe(keep).catch_unwind().await;
        let outcome = match kept.unwrap_or_else(|_| Err("keeping them broke".to_owned())) {
            Ok(snapshot) => {
                let clean = |(path, why)| (self.redactor.owned(path), why);
                let left_out = snapshot.left_out.into_iter().map(clean).collect();
                SnapshotOutcome::Kept { snapshot: Snapshot { left_out, ..snapshot } }
            }
            Err(message) => SnapshotOutcome::Failed { message: self.redactor.owned(message) },
        };
        let _ = inputs.send(Input::SnapshotFinished { call, outcome }).await;
    }
}

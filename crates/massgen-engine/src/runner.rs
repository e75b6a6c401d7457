//! The session loop: the one task that owns the state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_core::{Effect, Input, Open, Phase, State, Timer, advance, record};
use massgen_ports::{JournalError, SessionEnd, Waiting};
use massgen_prompt::{Finale, Prompts, Viewer};
use massgen_protocol::event::ENVELOPE_VERSION;
use massgen_protocol::message::{CallContext, Purpose};
use massgen_protocol::{
    AgentId, AgentNo, CallId, Command, Delta, Envelope, Event, Notice, RunMillis, Seq, Timestamp, ToolUse,
    limits,
};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::AbortHandle;

use crate::log::EventLog;
use crate::materials::PromptMaterials;
use crate::ports::Ports;
use crate::turn::{FixedPrompt, KeepTurn, ModelTurn, ToolTurn};

/// The loop's ends of a session's channels.
pub(crate) struct Channels {
    pub(crate) commands: mpsc::Receiver<Command>,
    pub(crate) log: Arc<EventLog>,
    pub(crate) deltas: broadcast::Sender<Delta>,
    pub(crate) end: watch::Sender<Option<SessionEnd>>,
}

impl Drop for Channels {
    /// Nobody waits for events of a loop that is gone, even if it broke.
    fn drop(&mut self) {
        self.log.close();
    }
}

/// The loop and everything it owns.
pub(crate) struct Runner {
    state: State,
    beginning: Beginning,
    last: Seq,
    /// Time at work when this process took the run up.
    base: RunMillis,
    /// The clock's monotonic time at that moment.
    started: Duration,
    ports: Ports,
    prompts: Arc<Prompts>,
    fixed: BTreeMap<AgentId, FixedPrompt>,
    channels: Channels,
    inputs: mpsc::Receiver<Input>,
    input_sender: mpsc::Sender<Input>,
    /// What is under way, and how to cut it off.
    running: Open,
    calls: HashMap<CallId, AbortHandle>,
    tools: HashMap<ToolUse, AbortHandle>,
    keeping: HashMap<CallId, AbortHandle>,
    /// Agents whose tools were told that waiting is pointless.
    called: BTreeSet<AgentNo>,
    /// Whether this process has let the presenter do what only a presenter may.
    lets_present: bool,
}

impl Runner {
    /// A loop for a run that has just begun.
    pub(crate) fn new(
        (state, first): (State, Event),
        ports: Ports,
        prompts: Arc<Prompts>,
        fixed: BTreeMap<AgentId, FixedPrompt>,
        channels: Channels,
    ) -> Self {
        let (input_sender, inputs) = mpsc::channel(limits::INPUT_QUEUE);
        Self {
            base: state.now(),
            started: ports.clock.monotonic(),
            state,
            beginning: Beginning::Event(Box::new(first)),
            last: Seq::default(),
            ports,
            prompts,
            fixed,
            channels,
            inputs,
            input_sender,
            running: Open::default(),
            calls: HashMap::new(),
            tools: HashMap::new(),
            keeping: HashMap::new(),
            called: BTreeSet::new(),
            lets_present: false,
        }
    }

    /// A loop for a run that goes on from `state`.
    pub(crate) fn resumed(
        state: State,
        last: Seq,
        ports: Ports,
        prompts: Arc<Prompts>,
        fixed: BTreeMap<AgentId, FixedPrompt>,
        channels: Channels,
    ) -> Self {
        let begun = Self::new((state, Event::RunResumed), ports, prompts, fixed, channels);
        Self { beginning: Beginning::Resume, last, ..begun }
    }

    /// Runs to the end of the session and tells everybody.
    pub(crate) async fn run(mut self) {
        let end = match self.work().await {
            Ok(end) => end,
            Err(error) => SessionEnd::JournalFailed(error),
        };
        for handle in self.calls.values().chain(self.tools.values()).chain(self.keeping.values()) {
            handle.abort();
        }
        self.channels.log.close();
        self.channels.end.send_replace(Some(end));
    }

    async fn work(&mut self) -> Result<SessionEnd, JournalError> {
        match std::mem::replace(&mut self.beginning, Beginning::Over) {
            Beginning::Event(first) => self.begin(*first).await?,
            Beginning::Resume => self.take(vec![Input::Resumed]).await?,
            Beginning::Over => {}
        }
        loop {
            if let Phase::Finished { outcome } = self.state.phase() {
                return Ok(SessionEnd::Finished(*outcome));
            }
            if self.state.is_interrupted() {
                // Replies that came meanwhile are paid for: they are kept.
                let mut rest = Vec::new();
                self.take_along(&mut rest);
                self.take(rest).await?;
                return Ok(SessionEnd::Interrupted);
            }
            let batch = self.next_inputs().await;
            self.take(batch).await?;
        }
    }

    /// Waits for something to happen, and takes along what has happened besides.
    async fn next_inputs(&mut self) -> Vec<Input> {
        let timer = self.state.next_timer();
        let due = timer.filter(|(at, _)| self.run_time() >= *at).map(|(_, timer)| Input::TimerFired(timer));
        let mut batch = Vec::new();
        if due.is_none() {
            let sleep = self.sleep(timer);
            batch.push(tokio::select! {
                biased;
                Some(command) = self.channels.commands.recv() => Input::Command(command),
                Some(input) = self.inputs.recv() => input,
                timer = sleep => Input::TimerFired(timer),
            });
        }
        self.take_along(&mut batch);
        // What came before the deadline is heard before it, but no number of inputs puts the deadline off.
        batch.extend(due);
        batch
    }

    /// Adds the inputs that are there already.
    fn take_along(&mut self, batch: &mut Vec<Input>) {
        while batch.len() < limits::INPUTS_PER_COMMIT {
            match self.inputs.try_recv() {
                Ok(input) => batch.push(input),
                Err(_) => break,
            }
        }
    }

    fn sleep(&self, timer: Option<(RunMillis, Timer)>) -> BoxFuture<'static, Timer> {
        let Some((at, timer)) = timer else {
            return Box::pin(std::future::pending());
        };
        let sleep = self.ports.clock.sleep_until(self.started + at.since(self.base));
        Box::pin(async move {
            sleep.await;
            timer
        })
    }

    async fn begin(&mut self, first: Event) -> Result<(), JournalError> {
        let mut batch = self.batch();
        self.append(&mut batch, vec![first]);
        self.advance(&mut batch);
        self.commit(batch).await
    }

    /// Feeds `inputs` to the state machine, then commits what came of it.
    async fn take(&mut self, inputs: Vec<Input>) -> Result<(), JournalError> {
        let mut batch = self.batch();
        for input in inputs {
            let input = self.ports.redactor.input(input);
            self.forget_finished(&input);
            let facts = record(&mut self.state, batch.now, input);
            // The fact is on its way to the disk before anything is made of it.
            self.append(&mut batch, facts);
            self.advance(&mut batch);
        }
        self.commit(batch).await
    }

    fn batch(&self) -> Batch {
        Batch { at: self.ports.clock.now(), now: self.run_time(), published: Vec::new(), commits: Vec::new() }
    }

    fn advance(&mut self, batch: &mut Batch) {
        let events = advance(&mut self.state, batch.now);
        self.append(batch, events);
    }

    /// Waits until the batch is durable, publishes it, then performs the effects that it announced.
    async fn commit(&mut self, batch: Batch) -> Result<(), JournalError> {
        for commit in batch.commits {
            commit.await?;
        }
        self.channels.log.publish(batch.published);
        self.perform_effects();
        Ok(())
    }

    fn append(&mut self, batch: &mut Batch, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let envelopes: Vec<Arc<Envelope>> = events
            .into_iter()
            .map(|event| {
                self.last = self.last.next();
                let (at, run_time) = (batch.at, batch.now);
                Arc::new(Envelope { v: ENVELOPE_VERSION, seq: self.last, at, run_time, event })
            })
            .collect();
        batch.published.extend(envelopes.iter().cloned());
        batch.commits.push(self.ports.journal.append(envelopes));
    }

    fn run_time(&self) -> RunMillis {
        let elapsed = self.ports.clock.monotonic().saturating_sub(self.started);
        (self.base + elapsed).max(self.state.now())
    }

    fn forget_finished(&mut self, input: &Input) {
        match input {
            Input::ModelReplied { call, .. }
            | Input::ModelFailed { call, .. }
            | Input::FilesNotRestored { call, .. } => {
                self.running.calls.remove(call);
                self.calls.remove(call);
            }
            Input::ToolFinished { tool_use, .. } => {
                self.running.tools.remove(tool_use);
                self.tools.remove(tool_use);
            }
            Input::SnapshotFinished { call, .. } => {
                self.running.keeping.remove(call);
                self.keeping.remove(call);
            }
            Input::ToolAsks { .. }
            | Input::ModelRetrying { .. }
            | Input::ServiceReported { .. }
            | Input::TimerFired(_)
            | Input::Command(_)
            | Input::Resumed => {}
        }
    }

    /// Lets who writes the final answer do what only they may, before anything of it is under way.
    fn let_present(&mut self) {
        let Some(agent) = self.state.presenter().and_then(|no| self.state.agent(no)) else { return };
        if std::mem::replace(&mut self.lets_present, true) {
            return;
        }
        if let Err(message) = self.ports.workspaces.let_present(agent.id()) {
            let message = format!("the files of the user cannot be changed: {message}");
            let notice = Input::Command(Command::Report(Notice { message, agent: Some(agent.id().clone()) }));
            let inputs = self.input_sender.clone();
            // The loop reads what it is told here: it must not wait for itself.
            tokio::spawn(async move { inputs.send(notice).await });
        }
    }

    fn perform_effects(&mut self) {
        self.let_present();
        let wanted = Open::wanted(&self.state);
        self.call_off_waiting(&wanted);
        for effect in self.running.effects_towards(&wanted) {
            match effect {
                Effect::AbortCall { call } => {
                    if let Some(handle) = self.calls.remove(&call) {
                        handle.abort();
                    }
                }
                Effect::AbortTool { tool_use } => {
                    if let Some(handle) = self.tools.remove(&tool_use) {
                        handle.abort();
                    }
                }
                Effect::CallModel { call, purpose } => self.call_model(call, purpose),
                Effect::RunTool { tool_use } => self.run_tool(tool_use),
                Effect::KeepFiles { call } => self.keep_files(call),
                Effect::AbortKeep { call } => {
                    if let Some(handle) = self.keeping.remove(&call) {
                        handle.abort();
                    }
                }
            }
        }
        self.running = wanted;
    }

    /// Tells tools that only wait whether there is something that their agents are to hear.
    fn call_off_waiting(&mut self, wanted: &Open) {
        let at_work = wanted.tools.iter().map(|tool_use| tool_use.call.agent).collect::<BTreeSet<_>>();
        let called: BTreeSet<AgentNo> =
            at_work.into_iter().filter(|no| self.state.has_news_at_tool_boundary(*no)).collect();
        for no in self.called.symmetric_difference(&called) {
            if let Some(agent) = self.state.agent(*no) {
                let waiting = if called.contains(no) { Waiting::Pointless } else { Waiting::Allowed };
                self.ports.tools.set_waiting(agent.id(), waiting);
            }
        }
        self.called = called;
    }

    fn call_model(&mut self, call: CallId, purpose: Purpose) {
        let Some(agent) = self.state.agent(call.agent) else {
            return;
        };
        let (Some(model), Some(fixed)) = (self.ports.models.get(agent.id()), self.fixed.get(agent.id()))
        else {
            return;
        };
        let output = self.state.agent_spec(call.agent).and_then(|agent| agent.backend.output_schema.as_ref());
        let turn = ModelTurn {
            model: Arc::clone(model),
            prompts: Arc::clone(&self.prompts),
            fixed: fixed.clone(),
            viewer: Viewer {
                agent: call.agent,
                agents: self.state.agents().len(),
                finale: if output.is_some() { Finale::Written } else { Finale::Submitted },
            },
            context: CallContext {
                agent: agent.id().clone(),
                call,
                purpose,
                candidates: agent.seen().labels().map(|label| label.agent).collect(),
                may_answer: self.state.may_answer(call.agent),
                fallback: agent.fallback(),
            },
            materials: PromptMaterials::of(&self.state, agent, Arc::clone(&fixed.files)),
            max_output_tokens: self.state.output_bound(call.agent),
            // Until then an agent decides with tools, and a form would keep many services from calling them.
            output: output.filter(|_| purpose == Purpose::Present).cloned(),
            redactor: self.ports.redactor.clone(),
            workspaces: Arc::clone(&self.ports.workspaces),
            restore: self.state.files_to_restore(call.agent).cloned(),
        };
        let task = tokio::spawn(turn.perform(self.input_sender.clone(), self.channels.deltas.clone()));
        self.calls.insert(call, task.abort_handle());
    }

    fn keep_files(&mut self, call: CallId) {
        let Some(agent) = self.state.agent(call.agent) else {
            return;
        };
        let turn = KeepTurn {
            workspaces: Arc::clone(&self.ports.workspaces),
            agent: agent.id().clone(),
            call,
            redactor: self.ports.redactor.clone(),
        };
        let task = tokio::spawn(turn.perform(self.input_sender.clone()));
        self.keeping.insert(call, task.abort_handle());
    }

    fn run_tool(&mut self, tool_use: ToolUse) {
        let Some(agent) = self.state.agent(tool_use.call.agent) else {
            return;
        };
        let reply = agent.reply(tool_use.call);
        let Some(tool_call) = reply.and_then(|reply| reply.tool_calls().nth(usize::from(tool_use.index)))
        else {
            return;
        };
        let turn = ToolTurn {
            host: Arc::clone(&self.ports.tools),
            agent: agent.id().clone(),
            tool_use,
            tool_call: tool_call.clone(),
            redactor: self.ports.redactor.clone(),
            log: Arc::clone(&self.channels.log),
        };
        let task = tokio::spawn(turn.perform(self.input_sender.clone(), self.channels.deltas.clone()));
        self.tools.insert(tool_use, task.abort_handle());
    }
}

/// What the loop does first.
enum Beginning {
    /// Store the first event of a new run.
    Event(Box<Event>),
    /// Go on with an old one.
    Resume,
    /// It has begun.
    Over,
}

/// What one round of the loop stores and publishes.
struct Batch {
    at: Timestamp,
    now: RunMillis,
    published: Vec<Arc<Envelope>>,
    commits: Vec<BoxFuture<'static, Result<(), JournalError>>>,
}

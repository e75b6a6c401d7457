//! Starting, resuming and holding a session.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use massgen_core::{Phase, ReplayError, begin, replay};
use massgen_ports::{SessionEnd, SessionHandle};
use massgen_prompt::{PromptError, Prompts, SystemText};
use massgen_protocol::spec::{AgentSpec, PastTurn, RunMeta, RunSpec};
use massgen_protocol::{AgentId, Command, Delta, Envelope, Seq, limits};
use tokio::sync::{broadcast, mpsc, watch};

use crate::log::EventLog;
use crate::ports::Ports;
use crate::runner::{Channels, Runner};
use crate::turn::FixedPrompt;

/// Why a session could not begin.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The events are not a run.
    #[error("the journal is not a run")]
    Replay(#[from] ReplayError),
    /// A prompt template is broken.
    #[error(transparent)]
    Prompt(#[from] PromptError),
    /// The files of an agent are not those that the specification names.
    #[error("the files of agent `{0}` are not there")]
    NoFiles(AgentId),
    /// An agent of the specification has no model.
    #[error("there is no model for agent `{0}`")]
    NoModel(AgentId),
}

/// A running session. Dropping it does not stop the run; [`Command::Interrupt`] does.
#[derive(Debug, Clone)]
pub struct Session {
    commands: mpsc::Sender<Command>,
    log: Arc<EventLog>,
    deltas: broadcast::Sender<Delta>,
    end: watch::Receiver<Option<SessionEnd>>,
}

impl Session {
    /// Begins a run. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When an agent has no model, or a prompt template is broken.
    pub fn start(spec: RunSpec, meta: RunMeta, ports: Ports) -> Result<Self, EngineError> {
        let prompts = Prompts::new()?;
        let fixed = fixed_prompts(&spec, &prompts, &ports)?;
        let fixed_prompt_bytes = fixed.values().map(|fixed| fixed_bytes(fixed, &spec)).max().unwrap_or(0);
        let meta = RunMeta { fixed_prompt_bytes, ..meta };
        let begun = begin(Arc::new(spec), Arc::new(meta), massgen_protocol::RunMillis::default());
        Self::spawn(ports, prompts, fixed, Vec::new(), |ports, prompts, fixed, channels| {
            Runner::new(begun, ports, prompts, fixed, channels)
        })
    }

    /// Goes on with a run that was killed or interrupted. A finished run ends at once, as it ended.
    ///
    /// # Errors
    /// When `past` is not a run, an agent has no model, or a prompt template is broken.
    pub fn resume(past: Vec<Envelope>, ports: Ports) -> Result<Self, EngineError> {
        let state = replay(&past)?;
        let last = past.last().map_or(Seq::default(), |envelope| envelope.seq);
        let past: Vec<Arc<Envelope>> = past.into_iter().map(Arc::new).collect();
        if let Phase::Finished { outcome } = state.phase() {
            return Ok(Self::finished(past, SessionEnd::Finished(*outcome)));
        }
        let prompts = Prompts::new()?;
        let fixed = fixed_prompts(state.spec(), &prompts, &ports)?;
        Self::spawn(ports, prompts, fixed, past, |ports, prompts, fixed, channels| {
            Runner::resumed(state, last, ports, prompts, fixed, channels)
        })
    }

    fn spawn(
        ports: Ports,
        prompts: Prompts,
        fixed: BTreeMap<AgentId, FixedPrompt>,
        past: Vec<Arc<Envelope>>,
        runner: impl FnOnce(Ports, Arc<Prompts>, BTreeMap<AgentId, FixedPrompt>, Channels) -> Runner,
    ) -> Result<Self, EngineError> {
        if let Some(id) = fixed.keys().find(|id| !ports.models.contains_key(*id)) {
            return Err(EngineError::NoModel(id.clone()));
        }
        let (commands, command_inbox) = mpsc::channel(limits::INPUT_QUEUE);
        let (deltas, _) = broadcast::channel(limits::DELTA_QUEUE);
        let (end_sender, end) = watch::channel(None);
        let log = Arc::new(EventLog::new(past));
        let channels = Channels {
            commands: command_inbox,
            log: Arc::clone(&log),
            deltas: deltas.clone(),
            end: end_sender,
        };
        tokio::spawn(runner(ports, Arc::new(prompts), fixed, channels).run());
        Ok(Self { commands, log, deltas, end })
    }

    fn finished(past: Vec<Arc<Envelope>>, end: SessionEnd) -> Self {
        let log = EventLog::new(past);
        log.close();
        let (commands, _) = mpsc::channel(1);
        let (deltas, _) = broadcast::channel(1);
        let (_, end) = watch::channel(Some(end));
        Self { commands, log: Arc::new(log), deltas, end }
    }
}

impl SessionHandle for Session {
    fn send(&self, command: Command) -> BoxFuture<'static, bool> {
        let commands = self.commands.clone();
        Box::pin(async move { commands.send(command).await.is_ok() })
    }

    fn events(&self, after: Seq) -> BoxStream<'static, Arc<Envelope>> {
        self.log.read(after)
    }

    fn deltas(&self) -> BoxStream<'static, Delta> {
        let receiver = self.deltas.subscribe();
        let end = self.end.clone();
        stream::unfold((receiver, end), |(mut receiver, mut end)| async move {
            loop {
                let received = tokio::select! {
                    received = receiver.recv() => received,
                    _ = end.wait_for(Option::is_some) => return None,
                };
                match received {
                    Ok(delta) => return Some((delta, (receiver, end))),
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => return None,
                }
            }
        })
        .boxed()
    }

    fn ended(&self) -> BoxFuture<'static, SessionEnd> {
        let mut end = self.end.clone();
        Box::pin(async move {
            let ended = end.wait_for(Option::is_some).await.map(|end| end.clone());
            // The sender only goes away without an end when the runtime is torn down: that is an interruption.
            ended.ok().flatten().unwrap_or(SessionEnd::Interrupted)
        })
    }
}

fn fixed_prompts(
    spec: &RunSpec,
    prompts: &Prompts,
    ports: &Ports,
) -> Result<BTreeMap<AgentId, FixedPrompt>, EngineError> {
    spec.agents
        .iter()
        .map(|agent| Ok((agent.id.clone(), fixed_prompt(spec, agent, prompts, ports)?)))
        .collect()
}

fn fixed_prompt(
    spec: &RunSpec,
    agent: &AgentSpec,
    prompts: &Prompts,
    ports: &Ports,
) -> Result<FixedPrompt, EngineError> {
    let files = ports.files.get(&agent.id).map(Vec::as_slice).unwrap_or_default();
    if !files.iter().map(|file| &file.attachment).eq(&agent.attachments) {
        return Err(EngineError::NoFiles(agent.id.clone()));
    }
    let work_tools = ports.tools.tools(&agent.id);
    let system = prompts.system(&SystemText {
        agents: spec.agents.len(),
        system_message: agent.system_message.as_deref(),
        sensitivity: agent.voting_sensitivity,
        work_tools: work_tools.len(),
        instructions: spec.instructions.as_ref(),
        // Only tools of agents with a workspace read the files of skills.
        skills: if work_tools.is_empty() || agent.workspace.is_none() { &[] } else { &spec.skills },
        // They are kept in a workspace, by tools.
        memories: spec.memories.as_deref().filter(|_| agent.workspace.is_some() && !work_tools.is_empty()),
        output: agent.backend.output_schema.as_deref(),
    })?;
    let mut tools = prompts.workflow_tools(spec.agents.len())?;
    tools.extend(work_tools);
    Ok(FixedPrompt { system: system.into(), tools: tools.into(), files: files.into() })
}

/// Bytes of the part of a prompt that is there before anybody has said anything.
fn fixed_bytes(fixed: &FixedPrompt, spec: &RunSpec) -> u64 {
    let tool = |tool: &massgen_protocol::ToolSchema| {
        tool.name.len() + tool.description.len() + tool.parameters.to_string().len()
    };
    let history = spec.history.iter().map(PastTurn::bytes).sum::<usize>();
    let bytes =
        fixed.system.len() + history + spec.question.len() + fixed.tools.iter().map(tool).sum::<usize>();
    let files: u64 = fixed.files.iter().map(|file| file.attachment.prompt_bytes()).sum();
    u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(files)
}

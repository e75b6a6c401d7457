//! The state of a run, as plain data. Only `apply.rs` changes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use massgen_protocol::event::{AgentStatus, EndCause, OutCause, RoundLimit, RunOutcome, WaitCause};
use massgen_protocol::message::{Purpose, Reply, ToolOutcome};
use massgen_protocol::spec::{BackendSpec, FinalAnswerStrategy};
use massgen_protocol::turn::{TallyRow, Turn, Verdict};
use massgen_protocol::{
    AgentId, AgentNo, AgentSpec, AnswerLabel, CallId, MadeFiles, Note, NoteId, RevisionSet, RunMillis,
    RunSpec, SnapshotId, ToolUse, Usd,
};

/// Everything that is known of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub(crate) spec: Arc<RunSpec>,
    /// Agents by number: entry i is `agent{i+1}`.
    pub(crate) agents: Vec<Agent>,
    /// Numbers in registration order.
    pub(crate) registration: Vec<AgentNo>,
    /// How many answers each agent has.
    pub(crate) revisions: RevisionSet,
    pub(crate) notes: Vec<Note>,
    /// The files that agents made.
    pub(crate) made: MadeFiles,
    pub(crate) phase: Phase,
    /// Whether who writes the final answer has replied. From then on its folder is its own.
    pub(crate) presenter_replied: bool,
    pub(crate) interrupted: bool,
    pub(crate) spent: Spent,
    /// Worst cases of the calls that are under way.
    pub(crate) reserved: BTreeMap<CallId, Reserved>,
    pub(crate) fixed_prompt_bytes: u64,
    pub(crate) now: RunMillis,
}

/// Where the run is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Agents answer and vote.
    Coordinating,
    /// Coordination is over, the winner is not chosen yet.
    Ended {
        /// Why it is over.
        cause: EndCause,
    },
    /// The winner is chosen.
    Won {
        /// Why coordination is over.
        cause: EndCause,
        /// The winning answer.
        answer: AnswerLabel,
        /// The votes that count.
        tally: Vec<TallyRow>,
        /// The presentation, once it has begun.
        presentation: Option<FinalAnswerStrategy>,
    },
    /// The final answer is stored.
    Final,
    /// The run is over.
    Finished {
        /// How.
        outcome: RunOutcome,
    },
}

/// One agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    pub(crate) no: AgentNo,
    pub(crate) id: AgentId,
    pub(crate) state: AgentState,
    /// The state that observers were told last.
    pub(crate) announced: AgentStatus,
    pub(crate) answers: Vec<Answer>,
    /// The newest revisions that its conversation showed it, its own included.
    pub(crate) seen: RevisionSet,
    /// Steering messages up to and with this id were shown (or were not for it).
    pub(crate) notes_seen: NoteId,
    /// What became of its last submission; told with the next results.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) conversation: Vec<Turn>,
    /// Replies that the conversation refers to.
    pub(crate) replies: BTreeMap<CallId, Arc<Reply>>,
    /// Outcomes of work tools that the conversation refers to.
    pub(crate) tool_outcomes: BTreeMap<ToolUse, ToolOutcome>,
    /// Those of them on which somebody had to decide.
    pub(crate) judged: BTreeSet<ToolUse>,
    /// Calls of work tools that a person is asked about.
    pub(crate) asking: BTreeSet<ToolUse>,
    pub(crate) context: ContextSize,
    /// The files of its last submission.
    pub(crate) kept: Option<Kept>,
    /// Paths that were not kept with a submission, as far as people were told of them.
    pub(crate) told_left_out: BTreeSet<String>,
    /// Model calls so far.
    pub(crate) calls: u32,
    /// Executions so far.
    pub(crate) executions: u32,
    /// Which entry of its fallback list is at work, from 1; 0 is its own model.
    pub(crate) fallback: u32,
    /// How often it began afresh within an execution since its last decision that counted.
    pub(crate) fresh_starts: u32,
}

/// What an agent is doing.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentState {
    /// Not in an execution.
    Waiting {
        /// For what.
        on: WaitCause,
    },
    /// In an execution that is to end in an answer or a vote.
    Working(Work),
    /// Its answer was accepted; its next execution has not begun.
    Answered,
    /// It has voted.
    Voted(Vote),
    /// It writes the final answer.
    Presenting(Work),
    /// It takes no further part.
    Out {
        /// Why.
        cause: OutCause,
    },
    /// The run is over for it.
    Done,
}

/// An execution under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Work {
    /// Counts the agent's executions, from 1.
    pub execution: u32,
    /// When it began.
    pub started: RunMillis,
    /// What it is at.
    pub step: WorkStep,
    /// Replies without a decision, in a row.
    pub no_decisions: u32,
    /// Refused submissions of this execution.
    pub refusals: u32,
    /// Peer answers injected into this execution.
    pub injected: u32,
    /// The furthest limit that was reached.
    pub limit: Option<RoundLimit>,
    /// The furthest limit that the agent was told of.
    pub told: Option<RoundLimit>,
    /// What the next reply is to be.
    pub aim: Aim,
    /// How often the provider paused in this execution.
    pub pauses: u32,
}

/// What the next reply of an execution is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Work, and in the end a decision.
    Decision,
    /// A summary of the conversation, in place of it.
    Summary,
}

/// What an execution is at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkStep {
    /// The next model call has not begun (it waits for the budget, or a crash came between).
    Ready,
    /// A model call is under way.
    Calling {
        /// Which.
        call: CallId,
    },
    /// A reply is there and not yet interpreted, or its tools have all ended.
    Deciding {
        /// The call that was replied to.
        call: CallId,
    },
    /// The model call failed for good.
    Failed {
        /// How.
        failure: massgen_protocol::ModelFailure,
    },
    /// What its workspace holds is being kept, before its answer is judged.
    Keeping {
        /// The call whose reply submits the answer.
        call: CallId,
    },
    /// Work tools are under way.
    Tools {
        /// The call whose reply asked for them.
        call: CallId,
        /// Those that have not ended.
        open: BTreeSet<ToolUse>,
    },
}

/// An accepted answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The text.
    pub content: Arc<str>,
    /// Place among all accepted answers of the run, from 0.
    pub order: u32,
    /// The files that belong to it.
    pub snapshot: Option<SnapshotId>,
    /// What the workspace held besides and was not kept, with the reason.
    pub left_out: BTreeMap<String, String>,
}

/// What became of the files of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// The call whose reply submits.
    pub(crate) call: CallId,
    /// What was kept; `None` when that failed.
    pub(crate) snapshot: Option<SnapshotId>,
    /// What was not, with the reason.
    pub(crate) left_out: BTreeMap<String, String>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// The answer it is for.
    pub answer: AnswerLabel,
    /// What the voter had seen.
    pub seen: RevisionSet,
}

/// How large a conversation is: what the provider counted, and what was added since.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ContextSize {
    /// Input and output tokens of the last call.
    pub(crate) tokens: u64,
    /// Bytes added after that call.
    pub(crate) added_bytes: u64,
}

impl ContextSize {
    /// The likely number of tokens: four bytes each.
    pub(crate) fn likely_tokens(self) -> u64 {
        self.tokens.saturating_add(self.added_bytes.div_ceil(4))
    }

    /// More tokens than any text of this size has in practice: two bytes each.
    pub(crate) fn worst_tokens(self) -> u64 {
        self.tokens.saturating_add(self.added_bytes.div_ceil(2))
    }

    /// The size with `bytes` more.
    pub(crate) fn with_bytes(self, bytes: u64) -> Self {
        Self { added_bytes: self.added_bytes.saturating_add(bytes), ..self }
    }

    /// Grows by `bytes`.
    pub(crate) fn add_bytes(&mut self, bytes: u64) {
        *self = self.with_bytes(bytes);
    }
}

/// What was spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    pub(crate) tokens: u64,
    pub(crate) cost: Usd,
}

/// What a call under way may spend at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Reserved {
    pub(crate) tokens: u64,
    pub(crate) cost: Option<Usd>,
}

impl State {
    /// The specification of the run.
    pub fn spec(&self) -> &Arc<RunSpec> {
        &self.spec
    }

    /// The agents, by number.
    pub fn agents(&self) -> &[Agent] {
        &self.agents
    }

    /// The agent with number `no`.
    pub fn agent(&self, no: AgentNo) -> Option<&Agent> {
        self.agents.get(no.index())
    }

    /// Where the run is.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Who writes the final answer, once that has begun.
    pub fn presenter(&self) -> Option<AgentNo> {
        match &self.phase {
            Phase::Won { answer, presentation: Some(_), .. } => Some(answer.agent),
            Phase::Won { presentation: None, .. }
            | Phase::Coordinating
            | Phase::Ended { .. }
            | Phase::Final
            | Phase::Finished { .. } => None,
        }
    }

    /// What the workspace of `agent` must hold before its next call is made: who writes the final answer starts from the
    /// files that were voted for, whatever it has done to them since.
    pub fn files_to_restore(&self, agent: AgentNo) -> Option<&SnapshotId> {
        match &self.phase {
            Phase::Won { answer, presentation: Some(_), .. } if answer.agent == agent => {
                self.answer(*answer)?.snapshot.as_ref().filter(|_| !self.presenter_replied)
            }
            Phase::Won { .. }
            | Phase::Coordinating
            | Phase::Ended { .. }
            | Phase::Final
            | Phase::Finished { .. } => None,
        }
    }

    /// Whether the run was interrupted and not resumed.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted
    }

    /// How many answers each agent has now.
    pub fn revisions(&self) -> &RevisionSet {
        &self.revisions
    }

    /// The text of an accepted answer.
    pub fn answer(&self, label: AnswerLabel) -> Option<&Answer> {
        let index = usize::try_from(label.revision.checked_sub(1)?).ok()?;
        self.agent(label.agent)?.answers.get(index)
    }

    /// The files that the agents have made, by answer.
    pub fn made(&self) -> &MadeFiles {
        &self.made
    }

    /// The steering message `id`.
    pub fn note(&self, id: NoteId) -> Option<&Note> {
        self.notes.get(usize::try_from(id.0.checked_sub(1)?).ok()?)
    }

    /// When the last event happened, in time at work.
    pub fn now(&self) -> RunMillis {
        self.now
    }

    /// What the run was begun with for agent `no`. Cheaper than [`RunSpec::agent`], which numbers all agents anew.
    pub fn agent_spec(&self, no: AgentNo) -> Option<&AgentSpec> {
        let position = self.registration.iter().position(|other| *other == no)?;
        self.spec.agents.get(position)
    }

    /// The model that is at work for agent `no`: its own, or the one that took its place.
    pub fn backend(&self, no: AgentNo) -> Option<&BackendSpec> {
        let spec = self.agent_spec(no)?;
        let taken = usize::try_from(self.agent(no)?.fallback).ok()?;
        taken.checked_sub(1).map_or(Some(&spec.backend), |index| spec.fallback.get(index))
    }

    pub(crate) fn has_answers(&self) -> bool {
        self.agents.iter().any(|agent| !agent.answers.is_empty())
    }

    pub(crate) fn answer_count(&self) -> u32 {
        self.agents.iter().map(Agent::answer_count).sum()
    }

    /// Steering messages for `agent` that it has not been shown, oldest first.
    pub(crate) fn undelivered_notes(&self, agent: &Agent) -> Vec<NoteId> {
        self.notes_for(agent).filter(|id| *id > agent.notes_seen).collect()
    }

    /// All steering messages for `agent`, oldest first.
    pub(crate) fn notes_for<'a>(&'a self, agent: &'a Agent) -> impl Iterator<Item = NoteId> + 'a {
        let is_for = |note: &Note| note.targets.as_ref().is_none_or(|targets| targets.contains(&agent.id));
        (1u32..).zip(&self.notes).filter(move |(_, note)| is_for(note)).map(|(id, _)| NoteId(id))
    }

    /// Whether `agent` has not been shown something that it should know before its vote counts.
    pub(crate) fn has_news_for(&self, agent: &Agent) -> bool {
        // What was seen is never ahead of what there is, and this is asked of every voter after every input.
        agent.seen != self.revisions || self.notes_for(agent).any(|id| id > agent.notes_seen)
    }
}

impl Agent {
    /// Its number.
    pub fn no(&self) -> AgentNo {
        self.no
    }

    /// Its id in the configuration.
    pub fn id(&self) -> &AgentId {
        &self.id
    }

    /// What it is doing.
    pub fn state(&self) -> &AgentState {
        &self.state
    }

    /// Which entry of its fallback list is at work, from 1; 0 is its own model.
    pub fn fallback(&self) -> u32 {
        self.fallback
    }

    /// Its accepted answers, oldest first.
    pub fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// Its conversation, oldest turn first.
    pub fn conversation(&self) -> &[Turn] {
        &self.conversation
    }

    /// The reply to `call`, if the conversation refers to it.
    pub fn reply(&self, call: CallId) -> Option<&Arc<Reply>> {
        self.replies.get(&call)
    }

    /// How a work tool ended, if the conversation refers to it.
    pub fn tool_outcome(&self, tool_use: ToolUse) -> Option<&ToolOutcome> {
        self.tool_outcomes.get(&tool_use)
    }

    /// What it has been shown.
    pub fn seen(&self) -> &RevisionSet {
        &self.seen
    }

    /// The label of its newest answer.
    pub fn latest(&self) -> Option<AnswerLabel> {
        match self.answer_count() {
            0 => None,
            count => Some(self.no.label(count)),
        }
    }

    /// The files of the submission in the reply to `call`, once it is known what became of them.
    pub(crate) fn kept_for(&self, call: CallId) -> Option<&Kept> {
        self.kept.as_ref().filter(|kept| kept.call == call)
    }

    pub(crate) fn answer_count(&self) -> u32 {
        u32::try_from(self.answers.len()).unwrap_or(u32::MAX)
    }

    /// Whether that tool call is under way.
    pub(crate) fn is_running(&self, tool_use: ToolUse) -> bool {
        match self.work().map(|work| &work.step) {
            Some(WorkStep::Tools { open, .. }) => open.contains(&tool_use),
            Some(
                WorkStep::Ready
                | WorkStep::Calling { .. }
                | WorkStep::Deciding { .. }
                | WorkStep::Keeping { .. }
                | WorkStep::Failed { .. },
            )
            | None => false,
        }
    }

    /// The execution under way.
    pub fn work(&self) -> Option<&Work> {
        match &self.state {
            AgentState::Working(work) | AgentState::Presenting(work) => Some(work),
            AgentState::Waiting { .. }
            | AgentState::Answered
            | AgentState::Voted(_)
            | AgentState::Out { .. }
            | AgentState::Done => None,
        }
    }

    pub(crate) fn work_mut(&mut self) -> Option<&mut Work> {
        match &mut self.state {
            AgentState::Working(work) | AgentState::Presenting(work) => Some(work),
            AgentState::Waiting { .. }
            | AgentState::Answered
            | AgentState::Voted(_)
            | AgentState::Out { .. }
            | AgentState::Done => None,
        }
    }

    /// What a reply is for, now.
    pub fn purpose(&self) -> Purpose {
        match &self.state {
            AgentState::Working(Work { aim: Aim::Summary, .. })
            | AgentState::Presenting(Work { aim: Aim::Summary, .. }) => Purpose::Summarize,
            AgentState::Presenting(_) => Purpose::Present,
            AgentState::Working(_)
            | AgentState::Waiting { .. }
            | AgentState::Answered
            | AgentState::Voted(_)
            | AgentState::Out { .. }
            | AgentState::Done => Purpose::Coordinate,
        }
    }

    /// Its state in the words of the protocol.
    pub fn status(&self) -> AgentStatus {
        match &self.state {
            AgentState::Waiting { on } => AgentStatus::Waiting { on: *on },
            AgentState::Working(_) => AgentStatus::Working,
            AgentState::Answered => AgentStatus::Answered,
            AgentState::Voted(_) => AgentStatus::Voted,
            AgentState::Presenting(_) => AgentStatus::Presenting,
            AgentState::Out { cause } => AgentStatus::Out { cause: cause.clone() },
            AgentState::Done => AgentStatus::Done,
        }
    }

    pub(crate) fn is_out(&self) -> bool {
        match self.state {
            AgentState::Out { .. } => true,
            AgentState::Waiting { .. }
            | AgentState::Working(_)
            | AgentState::Answered
            | AgentState::Voted(_)
            | AgentState::Presenting(_)
            | AgentState::Done => false,
        }
    }
}

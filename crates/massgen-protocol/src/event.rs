//! What happens in a run. [`Event`] is durable: stored in the journal, numbered, never lost. [`Delta`] is ephemeral:
//! pieces of a reply while it streams, without number, droppable.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::command::{Note, NoteId};
use crate::ids::{AgentNo, AnswerLabel, CallId, RevisionSet, Seq, ToolUse};
use crate::message::{
    Asking, FailureKind, ModelFailure, Purpose, Reply, ToolCall, ToolDecision, ToolOutcome,
};
use crate::money::{TokenUsage, Usd};
use crate::pacing::ServiceReport;
use crate::spec::{FinalAnswerStrategy, RunMeta, RunSpec};
use crate::time::{RunMillis, Timestamp, millis};
use crate::turn::{News, Refusal, Shortfall, TallyRow, Turn};
use crate::workspace::{SnapshotId, SnapshotOutcome};

/// Version of the JSON form of [`Envelope`] and [`Event`].
pub const ENVELOPE_VERSION: u32 = 1;

/// A durable event with its place in the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Envelope {
    /// [`ENVELOPE_VERSION`] of the writer.
    pub v: u32,
    /// Position in the run: dense, from 1.
    pub seq: Seq,
    /// When it was committed, in the world.
    pub at: Timestamp,
    /// When it was committed, in time at work.
    pub run_time: RunMillis,
    /// What happened.
    pub event: Event,
}

/// A durable fact of a run. Past tense; each is stored before anyone sees it, and those that announce an effect
/// (`…Started`) before the effect is performed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// The run began; always the first event, and the only one of its kind.
    RunStarted {
        /// What is run.
        spec: Arc<RunSpec>,
        /// Where it comes from.
        meta: Arc<RunMeta>,
    },
    /// A process took the run up again after it was killed or interrupted.
    RunResumed,
    /// A person or program interrupted the run; it can be resumed.
    RunInterrupted {
        /// The answer that would win now, if there is one.
        best: Option<AnswerLabel>,
    },
    /// An agent's execution began (users call it a round).
    ExecutionStarted {
        /// Whose.
        agent: AgentNo,
        /// Counts the executions of this agent from 1.
        execution: u32,
        /// Answers of this agent so far: the round that artifact files count from 0.
        round: u32,
        /// What it starts from.
        conversation: Conversation,
    },
    /// The conversation of an agent grew by a turn.
    PromptExtended {
        /// Whose.
        agent: AgentNo,
        /// The turn.
        turn: Turn,
        /// On what occasion.
        occasion: Occasion,
    },
    /// A model call is about to be made.
    ModelCallStarted {
        /// The call.
        call: CallId,
        /// What the reply is for.
        purpose: Purpose,
        /// Worst case of tokens, held back from the budget.
        reserved_tokens: u64,
        /// Worst case of money, held back from the budget; `None` when the price is unknown.
        reserved_cost: Option<Usd>,
    },
    /// One request of a call failed and will be sent again.
    ModelCallRetried {
        /// The call.
        call: CallId,
        /// Which request failed, from 1.
        attempt: u32,
        /// The class of the failure.
        kind: FailureKind,
        /// What the provider or the network said.
        message: String,
        /// Wait before the next request.
        #[serde(with = "millis")]
        #[schemars(with = "u64")]
        delay: Duration,
    },
    /// A call is held back before a request, what is known of its service changed, or some of what it made stays there.
    ServiceReported {
        /// The call that tells it.
        call: CallId,
        /// The model and the host, for people.
        service: String,
        /// What.
        report: ServiceReport,
    },
    /// A model call ended.
    ModelCallFinished {
        /// The call.
        call: CallId,
        /// How.
        outcome: CallOutcome,
    },
    /// A work tool is about to be run.
    ToolCallStarted {
        /// Which.
        tool_use: ToolUse,
        /// The call as the model wrote it.
        tool_call: ToolCall,
    },
    /// A work tool ended, was denied, or is unknown after a kill.
    ToolCallFinished {
        /// Which.
        tool_use: ToolUse,
        /// How.
        outcome: ToolOutcome,
        /// How long it ran.
        #[serde(with = "millis")]
        #[schemars(with = "u64")]
        duration: Duration,
        /// What was decided on what it wanted: refusals, replies of people, and paths outside the workspace.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        decisions: Vec<ToolDecision>,
    },
    /// A tool call that is under way asks a person, still does, or asks no longer.
    ToolCallAsked {
        /// Which.
        tool_use: ToolUse,
        /// How it stands with the question.
        asking: Asking,
    },
    /// What the workspace of an agent holds is about to be kept, because the reply to this call submits an answer.
    SnapshotStarted {
        /// The call.
        call: CallId,
    },
    /// It was kept, or could not be.
    SnapshotFinished {
        /// The call.
        call: CallId,
        /// What became of it.
        outcome: SnapshotOutcome,
    },
    /// An answer was accepted.
    AnswerAccepted {
        /// Its label.
        label: AnswerLabel,
        /// The answer.
        content: Arc<str>,
        /// What its author had seen.
        seen: RevisionSet,
        /// The files that belong to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<SnapshotId>,
    },
    /// A vote was cast.
    VoteCast {
        /// Who voted.
        voter: AgentNo,
        /// For which answer: the newest one of the chosen agent that the voter had seen.
        answer: AnswerLabel,
        /// Why, in the voter's words.
        reason: String,
        /// What the voter had seen: the vote counts while this is the current set.
        seen: RevisionSet,
    },
    /// A vote does not count, because answers came while it was cast.
    VoteIgnored {
        /// Who voted.
        voter: AgentNo,
        /// For which answer.
        answer: AnswerLabel,
        /// Why, in the voter's words.
        reason: String,
        /// Answers that the voter had not seen.
        newer: Vec<AnswerLabel>,
    },
    /// A submission was refused.
    SubmissionRefused {
        /// Whose.
        agent: AgentNo,
        /// In the reply to this call.
        call: CallId,
        /// Why.
        refusal: Refusal,
    },
    /// A reply ended without a decision.
    NoDecision {
        /// Whose.
        agent: AgentNo,
        /// In the reply to this call.
        call: CallId,
        /// Which in a row, from 1.
        attempt: u32,
        /// How many are accepted in a row.
        max_attempts: u32,
        /// What was wrong with the reply.
        #[serde(default)]
        cause: Shortfall,
    },
    /// The model of an agent failed for good, and the next one of its list takes its place for the rest of the run.
    FallbackTaken {
        /// Whose.
        agent: AgentNo,
        /// Which entry of `fallback` of the agent's specification, from 1.
        entry: u32,
        /// How the model before failed.
        failure: ModelFailure,
    },
    /// The conversation of an agent was made shorter, because it fills the context window of its model.
    ConversationCompacted {
        /// Whose.
        agent: AgentNo,
        /// How.
        compaction: Compaction,
    },
    /// An agent changed its state.
    AgentStateChanged {
        /// Whose.
        agent: AgentNo,
        /// The new state.
        state: AgentStatus,
    },
    /// A steering message arrived.
    NoteReceived {
        /// Its id.
        id: NoteId,
        /// The message.
        note: Note,
    },
    /// An execution reached a limit of its time.
    RoundLimitReached {
        /// Whose.
        agent: AgentNo,
        /// Which limit.
        limit: RoundLimit,
    },
    /// Coordination is over; no further answer or vote is taken.
    CoordinationEnded {
        /// Why.
        cause: EndCause,
    },
    /// The winner is known.
    WinnerSelected {
        /// The winning answer.
        answer: AnswerLabel,
        /// The votes that count, most first.
        tally: Vec<TallyRow>,
        /// What decided.
        basis: WinnerBasis,
    },
    /// An agent began to write the final answer.
    PresentationStarted {
        /// Who.
        presenter: AgentNo,
        /// Out of what.
        strategy: FinalAnswerStrategy,
    },
    /// The final answer is known.
    FinalAnswerReady {
        /// Whose it is.
        agent: AgentNo,
        /// The text.
        content: Arc<str>,
        /// Where the text comes from.
        source: FinalSource,
        /// The files that belong to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        snapshot: Option<SnapshotId>,
    },
    /// The run is over; always the last event of a run that was not interrupted or killed.
    RunFinished {
        /// How.
        outcome: RunOutcome,
    },
    /// Something works less well than asked for; told once.
    Degraded {
        /// What, for people.
        message: String,
        /// The agent that it concerns, if one.
        agent: Option<AgentNo>,
    },
}

impl Event {
    /// The agent that the event is about, if one.
    pub fn agent(&self) -> Option<AgentNo> {
        match self {
            Self::RunStarted { .. }
            | Self::RunResumed
            | Self::RunInterrupted { .. }
            | Self::NoteReceived { .. }
            | Self::CoordinationEnded { .. }
            | Self::RunFinished { .. } => None,
            Self::ExecutionStarted { agent, .. }
            | Self::PromptExtended { agent, .. }
            | Self::SubmissionRefused { agent, .. }
            | Self::NoDecision { agent, .. }
            | Self::FallbackTaken { agent, .. }
            | Self::ConversationCompacted { agent, .. }
            | Self::AgentStateChanged { agent, .. }
            | Self::RoundLimitReached { agent, .. }
            | Self::FinalAnswerReady { agent, .. } => Some(*agent),
            Self::ModelCallStarted { call, .. }
            | Self::ModelCallRetried { call, .. }
            | Self::ServiceReported { call, .. }
            | Self::ModelCallFinished { call, .. }
            | Self::SnapshotStarted { call }
            | Self::SnapshotFinished { call, .. } => Some(call.agent),
            Self::ToolCallStarted { tool_use, .. }
            | Self::ToolCallFinished { tool_use, .. }
            | Self::ToolCallAsked { tool_use, .. } => Some(tool_use.call.agent),
            Self::AnswerAccepted { label, .. } => Some(label.agent),
            Self::VoteCast { voter, .. } | Self::VoteIgnored { voter, .. } => Some(*voter),
            Self::WinnerSelected { answer, .. } => Some(answer.agent),
            Self::PresentationStarted { presenter, .. } => Some(*presenter),
            Self::Degraded { agent, .. } => *agent,
        }
    }

    /// The event's name in the journal: the value of `type` in its JSON form.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::RunStarted { .. } => "run_started",
            Self::RunResumed => "run_resumed",
            Self::RunInterrupted { .. } => "run_interrupted",
            Self::ExecutionStarted { .. } => "execution_started",
            Self::PromptExtended { .. } => "prompt_extended",
            Self::ModelCallStarted { .. } => "model_call_started",
            Self::ModelCallRetried { .. } => "model_call_retried",
            Self::ServiceReported { .. } => "service_reported",
            Self::ModelCallFinished { .. } => "model_call_finished",
            Self::ToolCallStarted { .. } => "tool_call_started",
            Self::ToolCallFinished { .. } => "tool_call_finished",
            Self::ToolCallAsked { .. } => "tool_call_asked",
            Self::SnapshotStarted { .. } => "snapshot_started",
            Self::SnapshotFinished { .. } => "snapshot_finished",
            Self::AnswerAccepted { .. } => "answer_accepted",
            Self::VoteCast { .. } => "vote_cast",
            Self::VoteIgnored { .. } => "vote_ignored",
            Self::SubmissionRefused { .. } => "submission_refused",
            Self::NoDecision { .. } => "no_decision",
            Self::FallbackTaken { .. } => "fallback_taken",
            Self::ConversationCompacted { .. } => "conversation_compacted",
            Self::AgentStateChanged { .. } => "agent_state_changed",
            Self::NoteReceived { .. } => "note_received",
            Self::RoundLimitReached { .. } => "round_limit_reached",
            Self::CoordinationEnded { .. } => "coordination_ended",
            Self::WinnerSelected { .. } => "winner_selected",
            Self::PresentationStarted { .. } => "presentation_started",
            Self::FinalAnswerReady { .. } => "final_answer_ready",
            Self::RunFinished { .. } => "run_finished",
            Self::Degraded { .. } => "degraded",
        }
    }
}

/// What an execution starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Conversation {
    /// A new conversation: the task and the current answers.
    Fresh,
    /// The agent's own conversation, with what is new appended.
    Continued,
}

/// How a conversation was made shorter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "method", rename_all = "snake_case")]
pub enum Compaction {
    /// The results of its work tools were left out, except for the newest.
    ResultsDropped {
        /// How many were.
        results: u32,
    },
    /// It begins anew, with the agent's own summary.
    Summarized {
        /// The call whose reply is the summary.
        call: CallId,
        /// What the new beginning tells.
        news: News,
    },
}

impl fmt::Display for Compaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResultsDropped { results } => {
                write!(f, "the context window is full: {results} older tool results left out")
            }
            Self::Summarized { .. } => {
                f.write_str("the context window is full: the conversation begins anew with a summary")
            }
        }
    }
}

/// On what occasion a conversation grew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// An execution began.
    ExecutionStart,
    /// Tool results go back; news may ride along (mid-stream injection).
    ToolBoundary,
    /// A reply without a valid decision is sent back.
    Retry,
    /// A time limit or a person asks for an end.
    Limit,
    /// The presentation began.
    Presentation,
    /// The conversation has become long, and the agent is asked for a summary.
    Compaction,
}

/// How a model call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CallOutcome {
    /// With a complete reply.
    Replied {
        /// The reply with the provider's items.
        reply: Arc<Reply>,
        /// What it cost; `None` when the price is unknown.
        cost: Option<Usd>,
    },
    /// Without one, after all retries.
    Failed {
        /// Why.
        failure: ModelFailure,
    },
    /// We cut it off (limit, deadline, interrupt).
    Cancelled {
        /// What it may have used up to then, estimated.
        usage: TokenUsage,
        /// What that cost; `None` when the price is unknown.
        cost: Option<Usd>,
    },
}

/// The state of an agent, as everybody sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum AgentStatus {
    /// In an execution: its model or its tools are at work.
    Working,
    /// Its answer was accepted; its next execution begins when its peers have answered.
    Answered,
    /// It has voted, and the vote counts.
    Voted,
    /// Not in an execution.
    Waiting {
        /// For what.
        on: WaitCause,
    },
    /// It writes the final answer.
    Presenting,
    /// It takes no further part. Its last answer stays and can win.
    Out {
        /// Why.
        cause: OutCause,
    },
    /// The run is over for it.
    Done,
}

/// What an agent waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WaitCause {
    /// The run to begin.
    Start,
    /// Slower peers (fairness).
    SlowerPeers,
    /// Something new: it was refused too often in a row and abstains until a peer answers.
    News,
}

/// Why an agent takes no further part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "cause", rename_all = "snake_case")]
pub enum OutCause {
    /// Its provider failed for good.
    ModelFailed {
        /// How.
        failure: ModelFailure,
    },
    /// It would not decide, asked as often as allowed.
    NeverActed,
    /// It did not finish after its hard round limit.
    TimedOut,
}

/// Limits of the time of one execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoundLimit {
    /// The agent is asked to finish.
    Soft,
    /// Its call is cut; only `new_answer` and `vote` work from now on.
    Hard,
    /// It is out.
    Final,
}

/// Why coordination ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// Every live agent has voted on the current answers (or abstains).
    AllVoted,
    /// Every live agent has answered, and no votes are taken.
    AllAnswered,
    /// No live agent is left.
    AllOut,
    /// The orchestrator's deadline.
    Deadline,
    /// The next call does not fit the budget.
    Budget,
}

impl EndCause {
    /// Whether coordination was cut short rather than finished by the agents.
    pub fn is_cut_short(self) -> bool {
        match self {
            Self::AllVoted | Self::AllAnswered => false,
            Self::AllOut | Self::Deadline | Self::Budget => true,
        }
    }
}

/// What decided the winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WinnerBasis {
    /// More votes than any other.
    MostVotes,
    /// As many votes as others; first in registration order.
    Tie,
    /// No votes; first in registration order with an answer.
    FirstAnswer,
    /// No votes and cut short; the latest answer.
    LatestAnswer,
}

/// Where the final text comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinalSource {
    /// The presenter wrote it.
    Presented,
    /// The winner's stored answer, as configured.
    Stored,
    /// The winner's stored answer, because the presentation failed or had no time or money left.
    StoredAsFallback,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RunOutcome {
    /// With a final answer.
    Answered,
    /// No agent gave an answer.
    NoAnswer,
    /// The deadline came before any answer.
    DeadlineWithoutAnswer,
    /// The budget was spent before any answer.
    BudgetWithoutAnswer,
}

/// A piece of a reply while it streams. Never stored, never numbered; a slow reader loses some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delta {
    /// The call that streams.
    pub call: CallId,
    /// What it is a piece of.
    pub kind: DeltaKind,
    /// The piece.
    pub text: String,
}

/// What a delta is a piece of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeltaKind {
    /// Visible text.
    Text,
    /// Reasoning.
    Reasoning,
    /// Arguments of a tool call.
    ToolArguments,
    /// How far a tool is that a reply has called: a line that takes the place of the one before.
    ToolProgress,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_of_an_event_is_the_type_in_its_json() {
        for event in [
            Event::RunResumed,
            Event::RunFinished { outcome: RunOutcome::Answered },
            Event::AgentStateChanged { agent: AgentNo::from_index(0), state: AgentStatus::Voted },
            Event::CoordinationEnded { cause: EndCause::AllVoted },
        ] {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["type"], event.kind());
            assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
        }
    }
}

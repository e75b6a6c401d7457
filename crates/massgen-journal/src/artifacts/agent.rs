//! What the artifact files know of one agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use massgen_protocol::event::{AgentStatus, WaitCause};
use massgen_protocol::message::Reply;
use massgen_protocol::money::TokenUsage;
use massgen_protocol::{AgentNo, AgentSpec, CallId, RevisionSet, RunMillis, Timestamp};
use serde_json::{Map, Value, json};

use super::conversation::Transcript;
use super::excerpt::head;
use super::rounds::{Round, RoundKind, RoundOutcome};
use super::tools::ToolBook;
use super::trace::Trace;
use super::usage::{Cost, token_usage};

/// Characters of a reply that `reliability` shows.
const BUFFER_PREVIEW_CHARS: usize = 500;

/// Reason codes that count as errors of the workflow.
const WORKFLOW_ERRORS: [&str; 6] = [
    "vote_no_answers",
    "vote_and_answer",
    "invalid_vote_id",
    "answer_limit",
    "answer_novelty",
    "answer_duplicate",
];

/// One agent.
#[derive(Debug)]
pub(super) struct AgentState {
    pub(super) no: AgentNo,
    pub(super) id: String,
    pub(super) model: String,
    /// The type of the backend as written.
    pub(super) backend: String,
    pub(super) context_window: Option<u64>,
    /// Nothing spent, with what is known of the price.
    nothing: Cost,
    pub(super) status: AgentStatus,
    pub(super) failure: Option<Failure>,
    /// All rounds; the last one may not have ended.
    pub(super) rounds: Vec<Round>,
    /// The round that coordination events carry: answers at the start of the last execution.
    pub(super) answer_round: u32,
    pub(super) executions: u32,
    pub(super) usage: TokenUsage,
    pub(super) cost: Cost,
    pub(super) tools: ToolBook,
    /// Newest revisions that its conversation showed.
    pub(super) seen: RevisionSet,
    pub(super) answers: u32,
    pub(super) votes: u32,
    /// Its last vote, as an index into the votes of the run.
    pub(super) vote: Option<usize>,
    pub(super) transcript: Transcript,
    pub(super) trace: Trace,
    last_reply: Option<(CallId, Arc<Reply>)>,
    enforcement: Vec<Enforcement>,
    pub(super) last_activity: Timestamp,
    /// The moment that the newest folder of the agent is named after.
    last_folder: Option<Timestamp>,
}

/// Why an agent is out.
#[derive(Debug)]
pub(super) struct Failure {
    /// `timeout` or `error`.
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) at: Timestamp,
}

/// One reply that was not accepted.
#[derive(Debug)]
struct Enforcement {
    round: u32,
    attempt: u32,
    max_attempts: u32,
    reason: &'static str,
    message: Option<String>,
    tool_calls: Vec<String>,
    buffer_preview: Option<String>,
    buffer_chars: usize,
    at: Timestamp,
}

/// A reply that was not accepted, as an event tells it.
#[derive(Debug)]
pub(super) struct NotAccepted {
    pub(super) call: CallId,
    /// Which in a row, if the event says so.
    pub(super) attempt: Option<u32>,
    pub(super) max_attempts: u32,
    /// The reason code; `None` when it follows from the reply.
    pub(super) reason: Option<&'static str>,
    pub(super) message: Option<String>,
    pub(super) at: Timestamp,
}

impl AgentState {
    pub(super) fn new(no: AgentNo, spec: &AgentSpec, agents: usize, started: Timestamp) -> Self {
        let nothing = Cost::nothing(spec.backend.price);
        Self {
            no,
            id: spec.id.to_string(),
            model: spec.backend.model.clone(),
            backend: spec.backend.kind.clone(),
            context_window: spec.backend.context_window,
            nothing,
            status: AgentStatus::Waiting { on: WaitCause::Start },
            failure: None,
            rounds: Vec::new(),
            answer_round: 0,
            executions: 0,
            usage: TokenUsage::default(),
            cost: nothing,
            tools: ToolBook::default(),
            seen: RevisionSet::empty(agents),
            answers: 0,
            votes: 0,
            vote: None,
            transcript: Transcript::default(),
            trace: Trace::default(),
            last_reply: None,
            enforcement: Vec::new(),
            last_activity: started,
            last_folder: None,
        }
    }

    /// The display number of the current or last round.
    pub(super) fn display_round(&self) -> u32 {
        self.rounds.last().map_or(0, |round| round.number)
    }

    /// Executions after the first one; the presentation is none of them.
    pub(super) fn times_restarted(&self) -> usize {
        self.rounds.iter().filter(|round| round.kind != RoundKind::Presentation).count().saturating_sub(1)
    }

    /// The round that has not ended.
    pub(super) fn open_round(&self) -> Option<&Round> {
        self.rounds.last().filter(|round| round.end.is_none())
    }

    /// A round begins.
    pub(super) fn start_round(&mut self, number: u32, kind: RoundKind, at: Timestamp, work: RunMillis) {
        self.rounds.push(Round::new(number, kind, at, work, self.nothing));
        self.trace.start_round(number);
    }

    /// The open round ends; its index, if there was one.
    pub(super) fn end_round(
        &mut self,
        outcome: RoundOutcome,
        at: Timestamp,
        work: RunMillis,
    ) -> Option<usize> {
        let index = self.rounds.len().checked_sub(1)?;
        let round = self.rounds.get_mut(index).filter(|round| round.end.is_none())?;
        round.finish(outcome, at, work);
        Some(index)
    }

    /// A reply came in.
    pub(super) fn remember_reply(&mut self, call: CallId, reply: &Arc<Reply>) {
        self.last_reply = Some((call, Arc::clone(reply)));
    }

    /// The reply to `call`, if it is the last one.
    pub(super) fn last_reply(&self, call: CallId) -> Option<&Arc<Reply>> {
        self.last_reply.as_ref().filter(|(known, _)| *known == call).map(|(_, reply)| reply)
    }

    /// The moment that a folder made `at` is named after: later than that of the one before.
    pub(super) fn name_folder(&mut self, at: Timestamp) -> Timestamp {
        let free = self
            .last_folder
            .map_or(at, |last| at.max(Timestamp::from_micros(last.micros().saturating_add(1))));
        self.last_folder = Some(free);
        free
    }

    /// A reply was not accepted.
    pub(super) fn not_accepted(&mut self, what: NotAccepted) {
        let reply = self.last_reply(what.call).cloned();
        let tool_calls: Vec<String> =
            reply.iter().flat_map(|reply| reply.tool_calls()).map(|call| call.name.clone()).collect();
        let buffer = reply.map(|reply| reply.text()).unwrap_or_default();
        let round = self.display_round();
        let in_round = self.enforcement.iter().rev().take_while(|earlier| earlier.round == round).count();
        let counted = u32::try_from(in_round + 1).unwrap_or(u32::MAX);
        let by_reply = if tool_calls.is_empty() { "no_tool_calls" } else { "no_workflow_tool" };
        self.enforcement.push(Enforcement {
            round,
            attempt: what.attempt.unwrap_or(counted),
            max_attempts: what.max_attempts,
            reason: what.reason.unwrap_or(by_reply),
            message: what.message,
            tool_calls,
            buffer_preview: (!buffer.is_empty()).then(|| head(&buffer, BUFFER_PREVIEW_CHARS).to_owned()),
            buffer_chars: buffer.chars().count(),
            at: what.at,
        });
    }

    /// What `status.json` calls the state; `vote_counts` is whether its vote does.
    pub(super) fn status_name(&self, vote_counts: VoteCounts) -> &'static str {
        match &self.status {
            AgentStatus::Working | AgentStatus::Presenting => "streaming",
            AgentStatus::Answered => "answered",
            AgentStatus::Voted => match vote_counts {
                VoteCounts::Yes => "voted",
                VoteCounts::No => "restarting",
            },
            AgentStatus::Waiting { on } => match on {
                WaitCause::Start if self.executions > 0 => "restarting",
                WaitCause::SlowerPeers if self.answers > 0 => "answered",
                WaitCause::Start | WaitCause::SlowerPeers | WaitCause::News => "waiting",
            },
            AgentStatus::Out { .. } | AgentStatus::Done => {
                self.failure.as_ref().map_or("completed", |failure| failure.kind)
            }
        }
    }

    /// `token_usage` of the agent.
    pub(super) fn token_usage(&self) -> Value {
        token_usage(&self.usage, &self.cost)
    }

    /// `round_history` of the agent: its rounds that have ended.
    pub(super) fn round_history(&self) -> Value {
        let ended = self.rounds.iter().filter(|round| round.end.is_some());
        ended.map(|round| round.json(&self.id, self.context_window)).collect::<Vec<_>>().into()
    }

    /// `reliability` of the agent; null when every reply was accepted.
    pub(super) fn reliability(&self) -> Value {
        if self.enforcement.is_empty() {
            return Value::Null;
        }
        let mut by_round: BTreeMap<u32, (u32, Vec<&str>)> = BTreeMap::new();
        let mut workflow_errors: Vec<&str> = Vec::new();
        for attempt in &self.enforcement {
            let (count, reasons) = by_round.entry(attempt.round).or_default();
            *count += 1;
            if !reasons.contains(&attempt.reason) {
                reasons.push(attempt.reason);
            }
            if WORKFLOW_ERRORS.contains(&attempt.reason) && !workflow_errors.contains(&attempt.reason) {
                workflow_errors.push(attempt.reason);
            }
        }
        let by_round: Map<_, _> = by_round
            .into_iter()
            .map(|(round, (count, reasons))| (round.to_string(), json!({"count": count, "reasons": reasons})))
            .collect();
        json!({
            "enforcement_attempts": self.enforcement.iter().map(Enforcement::json).collect::<Vec<_>>(),
            "by_round": by_round,
            "unknown_tools": [],
            "workflow_errors": workflow_errors,
            "total_enforcement_retries": self.enforcement.len(),
            "total_buffer_chars_lost": self.enforcement.iter().map(|attempt| attempt.buffer_chars).sum::<usize>(),
            "outcome": "ok",
        })
    }
}

impl Enforcement {
    fn json(&self) -> Value {
        json!({
            "round": self.round,
            "attempt": self.attempt,
            "max_attempts": self.max_attempts,
            "reason": self.reason,
            "tool_calls": self.tool_calls,
            "error_message": self.message,
            "buffer_preview": self.buffer_preview,
            "buffer_chars": self.buffer_chars,
            "timestamp": self.at.unix_seconds(),
        })
    }
}

/// Whether a vote counts at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VoteCounts {
    Yes,
    No,
}

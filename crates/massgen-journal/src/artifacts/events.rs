//! `events.jsonl`: our events in the words that existing readers know. One of ours becomes none, one or several lines.

use massgen_protocol::event::{
    AgentStatus, CallOutcome, EndCause, FinalSource, Occasion, OutCause, RoundLimit, RunOutcome, WaitCause,
    WinnerBasis,
};
use massgen_protocol::message::ItemContent;
use massgen_protocol::turn::News;
use massgen_protocol::{AgentNo, Envelope, Event, Purpose};
use serde_json::{Map, Value, json};

use super::agent::AgentState;
use super::conversation::labels;
use super::excerpt::head;
use super::redact;
use super::rounds::RoundOutcome;
use super::stamps::utc_iso;
use super::state::{Folded, RunState, news_of};
use super::status::is_simulated;
use super::tools::{told, tool_server};

/// Characters of an answer that `answer_submitted` carries.
const SUBMITTED_CHARS: usize = 500;

/// One line of `events.jsonl`, without secrets and without the line break.
#[derive(Debug, Clone, PartialEq)]
pub struct CompatLine {
    json: String,
    pub(super) event_type: &'static str,
    pub(super) agent: Option<AgentNo>,
    pub(super) data: Value,
}

impl CompatLine {
    /// The JSON object.
    pub fn as_str(&self) -> &str {
        &self.json
    }
}

impl std::fmt::Display for CompatLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.json)
    }
}

/// How bad a `status` line is.
#[derive(Debug, Clone, Copy)]
enum Level {
    Info,
    Warning,
    Error,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The lines for `envelope`, which `state` has folded already.
pub(super) fn lines(state: &RunState, envelope: &Envelope, folded: &Folded) -> Vec<CompatLine> {
    let mut lines = Lines { state, envelope, out: Vec::new() };
    // A round that something else cut short ends before what cut it.
    let ends_with_event = matches!(
        envelope.event,
        Event::AnswerAccepted { .. }
            | Event::VoteCast { .. }
            | Event::VoteIgnored { .. }
            | Event::FinalAnswerReady { .. }
            | Event::AgentStateChanged { .. }
    );
    if !ends_with_event {
        lines.ended(folded);
    }
    lines.event(folded);
    if ends_with_event {
        lines.ended(folded);
    }
    lines.out
}

struct Lines<'a> {
    state: &'a RunState,
    envelope: &'a Envelope,
    out: Vec<CompatLine>,
}

impl Lines<'_> {
    fn event(&mut self, folded: &Folded) {
        let state = self.state;
        match &self.envelope.event {
            Event::RunStarted { .. } => {
                self.system(&format!("massgen {}: {} agents", state.meta.version, state.agents.len()));
                if is_simulated(state) {
                    self.status(None, Level::Warning, "simulated models take part: their texts are made up");
                }
            }
            Event::RunResumed => self.system("the run goes on"),
            Event::RunInterrupted { best } => {
                let best =
                    best.map_or_else(|| "no answer yet".to_owned(), |label| format!("best answer: {label}"));
                self.system(&format!("interrupted; {best}"));
            }
            Event::ExecutionStarted { agent, .. } => self.execution_started(*agent),
            Event::PromptExtended { agent, turn, occasion } => {
                if let Some(news) = news_of(turn) {
                    self.news(*agent, news, *occasion);
                }
            }
            // What could not be kept is told by an event of its own.
            Event::ModelCallStarted { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. } => {}
            Event::ModelCallRetried { call, attempt, kind, message, delay } => {
                let seconds = delay.as_secs_f64();
                let text = format!("request {attempt} failed ({kind}): {message}; next in {seconds:.1}s");
                self.status(Some(call.agent), Level::Warning, &text);
            }
            Event::ServiceReported { call, service, report } => {
                self.status(Some(call.agent), Level::Warning, &report.line(service));
            }
            Event::ModelCallFinished { call, outcome } => self.call_finished(call.agent, outcome, folded),
            Event::ToolCallStarted { tool_use, tool_call } => {
                let arguments: Value = serde_json::from_str(&tool_call.arguments)
                    .unwrap_or_else(|_| Value::from(tool_call.arguments.as_str()));
                let data = json!({
                    "tool_id": tool_use.to_string(),
                    "tool_name": tool_call.name,
                    "args": redact::value(&arguments),
                    "server_name": tool_server(&tool_call.name),
                });
                self.push("tool_start", Some(tool_use.call.agent), data);
            }
            Event::ToolCallFinished { tool_use, outcome, duration, decisions } => {
                let told = told(outcome);
                let name = state
                    .agent(tool_use.call.agent)
                    .and_then(|agent| agent.tools.runs().last())
                    .filter(|run| run.tool_use == *tool_use)
                    .map(|run| run.name.as_str());
                let mut data = json!({
                    "tool_id": tool_use.to_string(),
                    "tool_name": name,
                    "result": told.text,
                    "elapsed_seconds": duration.as_secs_f64(),
                    "status": told.status,
                    "is_error": told.is_error(),
                    "async_id": null,
                });
                if let (Some(data), false) = (data.as_object_mut(), decisions.is_empty()) {
                    data.insert("decisions".to_owned(), json!(decisions));
                }
                self.push("tool_complete", Some(tool_use.call.agent), data);
            }
            Event::ToolCallAsked { tool_use, asking } => {
                if let Some(line) = asking.line() {
                    self.status(Some(tool_use.call.agent), Level::Warning, &line);
                }
            }
            Event::AnswerAccepted { label, content, .. } => {
                let data = json!({
                    "content": head(content, SUBMITTED_CHARS),
                    "answer_number": label.revision,
                    "answer_label": label.to_string(),
                    "workspace_path": state.workspace_of(*label),
                });
                self.push("answer_submitted", Some(label.agent), data);
            }
            Event::VoteCast { voter, answer, reason, .. } => {
                let cast = state.agent(*voter).and_then(|agent| state.votes.get(agent.vote?));
                let data = json!({
                    "target_id": state.id(answer.agent),
                    "reason": reason,
                    "vote_label": cast.map(super::state::Vote::label),
                    "voted_for_label": answer.to_string(),
                });
                self.push("vote", Some(*voter), data);
            }
            Event::VoteIgnored { voter, answer, newer, .. } => {
                let text = format!("vote for {answer} does not count: {} came meanwhile", labels(newer));
                self.status(Some(*voter), Level::Warning, &text);
            }
            Event::SubmissionRefused { agent, refusal, .. } => {
                self.status(Some(*agent), Level::Warning, &format!("submission refused: {}", refusal.code()));
            }
            Event::NoDecision { agent, attempt, max_attempts, cause, .. } => {
                let text = format!("{cause} ({attempt} of {max_attempts})");
                self.status(Some(*agent), Level::Warning, &text);
            }
            Event::FallbackTaken { agent, entry, failure } => {
                let model = state.fallback_model(*agent, *entry);
                self.status(Some(*agent), Level::Warning, &format!("{failure}; goes on with {model}"));
            }
            Event::ConversationCompacted { agent, compaction } => {
                self.status(Some(*agent), Level::Info, &compaction.to_string());
            }
            Event::AgentStateChanged { agent, state } => self.state_changed(*agent, state),
            Event::NoteReceived { note, .. } => {
                self.system(&format!("message from {} received", note.source));
            }
            Event::RoundLimitReached { agent, limit } => match limit {
                RoundLimit::Soft => self.status(Some(*agent), Level::Info, "round limit: asked to finish"),
                RoundLimit::Hard => {
                    self.status(
                        Some(*agent),
                        Level::Warning,
                        "hard round limit: only an answer or a vote is taken",
                    );
                }
                RoundLimit::Final => {
                    self.status(Some(*agent), Level::Error, "did not finish after the hard round limit");
                }
            },
            Event::CoordinationEnded { cause } => self.system(match cause {
                EndCause::AllVoted => "coordination ended: all agents have voted",
                EndCause::AllAnswered => "coordination ended: all agents have answered",
                EndCause::AllOut => "coordination ended: no agent is left",
                EndCause::Deadline => "coordination ended: the deadline was reached",
                EndCause::Budget => "coordination ended: the next call does not fit the budget",
            }),
            Event::WinnerSelected { answer, basis, .. } => {
                let basis = match basis {
                    WinnerBasis::MostVotes => "most votes",
                    WinnerBasis::Tie => "tie, first in registration order",
                    WinnerBasis::FirstAnswer => "no votes, first in registration order",
                    WinnerBasis::LatestAnswer => "latest answer",
                };
                self.deadline(basis);
                let counts = self.vote_counts();
                let shown = if counts.is_empty() {
                    Value::Null
                } else {
                    Value::from(Value::from(counts).to_string())
                };
                self.push("winner_selected", Some(answer.agent), json!({"vote_results": shown}));
                let text = format!("winner: {} with {answer} ({basis})", state.id(answer.agent));
                self.status(Some(answer.agent), Level::Info, &text);
            }
            Event::PresentationStarted { presenter, .. } => {
                self.push("round_start", Some(*presenter), json!({}));
                let data = json!({
                    "vote_counts": self.vote_counts(),
                    "answer_labels": self.answer_labels(),
                    "is_tie": state.is_tie(),
                });
                self.push("final_presentation_start", Some(*presenter), data);
            }
            Event::FinalAnswerReady { agent, content, source, snapshot: _ } => {
                let told = state.final_answer.as_ref().map_or(content, |answer| &answer.content);
                match source {
                    FinalSource::Presented => {
                        self.push("final_presentation_chunk", Some(*agent), json!({"content": &**told}));
                    }
                    FinalSource::Stored => {}
                    FinalSource::StoredAsFallback => {
                        let text = "no presentation; the winner's stored answer is the result";
                        self.status(Some(*agent), Level::Warning, text);
                    }
                }
                if let Some(presenter) = state.presenter {
                    self.push("final_presentation_end", Some(presenter), json!({}));
                }
                self.push("final_answer", Some(*agent), json!({"content": &**told}));
                self.push("answer_locked", Some(*agent), json!({}));
            }
            Event::RunFinished { outcome } => {
                match outcome {
                    RunOutcome::DeadlineWithoutAnswer => self.deadline("no answers available"),
                    RunOutcome::Answered | RunOutcome::NoAnswer | RunOutcome::BudgetWithoutAnswer => {}
                }
                self.system(match outcome {
                    RunOutcome::Answered => "finished with a final answer",
                    RunOutcome::NoAnswer => "finished without an answer: no agent gave one",
                    RunOutcome::DeadlineWithoutAnswer => {
                        "finished without an answer: the deadline was reached"
                    }
                    RunOutcome::BudgetWithoutAnswer => "finished without an answer: the budget was spent",
                });
            }
            Event::Degraded { message, agent } => self.status(*agent, Level::Warning, message),
        }
    }

    fn execution_started(&mut self, no: AgentNo) {
        let Some(agent) = self.state.agent(no) else { return };
        // The presentation's round began with the presentation.
        if self.state.presenter == Some(no) {
            return;
        }
        if agent.executions > 1 {
            let reason = if agent.answers > 0 && last_outcome_is_answer(agent) {
                "its answer was accepted"
            } else {
                "new answers"
            };
            let data = json!({"restart_round": agent.display_round(), "restart_reason": reason});
            self.push("agent_restart", Some(no), data);
        }
        self.push("round_start", Some(no), json!({}));
    }

    fn news(&mut self, no: AgentNo, news: &News, occasion: Occasion) {
        if !news.answers.is_empty() {
            match occasion {
                Occasion::ToolBoundary => {
                    let sources: Vec<_> =
                        news.answers.iter().map(|label| self.state.id(label.agent)).collect();
                    let data = json!({"source_agents": sources, "injection_type": "mid_stream"});
                    self.push("injection_received", Some(no), data);
                }
                Occasion::ExecutionStart
                | Occasion::Retry
                | Occasion::Limit
                | Occasion::Presentation
                | Occasion::Compaction => {
                    let shown: Vec<_> = self
                        .state
                        .agent(no)
                        .map(|agent| agent.seen.labels().map(|label| label.to_string()).collect())
                        .unwrap_or_default();
                    self.push("context_received", Some(no), json!({"context_labels": shown}));
                }
            }
        }
        if !news.notes.is_empty() {
            let notes = news.notes.iter().filter_map(|id| self.state.notes.get(id));
            let sources: Vec<_> = notes.map(|note| note.source.as_str()).collect();
            let data = json!({"source_agents": sources, "injection_type": "runtime_inbox_input"});
            self.push("injection_received", Some(no), data);
        }
    }

    fn call_finished(&mut self, no: AgentNo, outcome: &CallOutcome, folded: &Folded) {
        match outcome {
            CallOutcome::Replied { reply, .. } => {
                // Without a tool call the presenter's text is the final answer, which has lines of its own.
                let is_final_text =
                    folded.purpose == Some(Purpose::Present) && reply.tool_calls().next().is_none();
                for item in &reply.items {
                    match &item.content {
                        ItemContent::Reasoning { text } if text.is_empty() => {
                            self.push("thinking", Some(no), json!({"content": "", "is_redacted": true}));
                        }
                        ItemContent::Reasoning { text } => {
                            self.push("thinking", Some(no), json!({"content": text, "done": false}));
                            self.push("thinking", Some(no), json!({"content": "", "done": true}));
                        }
                        ItemContent::Text { text } if !is_final_text && !text.is_empty() => {
                            self.push("text", Some(no), json!({"content": text}));
                        }
                        ItemContent::Text { .. }
                        | ItemContent::ToolCall(_)
                        | ItemContent::File { .. }
                        | ItemContent::Opaque => {}
                    }
                }
            }
            CallOutcome::Failed { failure } => {
                self.push("error", Some(no), json!({"error": failure.to_string()}));
            }
            CallOutcome::Cancelled { .. } => self.status(Some(no), Level::Warning, "model call cut off"),
        }
    }

    fn state_changed(&mut self, no: AgentNo, status: &AgentStatus) {
        match status {
            AgentStatus::Working
            | AgentStatus::Answered
            | AgentStatus::Voted
            | AgentStatus::Presenting
            | AgentStatus::Done
            | AgentStatus::Waiting { on: WaitCause::Start } => {}
            AgentStatus::Waiting { on: WaitCause::SlowerPeers } => {
                self.status(Some(no), Level::Info, "waiting for slower peers");
            }
            AgentStatus::Waiting { on: WaitCause::News } => {
                self.status(Some(no), Level::Warning, "refused too often in a row: waiting for news");
            }
            AgentStatus::Out { cause } => {
                let text = match cause {
                    OutCause::ModelFailed { failure } => format!("out: {failure}"),
                    OutCause::NeverActed => "out: it would not decide, asked as often as allowed".to_owned(),
                    OutCause::TimedOut => "out: it did not finish after its hard round limit".to_owned(),
                };
                self.status(Some(no), Level::Error, &text);
            }
        }
    }

    /// `orchestrator_timeout`, if the deadline ended coordination.
    fn deadline(&mut self, selection_reason: &str) {
        let state = self.state;
        if state.end_cause != Some(EndCause::Deadline) {
            return;
        }
        let mut votes = self.vote_counts();
        let summary: Map<_, _> = state
            .registered()
            .map(|agent| {
                let votes = votes.remove(&agent.id).unwrap_or_else(|| 0.into());
                (agent.id.clone(), json!({"has_answer": agent.answers > 0, "vote_count": votes}))
            })
            .collect();
        let data = json!({
            "timeout_reason": "the deadline of the run was reached",
            "available_answers": state.newest_labels().len(),
            "selected_agent": state.winner_agent().map(|no| state.id(no)),
            "selection_reason": selection_reason,
            "agent_answer_summary": summary,
        });
        self.push("orchestrator_timeout", None, data);
    }

    /// Votes by real id, most first.
    fn vote_counts(&self) -> Map<String, Value> {
        let rows = self.state.tally();
        rows.iter().map(|row| (self.state.id(row.answer.agent).to_owned(), Value::from(row.votes))).collect()
    }

    /// `A1.2` by real id.
    fn answer_labels(&self) -> Map<String, Value> {
        let labels = self.state.newest_labels().into_iter();
        labels
            .map(|label| {
                let short = format!("A{}.{}", label.agent.index() + 1, label.revision);
                (self.state.id(label.agent).to_owned(), Value::from(short))
            })
            .collect()
    }

    fn ended(&mut self, folded: &Folded) {
        for (no, index) in &folded.ended {
            let round = self.state.agent(*no).and_then(|agent| agent.rounds.get(*index));
            if let Some(round) = round {
                self.push_in_round("round_end", Some(*no), round.number, round.end_data());
            }
        }
    }

    fn system(&mut self, message: &str) {
        self.push("system_status", None, json!({"message": message}));
    }

    fn status(&mut self, agent: Option<AgentNo>, level: Level, message: &str) {
        self.push("status", agent, json!({"message": message, "level": level.name()}));
    }

    fn push(&mut self, event_type: &'static str, agent: Option<AgentNo>, data: Value) {
        let round = agent.and_then(|no| self.state.agent(no)).map_or(0, AgentState::display_round);
        self.push_in_round(event_type, agent, round, data);
    }

    fn push_in_round(&mut self, event_type: &'static str, agent: Option<AgentNo>, round: u32, data: Value) {
        let at = self.envelope.at;
        let line = json!({
            "timestamp": self.state.local.iso(at),
            "event_type": event_type,
            "agent_id": agent.map(|no| self.state.id(no)),
            "round_number": round,
            "data": &data,
            "timestamp_utc": utc_iso(at),
            "seq": self.envelope.seq,
        });
        let json = redact::text(&line.to_string()).into_owned();
        self.out.push(CompatLine { json, event_type, agent, data });
    }
}

/// Whether the last round that ended did so with an answer.
fn last_outcome_is_answer(agent: &AgentState) -> bool {
    let ended = agent.rounds.iter().rev().find_map(|round| round.end.as_ref());
    ended.is_some_and(|end| end.outcome == RoundOutcome::Answer)
}

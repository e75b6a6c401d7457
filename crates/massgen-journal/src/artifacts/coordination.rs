//! `coordination_events.json`: what the agents did to each other, in the words of the tracker that older tools read.
//!
//! Entries are kept as text without secrets, one line each, from the moment they happen: with many agents they come to
//! megabytes, and nobody should wait for them at the end. Lists of very many agents or answers are cut, and say so. This program has no
//! loop passes; the `iteration` of an entry is the number of answers and votes before it.

use massgen_protocol::event::{AgentStatus, CallOutcome, Occasion, OutCause};
use massgen_protocol::turn::Turn;
use massgen_protocol::{AgentNo, AnswerLabel, Envelope, Event};
use serde_json::{Map, Value, json};

use super::ArtifactError;
use super::conversation::{ANSWER_TEXT_BYTES, answer_body, labels};
use super::decisions::vote_summary;
use super::excerpt::{LISTED, cut};
use super::redact;
use super::stamps::utc_iso;
use super::state::{RunPhase, RunState, news_of};

/// The entries so far.
#[derive(Debug, Default)]
pub(super) struct CoordinationLog {
    entries: String,
}

impl CoordinationLog {
    /// Adds the entries for `envelope`, which `state` has folded already.
    pub(super) fn add(&mut self, state: &RunState, envelope: &Envelope) -> Result<(), ArtifactError> {
        let mut out = Entries { log: self, state, envelope };
        out.event()
    }

    /// The whole file, without secrets.
    pub(super) fn render(&self, state: &RunState) -> Result<String, ArtifactError> {
        let is_over = state.phase != RunPhase::Running;
        let ids: Vec<_> = state.registered().map(|agent| agent.id.as_str()).collect();
        let metadata = json!({
            "user_prompt": state.question(),
            "agent_ids": ids,
            "start_time": state.started.unix_seconds(),
            "start_time_utc": utc_iso(state.started),
            "end_time": is_over.then(|| state.last.at.unix_seconds()),
            "end_time_utc": is_over.then(|| utc_iso(state.last.at)),
            "final_winner": state.winner_agent().map(|no| state.id(no)),
        });
        let metadata = serde_json::to_string_pretty(&metadata)?.replace('\n', "\n  ");
        let metadata = redact::text(&metadata);
        let entries = &self.entries;
        Ok(format!("{{\n  \"session_metadata\": {metadata},\n  \"events\": [\n{entries}\n  ]\n}}\n"))
    }
}

struct Entries<'a> {
    log: &'a mut CoordinationLog,
    state: &'a RunState,
    envelope: &'a Envelope,
}

impl Entries<'_> {
    fn event(&mut self) -> Result<(), ArtifactError> {
        let state = self.state;
        match &self.envelope.event {
            Event::RunStarted { .. } => {
                let details = format!("Started with {} agents", state.agents.len());
                self.run("session_start", &details, Map::new())
            }
            Event::RunResumed => self.run("session_resumed", "Taken up again", Map::new()),
            Event::RunInterrupted { .. } => {
                let working: Vec<_> = state
                    .agents
                    .iter()
                    .filter(|agent| agent.open_round().is_some())
                    .map(|agent| agent.no)
                    .collect();
                for no in working {
                    self.agent("agent_cancelled", no, "CANCELLED: the run was interrupted", Map::new())?;
                }
                Ok(())
            }
            Event::ExecutionStarted { agent, execution, round, .. } => {
                if *execution > 1 && state.presenter != Some(*agent) {
                    let context = object(json!({"agent_round": round}));
                    self.agent("restart_completed", *agent, &format!("Round {round}"), context)?;
                }
                self.status(*agent, "streaming")
            }
            Event::PromptExtended { agent, turn, occasion } => self.prompt(*agent, turn, *occasion),
            Event::AnswerAccepted { label, content, .. } => {
                let context = object(json!({"label": label.to_string()}));
                self.agent("new_answer", label.agent, &format!("{label}: {}", cut(content, 100)), context)?;
                self.status(label.agent, "answered")?;
                self.restart(*label)
            }
            Event::VoteCast { voter, answer, reason, seen } => {
                let mut context = object(json!({
                    "voted_for": state.id(answer.agent),
                    "voted_for_label": answer.to_string(),
                    "reason": reason,
                }));
                list(&mut context, "available_answers", seen.labels().map(|label| label.to_string()));
                self.agent("vote_cast", *voter, &format!("Voted for {answer}"), context)?;
                self.status(*voter, "voted")
            }
            Event::VoteIgnored { voter, answer, newer, .. } => {
                let details = format!("VOTE_IGNORED: {answer}; newer: {}", labels(newer));
                self.agent("vote_ignored", *voter, &details, Map::new())
            }
            Event::AgentStateChanged { agent, state } => self.state_changed(*agent, state),
            Event::ModelCallFinished { call, outcome } => match outcome {
                CallOutcome::Cancelled { .. } => self.agent(
                    "agent_cancelled",
                    call.agent,
                    "CANCELLED: the model call was cut off",
                    Map::new(),
                ),
                CallOutcome::Replied { .. } | CallOutcome::Failed { .. } => Ok(()),
            },
            Event::WinnerSelected { answer, .. } => {
                let context = self.result_context();
                let details = format!("{} selected", state.id(answer.agent));
                self.agent("final_agent_selected", answer.agent, &details, context)
            }
            Event::PresentationStarted { presenter, .. } => {
                let number = state.agent(*presenter).map_or(0, super::agent::AgentState::display_round);
                let context = object(json!({"round_type": "final", "final_round": number}));
                self.agent("final_round_start", *presenter, "Final presentation", context)
            }
            Event::FinalAnswerReady { agent, .. } => {
                let label = format!("{agent}.final");
                let mut context = object(json!({"label": label}));
                context.extend(self.result_context());
                self.agent("final_answer", *agent, &label, context)
            }
            Event::RunFinished { .. } => self.run("session_end", "Session completed", Map::new()),
            Event::ModelCallStarted { .. }
            | Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::ToolCallStarted { .. }
            | Event::ToolCallFinished { .. }
            | Event::ToolCallAsked { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. }
            | Event::SubmissionRefused { .. }
            | Event::NoDecision { .. }
            | Event::FallbackTaken { .. }
            | Event::ConversationCompacted { .. }
            | Event::NoteReceived { .. }
            | Event::RoundLimitReached { .. }
            | Event::CoordinationEnded { .. }
            | Event::Degraded { .. } => Ok(()),
        }
    }

    fn prompt(&mut self, no: AgentNo, turn: &Turn, occasion: Occasion) -> Result<(), ArtifactError> {
        let (Some(news), Some(agent)) = (news_of(turn), self.state.agent(no)) else {
            return Ok(());
        };
        match occasion {
            Occasion::ToolBoundary | Occasion::Retry | Occasion::Limit => {
                if news.answers.is_empty() {
                    return Ok(());
                }
                let details = format!("UPDATE_INJECTED: {}", labels(&news.answers));
                self.agent("update_injected", no, &details, Map::new())
            }
            // Nothing is told but that a summary is wanted.
            Occasion::Compaction => Ok(()),
            Occasion::ExecutionStart | Occasion::Presentation => {
                let seen: Vec<AnswerLabel> = agent.seen.labels().collect();
                let mut context = object(json!({
                    "answer_count": seen.len(),
                    "has_conversation_history": agent.transcript.has_history(),
                }));
                list(&mut context, "available_answers", seen.iter().map(|label| label.agent.to_string()));
                list(&mut context, "available_answer_labels", seen.iter().map(ToString::to_string));
                self.agent("context_received", no, &format!("Received {} answers", seen.len()), context)
            }
        }
    }

    /// Everybody who is still in learns of a new answer.
    fn restart(&mut self, label: AnswerLabel) -> Result<(), ArtifactError> {
        let state = self.state;
        let affected: Vec<_> = state
            .registered()
            .filter(|agent| agent.no != label.agent && agent.failure.is_none())
            .map(|agent| agent.id.as_str())
            .collect();
        if affected.is_empty() {
            return Ok(());
        }
        let details = format!("{} agents learn of {label}", affected.len());
        let mut context = object(json!({"triggering_agent": state.id(label.agent)}));
        list(&mut context, "affected_agents", affected.iter().map(|id| (*id).to_owned()));
        self.agent("restart_triggered", label.agent, &details, context)
    }

    fn state_changed(&mut self, no: AgentNo, status: &AgentStatus) -> Result<(), ArtifactError> {
        match status {
            // Told by the events that bring them about.
            AgentStatus::Working
            | AgentStatus::Answered
            | AgentStatus::Voted
            | AgentStatus::Presenting
            | AgentStatus::Waiting { .. } => Ok(()),
            AgentStatus::Done => self.status(no, "completed"),
            AgentStatus::Out { cause } => {
                let message = self
                    .state
                    .agent(no)
                    .and_then(|agent| agent.failure.as_ref())
                    .map(|failure| failure.message.clone())
                    .unwrap_or_default();
                match cause {
                    OutCause::TimedOut => {
                        self.agent("agent_timeout", no, &format!("TIMEOUT: {message}"), Map::new())?;
                        self.status(no, "timeout")
                    }
                    OutCause::ModelFailed { .. } | OutCause::NeverActed => {
                        self.agent("agent_error", no, &format!("ERROR: {message}"), Map::new())?;
                        self.status(no, "error")
                    }
                }
            }
        }
    }

    fn result_context(&self) -> Map<String, Value> {
        let newest = self.state.newest_labels();
        let mut budget = ANSWER_TEXT_BYTES;
        let texts: Map<_, _> = newest
            .iter()
            .map(|label| (label.to_string(), Value::from(answer_body(*label, self.state, &mut budget))))
            .collect();
        object(json!({
            "vote_summary": vote_summary(self.state),
            "all_answers": newest.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "answers_for_context": texts,
        }))
    }

    fn status(&mut self, no: AgentNo, status: &str) -> Result<(), ArtifactError> {
        self.agent("status_change", no, &format!("Changed to {status}"), Map::new())
    }

    fn agent(
        &mut self,
        event_type: &str,
        no: AgentNo,
        details: &str,
        context: Map<String, Value>,
    ) -> Result<(), ArtifactError> {
        let round = self.state.agent(no).map_or(0, |agent| agent.answer_round);
        self.push(event_type, Some(self.state.id(no)), round, details, context)
    }

    fn run(
        &mut self,
        event_type: &str,
        details: &str,
        context: Map<String, Value>,
    ) -> Result<(), ArtifactError> {
        self.push(event_type, None, self.state.largest_answer_round(), details, context)
    }

    fn push(
        &mut self,
        event_type: &str,
        agent_id: Option<&str>,
        round: u32,
        details: &str,
        mut context: Map<String, Value>,
    ) -> Result<(), ArtifactError> {
        // The state has counted this answer or vote already.
        let is_counted = matches!(self.envelope.event, Event::AnswerAccepted { .. } | Event::VoteCast { .. });
        context.insert("iteration".into(), self.state.iteration.saturating_sub(u32::from(is_counted)).into());
        context.insert("round".into(), round.into());
        let entry = json!({
            "timestamp": self.envelope.at.unix_seconds(),
            "timestamp_utc": utc_iso(self.envelope.at),
            "event_type": event_type,
            "agent_id": agent_id,
            "details": details,
            "context": context,
        });
        if !self.log.entries.is_empty() {
            self.log.entries.push_str(",\n");
        }
        self.log.entries.push_str("    ");
        self.log.entries.push_str(&redact::text(&serde_json::to_string(&entry)?));
        Ok(())
    }
}

/// Puts the first [`LISTED`] of `items` under `key`, and under `<key>_omitted` how many more there are, if any.
fn list(context: &mut Map<String, Value>, key: &str, mut items: impl Iterator<Item = String>) {
    let listed: Vec<_> = items.by_ref().take(LISTED).collect();
    context.insert(key.to_owned(), listed.into());
    let omitted = items.count();
    if omitted > 0 {
        context.insert(format!("{key}_omitted"), omitted.into());
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_tells_how_much_of_it_is_missing_and_a_short_one_says_nothing() {
        let mut context = Map::new();
        list(&mut context, "short", (0..LISTED).map(|number| number.to_string()));
        list(&mut context, "long", (0..LISTED + 3).map(|number| number.to_string()));
        let lengths: Vec<_> = ["short", "long"]
            .map(|key| context[key].as_array().map(Vec::len))
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(lengths, [LISTED, LISTED]);
        assert_eq!(context.get("short_omitted"), None);
        assert_eq!(context["long_omitted"], 3);
    }
}

//! `status.json`: where the run is, for programs that poll.
//!
//! The parts that belong to one agent are kept as text and made again only when an event concerned that agent, so one
//! writing costs little more than the bytes of the file, with hundreds of agents too.

use massgen_protocol::event::{EndCause, RunOutcome};
use massgen_protocol::{AgentNo, AnswerLabel};
use serde_json::{Map, Value, json};

use super::ArtifactError;
use super::agent::{AgentState, VoteCounts};
use super::excerpt::head;
use super::redact;
use super::rounds::run_rounds;
use super::stamps::utc_iso;
use super::state::{RunPhase, RunState};
use super::tools::run_tools;
use super::usage::{decimals, dollars, total};

/// Characters of the final answer that the file shows.
const ANSWER_PREVIEW_CHARS: usize = 200;

/// Characters of a vote's reason that the file shows.
const REASON_PREVIEW_CHARS: usize = 100;

/// The document, in parts.
#[derive(Debug, Default)]
pub(super) struct StatusDocument {
    /// The part of each agent, by agent number; `None` when it has to be made.
    agents: Vec<Option<String>>,
    /// The elements of `historical_workspaces`.
    history: String,
    parts_made: u64,
}

impl StatusDocument {
    /// The part of agent `no` is no longer true.
    pub(super) fn touch(&mut self, no: AgentNo) {
        if let Some(part) = self.agents.get_mut(no.index()) {
            *part = None;
        }
    }

    /// An answer was accepted.
    pub(super) fn add_answer(&mut self, state: &RunState, label: AnswerLabel) -> Result<(), ArtifactError> {
        let Some(answer) = state.answers.get(&label) else {
            return Ok(());
        };
        let id = state.id(label.agent);
        let entry = json!({
            "answerId": format!("{id}-{}", answer.stamp),
            "agentId": id,
            "answerNumber": label.revision,
            "answerLabel": label.to_string(),
            "timestamp": answer.stamp,
            "workspacePath": state.workspace_of(label),
        });
        if !self.history.is_empty() {
            self.history.push_str(",\n");
        }
        self.history.push_str("    ");
        self.history.push_str(&indented(&entry, "    ")?);
        Ok(())
    }

    /// How many parts of agents were made so far.
    pub(super) fn parts_made(&self) -> u64 {
        self.parts_made
    }

    /// The whole file.
    pub(super) fn render(&mut self, state: &RunState) -> Result<String, ArtifactError> {
        self.agents.resize(state.agents.len(), None);
        let before = indented(&before_agents(state), "")?;
        let after = indented(&after_agents(state), "")?;
        let mut out = String::with_capacity(before.len() + after.len() + self.history.len() + 4096);
        out.push_str(before.strip_suffix("\n}").unwrap_or(&before));
        out.push_str(",\n  \"agents\": {");
        let mut separator = "\n";
        for agent in state.registered() {
            let Some(part) = self.agents.get_mut(agent.no.index()) else {
                continue;
            };
            if part.is_none() {
                self.parts_made += 1;
                let key = serde_json::to_string(&agent.id)?;
                *part = Some(format!("    {key}: {}", indented(&agent_part(state, agent), "    ")?));
            }
            out.push_str(separator);
            out.push_str(part.as_deref().unwrap_or_default());
            separator = ",\n";
        }
        out.push_str("\n  },\n  \"historical_workspaces\": [");
        if !self.history.is_empty() {
            out.push('\n');
            out.push_str(&self.history);
            out.push_str("\n  ");
        }
        out.push_str("],");
        out.push_str(after.strip_prefix('{').unwrap_or(&after));
        out.push('\n');
        Ok(out)
    }
}

/// `value` as pretty JSON without secrets, whose lines after the first begin with `indent`. Line breaks inside of texts are escaped in
/// JSON, so every line break found is one between lines.
fn indented(value: &Value, indent: &str) -> Result<String, ArtifactError> {
    let text = serde_json::to_string_pretty(value)?.replace('\n', &format!("\n{indent}"));
    Ok(redact::text(&text).into_owned())
}

fn before_agents(state: &RunState) -> Value {
    let (reason, details) = finish(state);
    let last = state.last;
    let question = state.question();
    json!({
        "finish_reason": reason,
        "finish_reason_details": details,
        "is_complete": state.phase != RunPhase::Running,
        "review_pending": false,
        "meta": {
            "last_updated": last.at.unix_seconds(),
            "last_updated_utc": utc_iso(last.at),
            "session_id": state.folder.name(),
            "log_dir": state.folder.attempt_dir().to_string_lossy(),
            "question": question,
            "start_time": state.started.unix_seconds(),
            "start_time_utc": utc_iso(state.started),
            "elapsed_seconds": decimals(state.elapsed_seconds(), 3),
            "orchestrator_paths": null,
            "eval_criteria": null,
            "context_paths": null,
            "docker_enabled": false,
        },
        "costs": {
            "total_estimated_cost": dollars(total(state.agents.iter().map(|agent| &agent.cost))),
            "total_input_tokens": state.agents.iter().map(|agent| agent.usage.input).sum::<u64>(),
            "total_output_tokens": state.agents.iter().map(|agent| agent.usage.output).sum::<u64>(),
        },
        "tools": run_tools(state.agents.iter().map(|agent| &agent.tools)),
        "rounds": run_rounds(state.agents.iter().flat_map(|agent| &agent.rounds)),
        "coordination": coordination(state),
    })
}

fn after_agents(state: &RunState) -> Value {
    let votes: Map<_, _> =
        state.tally().into_iter().map(|row| (row.answer.to_string(), Value::from(row.votes))).collect();
    let preview = state.final_answer.as_ref().map(|answer| head(&answer.content, ANSWER_PREVIEW_CHARS));
    json!({
        "results": {
            "votes": votes,
            "winner": state.winner_agent().map(|no| state.id(no)),
            "is_tie": state.is_tie(),
            "final_answer_preview": preview,
        },
        "seq": state.last.seq,
        "budget": {
            "spent_cost": dollars(state.spent_cost()),
            "reserved_cost": dollars(state.reserved_cost()),
            "max_cost": state.spec.budget.max_cost.map(|cost| decimals(cost.dollars(), 6)),
            "spent_tokens": state.spent_tokens(),
            "reserved_tokens": state.reserved_tokens(),
            "max_tokens": state.spec.budget.max_tokens,
        },
        "simulated": is_simulated(state),
    })
}

/// Whether any part of the run did not come from a real model.
pub(super) fn is_simulated(state: &RunState) -> bool {
    state.spec.agents.iter().any(|agent| agent.backend.is_simulated())
}

/// `finish_reason` and its details.
fn finish(state: &RunState) -> (&'static str, String) {
    let winner = state.winner_agent().map_or("none", |no| state.id(no));
    match (&state.phase, state.end_cause) {
        (RunPhase::Running, _) => ("in_progress", format!("Phase: {}", phase_name(state))),
        (RunPhase::Interrupted { .. }, _) => ("error", "Interrupted; the run can be resumed".to_owned()),
        (RunPhase::Finished(RunOutcome::Answered), Some(EndCause::Deadline)) => {
            ("timeout", format!("Deadline reached. Winner: {winner}"))
        }
        (RunPhase::Finished(RunOutcome::Answered), Some(EndCause::Budget)) => {
            ("completed", format!("Winner: {winner} (budget spent)"))
        }
        (RunPhase::Finished(RunOutcome::Answered), _) => ("completed", format!("Winner: {winner}")),
        (RunPhase::Finished(RunOutcome::DeadlineWithoutAnswer), _) => {
            ("timeout", "Deadline reached before any answer".to_owned())
        }
        (RunPhase::Finished(RunOutcome::BudgetWithoutAnswer), _) => {
            ("error", "Budget spent before any answer".to_owned())
        }
        (RunPhase::Finished(RunOutcome::NoAnswer), _) => {
            let failed: Vec<_> = state
                .registered()
                .filter_map(|agent| Some(format!("{}: {}", agent.id, agent.failure.as_ref()?.message)))
                .collect();
            ("error", format!("No answer. {}", failed.join("; ")).trim_end().to_owned())
        }
    }
}

fn phase_name(state: &RunState) -> &'static str {
    if matches!(state.phase, RunPhase::Interrupted { .. }) {
        "cancelled"
    } else if state.winner.is_some() {
        "presentation"
    } else if state.votes.is_empty() {
        "initial_answer"
    } else {
        "enforcement"
    }
}

fn coordination(state: &RunState) -> Value {
    let mut map = Map::new();
    map.insert("phase".into(), phase_name(state).into());
    map.insert("active_agent".into(), active_agent(state).into());
    map.insert("completion_percentage".into(), completion(state).into());
    map.insert("is_final_presentation".into(), state.presenter.is_some().into());
    if let RunPhase::Interrupted { at, .. } = state.phase {
        map.insert("cancelled".into(), true.into());
        map.insert("cancelled_at".into(), at.unix_seconds().into());
        map.insert("cancelled_at_utc".into(), utc_iso(at).into());
    }
    map.into()
}

/// The first agent that still owes an answer or a vote; the presenter once there is one.
fn active_agent(state: &RunState) -> Option<&str> {
    if state.phase != RunPhase::Running || state.final_answer.is_some() {
        return None;
    }
    if let Some(presenter) = state.presenter {
        return Some(state.id(presenter));
    }
    if state.end_cause.is_some() {
        return None;
    }
    state
        .registered()
        .find(|agent| agent.failure.is_none() && state.counting_vote(agent).is_none())
        .map(|agent| agent.id.as_str())
}

/// Percent: half of it for answers, half of it for votes, an agent counting once; 100 only when the run is over.
fn completion(state: &RunState) -> usize {
    if let RunPhase::Finished(_) = state.phase {
        return 100;
    }
    let answered = state.agents.iter().filter(|agent| agent.answers > 0).count();
    let voted = state.agents.iter().filter(|agent| state.counting_vote(agent).is_some()).count();
    (100 * (answered + voted) / (2 * state.agents.len().max(1))).min(99)
}

fn agent_part(state: &RunState, agent: &AgentState) -> Value {
    let counts = if state.counting_vote(agent).is_some() { VoteCounts::Yes } else { VoteCounts::No };
    let workspace = state.agent_spec(agent.no).and_then(|spec| spec.workspace.as_ref());
    let vote = agent.vote.and_then(|index| state.votes.get(index)).map(|vote| {
        let reason = (!vote.reason.is_empty()).then(|| head(&vote.reason, REASON_PREVIEW_CHARS));
        json!({
            "voted_for_agent": state.id(vote.answer.agent),
            "voted_for_label": vote.answer.to_string(),
            "reason_preview": reason,
            "counts": vote.counts == VoteCounts::Yes,
        })
    });
    let error = agent.failure.as_ref().map(|failure| {
        json!({
            "type": failure.kind,
            "message": failure.message,
            "timestamp": failure.at.unix_seconds(),
            "timestamp_utc": utc_iso(failure.at),
        })
    });
    let timing = agent.rounds.last().map(|round| {
        json!({
            "round_number": round.number,
            "round_start_time": round.started.unix_seconds(),
            "round_start_time_utc": utc_iso(round.started),
        })
    });
    json!({
        "status": agent.status_name(counts),
        "answer_count": agent.answers,
        "latest_answer_label": (agent.answers > 0).then(|| agent.no.label(agent.answers).to_string()),
        "vote_cast": vote,
        "times_restarted": agent.times_restarted(),
        "last_activity": agent.last_activity.unix_seconds(),
        "last_activity_utc": utc_iso(agent.last_activity),
        "error": error,
        "questions": agent.tools.questions(),
        "workspace_paths": {
            "workspace": workspace.map(|workspace| &workspace.folder),
            "snapshot_storage": null,
            "temp_workspace": workspace.map(|workspace| &workspace.peers),
        },
        "token_usage": agent.token_usage(),
        "tool_metrics": agent.tools.metrics(),
        "round_history": agent.round_history(),
        "round_timing": timing,
        "reliability": agent.reliability(),
    })
}

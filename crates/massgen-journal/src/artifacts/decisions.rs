//! What a folder of an answer, a vote or the final answer holds, apart from the texts themselves.

use massgen_protocol::AnswerLabel;
use serde_json::{Map, Value, json};

use super::conversation::{ANSWER_TEXT_BYTES, answer_body};
use super::folder::folder_name;
use super::stamps::utc_iso;
use super::state::{RunState, Vote};

/// `vote.json`.
pub(super) fn vote(state: &RunState, vote: &Vote) -> Value {
    let seen: Vec<AnswerLabel> = vote.seen.labels().collect();
    let by_label: Map<_, _> =
        seen.iter().map(|label| (label.to_string(), Value::from(state.id(label.agent)))).collect();
    let mapping: Map<_, _> =
        state.agents.iter().map(|agent| (agent.no.to_string(), Value::from(agent.id.as_str()))).collect();
    json!({
        "voter_id": state.id(vote.voter),
        "voter_anon_id": vote.voter.to_string(),
        "voted_for": state.id(vote.answer.agent),
        "voted_for_label": vote.answer.to_string(),
        "voted_for_anon": vote.answer.agent.to_string(),
        "reason": vote.reason,
        "timestamp": vote.stamp,
        "unix_timestamp": vote.at.unix_seconds(),
        "timestamp_utc": utc_iso(vote.at),
        "iteration": vote.iteration,
        "coordination_round": state.largest_answer_round(),
        "available_options": seen.iter().map(|label| state.id(label.agent)).collect::<Vec<_>>(),
        "available_options_labels": seen.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "answer_label_to_agent": by_label,
        "available_options_anon": seen.iter().map(|label| label.agent.to_string()).collect::<Vec<_>>(),
        "agent_mapping": mapping,
        "vote_context": {
            "total_agents": state.agents.len(),
            "agents_with_answers": seen.len(),
            "current_task": state.question(),
        },
    })
}

/// `context.txt` of an answer or a vote.
pub(super) fn context(state: &RunState, messages: &Value) -> Value {
    json!({"messages": messages, "question": state.question()})
}

/// `context.txt` of the final answer.
pub(super) fn final_context(state: &RunState, messages: &Value) -> Value {
    let tally = state.tally();
    let mut budget = ANSWER_TEXT_BYTES;
    let answers: Map<_, _> = state
        .newest_labels()
        .into_iter()
        .map(|label| (label.to_string(), Value::from(answer_body(label, state, &mut budget))))
        .collect();
    let counts: Map<_, _> =
        tally.iter().map(|row| (state.id(row.answer.agent).to_owned(), Value::from(row.votes))).collect();
    let counting = || state.registered().filter_map(|agent| state.counting_vote(agent));
    let mut voters: Map<String, Value> = Map::new();
    for vote in counting() {
        let entry = voters.entry(state.id(vote.answer.agent)).or_insert_with(|| json!([]));
        if let Some(list) = entry.as_array_mut() {
            list.push(json!({"voter": state.id(vote.voter), "reason": vote.reason}));
        }
    }
    let all: Vec<_> = state
        .votes
        .iter()
        .map(|vote| {
            json!({"voter": state.id(vote.voter), "voted_for": state.id(vote.answer.agent),
                   "voted_for_label": vote.answer.to_string(), "reason": vote.reason})
        })
        .collect();
    let complete: Map<_, _> = counting()
        .map(|vote| {
            let part = json!({"agent_id": state.id(vote.answer.agent), "reason": vote.reason});
            (state.id(vote.voter).to_owned(), part)
        })
        .collect();
    json!({
        "messages": messages,
        "question": state.question(),
        "is_final": true,
        "vote_summary": vote_summary(state),
        "all_answers": answers,
        "complete_vote_results": complete,
        "vote_counts": counts,
        "voter_details": voters,
        "all_votes": all,
    })
}

/// The result of the votes in one sentence.
pub(super) fn vote_summary(state: &RunState) -> String {
    let tally = state.tally();
    if tally.is_empty() {
        return "no votes".to_owned();
    }
    let rows: Vec<_> = tally
        .iter()
        .map(|row| format!("{} ({}): {}", state.id(row.answer.agent), row.answer, row.votes))
        .collect();
    let tie = if state.is_tie() { "; tie, decided by registration order" } else { "" };
    format!("{}{tie}", rows.join(", "))
}

/// `snapshot_mappings.json`; empty before the first answer.
pub(super) fn snapshot_mappings(state: &RunState) -> Map<String, Value> {
    let mut entries: Vec<(&str, String, Value)> = Vec::new();
    for (label, answer) in &state.answers {
        let entry = json!({
            "type": "answer",
            "label": label.to_string(),
            "agent_id": state.id(label.agent),
            "timestamp": answer.stamp,
            "iteration": answer.iteration,
            "round": answer.round,
            "path": state.answer_path(*label),
        });
        entries.push((&answer.stamp, label.to_string(), entry));
    }
    for vote in &state.votes {
        let id = state.id(vote.voter);
        let entry = json!({
            "type": "vote",
            "label": vote.label(),
            "agent_id": id,
            "timestamp": vote.stamp,
            "iteration": vote.iteration,
            "round": vote.round,
            "path": format!("{}/{}/vote.json", folder_name(id), vote.stamp),
            "voted_for": state.id(vote.answer.agent),
            "voted_for_label": vote.answer.to_string(),
        });
        entries.push((&vote.stamp, vote.label(), entry));
    }
    // In order of time, as they came to be.
    entries.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    let mut map: Map<_, _> = entries.into_iter().map(|(_, label, entry)| (label, entry)).collect();
    if let Some(answer) = &state.final_answer {
        let id = state.id(answer.agent);
        let label = format!("{}.final", answer.agent);
        let entry = json!({
            "type": "final_answer",
            "label": label,
            "agent_id": id,
            "timestamp": "final",
            "iteration": state.iteration,
            "round": state.largest_answer_round() + 1,
            "path": format!("final/{}/answer.txt", folder_name(id)),
        });
        map.insert(label, entry);
    }
    map
}

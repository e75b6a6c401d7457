//! `metrics_summary.json` and `metrics_events.json`: what the run used, for analysis.

use massgen_protocol::Timestamp;
use serde_json::{Map, Value, json};

use super::rounds::{api_timing, summary_rounds};
use super::stamps::utc_iso;
use super::state::RunState;
use super::tools::{ToolRun, run_tools, tool_type};
use super::usage::{dollars, millis};

/// `metrics_summary.json`.
pub(super) fn summary(state: &RunState) -> Value {
    let mut meta = meta(state);
    meta.insert("num_agents".into(), state.agents.len().into());
    meta.insert("winner".into(), state.winner_agent().map(|no| state.id(no)).into());
    let cost = dollars(state.spent_cost());
    let rounds = || state.registered().flat_map(|agent| agent.rounds.iter().map(move |round| (round, agent)));
    let agents: Map<_, _> = state
        .registered()
        .map(|agent| {
            let part = json!({
                "tool_metrics": agent.tools.metrics(),
                "round_history": agent.round_history(),
                "token_usage": agent.token_usage(),
            });
            (agent.id.clone(), part)
        })
        .collect();
    json!({
        "meta": meta,
        "totals": {
            "estimated_cost": cost,
            "agent_cost": cost,
            "subagent_cost": 0.0,
            "input_tokens": state.agents.iter().map(|agent| agent.usage.input).sum::<u64>(),
            "output_tokens": state.agents.iter().map(|agent| agent.usage.output).sum::<u64>(),
            "reasoning_tokens": state.agents.iter().map(|agent| agent.usage.reasoning).sum::<u64>(),
            "cached_input_tokens": state.agents.iter().map(|agent| agent.usage.cached_input).sum::<u64>(),
            "cache_creation_tokens": state.agents.iter().map(|agent| agent.usage.cache_write).sum::<u64>(),
        },
        "tools": run_tools(state.agents.iter().map(|agent| &agent.tools)),
        "rounds": summary_rounds(rounds().map(|(round, agent)| (round, agent.context_window))),
        "api_timing": api_timing(rounds().map(|(round, agent)| (round, agent.backend.as_str()))),
        "agents": agents,
        "subagents": {
            "total_subagents": 0,
            "total_input_tokens": 0,
            "total_output_tokens": 0,
            "total_estimated_cost": 0.0,
            "total_api_time_ms": 0.0,
            "total_api_calls": 0,
            "subagents": [],
        },
    })
}

/// `metrics_events.json`.
pub(super) fn events(state: &RunState) -> Value {
    let tools: Vec<_> = state
        .registered()
        .flat_map(|agent| agent.tools.runs().iter().map(move |run| tool_execution(run, &agent.id)))
        .collect();
    let rounds: Vec<_> = state
        .registered()
        .flat_map(|agent| {
            let ended = agent.rounds.iter().filter(|round| round.end.is_some());
            ended.map(move |round| round.json(&agent.id, agent.context_window))
        })
        .collect();
    json!({"meta": meta(state), "tool_executions": tools, "round_completions": rounds})
}

fn meta(state: &RunState) -> Map<String, Value> {
    let generated: Timestamp = state.last.at;
    let mut meta = Map::new();
    meta.insert("generated_at".into(), generated.unix_seconds().into());
    meta.insert("generated_at_utc".into(), utc_iso(generated).into());
    meta.insert("session_id".into(), state.folder.name().into());
    meta.insert("question".into(), state.question().into());
    meta
}

fn tool_execution(run: &ToolRun, agent_id: &str) -> Value {
    json!({
        "tool_name": run.name,
        "tool_type": tool_type(&run.name),
        "call_id": run.tool_use.to_string(),
        "agent_id": agent_id,
        "round_number": run.round,
        "start_time": run.started.unix_seconds(),
        "end_time": run.ended.unix_seconds(),
        "execution_time_ms": millis(run.millis),
        "success": run.error.is_none(),
        "error_message": run.error,
        "input_chars": run.input_chars,
        "output_chars": run.output_chars,
        "input_tokens_est": run.input_chars / 4,
        "output_tokens_est": run.output_chars / 4,
    })
}

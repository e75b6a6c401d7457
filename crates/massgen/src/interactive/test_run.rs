//! The files of a run, as far as they are looked at, for tests.

use std::path::Path;

use massgen_journal::artifacts::RunFolder;
use serde_json::{Value, json};

/// Writes the run of question `turn` below `root`: two agents, two answers, three votes, a winner.
pub(crate) fn write_run(root: &Path, turn: u32, question: &str) -> RunFolder {
    let folder = RunFolder { turn, ..RunFolder::new(root) };
    let attempt = folder.attempt_dir();
    let write = |path: &str, text: &str| {
        let path = attempt.join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    };
    let agent = |status: &str, label: &str, vote: &str, counts: bool, cost: Value| {
        json!({
            "status": status, "answer_count": 1, "latest_answer_label": label, "error": null,
            "vote_cast": { "voted_for_agent": "agent_b", "voted_for_label": vote, "counts": counts },
            "token_usage": {
                "input_tokens": 12_345, "output_tokens": 678, "reasoning_tokens": 0, "cached_input_tokens": 1_024,
                "estimated_cost": cost,
            },
        })
    };
    let status = json!({
        "finish_reason": "completed", "finish_reason_details": "Winner: agent_b", "is_complete": true,
        "meta": { "question": question, "elapsed_seconds": 2.59 },
        "costs": { "total_estimated_cost": null, "total_input_tokens": 24_690, "total_output_tokens": 1_356 },
        "coordination": { "phase": "presentation" },
        "agents": {
            "agent_a": agent("voted", "agent1.1", "agent2.1", true, json!(0.001_234)),
            "agent_b": agent("completed", "agent2.1", "agent1.1", false, Value::Null),
        },
        "results": { "votes": { "agent2.1": 1 }, "winner": "agent_b" },
        "simulated": false,
    });
    write("status.json", &status.to_string());
    write(
        "coordination_table.txt",
        "+-------+\n| Event |\n| \u{1b}[31mE1 starts round 0 and goes on and on and on |\n+-------+\n",
    );
    write(
        "agent_outputs/agent_a.txt",
        "=== AGENT_A OUTPUT LOG ===\n\n[11:08:13] answer agent1.1\nfirst\u{1b}]0;evil\u{7} words\n",
    );
    write("agent_outputs/agent_b.txt", "=== AGENT_B OUTPUT LOG ===\n");
    write("agent_outputs/system_status.txt", "[11:08:12] massgen 0.1.0: 2 agents\n");
    let mapping = |kind: &str, label: &str, agent: &str| json!({ "type": kind, "label": label, "agent_id": agent, "path": format!("{agent}/1/answer.txt") });
    let mappings = json!({
        "agent1.1": mapping("answer", "agent1.1", "agent_a"),
        "agent2.1": mapping("answer", "agent2.1", "agent_b"),
        "agent1.vote1": mapping("vote", "agent1.vote1", "agent_a"),
    });
    write("snapshot_mappings.json", &mappings.to_string());
    write("agent_a/1/answer.txt", &"One line.\n\n".repeat(10));
    write("agent_b/1/answer.txt", "# Short\n\nand **good**.\n");
    write("final/agent_b/answer.txt", "# Short\n\nand **good**, finally.\n");
    let vote = |voter: &str, label: &str, target: &str, reason: &str| {
        let context = json!({ "voted_for": target, "voted_for_label": label, "reason": reason });
        json!({ "event_type": "vote_cast", "agent_id": voter, "context": context })
    };
    let steps = json!({ "events": [
        { "event_type": "session_start", "agent_id": null, "context": {} },
        vote("agent_a", "agent1.1", "agent_a", "mine"),
        vote("agent_b", "agent1.1", "agent_a", "it is\nthe \u{1b}[2Jfirst"),
        vote("agent_a", "agent2.1", "agent_b", "better than mine"),
    ] });
    write("coordination_events.json", &steps.to_string());
    let event = |kind: &str, agent: Value, data: Value| {
        let line = json!({
            "timestamp": "2026-11-21T11:08:12.779870", "event_type": kind, "agent_id": agent, "round_number": 0, "data": data,
        });
        format!("{line}\n")
    };
    let events = [
        event("system_status", Value::Null, json!({ "message": "massgen 0.1.0: 2 agents" })),
        event("round_start", json!("agent_a"), json!({})),
        "half a li\n".to_owned(),
        event("answer_submitted", json!("agent_a"), json!({ "content": "**One** line\n\nOne line" })),
        event("vote", json!("agent_b"), json!({ "reason": "it is the first" })),
    ];
    write("events.jsonl", &events.concat());
    folder
}

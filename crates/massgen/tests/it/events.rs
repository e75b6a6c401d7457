//! Every event as a line of JSON.

use serde_json::Value;

use crate::program::Told;
use crate::run_folder::team;

/// The lines of stdout, all of them events.
pub(crate) fn events(told: &Told) -> Vec<Value> {
    let events: Vec<Value> = told
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}")))
        .collect();
    for event in &events {
        let keys: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys[..5], ["timestamp", "event_type", "agent_id", "round_number", "data"], "{event}");
        assert!(event["timestamp"].is_string() && event["event_type"].is_string(), "{event}");
        assert!(event["agent_id"].is_string() || event["agent_id"].is_null(), "{event}");
        assert!(event["round_number"].is_u64() && event["data"].is_object(), "{event}");
    }
    events
}

#[test]
fn stdout_is_events_and_nothing_else_and_the_lines_go_to_stderr() {
    let world = team();
    let told = world.run(&["--stream-events", "--output-file", "answer.md", "What is a tree?"]).exits(0);
    let events = events(&told);
    let kinds: Vec<&str> = events.iter().filter_map(|event| event["event_type"].as_str()).collect();
    for kind in ["answer_submitted", "vote", "final_answer", "round_start"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    assert_eq!(told.stdout, world.read(world.attempt().join("events.jsonl")));
    let on_stderr = |key: &str| told.stderr.lines().any(|line| line.starts_with(key));
    for key in ["LOG_DIR: /", "STATUS: /", "QUESTION: ", "WINNER: agent_b", "ANSWER: /", "OUTPUT_FILE: /"] {
        assert!(on_stderr(key), "{key} is not in {}", told.stderr);
    }
}

#[test]
fn an_event_is_written_as_soon_as_it_has_happened() {
    let world = crate::program::World::scripted(
        2,
        "agents: {agent_a: {replies: [[{answer: early}]]}, agent_b: {replies: [[{hang: true}]]}}",
    );
    let mut running = world.start(&["--stream-events", "q"]);
    let event: Value = serde_json::from_str(&running.hear("\"answer_submitted\"")).unwrap();
    assert_eq!(event["agent_id"], "agent_a");
}

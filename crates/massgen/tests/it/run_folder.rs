//! What a run leaves behind.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::program::{World, files};

/// Three agents, one of which uses a tool; all vote for the second.
pub(crate) const TEAM: &str = "agents:\n  \
    agent_a: {replies: [[{say: Let me look.}, {call: {tool: lookup, arguments: {q: trees}}}], [{answer: one}], [{vote: agent_b, reason: short}]]}\n  \
    agent_b: {replies: [[{think: Hm.}, {answer: two}], [{vote: agent_b, reason: mine}]], present: [[{answer: the final words}]]}\n  \
    agent_c: {replies: [[{answer: three}], [{vote: agent_b, reason: clear}]]}\n\
    tools:\n  lookup: {result: A tree is a plant.}\n";

/// The whole team has answered before anybody votes, so its course is always the same.
pub(crate) fn team() -> World {
    let world = World::scripted(3, TEAM);
    let mut config: Value = serde_json::from_str(&world.read(".massgen/config.yaml")).unwrap();
    config["orchestrator"] = serde_json::json!({ "defer_voting_until_all_answered": true });
    world.write(".massgen/config.yaml", &config.to_string());
    world
}

#[test]
fn with_nothing_at_all_the_simulated_team_runs_and_says_that_it_is_simulated() {
    let world = World::new();
    let told = world.run(&["What is a tree?"]).exits(0);
    assert!(told.stderr.starts_with(
        "nothing is configured: three SIMULATED agents answer, no model is asked\nhint: `massgen \
         --quickstart` sets up a team, `massgen --setup` takes your keys\n"
    ));
    assert!(told.stderr.contains("SIMULATED: no real model is at work."), "{told}");
    let status = world.status();
    let winner = status["results"]["winner"].as_str().unwrap();
    let answer =
        fs_err::read_to_string(world.log_dir().join(format!("turn_1/final/{winner}/answer.txt"))).unwrap();
    assert_eq!(told.stdout.trim_end(), answer.trim_end());
    assert!(answer.contains("no language model was asked") && answer.contains("What is a tree?"));
}

#[test]
fn a_run_leaves_every_file_that_has_content() {
    let world = team();
    world.run(&["What is a tree?"]).exits(0);
    let is_stamp = |part: &str| part.len() == 22 && part.starts_with("20");
    let names: Vec<String> = files(&world.log_dir())
        .keys()
        .map(|path| {
            let parts: Vec<String> = path
                .components()
                .map(|part| part.as_os_str().to_string_lossy().into_owned())
                .map(|part| if is_stamp(&part) { "STAMP".to_owned() } else { part })
                .collect();
            parts.join("/")
        })
        .collect();
    insta::assert_snapshot!(names.join("\n"), @"
    journal.db
    journal.lock
    turn_1/attempt_1/agent_a/STAMP/answer.txt
    turn_1/attempt_1/agent_a/STAMP/context.txt
    turn_1/attempt_1/agent_a/STAMP/execution_trace.md
    turn_1/attempt_1/agent_a/STAMP/context.txt
    turn_1/attempt_1/agent_a/STAMP/execution_trace.md
    turn_1/attempt_1/agent_a/STAMP/vote.json
    turn_1/attempt_1/agent_b/STAMP/answer.txt
    turn_1/attempt_1/agent_b/STAMP/context.txt
    turn_1/attempt_1/agent_b/STAMP/execution_trace.md
    turn_1/attempt_1/agent_b/STAMP/context.txt
    turn_1/attempt_1/agent_b/STAMP/execution_trace.md
    turn_1/attempt_1/agent_b/STAMP/vote.json
    turn_1/attempt_1/agent_c/STAMP/answer.txt
    turn_1/attempt_1/agent_c/STAMP/context.txt
    turn_1/attempt_1/agent_c/STAMP/execution_trace.md
    turn_1/attempt_1/agent_c/STAMP/context.txt
    turn_1/attempt_1/agent_c/STAMP/execution_trace.md
    turn_1/attempt_1/agent_c/STAMP/vote.json
    turn_1/attempt_1/agent_outputs/agent_a.txt
    turn_1/attempt_1/agent_outputs/agent_b.txt
    turn_1/attempt_1/agent_outputs/agent_c.txt
    turn_1/attempt_1/agent_outputs/system_status.txt
    turn_1/attempt_1/coordination_events.json
    turn_1/attempt_1/coordination_table.txt
    turn_1/attempt_1/events.jsonl
    turn_1/attempt_1/execution_metadata.yaml
    turn_1/attempt_1/final/agent_b/answer.txt
    turn_1/attempt_1/final/agent_b/context.txt
    turn_1/attempt_1/final/agent_b/execution_trace.md
    turn_1/attempt_1/massgen.log
    turn_1/attempt_1/metrics_events.json
    turn_1/attempt_1/metrics_summary.json
    turn_1/attempt_1/snapshot_mappings.json
    turn_1/attempt_1/status.json
    turn_1/final/agent_b/answer.txt
    turn_1/final/agent_b/context.txt
    turn_1/final/agent_b/execution_trace.md
    ");
    let root = world.log_dir();
    assert_eq!(
        fs_err::read_link(root.join("status.json")).unwrap().to_str(),
        Some("turn_1/attempt_1/status.json")
    );
}

#[test]
fn the_log_folder_is_linked_in_the_home_directory() {
    let world = team();
    world.run(&["q"]).exits(0);
    let name = world.log_dir().file_name().unwrap().to_owned();
    let link = world.home().join(".massgen/massgen_logs").join(name);
    assert!(fs_err::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs_err::canonicalize(&link).unwrap(), world.log_dir());
    assert!(link.join("status.json").is_file());
}

#[test]
fn nobody_else_may_read_what_is_left() {
    let world = team();
    world.run(&["q"]).exits(0);
    let mode = |path: &std::path::Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&world.log_dir()), 0o700);
    for path in files(&world.log_dir()).keys() {
        assert_eq!(mode(&world.log_dir().join(path)), 0o600, "{}", path.display());
    }
}

#[test]
fn the_status_of_a_finished_run_is_complete() {
    let world = team();
    world.run(&["What is a tree?"]).exits(0);
    let status = world.status();
    let keys: Vec<&str> = status.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "finish_reason",
        "finish_reason_details",
        "is_complete",
        "review_pending",
        "meta",
        "costs",
        "tools",
        "rounds",
        "coordination",
        "agents",
        "historical_workspaces",
        "results",
    ];
    for key in expected {
        assert!(keys.contains(&key), "{key} is missing in {keys:?}");
    }
    assert_eq!(status["finish_reason"], "completed");
    assert_eq!(status["finish_reason_details"], "Winner: agent_b");
    assert_eq!((&status["is_complete"], &status["review_pending"]), (&true.into(), &false.into()));
    assert_eq!(status["meta"]["question"], "What is a tree?");
    assert_eq!(status["meta"]["log_dir"], world.attempt().display().to_string());
    assert_eq!(status["results"]["winner"], "agent_b");
    assert_eq!(status["results"]["votes"]["agent2.1"], 3);
    assert_eq!(status["results"]["final_answer_preview"], "the final words");
    assert_eq!(status["tools"]["by_tool"]["lookup"]["call_count"], 1);
    for agent in ["agent_a", "agent_b", "agent_c"] {
        assert_eq!(status["agents"][agent]["answer_count"], 1, "{agent}");
        assert_eq!(status["agents"][agent]["vote_cast"]["voted_for_agent"], "agent_b");
    }
}

#[test]
fn votes_and_answers_are_kept_where_they_were_given() {
    let world = team();
    world.run(&["What is a tree?"]).exits(0);
    let attempt = files(&world.attempt());
    let find = |agent: &str, file: &str| {
        let found = attempt.iter().find(|(path, _)| path.starts_with(agent) && path.ends_with(file));
        String::from_utf8(found.unwrap().1.clone()).unwrap()
    };
    assert_eq!(find("agent_a", "answer.txt"), "one");
    assert_eq!(find("agent_c", "answer.txt"), "three");
    let vote: Value = serde_json::from_str(&find("agent_c", "vote.json")).unwrap();
    assert_eq!((&vote["voter_id"], &vote["reason"]), (&"agent_c".into(), &"clear".into()), "{vote}");
    assert_eq!(find("final/agent_b", "answer.txt"), "the final words");
    assert!(find("agent_a", "execution_trace.md").contains("A tree is a plant."));
    let metadata = find("execution_metadata.yaml", "execution_metadata.yaml");
    assert!(metadata.contains("query: \"What is a tree?\""), "{metadata}");
    let mappings: Value =
        serde_json::from_str(&find("snapshot_mappings.json", "snapshot_mappings.json")).unwrap();
    assert!(mappings.get("agent2.1").is_some(), "{mappings}");
    let table = find("coordination_table.txt", "coordination_table.txt");
    assert!(table.contains("agent_a") && table.contains("agent_c"), "{table}");
}

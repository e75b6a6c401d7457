//! The lines that scripts read.

use std::path::Path;

use crate::program::{Told, World};
use crate::run_folder::team;

/// Hides what differs from run to run.
pub(crate) fn filtered(world: &World, text: &str) -> String {
    let log_dir = world.log_dir();
    let text = text.replace(&log_dir.display().to_string(), "[LOG_DIR]");
    let text = text.replace(&world.work().display().to_string(), "[WORK]");
    let words: Vec<String> = text
        .split_inclusive([' ', '\n'])
        .map(|word| {
            let (bare, end) = word.split_at(word.trim_end().len());
            let is_duration = bare.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok());
            if is_duration { format!("[SECONDS]{end}") } else { word.to_owned() }
        })
        .collect();
    in_order(&words.concat())
}

/// Votes fall in any order: here they are sorted, each with its reason.
fn in_order(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let is_vote = |line: &&str| line.starts_with("  [VOTE]");
    let Some(first) = lines.iter().position(is_vote) else {
        return text.to_owned();
    };
    let count = 2 * lines.iter().filter(|line| is_vote(line)).count();
    let (before, rest) = lines.split_at(first);
    let (votes, after) = rest.split_at(count);
    let mut votes: Vec<&[&str]> = votes.chunks(2).collect();
    votes.sort_unstable();
    [before, &votes.concat(), after].concat().join("\n")
}

/// The keys of the lines that have one, in order.
fn keys(told: &Told) -> Vec<&str> {
    let is_key = |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    told.stdout.lines().filter_map(|line| line.split_once(':').map(|(key, _)| key)).filter(is_key).collect()
}

#[test]
fn the_lines_of_a_run_come_in_the_agreed_order() {
    let world = team();
    let told = world
        .run(&[
            "--automation",
            "--inbox-dir",
            "in",
            "--output-file",
            "out/deep/answer.md",
            "What is a tree?\nOr a bush?",
        ])
        .exits(0);
    insta::assert_snapshot!(filtered(&world, &told.stdout), @"
    LOG_DIR: [LOG_DIR]
    STATUS: [LOG_DIR]/turn_1/attempt_1/status.json
    RUNTIME_INBOX: [WORK]/in
    QUESTION: What is a tree?
    Or a bush?
    [Coordination in progress - monitor status.json for real-time updates]

    WINNER: agent_b
    ANSWER_FILE: [LOG_DIR]/turn_1/attempt_1/final/agent_b/answer.txt
    DURATION: [SECONDS]

    TIMELINE:
      [VOTE] agent_a -> agent_b
             Reason: short
      [VOTE] agent_b -> agent_b
             Reason: mine
      [VOTE] agent_c -> agent_b
             Reason: clear
      [RESULTS]
        agent_b: 3 vote(s) (winner)
    ANSWER_PREVIEW: the final words

    COMPLETED: 3 agents, [SECONDS] total
    ANSWER: [LOG_DIR]/turn_1/final/agent_b/answer.txt
    OUTPUT_FILE: [WORK]/out/deep/answer.md
    FINAL_DIR: [LOG_DIR]/turn_1/attempt_1/final
    ");
    assert_eq!(told.stderr, "");
    assert_eq!(world.read("out/deep/answer.md"), "the final words");
    for line in ["LOG_DIR", "STATUS", "RUNTIME_INBOX", "ANSWER_FILE", "ANSWER", "OUTPUT_FILE", "FINAL_DIR"] {
        let path = Path::new(told.value(line).unwrap());
        assert!(path.is_absolute() && path.exists(), "{line}: {}", path.display());
    }
}

#[test]
fn a_run_without_an_answer_names_no_file_of_one() {
    let world = World::scripted(2, "agents: {default: {replies: [[{fail: {kind: unauthorized}}]]}}");
    let told = world.run(&["--automation", "--output-file", "answer.md", "q"]).exits(2);
    assert_eq!(keys(&told), ["LOG_DIR", "STATUS", "QUESTION", "COMPLETED"]);
    assert!(!world.work().join("answer.md").exists());
}

#[test]
fn the_status_file_is_there_when_its_line_is() {
    let world = World::scripted(1, "agents: {default: {replies: [[{hang: true}]]}}");
    let mut running = world.start(&["--automation", "q"]);
    running.hear("LOG_DIR: ");
    running.hear("STATUS: ");
    running.hear("[Coordination in progress");
    let status = world.status();
    assert_eq!((&status["is_complete"], &status["finish_reason"]), (&false.into(), &"in_progress".into()));
    assert!(world.home().join(".massgen/massgen_logs").join(world.log_dir().file_name().unwrap()).exists());
}

#[test]
fn automation_can_be_asked_for_in_the_configuration() {
    let world = team();
    let mut config: serde_json::Value = serde_json::from_str(&world.read(".massgen/config.yaml")).unwrap();
    config["ui"] = serde_json::json!({ "automation_mode": true });
    world.write(".massgen/config.yaml", &config.to_string());
    let told = world.run(&["q"]).exits(0);
    assert_eq!(told.value("WINNER"), Some("agent_b"));
}

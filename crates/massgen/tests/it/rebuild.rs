//! Writing the files of a run again from its journal.

use std::path::Path;

use massgen_testkit::model_server::{Fault, ScriptedReply};
use serde_json::json;

use crate::program::{World, files};
use crate::run_folder;
use crate::server::{Server, answer, team, vote};

/// Removes everything but the journal.
fn remove_projections(log_dir: &Path) {
    fs_err::remove_file(log_dir.join("status.json")).unwrap();
    fs_err::remove_dir_all(log_dir.join("turn_1")).unwrap();
}

/// Rebuilds the run of `world` twice: with all projections gone, and over the ones that are there.
pub(crate) fn check(world: &World) {
    let log_dir = world.log_dir();
    let before = files(&log_dir);
    remove_projections(&log_dir);
    world.run(&["logs", "rebuild", "latest"]).exits(0);
    compare(&before, &files(&log_dir));
    assert!(log_dir.join("status.json").is_symlink());
    let told = world.run(&["logs", "rebuild", &log_dir.display().to_string()]).exits(0);
    assert!(told.stdout.starts_with(&format!("{}: ", log_dir.display())), "{told}");
    assert!(told.stdout.trim_end().ends_with(", 0 removed"), "{told}");
    compare(&before, &files(&log_dir));
}

type Files = std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>;

fn compare(before: &Files, after: &Files) {
    let is_projection = |path: &&std::path::PathBuf| path.starts_with("turn_1");
    let names = |files: &Files| files.keys().filter(is_projection).cloned().collect::<Vec<_>>();
    assert_eq!(names(before), names(after));
    for (path, content) in before.iter().filter(|(path, _)| is_projection(path)) {
        let (before, after) = (String::from_utf8_lossy(content), String::from_utf8_lossy(&after[path]));
        for (before, after) in before.lines().zip(after.lines()) {
            assert_eq!(before, after, "{}", path.display());
        }
        assert_eq!(before.len(), after.len(), "{}", path.display());
    }
}

#[test]
fn the_files_of_a_simulated_run_come_back_byte_for_byte() {
    let world = World::new();
    world.run(&["What is a tree?"]).exits(0);
    check(&world);
}

#[test]
fn the_files_of_a_run_with_tools_come_back_byte_for_byte() {
    let world = run_folder::team();
    world.run(&["What is a tree?"]).exits(0);
    check(&world);
}

#[test]
fn the_files_of_a_run_over_a_faulty_wire_come_back_byte_for_byte() {
    let server = Server::start(|request| match (request.number % 3, request.repeat) {
        (0, 0) => {
            ScriptedReply::refusal(429, "rate_limit_exceeded", "slow down").with_header("retry-after", "0")
        }
        (1, 0) => team(request).with_fault(Fault::Cut(1)),
        _ => team(request).with_reasoning("Let me think."),
    });
    let world = server.world(2);
    world.run(&["What is a tree?"]).exits(0);
    check(&world);
}

#[test]
fn the_files_of_a_run_with_ignored_votes_and_refused_answers_come_back_byte_for_byte() {
    let world = World::scripted(
        2,
        "agents:\n  \
         agent_a: {replies: [[{vote: agent_z}], [{say: hm}], [{answer: one}, {vote: agent_a}], [{call: {tool: nothing}}], [{vote: agent_b}]]}\n  \
         agent_b: {replies: [[{answer: two}], [{answer: two}], [{vote: agent_b}], [{vote: agent_b}]]}\n",
    );
    world.run(&["What is a tree?"]).exits(0);
    check(&world);
}

#[test]
fn the_files_of_a_run_that_was_interrupted_and_went_on_come_back_byte_for_byte() {
    let world = World::scripted(
        2,
        "agents: {agent_a: {replies: [[{answer: one}]]}, agent_b: {replies: [[{hang: true}]]}}",
    );
    let mut running = world.start(&["q"]);
    running.hear("answered agent1.1");
    running.interrupt();
    running.wait().exits(4);
    check(&world);
    world.write("script.yaml", "agents: {default: {replies: [[{answer: three}], [{vote: agent_a}]]}}");
    world.run(&["--resume", "latest"]).exits(0);
    check(&world);
}

#[test]
fn the_files_of_a_run_without_an_answer_come_back_byte_for_byte() {
    let server = Server::start(|_| ScriptedReply::refusal(401, "invalid_api_key", "no"));
    let world = server.world(2);
    world.run(&["q"]).exits(2);
    check(&world);
}

#[test]
fn long_answers_come_back_byte_for_byte() {
    let long = "A long answer, ümläuts and all. ".repeat(2000);
    let server = Server::start(move |request| {
        if request.last_text().contains("<answer") && !request.last_text().contains("Coordination is over") {
            return vote("agent1");
        }
        answer(&long)
    });
    let world = server.world(1);
    world.run(&["q"]).exits(0);
    check(&world);
    assert!(world.log_dir().join("blobs").is_dir());
}

#[test]
fn what_does_not_follow_from_the_journal_goes_and_what_people_left_stays() {
    let world = run_folder::team();
    world.run(&["q"]).exits(0);
    let attempt = world.attempt();
    world
        .write(&attempt.join("agent_a/19990101_000000_000000/answer.txt").display().to_string(), "of nobody");
    world.write(&attempt.join("notes.md").display().to_string(), "mine");
    world.write(&attempt.join("events.jsonl").display().to_string(), &json!({ "broken": true }).to_string());
    let told = world.run(&["logs", "rebuild", "latest"]).exits(0);
    assert!(told.stdout.trim_end().ends_with(", 1 removed"), "{told}");
    assert!(!attempt.join("agent_a/19990101_000000_000000").exists());
    assert_eq!(world.read(attempt.join("notes.md")), "mine");
    assert!(!world.read(attempt.join("events.jsonl")).contains("broken"));
}

#[test]
fn a_folder_without_a_journal_is_refused() {
    let world = World::new();
    let told = world.run(&["logs", "rebuild", "nowhere"]).exits(1);
    assert!(told.stderr.starts_with("error: there is no journal in `nowhere`\nhint: "), "{told}");
    world.run(&["logs", "rebuild"]).exits(2);
}

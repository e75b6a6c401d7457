//! Ctrl-C.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use massgen_testkit::model_server::ScriptedReply;
use serde_json::Value;

use crate::program::{MASSGEN, World};
use crate::server::{Asked, Server, asked, team};

/// One agent answers, the other hangs.
const HALFWAY: &str = "agents:\n  \
    agent_a: {replies: [[{answer: the first answer}], [{hang: true}]]}\n  \
    agent_b: {replies: [[{hang: true}]]}\n";

#[test]
fn one_interrupt_saves_what_is_there_and_the_run_can_go_on() {
    let is_resumed = Arc::new(AtomicBool::new(false));
    let resumed = Arc::clone(&is_resumed);
    let server = Server::start(move |request| {
        let is_first = asked(request) == Asked::First && request.last_text().contains("You are agent1");
        if is_first || resumed.load(Ordering::SeqCst) { team(request) } else { ScriptedReply::Hang }
    });
    let world = server.world(2);
    let mut running = world.start(&["--stream-events", "--output-file", "answer.md", "q"]);
    running.hear("answer_submitted");
    running.interrupt();
    let told = running.wait().exits(4);
    assert!(told.stderr.contains("stopping: what is there is saved; once more to stop at once\n"), "{told}");
    let hint = format!("hint: go on with `massgen --resume {}`\n", world.log_dir().display());
    assert!(told.stderr.ends_with(&hint), "{told}");
    for promise in ["WINNER: ", "ANSWER: ", "OUTPUT_FILE: "] {
        assert!(!told.stderr.contains(promise), "{told}");
    }
    assert!(!world.work().join("answer.md").exists());
    let status = world.status();
    assert_eq!(
        (&status["is_complete"], &status["coordination"]["phase"]),
        (&true.into(), &"cancelled".into())
    );
    assert_eq!(world.read(world.log_dir().join("turn_1/final/agent_a/answer.txt")), "the answer of agent1.");

    is_resumed.store(true, Ordering::SeqCst);
    let told = world.run(&["--automation", "--output-file", "answer.md", "--resume", "latest"]).exits(0);
    assert_eq!(told.value("WINNER"), Some("agent_a"), "{told}");
    assert_eq!(world.read("answer.md"), "the final words");
    let calls: Vec<_> = server.requests().iter().filter_map(|request| request.call.clone()).collect();
    let paid = calls.iter().filter(|call| *call == "agent1-call-1").count();
    assert_eq!(paid, 1, "{calls:?}");
}

#[test]
fn a_person_is_told_where_the_best_answer_is_and_how_to_go_on() {
    let world = World::scripted(2, HALFWAY);
    let mut running = world.start(&["q"]);
    running.hear("agent_a  answered agent1.1");
    running.interrupt();
    let told = running.wait().exits(4);
    assert_eq!(told.stdout, "");
    let log_dir = world.log_dir();
    let log_dir = log_dir.strip_prefix(world.work()).unwrap().display().to_string();
    assert!(
        told.stderr.contains("interrupted and can be resumed; the best answer so far is agent1.1"),
        "{told}"
    );
    assert!(
        told.stderr.contains(&format!("best so far  {log_dir}/turn_1/final/agent_a/answer.txt\n")),
        "{told}"
    );
    assert!(told.stderr.ends_with(&format!("hint: go on with `massgen --resume {log_dir}`\n")), "{told}");
}

#[test]
fn a_request_to_terminate_is_an_interrupt() {
    let world = World::scripted(2, HALFWAY);
    let mut running = world.start(&["--stream-events", "q"]);
    running.hear("answer_submitted");
    running.signal("-TERM");
    let told = running.wait().exits(4);
    let last: Value = serde_json::from_str(told.stdout.lines().last().unwrap()).unwrap();
    assert!(last["event_type"].is_string(), "{last}");
    assert!(world.log_dir().join("turn_1/final/agent_a/answer.txt").is_file());
}

#[test]
fn an_interrupt_before_any_answer_saves_what_can_be_resumed() {
    let world = World::scripted(1, "agents: {default: {replies: [[{hang: true}]]}}");
    let mut running = world.start(&["q"]);
    running.hear("starts round 1");
    running.interrupt();
    running.wait().exits(4);
    world.write(
        "script.yaml",
        "agents: {default: {replies: [[{answer: late}], [{vote: agent_a}]], present: [[{answer: late}]]}}",
    );
    let told = world.run(&["--resume", "latest"]).exits(0);
    assert_eq!(told.stdout, "late\n");
}

#[test]
fn a_second_interrupt_ends_the_program_although_its_reader_hangs() {
    let long = "many words ".repeat(50_000);
    let script = format!("agents: {{default: {{replies: [[{{answer: {long}}}], [{{hang: true}}]]}}}}");
    let world = World::scripted(2, &script);
    let mut command = world.command(MASSGEN, &[]);
    // Nobody reads from this pipe, and it is too short for the answers.
    let (_reader, writer) = std::io::pipe().unwrap();
    command.args(["--stream-events", "q"]).stdout(writer).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let is_there = |world: &World| {
        let answers = world.log_dirs().into_iter().map(|run| run.join("turn_1/attempt_1/agent_a"));
        let mut stamps = answers.filter_map(|folder| fs_err::read_dir(folder).ok()).flatten();
        stamps.any(|stamp| stamp.unwrap().path().join("answer.txt").is_file())
    };
    while !is_there(&world) {
        std::thread::yield_now();
    }
    let press = |child: &Child| {
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    };
    press(&child);
    let mut line = String::new();
    while !line.contains("once more to stop at once") {
        line.clear();
        assert_ne!(stderr.read_line(&mut line).unwrap(), 0, "it ended at the first interrupt");
    }
    press(&child);
    assert_eq!(child.wait().unwrap().code(), Some(4));
    let told = world.run(&["logs", "rebuild", "latest"]).exits(0);
    assert!(told.stdout.contains("files written"), "{told}");
}

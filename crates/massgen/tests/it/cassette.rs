//! Runs that are recorded, and replayed without a network.

use crate::server::{Server, team};

#[test]
fn a_recorded_run_is_replayed_offline_with_the_same_end() {
    let server = Server::start(team);
    let world = server.world(3);
    let recorded = world.run(&["--automation", "--record", "tape.jsonl", "why?"]).exits(0);
    let requests = server.requests().len();
    assert_eq!(requests, 7);
    let kept = world.read("tape.jsonl");
    assert_eq!(kept.lines().count(), 1 + requests, "a line about the run and one for each call");
    drop(server);
    let replayed = world.run(&["--automation", "--replay", "tape.jsonl", "why?"]).exits(0);
    assert_eq!(recorded.value("WINNER"), replayed.value("WINNER"));
    assert_eq!(recorded.value("ANSWER_PREVIEW"), replayed.value("ANSWER_PREVIEW"));
    assert_eq!(world.log_dirs().len(), 2);
}

#[test]
fn a_recording_of_another_question_is_refused_before_the_run() {
    let world = crate::program::World::new();
    world.run(&["--automation", "--record", "tape.jsonl", "why?"]).exits(0);
    let told = world.run(&["--automation", "--replay", "tape.jsonl", "why not?"]).exits(1);
    assert!(told.stderr.contains("question"), "{told}");
    assert_eq!(world.log_dirs().len(), 1, "no run was begun");
}

#[test]
fn a_file_that_is_no_recording_is_told_with_its_name() {
    let world = crate::program::World::new();
    world.write("tape.jsonl", "hello\n");
    for tape in ["tape.jsonl", "missing.jsonl"] {
        let told = world.run(&["--automation", "--replay", tape, "why?"]).exits(1);
        assert!(told.stderr.contains(tape), "{told}");
    }
}

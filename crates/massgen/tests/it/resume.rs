//! Going on with a run.

use massgen_testkit::model_server::ScriptedReply;

use crate::events::events;
use crate::program::{MASSGEN, Running, World, files};
use crate::run_folder::team;
use crate::server::{self, Server};

const HANGING: &str = "agents: {default: {replies: [[{hang: true}]]}}";

#[test]
fn a_finished_run_is_told_again_and_nothing_is_asked_or_changed() {
    let server = Server::start(server::team);
    let world = server.world(3);
    let first = world.run(&["--automation", "q"]).exits(0);
    let requests = server.requests().len();
    let before = files(&world.log_dir());
    let again = world.run(&["--automation", "--resume", "latest"]).exits(0);
    assert_eq!(again, first);
    let shown = world.run(&["--resume", "latest", "--output-file", "answer.md"]).exits(0);
    assert_eq!(shown.stdout, "the final words\n");
    assert!(shown.stderr.starts_with("the run is over; this is what came of it\n"), "{shown}");
    assert_eq!(world.read("answer.md"), "the final words");
    let streamed = world.run(&["--stream-events", "--resume", "latest"]).exits(0);
    assert!(!events(&streamed).is_empty());
    assert_eq!(streamed.stdout, world.read(world.attempt().join("events.jsonl")));
    for told in [again, shown, streamed] {
        assert!(!told.stderr.contains("warning"), "{told}");
    }
    assert_eq!(server.requests().len(), requests);
    let after = files(&world.log_dir());
    let changed: Vec<_> = before.iter().filter(|(path, content)| after.get(*path) != Some(content)).collect();
    assert!(changed.is_empty(), "{:?}", changed.iter().map(|(path, _)| path).collect::<Vec<_>>());
    assert_eq!(after.len(), before.len());
}

#[test]
fn a_run_that_was_interrupted_in_between_is_told_as_one_story() {
    let world = World::scripted(1, HANGING);
    let mut running = world.start(&["--automation", "q"]);
    running.hear("[Coordination in progress");
    running.interrupt();
    running.wait().exits(4);
    world.write("script.yaml", "agents: {default: {replies: [[{answer: a}], [{vote: agent_a}]]}}");
    world.run(&["--automation", "--resume", "latest"]).exits(0);
    let again = world.run(&["--automation", "--resume", "latest"]).exits(0);
    for key in ["LOG_DIR: ", "COMPLETED: ", "ANSWER: "] {
        assert_eq!(again.stdout.lines().filter(|line| line.starts_with(key)).count(), 1, "{again}");
    }
}

#[test]
fn the_attempt_folder_the_name_and_the_link_lead_to_the_run_too() {
    let world = team();
    world.run(&["q"]).exits(0);
    let name = world.log_dir().file_name().unwrap().to_str().unwrap().to_owned();
    let attempt = world.attempt().display().to_string();
    let link = world.home().join(".massgen/massgen_logs").join(&name).display().to_string();
    let relative = format!(".massgen/massgen_logs/{name}");
    for folder in [&attempt, &name, &link, &relative] {
        let told = world.run(&["--automation", "--resume", folder]).exits(0);
        assert_eq!(told.value("LOG_DIR"), Some(world.log_dir().to_str().unwrap()), "{folder}");
    }
}

#[test]
fn a_folder_that_is_no_run_is_refused() {
    let world = World::new();
    world.write("folder/file", "");
    for folder in ["/nowhere/at/all", "folder", "folder/file", "..", "log_20260101_000000_000000"] {
        let told = world.run(&["--resume", folder]).exits(1);
        assert!(
            told.stderr.starts_with(&format!("error: there is no journal in `{folder}`\nhint: ")),
            "{told}"
        );
    }
    let told = world.run(&["--resume", "latest"]).exits(1);
    let base = world.work().join(".massgen/massgen_logs");
    assert!(
        told.stderr.starts_with(&format!("error: there is no run with a journal in `{}`", base.display()))
    );
    assert_eq!(files(&world.work()).len(), 1);
}

#[test]
fn a_run_that_another_process_has_open_is_refused_with_its_owner() {
    let world = World::scripted(1, HANGING);
    let mut running = world.start(&["q"]);
    running.hear("starts round 1");
    let owner = format!("process {}, started ", running.id());
    for command in [&["--resume", "latest"][..], &["logs", "rebuild", "latest"]] {
        let told = world.run(command).exits(1);
        assert!(told.stderr.contains(&owner), "{told}");
        assert!(told.stderr.contains("hint: wait for that process, or end it"), "{told}");
    }
    running.interrupt();
    running.wait().exits(4);
}

#[test]
fn what_says_how_a_new_run_is_to_be_is_refused_beside_resume() {
    let world = team();
    world.run(&["q"]).exits(0);
    for flags in [
        &["q"][..],
        &["--quick"],
        &["--max-tokens", "5"],
        &["--max-cost", "1"],
        &["--model", "m"],
        &["--orchestrator-timeout", "5"],
        &["--single-agent"],
    ] {
        let told = world.run(&[&["--resume", "latest"], flags].concat()).exits(2);
        assert!(told.stderr.contains("cannot be used with"), "{told}");
    }
}

#[test]
fn a_run_goes_on_with_its_own_configuration_and_with_the_key_that_is_set_now() {
    let server = Server::start(|request| {
        let has_key =
            request.headers.get("authorization").is_some_and(|value| value == "Bearer new-key-0123456789");
        if has_key { server::team(request) } else { ScriptedReply::Hang }
    });
    let mut config = server.config(1);
    config["agents"][0]["backend"]["api_key"] = "${TEAM_API_KEY}".into();
    let world = World::new();
    world.write(".massgen/config.yaml", &config.to_string());
    let mut command = world.command(MASSGEN, &[("TEAM_API_KEY", "old-key-0123456789")]);
    command.arg("q");
    let running = Running::start(command);
    server.received(1);
    running.interrupt();
    running.wait().exits(4);
    world.write(".massgen/config.yaml", "agents: [");
    let told = world.run_with(&[("TEAM_API_KEY", "new-key-0123456789")], &["--resume", "latest"]).exits(0);
    assert_eq!(told.stdout, "the final words\n");
}

//! Questions to a person: what is told of them while a run waits, and what becomes of them when it is interrupted.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::lab::{Call, Lab};
use crate::program::Running;

/// An agent that is to ask before it writes, and writes.
fn asking(files: &[&str]) -> Lab {
    let permissions = json!({ "approval_mode": "file", "rules": { "ask": ["write_file(*)"] } });
    let calls: Vec<Call<'_>> =
        files.iter().map(|path| ("write_file", json!({ "path": path, "content": "x" }))).collect();
    let lab = Lab::new();
    lab.set_replies(&json!({ "cwd": "workspace", "permissions": permissions }), &[&calls]);
    lab
}

/// Where the reply to the question that is told next belongs.
fn reply_in(line: &str) -> PathBuf {
    let (_, rest) = line.split_once("false} to `").unwrap_or_else(|| panic!("no place in: {line}"));
    rest.split('`').next().unwrap().into()
}

/// The only agent as `status.json` has it.
fn status(lab: &Lab) -> Value {
    lab.world.status()["agents"]["agent_a"].clone()
}

fn start(lab: &Lab) -> Running {
    lab.start(&["--automation", "Do it."])
}

#[test]
fn a_run_that_waits_for_a_person_tells_so_and_tells_what_is_wrong_with_a_reply() {
    let lab = asking(&["a.txt"]);
    let mut running = start(&lab);
    let line = running.hear("waits for you");
    let place = reply_in(&line);
    let known = line.replace(&lab.world.work().display().to_string(), "[work]");
    assert!(known.starts_with("agent_a waits for you: it wants to write `[work]/"), "{known}");
    assert!(known.ends_with("within 300 s") && known.contains("/.massgen/approvals/resp_"), "{known}");
    let questions = &status(&lab)["questions"];
    assert_eq!(questions[0]["reply_in"], place.display().to_string(), "{questions}");

    fs_err::write(&place, r#"{"approved": true, "scope": "alwayz"}"#).unwrap();
    let wrong = running.hear("still waits for you");
    assert!(
        wrong.contains("unknown variant `alwayz`, expected one of `once`, `session`, `always`"),
        "{wrong}"
    );
    fs_err::write(&place, r#"{"approved": true}"#).unwrap();
    let told = running.wait().exits(0);
    assert_eq!(told.stderr.matches("waits for you").count(), 2, "{told}");
    assert_eq!(status(&lab)["questions"], json!([]));
    lab.made()[0].is("ok", "a.txt");
    let log = fs_err::read_to_string(lab.world.attempt().join("events.jsonl")).unwrap();
    assert_eq!(log.matches("waits for you").count(), 2, "{log}");
}

#[test]
fn a_call_that_nobody_had_replied_to_was_not_started_and_a_resumed_run_says_so() {
    let lab = asking(&["a.txt", "b.txt"]);
    let mut running = start(&lab);
    running.hear("waits for you");
    running.hear("waits for you");
    running.interrupt();
    running.wait();
    assert_eq!(status(&lab)["questions"], json!([]));
    lab.resume();
    let made = lab.made();
    assert!(made.len() == 2 && made.iter().all(|made| made.how == "not run"), "{made:#?}");
    assert!(!lab.left().join("a.txt").exists());
}

#[test]
fn who_watches_reads_it_too() {
    let lab = asking(&["a.txt"]);
    let mut running = lab.start(&["--no-display", "Do it."]);
    running.hear("waits for you: it wants to write");
    running.interrupt();
    running.wait();
    let told = lab.world.run(&["--no-display", "--resume", "latest"]).exits(0);
    let words = told.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("its tool call was not started: the run was interrupted before you replied"),
        "{told}"
    );
}

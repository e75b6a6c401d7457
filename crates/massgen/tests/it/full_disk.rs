//! Disks that fill up while a run is at work.

use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::lab::{CONFIG, Lab, PATH, command};
use crate::program::{MASSGEN, World};

/// Mounts a small disk over the logs, runs the program until the disk is full, copies the run to a real disk.
const SMALL_LOGS: &str = "mkdir -p .massgen/massgen_logs saved && \
    mount -t tmpfs -o size=$SIZE tmpfs .massgen/massgen_logs && { \"$@\"; code=$?; } ; \
    cp -a .massgen/massgen_logs/. saved/ && exit $code";

/// Mounts a small disk over the folders that agents work in, and runs the program.
const SMALL_WORKSPACES: &str =
    "mkdir -p .massgen/workspaces && mount -t tmpfs -o size=$SIZE tmpfs .massgen/workspaces && \"$@\"";

/// Runs the program with a small disk; nothing where this machine does not let a test mount one.
fn on_a_small_disk(world: &World, mount: &str, size: &str, arguments: &[&str]) -> Option<Output> {
    let possible = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine does not let a test mount a small disk");
        return None;
    }
    let mut command =
        world.command("unshare", &[("PATH", &format!("{PATH}:/usr/sbin:/sbin")), ("SIZE", size)]);
    command.args(["--map-root-user", "--mount", "sh", "-c", mount, "sh", MASSGEN]).args(arguments);
    Some(command.output().unwrap())
}

/// Long replies, so that the disk is full before the end.
fn script() -> String {
    let long = "many words ".repeat(2_500);
    format!(
        "agents:\n  default: {{replies: [[{{say: {long}}}, {{answer: one {long}}}], [{{answer: two {long}}}], \
         [{{answer: three {long}}}], [{{vote: agent_a}}]]}}\n"
    )
}

#[test]
fn a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room() {
    let world = World::scripted(3, &script());
    let Some(output) = on_a_small_disk(&world, SMALL_LOGS, "600k", &["--automation", "why?"]) else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("is full") && stderr.contains("--resume"), "{stderr}");
    let logs = world.work().join("saved");
    let logs = logs.to_str().unwrap();
    let told =
        world.run_with(&[("MASSGEN_LOG_BASE_DIR", logs)], &["--automation", "--resume", "latest"]).exits(0);
    // Who wins depends on how far each agent had come.
    assert!(told.value("WINNER").is_some() && told.value("ANSWER").is_some(), "{told}");
}

/// A call that writes so many bytes.
fn write(path: &str, bytes: usize) -> (&'static str, Value) {
    ("mcp__filesystem__write_file", json!({ "path": path, "content": "x".repeat(bytes) }))
}

#[test]
fn an_agent_whose_disk_is_full_is_told_and_goes_on_with_what_there_is() {
    let lab = Lab::alone(
        &json!({ "cwd": "workspace" }),
        &[write("large.txt", 600_000), write("small.txt", 10), write("small.txt", 600_000)],
    );
    let arguments = ["--config", CONFIG, "--automation", "Do it."];
    let Some(output) = on_a_small_disk(&lab.world, SMALL_WORKSPACES, "300k", &arguments) else { return };
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let made = lab.made();
    for full in [0, 2] {
        made[full].is("error", "No space left on device");
    }
    made[1].is("ok", "");
    // Nothing half written is left, and what was there before is as it was.
    assert_eq!(lab.left_file("small.txt").len(), 10);
    assert!(!lab.left().join("large.txt").exists());
}

#[test]
fn files_for_which_the_logs_have_no_room_are_told() {
    let backend = json!({ "cwd": "workspace", "enable_mcp_command_line": true, "unsandboxed": true });
    let lab = Lab::alone(&backend, &[command("head -c 5000000 /dev/urandom > noise")]);
    let arguments = ["--config", CONFIG, "--automation", "Do it."];
    let Some(output) = on_a_small_disk(&lab.world, SMALL_LOGS, "3m", &arguments) else { return };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    // The only copy stays, and a person is told where it is.
    let words = stderr.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("the files of agent `agent_a`, in `"), "{stderr}");
    let place = words.split("`agent_a`, in `").nth(1).unwrap().split('`').next().unwrap();
    assert_eq!(fs_err::read(std::path::Path::new(place).join("noise")).unwrap().len(), 5_000_000);
}

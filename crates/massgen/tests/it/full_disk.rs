//! A disk that fills up while a run writes its journal.

use crate::program::{MASSGEN, World};

/// Mounts a disk of 600 kB over the logs, runs the program until the disk is full, copies the run to a real disk.
const SMALL_DISK: &str = "mkdir -p .massgen/massgen_logs saved && \
    mount -t tmpfs -o size=600k tmpfs .massgen/massgen_logs && { \"$@\"; code=$?; } ; \
    cp -a .massgen/massgen_logs/. saved/ && exit $code";

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
    let mut command = world.command("unshare", &[("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")]);
    command.args(["--map-root-user", "--mount", "sh", "-c", SMALL_DISK, "sh"]);
    let possible =
        std::process::Command::new("unshare").args(["--map-root-user", "--mount", "true"]).output();
    if !possible.is_ok_and(|output| output.status.success()) {
        println!("skipped: this machine does not let a test mount a small disk");
        return;
    }
    let output = command.args([MASSGEN, "--automation", "why?"]).output().unwrap();
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

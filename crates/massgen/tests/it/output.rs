//! What a person sees, in all the places where it may be shown.

use std::process::{Command, Stdio};

use crate::program::{MASSGEN, Running, World};
use crate::run_folder::team;

/// An answer with markdown in it.
const MARKED: &str = "agents: {default: {replies: [[{answer: \"# Title\\n\\n**bold** and `code`\"}], [{vote: agent_a}]], \
                      present: [[{answer: \"# Title\\n\\n**bold** and `code`\\n\"}]]}}";

#[test]
fn a_pipe_gets_the_answer_as_the_model_wrote_it_and_nothing_else() {
    let told = World::scripted(1, MARKED).run(&["q"]).exits(0);
    assert_eq!(told.stdout, "# Title\n\n**bold** and `code`\n");
    assert!(!told.stderr.contains('\u{1b}'), "{told}");
}

#[test]
fn progress_and_summary_tell_what_happened_and_where_the_files_are() {
    let world = team();
    let told = world.run(&["--output-file", "answer.md", "What is a tree?"]).exits(0);
    for part in [
        "SIMULATED: no real model is at work.",
        "agent_a  answered agent1.1 (1 word, simulated)",
        "agent_c  votes for agent2.1 (agent_b, simulated): clear",
        "agent_b wins with agent2.1: 3 of 3 votes",
        "── Summary ──",
        "Winner    agent_b wins with agent2.1: 3 of 3 votes",
        "Cost      $0.00",
        "output file  answer.md",
        "log folder   .massgen/massgen_logs/log_",
    ] {
        assert!(told.stderr.contains(part), "no `{part}` in {told}");
    }
}

#[test]
fn no_line_is_wider_than_the_columns_that_there_are() {
    let told = team().run_with(&[("COLUMNS", "40")], &["What is a tree?"]).exits(0);
    let is_path = |line: &&str| line.contains("massgen_logs");
    for line in
        told.stderr.lines().skip_while(|line| !line.starts_with("00:00")).filter(|line| !is_path(line))
    {
        assert!(line.chars().count() <= 40, "{line}");
    }
}

#[test]
fn without_a_locale_for_it_there_is_nothing_but_ascii() {
    let told = team().run_with(&[("LC_ALL", "C")], &["q"]).exits(0);
    assert!(told.stderr.is_ascii(), "{told}");
}

/// A terminal around the program, as `script` makes it; `None` where there is no such program.
fn on_a_terminal(world: &World, variables: &[(&str, &str)], columns: u16) -> Option<String> {
    let size = format!("stty cols {columns} rows 24; exec {MASSGEN} q");
    let mut command = world.command("script", variables);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    command.env("SHELL", "/bin/sh").args(["--quiet", "--return", "--command", &size, "/dev/null"]);
    let is_there = Command::new("script").arg("--version").stdout(Stdio::null()).status();
    if !is_there.is_ok_and(|status| status.success()) {
        println!("not tested here: there is no program `script` to make a terminal");
        return None;
    }
    let told = Running::start(command).wait().exits(0);
    Some(told.stdout)
}

#[test]
fn a_terminal_gets_live_lines_and_the_answer_rendered() {
    let world = World::scripted(1, MARKED);
    let Some(shown) = on_a_terminal(&world, &[("TERM", "xterm")], 80) else { return };
    let (progress, answer) = shown.split_once("Final answer of agent_a").unwrap();
    assert!(progress.contains("\u{1b}[?2026h"), "{shown}");
    assert!(answer.contains("\u{1b}[1mbold\u{1b}[0m") && !answer.contains("**bold**"), "{shown}");
    assert!(shown.contains("SIMULATED: no real model wrote this."), "{shown}");
}

#[test]
fn without_colour_a_terminal_gets_no_colour() {
    let world = World::scripted(1, MARKED);
    let Some(shown) = on_a_terminal(&world, &[("TERM", "xterm"), ("NO_COLOR", "1")], 80) else { return };
    assert!(!shown.contains("\u{1b}[1m") && !shown.contains("\u{1b}[3"), "{shown}");
    let world = World::scripted(1, MARKED);
    let Some(shown) = on_a_terminal(&world, &[("TERM", "dumb")], 80) else { return };
    assert!(!shown.contains('\u{1b}'), "{shown}");
}

#[test]
fn a_narrow_terminal_is_not_overrun() {
    let world = World::scripted(3, "agents: {}");
    let Some(shown) = on_a_terminal(&world, &[("TERM", "xterm"), ("NO_COLOR", "1")], 40) else { return };
    let is_path = |line: &&str| line.contains("massgen_logs") || line.contains('\u{1b}');
    for line in shown.lines().filter(|line| !is_path(line)) {
        assert!(line.trim_end().chars().count() <= 40, "{line}");
    }
}

#[test]
fn a_reader_that_goes_away_changes_neither_the_run_nor_its_exit_code() {
    for flags in [&["--automation", "q"][..], &["--stream-events", "q"], &["q"]] {
        let world = team();
        let mut command = world.command(MASSGEN, &[]);
        let mut child = command.args(flags).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(world.log_dir().join("turn_1/final/agent_b/answer.txt").is_file());
        assert_eq!(world.status()["is_complete"], true);
    }
}

#[test]
fn an_answer_that_could_not_be_delivered_is_told_and_is_no_success() {
    let Ok(full) = fs_err::OpenOptions::new().write(true).open("/dev/full") else {
        println!("not tested here: there is no /dev/full");
        return;
    };
    for flags in [&["--automation", "q"][..], &["q"]] {
        let world = team();
        let full = full.file().try_clone().unwrap();
        let output =
            world.command(MASSGEN, &[]).args(flags).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(
            stderr.contains("error: cannot write") && stderr.contains("No space left on device"),
            "{stderr}"
        );
        assert!(world.log_dir().join("turn_1/final/agent_b/answer.txt").is_file());
    }
}

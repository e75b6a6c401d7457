//! Old runs go, with all that belongs to them, and nothing else does.

use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::symlink;
use serde_json::json;

use crate::program::{MASSGEN, Running, World, files};
use crate::projects::{Project, variables};

/// One agent answers at once, or never.
const ANSWERS: &str = "agents: {default: {replies: [[{answer: an answer}], [{vote: agent1}]]}}\n";
const HANGS: &str = "agents: {default: {replies: [[{hang: true}]]}}\n";

/// A world whose agent has a folder to work in.
fn working(script: &str) -> World {
    let world = World::scripted(1, script);
    let backend = json!({ "type": "simulated", "script": "script.yaml", "latency_ms": 0,
        "tokens_per_second": 0, "cwd": "work" });
    let config = json!({ "agents": [{ "id": "agent_a", "backend": backend }] });
    world.write(".massgen/config.yaml", &config.to_string());
    world
}

fn names(folder: PathBuf) -> Vec<String> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn logs(world: &World) -> Vec<String> {
    names(world.work().join(".massgen/massgen_logs"))
}

/// Everything that is there, links included.
fn all(world: &World) -> Vec<(PathBuf, Vec<u8>)> {
    let links = names(world.home().join(".massgen/massgen_logs"));
    let links = links.into_iter().map(|name| (PathBuf::from(name), Vec::new()));
    // Reading a journal makes these two.
    let is_lasting = |(path, _): &(PathBuf, Vec<u8>)| {
        let name = path.to_string_lossy();
        !name.ends_with("-shm") && !name.ends_with("-wal")
    };
    links.chain(files(&world.home())).chain(files(&world.work())).filter(is_lasting).collect()
}

/// `text` with names of runs and sizes replaced.
fn plain(text: &str) -> String {
    let text: Vec<String> = text
        .lines()
        .map(|line| {
            let line = match line.find("log_") {
                Some(at) => format!("{}[run]{}", &line[..at], &line[at + 26..]),
                None => line.to_owned(),
            };
            let is_unit = |word: &str| ["bytes", "KB", "MB"].contains(&word.trim_end_matches([')', ',']));
            let words: Vec<&str> = line.split(' ').collect();
            let sized = words.iter().enumerate().map(|(place, word)| {
                let next = words.get(place + 1).is_some_and(|next| is_unit(next));
                if next {
                    format!("{}[size]", if word.starts_with('(') { "(" } else { "" })
                } else {
                    (*word).to_owned()
                }
            });
            sized.collect::<Vec<_>>().join(" ")
        })
        .collect();
    text.join("\n").replace("bytes", "B").replace("KB", "B").replace("MB", "B")
}

#[test]
fn old_runs_go_with_their_links_and_their_sessions() {
    let world = World::scripted(1, ANSWERS);
    for _ in 0..3 {
        world.run(&["q"]).exits(0);
    }
    let before = all(&world);
    let told = world.run(&["logs", "prune", "--keep", "1", "--dry-run"]).exits(0);
    insta::assert_snapshot!("dry", plain(&told.stdout));
    assert_eq!(all(&world), before);
    let newest = logs(&world).pop().unwrap();
    let told = world.run(&["logs", "prune", "--keep", "1"]).exits(0);
    insta::assert_snapshot!("removed", plain(&told.stdout));
    assert_eq!(logs(&world), std::slice::from_ref(&newest));
    assert_eq!(names(world.home().join(".massgen/massgen_logs")), [newest]);
    let sessions: serde_json::Value =
        serde_json::from_slice(&fs_err::read(world.home().join(".massgen/sessions.json")).unwrap()).unwrap();
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "{sessions}");
    assert_eq!(names(world.work().join(".massgen/sessions")).len(), 1);
    world.run(&["--continue", "and?"]).exits(0);
    let told = world.run(&["logs", "prune", "--older-than", "1d"]).exits(0);
    assert_eq!(told.stdout, "There is nothing to remove.\n");
    let told = world.run(&["logs", "prune", "--older-than", "0h", "--keep", "1"]).exits(0);
    assert_eq!(told.stdout, "There is nothing to remove.\n");
    world.run(&["logs", "prune", "--older-than", "0h"]).exits(0);
    assert_eq!(logs(&world), [""; 0]);
    assert_eq!(world.run(&["logs", "prune", "--keep", "0"]).exits(0).stdout, "There is nothing to remove.\n");
}

#[test]
fn a_run_that_is_at_work_stays() {
    let world = working(HANGS);
    let mut running = world.start(&["--stream-events", "q"]);
    running.hear("round_start");
    let before = (logs(&world), names(world.work().join(".massgen/workspaces")));
    let told = world.run(&["logs", "prune", "--keep", "0"]).exits(0);
    assert!(told.stdout.contains(&format!("at work on it is process {}", running.id())), "{told}");
    assert_eq!((logs(&world), names(world.work().join(".massgen/workspaces"))), before);
}

#[test]
fn what_a_killed_run_left_stays_while_it_can_be_resumed_and_goes_with_it() {
    let world = working(HANGS);
    let mut running = world.start(&["--stream-events", "q"]);
    running.hear("round_start");
    running.signal("-KILL");
    running.wait();
    let left = || {
        ["workspaces", "temp_workspaces"].map(|name| names(world.work().join(".massgen").join(name)).len())
    };
    assert_eq!(left(), [1, 1]);
    world.write(".massgen/workspaces/mine/notes.md", "nobody knows whose");
    let told = world.run(&["logs", "prune", "--keep", "1"]).exits(0);
    insta::assert_snapshot!("resumable", plain(&told.stdout));
    assert_eq!(left(), [2, 1]);
    let told = world.run(&["logs", "prune", "--keep", "0"]).exits(0);
    insta::assert_snapshot!("killed", plain(&told.stdout));
    assert_eq!(left(), [1, 0]);
    assert_eq!(logs(&world), [""; 0]);
    assert_eq!(world.read(".massgen/workspaces/mine/notes.md"), "nobody knows whose");
}

#[test]
fn worktrees_in_other_repositories_go_with_their_run() {
    let project = Project::new(1, HANGS);
    let other = project.world.home().join("other");
    fs_err::create_dir(&other).unwrap();
    fs_err::write(other.join("file"), "1\n").unwrap();
    let place = other.to_str().unwrap();
    let git = |words: &[&str]| project.git(&[&["-C", place], words].concat());
    git(&["init", "-q", "-b", "main", "."]);
    git(&["add", "."]);
    git(&["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"]);
    let worktrees = || git(&["worktree", "list", "--porcelain"]).matches("worktree ").count();
    let mut command = project.world.command(MASSGEN, &variables());
    command.args(["--stream-events", &format!("improve @{place}:w")]);
    let mut running = Running::start(command);
    running.hear("round_start");
    running.signal("-KILL");
    running.wait();
    assert_eq!(worktrees(), 2);
    project.run(&["logs", "prune", "--keep", "1"]).exits(0);
    assert_eq!(worktrees(), 2, "the run can go on");
    let told = project.run(&["logs", "prune", "--keep", "0"]).exits(0);
    assert!(told.stdout.contains("Removed 1 worktree of git that dead runs left"), "{told}");
    assert_eq!(worktrees(), 1);
    assert!(other.join("file").exists());
}

#[test]
fn links_are_not_followed_and_what_is_no_run_stays() {
    let world = World::scripted(1, ANSWERS);
    world.run(&["q"]).exits(0);
    let (run, base) = (world.log_dir(), world.work().join(".massgen/massgen_logs"));
    let elsewhere = world.home().join("elsewhere");
    fs_err::rename(&run, &elsewhere).unwrap();
    symlink(&elsewhere, &run).unwrap();
    fs_err::create_dir_all(base.join("log_20200101_000000_000000/turn_1")).unwrap();
    fs_err::write(base.join("notes.md"), "mine").unwrap();
    let before = all(&world);
    let told = world.run(&["logs", "prune", "--keep", "0"]).exits(0);
    assert_eq!(told.stdout, "There is nothing to remove.\n");
    assert_eq!(all(&world), before);
    // The folder of logs as a whole.
    fs_err::remove_file(&run).unwrap();
    fs_err::rename(&elsewhere, &run).unwrap();
    let moved = world.home().join("logs");
    fs_err::rename(&base, &moved).unwrap();
    symlink(&moved, &base).unwrap();
    let told = world.run(&["logs", "prune", "--keep", "0"]).exits(1);
    assert!(told.stderr.contains("leads out of the project"), "{told}");
    assert!(moved.join(run.file_name().unwrap()).is_dir());
    let named = [("MASSGEN_LOG_BASE_DIR", moved.to_str().unwrap())];
    world.run_with(&named, &["logs", "prune", "--keep", "0"]).exits(0);
    assert!(!moved.join(run.file_name().unwrap()).exists() && moved.join("notes.md").exists());
}

#[test]
fn a_removal_that_was_cut_off_is_taken_up() {
    let world = World::scripted(1, ANSWERS);
    world.run(&["q"]).exits(0);
    let run = world.log_dir();
    let name = run.file_name().unwrap().to_str().unwrap();
    fs_err::rename(&run, run.with_file_name(format!(".pruned-{name}"))).unwrap();
    world.run(&["logs", "prune", "--keep", "9"]).exits(0);
    assert_eq!(logs(&world), [""; 0]);
    assert_eq!(names(world.home().join(".massgen/massgen_logs")), [""; 0]);
}

#[test]
fn runs_beyond_the_limit_of_the_configuration_go_when_another_is_over() {
    let world = World::scripted(1, ANSWERS);
    let config = world.read(".massgen/config.yaml");
    let limited = format!("{{\"logs\": {{\"keep_runs\": 1}}, {}", &config[1..]);
    world.write("team.yaml", &limited);
    world.write(".massgen/config.yaml", &limited);
    // What the project brings does not say what goes.
    for _ in 0..2 {
        world.run(&["q"]).exits(0);
    }
    assert_eq!(logs(&world).len(), 2);
    let told = world.run(&["logs", "prune"]).exits(2);
    assert!(told.stderr.contains("nothing says which runs are to go"), "{told}");
    let told = world.run(&["--config", "team.yaml", "--no-display", "q"]).exits(0);
    assert!(told.stderr.contains("2 old runs went, as `logs` says ("), "{told}");
    assert_eq!(logs(&world).len(), 1);
    // What the user's own file says holds everywhere.
    let own = world.home().join(".config/massgen/config.yaml");
    fs_err::create_dir_all(own.parent().unwrap()).unwrap();
    fs_err::write(&own, "logs: {keep_runs: 2}\n").unwrap();
    for _ in 0..2 {
        world.run(&["q"]).exits(0);
    }
    assert_eq!(logs(&world).len(), 2);
    fs_err::write(&own, "logs: {keep_runs: 1}\n").unwrap();
    world.run(&["logs", "prune"]).exits(0);
    assert_eq!(logs(&world).len(), 1);
    assert!(Path::new(&own).exists());
}

#[test]
fn a_user_who_says_only_what_becomes_of_old_runs_has_configured_no_agents() {
    let world = World::new();
    let before = world.run(&["q"]).exits(0).stderr;
    assert!(before.starts_with("nothing is configured"), "{before}");
    let own = world.home().join(".config/massgen/config.yaml");
    fs_err::create_dir_all(own.parent().unwrap()).unwrap();
    fs_err::write(&own, "logs: {keep_runs: 1}\n").unwrap();
    let told = world.run(&["q"]).exits(0);
    assert!(
        told.stderr.starts_with("nothing is configured") && told.stderr.contains("1 old run went"),
        "{told}"
    );
    world.run(&["--validate", own.to_str().unwrap()]).exits(0);
    let told = world.run(&["--config", own.to_str().unwrap(), "q"]).exits(1);
    assert!(told.stderr.contains("there are no agents"), "{told}");
}

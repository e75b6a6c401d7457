//! What becomes of changes that are interrupted, not kept, or not the user's own.

use massgen_testkit::crash_point::Side;
use serde_json::json;

use crate::kill::crashing;
use crate::program::{MASSGEN, files};
use crate::projects::{Project, TWO_FILES, half_applied, json_of, variables};
use crate::server::{Server, team};

/// Makes a file that no snapshot keeps, and one that does.
const LARGE: &str = r#"
agents:
  default:
    replies:
      - - call:
            tool: mcp__command_line__execute_command
            arguments:
              command: "cd .worktree/ctx_1 && mkdir -p build && truncate -s 300M big.bin build/big.o && echo new > new.txt"
      - - answer: "see .worktree/ctx_1/big.bin"
"#;

#[test]
fn a_request_to_terminate_ends_the_review_and_what_was_changed_can_be_applied_later() {
    let project = Project::new(1, TWO_FILES);
    let before = project.files();
    let terminal = project.reviewed();
    terminal.signal("-TERM");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("stopping: ") && shown.contains("massgen apply"), "{shown}");
    assert_eq!(project.files(), before);
    assert!(!project.world.attempt().join("review_result.json").exists(), "nobody has decided");
    assert_eq!(project.git(&["worktree", "list"]).lines().count(), 1);
    let told = project.run(&["apply"]).exits(0);
    assert!(told.stdout.contains("2 files changed"), "{told}");
    assert_eq!(project.text("b.txt"), "b, better\n");
}

#[test]
fn a_review_that_was_stopped_is_asked_again_by_whoever_takes_the_run_up() {
    let project = Project::new(1, TWO_FILES);
    let terminal = project.reviewed();
    terminal.signal("-INT");
    assert_eq!(terminal.wait().0, Some(4));
    let told = project.run(&["--automation", "--resume", "latest"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
}

#[test]
fn what_could_not_be_kept_stays_in_the_copy_and_its_place_is_told() {
    let project = Project::with(1, LARGE, &json!({ "enable_mcp_command_line": true }), &json!({}));
    let known = project.known_to_git();
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 1 file\n"), "{told}");
    let work = project.world.work();
    let lost = format!("warning: not kept, and so not applied to `{}`: `big.bin`\n", work.display());
    assert!(told.stderr.contains(&lost), "what git ignores is not told: {told}");
    let copy = project.world.log_dir().join("copies/agent_a_1");
    assert!(told.stderr.contains(&format!("the copy is in `{}`", copy.display())), "{told}");
    assert_eq!(fs_err::metadata(copy.join("big.bin")).unwrap().len(), 300 * 1024 * 1024);
    assert!(!copy.join(".git").exists());
    assert_eq!(project.text("new.txt"), "new\n");
    assert_eq!(project.known_to_git(), known);
    let told = project.run(&["changes"]).exits(0);
    assert!(told.stderr.contains(&lost), "{told}");
}

#[test]
fn a_record_that_leads_elsewhere_is_not_followed() {
    let (project, _) = half_applied();
    let elsewhere = project.world.home().join("elsewhere");
    fs_err::create_dir(&elsewhere).unwrap();
    fs_err::write(elsewhere.join("b.txt"), "b, better\n").unwrap();
    let record = project.world.log_dir().join("changes/1/1/changes.json");
    let mut prepared = json_of(&record);
    prepared["target"] = json!(elsewhere.display().to_string());
    fs_err::write(record, prepared.to_string()).unwrap();
    let untouched = || {
        assert_eq!(fs_err::read_to_string(elsewhere.join("b.txt")).unwrap(), "b, better\n");
    };
    let told = project.run(&["undo", "latest"]).exits(1);
    assert!(told.stderr.contains("nothing applied that can be undone"), "{told}");
    untouched();
    let told = project.run(&["--automation", "--resume", "latest"]).exits(0);
    assert!(told.stderr.contains("it is not about `"), "{told}");
    untouched();
    project.world.write("script.yaml", "agents: {default: {replies: [[{answer: done}]]}}");
    project.ask().exits(0);
    untouched();
}

#[test]
fn the_records_of_runs_that_came_with_a_project_are_not_ended_by_a_new_one() {
    let (project, _) = half_applied();
    fs_err::remove_dir_all(project.world.home().join(".massgen")).unwrap();
    project.world.write("script.yaml", "agents: {default: {replies: [[{answer: done}]]}}");
    let before = project.files();
    project.ask().exits(0);
    assert_eq!(project.files(), before);
}

#[test]
fn changes_of_a_run_from_elsewhere_go_nowhere_else_before_it_is_trusted() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.run(&["undo", "latest"]).exits(0);
    project.run(&["apply", "--file", "new/new.txt"]).exits(0);
    let before = project.files();
    let (work, home, log_dir) = (project.world.work(), project.world.home(), project.world.log_dir());
    fs_err::remove_dir_all(home.join(".massgen")).unwrap();
    let from_home = |words: &[&str]| {
        let mut command = project.world.command(MASSGEN, &variables());
        let output = command.current_dir(&home).args(words).arg(&log_dir).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for words in [&["apply"][..], &["undo"], &["--automation", "--resume"]] {
        let (code, told) = from_home(words);
        assert_eq!(code, Some(1), "{words:?}: {told}");
        assert!(told.contains(&format!("writes straight to `{}` (agent agent_a)", work.display())), "{told}");
        assert!(told.contains("massgen trust"), "{told}");
        assert_eq!(project.files(), before);
    }
    assert_eq!(from_home(&["trust"]).0, Some(0));
    assert_eq!(from_home(&["apply"]).0, Some(0));
    assert_eq!(project.text("b.txt"), "b, better\n");
}

#[test]
fn a_run_from_elsewhere_starts_nothing_before_somebody_trusts_it() {
    let server = Server::start(team);
    let world = server.world(1);
    world.write("key.sh", "echo ran >> ran; echo sk-printed-0123456789\n");
    let mut config = server.config(1);
    config["agents"][0]["backend"]["api_key_command"] = json!("sh ./key.sh");
    let config = world.write("config.json", &config.to_string());
    let program = std::env::current_exe().unwrap();
    let command = world.command(program.to_str().unwrap(), &[]);
    let arguments = ["--automation", "--config", config.to_str().unwrap(), "why?"];
    assert!(crashing(command, &arguments, Some((2, Side::After))).status().unwrap().code().is_none());
    let has_run = || world.work().join("ran").exists();
    assert!(has_run());
    fs_err::remove_file(world.work().join("ran")).unwrap();

    // The same run, as somebody finds it who did not begin it.
    fs_err::remove_dir_all(world.home().join(".massgen")).unwrap();
    let asked = server.requests().len();
    let told = world.run(&["--automation", "--resume", "latest"]).exits(1);
    assert!(!has_run() && server.requests().len() == asked, "{told}");
    let log_dir = world.log_dir().display().to_string();
    insta::assert_snapshot!(told.stderr.replace(&log_dir, "LOG_DIR"));
    let told = world.run(&["trust", &log_dir]).exits(0);
    insta::assert_snapshot!(told.stdout.replace(&log_dir, "LOG_DIR"));
    assert!(!has_run());
    world.run(&["--automation", "--resume", "latest"]).exits(0);
    assert!(has_run());
}

#[test]
fn a_run_that_cannot_begin_leaves_nothing_behind() {
    let backend = json!({
        "cwd": "work_of_a",
        "enable_mcp_command_line": true,
        "command_line_execution_mode": "docker",
        "command_line_docker_credentials": { "env_vars": ["NOT_SET_ANYWHERE"] },
    });
    let project = Project::with(1, TWO_FILES, &backend, &json!({}));
    let known = project.known_to_git();
    let before = project.files();
    let told = project.ask().exits(1);
    assert!(!told.stderr.contains("is left"), "{told}");
    assert_eq!((project.files(), project.known_to_git()), (before, known));
    assert!(project.world.log_dirs().is_empty() && !project.has("work_of_a"), "{told}");
    let links = project.world.home().join(".massgen/massgen_logs");
    assert!(!links.exists() || fs_err::read_dir(links).unwrap().next().is_none());
    let sessions = project.at(".massgen/sessions");
    assert!(!sessions.exists() || files(&sessions).is_empty());
    // Beside the configuration, nothing was there before.
    let own: Vec<_> =
        fs_err::read_dir(project.at(".massgen")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(own, ["config.yaml"]);
    let told = project.run(&["--automation", "--continue", "again"]).exits(1);
    assert!(told.stderr.contains("there is no session in this folder"), "{told}");
}

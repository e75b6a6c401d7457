//! What of a run's changes is in the project: told, applied once, overwritten, and taken back.

use std::process::Command;

use massgen_testkit::crash_point::Side;

use crate::kill::crashing;
use crate::program::{MASSGEN, Told};
use crate::projects::{Project, TWO_FILES, json_of, variables};

/// A renamed file, a link, and two files in a folder.
const MANY: &str = r#"
agents:
  default:
    replies:
      - - call:
            tool: mcp__command_line__execute_command
            arguments: {command: "cd .worktree/ctx_1 && mv run.sh start.sh && ln -s a.txt link && mkdir deep && echo 1 > deep/one && echo 2 > deep/two"}
      - - answer: "done"
"#;

fn many() -> Project {
    let project = Project::with(
        1,
        MANY,
        &serde_json::json!({ "enable_mcp_command_line": true }),
        &serde_json::json!({}),
    );
    // A name that nothing else has, or it would not count as renamed.
    project.world.write("run.sh", "#!/bin/sh\necho one\necho two\necho three\n");
    project
}

/// What was said, without what differs from run to run.
fn plain(project: &Project, text: &str) -> String {
    let log_dir = project.world.log_dir().display().to_string();
    text.replace(&log_dir, "LOG_DIR").replace(&project.world.work().display().to_string(), "PROJECT")
}

/// The program, started in a folder of the project.
fn run_in(project: &Project, folder: &str, arguments: &[&str]) -> Told {
    let mut command: Command = project.world.command(MASSGEN, &variables());
    let output = command.current_dir(project.at(folder)).args(arguments).output().unwrap();
    Told {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn nothing_is_applied_twice_and_every_file_says_how_it_stands() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    let applications = || fs_err::read_dir(project.world.log_dir().join("changes")).unwrap().count();
    let told = project.run(&["apply"]).exits(0);
    assert_eq!(told.stdout, "nothing to apply: all 2 files are applied\n");
    let told = project.run(&["apply", "--file", "b.txt"]).exits(0);
    assert_eq!(told.stdout, "nothing to apply: the file is applied\n");
    assert_eq!(applications(), 1);

    project.run(&["undo"]).exits(0);
    project.run(&["apply", "--file", "b.txt"]).exits(0);
    let told = project.run(&["changes"]).exits(0);
    insta::assert_snapshot!("one_of_two_is_applied", plain(&project, &told.stdout));
    let told = project.run(&["apply"]).exits(0);
    assert!(told.stdout.starts_with("1 file changed in "), "only the other one: {told}");
    assert_eq!(applications(), 3);
    project.world.write("b.txt", "b, mine\n");
    let told = project.run(&["changes"]).exits(0);
    assert!(told.stdout.contains("b.txt  (applied, and changed since)\n"), "{told}");
}

#[test]
fn what_changed_meanwhile_is_refused_and_overwritten_on_request_and_comes_back() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.run(&["undo"]).exits(0);
    project.world.write("b.txt", "b, mine\n");
    let told = project.run(&["apply", "--file", "b.txt"]).exits(1);
    assert_eq!((told.stdout.as_str(), project.text("b.txt")), ("", "b, mine\n".to_owned()));
    insta::assert_snapshot!("nothing_could_be_applied", plain(&project, &told.stderr));
    let told = project.run(&["changes"]).exits(0);
    assert!(told.stdout.contains("b.txt  (not applied: it changed in the project meanwhile)\n"), "{told}");
    assert!(told.stdout.contains("massgen apply --overwrite"), "{told}");

    project.run(&["apply", "--file", "b.txt", "--overwrite"]).exits(0);
    assert_eq!(project.text("b.txt"), "b, better\n");
    project.run(&["undo"]).exits(0);
    assert_eq!(project.text("b.txt"), "b, mine\n");
}

#[test]
fn what_a_person_puts_in_or_takes_out_by_hand_is_not_said_to_be_work_of_undo() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.world.write("b.txt", "b\n");
    fs_err::remove_dir_all(project.at("new")).unwrap();
    let told = project.run(&["undo"]).exits(0);
    assert!(told.stdout.contains("nothing to restore in ") && !told.stdout.contains("restored"), "{told}");
    project.world.write("b.txt", "b, better\n");
    let told = project.run(&["changes"]).exits(0);
    assert!(told.stdout.contains("b.txt  (applied)") && !told.stdout.contains("massgen undo"), "{told}");
}

#[test]
fn an_undo_that_takes_nothing_back_is_a_failure() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.run(&["undo"]).exits(0);
    project.run(&["apply", "--file", "b.txt"]).exits(0);
    project.world.write("b.txt", "b, mine\n");
    let told = project.run(&["undo"]).exits(1);
    assert!(told.stderr.contains("kept: b.txt") && told.stderr.contains("undo --overwrite"), "{told}");
}

#[test]
fn an_application_that_overwrites_is_ended_so_after_a_kill() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.run(&["undo"]).exits(0);
    project.world.write("b.txt", "b, mine\n");
    project.run(&["apply", "--overwrite"]).exits(0);
    let application = project.world.log_dir().join("changes/2");
    assert_eq!(json_of(&application.join("decision.json"))["drift"], "prefer_presenter");
    fs_err::remove_file(application.join("outcome.json")).unwrap();
    fs_err::remove_dir_all(application.join("1")).unwrap();
    project.world.write("b.txt", "b, mine\n");
    let told = project.run(&["--automation", "--resume", "latest"]).exits(0);
    assert_eq!(project.text("b.txt"), "b, better\n", "{told}");
}

#[test]
fn files_are_named_as_a_shell_completes_them_and_folders_and_old_names_too() {
    let project = many();
    project.ask().exits(0);
    let there =
        |project: &Project| ["start.sh", "deep/one", "deep/two"].map(|path| project.at(path).is_file());
    let absolute = project.at("deep/one").display().to_string();
    for (folder, name, expected) in [
        (".", "./start.sh", [true, false, false]),
        (".", &absolute, [false, true, false]),
        (".", "deep", [false, true, true]),
        (".", "run.sh", [true, false, false]),
        ("part", "../deep/two", [false, false, true]),
        ("part", "deep/", [false, true, true]),
    ] {
        project.run(&["undo"]).exits(0);
        project.world.write("part/mine", "");
        run_in(&project, folder, &["apply", "--file", name]).exits(0);
        assert_eq!(there(&project), expected, "{name} in {folder}");
    }
    let told = project.run(&["apply", "--file", "../start.sh"]).exits(2);
    assert!(told.stderr.contains("the run did not change `../start.sh`"), "{told}");
}

#[test]
fn a_folder_in_which_nothing_changed_and_no_name_at_all_mean_nothing_and_not_everything() {
    let project = many();
    project.ask().exits(0);
    project.run(&["undo"]).exits(0);
    project.world.write("part/mine", "");
    let before = project.files();
    for (folder, name, why) in [
        ("part", ".", "the run did not change `.`"),
        ("part", "./deep", "the run did not change `./deep`"),
        ("part", "", "`` names no file"),
        (".", "", "`` names no file"),
        (".", "/", "`/` names no file"),
    ] {
        let told = run_in(&project, folder, &["apply", "--file", name]).exits(2);
        assert!(told.stderr.contains(why), "{name} in {folder}: {told}");
        assert_eq!(project.files(), before, "{name} in {folder}");
    }
    run_in(&project, "part", &["apply", "--file", ".."]).exits(0);
    assert!(project.has("start.sh") && project.has("deep/two"));
}

#[test]
fn a_renamed_file_is_counted_once_and_a_link_is_called_one() {
    let project = many();
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 4 files\n"), "{told}");
    let told = project.run(&["changes"]).exits(0);
    insta::assert_snapshot!("a_rename_and_a_link", plain(&project, &told.stdout));
    let told = project.run(&["undo"]).exits(0);
    insta::assert_snapshot!("what_is_taken_back", plain(&project, &told.stdout));
}

#[test]
fn undo_alone_takes_the_newest_run_that_applied_something() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    let first = project.world.log_dir();
    project.world.write("script.yaml", "agents: {default: {replies: [[{answer: done}]]}}");
    project.ask().exits(0);
    let told = project.run(&["undo", "latest"]).exits(1);
    assert!(told.stderr.contains("hint: `massgen changes latest` tells"), "{told}");
    let told = project.run(&["undo"]).exits(0);
    assert!(
        told.stdout.starts_with(&format!("taking back what the run in `{}` changed", first.display())),
        "{told}"
    );
    assert_eq!(project.text("b.txt"), "b\n");
    let told = project.run(&["undo"]).exits(1);
    assert!(told.stderr.contains("has anything applied"), "{told}");
}

#[test]
fn a_run_that_is_not_over_is_not_said_to_have_changed_nothing() {
    let project = Project::new(1, TWO_FILES);
    let program = std::env::current_exe().unwrap();
    let command = project.world.command(program.to_str().unwrap(), &variables());
    let arguments = ["--automation", "--cwd-context", "rw", "improve it"];
    let output = crashing(command, &arguments, Some((6, Side::After))).output().unwrap();
    assert_eq!(output.status.code(), None);
    for command in ["changes", "apply"] {
        let told = project.run(&[command]).exits(1);
        let resume = format!("massgen --resume {}", project.world.log_dir().display());
        assert!(told.stderr.contains("is not over") && told.stderr.contains(&resume), "{told}");
    }
}

#[test]
fn the_runs_of_a_project_are_found_from_a_folder_in_it() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.world.write("part/deep/mine", "");
    let told = run_in(&project, "part/deep", &["changes"]).exits(0);
    assert!(told.stdout.contains("b.txt  (applied)\n"), "{told}");
    let told = run_in(&project, "part/deep", &["logs", "list"]).exits(0);
    assert!(told.stdout.contains("improve it"), "{told}");
    run_in(&project, "part/deep", &["undo"]).exits(0);
    assert_eq!(project.text("b.txt"), "b\n");
}

#[test]
fn what_runs_leave_in_a_repository_is_ignored_there_and_a_configuration_is_not() {
    let project = Project::new(1, TWO_FILES);
    project.world.write(".git/info/exclude", "script.yaml\n");
    project.ask().exits(0);
    let known = project.git(&["status", "--short", "--untracked-files=all", "--", ".massgen"]);
    assert_eq!(known, "?? .massgen/config.yaml\n");

    project.world.write(".massgen/.gitignore", "mine\n");
    project.ask().exits(0);
    assert_eq!(project.text(".massgen/.gitignore"), "mine\n");
}

//! Runs that came with a project: what their files say is followed nowhere before the user trusts them, and some of it never.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::kill::crashing;
use crate::program::{Told, World};
use crate::projects::{Project, TWO_FILES, json_of, variables};
use massgen_testkit::crash_point::Side;

/// What a person does with a run that is there.
const DEALINGS: [&[&str]; 3] =
    [&["--automation", "--resume", "latest"], &["undo", "latest"], &["apply", "latest"]];

/// Changes a file of JSON.
fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut document = json_of(file);
    change(&mut document);
    fs_err::write(file, document.to_string()).unwrap();
}

/// A finished run with changes in the project; `elsewhere` of its world is a folder that is nothing to it.
fn finished() -> (Project, PathBuf) {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    let elsewhere = project.world.home().parent().unwrap().join("elsewhere");
    fs_err::create_dir_all(elsewhere.join("private")).unwrap();
    fs_err::write(elsewhere.join("private/key"), "k").unwrap();
    (project, elsewhere)
}

/// The run is there as somebody finds it who did not begin it.
fn planted(world: &World) {
    fs_err::remove_dir_all(world.home().join(".massgen")).unwrap();
}

fn each_is_refused(project: &Project, part: &str) {
    let before = project.files();
    for words in DEALINGS {
        let told = project.run(words);
        assert!(told.code == Some(1) && told.stderr.contains(part), "{words:?}: {told}");
        assert_eq!(project.files(), before, "{words:?}");
    }
}

#[test]
fn a_run_that_came_with_a_project_asks_before_it_changes_that_project() {
    // The folder that the program is in, whatever it is called.
    for target in ["/proc/self/cwd", "as it was"] {
        let (project, _) = finished();
        edit(&project.world.log_dir().join("projects.json"), |noted| {
            let isolated = &mut noted["copies"][0]["isolated"];
            if target.starts_with('/') {
                isolated["target"] = json!(target);
            }
        });
        planted(&project.world);
        let told = project.run(&["changes", "latest"]).exits(0);
        let shown = format!("{}: 2 files\n", project.world.work().display());
        assert!(told.stdout.starts_with(&shown), "{told}");
        each_is_refused(&project, "was not begun by you here");
        let named = format!("writes straight to `{}`", project.world.work().display());
        each_is_refused(&project, &named);
    }
}

#[test]
fn undo_alone_says_that_there_are_runs_which_are_not_known_as_the_users_own() {
    let (project, _) = finished();
    let log_dir = project.world.log_dir().display().to_string();
    planted(&project.world);
    let before = project.files();
    let told = project.run(&["undo"]).exits(1);
    let shown = format!(
        "was not begun by you here\nhint: name the folder of the one that you mean; that of the newest is `{log_dir}`"
    );
    assert!(told.stderr.contains(&shown), "{told}");
    assert_eq!(project.files(), before);
}

#[test]
fn a_run_without_a_home_directory_says_what_cannot_be_done_with_it_later_and_with_one_it_can() {
    let project = Project::new(1, TWO_FILES);
    let before = project.files();
    let run = |arguments: &[&str]| {
        project.world.run_with(&[variables().as_slice(), &[("HOME", "")]].concat(), arguments)
    };
    let told = run(&["--automation", "--cwd-context", "rw", "improve it"]).exits(0);
    assert!(
        told.stderr.contains("warning: nothing will tell that this run is yours: HOME is not set\n"),
        "{told}"
    );
    let log_dir = project.world.log_dir();
    let log_dir = log_dir.to_str().unwrap();
    for words in [
        &["undo"][..],
        &["undo", "latest"],
        &["apply"],
        &["--automation", "--resume", "latest"],
        &["trust", log_dir],
    ] {
        let told = run(words).exits(1);
        assert!(told.stderr.contains("hint: set HOME"), "{words:?}: {told}");
    }
    project.run(&["trust", log_dir]).exits(0);
    project.run(&["undo"]).exits(0);
    assert_eq!(project.files(), before);
}

#[test]
fn no_run_moves_or_removes_a_folder_that_is_no_copy_of_its_own() {
    let (project, elsewhere) = finished();
    let private = elsewhere.join("private");
    let noted = project.world.log_dir().join("projects.json");
    let sound = fs_err::read_to_string(&noted).unwrap();
    let place = json_of(&noted)["copies"][0]["isolated"]["place"].as_str().unwrap().to_owned();
    let climbing = format!("{place}/../../../../../../elsewhere/private");
    for (place, folder) in [
        (place.as_str(), private.to_str().unwrap()),
        (elsewhere.to_str().unwrap(), private.to_str().unwrap()),
        (place.as_str(), climbing.as_str()),
    ] {
        edit(&noted, |noted| {
            let copy = &mut noted["copies"][0];
            copy["unkept"] = json!({ "key": "0 0" });
            copy["isolated"]["place"] = json!(place);
            copy["isolated"]["folder"] = json!(folder);
            copy["isolated"]["kind"] = json!("copy");
        });
        each_is_refused(&project, "the run has no copy of a project in");
        assert!(private.join("key").exists(), "{place}, {folder}");
    }
    // Nobody is asked what is never done; with what was noted the run is what it was.
    fs_err::write(&noted, sound).unwrap();
    project.run(&["undo", "latest"]).exits(0);
}

#[test]
fn a_record_of_changes_leads_to_no_files_of_git_or_of_this_program() {
    for path in [".git/hooks/pre-commit", ".massgen/config.yaml", "sub/.GIT/config"] {
        for state in ["applied", "applying"] {
            let (project, _) = finished();
            let record = project.world.log_dir().join("changes/1/1/changes.json");
            let at = project.at(path);
            let before = fs_err::read(&at).ok();
            edit(&record, |record| {
                record["state"] = json!(state);
                record["steps"][0]["path"] = json!(path);
                record["steps"][0]["new"] = json!({ "kind": "nothing" });
            });
            for words in [["undo", "latest"], ["apply", "latest"]] {
                let told = project.run(&words);
                let is_refused = told.code == Some(1) && told.stderr.contains("it is damaged");
                // What was applied is read by nobody who applies again.
                assert!(is_refused || words[0] == "apply" && state == "applied", "{words:?}: {told}");
                assert_eq!(fs_err::read(&at).ok(), before, "{words:?} {path} {state}");
            }
        }
    }
}

#[test]
fn a_record_of_changes_empties_no_folder_of_the_user() {
    let (project, _) = finished();
    project.world.write("src/main.rs", "mine");
    edit(&project.world.log_dir().join("changes/1/1/changes.json"), |record| record["stage"] = json!("src"));
    let told = project.run(&["undo", "latest"]).exits(1);
    assert!(told.stderr.contains("it is damaged") && project.text("src/main.rs") == "mine", "{told}");
}

#[test]
fn agents_of_a_run_that_came_with_a_project_work_nowhere_before_it_is_trusted() {
    let project = Project::new(1, TWO_FILES);
    let program = std::env::current_exe().unwrap();
    let command = project.world.command(program.to_str().unwrap(), &variables());
    let arguments = ["--automation", "improve it"];
    let backend = json!({ "type": "simulated", "script": "script.yaml", "latency_ms": 0, "cwd": "work" });
    let config = json!({ "agents": [{ "id": "agent_a", "backend": backend }] });
    project.world.write(".massgen/config.yaml", &config.to_string());
    assert!(crashing(command, &arguments, Some((4, Side::After))).status().unwrap().code().is_none());
    planted(&project.world);
    let resume = || -> Told { project.run(&["--automation", "--resume", "latest"]) };
    let told = resume().exits(1);
    let workspaces = project.at(".massgen/workspaces").display().to_string();
    assert!(told.stderr.contains(&format!("lets agents reach `{workspaces}/work")), "{told}");
    project.run(&["trust", project.world.log_dir().to_str().unwrap()]).exits(0);
    resume().exits(0);
}

#[test]
fn a_run_that_came_with_a_project_has_no_links_through_which_files_of_the_user_are_written() {
    let (project, _) = finished();
    project.world.write("mine/status.json", "mine");
    let run = project.world.log_dir();
    planted(&project.world);
    for place in
        ["journal.lock", "snapshots/unfinished", "turn_1/attempt_1", "turn_1/final/agent_a", "turn_2"]
    {
        let (at, kept) = (run.join(place), run.join("kept"));
        let target = if place == "journal.lock" { "mine/status.json" } else { "mine" };
        let was_there = at.exists();
        if was_there {
            fs_err::rename(&at, &kept).unwrap();
        }
        // The folder that the program is in, whatever it is called.
        symlink(Path::new("/proc/self/cwd").join(target), &at).unwrap();
        let before = project.files();
        for words in DEALINGS.into_iter().chain([&["changes", "latest"][..], &["logs", "rebuild", "latest"]])
        {
            let told = project.run(words).exits(1);
            assert!(told.stderr.contains(&format!("{place}` is a link")), "{words:?}: {told}");
            assert_eq!(project.files(), before, "{words:?} {place}");
        }
        fs_err::remove_file(&at).unwrap();
        if was_there {
            fs_err::rename(&kept, &at).unwrap();
        }
    }
    // As it was made, it can be looked at.
    project.run(&["changes", "latest"]).exits(0);
}

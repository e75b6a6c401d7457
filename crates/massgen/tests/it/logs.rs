//! Looking at runs.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::program::World;
use crate::run_folder::team;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn bare_logs_is_the_summary_of_the_newest_run() {
    let world = team();
    world.run(&["first"]).exits(0);
    world.run(&["second"]).exits(0);
    let told = world.run(&["logs"]).exits(0);
    assert!(told.stdout.contains("question  second\n"), "{told}");
    assert!(
        told.stdout.contains("of 3 agents\n") && told.stdout.contains("simulated, no model was asked"),
        "{told}"
    );
    assert_eq!(told, world.run(&["logs", "summary"]).exits(0));
    assert_eq!(told, world.run(&["logs", "--log-dir", "latest"]).exits(0));
    let metrics = json(&world.run(&["logs", "summary", "--json"]).exits(0).stdout);
    let keys: Vec<&String> = metrics.as_object().unwrap().keys().collect();
    for key in ["meta", "totals", "tools", "rounds", "api_timing", "agents"] {
        assert!(keys.iter().any(|found| *found == key), "{keys:?}");
    }
    assert_eq!(metrics["meta"]["question"], "second");
}

#[test]
fn a_run_is_found_by_its_folder_at_every_level_and_by_its_name() {
    let world = team();
    world.run(&["first"]).exits(0);
    world.run(&["second"]).exits(0);
    let first = world.log_dirs()[0].clone();
    let name = first.file_name().unwrap().to_str().unwrap().to_owned();
    let root = first.display().to_string();
    for log_dir in [
        root.as_str(),
        &format!("{root}/turn_1"),
        &format!("{root}/turn_1/attempt_1"),
        &format!(".massgen/massgen_logs/{name}"),
        &name,
        name.strip_prefix("log_").unwrap(),
    ] {
        let told = world.run(&["logs", "summary", "--log-dir", log_dir]).exits(0);
        assert!(told.stdout.contains("question  first\n"), "{log_dir}: {told}");
        assert!(told.stdout.ends_with(&format!("folder    {root}\n")), "{log_dir}: {told}");
    }
}

#[test]
fn from_another_folder_the_runs_of_the_home_directory_are_shown() {
    let world = team();
    world.run(&["q"]).exits(0);
    let mut elsewhere = world.command(crate::program::MASSGEN, &[]);
    let told = elsewhere.current_dir(world.home()).arg("logs").output().unwrap();
    assert!(String::from_utf8(told.stdout).unwrap().contains("question  q\n"));
}

#[test]
fn tools_of_a_run_come_as_a_table_or_as_json() {
    let world = team();
    world.run(&["q"]).exits(0);
    let table = world.run(&["logs", "tools"]).exits(0).stdout;
    let names: Vec<&str> = table.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, ["Tool", "lookup", "Total"], "{table}");
    let tools = json(&world.run(&["logs", "tools", "--sort", "calls", "--json"]).exits(0).stdout);
    assert_eq!((&tools["total_calls"], &tools["by_tool"]["lookup"]["call_count"]), (&1.into(), &1.into()));
    let idle = World::new();
    idle.run(&["q"]).exits(0);
    assert_eq!(idle.run(&["logs", "tools"]).exits(0).stdout, "The agents of this run used no tools.\n");
}

#[test]
fn the_list_has_the_newest_runs_first_and_knows_which_were_analysed() {
    let world = team();
    for question in ["first", "second", "third"] {
        world.run(&[question]).exits(0);
    }
    let questions = |arguments: &[&str]| {
        let told = world.run(&[&["logs", "list", "--json"], arguments].concat()).exits(0);
        let list = json(&told.stdout);
        list.as_array()
            .unwrap()
            .iter()
            .map(|run| run["question"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(questions(&[]), ["third", "second", "first"]);
    assert_eq!(questions(&["--limit", "2"]), ["third", "second"]);
    let report = world.log_dirs()[1].join("turn_1/ANALYSIS_REPORT.md");
    fs_err::write(report, "# Report").unwrap();
    assert_eq!(questions(&["--analyzed"]), ["second"]);
    assert_eq!(questions(&["--unanalyzed", "--limit", "1"]), ["third"]);
    let told = world.run(&["logs", "list"]).exits(0);
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(
        lines[0].starts_with('#') && lines[1].ends_with("third") && lines[2].contains("  yes  "),
        "{told}"
    );
    let entry = &json(&world.run(&["logs", "list", "--json"]).exits(0).stdout)[0];
    assert_eq!(entry["log_dir"], world.log_dirs()[2].display().to_string());
    assert_eq!((&entry["is_complete"], &entry["analyzed"]), (&Value::Bool(true), &Value::Bool(false)));
    assert!(entry["winner"].is_string() && entry["duration_seconds"].is_number(), "{entry}");
}

#[test]
fn where_there_are_no_runs_the_way_to_one_is_told() {
    let world = World::new();
    let told = world.run(&["logs", "list"]).exits(0);
    assert_eq!(told.stdout, "There are no runs here yet. Ask a question: massgen \"your question\"\n");
    assert_eq!(json(&world.run(&["logs", "list", "--json"]).exits(0).stdout), json("[]"));
    for arguments in [&["logs"][..], &["logs", "tools"], &["logs", "open"]] {
        let told = world.run(arguments).exits(1);
        assert!(
            told.stderr.starts_with("error: there is no run in ")
                && told.stderr.contains("hint: ask a question first"),
            "{told}"
        );
    }
    let told = world.run(&["logs", "--log-dir", "nowhere"]).exits(1);
    assert!(
        told.stderr.starts_with("error: there is no run `nowhere`\nhint: see `massgen logs list`"),
        "{told}"
    );
    let told = world.run(&["logs", "--log-dir", "."]).exits(1);
    assert!(told.stderr.contains("has no files of a run"), "{told}");
}

#[test]
fn a_broken_file_of_a_run_is_named_with_what_mends_it() {
    let world = team();
    world.run(&["q"]).exits(0);
    fs_err::write(world.attempt().join("metrics_summary.json"), "{").unwrap();
    let told = world.run(&["logs"]).exits(1);
    assert!(
        told.stderr.contains("metrics_summary.json` cannot be used: ")
            && told.stderr.contains("massgen logs rebuild"),
        "{told}"
    );
    world.run(&["logs", "rebuild", "latest"]).exits(0);
    world.run(&["logs"]).exits(0);
}

#[test]
fn a_run_without_metrics_is_summed_up_from_its_status() {
    let world = team();
    world.run(&["q"]).exits(0);
    fs_err::remove_file(world.attempt().join("metrics_summary.json")).unwrap();
    assert!(world.run(&["logs"]).exits(0).stdout.contains("question  q\n"));
    let told = world.run(&["logs", "--json"]).exits(1);
    assert!(told.stderr.contains("it is written at the end of a run"), "{told}");
}

#[test]
fn open_hands_the_folder_to_the_file_manager_and_prints_it() {
    let world = team();
    world.run(&["q"]).exits(0);
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let script = world.write(&format!("bin/{opener}"), "#!/bin/sh\nprintf '%s' \"$1\" > opened\n");
    fs_err::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", script.parent().unwrap().display());
    let told = world.run_with(&[("PATH", &path)], &["logs", "open"]).exits(0);
    let folder = world.log_dir().display().to_string();
    assert_eq!((told.stdout, world.read("opened")), (format!("{folder}\n"), folder.clone()));
    let told = world.run_with(&[("PATH", "/nowhere")], &["logs", "open"]).exits(1);
    assert_eq!(told.stdout, format!("{folder}\n"));
    assert!(told.stderr.contains(&format!("`{opener}` cannot open `{folder}`: ")), "{told}");
}

//! Flags that change what a run does, and flags that end the program with a word.

use serde_json::Value;

use crate::program::{Told, World};
use crate::run_folder::team;

/// Two agents of providers whose keys nobody has.
const TEAM: &str = "agents:\n\
                    - {id: writer, backend: {type: openai, model: gpt-5.4}, system_message: be brief}\n\
                    - {id: critic, backend: {type: groq, model: m, api_key: '${NOBODY_HAS_IT}'}}\n";

fn configured(text: &str) -> World {
    let world = World::new();
    world.write("c.yaml", text);
    world
}

/// Runs and checks that nothing was begun.
fn refused(world: &World, arguments: &[&str], code: i32) -> Told {
    let told = world.run(arguments).exits(code);
    assert!(told.stdout.is_empty(), "{told}");
    assert!(world.log_dirs().is_empty(), "{told}");
    told
}

#[test]
fn simulate_runs_a_team_of_providers_without_any_key() {
    let world = configured(TEAM);
    let without = refused(&world, &["--config", "c.yaml", "q"], 1);
    assert!(without.stderr.contains("OPENAI_API_KEY"), "{without}");
    world.run(&["--config", "c.yaml", "--simulate", "q"]).exits(0);
    let status = world.status();
    assert_eq!((&status["simulated"], &status["is_complete"]), (&Value::Bool(true), &Value::Bool(true)));
    let agents: Vec<&String> = status["agents"].as_object().unwrap().keys().collect();
    assert_eq!(agents, ["writer", "critic"]);
}

#[test]
fn simulate_runs_backends_that_this_version_cannot_reach() {
    let world = configured(
        "agents: [{id: a, backend: {type: claude_code, cwd: w}}, {id: b, backend: {type: gemini}}]",
    );
    world.run(&["--config", "c.yaml", "--simulate", "q"]).exits(0);
}

#[test]
fn simulate_without_a_configuration_runs_the_simulated_team_although_a_key_is_there() {
    let world = World::new();
    world.run_with(&[("OPENAI_API_KEY", "sk-x")], &["--simulate", "q"]).exits(0);
    assert_eq!(world.status()["simulated"], true);
    let single = World::new();
    single.run(&["--simulate", "--backend", "openai", "q"]).exits(0);
    assert_eq!(single.status()["agents"].as_object().unwrap().len(), 1);
}

#[test]
fn quick_gives_one_answer_each_and_no_presentation() {
    let world =
        configured("agents: [{id: a, backend: {type: simulated}}, {id: b, backend: {type: simulated}}]");
    world.run(&["--config", "c.yaml", "--quick", "q"]).exits(0);
    let status = world.status();
    for agent in ["a", "b"] {
        assert_eq!(status["agents"][agent]["answer_count"], 1, "{status}");
    }
}

#[test]
fn the_check_before_a_run_can_be_stricter_or_left_out() {
    let unknown = "agents: [{id: a, backend: {type: simulated}}]\norchestrator: {quickly: true}\n";
    let world = configured(unknown);
    let told = refused(&world, &["--config", "c.yaml", "q"], 1);
    assert!(told.stderr.contains("unknown key `quickly`"), "{told}");
    world.run(&["--config", "c.yaml", "--skip-validation", "q"]).exits(0);
    let both = refused(&World::new(), &["--skip-validation", "--strict-validation", "q"], 2);
    assert!(both.stderr.contains("cannot be used with"), "{both}");
}

#[test]
fn under_strict_validation_warnings_keep_a_run_from_beginning() {
    let warned = "agents: [{id: a, backend: {type: simulated}}]\nui: {type: rich}\n";
    let lax = configured(warned);
    let told = lax.run(&["--config", "c.yaml", "q"]).exits(0);
    assert!(told.stderr.contains("warning: "), "{told}");
    let told = refused(&configured(warned), &["--config", "c.yaml", "--strict-validation", "q"], 1);
    assert!(told.stderr.contains("`type` has no effect"), "{told}");
    let end = "error: the configuration has warnings, and `--strict-validation` stops at them\nhint: mend them, or leave the flag out\n";
    assert!(told.stderr.ends_with(end), "{told}");
}

#[test]
fn flags_that_contradict_each_other_start_nothing() {
    for flags in [
        &["--config", "c.yaml", "--backend", "simulated"][..],
        &["--config", "c.yaml", "--select"],
        &["--select", "--backend", "simulated"],
        &["--record", "r", "--replay", "r"],
        &["--single-agent=a", "--coordination-mode", "decomposition"],
        &["--personas", "perspective", "--coordination-mode", "decomposition"],
    ] {
        let told = refused(&configured(TEAM), &[flags, &["q"]].concat(), 2);
        assert!(told.stderr.starts_with("error: "), "{told}");
    }
}

#[test]
fn a_flag_whose_feature_is_not_there_ends_with_one_clear_line_and_a_hint() {
    let told = refused(&team(), &["--plan", "q"], 2);
    assert_eq!(
        told.stderr,
        "error: `--plan` needs planning, which this version of massgen does not have yet\n\
         hint: leave it out, and ask for the plan or the work in the question itself\n"
    );
    for flags in
        [&["--web"][..], &["--display", "textual"], &["--broadcast", "human"], &["--logfire"], &["--step"]]
    {
        let told = refused(&team(), &[flags, &["q"]].concat(), 2);
        let shown = format!("error: `{}` needs ", flags.join(" "));
        assert!(told.stderr.starts_with(&shown) && told.stderr.lines().count() == 2, "{told}");
    }
    for command in [
        &["viewer"][..],
        &["export", "--dry-run"],
        &["shares", "list"],
        &["serve", "--port", "1"],
        &["logs", "analyze"],
    ] {
        let told = World::new().run(command).exits(2);
        assert!(told.stderr.contains("which this version of massgen does not have yet"), "{told}");
    }
}

#[test]
fn a_flag_that_asks_for_what_is_the_case_anyway_is_taken() {
    for flags in [
        &["--broadcast", "false"][..],
        &["--display", "rich"],
        &["--skip-agent-selector"],
        &["--no-browser"],
        &["--no-session-registry"],
        &["--no-parse-at-references"],
        &["--personas", "off"],
        &["--coordination-mode", "parallel"],
    ] {
        let told = team().run(&[flags, &["q"]].concat()).exits(0);
        assert_eq!(
            (told.stdout.as_str(), told.stderr.contains("error: ")),
            ("the final words\n", false),
            "{told}"
        );
    }
}

#[test]
fn a_flag_that_has_nothing_to_do_is_told_and_does_no_harm() {
    let told = team().run(&["--all", "q"]).exits(0);
    assert!(
        told.stderr.starts_with("warning: `--all` has nothing to do here; it belongs to `--list-sessions`\n"),
        "{told}"
    );
    assert_eq!(told.stdout, "the final words\n");
}

#[test]
fn the_flags_of_a_run_are_kept_with_it() {
    let world = team();
    world.run(&["--orch", "60", "--quick", "q"]).exits(0);
    let metadata = fs_err::read_to_string(world.attempt().join("execution_metadata.yaml")).unwrap();
    for line in ["  orchestrator_timeout: 60\n", "  quick: true\n", "  personas: null\n", "  plan: false\n"] {
        assert!(metadata.contains(line), "{line}: {metadata}");
    }
}

#[test]
fn mistakes_are_told_without_colour_where_nobody_sees_colour() {
    for variables in [&[][..], &[("NO_COLOR", "1")], &[("CLICOLOR", "1"), ("TERM", "xterm-256color")]] {
        for arguments in
            [&["--bogus"][..], &["--plan"], &["--config", "missing.yaml", "q"], &["--personas", "all"]]
        {
            let told = World::new().run_with(variables, arguments);
            assert!(told.stderr.starts_with("error: ") && !told.stderr.contains('\u{1b}'), "{told}");
        }
    }
}

#[test]
fn a_file_that_cannot_be_read_is_a_verdict_for_programs_too() {
    let world = configured(TEAM);
    for file in ["nowhere.yaml", ".", "c.txt"] {
        world.write("c.txt", TEAM);
        let told = world.run(&["--validate", file, "--json"]).exits(1);
        let verdict: Value = serde_json::from_str(&told.stdout).unwrap();
        assert_eq!(
            (&verdict["valid"], &verdict["error_count"]),
            (&Value::Bool(false), &Value::from(1)),
            "{told}"
        );
        assert_eq!(verdict["errors"][0]["location"], "file", "{told}");
    }
    let strictly = world.run(&["--validate", "c.yaml", "--json"]).exits(0);
    assert_eq!(serde_json::from_str::<Value>(&strictly.stdout).unwrap()["valid"], true);
}

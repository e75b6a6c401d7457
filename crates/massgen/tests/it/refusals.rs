//! What is typed and cannot be done is refused with a word, before anything begins; nothing that is typed is ignored.

use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use nix::pty::{Winsize, openpty};
use serde_json::Value;

use crate::program::{MASSGEN, Told, World};
use crate::run_folder::team;

/// Runs and checks that nothing was begun.
fn refused(world: &World, arguments: &[&str], code: i32) -> Told {
    let told = world.run(arguments).exits(code);
    assert!(told.stdout.is_empty() && told.stderr.starts_with("error: "), "{told}");
    assert!(world.log_dirs().is_empty(), "{told}");
    told
}

/// What a person sees of several refusals.
fn pages(world: &World, code: i32, lines: &[&[&str]]) -> String {
    let mut pages = String::new();
    for words in lines {
        let told = refused(world, words, code);
        let shown = told.stderr.replace(&world.work().display().to_string(), "[work]");
        writeln!(pages, "$ massgen {}\n{shown}", words.join(" ")).unwrap();
    }
    pages
}

#[test]
fn a_flag_whose_feature_is_not_there_is_refused_and_names_the_feature() {
    let lines = [
        &["--personas", "perspective", "q"][..],
        &["--personas", "implementation", "q"],
        &["--personas", "methodology", "q"],
        &["--coordination-mode", "decomposition", "q"],
        &["--fast", "q"],
        &["--eval-criteria", "missing.json", "q"],
        &["--checklist-criteria-preset", "analysis", "q"],
        &["--no-logs", "q"],
        &["--list-backends", "--rate-limit"],
    ];
    let world = team();
    insta::assert_snapshot!(pages(&world, 2, &lines));
}

#[test]
fn the_same_in_a_configuration_is_a_notice_and_the_run_goes_on() {
    for orchestrator in [
        "coordination_mode: decomposition",
        "coordination: {persona_generator: {enabled: true}}",
        "coordination: {fast_iteration_mode: true}",
        "coordination: {checklist_criteria_preset: analysis}",
    ] {
        let world = World::new();
        let text = format!(
            "agent: {{id: a, backend: {{type: simulated, latency_ms: 0}}}}\norchestrator: {{{orchestrator}}}\n"
        );
        world.write("c.yaml", &text);
        let told = world.run(&["--config", "c.yaml", "q"]).exits(0);
        assert!(told.stderr.contains("notice: not in this version yet: "), "{told}");
    }
}

#[test]
fn what_says_nothing_beside_something_else_is_refused() {
    let new = ["--generate-config", "g.yaml", "--config-backend", "openai", "--config-model", "m"];
    let lines = [
        &["--list-backends", "q"][..],
        &["--list-backends", "--model", "m", "--all"],
        &["--list-examples", "--config", "c.yaml"],
        &["--list-sessions", "--json"],
        &["--example", "basic/one-agent", "--simulate", "q"],
        &["--show-schema", "--strict"],
        &["--validate", "c.yaml", "--skip-validation"],
        &["--setup", "--backend", "openai"],
        &["--init", "--model", "m"],
        &[&new[..], &["--system-message", "be brief"]].concat(),
        &[&new[..], &["--backend", "openai", "--model", "m"]].concat(),
        &["--quickstart", "--headless", "--model", "m"],
        &["--continue", "--no-session-registry", "q"],
        &["--session-id", "s", "--no-session-registry", "q"],
        &["--continue", "--session-id", "s", "q"],
    ];
    let world = World::new();
    insta::assert_snapshot!(pages(&world, 2, &lines));
    assert!(fs_err::read_dir(world.work()).unwrap().next().is_none(), "something was written");
    assert!(fs_err::read_dir(world.home()).unwrap().next().is_none(), "something was written");
}

#[test]
fn what_asks_for_no_more_than_happens_anyway_is_taken_beside_everything() {
    let shown = ["--automation", "--no-display", "--debug", "--skip-agent-selector", "--no-browser"];
    let world = World::new();
    for action in
        [&["--list-sessions"][..], &["--example", "basic/one-agent"], &["--list-backends", "--json"]]
    {
        let plain = world.run(action).exits(0);
        assert_eq!(world.run(&[action, &shown].concat()), plain);
    }
}

#[test]
fn of_two_things_to_do_the_second_is_left_out_with_a_word() {
    let told = World::new().run(&["--show-schema", "--list-sessions", "--with-examples"]).exits(0);
    assert_eq!(told.stderr, "warning: `--show-schema` is left out: `--list-sessions` comes first\n");
    assert!(told.stdout.starts_with("no sessions yet"), "{told}");
}

#[test]
fn a_word_that_is_nearly_a_command_asks_no_model() {
    let world = team();
    insta::assert_snapshot!(pages(&world, 2, &[&["change"][..], &["undoo"], &["exp"]]));
    world.run(&["--", "change"]).exits(0);
}

#[test]
fn numbers_out_of_range_are_told_with_what_is_allowed() {
    let lines = [
        &["--orchestrator-timeout", "0.3", "q"][..],
        &["--orchestrator-timeout", "0", "q"],
        &["--orchestrator-timeout", "99999999", "q"],
        &["--max-cost", "nan", "q"],
        &["--max-cost", "-1", "q"],
        &["--max-tokens", "1.5", "q"],
        &["--max-tokens", "0", "q"],
        &["--quickstart", "--headless", "--config-agents", "two"],
    ];
    insta::assert_snapshot!(pages(&team(), 2, &lines));
}

#[test]
fn an_address_without_a_model_is_told_which_flag_is_missing() {
    let world = World::new();
    let mut shown = String::new();
    for words in [
        &["--base-url", "http://localhost:1/v1", "q"][..],
        &["--simulate", "--base-url", "http://localhost:1/v1", "q"],
        &["--backend", "chatcompletion", "--base-url", "http://localhost:1/v1", "q"],
        &["--backend", "poe", "--model", "m", "q"],
    ] {
        let told = world.run(words).exits(1);
        writeln!(shown, "$ massgen {}\n{}", words.join(" "), told.stderr).unwrap();
    }
    assert!(world.log_dirs().is_empty());
    insta::assert_snapshot!(shown);
}

#[test]
fn an_address_alone_is_that_of_the_agent_of_the_configuration_that_is_found() {
    let world = World::new();
    world.write(
        ".massgen/config.yaml",
        "agent: {id: mine, backend: {type: vllm, model: m, base_url: 'http://127.0.0.1:1/v1'}}\n",
    );
    // An address that cannot be one shows whose it has become.
    let told = world.run(&["--base-url", "nowhere", "q"]).exits(1);
    assert!(told.stderr.contains("`base_url` is no address"), "{told}");
    assert!(told.stderr.contains(".massgen/config.yaml"), "{told}");
    let told = refused_by_two_agents();
    assert!(told.stderr.contains("`--base-url` is for one agent, but there are 3"), "{told}");
}

fn refused_by_two_agents() -> Told {
    team().run(&["--base-url", "http://127.0.0.1:1/v1", "q"]).exits(1)
}

#[test]
fn files_that_are_not_there_are_told_without_the_words_of_the_system() {
    let world = team();
    let lines = [
        &["--config", "nope.yaml", "q"][..],
        &["--config", "nope.json", "q"],
        &["--config", "nope", "q"],
        &["--replay", "nope.jsonl", "q"],
        &["--validate", "nope.yml"],
    ];
    insta::assert_snapshot!(pages(&world, 1, &lines));
}

#[test]
fn a_file_that_is_too_large_is_told_with_one_limit_and_advice() {
    let world = World::new();
    world.write("large.yaml", &"a: b\n".repeat(2_500_000));
    world.write("huge.yaml", &"a: b\n".repeat(5_000_000));
    let lines = [&["--config", "large.yaml", "q"][..], &["--validate", "huge.yaml"]];
    insta::assert_snapshot!(pages(&world, 1, &lines));
}

#[test]
fn a_variable_that_is_not_set_is_a_notice_of_the_check_and_an_error_of_the_run() {
    let world = World::new();
    let text = "agent: {id: a, backend: {type: groq, model: '${TEAM_MODEL}', api_key: '${TEAM_KEY}'}}\n";
    world.write("c.yaml", text);
    let told = world.run(&["--validate", "c.yaml", "--strict"]).exits(0);
    insta::assert_snapshot!(told.stdout);
    let json = world.run(&["--validate", "c.yaml", "--json"]).exits(0);
    let verdict: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!((&verdict["valid"], verdict["notices"].as_array().unwrap().len()), (&Value::Bool(true), 2));
    let set = [("TEAM_MODEL", "m"), ("TEAM_KEY", "k")];
    let told = world.run_with(&set, &["--validate", "c.yaml"]).exits(0);
    assert_eq!(told.stdout, "✓ c.yaml is valid\n");
    let told = world.run(&["--config", "c.yaml", "q"]).exits(1);
    assert!(told.stderr.contains("error: the environment variable `TEAM_MODEL` is not set"), "{told}");
}

#[test]
fn the_examples_can_be_had_as_json() {
    let told = World::new().run(&["--list-examples", "--json"]).exits(0);
    assert_eq!(told.stderr, "");
    let list: Value = serde_json::from_str(&told.stdout).unwrap();
    let examples = list["examples"].as_array().unwrap();
    let listed = World::new().run(&["--list-examples"]).exits(0).stdout;
    assert_eq!(examples.len(), listed.lines().filter(|line| line.contains("  @examples/")).count());
    insta::assert_json_snapshot!(examples[0]);
}

/// What the program writes to stderr when that is a terminal of so many columns.
fn on_a_terminal(world: &World, columns: u16, arguments: &[&str]) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let mut command = world.command(MASSGEN, &[]);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::from(pty.slave));
    let mut child = command.spawn().unwrap();
    // The parent's copy of the slave.
    drop(command);
    let mut screen = File::from(pty.master);
    let (mut shown, mut buffer) = (Vec::new(), [0; 4096]);
    // A terminal that nobody writes to any more is an error.
    while let Ok(length @ 1..) = screen.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..length]);
    }
    child.wait().unwrap();
    String::from_utf8(shown).unwrap().replace("\r\n", "\n")
}

#[test]
fn long_advice_is_broken_between_words_on_a_terminal_and_whole_in_a_file() {
    let world = World::new();
    let words = ["--eval-criteria", "criteria.json", "q"];
    let whole = world.run(&words).exits(2).stderr;
    assert_eq!(whole.lines().count(), 2, "{whole}");
    let shown = on_a_terminal(&world, 48, &words);
    assert!(shown.lines().all(|line| line.chars().count() <= 48), "{shown}");
    assert_eq!(shown.split_whitespace().collect::<Vec<_>>(), whole.split_whitespace().collect::<Vec<_>>());
    insta::assert_snapshot!(shown);
}

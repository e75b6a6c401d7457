use std::ffi::OsString;

use massgen_config::{DisplayType, UiSettings};

use super::*;
use crate::display::surroundings::Wish;
use crate::run::Manner;

fn parse(words: &[&str]) -> Result<CommandLine, clap::Error> {
    let words = std::iter::once("massgen").chain(words.iter().copied());
    CommandLine::parse(words.map(OsString::from))
}

fn question(words: &[&str]) -> Option<String> {
    parse(words).unwrap().arguments.question
}

/// Every flag that the reference program has, with a value that it takes.
const REFERENCE: &[(&str, Option<&str>)] = &[
    // What to run.
    ("--config", Some("c.yaml")),
    ("--select", None),
    ("--backend", Some("openai")),
    ("--model", Some("gpt-5.4")),
    ("--system-message", Some("be brief")),
    ("--base-url", Some("http://127.0.0.1:1/v1")),
    ("--output-file", Some("answer.txt")),
    ("--cwd-context", Some("ro")),
    ("--cwd-context", Some("read")),
    ("--cwd-context", Some("rw")),
    ("--cwd-context", Some("write")),
    ("--no-parse-at-references", None),
    ("--orchestrator-timeout", Some("60")),
    ("--rate-limit", None),
    // Output and display.
    ("--automation", None),
    ("--no-display", None),
    ("--display", Some("rich")),
    ("--display", Some("textual")),
    ("--stream-events", None),
    ("--skip-agent-selector", None),
    ("--no-logs", None),
    ("--debug", None),
    ("--save-streaming-buffers", None),
    ("--logfire", None),
    ("--textual-serve", None),
    ("--textual-serve-port", Some("8000")),
    ("--web", None),
    ("--web-host", Some("127.0.0.1")),
    ("--web-port", Some("8000")),
    ("--web-quickstart", None),
    ("--no-browser", None),
    ("--web-review", None),
    // Mode presets.
    ("--single-agent", None),
    ("--single-agent", Some("agent_a")),
    ("--coordination-mode", Some("parallel")),
    ("--coordination-mode", Some("decomposition")),
    ("--quick", None),
    ("--personas", Some("off")),
    ("--personas", Some("perspective")),
    ("--personas", Some("implementation")),
    ("--personas", Some("methodology")),
    ("--fast", None),
    ("--eval-criteria", Some("criteria.json")),
    ("--checklist-criteria-preset", Some("analysis")),
    // Planning.
    ("--plan", None),
    ("--spec", None),
    ("--plan-depth", Some("dynamic")),
    ("--plan-depth", Some("shallow")),
    ("--plan-depth", Some("medium")),
    ("--plan-depth", Some("deep")),
    ("--plan-thoroughness", Some("standard")),
    ("--plan-thoroughness", Some("thorough")),
    ("--plan-steps", Some("5")),
    ("--plan-chunks", Some("2")),
    ("--broadcast", Some("human")),
    ("--broadcast", Some("agents")),
    ("--broadcast", Some("false")),
    ("--plan-and-execute", None),
    ("--execute-plan", Some("latest")),
    ("--execute-spec", Some("latest")),
    // Set-up and information.
    ("--init", None),
    ("--setup", None),
    ("--setup-skills", None),
    ("--setup-docker", None),
    ("--quickstart", None),
    ("--headless", None),
    ("--quickstart-agent", Some("backend=openai,model=gpt-5.4")),
    ("--generate-config", Some("c.yaml")),
    ("--config-agents", Some("2")),
    ("--config-backend", Some("openai")),
    ("--config-model", Some("gpt-5.4")),
    ("--config-agent-id", Some("writer")),
    ("--config-docker", None),
    ("--config-context-path", Some("src")),
    ("--list-backends", None),
    ("--list-examples", None),
    ("--example", Some("basic")),
    ("--show-schema", None),
    ("--schema-backend", Some("openai")),
    ("--with-examples", None),
    ("--validate", Some("c.yaml")),
    ("--strict", None),
    ("--json", None),
    ("--skip-validation", None),
    ("--strict-validation", None),
    // Sessions, steering, stepping.
    ("--session-id", Some("session_20260101_000000")),
    ("--continue", None),
    ("--list-sessions", None),
    ("--all", None),
    ("--no-session-registry", None),
    ("--inbox-dir", Some("inbox")),
    ("--step", None),
    ("--session-dir", Some("steps")),
];

/// Flags that only this program has.
const OURS: &[(&str, Option<&str>)] = &[
    ("--simulate", None),
    ("--max-cost", Some("0.5")),
    ("--max-tokens", Some("1000")),
    ("--resume", Some("latest")),
    ("--record", Some("r.jsonl")),
    ("--replay", Some("r.jsonl")),
];

fn words<'a>((flag, value): &(&'a str, Option<&'a str>)) -> Vec<&'a str> {
    std::iter::once(*flag).chain(*value).collect()
}

#[test]
fn the_command_line_is_consistent() {
    command(Detail::Everything).debug_assert();
    command(Detail::Usual).debug_assert();
}

#[test]
fn every_flag_of_the_reference_is_known_with_its_values() {
    for flag in REFERENCE.iter().chain(OURS) {
        let line = parse(&words(flag)).unwrap_or_else(|error| panic!("{flag:?}: {error}"));
        let [typed] = line.typed.as_slice() else { panic!("{flag:?}: {:?}", line.typed) };
        let value: Vec<String> = flag.1.iter().map(|value| (*value).to_owned()).collect();
        assert_eq!(typed.values, value, "{flag:?}");
    }
}

#[test]
fn no_flag_is_missing_from_the_lists_here() {
    let listed =
        |long: &str| REFERENCE.iter().chain(OURS).any(|(flag, _)| flag.strip_prefix("--") == Some(long));
    for arg in command(Detail::Everything).get_arguments() {
        if let Some(long) = arg.get_long().filter(|long| !["help", "version"].contains(long)) {
            assert!(listed(long), "--{long}");
        }
    }
}

#[test]
fn other_values_are_refused() {
    for wrong in [
        ["--cwd-context", "all"],
        ["--display", "simple"],
        ["--coordination-mode", "voting"],
        ["--personas", "on"],
        ["--plan-depth", "deepest"],
        ["--broadcast", "true"],
        ["--orchestrator-timeout", "soon"],
    ] {
        let error = parse(&wrong).unwrap_err();
        assert!(error.use_stderr() && error.exit_code() == 2, "{wrong:?}");
    }
}

#[test]
fn long_flags_may_be_cut_short_while_they_stay_unique() {
    let line =
        parse(&["--orch", "60", "--automa", "--system-m", "- be brief", "--coord", "parallel", "why?"])
            .unwrap();
    assert_eq!(line.arguments.orchestrator_timeout, Some(60));
    assert!(line.arguments.automation);
    assert_eq!(line.arguments.system_message.as_deref(), Some("- be brief"));
    assert_eq!(line.arguments.question.as_deref(), Some("why?"));
    let ids: Vec<&str> = line.typed.iter().map(|typed| typed.id.as_str()).collect();
    assert!(ids.contains(&"orchestrator_timeout") && ids.contains(&"coordination_mode"), "{ids:?}");
    // `--config` is whole although it begins other flags; `--conf` is not.
    assert!(parse(&["--config", "c.yaml"]).is_ok());
    assert!(parse(&["--conf", "c.yaml"]).is_err());
}

#[test]
fn a_question_may_be_the_name_of_a_command_after_two_dashes() {
    for name in [
        "logs",
        "config",
        "doctor",
        "models",
        "completions",
        "man",
        "viewer",
        "export",
        "shares",
        "serve",
        "help",
    ] {
        let line = parse(&["--", name]).unwrap();
        assert_eq!(line.arguments.question.as_deref(), Some(name));
        assert!(line.arguments.command.is_none());
    }
}

#[test]
fn one_word_that_is_nearly_a_command_is_taken_for_a_slip_unless_it_is_said_to_be_none() {
    let meant = |words: &[&str]| parse(words).unwrap().meant;
    for (word, command) in [
        ("change", "changes"),
        ("Chagnes", "changes"),
        ("aply", "apply"),
        ("comp", "completions"),
        ("log", "logs"),
    ] {
        assert_eq!(meant(&[word]).as_deref(), Some(command), "{word}");
        assert_eq!(question(&["--", word]).as_deref(), Some(word));
        assert_eq!((meant(&["--", word]), meant(&["--automation", word])), (None, None));
    }
    for word in ["hello", "why", "test", "go", "change?", "change it", "love", "2+2"] {
        assert_eq!(meant(&[word]), None, "{word}");
    }
}

#[test]
fn a_command_is_one_only_as_the_first_word() {
    assert_eq!(question(&["--automation", "logs"]).as_deref(), Some("logs"));
    assert!(parse(&["logs", "list"]).unwrap().arguments.command.is_some());
}

#[test]
fn a_question_may_begin_with_a_hyphen() {
    for words in [
        &["- name three", "--automation"][..],
        &["--automation", "- name three"],
        &["--automation", "--", "- name three"],
    ] {
        let arguments = parse(words).unwrap().arguments;
        assert_eq!(arguments.question.as_deref(), Some("- name three"));
        assert!(arguments.automation);
    }
    let arguments = parse(&["--system-message", "- be brief", "why?"]).unwrap().arguments;
    assert_eq!(arguments.system_message.as_deref(), Some("- be brief"));
    assert_eq!(arguments.question.as_deref(), Some("why?"));
    let arguments = parse(&["--system-message=be brief", "why?"]).unwrap().arguments;
    assert_eq!(arguments.system_message.as_deref(), Some("be brief"));
    assert!(parse(&["--bogus", "why?"]).is_err());
    assert!(parse(&["- one text", "- and another"]).is_err());
}

#[test]
fn what_the_parser_refuses_is_told_with_the_flags_in_question() {
    let mistakes = [
        &["--config", "c.yaml", "--backend", "openai"][..],
        &["--config", "c.yaml", "--select"],
        &["--select", "--backend", "openai"],
        &["--record", "r", "--replay", "r"],
        &["--simulate", "--replay", "r"],
        &["--resume", "latest", "--quick"],
        &["--skip-validation", "--strict-validation"],
        &["--personas", "all"],
        &["--orchestrator-timeout", "soon"],
        &["--plan-step", "many"],
        &["--orchestrater-timeout", "5"],
        &["--conf", "c.yaml"],
        &["--model"],
        &["what", "is", "a", "tree?"],
        &["--automation", "what", "is", "--quick", "a", "tree?"],
        &["logs", "lst"],
    ];
    let told = mistakes.map(|words| {
        let error = parse(words).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{words:?}");
        let told = unquoted(&error).map_or_else(|| error.to_string(), |failure| failure.to_string());
        format!("$ massgen {}\n{told}", words.join(" "))
    });
    insta::assert_snapshot!(told.join("\n"));
}

#[test]
fn what_shapes_a_new_run_says_nothing_to_one_that_goes_on() {
    for flag in [
        &["--simulate"][..],
        &["--quick"],
        &["--fast"],
        &["--personas", "off"],
        &["--continue"],
        &["a question"],
    ] {
        let words = [&["--resume", "latest"], flag].concat();
        assert_eq!(parse(&words).unwrap_err().kind(), clap::error::ErrorKind::ArgumentConflict, "{flag:?}");
    }
}

#[test]
fn the_usual_help_leaves_out_what_is_rare_or_not_there_and_the_full_help_has_it() {
    let usual = command(Detail::Usual).render_help().to_string();
    let full = command(Detail::Everything).render_help().to_string();
    for flag in ["--web-port", "--plan-depth", "--config-agent-id", "--schema-backend"] {
        assert!(!usual.contains(flag) && full.contains(flag), "{flag}");
    }
    assert!(!usual.contains(unavailable::HEADING) && full.contains(unavailable::HEADING));
    for flag in REFERENCE.iter().chain(OURS) {
        assert!(full.contains(flag.0), "{flag:?}");
    }
}

#[test]
fn every_row_of_what_is_not_there_names_a_flag_or_a_command() {
    let command = command(Detail::Everything);
    for row in unavailable::FLAGS {
        let arg = command.get_arguments().find(|arg| arg.get_id() == row.name);
        let arg = arg.unwrap_or_else(|| panic!("{}", row.name));
        let choices: Vec<String> =
            arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        assert!(row.values.iter().all(|value| choices.iter().any(|choice| choice == value)), "{}", row.name);
    }
    for row in unavailable::COMMANDS {
        let mut at = &command;
        for name in row.name.split(' ') {
            at = at.find_subcommand(name).unwrap_or_else(|| panic!("{}", row.name));
        }
    }
}

#[test]
fn the_display_that_is_typed_wins_over_that_of_the_configuration() {
    let wish = |words: &[&str], display| {
        let line = parse(words).unwrap();
        Manner::of(&line.arguments, &UiSettings { display, automation: None }).wish
    };
    assert_eq!(wish(&["q"], Some(DisplayType::Simple)), Wish::Simple);
    assert_eq!(wish(&["--display", "rich", "q"], Some(DisplayType::Simple)), Wish::Live);
    assert_eq!(wish(&["--display", "rich", "--no-display", "q"], Some(DisplayType::Simple)), Wish::Live);
    assert_eq!(wish(&["--no-display", "q"], Some(DisplayType::Rich)), Wish::Simple);
    assert_eq!(wish(&["q"], None), Wish::Live);
}

use super::super::facts::{Choice, Trial};
use super::*;

fn fails(reason: &str) -> Trial {
    Trial { works: false, reason: Some(reason.to_owned()) }
}

/// A machine with nothing on it.
fn bare() -> Facts {
    let program = |name: &str| Found { name: name.to_owned(), state: ProgramState::Missing, version: None };
    Facts {
        version: "1.2.3".to_owned(),
        platform: "linux x86_64".to_owned(),
        config: Config { path: None, state: State::None, agents: 0, problems: Vec::new(), warnings: 0 },
        open_env_files: Vec::new(),
        damaged: Vec::new(),
        keys: vec![key("OPENAI_API_KEY", None, &["openai"], &["codex"])],
        servers: Vec::new(),
        servers_asked: vec!["Ollama".to_owned(), "LM Studio".to_owned()],
        sandbox: Sandbox {
            level: Level::None,
            bubblewrap: fails("the program `bwrap` is not installed"),
            landlock: fails("a trial run ended with 125: the kernel does not enforce the rules"),
            gaps: Vec::new(),
        },
        programs: USES.iter().map(|(name, ..)| program(name)).collect(),
        logs: Logs {
            path: ".massgen/massgen_logs".to_owned(),
            writable: true,
            free_bytes: Some(5_000_000_000),
        },
        choice: None,
    }
}

fn key(variable: &str, origin: Option<&str>, now: &[&str], later: &[&str]) -> Key {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Key {
        variable: variable.to_owned(),
        origin: origin.map(str::to_owned),
        backends: owned(now),
        later: owned(later),
        is_optional: false,
    }
}

/// One with most things on it.
fn rich() -> Facts {
    let mut facts = bare();
    facts.config = Config {
        path: Some(".massgen/config.yaml".to_owned()),
        state: State::Ready,
        agents: 3,
        problems: Vec::new(),
        warnings: 1,
    };
    facts.keys = vec![
        key("ANTHROPIC_API_KEY", Some("the environment"), &[], &["claude", "claude_code"]),
        key("OPENAI_API_KEY", Some("~/.config/massgen/.env"), &["openai"], &["codex"]),
    ];
    facts.servers = vec![Server {
        name: "Ollama".to_owned(),
        backend: "chatcompletion".to_owned(),
        base_url: "http://127.0.0.1:11434/v1".to_owned(),
        model: "llama3.2:3b".to_owned(),
    }];
    facts.sandbox = Sandbox {
        level: Level::Bubblewrap,
        bubblewrap: Trial { works: true, reason: None },
        landlock: Trial { works: true, reason: None },
        gaps: Vec::new(),
    };
    for (program, said) in
        facts.programs.iter_mut().zip(["git version 2.39.5", "27.1", "", "v22.1.0", "", "Python 3.12.1"])
    {
        if !said.is_empty() {
            (program.state, program.version) = (ProgramState::Works, Some(said.to_owned()));
        }
    }
    facts.programs[2].state = ProgramState::Fails;
    facts
}

fn text(facts: Facts) -> String {
    let text = Report::of(facts).to_string();
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(widest <= 80, "{widest}: {text}");
    text
}

fn json(facts: Facts) -> String {
    serde_json::to_string_pretty(&Report::of(facts)).unwrap()
}

#[test]
fn a_bare_machine_is_told_what_is_needed() {
    insta::assert_snapshot!(text(bare()));
    insta::assert_snapshot!(json(bare()));
    assert!(!Report::of(bare()).possible);
}

#[test]
fn a_rich_machine_is_told_what_runs() {
    insta::assert_snapshot!(text(rich()));
    insta::assert_snapshot!(json(rich()));
    assert!(Report::of(rich()).possible);
}

#[test]
fn a_program_is_not_named_twice() {
    assert_eq!(without_name("git version 2.39.5", "git"), "2.39.5");
    assert_eq!(without_name("Python 3.12.1", "python3"), "3.12.1");
    assert_eq!(without_name("podman version 4.3", "podman"), "4.3");
    assert_eq!(without_name("v22.1.0", "node"), "v22.1.0");
}

/// The text from the given heading on.
fn from<'a>(heading: &str, text: &'a str) -> &'a str {
    &text[text.find(heading).unwrap_or_else(|| panic!("no {heading:?} in {text}"))..]
}

#[test]
fn a_wrong_configuration_is_told_with_the_command_that_explains_it() {
    let mut facts = rich();
    facts.config.state = State::Broken;
    facts.config.agents = 0;
    facts.config.problems =
        (1..=7).map(|number| format!("agents[{number}].id: the agent has no `id`")).collect();
    let report = Report::of(facts.clone());
    assert!(!report.possible);
    let text = text(facts);
    assert!(text.contains("\n  .massgen/config.yaml: wrong, 1 warning:\n    agents[1].id"), "{text}");
    assert!(text.contains("    and 2 more\n"), "{text}");
    assert!(from("To mend", &text).contains("-> massgen --validate .massgen/config.yaml\n"), "{text}");
}

#[test]
fn a_missing_key_is_told_by_its_name() {
    let mut facts = rich();
    facts.config.state = State::Keyless;
    facts.config.problems = vec!["OPENAI_API_KEY is not set".to_owned()];
    let report = Report::of(facts.clone());
    assert!(!report.possible && report.run.is_none());
    let text = text(facts);
    let expected = "To mend\n  needed: OPENAI_API_KEY is not set\n    -> massgen --setup\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_key_that_set_up_does_not_take_is_told_where_to_write_it() {
    let mut facts = rich();
    facts.config.state = State::Keyless;
    facts.config.problems = vec!["MY_GATEWAY_KEY or OTHER_KEY is not set".to_owned()];
    let text = text(facts);
    let expected = "  needed: MY_GATEWAY_KEY or OTHER_KEY is not set\n    -> write it into ./.env or ~/.config/massgen/.env, as NAME=value\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn keys_that_others_can_read_are_told() {
    let mut facts = rich();
    facts.open_env_files = vec!["./.env"];
    let text = text(facts);
    assert!(
        text.contains("  useful: ./.env holds keys and can be read by others\n    -> chmod 600 ./.env\n"),
        "{text}"
    );
}

#[test]
fn long_problems_are_folded() {
    let mut facts = rich();
    facts.config.state = State::Broken;
    facts.config.problems = vec!["agents[1].backend.type: ".to_owned() + &"so wrong ".repeat(12)];
    assert!(text(facts).contains("\n      "), "the rest of the problem stands below it");
}

#[test]
fn a_key_without_a_configuration_is_enough_to_run() {
    let mut facts = bare();
    facts.choice = Some(Choice { flags: "--backend openai".to_owned() });
    let report = Report::of(facts);
    assert!(report.possible);
    assert_eq!(report.run.as_deref(), Some("massgen --backend openai \"your question\""));
}

#[test]
fn logs_that_cannot_be_written_keep_everything_from_running() {
    let mut facts = rich();
    facts.logs.writable = false;
    assert!(!Report::of(facts.clone()).possible);
    facts.logs = Logs { writable: true, free_bytes: Some(1024), ..facts.logs };
    let report = Report::of(facts.clone());
    assert!(report.possible);
    assert!(text(facts).contains("  useful: little space is left in the log folder"));
}

#[test]
fn what_the_sandbox_leaves_open_is_told() {
    let mut facts = rich();
    facts.sandbox.gaps =
        vec!["signals to other processes of yours, and a text that is folded here".to_owned()];
    let text = text(facts);
    assert!(text.contains("  Landlock: works\n  not kept from: signals to other"), "{text}");
}

#[test]
fn an_old_git_is_told() {
    for (version, is_old) in [
        ("git version 2.32.7", true),
        ("git version 1.99.0", true),
        ("git version 2.33.0", false),
        ("git version 2.39.5 (Apple Git-154)", false),
        ("git version 3.0", false),
        ("git version unknown", false),
    ] {
        let mut facts = rich();
        facts.programs[0].version = Some(version.to_owned());
        let text = text(facts);
        assert_eq!(text.contains("is too old to change projects: it takes 2.33\n"), is_old, "{text}");
    }
}

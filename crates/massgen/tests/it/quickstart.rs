//! Somebody new: an empty folder, an empty home.

use std::fmt::Write;

use crate::program::{World, files};
use crate::server::{Server, team};

/// A key that must never be seen.
const CANARY: &str = "canary-7d1f-key";

#[test]
fn a_key_in_the_environment_becomes_a_configuration_that_loads() {
    let world = World::new();
    let variables = [("OPENAI_API_KEY", CANARY)];
    let told = world.run_with(&variables, &["--quickstart", "--headless"]).exits(0);
    assert!(told.stdout.contains("\n  OPENAI_API_KEY: available\n"), "{told}");
    assert!(told.stdout.contains("\nSelected: openai / gpt-5.4\nConfig: .massgen/config.yaml\n"), "{told}");
    assert!(told.stdout.ends_with("\nSTATUS: SUCCESS\nRun: massgen \"your question\"\n"), "{told}");
    assert!(!told.to_string().contains(CANARY), "{told}");
    let text = world.read(".massgen/config.yaml");
    assert!(text.contains("type: openai\n      model: gpt-5.4\n") && !text.contains(CANARY), "{text}");
    // Once more changes nothing and is no mistake.
    world.run_with(&variables, &["--quickstart", "--headless"]).exits(0);
    assert_eq!(world.read(".massgen/config.yaml"), text);
}

#[test]
fn a_question_is_answered_right_after() {
    let server = Server::start(team);
    let world = World::new();
    let url = server.base_url();
    let variables = [("GROQ_API_KEY", CANARY)];
    world.run_with(&variables, &["--quickstart", "--headless", "--base-url", &url]).exits(0);
    let told = world.run_with(&variables, &["--automation", "hi"]).exits(0);
    assert!(!server.requests().is_empty());
    assert!(!told.to_string().contains(CANARY), "{told}");
}

#[test]
fn who_has_nothing_is_told_how_to_go_on_and_the_exit_code_says_so() {
    let world = World::new();
    let told = world.run(&["--quickstart", "--headless"]).exits(1);
    let (_, steps) = told.stdout.split_once("\nSTATUS: NEEDS_CONFIG\n").unwrap();
    assert_eq!(steps.lines().count(), 5, "{told}");
    assert!(steps.lines().all(|line| line.starts_with("  -> ")), "{told}");
    assert!(told.stdout.contains("\nEnv template: .env\n"), "{told}");
    assert!(world.read(".env").contains("\n# OPENAI_API_KEY=\n"));
    assert!(!world.work().join(".massgen").exists());
    // The template is no key, and is not written again over what somebody put there.
    world.write(".env", &format!("OPENAI_API_KEY={CANARY}\n"));
    let told = world.run(&["--quickstart", "--headless"]).exits(0);
    assert!(told.stdout.contains("\n  OPENAI_API_KEY: available\n"), "{told}");
    assert!(world.read(".env").contains(CANARY) && !told.to_string().contains(CANARY));
}

#[test]
fn without_a_terminal_quickstart_asks_nothing_and_says_so() {
    let world = World::new();
    let told = world.run_with(&[("GROQ_API_KEY", CANARY)], &["--quickstart"]).exits(0);
    assert!(told.stderr.contains("going on as with `--headless`"), "{told}");
    assert!(told.stdout.contains("\nSelected: groq / llama-3.3-70b-versatile\n"), "{told}");
    for flag in ["--init", "--setup"] {
        let told = world.run(&[flag]).exits(2);
        assert!(told.stderr.contains("there is no terminal to ask them on"), "{told}");
        assert!(told.stderr.contains("massgen --quickstart --headless"), "{told}");
    }
}

#[test]
fn a_configuration_that_is_there_is_not_replaced() {
    let world = World::new();
    world.write(".massgen/config.yaml", "mine: true\n");
    let told = world.run_with(&[("GROQ_API_KEY", CANARY)], &["--quickstart", "--headless"]).exits(1);
    assert!(told.stderr.contains("is there already and says something else"), "{told}");
    assert!(!told.stdout.contains("STATUS"), "{told}");
    assert_eq!(world.read(".massgen/config.yaml"), "mine: true\n");
    let words = ["--quickstart", "--headless", "--config", "deep/team.yaml"];
    let told = world.run_with(&[("GROQ_API_KEY", CANARY)], &words).exits(0);
    assert!(told.stdout.contains("\nConfig: deep/team.yaml\n"), "{told}");
    assert!(told.stdout.ends_with("\nRun: massgen --config deep/team.yaml \"your question\"\n"), "{told}");
    assert!(world.read("deep/team.yaml").contains("type: groq"));
}

#[test]
fn a_team_whose_key_is_missing_is_written_and_named() {
    let world = World::new();
    let agents =
        ["--quickstart-agent", "backend=groq", "--quickstart-agent", "id=b,backend=openai,model=gpt-5.2"];
    let words = [&["--quickstart", "--headless"][..], &agents].concat();
    let told = world.run_with(&[("GROQ_API_KEY", CANARY)], &words).exits(1);
    let (before, steps) = told.stdout.split_once("\nSTATUS: NEEDS_CONFIG\n").unwrap();
    assert!(before.contains("\nSelected (2 backends):\n  groq / "), "{told}");
    assert!(steps.starts_with("  -> set OPENAI_API_KEY, in the environment or in .env"), "{told}");
    assert!(world.read(".massgen/config.yaml").contains("id: b\n"));
}

#[test]
fn a_wrong_description_of_an_agent_writes_nothing() {
    let world = World::new();
    let words = ["--quickstart", "--headless", "--quickstart-agent", "backend=openai,modle=x"];
    let told = world.run(&words).exits(1);
    assert!(told.stderr.contains("`modle` in `backend=openai,modle=x`"), "{told}");
    assert!(told.stderr.contains("did you mean `model`?"), "{told}");
    assert!(!world.work().join(".massgen").exists());
}

#[test]
fn what_cannot_be_written_down_is_refused_before_anything_is() {
    let world = World::new();
    let quick = ["--quickstart", "--headless"];
    let generate =
        ["--generate-config", "team.yaml", "--config-backend", "openai", "--config-model", "gpt-5.4"];
    let mut all = String::new();
    for (start, words) in [
        (&quick[..], &["--quickstart-agent", ""][..]),
        (&quick, &["--quickstart-agent", "backend=openai,"]),
        (&quick, &["--quickstart-agent", "backend=openai,reasoning_effort=hihg"]),
        (&quick, &["--quickstart-agent", "backend=openai,reasoning_effort=as hard as it can"]),
        (&quick, &["--config-context-path", "no/such"]),
        (&generate, &["--config-context-path", "no/such"]),
    ] {
        let words = [start, words].concat();
        let told = world.run_with(&[("OPENAI_API_KEY", CANARY)], &words).exits(1);
        assert!(told.stdout.is_empty(), "{told}");
        let work = world.work().display().to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(all, "$ massgen {}\n{}", words.join(" "), told.stderr.replace(&work, "WORK"));
    }
    insta::assert_snapshot!(all);
    assert!(files(&world.work()).is_empty(), "{:?}", files(&world.work()));
}

#[test]
fn a_context_path_that_is_there_is_written_down() {
    let world = World::new();
    world.write("src/main.rs", "");
    world
        .run_with(
            &[("OPENAI_API_KEY", CANARY)],
            &["--quickstart", "--headless", "--config-context-path", "src"],
        )
        .exits(0);
    assert!(world.read(".massgen/config.yaml").contains("context_paths:\n    - path: src\n"));
}

#[test]
fn a_named_configuration_is_generated() {
    let world = World::new();
    let words = [
        "--generate-config",
        "team.yaml",
        "--config-backend",
        "openai",
        "--config-model",
        "gpt-5.4",
        "--config-agents",
        "2",
    ];
    let told = world.run(&words).exits(0);
    assert!(told.stdout.starts_with("Config: team.yaml\n  -> set OPENAI_API_KEY"), "{told}");
    let text = world.read("team.yaml");
    assert!(text.contains("id: openai-5.41\n") && text.contains("id: openai-5.42\n"), "{text}");
}

#[test]
fn a_configuration_that_cannot_be_generated_is_a_failure() {
    let world = World::new();
    for words in [
        &["--generate-config", "team.yaml"][..],
        &["--generate-config", "team.yaml", "--config-backend", "opnai", "--config-model", "m"],
        &[
            "--generate-config",
            "team.yaml",
            "--config-backend",
            "openai",
            "--config-model",
            "m",
            "--config-agents",
            "11",
        ],
        &["--generate-config", "/dev/null/team.yaml", "--config-backend", "openai", "--config-model", "m"],
    ] {
        let told = world.run(words).exits(1);
        assert!(told.stderr.starts_with("error: ") && told.stdout.is_empty(), "{told}");
        assert!(told.stderr.contains("\nhint: "), "{told}");
    }
    assert!(!world.work().join("team.yaml").exists());
}

#[test]
fn nothing_configured_and_nothing_asked_is_told_in_five_lines() {
    let told = World::new().run(&[]).exits(2);
    assert!(
        told.stderr.starts_with("error: there is no question, and nothing is configured yet\n"),
        "{told}"
    );
    let ways: Vec<_> = told.stderr.lines().filter(|line| line.starts_with("  massgen ")).collect();
    assert_eq!(ways.len(), 5, "{told}");
}

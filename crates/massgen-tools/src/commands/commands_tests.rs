use std::time::Duration;

use massgen_protocol::ToolOutcome;
use massgen_protocol::tooling::CommandSpec;
use serde_json::{Value, json};

use super::*;
use crate::testing::{House, Setup};

async fn run(house: &House, arguments: Value) -> (&'static str, Value) {
    let (kind, text) = match house.call("mcp__command_line__execute_command", arguments).await {
        ToolOutcome::Ok { text, .. } => ("ok", text),
        ToolOutcome::Error { text } => ("error", text),
        ToolOutcome::Denied { text } => ("denied", text),
        other => panic!("{other:?}"),
    };
    (kind, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

#[tokio::test]
async fn results_have_the_shape_that_prompts_know() {
    let house = House::new();
    let mut told = Vec::new();
    for command in ["echo a", "fails", "late", "broken", "colours", "calls", "sudo ls"] {
        let (kind, result) = run(&house, json!({"command": command})).await;
        told.push(format!("{kind} {result}").replace(&house.root.display().to_string(), "ROOT"));
    }
    insta::assert_snapshot!(told.join("\n"));
    assert_eq!(house.runner.lines(), ["echo a", "fails", "late", "broken", "colours", "calls"]);
}

#[tokio::test]
async fn a_command_gets_its_folder_time_reach_and_programs() {
    let house = House::new();
    house.write("ws/app/.venv/bin/python", "");
    run(&house, json!({"command": "x", "work_dir": "app", "timeout": 7})).await;
    run(&house, json!({"command": "x", "timeout": 100_000})).await;
    run(&house, json!({"command": "x", "pty": true})).await;
    let asked = house.runner.asked.lock().expect("kept").clone();
    let at = |name: &str| house.root.join(name);
    assert_eq!(asked[0].folder, at("ws/app"));
    assert_eq!(asked[0].programs, Some(at("ws/app/.venv/bin")));
    let times: Vec<u64> = asked.iter().map(|command| command.time.as_secs()).collect();
    assert_eq!(times, [7, 600, 60]);
    let screens: Vec<Screen> = asked.iter().map(|command| command.screen).collect();
    assert_eq!(screens, [Screen::Streams, Screen::Streams, Screen::Terminal]);
    assert_eq!((&asked[1].folder, &asked[1].programs), (&at("ws"), &None));
    assert_eq!(asked[0].reach.readable, [at("peers")]);
    assert_eq!(asked[0].reach.writable, [at("ws"), at("project")]);
    assert_eq!(asked[0].reach.protected, [at("project/.git")]);
}

#[tokio::test]
async fn a_folder_that_was_not_given_is_refused() {
    let house = House::new();
    house.write("ws/file", "x");
    std::os::unix::fs::symlink(house.root.join("outside"), house.root.join("ws/out")).expect("linked");
    for folder in ["../outside", "out", "/", "file", "missing", "/etc"] {
        let (kind, result) = run(&house, json!({"command": "ls", "work_dir": folder})).await;
        assert_eq!((kind, &result["exit_code"]), ("denied", &json!(-1)), "{folder} {result}");
    }
    assert!(house.runner.lines().is_empty());
}

#[tokio::test]
async fn a_long_output_is_kept_in_a_file_as_the_lines_that_it_had() {
    let house = House::new();
    let shown = house.ok("execute_command", json!({"command": "long"})).await;
    assert!(shown.len() < 20_000, "{}", shown.len());
    let (told, rest) = shown.split_once("\n\n").expect("what is told");
    let path = told.split('`').nth(1).expect("a path");
    assert!(path.starts_with(".tool_results/execute_command_"), "{told}");
    assert!(told.contains("60007 lines. All of it is in `"), "{told}");
    assert!(rest.ends_with("0123456789\n=== stderr ===\na \"warning\"\n"), "{shown}");
    let head = house.ok("read_text_file", json!({"path": path, "head": 6})).await;
    let head = head.replace(&house.root.display().to_string(), "ROOT");
    assert_eq!(
        head,
        "command: long\nwork_dir: ROOT/ws\nexit_code: 0\nexecution_time: 1.5\n=== stdout ===\n0123456789\n"
    );
    let tail = house.ok("read_text_file", json!({"path": path, "tail": 2})).await;
    assert_eq!(tail, "=== stderr ===\na \"warning\"\n");
    let found = house.ok("grep", json!({"path": path, "pattern": "warn|stdout"})).await;
    assert_eq!(found.lines().count(), 2, "{found}");
}

#[tokio::test]
async fn what_is_not_in_the_file_of_a_long_output_is_told() {
    let house = House::new();
    let shown = house.ok("execute_command", json!({"command": "longer"})).await;
    let told = shown.lines().next().expect("a line");
    assert!(
        told.starts_with("The result is long: 3200") && told.contains(" bytes. `.tool_results/"),
        "{told}"
    );
    assert!(
        told.contains("holds its beginning and its end; 2540319 bytes between them were not kept."),
        "{told}"
    );
    assert!(!told.contains("All of it"), "{told}");
}

fn spec(allowed: &[&str], blocked: &[&str]) -> CommandSpec {
    let list = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    CommandSpec {
        place: massgen_protocol::tooling::CommandPlace::Unconfined,
        allowed: list(allowed),
        blocked: list(blocked),
        time: Duration::from_mins(1),
    }
}

#[test]
fn commands_are_checked_before_they_run() {
    let checks = Checks::new(&spec(&[], &[]), Rights::User).expect("patterns");
    for line in [
        "mv a /dev/null",
        "dd if=a of=b",
        "sudo ls",
        "ls && sudo ls",
        "su root",
        "chmod +x a",
        "chown a b",
        "A=1 /usr/bin/sudo ls",
        "echo $(sudo ls)",
        "env -i sudo ls",
        "find . -exec chmod +x {} +",
        "sh -c 'dd if=a of=b'",
        "a\0b",
    ] {
        assert!(checks.check(line).is_err(), "{line}");
    }
    for line in [
        "rm -rf build",
        "echo sudo",
        "echo 'a; sudo b'",
        "grep -r su .",
        "xargs grep sudo",
        "command -v sudo",
        "add dd",
        "mv a b; ls /dev/null",
        "git commit -m 'chmod of x'",
        "cat a > /dev/null",
    ] {
        assert_eq!(checks.check(line), Ok(()), "{line}");
    }
    let root = Checks::new(&spec(&[], &[]), Rights::Administrator).expect("patterns");
    assert_eq!(root.check("sudo apt-get install x"), Ok(()));
    assert!(root.check("dd if=a of=b").is_err());
}

#[test]
fn lists_of_the_configuration_allow_and_block() {
    let checks = Checks::new(&spec(&["git", "cargo (build|test)"], &["push", "--force"]), Rights::User)
        .expect("patterns");
    for (line, allowed) in [
        ("git status", true),
        ("cargo build", true),
        ("cargo run", false),
        ("echo git", false),
        ("git push", false),
        ("git fetch --force", false),
    ] {
        assert_eq!(checks.check(line).is_ok(), allowed, "{line}");
    }
    let told = checks.check("ls").expect_err("refused");
    assert_eq!(told, "the command is refused: only commands like `git`, `cargo (build|test)` are allowed");
    let wrong = Checks::new(&spec(&["("], &[]), Rights::User).expect_err("no pattern");
    assert!(matches!(wrong, crate::Error::CommandPattern { pattern, .. } if pattern == "("));
}

#[test]
fn a_tree_that_holds_something_hidden_is_given_in_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs_err::canonicalize(folder.path()).expect("its path");
    for name in ["p/a/secret/x", "p/a/b", "p/c", "w"] {
        fs_err::create_dir_all(root.join(name)).expect("made");
    }
    fs_err::write(root.join("p/file"), "").expect("written");
    std::os::unix::fs::symlink("a/secret", root.join("p/link")).expect("linked");
    let reach = Reach {
        readable: vec![root.join("p"), root.join("p/a/secret/x"), root.join("p/a/secret")],
        writable: vec![root.join("w")],
        protected: Vec::new(),
        hidden: vec![root.join("p/a/secret")],
        ..Reach::default()
    };
    let mut reach = reach.without_hidden().expect("listed");
    reach.readable.sort();
    // What was given below stays; the hidden path itself cannot be given.
    assert_eq!(reach.readable, ["p/a/b", "p/a/secret/x", "p/c", "p/file"].map(|name| root.join(name)));
    assert_eq!(reach.writable, [root.join("w")]);
}

#[tokio::test]
async fn administrators_of_a_container_may_use_sudo() {
    let house = House::with(Setup { rights: Rights::Administrator, ..Setup::default() });
    assert_eq!(run(&house, json!({"command": "sudo ls"})).await.0, "ok");
}

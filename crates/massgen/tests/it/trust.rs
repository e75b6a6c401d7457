//! Configurations and skills that lie in a project, and whether a person trusts them.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::program::World;
use crate::pty::Terminal;
use crate::server::{Server, team};

/// A project whose configuration runs a program for its key; that leaves a file `ran`.
fn world(server: &Server) -> World {
    let world = server.world(1);
    world.write("key.sh", "echo ran >> ran; echo sk-printed-0123456789\n");
    configure(&world, server, "sh ./key.sh");
    world
}

fn configure(world: &World, server: &Server, command: &str) {
    let mut config = server.config(1);
    config["agents"][0]["backend"]["api_key_command"] = json!(command);
    world.write(".massgen/config.yaml", &serde_json::to_string_pretty(&config).unwrap());
}

fn has_run(world: &World) -> bool {
    world.work().join("ran").exists()
}

/// `text` without the folders of this test.
fn plain(world: &World, text: &str) -> String {
    text.replace(&world.work().display().to_string(), "[project]")
}

#[test]
fn what_a_project_brings_starts_nothing_before_somebody_trusts_it() {
    let server = Server::start(team);
    let world = world(&server);
    for words in [&["why?"][..], &["--automation", "why?"], &["--stream-events", "why?"]] {
        let told = world.run(words).exits(1);
        assert!(!has_run(&world) && server.requests().is_empty() && world.log_dirs().is_empty(), "{told}");
        insta::allow_duplicates! { insta::assert_snapshot!("refused", told.stderr) };
    }
    let told = world.run(&["trust"]).exits(0);
    insta::assert_snapshot!("trusted", plain(&world, &told.stdout));
    assert!(!has_run(&world));
    world.run(&["why?"]).exits(0);
    assert!(has_run(&world));
}

#[test]
fn a_configuration_that_somebody_names_is_their_word() {
    let server = Server::start(team);
    let world = world(&server);
    world.run(&["--config", ".massgen/config.yaml", "why?"]).exits(0);
    assert!(has_run(&world));
    // To go on is not to name it.
    fs_err::remove_file(world.work().join("ran")).unwrap();
    let told = world.run(&["--continue", "and?"]).exits(1);
    assert!(told.stderr.contains("you do not trust it yet") && !has_run(&world), "{told}");
    // One's own is never asked about.
    fs_err::create_dir_all(world.home().join(".config/massgen")).unwrap();
    let own = world.home().join(".config/massgen/config.yaml");
    fs_err::rename(world.work().join(".massgen/config.yaml"), own).unwrap();
    world.run(&["why?"]).exits(0);
    assert!(has_run(&world));
}

#[test]
fn another_text_or_another_program_takes_the_trust_back() {
    let server = Server::start(team);
    let world = world(&server);
    world.run(&["trust"]).exits(0);
    world.write("key.sh", "echo evil >> ran\n");
    let told = world.run(&["why?"]).exits(1);
    assert!(told.stderr.contains("has changed since you trusted it") && !has_run(&world), "{told}");
    let list = world.run(&["trust", "--list"]).exits(0).stdout;
    insta::assert_snapshot!("list_changed", plain(&world, &list));
    world.run(&["trust"]).exits(0);
    configure(&world, &server, "sh ./key.sh ");
    let told = world.run(&["why?"]).exits(1);
    assert!(told.stderr.contains("has changed since you trusted it") && !has_run(&world), "{told}");
    // What no program is may change.
    configure(&world, &server, "sh ./key.sh");
    world.run(&["trust"]).exits(0);
    world.write("notes.md", "new");
    world.write("key.sh", "echo ran >> ran; echo sk-printed-0123456789\n");
    world.run(&["trust"]).exits(0);
    world.write("notes.md", "newer");
    world.run(&["why?"]).exits(0);
}

#[test]
fn trust_is_listed_and_taken_back() {
    let server = Server::start(team);
    let world = world(&server);
    insta::assert_snapshot!("list_none", world.run(&["trust", "--list"]).exits(0).stdout);
    let told = world.run(&["trust", "--forget"]).exits(0);
    assert_eq!(plain(&world, &told.stdout), "You did not trust this project: [project]\n");
    world.run(&["trust"]).exits(0);
    let file = world.home().join(".config/massgen/trust.json");
    assert_eq!(fs_err::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let list = world.run(&["trust", "--list"]).exits(0);
    assert_eq!(plain(&world, &list.stdout), "[project]\n  .massgen/config.yaml\n");
    let told = world.run(&["trust", "--forget", "."]).exits(0);
    assert_eq!(plain(&world, &told.stdout), "You do not trust this project any more: [project]\n");
    world.run(&["why?"]).exits(1);
    world.run(&["trust", "nowhere"]).exits(1);
}

#[test]
fn a_damaged_list_trusts_nothing_and_is_not_written_over() {
    let server = Server::start(team);
    let world = world(&server);
    let file = world.home().join(".config/massgen/trust.json");
    fs_err::create_dir_all(file.parent().unwrap()).unwrap();
    fs_err::write(&file, "{").unwrap();
    for words in [&["why?"][..], &["trust"], &["trust", "--list"], &["trust", "--forget"]] {
        let told = world.run(words).exits(1);
        assert!(told.stderr.contains("`~/.config/massgen/trust.json` is damaged"), "{told}");
    }
    assert!(!has_run(&world));
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "{");
}

#[test]
fn what_demands_nothing_and_what_a_person_adds_needs_no_trust() {
    let server = Server::start(team);
    let world = server.world(1);
    world.run(&["why?"]).exits(0);
    let outside = world.home().join("outside");
    fs_err::create_dir_all(&outside).unwrap();
    world.run(&[&format!("what is in @{}?", outside.display())]).exits(0);
    let mut config = server.config(1);
    config["orchestrator"] = json!({ "context_paths": [{ "path": "link", "permission": "read" }] });
    world.write(".massgen/config.yaml", &config.to_string());
    // A link of the project may lead anywhere.
    fs_err::os::unix::fs::symlink(&outside, world.work().join("link")).unwrap();
    let told = world.run(&["why?"]).exits(1);
    assert!(told.stderr.contains("lets agents reach"), "{told}");
}

#[test]
fn somebody_at_the_terminal_is_asked_once() {
    let server = Server::start(team);
    let world = world(&server);
    let ask = |keys: &str| {
        let mut command = world.command(crate::program::MASSGEN, &[]);
        command.args(["--no-display", "why?"]);
        let mut terminal = Terminal::start(command);
        terminal.hear("Do you trust this project?");
        terminal.press(keys);
        terminal.wait()
    };
    let (code, shown) = ask("\r");
    assert_eq!(code, Some(1), "Enter alone is no: {shown}");
    assert!(shown.contains("key.sh") && !has_run(&world), "{shown}");
    let (code, shown) = ask("y");
    assert_eq!(code, Some(0), "{shown}");
    assert!(has_run(&world));
    world.run(&["why?"]).exits(0);
}

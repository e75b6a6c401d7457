//! What the program says of itself.

use std::fmt::Write;

use crate::program::World;

/// The page that `arguments` print on stdout.
fn page(arguments: &[&str]) -> String {
    let told = World::new().run(arguments).exits(0);
    assert_eq!(told.stderr, "");
    assert!(told.stdout.lines().all(|line| line.chars().count() <= 100), "{told}");
    assert!(!told.stdout.contains('\u{1b}'), "{told}");
    told.stdout
}

#[test]
fn the_short_help_has_the_usual_flags() {
    insta::assert_snapshot!(page(&["-h"]));
}

#[test]
fn the_help_tells_all_there_is() {
    let help = page(&["--help"]);
    insta::assert_snapshot!(help);
    assert_eq!(page(&["help"]), help);
}

#[test]
fn every_command_has_its_help() {
    let commands = [
        &["logs"][..],
        &["logs", "summary"],
        &["logs", "tools"],
        &["logs", "list"],
        &["logs", "open"],
        &["logs", "analyze"],
        &["logs", "rebuild"],
        &["config"],
        &["config", "show"],
        &["config", "path"],
        &["doctor"],
        &["models"],
        &["completions"],
        &["man"],
        &["viewer"],
        &["export"],
        &["shares"],
        &["shares", "list"],
        &["shares", "delete"],
        &["serve"],
    ];
    let mut pages = String::new();
    for command in commands {
        let help = page(&[command, &["--help"]].concat());
        assert_eq!(page(&[command, &["-h"]].concat()), help);
        assert_eq!(page(&[&["help"], command].concat()), help);
        writeln!(pages, "$ massgen {} --help\n{help}", command.join(" ")).unwrap();
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn commands_that_need_another_one_print_their_help_to_stderr() {
    for command in ["config", "shares"] {
        let told = World::new().run(&[command]).exits(2);
        assert!(
            told.stdout.is_empty() && told.stderr.contains(&format!("Usage: massgen {command} <COMMAND>")),
            "{told}"
        );
    }
}

#[test]
fn the_version_is_one_line() {
    let told = World::new().run(&["--version"]).exits(0);
    assert_eq!(told.stdout, format!("massgen {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_the_program_says_of_itself_needs_nothing_that_could_be_broken() {
    let world = World::new();
    world.write(".env", "not an assignment");
    world.write(".massgen/config.yaml", "]");
    for arguments in [&["-h"][..], &["--help"], &["help"], &["-V"], &["man"], &["completions", "bash"]] {
        world.run(arguments).exits(0);
    }
}

#[test]
fn completions_for_every_shell_know_the_flags_and_the_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = World::new().run(&["completions", shell]).exits(0).stdout;
        for word in ["orchestrator-timeout", "quickstart-agent", "simulate", "rebuild", "completions"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    World::new().run(&["completions", "tcsh"]).exits(2);
}

#[test]
fn the_completions_for_bash_are_a_script_that_bash_takes() {
    let world = World::new();
    let script = world.run(&["completions", "bash"]).exits(0).stdout;
    let path = world.write("massgen.bash", &script);
    let checked = std::process::Command::new("bash").arg("-n").arg(&path).output().unwrap();
    assert!(checked.status.success() && checked.stderr.is_empty(), "{checked:?}");
    let ask = format!(
        "source '{}'; COMP_WORDS=(massgen --orch); COMP_CWORD=1; _massgen massgen --orch massgen; echo ${{COMPREPLY[@]}}",
        path.display()
    );
    let asked = std::process::Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8(asked.stdout).unwrap(), "--orchestrator-timeout\n");
}

#[test]
fn the_manual_page_has_the_flags_and_the_exit_codes() {
    let page = World::new().run(&["man"]).exits(0).stdout;
    assert!(page.contains(".TH massgen 1") && page.contains(".SH OPTIONS"), "{page}");
    assert!(page.contains("\\-\\-orchestrator\\-timeout") && page.contains("Exit codes"), "{page}");
}

#[test]
fn a_question_that_is_the_name_of_a_command_can_be_asked() {
    let world = crate::run_folder::team();
    world.run(&["--", "doctor"]).exits(0);
    assert_eq!(world.status()["meta"]["question"], "doctor");
}

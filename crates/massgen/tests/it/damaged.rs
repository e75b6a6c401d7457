//! Files of a user's own that are broken: what tells or mends goes on without them, what spends stops.

use serde_json::Value;

use crate::program::{Told, World};

/// A key in a line that is not understood. It must never be seen.
const CANARY: &str = "canary-41c7 torn";

const TEAM: &str = "agents:\n- {id: a, backend: {type: simulated}}\n";

/// The commands that tell or mend, and what shows that they went on.
const TELLING: [(&[&str], i32, &str); 9] = [
    (&["--validate", "team.yaml"], 0, "team.yaml is valid"),
    (&["--list-backends"], 0, "Models per backend"),
    (&["--list-examples"], 0, "@examples/"),
    (&["--show-schema"], 0, "agents"),
    (&["config", "path"], 0, ".massgen/config.yaml"),
    (&["config", "show"], 0, "agents[0].backend"),
    (&["--list-sessions"], 0, "no sessions yet"),
    (&["logs", "list"], 0, "There are no runs here yet"),
    (&["completions", "bash"], 0, "massgen"),
];

fn world() -> World {
    let world = World::new();
    world.write("team.yaml", TEAM);
    world.write(".massgen/config.yaml", TEAM);
    world
}

/// Writes a file of the user.
fn of_user(world: &World, name: &str, text: &str) {
    let path = world.home().join(".config/massgen").join(name);
    world.write(&path.display().to_string(), text);
}

/// A world whose file of models has an unknown key.
fn without_models() -> World {
    let world = world();
    of_user(&world, "models.yaml", "backends:\n  openai:\n    modles: {}\n");
    world
}

/// A world with one line that is not understood, between two that are.
fn without_a_line() -> World {
    let world = world();
    world.write(".env", &format!("OPENAI_API_KEY=one\nTORN={CANARY}\nGROQ_API_KEY=three\n"));
    world
}

fn warned(told: &Told, parts: &[&str]) {
    for part in parts {
        assert_eq!(told.stderr.matches(part).count(), 1, "{part:?} in {told}");
    }
    assert!(!told.to_string().contains("canary"), "{told}");
}

#[test]
fn what_tells_goes_on_with_the_built_in_table_and_warns() {
    let world = without_models();
    for (arguments, code, expected) in TELLING {
        let told = world.run(arguments).exits(code);
        assert!(told.stdout.contains(expected), "{arguments:?}: {told}");
        let is_used = ["--validate", "--list-backends", "--show-schema"].contains(&arguments[0])
            || arguments == ["config", "show"];
        if is_used {
            warned(&told, &["models.yaml:3:5: error: unknown key `modles`", "warning: going on without"]);
        } else {
            assert_eq!(told.stderr, "", "{arguments:?}");
        }
    }
    let told = world.run(&["--validate", "team.yaml", "--json"]).exits(0);
    assert_eq!(serde_json::from_str::<Value>(&told.stdout).unwrap()["valid"], true);
}

#[test]
fn what_tells_goes_on_with_the_other_lines_and_warns() {
    let world = without_a_line();
    for (arguments, code, expected) in TELLING {
        let told = world.run(arguments).exits(code);
        assert!(told.stdout.contains(expected), "{arguments:?}: {told}");
        if !["completions", "--list-examples"].contains(&arguments[0]) {
            warned(
                &told,
                &["warning: `./.env` is not understood at line 2", "hint: each line is NAME=value"],
            );
        }
    }
}

#[test]
fn the_warnings_read_well() {
    let world = without_models();
    insta::assert_snapshot!(world.run(&["config", "show"]).stderr);
    let world = without_a_line();
    insta::assert_snapshot!(world.run(&["config", "show"]).stderr);
}

#[test]
fn the_lines_around_a_broken_one_count() {
    let world = without_a_line();
    let told = world.run(&["doctor", "--json"]).exits(1);
    let report: Value = serde_json::from_str(&told.stdout).unwrap();
    let keys = report["keys"].as_array().unwrap().iter();
    let keys: Vec<_> = keys.map(|key| key["variable"].as_str().unwrap()).collect();
    assert_eq!(keys, ["OPENAI_API_KEY", "GROQ_API_KEY"]);
}

#[test]
fn doctor_tells_what_is_broken_and_the_edit_that_mends_it() {
    let world = without_models();
    world.write(".env", &format!("TORN={CANARY}\nOPEN='{CANARY}\nGROQ_API_KEY=three\n"));
    let told = world.run(&["doctor"]).exits(1);
    assert_eq!(told.stderr, "");
    let (_, findings) =
        told.stdout.split_once("\nNothing can run yet.\n").unwrap_or_else(|| panic!("{told}"));
    // Last come programs that are not there, and that depends on the machine.
    let of_the_machine =
        |line: &str| line.ends_with("no sandbox for commands") || line.contains(" is not installed, ");
    let findings: Vec<&str> = findings.lines().take_while(|line| !of_the_machine(line)).collect();
    insta::assert_snapshot!(findings.join("\n"));
    assert!(!told.stdout.contains("canary"), "{told}");
    assert!(told.stdout.contains("\n  GROQ_API_KEY in ./.env, for groq\n"), "{told}");
    let report: Value = serde_json::from_str(&world.run(&["doctor", "--json"]).exits(1).stdout).unwrap();
    assert_eq!((report["possible"].clone(), report["run"].clone()), (false.into(), Value::Null));
    // Mended as it says, it runs.
    fs_err::rename(world.work().join(".env"), world.work().join(".env.old")).unwrap();
    let models = world.home().join(".config/massgen/models.yaml");
    fs_err::rename(&models, models.with_extension("yaml.old")).unwrap();
    world.run(&["doctor"]).exits(0);
}

#[test]
fn a_run_stops_before_anything_is_asked() {
    for world in [without_models(), without_a_line()] {
        let told = world.run(&["--backend", "simulated", "q"]).exits(1);
        assert!(told.stderr.contains("error: "), "{told}");
        assert!(!told.to_string().contains("canary"), "{told}");
        assert!(world.log_dirs().is_empty());
    }
}

#[test]
fn set_up_without_questions_says_what_to_mend_first() {
    let world = without_models();
    fs_err::remove_file(world.work().join(".massgen/config.yaml")).unwrap();
    let told = world.run_with(&[("OPENAI_API_KEY", "k")], &["--quickstart", "--headless"]).exits(1);
    warned(&told, &["warning: going on without"]);
    assert!(told.stdout.contains("STATUS: NEEDS_CONFIG\n  -> mend ~/.config/massgen/models.yaml"), "{told}");
    let config = world.read(".massgen/config.yaml");
    assert!(config.contains("type: openai"), "{config}");
}

#[test]
fn files_that_cannot_be_read_are_told_and_passed_over() {
    let world = world();
    let user = world.home().join(".config/massgen");
    for name in ["models.yaml", ".env"] {
        fs_err::create_dir_all(user.join(name)).unwrap();
    }
    let told = world.run(&["--list-backends"]).exits(0);
    insta::assert_snapshot!(told.stderr);
    let told = world.run(&["--backend", "simulated", "q"]).exits(1);
    assert!(told.stderr.contains("error: "), "{told}");
    assert!(world.log_dirs().is_empty());
    let told = world.run(&["doctor"]).exits(1);
    for part in ["models in ~/.config/massgen/models.yaml", "keys in ~/.config/massgen/.env cannot be used"] {
        assert!(told.stdout.contains(part), "{part}: {told}");
    }
}

#[test]
fn a_file_in_the_place_of_a_folder_holds_no_keys() {
    let world = world();
    fs_err::write(world.home().join(".massgen"), "").unwrap();
    fs_err::write(world.home().join(".config"), "").unwrap();
    world.run(&["--backend", "simulated", "q"]).exits(0);
}

#[test]
fn a_folder_that_cannot_be_looked_into_is_not_taken_for_an_empty_one() {
    let world = World::new();
    std::os::unix::fs::symlink(".massgen", world.work().join(".massgen")).unwrap();
    for arguments in [&["config", "path"] as &[&str], &["config", "show"], &["q"], &[]] {
        let told = world.run(arguments).exits(1);
        assert!(
            told.stderr.starts_with("error: cannot look for the configuration `.massgen/config.yaml`: "),
            "{arguments:?}: {told}"
        );
    }
    let told = world.run(&["doctor"]).exits(1);
    assert!(told.stdout.contains("needed: .massgen/config.yaml is wrong"), "{told}");
}

#[test]
fn keys_that_others_can_read_are_told() {
    use std::os::unix::fs::PermissionsExt;
    let world = world();
    let file = world.write(".env", "GROQ_API_KEY=k\n");
    for (mode, is_told) in [(0o644, true), (0o600, false)] {
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let told = world.run(&["doctor"]).exits(0);
        assert_eq!(told.stdout.contains("-> chmod 600 ./.env"), is_told, "{told}");
    }
}

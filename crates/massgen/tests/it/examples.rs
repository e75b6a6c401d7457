//! The configurations that come with the program, and `@path` in questions.

use std::sync::Mutex;

use crate::program::World;

/// Runs at a time: they mostly wait for the pauses of the simulated model.
const AT_A_TIME: usize = 14;

/// The names that the list tells.
fn names() -> Vec<String> {
    let told = World::new().run(&["--list-examples"]).exits(0);
    let names = told.stdout.lines().filter_map(|line| line.strip_prefix("  @examples/")?.split(' ').next());
    names.map(|name| format!("@examples/{name}")).collect()
}

#[test]
fn every_example_runs_with_simulated_models() {
    let names = names();
    assert!(names.len() >= 30, "{names:?}");
    let left = Mutex::new(names.iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(name) = { left.lock().unwrap().next() } {
                    let world = World::new();
                    let told = world.run(&["--simulate", "--strict-validation", "--config", name, "Why?"]);
                    let told = told.exits(0);
                    assert!(!told.stderr.contains("warning:"), "{name}: {told}");
                    assert!(!told.stderr.contains("without effect"), "{name}: {told}");
                    let status = world.status();
                    assert!(status["results"]["winner"].is_string(), "{name}: {told}");
                }
            });
        }
    });
}

#[test]
fn an_example_is_printed_and_what_is_printed_is_a_configuration() {
    let world = World::new();
    let told = world.run(&["--example", "basic/simulated"]).exits(0);
    assert!(told.stdout.starts_with("# ") && told.stderr.is_empty(), "{told}");
    world.write("mine.yaml", &told.stdout);
    world.run(&["--config", "mine.yaml", "Why?"]).exits(0);
}

#[test]
fn an_example_that_is_not_there_is_told_with_what_was_probably_meant() {
    for arguments in
        [&["--example", "basic/tree-agents"][..], &["--config", "@examples/basic/tree-agents", "Why?"]]
    {
        let told = World::new().run(arguments).exits(1);
        assert_eq!(
            told.stderr,
            "error: there is no example `basic/tree-agents`\nhint: did you mean `@examples/basic/three-agents`? \
             `massgen --list-examples` names them all\n"
        );
    }
}

#[test]
fn findings_in_an_example_name_it_as_it_was_named() {
    let told = World::new().run(&["--config", "@examples/basic/one-agent", "Why?"]).exits(1);
    assert!(told.stderr.contains("@examples/basic/one-agent:"), "{told}");
    assert!(told.stderr.contains("`OPENAI_API_KEY`"), "{told}");
}

#[test]
fn paths_in_a_question_are_made_absolute_and_told_once() {
    let world = World::new();
    world.write("src/main.rs", "fn main() {}");
    world.write("docs/a b.md", "");
    let question = "Does @src/main.rs do what @\"docs/a b.md\":w says? Ask user@example.org, not @somebody.";
    let told = world.run(&["--backend", "simulated", "--automation", question]).exits(0);
    let work = world.work().display().to_string();
    assert_eq!(
        told.value("QUESTION").unwrap().replace(&work, "/work"),
        "Does /work/src/main.rs do what /work/docs/a b.md says? Ask user@example.org, not @somebody."
    );
    insta::assert_snapshot!(told.stderr.replace(&work, "/work"));
}

#[test]
fn the_path_may_stand_in_the_question_of_the_configuration() {
    let world = World::new();
    world.write("notes.md", "");
    world.write("c.yaml", "prompt: What does @notes.md say?\nagent: {id: a, backend: {type: simulated}}\n");
    let told = world.run(&["--config", "c.yaml", "--automation"]).exits(0);
    let expected = format!("What does {} say?", world.work().join("notes.md").display());
    assert_eq!(told.value("QUESTION"), Some(expected.as_str()));
}

#[test]
fn missing_paths_end_the_run_before_it_begins_and_are_all_named() {
    let world = World::new();
    let told = world.run(&["--backend", "simulated", "Compare @a/b.rs with @\"c d\" and @e.md"]).exits(1);
    let work = world.work().display().to_string();
    assert_eq!(
        told.stderr.replace(&work, "/work"),
        "error: the question names paths that are not there: `@a/b.rs`, `@\"c d\"`, `@e.md`\nhint: looked in /work; where no \
         path is meant, write `\\@`, or add --no-parse-at-references\n"
    );
    assert!(world.log_dirs().is_empty());
}

#[test]
fn names_of_paths_do_not_steer_the_terminal() {
    let world = World::new();
    world.write("a\u{1b}[31m.md", "");
    for question in ["Read @a\u{1b}[31m.md", "Read @./x/b\u{1b}31m.md"] {
        let told = world.run(&["--backend", "simulated", "--automation", question]);
        assert!(!told.stderr.contains('\u{1b}') && told.stderr.contains(".md"), "{told:?}");
    }
}

#[test]
fn several_files_of_one_folder_give_a_hint() {
    let world = World::new();
    for file in ["src/a.rs", "src/b.rs", "src/c.rs"] {
        world.write(file, "");
    }
    let told = world.run(&["--backend", "simulated", "Read @src/a.rs @src/b.rs @src/c.rs"]).exits(0);
    assert!(told.stderr.contains("hint: 3 files of one folder: `@src/` names them all\n"), "{told}");
}

#[test]
fn a_question_can_be_left_as_it_is() {
    let world = World::new();
    world.write("notes.md", "");
    let question = "What are @notes.md,  \\@x and @a/b?";
    let arguments = ["--backend", "simulated", "--automation", "--no-parse-at-references", question];
    assert_eq!(world.run(&arguments).exits(0).value("QUESTION"), Some(question));
}

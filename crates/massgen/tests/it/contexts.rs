//! Real files that agents are to see: from the command line, a question and a configuration.

use std::sync::Arc;

use massgen_protocol::spec::RunSpec;

use crate::program::{Told, World};

const TEAM: &str = "agent: {id: a, backend: {type: simulated, latency_ms: 0}}\n";

/// The specification of the only run.
fn spec(world: &World) -> Arc<RunSpec> {
    let folder = massgen_journal::artifacts::RunFolder::of_turn(world.log_dir(), 1);
    let start = massgen_journal::read_start(&folder.journal_dir()).unwrap().unwrap();
    let massgen_protocol::Event::RunStarted { spec, .. } = start.event else { panic!("no start") };
    spec
}

/// What the agent of the only run sees, as `access path`.
fn seen(world: &World) -> Vec<String> {
    let work = world.work().canonicalize().unwrap().display().to_string();
    let spec = spec(world);
    let contexts = spec.agents[0].workspace.iter().flat_map(|workspace| workspace.contexts.clone());
    contexts
        .map(|context| format!("{:?} {}", context.access, context.path.replace(&work, "[work]")))
        .collect()
}

fn ask(world: &World, config: &str, words: &[&str]) -> Told {
    world.write(".massgen/config.yaml", config);
    world.run(&[&["--automation"], words].concat())
}

#[test]
fn the_folder_of_the_command_line_is_seen_as_asked() {
    for (value, access) in [("ro", "Read"), ("read", "Read"), ("rw", "Write"), ("write", "Write")] {
        let world = World::new();
        let told = ask(&world, TEAM, &["--cwd-context", value, "q"]).exits(0);
        assert_eq!(seen(&world), [format!("{access} [work]")], "{value}");
        assert!(!told.stderr.contains("context_paths"), "{told}");
    }
    let world = World::new();
    let config = format!("{TEAM}orchestrator: {{context_paths: [{{path: ., permission: write}}]}}\n");
    ask(&world, &config, &["--cwd-context", "ro", "q"]).exits(0);
    assert_eq!(seen(&world), ["Write [work]"], "writing wins");
}

#[test]
fn paths_of_a_question_are_seen() {
    let world = World::new();
    world.write("notes.txt", "n");
    world.write("src/main.rs", "m");
    ask(&world, TEAM, &["compare @notes.txt with @src:w"]).exits(0);
    assert_eq!(seen(&world), ["Read [work]/notes.txt", "Write [work]/src"]);
}

#[test]
fn a_context_path_that_is_not_there_stops_the_run_before_it_begins() {
    let world = World::new();
    let config = format!("{TEAM}orchestrator: {{context_paths: [{{path: gone}}]}}\n");
    let told = ask(&world, &config, &["q"]).exits(1);
    assert!(told.stderr.contains("/gone`") && told.stderr.contains("config.yaml:2:"), "{told}");
    assert!(world.log_dirs().is_empty());
}

#[test]
fn tools_whose_file_is_missing_are_left_out_and_told() {
    let world = World::new();
    world.write("there.py", "def g():\n    return 1\n");
    let config = "agent: {id: a, backend: {type: simulated, latency_ms: 0, custom_tools: \
                  [{function: f, path: gone.py}, {function: g, path: there.py}]}}\n";
    let named = ["--config", ".massgen/config.yaml", "q"];
    let told = ask(&world, config, &named).exits(0);
    assert!(told.stderr.contains("agents do without `f`"), "{told}");
    assert_eq!(spec(&world).agents[0].tooling.custom.len(), 1);
}

#[test]
fn two_runs_have_workspaces_of_their_own() {
    let folders: Vec<_> = (0..2)
        .map(|_| {
            let world = World::new();
            let config = "agent: {id: a, backend: {type: simulated, latency_ms: 0, cwd: workspace1}}\n";
            ask(&world, config, &["q"]).exits(0);
            let folder = spec(&world).agents[0].workspace.clone().unwrap().folder;
            folder.rsplit_once('/').unwrap().1.to_owned()
        })
        .collect();
    assert!(folders.iter().all(|name| name.starts_with("workspace_")), "{folders:?}");
    assert_ne!(folders[0], folders[1]);
}

//! Bad input gets a clear error, and nothing is begun.

use crate::program::{Told, World};
use crate::run_folder::team;

/// Runs and checks that nothing was begun: no log folder, nothing on stdout.
fn refused(world: &World, arguments: &[&str], code: i32) -> Told {
    let told = world.run(arguments).exits(code);
    assert!(told.stdout.is_empty() && told.stderr.contains("error: "), "{told}");
    assert!(world.log_dirs().is_empty(), "{told}");
    told
}

fn refused_config(text: &[u8]) -> String {
    let world = World::new();
    fs_err::write(world.work().join("c.yaml"), text).unwrap();
    refused(&world, &["--config", "c.yaml", "q"], 1).stderr
}

#[test]
fn a_configuration_that_cannot_be_read_is_named_with_the_reason() {
    let world = World::new();
    let told = refused(&world, &["--config", ".", "q"], 1);
    assert!(told.stderr.starts_with("error: cannot read the configuration `.`: it is a folder\n"), "{told}");
    let error = refused_config(&[0xff, 0xfe, 0x00, 0x80]);
    assert!(
        error.starts_with("error: cannot read the configuration `c.yaml`: it is not text in UTF-8\n"),
        "{error}"
    );
    let error = refused_config(&vec![b'a'; 20_000_000]);
    assert!(error.contains("it has 20000000 bytes; at most 2097152 are read"), "{error}");
}

#[test]
fn a_configuration_that_is_wrong_is_told_with_line_column_and_hint() {
    let error = refused_config(b"agents:\n- id: a\n  backend: {type: opnai}\n");
    assert!(error.starts_with("c.yaml:3:19: error: unknown backend type `opnai`\n"), "{error}");
    assert!(error.contains("hint: did you mean `openai`?"), "{error}");
    let error = refused_config(
        b"agents:\n- {id: a, backend: {type: simulated}}\n- {id: a, backend: {type: simulated}}\n",
    );
    assert!(error.starts_with("c.yaml:3:8: error: two agents have the id `a`\n"), "{error}");
    let error = refused_config(b"agents:\n  - id: a\n   backend: {");
    assert!(error.starts_with("c.yaml:3:4: error: "), "{error}");
    let error = refused_config(b"");
    assert!(error.starts_with("c.yaml:1:1: error: the configuration is empty\n"), "{error}");
    let error = refused_config(b"agents: [{id: a, backend: {type: simulated, latncy_ms: 3}}]");
    assert!(error.contains("unknown key `latncy_ms`") && error.contains("latency_ms"), "{error}");
}

#[test]
fn all_that_is_wrong_is_told_at_once() {
    let error = refused_config(
        b"agents:\n- {id: a, backend: {type: nope}}\norchestrator: {max_new_answers_per_agent: -3}\n",
    );
    assert!(
        error.contains("c.yaml:2:") && error.contains("c.yaml:3:") && error.contains("2 errors in c.yaml"),
        "{error}"
    );
}

#[test]
fn a_question_must_be_there_and_have_a_word() {
    let configured = team();
    let bare = World::new();
    for question in ["", "   ", "\n\t"] {
        let told = refused(&configured, &[question], 1);
        assert!(told.stderr.contains("the question is empty"), "{told}");
        refused(&bare, &[question], 2);
    }
    let told = refused(&configured, &[], 2);
    assert!(told.stderr.contains("there is no question"), "{told}");
    assert!(told.stderr.contains("hint: write it behind the command"), "{told}");
    let told = refused(&bare, &[], 2);
    assert!(told.stderr.contains("there is no question, and nothing is configured yet"), "{told}");
}

#[test]
fn an_unknown_backend_on_the_command_line_gets_a_suggestion() {
    let told = refused(&World::new(), &["--backend", "opnai", "q"], 1);
    assert!(told.stderr.contains("unknown backend type `opnai`"), "{told}");
    assert!(told.stderr.contains("hint: did you mean `openai`?"), "{told}");
}

#[test]
fn limits_out_of_range_are_told_with_their_range() {
    let world = team();
    for (flag, value) in
        [("--max-cost", "-1"), ("--max-cost", "nan"), ("--orchestrator-timeout", "0"), ("--max-tokens", "-1")]
    {
        let told = refused(&world, &[flag, value, "q"], 2);
        assert!(told.stderr.contains("it takes ") && told.stderr.contains(flag), "{told}");
    }
    world.write(
        "c.yaml",
        "agent: {id: a, backend: {type: simulated}}\norchestrator: {budget: {max_cost: -1}}\n",
    );
    let told = refused(&world, &["--config", "c.yaml", "q"], 1);
    assert!(told.stderr.contains("must be a number"), "{told}");
}

#[test]
fn a_log_folder_that_cannot_be_written_is_named_with_a_way_out() {
    let world = team();
    world.write(".massgen/massgen_logs", "a file");
    let told = world.run(&["q"]).exits(1);
    let base = world.work().join(".massgen/massgen_logs");
    assert!(told.stderr.contains(&format!("error: cannot use `{}/log_", base.display())), "{told}");
    assert!(told.stderr.contains("set MASSGEN_LOG_BASE_DIR to another one"), "{told}");
    world.run_with(&[("MASSGEN_LOG_BASE_DIR", "elsewhere")], &["q"]).exits(0);
    assert!(world.work().join("elsewhere").read_dir().unwrap().next().is_some());
    let told = world.run_with(&[("MASSGEN_LOG_BASE_DIR", "/proc/nothing")], &["q"]).exits(1);
    assert!(told.stderr.contains("/proc/nothing/log_"), "{told}");
}

#[test]
fn files_that_could_not_be_written_at_the_end_are_refused_at_the_beginning() {
    let world = team();
    world.write("file", "");
    fs_err::create_dir(world.work().join("folder")).unwrap();
    let told = refused(&world, &["--output-file", "folder", "q"], 1);
    assert!(told.stderr.contains("the output file cannot be written"), "{told}");
    refused(&world, &["--output-file", "file/below", "q"], 1);
    let told = refused(&world, &["--inbox-dir", "file", "q"], 1);
    assert!(told.stderr.contains("the inbox cannot be used"), "{told}");
    refused(&world, &["--record", "folder", "q"], 1);
    refused(&world, &["--replay", "missing", "q"], 1);
}

#[test]
fn a_script_that_is_wrong_is_told_with_its_place() {
    let world = World::scripted(1, "agents:\n  agent_a: {replies: [[{shout: loud}]]}\n");
    let told = refused(&world, &["q"], 1);
    assert!(told.stderr.contains("script.yaml` is wrong at line 2"), "{told}");
    let world = World::scripted(1, "agents:\n  agent_x: {replies: []}\n");
    let told = refused(&world, &["q"], 1);
    assert!(told.stderr.contains("this is for agent `agent_x`, which the run does not have"), "{told}");
}

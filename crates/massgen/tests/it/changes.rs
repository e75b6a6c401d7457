//! What is proposed, chosen and told of the changes of a project.

use serde_json::{Value, json};

use crate::lab::program;
use crate::program::Told;
use crate::projects::{Project, TWO_FILES, apply_the_first, json_of};

/// Changes the first and the last of the lines of `long.txt`.
const TWO_PLACES: &str = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__read_file, arguments: {path: .worktree/ctx_1/long.txt}}
      - - call:
            tool: mcp__filesystem__edit_file
            arguments:
              path: .worktree/ctx_1/long.txt
              edits: [{oldText: "first", newText: "FIRST"}, {oldText: "last", newText: "LAST"}]
      - - answer: "done"
"#;

/// A project with a file that `TWO_PLACES` changes in two places.
fn two_places() -> (Project, [String; 3]) {
    let project = Project::new(1, TWO_PLACES);
    let of = |first: &str, last: &str| format!("{first}\n{}{last}\n", "same\n".repeat(30));
    project.world.write("long.txt", &of("first", "last"));
    (project, [of("FIRST", "last"), of("first", "LAST"), of("FIRST", "LAST")])
}

#[test]
fn places_of_a_file_are_chosen_at_a_terminal_and_the_others_applied_later() {
    let (project, [first, _, both]) = two_places();
    let terminal = project.reviewed();
    // Two down: the places, for there is one file only.
    apply_the_first(terminal, "Which places?");
    assert_eq!(project.text("long.txt"), first);
    let result = json_of(&project.world.attempt().join("review_result.json"));
    assert_eq!(
        (&result["approved_files"], &result["resolved_by"]),
        (&json!(["long.txt"]), &json!("terminal"))
    );

    let told = project.run(&["apply", "--hunk", "long.txt:2"]).exits(0);
    assert!(told.stdout.contains("1 file changed"), "{told}");
    assert_eq!(project.text("long.txt"), both, "what was applied before is no change of somebody else");
    project.run(&["undo", "latest"]).exits(0);
    assert_eq!(project.text("long.txt"), first);
    project.run(&["apply"]).exits(0);
    assert_eq!(project.text("long.txt"), both);
}

#[test]
fn places_are_named_by_the_numbers_that_are_shown() {
    let (project, [_, last, both]) = two_places();
    project.ask().exits(0);
    project.run(&["undo", "latest"]).exits(0);
    let told = project.run(&["changes"]).exits(0);
    let begins = "  M  +2 -2  long.txt  (not applied)\n      1. line 1, +1 -1: - first\n      2. line 32, +1 -1: - last\n";
    assert!(told.stdout.contains(begins), "{told}");
    for (wrong, why) in [
        ("long.txt:3", "`long.txt` changed in 2 places; there is no place 3"),
        ("long.txt:0", "`long.txt` changed in 2 places; there is no place 0"),
        ("long.txt", "`long.txt` names no place of a file"),
        ("b.txt:1", "the run did not change `b.txt`"),
    ] {
        let told = project.run(&["apply", "--hunk", wrong]).exits(2);
        assert!(told.stderr.contains(why) && told.stderr.contains("massgen changes"), "{told}");
    }
    project.run(&["apply", "--hunk", "long.txt:2"]).exits(0);
    assert_eq!(project.text("long.txt"), last);
    project.run(&["undo", "latest"]).exits(0);
    project.run(&["apply", "--hunk", "long.txt:2", "--hunk", "long.txt:1"]).exits(0);
    assert_eq!(project.text("long.txt"), both);
    for (places, standing) in
        [(&[2][..], "applied in part, and changed since"), (&[2, 1], "applied, and changed since")]
    {
        project.run(&["undo", "latest"]).exits(0);
        for place in places {
            project.run(&["apply", "--hunk", &format!("long.txt:{place}")]).exits(0);
        }
        let applied = project.text("long.txt");
        project.world.write("long.txt", &applied.replacen("same", "mine", 1));
        let told = project.run(&["changes"]).exits(0);
        assert!(told.stdout.contains(&format!("long.txt  ({standing})\n")), "{told}");
        project.world.write("long.txt", &applied);
    }
}

#[test]
fn the_only_place_of_a_file_is_its_first() {
    let project = Project::new(1, TWO_FILES);
    project.ask().exits(0);
    project.run(&["undo"]).exits(0);
    for (wrong, why) in [
        ("b.txt:2", "`b.txt` changed in 1 place; there is no place 2"),
        ("new/new.txt:1", "`new/new.txt` is applied as a whole, with `--file`"),
    ] {
        let told = project.run(&["apply", "--hunk", wrong]).exits(2);
        assert!(told.stderr.contains(why), "{told}");
    }
    project.run(&["apply", "--hunk", "b.txt:1"]).exits(0);
    assert!(project.text("b.txt") == "b, better\n" && !project.has("new/new.txt"));
    let told = project.run(&["apply", "--hunk", "b.txt:1"]).exits(0);
    assert_eq!(told.stdout, "nothing to apply: the file is applied\n");
}

/// Writes below `node_modules`, which no snapshot holds, or does not.
fn packages(path: &str) -> (Project, String) {
    let script = format!(
        "agents: {{default: {{replies: [[{{call: {{tool: mcp__filesystem__write_file, \
         arguments: {{path: .worktree/ctx_1/{path}, content: new}}}}}}], [{{answer: done}}]]}}}}"
    );
    let project = Project::new(1, &script);
    for number in 0..=2_000 {
        project.world.write(&format!("node_modules/{number}.js"), "old\n");
    }
    project.git(&["add", "-f", "node_modules"]);
    let place = project.world.work().display().to_string();
    (project, place)
}

/// What was said on stderr, whichever way it was broken into lines.
fn unwrapped(told: &Told) -> String {
    told.stderr.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_no_snapshot_holds_is_told_before_and_its_changes_are_not_lost_in_silence() {
    let (project, place) = packages("node_modules/new.js");
    let ask =
        |project: &Project| project.run(&["--no-display", "--cwd-context", "rw", "improve it"]).exits(0);
    let told = ask(&project);
    let before = format!("what agents change in `node_modules` of `{place}` is not applied");
    assert!(unwrapped(&told).contains(&before), "{told}");
    let after = format!("warning: not kept, and so not applied to `{place}`: `node_modules`\n");
    assert!(told.stderr.contains(&after), "{told}");
    let copy = project.world.log_dir().join("copies/agent_a_1/node_modules/new.js");
    assert!(copy.is_file() && !project.has("node_modules/new.js"), "{told}");
    let told = project.run(&["changes"]).exits(1);
    assert!(told.stderr.contains(&after), "{told}");

    let (project, place) = packages("beside.js");
    let told = ask(&project);
    assert!(project.has("beside.js") && told.stderr.contains("1 file changed"), "{told}");
    let before = format!("what agents change in `node_modules` of `{place}` is not applied");
    assert!(unwrapped(&told).contains(&before) && !told.stderr.contains("not kept, and so"), "{told}");
    assert!(!project.world.log_dir().join("copies").exists());
}

/// Replaces a protected file of the copy, with a command and so past the file tools, and writes another one.
const PROTECTED: &str = r#"
agents:
  default:
    replies:
      - - call:
            tool: mcp__command_line__execute_command
            arguments: {command: "cd .worktree/ctx_1 && echo mine > new.txt; echo mine > other && mv -f other a.txt"}
      - - answer: "done"
"#;

/// With the context path and this `write_mode` in the configuration.
fn configured(script: &str, context: &Value, write_mode: &str) -> Project {
    let project = Project::with(
        1,
        script,
        &json!({ "enable_mcp_command_line": true }),
        &json!({ "write_mode": write_mode }),
    );
    let path = project.at(".massgen/config.yaml");
    let mut config = json_of(&path);
    config["orchestrator"]["context_paths"] = json!([context]);
    fs_err::write(path, config.to_string()).unwrap();
    project
}

#[test]
fn protected_files_stay_as_they_are_and_that_is_told() {
    let context = json!({ "path": ".", "permission": "write", "protected_paths": ["a.txt"] });
    let project = configured(PROTECTED, &context, "auto");
    let before = project.text("a.txt");
    let told = project.run(&["--automation", "improve it"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 1 file\n"), "{told}");
    assert!(told.stderr.contains("not applied: a.txt (it is protected)\n"), "{told}");
    assert_eq!((project.text("a.txt"), project.text("new.txt")), (before, "mine\n".to_owned()));
}

#[test]
fn programs_that_run_with_all_rights_are_not_replaced_by_what_an_agent_made_of_them() {
    const SCRIPT: &str = r#"
agents:
  default:
    replies:
      - - call:
            tool: mcp__command_line__execute_command
            arguments: {command: "cd .worktree/ctx_1 && echo 'touch stolen' >> hooks/check.sh && echo mine > hooks/more.sh && echo mine > new.txt"}
      - - answer: "done"
"#;
    let project = configured(SCRIPT, &json!({ "path": ".", "permission": "write" }), "auto");
    program(&project.at("hooks"), "check.sh", "#!/bin/sh\nexit 0\n");
    let mut config = json_of(&project.at(".massgen/config.yaml"));
    // Hooks of a configuration that lies in a project wait for trust; one that is named does not.
    config["hooks"] =
        json!({ "PreToolUse": [{ "type": "command", "matcher": "*", "handler": ["./hooks/check.sh"] }] });
    fs_err::write(project.at("team.yaml"), config.to_string()).unwrap();
    let before = project.text("hooks/check.sh");
    let told = project.run(&["--config", "team.yaml", "--automation", "improve it"]).exits(0);
    assert!(told.stderr.contains("not applied: hooks/check.sh (it is protected)\n"), "{told}");
    assert_eq!((project.text("hooks/check.sh"), project.text("new.txt")), (before, "mine\n".to_owned()));
}

#[test]
fn a_file_whose_mode_and_text_change_says_both() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__command_line__execute_command, arguments: {command: "cd .worktree/ctx_1 && cp run.sh x && cat a.txt > x && echo more >> x && mv -f x a.txt && cp run.sh x && cat b.txt > x && mv -f x b.txt"}}
      - - answer: "done"
"#;
    let project = configured(script, &json!({ "path": ".", "permission": "write" }), "auto");
    project.run(&["--automation", "improve it"]).exits(0);
    let told = project.run(&["changes"]).exits(0);
    assert!(told.stdout.contains("  M  +1 -0 mode  a.txt  (applied)\n"), "{told}");
    assert!(told.stdout.contains("  M  mode        b.txt  (applied)\n"), "{told}");
}

#[test]
fn changes_that_were_not_kept_apart_are_not_said_to_be_none() {
    let project = configured(TWO_FILES, &json!({ "path": ".", "permission": "write" }), "legacy");
    project.run(&["trust"]).exits(0);
    project.run(&["--automation", "improve it"]).exits(0);
    for command in ["changes", "apply"] {
        let told = project.run(&[command]).exits(1);
        let place = project.world.work().display().to_string();
        assert!(told.stderr.contains(&format!("changed in `{place}` was not kept apart")), "{told}");
    }
    let told = project.run(&["undo", "latest"]).exits(1);
    assert!(told.stderr.contains("has nothing applied that can be undone"), "{told}");
}

#[test]
fn isolated_means_a_copy_that_git_of_the_project_knows_nothing_of() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new.txt, content: "new\n"}}
        - call: {tool: mcp__command_line__execute_command, arguments: {command: "git -C .worktree/ctx_1 rev-list --count HEAD > .worktree/ctx_1/count.txt"}}
      - - answer: "done"
"#;
    let project = configured(script, &json!({ "path": ".", "permission": "write" }), "isolated");
    let known = project.known_to_git();
    let told = project.run(&["--automation", "improve it"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
    assert_eq!(project.text("new.txt"), "new\n");
    assert_eq!(project.text("count.txt"), "1\n", "a repository of its own, with what there was");
    assert_eq!(project.known_to_git(), known);
    project.run(&["undo", "latest"]).exits(0);
    assert!(!project.has("new.txt"));
}

//! Runs that change a real git repository: kept apart, applied, declined, undone, and killed.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use massgen_protocol::{Envelope, Event};
use massgen_testkit::crash_point::Side;
use serde_json::{Value, json};

use crate::kill::crashing;
use crate::lab::{mechanisms, search_path};
use crate::program::{MASSGEN, Told, World, files};
use crate::pty::Terminal;

/// A question without anybody at a terminal.
const ASK: [&str; 4] = ["--automation", "--cwd-context", "rw", "improve it"];

/// More commits of a journal than any run here makes.
const MANY: u64 = 200;

/// Writes two files of the project and answers.
pub(crate) const TWO_FILES: &str = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__read_file, arguments: {path: .worktree/ctx_1/b.txt}}
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/b.txt, content: "b, better\n"}}
        - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new/new.txt, content: "new\n"}}
      - - answer: "done"
"#;

/// The same, while somebody changes one of them in the project.
const DRIFTING: &str = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__read_file, arguments: {path: .worktree/ctx_1/b.txt}}
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/b.txt, content: "b, better\n"}}
        - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new/new.txt, content: "new\n"}}
        - call: {tool: meanwhile, arguments: {}}
      - - answer: "done"
tools:
  meanwhile: {result: ok, append_to: b.txt}
"#;

/// Two new files, one after the other.
const NEW_FILES: &str = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/one.txt, content: "new\n"}}
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/two.txt, content: "new\n"}}
      - - answer: "done"
"#;

/// A repository with committed, staged, changed and new files.
pub(crate) struct Project {
    pub(crate) world: World,
}

impl Project {
    pub(crate) fn new(agents: usize, script: &str) -> Self {
        Self::with(agents, script, &json!({}), &json!({}))
    }

    /// With these keys of each backend and of `orchestrator.coordination`.
    pub(crate) fn with(agents: usize, script: &str, backend: &Value, coordination: &Value) -> Self {
        let world = World::new();
        let project = Self { world };
        project.world.write("script.yaml", script);
        let agents: Vec<Value> = (b'a'..)
            .take(agents)
            .map(|letter| {
                let mut of = json!({ "type": "simulated", "script": "script.yaml", "latency_ms": 0, "tokens_per_second": 0 });
                of.as_object_mut().unwrap().extend(backend.as_object().unwrap().clone());
                json!({ "id": format!("agent_{}", char::from(letter)), "backend": of })
            })
            .collect();
        let config = json!({ "agents": agents, "orchestrator": { "coordination": coordination } });
        project.world.write(".massgen/config.yaml", &config.to_string());
        project.git(&["init", "-q", "-b", "main", "."]);
        project.world.write(".git/info/exclude", ".massgen/\nscript.yaml\n");
        for (path, text) in
            [("a.txt", "a\n"), ("b.txt", "b\n"), ("run.sh", "#!/bin/sh\n"), (".gitignore", "build/\n")]
        {
            project.world.write(path, text);
        }
        fs_err::set_permissions(project.at("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
        project.git(&["add", "."]);
        project.git(&["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "first"]);
        project.world.write("a.txt", "a\nnot committed\n");
        project.world.write("staged.txt", "staged\n");
        project.git(&["add", "staged.txt"]);
        project.world.write("untracked.txt", "untracked\n");
        project.world.write("build/product", "ignored\n");
        project
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.world.work().join(path)
    }

    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        let mut command = self.world.command("git", &variables());
        let output = command.args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        self.world.run_with(&variables(), arguments)
    }

    /// Asks at a terminal, and comes back when the review asks.
    pub(crate) fn reviewed(&self) -> Terminal {
        let mut command = self.world.command(MASSGEN, &variables());
        command.args(["--cwd-context", "rw", "improve it"]);
        let mut terminal = Terminal::start(command);
        terminal.hear("What is to be applied?");
        terminal
    }

    pub(crate) fn ask(&self) -> Told {
        self.run(&ASK)
    }

    /// Every file of the project, without those of git and of this program.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = files(&self.world.work());
        files.retain(|path, _| !path.starts_with(".git") && !path.starts_with(".massgen"));
        files
    }

    /// What git knows besides the files: index, branches, stashes, worktrees.
    pub(crate) fn known_to_git(&self) -> String {
        let calls: [&[&str]; 4] = [
            &["ls-files", "-s"],
            &["for-each-ref"],
            &["stash", "list"],
            &["worktree", "list", "--porcelain"],
        ];
        calls.map(|arguments| self.git(arguments)).concat()
    }

    pub(crate) fn text(&self, path: &str) -> String {
        self.world.read(path)
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.at(path).exists()
    }
}

/// The program finds git as a person does.
pub(crate) fn variables() -> Vec<(&'static str, &'static str)> {
    let path: &'static str = option_env!("PATH").unwrap_or("/usr/local/bin:/usr/bin:/bin");
    vec![("PATH", path)]
}

pub(crate) fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap()
}

#[test]
fn changes_land_beside_the_users_own_work_and_undo_takes_exactly_them_back() {
    let project = Project::new(1, TWO_FILES);
    let (before, known) = (project.files(), project.known_to_git());
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
    assert_eq!(project.text("b.txt"), "b, better\n");
    assert_eq!(project.text("new/new.txt"), "new\n");
    let mut others = project.files();
    others.retain(|path, _| path != Path::new("b.txt") && !path.starts_with("new"));
    let mut unchanged = before.clone();
    unchanged.remove(Path::new("b.txt"));
    assert_eq!(others, unchanged);
    assert_eq!(project.known_to_git(), known);

    let attempt = project.world.attempt();
    for workspace in [
        attempt.join("final/agent_a/workspace"),
        project.world.log_dir().join("turn_1/final/agent_a/workspace"),
    ] {
        assert!(
            workspace.is_dir() && !workspace.join(".worktree").exists(),
            "the project is told as changes"
        );
    }
    let result = json_of(&attempt.join("review_result.json"));
    assert_eq!((&result["approved"], &result["approved_files"]), (&json!(true), &Value::Null));
    assert_eq!((&result["action"], &result["resolved_by"]), (&json!("approve"), &json!("automatic")));
    let changes = json_of(&attempt.join("changes.json"));
    let listed = json!([{ "path": "b.txt", "status": "M" }, { "path": "new/new.txt", "status": "A" }]);
    assert_eq!(changes[0]["changes"], listed);
    assert!(fs_err::read_to_string(attempt.join("changes.diff")).unwrap().contains("+b, better\n"));

    let told = project.run(&["undo", "latest"]).exits(0);
    assert!(told.stdout.starts_with("2 files restored in "), "{told}");
    assert_eq!(project.files(), before);
    assert!(!project.has("new"));
    assert_eq!(project.known_to_git(), known);
    let told = project.run(&["undo", "latest"]).exits(1);
    assert!(told.stderr.contains("nothing applied that can be undone"), "{told}");
}

#[test]
fn undo_keeps_what_changed_since_unless_it_is_told_otherwise() {
    let project = Project::new(1, TWO_FILES);
    let before = project.files();
    project.ask().exits(0);
    project.world.write("b.txt", "b, mine\n");
    let told = project.run(&["undo", "latest"]).exits(0);
    assert!(told.stdout.contains("kept: b.txt") && told.stdout.contains("--overwrite"), "{told}");
    assert_eq!(project.text("b.txt"), "b, mine\n");
    assert!(!project.has("new"));
    project.run(&["undo", "latest", "--overwrite"]).exits(0);
    assert_eq!(project.files(), before);
}

#[test]
fn what_somebody_else_changed_meanwhile_is_treated_as_configured() {
    let with =
        |policy: &str| Project::with(1, DRIFTING, &json!({}), &json!({ "drift_conflict_policy": policy }));
    let project = with("skip");
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 1 file\n"), "{told}");
    assert!(told.stderr.contains("not applied: b.txt (it changed in the project meanwhile)"), "{told}");
    assert!(project.text("b.txt").starts_with("b\n") && project.has("new/new.txt"));

    let project = with("fail");
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 0 files\n"), "{told}");
    assert!(
        told.stderr.contains("nothing was changed in the project")
            && told.stderr.contains("`--overwrite` also"),
        "{told}"
    );
    assert!(project.text("b.txt").starts_with("b\n") && !project.has("new"));

    let project = with("prefer_presenter");
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
    assert_eq!(project.text("b.txt"), "b, better\n");
}

#[test]
fn run_that_changes_nothing_says_nothing_about_changes() {
    let project = Project::new(1, "agents: {default: {replies: [[{answer: done}]]}}");
    let (before, known) = (project.files(), project.known_to_git());
    let told = project.ask().exits(0);
    assert_eq!(told.stderr, "");
    assert_eq!((project.files(), project.known_to_git()), (before, known));
    assert!(!project.world.attempt().join("review_result.json").exists());
    let told = project.run(&["changes"]).exits(1);
    assert!(told.stderr.contains("changed nothing"), "{told}");
}

#[test]
fn folder_that_cannot_be_kept_apart_as_asked_stops_the_run_before_it_is_paid() {
    let world = World::new();
    let config = "agent: {id: a, backend: {type: simulated, latency_ms: 0}}\n\
                  orchestrator: {coordination: {write_mode: worktree}}\n";
    world.write(".massgen/config.yaml", config);
    let told = world.run_with(&variables(), &["--automation", "--cwd-context", "rw", "q"]).exits(1);
    assert!(
        told.stderr.contains("in no git repository") && told.stderr.contains("write_mode: auto"),
        "{told}"
    );
    assert!(!told.stdout.contains("QUESTION"), "{told}");
}

#[test]
fn plain_folder_is_changed_and_restored_too() {
    let world = World::scripted(1, TWO_FILES);
    world.write("b.txt", "b\n");
    world.run_with(&variables(), &["--automation", "--cwd-context", "rw", "q"]).exits(0);
    assert_eq!((world.read("b.txt"), world.read("new/new.txt")), ("b, better\n".into(), "new\n".into()));
    world.run_with(&variables(), &["undo", "latest"]).exits(0);
    assert_eq!(world.read("b.txt"), "b\n");
    assert!(!world.work().join("new").exists());
}

#[test]
fn part_of_a_repository_is_changed_and_nothing_beside_it() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new.txt, content: "new\n"}}
      - - call:
            tool: mcp__command_line__execute_command
            arguments: {command: "cd .worktree/ctx_1 && echo more >> old.txt && git log --oneline | wc -l > log.txt && echo x > ../../outside.txt"}
      - - answer: "done"
"#;
    let project = Project::with(1, script, &json!({ "enable_mcp_command_line": true }), &json!({}));
    project.world.write("part/old.txt", "old\n");
    let known = project.known_to_git();
    let told = project.run(&["--automation", "improve @part:w"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 3 files\n"), "{told}");
    assert_eq!(project.text("part/old.txt"), "old\nmore\n");
    assert_eq!(project.text("part/new.txt"), "new\n");
    assert_eq!(
        project.text("part/log.txt").trim(),
        "2",
        "the commit of the user, and what was not committed"
    );
    assert!(!project.has("outside.txt"));
    assert_eq!(project.known_to_git(), known);
}

#[test]
fn single_file_is_changed_and_nothing_beside_it() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__read_file, arguments: {path: .worktree/ctx_1/b.txt}}
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/b.txt, content: "b, better\n"}}
        - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/beside.txt, content: "x"}}
        - call: {tool: mcp__command_line__execute_command, arguments: {command: "echo x > .worktree/ctx_1/new.txt"}}
      - - answer: "done"
"#;
    let project = Project::with(1, script, &json!({ "enable_mcp_command_line": true }), &json!({}));
    let told = project.run(&["--automation", "improve @b.txt:w"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 1 file\n"), "{told}");
    assert_eq!(project.text("b.txt"), "b, better\n");
    assert!(!project.has("beside.txt") && !project.has("new.txt"));
    // A tool says so at once; of what a command does it is told at the end.
    let events = project.world.read(project.world.attempt().join("events.jsonl"));
    assert!(events.contains("beside.txt` would be dropped"), "{events}");
    assert!(told.stderr.contains("not applied: `new.txt`; agents were to change `"), "{told}");
    // That it is one file is as it was wanted.
    let journal = massgen_journal::read(&project.world.log_dir()).unwrap();
    let is_degraded = |envelope: &Envelope| matches!(envelope.event, Event::Degraded { .. });
    assert!(!journal.iter().any(is_degraded), "{events}");
}

#[test]
fn single_file_that_was_moved_in_its_copy_stays_and_that_is_told() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__command_line__execute_command, arguments: {command: "mv .worktree/ctx_1/b.txt .worktree/ctx_1/new.txt"}}
      - - answer: "done"
"#;
    let project = Project::with(1, script, &json!({ "enable_mcp_command_line": true }), &json!({}));
    let before = project.files();
    let told = project.run(&["--automation", "improve @b.txt:w"]).exits(0);
    let place = project.at("b.txt").display().to_string();
    let shown = format!(
        "not applied: `new.txt`; agents were to change `{place}` alone; it may have been moved there, and is not deleted\n"
    );
    assert!(told.stderr.contains(&shown), "{told}");
    assert_eq!(project.files(), before);
}

#[test]
fn a_file_inside_of_a_folder_that_may_be_changed_is_changed_in_one_copy() {
    let project = Project::new(1, TWO_FILES);
    let told = project.run(&["--automation", "--cwd-context", "rw", "improve @b.txt:w"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
    assert_eq!((project.text("b.txt"), project.text("new/new.txt")), ("b, better\n".into(), "new\n".into()));
}

#[test]
fn changes_of_two_folders_are_applied_in_both_or_in_none() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new.txt, content: "new\n"}}
        - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_2/new.txt, content: "new\n"}}
        - call: {tool: meanwhile, arguments: {}}
      - - answer: "done"
tools:
  meanwhile: {result: ok, append_to: FILE}
"#;
    let ask = |meanwhile: &str| {
        let script = script.replace("FILE", meanwhile);
        let project = Project::with(1, &script, &json!({}), &json!({ "drift_conflict_policy": "fail" }));
        project.world.write("one/old.txt", "old\n");
        project.world.write("two/old.txt", "old\n");
        let told = project.run(&["--automation", "improve @one:w and @two:w"]).exits(0);
        (project, told)
    };
    let (project, told) = ask("elsewhere.txt");
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
    assert!(project.has("one/new.txt") && project.has("two/new.txt"));
    let (project, told) = ask("two/new.txt");
    assert!(told.stderr.contains("CHANGES_APPLIED: 0 files\n"), "{told}");
    assert!(!project.has("one/new.txt"), "{told}");
    let told = project.run(&["apply", "--file", "/nowhere::new.txt"]).exits(2);
    assert!(told.stderr.contains("massgen changes"), "{told}");
    let name = format!("{}::new.txt", project.at("one").display());
    project.run(&["apply", "--file", &name]).exits(0);
    assert!(project.has("one/new.txt"));
}

/// The program, killed after its n-th commit; whether it was.
fn killed(project: &Project, append: u64) -> bool {
    let program = std::env::current_exe().unwrap();
    let command: Command = project.world.command(program.to_str().unwrap(), &variables());
    let arguments = ["--automation", "--cwd-context", "rw", "improve it"];
    let output = crashing(command, &arguments, Some((append, Side::After))).output().unwrap();
    output.status.code().is_none()
}

#[test]
fn killed_at_any_commit_a_run_goes_on_and_applies_once() {
    let mut applied = Vec::new();
    for append in 1..MANY {
        let project = Project::new(1, NEW_FILES);
        let (before, known) = (project.files(), project.known_to_git());
        if !killed(&project, append) {
            // Only a call that was cut off is not made again.
            assert!(applied.iter().filter(|number| **number == 2).count() > applied.len() / 2, "{applied:?}");
            // The last kill came when the answer was there and nothing was applied yet.
            assert_eq!(applied.last(), Some(&2));
            return;
        }
        assert_eq!(project.files(), before, "killed after commit {append}");
        assert_eq!(project.git(&["worktree", "list"]).lines().count(), 2, "its copy is kept");
        let told = project.run(&["--automation", "--resume", "latest"]).exits(0);
        let changes = json_of(&project.world.attempt().join("changes.json"));
        let listed = changes[0]["changes"].as_array().unwrap();
        let mut expected = before.clone();
        for change in listed {
            assert_eq!(change["status"], "A");
            expected.insert(change["path"].as_str().unwrap().into(), b"new\n".to_vec());
        }
        assert_eq!(project.files(), expected, "after commit {append}: {told}");
        assert_eq!(project.known_to_git(), known, "nothing is left behind");
        assert!(told.stderr.contains("CHANGES_APPLIED: "), "{told}");
        let told = project.run(&["--automation", "--resume", "latest"]).exits(0);
        assert!(!told.stderr.contains("CHANGES_APPLIED"), "{told}");
        project.run(&["undo", "latest"]).exits(0);
        assert_eq!(project.files(), before);
        applied.push(listed.len());
    }
    panic!("the run does not end");
}

/// A project whose run was killed while it put changes into place: one of two is there.
pub(crate) fn half_applied() -> (Project, BTreeMap<PathBuf, Vec<u8>>) {
    let project = Project::new(1, TWO_FILES);
    let before = project.files();
    project.ask().exits(0);
    let application = project.world.log_dir().join("changes/1");
    let record = application.join("1/changes.json");
    let mut state = json_of(&record);
    assert_eq!(state["state"], "applied");
    state["state"] = json!("applying");
    fs_err::write(record, state.to_string()).unwrap();
    fs_err::remove_file(application.join("outcome.json")).unwrap();
    fs_err::remove_dir_all(project.at("new")).unwrap();
    (project, before)
}

#[test]
fn half_an_application_is_ended_by_whoever_comes_next() {
    let (project, _) = half_applied();
    let told = project.run(&["--automation", "--resume", "latest"]).exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files"), "{told}");
    assert_eq!((project.text("b.txt"), project.text("new/new.txt")), ("b, better\n".into(), "new\n".into()));

    let (project, before) = half_applied();
    project.run(&["undo", "latest"]).exits(0);
    assert_eq!(project.files(), before);

    // A new run begins with the project as it was.
    let (project, mut before) = half_applied();
    let script = project.world.write("script.yaml", "agents: {default: {replies: [[{answer: done}]]}}");
    before.insert("script.yaml".into(), fs_err::read(script).unwrap());
    project.ask().exits(0);
    assert_eq!(project.files(), before);
}

#[test]
fn copies_of_a_dead_run_go_when_nobody_can_go_on_with_it() {
    let project = Project::new(1, TWO_FILES);
    let known = project.known_to_git();
    assert!(killed(&project, 3));
    let dead = project.world.log_dir();
    let worktrees = |project: &Project| project.git(&["worktree", "list"]).lines().count();
    project.ask().exits(0);
    assert_eq!(worktrees(&project), 2, "it can be resumed");
    fs_err::remove_dir_all(dead).unwrap();
    project.ask().exits(0);
    assert_eq!(project.known_to_git(), known);
}

/// Takes the third entry of the review's menu, marks the first of what it lists under `question`, and applies that.
pub(crate) fn apply_the_first(mut terminal: Terminal, question: &str) {
    terminal.press("\u{1b}[B");
    terminal.press("\u{1b}[B");
    terminal.press("\r");
    terminal.hear(question);
    terminal.press(" ");
    terminal.press("\r");
    terminal.hear("What is chosen");
    terminal.press("\r");
    terminal.hear("massgen undo");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(0), "{shown}");
}

#[test]
fn person_at_a_terminal_chooses_and_applies_the_rest_later() {
    let project = Project::new(1, TWO_FILES);
    let before = project.files();
    let terminal = project.reviewed();
    // Two down: the files. The first one is marked, and what is chosen is applied.
    apply_the_first(terminal, "Which files?");
    assert_eq!(project.text("b.txt"), "b, better\n");
    assert!(!project.has("new"));
    let result = json_of(&project.world.attempt().join("review_result.json"));
    assert_eq!((&result["approved_files"], &result["resolved_by"]), (&json!(["b.txt"]), &json!("terminal")));

    let told = project.run(&["changes"]).exits(0);
    assert!(told.stdout.contains("  A  +1 -0  new/new.txt  (not applied)\n"), "{told}");
    let diff = project.run(&["changes", "--diff"]).exits(0).stdout;
    assert!(diff.contains("+++ b/new/new.txt\n"), "{diff}");
    project.run(&["apply", "--file", "nothing.txt"]).exits(2);
    project.run(&["apply", "--file", "new/new.txt"]).exits(0);
    assert_eq!(project.text("new/new.txt"), "new\n");
    // Each application is taken back by itself, the last one first.
    project.run(&["undo", "latest"]).exits(0);
    assert!(!project.has("new") && project.text("b.txt") == "b, better\n");
    project.run(&["undo", "latest"]).exits(0);
    assert_eq!(project.files(), before);
}

#[test]
fn who_leaves_the_question_changes_nothing() {
    let project = Project::new(1, TWO_FILES);
    let before = project.files();
    let mut terminal = project.reviewed();
    terminal.press("\u{3}");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("massgen apply"), "{shown}");
    assert_eq!(project.files(), before);
    project.run(&["apply"]).exits(0);
    assert_eq!(project.text("b.txt"), "b, better\n");
}

/// Every agent writes a program of its own and its test, builds both with the compiler of the machine, and runs the test.
/// All vote for the second one.
fn builds() -> String {
    let of_agent =
        |(agent, factor): (&str, u32)| BUILDS.replace("AGENT", agent).replace("FACTOR", &factor.to_string());
    let agents = [("agent_a", 1), ("agent_b", 2), ("agent_c", 3)].map(of_agent);
    format!("agents:{}", agents.concat())
}

const BUILDS: &str = r##"
  AGENT:
    replies:
      - - call:
            tool: mcp__filesystem__write_file
            arguments: {path: .worktree/ctx_1/times.c, content: "int times(int x) { return FACTOR * x; }\n"}
        - call:
            tool: mcp__filesystem__write_file
            arguments:
              path: .worktree/ctx_1/test.c
              content: "#include <stdio.h>\nint times(int);\nint main(void) { printf(\"%d\\n\", times(21)); return 0; }\n"
      - - call:
            tool: mcp__command_line__execute_command
            arguments:
              command: "cd .worktree/ctx_1 && mkdir -p build && cc -Wall -o build/test test.c times.c && ./build/test > result.txt && git status --short > status.txt"
      - - answer: "It is built and tested."
      - - vote: agent_b
"##;

#[test]
fn three_agents_write_build_and_test_programs_in_the_sandbox_and_that_of_the_winner_is_applied() {
    for mechanism in mechanisms("three_agents_write") {
        let project = Project::with(3, &builds(), &json!({ "enable_mcp_command_line": true }), &json!({}));
        let known = project.known_to_git();
        let path = search_path(&project.world, mechanism);
        let told = project.world.run_with(&[("PATH", &path)], &ASK).exits(0);
        assert!(told.stderr.contains("CHANGES_APPLIED: 4 files\n"), "{mechanism}: {told}");
        assert_eq!(project.text("result.txt"), "42\n", "what agent_b made");
        assert_eq!(project.text("times.c"), "int times(int x) { return 2 * x; }\n");
        let result = json_of(&project.world.attempt().join("review_result.json"));
        assert_eq!((&result["approved"], &result["approved_files"]), (&json!(true), &Value::Null));
        assert_eq!((&result["action"], &result["resolved_by"]), (&json!("approve"), &json!("automatic")));
        // What git ignores is a product of the build and stays where it was made.
        assert!(!project.has("build/test"));
        // Git can be asked in the copy, and knows that the user's own work was there before.
        let status = project.text("status.txt");
        let names: Vec<&str> = status.lines().collect();
        assert_eq!(names, ["?? result.txt", "?? status.txt", "?? test.c", "?? times.c"]);
        assert_eq!(project.known_to_git(), known);
    }
}

#[test]
fn next_turn_begins_with_the_workspace_of_the_one_before() {
    let note = "agents: {default: {replies: [[{call: {tool: mcp__filesystem__write_file, \
                arguments: {path: note.txt, content: kept}}}], [{answer: first}]]}}";
    let world = World::scripted(2, note);
    let agents = ["a", "b"].map(|letter| {
        let cwd = format!("workspace_{letter}");
        let backend = json!({ "type": "simulated", "script": "script.yaml", "latency_ms": 0, "cwd": cwd });
        json!({ "id": format!("agent_{letter}"), "backend": backend })
    });
    world.write(".massgen/config.yaml", &json!({ "agents": agents }).to_string());
    world.run(&["--automation", "first?"]).exits(0);
    world.write("script.yaml", "agents: {default: {replies: [[{answer: second}]]}}");
    world.run(&["--automation", "--continue", "second?"]).exits(0);
    let answers = fs_err::read_dir(world.log_dir().join("turn_2/final")).unwrap();
    let answer = answers.map(|entry| entry.unwrap().path()).next().unwrap();
    assert_eq!(world.read(answer.join("workspace/note.txt")), "kept");
}

#[test]
fn files_that_were_voted_for_are_applied_and_not_what_came_after_them() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new.txt, content: "good\n"}}
      - - answer: "done"
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/new.txt, content: "bad\n"}}
        - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/half.txt, content: "done\n"}}
      - - vote: agent_a
    present:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: .worktree/ctx_1/last.txt, content: "final\n"}}
      - - answer: "It is done."
"#;
    let project = Project::new(1, script);
    let told = project.ask().exits(0);
    assert!(told.stderr.contains("CHANGES_APPLIED: 2 files\n"), "{told}");
    assert_eq!((project.text("new.txt"), project.text("last.txt")), ("good\n".into(), "final\n".into()));
    assert!(!project.has("half.txt"));
}

#[test]
fn without_isolation_the_project_changes_also_when_no_new_final_answer_is_wanted() {
    let script = r#"
agents:
  default:
    replies:
      - - answer: "done"
      - - vote: agent_a
    present:
      - - call: {tool: mcp__filesystem__write_file, arguments: {path: "NEW", content: "new\n"}}
      - - answer: "It is done."
"#;
    let project = Project::with(1, script, &json!({}), &json!({ "write_mode": "legacy" }));
    let config = project.text(".massgen/config.yaml");
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["orchestrator"]["final_answer_strategy"] = json!("winner_reuse");
    project.world.write(".massgen/config.yaml", &config.to_string());
    let path = project.at("new.txt").display().to_string();
    project.world.write("script.yaml", &script.replace("NEW", &path));
    project.run(&["trust"]).exits(0);
    project.ask().exits(0);
    assert_eq!(project.text("new.txt"), "new\n");
    let told = project.world.read(project.world.attempt().join("events.jsonl"));
    assert!(told.contains("write_mode: legacy"), "{told}");
}

#[test]
fn file_that_is_too_large_to_be_kept_is_told() {
    let script = r#"
agents:
  default:
    replies:
      - - call: {tool: mcp__command_line__execute_command, arguments: {command: "truncate -s 257M big.bin; echo x > small.txt"}}
      - - answer: "done"
      - - vote: agent_a
"#;
    let project = Project::with(1, script, &json!({ "enable_mcp_command_line": true }), &json!({}));
    let told = project.run(&["question"]).exits(0);
    assert!(told.stderr.contains("big.bin (a file of 257 MB; files above 256 MB are not kept)"), "{told}");
}

//! The command tool in the sandbox of this machine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use massgen_ports::{ToolHost, Unwatched};
use massgen_protocol::limits::TOOL_RESULT_IN_PROMPT_BYTES;
use massgen_protocol::tooling::{
    CommandNetwork, CommandPlace, CommandSpec, FileTools, ReadMode, SandboxSpec,
};
use massgen_protocol::workspace::{
    Access, ContextKind, ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec,
};
use massgen_protocol::{AgentId, AgentNo, CallId, ToolCall, ToolOutcome, ToolUse};
use massgen_sandbox::{Limits, Machine, Mechanism, Sandbox};
use massgen_testkit::clock::TestClock;
use massgen_testkit::mechanisms::not_tried;
use massgen_tools::commands::{Checks, CommandSource, CommandTools, Rights, SandboxRunner, SandboxSettings};
use massgen_tools::{AgentTools, Desk, FileSource, Selection, ToolBox, ToolBoxParts};
use massgen_workspace::access::{Contexts, Managed};
use serde_json::{Value, json};

/// An agent in a folder of its own, with a project that holds our journal.
struct House {
    root: PathBuf,
    tools: ToolBox,
    decisions: Arc<Mutex<Vec<String>>>,
    _folder: tempfile::TempDir,
}

impl House {
    fn new(sandbox: &Arc<Sandbox>, mechanism: Mechanism, read: ReadMode) -> Self {
        Self::with(sandbox, mechanism, read, Contexts::ReadOnly)
    }

    fn with(sandbox: &Arc<Sandbox>, mechanism: Mechanism, read: ReadMode, contexts: Contexts) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        for name in
            ["ws", "peers/agent2", "home/.ssh", "home/notes", "scratch", "project/logs", "project/src"]
        {
            fs_err::create_dir_all(root.join(name)).expect("made");
        }
        for (name, text) in [
            ("home/.ssh/id", "the secret"),
            ("home/notes/a", "a note"),
            ("peers/agent2/a.txt", "of a peer"),
            ("project/logs/journal.db", "the journal"),
            ("project/src/main.rs", "fn main() {}"),
        ] {
            fs_err::write(root.join(name), text).expect("written");
        }
        let name = |name: &str| root.join(name).to_str().expect("text").to_owned();
        let spec = WorkspaceSpec {
            folder: name("ws"),
            peers: name("peers"),
            contexts: vec![ContextPath {
                path: name("project"),
                access: Access::Write,
                kind: ContextKind::Folder,
                protected: Vec::new(),
            }],
            isolation: Isolation::Auto,
            drift: DriftPolicy::Skip,
            deletion: Deletion::AfterReading,
        };
        let managed = Managed::of(&spec, contexts).expect("all are there");
        let managed = managed.with_hidden(&root.join("project/logs"));
        let desk = Arc::new(Desk::new(managed, spec.deletion));
        let sandboxed = SandboxSpec {
            read,
            readable: Vec::new(),
            unreadable: Vec::new(),
            sockets: Vec::new(),
            network: CommandNetwork::None,
        };
        let settings = SandboxSettings {
            mechanism,
            spec: sandboxed.clone(),
            limits: Limits::STANDARD,
            scratch: root.join("scratch"),
            home: Some(root.join("home")),
            search_path: std::env::var_os("PATH").unwrap_or_default(),
        };
        let commands = CommandSpec {
            place: CommandPlace::Sandbox(sandboxed),
            allowed: Vec::new(),
            blocked: Vec::new(),
            time: Duration::from_mins(1),
        };
        let tools = CommandTools {
            desk: desk.clone(),
            checks: Checks::new(&commands, Rights::User).expect("patterns"),
            runner: Arc::new(SandboxRunner::new(sandbox.clone(), settings)),
            time: commands.time,
        };
        let (decisions, count) = (Arc::new(Mutex::new(Vec::new())), AtomicU64::new(1));
        let kept = decisions.clone();
        let tools = ToolBox::new(ToolBoxParts {
            agents: BTreeMap::from([(
                agent(),
                AgentTools {
                    desk: Some(desk.clone()),
                    selection: Selection::default(),
                    permissions: None,
                    approver: None,
                    lost: Vec::new(),
                },
            )]),
            sources: vec![
                Arc::new(FileSource::new(BTreeMap::from([(agent(), (desk, FileTools::All))]))),
                Arc::new(CommandSource::new(BTreeMap::from([(agent(), tools)]))),
            ],
            clock: Arc::new(TestClock::start()),
            ids: Arc::new(move || count.fetch_add(1, Ordering::Relaxed)),
            decisions: Arc::new(move |record| {
                kept.lock().expect("kept").push(format!("{} {}", record.action, record.target));
            }),
            hooks: None,
        });
        Self { root, tools: tools.expect("tools"), decisions, _folder: folder }
    }

    async fn call(&self, name: &str, arguments: Value) -> ToolOutcome {
        let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: arguments.to_string() };
        let tool_use = ToolUse { call: CallId { agent: AgentNo::from_index(0), number: 1 }, index: 0 };
        self.tools.run(&agent(), tool_use, call, Arc::new(Unwatched)).await.outcome
    }

    async fn run(&self, command: &str) -> Value {
        self.run_with(json!({"command": command})).await
    }

    async fn run_with(&self, arguments: Value) -> Value {
        match self.call("execute_command", arguments.clone()).await {
            ToolOutcome::Ok { text, .. } | ToolOutcome::Error { text } => {
                serde_json::from_str(&text).expect("JSON")
            }
            other => panic!("{arguments}: {other:?}"),
        }
    }

    fn at(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }
}

fn agent() -> AgentId {
    AgentId::new("a").expect("an id")
}

async fn sandbox() -> Arc<Sandbox> {
    let helper = Path::new(env!("CARGO_BIN_EXE_massgen-tools-helper")).to_path_buf();
    let machine = Machine::look(std::env::vars_os()).expect("the machine is looked at");
    Arc::new(Sandbox::find(helper, machine).await)
}

/// The mechanisms of this machine.
fn mechanisms(sandbox: &Sandbox) -> Vec<Mechanism> {
    let mut found = Vec::new();
    match &sandbox.available().bubblewrap {
        Ok(_) => found.push(Mechanism::Bubblewrap),
        Err(unavailable) => not_tried("the command tool", "bubblewrap", &unavailable.reason),
    }
    match &sandbox.available().landlock {
        Ok(()) => found.push(Mechanism::Landlock),
        Err(unavailable) => not_tried("the command tool", "Landlock", &unavailable.reason),
    }
    found
}

#[tokio::test]
async fn commands_reach_what_file_tools_reach_and_no_more() {
    let sandbox = sandbox().await;
    for mechanism in mechanisms(&sandbox) {
        let house = House::new(&sandbox, mechanism, ReadMode::Confined);
        for (command, success) in [
            ("echo x > made && cat made".to_owned(), true),
            (format!("cat {}", house.at("peers/agent2/a.txt")), true),
            (format!("cat {}", house.at("project/src/main.rs")), true),
            ("test -w \"$HOME\" && test -w \"$TMPDIR\"".to_owned(), true),
            (format!("echo x > {}", house.at("peers/agent2/a.txt")), false),
            (format!("echo x > {}", house.at("project/src/main.rs")), false),
            (format!("cat {}", house.at("project/logs/journal.db")), false),
            (format!("echo x > {}", house.at("project/logs/journal.db")), false),
            (format!("cat {}", house.at("home/.ssh/id")), false),
            (format!("cat {}", house.at("home/notes/a")), false),
            (format!("ln -s {} out && cat out", house.at("home/.ssh/id")), false),
            ("exit 3".to_owned(), false),
        ] {
            let told = house.run(&command).await;
            assert_eq!(told["success"], success, "{mechanism}: {told}");
        }
        assert_eq!(fs_err::read_to_string(house.at("project/logs/journal.db")).expect("read"), "the journal");
        assert_eq!(house.run("exit 3").await["exit_code"], 3);
        assert!(house.decisions.lock().expect("kept").contains(&"command exit 3".to_owned()));
    }
}

#[tokio::test]
async fn what_is_made_beside_something_hidden_stays_and_what_is_hidden_is_out_of_reach() {
    let sandbox = sandbox().await;
    for mechanism in mechanisms(&sandbox) {
        let house = House::with(&sandbox, mechanism, ReadMode::Confined, Contexts::AsWritten);
        let new = format!("cd {} && echo x > new.txt && mkdir -p build/deep", house.at("project"));
        // Landlock takes nothing from a tree: it gives the parts of it instead.
        let can_make = mechanism == Mechanism::Bubblewrap;
        assert_eq!(house.run(&new).await["success"], can_make, "{mechanism}");
        assert_eq!(house.root.join("project/new.txt").exists(), can_make, "{mechanism}");
        assert_eq!(house.run(&format!("echo x > {}", house.at("project/src/a"))).await["success"], true);
        let logs = house.at("project/logs");
        for line in ["cat logs/journal.db", "echo x > logs/new", "mv logs other", "rm -r logs"] {
            let told = house.run(&format!("cd {} && {line}", house.at("project"))).await;
            assert_eq!(told["success"], false, "{mechanism} {line}: {told}");
        }
        let left: Vec<_> = fs_err::read_dir(&logs).expect("it is there").flatten().collect();
        assert_eq!(left.len(), 1, "{mechanism}: {left:?}");
    }
}

#[tokio::test]
async fn an_open_sandbox_reads_all_but_secrets() {
    let sandbox = sandbox().await;
    for mechanism in mechanisms(&sandbox) {
        let house = House::new(&sandbox, mechanism, ReadMode::Open);
        let told = house.run("cat /etc/fstab /etc/shadow- /etc/hostname; echo done").await;
        assert!(told["stdout"].as_str().is_some_and(|text| text.ends_with("done\n")), "{mechanism}: {told}");
        assert_eq!(house.run(&format!("cat {}", house.at("home/.ssh/id"))).await["success"], false);
        assert_eq!(
            house.run(&format!("cat {}", house.at("project/logs/journal.db"))).await["success"],
            false
        );
        assert_eq!(house.run("echo x > made").await["success"], true, "{mechanism}");
    }
}

#[tokio::test]
async fn a_hundred_million_bytes_of_output_are_bounded_and_told() {
    let sandbox = sandbox().await;
    let mechanism = sandbox.available().best().unwrap_or(Mechanism::Unconfined);
    let house = House::new(&sandbox, mechanism, ReadMode::Confined);
    let outcome =
        house.call("execute_command", json!({"command": "head -c 100000000 /dev/zero | tr '\\0' 'x'"})).await;
    let ToolOutcome::Ok { text, .. } = outcome else { panic!("{outcome:?}") };
    assert!(text.len() < TOOL_RESULT_IN_PROMPT_BYTES && text.contains(".tool_results/"), "{}", text.len());
    assert!(
        text.contains("holds its beginning and its end; 98951424 bytes between them were not kept."),
        "{text}"
    );
    let path = text.split('`').nth(1).expect("a path");
    let kept = fs_err::read_to_string(house.root.join("ws").join(path)).expect("kept");
    assert!(kept.contains("98951424 bytes left out") && kept.len() < 2_000_000, "{}", kept.len());
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_ended_with_all_that_it_started() {
    let sandbox = sandbox().await;
    let mechanism = sandbox.available().best().unwrap_or(Mechanism::Unconfined);
    let house = House::new(&sandbox, mechanism, ReadMode::Confined);
    let arguments = json!({"command": "echo begun; sleep 600 & sleep 600", "timeout": 1});
    let outcome = house.call("execute_command", arguments).await;
    let ToolOutcome::Error { text } = outcome else { panic!("{outcome:?}") };
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&told["exit_code"], &told["stdout"]), (&json!(-1), &json!("begun\n")));
}

#[tokio::test]
async fn programs_of_the_folder_come_first_and_control_codes_go() {
    use std::os::unix::fs::PermissionsExt;

    let sandbox = sandbox().await;
    let mechanism = sandbox.available().best().unwrap_or(Mechanism::Unconfined);
    let house = House::new(&sandbox, mechanism, ReadMode::Confined);
    let programs = house.root.join("ws/.venv/bin");
    fs_err::create_dir_all(&programs).expect("made");
    fs_err::write(programs.join("uname"), "#!/bin/sh\nprintf '\\033[31mours\\033[0m\\r\\n'\n")
        .expect("written");
    fs_err::set_permissions(programs.join("uname"), std::fs::Permissions::from_mode(0o755)).expect("set");
    let told = house.run("uname; printf '\\033]0;title\\007x'").await;
    assert_eq!(told["stdout"], "ours\nx", "{told}");
}

#[tokio::test]
async fn a_real_command_runs_in_the_background() {
    let sandbox = sandbox().await;
    let mechanism = sandbox.available().best().unwrap_or(Mechanism::Unconfined);
    let house = House::new(&sandbox, mechanism, ReadMode::Confined);
    let started =
        house.call("execute_command", json!({"command": "echo x > made", "background": true})).await;
    assert!(matches!(&started, ToolOutcome::Ok { text, .. } if text.contains("bgtool_")), "{started:?}");
    let ended = house.call("custom_tool__wait_for_background_tool", json!({"timeout_seconds": 60})).await;
    assert!(
        matches!(&ended, ToolOutcome::Ok { text, .. } if text.contains("\"tool_success\":true")),
        "{ended:?}"
    );
    assert!(house.root.join("ws/made").exists());
}

#[tokio::test]
async fn a_command_gets_a_terminal_when_it_asks_and_its_output_is_plain_text() {
    let sandbox = sandbox().await;
    for mechanism in [mechanisms(&sandbox), vec![Mechanism::Unconfined]].concat() {
        let house = House::new(&sandbox, mechanism, ReadMode::Confined);
        let line = "test -t 0 && test -t 1 && test -t 2 && stty size && printf '\\033[31mred\\033[0m\\n' && echo err >&2";
        let told = house.run_with(json!({"command": line, "pty": true})).await;
        assert_eq!(
            (&told["success"], &told["stdout"]),
            (&json!(true), &json!("40 120\nred\nerr\n")),
            "{mechanism}"
        );
        let name = house.run_with(json!({"command": "tty", "pty": true})).await;
        assert_eq!(name["success"], true, "{mechanism}: {name}");
        // Its input ends at once, as without a terminal.
        let read = house.run_with(json!({"command": "stty -echo; cat; echo over", "pty": true})).await;
        assert_eq!(read["stdout"], "over\n", "{mechanism}: {read}");
        let without = house.run_with(json!({"command": "test -t 0 || test -t 1 || test -t 2"})).await;
        assert_eq!(without["success"], false, "{mechanism}: {without}");
        let arguments = json!({"command": "echo begun; sleep 600", "pty": true, "timeout": 1});
        let late = house.run_with(arguments).await;
        let screen = late["stdout"].as_str().expect("text");
        assert!(late["exit_code"] == -1 && screen.starts_with("begun\n"), "{mechanism}: {late}");
    }
}

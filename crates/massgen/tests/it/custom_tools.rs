//! Tools and hooks of the user, with the program as the helper of the sandbox.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::tooling::{CustomSource, CustomTool, Hook, HookFailure, HookHandler, Hooks};
use massgen_sandbox::{Machine, Mechanism, Network, Policy, Sandbox};
use massgen_tools::custom::{
    BySandbox, CallerContext, CustomOutcome, CustomSetup, CustomTools, Launcher, find_python,
};
use massgen_tools::hooks::{HookEvent, HookPrograms, HookType, Verdict, before};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::program::MASSGEN;

/// What a function tries. `$` is the folder of the test.
const TOOLS: &str = r#"
import os, socket, subprocess
from massgen.tool import ExecutionResult, TextContent
import beside

def greet(name: str) -> ExecutionResult:
    return ExecutionResult(output_blocks=[TextContent(data=f"{beside.HELLO} {name}")])

def note(text: str):
    with open("note.txt", "a") as note: note.write(text)
    return open("note.txt").read()

def run():
    return subprocess.run(["sh", "-c", "echo from a shell"], capture_output=True, text=True).stdout

def attempt(what: str, port: int, process: int):
    attempts = {
        "read": lambda: open("$/secret").read(),
        "write": lambda: open("$/tools/new", "w").write("x"),
        "network": lambda: socket.create_connection(("127.0.0.1", port), 5),
        "kill": lambda: os.kill(process, 0),
    }
    try:
        attempts[what]()
        return "done"
    except Exception as error:
        return "refused: " + type(error).__name__

def variable():
    return os.environ.get("SECRET_OF_THE_USER", "none")
"#;

struct Bench {
    folder: TempDir,
    sandbox: Sandbox,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bench = Self { sandbox: sandbox().await, folder };
        for name in ["tools", "workspace", "hooks"] {
            fs_err::create_dir(bench.at(name)).unwrap();
        }
        fs_err::write(bench.at("secret"), "secret").unwrap();
        let tools = TOOLS.replace('$', &bench.at("").display().to_string());
        fs_err::write(bench.at("tools/tools.py"), tools).unwrap();
        fs_err::write(bench.at("tools/beside.py"), "HELLO = 'hello'").unwrap();
        bench
    }

    fn at(&self, name: &str) -> PathBuf {
        fs_err::canonicalize(self.folder.path()).unwrap().join(name)
    }

    fn mechanisms(&self) -> Vec<Mechanism> {
        crate::lab::working(&self.sandbox, "the tools of the user")
    }

    fn launcher(&self, mechanism: Mechanism) -> Arc<dyn Launcher> {
        let policy = Policy { writable: vec![self.at("workspace")], ..Policy::bare(Network::None) };
        Arc::new(BySandbox {
            sandbox: self.sandbox.clone(),
            mechanism,
            policy,
            environment: BTreeMap::from([("TMPDIR".into(), self.at("workspace").into_os_string())]),
        })
    }

    fn function(&self, function: &str) -> CustomTool {
        let path = self.at("tools/tools.py").display().to_string();
        let source = CustomSource::Python { path, function: function.to_owned() };
        CustomTool { source, name: None, description: None, preset: BTreeMap::new() }
    }
}

async fn sandbox() -> Sandbox {
    // The variable stands for a key of the user.
    let variables = std::env::vars_os().chain([("SECRET_OF_THE_USER".into(), "secret".into())]);
    Sandbox::find(PathBuf::from(MASSGEN), Machine::look(variables).unwrap()).await
}

fn python() -> PathBuf {
    find_python(&std::env::var_os("PATH").unwrap()).unwrap()
}

async fn call(tools: &CustomTools, name: &str, arguments: Value) -> (CustomOutcome, String) {
    let arguments: Map<String, Value> = arguments.as_object().unwrap().clone();
    let reply = tools.call(&format!("custom_tool__{name}"), arguments, &CallerContext::default()).await;
    (reply.outcome, reply.text)
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_work_in_the_sandbox_and_reach_nothing_else() {
    let bench = Bench::new().await;
    assert!(!bench.mechanisms().is_empty(), "{:?}", bench.sandbox.available());
    let host = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = host.local_addr().unwrap().port();
    for mechanism in bench.mechanisms().into_iter().chain([Mechanism::Unconfined]) {
        let setup = CustomSetup {
            launcher: bench.launcher(mechanism),
            python: Some(python()),
            home: None,
            folder: bench.at("workspace"),
            time: Duration::from_mins(1),
        };
        let tools = ["greet", "note", "run", "attempt", "variable"].map(|function| bench.function(function));
        let (tools, notices) = CustomTools::start(&tools, setup).await;
        assert_eq!(notices, [""; 0], "{mechanism}");
        let done = |text: &str| (CustomOutcome::Done, text.to_owned());
        assert_eq!(call(&tools, "greet", json!({ "name": "you" })).await, done("hello you"), "{mechanism}");
        assert_eq!(call(&tools, "run", json!({})).await, done("from a shell\n"), "{mechanism}");
        assert_eq!(call(&tools, "note", json!({ "text": "x" })).await, done("x"), "{mechanism}");
        assert_eq!(call(&tools, "variable", json!({})).await, done("none"), "{mechanism}");
        fs_err::remove_file(bench.at("workspace/note.txt")).unwrap();
        for what in ["read", "write", "network", "kill"] {
            let arguments = json!({ "what": what, "port": port, "process": std::process::id() });
            let (_, text) = call(&tools, "attempt", arguments).await;
            // Without a sandbox they succeed: they are attempts.
            let is_refused = text.starts_with("refused: ");
            assert_eq!(is_refused, mechanism != Mechanism::Unconfined, "{mechanism}: {what}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_run_with_the_rights_of_the_user() {
    let bench = Bench::new().await;
    let code = "def check(event):\n    return {'decision': 'deny', 'reason': open(event['tool_input']['path']).read()}\n";
    fs_err::write(bench.at("hooks/my_hooks.py"), code).unwrap();
    let folder = bench.at("hooks").display().to_string();
    let handlers = [
        HookHandler::Python { function: "my_hooks.check".to_owned(), folder },
        HookHandler::Command {
            command: ["sh", "-c", "cat $PLACE/secret >&2; exit 2"].map(str::to_owned).to_vec(),
        },
    ];
    for handler in handlers {
        let handler = match handler {
            HookHandler::Command { command } => {
                let place = bench.at("").display().to_string();
                HookHandler::Command {
                    command: command.into_iter().map(|word| word.replace("$PLACE", &place)).collect(),
                }
            }
            handler @ HookHandler::Python { .. } => handler,
        };
        let hook = Hook {
            matcher: "read_*".to_owned(),
            handler,
            time: Duration::from_mins(1),
            on_failure: HookFailure::Allow,
        };
        let hooks = Hooks { before: vec![hook], after: Vec::new() };
        let event = HookEvent {
            hook_type: HookType::PreToolUse,
            session_id: "s".to_owned(),
            orchestrator_id: "o".to_owned(),
            agent_id: "a".to_owned(),
            timestamp: "2030-01-02T03:04:05Z".to_owned(),
            tool_name: "read_file".to_owned(),
            tool_input: serde_json::from_value(json!({ "path": bench.at("secret") })).unwrap(),
            tool_output: None,
        };
        let programs =
            HookPrograms::new(bench.launcher(Mechanism::Unconfined), Some(python()), bench.at("hooks"));
        let before = before(&hooks, event, &programs).await;
        assert_eq!(before.verdict, Verdict::Denied { reason: "secret".to_owned() }, "{:?}", before.failures);
    }
}

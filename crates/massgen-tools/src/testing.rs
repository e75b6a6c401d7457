//! A place for tests: an agent with a workspace, peers, a project, and things that must stay out of reach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_ports::{ToolHost, Unwatched};
use massgen_protocol::tooling::{CommandPlace, CommandSpec, FileTools, Permissions};
use massgen_protocol::workspace::{
    Access, ContextKind, ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec,
};
use massgen_protocol::{AgentId, AgentNo, CallId, ToolCall, ToolOutcome, ToolUse};
use massgen_testkit::clock::TestClock;
use massgen_workspace::access::{Contexts, Managed};
use serde_json::Value;
use tokio::sync::Semaphore;

use crate::commands::{Checks, Command, CommandSource, CommandTools, Finish, Ran, Rights, Runner};
use crate::desk::Desk;
use crate::files::FileSource;
use crate::hooks::SessionHooks;
use crate::jobs::LostJob;
use crate::naming::Selection;
use crate::plan::PlanSource;
use crate::policy::{Approver, Record};
use crate::source::Source;
use crate::toolbox::{AgentTools, ToolBox, ToolBoxParts};

/// How a [`House`] is set up.
pub(crate) struct Setup {
    pub(crate) files: FileTools,
    pub(crate) deletion: Deletion,
    pub(crate) selection: Selection,
    pub(crate) permissions: Option<Permissions>,
    pub(crate) approver: Option<Arc<dyn Approver>>,
    pub(crate) commands: CommandSpec,
    pub(crate) rights: Rights,
    pub(crate) more: Vec<Arc<dyn Source>>,
    pub(crate) hooks: Option<Arc<SessionHooks>>,
    pub(crate) lost: Vec<LostJob>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            files: FileTools::All,
            deletion: Deletion::AfterReading,
            selection: Selection::default(),
            permissions: None,
            approver: None,
            commands: CommandSpec {
                place: CommandPlace::Unconfined,
                allowed: Vec::new(),
                blocked: Vec::new(),
                time: Duration::from_mins(1),
            },
            rights: Rights::User,
            more: Vec::new(),
            hooks: None,
            lost: Vec::new(),
        }
    }
}

/// The place.
pub(crate) struct House {
    pub(crate) root: PathBuf,
    pub(crate) tools: ToolBox,
    files: Arc<FileSource>,
    pub(crate) runner: Arc<ScriptedRunner>,
    records: Arc<Mutex<Vec<Record>>>,
    /// Calls so far.
    calls: AtomicU32,
    _folder: tempfile::TempDir,
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        for name in ["ws", "peers/agent2", "project/.git", "outside"] {
            fs_err::create_dir_all(root.join(name)).expect("made");
        }
        for (name, text) in [
            ("outside/secret", "the secret"),
            ("peers/agent2/a.txt", "of a peer\n"),
            ("project/main.rs", "fn main() {}\n"),
        ] {
            fs_err::write(root.join(name), text).expect("written");
        }
        let desk = Arc::new(Desk::new(managed(&root), setup.deletion));
        let runner = Arc::new(ScriptedRunner::new());
        let one = |value| BTreeMap::from([(agent(), value)]);
        let checks = Checks::new(&setup.commands, setup.rights).expect("patterns");
        let commands =
            CommandTools { desk: desk.clone(), checks, runner: runner.clone(), time: setup.commands.time };
        let files = Arc::new(FileSource::new(BTreeMap::from([(agent(), (desk.clone(), setup.files))])));
        let mut sources: Vec<Arc<dyn Source>> = vec![
            files.clone(),
            Arc::new(PlanSource::new(one(desk.clone()))),
            Arc::new(CommandSource::new(BTreeMap::from([(agent(), commands)]))),
        ];
        sources.extend(setup.more);
        let records = Arc::new(Mutex::new(Vec::new()));
        let (kept, count) = (records.clone(), AtomicU64::new(1));
        let tools = ToolBox::new(ToolBoxParts {
            agents: BTreeMap::from([(
                agent(),
                AgentTools {
                    desk: Some(desk),
                    selection: setup.selection,
                    permissions: setup.permissions,
                    approver: setup.approver,
                    lost: setup.lost,
                },
            )]),
            sources,
            clock: Arc::new(TestClock::start()),
            ids: Arc::new(move || count.fetch_add(1, Ordering::Relaxed)),
            decisions: Arc::new(move |record| kept.lock().expect("kept").push(record)),
            hooks: setup.hooks,
        });
        Self {
            root,
            tools: tools.expect("tools"),
            runner,
            files,
            records,
            calls: AtomicU32::new(1),
            _folder: folder,
        }
    }

    /// Calls a tool by its short name.
    pub(crate) async fn call(&self, name: &str, arguments: Value) -> ToolOutcome {
        self.call_with(name, &arguments.to_string()).await
    }

    pub(crate) async fn call_with(&self, name: &str, arguments: &str) -> ToolOutcome {
        let call = ToolCall { id: "1".to_owned(), name: name.to_owned(), arguments: arguments.to_owned() };
        let number = self.calls.fetch_add(1, Ordering::Relaxed);
        let tool_use = ToolUse { call: CallId { agent: AgentNo::from_index(0), number }, index: 0 };
        self.tools.run(&agent(), tool_use, call, Arc::new(Unwatched)).await.outcome
    }

    /// The text of a call that works.
    pub(crate) async fn ok(&self, name: &str, arguments: Value) -> String {
        match self.call(name, arguments.clone()).await {
            ToolOutcome::Ok { text, .. } => text,
            other => panic!("{name} {arguments}: {other:?}"),
        }
    }

    /// The JSON of a call that works. News of jobs may stand behind it.
    pub(crate) async fn json(&self, name: &str, arguments: Value) -> Value {
        let text = self.ok(name, arguments).await;
        serde_json::Deserializer::from_str(&text).into_iter().next().expect("a value").expect("JSON")
    }

    /// The text of a call that fails or is refused, with a word for which.
    pub(crate) async fn not_ok(&self, name: &str, arguments: Value) -> String {
        let text = match self.call(name, arguments.clone()).await {
            ToolOutcome::Denied { text } => format!("denied: {text}"),
            ToolOutcome::Error { text } => format!("error: {text}"),
            other => panic!("{name} {arguments}: {other:?}"),
        };
        text.replace(&self.root.display().to_string(), "ROOT")
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.root.join(name);
        fs_err::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs_err::write(path, text).expect("written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs_err::read_to_string(self.root.join(name)).expect("read")
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.root.join(name).symlink_metadata().is_ok()
    }

    pub(crate) fn file_source(&self) -> &FileSource {
        &self.files
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.lock().expect("kept").clone()
    }
}

pub(crate) fn agent() -> AgentId {
    AgentId::new("a").expect("an id")
}

pub(crate) fn permissions() -> Permissions {
    Permissions {
        role: None,
        allow: Vec::new(),
        ask: Vec::new(),
        deny: Vec::new(),
        approval: massgen_protocol::tooling::Approval::Policy,
        unattended: massgen_protocol::tooling::Unattended::RiskBased,
        remembered: None,
        audit: massgen_protocol::tooling::Audit::On,
        unasked_in_a_row: None,
    }
}

fn managed(root: &Path) -> Managed {
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
        isolation: Isolation::Direct,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    };
    Managed::of(&spec, Contexts::AsWritten).expect("all are there")
}

/// Runs nothing: says what it was given, or holds up until it is told to go on.
pub(crate) struct ScriptedRunner {
    pub(crate) asked: Mutex<Vec<Command>>,
    pub(crate) go: Arc<Semaphore>,
}

impl ScriptedRunner {
    fn new() -> Self {
        Self { asked: Mutex::default(), go: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked.lock().expect("kept").iter().map(|command| command.line.clone()).collect()
    }
}

impl Runner for ScriptedRunner {
    fn has_terminals(&self) -> bool {
        true
    }

    fn run(&self, command: Command) -> BoxFuture<'static, Result<Ran, String>> {
        let (line, go) = (command.line.clone(), self.go.clone());
        self.asked.lock().expect("kept").push(command);
        Box::pin(async move {
            let took = Duration::from_millis(1500);
            let exited = |code| Finish::Exited(code);
            let (finish, stdout, stderr) = match line.as_str() {
                "hold" => {
                    go.acquire().await.expect("open").forget();
                    (exited(0), "held".to_owned(), String::new())
                }
                "broken" => return Err("no sandbox works here".to_owned()),
                "late" => (Finish::OutOfTime, "so far".to_owned(), String::new()),
                "fails" => (exited(3), String::new(), "wrong\n".to_owned()),
                "colours" => (exited(0), "\u{1b}[31mred\u{1b}[0m\ta\r\nb\u{7}".to_owned(), String::new()),
                "long" | "longer" => (exited(0), "0123456789\n".repeat(60_000), "a \"warning\"".to_owned()),
                other => (exited(0), format!("ran {other}"), String::new()),
            };
            let refused = if line == "calls" { vec!["example.org:443".to_owned()] } else { Vec::new() };
            let left_out = if line == "longer" { 2_540_319 } else { 0 };
            Ok(Ran { finish, stdout, stderr, left_out, refused, took })
        })
    }
}

//! A server in this process that does as a test says, and what tests need around it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use massgen_mcp::{AgentServers, Called, Filter, Launch, Launched, Launcher, Notice, Pool, Setup};
use massgen_protocol::tooling::{ServerSecurity, ServerSpec, ServerTransport};
use massgen_protocol::{AgentId, ToolOutcome};
use serde_json::{Map, Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex, split,
};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What a server does with a call, by the name of the tool and the number of its process, from 1.
pub(crate) type OnCall = dyn Fn(&str, &Value, usize) -> Reaction + Send + Sync;

/// What a server does with a call.
pub(crate) enum Reaction {
    /// It answers.
    Result(Value),
    /// It answers with an error of the protocol.
    Error(i64, &'static str),
    /// It writes this, as it is.
    Raw(Vec<u8>),
    /// It sends these messages, each answered or not, and then the result.
    After(Vec<Value>, Value),
    /// It does nothing.
    Nothing,
    /// It ends.
    Die,
    /// It answers, and ends.
    Last(Value),
}

/// A text as a result.
pub(crate) fn text(text: &str) -> Reaction {
    Reaction::Result(json!({"content": [{"type": "text", "text": text}]}))
}

/// What a server is like.
pub(crate) struct Manner {
    /// The version that it answers a handshake with.
    pub(crate) version: &'static str,
    /// What it does when it is asked for versions before a handshake.
    pub(crate) asked: Asked,
    /// Its pages of tools.
    pub(crate) pages: Vec<Value>,
    /// What it says on its standard error at its start.
    pub(crate) complaint: &'static str,
    /// Attempts to start it that end at once.
    pub(crate) dies_at_start: usize,
    pub(crate) on_call: Box<OnCall>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It does not know the question.
    Refuses,
    /// It knows it, and speaks the newest version.
    Answers,
    /// It says nothing, until the handshake comes.
    AnswersLate,
    /// It says nothing to anything.
    Hangs,
    /// It ends.
    Dies,
}

pub(crate) fn tool(name: &str) -> Value {
    json!({"name": name, "description": format!("does {name}"), "inputSchema": {"type": "object", "properties": {}}})
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            version: "2025-06-18",
            asked: Asked::Refuses,
            pages: vec![json!([tool("echo"), tool("other")])],
            complaint: "",
            dies_at_start: 0,
            on_call: Box::new(|name, _, _| text(&format!("{name} ran"))),
        }
    }
}

/// A program that was started: its command, its variables, its folder.
type Started = (Vec<String>, BTreeMap<String, String>, PathBuf);

/// Starts servers of one manner instead of programs.
pub(crate) struct Scripted {
    manner: Arc<Manner>,
    starts: Arc<AtomicUsize>,
    launches: Mutex<Vec<Started>>,
    heard: mpsc::Sender<Value>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    /// The launcher, and every message that its servers get.
    pub(crate) fn new(manner: Manner) -> (Arc<Self>, Heard) {
        let (heard, messages) = mpsc::channel(10_000);
        let scripted =
            Self { manner: Arc::new(manner), starts: Arc::default(), launches: Mutex::default(), heard };
        (Arc::new(scripted), Heard(messages))
    }

    pub(crate) fn starts(&self) -> usize {
        self.starts.load(Ordering::SeqCst)
    }

    pub(crate) fn launches(&self) -> Vec<Started> {
        self.launches.lock().expect("whole").clone()
    }
}

/// Messages that servers got.
pub(crate) struct Heard(mpsc::Receiver<Value>);

impl Heard {
    /// The next message with this method.
    pub(crate) async fn next(&mut self, method: &str) -> Value {
        loop {
            let message = self.0.recv().await.expect("a message comes");
            if message["method"] == method {
                return message;
            }
        }
    }

    /// The next message that answers a request of the server.
    pub(crate) async fn any_answer(&mut self) -> Value {
        loop {
            let message = self.0.recv().await.expect("a message comes");
            if message.get("method").is_none() {
                return message;
            }
        }
    }

    /// How many messages with this method have come until now.
    pub(crate) fn count(&mut self, method: &str) -> usize {
        std::iter::from_fn(|| self.0.try_recv().ok()).filter(|message| message["method"] == method).count()
    }
}

struct Ended(JoinHandle<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Launcher for Scripted {
    fn launch(&self, launch: Launch) -> BoxFuture<'_, io::Result<Launched>> {
        let number = self.starts.fetch_add(1, Ordering::SeqCst) + 1;
        self.launches.lock().expect("whole").push((launch.command, launch.environment, launch.folder));
        let (stdin, input) = duplex(64 * 1024);
        let (output, stdout) = duplex(64 * 1024);
        let (mut complaints, stderr) = duplex(64 * 1024);
        let (manner, heard) = (Arc::clone(&self.manner), self.heard.clone());
        let serving = tokio::spawn(async move {
            complaints.write_all(manner.complaint.as_bytes()).await.expect("room");
            drop(complaints);
            if number > manner.dies_at_start {
                Serving::new(input, output, heard, number).serve(&manner).await;
            }
        });
        Box::pin(async move {
            Ok(Launched {
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: Some(Box::new(stderr)),
                process: Box::new(Ended(serving)),
            })
        })
    }
}

struct Serving {
    lines: Lines<BufReader<DuplexStream>>,
    output: WriteHalf<DuplexStream>,
    // Dropped with the rest: then the output has ended.
    _other_half: ReadHalf<DuplexStream>,
    heard: mpsc::Sender<Value>,
    number: usize,
}

impl Serving {
    fn new(input: DuplexStream, output: DuplexStream, heard: mpsc::Sender<Value>, number: usize) -> Self {
        let (other_half, output) = split(output);
        Self { lines: BufReader::new(input).lines(), output, _other_half: other_half, heard, number }
    }

    /// Writes; a client that has gone is the end of the test's interest.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = self.output.write_all(bytes).await;
    }

    async fn send(&mut self, message: Value) {
        self.write(format!("{message}\n").as_bytes()).await;
    }

    async fn answer(&mut self, id: &Value, result: Value) {
        self.send(json!({"jsonrpc": "2.0", "id": id, "result": result})).await;
    }

    async fn refuse(&mut self, id: &Value, code: i64, message: &str) {
        self.send(json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})).await;
    }

    async fn serve(mut self, manner: &Manner) {
        let mut asked = None;
        while let Ok(Some(line)) = self.lines.next_line().await {
            let message: Value = serde_json::from_str(&line).expect("JSON");
            // A test that does not listen has dropped the other end.
            let _ = self.heard.try_send(message.clone());
            let id = message["id"].clone();
            match message["method"].as_str() {
                Some("server/discover") => match manner.asked {
                    Asked::Refuses => self.refuse(&id, -32601, "no such method").await,
                    Asked::Answers => {
                        let info = json!({"name": "peer", "version": "1"});
                        let result = json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                            "capabilities": {"tools": {}}, "serverInfo": info,
                            "_meta": {"io.modelcontextprotocol/serverInfo": info}, "ttlMs": 0, "cacheScope": "private"});
                        self.answer(&id, result).await;
                    }
                    Asked::AnswersLate => asked = Some(id),
                    Asked::Hangs => {}
                    Asked::Dies => return,
                },
                Some("initialize") if manner.asked == Asked::Hangs => {}
                Some("initialize") => {
                    if let Some(id) = asked.take() {
                        self.refuse(&id, -32601, "no such method").await;
                    }
                    let result = json!({"protocolVersion": manner.version, "capabilities": {"tools": {}},
                        "serverInfo": {"name": "peer", "version": "1"}});
                    self.answer(&id, result).await;
                }
                Some("tools/list") => {
                    let cursor = message["params"]["cursor"].as_str();
                    let at = cursor.map_or(0, |cursor| cursor.parse::<usize>().expect("ours"));
                    let mut page = json!({"tools": manner.pages[at % manner.pages.len()]});
                    if at + 1 != manner.pages.len() {
                        page["nextCursor"] = json!((at + 1).to_string());
                    }
                    self.answer(&id, page).await;
                }
                Some("tools/call") => {
                    let params = &message["params"];
                    let name = params["name"].as_str().expect("a name");
                    match (manner.on_call)(name, &params["arguments"], self.number) {
                        Reaction::Result(result) => self.answer(&id, result).await,
                        Reaction::Error(code, text) => self.refuse(&id, code, text).await,
                        Reaction::Raw(bytes) => self.write(&bytes).await,
                        Reaction::After(messages, result) => {
                            for message in messages {
                                self.send(message).await;
                            }
                            self.answer(&id, result).await;
                        }
                        Reaction::Nothing => {}
                        Reaction::Die => return,
                        Reaction::Last(result) => return self.answer(&id, result).await,
                    }
                }
                _ => {}
            }
        }
    }
}

pub(crate) fn agent() -> AgentId {
    AgentId::new("agent1").expect("an id")
}

/// A server that is a program.
pub(crate) fn program(name: &str) -> ServerSpec {
    ServerSpec {
        name: name.to_owned(),
        transport: ServerTransport::Stdio {
            command: vec!["npx".to_owned(), "-y".to_owned(), "peer".to_owned()],
            environment: BTreeMap::new(),
            folder: None,
        },
        call_time: None,
        allowed: None,
        excluded: Vec::new(),
        security: ServerSecurity::default(),
    }
}

/// A run with one agent, in a folder of its own.
pub(crate) struct Run {
    pub(crate) pool: Pool,
    pub(crate) notices: Vec<Notice>,
    pub(crate) folder: tempfile::TempDir,
    /// How far calls were, as their server told it.
    pub(crate) progress: Arc<Mutex<Vec<String>>>,
}

impl Run {
    pub(crate) async fn new(launcher: Arc<dyn Launcher>, servers: Vec<ServerSpec>) -> Self {
        Self::with(servers, Setup::new(launcher, Arc::new(|_| None))).await
    }

    pub(crate) async fn with(servers: Vec<ServerSpec>, setup: Setup) -> Self {
        Self::at(tempfile::tempdir().expect("a folder"), servers, setup).await
    }

    pub(crate) async fn at(folder: tempfile::TempDir, servers: Vec<ServerSpec>, setup: Setup) -> Self {
        let servers = AgentServers {
            agent: agent(),
            servers,
            filter: Filter::default(),
            taken: BTreeSet::new(),
            folder: folder.path().to_owned(),
            logs: folder.path().join("logs"),
        };
        let (pool, notices) = Pool::connect(vec![servers], setup).await;
        Self { pool, notices, folder, progress: Arc::default() }
    }

    /// A run with one server of this manner, called `peer`.
    pub(crate) async fn of(manner: Manner) -> (Self, Arc<Scripted>, Heard) {
        let (scripted, heard) = Scripted::new(manner);
        let launcher: Arc<dyn Launcher> = Arc::<Scripted>::clone(&scripted);
        (Self::new(launcher, vec![program("peer")]).await, scripted, heard)
    }

    pub(crate) fn names(&self) -> Vec<&str> {
        self.pool.tools(&agent()).iter().map(|tool| tool.schema.name.as_str()).collect()
    }

    pub(crate) fn told(&self) -> String {
        let told = self.notices.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        told.replace(&self.folder.path().display().to_string(), "[folder]")
    }

    pub(crate) fn begin(&self, name: &str, arguments: Value) -> BoxFuture<'static, Called> {
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let progress = Arc::clone(&self.progress);
        let hear = Arc::new(move |line: &str| progress.lock().expect("kept").push(line.to_owned()));
        self.pool.call(&agent(), name, arguments, hear).expect("there is such a tool")
    }

    pub(crate) async fn call(&self, name: &str) -> ToolOutcome {
        self.begin(name, Value::Object(Map::new())).await.outcome
    }
}

pub(crate) fn ok(text: &str) -> ToolOutcome {
    ToolOutcome::ok(text)
}

pub(crate) fn error(outcome: ToolOutcome) -> String {
    match outcome {
        ToolOutcome::Error { text } => text,
        other => panic!("no error: {other:?}"),
    }
}

pub(crate) fn denied(outcome: ToolOutcome) -> String {
    match outcome {
        ToolOutcome::Denied { text } => text,
        other => panic!("not denied: {other:?}"),
    }
}

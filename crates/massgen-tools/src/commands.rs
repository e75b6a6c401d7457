//! The command tool: what is checked before a command runs, where it runs, and what the model is told.

mod checks;
mod reach;
mod runner;
mod sandboxed;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_protocol::limits::CALL_TIME;
use massgen_protocol::{AgentId, ToolSchema};
use massgen_workspace::access::{EntryKind, Place};
use serde_json::{Map, Value, json};

use crate::arguments::Arguments;
use crate::clean::clean;
use crate::desk::Desk;
use crate::naming::wire_name;
use crate::policy::{Effect, Request};
use crate::source::{Capability, Failed, Invocation, Kind, Output, Page, Source};

pub use checks::{Checks, Rights};
pub use reach::Reach;
pub use runner::{Command, Finish, Ran, Runner, Screen};
pub use sandboxed::{SandboxRunner, SandboxSettings};

/// The server that runs commands.
const SERVER: &str = "command_line";

/// Its one tool.
const TOOL: &str = "execute_command";

/// What of a result says how many bytes of the streams are not in it.
const LEFT_OUT: &str = "left_out";

/// What one agent needs to run commands.
pub struct CommandTools {
    /// Its files.
    pub desk: Arc<Desk>,
    /// What is checked before.
    pub checks: Checks,
    /// Where commands run.
    pub runner: Arc<dyn Runner>,
    /// How long one may take when the call does not say.
    pub time: Duration,
}

impl std::fmt::Debug for CommandTools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommandTools")
            .field("desk", &self.desk)
            .field("checks", &self.checks)
            .field("time", &self.time)
            .finish_non_exhaustive()
    }
}

/// The command tool of all agents that have it.
#[derive(Debug)]
pub struct CommandSource {
    agents: BTreeMap<AgentId, Arc<CommandTools>>,
}

impl CommandSource {
    /// For these agents.
    pub fn new(agents: BTreeMap<AgentId, CommandTools>) -> Self {
        Self { agents: agents.into_iter().map(|(agent, tools)| (agent, Arc::new(tools))).collect() }
    }

    fn tools(&self, agent: &AgentId, name: &str) -> Option<&Arc<CommandTools>> {
        self.agents.get(agent).filter(|_| name == wire_name(SERVER, TOOL))
    }
}

impl Source for CommandSource {
    fn kind(&self) -> Kind {
        Kind::BuiltIn
    }

    fn schemas(&self, agent: &AgentId) -> Vec<ToolSchema> {
        let Some(tools) = self.agents.get(agent) else { return Vec::new() };
        let mut properties = Map::from_iter([
            ("command".to_owned(), json!({"type": "string", "minLength": 1})),
            ("timeout".to_owned(), json!({"type": "integer", "minimum": 1})),
            ("work_dir".to_owned(), json!({"type": "string"})),
        ]);
        let mut description = format!(
            "Run a shell command in your workspace, or in `work_dir`. `timeout` is in seconds: {} if you do not say, {} \
             at most. Start what takes longer as a background tool.",
            tools.time.as_secs(),
            CALL_TIME.as_secs(),
        );
        if tools.runner.has_terminals() {
            properties.insert("pty".to_owned(), json!({"type": "boolean"}));
            description.push_str(
                " `pty` gives it a terminal, for programs that behave differently without one; its output and errors \
                 are one text then.",
            );
        }
        let parameters = json!({"type": "object", "properties": properties, "required": ["command"]});
        vec![ToolSchema { name: wire_name(SERVER, TOOL), description, parameters }]
    }

    fn capabilities(&self, agent: &AgentId, name: &str) -> Option<Vec<Capability>> {
        self.tools(agent, name).map(|_| vec![Capability::Executes])
    }

    fn requests(&self, agent: &AgentId, name: &str, arguments: &Map<String, Value>) -> Vec<Request> {
        let Some(tools) = self.tools(agent, name) else { return Vec::new() };
        let arguments = Arguments(arguments);
        let mut requests: Vec<Request> = arguments
            .optional("command")
            .map(|line| Request::new(Effect::Command, line))
            .into_iter()
            .collect();
        if let Some(folder) = arguments.optional("work_dir") {
            requests.push(crate::files::request(&tools.desk.managed(), Effect::Read, folder));
        }
        requests
    }

    fn page(&self, result: &str) -> Option<Page> {
        page(result)
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'static, Result<Output, Failed>> {
        let tools = self.tools(&invocation.agent, &invocation.name).cloned();
        Box::pin(async move {
            match tools {
                Some(tools) => execute(&tools, Arguments(&invocation.arguments)).await.map(Output::from),
                None => Err(Failed::Denied(format!("there is no tool `{}`", invocation.name))),
            }
        })
    }
}

async fn execute(tools: &CommandTools, arguments: Arguments<'_>) -> Result<String, Failed> {
    let line = arguments.text("command")?;
    let asked = arguments.optional("work_dir").unwrap_or(".");
    let denied = |why: String| Failed::Denied(told(line, asked, &Told { why: &why, ..Told::default() }));
    tools.checks.check(line).map_err(denied)?;
    let screen = if arguments.is_on("pty") { Screen::Terminal } else { Screen::Streams };
    if screen == Screen::Terminal && !tools.runner.has_terminals() {
        return Err(denied("commands get no terminal here; run it without `pty`".to_owned()));
    }
    let folder = folder(&tools.desk, asked).map_err(|failed| match failed {
        Failed::Denied(why) | Failed::Error(why) => denied(why),
    })?;
    let time = arguments.0.get("timeout").and_then(Value::as_u64).map_or(tools.time, Duration::from_secs);
    let time = time.min(CALL_TIME);
    let command = Command {
        line: line.to_owned(),
        folder: folder.path().to_path_buf(),
        time,
        reach: Reach::of(&tools.desk.managed()),
        programs: programs(&folder),
        screen,
    };
    let ran = tools.runner.run(command).await.map_err(|why| {
        Failed::Error(told(
            line,
            asked,
            &Told { why: &format!("the command was not run: {why}"), ..Told::default() },
        ))
    })?;
    let work_dir = folder.path().display().to_string();
    let (stdout, stderr, left_out) = (clean(&ran.stdout), clean(&ran.stderr), ran.left_out);
    let refused = if ran.refused.is_empty() {
        String::new()
    } else {
        format!("the network is closed but for some hosts; not reached: {}", ran.refused.join(", "))
    };
    match ran.finish {
        Finish::Exited(code) => Ok(told(
            line,
            &work_dir,
            &Told { code, stdout: &stdout, stderr: &stderr, left_out, took: ran.took, why: &refused },
        )),
        Finish::OutOfTime => {
            let mut why = format!("the command was ended after {} seconds", time.as_secs());
            if !refused.is_empty() {
                why = format!("{why}; {refused}");
            }
            Err(Failed::Error(told(
                line,
                &work_dir,
                &Told { code: -1, stdout: &stdout, stderr: &stderr, left_out, took: ran.took, why: &why },
            )))
        }
    }
}

/// The folder that a command starts in.
fn folder(desk: &Desk, asked: &str) -> Result<Place, Failed> {
    let place = desk.existing(asked)?;
    match place.look()?.kind {
        EntryKind::Folder => Ok(place),
        EntryKind::File | EntryKind::Link | EntryKind::Other => {
            Err(Failed::Error(format!("`{asked}` is not a folder")))
        }
    }
}

/// Where the folder keeps programs of its own.
fn programs(folder: &Place) -> Option<std::path::PathBuf> {
    let environment = folder.folder().ok()?.child(".venv".as_ref()).ok()?;
    let programs = environment.folder().ok()?.child("bin".as_ref()).ok()?;
    (programs.look().ok()?.kind == EntryKind::Folder).then(|| programs.path().to_path_buf())
}

/// What came of a command.
struct Told<'a> {
    code: i32,
    stdout: &'a str,
    stderr: &'a str,
    /// Bytes of both that are not in them.
    left_out: u64,
    took: Duration,
    /// What is to be said besides: why it did not end by itself, what it may not reach.
    why: &'a str,
}

impl Default for Told<'_> {
    fn default() -> Self {
        Self { code: -1, stdout: "", stderr: "", left_out: 0, took: Duration::ZERO, why: "" }
    }
}

fn told(line: &str, work_dir: &str, told: &Told<'_>) -> String {
    let stderr = match (told.stderr.is_empty(), told.why.is_empty()) {
        (_, true) => told.stderr.to_owned(),
        (true, false) => told.why.to_owned(),
        (false, false) => format!("{}\n{}", told.stderr.trim_end(), told.why),
    };
    let mut result = json!({
        "success": told.code == 0,
        "exit_code": told.code,
        "stdout": told.stdout,
        "stderr": stderr,
        "execution_time": (told.took.as_secs_f64() * 1000.0).round() / 1000.0,
        "command": line,
        "work_dir": work_dir,
    });
    // Only where the streams are longer than a prompt shows: `page` tells it then.
    if let (Some(result), 1..) = (result.as_object_mut(), told.left_out) {
        result.insert(LEFT_OUT.to_owned(), told.left_out.into());
    }
    result.to_string()
}

/// What [`told`] says, as lines: its small values, then each stream under a head line.
fn page(result: &str) -> Option<Page> {
    let Value::Object(result) = serde_json::from_str(result).ok()? else { return None };
    let value = |name: &str| match result.get(name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    };
    let small = ["command", "work_dir", "exit_code", "execution_time"];
    let mut lines: Vec<String> = small.iter().map(|name| format!("{name}: {}", value(name))).collect();
    for name in ["stdout", "stderr"] {
        lines.push(format!("=== {name} ==="));
        let stream = value(name);
        if !stream.is_empty() {
            lines.push(stream.strip_suffix('\n').unwrap_or(&stream).to_owned());
        }
    }
    let text = lines.join("\n") + "\n";
    Some(Page { text, left_out: result.get(LEFT_OUT).and_then(Value::as_u64).unwrap_or_default() })
}

#[cfg(test)]
#[path = "commands/commands_tests.rs"]
mod tests;

//! Tools that the user wrote (`custom_tools`): functions in Python files, and programs.
//!
//! All functions of one agent run in one interpreter, so that a function finds what an earlier call has left in its
//! module. Models call these tools with what they like, so whoever starts them confines them ([`BySandbox`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_protocol::tooling::{CustomSource, CustomTool};
use massgen_protocol::{ToolSchema, limits};
use serde::Serialize;
use serde_json::{Map, Value, json};

mod blocks;
#[cfg(test)]
pub(crate) mod by_hand;
mod error;
pub(crate) mod interpreter;
pub(crate) mod launch;
mod node;
pub(crate) mod program;
mod python;
pub(crate) mod streams;

pub use blocks::{CustomOutcome, CustomReply, MediaBlock, MediaKind};
pub use error::CustomError;
pub use launch::{BySandbox, Launch, Launched, Launcher, Process};
pub use python::{find_python, readable_for};

use interpreter::Interpreter;
use streams::cut;

/// What the names of all tools of the user begin with.
pub const PREFIX: &str = "custom_tool__";

/// Longest name of a tool that all providers take.
const NAME_BYTES: usize = 64;

/// Functions that are asked for their schemas at a time.
const DESCRIBED_TOGETHER: usize = 8;

/// What tools of the user run with.
#[derive(Debug, Clone)]
pub struct CustomSetup {
    /// Starts them.
    pub launcher: Arc<dyn Launcher>,
    /// The interpreter, see [`find_python`]; `None` when there is none.
    pub python: Option<PathBuf>,
    /// The home folder of the user: a file that lies in it does not open it as a whole.
    pub home: Option<PathBuf>,
    /// The folder that they start in: the agent's workspace.
    pub folder: PathBuf,
    /// How long a call may take; [`limits::CUSTOM_CALL_TIME`] when nobody says.
    pub time: Duration,
}

/// What a function is given of its caller, if it has parameters of these names. What is `None` keeps the default of the
/// parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CallerContext {
    /// The agent's own system message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_system_message: Option<String>,
    /// The agent's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<String>,
    /// The name of its provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_name: Option<String>,
    /// The type of its backend.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backend_type: Option<String>,
    /// Its model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its workspace, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_cwd: Option<String>,
    /// The folders that it may use, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_paths: Option<Vec<String>>,
    /// The text of the task's context file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_context: Option<String>,
}

/// The tools that the user wrote for one agent. Dropped, their interpreter is ended.
#[derive(Debug)]
pub struct CustomTools {
    setup: CustomSetup,
    interpreter: Option<Interpreter>,
    tools: BTreeMap<String, Tool>,
    schemas: Vec<ToolSchema>,
}

/// What is called.
#[derive(Debug, Clone)]
enum Tool {
    Function { path: String, function: String, preset: BTreeMap<String, Value> },
    Program { command: Vec<String>, preset: BTreeMap<String, Value>, known: Option<BTreeSet<String>> },
}

/// What a tool says of itself.
struct Described {
    description: String,
    schema: Value,
}

impl CustomTools {
    /// Makes `tools` ready: reads their files and asks each function for its schema. What cannot be offered is told in
    /// a notice for the user, one line each; the other tools work.
    pub async fn start(tools: &[CustomTool], setup: CustomSetup) -> (Self, Vec<String>) {
        // Programs in the sandbox see files where they are, and not the links that lead to them.
        let tools: Vec<CustomTool> = tools.iter().map(resolved).collect();
        let paths = tools.iter().filter_map(|tool| match &tool.source {
            CustomSource::Python { path, .. } => Some(Path::new(path)),
            CustomSource::Program { .. } => None,
        });
        let mut readable: Vec<PathBuf> =
            paths.flat_map(|path| readable_for(path, setup.home.as_deref())).collect();
        readable.sort();
        readable.dedup();
        let interpreter = setup.python.as_deref().map(|python| {
            let launch = Launch { folder: setup.folder.clone(), readable, ..Launch::default() };
            Interpreter::new(Arc::clone(&setup.launcher), python, launch)
        });
        let mut custom = Self { setup, interpreter, tools: BTreeMap::new(), schemas: Vec::new() };
        let asked: Vec<_> = tools.iter().map(|tool| custom.describe(tool)).collect();
        let described: Vec<_> = futures::stream::iter(asked).buffered(DESCRIBED_TOGETHER).collect().await;
        let mut notices = Vec::new();
        for (tool, described) in tools.iter().zip(described) {
            if let Err(notice) = described.and_then(|described| custom.add(tool, described)) {
                notices.push(notice);
            }
        }
        (custom, notices)
    }

    /// The tools as models see them, in the order of the configuration.
    pub fn schemas(&self) -> &[ToolSchema] {
        &self.schemas
    }

    /// Whether `name` is one of them.
    pub fn has(&self, name: &str) -> bool {
        self.tools.contains_key(name)
    }

    /// Calls one with the arguments of a model. Dropping the future stops it.
    pub async fn call(
        &self,
        name: &str,
        arguments: Map<String, Value>,
        context: &CallerContext,
    ) -> CustomReply {
        match self.tools.get(name) {
            None => CustomReply::refused(format!("there is no tool `{name}`")),
            Some(Tool::Function { path, function, preset }) => {
                self.call_function(path, function, preset, arguments, context).await
            }
            Some(Tool::Program { command, preset, known }) => {
                if let Some(refused) = unknown_argument(&arguments, preset, known.as_ref()) {
                    return CustomReply::refused(refused);
                }
                program::run(&self.setup, command, with_preset(arguments, preset)).await
            }
        }
    }

    async fn call_function(
        &self,
        path: &str,
        function: &str,
        preset: &BTreeMap<String, Value>,
        arguments: Map<String, Value>,
        context: &CallerContext,
    ) -> CustomReply {
        let request = json!({
            "do": "call", "path": path, "function": function, "preset": preset, "arguments": arguments,
            "context": context,
        });
        let said = match self.ask(request, self.setup.time).await {
            Ok(said) => said,
            Err(CustomError::Busy(_)) => {
                return CustomReply::refused(CustomError::Busy(limits::CUSTOM_CALLS).to_string());
            }
            Err(error) => return CustomReply::failed(error.to_string()),
        };
        let blocks = said.get("blocks").and_then(Value::as_array);
        blocks
            .and_then(|blocks| blocks::reply_of(blocks))
            .unwrap_or_else(|| CustomReply::failed("the interpreter gave what is no result".to_owned()))
    }

    async fn describe(&self, tool: &CustomTool) -> Result<Described, String> {
        match &tool.source {
            CustomSource::Python { path, function } => {
                let preset: Vec<&String> = tool.preset.keys().collect();
                let request =
                    json!({ "do": "describe", "path": path, "function": function, "preset": preset });
                let said = self
                    .ask(request, limits::CUSTOM_DESCRIBE_TIME)
                    .await
                    .map_err(|error| notice(tool, &error, error.hint()))?;
                let description =
                    said.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
                Ok(Described { description, schema: said.get("schema").cloned().unwrap_or_default() })
            }
            CustomSource::Program { schema, .. } => Ok(Described {
                description: String::new(),
                schema: program::open_schema(schema, &tool.preset),
            }),
        }
    }

    async fn ask(&self, request: Value, time: Duration) -> Result<Map<String, Value>, CustomError> {
        let Value::Object(request) = request else {
            return Err(CustomError::Form("the request is no map".to_owned()));
        };
        self.interpreter.as_ref().ok_or(CustomError::NoPython)?.ask(request, time).await
    }

    fn add(&mut self, tool: &CustomTool, described: Described) -> Result<(), String> {
        let name = name_of(tool).ok_or_else(|| {
            notice(
                tool,
                &"its name is no name of a tool",
                Some("use letters, digits, `_` and `-`, at most 51"),
            )
        })?;
        if self.has(&name) {
            return Err(notice(
                tool,
                &format!("there is a tool `{name}` before it"),
                Some("give it a `name`"),
            ));
        }
        let Described { description, schema } = described;
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err(notice(
                tool,
                &"its schema is not one of an object",
                Some("begin it with `type: object`"),
            ));
        }
        if schema.to_string().len() > limits::CUSTOM_SCHEMA_BYTES {
            let problem = format!("its schema has more than {} bytes", limits::CUSTOM_SCHEMA_BYTES);
            return Err(notice(tool, &problem, Some("give it fewer or simpler parameters")));
        }
        let description = tool.description.clone().unwrap_or(description);
        let preset = tool.preset.clone();
        let what = match &tool.source {
            CustomSource::Python { path, function } => {
                Tool::Function { path: path.clone(), function: function.clone(), preset }
            }
            CustomSource::Program { command, .. } => {
                Tool::Program { command: command.clone(), preset, known: program::known_arguments(&schema) }
            }
        };
        self.tools.insert(name.clone(), what);
        let description = cut(description, limits::CUSTOM_DESCRIPTION_BYTES);
        self.schemas.push(ToolSchema { name, description, parameters: schema });
        Ok(())
    }
}

/// The tool with the place of its file free of links. A file that is not there is told of when it is asked for its schema.
fn resolved(tool: &CustomTool) -> CustomTool {
    let mut tool = tool.clone();
    if let CustomSource::Python { path, .. } = &mut tool.source
        && let Ok(place) = fs_err::canonicalize(&*path)
        && let Some(place) = place.to_str()
    {
        place.clone_into(path);
    }
    tool
}

/// The name that models see.
fn name_of(tool: &CustomTool) -> Option<String> {
    let own = tool.name.as_deref().unwrap_or_else(|| match &tool.source {
        CustomSource::Python { function, .. } => function.rsplit('.').next().unwrap_or(function),
        CustomSource::Program { command, .. } => {
            let file = command.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program));
            file.split('.').next().unwrap_or(file)
        }
    });
    let own = own.strip_prefix(PREFIX).unwrap_or(own);
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    let name = format!("{PREFIX}{own}");
    (!own.is_empty() && own.chars().all(is_plain) && name.len() <= NAME_BYTES).then_some(name)
}

/// Why a tool is not offered.
fn notice(tool: &CustomTool, problem: &impl std::fmt::Display, hint: Option<&str>) -> String {
    let source = match &tool.source {
        CustomSource::Python { path, function } => format!("`{function}` of `{path}`"),
        CustomSource::Program { command, .. } => format!("`{}`", command.join(" ")),
    };
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("the custom tool {source} is not offered: {problem}{hint}")
}

fn unknown_argument(
    arguments: &Map<String, Value>,
    preset: &BTreeMap<String, Value>,
    known: Option<&BTreeSet<String>>,
) -> Option<String> {
    let is_unknown =
        |name: &&String| preset.contains_key(*name) || known.is_some_and(|known| !known.contains(*name));
    let name = arguments.keys().find(is_unknown)?;
    let known: Vec<&str> = known.into_iter().flatten().map(String::as_str).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Some(format!("there is no argument `{name}`; the arguments are {known}"))
}

fn with_preset(mut arguments: Map<String, Value>, preset: &BTreeMap<String, Value>) -> Map<String, Value> {
    arguments.extend(preset.iter().map(|(name, value)| (name.clone(), value.clone())));
    arguments
}

#[cfg(test)]
#[path = "custom_tests.rs"]
mod tests;

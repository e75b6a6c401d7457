//! The file tools: names and parameters are those of the servers `filesystem` and `workspace_tools`, which many prompts
//! and configurations know.

mod change;
mod edit;
mod folders;
mod known;
mod list;
mod patch;
mod read;
mod remove;
mod search;
mod transfer;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::tooling::FileTools;
use massgen_protocol::{AgentId, ToolSchema};
use massgen_workspace::access::{Last, Managed};
use serde_json::{Map, Value};

use crate::arguments::Arguments;
use crate::desk::Desk;
use crate::naming::wire_name;
use crate::policy::{Effect, Request};
use crate::source::{Capability, Failed, Invocation, Kind, Output, Source};

/// The server that reads and writes files.
const FILESYSTEM: &str = "filesystem";

/// The server that copies, removes, compares and searches.
const WORKSPACE: &str = "workspace_tools";

/// Old names, whole and short, and what they mean now.
const OLD_NAMES: &[(&str, &str)] =
    &[("mcp__filesystem__read_file", "mcp__filesystem__read_text_file"), ("read_file", "read_text_file")];

/// What stays of the file tools when an agent is to use commands for the rest.
const WRITERS: &[&str] = &["write_file", "edit_file"];

/// One file tool.
#[derive(Debug)]
struct FileTool {
    server: &'static str,
    name: &'static str,
    description: &'static str,
    parameters: fn() -> Value,
    does: &'static [Capability],
    touches: Touches,
    run: fn(&Desk, Arguments<'_>) -> Result<String, Failed>,
}

/// Where a call says which paths it touches, and how.
#[derive(Debug)]
enum Touches {
    /// In these arguments, texts or lists of texts. A missing one is the workspace.
    Named(&'static [(&'static str, Effect)]),
    /// In `path`: read, for the difference that it shows, and changed unless `dryRun` says otherwise.
    Edited,
    /// In the text of a patch.
    Patch,
}

/// The tools, in the order in which models see them.
static TOOLS: &[&[FileTool]] =
    &[read::TOOLS, change::TOOLS, list::TOOLS, search::TOOLS, transfer::TOOLS, patch::TOOLS];

/// The file tools of all agents.
#[derive(Debug)]
pub struct FileSource {
    agents: BTreeMap<AgentId, (Arc<Desk>, FileTools)>,
}

impl FileSource {
    /// File tools for these agents, each with its desk.
    pub fn new(agents: BTreeMap<AgentId, (Arc<Desk>, FileTools)>) -> Self {
        Self { agents }
    }

    fn tool(&self, agent: &AgentId, name: &str) -> Option<(&Arc<Desk>, &'static FileTool)> {
        let (desk, which) = self.agents.get(agent)?;
        let name = present_name(name);
        let tool = chosen(*which).find(|tool| wire_name(tool.server, tool.name) == name)?;
        Some((desk, tool))
    }
}

/// The name that a tool has now.
pub(crate) fn present_name(name: &str) -> &str {
    OLD_NAMES.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

fn chosen(which: FileTools) -> impl Iterator<Item = &'static FileTool> {
    TOOLS.iter().flat_map(|group| group.iter()).filter(move |tool| match which {
        FileTools::All => true,
        FileTools::WritersOnly => WRITERS.contains(&tool.name),
    })
}

impl Source for FileSource {
    fn kind(&self) -> Kind {
        Kind::BuiltIn
    }

    fn schemas(&self, agent: &AgentId) -> Vec<ToolSchema> {
        let Some((_, which)) = self.agents.get(agent) else { return Vec::new() };
        let schema = |tool: &FileTool| ToolSchema {
            name: wire_name(tool.server, tool.name),
            description: tool.description.to_owned(),
            parameters: (tool.parameters)(),
        };
        chosen(*which).map(schema).collect()
    }

    fn capabilities(&self, agent: &AgentId, name: &str) -> Option<Vec<Capability>> {
        self.tool(agent, name).map(|(_, tool)| tool.does.to_vec())
    }

    fn requests(&self, agent: &AgentId, name: &str, arguments: &Map<String, Value>) -> Vec<Request> {
        let Some((desk, tool)) = self.tool(agent, name) else { return Vec::new() };
        let managed = desk.managed();
        let wanted = match &tool.touches {
            Touches::Named(named) => {
                let mut wanted = Vec::new();
                for (name, effect) in *named {
                    match arguments.get(*name) {
                        Some(Value::String(path)) => wanted.push((*effect, path.clone())),
                        Some(Value::Array(paths)) => wanted.extend(
                            paths.iter().filter_map(Value::as_str).map(|path| (*effect, path.to_owned())),
                        ),
                        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => {
                            wanted.push((*effect, ".".to_owned()));
                        }
                    }
                }
                wanted
            }
            Touches::Edited => {
                let given = Arguments(arguments);
                let path = given.optional("path").unwrap_or(".");
                let effects: &[Effect] =
                    if given.is_on("dryRun") { &[Effect::Read] } else { &[Effect::Write, Effect::Read] };
                effects.iter().map(|effect| (*effect, path.to_owned())).collect()
            }
            Touches::Patch => patch::touched(Arguments(arguments)),
        };
        wanted.into_iter().map(|(effect, path)| request(&managed, effect, &path)).collect()
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'static, Result<Output, Failed>> {
        let found = self.tool(&invocation.agent, &invocation.name).map(|(desk, tool)| (desk.clone(), tool));
        Box::pin(async move {
            let Some((desk, tool)) = found else {
                return Err(Failed::Denied(format!("there is no tool `{}`", invocation.name)));
            };
            let work = move || (tool.run)(&desk, Arguments(&invocation.arguments));
            match tokio::task::spawn_blocking(work).await {
                Ok(result) => result.map(Output::from),
                Err(stopped) => Err(Failed::Error(format!("the tool broke: {stopped}"))),
            }
        })
    }
}

/// What is wanted of `path`, judged by where it really leads.
pub(crate) fn request(managed: &Arc<Managed>, effect: Effect, path: &str) -> Request {
    let last = match effect {
        Effect::Delete => Last::AsItIs,
        Effect::Read | Effect::Write | Effect::Command | Effect::Address | Effect::Tool => Last::Followed,
    };
    // What cannot be found is refused by the tool itself, with a better reason; rules see the words.
    let real = managed.find(path, last).map_or_else(|_| Path::new(path).to_path_buf(), |found| found.path());
    Request {
        effect,
        target: real.display().to_string(),
        spellings: managed.spellings(&real),
        asked: Some(path.to_owned()),
    }
}

#[cfg(test)]
#[path = "files/files_tests.rs"]
mod tests;

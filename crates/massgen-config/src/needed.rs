//! Files and folders that a configuration names and that must be there when a run begins. They are looked for by whoever
//! can look; what is missing is told here.

use std::path::{Path, PathBuf};

use massgen_protocol::AgentId;
use massgen_protocol::spec::AgentSpec;
use massgen_protocol::tooling::CustomSource;

use crate::check::shortened;
use crate::finding::{Finding, Severity};
use crate::node::Origin;

/// A file or folder that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Needed {
    /// Where it is, absolute.
    pub(crate) path: PathBuf,
    /// The path of the key that names it, for findings.
    pub(crate) at: String,
    /// Where that stands.
    pub(crate) origin: Origin,
    /// What it is for.
    pub(crate) kind: NeededKind,
}

/// What there is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum There {
    /// Nothing.
    Nothing,
    /// A file or folder.
    Something,
    /// A file that can be started.
    Program,
}

/// What a file or folder is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NeededKind {
    /// Agents see it.
    Context,
    /// It holds functions that are tools.
    Tool,
    /// It is a tool.
    ToolProgram,
    /// A server of tools is run from it.
    Server {
        /// Whose, when it has a name.
        agent: Option<AgentId>,
        /// The server.
        name: String,
    },
    /// It is read by an interpreter before or after a tool.
    Hook,
    /// It is started before or after a tool.
    HookProgram,
    /// It is a module with a function that is called before or after a tool; a folder may be in its place.
    HookModule,
    /// It holds variables for a container.
    Variables,
}

/// Tells of what is not there. Tools whose file is missing are taken out of `agents`. Files of the user are `missed` so
/// severely: no run begins without them, and a check may be made on another machine. All else is an error.
pub(crate) fn missing(
    needed: &[Needed],
    agents: &mut [AgentSpec],
    there: &dyn Fn(&Path) -> There,
    missed: Severity,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for needed in needed {
        let shown = shortened(&needed.path.to_string_lossy());
        let is_program = matches!(needed.kind, NeededKind::HookProgram | NeededKind::ToolProgram);
        let is_missing = match there(&needed.path) {
            There::Nothing => true,
            There::Something if is_program => {
                let finding =
                    Finding::error(&needed.at, format!("`{shown}` cannot be started: it is not executable"));
                findings.push(finding.hint(format!("`chmod +x {shown}`")).at(&needed.origin));
                false
            }
            There::Something | There::Program => false,
        };
        if !is_missing {
            continue;
        }
        let finding = match &needed.kind {
            NeededKind::Context => Finding::new(missed, &needed.at, format!("there is no `{shown}`"))
                .hint("name a file or folder that exists, or remove the entry"),
            NeededKind::Tool | NeededKind::ToolProgram => {
                let names = without(agents, &needed.path);
                // Two entries may name the same file: the first one took the tools out.
                if names.is_empty() {
                    continue;
                }
                let message = format!("agents do without {}: there is no file `{shown}`", names.join(", "));
                Finding::warning(&needed.at, message).hint(if is_program {
                    "put the program there, or remove the tool"
                } else {
                    "put the file there; tools of the Python package of MassGen do not come with this program"
                })
            }
            NeededKind::Server { agent, name } => {
                for agent in agents.iter_mut().filter(|known| agent.as_ref() == Some(&known.id)) {
                    agent.tooling.servers.retain(|server| server.name != *name);
                }
                Finding::warning(
                    &needed.at,
                    format!("agents do without the server `{name}`: there is no file `{shown}`"),
                )
                .hint("put the file there, or name it by its whole path")
            }
            NeededKind::HookModule => {
                let package = needed.path.with_extension("");
                if there(&package) != There::Nothing {
                    continue;
                }
                let name =
                    package.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                let message = format!(
                    "there is no file `{shown}`: the hook fails unless Python finds `{name}` elsewhere"
                );
                Finding::warning(&needed.at, message)
                    .hint("put the file there; a hook that fails lets calls pass, unless it has `fail_closed: true`")
            }
            NeededKind::Hook | NeededKind::HookProgram => {
                Finding::error(&needed.at, format!("there is no file `{shown}`"))
                    .hint("put the program of the hook there, or remove the hook")
            }
            NeededKind::Variables => Finding::new(missed, &needed.at, format!("there is no file `{shown}`"))
                .hint("name a file with lines such as `NAME=value`, or remove the key"),
        };
        findings.push(finding.at(&needed.origin));
    }
    findings
}

/// Takes the tools of the file `path`, and those that are this program, out of `agents`; returned are their names, each once.
fn without(agents: &mut [AgentSpec], path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for agent in agents {
        agent.tooling.custom.retain(|tool| {
            let (file, function) = match &tool.source {
                CustomSource::Python { path: file, function } => (Some(file), Some(function)),
                CustomSource::Program { command, .. } => (command.first(), None),
            };
            if file.is_none_or(|file| Path::new(file) != path) {
                return true;
            }
            let name = tool.name.as_ref().or(function).map(|name| shortened(name)).unwrap_or_default();
            let name = format!("`{name}`");
            if !names.contains(&name) {
                names.push(name);
            }
            false
        });
    }
    names
}

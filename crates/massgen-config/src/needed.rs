//! Files and folders that a configuration names and that must be there when a run begins. They are looked for by whoever
//! can look; what is missing is told here.

use std::path::{Path, PathBuf};

use massgen_protocol::spec::AgentSpec;
use massgen_protocol::tooling::CustomSource;

use crate::check::shortened;
use crate::finding::Finding;
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

/// What a file or folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NeededKind {
    /// Agents see it.
    Context,
    /// It holds functions that are tools.
    Tool,
    /// It is started before or after a tool.
    Hook,
    /// It holds variables for a container.
    Variables,
}

/// Tells of what is not there. Tools whose file is missing are taken out of `agents`; all else is an error.
pub(crate) fn missing(
    needed: &[Needed],
    agents: &mut [AgentSpec],
    is_there: &dyn Fn(&Path) -> bool,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for needed in needed.iter().filter(|needed| !is_there(&needed.path)) {
        let shown = shortened(&needed.path.to_string_lossy());
        let finding = match needed.kind {
            NeededKind::Context => Finding::error(&needed.at, format!("there is no `{shown}`"))
                .hint("name a file or folder that exists, or remove the entry"),
            NeededKind::Tool => {
                let names = without(agents, &needed.path);
                // Two entries may name the same file: the first one took the tools out.
                if names.is_empty() {
                    continue;
                }
                let message = format!("agents do without {}: there is no file `{shown}`", names.join(", "));
                Finding::warning(&needed.at, message).hint(
                    "put the file there; tools of the Python package of MassGen do not come with this program",
                )
            }
            NeededKind::Hook => Finding::error(&needed.at, format!("there is no file `{shown}`"))
                .hint("put the program of the hook there, or remove the hook"),
            NeededKind::Variables => Finding::error(&needed.at, format!("there is no file `{shown}`"))
                .hint("name a file with lines such as `NAME=value`, or remove the key"),
        };
        findings.push(finding.at(&needed.origin));
    }
    findings
}

/// Takes the tools of the file `path` out of `agents`; returned are their names, each once.
fn without(agents: &mut [AgentSpec], path: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for agent in agents {
        agent.tooling.custom.retain(|tool| {
            let function = match &tool.source {
                CustomSource::Python { path: file, function } if Path::new(file) == path => function,
                CustomSource::Python { .. } | CustomSource::Program { .. } => return true,
            };
            let name = format!("`{}`", shortened(tool.name.as_ref().unwrap_or(function)));
            if !names.contains(&name) {
                names.push(name);
            }
            false
        });
    }
    names
}

//! What a configuration makes this machine do beside asking models, and whether a person has agreed to that.
//!
//! A configuration that a person names is that person's word. One that is only found, because it lies in the project,
//! may come from anybody: if it starts programs or gives secrets away, a run with it waits until a person has trusted
//! the text as it is. Any change of the text takes the trust back.

mod places;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::Path;

use massgen_protocol::AgentId;
use massgen_protocol::spec::{AgentSpec, KeyCommand, Service, UNNAMED_KEY_PREFIX};
use massgen_protocol::tooling::{
    CommandPlace, ContainerCredentials, ContainerNetwork, ContainerSpec, CustomSource, HookHandler,
    Permissions, Programs, ServerTransport,
};
use massgen_protocol::workspace::{Access, Isolation, WorkspaceSpec};
use serde::{Deserialize, Serialize};

use crate::backends::Backends;
use crate::check::Lookup;
use crate::endpoint::Endpoint;

pub use places::{Named, lines, named};

/// The form of [`Trusted`] as a file.
const VERSION: u32 = 1;

/// Something that a configuration makes this machine do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    /// The agent for which it is done.
    pub agent: AgentId,
    /// What kind of thing it is.
    pub kind: DemandKind,
    /// The program, address or path, as a person would write it. It comes out of the file: clean it before it is
    /// shown.
    pub what: String,
}

/// Kinds of what a configuration makes this machine do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DemandKind {
    /// A program prints a key (`api_key_command`).
    KeyCommand,
    /// A program or a service is a tool server: it is told what agents ask it, and agents believe what it says.
    Server,
    /// A service gets variables of the environment.
    Variables,
    /// A program or a file of Python is a tool.
    Tool,
    /// A program is asked before or told after tools.
    Hook,
    /// Programs of an agent run without a sandbox.
    Unsandboxed,
    /// Agents or their commands reach more of this machine than the project.
    Reach,
    /// Real files are written without a copy in between.
    DirectWrite,
    /// A folder is moved away or removed.
    Removal,
}

impl DemandKind {
    /// What is done, as a sentence without its object: `starts the tool server`.
    pub fn says(self) -> &'static str {
        match self {
            Self::KeyCommand => "runs for a key",
            Self::Server => "uses as a tool server",
            Self::Variables => "sends variables of the environment to",
            Self::Tool => "runs as a tool",
            Self::Hook => "runs around tools",
            Self::Unsandboxed => "runs programs of agents with all your rights",
            Self::Reach => "lets agents reach",
            Self::DirectWrite => "writes straight to",
            Self::Removal => "moves or removes",
        }
    }
}

/// How a configuration came to be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whence {
    /// A person named it, or it is the person's own.
    Named,
    /// It lies in the project.
    Found,
}

/// What a person trusts: projects, whose skills agents are offered, and configurations that lie in projects, as long as
/// they stay as they are. All paths are absolute and free of links.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trusted {
    version: u32,
    /// The root of each project.
    #[serde(default)]
    projects: BTreeSet<String>,
    /// The path of each configuration, with its fingerprint.
    configs: BTreeMap<String, String>,
}

impl Trusted {
    /// What a file says.
    ///
    /// # Errors
    /// Why it cannot be read, as the end of a sentence. What cannot be read trusts nothing.
    pub fn read(text: &str) -> Result<Self, String> {
        let trusted: Self = serde_json::from_str(text).map_err(|error| format!("is damaged: {error}"))?;
        if trusted.version == VERSION {
            Ok(trusted)
        } else {
            Err("is of another version of massgen".to_owned())
        }
    }

    /// The text of the file.
    pub fn text(&self) -> String {
        let document =
            serde_json::json!({ "version": VERSION, "projects": self.projects, "configs": self.configs });
        let mut text = format!("{document:#}");
        text.push('\n');
        text
    }

    /// Trusts the configuration at `path` as long as its text has this fingerprint.
    pub fn trust(&mut self, path: &Path, fingerprint: &str) {
        self.version = VERSION;
        self.configs.insert(path.to_string_lossy().into_owned(), fingerprint.to_owned());
    }

    /// Trusts what the project with this root says to agents.
    pub fn trust_project(&mut self, root: &Path) {
        self.version = VERSION;
        self.projects.insert(root.to_string_lossy().into_owned());
    }

    /// Whether what the project with this root says to agents is taken. A project inside of one that is trusted is
    /// another project.
    pub fn trusts_project(&self, root: &Path) -> bool {
        self.projects.contains(root.to_string_lossy().as_ref())
    }

    /// Takes the trust in a project, or in a configuration, back, and that in all configurations below it; `false` when
    /// there was none.
    pub fn forget(&mut self, path: &Path) -> bool {
        let known = self.projects.len() + self.configs.len();
        self.projects.remove(path.to_string_lossy().as_ref());
        self.configs.retain(|config, _| !Path::new(config).starts_with(path));
        known != self.projects.len() + self.configs.len()
    }

    /// The roots of the projects.
    pub fn projects(&self) -> impl Iterator<Item = &Path> {
        self.projects.iter().map(Path::new)
    }

    /// The configurations, each with the fingerprint that it had.
    pub fn configs(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.configs.iter().map(|(path, fingerprint)| (Path::new(path), fingerprint.as_str()))
    }

    /// Whether a run may begin with the configuration at `path`, whose text has this fingerprint.
    ///
    /// # Errors
    /// Why a person must be asked.
    pub fn allows(
        &self,
        path: &Path,
        fingerprint: &str,
        whence: Whence,
        demands: &[Demand],
    ) -> Result<(), Untrusted> {
        if whence == Whence::Named || demands.is_empty() {
            return Ok(());
        }
        match self.configs.get(path.to_string_lossy().as_ref()) {
            Some(known) if known == fingerprint => Ok(()),
            Some(_) => Err(Untrusted::Changed),
            None => Err(Untrusted::New),
        }
    }
}

/// Why a person must be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untrusted {
    /// Nobody has trusted the configuration.
    New,
    /// Its text is not the one that was trusted.
    Changed,
}

/// Against what a configuration is held.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    /// The folder in which agents work; what they see outside of it is named.
    pub project: &'a Path,
    /// The backend types: they say which key may go where.
    pub backends: &'a Backends,
    /// Looks up a variable that the person has set, and no file of the project: an address in one is the person's word.
    pub lookup: Lookup<'a>,
}

/// Shows the folder only.
impl fmt::Debug for Surroundings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Surroundings").field("project", &self.project).finish_non_exhaustive()
    }
}

impl Surroundings<'_> {
    /// Whether a key goes to an address where neither its provider is known to be nor the person has sent it.
    fn is_led_away(&self, kind: &str, service: &Service) -> bool {
        // Some addresses carry a version behind them.
        let address = service.base_url.split('?').next().unwrap_or_default();
        let Ok(endpoint) = Endpoint::parse(address) else { return !service.key_variables.is_empty() };
        let own = self.backends.get(kind);
        let is_same =
            |url: String| Endpoint::parse(url.trim()).is_ok_and(|named| named.host == endpoint.host);
        let variable = own.and_then(|own| own.base_url_variable.as_deref());
        if endpoint.is_loopback() || variable.and_then(self.lookup).is_some_and(is_same) {
            return false;
        }
        let known = match own {
            // A type whose address everybody sets for themselves knows none by itself.
            Some(own) if own.base_url_variable.is_none() => {
                self.backends.key_variables(own, &service.base_url)
            }
            Some(_) | None => self.backends.host_key_variables(&service.base_url),
        };
        let is_of_environment = |name: &String| !name.starts_with(UNNAMED_KEY_PREFIX);
        known.is_empty() && service.key_variables.iter().any(is_of_environment)
    }
}

/// Everything that the agents of a configuration make this machine do, each thing once for an agent.
pub fn demands(agents: &[AgentSpec], surroundings: Surroundings<'_>) -> Vec<Demand> {
    let mut all = Vec::new();
    for agent in agents {
        let mut found = Vec::new();
        for (backend, service) in agent.backends().filter_map(|backend| Some((backend, backend.service()?))) {
            if surroundings.is_led_away(&backend.kind, service) {
                found.push((DemandKind::Variables, service.base_url.clone()));
            }
            found.extend(service.key_command.as_ref().map(|command| {
                let what = match command {
                    KeyCommand::Shell(line) => line.clone(),
                    KeyCommand::Program(parts) => parts.join(" "),
                };
                (DemandKind::KeyCommand, what)
            }));
            found.extend(
                service
                    .headers
                    .values()
                    .filter(|value| value.contains("${"))
                    .map(|_| (DemandKind::Variables, service.base_url.clone())),
            );
        }
        of_tools(agent, &mut found);
        if let Some(workspace) = agent.workspace.as_deref() {
            of_workspace(workspace, surroundings.project, &mut found);
        }
        // Replies of people, and questions to them.
        let places = agent.tooling.permissions.iter().flat_map(Permissions::places);
        let outside = places.filter(|place| !Path::new(place).starts_with(surroundings.project));
        found.extend(outside.map(|place| (DemandKind::DirectWrite, place.to_owned())));
        for (kind, what) in found {
            let demand = Demand { agent: agent.id.clone(), kind, what };
            if !all.contains(&demand) {
                all.push(demand);
            }
        }
    }
    all
}

fn of_tools(agent: &AgentSpec, found: &mut Vec<(DemandKind, String)>) {
    let tooling = &agent.tooling;
    for server in &tooling.servers {
        match &server.transport {
            ServerTransport::Stdio { command, .. } => found.push((DemandKind::Server, command.join(" "))),
            ServerTransport::Http { url, headers, .. } => {
                found.push((DemandKind::Server, url.clone()));
                if headers.values().chain([url]).any(|text| text.contains("${")) {
                    found.push((DemandKind::Variables, url.clone()));
                }
            }
        }
    }
    found.extend(tooling.custom.iter().map(|tool| match &tool.source {
        CustomSource::Python { path, .. } => (DemandKind::Tool, path.clone()),
        CustomSource::Program { command, .. } => (DemandKind::Tool, command.join(" ")),
    }));
    let hooks = tooling.hooks.before.iter().chain(&tooling.hooks.after);
    found.extend(hooks.map(|hook| match &hook.handler {
        HookHandler::Python { function, .. } => (DemandKind::Hook, function.clone()),
        HookHandler::Command { command } => (DemandKind::Hook, command.join(" ")),
    }));
    match tooling.programs {
        Programs::Confined => {}
        Programs::Unconfined => found.push((DemandKind::Unsandboxed, String::new())),
    }
    match tooling.commands.as_ref().map(|commands| &commands.place) {
        None | Some(CommandPlace::Unconfined) => {}
        Some(CommandPlace::Sandbox(sandbox)) => {
            let further = sandbox.readable.iter().chain(&sandbox.sockets);
            found.extend(further.map(|path| (DemandKind::Reach, path.clone())));
        }
        Some(CommandPlace::Container(container)) => of_container(container, found),
    }
}

fn of_container(container: &ContainerSpec, found: &mut Vec<(DemandKind, String)>) {
    let ContainerCredentials { env_file, env_vars, env_vars_from_file: _, pass_all_env, well_known, mounts } =
        &container.credentials;
    let named = env_file.iter().chain(env_vars).chain(well_known).chain(mounts.keys());
    found.extend(named.map(|what| (DemandKind::Reach, what.clone())));
    if *pass_all_env {
        found.push((DemandKind::Reach, "the whole environment".to_owned()));
    }
    if container.network == ContainerNetwork::Host {
        found.push((DemandKind::Reach, "the network of this machine".to_owned()));
    }
}

fn of_workspace(workspace: &WorkspaceSpec, project: &Path, found: &mut Vec<(DemandKind, String)>) {
    let outside = workspace.contexts.iter().filter(|context| !Path::new(&context.path).starts_with(project));
    found.extend(outside.map(|context| (DemandKind::Reach, context.path.clone())));
    if workspace.isolation == Isolation::Direct {
        let writable = workspace.contexts.iter().filter(|context| context.access == Access::Write);
        found.extend(writable.map(|context| (DemandKind::DirectWrite, context.path.clone())));
    }
}

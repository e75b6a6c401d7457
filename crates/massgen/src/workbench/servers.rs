//! Tool servers of agents: started in the sandbox, and offered as tools.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use massgen_mcp::{Launch, Launched, Launcher, Pool};
use massgen_protocol::message::ToolFile;
use massgen_protocol::{AgentId, ToolOutcome, ToolSchema};
use massgen_sandbox::{Call, Mechanism, Policy, Sandbox, Stdin};
use massgen_tools::custom::readable_for;
use massgen_tools::policy::Request;
use massgen_tools::{Capability, Failed, Invocation, Kind, Output, Source};
use serde_json::{Map, Value};

/// How the servers of one agent are started.
#[derive(Debug, Clone)]
pub(crate) struct Confined {
    pub(crate) mechanism: Mechanism,
    pub(crate) policy: Policy,
    /// A folder that its programs keep things in; their home.
    pub(crate) home: PathBuf,
    /// Which files the commands of servers may name.
    pub(crate) named: NamedFiles,
}

/// Files of the user that the command of a server names: it is the user who wrote it, so they may be read.
#[derive(Debug, Clone)]
pub(crate) struct NamedFiles {
    /// Where massgen was started: short names are seen from there.
    pub(crate) working_directory: PathBuf,
    /// The home folder of the user, which is never opened as a whole.
    pub(crate) home: Option<PathBuf>,
}

impl NamedFiles {
    fn found(&self, command: Vec<String>) -> Named {
        let mut readable = Vec::new();
        let mut words = Vec::new();
        for (position, word) in command.into_iter().enumerate() {
            let is_path = word.contains('/') || (position > 0 && word.contains('.'));
            let path = self.working_directory.join(&word);
            let file = if is_path && path.is_file() { fs_err::canonicalize(&path).ok() } else { None };
            let Some(file) = file else {
                words.push(word.into());
                continue;
            };
            readable.extend(readable_for(&file, self.home.as_deref()));
            if position == 0 {
                // A program may look for what is its own beside the link that leads to it, as those of Python do.
                readable.extend(environment_of(&path));
                words.push(path.into());
            } else {
                words.push(file.into());
            }
        }
        Named { command: words, readable }
    }
}

/// The environment of Python that `program` belongs to.
fn environment_of(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.parent()?;
    if folder.join("pyvenv.cfg").is_file() { fs_err::canonicalize(folder).ok() } else { None }
}

/// Starts servers in the sandbox.
pub(crate) struct InSandbox {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) agents: BTreeMap<AgentId, Confined>,
    /// What was found for the servers that were started: a link that an agent makes later leads nowhere.
    pub(crate) started: Mutex<BTreeMap<(AgentId, String), Named>>,
}

/// A command with whole paths for the files that it names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    command: Vec<OsString>,
    /// What must be readable for them.
    readable: Vec<PathBuf>,
}

impl fmt::Debug for InSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InSandbox").field("agents", &self.agents.keys()).finish_non_exhaustive()
    }
}

impl Launcher for InSandbox {
    fn launch(&self, launch: Launch) -> BoxFuture<'_, io::Result<Launched>> {
        Box::pin(async move { self.start(launch) })
    }
}

impl InSandbox {
    fn start(&self, launch: Launch) -> io::Result<Launched> {
        let confined = self
            .agents
            .get(&launch.agent)
            .ok_or_else(|| io::Error::other(format!("agent `{}` starts no servers", launch.agent)))?;
        let folder = fs_err::canonicalize(launch.folder)?;
        let named = {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            let server = (launch.agent.clone(), launch.server);
            started.entry(server).or_insert_with(|| confined.named.found(launch.command)).clone()
        };
        let Named { command, readable } = named;
        let mut policy = confined.policy.clone();
        policy.readable.extend(readable);
        let mut call = Call::new(confined.mechanism, policy, command, folder);
        call.environment =
            launch.environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        match confined.mechanism {
            Mechanism::Bubblewrap | Mechanism::Landlock => {
                call.environment.extend(super::confinement::at_home(&confined.home));
            }
            Mechanism::Unconfined => {}
        }
        call.stdin = Stdin::Open;
        let mut running = self.sandbox.start(call).map_err(io::Error::other)?;
        match (running.stdin(), running.stdout()) {
            (Some(stdin), Some(stdout)) => Ok(Launched {
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: running.stderr().map(|stderr| Box::new(stderr) as _),
                process: Box::new(running),
            }),
            (_, _) => Err(io::Error::other("its streams are not open")),
        }
    }
}

/// The tools of all servers of all agents.
pub(crate) struct ServerSource(pub(crate) Arc<Pool>);

impl Source for ServerSource {
    fn kind(&self) -> Kind {
        Kind::Server
    }

    fn schemas(&self, agent: &AgentId) -> Vec<ToolSchema> {
        self.0.tools(agent).iter().map(|tool| tool.schema.clone()).collect()
    }

    fn capabilities(&self, agent: &AgentId, name: &str) -> Option<Vec<Capability>> {
        // What a server says of its own tools is no reason to trust them: each may do anything that a program may.
        let known = self.0.tools(agent).iter().any(|tool| tool.schema.name == name);
        known.then(|| vec![Capability::Executes, Capability::Network])
    }

    fn requests(&self, _agent: &AgentId, name: &str, arguments: &Map<String, Value>) -> Vec<Request> {
        Request::of_tool(name, arguments)
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'static, Result<Output, Failed>> {
        let call = self.0.call(&invocation.agent, &invocation.name, invocation.arguments);
        Box::pin(async move {
            let Some(call) = call else {
                return Err(Failed::Denied(format!("there is no tool `{}`", invocation.name)));
            };
            let called = call.await;
            match called.outcome {
                ToolOutcome::Ok { text, .. } => {
                    Ok(Output { text, files: called.files.into_iter().map(kept).collect() })
                }
                ToolOutcome::Denied { text } => Err(Failed::Denied(text)),
                ToolOutcome::Error { text } => Err(Failed::Error(text)),
                ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => {
                    Err(Failed::Error("nobody knows what became of the call".to_owned()))
                }
            }
        })
    }
}

fn kept(file: massgen_mcp::ToolFile) -> ToolFile {
    super::tool_file(file.media_type, &file.base64)
}

//! Tool servers of agents: started in the sandbox, and offered as tools.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use massgen_mcp::{Launch, Launched, Launcher, Notice, NoticeKind, Pool};
use massgen_protocol::message::ToolFile;
use massgen_protocol::{AgentId, ToolOutcome, ToolSchema};
use massgen_sandbox::{Call, Mechanism, Policy, Sandbox, Stdin};
use massgen_tools::commands::Reach;
use massgen_tools::custom::readable_for;
use massgen_tools::policy::Request;
use massgen_tools::{Capability, Failed, Invocation, Kind, Output, Source};
use serde_json::{Map, Value};

use super::tools::OWN;

/// Entries at most of a folder of libraries that are looked at.
const ENTRIES: usize = 4096;

/// How the servers of one agent are started.
#[derive(Debug, Clone)]
pub(crate) struct Confined {
    pub(crate) mechanism: Mechanism,
    pub(crate) policy: Policy,
    /// What its servers do not see wherever it lies: our own state.
    pub(crate) hidden: Vec<PathBuf>,
    /// The folder that its servers start in unless the configuration names one.
    pub(crate) folder: PathBuf,
    /// A folder that its programs keep things in; their home.
    pub(crate) home: PathBuf,
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
    /// What `command` means, of a server that starts in `own` if the configuration says so: then it is seen from there, and
    /// the folder may be read unless it is the home folder or holds it.
    fn found(&self, command: Vec<String>, own: Option<&Path>) -> Named {
        let base = own.unwrap_or(&self.working_directory);
        let is_narrow = |folder: &&Path| {
            folder.parent().is_some() && self.home.as_ref().is_none_or(|home| !home.starts_with(folder))
        };
        let mut readable: Vec<PathBuf> = own.filter(is_narrow).map(Path::to_owned).into_iter().collect();
        let mut folders = Vec::new();
        let mut words = Vec::new();
        for (position, word) in command.into_iter().enumerate() {
            let is_path = word.contains('/') || (position > 0 && word.contains('.'));
            let path = base.join(&word);
            folders.extend(folder_in(&word).filter(|_| position > 0));
            let file = if is_path && path.is_file() { fs_err::canonicalize(&path).ok() } else { None };
            let Some(file) = file else {
                words.push(word.into());
                continue;
            };
            readable.extend(readable_for(&file, self.home.as_deref()));
            if position == 0 {
                // A program may look for what is its own beside the link that leads to it, as those of Python do.
                readable.extend(environment_of(&path));
                readable.extend(installation_of(&file).filter(|folder| is_narrow(&&**folder)));
                words.push(path.into());
            } else {
                words.push(file.into());
            }
        }
        Named { command: words, readable, folders }
    }
}

/// The folder that a word of a command names by its whole path, alone or behind `=`.
fn folder_in(word: &str) -> Option<PathBuf> {
    let path = word.rsplit('=').next().filter(|path| path.starts_with('/'))?;
    let folder = fs_err::canonicalize(path).ok()?;
    folder.is_dir().then_some(folder)
}

/// The environment of Python that `program` belongs to.
fn environment_of(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.parent()?;
    if folder.join("pyvenv.cfg").is_file() { fs_err::canonicalize(folder).ok() } else { None }
}

/// The installation of Python that `program`, which is no link, is the interpreter of: an environment leads to one.
fn installation_of(program: &Path) -> Option<PathBuf> {
    let folder = program.parent()?.parent()?;
    let libraries = fs_err::read_dir(folder.join("lib")).ok()?.take(ENTRIES).flatten();
    let has_python = libraries.map(|library| library.path().join("os.py")).any(|file| file.is_file());
    has_python.then(|| folder.to_owned())
}

/// Starts servers in the sandbox.
pub(crate) struct InSandbox {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) agents: BTreeMap<AgentId, Confined>,
    pub(crate) named: NamedFiles,
    /// What was found for the servers that were started: a link that an agent makes later leads nowhere.
    pub(crate) started: Mutex<BTreeMap<(AgentId, String), Named>>,
}

/// A command with whole paths for the files that it names.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    command: Vec<OsString>,
    /// What must be readable for them.
    readable: Vec<PathBuf>,
    /// Folders that it names. They are not opened for that: they are its work, not its code.
    folders: Vec<PathBuf>,
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

impl Confined {
    fn policy_for(&self, named: &Named) -> Result<Policy, String> {
        let mut policy = self.policy.clone();
        match self.mechanism {
            Mechanism::Bubblewrap | Mechanism::Landlock => {}
            // It would hold nothing back.
            Mechanism::Unconfined => return Ok(policy),
        }
        let mut readable = named.readable.clone();
        // What the agent may change is in reach, and it could put a link in the place of what was found there.
        readable.retain(|path| !policy.writable.iter().any(|tree| path.starts_with(tree)));
        let own = readable.iter().filter_map(|path| fs_err::canonicalize(path.join(OWN)).ok());
        let hidden = own.chain(self.hidden.iter().cloned()).collect();
        let reach = Reach { readable, hidden, ..Reach::default() };
        policy.readable.extend(reach.without_hidden()?.readable);
        Ok(policy)
    }
}

impl InSandbox {
    /// Adds to `notices` of servers which folders they are told of and cannot see.
    ///
    /// # Errors
    /// When a folder cannot be listed or holds too much.
    pub(crate) fn tell_unseen(&self, notices: &mut Vec<Notice>) -> Result<(), String> {
        let started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        for ((agent, server), named) in &*started {
            let Some(confined) = self.agents.get(agent) else { continue };
            match confined.mechanism {
                Mechanism::Bubblewrap | Mechanism::Landlock => {}
                Mechanism::Unconfined => continue,
            }
            let policy = confined.policy_for(named)?;
            let is_seen = |folder: &PathBuf| {
                let depth = |path: &PathBuf| folder.starts_with(path).then(|| path.components().count());
                let open = policy.readable.iter().chain(&policy.writable).filter_map(depth).max();
                self.sandbox.shows(folder) || open > policy.masked.iter().filter_map(depth).max()
            };
            let unseen = named.folders.iter().filter(|folder| !is_seen(folder));
            let unseen: Vec<String> = unseen.map(|folder| format!("`{}`", folder.display())).collect();
            if unseen.is_empty() {
                continue;
            }
            let unseen = unseen.join(", ");
            let hint = format!("the sandbox shows it what its agent sees: add {unseen} to `context_paths`");
            let is_of_it = |notice: &&mut Notice| {
                notice.kind == NoticeKind::Missing && notice.agent == *agent && notice.server == *server
            };
            match notices.iter_mut().find(is_of_it) {
                // In a terminal it would see them.
                Some(missing) => missing.hint = Some(hint),
                None => notices.push(Notice {
                    agent: agent.clone(),
                    server: server.clone(),
                    kind: NoticeKind::FoldersUnseen,
                    what: format!("its command names {unseen}, which it cannot see"),
                    hint: Some(hint),
                }),
            }
        }
        Ok(())
    }

    fn start(&self, launch: Launch) -> io::Result<Launched> {
        let confined = self
            .agents
            .get(&launch.agent)
            .ok_or_else(|| io::Error::other(format!("agent `{}` starts no servers", launch.agent)))?;
        let folder = fs_err::canonicalize(&launch.folder)?;
        let named = {
            let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
            let server = (launch.agent.clone(), launch.server);
            let own = (launch.folder != confined.folder).then_some(&*folder);
            started.entry(server).or_insert_with(|| self.named.found(launch.command, own)).clone()
        };
        let policy = confined.policy_for(&named).map_err(io::Error::other)?;
        let command = named.command;
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
        let watch = invocation.watch;
        let hear = Arc::new(move |line: &str| watch.progress(line));
        let call = self.0.call(&invocation.agent, &invocation.name, invocation.arguments, hear);
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

fn kept(file: massgen_mcp::SentFile) -> ToolFile {
    super::tool_file(file.media_type, &file.base64)
}

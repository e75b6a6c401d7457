//! What the agents of a run work with: their folders, and what is kept of them. It is set up before the session begins
//! and cleared away when the run is over.

mod commands_seen;
mod confinement;
pub(crate) mod containers;
mod credentials;
mod custom;
mod desks;
pub(crate) mod guards;
mod ledger;
pub(crate) mod memory;
mod previous;
pub(crate) mod projects;
mod servers;
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use massgen_journal::artifacts::RunFolder;
use massgen_ports::tools::Several;
use massgen_ports::workspaces::NoWorkspaces;
use massgen_ports::{SessionHandle, SnapshotFiles, ToolHost, Workspaces};
use massgen_protocol::message::ToolFile;
use massgen_protocol::spec::RunSpec;
use massgen_protocol::workspace::COPIES;
use massgen_protocol::{AgentId, AgentSpec, AnswerLabel, Command, Envelope, Notice, Snapshot, SnapshotId};
use massgen_tools::hooks::Notify;
use massgen_workspace::{
    Beginning, Digest, Keeper, KeeperSpec, ScanLimits, Seat, SnapshotStore, TreePath, begin, export,
    remove_left_behind,
};
use tokio::sync::mpsc;

use self::desks::Desks;
use self::projects::Projects;
use self::tools::{Parts, Tools};
use crate::environment::Environment;
use crate::failure::Failure;

/// The folder of a run, beside its journal, that holds the snapshots of its agents' workspaces.
const SNAPSHOTS: &str = "snapshots";

/// The folder among those for peers that holds what they see.
const VIEWS: &str = "views";

/// The folder that holds what programs of agents keep: among those for peers, or beside the journal where there are none.
pub(crate) const SCRATCH: &str = "scratch";

/// Notices that wait to be written down; further ones are lost.
const NOTICES: usize = 256;

/// What the agents of a run work with.
pub(crate) struct Workbench {
    keeper: Option<Keeper>,
    files: Arc<dyn SnapshotFiles>,
    /// What may be removed when the run is over.
    temporary: Vec<PathBuf>,
    unkept: Unkept,
    scratch: PathBuf,
    /// What agents work on in place of the user's project.
    projects: Projects,
    tools: Option<Tools>,
    notices: Option<mpsc::Receiver<Notice>>,
}

/// What else tools are made from.
pub(crate) struct Surroundings<'a> {
    pub(crate) environment: &'a Environment,
    /// The file with the configuration, if the run is of one.
    pub(crate) configuration: Option<PathBuf>,
    /// Looks up what stands for `${NAME}` in servers of tools.
    pub(crate) lookup: Arc<massgen_mcp::Lookup>,
    pub(crate) web: massgen_mcp::Web,
    /// The events of the run so far: none, unless it goes on.
    pub(crate) past: &'a [Envelope],
}

impl Workbench {
    /// For a run that is over: what was kept of it.
    ///
    /// # Errors
    /// When the folder with it cannot be used.
    pub(crate) fn over(spec: &RunSpec, folder: &RunFolder) -> Result<Self, Failure> {
        let projects = Projects::of_run(folder, spec)?;
        Ok(Self { files: kept(spec, folder)?, projects, ..Self::bare(PathBuf::new()) })
    }

    fn bare(scratch: PathBuf) -> Self {
        let files = Arc::new(NoWorkspaces);
        let projects = Projects::default();
        let (temporary, unkept) = (Vec::new(), Unkept::default());
        Self { keeper: None, files, temporary, unkept, scratch, projects, tools: None, notices: None }
    }

    /// Makes the folders of the agents of `spec`, which begin empty if the run does. Blocks.
    ///
    /// # Errors
    /// When a folder holds what is not ours, or cannot be made; when the user's project cannot be kept apart.
    pub(crate) fn open(
        spec: &RunSpec,
        folder: &RunFolder,
        beginning: Beginning,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let seats = seats(spec);
        let Some(first) = seats.first() else {
            return Self::without_workspaces(spec, folder, beginning);
        };
        // All folders for peers of a run are below one of the run.
        let run = first.peers.parent().unwrap_or(&first.peers).to_owned();
        let temporary: Vec<PathBuf> =
            seats.iter().map(|seat| seat.folder.clone()).chain([run.clone()]).collect();
        let keeper =
            KeeperSpec { store: store(folder), views: run.join(VIEWS), seats, limits: ScanLimits::default() };
        let places = keeper.seats.iter().map(|seat| seat.folder.clone()).collect::<Vec<_>>();
        let unkept = Unkept::new(&keeper.seats);
        let keeper = Keeper::open(keeper, beginning).map_err(Failure::configuration)?;
        let projects = match beginning {
            Beginning::New => previous::take_over(folder, &places)
                .and_then(|()| Projects::begin(spec, folder, keeper.store(), environment))
                .inspect_err(|_| {
                    // Why the run does not begin comes first.
                    let _ = temporary.iter().try_for_each(|folder| remove_left_behind(folder));
                })?,
            Beginning::Resumed => Projects::resume(folder, spec)?,
        };
        let files = Arc::new(Shelf::new(Arc::clone(keeper.store()), spec));
        Ok(Self { keeper: Some(keeper), files, temporary, unkept, projects, ..Self::bare(run.join(SCRATCH)) })
    }

    /// For agents that have tools at most. What their programs keep is beside the journal of the run and goes with it, or
    /// when the run is over.
    fn without_workspaces(spec: &RunSpec, folder: &RunFolder, beginning: Beginning) -> Result<Self, Failure> {
        if spec.agents.iter().all(|agent| agent.tooling.is_nothing()) {
            return Ok(Self::bare(PathBuf::new()));
        }
        let scratch = folder.journal_dir().join(SCRATCH);
        begin(&scratch, beginning).map_err(Failure::configuration)?;
        Ok(Self { temporary: vec![scratch.clone()], ..Self::bare(scratch) })
    }

    /// Puts the tools on the bench: starts servers, reads functions, finds the sandbox.
    ///
    /// # Errors
    /// When something that the configuration asks for cannot be had.
    pub(crate) async fn equip(
        &mut self,
        spec: &RunSpec,
        folder: &RunFolder,
        surroundings: Surroundings<'_>,
    ) -> Result<(), Failure> {
        let is_bare = |agent: &AgentSpec| agent.workspace.is_none() && agent.tooling.is_nothing();
        if spec.agents.iter().all(is_bare) {
            return Ok(());
        }
        let (sender, receiver) = mpsc::channel(NOTICES);
        let notify: Notify = {
            let sender = sender.clone();
            Arc::new(move |agent: &AgentId, message: String| {
                // With so many of them, one more tells nothing new.
                let _ = sender.try_send(Notice { message, agent: Some(agent.clone()) });
            })
        };
        let parts = Parts {
            spec,
            logs: &folder.root,
            scratch: &self.scratch,
            projects: &self.projects,
            lookup: surroundings.lookup,
            web: surroundings.web,
            environment: surroundings.environment,
            configuration: surroundings.configuration.as_deref(),
            notify,
            past: surroundings.past,
        };
        let tools = tools::equip(&parts).await?;
        let notes = self.projects.notes().into_iter().map(str::to_owned);
        for message in tools.notices.iter().cloned().chain(notes) {
            let _ = sender.try_send(Notice { message, agent: None });
        }
        self.tools = Some(tools);
        self.notices = Some(receiver);
        Ok(())
    }

    /// What keeps the agents' files.
    pub(crate) fn workspaces(&self) -> Arc<dyn Workspaces> {
        match &self.keeper {
            Some(keeper) => {
                let desks = self.tools.as_ref().map(|tools| tools.desks.clone()).unwrap_or_default();
                Arc::new(Shown { keeper: keeper.clone(), desks, unkept: self.unkept.clone() })
            }
            None => Arc::new(NoWorkspaces),
        }
    }

    /// The tools of all agents; `scripted` come first.
    pub(crate) fn host(&self, scripted: Option<Arc<dyn ToolHost>>) -> Arc<dyn ToolHost> {
        let tools = self.tools.as_ref().map(|tools| Arc::clone(&tools.host));
        Arc::new(Several::new(scripted.into_iter().chain(tools).collect()))
    }

    /// Whether agents can change the user's project, in copies of it.
    pub(crate) fn has_projects(&self) -> bool {
        !self.projects.is_empty()
    }

    /// What was kept.
    pub(crate) fn files(&self) -> Arc<dyn SnapshotFiles> {
        Arc::clone(&self.files)
    }

    /// Follows `session`: what goes wrong with tools is written down in it. Must be called inside a tokio runtime.
    pub(crate) fn follow(&mut self, session: &Arc<dyn SessionHandle>) {
        let Some(mut notices) = self.notices.take() else { return };
        let session = Arc::clone(session);
        tokio::spawn(async move {
            while let Some(notice) = notices.recv().await {
                if !session.send(Command::Report(notice)).await {
                    break;
                }
            }
        });
    }

    /// Ends what the tools of a run hold, and removes the folders of a run that is over: what belongs to answers stands
    /// beside them, and a folder stays whose files could not be kept. Returns what is left, for people.
    pub(crate) async fn close(mut self, state: RunState) -> Vec<String> {
        let mut troubles = Vec::new();
        if let Some(tools) = self.tools.take() {
            tools.pool.close().await;
            for container in &tools.containers {
                troubles.extend(container.remove().await.err());
            }
        }
        match state {
            RunState::GoesOn => {}
            RunState::Over => {
                let unkept = self.unkept.folders();
                self.temporary.retain(|folder| !unkept.values().any(|kept| kept == folder));
                let stays = |(agent, folder): (AgentId, PathBuf)| {
                    format!(
                        "the files of agent `{agent}`, in `{}`: they could not be kept with its answer",
                        folder.display()
                    )
                };
                troubles.extend(unkept.into_iter().map(stays));
                let clear = move || -> Vec<String> {
                    let left = self.projects.remove();
                    let removed = self.temporary.iter().map(|folder| remove_left_behind(folder));
                    left.into_iter()
                        .chain(removed.filter_map(Result::err).map(|error| error.to_string()))
                        .collect()
                };
                troubles.extend(tokio::task::spawn_blocking(clear).await.unwrap_or_default());
            }
        }
        troubles
    }
}

/// Whether a run is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunState {
    /// It is.
    Over,
    /// It can be resumed.
    GoesOn,
}

/// The workspaces whose files could not be kept when that was tried last: there is no other copy of them.
#[derive(Debug, Clone, Default)]
struct Unkept {
    folders: Arc<BTreeMap<AgentId, PathBuf>>,
    agents: Arc<Mutex<BTreeSet<AgentId>>>,
}

impl Unkept {
    fn new(seats: &[Seat]) -> Self {
        let folders = seats.iter().map(|seat| (seat.agent.clone(), seat.folder.clone())).collect();
        Self { folders: Arc::new(folders), agents: Arc::default() }
    }

    fn note(&self, agent: AgentId, kept: &Result<Snapshot, String>) {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        match kept {
            Ok(_) => drop(agents.remove(&agent)),
            Err(_) => drop(agents.insert(agent)),
        }
    }

    fn folders(&self) -> BTreeMap<AgentId, PathBuf> {
        let agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = self.folders.iter().filter(|(agent, _)| agents.contains(*agent));
        folders.map(|(agent, folder)| (agent.clone(), folder.clone())).collect()
    }
}

/// Workspaces whose agents may read what they are shown.
struct Shown {
    keeper: Keeper,
    desks: Desks,
    unkept: Unkept,
}

impl Workspaces for Shown {
    fn keep(&self, agent: &AgentId) -> BoxFuture<'static, Result<Snapshot, String>> {
        let (keep, unkept, agent) = (self.keeper.keep(agent), self.unkept.clone(), agent.clone());
        Box::pin(async move {
            let kept = keep.await;
            unkept.note(agent, &kept);
            kept
        })
    }

    fn restore(&self, agent: &AgentId, snapshot: &SnapshotId) -> BoxFuture<'static, Result<(), String>> {
        self.keeper.restore(agent, snapshot)
    }

    fn let_present(&self, agent: &AgentId) -> Result<(), String> {
        self.desks.let_present(agent)
    }

    fn show(
        &self,
        viewer: &AgentId,
        answers: Vec<(AnswerLabel, SnapshotId)>,
    ) -> BoxFuture<'static, Result<(), String>> {
        let shown = self.keeper.show(viewer, answers);
        let (keeper, desks, viewer) = (self.keeper.clone(), self.desks.clone(), viewer.clone());
        Box::pin(async move {
            shown.await?;
            desks.show(&viewer, keeper.visible(&viewer))
        })
    }
}

/// What was kept of the workspaces of a run that is not at work. Blocks.
///
/// # Errors
/// When there is a folder with it that cannot be used.
pub(crate) fn kept(spec: &RunSpec, folder: &RunFolder) -> Result<Arc<dyn SnapshotFiles>, Failure> {
    let place = store(folder);
    if !place.is_dir() {
        return Ok(Arc::new(NoWorkspaces));
    }
    let store = SnapshotStore::open(&place).map_err(Failure::configuration)?;
    Ok(Arc::new(Shelf::new(Arc::new(store), spec)))
}

/// Where the snapshots of a run are.
pub(crate) fn store(folder: &RunFolder) -> PathBuf {
    folder.journal_dir().join(SNAPSHOTS)
}

fn homes(spec: &RunSpec) -> Vec<PathBuf> {
    let workspaces = spec.agents.iter().filter_map(|agent| agent.workspace.as_ref());
    workspaces.map(|workspace| PathBuf::from(&workspace.folder)).collect()
}

fn seats(spec: &RunSpec) -> Vec<Seat> {
    let agents = spec.agents.iter().zip(spec.agent_nos());
    let seat = |(agent, number): (&massgen_protocol::AgentSpec, _)| {
        let workspace = agent.workspace.as_ref()?;
        Some(Seat {
            agent: agent.id.clone(),
            number,
            folder: PathBuf::from(&workspace.folder),
            peers: PathBuf::from(&workspace.peers),
        })
    };
    agents.filter_map(seat).collect()
}

/// The snapshots of a run as files.
struct Shelf {
    store: Arc<SnapshotStore>,
    homes: Vec<PathBuf>,
    /// Where workspaces hold copies of the user's project, if they do.
    copies: Option<TreePath>,
}

impl Shelf {
    fn new(store: Arc<SnapshotStore>, spec: &RunSpec) -> Self {
        let mut workspaces = spec.agents.iter().filter_map(|agent| agent.workspace.as_deref());
        let has_copies = workspaces.any(|workspace| workspace.seen().any(|seen| seen.copy.is_some()));
        let copies = if has_copies { TreePath::new(COPIES) } else { None };
        Self { store, homes: homes(spec), copies }
    }
}

impl SnapshotFiles for Shelf {
    fn export(&self, snapshot: &SnapshotId, to: &Path) -> Result<(), String> {
        if to.exists() {
            return Ok(());
        }
        let mut tree = self.store.manifest(snapshot).map_err(|error| error.to_string())?.tree;
        if let Some(copies) = &self.copies {
            // What changed in the project is told as changes; a second project beside each answer helps nobody.
            tree.entries.retain(|path, _| path != copies && path.strip(copies).is_none());
        }
        export(&self.store, &tree, to, &self.homes).map(drop).map_err(|error| error.to_string())
    }
}

/// A file of a tool's result, as the journal keeps it.
fn tool_file(media_type: String, base64: &str) -> ToolFile {
    let file = ToolFile { media_type, hash: String::new(), data: base64.into() };
    let hash = Digest::of(&file.bytes().unwrap_or_default()).to_string();
    ToolFile { hash, ..file }
}

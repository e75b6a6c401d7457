//! What belongs to a run outside of its folder: its session, the link to it below the home directory, and what its
//! agents worked in.

use std::path::{Path, PathBuf};

use massgen_journal::read_start;
use massgen_journal::sessions::{Registry, SessionFolder, SessionId};
use massgen_protocol::spec::{RunMeta, RunSpec, SessionMeta};
use massgen_protocol::{AgentSpec, Event};
use massgen_workspace::{LeftBehind, left_behind, remove_left_behind, remove_tree};

use super::Run;
use crate::environment::Environment;

/// What belongs to a run.
#[derive(Debug, Default)]
pub(super) struct Belongings {
    /// The run's folder, as it was called while it was whole.
    root: PathBuf,
    /// The project that its logs lie in, or that it worked in where logs lie elsewhere; free of links.
    project: Option<PathBuf>,
    session: Option<SessionMeta>,
    left: Vec<LeftBehind>,
}

/// Whether a run can go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// All its turns are over.
    Over,
    /// It can be resumed, or nobody knows.
    Open,
}

impl Belongings {
    /// What belongs to `run`, by its journals. One that cannot be read says nothing.
    pub(super) fn of(run: &Run, environment: &Environment) -> Self {
        let starts: Vec<_> = run
            .turns()
            .iter()
            .filter_map(|turn| read_start(&turn.journal_dir()).ok().flatten())
            .filter_map(|start| match start.event {
                Event::RunStarted { spec, meta } => Some((spec, meta)),
                _ => None,
            })
            .collect();
        let meta = starts.first().map(|(_, meta)| meta.as_ref());
        let project = project_of(&run.root, meta, environment);
        // A journal may come with a project: it does not say what goes elsewhere.
        let ours = project.as_ref().map(|project| project.join(".massgen"));
        let is_ours = |folder: &PathBuf| {
            let real = fs_err::canonicalize(folder).ok();
            real.zip(ours.as_ref()).is_some_and(|(real, ours)| real.starts_with(ours))
        };
        let mut folders: Vec<PathBuf> = starts.iter().flat_map(|(spec, _)| folders_of(spec)).collect();
        folders.retain(is_ours);
        folders.sort();
        folders.dedup();
        Self {
            root: run.root.clone(),
            project,
            session: meta.and_then(|meta| meta.session.clone()),
            left: left_behind(&folders).unwrap_or_default(),
        }
    }

    /// How many folders its agents have left, and their bytes.
    pub(super) fn left(&self) -> (usize, u64) {
        (self.left.len(), self.left.iter().map(|left| left.bytes).sum())
    }

    /// Whether the run can go on. It costs something only where agents have left something.
    pub(super) fn standing(&self, run: &Run) -> Standing {
        let is_over = |turn: &massgen_journal::artifacts::RunFolder| {
            let events = massgen_journal::read(&turn.journal_dir()).unwrap_or_default();
            matches!(events.last().map(|last| &last.event), Some(Event::RunFinished { .. }))
        };
        if !self.left.is_empty() && run.turns().iter().all(is_over) { Standing::Over } else { Standing::Open }
    }

    /// Removes what its agents have left; what could not be removed is told.
    pub(super) fn remove_left(&self) -> Vec<String> {
        let removed = self.left.iter().map(|left| {
            remove_left_behind(&left.folder).map_err(|error| format!("{}: {error}", left.folder.display()))
        });
        removed.filter_map(Result::err).collect()
    }

    /// Removes all of it.
    ///
    /// # Errors
    /// What could not be removed.
    pub(super) fn remove(&self, environment: &Environment) -> Result<(), String> {
        if let Some(session) = &self.session {
            self.remove_session(session, environment)?;
        }
        if let Some(home) = &environment.home {
            let name = self.root.file_name().unwrap_or_default();
            let link = home.join(".massgen").join("massgen_logs").join(name);
            if fs_err::read_link(&link).is_ok_and(|target| self.is_root(&target)) {
                fs_err::remove_file(&link).map_err(|error| error.to_string())?;
            }
        }
        match self.remove_left().into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(()),
        }
    }

    /// Takes its session out of the index and out of the project, if that is the session of these logs.
    fn remove_session(&self, session: &SessionMeta, environment: &Environment) -> Result<(), String> {
        let Ok(id) = SessionId::new(session.id.clone()) else { return Ok(()) };
        let registry = environment.home.as_ref().map(|home| Registry::new(home.join(".massgen")));
        if let Some(registry) = registry.filter(|_| session.is_registered) {
            let known = registry.read().map_err(|error| error.to_string())?.value.find(id.as_str());
            if let Some(entry) = known {
                if !entry.log_directory.is_some_and(|logs| self.is_root(Path::new(&logs))) {
                    return Ok(());
                }
                let removed = registry.update(|sessions| {
                    sessions.remove(id.as_str());
                    Ok(())
                });
                removed.map_err(|error| error.to_string())?;
            }
        }
        let Some(project) = &self.project else { return Ok(()) };
        let folder = SessionFolder::of(project, &id);
        let is_there = fs_err::canonicalize(folder.path()).is_ok_and(|real| real == folder.path());
        if is_there { remove_tree(folder.path()).map_err(|error| error.to_string()) } else { Ok(()) }
    }

    /// Whether `path` was the folder of the run, which may have another name by now.
    fn is_root(&self, path: &Path) -> bool {
        let real = path.parent().and_then(|above| fs_err::canonicalize(above).ok());
        path == self.root
            || real.zip(path.file_name()).is_some_and(|(above, name)| above.join(name) == self.root)
    }
}

/// The project of a run whose folder of logs is `root`. Where logs lie apart from projects, the run tells.
fn project_of(root: &Path, meta: Option<&RunMeta>, environment: &Environment) -> Option<PathBuf> {
    let here = fs_err::canonicalize(&environment.working_directory).ok()?;
    if root.starts_with(&here) {
        return Some(here);
    }
    fs_err::canonicalize(&meta?.working_directory).ok()
}

/// The folders that the agents of a run work in, and the one of what they see of each other.
fn folders_of(spec: &RunSpec) -> Vec<PathBuf> {
    let folders = |agent: &AgentSpec| {
        let workspace = agent.workspace.as_deref()?;
        let seen = Path::new(&workspace.peers).parent().map(Path::to_owned);
        Some(std::iter::once(PathBuf::from(&workspace.folder)).chain(seen))
    };
    spec.agents.iter().filter_map(folders).flatten().collect()
}

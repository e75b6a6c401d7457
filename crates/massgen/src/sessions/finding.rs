//! Which session a question goes on with, and how that was run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_journal::artifacts::RunFolder;
use massgen_journal::read_start;
use massgen_journal::sessions::{Entry, Registry, SessionFolder, SessionId};
use massgen_protocol::Event;
use massgen_protocol::spec::{RunMeta, RunSpec};

use super::{OpenSession, tell_set_aside, unusable};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::remarks::Remarks;

/// Ids that are named when one is not known.
const NAMED: usize = 5;

/// How a session was run so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Remembered {
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// The flags that stood in for one.
    pub(crate) flags: Flags,
}

/// The flags that stand in for a configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) backend: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) base_url: Option<String>,
    pub(crate) system_message: Option<String>,
    /// Whether every model was replaced by a simulated one, be it for want of a configuration.
    pub(crate) simulate: bool,
}

impl OpenSession {
    /// The newest session of the working directory that has a turn.
    ///
    /// # Errors
    /// When there is none, or a process is at work on it.
    pub(crate) fn newest(environment: &Environment) -> Result<(Self, Remembered), Failure> {
        let Some(Newest { entry, folder, gone }) = newest_of(environment)? else {
            return Err(Failure::configuration("there is no session in this folder to go on with").hint(
                "ask a question to begin one; `massgen --list-sessions` lists those of other folders",
            ));
        };
        if let Some(gone) = gone {
            Remarks::direct().tell(&format!(
                "warning: nothing is left of `{gone}`, the newest session of this folder; this goes on from `{}`",
                folder.id()
            ));
        }
        Self::go_on(folder, environment.working_directory.clone(), Some(&entry), environment)
    }

    /// The flags with which another process in this directory goes on with this session; `None` before its first
    /// question.
    pub(crate) fn flags_to_go_on(&self, environment: &Environment) -> Option<String> {
        let id = self.id()?;
        let newest = newest_of(environment).ok().flatten();
        let is_newest = newest.is_some_and(|newest| newest.folder.id() == id);
        Some(if is_newest { "--continue".to_owned() } else { format!("--session-id {id}") })
    }

    /// The session with this id, of whatever directory.
    ///
    /// # Errors
    /// When nobody knows it, it has no turn, or a process is at work on it.
    pub(crate) fn with_id(id: &str, environment: &Environment) -> Result<(Self, Remembered), Failure> {
        let entries = entries(environment)?;
        let entry = entries.iter().find(|entry| entry.session_id == id);
        let kept = entry.and_then(|entry| entry.project_directory.clone()).map(PathBuf::from);
        let kept = kept.filter(|path| path.is_absolute());
        let projects = || kept.iter().chain([&environment.working_directory]);
        let folders = || projects().filter_map(|project| Some((folder_in(project, id)?, project)));
        let runs_of = |folder: &SessionFolder, project: &Path| {
            entry
                .and_then(|entry| root_of(entry, project, environment))
                .is_some_and(|root| has_runs(&root, folder.id()))
        };
        // Where there are no turns, there may be a run that was killed before it could be kept as one.
        let found = folders().find(|(folder, _)| has_turns(folder));
        let found = found.or_else(|| folders().find(|(folder, project)| runs_of(folder, project)));
        match found {
            Some((folder, project)) => Self::go_on(folder, project.clone(), entry, environment),
            None if entry.is_some() => {
                Err(Failure::configuration(format!("the session `{id}` has no turn to go on from"))
                    .hint("its folder and its logs were removed, or it belongs to another directory"))
            }
            None => Err(unknown(id, &entries)),
        }
    }

    fn go_on(
        folder: SessionFolder,
        project: PathBuf,
        entry: Option<&Entry>,
        environment: &Environment,
    ) -> Result<(Self, Remembered), Failure> {
        let root = entry.and_then(|entry| root_of(entry, &project, environment));
        let flags = root.as_deref().and_then(flags_of);
        let mut session = Self {
            project,
            registry: registry(environment).filter(|_| entry.is_some()),
            folder: Some(folder),
            root,
            newest: 0,
            past: Vec::new(),
            older: 0,
            was_simulated: false,
        };
        session.catch_up()?;
        let remembered = Remembered {
            config: entry.and_then(|entry| entry.config_path.as_deref()).map(PathBuf::from),
            // Without its logs nobody knows the flags, but whether models were asked stands with the turns.
            flags: flags.unwrap_or_else(|| Flags { simulate: session.was_simulated, ..Flags::default() }),
        };
        Ok((session, remembered))
    }
}

/// The newest session of a directory.
struct Newest {
    entry: Entry,
    folder: SessionFolder,
    /// A newer one of which nothing is left.
    gone: Option<String>,
}

/// The newest session of the working directory that has a turn.
fn newest_of(environment: &Environment) -> Result<Option<Newest>, Failure> {
    let here = &environment.working_directory;
    let mut entries = entries(environment)?;
    entries.retain(|entry| !entry.subagent);
    // Of two that began in the same second, the later one in the list is the newer one.
    entries.reverse();
    entries.sort_by(|one, other| other.start_time.cmp(&one.start_time));
    let mut gone = None;
    for entry in entries {
        let Some(folder) = folder_in(here, &entry.session_id) else { continue };
        let is_of_here = entry.project_directory.as_deref().is_some_and(|project| Path::new(project) == here);
        let has_runs = || {
            is_of_here && root_of(&entry, here, environment).is_some_and(|root| has_runs(&root, folder.id()))
        };
        if has_turns(&folder) || has_runs() {
            return Ok(Some(Newest { entry, folder, gone }));
        }
        if is_of_here {
            gone = gone.or(Some(entry.session_id));
        }
    }
    Ok(None)
}

/// The flags of the newest run below `root` that has begun.
fn flags_of(root: &Path) -> Option<Flags> {
    let runs = RunFolder::turns_in(root).unwrap_or_default();
    let (spec, meta) = runs.iter().rev().find_map(start_of)?;
    let text = |name: &str| meta.arguments.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    let (backend, model, base_url) = (text("backend"), text("model"), text("base_url"));
    let is_named = meta.config_path.is_some() || backend.is_some() || model.is_some() || base_url.is_some();
    let was_asked_for = meta.arguments.get("simulate").and_then(serde_json::Value::as_bool) == Some(true);
    let simulate = was_asked_for || (!is_named && spec.is_simulated());
    Some(Flags { backend, model, base_url, system_message: text("system_message"), simulate })
}

/// With what a run began; `None` for one that has not begun, or cannot be read.
fn start_of(run: &RunFolder) -> Option<(Arc<RunSpec>, Arc<RunMeta>)> {
    let start = read_start(&run.journal_dir()).ok().flatten()?.event;
    if let Event::RunStarted { spec, meta } = start { Some((spec, meta)) } else { None }
}

/// Whether a run below `root` is a turn of session `id`, or may become one.
fn has_runs(root: &Path, id: &SessionId) -> bool {
    let is_of_session = |run: &RunFolder| {
        start_of(run)
            .and_then(|(_, meta)| meta.session.clone())
            .is_some_and(|session| session.id == id.as_str())
    };
    let runs = RunFolder::turns_in(root).unwrap_or_default();
    runs.iter().any(|run| is_of_session(run) || run.is_locked().unwrap_or(false))
}

/// The session root of an entry, if it is there.
fn root_of(entry: &Entry, project: &Path, environment: &Environment) -> Option<PathBuf> {
    log_root(entry.log_directory.as_deref()?, project, environment)
}

/// The session root that an entry names, if it is there.
pub(super) fn log_root(named: &str, project: &Path, environment: &Environment) -> Option<PathBuf> {
    let named = Path::new(named);
    if named.as_os_str().is_empty() {
        return None;
    }
    let candidates = [
        project.join(named),
        project.join(".massgen").join("massgen_logs").join(named),
        environment.log_base().join(named),
    ];
    candidates.into_iter().find(|path| path.is_dir())
}

/// The index of the user; `None` without a home directory.
pub(super) fn registry(environment: &Environment) -> Option<Registry> {
    environment.home.as_ref().map(|home| Registry::new(home.join(".massgen")))
}

/// All sessions of the index, the order of the file.
pub(super) fn entries(environment: &Environment) -> Result<Vec<Entry>, Failure> {
    let Some(registry) = registry(environment) else { return Ok(Vec::new()) };
    let read = registry.read().map_err(|error| unusable(&error))?;
    tell_set_aside(read.set_aside.as_deref());
    Ok(read.value.entries())
}

/// The folder of session `id` in `project`; `None` for what cannot be an id.
pub(super) fn folder_in(project: &Path, id: &str) -> Option<SessionFolder> {
    SessionId::new(id).ok().map(|id| SessionFolder::of(project, &id))
}

fn has_turns(folder: &SessionFolder) -> bool {
    folder.turns().is_ok_and(|turns| !turns.is_empty())
}

fn unknown(id: &str, entries: &[Entry]) -> Failure {
    let failure = Failure::configuration(format!("there is no session `{id}`"));
    let mut newest: Vec<&Entry> = entries.iter().collect();
    newest.sort_by(|one, other| other.start_time.cmp(&one.start_time));
    let named: Vec<&str> = newest.iter().take(NAMED).map(|entry| entry.session_id.as_str()).collect();
    if named.is_empty() {
        return failure.hint("no session is listed yet; ask a question to begin one");
    }
    failure.hint(format!("the newest are {}; `massgen --list-sessions --all` lists all", named.join(", ")))
}

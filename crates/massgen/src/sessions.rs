//! The session that a question belongs to: what was asked and answered before, where its logs are, and what is kept of
//! the question for the next one.

mod catching_up;
mod finding;
mod ignoring;
pub(crate) mod listing;

use std::path::{Path, PathBuf};

use massgen_journal::artifacts::RunFolder;
use massgen_journal::sessions::{
    Claim, Entry, Registry, SessionError, SessionFolder, SessionId, TurnRecord, local_time,
};
use massgen_protocol::spec::{RunMeta, RunSpec, SessionMeta};
use massgen_protocol::{PastTurn, Timestamp, limits};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::remarks::Remarks;
use crate::run::journal_failure;
use crate::trust;
use crate::workbench::memory;
use finding::{entries, folder_in, log_root, registry};

pub(crate) use finding::Remembered;

/// Characters of the first question in the index.
const DESCRIPTION_CHARS: usize = 80;

/// Whether a new session is put into the index of the home directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registration {
    Yes,
    No,
}

/// The session that the next question belongs to.
#[derive(Debug, Clone)]
pub(crate) struct OpenSession {
    /// The directory whose `.massgen/sessions/` keeps the turns.
    project: PathBuf,
    /// The index, if this session is in it.
    registry: Option<Registry>,
    /// `None` before the first question of a new session.
    folder: Option<SessionFolder>,
    /// The session root in the logs; `None` before the first question, or when it was removed.
    root: Option<PathBuf>,
    /// The number of the newest turn; 0 when there is none.
    newest: u32,
    /// The newest turns, the oldest first.
    past: Vec<PastTurn>,
    /// How many turns are older than those.
    older: usize,
    /// Whether only simulated agents took part in the newest turn.
    was_simulated: bool,
}

impl OpenSession {
    /// A new session in the working directory; nothing is written before its first question.
    pub(crate) fn new(environment: &Environment, registration: Registration) -> Self {
        Self {
            project: environment.working_directory.clone(),
            registry: registry(environment).filter(|_| registration == Registration::Yes),
            folder: None,
            root: None,
            newest: 0,
            past: Vec::new(),
            older: 0,
            was_simulated: false,
        }
    }

    /// The session that a run in `folder`, which is taken up again, is a turn of; `None` when it is of none. A run
    /// folder may come from anywhere, with a session: only one that this user began with these logs is believed.
    pub(crate) fn of_run(meta: &RunMeta, folder: &RunFolder, environment: &Environment) -> Option<Self> {
        let session = meta.session.as_ref()?;
        let project = PathBuf::from(&session.project_directory);
        let kept =
            folder_in(&project, &session.id).filter(|kept| project.is_absolute() && kept.path().is_dir())?;
        let registry = registry(environment).filter(|_| session.is_registered);
        if let Some(registry) = &registry {
            let read = registry.read().map_err(|error| tell_not_listed(&error)).ok()?;
            tell_set_aside(read.set_aside.as_deref());
            let entry = read.value.find(&session.id)?;
            let logs = log_root(entry.log_directory.as_deref()?, &project, environment)?;
            fs_err::canonicalize(logs).ok().filter(|logs| *logs == folder.root)?;
        } else if !trust::is_own(folder, environment) {
            return None;
        }
        Some(Self {
            registry,
            folder: Some(kept),
            project,
            root: Some(folder.root.clone()),
            newest: folder.turn,
            past: Vec::new(),
            older: 0,
            was_simulated: false,
        })
    }

    /// Its id; `None` before the first question of a new session.
    pub(crate) fn id(&self) -> Option<&SessionId> {
        self.folder.as_ref().map(SessionFolder::id)
    }

    /// Where its turns are kept; `None` before the first question of a new session.
    pub(crate) fn store(&self) -> Option<&SessionFolder> {
        self.folder.as_ref()
    }

    /// Whether only simulated agents took part in the newest turn.
    pub(crate) fn was_simulated(&self) -> bool {
        self.was_simulated
    }

    /// The runs of its questions, the oldest first.
    pub(crate) fn runs(&self) -> Vec<RunFolder> {
        // A folder that cannot be read has no runs that could be shown.
        self.root.as_deref().and_then(|root| RunFolder::turns_in(root).ok()).unwrap_or_default()
    }

    /// How many earlier exchanges the next question is asked with.
    pub(crate) fn remembered(&self) -> usize {
        self.history(&|text| text.to_owned()).turns.len()
    }

    /// The earlier exchanges, as far as a prompt can hold them, without what `redact` takes out.
    pub(crate) fn history(&self, redact: &dyn Fn(&str) -> String) -> massgen_prompt::history::Remembered {
        let clean =
            |turn: &PastTurn| PastTurn { question: redact(&turn.question), answer: redact(&turn.answer) };
        let mut remembered = massgen_prompt::history::remembered(self.past.iter().map(clean).collect());
        remembered.left_out += self.older;
        remembered
    }

    /// Takes the next turn: its folder, which nobody else gets. It is made as far as it must be for that.
    ///
    /// # Errors
    /// When the folder cannot be made, or another process has just begun the turn.
    pub(crate) fn next_run(
        &self,
        now: Timestamp,
        utc_offset_seconds: i32,
        environment: &Environment,
    ) -> Result<RunFolder, Failure> {
        let base = environment.log_base();
        let root = match &self.root {
            Some(root) => root.clone(),
            None => RunFolder::claim_root(&base, now, utc_offset_seconds)
                .map_err(|error| journal_failure(&error))?,
        };
        let mut folder = RunFolder::of_turn(root, self.newest.saturating_add(1));
        if folder.turn == 1 {
            return Ok(folder);
        }
        while folder.turn <= limits::SESSION_TURNS {
            if folder.claim().map_err(|error| journal_failure(&error))? {
                return Ok(folder);
            }
            self.refuse_at_work(&folder)?;
            // It was left by a process that was killed before it began.
            folder.turn += 1;
        }
        Err(Failure::configuration(format!(
            "the session has {} turns, and more are not possible",
            limits::SESSION_TURNS
        ))
        .hint("begin a new session: leave out `--continue` and `--session-id`"))
    }

    /// Begins the turn in `folder`: the session is listed. Whoever cannot do that is told of it, and the run goes on
    /// without. [`Self::take_back`] undoes it.
    pub(crate) fn begin(
        &mut self,
        folder: &RunFolder,
        spec: &RunSpec,
        meta: &RunMeta,
        now: Timestamp,
    ) -> Option<SessionMeta> {
        let begun = self.try_begin(folder, spec, meta, now);
        self.root = Some(folder.root.clone());
        self.newest = folder.turn;
        self.was_simulated = spec.is_simulated();
        match begun {
            Ok(()) => Some(SessionMeta {
                id: self.id()?.to_string(),
                project_directory: self.project.display().to_string(),
                is_registered: self.registry.is_some(),
            }),
            Err(error) => {
                let remark = format!("warning: the session is not kept and cannot be continued: {error}");
                Remarks::direct().tell(&remark);
                None
            }
        }
    }

    /// Takes back that a turn began, because its run could not be started; `before` is the session as it was. What
    /// cannot be taken back is told.
    pub(crate) fn take_back(&mut self, before: Self, meta: &RunMeta, now: Timestamp) {
        let begun = std::mem::replace(self, before);
        let Some(folder) = &begun.folder else { return };
        if self.folder.is_some() {
            begun.complete(meta.utc_offset_seconds, now);
            return;
        }
        let remove = |registry: &Registry| {
            registry.update(|sessions| {
                sessions.remove(folder.id().as_str());
                Ok(())
            })
        };
        if let Some(Err(error)) = begun.registry.as_ref().map(remove) {
            tell_not_listed(&error);
        }
        if let Err(error) = folder.give_up() {
            Remarks::direct()
                .tell(&format!("warning: the folder of a session without turns is left: {error}"));
        }
    }

    /// Tells parent processes of the session, and git to leave it alone.
    pub(crate) fn announce(&self) {
        if let Err(error) = ignoring::keep_out_of_git(&self.project) {
            Remarks::direct().tell(&format!("warning: git is not told to leave out `.massgen`: {error}"));
        }
        if let Some(Err(error)) = self.folder.as_ref().map(|folder| folder.announce(&self.project)) {
            Remarks::direct()
                .tell(&format!("warning: programs that look for this session do not find it: {error}"));
        }
    }

    fn try_begin(
        &mut self,
        run: &RunFolder,
        spec: &RunSpec,
        meta: &RunMeta,
        now: Timestamp,
    ) -> Result<(), SessionError> {
        let offset = meta.utc_offset_seconds;
        let mut models: Vec<&str> = Vec::new();
        for agent in &spec.agents {
            if !models.contains(&agent.backend.model.as_str()) {
                models.push(&agent.backend.model);
            }
        }
        let now_active = |entry: Entry| Entry {
            end_time: None,
            status: Entry::ACTIVE.to_owned(),
            config_path: meta.config_path.clone(),
            model: Some(models.join(", ")),
            log_directory: Some(run.root.display().to_string()),
            ..entry
        };
        if let Some(folder) = &self.folder {
            if let Err(error) = self.change(folder.id().as_str(), now_active) {
                tell_not_listed(&error);
            }
            return Ok(());
        }
        let wanted = SessionId::at(now, offset);
        let project = self.project.clone();
        let claim = |is_taken: &dyn Fn(&SessionId) -> bool| SessionFolder::claim(&project, &wanted, is_taken);
        let new = |id: &SessionId| {
            now_active(Entry {
                session_id: id.to_string(),
                start_time: local_time(now, offset),
                description: Some(excerpt(&spec.question)),
                project_directory: Some(project.display().to_string()),
                ..Entry::default()
            })
        };
        let mut claimed = None;
        let registered = self.registry.as_ref().map(|registry| {
            registry.update(|sessions| {
                let Claim { id, folder } = claim(&|id| sessions.knows(id.as_str()))?;
                claimed = Some(folder);
                sessions.put(&new(&id))
            })
        });
        match registered {
            Some(Ok(updated)) => tell_set_aside(updated.set_aside.as_deref()),
            // What is wrong with the index need not be wrong with the project.
            Some(Err(error)) => {
                tell_not_listed(&error);
                self.registry = None;
            }
            None => {}
        }
        self.folder = Some(match claimed {
            Some(folder) => folder,
            None => claim(&|_| false)?.folder,
        });
        Ok(())
    }

    /// Marks the session as at work again.
    pub(crate) fn resume(&mut self) {
        let Some(id) = self.id().map(ToString::to_string) else { return };
        let active = |entry| Entry { end_time: None, status: Entry::ACTIVE.to_owned(), ..entry };
        if let Err(error) = self.change(&id, active) {
            tell_not_listed(&error);
        }
    }

    /// Keeps `record` as turn `number`, for the next question and for other processes, and marks the session as
    /// completed. What cannot be written is told.
    pub(crate) fn end(&mut self, number: u32, record: &TurnRecord, now: Timestamp) {
        let tell = |problem: &dyn std::fmt::Display| {
            Remarks::direct().tell(&format!("warning: turn {number} is not kept in its session: {problem}"));
        };
        match record.as_stored(number).map(|turn| self.past_turn(&turn)) {
            Some(Ok(turn)) => self.remember(turn),
            Some(Err(problem)) => tell(&problem),
            None => {}
        }
        let Some(folder) = &self.folder else { return };
        if let Some(root) = &self.root {
            keep_memories(folder, &RunFolder::of_turn(root, number), record);
        }
        if let Err(error) = folder.keep(number, record) {
            tell(&error);
        }
        self.complete(record.meta().map_or(0, |meta| meta.utc_offset_seconds), now);
    }

    /// Marks the session as completed.
    fn complete(&self, utc_offset_seconds: i32, now: Timestamp) {
        let Some(id) = self.id() else { return };
        let completed = |entry: Entry| {
            if !entry.is_active() {
                return entry;
            }
            let end_time = Some(local_time(now, utc_offset_seconds));
            Entry { end_time, status: Entry::COMPLETED.to_owned(), ..entry }
        };
        if let Err(error) = self.change(id.as_str(), completed) {
            tell_not_listed(&error);
        }
    }

    /// Changes the entry of session `id`, if it is listed.
    fn change(&self, id: &str, change: impl FnOnce(Entry) -> Entry) -> Result<(), SessionError> {
        let Some(registry) = &self.registry else { return Ok(()) };
        let updated = registry.update(|sessions| match sessions.find(id) {
            Some(entry) => sessions.put(&change(entry)),
            None => Ok(()),
        })?;
        tell_set_aside(updated.set_aside.as_deref());
        Ok(())
    }
}

/// Keeps what agents wrote down in `run`. What cannot be kept is told.
fn keep_memories(folder: &SessionFolder, run: &RunFolder, record: &TurnRecord) {
    match memory::keep(folder, run, record) {
        Ok(told) => told.iter().for_each(|told| Remarks::direct().tell(&format!("warning: {told}"))),
        Err(problem) => Remarks::direct().tell(&format!(
            "warning: the memory files of turn {} are not kept in its session: {problem}",
            run.turn
        )),
    }
}

fn unusable(error: &SessionError) -> Failure {
    Failure::configuration(format!("the sessions cannot be read: {error}"))
}

fn tell_not_listed(error: &SessionError) {
    Remarks::direct().tell(&format!("warning: the list of sessions is not up to date: {error}"));
}

fn tell_set_aside(path: Option<&Path>) {
    if let Some(path) = path {
        let remark = format!(
            "warning: the list of sessions cannot be used and is now `{}`; a new one was begun",
            path.display()
        );
        Remarks::direct().tell(&remark);
    }
}

/// The beginning of `question` on one line.
fn excerpt(question: &str) -> String {
    let words = question.split_whitespace().collect::<Vec<_>>().join(" ");
    match words.char_indices().nth(DESCRIPTION_CHARS) {
        Some((at, _)) => format!("{}…", words.get(..at).unwrap_or_default().trim_end()),
        None => words,
    }
}

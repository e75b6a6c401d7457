//! The session that a question belongs to: what was asked and answered before, where its logs are, and what is kept of
//! the question for the next one.

pub(crate) mod listing;

use std::path::{Path, PathBuf};

use massgen_journal::artifacts::RunFolder;
use massgen_journal::sessions::{
    Entry, Registry, SessionError, SessionFolder, SessionId, StoredEnd, StoredTurn, TurnRecord, local_time,
};
use massgen_journal::{read, read_start};
use massgen_prompt::Prompts;
use massgen_prompt::history::{NoAnswerReason, NoFinalAnswer, OpenAnswer};
use massgen_protocol::spec::{RunMeta, RunSpec, SessionMeta};
use massgen_protocol::{Event, PastTurn, Timestamp, limits};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::remarks::Remarks;
use crate::run::journal_failure;

/// Characters of the first question in the index.
const DESCRIPTION_CHARS: usize = 80;

/// Ids that are named when one is not known.
const NAMED: usize = 5;

/// Whether a new session is put into the index of the home directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Registration {
    Yes,
    No,
}

/// The session that the next question belongs to.
#[derive(Debug)]
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
}

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
        }
    }

    /// The newest session with a turn in the working directory.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn newest(environment: &Environment) -> Result<(Self, Remembered), Failure> {
        let here = &environment.working_directory;
        let mut entries = entries(environment)?;
        entries.retain(|entry| {
            !entry.subagent && folder_in(here, &entry.session_id).is_some_and(|folder| has_turns(&folder))
        });
        // Of two that began in the same second, the later one in the list is the newer one.
        let newest = entries.into_iter().max_by(|one, other| one.start_time.cmp(&other.start_time));
        let Some(entry) = newest else {
            return Err(Failure::configuration("there is no session in this folder to go on with").hint(
                "ask a question to begin one; `massgen --list-sessions` lists those of other folders",
            ));
        };
        let folder = folder_in(here, &entry.session_id);
        let folder = folder.ok_or_else(|| unknown(&entry.session_id, &[]))?;
        Self::go_on(folder, here.clone(), Some(&entry), environment)
    }

    /// The session with this id, of whatever directory.
    ///
    /// # Errors
    /// When nobody knows it, or it has no turn.
    pub(crate) fn with_id(id: &str, environment: &Environment) -> Result<(Self, Remembered), Failure> {
        let entries = entries(environment)?;
        let entry = entries.iter().find(|entry| entry.session_id == id).cloned();
        let kept = entry.as_ref().and_then(|entry| entry.project_directory.clone()).map(PathBuf::from);
        let project = kept.filter(|path| path.is_absolute());
        let projects = project.into_iter().chain([environment.working_directory.clone()]);
        let found = projects
            .filter_map(|project| Some((folder_in(&project, id)?, project)))
            .find(|(folder, _)| has_turns(folder));
        match found {
            Some((folder, project)) => Self::go_on(folder, project, entry.as_ref(), environment),
            None if entry.is_some() => Err(Failure::configuration(format!(
                "the session `{id}` has no turn to go on from"
            ))
            .hint("its folder was removed, it belongs to another directory, or its first turn was killed: `--resume` finishes that one")),
            None => Err(unknown(id, &entries)),
        }
    }

    fn go_on(
        folder: SessionFolder,
        project: PathBuf,
        entry: Option<&Entry>,
        environment: &Environment,
    ) -> Result<(Self, Remembered), Failure> {
        let root = entry.and_then(|entry| entry.log_directory.as_deref());
        let root = root.and_then(|root| log_root(root, &project, environment));
        if let Some(root) = &root {
            recover(&folder, root);
        }
        let numbers = folder.turns().map_err(|error| unusable(&error))?;
        let logged = root.as_deref().map(RunFolder::turns_in).transpose().map_err(Failure::configuration)?;
        let logged = logged.and_then(|mut turns| turns.pop()).map_or(0, |folder| folder.turn);
        let newest = numbers.last().copied().unwrap_or(0).max(logged);
        let (older, kept) = numbers.split_at(numbers.len().saturating_sub(limits::HISTORY_TURNS));
        let mut past = Vec::new();
        for number in kept {
            match folder.turn(*number).map_err(|error| error.to_string()).and_then(|turn| past_turn(&turn)) {
                Ok(turn) => past.push(turn),
                Err(problem) => Remarks::direct()
                    .tell(&format!("warning: turn {number} of the session is not remembered: {problem}")),
            }
        }
        let remembered = Remembered {
            config: entry.and_then(|entry| entry.config_path.as_deref()).map(PathBuf::from),
            flags: root.as_deref().map(flags_of).unwrap_or_default(),
        };
        let registry = registry(environment).filter(|_| entry.is_some());
        let older = older.len();
        Ok((Self { project, registry, folder: Some(folder), root, newest, past, older }, remembered))
    }

    /// The session that a run in `folder`, which is taken up again, is a turn of; `None` when it is of none. A run
    /// folder may come from anywhere: only a session that this user began with these logs is believed.
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
        } else if !folder.root.starts_with(&project) && !folder.root.starts_with(environment.log_base()) {
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
        })
    }

    /// Its id; `None` before the first question of a new session.
    pub(crate) fn id(&self) -> Option<&SessionId> {
        self.folder.as_ref().map(SessionFolder::id)
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
    /// When the folder cannot be made.
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
            folder.turn += 1;
        }
        Err(Failure::configuration(format!(
            "the session has {} turns, and more are not possible",
            limits::SESSION_TURNS
        ))
        .hint("begin a new session: leave out `--continue` and `--session-id`"))
    }

    /// Begins the turn in `folder`: the session is announced and listed. Whoever cannot do that is told of it, and the
    /// run goes on without.
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
        let registered = self.registry.as_ref().map(|registry| {
            let updated = registry.update(|sessions| {
                let claim = claim(&|id| sessions.knows(id.as_str()))?;
                sessions.put(&new(&claim.id))?;
                Ok(claim)
            })?;
            tell_set_aside(updated.set_aside.as_deref());
            Ok(updated.value)
        });
        let claim = match registered {
            Some(Ok(claim)) => claim,
            // What is wrong with the index need not be wrong with the project.
            Some(Err(error)) => {
                tell_not_listed(&error);
                self.registry = None;
                claim(&|_| false)?
            }
            None => claim(&|_| false)?,
        };
        claim.folder.announce(&self.project)?;
        self.folder = Some(claim.folder);
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
        match record.as_stored(number).map(|turn| past_turn(&turn)) {
            Some(Ok(turn)) => self.past.push(turn),
            Some(Err(problem)) => tell(&problem),
            None => {}
        }
        if self.past.len() > limits::HISTORY_TURNS {
            self.past.remove(0);
            self.older += 1;
        }
        let Some(folder) = &self.folder else { return };
        if let Err(error) = folder.keep(number, record) {
            tell(&error);
        }
        let id = folder.id().to_string();
        let offset = record.meta().map_or(0, |meta| meta.utc_offset_seconds);
        let completed = |entry: Entry| {
            if !entry.is_active() {
                return entry;
            }
            let end_time = Some(local_time(now, offset));
            Entry { end_time, status: Entry::COMPLETED.to_owned(), ..entry }
        };
        if let Err(error) = self.change(&id, completed) {
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

/// A turn as the next question remembers it; says why it cannot be.
fn past_turn(turn: &StoredTurn) -> Result<PastTurn, String> {
    if turn.task.trim().is_empty() {
        return Err("its question is not known".to_owned());
    }
    let answer = match &turn.end {
        StoredEnd::Answered(answer) => answer.clone(),
        StoredEnd::Open { is_stopped, answers } => {
            let is_best = |agent: &str| turn.winning_agent.as_deref() == Some(agent);
            let (best, others): (Vec<_>, Vec<_>) = answers.iter().partition(|part| is_best(&part.agent));
            let open = best.into_iter().chain(others).map(|part| OpenAnswer {
                agent: &part.agent,
                answer: &part.answer,
                is_best: is_best(&part.agent),
            });
            let end = NoFinalAnswer {
                reason: if *is_stopped { NoAnswerReason::Stopped } else { NoAnswerReason::Failed },
                answers: open.collect(),
            };
            let told = Prompts::new().and_then(|prompts| prompts.no_final_answer(&end));
            told.map_err(|error| error.to_string())?
        }
    };
    Ok(PastTurn { question: turn.task.clone(), answer })
}

/// Keeps the turns below `root` that a process was killed over before it could.
fn recover(folder: &SessionFolder, root: &Path) {
    // Whatever is wrong here is told when the turns are read.
    let (Ok(kept), Ok(runs)) = (folder.turns(), RunFolder::turns_in(root)) else { return };
    for run in runs.into_iter().filter(|run| !kept.contains(&run.turn)) {
        let number = run.turn;
        if run.is_locked().unwrap_or(true) {
            let remark = format!(
                "warning: turn {number} of the session is still at work; its answer is not known to this one"
            );
            Remarks::direct().tell(&remark);
            continue;
        }
        let recovered = read(&run.journal_dir()).map_err(|error| error.to_string()).and_then(|events| {
            let mut record = TurnRecord::default();
            for envelope in &events {
                record.fold(envelope);
            }
            let session = record.meta().and_then(|meta| meta.session.as_ref());
            if session.is_none_or(|session| session.id != folder.id().as_str()) {
                return Ok(());
            }
            let remark = format!(
                "turn {number} of the session was cut short; `massgen --resume {}` would finish it",
                run.turn_dir().display()
            );
            Remarks::direct().tell(&remark);
            folder.keep(number, &record).map_err(|error| error.to_string())
        });
        if let Err(problem) = recovered {
            Remarks::direct()
                .tell(&format!("warning: turn {number} of the session is not remembered: {problem}"));
        }
    }
}

/// The flags that stood in for a configuration in the newest run below `root`.
fn flags_of(root: &Path) -> Flags {
    let newest = RunFolder::turns_in(root).ok().and_then(|mut turns| turns.pop());
    let start = newest.and_then(|folder| read_start(&folder.journal_dir()).ok().flatten());
    let Some(Event::RunStarted { meta, .. }) = start.map(|envelope| envelope.event) else {
        return Flags::default();
    };
    let text = |name: &str| meta.arguments.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Flags {
        backend: text("backend"),
        model: text("model"),
        base_url: text("base_url"),
        system_message: text("system_message"),
    }
}

/// The session root that an entry names, if it is there.
fn log_root(named: &str, project: &Path, environment: &Environment) -> Option<PathBuf> {
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
fn registry(environment: &Environment) -> Option<Registry> {
    environment.home.as_ref().map(|home| Registry::new(home.join(".massgen")))
}

/// All sessions of the index, the order of the file.
fn entries(environment: &Environment) -> Result<Vec<Entry>, Failure> {
    let Some(registry) = registry(environment) else { return Ok(Vec::new()) };
    let read = registry.read().map_err(|error| unusable(&error))?;
    tell_set_aside(read.set_aside.as_deref());
    Ok(read.value.entries())
}

/// The folder of session `id` in `project`; `None` for what cannot be an id.
fn folder_in(project: &Path, id: &str) -> Option<SessionFolder> {
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

fn unusable(error: &SessionError) -> Failure {
    Failure::configuration(format!("the sessions cannot be read: {error}"))
}

fn tell_not_listed(error: &SessionError) {
    Remarks::direct().tell(&format!("warning: the list of sessions is not up to date: {error}"));
}

fn tell_set_aside(path: Option<&Path>) {
    if let Some(path) = path {
        let remark = format!(
            "warning: the list of sessions was not understood and is now `{}`; a new one was begun",
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

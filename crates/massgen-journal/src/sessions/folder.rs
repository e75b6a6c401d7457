//! The turns of one session: `<project>/.massgen/sessions/<id>/`.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::{Path, PathBuf};

use massgen_protocol::limits;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::record::{Ending, TurnRecord};
use super::registry::read_limited;
use super::{SessionError, SessionId};
use crate::artifacts::excerpt::{cut, one_line};
use crate::private::{self, Durability, remove_if_there};

/// Longest file of a turn that is read.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// Ids that are tried for a session; more do not begin within a second.
const MOST_IDS: u32 = 10_000;

/// Characters of a question in the summary.
const QUESTION_CHARS: usize = 200;

/// Characters of an answer in the summary.
const ANSWER_CHARS: usize = 1000;

/// `status` of a turn without a final answer.
const INCOMPLETE: &str = "incomplete";

/// The folder of one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionFolder {
    path: PathBuf,
    id: SessionId,
}

/// A session that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its id, which no other session has.
    pub id: SessionId,
    /// Its folder, without turns.
    pub folder: SessionFolder,
}

/// A turn as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredTurn {
    /// Which, from 1.
    pub number: u32,
    /// The question.
    pub task: String,
    /// Who gave the answer, or was ahead.
    pub winning_agent: Option<String>,
    /// Whether all who took part were simulated.
    pub is_simulated: bool,
    /// What came of it.
    pub end: StoredEnd,
}

/// What came of a turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredEnd {
    /// A final answer.
    Answered(String),
    /// No final answer.
    Open {
        /// Whether it was stopped; otherwise the agents came to none.
        is_stopped: bool,
        /// What the agents had by then.
        answers: Vec<PartialAnswer>,
    },
}

/// An answer that nobody agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartialAnswer {
    /// Whose.
    pub agent: String,
    /// The text.
    pub answer: String,
}

/// What is read of `metadata.json`. Another program may have written it.
#[derive(Debug, Deserialize)]
struct Metadata {
    #[serde(default)]
    timestamp: String,
    #[serde(default)]
    winning_agent: Option<String>,
    #[serde(default)]
    task: String,
    #[serde(default)]
    status: Option<String>,
    #[serde(default)]
    finish_reason: Option<String>,
    #[serde(default)]
    simulated: bool,
}

/// One step of keeping a turn. Each is done as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Puts this text into this file.
    Write(PathBuf, String),
    /// Removes this file.
    Remove(PathBuf),
}

impl Step {
    pub(super) fn perform(&self) -> Result<(), SessionError> {
        match self {
            Self::Write(path, text) => write(path, text.as_bytes()),
            Self::Remove(path) => Ok(remove_if_there(path)?),
        }
    }
}

impl SessionFolder {
    /// The folder of session `id` in the directory `project`; it may not be there.
    pub fn of(project: &Path, id: &SessionId) -> Self {
        Self { path: sessions_of(project).join(id.as_str()), id: id.clone() }
    }

    /// Makes the folder of a new session in `project`, with the first of the ids that begin with `wanted` that is free
    /// there and that `is_taken` does not know.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn claim(
        project: &Path,
        wanted: &SessionId,
        is_taken: impl Fn(&SessionId) -> bool,
    ) -> Result<Claim, SessionError> {
        let sessions = sessions_of(project);
        private::create_folder(&sessions)?;
        for number in 1..=MOST_IDS {
            let id = wanted.with_number(number);
            if is_taken(&id) {
                continue;
            }
            let folder = Self::of(project, &id);
            match fs_err::create_dir(&folder.path) {
                Ok(()) => {
                    private::create_folder(&folder.path)?;
                    return Ok(Claim { id, folder });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(SessionError::NoFreeId(sessions))
    }

    /// Tells parent processes which session is the newest of `project`: `.massgen/.session_id`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn announce(&self, project: &Path) -> Result<(), SessionError> {
        let path = project.join(".massgen").join(".session_id");
        Ok(private::replace(&path, &temporary(&path), self.id.as_str().as_bytes(), Durability::Cached)?)
    }

    /// Removes the folder of a session that has no turns.
    ///
    /// # Errors
    /// When it cannot be removed, or something is in it.
    pub fn give_up(&self) -> Result<(), SessionError> {
        Ok(fs_err::remove_dir(&self.path)?)
    }

    /// The session.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The numbers of the turns that are kept, ascending; none when there is no such folder.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn turns(&self) -> Result<Vec<u32>, SessionError> {
        let entries = match fs_err::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let mut turns = Vec::new();
        for entry in entries {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix("turn_"));
            let number = number.and_then(|number| number.parse().ok());
            turns.extend(number.filter(|number| {
                (1..=limits::SESSION_TURNS).contains(number) && self.file(*number, "metadata.json").is_file()
            }));
        }
        turns.sort_unstable();
        turns.dedup();
        Ok(turns)
    }

    /// The turn with this number.
    ///
    /// # Errors
    /// When it is not there or cannot be understood.
    pub fn turn(&self, number: u32) -> Result<StoredTurn, SessionError> {
        let metadata = self.metadata(number)?;
        let answer = self.text(number, "answer.txt")?.unwrap_or_default();
        let is_open = metadata.status.as_deref() == Some(INCOMPLETE) || answer.trim().is_empty();
        let end = if is_open {
            let failed = [Ending::NoAnswer, Ending::Deadline, Ending::Budget].map(Ending::name);
            let is_stopped = metadata.status.is_some()
                && metadata.finish_reason.as_deref().is_none_or(|reason| !failed.contains(&reason));
            StoredEnd::Open { is_stopped, answers: self.partial_answers(number)? }
        } else {
            StoredEnd::Answered(answer)
        };
        let Metadata { task, winning_agent, simulated: is_simulated, .. } = metadata;
        Ok(StoredTurn { number, task, winning_agent, is_simulated, end })
    }

    /// Keeps `record` as the turn with this number, in the place of what was kept of it before. Wherever this is
    /// stopped, the turn can be read as it was or as it is now.
    ///
    /// # Errors
    /// [`SessionError::NotStarted`] for a record without events, and when a file cannot be written.
    pub fn keep(&self, number: u32, record: &TurnRecord) -> Result<(), SessionError> {
        let steps = self.steps(number, record)?;
        private::create_folder(&self.path)?;
        private::create_folder(&self.turn_dir(number))?;
        steps.iter().try_for_each(Step::perform)?;
        self.summarize()
    }

    /// What keeps `record` as the turn with this number. The metadata decide what the other files are read as: they
    /// come after what they speak of and before what they no longer speak of.
    pub(super) fn steps(&self, number: u32, record: &TurnRecord) -> Result<Vec<Step>, SessionError> {
        let (Some(spec), Some(timestamp)) = (record.spec(), record.timestamp()) else {
            return Err(SessionError::NotStarted);
        };
        let models = record.models();
        let winner = record.leader();
        let mut metadata = Map::new();
        metadata.insert("turn".into(), number.into());
        metadata.insert("timestamp".into(), timestamp.into());
        metadata.insert("winning_agent".into(), winner.into());
        metadata.insert("task".into(), spec.question.as_str().into());
        metadata.insert("session_id".into(), self.id.as_str().into());
        metadata.insert("winning_model".into(), winner.and_then(|id| models.get(id)).cloned().into());
        metadata.insert("models".into(), models.into());
        if record.is_simulated() {
            metadata.insert("simulated".into(), true.into());
        }
        let partial = self.file(number, "partial_answers.json");
        let answer = Step::Write(self.file(number, "answer.txt"), record.answer_text());
        let metadata_file = self.file(number, "metadata.json");
        Ok(match record.ending() {
            Ending::Answered => {
                vec![answer, Step::Write(metadata_file, json_text(&metadata.into())?), Step::Remove(partial)]
            }
            Ending::Interrupted | Ending::Killed | Ending::NoAnswer | Ending::Deadline | Ending::Budget => {
                metadata.insert("status".into(), INCOMPLETE.into());
                metadata.insert("phase".into(), record.phase().into());
                metadata.insert("voting_complete".into(), record.is_voting_complete().into());
                metadata.insert("finish_reason".into(), record.ending().name().into());
                let partial = Step::Write(partial, json_text(&record.partial_answers())?);
                vec![partial, answer, Step::Write(metadata_file, json_text(&metadata.into())?)]
            }
        })
    }

    /// Writes what tells of all turns.
    fn summarize(&self) -> Result<(), SessionError> {
        let mut summary = format!("Session {}\n", self.id);
        let mut winners = Vec::new();
        for number in self.turns()? {
            // Whoever reads the turn is told what is wrong with it; the others are not the worse for it.
            let (Ok(metadata), Ok(answer)) = (self.metadata(number), self.text(number, "answer.txt")) else {
                let _ = write!(summary, "\nTurn {number}  cannot be read\n");
                continue;
            };
            let answer = answer.unwrap_or_default();
            let winner = metadata.winning_agent.as_deref().unwrap_or("nobody");
            let status = metadata.status.as_deref().unwrap_or("completed");
            let question = cut(&one_line(&metadata.task), QUESTION_CHARS);
            let answer = cut(answer.trim(), ANSWER_CHARS);
            // Writing to a string cannot fail.
            let _ = write!(
                summary,
                "\nTurn {number}  {}  {status}  {winner}\nQuestion: {question}\nAnswer:\n{answer}\n",
                metadata.timestamp
            );
            if let (Some(agent), None) = (&metadata.winning_agent, &metadata.status) {
                winners.push(json!({ "agent_id": agent, "turn": number }));
            }
        }
        write(&self.path.join("SESSION_SUMMARY.txt"), summary.as_bytes())?;
        write(&self.path.join("winning_agents_history.json"), json_text(&winners.into())?.as_bytes())
    }

    fn partial_answers(&self, number: u32) -> Result<Vec<PartialAnswer>, SessionError> {
        let path = self.file(number, "partial_answers.json");
        let Some(text) = read_limited(&path, FILE_BYTES)? else {
            return Ok(Vec::new());
        };
        let parts: BTreeMap<String, Value> = parse(&path, &text)?;
        let answer = |value: &Value| value.get("answer").and_then(Value::as_str).map(str::to_owned);
        let parts = parts.iter().filter_map(|(agent, value)| {
            Some(PartialAnswer { agent: agent.clone(), answer: answer(value)? })
        });
        Ok(parts.collect())
    }

    fn metadata(&self, number: u32) -> Result<Metadata, SessionError> {
        let path = self.file(number, "metadata.json");
        let text = read_limited(&path, FILE_BYTES)?.unwrap_or_default();
        parse(&path, &text)
    }

    fn text(&self, number: u32, name: &str) -> Result<Option<String>, SessionError> {
        let path = self.file(number, name);
        let Some(bytes) = read_limited(&path, FILE_BYTES)? else {
            return Ok(None);
        };
        let text = String::from_utf8(bytes);
        text.map(Some).map_err(|_| broken(&path, &"it is not text in UTF-8"))
    }

    pub(super) fn turn_dir(&self, number: u32) -> PathBuf {
        self.path.join(format!("turn_{number}"))
    }

    fn file(&self, number: u32, name: &str) -> PathBuf {
        self.turn_dir(number).join(name)
    }
}

fn sessions_of(project: &Path) -> PathBuf {
    project.join(".massgen").join("sessions")
}

fn parse<T: for<'a> Deserialize<'a>>(path: &Path, text: &[u8]) -> Result<T, SessionError> {
    serde_json::from_slice(text).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, problem: &dyn ToString) -> SessionError {
    SessionError::Broken { path: path.to_owned(), problem: problem.to_string() }
}

fn json_text(value: &Value) -> Result<String, SessionError> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), SessionError> {
    Ok(private::replace(path, &temporary(path), bytes, Durability::Cached)?)
}

/// A name beside `path` that no other process uses.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{}.tmp", std::process::id()))
}

//! The index of a user's sessions: `sessions.json`, written by several processes and programs.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use fs_err::File;
use massgen_protocol::limits;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::SessionError;
use crate::private::{self, Durability};

/// Names that a broken index may get before it is too much.
const MOST_BROKEN: u32 = 1000;

/// The index in one folder, `~/.massgen`. Writers take turns by the lock on `sessions.lock`; readers need none, because
/// the file is replaced as a whole.
#[derive(Debug, Clone)]
pub struct Registry {
    folder: PathBuf,
}

/// One session of the index. Fields that are not here belong to other programs and stay as they are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id.
    pub session_id: String,
    /// When it began, in local time without offset.
    #[serde(default)]
    pub start_time: String,
    /// When its newest turn ended; `None` while one is under way.
    #[serde(default)]
    pub end_time: Option<String>,
    /// [`Entry::ACTIVE`] or [`Entry::COMPLETED`].
    #[serde(default)]
    pub status: String,
    /// The configuration file; `None` when there was none.
    #[serde(default)]
    pub config_path: Option<String>,
    /// The models, separated by commas.
    #[serde(default)]
    pub model: Option<String>,
    /// The first question, shortened.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether another session started it for a part of its work.
    #[serde(default)]
    pub subagent: bool,
    /// That other session.
    #[serde(default)]
    pub parent_session_id: Option<String>,
    /// The session root in the logs.
    #[serde(default)]
    pub log_directory: Option<String>,
    /// The directory whose `.massgen/sessions/` keeps the turns; other programs do not write it.
    #[serde(default)]
    pub project_directory: Option<String>,
}

impl Entry {
    /// The status of a session with a turn under way, or with one that was killed.
    pub const ACTIVE: &'static str = "active";
    /// The status of a session whose turns are over.
    pub const COMPLETED: &'static str = "completed";

    /// Whether a turn is under way, or was killed.
    pub fn is_active(&self) -> bool {
        self.status == Self::ACTIVE
    }
}

/// What the index says.
#[derive(Debug, Clone, Default)]
pub struct Sessions {
    list: Vec<Value>,
    rest: Map<String, Value>,
}

/// What came of reading or changing the index.
#[derive(Debug)]
pub struct Updated<T> {
    /// What was asked for.
    pub value: T,
    /// Where an index that could not be understood was put.
    pub set_aside: Option<PathBuf>,
}

impl Sessions {
    /// All sessions that can be understood, in the order of the file.
    pub fn entries(&self) -> Vec<Entry> {
        self.list.iter().filter_map(entry).collect()
    }

    /// The session with this id.
    pub fn find(&self, id: &str) -> Option<Entry> {
        self.list.iter().find(|value| names(value, id)).and_then(entry)
    }

    /// Whether an entry has this id, understood or not.
    pub fn knows(&self, id: &str) -> bool {
        self.list.iter().any(|value| names(value, id))
    }

    /// Adds `entry`, or brings the one with its id up to date.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn put(&mut self, entry: &Entry) -> Result<(), SessionError> {
        let written = serde_json::to_value(entry)?;
        match self.list.iter_mut().find(|value| names(value, &entry.session_id)) {
            Some(Value::Object(known)) => known.extend(written.as_object().cloned().unwrap_or_default()),
            Some(_) | None => self.list.push(written),
        }
        self.drop_oldest();
        Ok(())
    }

    /// Keeps to [`limits::SESSIONS`]: the oldest leave that have no turn under way.
    fn drop_oldest(&mut self) {
        let mut surplus = self.list.len().saturating_sub(limits::SESSIONS);
        self.list.retain(|value| {
            let leaves = surplus > 0 && entry(value).is_some_and(|entry| !entry.is_active());
            surplus -= usize::from(leaves);
            !leaves
        });
    }

    fn parse(text: &[u8]) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let Value::Object(mut rest) = value else {
            return Err("it is not an object".to_owned());
        };
        match rest.remove("sessions") {
            Some(Value::Array(list)) => Ok(Self { list, rest }),
            None if rest.is_empty() => Ok(Self::default()),
            Some(_) | None => Err("`sessions` is not a list".to_owned()),
        }
    }

    fn text(&self) -> Result<String, SessionError> {
        let mut document = Map::new();
        document.insert("sessions".to_owned(), self.list.clone().into());
        document.extend(self.rest.clone());
        let mut text = serde_json::to_string_pretty(&Value::Object(document))?;
        text.push('\n');
        Ok(text)
    }
}

impl Registry {
    /// The index in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.folder.join("sessions.json")
    }

    /// What the index says now; nothing when there is none. One that cannot be understood is set aside.
    ///
    /// # Errors
    /// When a file cannot be read, or an index cannot be set aside.
    pub fn read(&self) -> Result<Updated<Sessions>, SessionError> {
        match self.parse()? {
            Ok(sessions) => Ok(Updated { value: sessions, set_aside: None }),
            // Somebody may be about to mend it.
            Err(_) => self.update(|sessions| Ok(sessions.clone())),
        }
    }

    /// Changes the index while nobody else does, and writes it if it changed. One that cannot be understood is set
    /// aside first.
    ///
    /// # Errors
    /// What `change` says, and when a file cannot be read or written; the index is then as it was.
    pub fn update<T>(
        &self,
        change: impl FnOnce(&mut Sessions) -> Result<T, SessionError>,
    ) -> Result<Updated<T>, SessionError> {
        if !self.folder.is_dir() {
            private::create_folder(&self.folder)?;
        }
        // Free as soon as it is closed, also when this process dies.
        let lock = private::file().create(true).truncate(false).open(self.folder.join("sessions.lock"))?;
        lock.lock()?;
        let (mut sessions, set_aside) = match self.parse()? {
            Ok(sessions) => (sessions, None),
            Err(_) => (Sessions::default(), Some(self.set_aside()?)),
        };
        let before = sessions.text()?;
        let value = change(&mut sessions)?;
        let after = sessions.text()?;
        if before != after {
            let temporary = self.folder.join("sessions.json.tmp");
            private::replace(&self.file(), &temporary, after.as_bytes(), Durability::Synced)?;
        }
        drop(lock);
        Ok(Updated { value, set_aside })
    }

    /// The index, or why it cannot be understood.
    fn parse(&self) -> Result<Result<Sessions, String>, SessionError> {
        let text = read_limited(&self.file(), limits::SESSION_INDEX_BYTES)?;
        Ok(text.map_or_else(|| Ok(Sessions::default()), |text| Sessions::parse(&text)))
    }

    /// Gives a broken index another name, so that nothing of it is lost.
    fn set_aside(&self) -> Result<PathBuf, SessionError> {
        let names = (1..MOST_BROKEN).map(|number| self.folder.join(format!("sessions.json.broken-{number}")));
        let path = names.into_iter().find(|path| !path.exists());
        let path = path.unwrap_or_else(|| self.folder.join("sessions.json.broken"));
        fs_err::rename(self.file(), &path)?;
        Ok(path)
    }
}

/// The content of `path`; `None` when there is no such file.
pub(super) fn read_limited(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, SessionError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let bytes = file.metadata()?.len();
    if bytes > limit {
        return Err(SessionError::TooLong { path: path.to_owned(), bytes, limit });
    }
    let mut content = Vec::new();
    // It may have grown since.
    file.take(limit).read_to_end(&mut content)?;
    Ok(Some(content))
}

fn names(value: &Value, id: &str) -> bool {
    value.get("session_id") == Some(&json!(id))
}

fn entry(value: &Value) -> Option<Entry> {
    Entry::deserialize(value).ok()
}

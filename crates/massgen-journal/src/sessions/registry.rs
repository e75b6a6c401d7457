//! The index of a user's sessions: `sessions.json`, written by several processes and programs.

use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::File;
use massgen_protocol::limits;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::SessionError;
use crate::artifacts::RunFolder;
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

    /// The last moment that the index knows of it.
    fn last_used(&self) -> &str {
        self.end_time.as_deref().unwrap_or_default().max(&self.start_time)
    }
}

/// How sure it is that nobody is at work on a session: the surest leave a full index first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Its turns are over, or the process of the last one is dead.
    Over,
    /// Nobody can be asked: another program's, one without its logs, or one that is not understood.
    Unknown,
    /// A process is at work on it.
    AtWork,
}

impl Standing {
    /// A process that was killed could not say that its session is over; its lock is free then.
    fn of(entry: Option<&Entry>) -> Self {
        let Some(entry) = entry else { return Self::Unknown };
        if !entry.is_active() {
            return Self::Over;
        }
        let logs = entry.log_directory.as_deref().map(Path::new).filter(|logs| logs.is_absolute());
        let runs = logs.map(RunFolder::turns_in).and_then(Result::ok).unwrap_or_default();
        if runs.is_empty() {
            Self::Unknown
        } else if runs.iter().any(|run| run.is_locked().unwrap_or(true)) {
            Self::AtWork
        } else {
            Self::Over
        }
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
    /// Where an index that could not be used was put.
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
        Ok(())
    }

    /// Takes the session with this id out of the index, if it is there.
    pub fn remove(&mut self, id: &str) {
        self.list.retain(|value| !names(value, id));
    }

    /// Keeps to [`limits::SESSIONS`] and [`limits::SESSION_INDEX_BYTES`]: those leave first that are over, of these
    /// the ones that were used the longest time ago. Only where that is not enough, others follow.
    fn keep_to_limits(&mut self) -> Result<(), SessionError> {
        let mut surplus = self.list.len().saturating_sub(limits::SESSIONS);
        let bytes = self.text()?.len() as u64;
        let mut excess = bytes.saturating_sub(limits::SESSION_INDEX_BYTES);
        if surplus == 0 && excess == 0 {
            return Ok(());
        }
        let entries: Vec<Option<Entry>> = self.list.iter().map(entry).collect();
        let mut order: Vec<(Standing, &str, usize)> = entries
            .iter()
            .enumerate()
            .map(|(place, entry)| {
                let entry = entry.as_ref();
                (Standing::of(entry), entry.map_or("", Entry::last_used), place)
            })
            .collect();
        order.sort_unstable();
        let mut leaving = vec![false; self.list.len()];
        for (_, _, place) in order {
            if surplus == 0 && excess == 0 {
                break;
            }
            let (Some(value), Some(leaves)) = (self.list.get(place), leaving.get_mut(place)) else {
                continue;
            };
            *leaves = true;
            surplus = surplus.saturating_sub(1);
            // In the file it takes at least this much.
            excess = excess.saturating_sub(serde_json::to_string(value)?.len() as u64);
        }
        let mut leaving = leaving.into_iter();
        self.list.retain(|_| !leaving.next().unwrap_or(false));
        Ok(())
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

    /// What the index says now; nothing when there is none. One that cannot be used is set aside.
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

    /// Changes the index while nobody else does, and writes it if it changed, within its limits. One that cannot be
    /// understood, or is longer than is read, is set aside.
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
        let (mut sessions, is_broken) = match self.parse()? {
            Ok(sessions) => (sessions, false),
            Err(_) => (Sessions::default(), true),
        };
        let before = sessions.text()?;
        let value = change(&mut sessions)?;
        sessions.keep_to_limits()?;
        let after = sessions.text()?;
        // The broken one keeps its name too until the new one takes it in one step: whatever fails, and wherever this
        // process is killed, there is an index.
        let set_aside = if is_broken { Some(self.set_aside()?) } else { None };
        if before != after || is_broken {
            let temporary = self.folder.join("sessions.json.tmp");
            let written = private::replace(&self.file(), &temporary, after.as_bytes(), Durability::Synced);
            if let (Err(_), Some(second_name)) = (&written, &set_aside) {
                // The error that matters is the first one.
                let _ = fs_err::remove_file(second_name);
            }
            written?;
        }
        drop(lock);
        Ok(Updated { value, set_aside })
    }

    /// The index, or why it cannot be used.
    fn parse(&self) -> Result<Result<Sessions, String>, SessionError> {
        match read_limited(&self.file(), limits::SESSION_INDEX_BYTES) {
            Ok(text) => Ok(text.map_or_else(|| Ok(Sessions::default()), |text| Sessions::parse(&text))),
            Err(error @ SessionError::TooLong { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// Gives a broken index a second name, so that nothing of it is lost.
    fn set_aside(&self) -> Result<PathBuf, SessionError> {
        let index = fs_err::metadata(self.file())?;
        let mut names =
            (1..MOST_BROKEN).map(|number| self.folder.join(format!("sessions.json.broken-{number}")));
        let name = names.find_map(|name| match fs_err::metadata(&name) {
            // A process was killed after it had done this.
            Ok(there) if (there.dev(), there.ino()) == (index.dev(), index.ino()) => Some(Ok(name)),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(fs_err::hard_link(self.file(), &name).map(|()| name))
            }
            Err(error) => Some(Err(error)),
        });
        name.unwrap_or_else(|| {
            let last = self.folder.join("sessions.json.broken");
            private::remove_if_there(&last)?;
            fs_err::hard_link(self.file(), &last).map(|()| last)
        })
        .map_err(SessionError::from)
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

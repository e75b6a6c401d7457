//! Where the files of a run are.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::symlink;
use massgen_ports::JournalError;
use massgen_protocol::{AgentNo, RunSpec, SnapshotId, Timestamp, places};

use super::ArtifactError;
use super::stamps::LocalTime;
use crate::error::from_io;
use crate::private::{create_folder, remove_if_there};
use crate::{database, lock};

/// Names in an attempt directory that are not agents' folders. An agent with such an id gets a folder with
/// another name, so it cannot overwrite the run's own files.
const TAKEN: [&str; 15] = [
    "final",
    "agent_outputs",
    "system_status",
    "status.json",
    "events.jsonl",
    "massgen.log",
    "execution_metadata.yaml",
    "coordination_events.json",
    "coordination_table.txt",
    "snapshot_mappings.json",
    "metrics_summary.json",
    "metrics_events.json",
    "review_result.json",
    "changes.diff",
    "changes.json",
];

/// The folder beside an answer that holds what the agent's workspace held.
pub const WORKSPACE: &str = "workspace";

/// The folder beside an answer that holds the files that the agent made.
pub(super) const MADE_FOLDER: &str = "files";

/// What a path of a run folder names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// All turns below this session root.
    Session(PathBuf),
    /// One turn.
    Turn(RunFolder),
}

/// The place of one attempt: session root, turn and attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    /// The session root `log_<ts>`, absolute: what is printed as `LOG_DIR`.
    pub root: PathBuf,
    /// Which question of the session, from 1.
    pub turn: u32,
    /// Which orchestration of the turn, from 1.
    pub attempt: u32,
}

impl RunFolder {
    /// The first attempt of the first turn below `root`, which must be absolute.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self::of_turn(root, 1)
    }

    /// The first attempt of turn `turn` (from 1) below `root`, which must be absolute.
    pub fn of_turn(root: impl Into<PathBuf>, turn: u32) -> Self {
        Self { root: root.into(), turn, attempt: 1 }
    }

    /// All turns below `root` that have a journal, the oldest first; none when there is no such folder.
    ///
    /// # Errors
    /// What the file system says.
    pub fn turns_in(root: &Path) -> io::Result<Vec<Self>> {
        let entries = match fs_err::read_dir(root) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let mut turns: Vec<u32> = vec![1];
        for entry in entries {
            turns.extend(turn_number(&entry?.file_name()).filter(|turn| *turn > 1));
        }
        turns.sort_unstable();
        let folders = turns.into_iter().map(|turn| Self::of_turn(root, turn));
        Ok(folders.filter(Self::has_journal).collect())
    }

    /// The turn that `folder`, a path of a session root, a turn or an attempt, names; `None` when there is no journal.
    /// A session root names no turn.
    ///
    /// # Errors
    /// What the file system says.
    pub fn named_by(folder: &Path) -> io::Result<Option<Named>> {
        for path in folder.ancestors().take(3) {
            if let Some(turn) = path.file_name().and_then(turn_number) {
                let named = path.parent().map(|root| Self::of_turn(root, turn));
                return Ok(named.filter(Self::has_journal).map(Named::Turn));
            }
            if !Self::turns_in(path)?.is_empty() {
                return Ok(Some(Named::Session(path.to_owned())));
            }
        }
        Ok(None)
    }

    /// The folder of the turn's journal and blobs: the session root for the first turn, `turn_N` for a later one.
    pub fn journal_dir(&self) -> PathBuf {
        if self.turn == 1 { self.root.clone() } else { self.turn_dir() }
    }

    /// Makes the folder of the turn. `false` when it is there already: then the turn is somebody else's.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::DiskFull`] when it cannot be made.
    pub fn claim(&self) -> Result<bool, JournalError> {
        let folder = self.turn_dir();
        make_new(&folder).map_err(|error| from_io(&folder, &error))
    }

    /// Takes back a turn that was claimed and whose run never began: its folder goes with all that is in it, and with the
    /// first turn the session root and the link to it below `home`. A root with other turns stays.
    ///
    /// # Errors
    /// What the file system says.
    pub fn give_up(&self, home: Option<&Path>) -> io::Result<()> {
        if self.turn > 1 {
            return fs_err::remove_dir_all(self.turn_dir());
        }
        if Self::turns_in(&self.root)?.iter().any(|turn| turn.turn > 1) {
            return Ok(());
        }
        let link = home.map(|home| home_link(home, self));
        if let Some(link) = link.filter(|link| fs_err::read_link(link).is_ok_and(|root| root == self.root)) {
            fs_err::remove_file(link)?;
        }
        fs_err::remove_dir_all(&self.root)
    }

    /// Whether the turn has a journal.
    pub fn has_journal(&self) -> bool {
        database::path_in(&self.journal_dir()).is_file()
    }

    /// Whether a process is at work on the turn.
    ///
    /// # Errors
    /// What the file system says.
    pub fn is_locked(&self) -> io::Result<bool> {
        Ok(self.holder()?.is_some())
    }

    /// Which process is at work on the turn, for people; `None` when none is.
    ///
    /// # Errors
    /// What the file system says.
    pub fn holder(&self) -> io::Result<Option<String>> {
        lock::holder(&self.journal_dir())
    }

    /// Makes a session root below `base` for a run that begins `at`. Nobody else gets it: a run that begins in the same
    /// microsecond takes the next one for its name.
    ///
    /// # Errors
    /// [`JournalError::Io`] or [`JournalError::DiskFull`] when it cannot be made.
    pub fn claim_root(base: &Path, at: Timestamp, utc_offset_seconds: i32) -> Result<PathBuf, JournalError> {
        let mut micros = at.micros();
        loop {
            let name = Self::name_for(Timestamp::from_micros(micros), utc_offset_seconds);
            let root = base.join(name);
            if make_new(&root).map_err(|error| from_io(&root, &error))? {
                return Ok(root);
            }
            micros = micros.saturating_add(1);
        }
    }

    /// The name of the session root of a run that began `at`: `log_YYYYMMDD_HHMMSS_ffffff` in local time.
    pub fn name_for(at: Timestamp, utc_offset_seconds: i32) -> String {
        format!("log_{}", LocalTime::new(utc_offset_seconds).stamp(at))
    }

    /// The name of the session root, which is also the name of the session.
    pub fn name(&self) -> Cow<'_, str> {
        self.root.file_name().map_or(Cow::Borrowed(""), |name| name.to_string_lossy())
    }

    /// `turn_N`.
    pub fn turn_dir(&self) -> PathBuf {
        self.root.join(format!("turn_{}", self.turn))
    }

    /// `turn_N/attempt_M`: the home of nearly every artifact.
    pub fn attempt_dir(&self) -> PathBuf {
        self.turn_dir().join(format!("attempt_{}", self.attempt))
    }

    /// `status.json` of the attempt: what is printed as `STATUS`.
    pub fn status_file(&self) -> PathBuf {
        self.attempt_dir().join("status.json")
    }

    /// `events.jsonl` of the attempt.
    pub fn events_file(&self) -> PathBuf {
        self.attempt_dir().join("events.jsonl")
    }

    /// The folder that holds the answers and votes of the agent with this id.
    pub fn agent_dir(&self, agent_id: &str) -> PathBuf {
        self.attempt_dir().join(folder_name(agent_id).as_ref())
    }

    /// The folder of one answer or vote.
    pub fn answer_dir(&self, agent_id: &str, stamp: &str) -> PathBuf {
        self.agent_dir(agent_id).join(stamp)
    }

    /// `final` of the attempt: what is printed as `FINAL_DIR`.
    pub fn final_dir(&self) -> PathBuf {
        self.attempt_dir().join("final")
    }

    /// The final answer of the agent with this id, in the attempt: what is printed as `ANSWER_FILE`.
    pub fn final_answer_file(&self, agent_id: &str) -> PathBuf {
        self.final_dir().join(folder_name(agent_id).as_ref()).join("answer.txt")
    }

    /// `final` of the turn: the copy of the last attempt's.
    pub fn turn_final_dir(&self) -> PathBuf {
        self.turn_dir().join("final")
    }

    /// The final answer of the agent with this id, in the turn: what is printed as `ANSWER`.
    pub fn turn_final_answer_file(&self, agent_id: &str) -> PathBuf {
        self.turn_final_dir().join(folder_name(agent_id).as_ref()).join("answer.txt")
    }

    /// A file that belongs to the final answer of the agent with this id, in the turn.
    pub fn turn_final_file(&self, agent_id: &str, name: &str) -> PathBuf {
        self.turn_final_dir().join(folder_name(agent_id).as_ref()).join(MADE_FOLDER).join(name)
    }

    /// The files of the final answer of the agent with this id, in the turn.
    pub fn turn_final_workspace(&self, agent_id: &str) -> PathBuf {
        self.turn_final_dir().join(folder_name(agent_id).as_ref()).join(WORKSPACE)
    }

    /// The final answer `content` of agent `author` of `spec` as people get it: files that it speaks of are named where
    /// they stand when the run is over. `snapshot` are its files.
    pub fn final_text<'a>(
        &self,
        spec: &RunSpec,
        author: AgentNo,
        content: &'a str,
        snapshot: Option<&SnapshotId>,
    ) -> Cow<'a, str> {
        let id = spec.agent(author).map(|agent| &agent.id);
        let kept = id.filter(|_| snapshot.is_some()).map(|id| self.turn_final_workspace(id.as_str()));
        let kept = kept.map(|kept| kept.display().to_string());
        places::for_people(spec, author, kept.as_deref()).apply(content)
    }

    /// `status.json` of the session root: a relative link to the newest attempt's.
    pub fn root_status_link(&self) -> PathBuf {
        self.root.join("status.json")
    }

    /// What the link of the session root points to.
    pub(super) fn root_status_target(&self) -> PathBuf {
        Path::new(&format!("turn_{}", self.turn))
            .join(format!("attempt_{}", self.attempt))
            .join("status.json")
    }
}

/// Makes a private folder, and those above it that are missing; `false` when it is there already.
fn make_new(folder: &Path) -> io::Result<bool> {
    if let Some(above) = folder.parent().filter(|above| !above.is_dir()) {
        create_folder(above)?;
    }
    match fs_err::create_dir(folder) {
        Ok(()) => create_folder(folder).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// N of `turn_N`.
fn turn_number(name: &OsStr) -> Option<u32> {
    let digits = name.to_str()?.strip_prefix("turn_")?;
    let is_plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_plain)
}

/// The name of an agent's folder: its id, unless the run has a file or folder of that name.
pub(super) fn folder_name(agent_id: &str) -> Cow<'_, str> {
    if TAKEN.contains(&agent_id) { Cow::Owned(format!("{agent_id}.agent")) } else { Cow::Borrowed(agent_id) }
}

/// Makes the run findable below `home`, where the shell client of the agent skill looks for the newest run:
/// `<home>/.massgen/massgen_logs/<log_ts>` becomes a link to the session root, and the root's time of change becomes
/// now, because that is what the client sorts by. Returns the path below `home`.
///
/// # Errors
/// [`ArtifactError::InTheWay`] when something that is not a link has this name; else what the file system says.
pub fn link_in_home(home: &Path, folder: &RunFolder) -> Result<PathBuf, ArtifactError> {
    let link = home_link(home, folder);
    if let Some(logs) = link.parent() {
        create_folder(logs)?;
    }
    // The kernel sets a folder's time when an entry comes or goes; nothing else here may read a clock.
    let touch = folder.root.join(format!(".touch-{}", std::process::id()));
    symlink(".", &touch)?;
    fs_err::remove_file(&touch)?;
    match fs_err::symlink_metadata(&link) {
        Ok(there) if there.is_symlink() => {
            if fs_err::read_link(&link)? == folder.root {
                return Ok(link);
            }
            replace_link(&folder.root, &link)?;
        }
        // The runs are kept in the home directory itself.
        Ok(_) if fs_err::canonicalize(&link)? == fs_err::canonicalize(&folder.root)? => {}
        Ok(_) => return Err(ArtifactError::InTheWay { path: link }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => symlink(&folder.root, &link)?,
        Err(error) => return Err(error.into()),
    }
    Ok(link)
}

/// Where [`link_in_home`] makes the run findable.
pub fn home_link(home: &Path, folder: &RunFolder) -> PathBuf {
    home.join(".massgen").join("massgen_logs").join(folder.name().as_ref())
}

/// Puts a link to `target` at `link`, in one step: whoever reads sees the old one or the new one.
pub(super) fn replace_link(target: &Path, link: &Path) -> Result<(), ArtifactError> {
    let name = link.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let temporary = link.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    remove_if_there(&temporary)?;
    symlink(target, &temporary)?;
    fs_err::rename(&temporary, link)?;
    Ok(())
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;

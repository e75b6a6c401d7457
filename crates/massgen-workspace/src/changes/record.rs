//! What an application did, on the disk: enough to finish it, to take it back, and to undo it later.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use serde::{Deserialize, Serialize};

use crate::changes::error::ChangesError;
use crate::changes::plan::Standing;
use crate::changes::scope::is_bookkeeping;
use crate::changes::spelling;
use crate::contents::Contents;
use crate::durable::{settle, write_whole};
use crate::tree::{Digest, Mode, TreePath};

/// The file that says what was done.
const FILE: &str = "changes.json";

/// What the name of the folder begins with that holds new files.
const STAGE: &str = ".massgen_apply_";

/// The folder with old contents, each under its hash.
const CONTENTS: &str = "contents";

/// What an application did or is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Of this format.
    version: u32,
    /// How far it is.
    pub(crate) state: State,
    /// The folder whose files change, spelled.
    target: String,
    /// The folder in it that holds new files until they are put into their places.
    pub(crate) stage: String,
    /// What changes.
    pub(crate) steps: Vec<Step>,
    /// Folders that are made, with their permissions if they are to have certain ones.
    pub(crate) made: BTreeMap<Name, Option<u32>>,
    /// Folders that are removed if they become empty, with the permissions that they have.
    pub(crate) removed: BTreeMap<Name, u32>,
}

/// How far an application is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    /// New files are being written; none is in its place.
    Staging,
    /// Files are being put into their places. The old ones are all kept.
    Applying,
    /// Done.
    Applied,
    /// Taken back because something failed, or never begun.
    TakenBack,
    /// Undone, later and wholly.
    Undone,
}

/// One path that changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Step {
    pub(crate) path: Name,
    /// What stood there.
    pub(crate) old: Thing,
    /// What stands there afterwards.
    pub(crate) new: Thing,
}

/// What stands at a path, with permissions as exact as they are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Thing {
    Nothing,
    File { digest: String, mode: Mode, permissions: u32 },
    Link { target: String },
    Folder { permissions: Option<u32> },
}

/// A path in a file of JSON.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Name(pub(crate) TreePath);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        spelling::read(&text).map(Self).ok_or_else(|| format!("`{text}` is no path below a folder"))
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        spelling::spell(&name.0)
    }
}

impl Thing {
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Nothing => Standing::Nothing,
            Self::File { digest, mode, .. } => Standing::File {
                // Checked when the record was read; a hash that is none fits no file.
                digest: Digest::parse(digest).unwrap_or(Digest::from_bytes([0; 32])),
                mode: *mode,
            },
            Self::Link { target } => {
                Standing::Link { target: spelling::read_bytes(target).unwrap_or_default() }
            }
            Self::Folder { .. } => Standing::Folder,
        }
    }

    fn is_sound(&self) -> bool {
        match self {
            Self::Nothing | Self::Folder { .. } => true,
            Self::File { digest, .. } => Digest::parse(digest).is_some(),
            Self::Link { target } => spelling::read_bytes(target).is_some(),
        }
    }
}

/// The folder of a record.
#[derive(Debug)]
pub(crate) struct Shelf {
    folder: PathBuf,
}

impl Shelf {
    /// The shelf in `folder`, which may not exist yet.
    pub(crate) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Begins a record for the changes of `target`.
    pub(crate) fn begin(&self, target: &Path) -> Result<Record, ChangesError> {
        fs_err::create_dir_all(&self.folder).map_err(|error| ChangesError::io(&self.folder, error))?;
        if let Some(record) = self.load()? {
            match record.state {
                State::Staging | State::Applying | State::Applied | State::Undone => {
                    return Err(ChangesError::RecordTaken { path: self.folder.clone() });
                }
                State::TakenBack => {}
            }
        }
        let contents = self.folder.join(CONTENTS);
        match std::fs::DirBuilder::new().mode(0o700).create(&contents) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(ChangesError::io(contents, error));
            }
            Ok(()) | Err(_) => {}
        }
        // A name of its own, so that two applications never share it; and known before the folder is made.
        let mut seed = self.folder.as_os_str().as_bytes().to_vec();
        seed.extend_from_slice(target.as_os_str().as_bytes());
        let digest = Digest::of(&seed).to_string();
        let record = Record {
            version: 1,
            state: State::Staging,
            target: spelling::spell_bytes(target.as_os_str().as_bytes()),
            stage: format!("{STAGE}{}", digest.get(..16).unwrap_or(&digest)),
            steps: Vec::new(),
            made: BTreeMap::new(),
            removed: BTreeMap::new(),
        };
        self.save(&record)?;
        Ok(record)
    }

    /// The record, if there is one.
    pub(crate) fn load(&self) -> Result<Option<Record>, ChangesError> {
        let path = self.folder.join(FILE);
        let bytes = match fs_err::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(ChangesError::io(path, error)),
        };
        let problem = |problem: String| ChangesError::Record { path: path.clone(), problem };
        let record: Record = serde_json::from_slice(&bytes).map_err(|error| problem(error.to_string()))?;
        if record.version != 1 {
            return Err(problem(format!("version {} is not known", record.version)));
        }
        if record.is_sound() { Ok(Some(record)) } else { Err(problem("it is damaged".to_owned())) }
    }

    /// Replaces the record, so that after a loss of power there is the old one or the new one.
    pub(crate) fn save(&self, record: &Record) -> Result<(), ChangesError> {
        let path = self.folder.join(FILE);
        let text = serde_json::to_vec_pretty(record).map_err(|error| ChangesError::io(&path, error))?;
        write_whole(&path, &text).map_err(|error| ChangesError::io(&path, error))
    }

    /// Keeps bytes under their hash. They are durable after [`Self::settle`].
    pub(crate) fn keep(&self, digest: &Digest, bytes: &[u8]) -> Result<(), ChangesError> {
        let path = self.folder.join(CONTENTS).join(digest.to_string());
        let write = || -> io::Result<()> {
            let mut file =
                fs_err::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
            file.write_all(bytes)
        };
        write().map_err(|error| ChangesError::io(&path, error))
    }

    /// Makes kept bytes durable.
    pub(crate) fn settle(&self) -> Result<(), ChangesError> {
        let path = self.folder.join(CONTENTS);
        fs_err::File::open(&path)
            .and_then(|folder| settle(folder.file()))
            .map_err(|error| ChangesError::io(&path, error))
    }

    /// The shelves of what was done to undo this record, the oldest first.
    pub(crate) fn undoings(&self) -> Vec<Self> {
        let mut found = Vec::new();
        loop {
            let next = self.undoing(found.len() + 1);
            if !next.folder.exists() {
                return found;
            }
            found.push(next);
        }
    }

    /// The shelf for the next undoing.
    pub(crate) fn next_undoing(&self) -> Self {
        self.undoing(self.undoings().len() + 1)
    }

    fn undoing(&self, number: usize) -> Self {
        Self { folder: self.folder.join(format!("undo_{number}")) }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Contents for Shelf {
    fn read(&self, digest: &Digest) -> io::Result<Vec<u8>> {
        let bytes = fs_err::read(self.folder.join(CONTENTS).join(digest.to_string()))?;
        if Digest::of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the kept bytes of `{digest}` are damaged"),
            ))
        }
    }
}

impl Record {
    /// Whether an application can have made it. It may have been written by anybody: what is never changed is in none, and
    /// the folder for new files, which is emptied, is called as ours are.
    fn is_sound(&self) -> bool {
        let things = self.steps.iter().flat_map(|step| [&step.old, &step.new]);
        let steps = self.steps.iter().map(|step| &step.path);
        let mut paths = steps.chain(self.made.keys()).chain(self.removed.keys());
        let is_stage = |stage: &TreePath| !stage.as_bytes().contains(&b'/');
        things.into_iter().all(Thing::is_sound)
            && !paths.any(|path| is_bookkeeping(&path.0))
            && self.stage.starts_with(STAGE)
            && TreePath::new(self.stage.as_bytes()).is_some_and(|stage| is_stage(&stage))
            && spelling::read_bytes(&self.target).is_some()
    }

    /// The folder whose files change.
    pub(crate) fn target(&self) -> PathBuf {
        let bytes = spelling::read_bytes(&self.target).unwrap_or_default();
        PathBuf::from(std::ffi::OsString::from_vec(bytes))
    }

    /// The name of the folder for new files.
    pub(crate) fn stage_name(&self) -> &OsStr {
        OsStr::new(&self.stage)
    }
}

//! The one place through which artifact files reach the disk: private, complete or absent, free of secrets.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{File, OpenOptions};

use super::ArtifactError;
use super::redact;
use crate::private::{Durability, create_folder, remove_if_there, replace};

/// What is kept of a growing file in memory before it is appended.
const APPEND_BUFFER_BYTES: usize = 64 * 1024;

/// Permissions of every file.
const FILE_MODE: u32 = 0o600;

/// Whether growing files are written from the start again, or go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Growth {
    /// Past events are folded: growing files are collected, then replaced as a whole.
    Collecting,
    /// New events come in: growing files are appended to.
    Appending,
}

/// Writes files, and knows which ones.
#[derive(Debug)]
pub(super) struct Files {
    growth: Growth,
    /// Every file that this projection consists of.
    known: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    /// What is to be appended, by file.
    waiting: BTreeMap<PathBuf, String>,
    temporaries: u64,
    writes: u64,
}

impl Files {
    /// Growing files are collected until [`Files::go_on`].
    pub(super) fn new() -> Self {
        Self {
            growth: Growth::Collecting,
            known: BTreeSet::new(),
            folders: BTreeSet::new(),
            waiting: BTreeMap::new(),
            temporaries: 0,
            writes: 0,
        }
    }

    /// How many times a file was written or appended to.
    pub(super) fn writes(&self) -> u64 {
        self.writes
    }

    /// The files that belong to the projection.
    pub(super) fn known(&self) -> &BTreeSet<PathBuf> {
        &self.known
    }

    /// Puts `text` without secrets at `path`, in one step.
    pub(super) fn replace(&mut self, path: &Path, text: &str) -> Result<(), ArtifactError> {
        self.replace_raw(path, &redact::text(text))
    }

    /// Puts `text` as it is at `path`, in one step: for what an agent hands over and nobody else may change.
    pub(super) fn replace_raw(&mut self, path: &Path, text: &str) -> Result<(), ArtifactError> {
        self.replace_bytes(path, text.as_bytes())
    }

    /// Puts `bytes` at `path`, in one step.
    pub(super) fn replace_bytes(&mut self, path: &Path, bytes: &[u8]) -> Result<(), ArtifactError> {
        self.make_parent(path)?;
        self.temporaries += 1;
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        let temporary =
            path.with_file_name(format!(".{name}.{}-{}.tmp", std::process::id(), self.temporaries));
        replace(path, &temporary, bytes, Durability::Cached)?;
        self.known.insert(path.to_owned());
        self.writes += 1;
        Ok(())
    }

    /// Adds `text` without secrets to the end of `path`, now or with the next [`Files::flush`].
    pub(super) fn append(&mut self, path: &Path, text: &str) -> Result<(), ArtifactError> {
        let waiting = match self.waiting.get_mut(path) {
            Some(waiting) => waiting,
            None => self.waiting.entry(path.to_owned()).or_default(),
        };
        waiting.push_str(&redact::text(text));
        if waiting.len() >= APPEND_BUFFER_BYTES && self.growth == Growth::Appending {
            self.flush_one(path)?;
        }
        Ok(())
    }

    /// Writes what waits for `path`.
    pub(super) fn flush_one(&mut self, path: &Path) -> Result<(), ArtifactError> {
        match self.growth {
            Growth::Collecting => Ok(()),
            Growth::Appending => match self.waiting.remove(path) {
                Some(text) => self.append_now(path.to_owned(), text),
                None => Ok(()),
            },
        }
    }

    /// Writes everything that waits.
    pub(super) fn flush(&mut self) -> Result<(), ArtifactError> {
        match self.growth {
            Growth::Collecting => Ok(()),
            Growth::Appending => {
                while let Some((path, text)) = self.waiting.pop_first() {
                    self.append_now(path, text)?;
                }
                Ok(())
            }
        }
    }

    /// Past events are over: growing files are replaced by what was collected and are appended to from now on.
    pub(super) fn go_on(&mut self) -> Result<(), ArtifactError> {
        while let Some((path, text)) = self.waiting.pop_first() {
            self.replace_raw(&path, &text)?;
        }
        self.growth = Growth::Appending;
        Ok(())
    }

    /// Takes all files below `folder` out of the projection, and the folders that are empty then.
    pub(super) fn remove_folder(&mut self, folder: &Path) -> Result<(), ArtifactError> {
        let files: Vec<PathBuf> =
            self.known.iter().filter(|path| path.starts_with(folder)).cloned().collect();
        for file in files {
            remove_if_there(&file)?;
            self.known.remove(&file);
        }
        let mut folders: Vec<PathBuf> =
            self.folders.iter().filter(|path| path.starts_with(folder)).cloned().collect();
        folders.push(folder.to_owned());
        // The deepest first.
        folders.sort_by_key(|path| std::cmp::Reverse(path.components().count()));
        for folder in folders {
            match fs_err::remove_dir(&folder) {
                Ok(()) => {}
                // Somebody else keeps something there.
                Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => continue,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
            self.folders.remove(&folder);
        }
        Ok(())
    }

    /// Appends `text`; what cannot be written waits for the next time.
    fn append_now(&mut self, path: PathBuf, text: String) -> Result<(), ArtifactError> {
        self.make_parent(&path)?;
        let appended = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(FILE_MODE)
            .open(&path)
            .and_then(|mut file: File| file.write_all(text.as_bytes()));
        if let Err(error) = appended {
            self.waiting.insert(path, text);
            return Err(error.into());
        }
        self.known.insert(path);
        self.writes += 1;
        Ok(())
    }

    fn make_parent(&mut self, path: &Path) -> Result<(), ArtifactError> {
        let Some(parent) = path.parent() else {
            return Ok(());
        };
        if !self.folders.contains(parent) {
            create_folder(parent)?;
            self.folders.insert(parent.to_owned());
        }
        Ok(())
    }
}

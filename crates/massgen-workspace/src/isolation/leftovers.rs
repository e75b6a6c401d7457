//! Worktrees that dead runs left in the user's repositories.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use massgen_protocol::workspace::COPIES;
use massgen_sandbox::Life;

use crate::isolation::error::IsolationError;
use crate::isolation::git::Git;
use crate::isolation::owner::Owner;
use crate::isolation::{repository, worktree};

/// A worktree that this program made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Where its files are, or were.
    pub place: PathBuf,
    /// Whose it is.
    pub owner: Owner,
    /// Git's folder for it.
    own: PathBuf,
}

/// All worktrees that this program made of the repository of `folder`, those of living runs as well. Worktrees of the user
/// are not among them: ours are locked by us.
///
/// # Errors
/// Git fails, or its files cannot be read.
pub fn leftovers(git: &Git, folder: &Path) -> Result<Vec<Leftover>, IsolationError> {
    let folder = fs_err::canonicalize(folder).map_err(|error| IsolationError::io(folder, error))?;
    let found = match repository::find(git, &folder) {
        Ok(found) => found,
        Err(IsolationError::NoGit | IsolationError::Bare { .. } | IsolationError::Elsewhere { .. }) => None,
        Err(error) => return Err(error),
    };
    let Some(repository) = found else { return Ok(Vec::new()) };
    let all = repository.common.join("worktrees");
    let entries = match fs_err::read_dir(&all) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(IsolationError::io(all, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let own = entry.map_err(|error| IsolationError::io(&all, error))?.path();
        if let Some(owner) = owner(&own)?
            && let Some(place) = place(&own)?
        {
            found.push(Leftover { place, owner, own });
        }
    }
    found.sort_by(|a, b| a.own.cmp(&b.own));
    Ok(found)
}

impl Leftover {
    /// Removes it. A run that could go on loses what its agents did and did not hand in: ask whether it is wanted first.
    ///
    /// # Errors
    /// Its owner is at work, or may be, or something cannot be removed.
    pub fn remove(&self) -> Result<(), IsolationError> {
        match self.owner.life() {
            Life::Dead => worktree::remove(&self.place, &self.own),
            Life::Alive | Life::Unknown => {
                Err(IsolationError::InUse { path: self.place.clone(), pid: self.owner.process.pid() })
            }
        }
    }
}

impl Leftover {
    /// Removes it although its owner, this process, is at work.
    pub(crate) fn remove_own(&self) -> Result<(), IsolationError> {
        worktree::remove(&self.place, &self.own)
    }
}

/// The owner of the worktree with git's folder `own`, if we made it.
pub(crate) fn owner(own: &Path) -> Result<Option<Owner>, IsolationError> {
    Ok(read(&own.join("locked"))?.and_then(|text| Owner::read(&String::from_utf8_lossy(&text))))
}

/// Whether git's folder `own` is that of a worktree at `at`, and we made it.
pub(crate) fn is_of(own: &Path, at: &Path) -> Result<bool, IsolationError> {
    Ok(owner(own)?.is_some() && place(own)?.is_some_and(|place| place == at))
}

/// Where the files of the worktree are.
fn place(own: &Path) -> Result<Option<PathBuf>, IsolationError> {
    let Some(text) = read(&own.join("gitdir"))? else { return Ok(None) };
    let line = text.strip_suffix(b"\n").unwrap_or(&text);
    // It names the `.git` file there, from here if it is relative.
    let file = own.join(OsString::from_vec(line.to_vec()));
    // A repository may come from anywhere, and with it these files. What is not where our copies are is none of them.
    let is_copy =
        |place: &&Path| file.ends_with(".git") && place.parent().is_some_and(|all| all.ends_with(COPIES));
    Ok(file.parent().filter(is_copy).map(Path::to_owned))
}

fn read(file: &Path) -> Result<Option<Vec<u8>>, IsolationError> {
    match fs_err::read(file) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(IsolationError::io(file, error)),
    }
}

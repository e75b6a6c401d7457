//! The user's project in isolation: each agent gets a copy of a writable context path of its own.
//!
//! [`isolate`] makes it: in a git repository a worktree, elsewhere a copy with a repository of its own. Either holds what
//! is on the disk, uncommitted work included; in a repository without what git ignores. The user's files, index, branches
//! and stashes are not touched. Uncommitted work is committed in the worktree, on no branch: when the worktree is gone,
//! git's own housekeeping removes those objects from the repository. What an agent did there is found by comparing trees ([`crate::changes`]), never by asking
//! git: its files are in the agent's hands. Everything blocks.

mod error;
mod git;
mod leftovers;
mod mirror;
mod owner;
mod repository;
mod trace;
mod worktree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use massgen_protocol::workspace::Isolation;
use serde::{Deserialize, Serialize};

use crate::changes::{ContextReview, FileChange, Ignores, Scope};
use crate::isolation::mirror::Found;
use crate::isolation::repository::{Part, Repository};
use crate::tree::TreePath;

pub use error::IsolationError;
pub use git::Git;
pub use leftovers::{Leftover, leftovers};
pub use massgen_sandbox::Life;
pub use owner::Owner;
pub use trace::trace;

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The context path: a folder or a file that exists.
    pub source: &'a Path,
    /// Where the copy goes: `<workspace>/.worktree/ctx_<n>`, absolute. It must not exist.
    pub place: &'a Path,
    /// How.
    pub isolation: Isolation,
    /// Folders that are not copied with the context path, absolute: the agents' own, should they be in it.
    pub skip: &'a [PathBuf],
    /// Whose it is.
    pub owner: &'a Owner,
}

/// A context path in isolation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Isolated {
    /// The folder that changes go back to, without links: the context path, or the folder of it if it is a file.
    #[serde(with = "spelled")]
    pub target: PathBuf,
    /// The file that the context path is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<String>,
    /// The folder that was made.
    #[serde(with = "spelled")]
    pub place: PathBuf,
    /// The folder in it that stands for [`Self::target`].
    #[serde(with = "spelled")]
    pub folder: PathBuf,
    /// How it was made.
    pub kind: Kind,
    /// The commit, in the copy's repository, that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What git ignores, if the context path is in a repository. [`crate::changes::compare`] needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignores: Option<Ignores>,
    /// Paths below the target, spelled, that are not in the copy, with the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
    /// Sentences for people: what is not as one might expect.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// How a context path was isolated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A worktree of the user's repository.
    Worktree {
        /// Git's folder for this worktree.
        #[serde(with = "spelled")]
        own: PathBuf,
    },
    /// A copy.
    Copy,
}

/// Makes a copy of a context path for one agent.
///
/// # Errors
/// It cannot be had in the way that was asked for. Nothing is left behind then.
pub fn isolate(git: &Git, request: &Request<'_>) -> Result<Isolated, IsolationError> {
    let source =
        fs_err::canonicalize(request.source).map_err(|error| IsolationError::io(request.source, error))?;
    let place = without_links(request.place)?;
    if fs_err::symlink_metadata(&place).is_ok() {
        return Err(IsolationError::Taken { path: place });
    }
    let skip: Vec<PathBuf> = request.skip.iter().filter_map(|path| fs_err::canonicalize(path).ok()).collect();
    let (target, only) = match (source.is_dir(), source.parent(), source.file_name().and_then(name)) {
        (false, Some(folder), Some(name)) => (folder.to_owned(), Some(name)),
        _ => (source.clone(), None),
    };
    let repository = match repository::find(git, &target) {
        Err(IsolationError::NoGit) if request.isolation != Isolation::Worktree => None,
        found => found?,
    };
    let mut notes = Vec::new();
    let worktree = match (&repository, request.isolation) {
        (_, Isolation::Direct) => return Err(IsolationError::Direct { path: source }),
        (None, Isolation::Worktree) => return Err(IsolationError::NoRepository { path: source }),
        (None, Isolation::Auto) | (_, Isolation::Copy) => None,
        (Some(found), Isolation::Worktree | Isolation::Auto) => match no_worktree(found, only.as_ref()) {
            None => Some(found),
            Some(reason) if request.isolation == Isolation::Worktree => {
                return Err(IsolationError::NoWorktree { path: source, reason });
            }
            // Nobody misses the history of a repository in the copy of one file.
            Some(_) if only.is_some() => None,
            Some(reason) => {
                notes.push(format!("agents work on a copy of `{}`: {reason}", source.display()));
                None
            }
        },
    };
    let mut found = find_files(git, &target, only.as_ref(), repository.is_some(), &skip)?;
    found.notes.append(&mut notes);
    let ignores = repository.as_ref().map(|found| repository::ignores(git, found)).transpose()?;
    let made = if let Some(repository) = worktree {
        make_worktree(git, repository, &target, &place, request.owner, &mut found)?
    } else {
        make_copy(git, &target, &place, &mut found)?
    };
    Ok(Isolated {
        target,
        only: only.map(|only| crate::changes::spell(&only)),
        place,
        folder: made.folder,
        kind: made.kind,
        base: made.base,
        ignores,
        left_out: found
            .left_out
            .into_iter()
            .map(|(path, reason)| (crate::changes::spell(&path), reason))
            .collect(),
        notes: found.notes,
    })
}

impl Isolated {
    /// Which paths count when the folder is compared with what it was. `left_out` is what the snapshots left out.
    pub fn scope(&self, left_out: impl IntoIterator<Item = (TreePath, String)>) -> Scope {
        let own = self
            .left_out
            .iter()
            .filter_map(|(path, reason)| Some((crate::changes::read_path(path)?, reason.clone())));
        Scope {
            only: self.only.as_deref().and_then(crate::changes::read_path),
            left_out: own.chain(left_out).collect(),
            ignores: self.ignores.clone(),
        }
    }

    /// The changes as review requests show them.
    pub fn review(&self, changes: &[FileChange]) -> ContextReview {
        let only = self.only.as_deref().and_then(crate::changes::read_path);
        let original = only.map_or_else(|| self.target.clone(), |only| self.target.join(only.as_path()));
        ContextReview {
            original_path: original.display().to_string(),
            isolated_path: self.folder.display().to_string(),
            repo_root: self.folder.display().to_string(),
            base_ref: self.base.clone(),
            context_prefix: None,
            changes: changes.iter().map(crate::changes::listed).collect(),
            diff: String::from_utf8_lossy(&crate::changes::unified(changes)).into_owned(),
        }
    }

    /// Makes another process its owner: one that goes on with the run.
    ///
    /// # Errors
    /// Git's folder for it is gone, is not ours, or cannot be written.
    pub fn take_over(&self, owner: &Owner) -> Result<(), IsolationError> {
        match &self.kind {
            Kind::Copy => Ok(()),
            Kind::Worktree { own } => {
                if !leftovers::is_of(own, &self.place)? {
                    return Err(IsolationError::Foreign { path: own.clone() });
                }
                let lock = own.join("locked");
                fs_err::write(&lock, format!("{owner}\n")).map_err(|error| IsolationError::io(lock, error))
            }
        }
    }

    /// Removes the copy, and what git knows about it. The user's files and commits stay.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn remove(&self) -> Result<(), IsolationError> {
        match &self.kind {
            // If the user has removed it and another took its name, it is no longer ours.
            Kind::Worktree { own } if leftovers::is_of(own, &self.place)? => {
                worktree::remove(&self.place, own)
            }
            Kind::Worktree { .. } | Kind::Copy => mirror::remove(&self.place),
        }
    }
}

/// The place, in a folder that exists now, as git will write it down.
fn without_links(place: &Path) -> Result<PathBuf, IsolationError> {
    let (Some(folder), Some(name)) = (place.parent(), place.file_name()) else {
        return Err(IsolationError::Taken { path: place.to_owned() });
    };
    fs_err::create_dir_all(folder)
        .and_then(|()| fs_err::canonicalize(folder))
        .map(|folder| folder.join(name))
        .map_err(|error| IsolationError::io(folder, error))
}

fn name(name: &std::ffi::OsStr) -> Option<TreePath> {
    TreePath::from_path(Path::new(name))
}

/// Why the repository cannot have a worktree for this context path.
fn no_worktree(repository: &Repository, only: Option<&TreePath>) -> Option<&'static str> {
    if repository.head.is_none() {
        Some("its repository has no commits yet")
    } else if repository.part == Part::Submodule {
        Some("it is a submodule")
    } else if only.is_some() {
        Some("it is a single file")
    } else {
        None
    }
}

fn find_files(
    git: &Git,
    target: &Path,
    only: Option<&TreePath>,
    is_repository: bool,
    skip: &[PathBuf],
) -> Result<Found, IsolationError> {
    let mut found = Found::default();
    match only {
        Some(only) => found.add(target, only.clone())?,
        None if is_repository => return repository::files(git, target, skip),
        None => mirror::walk(target, None, skip, &mut found)?,
    }
    Ok(found)
}

/// What was made.
struct Made {
    folder: PathBuf,
    kind: Kind,
    base: Option<String>,
}

fn make_worktree(
    git: &Git,
    repository: &Repository,
    target: &Path,
    place: &Path,
    owner: &Owner,
    found: &mut Found,
) -> Result<Made, IsolationError> {
    let own = worktree::add(git, repository, place, owner).inspect_err(|_| clean_up(git, target, place))?;
    let prefix = repository.prefix.as_ref();
    let folder = prefix.map_or_else(|| place.to_owned(), |prefix| place.join(prefix.as_path()));
    let fill = || {
        worktree::fill_index(git, repository, place, &own)?;
        fs_err::create_dir_all(&folder).map_err(|error| IsolationError::io(&folder, error))?;
        mirror::copy(found, target, &folder)?;
        worktree::commit_baseline(git, place, &own, prefix, found)
    };
    let base = fill_or_remove(fill, || worktree::remove(place, &own))?;
    Ok(Made { folder, kind: Kind::Worktree { own }, base })
}

fn make_copy(git: &Git, target: &Path, place: &Path, found: &mut Found) -> Result<Made, IsolationError> {
    let fill = || {
        fs_err::create_dir(place).map_err(|error| IsolationError::io(place, error))?;
        mirror::copy(found, target, place)?;
        match worktree::init(git, place) {
            Ok(own) => worktree::commit_baseline(git, place, &own, None, found),
            Err(IsolationError::NoGit) => {
                found.notes.push("git is not installed: agents cannot ask it what changed".to_owned());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    };
    let base = fill_or_remove(fill, || mirror::remove(place))?;
    Ok(Made { folder: place.to_owned(), kind: Kind::Copy, base })
}

fn fill_or_remove<T>(
    fill: impl FnOnce() -> Result<T, IsolationError>,
    remove: impl FnOnce() -> Result<(), IsolationError>,
) -> Result<T, IsolationError> {
    fill().inspect_err(|_| {
        if let Err(error) = remove() {
            tracing::warn!(%error, "a copy that was not finished stays behind");
        }
    })
}

/// Removes what a worktree that git could not finish left.
fn clean_up(git: &Git, target: &Path, place: &Path) {
    let found = leftovers::leftovers(git, target).unwrap_or_default();
    for leftover in found.into_iter().filter(|leftover| leftover.place == place) {
        if let Err(error) = leftover.remove_own() {
            tracing::warn!(%error, "a worktree that was not finished stays behind");
        }
    }
}

/// Paths in files of JSON, which need not be UTF-8.
mod spelled {
    use std::ffi::OsString;
    use std::os::unix::ffi::{OsStrExt, OsStringExt};
    use std::path::{Path, PathBuf};

    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&crate::changes::spell_bytes(path.as_os_str().as_bytes()))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = crate::changes::read_bytes(&text).ok_or_else(|| D::Error::custom("not a path"))?;
        Ok(PathBuf::from(OsString::from_vec(bytes)))
    }
}

#[cfg(test)]
#[path = "isolation/isolation_tests.rs"]
mod tests;

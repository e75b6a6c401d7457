//! From a path to a handle, without ever leaving what the agent was given.

use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use massgen_protocol::workspace::Access;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::beneath::open_beneath;

use super::managed::{Managed, RootKind, join};
use super::place::Place;
use super::refusal::{Error, Refusal};

/// Links that one path may lead through, as in the kernel.
const LINKS: usize = 40;

/// How a folder is opened: for what is in it, and only if it is one.
pub(crate) const FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// What is done with a link at the end of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Last {
    /// What it leads to is meant.
    Followed,
    /// The link itself is meant.
    AsItIs,
}

/// What a path leads to.
#[derive(Debug)]
pub enum Found {
    /// Something is there.
    There(Place),
    /// Nothing is there, and something could be made.
    Missing(Gap),
}

impl Found {
    /// What is there.
    ///
    /// # Errors
    /// When nothing is.
    pub fn there(self) -> Result<Place, Error> {
        match self {
            Self::There(place) => Ok(place),
            Self::Missing(gap) => Err(Error::Missing(gap.path())),
        }
    }

    /// The path that was reached, or would be.
    pub fn path(&self) -> PathBuf {
        match self {
            Self::There(place) => place.path().to_path_buf(),
            Self::Missing(gap) => gap.path(),
        }
    }
}

/// A place where nothing is yet.
#[derive(Debug)]
pub struct Gap {
    managed: Arc<Managed>,
    folder: OwnedFd,
    at: PathBuf,
    names: Vec<OsString>,
}

impl Gap {
    /// Where it is, without links.
    pub fn path(&self) -> PathBuf {
        join(&self.at, &self.names.iter().collect::<PathBuf>())
    }

    /// Makes the folders around it, so that something can be put there.
    ///
    /// # Errors
    /// When the agent may not write there, or the system says no.
    pub fn into_place(mut self) -> Result<Place, Error> {
        self.managed.decide_change(&self.path())?;
        let Some(name) = self.names.pop() else { return Err(Error::NotAPath) };
        let mut path = self.at;
        for part in &self.names {
            path.push(part);
            match rustix::fs::mkdirat(&self.folder, part, Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(Error::of(path, error)),
            }
            // A link that somebody put there in this moment is not followed.
            self.folder = rustix::fs::openat(&self.folder, part, FOLDER, Mode::empty())
                .map_err(|error| Error::of(&path, error))?;
        }
        path.push(&name);
        Ok(Place::new(self.managed, Arc::new(self.folder), name, path, Access::Write))
    }
}

/// How a walk is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// By the kernel in one go where it can and no link is in the way.
    Quickly,
    /// Part by part.
    #[cfg_attr(not(test), expect(dead_code, reason = "tests compare both ways"))]
    PartByPart,
}

/// A walk under way: the folders from the root to where it stands.
struct Walk {
    root: OwnedFd,
    root_path: PathBuf,
    stack: Vec<(OsString, OwnedFd)>,
}

impl Walk {
    fn folder(&self) -> &OwnedFd {
        self.stack.last().map_or(&self.root, |(_, folder)| folder)
    }

    fn path(&self) -> PathBuf {
        join(&self.root_path, &self.stack.iter().map(|(name, _)| name).collect::<PathBuf>())
    }
}

pub(crate) fn walk(managed: &Arc<Managed>, path: &Path, last: Last, how: How) -> Result<Found, Error> {
    if path.as_os_str().is_empty() || path.as_os_str().as_bytes().contains(&0) {
        return Err(Error::NotAPath);
    }
    let asked = managed.absolute(path);
    if how == How::Quickly
        && let Some(place) = in_one_go(managed, &asked, last)?
    {
        return Ok(Found::There(place));
    }
    let (mut walk, mut ahead) = enter(managed, &asked)?;
    let mut links = 0;
    while let Some(part) = ahead.pop_front() {
        if part == ".." {
            if walk.stack.pop().is_none() {
                let above = walk.root_path.parent().unwrap_or(Path::new("/")).to_path_buf();
                (walk, ahead) = enter(managed, &join(&above, &ahead.iter().collect::<PathBuf>()))?;
            }
            continue;
        }
        let here = || walk.path().join(&part);
        let told = match rustix::fs::statat(walk.folder(), &part, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(told) => told,
            Err(Errno::NOENT) => return gap(managed, walk, part, ahead),
            Err(error) => return Err(Error::of(here(), error)),
        };
        match FileType::from_raw_mode(told.st_mode) {
            FileType::Symlink if !(ahead.is_empty() && last == Last::AsItIs) => {
                links += 1;
                if links > LINKS {
                    return Err(Error::TooManyLinks(asked));
                }
                let says = rustix::fs::readlinkat(walk.folder(), &part, Vec::new())
                    .map_err(|error| Error::of(here(), error))?;
                let says = PathBuf::from(OsString::from_vec(says.into_bytes()));
                if says.is_absolute() {
                    (walk, ahead) = enter(managed, &join(&says, &ahead.iter().collect::<PathBuf>()))?;
                } else {
                    for part in parts(&says).into_iter().rev() {
                        ahead.push_front(part);
                    }
                }
            }
            FileType::Directory => {
                let folder = rustix::fs::openat(walk.folder(), &part, FOLDER, Mode::empty())
                    .map_err(|error| Error::of(here(), error))?;
                walk.stack.push((part, folder));
            }
            FileType::RegularFile
            | FileType::Symlink
            | FileType::Fifo
            | FileType::Socket
            | FileType::CharacterDevice
            | FileType::BlockDevice
            | FileType::Unknown => {
                if !ahead.is_empty() {
                    return Err(Error::NotAFolder(here()));
                }
                let path = here();
                let access = managed.decide(&path)?;
                let folder = walk.stack.pop().map_or(walk.root, |(_, folder)| folder);
                return Ok(Found::There(Place::new(managed.clone(), Arc::new(folder), part, path, access)));
            }
        }
    }
    let path = walk.path();
    let access = managed.decide(&path)?;
    let (name, folder) = match walk.stack.pop() {
        Some((name, _)) => (name, walk.stack.pop().map_or(walk.root, |(_, folder)| folder)),
        None => (OsString::from("."), walk.root),
    };
    Ok(Found::There(Place::new(managed.clone(), Arc::new(folder), name, path, access)))
}

/// Opens the root that `path` begins with, and says what is to be walked from there.
fn enter(managed: &Managed, path: &Path) -> Result<(Walk, VecDeque<OsString>), Error> {
    let path = managed.respelled(path);
    let folders = managed.roots().iter().filter_map(|root| {
        let folder = match root.kind {
            // Only the file itself is allowed, which is decided at the end.
            RootKind::ContextFile if path == root.path => root.path.parent()?,
            RootKind::ContextFile => return None,
            RootKind::Workspace | RootKind::Peers | RootKind::Context | RootKind::Shared => &root.path,
        };
        Some((folder, path.strip_prefix(folder).ok()?))
    });
    let Some((folder, rest)) = folders.max_by_key(|(folder, _)| folder.components().count()) else {
        return enter_above(managed, &path);
    };
    let root = rustix::fs::open(folder, FOLDER, Mode::empty()).map_err(|error| Error::of(folder, error))?;
    let ahead = parts(rest).into();
    Ok((Walk { root, root_path: folder.to_path_buf(), stack: Vec::new() }, ahead))
}

/// A path that begins above all roots may come down to one of them by its words: `/a/../ws`. No file is looked at.
fn enter_above(managed: &Managed, path: &Path) -> Result<(Walk, VecDeque<OsString>), Error> {
    let plain = massgen_protocol::plain(path);
    if plain != path && managed.root_of(&managed.respelled(&plain)).is_some() {
        return enter(managed, &plain);
    }
    Err(Refusal::Outside(plain).into())
}

fn parts(path: &Path) -> Vec<OsString> {
    path.components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_os_string()),
            Component::ParentDir => Some(OsString::from("..")),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn gap(
    managed: &Arc<Managed>,
    walk: Walk,
    part: OsString,
    ahead: VecDeque<OsString>,
) -> Result<Found, Error> {
    let at = walk.path();
    if ahead.iter().any(|part| part == "..") {
        return Err(Error::Missing(at.join(part)));
    }
    let mut names = vec![part];
    names.extend(ahead);
    let folder = { walk.stack }.pop().map_or(walk.root, |(_, folder)| folder);
    let gap = Gap { managed: managed.clone(), folder, at, names };
    managed.decide(&gap.path())?;
    Ok(Found::Missing(gap))
}

/// Opens the folder around `path`, if no link and no `..` is in the way; `None` leaves it to the walk
/// by hand.
fn in_one_go(managed: &Arc<Managed>, path: &Path, last: Last) -> Result<Option<Place>, Error> {
    let path = managed.respelled(path);
    let Some(root) = managed.root_of(&path).filter(|root| root.kind != RootKind::ContextFile) else {
        return Ok(None);
    };
    let rest = path.strip_prefix(&root.path).unwrap_or(Path::new(""));
    if !rest.components().all(|part| matches!(part, Component::Normal(_))) {
        return Ok(None);
    }
    let (Some(around), Some(name)) = (rest.parent(), rest.file_name()) else { return Ok(None) };
    let opened = rustix::fs::open(&root.path, FOLDER, Mode::empty())
        .and_then(|root| open_beneath(root.as_fd(), around, FOLDER));
    // Whatever is in the way, a link or a missing part, the walk by hand tells.
    let Ok(folder) = opened else { return Ok(None) };
    let Ok(told) = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) else { return Ok(None) };
    if FileType::from_raw_mode(told.st_mode) == FileType::Symlink && last == Last::Followed {
        return Ok(None);
    }
    let path = join(&root.path, &rest.components().collect::<PathBuf>());
    let access = managed.decide(&path)?;
    let name: &OsStr = name;
    Ok(Some(Place::new(managed.clone(), Arc::new(folder), name.to_os_string(), path, access)))
}

//! The user's folder, opened once: everything in it is reached from that handle and never through a symbolic link.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{self as sys, AtFlags, FileType, Mode as Permissions, OFlags, Stat};
use rustix::io::Errno;

use crate::beneath::open_beneath;
use crate::changes::error::ChangesError;
use crate::changes::file_change::FileChange;
use crate::changes::plan::{self, Current, Inside, Standing};
use crate::changes::scope::{folders_above, is_bookkeeping};
use crate::changes::selection::{Pick, Selection};
use crate::tree::{Digest, Mode, TreePath};

/// Most paths below a folder that are looked at to find out whether it goes as a whole.
const INSIDE: usize = 10_000;

/// How a folder is opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A folder whose files are to change.
#[derive(Debug)]
pub struct Target {
    root: OwnedFd,
    path: PathBuf,
}

/// What stands at a path, with what the system says about it.
pub(crate) struct Seen {
    pub(crate) standing: Standing,
    pub(crate) stat: Option<Stat>,
}

impl Seen {
    const NOTHING: Self = Self { standing: Standing::Nothing, stat: None };
}

impl Target {
    /// Opens a folder.
    ///
    /// # Errors
    /// It does not exist, or is no folder, or may not be entered.
    pub fn open(folder: &Path) -> Result<Self, ChangesError> {
        let path = fs_err::canonicalize(folder).map_err(|error| ChangesError::io(folder, error))?;
        let root =
            sys::open(&path, FOLDER, Permissions::empty()).map_err(|error| ChangesError::io(&path, error))?;
        Ok(Self { root, path })
    }

    /// Where it is, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What stands where `changes` concern it.
    ///
    /// # Errors
    /// Something cannot be read.
    pub fn current(&self, changes: &[FileChange], selection: &Selection) -> Result<Current, ChangesError> {
        let mut current = Current::default();
        for change in changes {
            for path in plan::paths(change) {
                self.look(path, &mut current)?;
            }
            let source = change.from.as_ref().unwrap_or(&change.path);
            let now = current.at(source);
            let is_needed = match selection.pick(change) {
                Pick::Hunks(_) => true,
                Pick::Whole => plan::may_hold_some(change, now),
                Pick::Nothing | Pick::Unknown(_) => false,
            };
            if is_needed && matches!(now, Standing::File { .. }) {
                let bytes = self.read(source).map_err(|error| self.problem(source, error))?;
                current.bytes.insert(source.clone(), bytes);
            }
        }
        Ok(current)
    }

    /// Adds what stands at `path` and above it.
    pub(crate) fn look(&self, path: &TreePath, current: &mut Current) -> Result<(), ChangesError> {
        for path in folders_above(path).chain(std::iter::once(path.clone())) {
            if let Entry::Vacant(place) = current.standings.entry(path) {
                let standing = self.see(place.key())?.standing;
                place.insert(standing);
            }
        }
        if *current.at(path) == Standing::Folder && !current.inside.contains_key(path) {
            let inside = match self.list(path) {
                Ok(inside) => inside,
                Err(error) => return Err(self.problem(path, error)),
            };
            current.inside.insert(path.clone(), inside);
        }
        Ok(())
    }

    /// What stands at `path`. What is only reached through a link, or through a file, is nothing.
    pub(crate) fn see(&self, path: &TreePath) -> Result<Seen, ChangesError> {
        self.try_to_see(path).map_err(|error| self.problem(path, error))
    }

    fn try_to_see(&self, path: &TreePath) -> io::Result<Seen> {
        let (folder, name) = match self.parent(path) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Seen::NOTHING),
            Err(error) => return Err(error.into()),
        };
        see_in(&folder, name)
    }

    /// Whether the folder at `path` holds nothing.
    pub(crate) fn is_empty(&self, path: &TreePath) -> Result<bool, ChangesError> {
        self.entries(path).map(|entries| entries.is_empty()).map_err(|error| self.problem(path, error))
    }

    /// Removes the file or link at `path`.
    pub(crate) fn unlink(&self, path: &TreePath) -> Result<(), ChangesError> {
        self.parent(path)
            .and_then(|(folder, name)| sys::unlinkat(&folder, name, AtFlags::empty()))
            .map_err(|error| self.problem(path, error))
    }

    /// Removes the folder at `path` if it is there and empty.
    pub(crate) fn remove_folder(&self, path: &TreePath) -> Result<(), ChangesError> {
        let removed =
            self.parent(path).and_then(|(folder, name)| sys::unlinkat(&folder, name, AtFlags::REMOVEDIR));
        match removed {
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                Ok(())
            }
            Err(error) => Err(self.problem(path, error)),
        }
    }

    /// Makes a folder at `path`, if there is none, with these permissions or the usual ones.
    pub(crate) fn make_folder(&self, path: &TreePath, permissions: Option<u32>) -> Result<(), ChangesError> {
        let problem = |error: Errno| self.problem(path, error);
        let (folder, name) = match self.parent(path) {
            Ok(found) => found,
            Err(Errno::NOTDIR | Errno::LOOP) => return Err(ChangesError::Raced { path: path.clone() }),
            Err(error) => return Err(problem(error)),
        };
        match sys::mkdirat(&folder, name, Permissions::RWXU | Permissions::RWXG | Permissions::RWXO) {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                return match self.see(path)?.standing {
                    Standing::Folder => Ok(()),
                    Standing::Nothing | Standing::File { .. } | Standing::Link { .. } | Standing::Other => {
                        Err(ChangesError::Raced { path: path.clone() })
                    }
                };
            }
            Err(error) => return Err(problem(error)),
        }
        if let Some(permissions) = permissions {
            let made = sys::openat(&folder, name, FOLDER, Permissions::empty()).map_err(problem)?;
            sys::fchmod(made, Permissions::from_raw_mode(permissions)).map_err(problem)?;
        }
        Ok(())
    }

    /// The bytes of the file at `path`.
    pub(crate) fn read(&self, path: &TreePath) -> io::Result<Vec<u8>> {
        let (folder, name) = self.parent(path)?;
        let mut bytes = Vec::new();
        open_file(&folder, name)?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// The folder that `path` stands in, and its name there.
    pub(crate) fn parent<'a>(&self, path: &'a TreePath) -> Result<(OwnedFd, &'a OsStr), Errno> {
        let folder = path.as_path().parent().unwrap_or(Path::new(""));
        Ok((self.folder(folder)?, OsStr::from_bytes(path.name())))
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> impl AsFd {
        self.root.as_fd()
    }

    pub(crate) fn problem(&self, path: &TreePath, error: impl Into<io::Error>) -> ChangesError {
        ChangesError::io(self.path.join(path.as_path()), error)
    }

    /// Opens a folder below the root; a symbolic link on the way is an error.
    fn folder(&self, relative: &Path) -> Result<OwnedFd, Errno> {
        open_beneath(self.root.as_fd(), relative, FOLDER)
    }

    /// Everything below `path`.
    fn list(&self, path: &TreePath) -> io::Result<Inside> {
        let (mut files, mut empty) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![path.clone()];
        while let Some(folder) = open.pop() {
            let entries = self.entries(&folder)?;
            if entries.is_empty() && folder != *path {
                // Bookkeeping is never made room of, empty or not.
                if is_bookkeeping(&folder) { &mut files } else { &mut empty }.insert(folder);
                continue;
            }
            for (name, kind) in entries {
                let Some(below) = TreePath::new([folder.as_bytes(), &name].join(&b'/')) else { continue };
                if kind == FileType::Directory {
                    open.push(below);
                } else {
                    files.insert(below);
                }
            }
            if files.len() + empty.len() + open.len() > INSIDE {
                return Ok(Inside::Much);
            }
        }
        Ok(Inside::Paths { files, empty })
    }

    fn entries(&self, path: &TreePath) -> io::Result<Vec<(Vec<u8>, FileType)>> {
        let folder = self.folder(path.as_path())?;
        let mut entries = Vec::new();
        for entry in sys::Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes().to_vec();
            if name == b"." || name == b".." {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let stat = sys::statat(&folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(stat.st_mode)
                }
                known => known,
            };
            entries.push((name, kind));
        }
        Ok(entries)
    }
}

/// What stands in `folder` under `name`.
pub(crate) fn see_in(folder: &OwnedFd, name: &OsStr) -> io::Result<Seen> {
    let stat = match sys::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => return Ok(Seen::NOTHING),
        Err(error) => return Err(error.into()),
    };
    let standing = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Standing::File {
            digest: hash(open_file(folder, name)?)?,
            mode: if stat.st_mode & 0o100 == 0 { Mode::Plain } else { Mode::Executable },
        },
        FileType::Symlink => {
            Standing::Link { target: sys::readlinkat(folder, name, Vec::new())?.into_bytes() }
        }
        FileType::Directory => Standing::Folder,
        FileType::Fifo
        | FileType::Socket
        | FileType::CharacterDevice
        | FileType::BlockDevice
        | FileType::Unknown => Standing::Other,
    };
    Ok(Seen { standing, stat: Some(stat) })
}

fn open_file(folder: &OwnedFd, name: &OsStr) -> io::Result<fs_err::File> {
    // Should a pipe have come in its place, it must not hold us up.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = sys::openat(folder, name, flags, Permissions::empty())?;
    Ok(fs_err::File::from_parts(file.into(), Path::new(name)))
}

fn hash(mut file: fs_err::File) -> io::Result<Digest> {
    let mut hasher = blake3::Hasher::new();
    io::copy(&mut file, &mut hasher)?;
    Ok(Digest::from_bytes(*hasher.finalize().as_bytes()))
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;

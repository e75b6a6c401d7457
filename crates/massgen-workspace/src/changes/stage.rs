//! The folder beside the target in which new files wait, and the moves into their places.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self as sys, AtFlags, Gid, Mode as Permissions, OFlags, RenameFlags, Uid};
use rustix::io::Errno;

use crate::changes::error::ChangesError;
use crate::changes::plan::Standing;
use crate::changes::scope::folders_above;
use crate::changes::target::{Target, see_in};
use crate::durable::{are_many, everything, settle};
use crate::tree::{Mode, TreePath};

/// A folder in the target that holds files by number.
pub(crate) struct Stage {
    folder: OwnedFd,
    path: TreePath,
    /// Permissions of a program that is made here, as the user's mask leaves them.
    program: u32,
}

/// How a new file looks besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh {
    pub(crate) permissions: u32,
    /// Owner and group of the file that it replaces.
    pub(crate) owner: Option<(u32, u32)>,
}

/// What a file moves over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Over {
    /// Nothing: if there is something after all, it stays.
    Nothing,
    /// This file or link: if there is another one after all, it stays.
    Old(Standing),
}

const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl Stage {
    /// Makes the folder `name` in the target, or takes the one that an interrupted application left, empty.
    pub(crate) fn make(target: &Target, name: &OsStr) -> Result<Self, ChangesError> {
        let at = |error: io::Error| ChangesError::io(target.path().join(name), error);
        Self::remove_from(target, name)?;
        sys::mkdirat(target.root(), name, Permissions::RWXU).map_err(|error| at(error.into()))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = sys::openat(target.root(), name, flags, Permissions::empty())
            .map_err(|error| at(error.into()))?;
        let path = TreePath::from_path(Path::new(name))
            .ok_or_else(|| at(io::Error::new(io::ErrorKind::InvalidInput, "not a name of a folder")))?;
        let program = usual(&folder).map_err(at)?;
        Ok(Self { folder, path, program })
    }

    /// Removes the folder `name` with the files in it, if it is there.
    pub(crate) fn remove_from(target: &Target, name: &OsStr) -> Result<(), ChangesError> {
        let remove = || -> io::Result<()> {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let folder = match sys::openat(target.root(), name, flags, Permissions::empty()) {
                Ok(folder) => folder,
                Err(Errno::NOENT) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            for entry in sys::Dir::read_from(&folder)? {
                let entry = entry?;
                if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
                    sys::unlinkat(&folder, entry.file_name(), AtFlags::empty())?;
                }
            }
            Ok(sys::unlinkat(target.root(), name, AtFlags::REMOVEDIR)?)
        };
        remove().map_err(|error| ChangesError::io(target.path().join(name), error))
    }

    /// Removes this folder.
    pub(crate) fn remove(self, target: &Target) -> Result<(), ChangesError> {
        Self::remove_from(target, self.path.as_path().as_os_str())
    }

    /// Where it is in the target.
    pub(crate) fn path(&self) -> &TreePath {
        &self.path
    }

    /// Permissions of a new file.
    pub(crate) fn usual(&self, mode: Mode) -> u32 {
        match mode {
            Mode::Executable => self.program,
            Mode::Plain => self.program & !0o111,
        }
    }

    /// Writes a file. It is readable by its owner only until it is whole. It is durable after [`Self::settle`].
    pub(crate) fn file(&self, number: usize, bytes: &[u8], fresh: Fresh) -> io::Result<fs_err::File> {
        let name = number.to_string();
        self.free(&name)?;
        let file = sys::openat(&self.folder, name.as_str(), NEW_FILE, Permissions::RUSR | Permissions::WUSR)?;
        let mut file = fs_err::File::from_parts(file.into(), name);
        file.write_all(bytes)?;
        if let Some((owner, group)) = fresh.owner {
            let now = sys::fstat(file.file())?;
            if (now.st_uid, now.st_gid) != (owner, group) {
                let given = sys::fchown(file.file(), Some(Uid::from_raw(owner)), Some(Gid::from_raw(group)));
                match given {
                    // Whoever may replace another's file, but not give files away, ends up owning it, as with any editor.
                    Ok(()) | Err(Errno::PERM) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        sys::fchmod(file.file(), Permissions::from_raw_mode(fresh.permissions))?;
        Ok(file)
    }

    /// Makes a symbolic link.
    pub(crate) fn link(&self, number: usize, says: &[u8]) -> io::Result<()> {
        let name = number.to_string();
        self.free(&name)?;
        Ok(sys::symlinkat(says, &self.folder, name.as_str())?)
    }

    fn free(&self, name: &str) -> io::Result<()> {
        match sys::unlinkat(&self.folder, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes the files in this folder durable.
    pub(crate) fn settle(&self, target: &Target) -> Result<(), ChangesError> {
        settle(&self.folder).map_err(|error| target.problem(&self.path, error))
    }

    /// Makes the names in the folders of `paths` durable.
    pub(crate) fn settle_places<'a>(
        target: &Target,
        paths: impl Iterator<Item = &'a TreePath>,
    ) -> Result<(), ChangesError> {
        // By the folder that they stand in, each once.
        let places: BTreeMap<Option<TreePath>, &TreePath> =
            paths.map(|path| (folders_above(path).next(), path)).collect();
        if are_many(places.len()) {
            return everything(target.root()).map_err(|error| ChangesError::io(target.path(), error));
        }
        for path in places.into_values() {
            match target.parent(path) {
                Ok((folder, _)) => sys::fsync(folder).map_err(|error| target.problem(path, error))?,
                // The folder went with what was in it. That it is gone is known to the folder above; should that be lost with
                // the power, an empty folder is back.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                Err(error) => return Err(target.problem(path, error)),
            }
        }
        Ok(())
    }

    /// Moves the file or link of this number to its place.
    pub(crate) fn place(
        &self,
        target: &Target,
        number: usize,
        path: &TreePath,
        over: &Over,
    ) -> Result<(), ChangesError> {
        let problem = |error: Errno| target.problem(path, error);
        let (folder, name) = target.parent(path).map_err(problem)?;
        let number = number.to_string();
        let moved = match over {
            Over::Old(old) => self.exchange(&number, (&folder, name), old),
            Over::Nothing => {
                let flags = RenameFlags::NOREPLACE;
                match sys::renameat_with(&self.folder, number.as_str(), &folder, name, flags) {
                    // Some file systems cannot do it in one step.
                    Err(Errno::INVAL | Errno::NOSYS) => {
                        match sys::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                            Err(Errno::NOENT) => sys::renameat(&self.folder, number.as_str(), &folder, name),
                            Ok(_) => Err(Errno::EXIST),
                            Err(error) => Err(error),
                        }
                    }
                    other => other,
                }
            }
        };
        match moved {
            Ok(()) => Ok(()),
            Err(Errno::EXIST | Errno::ISDIR) => Err(ChangesError::Raced { path: path.clone() }),
            Err(error) => Err(problem(error)),
        }
    }

    /// Lets the file `number` and what stands at a place change places, and changes them back if that is not `old`: what an
    /// editor has written since anybody looked is not lost.
    fn exchange(
        &self,
        number: &str,
        (folder, name): (&OwnedFd, &OsStr),
        old: &Standing,
    ) -> Result<(), Errno> {
        let exchange = || sys::renameat_with(&self.folder, number, folder, name, RenameFlags::EXCHANGE);
        match exchange() {
            Ok(()) if self.holds(number, old) => Ok(()),
            Ok(()) => exchange().and(Err(Errno::EXIST)),
            // It was removed.
            Err(Errno::NOENT) => Err(Errno::EXIST),
            // Some file systems cannot do it.
            Err(Errno::INVAL | Errno::NOSYS) => sys::renameat(&self.folder, number, folder, name),
            Err(error) => Err(error),
        }
    }

    /// Takes the file or link at `path` away, if it is `old`.
    pub(crate) fn take(
        &self,
        target: &Target,
        number: usize,
        path: &TreePath,
        old: &Standing,
    ) -> Result<(), ChangesError> {
        let problem = |error: Errno| target.problem(path, error);
        let (folder, name) = target.parent(path).map_err(problem)?;
        let number = number.to_string();
        sys::renameat(&folder, name, &self.folder, number.as_str()).map_err(problem)?;
        if self.holds(&number, old) {
            return Ok(());
        }
        let flags = RenameFlags::NOREPLACE;
        match sys::renameat_with(&self.folder, number.as_str(), &folder, name, flags) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => {
                sys::renameat(&self.folder, number.as_str(), &folder, name).map_err(problem)?;
            }
            Err(error) => return Err(problem(error)),
        }
        Err(ChangesError::Raced { path: path.clone() })
    }

    /// Whether `standing` is what waits under `number`.
    fn holds(&self, number: &str, standing: &Standing) -> bool {
        see_in(&self.folder, OsStr::new(number)).is_ok_and(|seen| seen.standing == *standing)
    }
}

/// The permissions that a new program has under the user's mask, which cannot be asked for without setting it.
fn usual(folder: &OwnedFd) -> io::Result<u32> {
    const PROBE: &str = "probe";
    let all = Permissions::RWXU | Permissions::RWXG | Permissions::RWXO;
    let file = sys::openat(folder, PROBE, NEW_FILE, all)?;
    let permissions = sys::fstat(&file)?.st_mode & 0o777;
    sys::unlinkat(folder, PROBE, AtFlags::empty())?;
    Ok(permissions)
}

#[cfg(test)]
#[path = "stage_tests.rs"]
mod tests;

//! A workspace that is to hold a snapshot again. Its agent may still be at work in it, so everything is reached from one
//! handle and never through a symbolic link.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use massgen_protocol::SnapshotId;
use rustix::fs::{self as sys, AtFlags, FileType, Mode as Permissions, OFlags};
use rustix::io::Errno;

use crate::cache::StatCache;
use crate::changes::{ChangesError, Target, folders_above};
use crate::error::Error;
use crate::removal::remove_from;
use crate::scan::{ScanLimits, scan};
use crate::store::SnapshotStore;
use crate::tree::{Entry, Mode, TreePath};

/// The name of a file that is not whole yet, in the folder that it will be in. One that a killed process left is no part
/// of any snapshot, and goes the next time.
const UNFINISHED: &str = ".massgen-unfinished";

const NEW_FILE: OFlags =
    OFlags::WRONLY.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl SnapshotStore {
    /// Lets `folder` hold what snapshot `id` holds: what differs is written, what came since is removed. A `.git`, what
    /// the snapshot leaves out and what is not kept now stay, unless something of the snapshot has their place. Nothing
    /// is touched that is as it should be. `cache` is that of the folder.
    ///
    /// # Errors
    /// When the snapshot is not there or is damaged, or when files cannot be read, written or removed. Some are as in the
    /// snapshot and some are not then; the next attempt ends it.
    pub fn restore(
        &self,
        id: &SnapshotId,
        folder: &Path,
        cache: &StatCache,
        limits: &ScanLimits,
    ) -> Result<(), Error> {
        let wanted = self.manifest(id)?;
        let now = scan(folder, &self.blobs, cache, limits)?.tree;
        if *now == wanted.tree {
            return Ok(());
        }
        let restoring = Restoring { store: self, target: Target::open(folder).map_err(told)? };
        let needed: BTreeSet<TreePath> = wanted.tree.entries.keys().flat_map(folders_above).collect();
        let mut emptied = BTreeSet::new();
        for (path, entry) in &now.entries {
            if wanted.tree.get(path).is_none() && !wanted.leaves_out(path) {
                restoring.remove(path, entry)?;
                emptied.extend(folders_above(path).filter(|folder| !needed.contains(folder)));
            }
        }
        // What is in a folder comes after it.
        for folder in emptied.iter().rev() {
            restoring.target.remove_folder(folder).map_err(told)?;
        }
        let mut made = BTreeSet::new();
        for (path, entry) in &wanted.tree.entries {
            if now.get(path) != Some(entry) {
                let mut folders: Vec<TreePath> = folders_above(path).collect();
                folders.extend(matches!(entry, Entry::EmptyFolder).then(|| path.clone()));
                folders.sort();
                for folder in folders {
                    if !made.contains(&folder) {
                        restoring.make_folder(&folder)?;
                        made.insert(folder);
                    }
                }
                restoring.write(path, entry)?;
            }
        }
        Ok(())
    }
}

struct Restoring<'a> {
    store: &'a SnapshotStore,
    target: Target,
}

impl Restoring<'_> {
    fn remove(&self, path: &TreePath, entry: &Entry) -> Result<(), Error> {
        if matches!(entry, Entry::EmptyFolder) {
            return self.target.remove_folder(path).map_err(told);
        }
        let (folder, name) = self.parent(path)?;
        match sys::unlinkat(&folder, name, AtFlags::empty()) {
            // Its agent was faster.
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(told(self.target.problem(path, error))),
        }
    }

    /// Makes a folder at `path`, over whatever is there and is none.
    fn make_folder(&self, path: &TreePath) -> Result<(), Error> {
        let problem = |error: Errno| told(self.target.problem(path, error));
        let (folder, name) = self.parent(path)?;
        match kind(&folder, name).map_err(problem)? {
            Some(FileType::Directory) => return Ok(()),
            Some(_) => sys::unlinkat(&folder, name, AtFlags::empty()).map_err(problem)?,
            None => {}
        }
        let permissions = Permissions::RWXU | Permissions::RWXG | Permissions::RWXO;
        sys::mkdirat(&folder, name, permissions).map_err(problem)
    }

    /// Puts `entry` at `path`, in one step over whatever file or link is there. A folder goes first, with what is in it:
    /// nothing of that is in the snapshot.
    fn write(&self, path: &TreePath, entry: &Entry) -> Result<(), Error> {
        let problem = |error: Errno| told(self.target.problem(path, error));
        let (folder, name) = self.parent(path)?;
        let place = self.target.path().join(path.as_path());
        let remove = |place: &Path| remove_from(folder.as_fd(), place).map_err(Error::Files);
        remove(&place.with_file_name(UNFINISHED))?;
        match entry {
            Entry::EmptyFolder => return Ok(()),
            Entry::Link { target } => {
                sys::symlinkat(target.as_slice(), &folder, UNFINISHED).map_err(problem)?;
            }
            Entry::File { digest, mode, .. } => {
                // The user's mask takes off the rest.
                let permissions = Permissions::from_raw_mode(match mode {
                    Mode::Plain => 0o666,
                    Mode::Executable => 0o777,
                });
                let file = sys::openat(&folder, UNFINISHED, NEW_FILE, permissions).map_err(problem)?;
                let mut file = fs_err::File::from_parts(file.into(), place.clone());
                if let Err(error) = self.store.blobs.copy_to(digest, &mut file) {
                    // Why it failed comes first; what is left of the file goes the next time.
                    let _ = sys::unlinkat(&folder, UNFINISHED, AtFlags::empty());
                    return Err(error);
                }
            }
        }
        if kind(&folder, name).map_err(problem)? == Some(FileType::Directory) {
            remove(&place)?;
        }
        sys::renameat(&folder, UNFINISHED, &folder, name).map_err(problem)
    }

    /// The folder that `path` stands in, which we may change, and its name there.
    fn parent<'p>(&self, path: &'p TreePath) -> Result<(OwnedFd, &'p OsStr), Error> {
        let problem = |error: Errno| told(self.target.problem(path, error));
        let (folder, name) = self.target.parent(path).map_err(problem)?;
        let permissions = Permissions::from_raw_mode(sys::fstat(&folder).map_err(problem)?.st_mode);
        if !permissions.contains(Permissions::RWXU) {
            sys::fchmod(&folder, permissions | Permissions::RWXU).map_err(problem)?;
        }
        Ok((folder, name))
    }
}

/// What stands in `folder` under `name`.
fn kind(folder: &OwnedFd, name: &OsStr) -> Result<Option<FileType>, Errno> {
    match sys::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(FileType::from_raw_mode(stat.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

fn told(error: ChangesError) -> Error {
    Error::Files(io::Error::other(error))
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;

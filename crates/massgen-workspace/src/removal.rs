//! The end of a folder with everything in it, however it was left: closed folders, folders within folders without end.
//!
//! What an agent left is hostile. No link is followed, and nothing outside of the folder is touched, whatever changes
//! places meanwhile: everything is reached from the handle of the folder that it is in. Handles and memory stay few for
//! any depth and any number of files.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, fstat, openat, renameat_with, unlinkat};
use rustix::io::Errno;

use crate::beneath::open_beneath;
use crate::error::at;

/// How often a folder is removed again in which somebody still makes files.
const ATTEMPTS: usize = 3;

/// Folders within folders that are gone into. Those further down are brought up first: each level holds a handle.
const DEEP: usize = 64;

/// Folders of one folder that are listed before they are removed.
const LISTED: usize = 1000;

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How the folder is opened in which something is removed; it need not be readable where the system has a way for that.
#[cfg(target_os = "linux")]
const AROUND: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const AROUND: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Removes whatever is at `path`, also folders that nobody may write to. Links are not followed, but for those on the way
/// to `path`. What is not there is no error.
///
/// # Errors
/// When something may not be removed, or somebody keeps on making files in it.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(above) if !above.as_os_str().is_empty() => above,
        Some(_) | None => Path::new("."),
    };
    match openat(CWD, folder, AROUND, Mode::empty()) {
        Ok(folder) => remove_from(folder.as_fd(), path),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(at("look into", folder, errno)),
    }
}

/// Removes what is at `path`, which is absolute, if no link is on the way to it. One that has come there leads to what
/// belongs to somebody else; then nothing is at `path`.
///
/// # Errors
/// As [`remove_tree`].
pub(crate) fn remove_tree_without_links(path: &Path) -> io::Result<()> {
    let above = path.parent().unwrap_or(path);
    let folder = openat(CWD, "/", AROUND, Mode::empty())
        .and_then(|root| open_beneath(root.as_fd(), above.strip_prefix("/").unwrap_or(above), AROUND));
    match folder {
        Ok(folder) => remove_from(folder.as_fd(), path),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(()),
        Err(errno) => Err(at("look into", above, errno)),
    }
}

/// Removes what `folder` has under the last name of `path`, which is where it is.
///
/// # Errors
/// As [`remove_tree`].
pub(crate) fn remove_from(folder: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let Some(name) = path.file_name() else { return Err(at("remove", path, Errno::INVAL)) };
    let mut result = Ok(());
    for _ in 0..ATTEMPTS {
        result = remove_one(folder, name);
        match result {
            Ok(()) => return Ok(()),
            // Somebody still makes files in it.
            Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(errno) => return Err(at("remove", path, errno)),
        }
    }
    result.map_err(|errno| at("remove", path, errno))
}

fn remove_one(folder: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
    let name = CString::new(name.as_bytes()).map_err(|_| Errno::INVAL)?;
    if unlink(folder, &name)? == Left::Nothing {
        return Ok(());
    }
    match open(folder, &name) {
        Ok(top) => clear(top.as_fd(), &mut Climb { top: top.as_fd(), brought: 0 }, DEEP)?,
        // It is gone, or something else by now.
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
        Err(errno) => return Err(errno),
    }
    match unlink(folder, &name)? {
        Left::Nothing => Ok(()),
        Left::Folder => Err(Errno::NOTEMPTY),
    }
}

/// What is there after an attempt to remove it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    /// A folder with something in it.
    Folder,
}

/// Removes a file, a link or an empty folder.
fn unlink(folder: BorrowedFd<'_>, name: &CStr) -> Result<Left, Errno> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Left::Nothing),
        // What systems say of a folder.
        Err(file @ (Errno::ISDIR | Errno::PERM)) => match unlinkat(folder, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(Left::Nothing),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(Left::Folder),
            Err(Errno::NOTDIR) => Err(file),
            Err(errno) => Err(errno),
        },
        Err(errno) => Err(errno),
    }
}

/// Where folders are brought that are too far down.
struct Climb<'a> {
    top: BorrowedFd<'a>,
    /// How many were brought there.
    brought: u64,
}

impl Climb<'_> {
    /// Moves the folder `name` of `folder` to the top.
    fn bring(&mut self, folder: BorrowedFd<'_>, name: &CStr) -> Result<(), Errno> {
        // One that is closed cannot be moved.
        match open(folder, name) {
            Ok(_) => {}
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(errno) => return Err(errno),
        }
        loop {
            let place = format!(".massgen-removed-{}", self.brought);
            self.brought += 1;
            match renameat_with(folder, name, self.top, place.as_str(), RenameFlags::NOREPLACE) {
                Ok(()) | Err(Errno::NOENT) => return Ok(()),
                Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

/// Empties `folder`. `levels` says how far down from here folders are gone into.
fn clear(folder: BorrowedFd<'_>, climb: &mut Climb<'_>, levels: usize) -> Result<(), Errno> {
    loop {
        let full = unlink_all(folder)?;
        if full.is_empty() {
            return Ok(());
        }
        for name in full {
            let Some(levels) = levels.checked_sub(1) else {
                climb.bring(folder, &name)?;
                continue;
            };
            match open(folder, &name) {
                Ok(below) => clear(below.as_fd(), climb, levels)?,
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => continue,
                Err(errno) => return Err(errno),
            }
            unlink(folder, &name)?;
        }
    }
}

/// Removes everything in `folder` but folders that hold something; gives back the first of those.
fn unlink_all(folder: BorrowedFd<'_>) -> Result<Vec<CString>, Errno> {
    let mut full = Vec::new();
    let mut entries = Dir::read_from(folder)?;
    while full.len() < LISTED
        && let Some(entry) = entries.read()
    {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        if unlink(folder, name)? == Left::Folder {
            full.push(name.to_owned());
        }
    }
    Ok(full)
}

/// Opens a folder, and lets its owner change it if it was closed. A link is not followed.
#[cfg(target_os = "linux")]
fn open(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    use std::os::fd::AsRawFd;

    use rustix::fs::chmod;

    let only_a_name = openat(folder, name, OFlags::PATH | FOLDER, Mode::empty())?;
    if !is_open(fstat(&only_a_name)?.st_mode) {
        // By its handle, so that no link that takes its place is followed.
        chmod(format!("/proc/self/fd/{}", only_a_name.as_raw_fd()), Mode::RWXU)?;
    }
    openat(&only_a_name, c".", OFlags::RDONLY | FOLDER, Mode::empty())
}

#[cfg(not(target_os = "linux"))]
fn open(folder: BorrowedFd<'_>, name: &CStr) -> Result<OwnedFd, Errno> {
    use rustix::fs::{FileType, chmodat, statat};

    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory && !is_open(stat.st_mode) {
        chmodat(folder, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    openat(folder, name, OFlags::RDONLY | FOLDER, Mode::empty())
}

/// Whether the owner of a folder with this mode may look into it and change it.
fn is_open(mode: rustix::fs::RawMode) -> bool {
    Mode::from_raw_mode(mode).contains(Mode::RWXU)
}

#[cfg(test)]
#[path = "removal_tests.rs"]
mod tests;

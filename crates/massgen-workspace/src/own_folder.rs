//! Folders that massgen made, and that it may therefore empty and remove.
//!
//! A folder is ours if it is below `.massgen/workspaces`, `.massgen/temp_workspaces` or `.massgen/snapshots`, or if a mark
//! beside it, out of reach for who works in it, says that we made it.

use std::ffi::OsString;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::blobs::private_folder;
use crate::error::Error;
use crate::removal::remove_tree;

/// Folders of a project, below `.massgen`, that hold what runs make and need no longer.
const OURS: [&str; 3] = ["workspaces", "temp_workspaces", "snapshots"];

/// What is done with a folder before it is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// A new run: the folder is empty afterwards.
    New,
    /// A run that goes on: what is in the folder stays.
    Resumed,
}

/// Makes `folder`, or empties it if a new run begins.
///
/// # Errors
/// When it is not empty and not ours, when it is a symbolic link, or when it cannot be made or emptied.
pub fn begin(folder: &Path, beginning: Beginning) -> Result<(), Error> {
    match fs_err::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            private_folder(folder)?;
            if !is_below_ours(folder)? {
                fs_err::write(mark(folder), identity(folder)?)?;
            }
            return Ok(());
        }
        Err(error) => return Err(error.into()),
        Ok(found) if !found.is_dir() => return Err(Error::LinkedFolder(folder.to_owned())),
        Ok(_) => {}
    }
    let is_ours = is_ours(folder)?;
    if is_ours {
        // An agent may have closed it.
        fs_err::set_permissions(folder, Permissions::from_mode(0o700))?;
    }
    if beginning == Beginning::Resumed || fs_err::read_dir(folder)?.next().is_none() {
        return Ok(());
    }
    if !is_ours {
        return Err(Error::ForeignFolder(folder.to_owned()));
    }
    for entry in fs_err::read_dir(folder)? {
        remove_tree(&entry?.path())?;
    }
    Ok(())
}

/// Removes a folder that is ours, and the mark beside it. One that is not there is no error.
///
/// # Errors
/// When it is not ours, or cannot be removed.
pub(crate) fn remove_own(folder: &Path) -> Result<(), Error> {
    match fs_err::symlink_metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
        Ok(found) if !found.is_dir() => return Err(Error::LinkedFolder(folder.to_owned())),
        Ok(_) => {}
    }
    if !is_ours(folder)? {
        return Err(Error::ForeignFolder(folder.to_owned()));
    }
    remove_tree(folder)?;
    remove_tree(&mark(folder))?;
    Ok(())
}

/// Whether we made `folder`, which exists.
pub(crate) fn is_ours(folder: &Path) -> io::Result<bool> {
    if is_below_ours(folder)? {
        return Ok(true);
    }
    match fs_err::read_to_string(mark(folder)) {
        Ok(marked) => Ok(marked == identity(folder)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether `folder` is really, all links resolved, below one of our folders of a project.
fn is_below_ours(folder: &Path) -> io::Result<bool> {
    let real = fs_err::canonicalize(folder)?;
    let mut above = real.ancestors().skip(1);
    Ok(above.any(|folder| {
        let is_named = |folder: &Path, names: &[&str]| {
            folder.file_name().is_some_and(|name| names.iter().any(|known| name == *known))
        };
        is_named(folder, &OURS) && folder.parent().is_some_and(|parent| is_named(parent, &[".massgen"]))
    }))
}

/// Where the mark of a folder is: beside it.
fn mark(folder: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(folder.file_name().unwrap_or_default());
    name.push(".made-by-massgen");
    folder.with_file_name(name)
}

/// What the mark of a folder says, so that it is no mark of another folder that has its place.
fn identity(folder: &Path) -> io::Result<String> {
    let found = fs_err::symlink_metadata(folder)?;
    Ok(format!("{} {}\n", found.dev(), found.ino()))
}

#[cfg(test)]
#[path = "own_folder_tests.rs"]
mod tests;

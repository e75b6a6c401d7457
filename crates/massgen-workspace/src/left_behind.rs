//! What runs leave behind besides their logs: workspaces and what peers saw of them.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::own_folder::{is_ours, remove_own};

/// A folder that a run left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftBehind {
    /// Where it is.
    pub folder: PathBuf,
    /// Files in it.
    pub files: u64,
    /// Bytes of them together.
    pub bytes: u64,
}

/// Which of `folders`, those of a run that is over, are still there and may be removed because massgen made them, and how
/// large they are. Links are not followed; what cannot be looked at counts nothing.
///
/// # Errors
/// When a folder that is there cannot be looked at.
pub fn left_behind(folders: &[PathBuf]) -> Result<Vec<LeftBehind>, Error> {
    let mut left = Vec::new();
    for folder in folders {
        let is_folder = fs_err::symlink_metadata(folder).is_ok_and(|found| found.is_dir());
        if is_folder && is_ours(folder)? {
            let (files, bytes) = weigh(folder);
            left.push(LeftBehind { folder: folder.clone(), files, bytes });
        }
    }
    Ok(left)
}

/// Removes a folder that a run left, if massgen made it, and the folder above it if that is one of ours and empty now.
///
/// # Errors
/// When it was not made by massgen, or cannot be removed.
pub fn remove_left_behind(folder: &Path) -> Result<(), Error> {
    remove_own(folder)?;
    if let Some(above) = folder.parent()
        && above.is_dir()
        && is_ours(above)?
    {
        // It stays if another run has something in it.
        let _ = fs_err::remove_dir(above);
    }
    Ok(())
}

/// Files in a folder, and their bytes.
fn weigh(folder: &Path) -> (u64, u64) {
    let (mut files, mut bytes) = (0_u64, 0_u64);
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        let Ok(entries) = fs_err::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                ahead.push(entry.path());
            } else {
                files += 1;
                bytes = bytes.saturating_add(found.len());
            }
        }
    }
    (files, bytes)
}

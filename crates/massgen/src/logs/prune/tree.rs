//! A folder with everything in it: how large it is, and its end. Links are not followed.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Bytes of a block, as the kernel counts them.
const BLOCK: u64 = 512;

/// Bytes that `folder` takes on the disk. What has several names in it counts once; what cannot be looked at, nothing.
pub(super) fn bytes(folder: &Path) -> u64 {
    let mut seen = BTreeSet::new();
    let mut all = 0_u64;
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for path in entries(&folder).unwrap_or_default() {
            let Ok(found) = fs_err::symlink_metadata(&path) else { continue };
            if found.is_dir() {
                ahead.push(path);
            }
            if found.nlink() == 1 || found.is_dir() || seen.insert((found.dev(), found.ino())) {
                all = all.saturating_add(found.blocks().saturating_mul(BLOCK));
            }
        }
    }
    all
}

/// Removes `folder`, also where its own folders let nobody change them, as those of agents' files may.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    match fs_err::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            open(folder)?;
            fs_err::remove_dir_all(folder)
        }
        other => other,
    }
}

fn open(folder: &Path) -> io::Result<()> {
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        fs_err::set_permissions(&folder, Permissions::from_mode(0o700))?;
        for path in entries(&folder)? {
            if fs_err::symlink_metadata(&path)?.is_dir() {
                ahead.push(path);
            }
        }
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs_err::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

//! How large a folder is with everything in it. Links are not followed.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
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

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs_err::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect()
}

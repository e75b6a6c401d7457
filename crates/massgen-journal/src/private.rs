//! Files and folders that only their owner may see.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{File, OpenOptions};

/// Permissions of every file of the journal.
const FILE_MODE: u32 = 0o600;

/// Permissions of every folder of the journal.
const FOLDER_MODE: u32 = 0o700;

/// Makes `path` a folder that only its owner may enter, with the folders above it that are missing.
pub(crate) fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)?;
    if fs_err::metadata(path)?.permissions().mode() & 0o777 != FOLDER_MODE {
        fs_err::set_permissions(path, Permissions::from_mode(FOLDER_MODE))?;
    }
    Ok(())
}

/// How to open or make a file that only its owner may read; the caller adds what it needs.
pub(crate) fn file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(FILE_MODE);
    options
}

/// Makes the entries of the folder `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

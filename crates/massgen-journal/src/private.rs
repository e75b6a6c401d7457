//! Files and folders that only their owner may see.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
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

/// Whether what was written must survive a loss of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// No: it can be made again.
    Cached,
    /// Yes.
    Synced,
}

/// Puts `bytes` at `path` in one step, through the file `temporary` beside it: whoever reads sees all of the old or all
/// of the new.
pub(crate) fn replace(path: &Path, temporary: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
    remove_if_there(temporary)?;
    let mut file = file().create_new(true).open(temporary)?;
    let synced = |file: &mut File| match durability {
        Durability::Cached => Ok(()),
        Durability::Synced => file.sync_all(),
    };
    let written =
        file.write_all(bytes).and_then(|()| synced(&mut file)).and_then(|()| fs_err::rename(temporary, path));
    if written.is_err() {
        // The error that matters is the first one.
        let _ = fs_err::remove_file(temporary);
    }
    written
}

/// Removes the file at `path`, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Makes the entries of the folder `path` durable.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

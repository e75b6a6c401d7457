//! Files of a folder found and copied, as they are on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use massgen_protocol::limits::{ISOLATED_BYTES, ISOLATED_FILES};

use crate::changes::is_bookkeeping_name;
use crate::isolation::error::IsolationError;
use crate::removal::remove_tree_without_links;
use crate::tree::TreePath;

/// What is to be copied of a folder.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Files and links.
    pub(crate) files: BTreeSet<TreePath>,
    /// Folders without anything in them.
    pub(crate) empty: BTreeSet<TreePath>,
    /// Bytes of all files together.
    pub(crate) bytes: u64,
    /// What is not copied, with the reason.
    pub(crate) left_out: BTreeMap<TreePath, String>,
    /// What a person should know.
    pub(crate) notes: Vec<String>,
    /// Folders that are known to be folders, and no links.
    real: BTreeSet<TreePath>,
}

impl Found {
    /// Takes the file or link at `path`, if there is one.
    pub(crate) fn add(&mut self, root: &Path, path: TreePath) -> Result<(), IsolationError> {
        let real = root.join(path.as_path());
        let metadata = match fs_err::symlink_metadata(&real) {
            Ok(metadata) => metadata,
            // Deleted, but not yet for git.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(IsolationError::io(real, error)),
        };
        self.add_seen(root, path, &metadata)
    }

    fn add_seen(&mut self, root: &Path, path: TreePath, metadata: &Metadata) -> Result<(), IsolationError> {
        if metadata.is_file() {
            self.bytes = self.bytes.saturating_add(metadata.len());
        } else if !metadata.is_symlink() {
            self.left_out.insert(path, "it is no file, folder or link".to_owned());
            return Ok(());
        }
        self.files.insert(path);
        self.check(root)
    }

    fn check(&self, root: &Path) -> Result<(), IsolationError> {
        if self.files.len() + self.empty.len() > ISOLATED_FILES || self.bytes > ISOLATED_BYTES {
            return Err(IsolationError::TooLarge {
                path: root.to_owned(),
                files: ISOLATED_FILES,
                bytes: ISOLATED_BYTES,
            });
        }
        Ok(())
    }

    /// Whether every folder above `path` is one, and no link to somewhere else.
    pub(crate) fn is_reached(&mut self, root: &Path, path: &TreePath) -> bool {
        crate::changes::folders_above(path).all(|folder| {
            if self.real.contains(&folder) {
                return true;
            }
            let is_real =
                fs_err::symlink_metadata(root.join(folder.as_path())).is_ok_and(|found| found.is_dir());
            if is_real {
                self.real.insert(folder);
            }
            is_real
        })
    }
}

/// Adds everything below `way`, or below `root`, but bookkeeping and what is below `skip`.
pub(crate) fn walk(
    root: &Path,
    way: Option<&TreePath>,
    skip: &[PathBuf],
    found: &mut Found,
) -> Result<(), IsolationError> {
    let mut open = vec![way.map(|way| way.as_path().to_owned()).unwrap_or_default()];
    while let Some(relative) = open.pop() {
        let folder = root.join(&relative);
        let entries = match fs_err::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error)
                if error.kind() == io::ErrorKind::PermissionDenied && !relative.as_os_str().is_empty() =>
            {
                if let Some(path) = TreePath::from_path(&relative) {
                    found.left_out.insert(path, "it may not be read".to_owned());
                }
                continue;
            }
            Err(error) => return Err(IsolationError::io(folder, error)),
        };
        let mut is_empty = true;
        for entry in entries {
            let entry = entry.map_err(|error| IsolationError::io(&folder, error))?;
            let name = entry.file_name();
            let path = relative.join(&name);
            let real = root.join(&path);
            if is_bookkeeping_name(std::os::unix::ffi::OsStrExt::as_bytes(name.as_os_str()))
                || skip.iter().any(|skipped| real.starts_with(skipped))
            {
                continue;
            }
            is_empty = false;
            let metadata = match fs_err::symlink_metadata(&real) {
                Ok(metadata) => metadata,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(IsolationError::io(real, error)),
            };
            if metadata.is_dir() {
                open.push(path);
            } else if let Some(path) = TreePath::from_path(&path) {
                found.add_seen(root, path, &metadata)?;
            }
        }
        if is_empty && let Some(path) = TreePath::from_path(&relative) {
            found.empty.insert(path);
            found.check(root)?;
        }
    }
    Ok(())
}

/// Copies what was found from `from` to `to`, an empty folder. What cannot be read is left out, with the reason.
pub(crate) fn copy(found: &mut Found, from: &Path, to: &Path) -> Result<(), IsolationError> {
    for folder in &found.empty {
        let place = to.join(folder.as_path());
        fs_err::create_dir_all(&place).map_err(|error| IsolationError::io(place, error))?;
    }
    for path in &found.files {
        let (source, place) = (from.join(path.as_path()), to.join(path.as_path()));
        if let Some(folder) = place.parent() {
            fs_err::create_dir_all(folder).map_err(|error| IsolationError::io(folder, error))?;
        }
        match copy_one(&source, &place) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                found.left_out.insert(path.clone(), "it may not be read".to_owned());
            }
            // It was there a moment ago: whoever removed it did so before the copy was made.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !source.exists() => {}
            Err(error) => return Err(IsolationError::io(source, error)),
        }
    }
    Ok(())
}

fn copy_one(source: &Path, place: &Path) -> io::Result<()> {
    let metadata = fs_err::symlink_metadata(source)?;
    if metadata.is_symlink() {
        return fs_err::os::unix::fs::symlink(fs_err::read_link(source)?, place);
    }
    reflink_copy::reflink_or_copy(source, place)?;
    // Whoever works on the copy owns it, whatever the original's permissions are.
    let mode = if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 };
    fs_err::set_permissions(place, std::fs::Permissions::from_mode(mode))
}

/// Removes a folder with everything in it. Should a link be on the way to it, an agent put that there: then the folder is
/// gone, and what the link leads to stays.
pub(crate) fn remove(folder: &Path) -> Result<(), IsolationError> {
    remove_tree_without_links(folder).map_err(|error| IsolationError::io(folder, error))
}

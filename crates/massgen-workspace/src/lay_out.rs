//! A snapshot as files: for the person whose question it was, and for peers.

use std::collections::BTreeSet;
use std::fs::{DirBuilder, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use fs_err::OpenOptions;
use fs_err::os::unix::fs::OpenOptionsExt;

use crate::blobs::{Blobs, private_folder};
use crate::error::Error;
use crate::removal::remove_tree;
use crate::store::SnapshotStore;
use crate::tree::{Digest, Entry, Mode, Tree, TreePath};

/// Something that is put in a place.
#[derive(Debug)]
pub(crate) enum Piece {
    /// A file with the bytes of a blob.
    Blob(Digest, Mode),
    /// A file with these bytes.
    Bytes(Vec<u8>, Mode),
    /// A symbolic link.
    Link(Vec<u8>),
    /// An empty folder.
    EmptyFolder,
}

/// What may be done with files that are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Their owner may change them, nobody else sees them.
    Writable,
    /// Everybody may read them, nobody may change them.
    ReadOnly,
}

impl Manner {
    fn file_mode(self, mode: Mode) -> u32 {
        match (self, mode) {
            (Self::Writable, Mode::Plain) => 0o600,
            (Self::Writable, Mode::Executable) => 0o700,
            (Self::ReadOnly, Mode::Plain) => 0o444,
            (Self::ReadOnly, Mode::Executable) => 0o555,
        }
    }
}

/// A snapshot that was exported.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exported {
    /// Files that were written.
    pub files: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Links that were left out because they lead out of the workspace.
    pub links_left_out: Vec<TreePath>,
}

/// Puts the files of `tree` at `target`, a folder that then holds nothing else. All of them are there or none: what was
/// at `target` stays until they are. Absolute links into `homes`, the places where the workspace was, become relative;
/// links that lead out of the workspace are left out.
///
/// # Errors
/// When the store lacks or has damaged blobs, or the files cannot be written.
pub fn export(
    store: &SnapshotStore,
    tree: &Tree,
    target: &Path,
    homes: &[PathBuf],
) -> Result<Exported, Error> {
    let mut exported = Exported { files: tree.files(), bytes: tree.bytes(), ..Exported::default() };
    let mut pieces = Vec::with_capacity(tree.entries.len());
    for (path, entry) in &tree.entries {
        let piece = match entry {
            Entry::File { digest, mode, .. } => Piece::Blob(*digest, *mode),
            Entry::EmptyFolder => Piece::EmptyFolder,
            Entry::Link { target } => {
                let Some(target) = link_inside(path, target, homes) else {
                    exported.links_left_out.push(path.clone());
                    continue;
                };
                Piece::Link(target)
            }
        };
        pieces.push((path.clone(), piece));
    }
    let parent = target.parent().unwrap_or(Path::new("."));
    private_folder(parent)?;
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".unfinished");
    let unfinished = parent.join(name);
    // What an export left that was killed.
    remove_tree(&unfinished)?;
    let laid_out = lay_out(&store.blobs, pieces, &unfinished, Manner::Writable)
        .and_then(|()| take_the_place(&unfinished, target).map_err(Error::from));
    // Now it is what was there before, or what was not finished.
    let cleared = remove_tree(&unfinished);
    laid_out?;
    cleared?;
    Ok(exported)
}

/// Puts the folder `new` at `target`, in one step where the system has one.
fn take_the_place(new: &Path, target: &Path) -> io::Result<()> {
    if fs_err::symlink_metadata(target).is_err() {
        return fs_err::rename(new, target);
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, new, CWD, target, RenameFlags::EXCHANGE) {
            Ok(()) => return Ok(()),
            // File systems that cannot.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            Err(errno) => return Err(crate::error::at("replace", target, errno)),
        }
    }
    let aside = new.with_extension("old");
    remove_tree(&aside)?;
    fs_err::rename(target, &aside)?;
    fs_err::rename(new, target)?;
    remove_tree(&aside)
}

/// Makes the folder `folder` and puts `pieces` in it. No two have the same place, and none is in the place of another.
pub(crate) fn lay_out(
    blobs: &Blobs,
    pieces: Vec<(TreePath, Piece)>,
    folder: &Path,
    manner: Manner,
) -> Result<(), Error> {
    make_folder(folder)?;
    let mut made: BTreeSet<TreePath> = BTreeSet::new();
    let mut links = Vec::new();
    for (path, piece) in pieces {
        let place = folder.join(path.as_path());
        if let Some(above) = path.parent() {
            make_folders(folder, &above, &mut made)?;
        }
        let open = |mode: Mode| {
            let mode = manner.file_mode(mode);
            // The mode as it is created is cut by the umask.
            let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&place)?;
            file.set_permissions(Permissions::from_mode(mode))?;
            Ok::<_, io::Error>(file)
        };
        match piece {
            Piece::Blob(digest, mode) => blobs.copy_to(&digest, &mut open(mode)?)?,
            Piece::Bytes(bytes, mode) => open(mode)?.write_all(&bytes)?,
            Piece::EmptyFolder => make_folders(folder, &path, &mut made)?,
            Piece::Link(target) => links.push((target, place)),
        }
    }
    // Last, so that nothing is written through them.
    for (target, place) in links {
        let target = std::ffi::OsString::from_vec(target);
        symlink(target, &place).map_err(|error| {
            io::Error::new(error.kind(), format!("failed to make the link `{}`: {error}", place.display()))
        })?;
    }
    if manner == Manner::ReadOnly {
        // What is in a folder comes after it.
        for path in made.iter().rev() {
            fs_err::set_permissions(folder.join(path.as_path()), Permissions::from_mode(0o555))?;
        }
        fs_err::set_permissions(folder, Permissions::from_mode(0o555))?;
    }
    Ok(())
}

fn make_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path).map_err(|error| {
        io::Error::new(error.kind(), format!("failed to make the folder `{}`: {error}", path.display()))
    })
}

/// Makes the folder `path` below `root`, and those above it.
fn make_folders(root: &Path, path: &TreePath, made: &mut BTreeSet<TreePath>) -> io::Result<()> {
    if made.contains(path) {
        return Ok(());
    }
    if let Some(above) = path.parent() {
        make_folders(root, &above, made)?;
    }
    make_folder(&root.join(path.as_path()))?;
    made.insert(path.clone());
    Ok(())
}

/// What the link at `path` may say so that it never leads out of its tree; none if it does. A link that is absolute and
/// leads into one of `homes` becomes relative.
///
/// A `..` counts only at the front: behind a name it would lead up from wherever another link led to.
pub(crate) fn link_inside(path: &TreePath, target: &[u8], homes: &[PathBuf]) -> Option<Vec<u8>> {
    let depth = path.parts().count() - 1;
    if target.first() == Some(&b'/') {
        let target = Path::new(std::ffi::OsStr::from_bytes(target));
        let below = homes.iter().find_map(|home| target.strip_prefix(home).ok())?;
        let up = "../".repeat(depth).into_bytes();
        if below.as_os_str().is_empty() {
            return Some(if up.is_empty() { b".".to_vec() } else { up });
        }
        TreePath::from_path(below)?;
        return Some([up.as_slice(), below.as_os_str().as_bytes()].concat());
    }
    let mut parts =
        target.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").peekable();
    let mut up = 0;
    while parts.next_if(|part| *part == b"..").is_some() {
        up += 1;
    }
    (!target.is_empty() && up <= depth && parts.all(|part| part != b"..")).then(|| target.to_vec())
}

#[cfg(test)]
#[path = "lay_out_tests.rs"]
mod tests;

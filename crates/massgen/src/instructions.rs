//! Instructions of a project to agents: the nearest `AGENTS.md`, or `CLAUDE.md`.
//!
//! They come with the project, not from the user, so they are bounded, cleaned of what nobody can see, and never read
//! from outside the project.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use massgen_journal::blob_name;
use massgen_protocol::limits;
use massgen_view::clean::clean_text;
use nix::unistd::geteuid;

use crate::environment::{is_there, read_text, why};

/// The files that are looked for in a folder. The first that says something counts.
const NAMES: [&str; 2] = ["AGENTS.md", "CLAUDE.md"];

/// Largest file that is read at all.
const FILE_BYTES: u64 = 1 << 20;

/// Folders that are looked into at most, from the innermost.
const FOLDERS: usize = 64;

/// What a project says to agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instructions {
    /// The file, absolute and free of links.
    pub(crate) path: PathBuf,
    /// What it says: at most [`limits::INSTRUCTIONS_BYTES`] bytes, and a note when it says more. Nothing else bounds it.
    pub(crate) text: String,
    /// The BLAKE3 hash of the whole file, in hexadecimal digits.
    pub(crate) hash: String,
}

/// The instructions for work in `start`, a folder or a file: those of the innermost folder that has some, up to the root
/// of the repository. Outside a repository no folder above is looked into: who knows whose it is.
///
/// # Errors
/// The nearest file cannot be used; one line for the user. None farther away takes its place.
pub(crate) fn find(start: &Path) -> Result<Option<Instructions>, String> {
    let folders = folders_of_project(start);
    let Some(root) = folders.last() else { return Ok(None) };
    for folder in &folders {
        for name in NAMES {
            if let Some(found) = read(&folder.join(name), root)? {
                return Ok(Some(found));
            }
        }
    }
    Ok(None)
}

/// The folders of the project from the one of `start` to the root of its repository, free of links. It is one folder
/// outside a repository, and none where `start` is not.
pub(crate) fn folders_of_project(start: &Path) -> Vec<PathBuf> {
    let Ok(start) = fs_err::canonicalize(start) else { return Vec::new() };
    let start = if start.is_dir() { Some(start.as_path()) } else { start.parent() };
    let owner = |folder: &Path| fs_err::metadata(folder).ok().map(|metadata| metadata.uid());
    start.map(|start| upward(start, owner, |folder| folder.join(".git").exists())).unwrap_or_default()
}

/// From `start` to the first folder that `is_root`, if the folders between belong to the same owner: somebody else could
/// have put a repository above to speak to our agents. Otherwise `start` alone.
fn upward(
    start: &Path,
    owner: impl Fn(&Path) -> Option<u32>,
    is_root: impl Fn(&Path) -> bool,
) -> Vec<PathBuf> {
    let mine = owner(start);
    let mut folders = Vec::new();
    for folder in start.ancestors().take(FOLDERS) {
        if mine.is_none() || owner(folder) != mine {
            break;
        }
        folders.push(folder.to_path_buf());
        if is_root(folder) {
            return folders;
        }
    }
    vec![start.to_path_buf()]
}

/// Whether `path` lies in `root` when all links are followed. It exists.
pub(crate) fn resolved_inside(path: &Path, root: &Path) -> Result<PathBuf, String> {
    let resolved = fs_err::canonicalize(path).map_err(|error| why(&error))?;
    if resolved.starts_with(root) { Ok(resolved) } else { Err("it leads out of the project".to_owned()) }
}

/// The instructions at `path`; `None` if there are none, or the file says nothing.
fn read(path: &Path, root: &Path) -> Result<Option<Instructions>, String> {
    let unusable =
        |problem: String| format!("the instructions in `{}` cannot be used: {problem}", path.display());
    if !is_there(path).map_err(unusable)? {
        return Ok(None);
    }
    let resolved = resolved_inside(path, root).map_err(unusable)?;
    let owner =
        |path: &Path| fs_err::metadata(path).map(|found| found.uid()).map_err(|error| unusable(why(&error)));
    let folder = path.parent().unwrap_or(root);
    if !may_speak(owner(&resolved)?, owner(folder)?, geteuid().as_raw()) {
        return Err(unusable("it belongs to somebody else than the folder".to_owned()));
    }
    let whole = read_text(&resolved, FILE_BYTES).map_err(unusable)?;
    let hash = blob_name(whole.as_bytes());
    let text = bounded(clean_text(&whole).trim());
    Ok((!text.is_empty()).then_some(Instructions { path: resolved, text, hash }))
}

/// Whether a file of this owner may tell agents what to do: in a folder that everybody may write to, anybody could have
/// put it there.
fn may_speak(owner: u32, owner_of_folder: u32, user: u32) -> bool {
    owner == owner_of_folder || owner == user
}

/// As much of the beginning as is taken, whole lines if there are any, with a note on the rest.
fn bounded(text: &str) -> String {
    if text.len() <= limits::INSTRUCTIONS_BYTES {
        return text.to_owned();
    }
    let mut end = limits::INSTRUCTIONS_BYTES;
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    let head = text.get(..end).unwrap_or_default();
    let head = head.rfind('\n').and_then(|line_end| head.get(..line_end)).unwrap_or(head).trim_end();
    format!("{head}\n\n[{} more bytes of this file are left out]", text.len().saturating_sub(head.len()))
}

#[cfg(test)]
#[path = "instructions_tests.rs"]
mod tests;

//! Commit and branch of the working directory, read from the files of git: starting `git` would cost milliseconds.

use std::path::{Path, PathBuf};

use massgen_protocol::spec::GitState;

/// The state of the checkout that holds `directory`; `None` outside one, or before its first commit.
pub(crate) fn state_of(directory: &Path) -> Option<GitState> {
    let git = directory.ancestors().find_map(git_dir)?;
    let head = read(&git.join("HEAD"))?;
    let Some(reference) = head.strip_prefix("ref: ") else {
        return Some(GitState { commit: commit(&head)?, branch: "HEAD".to_owned() });
    };
    // The references of a linked worktree are in the repository that it belongs to.
    let common = read(&git.join("commondir")).map_or_else(|| git.clone(), |common| git.join(common));
    let loose = read(&common.join(reference)).and_then(|hash| commit(&hash));
    let commit = loose.or_else(|| packed(&common, reference))?;
    Some(GitState { commit, branch: reference.strip_prefix("refs/heads/").unwrap_or(reference).to_owned() })
}

fn git_dir(directory: &Path) -> Option<PathBuf> {
    let git = directory.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    Some(directory.join(read(&git)?.strip_prefix("gitdir: ")?))
}

fn packed(common: &Path, reference: &str) -> Option<String> {
    let refs = read(&common.join("packed-refs"))?;
    let line = refs.lines().find(|line| line.split_once(' ').is_some_and(|(_, name)| name == reference))?;
    commit(line.split(' ').next()?)
}

fn commit(text: &str) -> Option<String> {
    let is_hash = text.len() >= 40 && text.chars().all(|c| c.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

fn read(path: &Path) -> Option<String> {
    Some(fs_err::read_to_string(path).ok()?.trim().to_owned())
}

//! A worktree with what the user has on the disk, and a repository of its own for a copy.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use massgen_protocol::limits::BASELINE_BYTES;

use crate::isolation::error::IsolationError;
use crate::isolation::git::{Call, Git};
use crate::isolation::mirror::{self, Found};
use crate::isolation::owner::Owner;
use crate::isolation::repository::{Repository, without_filters};
use crate::tree::TreePath;

/// What the commit with the user's uncommitted work says.
const BASELINE: &str = "[BASELINE] what was not committed when the run began";

/// Makes a worktree of `repository` at `place`, without any file, and gives back git's folder for it.
pub(crate) fn add(
    git: &Git,
    repository: &Repository,
    place: &Path,
    owner: &Owner,
) -> Result<PathBuf, IsolationError> {
    // Checking out would put contents through filters, and what the user has is not what is committed anyway. The lock
    // keeps `git worktree prune` away, and says from the first moment on whose it is.
    let words = ["worktree", "add", "--detach", "--no-checkout", "--lock", "--reason"];
    let call = Call::at(&repository.top, words).word(owner.to_string()).word("--").word(place).word("HEAD");
    git.run(&call)?;
    let own = git.line(&Call::at(place, ["rev-parse", "--absolute-git-dir"])).map(PathBuf::from)?;
    fs_err::canonicalize(&own).map_err(|error| IsolationError::io(own, error))
}

/// Fills the index of a worktree from its commit, and hides from git what is outside of the context path.
pub(crate) fn fill_index(
    git: &Git,
    repository: &Repository,
    place: &Path,
    own: &Path,
) -> Result<(), IsolationError> {
    let at =
        |words: &[&str]| Call { repository: Some(own.to_owned()), ..Call::at(place, words.iter().copied()) };
    git.run(&at(&["read-tree", "HEAD"]))?;
    let Some(prefix) = &repository.prefix else { return Ok(()) };
    let mut start = prefix.as_bytes().to_vec();
    start.push(b'/');
    let tracked = git.run(&at(&["ls-files", "-z"]))?;
    let outside: Vec<&[u8]> = tracked
        .split(|byte| *byte == 0)
        .filter(|path| !path.is_empty() && !path.starts_with(&start))
        .collect();
    let mut hide = at(&["update-index", "-z", "--skip-worktree", "--stdin"]);
    hide.input = outside.iter().flat_map(|path| path.iter().copied().chain([0])).collect();
    git.run(&hide).map(|_| ())
}

/// Commits what is in `place` and not in the commit that it stands on, so that whoever works there sees their own changes
/// as such. It is a convenience: if it cannot be had, a note says so. Gives back the commit that `place` is on.
pub(crate) fn commit_baseline(
    git: &Git,
    place: &Path,
    own: &Path,
    prefix: Option<&TreePath>,
    found: &mut Found,
) -> Result<Option<String>, IsolationError> {
    let settings = without_filters(git, place, Some(own))?;
    let at = |words: &[&str]| Call {
        repository: Some(own.to_owned()),
        settings: settings.clone(),
        ..Call::at(place, words.iter().copied())
    };
    let within = prefix.map_or(Path::new("."), TreePath::as_path);
    let differing = git.run(
        &at(&["--literal-pathspecs", "ls-files", "-z", "-m", "-o", "--exclude-standard", "--"]).word(within),
    )?;
    let paths: BTreeSet<&[u8]> = differing.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect();
    let size = |path: &[u8]| {
        fs_err::symlink_metadata(place.join(std::ffi::OsStr::from_bytes(path))).map_or(0, |found| found.len())
    };
    let bytes: u64 = paths.into_iter().map(size).sum();
    if bytes > BASELINE_BYTES {
        found.notes.push(format!(
            "what is not committed is more than {} MiB; git shows it to agents as changed",
            BASELINE_BYTES / (1024 * 1024)
        ));
        return head(git, &at(&[]));
    }
    let commit = || -> Result<(), IsolationError> {
        git.run(&at(&["--literal-pathspecs", "add", "-A", "--"]).word(within))?;
        let tree = git.line(&at(&["write-tree"]))?;
        let head = head(git, &at(&[]))?;
        if head.is_some() && git.line(&at(&["rev-parse", "HEAD^{tree}"]))? == tree {
            return Ok(());
        }
        let mut make = at(&["commit-tree", "-m", BASELINE]);
        if let Some(head) = head {
            make = make.word("-p").word(head);
        }
        let made = git.line(&make.word(tree))?;
        git.run(&at(&["update-ref", "HEAD"]).word(made)).map(|_| ())
    };
    match commit() {
        Ok(()) => {}
        Err(error) => found.notes.push(format!("git shows the user's own changes to agents: {error}")),
    }
    head(git, &at(&[]))
}

/// The commit that a repository is on, if there is one.
fn head(git: &Git, at: &Call) -> Result<Option<String>, IsolationError> {
    let mut question = at.clone();
    question.words = ["rev-parse", "--verify", "--quiet", "HEAD^{commit}"].map(Into::into).to_vec();
    let output = git.attempt(&question)?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned()))
}

/// Makes a repository of its own in a copy.
pub(crate) fn init(git: &Git, place: &Path) -> Result<PathBuf, IsolationError> {
    git.run(&Call::at(place, ["init", "-q", "--template=", "-b", "main"]))?;
    Ok(place.join(".git"))
}

/// Removes a worktree: its files, and git's folder for it. Others, and what is committed, stay.
pub(crate) fn remove(place: &Path, own: &Path) -> Result<(), IsolationError> {
    mirror::remove(place)?;
    mirror::remove(own)?;
    // The last one takes the folder of all with it, as git does.
    if let Some(all) = own.parent().filter(|all| all.ends_with("worktrees")) {
        match fs_err::remove_dir(all) {
            Ok(()) => {}
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::NotFound
                ) => {}
            Err(error) => return Err(IsolationError::io(all, error)),
        }
    }
    Ok(())
}

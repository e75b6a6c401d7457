//! What the turn before left: the workspaces of the next one begin with it.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use massgen_journal::artifacts::{RunFolder, WORKSPACE};
use massgen_protocol::workspace::COPIES;

use crate::failure::Failure;

/// Puts what the turn before left into each of `places`, the workspaces of a run in `folder` that begins; nothing if there is
/// no such turn.
///
/// # Errors
/// When that cannot be read or written.
pub(super) fn take_over(folder: &RunFolder, places: &[PathBuf]) -> Result<(), Failure> {
    let Some(before) = workspace(folder) else { return Ok(()) };
    places.iter().try_for_each(|place| copy(&before, place)).map_err(|error| {
        Failure::configuration(format!("the workspace of the turn before cannot be taken over: {error}"))
    })
}

/// What the agent that answered the newest earlier turn of the session had in its workspace; nothing if there is none. A turn
/// without an answer has changed nothing, and neither has one that was answered by an agent without a workspace.
fn workspace(folder: &RunFolder) -> Option<PathBuf> {
    let mut earlier = (1..folder.turn).rev().map(|turn| RunFolder::of_turn(folder.root.clone(), turn));
    let answered = |turn: RunFolder| {
        let answers = fs_err::read_dir(turn.turn_final_dir()).ok()?;
        answers.filter_map(|entry| Some(entry.ok()?.path().join(WORKSPACE))).find(|path| path.is_dir())
    };
    earlier.find_map(answered)
}

/// Copies what `from` holds into the folder `to`, without the copies of the user's project: those begin anew.
///
/// # Errors
/// What the file system says.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut ahead = vec![PathBuf::new()];
    while let Some(folder) = ahead.pop() {
        for entry in fs_err::read_dir(from.join(&folder))? {
            let entry = entry?;
            let place = folder.join(entry.file_name());
            if place == Path::new(COPIES) {
                continue;
            }
            let (source, target) = (from.join(&place), to.join(&place));
            let kind = entry.file_type()?;
            if kind.is_dir() {
                fs_err::create_dir(&target)?;
                ahead.push(place);
            } else if kind.is_symlink() {
                symlink(fs_err::read_link(&source)?, &target)?;
            } else {
                fs_err::copy(&source, &target)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_copies_of_the_project_is_copied() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for path in ["from/.worktree/ctx_1", "from/a/.worktree", "to"] {
            fs_err::create_dir_all(folder.path().join(path)).unwrap();
        }
        fs_err::write(from.join(".worktree/ctx_1/project"), "").unwrap();
        fs_err::write(from.join("a/note"), "text").unwrap();
        symlink("a/note", from.join("link")).unwrap();
        copy(&from, &to).unwrap();
        assert!(!to.join(".worktree").exists() && to.join("a/.worktree").is_dir());
        assert_eq!(fs_err::read_link(to.join("link")).unwrap(), Path::new("a/note"));
        assert_eq!(fs_err::read_to_string(to.join("link")).unwrap(), "text");
    }

    #[test]
    fn the_newest_answer_with_a_workspace_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("log_1");
        for path in ["turn_1/final/a/workspace", "turn_2/final/b/workspace", "turn_3", "turn_4/final/c"] {
            fs_err::create_dir_all(root.join(path)).unwrap();
        }
        let found = |turn| workspace(&RunFolder::of_turn(root.clone(), turn));
        assert_eq!(found(5), Some(root.join("turn_2/final/b/workspace")));
        assert_eq!(found(4), Some(root.join("turn_2/final/b/workspace")));
        assert_eq!(found(2), Some(root.join("turn_1/final/a/workspace")));
        assert_eq!(found(1), None);
    }
}

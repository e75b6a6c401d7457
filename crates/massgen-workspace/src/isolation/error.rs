//! Why a context path cannot be isolated.

use std::io;
use std::path::PathBuf;

/// Why a context path cannot be isolated. Nothing of the user's was changed, and what was made is removed.
#[derive(Debug, thiserror::Error)]
pub enum IsolationError {
    /// A file or folder cannot be read or written.
    #[error("cannot work on `{}`: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// `git` is not installed.
    #[error("`git` was not found")]
    NoGit,
    /// A call of git failed.
    #[error("`git {command}` failed in `{}`: {problem}", folder.display())]
    Git {
        /// The first words of the call.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// What it said.
        problem: String,
    },
    /// A worktree was asked for where there is no repository.
    #[error("`{}` is in no git repository", path.display())]
    NoRepository {
        /// The context path.
        path: PathBuf,
    },
    /// A worktree was asked for of a repository that cannot have one.
    #[error("`{}` cannot have a worktree: {reason}", path.display())]
    NoWorktree {
        /// The context path.
        path: PathBuf,
        /// Why not, as half a sentence.
        reason: &'static str,
    },
    /// The settings of the repository name another folder as the one with its files.
    #[error("the repository of `{}` says that its files are in `{}`", path.display(), top.display())]
    Elsewhere {
        /// The context path.
        path: PathBuf,
        /// Where git takes the files to be.
        top: PathBuf,
    },
    /// The context path is a repository without files, or inside the files of git.
    #[error("`{}` holds files of git itself", path.display())]
    Bare {
        /// The context path.
        path: PathBuf,
    },
    /// The context path is too large to be copied for every agent.
    #[error(
        "`{}` is too large to work on a copy of: more than {files} files or {} GiB",
        path.display(),
        bytes / (1024 * 1024 * 1024)
    )]
    TooLarge {
        /// The context path.
        path: PathBuf,
        /// Most files that are copied.
        files: usize,
        /// Most bytes that are copied.
        bytes: u64,
    },
    /// The place for the copy is taken.
    #[error("`{}` exists already", path.display())]
    Taken {
        /// The place.
        path: PathBuf,
    },
    /// Its owner is at work, or may be: it belongs to another machine, or to a container.
    #[error("process {pid} works in `{}`, as far as can be seen", path.display())]
    InUse {
        /// The worktree.
        path: PathBuf,
        /// The process.
        pid: i32,
    },
    /// It is no worktree that this program made, or not any more.
    #[error("`{}` is no worktree of massgen", path.display())]
    Foreign {
        /// Git's folder for it.
        path: PathBuf,
    },
    /// Files of the user's are not isolated on purpose.
    #[error("`write_mode: legacy` works on `{}` itself", path.display())]
    Direct {
        /// The context path.
        path: PathBuf,
    },
}

impl IsolationError {
    /// What a person can do about it, if there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoGit => Some("install git, or set `write_mode: isolated`"),
            Self::NoRepository { .. } | Self::NoWorktree { .. } => {
                Some("set `write_mode: auto` to work on a copy")
            }
            Self::TooLarge { .. } => Some("name a smaller folder in `context_paths`"),
            Self::Bare { .. } => Some("name the folder with the checked-out files in `context_paths`"),
            Self::Git { .. } => {
                Some("see what `git status` says there; `write_mode: isolated` needs no worktree")
            }
            Self::Elsewhere { .. } => Some("look at `core.worktree` in the repository's settings"),
            Self::Io { .. }
            | Self::Taken { .. }
            | Self::InUse { .. }
            | Self::Foreign { .. }
            | Self::Direct { .. } => None,
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>, error: impl Into<io::Error>) -> Self {
        Self::Io { path: path.into(), source: error.into() }
    }
}

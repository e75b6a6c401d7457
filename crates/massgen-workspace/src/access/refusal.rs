//! Why a path is not opened.

use std::io;
use std::path::PathBuf;

/// Why an agent may not do with a path what it wants to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The path leads to nothing that the agent was given.
    #[error("`{}` is outside the folders that you may use", .0.display())]
    Outside(PathBuf),
    /// The path belongs to massgen itself, or holds keys of the user.
    #[error("`{}` is closed to you: it cannot be read or changed", .0.display())]
    Hidden(PathBuf),
    /// The folder around it may be read only.
    #[error("`{}` may be read but not changed", .0.display())]
    ReadOnly(PathBuf),
    /// It is a protected part of something that may be changed.
    #[error("`{}` is protected: it may be read but not changed", .0.display())]
    Protected(PathBuf),
    /// It stands beside the one file of a folder that the agent was given.
    #[error(
        "`{}` would be dropped: `{}` is all that may be changed in that folder; put other files elsewhere in your workspace",
        .path.display(),
        .only.display()
    )]
    Beside {
        /// What was to be made or changed.
        path: PathBuf,
        /// The file.
        only: PathBuf,
    },
    /// Things inside it must stay where they are.
    #[error("`{}` holds `{}`, which must stay where it is", .path.display(), .inside.display())]
    Holds {
        /// What was to be moved or removed.
        path: PathBuf,
        /// What must stay.
        inside: PathBuf,
    },
}

/// Why something could not be done with a path.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not allowed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Nothing is there.
    #[error("`{}` does not exist", .0.display())]
    Missing(PathBuf),
    /// Something is there already.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// A folder was expected.
    #[error("`{}` is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// A file was expected.
    #[error("`{}` is not a file", .0.display())]
    NotAFile(PathBuf),
    /// The path is none: it is empty or holds a NUL character.
    #[error("the path is empty or holds a NUL character")]
    NotAPath,
    /// Links lead to links without an end.
    #[error("`{}` leads through too many links", .0.display())]
    TooManyLinks(PathBuf),
    /// There is more than may be read at once.
    #[error("`{}` has {size} bytes, more than the {most} that can be read at once", .path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        most: u64,
    },
    /// There are more entries than may be looked at.
    #[error("`{}` holds more than {most} entries", .path.display())]
    TooMany {
        /// The folder.
        path: PathBuf,
        /// The limit.
        most: usize,
    },
    /// The system said no.
    #[error("`{}`: {source}", .path.display())]
    System {
        /// What was worked on.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// The error of a system call on `path`.
    pub(crate) fn of(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.into(), source.into());
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path),
            io::ErrorKind::AlreadyExists => Self::Exists(path),
            io::ErrorKind::NotADirectory => Self::NotAFolder(path),
            _ => Self::System { path, source },
        }
    }
}

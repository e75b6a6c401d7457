//! What can go wrong with snapshots and folders of agents.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use massgen_protocol::size::size;
use rustix::io::Errno;

use crate::tree::Digest;

/// Why a snapshot or a folder of an agent could not be made, read or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system said no; the message names the path.
    #[error(transparent)]
    Files(#[from] io::Error),
    /// A text that is not the id of a snapshot.
    #[error("`{0}` is not the id of a snapshot")]
    NotAnId(String),
    /// A snapshot that the store does not have.
    #[error("snapshot `{0}` is not in the store")]
    NoSnapshot(String),
    /// A manifest whose bytes are not those that were written.
    #[error("snapshot `{id}` is damaged: {why}")]
    DamagedSnapshot {
        /// Which.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// A blob whose bytes are not those that were written.
    #[error("blob `{0}` is damaged: its content has another hash")]
    DamagedBlob(Digest),
    /// A folder that is not emptied or removed because massgen did not make it.
    #[error("`{}` is not empty, and it was not made by massgen", .0.display())]
    ForeignFolder(PathBuf),
    /// A folder of an agent that is a symbolic link.
    #[error("`{}` is a symbolic link, not a folder", .0.display())]
    LinkedFolder(PathBuf),
    /// A folder with so many files, or so long names, that the list of them cannot be kept.
    #[error("the list of all files takes {}, and may take {}; keep fewer files, with shorter names", size(*.bytes), size(*.limit))]
    LongList {
        /// Bytes of the list.
        bytes: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// An agent that has no workspace.
    #[error("agent `{0}` has no workspace")]
    NoWorkspace(String),
    /// Work that ended without a result.
    #[error("the work on files broke off: {0}")]
    BrokeOff(String),
}

impl Error {
    /// What a person can do about it, where there is something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ForeignFolder(_) => {
                Some("name another folder as the agent's `cwd`, or empty this one yourself")
            }
            Self::LinkedFolder(_) => Some("name a real folder as the agent's `cwd`"),
            Self::NoSnapshot(_) | Self::DamagedSnapshot { .. } | Self::DamagedBlob(_) => Some(
                "the folder `snapshots` of the run was changed by something else; ask the question again",
            ),
            Self::Files(_)
            | Self::NotAnId(_)
            | Self::LongList { .. }
            | Self::NoWorkspace(_)
            | Self::BrokeOff(_) => None,
        }
    }
}

/// The error of a system call that was made for `path`, with a message that names it.
pub(crate) fn at(doing: impl Display, path: &Path, errno: Errno) -> io::Error {
    let cause = io::Error::from(errno);
    io::Error::new(cause.kind(), format!("failed to {doing} `{}`: {cause}", path.display()))
}

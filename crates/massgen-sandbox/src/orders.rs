//! What the helper is told: one JSON text among its arguments.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::policy::Limits;

/// What the helper does before it becomes the command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) confinement: Confinement,
    pub(crate) limits: Limits,
    pub(crate) counted: Counted,
    pub(crate) terminal: OwnTerminal,
}

/// Whether the standard input of a command is a terminal that is to be its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OwnTerminal {
    Yes,
    No,
}

/// What the helper has to close. What stands around it may have closed the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Confinement {
    /// Nothing.
    Nothing,
    /// System calls that no command needs: files and network have namespaces of their own.
    Calls,
    /// System calls, and all files but these.
    Files { readable: Vec<RawPath>, writable: Vec<RawPath>, sockets: Sockets },
}

/// Whether a command may open sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sockets {
    /// None but connected pairs of them.
    Closed,
    /// All.
    Open,
}

/// For whom the system counts the processes of the helper's user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Counted {
    /// For this call: it has a user namespace of its own.
    Alone,
    /// Together with all that the user runs.
    WithTheUser,
}

/// A path as its bytes: names of files need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RawPath(Vec<u8>);

impl From<&Path> for RawPath {
    fn from(path: &Path) -> Self {
        Self(path.as_os_str().as_bytes().to_vec())
    }
}

impl From<&RawPath> for PathBuf {
    fn from(raw: &RawPath) -> Self {
        OsString::from_vec(raw.0.clone()).into()
    }
}

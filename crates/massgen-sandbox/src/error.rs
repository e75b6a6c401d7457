//! What can go wrong before a command runs.

use std::io;
use std::path::PathBuf;

use crate::container::NoContainer;
use crate::mechanism::Mechanism;

/// Why a command could not be started as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The mechanism does not work on this machine.
    #[error("{mechanism} does not work here: {reason}")]
    Unavailable {
        /// The mechanism that was asked for.
        mechanism: Mechanism,
        /// What its trial run said.
        reason: String,
    },
    /// Landlock only adds rights, so it cannot take a part of a writable tree away.
    #[error("{} cannot be kept from changes inside the writable {}", protected.display(), writable.display())]
    CannotProtect {
        /// What must stay as it is.
        protected: PathBuf,
        /// The writable tree around it.
        writable: PathBuf,
    },
    /// Landlock only adds rights, so it cannot take a part of a tree away.
    #[error("{} cannot be kept from being read inside {}", masked.display(), tree.display())]
    CannotMask {
        /// What must not be read.
        masked: PathBuf,
        /// The tree around it.
        tree: PathBuf,
    },
    /// Only a network of its own can be given to some hosts and not to others.
    #[error("{0} cannot let a command reach some hosts only: {why}", why = no_allow_list(*.0))]
    NoAllowList(Mechanism),
    /// The proxy that leads to the allowed hosts cannot be started.
    #[error("the way to the allowed hosts could not be made: {0}")]
    Proxy(#[source] io::Error),
    /// A path of the policy cannot be used.
    #[error("{} cannot be given to a command: {source}", path.display())]
    Path {
        /// The path.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The helper could not be told what to do.
    #[error("the orders for the sandbox could not be written: {0}")]
    Orders(#[from] serde_json::Error),
    /// The program could not be started.
    #[error("{program} could not be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The command was started, and how it ended is not known.
    #[error("the command was lost sight of: {0}")]
    Lost(#[source] io::Error),
    /// A container cannot be made as it is described.
    #[error(transparent)]
    NoContainer(#[from] NoContainer),
    /// The engine for containers could not do something.
    #[error("{engine} could not {doing}: {said}")]
    Container {
        /// Its name.
        engine: &'static str,
        /// What it could not do.
        doing: &'static str,
        /// What it said.
        said: String,
    },
    /// What the command wrote could not be kept.
    #[error("the output of the command could not be kept: {0}")]
    Output(#[source] io::Error),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unavailable { mechanism: Mechanism::Bubblewrap, .. } => Some(
                "install bubblewrap, and let users make namespaces (`massgen doctor` tells what is missing)",
            ),
            Self::Unavailable { mechanism: Mechanism::Landlock, .. } => {
                Some("Landlock needs Linux 6.2 or newer with `landlock` among its security modules")
            }
            Self::Container { .. } => {
                Some("look whether the engine is installed and its service runs (`massgen doctor`)")
            }
            Self::CannotProtect { .. } | Self::CannotMask { .. } | Self::NoAllowList(_) => {
                Some("install bubblewrap, which can do this")
            }
            Self::Unavailable { mechanism: Mechanism::Unconfined, .. }
            | Self::Path { .. }
            | Self::Orders(_)
            | Self::Start { .. }
            | Self::Lost(_)
            | Self::Proxy(_)
            | Self::NoContainer(_)
            | Self::Output(_) => None,
        }
    }
}

fn no_allow_list(mechanism: Mechanism) -> &'static str {
    match mechanism {
        Mechanism::Landlock => "it knows ports and no hosts",
        Mechanism::Unconfined => "nothing keeps a command from others",
        Mechanism::Bubblewrap => "it has no network of its own here",
    }
}

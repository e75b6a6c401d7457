//! Why a server cannot be had.

use std::path::Path;

use crate::security::Refused;

/// Why a server cannot be had. The texts never hold values of variables.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the configuration says of it is not allowed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// It needs a variable that is not set, or blank.
    #[error("it needs the variable `{variable}`, which is not set")]
    NoVariable {
        /// The variable.
        variable: String,
    },
    /// It needs a variable whose value cannot be passed on.
    #[error("the value of the variable `{variable}` cannot be passed on")]
    UnusableVariable {
        /// The variable.
        variable: String,
    },
    /// Two servers of an agent have its name.
    #[error("another server has its name")]
    NameTaken,
    /// Its program cannot be started.
    #[error("its program `{program}` cannot be started: {problem}")]
    NotStarted {
        /// The program as written.
        program: String,
        /// Why not.
        problem: String,
    },
    /// It cannot be reached.
    #[error("it cannot be reached: {problem}")]
    NotReached {
        /// Why not.
        problem: String,
    },
    /// It wants to know who asks.
    #[error("it wants a key, or does not accept the one it got")]
    NotAuthorized,
    /// It does not speak the protocol, or no version of it that we know.
    #[error("it does not speak the protocol: {problem}")]
    NoProtocol {
        /// What it did instead.
        problem: String,
    },
    /// It ended before it was connected.
    #[error("it ended before it was connected{}", said(last_words.as_deref()))]
    Ended {
        /// The last line of its standard error.
        last_words: Option<String>,
    },
    /// It took too long.
    #[error("it was not ready after {} s{}", seconds, said(last_words.as_deref()))]
    TooSlow {
        /// How long it had.
        seconds: u64,
        /// The last line of its standard error.
        last_words: Option<String>,
    },
    /// It does not tell its tools.
    #[error("it does not tell its tools: {problem}")]
    NoTools {
        /// What it said instead.
        problem: String,
    },
    /// No encrypted connection can be made.
    #[error("no trusted connection can be made: {problem}")]
    NoTrust {
        /// Why not.
        problem: String,
    },
    /// The file for its standard error cannot be made.
    #[error("the file for what it writes to its standard error cannot be made: {0}")]
    Log(#[from] std::io::Error),
}

fn said(last_words: Option<&str>) -> String {
    last_words.map(|words| format!("; its last words: `{words}`")).unwrap_or_default()
}

impl Error {
    /// Whether another attempt may go better.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NotReached { .. }
            | Self::NoProtocol { .. }
            | Self::Ended { .. }
            | Self::TooSlow { .. }
            | Self::NoTools { .. } => true,
            Self::Refused(_)
            | Self::NoVariable { .. }
            | Self::UnusableVariable { .. }
            | Self::NameTaken
            | Self::NotStarted { .. }
            | Self::NotAuthorized
            | Self::NoTrust { .. }
            | Self::Log(_) => false,
        }
    }

    /// What a person can do about it. What its program wrote to its standard error is in the file `log`.
    pub(crate) fn hint(&self, log: &Path) -> String {
        let advice = match self {
            Self::Refused(_) => "change its entry below `mcp_servers`",
            Self::NoVariable { .. } | Self::UnusableVariable { .. } => {
                "set the variable in the environment or in `.env`"
            }
            Self::NameTaken => "give each server of an agent a name of its own",
            Self::NotStarted { .. } => "install the program, or write its whole path",
            Self::NotReached { .. } => "check its address and the network",
            Self::NotAuthorized => "check the key in its `headers`",
            Self::NoProtocol { .. } | Self::NoTools { .. } => {
                "check that its command or address is that of an MCP server"
            }
            Self::Ended { .. } | Self::TooSlow { .. } => {
                return format!("try its command in a terminal; what it wrote is in `{}`", log.display());
            }
            Self::NoTrust { .. } => "check the certificates of this machine",
            Self::Log(_) => "check that the folder of the run can be written to",
        };
        advice.to_owned()
    }
}

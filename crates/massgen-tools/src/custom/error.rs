//! Why a program of the user did not do what was asked.

use std::time::Duration;

use thiserror::Error;

/// Why a tool or a hook that the user wrote gave no result. The text is one that a model may read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CustomError {
    /// There is no Python.
    #[error("there is no `python3` and no `python` on the search path")]
    NoPython,
    /// A program could not be started.
    #[error("`{program}` could not be started: {reason}")]
    Start {
        /// The program.
        program: String,
        /// Why not.
        reason: String,
    },
    /// A program ended, or was ended, before it had a result.
    #[error("{how}{}", told(.stderr))]
    Ended {
        /// What ended, and how.
        how: String,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// It took too long and was stopped.
    #[error("it took longer than {} and was stopped", seconds(*.0))]
    OutOfTime(Duration),
    /// It wrote more than is taken.
    #[error("it wrote more than {0} bytes")]
    TooMuch(usize),
    /// It has too much to do already.
    #[error("{0} calls are under way already; wait for one of them")]
    Busy(usize),
    /// What the user's own code says.
    #[error("{0}")]
    Told(String),
    /// What came back is not what was agreed on.
    #[error("{0}")]
    Form(String),
}

impl CustomError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NoPython => {
                Some("install Python 3.8 or newer, or remove the functions from the configuration")
            }
            Self::Start { .. } => Some("check that the program is installed and that the sandbox works"),
            Self::Ended { .. }
            | Self::OutOfTime(_)
            | Self::TooMuch(_)
            | Self::Busy(_)
            | Self::Told(_)
            | Self::Form(_) => None,
        }
    }
}

fn told(stderr: &str) -> String {
    let stderr = stderr.trim();
    if stderr.is_empty() { String::new() } else { format!("; it said: {stderr}") }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}

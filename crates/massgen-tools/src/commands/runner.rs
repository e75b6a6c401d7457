//! Where commands run.

use std::path::PathBuf;
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_sandbox::{Ended, HowItEnded};

use super::reach::Reach;

/// A command that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// For a shell.
    pub line: String,
    /// The folder that it starts in, without links.
    pub folder: PathBuf,
    /// How long it may take.
    pub time: Duration,
    /// What it may reach of the files.
    pub reach: Reach,
    /// A folder whose programs come before all others.
    pub programs: Option<PathBuf>,
    /// What it writes to.
    pub screen: Screen,
}

/// What a command writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Screen {
    /// Two streams.
    Streams,
    /// A terminal of its own: output and errors are one stream, as a person would see it.
    Terminal,
}

/// A command that has ended, with all that it had started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How.
    pub finish: Finish,
    /// What it wrote, bounded, with a note where its middle was left out.
    pub stdout: String,
    /// What it wrote as its errors, in the same way.
    pub stderr: String,
    /// Bytes of both that are not in them.
    pub left_out: u64,
    /// Hosts that it asked for and may not reach.
    pub refused: Vec<String>,
    /// From its start to its end.
    pub took: Duration,
}

impl From<Ended> for Ran {
    fn from(ended: Ended) -> Self {
        let gap = |bytes| format!("\n[… {bytes} bytes left out …]\n");
        Self {
            finish: match ended.how {
                HowItEnded::Exited(code) => Finish::Exited(code),
                HowItEnded::OutOfTime | HowItEnded::Killed => Finish::OutOfTime,
            },
            stdout: ended.stdout.text(gap),
            stderr: ended.stderr.text(gap),
            left_out: ended.stdout.left_out.saturating_add(ended.stderr.left_out),
            refused: ended.refused,
            took: ended.duration,
        }
    }
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finish {
    /// With this exit code.
    Exited(i32),
    /// Its time was over.
    OutOfTime,
}

/// Runs commands in one place: a sandbox, a container, or the machine itself.
pub trait Runner: Send + Sync {
    /// Whether a command can have a terminal here. Models are offered one only where it can.
    fn has_terminals(&self) -> bool {
        false
    }

    /// Runs one to its end. Dropping the future ends it with all that it had started. An error is a sentence that says
    /// why it could not be run.
    fn run(&self, command: Command) -> BoxFuture<'static, Result<Ran, String>>;
}

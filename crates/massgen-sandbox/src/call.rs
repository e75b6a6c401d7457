//! One command that is to be run, and how it ended.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::capture::{Captured, Keep};
use crate::mechanism::Mechanism;
use crate::policy::Policy;
use crate::terminal::Terminal;

/// One command to be run.
#[derive(Debug, Clone)]
pub struct Call {
    /// How it is confined.
    pub mechanism: Mechanism,
    /// What it may reach and use up.
    pub policy: Policy,
    /// The program, looked for in the user's search path, and its arguments.
    pub command: Vec<OsString>,
    /// The folder that it starts in.
    pub folder: PathBuf,
    /// Variables besides those of the [`Machine`](crate::Machine); they win over them.
    pub environment: BTreeMap<OsString, OsString>,
    /// How long it may take; `None` leaves it to the caller, who may drop the run.
    pub time: Option<Duration>,
    /// What it reads from its standard input.
    pub stdin: Stdin,
    /// What [`Sandbox::run`](crate::Sandbox::run) keeps of its standard output.
    pub stdout: Keep,
    /// What [`Sandbox::run`](crate::Sandbox::run) keeps of its standard error.
    pub stderr: Keep,
    /// The terminal that it runs in. What it writes is then one stream, its standard output, with the line ends of a
    /// terminal; the end of its input is typed (Ctrl-D, byte 4), as [`Stdin::Empty`] and [`Stdin::Bytes`] do by
    /// themselves. What it writes in the moment before it ends is lost if the kernel hangs the terminal up before it was
    /// read, which a busy machine can bring about. `None` gives it none, and no way to one.
    pub terminal: Option<Terminal>,
}

impl Call {
    /// `command` in `folder`, with no variables of its own, an empty input and no limit of time. Of both output streams
    /// as much is kept as [`Keep::STANDARD`] says.
    pub fn new(mechanism: Mechanism, policy: Policy, command: Vec<OsString>, folder: PathBuf) -> Self {
        Self {
            mechanism,
            policy,
            command,
            folder,
            environment: BTreeMap::new(),
            time: None,
            stdin: Stdin::Empty,
            stdout: Keep::STANDARD,
            stderr: Keep::STANDARD,
            terminal: None,
        }
    }
}

/// What a command reads from its standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stdin {
    /// Nothing.
    Empty,
    /// These bytes, and then the end.
    Bytes(Vec<u8>),
    /// What is written to [`Running::stdin`](crate::Running::stdin). In [`Sandbox::run`](crate::Sandbox::run), where
    /// nobody can write, it is empty.
    Open,
}

/// A command that has ended, with all that it had started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// How.
    pub how: HowItEnded,
    /// What it wrote to its standard output.
    pub stdout: Captured,
    /// What it wrote to its standard error. A last line that begins with `massgen:` is the sandbox's.
    pub stderr: Captured,
    /// Hosts, with their ports, that it asked for and may not reach, as [`Running::refused`](crate::Running::refused)
    /// tells them.
    pub refused: Vec<String>,
    /// From its start to its end.
    pub duration: Duration,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HowItEnded {
    /// With this exit code; 128 and the signal's number for a command that was killed.
    Exited(i32),
    /// Its time was over.
    OutOfTime,
    /// Its caller ended it.
    Killed,
}

//! Starting the programs of servers: who does it decides what they can reach.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;

use futures::future::BoxFuture;
use massgen_protocol::AgentId;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::process::{Child, Command};

/// A program to start. Its variables may hold keys, so it has no debug text.
pub struct Launch {
    /// Whose server it is.
    pub agent: AgentId,
    /// The server's name.
    pub server: String,
    /// The program first, then its arguments.
    pub command: Vec<String>,
    /// All of its variables.
    pub environment: BTreeMap<String, String>,
    /// The folder that it is started in, absolute.
    pub folder: PathBuf,
}

impl fmt::Debug for Launch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let program = self.command.first().map_or("", String::as_str);
        write!(f, "Launch({} of {}: {program})", self.server, self.agent)
    }
}

/// A program at work.
pub struct Launched {
    /// What it reads; dropped, its input ends.
    pub stdin: Box<dyn AsyncWrite + Send + Unpin>,
    /// What it writes.
    pub stdout: Box<dyn AsyncRead + Send + Unpin>,
    /// What it complains of.
    pub stderr: Option<Box<dyn AsyncRead + Send + Unpin>>,
    /// The program itself: when this is dropped, it is ended with everything that it started.
    pub process: Box<dyn Send>,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Launched")
    }
}

/// Starts programs.
pub trait Launcher: Send + Sync + fmt::Debug {
    /// Starts one. It gets exactly the variables that are named, and is asked nothing twice.
    ///
    /// # Errors
    /// It cannot be started.
    fn launch(&self, launch: Launch) -> BoxFuture<'_, io::Result<Launched>>;
}

/// Starts programs as they are, with the rights of the user: for `unsandboxed: true`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unconfined;

impl Launcher for Unconfined {
    fn launch(&self, launch: Launch) -> BoxFuture<'_, io::Result<Launched>> {
        Box::pin(async move { start(&launch) })
    }
}

fn start(launch: &Launch) -> io::Result<Launched> {
    let (program, arguments) =
        launch.command.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&launch.environment).current_dir(&launch.folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.process_group(0).kill_on_drop(true).spawn()?;
    let no_pipe = || io::Error::from(io::ErrorKind::BrokenPipe);
    let stdin = child.stdin.take().ok_or_else(no_pipe)?;
    let stdout = child.stdout.take().ok_or_else(no_pipe)?;
    let stderr = child.stderr.take().ok_or_else(no_pipe)?;
    Ok(Launched {
        stdin: Box::new(stdin),
        stdout: Box::new(stdout),
        stderr: Some(Box::new(stderr)),
        process: Box::new(Group { child }),
    })
}

/// A program and those that it started and that stayed in its group.
struct Group {
    child: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        // The leader has not been waited for, so its number is still its own.
        let leader = self.child.id().and_then(|id| i32::try_from(id).ok());
        if let Some(leader) = leader {
            // Only an empty group cannot be ended.
            let _ = killpg(Pid::from_raw(leader), Signal::SIGKILL);
        }
    }
}

//! How programs of the user are started: in the sandbox for tools, without one for hooks, and by hand in tests.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use futures::future::BoxFuture;
use massgen_sandbox::{Call, HowItEnded, Mechanism, Policy, Running, Sandbox, Stdin};
use tokio::io::{AsyncRead, AsyncWrite};

use super::CustomError;

/// A program that is to be started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Launch {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// The folder that it starts in, absolute.
    pub folder: PathBuf,
    /// Files and trees that it must be able to read, absolute and free of links.
    pub readable: Vec<PathBuf>,
}

impl Launch {
    /// The program, as a person reads it.
    pub(crate) fn program(&self) -> String {
        self.command.first().map(|program| program.display().to_string()).unwrap_or_default()
    }
}

/// Starts programs.
pub trait Launcher: fmt::Debug + Send + Sync {
    /// Starts one. There is a tokio runtime around it.
    ///
    /// # Errors
    /// [`CustomError::Start`].
    fn launch(&self, launch: &Launch) -> Result<Launched, CustomError>;
}

/// A program that runs. Dropped, it is ended with all that it has started.
pub struct Launched {
    /// What it reads.
    pub stdin: Box<dyn AsyncWrite + Send + Sync + Unpin>,
    /// What it writes.
    pub stdout: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// What it writes as messages.
    pub stderr: Box<dyn AsyncRead + Send + Sync + Unpin>,
    /// Its end.
    pub process: Box<dyn Process>,
}

impl fmt::Debug for Launched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Launched")
    }
}

/// The end of a program that runs. Dropped, it brings that about.
pub trait Process: Send + Sync {
    /// Waits for it; gives the exit code, or `None` when the program was ended.
    ///
    /// # Errors
    /// Why that cannot be known.
    fn wait(&mut self) -> BoxFuture<'_, Result<Option<i32>, String>>;

    /// Ends it with all that it has started, and waits for that. One that had ended before keeps its exit code.
    ///
    /// # Errors
    /// Why that cannot be known.
    fn kill(&mut self) -> BoxFuture<'_, Result<Option<i32>, String>>;
}

/// Starts programs by the sandbox.
///
/// Tools that the user wrote are called by models: they run confined. Hooks are configuration that the user wrote or
/// accepted, as hooks of git are: they run with [`Mechanism::Unconfined`], which still bounds them and ends all that
/// they start.
#[derive(Debug, Clone)]
pub struct BySandbox {
    /// The sandbox.
    pub sandbox: Sandbox,
    /// How programs are confined.
    pub mechanism: Mechanism,
    /// What they reach, besides what each must read.
    pub policy: Policy,
    /// Variables besides those that every program gets.
    pub environment: BTreeMap<OsString, OsString>,
}

impl Launcher for BySandbox {
    fn launch(&self, launch: &Launch) -> Result<Launched, CustomError> {
        let failed = |reason: String| CustomError::Start { program: launch.program(), reason };
        let mut policy = self.policy.clone();
        policy.readable.extend(launch.readable.iter().cloned());
        let mut call = Call::new(self.mechanism, policy, launch.command.clone(), launch.folder.clone());
        call.environment = self.environment.clone();
        call.stdin = Stdin::Open;
        let mut running = self.sandbox.start(call).map_err(|error| failed(error.to_string()))?;
        match (running.stdin(), running.stdout(), running.stderr()) {
            (Some(stdin), Some(stdout), Some(stderr)) => Ok(Launched {
                stdin: Box::new(stdin),
                stdout: Box::new(stdout),
                stderr: Box::new(stderr),
                process: Box::new(running),
            }),
            (_, _, _) => Err(failed("its streams are not open".to_owned())),
        }
    }
}

impl Process for Running {
    fn wait(&mut self) -> BoxFuture<'_, Result<Option<i32>, String>> {
        Box::pin(async { Self::wait(self).await.map(exit_code).map_err(|error| error.to_string()) })
    }

    fn kill(&mut self) -> BoxFuture<'_, Result<Option<i32>, String>> {
        Box::pin(async { Self::kill(self).await.map(exit_code).map_err(|error| error.to_string()) })
    }
}

fn exit_code(how: HowItEnded) -> Option<i32> {
    match how {
        HowItEnded::Exited(code) => Some(code),
        HowItEnded::OutOfTime | HowItEnded::Killed => None,
    }
}

/// How a program ended, as a sentence begins.
pub(crate) fn ending(what: &str, how: &Result<Option<i32>, String>) -> String {
    match how {
        Ok(Some(code)) => format!("{what} ended with exit code {code}"),
        Ok(None) => format!("{what} was ended"),
        Err(reason) => format!("nobody knows how {what} ended: {reason}"),
    }
}

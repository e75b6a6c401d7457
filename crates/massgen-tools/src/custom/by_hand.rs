//! Starts programs of tests without a sandbox.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::{CustomError, Launch, Launched, Launcher, Process, find_python};

/// Starts programs as they are.
#[derive(Debug)]
pub(crate) struct ByHand {
    /// How many it has started.
    pub(crate) started: AtomicUsize,
    /// How many of them are over.
    pub(crate) over: watch::Sender<usize>,
}

impl Default for ByHand {
    fn default() -> Self {
        Self { started: AtomicUsize::new(0), over: watch::Sender::new(0) }
    }
}

impl ByHand {
    pub(crate) fn count(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
}

/// The Python of this machine.
pub(crate) fn python() -> PathBuf {
    find_python(&std::env::var_os("PATH").expect("a search path")).expect("these tests need Python")
}

impl Launcher for ByHand {
    fn launch(&self, launch: &Launch) -> Result<Launched, CustomError> {
        let (program, arguments) = launch.command.split_first().expect("a program");
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&launch.folder).kill_on_drop(true);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| CustomError::Start { program: launch.program(), reason: error.to_string() })?;
        self.started.fetch_add(1, Ordering::SeqCst);
        Ok(Launched {
            stdin: Box::new(child.stdin.take().expect("open")),
            stdout: Box::new(child.stdout.take().expect("open")),
            stderr: Box::new(child.stderr.take().expect("open")),
            process: Box::new(Counted { child, over: self.over.clone() }),
        })
    }
}

struct Counted {
    child: Child,
    over: watch::Sender<usize>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        self.over.send_modify(|over| *over += 1);
    }
}

impl Process for Counted {
    fn wait(&mut self) -> BoxFuture<'_, Result<Option<i32>, String>> {
        Box::pin(async {
            self.child.wait().await.map(|status| status.code()).map_err(|error| error.to_string())
        })
    }

    fn kill(&mut self) -> BoxFuture<'_, Result<Option<i32>, String>> {
        Box::pin(async {
            self.child.kill().await.map_err(|error| error.to_string())?;
            self.wait().await
        })
    }
}

//! Docker and podman at work, by their command lines.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use secrecy::ExposeSecret;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::call::{Ended, HowItEnded};
use crate::capture::Keep;
use crate::container::{self, Container};
use crate::error::Error;
use crate::machine;
use crate::owner::{Life, Owner};
use crate::reading::Reading;
use crate::running::code;

/// How long an engine may take for what it does by itself.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long it may take to fetch an image, or to install packages.
const FETCH_PATIENCE: Duration = Duration::from_mins(15);

/// How long the engine's program may take to end after all that it waited for has.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// Containers at most that are looked at for leftovers.
const LEFTOVERS: usize = 256;

/// What is kept of what an engine says.
const SAID: Keep = Keep { head: 64 * 1024, tail: 4 * 1024, file: None, file_bytes: 0 };

/// An engine for containers, by its program.
#[derive(Clone)]
pub struct Engine {
    kind: EngineKind,
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
}

/// Which engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EngineKind {
    /// `docker`
    Docker,
    /// `podman`
    Podman,
}

/// One command to be run in a container.
#[derive(Debug, Clone)]
pub struct ContainerCall {
    /// The program, as the container finds it, and its arguments.
    pub command: Vec<OsString>,
    /// The folder that it starts in, inside.
    pub folder: PathBuf,
    /// Variables besides those of the container. They are no secrets: other users of this machine may see them.
    pub environment: BTreeMap<String, String>,
    /// What it reads from its standard input.
    pub stdin: Vec<u8>,
    /// How long it may take; `None` leaves it to the caller, who may drop the run.
    pub time: Option<Duration>,
    /// What is kept of its standard output.
    pub stdout: Keep,
    /// What is kept of its standard error.
    pub stderr: Keep,
}

/// A running container of one agent. Dropped, it is removed, without waiting for that.
#[derive(Debug)]
pub struct AgentContainer {
    engine: Engine,
    container: Arc<Container>,
    is_removed: AtomicBool,
}

impl EngineKind {
    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

impl Engine {
    /// The engine whose program is `program`, run with the variables of the user, which say where its service is.
    pub fn new(
        kind: EngineKind,
        program: PathBuf,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Self {
        Self { kind, program, environment: environment.into_iter().collect() }
    }

    /// The engine of this machine, docker before podman, for a user with these variables. `None` if neither program is
    /// installed; whether its service runs is seen when it is used.
    pub fn find(environment: impl IntoIterator<Item = (OsString, OsString)>) -> Option<Self> {
        let environment: BTreeMap<_, _> = environment.into_iter().collect();
        let search = environment.get(OsStr::new("PATH"))?;
        let found = [EngineKind::Docker, EngineKind::Podman]
            .into_iter()
            .find_map(|kind| Some((kind, machine::program(search, kind.name())?)));
        let (kind, program) = found?;
        Some(Self { kind, program, environment })
    }

    /// Which engine it is.
    pub fn kind(&self) -> EngineKind {
        self.kind
    }

    /// Makes a container, starts it, and installs its packages. The image is fetched when it is missing. Of a container
    /// that fails on the way nothing stays.
    pub async fn make(&self, container: Container, owner: &Owner) -> Result<AgentContainer, Error> {
        container.check()?;
        let create = container.create(self.kind, owner);
        self.ask("make a container", &create, FETCH_PATIENCE).await?;
        let made = AgentContainer {
            engine: self.clone(),
            container: Arc::new(container),
            is_removed: AtomicBool::new(false),
        };
        match made.begin().await {
            Ok(()) => Ok(made),
            Err(error) => {
                // The first problem is the one to tell.
                let _ = made.remove().await;
                Err(error)
            }
        }
    }

    /// Removes containers of massgens that are gone, and returns their ids. `me` is this process.
    pub async fn remove_leftovers(&self, me: &Owner) -> Result<Vec<String>, Error> {
        let listed = self.ask("list containers", &container::list(), PATIENCE).await?;
        let mut removed = Vec::new();
        let is_id = |id: &&str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        for id in listed.lines().map(str::trim).filter(is_id).take(LEFTOVERS) {
            // One that cannot be asked about has been removed meanwhile, and a label that cannot be read is not ours.
            let Ok(said) = self.ask("look at a container", &container::whose(id), PATIENCE).await else {
                continue;
            };
            let Ok(owner) = said.parse::<Owner>() else { continue };
            if owner.life(me) == Life::Dead {
                self.ask("remove a container", &container::remove(id), PATIENCE).await?;
                removed.push(id.to_owned());
            }
        }
        Ok(removed)
    }

    fn command(&self, line: &[OsString]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(line).env_clear().envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A terminal's signals are massgen's to handle.
        command.process_group(0).kill_on_drop(true);
        command
    }

    fn failed(&self, doing: &'static str, said: impl Into<String>) -> Error {
        Error::Container { engine: self.kind.name(), doing, said: said.into() }
    }

    fn spawn(&self, doing: &'static str, mut command: Command) -> Result<Child, Error> {
        command.spawn().map_err(|error| self.failed(doing, error.to_string()))
    }

    /// Runs a line of the engine and returns what it says.
    async fn ask(&self, doing: &'static str, line: &[OsString], patience: Duration) -> Result<String, Error> {
        let mut child = self.spawn(doing, self.command(line))?;
        let stdout = Reading::start(child.stdout.take(), SAID);
        let stderr = Reading::start(child.stderr.take(), SAID);
        let Ok(status) = timeout(patience, child.wait()).await else {
            return Err(self.failed(doing, format!("no answer in {} seconds", patience.as_secs())));
        };
        let status = status.map_err(Error::Lost)?;
        let (stdout, stderr) = (stdout.rest().await?, stderr.rest().await?);
        let gap = |bytes| format!("\n[{bytes} bytes left out]\n");
        if status.success() {
            return Ok(stdout.text(gap));
        }
        let said = stderr.text(gap);
        let said = if said.trim().is_empty() { format!("it ended with {}", code(status)) } else { said };
        Err(self.failed(doing, said.trim()))
    }
}

impl AgentContainer {
    /// Its name.
    pub fn name(&self) -> String {
        self.container.name()
    }

    /// Runs `call` to its end, and ends whatever it leaves behind. Dropping the future ends the command too.
    pub async fn run(&self, call: ContainerCall) -> Result<Ended, Error> {
        // Dropped with this future, which the task notices.
        let (_wanted, unwanted) = mpsc::channel(1);
        let (tell, ended) = oneshot::channel();
        let (engine, container) = (self.engine.clone(), Arc::clone(&self.container));
        tokio::spawn(async move {
            // Nobody may be interested any more.
            let _ = tell.send(run(&engine, &container, call, unwanted).await);
        });
        ended.await.map_err(|_| Error::Lost(std::io::ErrorKind::Interrupted.into()))?
    }

    /// Removes it, with all that runs in it. Commands that are under way end with it.
    pub async fn remove(&self) -> Result<(), Error> {
        // What fails here would fail again when this is dropped.
        self.is_removed.store(true, Ordering::Relaxed);
        let line = container::remove(&self.name());
        self.engine.ask("remove a container", &line, PATIENCE).await.map(|_| ())
    }

    async fn begin(&self) -> Result<(), Error> {
        self.engine.ask("start a container", &self.container.start(), PATIENCE).await?;
        for line in self.container.install() {
            self.engine.ask("install packages in a container", &line, FETCH_PATIENCE).await?;
        }
        Ok(())
    }
}

impl Drop for AgentContainer {
    fn drop(&mut self) {
        if !self.is_removed.load(Ordering::Relaxed) {
            let mut command = self.engine.command(&container::remove(&self.name())).into_std();
            command.stdout(Stdio::null()).stderr(Stdio::null());
            // What is not removed now is a leftover for the next run.
            let _ = command.spawn();
        }
    }
}

async fn run(
    engine: &Engine,
    container: &Container,
    call: ContainerCall,
    mut unwanted: mpsc::Receiver<()>,
) -> Result<Ended, Error> {
    const DOING: &str = "run a command in a container";
    let begun = Instant::now();
    let mark = mark();
    let mut command = engine.command(&container.exec(&call, &mark));
    command.stdin(Stdio::piped());
    command.envs(container.secrets.iter().map(|(name, value)| (name, value.expose_secret())));
    let mut child = engine.spawn(DOING, command)?;
    if let Some(mut input) = child.stdin.take() {
        tokio::spawn(async move {
            // A command need not read all of its input, or any of it.
            let _ = input.write_all(&call.stdin).await;
        });
    }
    let stdout = Reading::start(child.stdout.take(), call.stdout);
    let stderr = Reading::start(child.stderr.take(), call.stderr);
    let time_is_over = async {
        match call.time {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    let how = tokio::select! {
        biased;
        status = child.wait() => HowItEnded::Exited(code(status.map_err(Error::Lost)?)),
        () = time_is_over => HowItEnded::OutOfTime,
        _ = unwanted.recv() => HowItEnded::Killed,
    };
    // The end of the engine's program is not the end of what it has started in the container.
    let end = engine.ask("end a command in a container", &container.end(&mark), PATIENCE).await;
    if end.is_err() {
        // Not every image can look for processes, and not every process lets itself be found.
        engine.ask("restart a container", &container.restart(), PATIENCE).await?;
    }
    if timeout(END_PATIENCE, child.wait()).await.is_err() {
        child.kill().await.map_err(Error::Lost)?;
    }
    let (stdout, stderr) = tokio::join!(stdout.rest(), stderr.rest());
    Ok(Ended { how, stdout: stdout?, stderr: stderr?, refused: Vec::new(), duration: begun.elapsed() })
}

/// A mark that no other call has, and that begins no other mark.
fn mark() -> String {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    format!("{}-{}.", std::process::id(), CALLS.fetch_add(1, Ordering::Relaxed))
}

impl fmt::Debug for Engine {
    /// Without the environment of the user, which holds keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("kind", &self.kind)
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

//! One command from its start to the end of all its processes.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::bubblewrap;
use crate::capture::{Capture, Captured, Keep};
use crate::error::Error;
use crate::helper::{CONFINE, SUPERVISE};
use crate::machine::Machine;
use crate::mechanism::{Available, Mechanism, Unavailable};
use crate::orders::{Confinement, Counted, Orders, RawPath, Sockets};
use crate::policy::{Limits, Network, Policy};

/// How long the supervisor has to end a call before it is killed itself. It has more than it needs.
const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// How long the rest of the output is waited for after the command has ended. All writers are gone by then.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// How long a trial run may take.
const TRIAL_PATIENCE: Duration = Duration::from_secs(10);

/// What begins a line of the helper among what a command writes.
const OWN_WORDS: &str = "massgen: ";

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// Where commands of this process run.
#[derive(Debug, Clone)]
pub struct Sandbox {
    helper: PathBuf,
    machine: Machine,
    available: Available,
}

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
    /// Variables besides those of the [`Machine`]; they win over them.
    pub environment: BTreeMap<OsString, OsString>,
    /// How long it may take; `None` leaves it to the caller, who may drop the run.
    pub time: Option<Duration>,
    /// What is kept of its standard output.
    pub stdout: Keep,
    /// What is kept of its standard error.
    pub stderr: Keep,
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
}

impl Sandbox {
    /// Tries out which mechanisms work here. `helper` is this program, or another that plays the [helper's
    /// roles](crate::helper).
    pub async fn find(helper: PathBuf, machine: Machine) -> Self {
        let none = || Unavailable { reason: "it was not tried".to_owned() };
        let available = Available { bubblewrap: Err(none()), landlock: Err(none()) };
        let mut sandbox = Self { helper, machine, available };
        sandbox.available.bubblewrap = match sandbox.program("bwrap") {
            Some(bwrap) => {
                // The trial runs with it.
                sandbox.available.bubblewrap = Ok(bwrap.clone());
                sandbox.trial(Mechanism::Bubblewrap).await.map(|()| bwrap)
            }
            None => Err(Unavailable { reason: "the program `bwrap` is not installed".to_owned() }),
        };
        sandbox.available.landlock = Ok(());
        sandbox.available.landlock = sandbox.trial(Mechanism::Landlock).await;
        sandbox
    }

    /// Which mechanisms work here.
    pub fn available(&self) -> &Available {
        &self.available
    }

    /// Runs `call` to its end. Dropping the future ends the command with all that it had started.
    pub async fn run(&self, call: Call) -> Result<Ended, Error> {
        let begun = Instant::now();
        let mut running = Running(Some(self.start(&call)?));
        let child = running.child()?;
        let stdout = child.stdout.take().map(|stream| tokio::spawn(read(stream, call.stdout.clone())));
        let stderr = child.stderr.take().map(|stream| tokio::spawn(read(stream, call.stderr.clone())));
        let wait = child.wait();
        let how = match call.time {
            Some(time) => timeout(time, wait).await.ok(),
            None => Some(wait.await),
        };
        let how = if let Some(status) = how {
            HowItEnded::Exited(code(status.map_err(Error::Output)?))
        } else {
            running.stop().await;
            HowItEnded::OutOfTime
        };
        let (stdout, stderr) = tokio::join!(rest(stdout), rest(stderr));
        Ok(Ended { how, stdout: stdout?, stderr: stderr?, duration: begun.elapsed() })
    }

    fn start(&self, call: &Call) -> Result<Child, Error> {
        let line = self.line(call)?;
        let mut command = Command::new(&self.helper);
        command.args(line).env_clear().envs(&self.machine.environment).envs(&call.environment);
        command.current_dir(&call.folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        command.spawn().map_err(|source| {
            let program =
                call.command.first().map(|program| program.display().to_string()).unwrap_or_default();
            Error::Start { program, source }
        })
    }

    /// The helper's arguments for `call`.
    fn line(&self, call: &Call) -> Result<Vec<OsString>, Error> {
        let unavailable = |found: &Unavailable| Error::Unavailable {
            mechanism: call.mechanism,
            reason: found.reason.clone(),
        };
        let policy = &call.policy;
        check_paths(policy)?;
        let mut line: Vec<OsString> = vec![SUPERVISE.into(), serde_json::to_string(&policy.limits)?.into()];
        let (confinement, counted) = match call.mechanism {
            Mechanism::Bubblewrap => {
                let bwrap = self.available.bubblewrap.as_ref().map_err(unavailable)?;
                line.push(bwrap.into());
                line.extend(bubblewrap::arguments(policy, &self.machine, &self.helper, &call.folder));
                (Confinement::Calls, Counted::Alone)
            }
            Mechanism::Landlock => {
                self.available.landlock.as_ref().map_err(unavailable)?;
                if let Some((protected, writable)) = policy.protected_inside() {
                    return Err(Error::CannotProtect {
                        protected: protected.to_path_buf(),
                        writable: writable.to_path_buf(),
                    });
                }
                line.push((&self.helper).into());
                let readable = self.machine.readable.iter().chain(&policy.readable);
                let confinement = Confinement::Files {
                    readable: readable.map(|path| RawPath::from(path.as_path())).collect(),
                    writable: policy.writable.iter().map(|path| RawPath::from(path.as_path())).collect(),
                    sockets: match policy.network {
                        Network::None => Sockets::Closed,
                        Network::Full => Sockets::Open,
                    },
                };
                (confinement, Counted::WithTheUser)
            }
            Mechanism::Unconfined => {
                line.push((&self.helper).into());
                (Confinement::Nothing, Counted::WithTheUser)
            }
        };
        let orders = Orders { confinement, limits: policy.limits.clone(), counted };
        line.extend([CONFINE.into(), serde_json::to_string(&orders)?.into()]);
        line.extend(call.command.iter().cloned());
        Ok(line)
    }

    /// Whether a command that does nothing runs under `mechanism`.
    async fn trial(&self, mechanism: Mechanism) -> Result<(), Unavailable> {
        let policy = Policy {
            readable: Vec::new(),
            writable: Vec::new(),
            protected: Vec::new(),
            network: Network::None,
            limits: Limits::STANDARD,
        };
        let keep = || Keep { head: 2048, tail: 0, file: None, file_bytes: 0 };
        let call = Call {
            mechanism,
            policy,
            command: vec!["true".into()],
            folder: PathBuf::from("/"),
            environment: BTreeMap::new(),
            time: Some(TRIAL_PATIENCE),
            stdout: keep(),
            stderr: keep(),
        };
        let reason = match self.run(call).await {
            Ok(Ended { how: HowItEnded::Exited(0), .. }) => return Ok(()),
            Ok(Ended { how: HowItEnded::OutOfTime, .. }) => "a trial run did not end".to_owned(),
            Ok(Ended { how: HowItEnded::Exited(code), stderr, .. }) => {
                let said = stderr.text(|_| String::new());
                let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing was said");
                let line = line.strip_prefix(OWN_WORDS).unwrap_or(line);
                format!("a trial run ended with {code}: {line}")
            }
            Err(error) => error.to_string(),
        };
        Err(Unavailable { reason })
    }

    fn program(&self, name: &str) -> Option<PathBuf> {
        let search = self.machine.search_path()?;
        std::env::split_paths(search)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|path| is_program(path))
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs_err::metadata(path).is_ok_and(|told| told.is_file() && told.permissions().mode() & 0o111 != 0)
}

/// Refuses paths that a mechanism would leave out or mean differently: missing ones, relative ones, and links.
fn check_paths(policy: &Policy) -> Result<(), Error> {
    for path in policy.readable.iter().chain(&policy.writable).chain(&policy.protected) {
        let real = path.canonicalize().map_err(|source| Error::Path { path: path.clone(), source })?;
        if real != *path {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "it is not the plain path of what it names");
            return Err(Error::Path { path: path.clone(), source });
        }
    }
    Ok(())
}

/// A started helper. Dropped, it is told to end the call; the runtime takes note of its end.
struct Running(Option<Child>);

impl Running {
    fn child(&mut self) -> Result<&mut Child, Error> {
        self.0.as_mut().ok_or_else(|| Error::Output(io::ErrorKind::NotFound.into()))
    }

    fn tell(&self) {
        let pid = self.0.as_ref().and_then(Child::id).and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    /// Ends the call, and waits for its end.
    async fn stop(&mut self) {
        self.tell();
        if let Some(child) = &mut self.0
            && timeout(STOP_PATIENCE, child.wait()).await.is_err()
        {
            // Nothing more can be done for a supervisor that does not even end like this.
            let _ = child.kill().await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tell();
    }
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

async fn read(mut stream: impl AsyncRead + Unpin, keep: Keep) -> io::Result<Captured> {
    let mut capture = Capture::new(keep);
    let mut piece = vec![0; PIECE];
    let mut problem = None;
    loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        // A full disk must not stop the command: it is read to its end, and the problem told then.
        if let Err(error) = capture.take(piece.get(..count).unwrap_or_default()) {
            problem.get_or_insert(error);
        }
    }
    match problem {
        Some(problem) => Err(problem),
        None => Ok(capture.finish()),
    }
}

type Reader = tokio::task::JoinHandle<io::Result<Captured>>;

async fn rest(reader: Option<Reader>) -> Result<Captured, Error> {
    let lost = || Error::Output(io::Error::other("a process that outlived the command holds it"));
    let reader = reader.ok_or_else(lost)?;
    let captured = timeout(REST_PATIENCE, reader).await.map_err(|_| lost())?;
    captured.map_err(|error| Error::Output(io::Error::other(error)))?.map_err(Error::Output)
}

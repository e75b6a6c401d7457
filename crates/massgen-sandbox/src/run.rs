//! The sandbox of this machine: which mechanisms work, and how a call becomes a process under one of them.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::process::Command;

use crate::bubblewrap::{self, Around};
use crate::call::{Call, Ended, HowItEnded, Stdin};
use crate::error::Error;
use crate::gap::Gap;
use crate::helper::{CONFINE, RELAY, SUPERVISE};
use crate::hosts::AllowedHost;
use crate::machine::{self, Machine};
use crate::mechanism::{Available, Mechanism, Unavailable};
use crate::orders::{Confinement, Counted, Orders, OwnTerminal, RawPath, Sockets};
use crate::policy::{Network, Policy};
use crate::proxy::{self, Proxy};
use crate::reading::Reading;
use crate::running::{Running, Start};
use crate::terminal;

/// How long a trial run may take.
const TRIAL_PATIENCE: Duration = Duration::from_secs(10);

/// What begins a line of the helper among what a command writes.
const OWN_WORDS: &str = "massgen: ";

/// Where commands of this process run.
#[derive(Debug, Clone)]
pub struct Sandbox {
    helper: PathBuf,
    machine: Machine,
    available: Available,
}

impl Sandbox {
    /// Tries out which mechanisms work here. `helper` is this program, or another that plays the [helper's
    /// roles](crate::helper).
    pub async fn find(helper: PathBuf, machine: Machine) -> Self {
        let none = || Unavailable { reason: "it was not tried".to_owned() };
        let available = Available { bubblewrap: Err(none()), landlock: Err(none()), open: open() };
        let mut sandbox = Self { helper, machine, available };
        sandbox.available.bubblewrap =
            match sandbox.machine.search_path().and_then(|search| machine::program(search, "bwrap")) {
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

    /// Whether every command may read `path`, whatever its policy gives.
    pub fn shows(&self, path: &Path) -> bool {
        self.machine.readable.iter().any(|tree| path.starts_with(tree))
    }

    /// Runs `call` to its end. Dropping the future ends the command with all that it had started.
    pub async fn run(&self, call: Call) -> Result<Ended, Error> {
        let begun = Instant::now();
        let stdin = match call.stdin {
            // Nobody can write to it.
            Stdin::Open => Stdin::Empty,
            given @ (Stdin::Empty | Stdin::Bytes(_)) => given,
        };
        let (stdout, stderr) = (call.stdout.clone(), call.stderr.clone());
        let mut running = self.start(Call { stdin, ..call })?;
        let stdout = Reading::start(running.stdout(), stdout);
        let stderr = Reading::start(running.stderr(), stderr);
        let how = running.wait().await?;
        let (stdout, stderr) = tokio::join!(stdout.rest(), stderr.rest());
        Ok(Ended {
            how,
            stdout: stdout?,
            stderr: stderr?,
            refused: running.refused(),
            duration: begun.elapsed(),
        })
    }

    /// Starts `call` and leaves it to the caller, who must be in a tokio runtime. Its time runs from now on; what is kept
    /// of its output is the caller's to decide.
    pub fn start(&self, call: Call) -> Result<Running, Error> {
        let proxy = match &call.policy.network {
            Network::Allowlist { hosts } => Some(proxy_for(call.mechanism, hosts)?),
            Network::None | Network::Full => None,
        };
        let line = self.line(&call, proxy.as_ref())?;
        let mut command = Command::new(&self.helper);
        command.args(line).env_clear().envs(&self.machine.environment).envs(&call.environment);
        if proxy.is_some() {
            command.envs(proxy_variables());
        }
        if call.terminal.is_some() && !call.environment.contains_key(OsStr::new("TERM")) {
            command.env("TERM", terminal::KIND);
        }
        command.current_dir(&call.folder).process_group(0);
        let Call { stdin, time, terminal, .. } = call;
        Running::start(Start { supervisor: command, stdin, time, terminal, proxy }).map_err(|source| {
            let program =
                call.command.first().map(|program| program.display().to_string()).unwrap_or_default();
            Error::Start { program, source }
        })
    }

    /// The helper's arguments for `call`.
    fn line(&self, call: &Call, proxy: Option<&Proxy>) -> Result<Vec<OsString>, Error> {
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
                let socket = proxy.map(Proxy::socket);
                let around = Around { helper: &self.helper, folder: &call.folder, proxy: socket.as_deref() };
                line.extend(bubblewrap::arguments(policy, &self.machine, &around));
                if proxy.is_some() {
                    line.extend([RELAY, bubblewrap::PROXY].map(OsString::from));
                }
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
                if let Some((masked, tree)) = policy.masked_inside() {
                    return Err(Error::CannotMask { masked: masked.to_path_buf(), tree: tree.to_path_buf() });
                }
                line.push((&self.helper).into());
                let readable = self.machine.readable.iter().chain(&policy.readable);
                let confinement = Confinement::Files {
                    readable: readable.map(|path| RawPath::from(path.as_path())).collect(),
                    writable: policy.writable.iter().map(|path| RawPath::from(path.as_path())).collect(),
                    sockets: match policy.network {
                        Network::None | Network::Allowlist { .. } => Sockets::Closed,
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
        let terminal = if call.terminal.is_some() { OwnTerminal::Yes } else { OwnTerminal::No };
        let orders = Orders { confinement, limits: policy.limits.clone(), counted, terminal };
        line.extend([CONFINE.into(), serde_json::to_string(&orders)?.into()]);
        line.extend(call.command.iter().cloned());
        Ok(line)
    }

    /// Whether a command that does nothing runs under `mechanism`.
    async fn trial(&self, mechanism: Mechanism) -> Result<(), Unavailable> {
        let policy = Policy::bare(Network::None);
        let call = Call {
            time: Some(TRIAL_PATIENCE),
            ..Call::new(mechanism, policy, vec!["true".into()], PathBuf::from("/"))
        };
        let reason = match self.run(call).await {
            Ok(Ended { how: HowItEnded::Exited(0), .. }) => return Ok(()),
            Ok(Ended { how: HowItEnded::OutOfTime | HowItEnded::Killed, .. }) => {
                "a trial run did not end".to_owned()
            }
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
}

/// What the kernel leaves open.
fn open() -> Vec<Gap> {
    #[cfg(target_os = "linux")]
    return Gap::ALL.into_iter().filter(|gap| !crate::confine::is_closed(*gap)).collect();
    #[cfg(not(target_os = "linux"))]
    Gap::ALL.to_vec()
}

/// A proxy that leads to `hosts`, for a mechanism whose commands have nothing but that.
fn proxy_for(mechanism: Mechanism, hosts: &[AllowedHost]) -> Result<Proxy, Error> {
    match mechanism {
        Mechanism::Bubblewrap => Proxy::start(hosts).map_err(Error::Proxy),
        Mechanism::Landlock | Mechanism::Unconfined => Err(Error::NoAllowList(mechanism)),
    }
}

/// What tells programs where the proxy is. Node goes by it only when it is asked to.
fn proxy_variables() -> impl Iterator<Item = (&'static str, String)> {
    let address = format!("http://127.0.0.1:{}", proxy::PORT);
    let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let exceptions = [("NO_PROXY", ""), ("no_proxy", ""), ("NODE_USE_ENV_PROXY", "1")];
    let exceptions = exceptions.map(|(name, value)| (name, value.to_owned()));
    names.into_iter().map(move |name| (name, address.clone())).chain(exceptions)
}

/// Refuses paths that a mechanism would leave out or mean differently: missing ones, relative ones, and links.
fn check_paths(policy: &Policy) -> Result<(), Error> {
    for path in policy.readable.iter().chain(&policy.writable).chain(&policy.protected).chain(&policy.masked)
    {
        let real = path.canonicalize().map_err(|source| Error::Path { path: path.clone(), source })?;
        if real != *path {
            let source =
                io::Error::new(io::ErrorKind::InvalidInput, "it is not the plain path of what it names");
            return Err(Error::Path { path: path.clone(), source });
        }
    }
    Ok(())
}

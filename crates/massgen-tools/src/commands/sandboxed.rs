//! Commands in the sandbox of this machine.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::limits::COMMAND_OUTPUT_BYTES;
use massgen_protocol::tooling::{CommandNetwork, ReadMode, SandboxSpec};
use massgen_sandbox::{Call, Keep, Limits, Mechanism, Network, Policy, Sandbox, Terminal};

use super::reach::Reach;
use super::runner::{Command, Ran, Runner, Screen};

/// Folders that every place makes for itself.
const MADE_BY_THE_SANDBOX: &[&str] = &["/dev", "/proc", "/run", "/sys", "/tmp", "/var/run", "/var/tmp"];

/// Secrets in a home folder, when all the rest of the machine may be read.
const SECRETS: &[&str] = &[
    ".aws",
    ".azure",
    ".bash_history",
    ".cargo/credentials.toml",
    ".config/gcloud",
    ".config/gh",
    ".config/massgen",
    ".docker",
    ".env",
    ".git-credentials",
    ".gnupg",
    ".kube",
    ".local/share/keyrings",
    ".massgen",
    ".netrc",
    ".npmrc",
    ".password-store",
    ".pypirc",
    ".ssh",
    ".zsh_history",
];

/// The terminal of a command: wide enough that tables and logs are not broken over lines.
const TERMINAL: Terminal = Terminal { columns: 120, rows: 40 };

/// How the commands of one agent are confined.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// By which mechanism; [`Mechanism::Unconfined`] when the configuration says `unsandboxed: true`.
    pub mechanism: Mechanism,
    /// What the configuration says of it.
    pub spec: SandboxSpec,
    /// What a command may use up; without a limit of processor time, [`Limits::within`] its time.
    pub limits: Limits,
    /// A folder for files that a command does not need to keep; its home. It exists and is the agent's alone.
    pub scratch: PathBuf,
    /// The home folder of the user.
    pub home: Option<PathBuf>,
    /// Where programs are looked for (`PATH`).
    pub search_path: OsString,
}

/// Runs commands in a [`Sandbox`].
#[derive(Debug, Clone)]
pub struct SandboxRunner {
    sandbox: Arc<Sandbox>,
    settings: SandboxSettings,
}

impl SandboxRunner {
    /// Runs them in `sandbox`.
    pub fn new(sandbox: Arc<Sandbox>, settings: SandboxSettings) -> Self {
        Self { sandbox, settings }
    }

    fn call(&self, command: &Command) -> Result<Call, String> {
        let limits = self.settings.limits.clone().within(command.time);
        let settings = &SandboxSettings { limits, ..self.settings.clone() };
        let shell = ["/bin/sh", "-c"].map(OsString::from).into_iter().chain([OsString::from(&command.line)]);
        let policy = match settings.mechanism {
            Mechanism::Bubblewrap | Mechanism::Landlock => policy(settings, command.reach.clone())?,
            Mechanism::Unconfined => {
                Policy { limits: settings.limits.clone(), ..Policy::bare(Network::Full) }
            }
        };
        let mut call = Call::new(settings.mechanism, policy, shell.collect(), command.folder.clone());
        call.environment = environment(settings, command.programs.as_deref())?;
        call.time = Some(command.time);
        call.terminal = match command.screen {
            Screen::Streams => None,
            Screen::Terminal => Some(TERMINAL),
        };
        let half = COMMAND_OUTPUT_BYTES / 2;
        let keep = Keep { head: half, tail: half, file: None, file_bytes: 0 };
        call.stdout = keep.clone();
        call.stderr = keep;
        Ok(call)
    }
}

impl Runner for SandboxRunner {
    fn has_terminals(&self) -> bool {
        cfg!(target_os = "linux")
    }

    fn run(&self, command: Command) -> BoxFuture<'static, Result<Ran, String>> {
        let (sandbox, call) = (self.sandbox.clone(), self.call(&command));
        Box::pin(async move {
            let ended = sandbox.run(call?).await.map_err(|error| match error.hint() {
                Some(hint) => format!("{error}; {hint}"),
                None => error.to_string(),
            })?;
            Ok(ended.into())
        })
    }
}

/// What a command may reach.
fn policy(settings: &SandboxSettings, mut reach: Reach) -> Result<Policy, String> {
    let spec = &settings.spec;
    let real = |path: &String| {
        fs_err::canonicalize(path).map_err(|error| format!("`{path}` cannot be given to commands: {error}"))
    };
    // What is not there need not be hidden.
    reach.hidden.extend(spec.unreadable.iter().filter_map(|path| real(path).ok()));
    for path in spec.readable.iter().chain(&spec.sockets) {
        reach.readable.push(real(path)?);
    }
    match spec.read {
        // The sandbox shows no more of the system than it needs in both of them.
        ReadMode::Confined | ReadMode::Strict => {}
        ReadMode::Open => {
            let home = settings.home.iter().flat_map(|home| SECRETS.iter().map(move |name| home.join(name)));
            let closed = home.chain(MADE_BY_THE_SANDBOX.iter().map(PathBuf::from));
            let mut hidden: Vec<_> = closed.filter_map(|path| fs_err::canonicalize(path).ok()).collect();
            hidden.extend(reach.hidden.iter().cloned());
            let wide = Reach { readable: vec![PathBuf::from("/")], hidden, ..Reach::default() };
            reach.readable.extend(wide.without_hidden()?.readable);
        }
    }
    let reach = reach.ruled(settings.mechanism).without_hidden()?;
    let network = network(&spec.network)?;
    let mut policy = Policy { limits: settings.limits.clone(), ..Policy::bare(network) };
    policy.readable = reach.readable;
    policy.writable = reach.writable;
    policy.protected = reach.protected;
    policy.masked = reach.masked;
    policy.writable.push(
        fs_err::canonicalize(&settings.scratch)
            .map_err(|error| format!("the folder of commands: {error}"))?,
    );
    Ok(policy)
}

/// What is reached of the network.
fn network(asked: &CommandNetwork) -> Result<Network, String> {
    Ok(match asked {
        CommandNetwork::None => Network::None,
        CommandNetwork::Full => Network::Full,
        CommandNetwork::Allowlist { hosts } => {
            let host = |host: &String| host.parse().map_err(|error| format!("the host `{host}`: {error}"));
            Network::Allowlist { hosts: hosts.iter().map(host).collect::<Result<_, _>>()? }
        }
    })
}

fn environment(
    settings: &SandboxSettings,
    programs: Option<&Path>,
) -> Result<BTreeMap<OsString, OsString>, String> {
    let mut environment = BTreeMap::new();
    let mut set = |name: &str, value: OsString| environment.insert(OsString::from(name), value);
    match settings.mechanism {
        Mechanism::Bubblewrap | Mechanism::Landlock => {
            set("HOME", settings.scratch.clone().into());
            set("TMPDIR", settings.scratch.clone().into());
        }
        Mechanism::Unconfined => {
            if let Some(home) = &settings.home {
                set("HOME", home.clone().into());
            }
        }
    }
    if let Some(programs) = programs {
        let all = std::iter::once(programs.to_path_buf()).chain(std::env::split_paths(&settings.search_path));
        set("PATH", std::env::join_paths(all).map_err(|error| format!("`{}`: {error}", programs.display()))?);
        if let Some(environment) = programs.parent() {
            set("VIRTUAL_ENV", environment.into());
        }
    }
    Ok(environment)
}

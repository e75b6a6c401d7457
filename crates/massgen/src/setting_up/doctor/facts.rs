//! What is on this machine, as plain data.

use std::path::Path;

use massgen_config::backends::Backends;
use massgen_config::{Severity, is_about_logs};
use massgen_sandbox::{Available, Mechanism, Network, Unavailable};
use serde::Serialize;

use crate::backends;
use crate::discovery::LOCAL_SERVERS;
use crate::environment::{Environment, is_there};
use crate::failure::Failure;
use crate::setting_up::damage::{Damaged, damaged};
use crate::setting_up::offers::{Key, Offers, Server};
use crate::setting_up::programs::{self, Probe, Program, first_line};
use crate::setting_up::readiness::{Readiness, readiness};
use crate::setting_up::saving::shown;
use crate::setup::{CONFIGS, USER_CONFIG, read_source};

/// Programs that are looked for, in the order of the report.
const PROGRAMS: [Program; 6] = [
    Program { name: "git", arguments: &["--version"] },
    programs::DOCKER,
    Program { name: "podman", arguments: &["--version"] },
    Program { name: "node", arguments: &["--version"] },
    Program { name: "npx", arguments: &["--version"] },
    Program { name: "python3", arguments: &["--version"] },
];

/// Everything that the report is made of.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    /// Version of massgen.
    pub(super) version: String,
    /// Operating system and processor.
    pub(super) platform: String,
    pub(super) config: Config,
    /// Files with keys that other users of the machine can read.
    pub(super) open_env_files: Vec<&'static str>,
    /// Files that keep every run from beginning.
    pub(super) damaged: Vec<Damaged>,
    pub(super) keys: Vec<Key>,
    pub(super) servers: Vec<Server>,
    /// Servers that were looked for.
    pub(super) servers_asked: Vec<String>,
    pub(super) sandbox: Sandbox,
    pub(super) programs: Vec<Found>,
    pub(super) logs: Logs,
    /// What a run without a configuration would be: the type and, where it has no default, what to say beside it.
    pub(super) choice: Option<Choice>,
}

/// The configuration that a run would read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Config {
    /// Where it is; `None` when there is none.
    pub(super) path: Option<String>,
    pub(super) state: State,
    /// How many agents it has; 0 when it is wrong.
    pub(super) agents: usize,
    /// What is wrong or missing, a line each.
    pub(super) problems: Vec<String>,
    /// How many warnings there are.
    pub(super) warnings: usize,
}

/// Whether a configuration can run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// There is none.
    None,
    /// It can run.
    Ready,
    /// A key is missing.
    Keyless,
    /// It is wrong.
    Broken,
}

/// What keeps commands of agents in their place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Sandbox {
    pub(super) level: Level,
    pub(super) bubblewrap: Trial,
    pub(super) landlock: Trial,
    /// What the best one does not keep commands without a network from.
    pub(super) gaps: Vec<String>,
}

/// What came of running a command that does nothing in a sandbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Trial {
    pub(super) works: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// The best sandbox that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Level {
    /// Bubblewrap works.
    Bubblewrap,
    /// Landlock works.
    Landlock,
    /// None works.
    None,
}

/// A program that was looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Found {
    pub(super) name: String,
    pub(super) state: ProgramState,
    /// What it says it is.
    pub(super) version: Option<String>,
}

/// Whether a program can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ProgramState {
    /// It works.
    Works,
    /// It is there, but it fails or says nothing.
    Fails,
    /// It is not there.
    Missing,
}

/// Where the logs of runs go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Logs {
    pub(super) path: String,
    pub(super) writable: bool,
    /// Free bytes there; `None` when that cannot be known.
    pub(super) free_bytes: Option<u64>,
}

/// What runs without a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Choice {
    /// The flags that ask for it.
    pub(super) flags: String,
}

impl Facts {
    /// Looks around.
    pub(super) fn gather(environment: &Environment) -> Result<Self, Failure> {
        let (backends, _) = backends::found(environment);
        let offers = Offers::find(&backends, environment, &LOCAL_SERVERS);
        let config = config(environment, &backends);
        let log_base = environment.log_base();
        let folder = log_base.ancestors().find(|folder| folder.is_dir()).unwrap_or_else(|| Path::new("/"));
        let name = folder.to_string_lossy();
        let probes = programs::check(&PROGRAMS)?;
        let programs = PROGRAMS.iter().zip(probes).map(|(program, probe)| found(program.name, probe));
        let programs = programs.collect();
        let choice = offers.choice(&backends).map(|agent| {
            let by = match &agent.base_url {
                Some(url) => format!("--base-url {url}"),
                None => format!("--backend {}", agent.backend),
            };
            let is_default =
                backends.get(&agent.backend).is_some_and(|kind| kind.default_model == agent.model);
            let flags = match agent.model.filter(|_| !is_default) {
                Some(model) => format!("{by} --model {model}"),
                None => by,
            };
            Choice { flags }
        });
        Ok(Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            config,
            open_env_files: environment.open_env_files(),
            damaged: damaged(environment),
            keys: offers.keys,
            servers: offers.servers,
            servers_asked: LOCAL_SERVERS.iter().map(|(name, _)| (*name).to_owned()).collect(),
            sandbox: sandbox(programs::sandbox()?),
            programs,
            logs: Logs {
                path: shown(&log_base, environment),
                // The file has no name and is gone at once.
                writable: tempfile::tempfile_in(folder).is_ok(),
                free_bytes: programs::free_bytes(&name)?,
            },
            choice,
        })
    }
}

fn config(environment: &Environment, backends: &Backends) -> Config {
    let mut config = Config { path: None, state: State::None, agents: 0, problems: Vec::new(), warnings: 0 };
    let paths = CONFIGS.map(|name| (name, environment.absolute(name.as_ref())));
    let Some((name, path)) = paths.into_iter().find(|(_, path)| is_there(path) != Ok(false)) else {
        return config;
    };
    config.path = Some(name.to_owned());
    let source = match read_source(name.to_owned(), &path) {
        Ok(source) if name == USER_CONFIG && is_about_logs(&source) => {
            config.path = None;
            return config;
        }
        Ok(source) => source,
        Err(failure) => {
            config.state = State::Broken;
            config.problems = match failure {
                Failure::Plain { message, .. } => vec![message],
                Failure::Configuration(findings) => vec![findings.to_string()],
            };
            return config;
        }
    };
    let findings = match readiness(&source, environment, backends) {
        Readiness::Ready { agents, findings } => {
            (config.state, config.agents) = (State::Ready, agents);
            findings
        }
        Readiness::Keyless { agents, variables, findings } => {
            (config.state, config.agents) = (State::Keyless, agents);
            config.problems = variables.iter().map(|names| format!("{names} is not set")).collect();
            findings
        }
        Readiness::Broken { findings } => {
            config.state = State::Broken;
            let errors = findings.of(Severity::Error);
            config.problems =
                errors.map(|finding| format!("{}: {}", finding.path, finding.message)).collect();
            findings
        }
    };
    config.warnings = findings.count(Severity::Warning);
    config
}

fn found(name: &str, probe: Probe) -> Found {
    let (state, version) = match probe {
        Probe::Works(said) => (ProgramState::Works, Some(first_line(&said))),
        Probe::Fails | Probe::Silent => (ProgramState::Fails, None),
        Probe::Missing => (ProgramState::Missing, None),
    };
    Found { name: name.to_owned(), state, version }
}

fn sandbox(available: Available) -> Sandbox {
    let level = match available.best() {
        Some(Mechanism::Bubblewrap) => Level::Bubblewrap,
        Some(Mechanism::Landlock) => Level::Landlock,
        Some(Mechanism::Unconfined) | None => Level::None,
    };
    let gaps = available.best().map(|best| available.gaps(best, &Network::None)).unwrap_or_default();
    Sandbox {
        level,
        gaps: gaps.iter().map(ToString::to_string).collect(),
        bubblewrap: trial(available.bubblewrap.err()),
        landlock: trial(available.landlock.err()),
    }
}

fn trial(unavailable: Option<Unavailable>) -> Trial {
    let reason = unavailable.map(|unavailable| programs::first_line(&unavailable.reason));
    Trial { works: reason.is_none(), reason }
}

//! Where commands of agents run, and what they may reach there.

use std::collections::BTreeMap;

use super::{Deserialize, Duration, JsonSchema, Serialize, millis};

/// The command tool of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CommandSpec {
    /// Where commands run.
    pub place: CommandPlace,
    /// Patterns; a command must match one from its beginning. Empty allows all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed: Vec<String>,
    /// Patterns; a command may match none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<String>,
    /// How long a command may take when the call does not say.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub time: Duration,
}

/// Where commands run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "place", rename_all = "snake_case")]
pub enum CommandPlace {
    /// On this machine, confined by the operating system (`local`, `srt`, `sandbox`).
    Sandbox(SandboxSpec),
    /// In a container (`docker`).
    Container(Box<ContainerSpec>),
    /// On this machine, with all the rights of the user (`unsandboxed: true`).
    Unconfined,
}

/// What a confined command may reach beside the agent's workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SandboxSpec {
    /// How much it may read.
    pub read: ReadMode,
    /// Further paths that it may read, absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub readable: Vec<String>,
    /// Paths that it may not read, absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unreadable: Vec<String>,
    /// Unix sockets that it may use, absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<String>,
    /// What it reaches of the network.
    pub network: CommandNetwork,
}

/// How much a confined command may read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReadMode {
    /// The system and what the agent works on, nothing else of the home folder.
    #[default]
    Confined,
    /// A short list of system folders and what the agent works on.
    Strict,
    /// Everything but secrets.
    Open,
}

/// What a command reaches of the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "network", rename_all = "snake_case")]
pub enum CommandNetwork {
    /// Nothing.
    None,
    /// These hosts, through a proxy of ours.
    Allowlist {
        /// Names, `*.name` for all below it, addresses; a port after a colon.
        hosts: Vec<String>,
    },
    /// Everything.
    Full,
}

/// A container for the commands of one agent (`command_line_docker_*`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ContainerSpec {
    /// The program that makes it.
    pub engine: ContainerEngine,
    /// The image.
    pub image: String,
    /// Its network.
    pub network: ContainerNetwork,
    /// Whether commands run as root there (`command_line_docker_enable_sudo`).
    pub root: bool,
    /// Its memory, for example `2g`.
    pub memory: Option<String>,
    /// Its processors.
    pub processors: Option<f64>,
    /// What it gets of the user's secrets.
    #[serde(default)]
    pub credentials: ContainerCredentials,
    /// What is installed before the first command.
    #[serde(default)]
    pub packages: ContainerPackages,
}

/// Programs that make containers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerEngine {
    /// `docker`.
    #[default]
    Docker,
    /// `podman`.
    Podman,
}

/// The network of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerNetwork {
    /// None.
    #[default]
    None,
    /// Its own.
    Bridge,
    /// That of this machine.
    Host,
}

/// What a container gets of the user's secrets (`command_line_docker_credentials`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerCredentials {
    /// A file with variables, absolute.
    pub env_file: Option<String>,
    /// Names of variables of our environment.
    pub env_vars: Vec<String>,
    /// Names of variables of the file; empty is all of them.
    pub env_vars_from_file: Vec<String>,
    /// The whole environment.
    pub pass_all_env: bool,
    /// Well-known folders and files, by name (`ssh_keys`, `git_config`, …), read-only.
    pub well_known: Vec<String>,
    /// Further mounts by path on this machine.
    pub mounts: BTreeMap<String, Mount>,
}

/// A further mount of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mount {
    /// Where it is in the container.
    pub at: String,
    /// What may be done there.
    pub access: crate::workspace::Access,
}

/// Packages that are installed before the first command (`command_line_docker_packages.preinstall`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ContainerPackages {
    /// By `pip`.
    pub python: Vec<String>,
    /// By `npm`.
    pub npm: Vec<String>,
    /// By `apt-get`; only as root.
    pub system: Vec<String>,
}

//! Containers of docker and podman, one for each agent: what they are made of, and the command lines that say so.
//!
//! Everything here is plain data. [`Engine`] runs the lines.

mod engine;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use engine::{AgentContainer, ContainerCall, Engine, EngineKind};
use secrecy::SecretString;

use crate::owner::Owner;
use crate::policy::Limits;

/// The label that tells whose a container is.
const LABEL: &str = "massgen.owner";

/// The variable that marks the processes of one call in a container.
const MARK: &str = "MASSGEN_CALL";

/// The home folder of the images that massgen's configurations name.
const HOME: &str = "/home/massgen";

/// Ends all processes whose environment carries the mark, and those that descend from them: `sudo`, for one, gives its
/// command another environment. It does so as often as it takes, and ends well when none is left.
const END: &str = include_str!("container/end.sh");

/// What an idle container does. Not `sleep infinity`: not every image knows that.
const IDLE: &str = "while :; do sleep 86400; done";

/// What a container is made of.
#[derive(Debug, Clone)]
pub struct Container {
    /// The agent that it is for.
    pub agent: String,
    /// What tells this run from others.
    pub instance: String,
    /// The image. It is fetched when it is missing.
    pub image: String,
    /// What it reaches.
    pub network: ContainerNetwork,
    /// Its memory as docker writes it, for example `2g`; `None` for no bound.
    pub memory: Option<String>,
    /// How many processors it may use; `None` for all.
    pub processors: Option<f64>,
    /// Folders and files of this machine that it sees.
    pub mounts: Vec<ContainerMount>,
    /// Variables of all its commands, for example where caches are ([`caches`]).
    pub environment: BTreeMap<String, String>,
    /// Variables whose values are shown nowhere, by name.
    pub secrets: BTreeMap<String, SecretString>,
    /// Whether commands may become root in it.
    pub sudo: Sudo,
    /// The user that commands run as, as `1000:1000`: the owner of the workspace. Not used with [`Sudo::Yes`], where the
    /// image has its own.
    pub user: String,
    /// What is installed before the first command.
    pub packages: Packages,
}

/// What a container reaches over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerNetwork {
    /// Nothing.
    None,
    /// The network, as something behind this machine.
    Bridge,
    /// The network, as this machine itself.
    Host,
}

impl FromStr for ContainerNetwork {
    type Err = NoContainer;

    fn from_str(word: &str) -> Result<Self, NoContainer> {
        match word {
            "none" => Ok(Self::None),
            "bridge" => Ok(Self::Bridge),
            "host" => Ok(Self::Host),
            other => Err(no(other, "the network of a container", "it is `none`, `bridge` or `host`")),
        }
    }
}

/// Something of this machine that a container sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerMount {
    /// Where it is, absolute. It must be there.
    pub host: PathBuf,
    /// Where the container sees it, absolute.
    pub inside: PathBuf,
    /// What may be done with it.
    pub access: Access,
}

/// What may be done with a mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It may be read.
    Read,
    /// It may be read and changed.
    Write,
}

/// Whether commands in a container may become root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sudo {
    /// They may not; root's rights are taken out of the container.
    No,
    /// They may.
    Yes,
}

/// What is installed in a container before the first command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packages {
    /// By `pip`.
    pub python: Vec<String>,
    /// By `npm`, for all.
    pub npm: Vec<String>,
    /// By `apt-get`, with [`Sudo::Yes`] only.
    pub system: Vec<String>,
}

/// Files of the user that a container may read: the words of `docker_credentials.mount`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// `~/.ssh`
    SshKeys,
    /// `~/.gitconfig`
    GitConfig,
    /// `~/.config/gh`
    GhConfig,
    /// `~/.npmrc`
    NpmConfig,
    /// `~/.pypirc`
    PypiConfig,
    /// `~/.claude`
    ClaudeConfig,
    /// `~/.codex`
    CodexConfig,
    /// `~/.gemini`
    GeminiConfig,
}

/// Why a container cannot be made as it is described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` cannot be {what}: {why}")]
pub struct NoContainer {
    value: String,
    what: &'static str,
    why: &'static str,
}

impl Credential {
    const ALL: [(Self, &'static str, &'static str); 8] = [
        (Self::SshKeys, "ssh_keys", ".ssh"),
        (Self::GitConfig, "git_config", ".gitconfig"),
        (Self::GhConfig, "gh_config", ".config/gh"),
        (Self::NpmConfig, "npm_config", ".npmrc"),
        (Self::PypiConfig, "pypi_config", ".pypirc"),
        (Self::ClaudeConfig, "claude_config", ".claude"),
        (Self::CodexConfig, "codex_config", ".codex"),
        (Self::GeminiConfig, "gemini_config", ".gemini"),
    ];

    /// The mount that shows it, for a user whose home folder is `home`.
    pub fn mount(self, home: &Path) -> ContainerMount {
        let place =
            Self::ALL.iter().find(|(credential, ..)| *credential == self).map_or("", |(.., place)| place);
        ContainerMount { host: home.join(place), inside: Path::new(HOME).join(place), access: Access::Read }
    }
}

impl FromStr for Credential {
    type Err = NoContainer;

    fn from_str(word: &str) -> Result<Self, NoContainer> {
        let found = Self::ALL.iter().find(|(_, name, _)| *name == word).map(|(credential, ..)| *credential);
        found.ok_or_else(|| no(word, "a kind of credentials", "the kinds are `ssh_keys`, `git_config`, `gh_config`, `npm_config`, `pypi_config`, `claude_config`, `codex_config` and `gemini_config`"))
    }
}

/// Variables that keep the caches of tools in `folder`, which the container can write to.
pub fn caches(folder: &Path) -> Option<BTreeMap<String, String>> {
    let places = [
        ("XDG_CACHE_HOME", ""),
        ("PIP_CACHE_DIR", "pip"),
        ("UV_CACHE_DIR", "uv"),
        ("NPM_CONFIG_CACHE", "npm"),
        ("CARGO_HOME", "cargo"),
        ("GOCACHE", "go-build"),
        ("GOMODCACHE", "go-mod"),
        ("GRADLE_USER_HOME", "gradle"),
    ];
    let place = |place: &str| if place.is_empty() { folder.to_path_buf() } else { folder.join(place) };
    places
        .into_iter()
        .map(|(name, under)| Some((name.to_owned(), place(under).to_str()?.to_owned())))
        .collect()
}

impl Container {
    /// Its name: `massgen-<agent>-<instance>`, with hyphens for what names of containers cannot hold.
    pub fn name(&self) -> String {
        let plain =
            |byte: char| if byte.is_ascii_alphanumeric() || "_.-".contains(byte) { byte } else { '-' };
        format!("massgen-{}-{}", self.agent, self.instance).chars().map(plain).collect()
    }

    /// Refuses what an engine would take for something else, or could not do.
    pub(crate) fn check(&self) -> Result<(), NoContainer> {
        if self.image.is_empty() || self.image.starts_with('-') || self.image.contains(char::is_whitespace) {
            return Err(no(&self.image, "the image of a container", "it is no name of an image"));
        }
        if let Some(memory) = self.memory.as_ref().filter(|memory| !is_size(memory)) {
            return Err(no(
                memory,
                "the memory of a container",
                "it is a number with `b`, `k`, `m` or `g`, as `2g`",
            ));
        }
        if let Some(count) = self.processors.filter(|count| !(count.is_finite() && *count > 0.0)) {
            return Err(no(&count.to_string(), "the processors of a container", "it is a number above 0"));
        }
        for path in self.mounts.iter().flat_map(|mount| [&mount.host, &mount.inside]) {
            let is_plain =
                path.is_absolute() && path.to_str().is_some_and(|text| !text.contains([',', '"', '\n']));
            if !is_plain {
                let why = "it must be absolute, in UTF-8, without commas, quotes and line ends";
                return Err(no(&path.display().to_string(), "mounted into a container", why));
            }
        }
        for name in self.environment.keys().chain(self.secrets.keys()) {
            if name.is_empty() || name.contains(['=', '\0']) || name == MARK {
                return Err(no(name, "a variable in a container", "it is no name of a variable, or ours"));
            }
        }
        if let Some(name) = self.secrets.keys().find(|name| is_of_the_engine(name)) {
            return Err(no(name, "a secret of a container", "the engine's own program listens to it"));
        }
        self.packages.check(self)
    }

    /// Makes it, without starting it.
    pub(crate) fn create(&self, kind: EngineKind, owner: &Owner) -> Vec<OsString> {
        let mut line = Line::new(["create"]);
        line.pair("--name", &self.name());
        line.pair("--label", &format!("{LABEL}={owner}"));
        line.say(["--init", "--pull", "missing"]);
        line.pair(
            "--network",
            match self.network {
                ContainerNetwork::None => "none",
                ContainerNetwork::Bridge => "bridge",
                ContainerNetwork::Host => "host",
            },
        );
        if let Some(processes) = Limits::STANDARD.processes {
            line.pair("--pids-limit", &processes.to_string());
        }
        if let Some(memory) = &self.memory {
            line.pair("--memory", memory);
            // Without it as much again could be swapped out.
            line.pair("--memory-swap", memory);
        }
        if let Some(count) = self.processors {
            line.pair("--cpus", &count.to_string());
        }
        match self.sudo {
            Sudo::No => {
                line.say(["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
                line.pair("--user", &self.user);
            }
            Sudo::Yes => {}
        }
        match (kind, self.sudo) {
            (EngineKind::Docker, _) => {}
            // Files of the user stay readable where each container has a label of its own.
            (EngineKind::Podman, Sudo::Yes) => line.say(["--security-opt", "label=disable"]),
            // The user inside is the one outside, also where the engine runs without root.
            (EngineKind::Podman, Sudo::No) => {
                line.say(["--security-opt", "label=disable", "--userns", "keep-id"]);
            }
        }
        for mount in &self.mounts {
            let (host, inside) = (mount.host.display(), mount.inside.display());
            let only = match mount.access {
                Access::Read => ",readonly",
                Access::Write => "",
            };
            line.pair("--mount", &format!("type=bind,source={host},target={inside}{only}"));
        }
        for (name, value) in &self.environment {
            line.pair("--env", &format!("{name}={value}"));
        }
        line.say(["--entrypoint", "/bin/sh"]);
        line.0.push(self.image.clone().into());
        line.say(["-c", IDLE]);
        line.0
    }

    /// Starts it.
    pub(crate) fn start(&self) -> Vec<OsString> {
        Line::new(["start", &self.name()]).0
    }

    /// Installs its packages, a line for each kind.
    pub(crate) fn install(&self) -> Vec<Vec<OsString>> {
        let root = ["--user", "0"].as_slice();
        let lines: [(&[&str], &[&str], &Vec<String>); 3] = [
            (
                root,
                &[
                    "/bin/sh",
                    "-c",
                    "apt-get update && apt-get install -y --no-install-recommends \"$@\"",
                    "sh",
                ],
                &self.packages.system,
            ),
            (
                &[],
                &["pip", "install", "--user", "--no-input", "--disable-pip-version-check"],
                &self.packages.python,
            ),
            (
                if self.sudo == Sudo::Yes { root } else { &[] },
                &["npm", "install", "--global"],
                &self.packages.npm,
            ),
        ];
        let lines = lines.into_iter().filter(|(.., names)| !names.is_empty());
        let line = |(options, command, names): (&[&str], &[&str], &Vec<String>)| {
            let mut line = Line::new(["exec"]);
            line.0.extend(options.iter().map(OsString::from));
            line.0.push(self.name().into());
            line.0.extend(command.iter().map(OsString::from));
            line.0.extend(names.iter().map(OsString::from));
            line.0
        };
        lines.map(line).collect()
    }

    /// Runs a command in it, whose processes carry `mark`.
    pub(crate) fn exec(&self, call: &ContainerCall, mark: &str) -> Vec<OsString> {
        let mut line = Line::new(["exec", "--interactive"]);
        line.say(["--workdir"]);
        line.0.push(call.folder.clone().into());
        line.pair("--env", &format!("{MARK}={mark}"));
        for (name, value) in &call.environment {
            line.pair("--env", &format!("{name}={value}"));
        }
        for name in self.secrets.keys() {
            line.pair("--env", name);
        }
        line.0.push(self.name().into());
        line.0.extend(call.command.iter().cloned());
        line.0
    }

    /// Ends all processes that carry `mark`.
    pub(crate) fn end(&self, mark: &str) -> Vec<OsString> {
        let mut line = Line::new(["exec"]);
        match self.sudo {
            Sudo::No => {}
            // What became root can be ended by root alone.
            Sudo::Yes => line.say(["--user", "0"]),
        }
        line.0.push(self.name().into());
        line.say(["/bin/sh", "-c", END, "sh"]);
        line.0.push(format!("{MARK}={mark}").into());
        line.0
    }

    /// Ends all that runs in it, and lets it idle again.
    pub(crate) fn restart(&self) -> Vec<OsString> {
        Line::new(["restart", "-t", "0", &self.name()]).0
    }
}

impl Packages {
    fn check(&self, container: &Container) -> Result<(), NoContainer> {
        let names = || self.python.iter().chain(&self.npm).chain(&self.system);
        if let Some(name) = names().find(|name| name.is_empty() || name.starts_with('-')) {
            return Err(no(name, "installed in a container", "it is no name of a package"));
        }
        if let Some(name) = names().next().filter(|_| container.network == ContainerNetwork::None) {
            let why = "packages come over the network: give it `bridge`, or take an image that has them";
            return Err(no(name, "installed in a container without a network", why));
        }
        match (self.system.first(), container.sudo) {
            (Some(name), Sudo::No) => {
                Err(no(name, "installed in a container", "packages of the system need sudo"))
            }
            (Some(_), Sudo::Yes) | (None, _) => Ok(()),
        }
    }
}

/// Removes the container `name` with all that runs in it, if it is there.
pub(crate) fn remove(name: &str) -> Vec<OsString> {
    Line::new(["rm", "--force", "--volumes", name]).0
}

/// Names the containers of massgen, a line each.
pub(crate) fn list() -> Vec<OsString> {
    Line::new(["ps", "--all", "--quiet", "--no-trunc", "--filter", &format!("label={LABEL}")]).0
}

/// Says whose the container `id` is.
pub(crate) fn whose(id: &str) -> Vec<OsString> {
    let format = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
    Line::new(["inspect", "--type", "container", "--format", &format, id]).0
}

fn no(value: &str, what: &'static str, why: &'static str) -> NoContainer {
    NoContainer { value: value.to_owned(), what, why }
}

/// Whether the program of an engine listens to the variable `name` itself. The values of [`Container::secrets`] go by
/// its environment, so none of them may have such a name.
pub fn is_of_the_engine(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["DOCKER_", "CONTAINER", "XDG_", "LD_"].iter().any(|front| name.starts_with(front))
        || matches!(name.as_str(), "HOME" | "PATH" | "HTTP_PROXY" | "HTTPS_PROXY" | "NO_PROXY")
}

fn is_size(text: &str) -> bool {
    let number = text.trim_end_matches(['b', 'k', 'm', 'g', 'B', 'K', 'M', 'G']);
    text.len() - number.len() <= 2
        && number.parse::<f64>().is_ok_and(|number| number.is_finite() && number > 0.0)
}

struct Line(Vec<OsString>);

impl Line {
    fn new<const N: usize>(words: [&str; N]) -> Self {
        Self(words.into_iter().map(OsString::from).collect())
    }

    fn say<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.into_iter().map(OsString::from));
    }

    fn pair(&mut self, option: &str, value: &str) {
        self.0.extend([option, value].map(OsString::from));
    }
}

#[cfg(test)]
#[path = "container_tests.rs"]
mod tests;

//! The commands of an agent: where they run, what they reach there, and which are allowed.

use std::time::Duration;

use massgen_protocol::tooling::{
    CommandNetwork, CommandPlace, CommandSpec, CustomTool, Programs, ReadMode, SandboxSpec, ServerSpec,
    ServerTransport,
};
use regex::RegexBuilder;

use super::Lower;
use super::tooling::texts;
use crate::check::{join, shortened};
use crate::finding::{Finding, Severity};
use crate::needed::Needed;
use crate::node::{Entry, Node, Value};

/// The switch.
const SWITCH: &str = "enable_mcp_command_line";

/// How long a command may take when its call does not say.
const TIME: Duration = Duration::from_mins(1);

/// The beginning of all keys about commands.
const PREFIX: &str = "command_line_";

/// The beginning of the keys about containers.
pub(super) const CONTAINER: &str = "command_line_docker_";

/// The beginning of the keys about sandboxes.
const SANDBOX: &str = "command_line_srt_";

/// The word that lifts the sandbox.
const LIFTED: &str = "unsandboxed";

/// What sandboxed commands reach of the network.
const NETWORK: &str = "command_line_network";

/// The hosts that they reach.
const HOSTS: &str = "command_line_srt_network_allowed_domains";

/// Where commands run, in words of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// `local`, `srt`, `sandbox`.
    Sandbox,
    /// `docker`.
    Container,
    /// `unsandboxed: true`.
    Unconfined,
}

impl Mode {
    /// Whether a key about commands means something where they run so.
    fn reads(self, key: &str) -> bool {
        let is_of_sandboxes = key.starts_with(SANDBOX) || key == NETWORK;
        match self {
            Self::Sandbox => !key.starts_with(CONTAINER),
            Self::Container => !is_of_sandboxes,
            Self::Unconfined => !is_of_sandboxes && !key.starts_with(CONTAINER),
        }
    }
}

/// Whether an agent starts programs besides its commands that are confined: tool servers, and tools of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherPrograms {
    /// None.
    None,
    /// Some.
    Some,
}

impl OtherPrograms {
    /// Those of an agent with `servers` and `custom`. Services are no programs.
    pub(super) fn of(servers: &[ServerSpec], custom: &[CustomTool]) -> Self {
        let is_program = |server: &ServerSpec| match server.transport {
            ServerTransport::Stdio { .. } => true,
            ServerTransport::Http { .. } => false,
        };
        if custom.is_empty() && !servers.iter().any(is_program) { Self::None } else { Self::Some }
    }
}

impl Lower<'_> {
    /// The commands of an agent whose `backend` is `node`, at `path`, and whether its programs are confined.
    pub(super) fn commands(
        &mut self,
        node: &Node,
        path: &str,
        others: OtherPrograms,
        needed: &mut Vec<Needed>,
    ) -> (Option<CommandSpec>, Programs) {
        let allowed = self.patterns(node, path, "command_line_allowed_commands");
        let blocked = self.patterns(node, path, "command_line_blocked_commands");
        let is_on = node.get(SWITCH).and_then(Node::bool) == Some(true);
        let is_container = node.get("command_line_execution_mode").and_then(Node::text) == Some("docker");
        let mode = is_on.then_some(if is_container { Mode::Container } else { Mode::Sandbox });
        let programs = self.programs(node, path, mode, others);
        let Some(mode) = mode else {
            self.tell_without_switch(node, path, others);
            return (None, programs);
        };
        let mode = match (mode, programs) {
            (Mode::Sandbox | Mode::Unconfined, Programs::Unconfined) => Mode::Unconfined,
            (Mode::Sandbox | Mode::Unconfined, Programs::Confined) => Mode::Sandbox,
            (Mode::Container, Programs::Confined | Programs::Unconfined) => Mode::Container,
        };
        self.tell_other_modes(node, path, mode);
        let place = match mode {
            Mode::Sandbox => CommandPlace::Sandbox(self.sandbox(node, path)),
            Mode::Container => CommandPlace::Container(Box::new(self.container(node, path, needed))),
            Mode::Unconfined => CommandPlace::Unconfined,
        };
        (Some(CommandSpec { place, allowed, blocked, time: TIME }), programs)
    }

    /// Whether the programs of an agent are confined whose commands run so, if it runs any.
    fn programs(
        &mut self,
        node: &Node,
        path: &str,
        commands: Option<Mode>,
        others: OtherPrograms,
    ) -> Programs {
        let Some(entry) = node.entry(LIFTED).filter(|entry| entry.node.bool() == Some(true)) else {
            return Programs::Confined;
        };
        let path = join(path, LIFTED);
        let who = match (commands, others) {
            // It is told that the word has no effect.
            (None, OtherPrograms::None) => return Programs::Confined,
            (Some(Mode::Container), OtherPrograms::None) => {
                self.report(
                    Finding::error(
                        path,
                        "`unsandboxed: true` contradicts `command_line_execution_mode: docker`",
                    )
                    .hint("remove one of them: commands in a container are apart from this machine")
                    .at(&entry.key_origin),
                );
                return Programs::Confined;
            }
            (Some(Mode::Sandbox | Mode::Unconfined), OtherPrograms::None) => "commands",
            (Some(Mode::Sandbox | Mode::Unconfined), OtherPrograms::Some) => {
                "commands, tool servers and custom tools"
            }
            (None | Some(Mode::Container), OtherPrograms::Some) => "tool servers and custom tools",
        };
        let is_less = node.get(NETWORK).is_some_and(|network| network.text() != Some("full"))
            || !texts(node.get(HOSTS)).is_empty();
        if is_less && matches!(commands, Some(Mode::Sandbox | Mode::Unconfined)) {
            self.report(
                Finding::error(path, "`unsandboxed: true` contradicts what is said about the network")
                    .hint("remove one of them: without a sandbox commands reach the whole network")
                    .at(&entry.key_origin),
            );
            return Programs::Confined;
        }
        self.report(
            Finding::notice(path, format!("{who} of this agent run with all your rights"))
                .hint("remove `unsandboxed` unless the sandbox keeps it from its work")
                .at(&entry.key_origin),
        );
        Programs::Unconfined
    }

    /// Keys about commands of an agent that runs none. Programs that are agents themselves read some of them.
    fn tell_without_switch(&mut self, node: &Node, path: &str, others: OtherPrograms) {
        let kind = node.get("type").and_then(Node::text).and_then(|name| self.by.backends.get(name));
        if kind.is_none_or(|kind| !kind.support.runs()) {
            return;
        }
        let is_idle = others == OtherPrograms::None;
        let keys = written(node, |key| key.starts_with(PREFIX) || (is_idle && key == LIFTED));
        self.tell_idle(
            path,
            &keys,
            &format!("write `{SWITCH}: true` beside it"),
            "the agent runs no commands",
        );
    }

    /// Keys that are for another place than the one that was chosen.
    fn tell_other_modes(&mut self, node: &Node, path: &str, mode: Mode) {
        let keys = written(node, |key| !mode.reads(key));
        let (hint, why) = match mode {
            Mode::Sandbox => (
                "write `command_line_execution_mode: docker` to mean it",
                "commands do not run in a container",
            ),
            Mode::Container => ("remove it", "commands run in a container"),
            Mode::Unconfined => ("remove it, or remove `unsandboxed`", "commands run without a sandbox"),
        };
        self.tell_idle(path, &keys, hint, why);
    }

    fn tell_idle(&mut self, path: &str, keys: &[&Entry], hint: &str, why: &str) {
        let Some(first) = keys.first() else { return };
        let names: Vec<_> = keys.iter().map(|entry| format!("`{}`", entry.key)).collect();
        let message = format!("without effect: {}; {why}", names.join(", "));
        self.report(Finding::notice(join(path, &first.key), message).hint(hint).at(&first.key_origin));
    }

    /// The regular expressions under `key`. One that cannot be read is an error: it would let pass what it is to stop.
    fn patterns(&mut self, node: &Node, path: &str, key: &str) -> Vec<String> {
        /// Largest compiled pattern, in bytes.
        const SIZE: usize = 1 << 20;
        let mut patterns = Vec::new();
        for (i, item) in node.get(key).and_then(Node::list).unwrap_or_default().iter().enumerate() {
            let Some(pattern) = item.text().filter(|text| !self.waits(text)) else { continue };
            match RegexBuilder::new(pattern).size_limit(SIZE).build() {
                Ok(_) => patterns.push(pattern.to_owned()),
                Err(error) => {
                    let why = why_not(&error);
                    let message = format!("`{}` is no pattern: {why}", shortened(pattern));
                    self.report(
                        Finding::error(format!("{path}.{key}[{i}]"), message)
                            .hint("write a regular expression such as `git (status|log).*`; it cannot look around")
                            .at(&item.origin),
                    );
                }
            }
        }
        patterns
    }

    fn sandbox(&mut self, node: &Node, path: &str) -> SandboxSpec {
        let paths = |name: &str| -> Vec<String> {
            texts(node.get(&format!("{SANDBOX}{name}"))).iter().map(|text| self.by.absolute(text)).collect()
        };
        let read = match node.get("command_line_srt_read_mode").and_then(Node::text) {
            Some("strict") => ReadMode::Strict,
            Some("open") => ReadMode::Open,
            _ => ReadMode::Confined,
        };
        SandboxSpec {
            read,
            readable: paths("allow_read"),
            unreadable: paths("deny_read"),
            sockets: paths("allow_unix_sockets"),
            network: self.network(node, path),
        }
    }

    /// What commands reach of the network. A list of hosts alone says that they reach these.
    fn network(&mut self, node: &Node, path: &str) -> CommandNetwork {
        let hosts = self.hosts(node, path);
        let written = node.get(NETWORK);
        let said = written.and_then(Node::text);
        let network = match said {
            Some("full") => CommandNetwork::Full,
            Some("none") => CommandNetwork::None,
            Some("allowlist") => CommandNetwork::Allowlist { hosts: hosts.clone() },
            _ if hosts.is_empty() => return CommandNetwork::None,
            _ => return CommandNetwork::Allowlist { hosts },
        };
        let (Some(written), Some(said)) = (written, said) else { return network };
        let is_list = matches!(network, CommandNetwork::Allowlist { .. });
        if is_list == hosts.is_empty() {
            let (message, hint) = if is_list {
                (
                    format!("`{NETWORK}: allowlist` names no host"),
                    format!("for example `{HOSTS}: [example.org]`"),
                )
            } else {
                (
                    format!("`{NETWORK}: {said}` contradicts the list of domains"),
                    format!("write `{NETWORK}: allowlist`, or remove `{HOSTS}`"),
                )
            };
            self.report(Finding::error(join(path, NETWORK), message).hint(hint).at(&written.origin));
        }
        network
    }

    fn hosts(&mut self, node: &Node, path: &str) -> Vec<String> {
        let mut hosts = Vec::new();
        for (i, item) in node.get(HOSTS).and_then(Node::list).unwrap_or_default().iter().enumerate() {
            let Some(host) = item.text().map(str::trim).filter(|text| !self.waits(text)) else { continue };
            if is_host(host) {
                hosts.push(host.to_ascii_lowercase());
            } else {
                let message = format!("`{}` is no host", shortened(host));
                self.report(
                    Finding::error(format!("{path}.{HOSTS}[{i}]"), message)
                        .hint("write a name such as `example.org`, `*.example.org` or `example.org:8443`")
                        .at(&item.origin),
                );
            }
        }
        hosts
    }

    /// The severity of what a person ought to know and may have meant.
    pub(super) fn doubt(&self) -> Severity {
        self.limit(Severity::Warning)
    }
}

/// Entries with a value whose key is such a one.
fn written(node: &Node, is: impl Fn(&str) -> bool) -> Vec<&Entry> {
    let entries = node.entries().unwrap_or_default().iter();
    entries.filter(|entry| is(&entry.key) && asks(&entry.node)).collect()
}

/// Whether a value says anything beyond the default of switches and lists.
fn asks(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => false,
        Value::List(items) => !items.is_empty(),
        Value::Map(entries) => !entries.is_empty(),
        Value::Bool(true) | Value::Int(_) | Value::Float(_) | Value::Text(_) => true,
    }
}

/// The reason in one line.
fn why_not(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => "it is too large".to_owned(),
        other => {
            let text = other.to_string();
            let reason = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
            reason.trim().trim_start_matches("error: ").to_owned()
        }
    }
}

/// Whether a text is a host, with `*.` in front of it or a port behind it, or `*` for all.
fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') => (name, Some(port)),
        Some(_) | None => (text, None),
    };
    let name = name.strip_prefix("*.").unwrap_or(name);
    let is_name = !name.is_empty()
        && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_'))
        && !name.starts_with(['.', '-']);
    let is_address = text.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
    is_address || is_name && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

//! Tool servers of an agent (`mcp_servers`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use massgen_protocol::spec::UNNAMED_KEY_PREFIX;
use massgen_protocol::tooling::{
    EnvironmentMode, SecurityLevel, ServerSecurity, ServerSpec, ServerTransport,
};

use super::Lower;
use super::tooling::{Collected, Owner, only, texts};
use crate::check::{join, shortened};
use crate::finding::Finding;
use crate::literal::LiteralKey;
use crate::needed::{Needed, NeededKind};
use crate::node::{Node, Origin, Value};
use crate::secrets::{self, Certainty};
use crate::{paths, words};

/// Longest name of a server, in bytes.
const NAME_BYTES: usize = 100;

/// How programs begin that run a script.
const INTERPRETERS: [&str; 6] = ["bash", "dash", "node", "python", "ruby", "sh"];

/// Options of theirs in place of a script.
const INSTEAD: [&str; 5] = ["-", "-c", "-e", "-m", "-r"];

/// How scripts end.
const SCRIPTS: [&str; 6] = ["cjs", "js", "mjs", "py", "rb", "sh"];

/// A server as it is written.
struct Written<'a> {
    /// Its path, for findings.
    path: String,
    name: &'a str,
    node: &'a Node,
}

impl Lower<'_> {
    /// The servers of the agent whose `backend` is `node`. Keys that stand in them go into `literal_keys`.
    pub(super) fn servers(
        &mut self,
        node: &Node,
        owner: &Owner<'_>,
        collected: &mut Collected<'_>,
    ) -> Vec<ServerSpec> {
        let Some(servers) = node.get("mcp_servers") else { return Vec::new() };
        let named = self.named_servers(servers, &join(&owner.path, "mcp_servers"));
        let mut specs = Vec::new();
        let mut hidden = 0;
        for written in named {
            let open = self.without_keys(&written, owner, &mut hidden, collected.literal_keys);
            let written = Written { node: &open, ..written };
            let Some(server) = self.server(&written) else { continue };
            self.tell_if_not_started(&server, &written);
            collected.needed.extend(self.script(&server, &written, owner));
            specs.push(server);
        }
        specs
    }

    /// Servers that have a name of their own.
    fn named_servers<'n>(&mut self, servers: &'n Node, path: &str) -> Vec<Written<'n>> {
        let mut named = Vec::new();
        match &servers.value {
            Value::Map(entries) => {
                for entry in entries {
                    let path = join(path, &entry.key);
                    let Value::Map(_) = entry.node.value else { continue };
                    if self.is_server_name(&path, &entry.key, &entry.key_origin) {
                        named.push(Written { path, name: &entry.key, node: &entry.node });
                    }
                }
            }
            Value::List(list) => {
                let mut seen = BTreeSet::new();
                for (i, node) in list.iter().enumerate() {
                    let path = format!("{path}[{i}]");
                    let Value::Map(_) = node.value else { continue };
                    let at = format!("{path}.name");
                    let Some(written) = node.get("name") else {
                        self.report(
                            Finding::error(at, "the server has no `name`")
                                .hint("for example `name: weather`")
                                .at(&node.origin),
                        );
                        continue;
                    };
                    let Some(name) = written.text().filter(|name| !self.waits(name)) else { continue };
                    if !self.is_server_name(&at, name, &written.origin) {
                        continue;
                    }
                    if !seen.insert(name) {
                        let message = format!("two servers have the name `{}`", shortened(name));
                        self.report(
                            Finding::error(at, message)
                                .hint("names are unique for an agent")
                                .at(&written.origin),
                        );
                        continue;
                    }
                    named.push(Written { path, name, node });
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
        named
    }

    fn is_server_name(&mut self, path: &str, name: &str, origin: &Origin) -> bool {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(fits) {
            return true;
        }
        self.report(
            Finding::error(path, format!("`{}` cannot be the name of a server", shortened(name)))
                .hint(format!("use letters, digits, `_` and `-`, at most {NAME_BYTES}"))
                .at(origin),
        );
        false
    }

    /// The server with names in place of the keys that stand in it. The names are those of variables, so that a person
    /// can set them when the run is gone on with on another day.
    fn without_keys(
        &mut self,
        written: &Written<'_>,
        owner: &Owner<'_>,
        hidden: &mut usize,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Node {
        let mut found: Vec<(Origin, LiteralKey)> = Vec::new();
        let open = secrets::apart(written.node, &mut |taken| {
            *hidden += 1;
            let what = match taken.certainty {
                Certainty::Likely => "SECRET",
                Certainty::Possible => "VALUE",
            };
            let variable = format!("{UNNAMED_KEY_PREFIX}{}_{what}_{hidden}", owner.position + 1);
            let reference = format!("${{{variable}}}");
            if let Some(agent) = owner.id {
                let key = LiteralKey::of(agent.clone(), variable, taken.text, taken.certainty);
                found.push((taken.at.clone(), key));
            }
            reference
        });
        let mut warned = false;
        for (origin, key) in found {
            if key.is_secret() && key.expose().contains("${") {
                self.report(
                    Finding::error(&written.path, "a key mixes a variable with other text")
                        .hint("put the whole key into the variable, and write `${MY_TOKEN}` alone")
                        .at(&origin),
                );
                continue;
            }
            // One warning a server: it may have a dozen of them.
            if key.is_secret() && !warned {
                warned = true;
                self.report(
                    Finding::warning(&written.path, "a key is written into the configuration itself")
                        .hint("put it into an environment variable and write `${MY_TOKEN}` in its place")
                        .at(&origin),
                );
            }
            literal_keys.push(key);
        }
        open
    }

    fn server(&mut self, written: &Written<'_>) -> Option<ServerSpec> {
        let node = written.node;
        let transport = match node.get("type").map_or(Some("stdio"), Node::text)? {
            "stdio" => self.program(written)?,
            "streamable-http" => self.address(written)?,
            // The check says what is wrong.
            _ => return None,
        };
        Some(ServerSpec {
            name: written.name.to_owned(),
            transport,
            call_time: seconds(node.get("timeout")),
            allowed: only(node.get("allowed_tools")),
            excluded: texts(node.get("exclude_tools")),
            security: security(node.get("security")),
        })
    }

    /// Tells of a server whose program will not be started.
    fn tell_if_not_started(&mut self, server: &ServerSpec, written: &Written<'_>) {
        let ServerTransport::Stdio { command, .. } = &server.transport else { return };
        let Some(program) = command.first().filter(|program| !program.contains("${")) else { return };
        if server.security.may_start(program) {
            return;
        }
        let name = ServerSecurity::program_name(program);
        let message = format!(
            "agents do without the server `{}`: its program `{}` is not among those that may be started",
            server.name,
            shortened(&name)
        );
        let place = written.node.get("command").unwrap_or(written.node);
        self.report(
            Finding::warning(join(&written.path, "command"), message)
                .hint(format!(
                    "add `security: {{allowed_executables: [{}]}}` to the server",
                    shortened(&name)
                ))
                .at(&place.origin),
        );
    }

    /// The script that the interpreter of a server runs, which must be there.
    fn script(&self, server: &ServerSpec, written: &Written<'_>, owner: &Owner<'_>) -> Option<Needed> {
        let ServerTransport::Stdio { command, folder, .. } = &server.transport else { return None };
        let script = script_of(command).filter(|script| !script.contains("${"))?;
        let path = match folder {
            Some(folder) => Path::new(folder).join(script),
            None => self.by.absolute(script).into(),
        };
        let place = written.node.get("args").unwrap_or(written.node);
        Some(Needed {
            path,
            at: join(&written.path, "args"),
            origin: place.origin.clone(),
            kind: NeededKind::Server { agent: owner.id.cloned(), name: server.name.clone() },
        })
    }

    /// A server that is a program.
    fn program(&mut self, written: &Written<'_>) -> Option<ServerTransport> {
        let node = written.node;
        let path = join(&written.path, "command");
        let mut command = self.words(node.get("command"), &path)?;
        command.extend(node.get("args").and_then(Node::list).unwrap_or_default().iter().filter_map(plain));
        if command.first().is_none_or(String::is_empty) {
            let hint = if node.get("url").is_some() {
                "for a server that is reached by `url` write `type: streamable-http`"
            } else {
                "write the program that is the server, for example `command: npx`"
            };
            self.report(Finding::error(path, "the server has no `command`").hint(hint).at(&node.origin));
            return None;
        }
        let folder = match node.get("cwd") {
            None => None,
            Some(cwd) => {
                let text = cwd.text().filter(|text| !self.waits(text))?;
                if paths::climbs(text) {
                    let path = join(&written.path, "cwd");
                    self.report(
                        Finding::error(path, "the directory of a server cannot have `..` in it")
                            .hint("write the whole path")
                            .at(&cwd.origin),
                    );
                    return None;
                }
                Some(self.by.absolute(text))
            }
        };
        let environment = self.values(node.get("env"), &join(&written.path, "env"));
        Some(ServerTransport::Stdio { command, environment, folder })
    }

    /// A server that is a service.
    fn address(&mut self, written: &Written<'_>) -> Option<ServerTransport> {
        let node = written.node;
        let path = join(&written.path, "url");
        let Some(url) = node.get("url") else {
            self.report(
                Finding::error(path, "the server has no `url`")
                    .hint("for example `url: https://tools.example.org/mcp`")
                    .at(&node.origin),
            );
            return None;
        };
        let text = url.text()?.trim();
        let lower = text.to_ascii_lowercase();
        if !(lower.starts_with("http://") || lower.starts_with("https://") || text.starts_with("${")) {
            self.report(
                Finding::error(path, "`url` does not begin with `https://` or `http://`")
                    .hint("for example `url: https://tools.example.org/mcp`")
                    .at(&url.origin),
            );
            return None;
        }
        let headers = self.values(node.get("headers"), &join(&written.path, "headers"));
        let silence = seconds(node.get("http_read_timeout"));
        Some(ServerTransport::Http { url: text.to_owned(), headers, silence })
    }

    /// A program with or without its arguments, or nothing; `None` when it cannot be read.
    pub(super) fn words(&mut self, node: Option<&Node>, path: &str) -> Option<Vec<String>> {
        let Some(node) = node else { return Some(Vec::new()) };
        let Value::Text(line) = &node.value else {
            return Some(texts(Some(node)));
        };
        let words = words::split(line);
        if words.is_none() {
            self.report(
                Finding::error(path, "a quote in the command is not closed")
                    .hint("close it, or write the command as a list: `[npx, -y, server]`")
                    .at(&node.origin),
            );
        }
        words
    }

    /// A map from name to text.
    fn values(&mut self, node: Option<&Node>, path: &str) -> BTreeMap<String, String> {
        let mut values = BTreeMap::new();
        for entry in node.and_then(Node::entries).unwrap_or_default() {
            let value = plain(&entry.node);
            if value.is_none() && entry.node.value != Value::Null {
                let message =
                    format!("`{}` must be a text, not {}", shortened(&entry.key), entry.node.describe());
                self.report(
                    Finding::error(join(path, &entry.key), message)
                        .hint("for example `TOKEN: ${MY_TOKEN}`")
                        .at(&entry.node.origin),
                );
            }
            values.extend(value.map(|value| (entry.key.clone(), value)));
        }
        values
    }
}

/// The word of `command` that is surely a script for its interpreter: the first that is no option, unless one asks for a
/// module or holds the program itself.
pub(super) fn script_of(command: &[String]) -> Option<&str> {
    let (program, arguments) = command.split_first()?;
    let program = ServerSecurity::program_name(program);
    if !INTERPRETERS.iter().any(|known| program.starts_with(known)) {
        return None;
    }
    let word = arguments.iter().find(|word| INSTEAD.contains(&word.as_str()) || !word.starts_with('-'))?;
    let is_script =
        Path::new(word).extension().is_some_and(|ending| SCRIPTS.iter().any(|known| ending == *known));
    is_script.then_some(word)
}

/// A plain value as the text that a program gets.
fn plain(node: &Node) -> Option<String> {
    match &node.value {
        Value::Text(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Int(value) => Some(value.to_string()),
        Value::Float(value) => Some(value.to_string()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

pub(super) fn seconds(node: Option<&Node>) -> Option<Duration> {
    Duration::try_from_secs_f64(node?.number()?).ok()
}

fn security(node: Option<&Node>) -> ServerSecurity {
    let Some(node) = node else { return ServerSecurity::default() };
    let level = |node: Option<&Node>| match node.and_then(Node::text) {
        Some("moderate") => SecurityLevel::Moderate,
        Some("permissive") => SecurityLevel::Permissive,
        // `high` is another word for it.
        _ => SecurityLevel::Strict,
    };
    let is_on = |key: &str| node.get(key).and_then(Node::bool) == Some(true);
    let variables = node.get("env");
    let of_variables = |key: &str| variables.and_then(|node| node.get(key));
    ServerSecurity {
        level: level(node.get("level")),
        allowed_executables: texts(node.get("allowed_executables")),
        environment_level: level(of_variables("level")),
        environment_mode: match of_variables("mode").and_then(Node::text) {
            Some("allowlist") => EnvironmentMode::Allowlist,
            _ => EnvironmentMode::Denylist,
        },
        allowed_variables: texts(of_variables("allowed_vars")),
        denied_variables: texts(of_variables("denied_vars")),
        allow_localhost: is_on("allow_localhost"),
        allow_private_ips: is_on("allow_private_ips"),
        allowed_hostnames: texts(node.get("allowed_hostnames")),
        resolve_dns: is_on("resolve_dns"),
    }
}

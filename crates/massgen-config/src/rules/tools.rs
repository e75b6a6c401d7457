//! What must hold in tool servers, tool filters and hooks.

use std::collections::BTreeSet;

use super::{Rules, waits};
use crate::check::{join, shortened};
use crate::finding::Finding;
use crate::hint::nearest;
use crate::node::{Entry, Node, Value};
use crate::paths;

/// Keys of one hook.
const HOOK_KEYS: &[&str] = &["handler", "matcher", "type", "timeout", "fail_closed"];

impl Rules<'_> {
    pub(super) fn tools(&mut self, path: &str, node: &Node) {
        self.filters(path, node);
        if let Some(servers) = node.get("mcp_servers") {
            self.servers(&format!("{path}.mcp_servers"), servers);
        }
        for moment in ["PreToolUse", "PostToolUse"] {
            if let Some(hooks) = node.at(&["hooks", moment]) {
                self.hooks(&format!("{path}.hooks.{moment}"), hooks);
            }
        }
    }

    fn filters(&mut self, path: &str, node: &Node) {
        let (Some(_), Some(excluded)) = (node.get("allowed_tools"), node.entry("exclude_tools")) else {
            return;
        };
        if excluded.node.value == Value::Null {
            return;
        }
        self.report(
            Finding::warning(
                format!("{path}.exclude_tools"),
                "`allowed_tools` and `exclude_tools` are both given",
            )
            .hint("a tool must pass both; one of the two lists is enough")
            .at(&excluded.key_origin),
        );
    }

    fn servers(&mut self, path: &str, servers: &Node) {
        match &servers.value {
            Value::Map(entries) => {
                for entry in entries {
                    let path = join(path, &entry.key);
                    self.server_name(&path, &entry.key, &entry.key_origin);
                    self.server(&path, &entry.node);
                }
            }
            Value::List(list) => {
                let mut seen = BTreeSet::new();
                for (i, server) in list.iter().enumerate() {
                    let path = format!("{path}[{i}]");
                    let Value::Map(_) = server.value else { continue };
                    let Some(name) = server.get("name") else {
                        self.report(
                            Finding::error(format!("{path}.name"), "the server has no `name`")
                                .hint("for example `name: weather`")
                                .at(&server.origin),
                        );
                        self.server(&path, server);
                        continue;
                    };
                    if let Some(text) = name.text() {
                        self.server_name(&format!("{path}.name"), text, &name.origin);
                        if !seen.insert(text) {
                            let message = format!("two servers have the name `{}`", shortened(text));
                            self.report(
                                Finding::error(format!("{path}.name"), message)
                                    .hint("names are unique for an agent")
                                    .at(&name.origin),
                            );
                        }
                    }
                    self.server(&path, server);
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
        }
    }

    fn server_name(&mut self, path: &str, name: &str, origin: &crate::node::Origin) {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if waits(name) || !name.is_empty() && name.chars().all(fits) {
            return;
        }
        self.report(
            Finding::error(path, format!("`{}` cannot be the name of a server", shortened(name)))
                .hint("use letters, digits, `_` and `-`")
                .at(origin),
        );
    }

    fn server(&mut self, path: &str, server: &Node) {
        let Value::Map(_) = server.value else { return };
        self.filters(path, server);
        let kind = server.get("type").map_or(Some("stdio"), Node::text);
        match kind {
            Some("stdio") if server.get("command").is_none() && server.get("args").is_none() => {
                let hint = if server.get("url").is_some() {
                    "for a server that is reached by `url` write `type: streamable-http`"
                } else {
                    "write the program that is the server, for example `command: npx`"
                };
                self.report(
                    Finding::error(format!("{path}.command"), "the server has no `command`")
                        .hint(hint)
                        .at(&server.origin),
                );
            }
            Some("streamable-http") => self.server_url(path, server),
            Some(_) | None => {}
        }
        if let Some(cwd) = server.get("cwd")
            && cwd.text().is_some_and(paths::climbs)
        {
            self.report(
                Finding::error(format!("{path}.cwd"), "the directory of a server cannot have `..` in it")
                    .hint("write the whole path")
                    .at(&cwd.origin),
            );
        }
    }

    fn server_url(&mut self, path: &str, server: &Node) {
        let path = format!("{path}.url");
        let Some(url) = server.get("url") else {
            self.report(
                Finding::error(path, "the server has no `url`")
                    .hint("for example `url: https://tools.example.org/mcp`")
                    .at(&server.origin),
            );
            return;
        };
        let Some(text) = url.text().filter(|text| !waits(text)) else {
            return;
        };
        let lower = text.to_ascii_lowercase();
        if !(lower.starts_with("http://") || lower.starts_with("https://")) {
            self.report(
                Finding::error(path, "`url` does not begin with `https://` or `http://`")
                    .hint("for example `url: https://tools.example.org/mcp`")
                    .at(&url.origin),
            );
        }
    }

    fn hooks(&mut self, path: &str, hooks: &Node) {
        let list = match &hooks.value {
            Value::List(list) => list,
            Value::Map(entries) => {
                for entry in entries {
                    self.hook_group_key(path, entry);
                }
                let Some(list) = hooks.get("hooks").and_then(Node::list) else {
                    return;
                };
                list
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => return,
        };
        for (i, hook) in list.iter().enumerate() {
            self.hook(&format!("{path}[{i}]"), hook);
        }
    }

    fn hook_group_key(&mut self, path: &str, entry: &Entry) {
        let place = join(path, &entry.key);
        let (wanted, hint) = match (entry.key.as_str(), &entry.node.value) {
            ("override", Value::Bool(_) | Value::Null) | ("hooks", Value::List(_)) => return,
            ("override", _) => ("`override` must be `true` or `false`", "for example `override: true`"),
            ("hooks", _) => ("`hooks` must be a list", "for example `hooks: [{handler: checks.before}]`"),
            _ => ("the map around hooks has only `override` and `hooks`", "remove it"),
        };
        self.report(Finding::error(place, wanted).hint(hint).at(&entry.key_origin));
    }

    fn hook(&mut self, path: &str, hook: &Node) {
        let Value::Map(entries) = &hook.value else {
            self.report(
                Finding::error(path, format!("a hook must be a map, not {}", hook.describe()))
                    .hint("for example `{handler: checks.before, matcher: \"write_*\"}`")
                    .at(&hook.origin),
            );
            return;
        };
        if hook.get("handler").is_none() {
            self.report(
                Finding::error(format!("{path}.handler"), "the hook has no `handler`")
                    .hint("write `module.function` or the path of a script")
                    .at(&hook.origin),
            );
        }
        for entry in entries {
            let node = &entry.node;
            let wanted = match (entry.key.as_str(), &node.value) {
                (_, Value::Null)
                | ("handler" | "matcher", Value::Text(_))
                | ("fail_closed", Value::Bool(_)) => continue,
                ("type", _) if node.text() == Some("python") => continue,
                ("timeout", _) if node.number().is_some_and(|seconds| seconds > 0.0) => continue,
                ("handler" | "matcher", _) => "a text",
                ("fail_closed", _) => "`true` or `false`",
                ("type", _) => "`python`",
                ("timeout", _) => "a number of seconds above 0",
                _ => {
                    let hint = nearest(&entry.key, HOOK_KEYS.iter().copied()).map_or_else(
                        || format!("keys here are `{}`", HOOK_KEYS.join("`, `")),
                        |meant| format!("did you mean `{meant}`?"),
                    );
                    let message = format!("unknown key `{}` in a hook", shortened(&entry.key));
                    self.report(
                        Finding::error(join(path, &entry.key), message).hint(hint).at(&entry.key_origin),
                    );
                    continue;
                }
            };
            if node.text().is_some_and(waits) {
                continue;
            }
            let message = format!("`{}` must be {wanted}, not {}", entry.key, node.describe());
            self.report(
                Finding::error(join(path, &entry.key), message)
                    .hint("for example `{handler: checks.before, matcher: \"write_*\", timeout: 30}`")
                    .at(&node.origin),
            );
        }
    }
}

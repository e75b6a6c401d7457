//! What must hold in a backend.

use massgen_protocol::spec::Protocol;

use super::{Rules, is_on, waits};
use crate::backends::{BackendType, Support};
use crate::capabilities::{described, wanted};
use crate::check::shortened;
use crate::finding::Finding;
use crate::node::{Node, Value};
use crate::paths;

/// Types that work in a folder and cannot do without one.
const NEED_A_FOLDER: &[&str] = &["claude_code", "codex"];

/// Types that say for themselves how a container reaches the network.
const NEED_A_NETWORK_MODE: &[&str] = &["codex", "copilot", "gemini_cli"];

impl<'a> Rules<'a> {
    pub(super) fn backend(&mut self, path: &str, node: &Node) {
        if let Some(kind) = self.known_kind(node) {
            self.capabilities(path, node, kind);
            self.of_the_type(path, node, &kind.name);
        }
        self.folder(path, node);
        self.schema(path, node);
        self.tools(path, node);
    }

    fn known_kind(&self, node: &Node) -> Option<&'a BackendType> {
        node.get("type").and_then(Node::text).and_then(|name| self.backends.get(name))
    }

    /// Whether the type is one of the table, for places where a backend is not looked into any further.
    pub(super) fn known_type(&mut self, path: &str, node: &Node) {
        let path = format!("{path}.type");
        let Some(written) = node.get("type") else {
            if matches!(node.value, Value::Map(_)) {
                self.report(
                    Finding::error(path, "the backend has no `type`")
                        .hint(format!("write one of {}", self.backends.running_types()))
                        .at(&node.origin),
                );
            }
            return;
        };
        let Some(name) = written.text().filter(|name| !waits(name)) else {
            return;
        };
        if self.backends.get(name).is_none() {
            let hint = self.backends.nearest_type(name).map_or_else(
                || format!("types that run are {}", self.backends.running_types()),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("unknown backend type `{}`", shortened(name));
            self.report(Finding::error(path, message).hint(hint).at(&written.origin));
        }
    }

    /// Refuses what the type or the model cannot do. The simulated model stands in for any other.
    fn capabilities(&mut self, path: &str, node: &Node, kind: &BackendType) {
        if kind.support == Support::Simulated {
            return;
        }
        let model =
            node.get("model").and_then(Node::text).or(kind.default_model.as_deref()).unwrap_or_default();
        for (key, capability) in wanted(node) {
            let Some(entry) = node.entry(key).filter(|_| !kind.can(model, capability)) else {
                continue;
            };
            let has_it = kind.capabilities.contains(&capability);
            let who = if has_it {
                format!("model `{}`", shortened(model))
            } else {
                format!("type `{}`", kind.name)
            };
            let message = format!("the {who} has no {}", described(capability));
            let other = if has_it { "model" } else { "type" };
            self.report(
                Finding::error(format!("{path}.{key}"), message)
                    .hint(format!(
                        "remove `{key}`, or choose a {other} that has it (`massgen --list-backends`)"
                    ))
                    .at(&entry.key_origin),
            );
        }
    }

    fn of_the_type(&mut self, path: &str, node: &Node, kind: &str) {
        if NEED_A_FOLDER.contains(&kind) && node.get("cwd").is_none() {
            self.report(
                Finding::error(format!("{path}.cwd"), format!("the type `{kind}` needs a `cwd`"))
                    .hint("for example `cwd: workspace`")
                    .at(&node.origin),
            );
        }
        let docker = node.get("command_line_execution_mode").filter(|mode| mode.text() == Some("docker"));
        if let Some(docker) = docker
            && NEED_A_NETWORK_MODE.contains(&kind)
            && node.get("command_line_docker_network_mode").is_none()
        {
            let message = format!("the type `{kind}` in a container must say how it reaches the network");
            self.report(
                Finding::error(format!("{path}.command_line_docker_network_mode"), message)
                    .hint("for example `command_line_docker_network_mode: bridge`")
                    .at(&docker.origin),
            );
        }
        if kind == "grok"
            && let Some(entry) = node.get("extra_body").and_then(|body| body.entry("search_parameters"))
        {
            self.report(
                Finding::error(
                    format!("{path}.extra_body.search_parameters"),
                    "`search_parameters` is a way to search that xAI no longer offers",
                )
                .hint("use `enable_web_search: true` or `enable_x_search: true`")
                .at(&entry.key_origin),
            );
        }
        if kind == "claude"
            && is_on(node, "enable_strict_tool_use")
            && is_on(node, "enable_programmatic_flow")
            && let Some(entry) = node.entry("enable_strict_tool_use")
        {
            self.report(
                Finding::warning(
                    format!("{path}.enable_strict_tool_use"),
                    "tools that are called from code cannot be strict",
                )
                .hint("leave out `enable_strict_tool_use` or `enable_programmatic_flow`")
                .at(&entry.key_origin),
            );
        }
    }

    /// A workspace stays where workspaces are.
    fn folder(&mut self, path: &str, node: &Node) {
        let Some(cwd) = node.get("cwd") else { return };
        let Some(text) = cwd.text() else { return };
        if paths::climbs(text) {
            self.report(
                Finding::error(format!("{path}.cwd"), "`cwd` leads out of the folder of workspaces")
                    .hint("write a name such as `workspace`; for real directories use `context_paths`")
                    .at(&cwd.origin),
            );
        }
    }

    fn schema(&mut self, path: &str, node: &Node) {
        let Some(schema) = node.get("output_schema") else { return };
        let Some(entries) = schema.entries() else { return };
        let typed = ["type", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"];
        let takes_objects_only = self.known_kind(node).is_some_and(|kind| match kind.protocol {
            Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages => true,
            Protocol::Gemini | Protocol::Ollama => false,
        });
        let is_other = schema.get("type").is_some_and(|kind| kind.text() != Some("object"));
        let message = if entries.is_empty() {
            "`output_schema` is empty"
        } else if takes_objects_only && is_other {
            "services of this type take only an `output_schema` of the type `object`"
        } else if !typed.iter().any(|key| schema.get(key).is_some()) {
            "`output_schema` does not say a `type`"
        } else {
            return;
        };
        self.report(
            Finding::warning(format!("{path}.output_schema"), message)
                .hint("for example `output_schema: {type: object, properties: {answer: {type: string}}}`")
                .at(&schema.origin),
        );
    }
}

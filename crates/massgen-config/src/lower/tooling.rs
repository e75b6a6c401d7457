//! What an agent may work with, and where: its workspace, and the tools that its `backend` names.

use std::num::NonZeroU32;

use massgen_protocol::AgentId;
use massgen_protocol::tooling::{FileTools, Planning, Tooling};
use massgen_protocol::workspace::{ContextPath, DriftPolicy, Isolation, WorkspaceSpec};

use super::commands::OtherPrograms;
use super::{Lower, workspace};
use crate::check::join;
use crate::finding::Finding;
use crate::literal::LiteralKey;
use crate::needed::Needed;
use crate::node::{Node, Value};
use crate::registry::is_of_the_agent;

/// What the configuration says for all agents of a team.
pub(super) struct Common<'a> {
    /// `orchestrator.context_paths`.
    pub(super) contexts: Vec<ContextPath>,
    pub(super) isolation: Isolation,
    pub(super) drift: DriftPolicy,
    /// `orchestrator.agent_temporary_workspace`, from the root where it begins in the home folder.
    pub(super) peers: Option<String>,
    planning: Planning,
    /// `hooks` at the top level.
    pub(super) hooks: Option<&'a Node>,
}

/// Whose tools are lowered.
pub(super) struct Owner<'a> {
    /// The path of its backend, for findings.
    pub(super) path: String,
    /// Its position in the list, from 0.
    pub(super) position: usize,
    /// Its name, when it has one.
    pub(super) id: Option<&'a AgentId>,
}

/// What is collected on the way, for all agents.
pub(super) struct Collected<'a> {
    /// Keys that stand in the configuration itself.
    pub(super) literal_keys: &'a mut Vec<LiteralKey>,
    /// Files that must be there.
    pub(super) needed: &'a mut Vec<Needed>,
}

/// What an agent works with.
#[derive(Default)]
pub(super) struct Equipment {
    pub(super) workspace: Option<Box<WorkspaceSpec>>,
    pub(super) tooling: Box<Tooling>,
}

impl Lower<'_> {
    /// What holds for all agents.
    pub(super) fn common<'n>(&mut self, root: &'n Node, needed: &mut Vec<Needed>) -> Common<'n> {
        let orchestrator = root.get("orchestrator");
        let coordination = orchestrator.and_then(|node| node.get("coordination"));
        let plans = coordination.and_then(|node| node.get("enable_agent_task_planning"));
        let peers = orchestrator.and_then(|node| node.get("agent_temporary_workspace")).and_then(Node::text);
        let peers = peers.map(str::trim).filter(|text| !text.is_empty());
        Common {
            contexts: orchestrator
                .map(|node| self.contexts(node, "orchestrator", needed))
                .unwrap_or_default(),
            isolation: workspace::isolation(coordination),
            drift: workspace::drift(coordination),
            peers: peers.map(
                |text| {
                    if text.starts_with("~/") { self.by.absolute(text) } else { text.to_owned() }
                },
            ),
            planning: if plans.and_then(Node::bool) == Some(true) { Planning::On } else { Planning::Off },
            hooks: root.get("hooks"),
        }
    }

    /// What the agent whose `backend` is `node` works with.
    pub(super) fn equipment(
        &mut self,
        node: &Node,
        owner: &Owner<'_>,
        common: &Common<'_>,
        collected: &mut Collected<'_>,
    ) -> Equipment {
        let Value::Map(_) = node.value else { return Equipment::default() };
        let path = owner.path.as_str();
        let workspace = self.workspace(node, owner, common, collected.needed);
        let is_on = |key: &str| node.get(key).and_then(Node::bool);
        let at_once = node.get("max_concurrent_tools").and_then(Node::int).and_then(NonZeroU32::new);
        let concurrent = match is_on("concurrent_tool_execution") {
            Some(false) => NonZeroU32::MIN,
            Some(true) | None => at_once.unwrap_or(Tooling::CONCURRENT),
        };
        let servers = self.servers(node, owner, collected);
        let custom = self.custom_tools(node, path, collected.needed);
        let others = OtherPrograms::of(&servers, &custom);
        let (commands, programs) = self.commands(node, path, others, collected.needed);
        let only_writers = is_on("exclude_file_operation_mcps") == Some(true);
        let tooling = Tooling {
            files: if only_writers { FileTools::WritersOnly } else { FileTools::All },
            commands,
            programs,
            planning: common.planning,
            servers,
            custom,
            allowed: only(node.get("allowed_tools")),
            excluded: texts(node.get("exclude_tools")),
            hooks: self.hooks(node, path, common.hooks, collected.needed),
            permissions: self.permissions(node, path),
            concurrent,
        };
        self.loose_rules(&tooling, node, path);
        Equipment { workspace, tooling: Box::new(tooling) }
    }

    /// An agent works in one place with one set of tools, whichever model answers for it.
    pub(super) fn no_equipment(&mut self, fallback: &Node, path: &str) {
        for entry in fallback.entries().unwrap_or_default() {
            if entry.node.value == Value::Null || !is_of_the_agent(&entry.key) {
                continue;
            }
            let message = format!("`{}` cannot stand in an entry of `fallback`", entry.key);
            self.report(
                Finding::error(join(path, &entry.key), message)
                    .hint("write it in the agent's `backend`: it holds for all of its models")
                    .at(&entry.key_origin),
            );
        }
    }
}

/// The texts of a list.
pub(super) fn texts(node: Option<&Node>) -> Vec<String> {
    let items = node.and_then(Node::list).unwrap_or_default();
    items.iter().filter_map(Node::text).map(str::to_owned).collect()
}

/// The texts of a list that says what alone is taken; an empty one says nothing.
pub(super) fn only(node: Option<&Node>) -> Option<Vec<String>> {
    Some(texts(node)).filter(|names| !names.is_empty())
}

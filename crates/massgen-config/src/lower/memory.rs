//! Memory files: notes of agents for the questions that follow.

use massgen_protocol::Memory;
use massgen_protocol::spec::AgentSpec;

use super::Lower;
use crate::finding::Finding;
use crate::node::Node;

/// The key, where it stands.
const PATH: &str = "orchestrator.coordination.enable_memory_filesystem_mode";

impl Lower<'_> {
    /// `Some` when agents keep memory files. Which there are is not known yet. An agent keeps them with its file tools: one
    /// that has none is told of.
    pub(super) fn memories(&mut self, coordination: &Node, agents: &[AgentSpec]) -> Option<Vec<Memory>> {
        let node = coordination.get("enable_memory_filesystem_mode")?;
        if node.bool() != Some(true) {
            return None;
        }
        let without = agents.iter().filter(|agent| agent.workspace.is_none());
        let without: Vec<String> = without.map(|agent| format!("`{}`", agent.id)).collect();
        if !without.is_empty() {
            let (agents, have) = if without.len() == 1 { ("agent", "has") } else { ("agents", "have") };
            let message =
                format!("{agents} {} {have} no workspace, so no memory files either", without.join(", "));
            self.report(
                Finding::warning(PATH, message)
                    .hint("give the `backend` of an agent that keeps them a `cwd`, for example `cwd: workspace`")
                    .at(&node.origin),
            );
        }
        Some(Vec::new())
    }
}

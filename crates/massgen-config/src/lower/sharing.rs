//! What agents see of each other's work.

use massgen_protocol::spec::AgentSpec;

use super::Lower;
use crate::finding::Finding;
use crate::node::Node;

impl Lower<'_> {
    /// Tells which agents read the answers of others without their files: those without a workspace, in a team where others
    /// have one.
    pub(super) fn tell_who_sees_no_files(&mut self, agents: &[AgentSpec], written: Option<&Node>) {
        let (with, without): (Vec<_>, Vec<_>) = agents.iter().partition(|agent| agent.workspace.is_some());
        if with.is_empty() || without.is_empty() {
            return;
        }
        let names: Vec<String> = without.iter().map(|agent| format!("`{}`", agent.id)).collect();
        let who = match names.as_slice() {
            [one] => format!("agent {one} has no workspace: it reads"),
            several => format!("agents {} have no workspace: they read", several.join(", ")),
        };
        let finding =
            Finding::notice("agents", format!("{who} the answers of the others, and not their files"))
                .hint("`cwd: workspace` in a `backend` gives an agent one");
        self.report(match written {
            Some(node) => finding.at(&node.origin),
            None => finding,
        });
    }
}

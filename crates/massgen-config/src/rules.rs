//! What must hold between keys: the part of the check that the registry cannot say of one key alone.

mod backend;
mod coordination;
mod tools;

use std::collections::{BTreeSet, HashSet};

use crate::backends::Backends;
use crate::finding::{Finding, Severity};
use crate::hint::nearest;
use crate::node::{Node, Value};

/// Adds what is wrong between the keys of `root`. What an error stands for already is not told again.
pub(crate) fn rules(root: &Node, backends: &Backends, findings: &mut Vec<Finding>) {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    let wrong = errors.map(|finding| finding.path.clone()).collect();
    let mut rules = Rules { findings, backends, wrong };
    let agents = agents(root);
    for (path, agent) in &agents {
        if let Some(backend) = agent.get("backend") {
            rules.backend(&format!("{path}.backend"), backend);
        }
        let fallback = agent.get("fallback").and_then(Node::list).unwrap_or_default();
        for (i, backend) in fallback.iter().enumerate() {
            rules.backend(&format!("{path}.fallback[{i}]"), backend);
        }
        if let Some(team) = agent.get("subagent_agents") {
            rules.team(&format!("{path}.subagent_agents"), team);
        }
    }
    rules.owner(&agents);
    rules.decomposition(root, &agents);
    rules.coordination(root, &agents);
}

/// Collects findings.
struct Rules<'a> {
    findings: &'a mut Vec<Finding>,
    backends: &'a Backends,
    /// Paths that have an error already.
    wrong: HashSet<String>,
}

/// The agents, each with its path.
fn agents(root: &Node) -> Vec<(String, &Node)> {
    match (root.get("agents").and_then(Node::list), root.get("agent")) {
        (Some(list), _) => {
            list.iter().enumerate().map(|(i, agent)| (format!("agents[{i}]"), agent)).collect()
        }
        (None, Some(agent)) => vec![("agent".to_owned(), agent)],
        (None, None) => Vec::new(),
    }
}

/// Whether the switch `key` of `node` is on.
fn is_on(node: &Node, key: &str) -> bool {
    node.get(key).and_then(Node::bool) == Some(true)
}

/// Whether a text waits for a variable and so cannot be judged.
fn waits(text: &str) -> bool {
    text.contains("${")
}

impl Rules<'_> {
    fn report(&mut self, finding: Finding) {
        if self.wrong.contains(&finding.path) {
            return;
        }
        if finding.severity == Severity::Error {
            self.wrong.insert(finding.path.clone());
        }
        self.findings.push(finding);
    }

    /// At most one agent owns the checkpoints.
    fn owner(&mut self, agents: &[(String, &Node)]) {
        let owners: Vec<_> = agents.iter().filter(|(_, agent)| is_on(agent, "main_agent")).collect();
        if let [(first, _), (path, second), ..] = owners.as_slice()
            && let Some(entry) = second.entry("main_agent")
        {
            self.report(
                Finding::error(format!("{path}.main_agent"), "more than one agent has `main_agent: true`")
                    .hint(format!("at most one agent owns the checkpoints; the first is `{first}`"))
                    .at(&entry.node.origin),
            );
        }
    }

    /// What each agent does when the task is cut into parts, and who puts the parts together.
    fn decomposition(&mut self, root: &Node, agents: &[(String, &Node)]) {
        let Some(mode) = root.at(&["orchestrator", "coordination_mode"]) else {
            return;
        };
        if mode.text() != Some("decomposition") {
            return;
        }
        let decomposer = root.at(&["orchestrator", "coordination", "task_decomposer", "enabled"]);
        let by_a_model = decomposer.and_then(Node::bool) == Some(true);
        if !by_a_model && !agents.iter().any(|(_, agent)| agent.get("subtask").is_some()) {
            self.report(
                Finding::warning("orchestrator.coordination_mode", "no agent has a `subtask`")
                    .hint(
                        "give each agent its part with `subtask`, or say that a model cuts the task with `task_decomposer: \
                         {enabled: true}` in `orchestrator.coordination`",
                    )
                    .at(&mode.origin),
            );
        }
        let Some(presenter) = root.at(&["orchestrator", "presenter_agent"]) else {
            return;
        };
        let Some(name) = presenter.text().filter(|name| !waits(name)) else {
            return;
        };
        let ids: Vec<_> =
            agents.iter().filter_map(|(_, agent)| agent.get("id").and_then(Node::text)).collect();
        if !ids.contains(&name) && !ids.iter().any(|id| waits(id)) {
            let hint = nearest(name, ids.iter().copied()).map_or_else(
                || format!("agents are `{}`", ids.join("`, `")),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("there is no agent `{}`", crate::check::shortened(name));
            self.report(
                Finding::error("orchestrator.presenter_agent", message).hint(hint).at(&presenter.origin),
            );
        }
    }

    /// A team of sub-agents: every member has a backend of a known type, and names are unique.
    fn team(&mut self, path: &str, team: &Node) {
        let mut seen = BTreeSet::new();
        for (i, member) in team.list().unwrap_or_default().iter().enumerate() {
            let Value::Map(_) = member.value else { continue };
            let path = format!("{path}[{i}]");
            if let Some(id) = member.get("id")
                && let Some(text) = id.text()
                && !seen.insert(text)
            {
                let message = format!("two members have the id `{}`", crate::check::shortened(text));
                self.report(
                    Finding::error(format!("{path}.id"), message).hint("choose another name").at(&id.origin),
                );
            }
            let Some(backend) = member.get("backend") else {
                self.report(
                    Finding::error(format!("{path}.backend"), "the member of the team has no `backend`")
                        .hint("for example `backend: {type: openai, model: gpt-5.4}`")
                        .at(&member.origin),
                );
                continue;
            };
            self.known_type(&format!("{path}.backend"), backend);
        }
    }
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;

//! The agents of a team.

use std::collections::BTreeMap;

use massgen_protocol::AgentId;
use massgen_protocol::limits;
use massgen_protocol::spec::{AgentSpec, VotingSensitivity};

use super::Lower;
use crate::finding::{Finding, Severity};
use crate::literal::LiteralKey;
use crate::node::{Node, Origin, Value};

/// The agents, with the place of each and the keys that stand in the configuration itself.
#[derive(Default)]
pub(super) struct Team {
    pub(super) agents: Vec<AgentSpec>,
    pub(super) origins: Vec<Origin>,
    pub(super) literal_keys: Vec<LiteralKey>,
}

/// Where an agent stands.
pub(super) struct Place<'a> {
    /// Its path, for findings.
    pub(super) path: &'a str,
    /// Its position in the list, from 0.
    pub(super) position: usize,
}

const EXAMPLE: &str = "for example `agents: [{id: a, backend: {type: openai, model: gpt-5.4}}]`";

/// Flags of tools that OpenAI runs itself.
const OPENAI_TOOLS: &[&str] =
    &["enable_web_search", "enable_code_interpreter", "enable_code_execution", "enable_computer_use"];

impl Lower<'_> {
    pub(super) fn team(&mut self, root: &Node) -> Team {
        let mut team = Team::default();
        let default = self
            .sensitivity(root.at(&["orchestrator", "voting_sensitivity"]), "orchestrator.voting_sensitivity");
        let default = default.unwrap_or(VotingSensitivity::Lenient);
        let written: Vec<(String, &Node)> = match (root.get("agents"), root.get("agent")) {
            (Some(_), Some(agent)) => {
                self.report(
                    Finding::error("agent", "both `agent` and `agents` are given")
                        .hint("write one of them: `agents` with all agents")
                        .at(&agent.origin),
                );
                return team;
            }
            (None, None) => {
                self.report(Finding::error("root", "there are no agents").hint(EXAMPLE).at(&root.origin));
                return team;
            }
            (None, Some(agent)) => vec![("agent".to_owned(), agent)],
            (Some(agents), None) => {
                let Value::List(list) = &agents.value else {
                    return team;
                };
                if list.is_empty() {
                    self.report(
                        Finding::error("agents", "the list of agents is empty")
                            .hint(EXAMPLE)
                            .at(&agents.origin),
                    );
                }
                if list.len() > limits::AGENTS {
                    let message =
                        format!("there are {} agents; at most {} can run", list.len(), limits::AGENTS);
                    self.report(Finding::error("agents", message).hint("leave some out").at(&agents.origin));
                    return team;
                }
                list.iter().enumerate().map(|(i, agent)| (format!("agents[{i}]"), agent)).collect()
            }
        };
        self.note_openai(&written);
        let mut seen: BTreeMap<AgentId, (String, Origin)> = BTreeMap::new();
        for (position, (path, node)) in written.iter().enumerate() {
            let Value::Map(_) = node.value else { continue };
            let place = Place { path, position };
            let id = self.agent_id(node, &place, &mut seen);
            let sensitivity = self
                .sensitivity(node.get("voting_sensitivity"), &format!("{path}.voting_sensitivity"))
                .unwrap_or(default);
            let backend = self.backend(node, &place, id.as_ref(), &mut team.literal_keys);
            if let (Some(id), Some(backend)) = (id, backend) {
                let system_message = node.get("system_message").and_then(Node::text).map(str::to_owned);
                let fallback = Vec::new();
                team.agents.push(AgentSpec {
                    id,
                    backend,
                    fallback,
                    system_message,
                    voting_sensitivity: sensitivity,
                });
                team.origins.push(node.get("backend").unwrap_or(node).origin.clone());
            }
        }
        team
    }

    /// Says once that OpenAI is not reached over its own protocol: as a warning at the first built-in tool that is asked
    /// for, else as a notice at the first agent.
    fn note_openai(&mut self, agents: &[(String, &Node)]) {
        let mut note: Option<Finding> = None;
        for (path, agent) in agents {
            let Some(backend) = agent.get("backend") else {
                continue;
            };
            let Some(kind) = backend.get("type").filter(|kind| kind.text() == Some("openai")) else {
                continue;
            };
            let asked = OPENAI_TOOLS
                .iter()
                .filter_map(|key| backend.entry(key))
                .find(|entry| entry.node.bool() == Some(true));
            let message =
                "`openai` is reached over Chat Completions in this version, without OpenAI's built-in tools";
            match asked {
                Some(entry) => {
                    let path = format!("{path}.backend.{}", entry.key);
                    let hint = "the agents answer from what they know";
                    let severity = self.limit(Severity::Warning);
                    return self
                        .report(Finding::new(severity, path, message).hint(hint).at(&entry.key_origin));
                }
                None if note.is_none() => {
                    let path = format!("{path}.backend.type");
                    note =
                        Some(Finding::notice(path, message).hint("answers come as usual").at(&kind.origin));
                }
                None => {}
            }
        }
        if let Some(note) = note {
            self.report(note);
        }
    }

    fn agent_id(
        &mut self,
        agent: &Node,
        place: &Place<'_>,
        seen: &mut BTreeMap<AgentId, (String, Origin)>,
    ) -> Option<AgentId> {
        let path = format!("{}.id", place.path);
        let Some(node) = agent.get("id") else {
            let hint = format!("for example `id: agent{}`", place.position + 1);
            self.report(Finding::error(path, "the agent has no `id`").hint(hint).at(&agent.origin));
            return None;
        };
        let text = node.text().filter(|text| !self.waits(text))?;
        let id = match AgentId::new(text) {
            Ok(id) => id,
            Err(error) => {
                let hint = "the id names folders of the run; `analyst_1` is a good one";
                self.report(Finding::error(path, error.to_string()).hint(hint).at(&node.origin));
                return None;
            }
        };
        if let Some((first, origin)) = seen.get(&id) {
            let line = origin.span().map(|span| format!(" in line {}", span.line)).unwrap_or_default();
            let message = format!("two agents have the id `{id}`");
            self.report(
                Finding::error(path, message).hint(format!("the first is `{first}`{line}")).at(&node.origin),
            );
            return None;
        }
        seen.insert(id.clone(), (place.path.to_owned(), node.origin.clone()));
        Some(id)
    }

    /// The policy for a written sensitivity. Those that have no policy of their own here take the nearest one.
    fn sensitivity(&mut self, node: Option<&Node>, path: &str) -> Option<VotingSensitivity> {
        let node = node?;
        let (policy, merged) = match node.text()? {
            "lenient" => (VotingSensitivity::Lenient, None),
            "balanced" => (VotingSensitivity::Balanced, None),
            "strict" => (VotingSensitivity::Strict, None),
            // It improves only for a large gain, so it votes readily.
            "roi_conservative" => (VotingSensitivity::Lenient, Some("lenient")),
            "roi" | "roi_balanced" | "consistency" | "diversity" | "reflective" | "checklist" => {
                (VotingSensitivity::Balanced, Some("balanced"))
            }
            // `sequential` is strict on the first turn of a conversation, and there is only one turn.
            "roi_aggressive" | "sequential" | "adversarial" | "checklist_scored" | "checklist_gated" => {
                (VotingSensitivity::Strict, Some("strict"))
            }
            _ => return None,
        };
        if let Some(name) = merged {
            let written = node.text().unwrap_or_default();
            self.report(
                Finding::new(
                    self.limit(Severity::Warning),
                    path,
                    format!("`{written}` has no policy of its own in this version; `{name}` is used"),
                )
                .hint(format!("write `{name}` to mean exactly that"))
                .at(&node.origin),
            );
        }
        Some(policy)
    }
}

//! The agents of a team.

use std::collections::BTreeMap;

use massgen_protocol::AgentId;
use massgen_protocol::limits;
use massgen_protocol::spec::{AgentSpec, BackendSpec, VotingSensitivity};

use super::Lower;
use super::backend::Slot;
use super::calls::RateTable;
use super::has_only_logs;
use super::tooling::{Collected, Equipment, Owner};
use super::uploads::Receiver;
use crate::check::Purpose;
use crate::finding::{Finding, Severity};
use crate::literal::LiteralKey;
use crate::needed::Needed;
use crate::node::{Node, Origin, Value};
use crate::uploads::Upload;

/// The agents, with the place of each and the keys that stand in the configuration itself.
#[derive(Default)]
pub(super) struct Team {
    pub(super) agents: Vec<AgentSpec>,
    /// Where the backends of each agent stand, its own first.
    pub(super) origins: Vec<Vec<Origin>>,
    pub(super) literal_keys: Vec<LiteralKey>,
    pub(super) uploads: Vec<Upload>,
    /// Files that must be there.
    pub(super) needed: Vec<Needed>,
}

/// Where an agent stands.
pub(super) struct Place<'a> {
    /// Its path, for findings.
    pub(super) path: &'a str,
    /// Its position in the list, from 0.
    pub(super) position: usize,
}

const EXAMPLE: &str = "for example `agents: [{id: a, backend: {type: openai, model: gpt-5.4}}]`";

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
            (None, None) if matches!(self.by.purpose, Purpose::Judge { .. }) && has_only_logs(root) => {
                let message = "it names no agents: it says only what becomes of old runs";
                self.report(Finding::notice("root", message).at(&root.origin));
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
        let rates = self.rates(root);
        let common = self.common(root, &mut team.needed);
        let mut seen: BTreeMap<AgentId, (String, Origin)> = BTreeMap::new();
        for (position, (path, node)) in written.iter().enumerate() {
            let Value::Map(_) = node.value else { continue };
            let place = Place { path, position };
            let id = self.agent_id(node, &place, &mut seen);
            let sensitivity = self
                .sensitivity(node.get("voting_sensitivity"), &format!("{path}.voting_sensitivity"))
                .unwrap_or(default);
            let mut slot = Slot { path: format!("{path}.backend"), position, entry: 0, agent: id.as_ref() };
            let mut origins = vec![node.get("backend").unwrap_or(node).origin.clone()];
            let own = node.get("backend");
            if own.is_none() {
                let hint = "for example `backend: {type: openai, model: gpt-5.4}`";
                let message = "the agent has no `backend`";
                self.report(Finding::error(&slot.path, message).hint(hint).at(&node.origin));
            }
            let mut backend = own.and_then(|own| self.reached(own, &slot, &rates, &mut team.literal_keys));
            let form = own.and_then(|own| self.form(own, &slot));
            if let (Some(own), Some(backend)) = (own, &mut backend) {
                self.take_form(own, &slot, backend, form.as_ref());
            }
            let mut fallback = Vec::new();
            for (i, node) in node.get("fallback").and_then(Node::list).unwrap_or_default().iter().enumerate()
            {
                slot.path = format!("{path}.fallback[{i}]");
                slot.entry = i + 1;
                self.no_uploads(node, &slot.path);
                self.no_equipment(node, &slot.path);
                self.refuse_own_form(node, &slot);
                if let Some(mut backend) = self.reached(node, &slot, &rates, &mut team.literal_keys) {
                    self.take_form(node, &slot, &mut backend, form.as_ref());
                    fallback.push(backend);
                    origins.push(node.origin.clone());
                }
            }
            if let Some(own) = own {
                let path = format!("{path}.backend");
                let (agent, own_spec) = (id.as_ref(), backend.as_ref());
                let receiver = Receiver { path, agent, own: own_spec, fallback: &fallback };
                team.uploads.extend(self.uploads(own, &receiver));
            }
            let mut equipment = Equipment::default();
            if let Some(own) = own {
                let owner = Owner { path: format!("{path}.backend"), position, id: id.as_ref() };
                let (literal_keys, needed) = (&mut team.literal_keys, &mut team.needed);
                equipment = self.equipment(own, &owner, &common, &mut Collected { literal_keys, needed });
            }
            if let (Some(id), Some(backend)) = (id, backend) {
                let system_message = node.get("system_message").and_then(Node::text).map(str::to_owned);
                team.agents.push(AgentSpec {
                    id,
                    backend,
                    fallback,
                    system_message,
                    voting_sensitivity: sensitivity,
                    attachments: Vec::new(),
                    workspace: equipment.workspace,
                    tooling: equipment.tooling,
                });
                team.origins.push(origins);
            }
        }
        team
    }

    /// A backend with all that is said about its calls.
    fn reached(
        &mut self,
        node: &Node,
        slot: &Slot<'_>,
        rates: &RateTable,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Option<BackendSpec> {
        let mut backend = self.backend(node, slot, literal_keys)?;
        self.calls(node, &slot.path, &mut backend, rates);
        Some(backend)
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

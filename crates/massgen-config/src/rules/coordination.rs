//! What must hold in `orchestrator` and `orchestrator.coordination`.

use super::{Rules, is_on, waits};
use crate::finding::Finding;
use crate::node::{Entry, Node};
use crate::registry::SUBAGENTS;

const PATH: &str = "orchestrator.coordination";

/// The sensitivity with a checklist that an agent cannot vote without.
const GATED: &str = "checklist_gated";

impl Rules<'_> {
    pub(super) fn coordination(&mut self, root: &Node, agents: &[(String, &Node)]) {
        let Some(orchestrator) = root.get("orchestrator") else {
            return;
        };
        let Some(node) = orchestrator.get("coordination") else {
            return;
        };
        let sensitivity = orchestrator.get("voting_sensitivity").and_then(Node::text);
        let gated = sensitivity == Some(GATED);
        if let Some(entry) = node.entry("enable_changedoc")
            && gated
            && entry.node.bool() == Some(false)
        {
            self.report(
                Finding::warning(
                    format!("{PATH}.enable_changedoc"),
                    "`checklist_gated` reads the document of changes, which is switched off",
                )
                .hint("remove `enable_changedoc: false`, or choose another `voting_sensitivity`")
                .at(&entry.key_origin),
            );
        }
        self.criteria(node);
        self.subagents(node);
        self.evaluator(node, agents.len(), sensitivity);
        self.resume(node);
    }

    fn criteria(&mut self, node: &Node) {
        const TEXTS: &[&str] = &["text", "description", "name"];
        let inline = node.entry("checklist_criteria_inline");
        let list = inline.and_then(|entry| entry.node.list()).unwrap_or_default();
        for (i, criterion) in list.iter().enumerate() {
            if criterion.entries().is_some() && !TEXTS.iter().any(|key| criterion.get(key).is_some()) {
                self.report(
                    Finding::error(
                        format!("{PATH}.checklist_criteria_inline[{i}].text"),
                        "the criterion has no `text`",
                    )
                    .hint("for example `{text: every claim has a source, category: primary}`")
                    .at(&criterion.origin),
                );
            }
        }
        let generator = node.get("evaluation_criteria_generator");
        if let (Some(entry), Some(generator)) = (inline, generator)
            && !list.is_empty()
            && is_on(generator, "enabled")
        {
            self.report(
                Finding::warning(
                    format!("{PATH}.checklist_criteria_inline"),
                    "criteria are written out and made by a model too; the written ones are used",
                )
                .hint("leave out `evaluation_criteria_generator`")
                .at(&entry.key_origin),
            );
        }
        if let Some(generator) = generator {
            let number = |key: &str, default: i64| generator.get(key).map_or(Some(default), Node::int);
            if let (Some(least), Some(most)) = (number("min_criteria", 4), number("max_criteria", 10))
                && least > most
            {
                let message = format!("`min_criteria` ({least}) is above `max_criteria` ({most})");
                self.report(
                    Finding::error(format!("{PATH}.evaluation_criteria_generator"), message)
                        .hint("write both, the smaller one as `min_criteria`")
                        .at(&generator.origin),
                );
            }
        }
    }

    fn subagents(&mut self, node: &Node) {
        let seconds = |key: &str, default: f64| node.get(key).map_or(Some(default), Node::number);
        if let (Some(least), Some(most)) =
            (seconds("subagent_min_timeout", 60.0), seconds("subagent_max_timeout", 600.0))
            && least > most
            && let Some(entry) =
                node.entry("subagent_min_timeout").or_else(|| node.entry("subagent_max_timeout"))
        {
            let message =
                format!("`subagent_min_timeout` ({least}) is above `subagent_max_timeout` ({most})");
            self.report(
                Finding::error(format!("{PATH}.{}", entry.key), message)
                    .hint("write both, the smaller one as `subagent_min_timeout`")
                    .at(&entry.node.origin),
            );
        }
        let mode = node.get("subagent_runtime_mode").map_or(Some("isolated"), Node::text);
        if let Some(entry) = written(node, "subagent_runtime_fallback_mode")
            && mode.is_some_and(|mode| mode != "isolated" && !waits(mode))
        {
            self.report(
                Finding::error(
                    format!("{PATH}.subagent_runtime_fallback_mode"),
                    "a fallback is only for `subagent_runtime_mode: isolated`",
                )
                .hint("remove it, or write `subagent_runtime_mode: isolated`")
                .at(&entry.key_origin),
            );
        }
        if let Some(agents) = node.at(&["subagent_orchestrator", "agents"]) {
            let path = format!("{PATH}.subagent_orchestrator.agents");
            let count = agents.list().unwrap_or_default().len();
            if count > SUBAGENTS {
                let message =
                    format!("there are {count} agents in a team of sub-agents; at most {SUBAGENTS} can run");
                self.report(Finding::error(&path, message).hint("leave some out").at(&agents.origin));
            }
            self.team(&path, agents);
        }
    }

    /// What the team that judges a round before the checklist needs.
    fn evaluator(&mut self, node: &Node, agents: usize, sensitivity: Option<&str>) {
        let managed = is_on(node, "orchestrator_managed_round_evaluator");
        if let Some(entry) = node.entry("enable_execution_trace_analyzer")
            && entry.node.bool() == Some(true)
            && !managed
        {
            self.report(
                Finding::error(
                    format!("{PATH}.enable_execution_trace_analyzer"),
                    "the analyser of traces runs beside the round evaluator, which is off",
                )
                .hint("add `orchestrator_managed_round_evaluator: true`")
                .at(&entry.key_origin),
            );
        }
        let Some(entry) = node.entry("round_evaluator_before_checklist") else {
            return;
        };
        if entry.node.bool() != Some(true) || !managed {
            return;
        }
        let kinds = node.get("subagent_types").and_then(Node::list).unwrap_or_default();
        let needs = [
            (agents == 1, "exactly one agent"),
            (sensitivity == Some(GATED), "`voting_sensitivity: checklist_gated` in `orchestrator`"),
            (is_on(node, "enable_subagents"), "`enable_subagents: true`"),
            (
                node.get("subagent_orchestrator").is_some_and(|team| is_on(team, "enabled")),
                "`subagent_orchestrator: {enabled: true, …}`",
            ),
            (
                kinds.iter().any(|kind| kind.text() == Some("round_evaluator")),
                "`round_evaluator` among `subagent_types`",
            ),
            (!is_on(node, "round_evaluator_skip_synthesis"), "no `round_evaluator_skip_synthesis`"),
        ];
        let missing: Vec<_> = needs.iter().filter(|(met, _)| !met).map(|(_, need)| *need).collect();
        if !missing.is_empty() {
            self.report(
                Finding::error(
                    format!("{PATH}.round_evaluator_before_checklist"),
                    "the round evaluator cannot run with these settings",
                )
                .hint(format!("it needs {}", missing.join(", ")))
                .at(&entry.key_origin),
            );
        }
    }

    fn resume(&mut self, node: &Node) {
        let Some(resume) = node.get("resume_from_log") else { return };
        if resume.entries().is_none() {
            return;
        }
        for key in ["log_path", "round"] {
            if resume.get(key).is_none() {
                self.report(
                    Finding::error(
                        format!("{PATH}.resume_from_log.{key}"),
                        format!("`resume_from_log` has no `{key}`"),
                    )
                    .hint("for example `resume_from_log: {log_path: log_20260102_030405, round: 1}`")
                    .at(&resume.origin),
                );
            }
        }
    }
}

/// The entry of `key`, unless `null` stands there.
fn written<'a>(node: &'a Node, key: &str) -> Option<&'a Entry> {
    node.get(key).and_then(|_| node.entry(key))
}

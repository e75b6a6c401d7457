//! From the checked tree to the run specification: what every key with an effect does.

mod agents;
mod azure;
mod backend;
mod calls;
mod form;
mod openrouter;
mod orchestration;
mod parameters;
mod service;
mod uploads;

use massgen_protocol::spec::{AgentSpec, Budget, Orchestration, Timeouts};

use crate::check::{Checking, Purpose};
use crate::finding::{ConfigError, Finding, Severity};
use crate::literal::LiteralKey;
use crate::node::{Node, Origin};
use crate::uploads::Upload;

/// What the tree says, as far as it could be understood.
pub(crate) struct Lowered {
    pub(crate) question: Option<String>,
    pub(crate) agents: Vec<AgentSpec>,
    pub(crate) agent_origins: Vec<Vec<Origin>>,
    pub(crate) orchestration: Orchestration,
    pub(crate) timeouts: Timeouts,
    pub(crate) budget: Budget,
    pub(crate) ui: UiSettings,
    pub(crate) literal_keys: Vec<LiteralKey>,
    pub(crate) uploads: Vec<Upload>,
}

/// What the configuration says about the display. It is no part of the run specification: a run goes the same way
/// whoever watches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UiSettings {
    /// The display that is asked for.
    pub display: Option<DisplayType>,
    /// Whether lines for programs take the place of a display; `None` when the configuration does not say.
    pub automation: Option<bool>,
}

/// Displays by the name in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DisplayType {
    /// The full-screen terminal interface (`textual_terminal`).
    Terminal,
    /// Plain text (`simple`).
    Simple,
    /// The former terminal display (`rich_terminal`).
    Rich,
}

/// Carries what lowering needs and collects what it finds.
pub(crate) struct Lower<'a> {
    pub(crate) by: Checking<'a>,
    pub(crate) findings: &'a mut Vec<Finding>,
}

/// Understands the tree. What is wrong is reported, except where an error stands already.
pub(crate) fn lower(root: &Node, lower: &mut Lower<'_>) -> Lowered {
    let team = lower.team(root);
    let none = Node::new(crate::node::Value::Null, Origin::BuiltIn);
    let orchestrator = root.get("orchestrator").unwrap_or(&none);
    Lowered {
        question: lower.question(root),
        agents: team.agents,
        agent_origins: team.origins,
        literal_keys: team.literal_keys,
        uploads: team.uploads,
        orchestration: lower.orchestration(orchestrator),
        timeouts: orchestration::timeouts(root.get("timeout_settings").unwrap_or(&none)),
        budget: orchestration::budget(orchestrator.get("budget").unwrap_or(&none)),
        ui: ui(root.get("ui").unwrap_or(&none)),
    }
}

impl Lower<'_> {
    /// Adds a finding, unless an error at the same path says already why nothing can be made of it.
    pub(crate) fn report(&mut self, finding: Finding) {
        let known = |other: &Finding| other.severity == Severity::Error && other.path == finding.path;
        if !self.findings.iter().any(known) {
            self.findings.push(finding);
        }
    }

    /// The severity of what is right but goes beyond this version: `for_a_run` says how much it matters to one.
    pub(crate) fn limit(&self, for_a_run: Severity) -> Severity {
        match self.by.purpose {
            Purpose::Run => for_a_run,
            Purpose::Judge { .. } => Severity::Notice,
        }
    }

    /// Whether a text waits for a variable that nobody looks up.
    pub(crate) fn waits(&self, text: &str) -> bool {
        matches!(self.by.purpose, Purpose::Judge { .. }) && text.contains("${")
    }

    fn question(&mut self, root: &Node) -> Option<String> {
        let node = root.get("prompt")?;
        let text = node.text()?;
        match check_question(text) {
            Ok(()) => Some(text.to_owned()),
            Err(error) => {
                self.report(Finding::error("prompt", error.to_string()).hint(error.hint()).at(&node.origin));
                None
            }
        }
    }
}

/// Whether `text` is a question that a run can take.
pub(crate) fn check_question(text: &str) -> Result<(), ConfigError> {
    if text.trim().is_empty() {
        return Err(ConfigError::EmptyQuestion);
    }
    if text.len() > massgen_protocol::limits::QUESTION_BYTES {
        return Err(ConfigError::QuestionTooLong { bytes: text.len() });
    }
    Ok(())
}

fn ui(node: &Node) -> UiSettings {
    let display = match node.get("display_type").and_then(Node::text) {
        Some("textual_terminal") => Some(DisplayType::Terminal),
        Some("simple") => Some(DisplayType::Simple),
        Some("rich_terminal") => Some(DisplayType::Rich),
        _ => None,
    };
    UiSettings { display, automation: node.get("automation_mode").and_then(Node::bool) }
}

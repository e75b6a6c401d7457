//! From the checked tree to the run specification: what every key with an effect does.

mod agents;
mod azure;
mod backend;
mod calls;
mod commands;
mod container;
mod custom;
mod form;
mod hooks;
mod memory;
mod openrouter;
mod orchestration;
mod parameters;
mod permissions;
mod servers;
mod service;
mod sharing;
mod tooling;
mod uploads;
mod workspace;

use massgen_protocol::Memory;
use massgen_protocol::spec::{AgentSpec, Budget, Orchestration, Timeouts};

use crate::backends::Backends;
use crate::check::{Checking, Purpose};
use crate::finding::{ConfigError, Finding, Severity};
use crate::judge;
use crate::literal::LiteralKey;
use crate::needed::Needed;
use crate::node::{Node, Origin};
use crate::source::Source;
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
    pub(crate) skills: SkillSettings,
    pub(crate) memories: Option<Vec<Memory>>,
    pub(crate) retention: Retention,
    pub(crate) literal_keys: Vec<LiteralKey>,
    pub(crate) uploads: Vec<Upload>,
    pub(crate) needed: Vec<Needed>,
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

/// What the configuration says about skills. Which there are is not known yet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkillSettings {
    /// Whether they are offered.
    pub offer: SkillOffer,
    /// A folder of skills, absolute.
    pub folder: Option<String>,
    /// Skills that come with the program and are offered, by name.
    pub shipped: Vec<String>,
    /// Whether skills that agents wrote in earlier runs are offered.
    pub from_earlier_runs: bool,
}

/// Which runs stay when a run is over. With both limits, a run goes that is beyond both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// So many of the newest.
    pub keep_runs: Option<u32>,
    /// Those that are at most so many days old.
    pub keep_days: Option<u32>,
}

/// What the configuration `source` says about old runs, whatever else it says; nothing when it cannot be read.
pub fn retention(source: &Source) -> Retention {
    let root = judge::read(source).ok();
    root.as_ref().and_then(|root| root.get("logs")).map(retention_of).unwrap_or_default()
}

/// Whether `source` is right and says only what becomes of old runs: nothing about what runs.
pub fn is_about_logs(source: &Source) -> bool {
    judge::read(source).is_ok_and(|root| has_only_logs(&root))
        && !judge::validate(source, Backends::built_in()).has_errors()
}

fn has_only_logs(root: &Node) -> bool {
    root.entries()
        .is_some_and(|entries| !entries.is_empty() && entries.iter().all(|entry| entry.key == "logs"))
}

fn retention_of(node: &Node) -> Retention {
    let number = |key: &str| node.get(key).and_then(Node::int::<u32>).filter(|number| *number > 0);
    Retention { keep_runs: number("keep_runs"), keep_days: number("keep_days") }
}

/// Whether agents are offered skills.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SkillOffer {
    /// Those that there are.
    #[default]
    WhatThereIs,
    /// They are asked for: that there are none is told.
    Expected,
    /// None.
    Nothing,
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
    let coordination = orchestrator.get("coordination").unwrap_or(&none);
    let memories = lower.memories(coordination, &team.agents);
    if memories.is_none() {
        lower.tell_who_sees_no_files(&team.agents, root.get("agents"));
    }
    Lowered {
        question: lower.question(root),
        memories,
        agents: team.agents,
        agent_origins: team.origins,
        literal_keys: team.literal_keys,
        uploads: team.uploads,
        needed: team.needed,
        orchestration: lower.orchestration(orchestrator),
        timeouts: orchestration::timeouts(root.get("timeout_settings").unwrap_or(&none)),
        budget: orchestration::budget(orchestrator.get("budget").unwrap_or(&none)),
        ui: ui(root.get("ui").unwrap_or(&none)),
        retention: root.get("logs").map(retention_of).unwrap_or_default(),
        skills: lower.skills(coordination),
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

    fn skills(&self, coordination: &Node) -> SkillSettings {
        let offer = match coordination.get("use_skills").and_then(Node::bool) {
            None => SkillOffer::WhatThereIs,
            Some(true) => SkillOffer::Expected,
            Some(false) => SkillOffer::Nothing,
        };
        let folder = coordination.get("skills_directory").and_then(Node::text);
        SkillSettings {
            offer,
            folder: folder.map(|folder| self.by.absolute(folder)),
            shipped: tooling::texts(coordination.get("massgen_skills")),
            from_earlier_runs: coordination.get("load_previous_session_skills").and_then(Node::bool)
                == Some(true),
        }
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

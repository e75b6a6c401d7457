//! Flags that set a way of working: what each writes into the configuration.

use std::path::PathBuf;

use super::criteria::Criteria;
use crate::context_paths::{self, ContextPath, Permission};
use crate::node::{Node, Origin, Value};

/// Flags that set a way of working. The configuration's own notices say which of their keys have no effect yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Modes {
    /// `--quick`: one answer each, no presentation.
    pub quick: bool,
    /// `--fast`: fewer checks, where the configuration says nothing else.
    pub fast: bool,
    /// `--no-logs`: no log beside the run's files.
    pub no_logs: bool,
    /// `--coordination-mode`.
    pub coordination: Option<Coordination>,
    /// `--personas`.
    pub personas: Option<Personas>,
    /// `--eval-criteria`: what its file says.
    pub criteria: Option<Criteria>,
    /// `--checklist-criteria-preset`: the name of a set of criteria.
    pub criteria_preset: Option<String>,
    /// `--cwd-context`.
    pub cwd_context: Option<CwdContext>,
}

/// How the work is shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coordination {
    /// All agents answer the whole question and vote.
    Parallel,
    /// Each agent does a part.
    Decomposition,
}

/// In what the points of view of the agents differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personas {
    /// In nothing.
    Off,
    /// In what they look at.
    Perspective,
    /// In how they build the answer.
    Implementation,
    /// In how they go about it.
    Methodology,
}

/// The working directory as something that the agents see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CwdContext {
    /// The working directory, absolute.
    pub path: PathBuf,
    /// What may be done there.
    pub permission: Permission,
}

/// Lays the modes over the tree. All of them win over the file, but for `--fast`.
pub(super) fn overlay(root: &mut Node, modes: &Modes) {
    if let Some(context) = &modes.cwd_context {
        add_context(root, context);
    }
    if modes.no_logs {
        root.set(&["ui", "logging_enabled"], Value::Bool(false), &Origin::Flag("--no-logs"));
    }
    if let Some(coordination) = modes.coordination {
        let name = match coordination {
            Coordination::Parallel => "voting",
            Coordination::Decomposition => "decomposition",
        };
        let origin = Origin::Flag("--coordination-mode");
        root.set(&["orchestrator", "coordination_mode"], text(name), &origin);
    }
    if modes.quick {
        make_quick(root);
    }
    if let Some(personas) = modes.personas {
        set_personas(root, personas);
    }
    if modes.fast {
        make_fast(root);
    }
    let coordination = |key| ["orchestrator", "coordination", key];
    if let Some(criteria) = &modes.criteria {
        let origin = Origin::Flag("--eval-criteria");
        root.set(&coordination("checklist_criteria_inline"), criteria.value(&origin), &origin);
    }
    if let Some(preset) = &modes.criteria_preset {
        let origin = Origin::Flag("--checklist-criteria-preset");
        root.set(&coordination("checklist_criteria_preset"), text(preset), &origin);
    }
}

fn make_quick(root: &mut Node) {
    let agents = root.get("agents").and_then(Node::list).map_or(1, <[Node]>::len);
    let mut put = |key, value| root.set(&["orchestrator", key], value, &Origin::Flag("--quick"));
    put("max_new_answers_per_agent", Value::Int(1));
    put("skip_final_presentation", Value::Bool(true));
    if agents > 1 {
        put("disable_injection", Value::Bool(true));
        put("defer_voting_until_all_answered", Value::Bool(true));
        put("final_answer_strategy", text("synthesize"));
    } else {
        put("skip_voting", Value::Bool(true));
    }
}

fn set_personas(root: &mut Node, personas: Personas) {
    const PATH: [&str; 3] = ["orchestrator", "coordination", "persona_generator"];
    let origin = Origin::Flag("--personas");
    let mode = match personas {
        Personas::Off => {
            let [orchestrator, coordination, generator] = PATH;
            let path = [orchestrator, coordination, generator, "enabled"];
            return root.set(&path, Value::Bool(false), &origin);
        }
        Personas::Perspective => "perspective",
        Personas::Implementation => "implementation",
        Personas::Methodology => "methodology",
    };
    let mut generator = Node::new(Value::Map(Vec::new()), origin.clone());
    generator.set(&["enabled"], Value::Bool(true), &origin);
    generator.set(&["diversity_mode"], text(mode), &origin);
    root.set(&PATH, generator.value, &origin);
}

fn make_fast(root: &mut Node) {
    let origin = Origin::Flag("--fast");
    let mut put = |path: &[&str], value| {
        if !is_written(root, path) {
            root.set(path, value, &origin);
        }
    };
    put(&["orchestrator", "coordination", "fast_iteration_mode"], Value::Bool(true));
    put(&["orchestrator", "coordination", "max_verifications_per_round"], Value::Int(1));
    put(&["orchestrator", "coordination", "max_internal_fix_loops"], Value::Int(0));
    put(&["orchestrator", "coordination", "skip_redundant_scaffolding"], Value::Bool(true));
    put(&["orchestrator", "multimodal_config", "image", "reasoning_effort"], text("low"));
}

/// Whether something stands at `path`, `null` included: whoever wrote that wants the default.
fn is_written(root: &Node, path: &[&str]) -> bool {
    let Some((last, maps)) = path.split_last() else {
        return true;
    };
    root.at(maps).is_some_and(|map| map.entry(last).is_some())
}

/// Adds the working directory to what the agents see, or changes what may be done there.
fn add_context(root: &mut Node, context: &CwdContext) {
    let wanted = ContextPath {
        path: context.path.to_string_lossy().into_owned(),
        permission: context.permission,
        flag: "--cwd-context",
    };
    context_paths::set(root, &wanted, &context.path);
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

//! Flags that set a way of working: what each writes into the configuration.

use crate::node::{Node, Origin, Value};

/// Flags that set a way of working. The configuration's own notices say which of their keys have no effect yet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Modes {
    /// `--quick`: one answer each, no presentation.
    pub quick: bool,
    /// `--coordination-mode`.
    pub coordination: Option<Coordination>,
    /// `--personas`.
    pub personas: Option<Personas>,
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

/// Lays the modes over the tree. They win over the file.
pub(super) fn overlay(root: &mut Node, modes: &Modes) {
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

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

//! Keys of one agent.

use super::Effect::{Active, Deprecated};
use super::{Key, Shape, feature, table};

/// Every voting sensitivity that can be written.
pub(crate) const SENSITIVITIES: &[&str] = &[
    "lenient",
    "balanced",
    "strict",
    "roi",
    "roi_conservative",
    "roi_balanced",
    "roi_aggressive",
    "sequential",
    "adversarial",
    "consistency",
    "diversity",
    "reflective",
    "checklist",
    "checklist_scored",
    "checklist_gated",
];

pub(crate) const KEYS: &[Key] = table! {
    /// Name of the agent, unique; it is also a folder name, so only letters, digits, `_`, `-` and `.`.
    "agents[].id": Shape::Text, "", "analyst", Active;
    /// The model and how to reach it.
    "agents[].backend": Shape::Section, "", "{type: simulated, seed: 7}", Active;
    /// Models that take its place, one after the other, when its own fails for good; each with the keys of `backend`.
    "agents[].fallback": Shape::Sections, "[]", "[{type: groq, model: llama-3.3-70b-versatile}]", Active;
    /// Text in front of the system text of this agent.
    "agents[].system_message": Shape::Text, "", "You check every number.", Active;
    /// How readily this agent votes instead of improving; overrides `orchestrator.voting_sensitivity`.
    "agents[].voting_sensitivity": Shape::Choice(SENSITIVITIES), "", "strict", Active;
    /// What this agent works on when the task is decomposed.
    "agents[].subtask": Shape::Text, "", "Write the tests.", feature::DECOMPOSITION;
    /// Whether this agent owns the checkpoints; at most one does.
    "agents[].main_agent": Shape::Bool, "false", "true", feature::CHECKPOINTS;
    /// Team that this agent's sub-agents run as.
    "agents[].subagent_agents": Shape::Sections, "[]", "[{backend: {type: simulated}}]", feature::SUBAGENTS;
    /// Name of the member, unique in its team.
    "agents[].subagent_agents[].id": Shape::Text, "", "helper", feature::SUBAGENTS;
    /// Its model and how to reach it, with the keys of `agents[].backend`.
    "agents[].subagent_agents[].backend": Shape::Open, "", "{type: simulated}", feature::SUBAGENTS;
    /// Memory settings of this agent, laid over the top-level ones.
    "agents[].memory": Shape::Open, "", "{enabled: true}", feature::MEMORY;
    /// Message protocol settings of this agent.
    "agents[].nlip": Shape::Any, "", "{router: {}}", feature::NLIP;
    /// Switches the NLIP message protocol on.
    "agents[].enable_nlip": Shape::Bool, "false", "true", feature::NLIP;
    /// Text behind the system text.
    "agents[].append_system_prompt": Shape::Text, "", "Be brief.", Deprecated { use_instead: "`system_message`" };
};

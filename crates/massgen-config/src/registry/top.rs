//! Keys at the top of the file.

use super::Effect::{Active, Deprecated, Refused};
use super::tools::HOOKS;
use super::{Key, POSITIVE, Shape, feature, table};

const OLD_FORMAT: super::Effect = Refused {
    use_instead: "the `agents` list, for example `agents: [{id: a, backend: {type: openai, model: gpt-5.4}}]`",
};

pub(crate) const KEYS: &[Key] = table! {
    /// The agents, in order; the order breaks ties.
    "agents": Shape::Sections, "", "[{id: a, backend: {type: simulated}}, {id: b, backend: {type: simulated}}]", Active;
    /// The only agent; write either this or `agents`. Its keys are those of an element of `agents`.
    "agent": Shape::Section, "", "{id: a, backend: {type: simulated}}", Active;
    /// How the agents work together.
    "orchestrator": Shape::Section, "{}", "{skip_voting: true}", Active;
    /// Deadlines.
    "timeout_settings": Shape::Section, "{}", "{orchestrator_timeout_seconds: 600}", Active;
    /// Which old runs go. What a project brings itself is not heard in this.
    "logs": Shape::Section, "{}", "{keep_runs: 50}", Active;
    /// Runs of a project beyond this many go when a run is over, the oldest first.
    "logs.keep_runs": POSITIVE, "", "50", Active;
    /// Runs of a project that are older than this many days go when a run is over.
    "logs.keep_days": POSITIVE, "", "30", Active;
    /// What is shown while the run goes on.
    "ui": Shape::Section, "{}", "{display_type: simple}", Active;
    /// The question, when the command line gives none.
    "prompt": Shape::Text, "", "Which of the two designs is safer?", Active;
    /// Most requests (`rpm`) and tokens (`tpm`) a minute and requests a day (`rpd`) of all agents, by type and model.
    "rate_limits": Shape::Open, "{}", "{chatcompletion: {some-model: {rpm: 60, tpm: 200000}, default: {rpm: 10}}}", Active;
    /// What agents remember beyond a run.
    "memory": Shape::Section, "{}", "{enabled: true}", feature::MEMORY;
    /// Session to go on with.
    "session_id": Shape::Text, "", "session_20260102_030405", feature::SESSIONS;
    /// Hooks for all agents, before their own.
    "hooks": Shape::Section, "{}", "{PreToolUse: [{handler: checks.py}]}", Active;
    /// Hooks that run before a tool: a list, or a map with `hooks`.
    "hooks.PreToolUse": HOOKS, "[]", "[{handler: checks.before, matcher: \"write_*\"}]", Active;
    /// Hooks that run after a tool: a list, or a map with `hooks`.
    "hooks.PostToolUse": HOOKS, "[]", "[{handler: checks.after}]", Active;
    /// Checkpoint settings of an earlier format.
    "checkpoint": Shape::Open, "", "{enabled: false}", Deprecated { use_instead: "the `checkpoint_…` keys of `orchestrator.coordination`" };
    /// Display settings of an earlier format.
    "display": Shape::Any, "", "{}", Deprecated { use_instead: "`ui`" };
    /// Task text of an earlier format.
    "task": Shape::Any, "", "text", Deprecated { use_instead: "`prompt`" };
    /// Timeout of an earlier format.
    "timeout": Shape::Any, "", "600", Deprecated { use_instead: "`timeout_settings`" };
    /// Message protocol settings.
    "nlip": Shape::Any, "", "{router: {}}", feature::NLIP;
    /// Agent list of the old format.
    "models": Shape::Any, "", "[]", OLD_FORMAT;
    /// Model settings of the old format.
    "model_configs": Shape::Any, "", "{}", OLD_FORMAT;
    /// Number of agents of the old format.
    "num_agents": Shape::Any, "", "3", OLD_FORMAT;
    /// Rounds of the old format.
    "max_rounds": Shape::Any, "", "3", OLD_FORMAT;
    /// Consensus share of the old format.
    "consensus_threshold": Shape::Any, "", "0.5", OLD_FORMAT;
    /// Voting switch of the old format.
    "voting_enabled": Shape::Any, "", "true", OLD_FORMAT;
    /// Voting switch of the old format.
    "enable_voting": Shape::Any, "", "true", OLD_FORMAT;
};

//! Keys of the maps that single features of `orchestrator` and `orchestrator.coordination` have.

use super::{Key, POSITIVE, SECONDS, SECONDS_OR_NONE, SHARE, Shape, TEXTS, feature, table};

/// Most agents of a team of sub-agents.
pub(crate) const SUBAGENTS: usize = 10;

pub(crate) const KEYS: &[Key] = table! {
    /// Switches the personas on.
    "orchestrator.coordination.persona_generator.enabled": Shape::Bool, "false", "true", feature::PERSONAS;
    /// In what the personas differ.
    "orchestrator.coordination.persona_generator.diversity_mode": Shape::Choice(&["perspective", "implementation", "methodology"]), "perspective", "methodology", feature::PERSONAS;
    /// Text that guides how personas are made.
    "orchestrator.coordination.persona_generator.persona_guidelines": Shape::Text, "", "Choose engineers.", feature::PERSONAS;
    /// Whether personas stay for the next turn.
    "orchestrator.coordination.persona_generator.persist_across_turns": Shape::Bool, "false", "true", feature::PERSONAS;
    /// What becomes of a persona after the first answer.
    "orchestrator.coordination.persona_generator.after_first_answer": Shape::Choice(&["drop", "soften", "keep"]), "drop", "keep", feature::PERSONAS;
    /// Switches the making of criteria on.
    "orchestrator.coordination.evaluation_criteria_generator.enabled": Shape::Bool, "false", "true", feature::EVALUATION;
    /// Whether criteria stay for the next turn.
    "orchestrator.coordination.evaluation_criteria_generator.persist_across_turns": Shape::Bool, "false", "true", feature::EVALUATION;
    /// Least number of criteria.
    "orchestrator.coordination.evaluation_criteria_generator.min_criteria": POSITIVE, "4", "3", feature::EVALUATION;
    /// Greatest number of criteria.
    "orchestrator.coordination.evaluation_criteria_generator.max_criteria": POSITIVE, "10", "7", feature::EVALUATION;
    /// Switches the rewording of the question on.
    "orchestrator.coordination.prompt_improver.enabled": Shape::Bool, "false", "true", feature::PERSONAS;
    /// Whether the reworded question stays for the next turn.
    "orchestrator.coordination.prompt_improver.persist_across_turns": Shape::Bool, "false", "true", feature::PERSONAS;
    /// Whether the task is cut into parts by a model.
    "orchestrator.coordination.task_decomposer.enabled": Shape::Bool, "true", "false", feature::DECOMPOSITION;
    /// Text that guides how the task is cut.
    "orchestrator.coordination.task_decomposer.decomposition_guidelines": Shape::Text, "", "One part per module.", feature::DECOMPOSITION;
    /// Time to cut the task.
    "orchestrator.coordination.task_decomposer.timeout_seconds": SECONDS, "300", "60", feature::DECOMPOSITION;
    /// Soft limit of a sub-agent's first round.
    "orchestrator.coordination.subagent_round_timeouts.initial_round_timeout_seconds": SECONDS, "", "60", feature::SUBAGENTS;
    /// Soft limit of a sub-agent's later rounds.
    "orchestrator.coordination.subagent_round_timeouts.subsequent_round_timeout_seconds": SECONDS, "", "60", feature::SUBAGENTS;
    /// From a sub-agent's soft limit to its hard one.
    "orchestrator.coordination.subagent_round_timeouts.round_timeout_grace_seconds": SECONDS_OR_NONE, "", "30", feature::SUBAGENTS;
    /// Whether sub-agents run as a team.
    "orchestrator.coordination.subagent_orchestrator.enabled": Shape::Bool, "false", "true", feature::SUBAGENTS;
    /// The team of every sub-agent, ten agents at most.
    "orchestrator.coordination.subagent_orchestrator.agents": Shape::Sections, "[]", "[{backend: {type: simulated}}]", feature::SUBAGENTS;
    /// Name of the agent, unique in its team.
    "orchestrator.coordination.subagent_orchestrator.agents[].id": Shape::Text, "", "helper", feature::SUBAGENTS;
    /// Its model and how to reach it, with the keys of `agents[].backend`.
    "orchestrator.coordination.subagent_orchestrator.agents[].backend": Shape::Open, "", "{type: simulated}", feature::SUBAGENTS;
    /// Text in front of the agent's system text.
    "orchestrator.coordination.subagent_orchestrator.agents[].system_message": Shape::Text, "", "Be brief.", feature::SUBAGENTS;
    /// Whether a sub-agent runs on the backend of the agent that started it.
    "orchestrator.coordination.subagent_orchestrator.inherit_spawning_agent_backend": Shape::Bool, "false", "true", feature::SUBAGENTS;
    /// Kinds of sub-agents that share one team.
    "orchestrator.coordination.subagent_orchestrator.shared_child_team_types": TEXTS, "[round_evaluator]", "[explorer]", feature::SUBAGENTS;
    /// Coordination settings of the team, with the keys of `orchestrator.coordination`.
    "orchestrator.coordination.subagent_orchestrator.coordination": Shape::Open, "{}", "{continuation: fresh}", feature::SUBAGENTS;
    /// Answers that one agent of the team may give.
    "orchestrator.coordination.subagent_orchestrator.max_new_answers": POSITIVE, "3", "1", feature::SUBAGENTS;
    /// Web search in the team.
    "orchestrator.coordination.subagent_orchestrator.enable_web_search": Shape::Bool, "the agent's", "true", feature::SUBAGENTS;
    /// Whether `@paths` in the sub-agent's task are mounted.
    "orchestrator.coordination.subagent_orchestrator.parse_at_references": Shape::Bool, "false", "true", feature::SUBAGENTS;
    /// Who writes the team's final answer.
    "orchestrator.coordination.subagent_orchestrator.final_answer_strategy": Shape::Choice(&["winner_reuse", "winner_present", "synthesize"]), "", "synthesize", feature::SUBAGENTS;
    /// Agents of the team are not disturbed by peers' answers.
    "orchestrator.coordination.subagent_orchestrator.disable_injection": Shape::Bool, "true", "false", feature::SUBAGENTS;
    /// The team votes once all have answered.
    "orchestrator.coordination.subagent_orchestrator.defer_voting_until_all_answered": Shape::Bool, "true", "false", feature::SUBAGENTS;
    /// Whether sub-agents run while their agent goes on.
    "orchestrator.coordination.background_subagents.enabled": Shape::Bool, "true", "false", feature::SUBAGENTS;
    /// How a sub-agent's result reaches its agent.
    "orchestrator.coordination.background_subagents.injection_strategy": Shape::Choice(&["tool_result", "user_message"]), "tool_result", "user_message", feature::SUBAGENTS;
    /// The criterion.
    "orchestrator.coordination.checklist_criteria_inline[].text": Shape::Text, "", "Every claim has a source.", feature::CHECKLIST;
    /// The same as `text`.
    "orchestrator.coordination.checklist_criteria_inline[].description": Shape::Text, "", "Every claim has a source.", feature::CHECKLIST;
    /// The same as `text`.
    "orchestrator.coordination.checklist_criteria_inline[].name": Shape::Text, "", "Sources", feature::CHECKLIST;
    /// How much it counts.
    "orchestrator.coordination.checklist_criteria_inline[].category": Shape::Choice(&["primary", "standard", "stretch", "must", "should", "could"]), "standard", "primary", feature::CHECKLIST;
    /// What an answer must not do.
    "orchestrator.coordination.checklist_criteria_inline[].anti_patterns": TEXTS, "[]", "[invented sources]", feature::CHECKLIST;
    /// How to find out whether it is met.
    "orchestrator.coordination.checklist_criteria_inline[].verify_by": Shape::Text, "", "Open every link.", feature::CHECKLIST;
    /// Switches the checkpoints for a program outside on.
    "orchestrator.coordination.standalone_checkpoint.enabled": Shape::Bool, "false", "true", feature::CHECKPOINTS;
    /// Configuration of the team that judges a step.
    "orchestrator.coordination.standalone_checkpoint.team_config": Shape::Text, "", "reviewers.yaml", feature::CHECKPOINTS;
    /// Whether the team makes a plan or judges one.
    "orchestrator.coordination.standalone_checkpoint.mode": Shape::Choice(&["generate", "verify"]), "generate", "verify", feature::CHECKPOINTS;
    /// Whether there is one checkpoint only.
    "orchestrator.coordination.standalone_checkpoint.single_checkpoint": Shape::Bool, "false", "true", feature::CHECKPOINTS;
    /// Whether the team sees the workspace.
    "orchestrator.coordination.standalone_checkpoint.include_workspace_context": Shape::Bool, "false", "true", feature::CHECKPOINTS;
    /// Switches the rewording of the question per agent on.
    "orchestrator.dspy.enabled": Shape::Bool, "false", "true", feature::PERSONAS;
    /// Model that rewords, with the keys of `agents[].backend`.
    "orchestrator.dspy.backend": Shape::Open, "", "{type: gemini}", feature::PERSONAS;
    /// How many wordings are made.
    "orchestrator.dspy.num_variants": POSITIVE, "3", "5", feature::PERSONAS;
    /// How far the wordings go from the question.
    "orchestrator.dspy.strategy": Shape::Text, "balanced", "diverse", feature::PERSONAS;
    /// Whether wordings are kept for the same question.
    "orchestrator.dspy.cache_enabled": Shape::Bool, "true", "false", feature::PERSONAS;
    /// How near in meaning a wording must stay.
    "orchestrator.dspy.semantic_threshold": SHARE, "0.85", "0.9", feature::PERSONAS;
    /// Whether the model thinks before it rewords.
    "orchestrator.dspy.use_chain_of_thought": Shape::Bool, "false", "true", feature::PERSONAS;
    /// Whether the meaning of a wording is checked.
    "orchestrator.dspy.validate_semantics": Shape::Bool, "true", "false", feature::PERSONAS;
    /// Lowest and highest temperature of the wordings.
    "orchestrator.dspy.temperature_range": Shape::List(&Shape::Number(0.0, 2.0)), "", "[0.3, 0.9]", feature::PERSONAS;
};

//! Keys of `orchestrator.coordination`.

use super::Effect::{Active, Deprecated, Needless, Refused};
use super::{COUNT, Key, POSITIVE, SECONDS, SHARE, Shape, TEXTS, feature, table};

const LEVELS: Shape = Shape::Choice(&["low", "medium", "high"]);

pub(crate) const KEYS: &[Key] = table! {
    /// What the next round of an agent starts from: its conversation while that is small enough, or nothing.
    "orchestrator.coordination.continuation": Shape::Choice(&["auto", "fresh"]), "auto", "fresh", Active;
    /// Share of the context window up to which a conversation is continued.
    "orchestrator.coordination.continuation_share": SHARE, "0.6", "0.4", Active;
    /// Replies in a row without an answer or a vote after which an agent is given up.
    "orchestrator.coordination.enforcement_attempts": Shape::Int(1, 100), "3", "5", Active;
    /// Restarts after the final answer was judged too weak.
    "orchestrator.coordination.max_orchestration_restarts": COUNT, "0", "1", feature::RESTARTS;
    /// How writes of agents are kept apart.
    "orchestrator.coordination.write_mode": Shape::Choice(&["auto", "worktree", "isolated", "legacy"]), "auto", "worktree", Active;
    /// What happens when the real files changed meanwhile.
    "orchestrator.coordination.drift_conflict_policy": Shape::Choice(&["skip", "prefer_presenter", "fail"]), "skip", "fail", Active;
    /// Workspace of two parts.
    "orchestrator.coordination.use_two_tier_workspace": Shape::Bool, "false", "true", Deprecated { use_instead: "`write_mode`" };
    /// Review of changes in the web interface.
    "orchestrator.coordination.web_review": Shape::Bool, "false", "true", feature::REVIEW;
    /// Each answer comes with a document of its changes.
    "orchestrator.coordination.enable_changedoc": Shape::Bool, "true", "false", feature::LEARNING;
    /// When agents write down what they learnt.
    "orchestrator.coordination.learning_capture_mode": Shape::Choice(&["round", "verification_and_final_only", "final_only"]), "round", "final_only", feature::LEARNING;
    /// Nothing is written down in rounds, whatever happens.
    "orchestrator.coordination.disable_final_only_round_capture_fallback": Shape::Bool, "false", "true", feature::LEARNING;
    /// Agents keep notes as files in their workspaces; the next question of the session begins with them.
    "orchestrator.coordination.enable_memory_filesystem_mode": Shape::Bool, "false", "true", Active;
    /// Size of a compressed conversation against the full one.
    "orchestrator.coordination.compression_target_ratio": SHARE, "0.2", "0.3", feature::MEMORY;
    /// Agents with tools are offered the skills that there are. `true` tells when there are none.
    "orchestrator.coordination.use_skills": Shape::Bool, "true", "false", Active;
    /// A folder of skills, looked into before all others.
    "orchestrator.coordination.skills_directory": Shape::Text, "", "skills", Active;
    /// Skills that come with massgen and are offered too, by name.
    "orchestrator.coordination.massgen_skills": TEXTS, "[]", "[file-search]", Active;
    /// Skills that agents wrote in earlier runs of the project (`tasks/evolving_skill`) are offered too.
    "orchestrator.coordination.load_previous_session_skills": Shape::Bool, "false", "true", Active;
    /// Agents keep a task list.
    "orchestrator.coordination.enable_agent_task_planning": Shape::Bool, "false", "true", Active;
    /// The task list is a file.
    "orchestrator.coordination.task_planning_filesystem_mode": Shape::Bool, "false", "true", Needless { because: "an agent with a workspace always has its tasks there as a file" };
    /// Entries of a task list.
    "orchestrator.coordination.max_tasks_per_plan": POSITIVE, "10", "20", feature::PLANNING;
    /// Prompts aim at few, quick rounds.
    "orchestrator.coordination.fast_iteration_mode": Shape::Bool, "false", "true", feature::FAST;
    /// Verifications per round that prompts ask for.
    "orchestrator.coordination.max_verifications_per_round": COUNT, "", "1", feature::FAST;
    /// Repairs per round that prompts ask for.
    "orchestrator.coordination.max_internal_fix_loops": COUNT, "", "0", feature::FAST;
    /// Prompts leave repeated preparation out.
    "orchestrator.coordination.skip_redundant_scaffolding": Shape::Bool, "false", "true", feature::FAST;
    /// Agents may ask each other, or a person.
    "orchestrator.coordination.broadcast": Shape::Either(&[Shape::Bool, Shape::Choice(&["agents", "human"])]), "false", "agents", feature::BROADCAST;
    /// How readily agents ask.
    "orchestrator.coordination.broadcast_sensitivity": LEVELS, "medium", "low", feature::BROADCAST;
    /// How thoroughly agents reply.
    "orchestrator.coordination.response_depth": LEVELS, "medium", "low", feature::BROADCAST;
    /// How long a question waits for replies.
    "orchestrator.coordination.broadcast_timeout": SECONDS, "300", "60", feature::BROADCAST;
    /// Whether an agent waits for replies.
    "orchestrator.coordination.broadcast_wait_by_default": Shape::Bool, "true", "false", feature::BROADCAST;
    /// Open questions of one agent.
    "orchestrator.coordination.max_broadcasts_per_agent": POSITIVE, "10", "3", feature::BROADCAST;
};

pub(crate) const FEATURE_KEYS: &[Key] = table! {
    /// Agents plan and do not act until the presentation.
    "orchestrator.coordination.enable_planning_mode": Shape::Bool, "false", "true", feature::PLANNING;
    /// Text of the planning section.
    "orchestrator.coordination.planning_mode_instruction": Shape::Text, "", "Plan first.", feature::PLANNING;
    /// Depth of plans.
    "orchestrator.coordination.plan_depth": Shape::Choice(&["dynamic", "shallow", "medium", "deep"]), "", "deep", feature::PLANNING;
    /// Thoroughness of plans.
    "orchestrator.coordination.plan_thoroughness": Shape::Choice(&["standard", "thorough"]), "standard", "thorough", feature::PLANNING;
    /// Steps of a plan.
    "orchestrator.coordination.plan_target_steps": POSITIVE, "", "10", feature::PLANNING;
    /// Parts of a plan.
    "orchestrator.coordination.plan_target_chunks": POSITIVE, "", "2", feature::PLANNING;
    /// Agents may start sub-agents.
    "orchestrator.coordination.enable_subagents": Shape::Bool, "false", "true", feature::SUBAGENTS;
    /// Time of a sub-agent.
    "orchestrator.coordination.subagent_default_timeout": SECONDS, "300", "600", feature::SUBAGENTS;
    /// Least time that can be asked for.
    "orchestrator.coordination.subagent_min_timeout": SECONDS, "60", "30", feature::SUBAGENTS;
    /// Most time that can be asked for.
    "orchestrator.coordination.subagent_max_timeout": SECONDS, "600", "900", feature::SUBAGENTS;
    /// Sub-agents at a time.
    "orchestrator.coordination.subagent_max_concurrent": POSITIVE, "3", "5", feature::SUBAGENTS;
    /// Round limits of sub-agents, as in `timeout_settings`.
    "orchestrator.coordination.subagent_round_timeouts": Shape::Section, "", "{initial_round_timeout_seconds: 60}", feature::SUBAGENTS;
    /// How sub-agents run.
    "orchestrator.coordination.subagent_runtime_mode": Shape::Choice(&["isolated", "inherited", "delegated"]), "isolated", "inherited", feature::SUBAGENTS;
    /// How they run when isolation cannot be had.
    "orchestrator.coordination.subagent_runtime_fallback_mode": Shape::Choice(&["inherited"]), "", "inherited", feature::SUBAGENTS;
    /// Words in front of the command that starts them.
    "orchestrator.coordination.subagent_host_launch_prefix": TEXTS, "[]", "[nice]", feature::SUBAGENTS;
    /// Team that sub-agents run as.
    "orchestrator.coordination.subagent_orchestrator": Shape::Section, "", "{enabled: true}", feature::SUBAGENTS;
    /// Sub-agents that run while their agent goes on.
    "orchestrator.coordination.background_subagents": Shape::Section, "", "{injection_strategy: user_message}", feature::SUBAGENTS;
    /// Kinds of sub-agents that are offered.
    "orchestrator.coordination.subagent_types": TEXTS, "the default set", "[explorer]", feature::SUBAGENTS;
    /// Switch of an earlier format.
    "orchestrator.coordination.async_subagents": Shape::Any, "", "{}", Refused { use_instead: "`background_subagents`" };
    /// Personas made for the question.
    "orchestrator.coordination.persona_generator": Shape::Section, "{enabled: false}", "{enabled: true, diversity_mode: methodology}", feature::PERSONAS;
    /// Criteria made for the question.
    "orchestrator.coordination.evaluation_criteria_generator": Shape::Section, "{enabled: false}", "{enabled: true, max_criteria: 7}", feature::EVALUATION;
    /// The question is reworded first.
    "orchestrator.coordination.prompt_improver": Shape::Section, "{enabled: false}", "{enabled: true}", feature::PERSONAS;
    /// The task is cut into parts first.
    "orchestrator.coordination.task_decomposer": Shape::Section, "{enabled: true}", "{timeout_seconds: 60}", feature::DECOMPOSITION;
    /// Strictness of the team that prepares personas and criteria.
    "orchestrator.coordination.pre_collab_voting_threshold": POSITIVE, "", "3", feature::EVALUATION;
    /// Criteria by the kind of task.
    "orchestrator.coordination.checklist_criteria_preset": Shape::Choice(&[
        "persona", "decomposition", "evaluation", "prompt", "analysis", "planning", "spec", "round_evaluator",
    ]), "", "analysis", feature::CHECKLIST;
    /// Criteria written out.
    "orchestrator.coordination.checklist_criteria_inline": Shape::Sections, "[]", "[{text: cites sources, category: primary}]", feature::CHECKLIST;
    /// Who sets the criteria.
    "orchestrator.coordination.criteria_mode": Shape::Choice(&["static", "bootstrap_inline", "bootstrap_subagent"]), "static", "bootstrap_inline", feature::CHECKLIST;
    /// Criteria that an agent may add per round; 0 is no limit.
    "orchestrator.coordination.bootstrap_max_per_agent_per_round": COUNT, "3", "5", feature::CHECKLIST;
    /// Criteria that may be added in all; 0 is no limit.
    "orchestrator.coordination.bootstrap_max_total": COUNT, "30", "50", feature::CHECKLIST;
    /// A team judges the round before the checklist.
    "orchestrator.coordination.round_evaluator_before_checklist": Shape::Bool, "false", "true", feature::EVALUATION;
    /// massgen itself starts that team.
    "orchestrator.coordination.orchestrator_managed_round_evaluator": Shape::Bool, "false", "true", feature::EVALUATION;
    /// The judgement is refined.
    "orchestrator.coordination.round_evaluator_refine": Shape::Bool, "false", "true", feature::EVALUATION;
    /// The judgements are not put together.
    "orchestrator.coordination.round_evaluator_skip_synthesis": Shape::Bool, "false", "true", feature::EVALUATION;
    /// How much change the judgement asks for.
    "orchestrator.coordination.round_evaluator_transformation_pressure": Shape::Choice(&["gentle", "balanced", "aggressive"]), "balanced", "gentle", feature::EVALUATION;
    /// An analyser reads the agents' traces.
    "orchestrator.coordination.enable_execution_trace_analyzer": Shape::Bool, "false", "true", feature::EVALUATION;
    /// The traces are analysed unasked.
    "orchestrator.coordination.auto_trace_analysis": Shape::Bool, "false", "true", feature::EVALUATION;
    /// Criteria grow with the answers.
    "orchestrator.coordination.evolving_criteria": Shape::Bool, "false", "true", feature::CHECKLIST;
    /// Score from which criteria grow.
    "orchestrator.coordination.evolving_criteria_score_threshold": Shape::Int(0, 10), "8", "9", feature::CHECKLIST;
    /// How often criteria grow.
    "orchestrator.coordination.evolving_criteria_max_evolutions": COUNT, "2", "1", feature::CHECKLIST;
    /// High scores that are needed.
    "orchestrator.coordination.evolving_criteria_min_high_score_count": COUNT, "2", "1", feature::CHECKLIST;
    /// Time to make new criteria.
    "orchestrator.coordination.evolving_criteria_timeout": SECONDS, "300", "60", feature::CHECKLIST;
    /// Agents think about quality again before the next answer.
    "orchestrator.coordination.enable_quality_rethink_on_iteration": Shape::Bool, "false", "true", feature::EVALUATION;
    /// Agents look for something new before the next answer.
    "orchestrator.coordination.enable_novelty_on_iteration": Shape::Bool, "false", "true", feature::EVALUATION;
    /// Judges have personas.
    "orchestrator.coordination.enable_evaluator_personas": Shape::Bool, "false", "true", feature::EVALUATION;
    /// How strongly prompts push for something new.
    "orchestrator.coordination.novelty_injection": Shape::Choice(&["none", "gentle", "moderate", "aggressive"]), "none", "gentle", feature::EVALUATION;
    /// Least improvements by kind.
    "orchestrator.coordination.improvements": Shape::Section, "{}", "{min_structural: 1}", feature::EVALUATION;
    /// Least improvements that change the answer as a whole.
    "orchestrator.coordination.improvements.min_transformative": COUNT, "", "1", feature::EVALUATION;
    /// Least improvements of structure.
    "orchestrator.coordination.improvements.min_structural": COUNT, "", "1", feature::EVALUATION;
    /// Least improvements that are more than small steps.
    "orchestrator.coordination.improvements.min_non_incremental": COUNT, "", "1", feature::EVALUATION;
    /// Earlier run to start from.
    "orchestrator.coordination.resume_from_log": Shape::Section, "", "{log_path: log_1, round: 1}", feature::SESSIONS;
    /// Folder of that run.
    "orchestrator.coordination.resume_from_log.log_path": Shape::Text, "", "log_1", feature::SESSIONS;
    /// Round of that run.
    "orchestrator.coordination.resume_from_log.round": COUNT, "", "1", feature::SESSIONS;
    /// Irreversible steps are agreed on first.
    "orchestrator.coordination.checkpoint_enabled": Shape::Bool, "false", "true", feature::CHECKPOINTS;
    /// What a checkpoint covers.
    "orchestrator.coordination.checkpoint_mode": Shape::Choice(&["conversation", "task"]), "conversation", "task", feature::CHECKPOINTS;
    /// Text for the agent that owns the checkpoints.
    "orchestrator.coordination.checkpoint_guidance": Shape::Text, "\"\"", "Ask before a release.", feature::CHECKPOINTS;
    /// Tools that need a checkpoint.
    "orchestrator.coordination.checkpoint_gated_patterns": TEXTS, "[]", "[\"*deploy*\"]", feature::CHECKPOINTS;
    /// Checkpoints for a program outside.
    "orchestrator.coordination.standalone_checkpoint": Shape::Section, "", "{enabled: true}", feature::CHECKPOINTS;
};

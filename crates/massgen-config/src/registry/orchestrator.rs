//! Keys of `orchestrator`.

use super::Effect::{Active, Deprecated, Needless};
use super::agents::SENSITIVITIES;
use super::{COUNT, Key, POSITIVE, Shape, TEXTS, feature, table};

const NOT_READ: super::Effect = Deprecated { use_instead: "nothing: it never had an effect" };

pub(crate) const KEYS: &[Key] = table! {
    /// How readily agents vote instead of improving.
    "orchestrator.voting_sensitivity": Shape::Choice(SENSITIVITIES), "lenient", "balanced", Active;
    /// Answers that one agent may give.
    "orchestrator.max_new_answers_per_agent": POSITIVE, "no limit", "2", Active;
    /// Answers that all agents together may give.
    "orchestrator.max_new_answers_global": POSITIVE, "no limit", "8", Active;
    /// How different a new answer must be from known ones.
    "orchestrator.answer_novelty_requirement": Shape::Choice(&["lenient", "balanced", "strict"]), "lenient", "strict", Active;
    /// Whether a fast agent waits for slow ones.
    "orchestrator.fairness_enabled": Shape::Bool, "true", "false", Active;
    /// By how many answers an agent may lead the slowest active peer.
    "orchestrator.fairness_lead_cap_answers": COUNT, "2", "1", Active;
    /// Answers of peers that may be told to a working agent in one round.
    "orchestrator.max_midstream_injections_per_round": POSITIVE, "2", "4", Active;
    /// A working agent learns of peers' answers only at its next start.
    "orchestrator.defer_peer_updates_until_restart": Shape::Bool, "false", "true", Active;
    /// A working agent is not disturbed by peers' answers.
    "orchestrator.disable_injection": Shape::Bool, "false", "true", Active;
    /// Votes are taken once all agents have answered.
    "orchestrator.defer_voting_until_all_answered": Shape::Bool, "false", "true", Active;
    /// No votes: the run ends when all agents have answered.
    "orchestrator.skip_voting": Shape::Bool, "false", "true", Active;
    /// No final presentation where that is allowed.
    "orchestrator.skip_final_presentation": Shape::Bool, "false", "true", Active;
    /// Who writes the final answer.
    "orchestrator.final_answer_strategy": Shape::Choice(&["winner_reuse", "winner_present", "synthesize"]), "by `skip_final_presentation`", "synthesize", Active;
    /// What the run may spend.
    "orchestrator.budget": Shape::Section, "{}", "{max_cost: 0.5}", Active;
    /// Money, in US dollars; the run ends with the best answer so far when the next call no longer fits.
    "orchestrator.budget.max_cost": Shape::Number(0.000_001, 1_000_000.0), "no limit", "0.5", Active;
    /// Input and output tokens of all agents together.
    "orchestrator.budget.max_tokens": Shape::Int(1, i64::MAX), "no limit", "200000", Active;
    /// Further settings of the cooperation.
    "orchestrator.coordination": Shape::Section, "{}", "{continuation: fresh}", Active;
    /// Strictness of the checklist and of `roi`.
    "orchestrator.voting_threshold": Shape::Int(0, 100), "", "5", feature::CHECKLIST;
    /// Whether a gap report is asked for.
    "orchestrator.checklist_require_gap_report": Shape::Bool, "true", "false", Deprecated { use_instead: "`gap_report_mode`" };
    /// Where gaps are reported.
    "orchestrator.gap_report_mode": Shape::Choice(&["changedoc", "separate", "none"]), "changedoc", "none", feature::CHECKLIST;
    /// Checklists that an agent may hand in per round.
    "orchestrator.max_checklist_calls_per_round": POSITIVE, "1", "2", feature::CHECKLIST;
    /// Whether the first answer needs a checklist too.
    "orchestrator.checklist_first_answer": Shape::Bool, "false", "true", feature::CHECKLIST;
    /// Whether peers' answers are told before the checklist is handed in.
    "orchestrator.allow_midstream_peer_updates_before_checklist_submit": Shape::Bool, "true", "false", feature::CHECKLIST;
    /// Whether agents vote for whole answers or each does a part.
    "orchestrator.coordination_mode": Shape::Choice(&["voting", "decomposition"]), "voting", "decomposition", feature::DECOMPOSITION;
    /// Agent that puts the parts together.
    "orchestrator.presenter_agent": Shape::Text, "", "analyst", feature::DECOMPOSITION;
    /// No rounds at all.
    "orchestrator.skip_coordination_rounds": Shape::Bool, "false", "true", feature::DEBUG;
    /// Text that stands for the first answer.
    "orchestrator.debug_final_answer": Shape::Text, "", "forty-two", feature::DEBUG;
    /// Where answers' files are kept.
    "orchestrator.snapshot_storage": Shape::Text, "snapshots", "answers", Needless { because: "snapshots are kept with the files of the run" };
    /// Where agents see the files of peers' answers.
    "orchestrator.agent_temporary_workspace": Shape::Text, "temp_workspaces", "peers", Active;
    /// Internal path of an earlier format.
    "orchestrator.session_storage": Shape::Text, "", "sessions", NOT_READ;
    /// Real directories that agents see.
    "orchestrator.context_paths": Shape::Sections, "[]", "[{path: src, permission: read}]", Active;
    /// The directory or file.
    "orchestrator.context_paths[].path": Shape::Text, "", "src", Active;
    /// What may be done there; only the presenter writes.
    "orchestrator.context_paths[].permission": Shape::Choice(&["read", "write"]), "read", "write", Active;
    /// Parts that stay read-only.
    "orchestrator.context_paths[].protected_paths": TEXTS, "[]", "[.git]", Active;
    /// Settings of containers.
    "orchestrator.docker": Shape::Section, "{}", "{persist_containers_between_turns: false}", feature::LASTING_CONTAINERS;
    /// Whether a container lives from turn to turn.
    "orchestrator.docker.persist_containers_between_turns": Shape::Bool, "true", "false", feature::LASTING_CONTAINERS;
    /// Media tools for every agent.
    "orchestrator.enable_multimodal_tools": Shape::Bool, "false", "true", feature::MEDIA;
    /// Provider and model per medium.
    "orchestrator.multimodal_config": Shape::Open, "{}", "{image: {backend: openai}}", feature::MEDIA;
    /// Provider of images.
    "orchestrator.image_generation_backend": Shape::Text, "", "openai", feature::MEDIA;
    /// Model of images.
    "orchestrator.image_generation_model": Shape::Text, "", "gpt-image-1", feature::MEDIA;
    /// Provider of video.
    "orchestrator.video_generation_backend": Shape::Text, "", "openai", feature::MEDIA;
    /// Model of video.
    "orchestrator.video_generation_model": Shape::Text, "", "sora-2", feature::MEDIA;
    /// Provider of audio.
    "orchestrator.audio_generation_backend": Shape::Text, "", "openai", feature::MEDIA;
    /// Model of audio.
    "orchestrator.audio_generation_model": Shape::Text, "", "gpt-4o-mini-tts", feature::MEDIA;
    /// Rewording of the question for each agent.
    "orchestrator.dspy": Shape::Section, "{}", "{enabled: true}", feature::PERSONAS;
    /// Switches the NLIP message protocol on.
    "orchestrator.enable_nlip": Shape::Bool, "false", "true", feature::NLIP;
    /// Message protocol settings.
    "orchestrator.nlip_config": Shape::Open, "{}", "{router: {}}", feature::NLIP;
    /// Message protocol settings.
    "orchestrator.nlip": Shape::Any, "", "{router: {}}", feature::NLIP;
    /// Never read here.
    "orchestrator.max_orchestration_restarts": COUNT, "", "1", Deprecated { use_instead: "the same key under `orchestrator.coordination`" };
    /// Never read here.
    "orchestrator.skills_directory": Shape::Text, "", "skills", Deprecated { use_instead: "the same key under `orchestrator.coordination`" };
    /// Never read.
    "orchestrator.interactive_mode": Shape::Any, "", "true", NOT_READ;
    /// Never read.
    "orchestrator.max_turns": Shape::Any, "", "3", NOT_READ;
    /// Never read.
    "orchestrator.timeout": Shape::Any, "", "600", Deprecated { use_instead: "`timeout_settings.orchestrator_timeout_seconds`" };
    /// Never read.
    "orchestrator.type": Shape::Any, "", "default", NOT_READ;
};

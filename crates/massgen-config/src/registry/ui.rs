//! Keys of `ui` and `memory`.

use super::Effect::{Active, Deprecated};
use super::{COUNT, Key, SHARE, Shape, feature, table};

pub(crate) const KEYS: &[Key] = table! {
    /// How the run is shown.
    "ui.display_type": Shape::Choice(&["textual_terminal", "simple", "rich_terminal"]), "textual_terminal", "simple", Active;
    /// The lines for programs instead of a display, as `--automation`.
    "ui.automation_mode": Shape::Bool, "false", "true", Active;
    /// Whether a log is written beside the run's files.
    "ui.logging_enabled": Shape::Bool, "true", "false", feature::DEBUG;
    /// Colours.
    "ui.theme": Shape::Text, "the user's settings", "dark", feature::TERMINAL;
    /// Details of the display.
    "ui.display_kwargs": Shape::Open, "{}", "{refresh_rate: 4}", feature::TERMINAL;
    /// No menu at the end of a run.
    "ui.skip_agent_selector": Shape::Bool, "false", "true", feature::TERMINAL;
    /// Whether a single agent runs with coordination too.
    "ui.use_orchestrator_for_single_agent": Shape::Bool, "true", "false", feature::TERMINAL;
    /// Never read.
    "ui.type": Shape::Any, "", "rich", Deprecated { use_instead: "`ui.display_type`" };
};

pub(crate) const MEMORY_KEYS: &[Key] = table! {
    /// Memory as a whole.
    "memory.enabled": Shape::Bool, "false", "true", feature::MEMORY;
    /// Memory of the conversation.
    "memory.conversation_memory": Shape::Section, "{enabled: true}", "{enabled: false}", feature::MEMORY;
    /// Switches it on.
    "memory.conversation_memory.enabled": Shape::Bool, "true", "false", feature::MEMORY;
    /// Memory across sessions.
    "memory.persistent_memory": Shape::Section, "{}", "{enabled: true}", feature::MEMORY;
    /// Switches it on.
    "memory.persistent_memory.enabled": Shape::Bool, "false", "true", feature::MEMORY;
    /// Whether it is kept on disk.
    "memory.persistent_memory.on_disk": Shape::Bool, "true", "false", feature::MEMORY;
    /// Where it is kept.
    "memory.persistent_memory.path": Shape::Text, ".massgen/qdrant", "memory", feature::MEMORY;
    /// Name that it is kept under.
    "memory.persistent_memory.agent_name": Shape::Text, "the agent's id", "analyst", feature::MEMORY;
    /// Session that it is kept under.
    "memory.persistent_memory.session_name": Shape::Text, "the session's id", "s1", feature::MEMORY;
    /// Kind of store.
    "memory.persistent_memory.vector_store": Shape::Any, "", "qdrant", feature::MEMORY;
    /// Model that writes it.
    "memory.persistent_memory.llm": Shape::Section, "{}", "{model: gpt-4.1-mini}", feature::MEMORY;
    /// Model that indexes it.
    "memory.persistent_memory.embedding": Shape::Section, "{}", "{model: text-embedding-3-large}", feature::MEMORY;
    /// Server of the store.
    "memory.persistent_memory.qdrant": Shape::Section, "{mode: local}", "{mode: server, port: 6333}", feature::MEMORY;
    /// Provider of the model that writes it.
    "memory.persistent_memory.llm.provider": Shape::Text, "openai", "groq", feature::MEMORY;
    /// The model that writes it.
    "memory.persistent_memory.llm.model": Shape::Text, "gpt-4.1-nano-2025-04-14", "gpt-4.1-mini", feature::MEMORY;
    /// Provider of the model that indexes it.
    "memory.persistent_memory.embedding.provider": Shape::Text, "openai", "together", feature::MEMORY;
    /// The model that indexes it.
    "memory.persistent_memory.embedding.model": Shape::Text, "text-embedding-3-small", "text-embedding-3-large", feature::MEMORY;
    /// Whether the store is a folder or a server; several agents need a server.
    "memory.persistent_memory.qdrant.mode": Shape::Choice(&["local", "server"]), "local", "server", feature::MEMORY;
    /// Host of the server.
    "memory.persistent_memory.qdrant.host": Shape::Text, "localhost", "memory.lan", feature::MEMORY;
    /// Port of the server.
    "memory.persistent_memory.qdrant.port": Shape::Int(1, 65_535), "6333", "6334", feature::MEMORY;
    /// When conversations are compressed.
    "memory.compression": Shape::Section, "{}", "{trigger_threshold: 0.8}", feature::MEMORY;
    /// Share of the window from which they are.
    "memory.compression.trigger_threshold": SHARE, "0.75", "0.8", feature::MEMORY;
    /// Share of the window that they shrink to.
    "memory.compression.target_ratio": SHARE, "0.4", "0.3", feature::MEMORY;
    /// What is looked up.
    "memory.retrieval": Shape::Section, "{}", "{limit: 3}", feature::MEMORY;
    /// Entries of one look-up.
    "memory.retrieval.limit": COUNT, "5", "3", feature::MEMORY;
    /// Whether recent entries are left out.
    "memory.retrieval.exclude_recent": Shape::Bool, "false", "true", feature::MEMORY;
    /// What is written down.
    "memory.recording": Shape::Section, "{}", "{record_reasoning: true}", feature::MEMORY;
    /// All tool calls.
    "memory.recording.record_all_tool_calls": Shape::Bool, "false", "true", feature::MEMORY;
    /// The thinking.
    "memory.recording.record_reasoning": Shape::Bool, "false", "true", feature::MEMORY;
};

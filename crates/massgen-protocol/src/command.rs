//! What a frontend may ask of a running session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::AgentId;

/// A request of a person or program to a running session. Imperative, and never refused silently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "command", rename_all = "snake_case")]
pub enum Command {
    /// Stop now, keep what is there; the run can be resumed.
    Interrupt,
    /// Every working agent gets its wrap-up message now, as if its soft round limit had been reached.
    AnswerNow,
    /// Tell agents something while they work.
    Steer(Note),
    /// Write down that something works less well than asked for; the surroundings of a session notice it.
    Report(Notice),
}

/// Something that works less well than asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Notice {
    /// What, for people, one line.
    pub message: String,
    /// The agent that it concerns, if one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentId>,
}

/// Identifies a steering message within its run: dense, from 1, in order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct NoteId(pub u32);

/// A steering message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// The text, as the person wrote it.
    pub content: String,
    /// Who sent it: `human`, `parent` or `programmatic`; other words are kept as they are.
    pub source: String,
    /// The agents it is for; `None` means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Vec<AgentId>>,
}

//! What a project tells every agent that works on it: its instructions, and the skills that it offers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The instructions of a project (`AGENTS.md` or `CLAUDE.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Instructions {
    /// Where they were found, absolute.
    pub path: String,
    /// What they say; of a longer file the beginning, with a note that says so.
    pub text: String,
    /// The hash of the whole file, BLAKE3 in hex.
    pub hash: String,
}

/// A skill: a folder with a `SKILL.md` that an agent reads when it needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skill {
    /// Its name.
    pub name: String,
    /// What it is for, one line.
    pub description: String,
    /// Its `SKILL.md`, absolute.
    pub path: String,
}

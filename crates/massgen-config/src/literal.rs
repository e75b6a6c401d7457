//! Keys and other secrets that were written into the configuration itself. They are handed over apart and never shown.

use std::fmt;

use massgen_protocol::AgentId;

use crate::secrets::Certainty;

/// A key that stands in the configuration itself.
#[derive(Clone, PartialEq, Eq)]
pub struct LiteralKey {
    /// Agent that it belongs to.
    pub agent: AgentId,
    /// Name that stands for it in the run specification, in the place of an environment variable. Whoever looks up
    /// keys answers this name with [`LiteralKey::expose`]; on a later day a person can set a variable of this name.
    pub variable: String,
    key: String,
    certainty: Certainty,
}

impl LiteralKey {
    pub(crate) fn new(agent: AgentId, variable: String, key: &str) -> Self {
        Self { agent, variable, key: key.to_owned(), certainty: Certainty::Likely }
    }

    /// The same for what may be a key or not.
    pub(crate) fn of(agent: AgentId, variable: String, key: &str, certainty: Certainty) -> Self {
        Self { certainty, ..Self::new(agent, variable, key) }
    }

    /// Whether it must be covered wherever it occurs. What only might be a key (`MODEL: some-model`) is not kept where it
    /// stands, and stays where somebody speaks of it.
    pub fn is_secret(&self) -> bool {
        self.certainty == Certainty::Likely
    }

    /// The key. Put it into a type that hides it, at once.
    pub fn expose(&self) -> &str {
        &self.key
    }
}

/// Does not show the key.
impl fmt::Debug for LiteralKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiteralKey")
            .field("agent", &self.agent)
            .field("variable", &self.variable)
            .finish_non_exhaustive()
    }
}

/// A secret that stands in the configuration itself, or a part of one. Nothing reads it here; it must not be kept.
#[derive(Clone, PartialEq, Eq)]
pub struct LiteralSecret(String);

impl LiteralSecret {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text. Put it into a type that hides it, at once.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// Does not show the text.
impl fmt::Debug for LiteralSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LiteralSecret")
    }
}

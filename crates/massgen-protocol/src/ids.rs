//! Identifiers, each with the text form that people, files and models see.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;

/// Why a text is not an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// The agent id is empty.
    #[error("an agent id must not be empty")]
    Empty,
    /// The agent id is longer than [`limits::AGENT_ID_BYTES`].
    #[error("the agent id `{0}` is longer than {max} bytes", max = limits::AGENT_ID_BYTES)]
    TooLong(String),
    /// The agent id cannot be used as a directory name.
    #[error("the agent id `{0}` may hold only letters, digits, `_`, `-`, `.` and must not start with `.`")]
    BadCharacter(String),
    /// The text is not `agentN` with N from 1.
    #[error("`{0}` is not an anonymous agent id such as `agent2`")]
    NotAnAgentNo(String),
    /// The text is not `agentN.K` with N and K from 1.
    #[error("`{0}` is not an answer label such as `agent2.1`")]
    NotALabel(String),
}

/// The id that the user's configuration gives an agent, for example `agent_a`.
///
/// It is also a directory name in the run folder, so it holds only letters, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AgentId(String);

impl AgentId {
    /// Checks `text` and makes it an id.
    ///
    /// # Errors
    /// Says which rule the text breaks.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        if text.len() > limits::AGENT_ID_BYTES {
            return Err(IdError::TooLong(text));
        }
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if text.starts_with('.') || !text.chars().all(fits) {
            return Err(IdError::BadCharacter(text));
        }
        Ok(Self(text))
    }

    /// The id as written by the user.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AgentId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        Self::new(text)
    }
}

impl From<AgentId> for String {
    fn from(id: AgentId) -> Self {
        id.0
    }
}

/// An agent as its peers see it: `agentN`, where N is the 1-based position of the real id in the sorted list of ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AgentNo(u16);

impl AgentNo {
    /// The agent at `index` (from 0) of the sorted list of ids.
    pub fn from_index(index: usize) -> Self {
        Self(u16::try_from(index + 1).unwrap_or(u16::MAX))
    }

    /// The position from 0 in the sorted list of ids.
    pub fn index(self) -> usize {
        usize::from(self.0) - 1
    }

    /// The label of this agent's `revision`-th answer.
    pub fn label(self, revision: u32) -> AnswerLabel {
        AnswerLabel { agent: self, revision }
    }
}

impl fmt::Display for AgentNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent{}", self.0)
    }
}

impl FromStr for AgentNo {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        text.strip_prefix("agent")
            .filter(|digits| !digits.starts_with(['0', '+']))
            .and_then(|digits| digits.parse().ok())
            .map(Self)
            .ok_or_else(|| IdError::NotAnAgentNo(text.to_owned()))
    }
}

impl TryFrom<String> for AgentNo {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<AgentNo> for String {
    fn from(no: AgentNo) -> Self {
        no.to_string()
    }
}

/// One accepted answer: `agentN.K` is the K-th accepted answer (from 1) of `agentN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AnswerLabel {
    /// Whose answer.
    pub agent: AgentNo,
    /// Which revision, from 1.
    pub revision: u32,
}

impl fmt::Display for AnswerLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.agent, self.revision)
    }
}

impl FromStr for AnswerLabel {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let not_a_label = || IdError::NotALabel(text.to_owned());
        let (agent, revision) = text.split_once('.').ok_or_else(not_a_label)?;
        let revision = revision.parse().ok().filter(|k| *k >= 1).ok_or_else(not_a_label)?;
        Ok(Self { agent: agent.parse().map_err(|_| not_a_label())?, revision })
    }
}

impl TryFrom<String> for AnswerLabel {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<AnswerLabel> for String {
    fn from(label: AnswerLabel) -> Self {
        label.to_string()
    }
}

/// The revisions of all agents at one moment: entry i is the number of answers of the agent with index i.
///
/// A vote carries the set that its voter had seen; the vote counts while that set is the current one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct RevisionSet(Vec<u32>);

impl RevisionSet {
    /// The set of `agents` agents without any answer.
    pub fn empty(agents: usize) -> Self {
        Self(vec![0; agents])
    }

    /// How many answers of `agent` are in the set; 0 for an agent outside it.
    pub fn get(&self, agent: AgentNo) -> u32 {
        self.0.get(agent.index()).copied().unwrap_or(0)
    }

    /// Raises the set so that it holds `label`; never lowers it.
    pub fn include(&mut self, label: AnswerLabel) {
        if let Some(known) = self.0.get_mut(label.agent.index()) {
            *known = (*known).max(label.revision);
        }
    }

    /// The newest label of every agent that has an answer in this set, in order of agent number.
    pub fn labels(&self) -> impl Iterator<Item = AnswerLabel> + '_ {
        self.0.iter().enumerate().filter(|(_, k)| **k > 0).map(|(i, k)| AgentNo::from_index(i).label(*k))
    }

    /// The newest labels of `self` that `seen` does not hold, in order of agent number.
    pub fn newer_than<'a>(&'a self, seen: &'a Self) -> impl Iterator<Item = AnswerLabel> + 'a {
        self.labels().filter(|label| seen.get(label.agent) < label.revision)
    }
}

/// One model call of a run: the `number`-th (from 1) of its agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct CallId {
    /// The agent that calls.
    pub agent: AgentNo,
    /// Counts the calls of that agent over the whole run, from 1.
    pub number: u32,
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-call-{}", self.agent, self.number)
    }
}

/// One tool call of a reply: the `index`-th (from 0) tool call in the reply to `call`.
///
/// Providers' own ids repeat across calls, so they do not identify anything here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ToolUse {
    /// The model call whose reply asked for the tool.
    pub call: CallId,
    /// Position among the tool calls of that reply, from 0.
    pub index: u16,
}

impl fmt::Display for ToolUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-tool-{}", self.call, self.index)
    }
}

/// Position of an event in its run: dense, from 1.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_could_leave_the_run_folder_are_refused() {
        for bad in ["", ".", "..", "../x", "a/b", "a b", "a\nb", "a\0", &"x".repeat(65)] {
            assert!(AgentId::new(bad).is_err(), "{bad:?}");
        }
        for good in ["agent_a", "gpt-5.4", "é1"] {
            assert!(AgentId::new(good).is_ok(), "{good:?}");
        }
    }

    #[test]
    fn labels_print_and_parse_alike() {
        let label = AgentNo::from_index(1).label(3);
        assert_eq!(label.to_string(), "agent2.3");
        assert_eq!("agent2.3".parse(), Ok(label));
        for bad in
            ["agent2", "agent0.1", "agent1.0", "agent01.1", "agent+1.1", "2.3", "agent1.x", "agent70000.1"]
        {
            assert!(bad.parse::<AnswerLabel>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_revision_set_tells_what_is_newer() {
        let mut seen = RevisionSet::empty(3);
        let mut now = RevisionSet::empty(3);
        now.include(AgentNo::from_index(0).label(2));
        now.include(AgentNo::from_index(2).label(1));
        seen.include(AgentNo::from_index(0).label(1));
        let newer: Vec<_> = now.newer_than(&seen).map(|l| l.to_string()).collect();
        assert_eq!(newer, ["agent1.2", "agent3.1"]);
    }
}

//! Whether a call may be made: judged by what it does, and to what; never by what the tool is called.
//!
//! The core is pure: [`Rules::judge`] turns a [`Request`] into a [`Judgement`]. The [`Gate`] of an agent adds what needs
//! the world: replies that were remembered, and questions to a person. Rules on command lines are a help, not the wall,
//! which is the sandbox: what they do not see stands in `seen.rs`.

mod approvals;
mod gate;
mod lines;
mod remembered;
mod risk;
mod rules;
mod seen;

use massgen_protocol::message::{ToolDecision, ToolVerdict};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::naming::server_and_tool;

pub use approvals::{Approver, FileApprover, Question, Reply, Scope};
pub use gate::{Gate, Of};
pub(crate) use risk::of as risk_of;
pub use risk::{Risk, hardline};
pub use rules::{Judgement, Rules, Verdict};
pub(crate) use seen::seen;

/// What a call does to something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It runs a command.
    Command,
    /// It reads a path.
    Read,
    /// It makes or changes a path.
    Write,
    /// It removes a path.
    Delete,
    /// It reads an address of the network.
    Address,
    /// It calls a tool of which nothing else is known.
    Tool,
}

impl Effect {
    /// The word for it in rules.
    pub fn action(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Read => "read_file",
            Self::Write | Self::Delete => "write_file",
            Self::Address => "read_url",
            Self::Tool => "mcp",
        }
    }

    /// The word for it in sentences.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Command => "run",
            Self::Read | Self::Address => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Tool => "use",
        }
    }
}

/// One thing that a call wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What it does.
    pub effect: Effect,
    /// To what: the command, the path without links, the address, or `server/tool`.
    pub target: String,
    /// Other true spellings of the target, such as the path as seen from the workspace.
    pub spellings: Vec<String>,
    /// The target as the model wrote it. Rules that refuse or ask look at it too; those that allow do not, as
    /// `src/../x` is not in `src`.
    pub asked: Option<String>,
}

impl Request {
    /// A request whose target has one spelling.
    pub fn new(effect: Effect, target: impl Into<String>) -> Self {
        Self { effect, target: target.into(), spellings: Vec::new(), asked: None }
    }

    /// What a call of the tool `name` wants of which only the name and the arguments are known, as those of tool servers:
    /// the tool itself, and the addresses among its arguments.
    pub fn of_tool(name: &str, arguments: &Map<String, Value>) -> Vec<Self> {
        let mut requests = vec![Self::new(Effect::Tool, server_and_tool(name))];
        // However deep they are: who reads JSON bounds its depth.
        let mut rest: Vec<&Value> = arguments.values().rev().collect();
        while let Some(value) = rest.pop() {
            match value {
                Value::String(text) if is_address(text) => requests.push(Self::new(Effect::Address, text)),
                Value::Array(values) => rest.extend(values.iter().rev()),
                Value::Object(values) => rest.extend(values.values().rev()),
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
        }
        requests
    }

    /// Every true spelling of the target.
    pub(crate) fn true_spellings(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.target.as_str()).chain(self.spellings.iter().map(String::as_str))
    }
}

/// Whether `text` is an address of the network, and not a text that holds one.
fn is_address(text: &str) -> bool {
    let rest = text
        .split_once("://")
        .filter(|(scheme, _)| matches!(*scheme, "http" | "https" | "ftp" | "ws" | "wss"));
    rest.is_some_and(|(_, rest)| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

/// A decision, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Whose call.
    pub agent: massgen_protocol::AgentId,
    /// The tool.
    pub tool: String,
    /// What it wanted to do, in the words of rules.
    pub action: String,
    /// To what.
    pub target: String,
    /// What was decided.
    pub decision: Decision,
    /// The rule that decided, as it stands in the configuration; a word for others, such as `risk` or `hardline`.
    pub rule: String,
    /// Why, in one line.
    pub reason: String,
    /// Whether somebody was asked.
    #[serde(default, skip_serializing_if = "Asked::is_nobody")]
    pub asked: Asked,
}

impl Record {
    /// The decision as events tell it.
    pub fn told(&self) -> ToolDecision {
        ToolDecision {
            action: self.action.clone(),
            target: self.target.clone(),
            verdict: match self.decision {
                Decision::Allow => ToolVerdict::Allowed,
                Decision::Deny => ToolVerdict::Denied,
            },
            rule: self.rule.clone(),
            reason: self.reason.clone(),
        }
    }
}

/// Who was asked about a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Asked {
    /// Nobody: rules decided.
    #[default]
    Nobody,
    /// A person.
    Person,
}

impl Asked {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields so")]
    fn is_nobody(&self) -> bool {
        *self == Self::Nobody
    }
}

/// What was decided on a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// It may be made.
    Allow,
    /// It may not.
    Deny,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_found_however_deep_they_are_among_arguments() {
        let arguments = json!({
            "url": "https://a.example/x",
            "request": { "url": "http://b.example", "more": [{ "at": ["ws://c.example", "see https://no.example"] }] },
            "list": ["ftp://d.example", 7, null],
        });
        let requests = Request::of_tool("mcp__web__get", arguments.as_object().expect("a map"));
        let targets: Vec<_> =
            requests.iter().map(|request| (request.effect, request.target.as_str())).collect();
        let address = |text| (Effect::Address, text);
        assert_eq!(targets.first(), Some(&(Effect::Tool, "web/get")));
        let mut found = targets.get(1..).expect("more").to_vec();
        found.sort_unstable();
        assert_eq!(
            found,
            ["ftp://d.example", "http://b.example", "https://a.example/x", "ws://c.example"].map(address)
        );
    }
}

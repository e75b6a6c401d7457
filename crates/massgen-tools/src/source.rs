//! Where tools come from.

use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_ports::CallWatch;
use massgen_protocol::message::ToolFile;
use massgen_protocol::{AgentId, ToolSchema, ToolUse};
use massgen_workspace::access;
use serde_json::{Map, Value};

use crate::policy::Request;

/// What a tool can do to the world. A tool that does none of it only changes what massgen keeps for the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// It reads files.
    Reads,
    /// It makes or changes files.
    Writes,
    /// It removes files.
    Deletes,
    /// It runs programs.
    Executes,
    /// It reaches other machines.
    Network,
}

/// What kind of tools a source has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Our own.
    BuiltIn,
    /// Those of tool servers.
    Server,
    /// Those that the user wrote.
    Custom,
}

/// One call, checked and allowed.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// Who calls.
    pub agent: AgentId,
    /// Which call of which reply; a background job has that of the call that started it.
    pub tool_use: ToolUse,
    /// The tool, as the model knows it.
    pub name: String,
    /// Its arguments. They fit the schema.
    pub arguments: Map<String, Value>,
    /// Hears of it while it is under way.
    pub watch: Arc<dyn CallWatch>,
}

/// What a call gave.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// What the model reads.
    pub text: String,
    /// Pictures and other files.
    pub files: Vec<ToolFile>,
}

impl From<String> for Output {
    fn from(text: String) -> Self {
        Self { text, files: Vec::new() }
    }
}

/// A result as lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub text: String,
    /// Bytes of the result that are not among them, and are nowhere.
    pub left_out: u64,
}

/// Why a call has no result. The text is for the model: what was wrong, and what it can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failed {
    /// It is not allowed.
    Denied(String),
    /// It did not work.
    Error(String),
}

/// Tools of one origin, for all agents of a session.
pub trait Source: Send + Sync {
    /// What its tools are.
    fn kind(&self) -> Kind;

    /// The tools that `agent` has of it. The same for the whole run.
    fn schemas(&self, agent: &AgentId) -> Vec<ToolSchema>;

    /// What a tool can do to the world; `None` when this source has no such tool. Names that are not listed may be
    /// known all the same, as older spellings are.
    fn capabilities(&self, agent: &AgentId, name: &str) -> Option<Vec<Capability>>;

    /// What a call wants, in the words of rules. Everything that is not named here is not judged.
    fn requests(&self, agent: &AgentId, name: &str, arguments: &Map<String, Value>) -> Vec<Request>;

    /// A result of this source as lines for a file, where it is too long for a prompt; `None` is the result as it is.
    fn page(&self, _result: &str) -> Option<Page> {
        None
    }

    /// Runs a call. Dropping the future stops it as far as that is possible.
    fn run(&self, invocation: Invocation) -> BoxFuture<'static, Result<Output, Failed>>;
}

impl From<access::Error> for Failed {
    fn from(error: access::Error) -> Self {
        match error {
            access::Error::Refused(refusal) => refusal.into(),
            access::Error::Missing(_)
            | access::Error::Exists(_)
            | access::Error::NotAFolder(_)
            | access::Error::NotAFile(_)
            | access::Error::NotAPath
            | access::Error::TooManyLinks(_)
            | access::Error::TooLarge { .. }
            | access::Error::TooMany { .. }
            | access::Error::System { .. } => Self::Error(error.to_string()),
        }
    }
}

impl From<access::Refusal> for Failed {
    fn from(refusal: access::Refusal) -> Self {
        let text = refusal.to_string();
        Self::Denied(match refusal {
            access::Refusal::Outside(_) => {
                format!("{text}; list_allowed_directories tells which ones those are")
            }
            access::Refusal::ReadOnly(_) => format!("{text}; copy it into your workspace and work there"),
            access::Refusal::Hidden(_)
            | access::Refusal::Protected(_)
            | access::Refusal::Beside { .. }
            | access::Refusal::Holds { .. } => text,
        })
    }
}

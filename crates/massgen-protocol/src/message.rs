//! What goes to a model and what comes back, in our own words. Providers' items travel along unread.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attachment::AttachedFile;
use crate::ids::{AgentId, AgentNo, CallId};
use crate::limits;
use crate::money::{TokenUsage, Usd};
use crate::output_schema::OutputSchema;
use crate::spec::Protocol;
use crate::time::millis;

/// One request to a model: everything that the provider sees, and for whom it is made.
///
/// The order on the wire is tools, system, messages; nothing above the last message changes from call to call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// For whom and why; never sent to the provider.
    pub context: CallContext,
    /// The system text.
    pub system: Arc<str>,
    /// The tools that the model may call; the same list for all calls of an agent.
    pub tools: Arc<[ToolSchema]>,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Bound on the output, in tokens; `None` leaves it to the provider.
    pub max_output_tokens: Option<u32>,
    /// The form that the reply's text must have; the model then writes text and calls no tool. `None` is free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Arc<OutputSchema>>,
}

/// For whom a request is made. Adapters use it for logs, for matching recordings and for the simulated model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallContext {
    /// The agent's id in the configuration.
    pub agent: AgentId,
    /// The call.
    pub call: CallId,
    /// What the reply is for.
    pub purpose: Purpose,
    /// Agents that have an answer which this request shows.
    pub candidates: Vec<AgentNo>,
    /// The agent may answer (again) rather than only vote.
    pub may_answer: bool,
    /// Which model of the agent is asked: 0 is its own, others are entries of its fallback list, from 1.
    #[serde(default)]
    pub fallback: u32,
}

/// What a model call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Answer or vote.
    Coordinate,
    /// Write the final answer.
    Present,
    /// Summarise the conversation.
    Summarize,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "snake_case")]
pub enum Message {
    /// From the engine, in the user's role.
    User {
        /// The text.
        text: String,
        /// Files that belong to it, in order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<Arc<AttachedFile>>,
    },
    /// An earlier reply of this model, with the provider's own items.
    Assistant {
        /// The reply.
        reply: Arc<Reply>,
    },
    /// The result of one tool call of the reply before.
    ToolResult {
        /// The id that the provider gave the call.
        id: String,
        /// The tool's name.
        name: String,
        /// The result or the error, as text.
        text: String,
        /// Whether `text` tells of a failure.
        is_error: bool,
    },
}

impl Message {
    /// A message in the user's role, without files.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { text: text.into(), files: Vec::new() }
    }
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSchema {
    /// Name, unique in its list.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments.
    pub parameters: serde_json::Value,
}

/// One complete reply of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    /// The parts, in the order in which the model made them.
    pub items: Vec<ReplyItem>,
    /// Why the model stopped.
    pub finish: FinishReason,
    /// Tokens, as the provider reports them or as we estimate.
    pub usage: TokenUsage,
    /// Cost as reported by the provider; it wins over the price list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_cost: Option<Usd>,
    /// From sending the request to the first part of the reply.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub first_token_after: Duration,
    /// From sending the request to the end of the reply.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub duration: Duration,
    /// Who made it; `None` for replies without a provider and those of runs before it was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<ReplyOrigin>,
}

/// Who made a reply. Only the same one understands the providers' items in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ReplyOrigin {
    /// The protocol that it came in.
    pub protocol: Protocol,
    /// The host that it came from, without port.
    pub host: String,
    /// The model, as the configuration names it.
    pub model: String,
}

impl Reply {
    /// The visible text, without reasoning.
    pub fn text(&self) -> String {
        self.items
            .iter()
            .filter_map(|item| match &item.content {
                ItemContent::Text { text } => Some(text.as_str()),
                ItemContent::Reasoning { .. }
                | ItemContent::ToolCall(_)
                | ItemContent::File { .. }
                | ItemContent::Opaque => None,
            })
            .collect()
    }

    /// The reasoning that the provider showed.
    pub fn reasoning(&self) -> String {
        self.items
            .iter()
            .filter_map(|item| match &item.content {
                ItemContent::Reasoning { text } => Some(text.as_str()),
                ItemContent::Text { .. }
                | ItemContent::ToolCall(_)
                | ItemContent::File { .. }
                | ItemContent::Opaque => None,
            })
            .collect()
    }

    /// The tool calls, in order.
    pub fn tool_calls(&self) -> impl Iterator<Item = &ToolCall> {
        self.items.iter().filter_map(|item| match &item.content {
            ItemContent::ToolCall(call) => Some(call),
            ItemContent::Text { .. }
            | ItemContent::Reasoning { .. }
            | ItemContent::File { .. }
            | ItemContent::Opaque => None,
        })
    }

    /// Bytes of text, reasoning and tool arguments: what the reply adds to a prompt, roughly. A file counts as
    /// [`limits::FILE_IN_PROMPT_BYTES`], however large it is; one that was fetched is in no prompt.
    pub fn bytes(&self) -> usize {
        self.items.iter().filter(|item| !item.is_fetched()).map(|item| item.content.bytes()).sum()
    }
}

/// One part of a reply: what it means to us, and the provider's own item so that it can go back unchanged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplyItem {
    /// Our reading.
    pub content: ItemContent,
    /// The provider's item, opaque; only the adapter that wrote it reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<serde_json::Value>,
}

impl From<ItemContent> for ReplyItem {
    fn from(content: ItemContent) -> Self {
        Self { content, provider: None }
    }
}

/// What a part of a reply means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ItemContent {
    /// Visible text.
    Text {
        /// The text.
        text: String,
    },
    /// Reasoning that the provider shows.
    Reasoning {
        /// The text; empty when the provider keeps it to itself.
        text: String,
    },
    /// A tool call.
    ToolCall(ToolCall),
    /// A file that the model made. Its bytes stand in the provider's item and nowhere else.
    File {
        /// What it is, for example `image/png`; `application/octet-stream` when nobody knows.
        media_type: String,
        /// Where its bytes stand in the provider's item, as base64 or as a `data:` address: a JSON pointer.
        at: String,
    },
    /// Something only the provider understands; it is sent back as it came.
    Opaque,
}

impl ItemContent {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Text { text } | Self::Reasoning { text } => text.len(),
            Self::ToolCall(call) => call.name.len() + call.arguments.len(),
            Self::File { .. } => limits::FILE_IN_PROMPT_BYTES,
            Self::Opaque => 0,
        }
    }
}

/// A tool call as the model wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolCall {
    /// The provider's id for it; results are matched by it on the wire.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// The arguments as the model wrote them: JSON if the model did well.
    pub arguments: String,
}

/// Why a model stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// It was done.
    Stop,
    /// It waits for tool results.
    ToolCalls,
    /// The output bound was reached.
    Length,
    /// The provider's filter cut it.
    ContentFilter,
    /// The model refused.
    Refusal,
    /// The provider stopped in the middle of work of its own; it goes on when the reply is sent back as it is.
    Paused,
    /// The conversation and the reply filled the context window.
    WindowFull,
    /// The provider stopped before the reply was whole, for a reason of its own.
    Incomplete,
    /// A reason of the provider that we do not know, in its words: nothing says that the reply is whole.
    Other(String),
}

/// Why a model call gave no reply, after all retries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ModelFailure {
    /// The class, which decides what can be done about it.
    pub kind: FailureKind,
    /// What the provider or the network said, one line, without secrets.
    pub message: String,
    /// How many requests were sent.
    pub attempts: u32,
}

impl fmt::Display for ModelFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times =
            if self.attempts == 1 { "1 attempt".to_owned() } else { format!("{} attempts", self.attempts) };
        write!(f, "{} ({}, {times})", self.message, self.kind)
    }
}

/// Classes of failed model calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Too many requests.
    RateLimited,
    /// The account has no money or quota left.
    QuotaExhausted,
    /// The provider failed (5xx, overloaded).
    Server,
    /// No connection, or it broke before the reply was complete.
    Network,
    /// Nothing came for too long, or the call took longer than its deadline.
    Timeout,
    /// What came is not what the protocol says.
    Malformed,
    /// The key is missing, wrong or not allowed.
    Unauthorized,
    /// The provider refuses the request itself.
    Rejected,
    /// The conversation is longer than the model's window.
    ContextOverflow,
    /// The recording that is replayed does not hold this call.
    NotRecorded,
}

impl FailureKind {
    /// Whether the same request may succeed when it is sent again.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::RateLimited | Self::Server | Self::Network | Self::Timeout | Self::Malformed => true,
            Self::QuotaExhausted
            | Self::Unauthorized
            | Self::Rejected
            | Self::ContextOverflow
            | Self::NotRecorded => false,
        }
    }
}

impl FailureKind {
    /// Whether another model may succeed where this one failed for good.
    pub fn concerns_the_model(self) -> bool {
        match self {
            Self::RateLimited
            | Self::QuotaExhausted
            | Self::Server
            | Self::Network
            | Self::Timeout
            | Self::Malformed
            | Self::Unauthorized
            | Self::Rejected => true,
            Self::ContextOverflow | Self::NotRecorded => false,
        }
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RateLimited => "rate limited",
            Self::QuotaExhausted => "quota exhausted",
            Self::Server => "server error",
            Self::Network => "network error",
            Self::Timeout => "timeout",
            Self::Malformed => "malformed reply",
            Self::Unauthorized => "not authorised",
            Self::Rejected => "request rejected",
            Self::ContextOverflow => "context window exceeded",
            Self::NotRecorded => "not in the recording",
        })
    }
}

/// How a tool call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ToolOutcome {
    /// It worked.
    Ok {
        /// Its result for the model.
        text: String,
        /// Pictures and other files of the result.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<ToolFile>,
    },
    /// It failed; the model is told why.
    Error {
        /// What went wrong.
        text: String,
    },
    /// The run was killed while it was under way: it may or may not have happened. It is never repeated by us.
    Unknown,
    /// The tool host refused to run it; the model is told why.
    Denied {
        /// Why not.
        text: String,
    },
    /// The engine did not start it.
    NotRun {
        /// Why not.
        cause: NotRunCause,
    },
    /// The engine stopped it at a time limit: it may or may not have happened.
    CutOff,
}

/// What was decided on one thing that a tool call wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolDecision {
    /// What the call wanted to do, in the words of rules: `command`, `read_file`, `write_file`, `read_url` or `mcp`.
    pub action: String,
    /// To what, at most [`limits::TOOL_DECISION_BYTES`](crate::limits::TOOL_DECISION_BYTES).
    pub target: String,
    /// What was decided.
    pub verdict: ToolVerdict,
    /// The rule that decided, as it stands in the configuration; a word for others, such as `risk` or `hook`.
    pub rule: String,
    /// Why, at most [`limits::TOOL_DECISION_BYTES`](crate::limits::TOOL_DECISION_BYTES).
    pub reason: String,
}

/// What a person is asked about a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolQuestion {
    /// What the call wants, such as ``run `make` ``, at most
    /// [`limits::TOOL_DECISION_BYTES`](crate::limits::TOOL_DECISION_BYTES).
    pub wants: String,
    /// Why it is asked, at most [`limits::TOOL_DECISION_BYTES`](crate::limits::TOOL_DECISION_BYTES).
    pub reason: String,
    /// The file that the reply is awaited in.
    pub reply_in: String,
    /// How long it is awaited.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub time: Duration,
}

/// How it stands with a tool call that a person is asked about. It has not begun before nobody is asked any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Asking {
    /// Somebody is asked.
    Asked {
        /// What.
        question: ToolQuestion,
    },
    /// There is a reply that is not understood. Another one is awaited.
    Misunderstood {
        /// The file that it stands in.
        reply_in: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A reply came, or the time for it is over.
    Over,
}

impl Asking {
    /// What an agent does meanwhile, for people, as the second half of a sentence; `None` when it goes on.
    pub fn line(&self) -> Option<String> {
        match self {
            Self::Asked { question } => {
                let ToolQuestion { wants, reason, reply_in, time } = question;
                let seconds = time.as_secs();
                Some(format!(
                    "waits for you: it wants to {wants} ({reason}). Write {{\"approved\": true}} or \
                     {{\"approved\": false}} to `{reply_in}` within {seconds} s"
                ))
            }
            Self::Misunderstood { reply_in, problem } => {
                Some(format!("still waits for you: the reply in `{reply_in}` is not understood: {problem}"))
            }
            Self::Over => None,
        }
    }
}

/// What was decided on a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ToolVerdict {
    /// It may be made.
    Allowed,
    /// It may not.
    Denied,
}

/// A file in the result of a tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToolFile {
    /// Its media type, for example `image/png`.
    pub media_type: String,
    /// The hash of its bytes, BLAKE3 in hex.
    pub hash: String,
    /// Its bytes, in base64.
    pub data: Arc<str>,
}

impl ToolOutcome {
    /// It worked, and its result is `text`.
    pub fn ok(text: impl Into<String>) -> Self {
        Self::Ok { text: text.into(), files: Vec::new() }
    }

    /// The same with `more` as a paragraph of its own below its text. Without `more`, or without a text that the tool host
    /// has written, it stays as it is.
    #[must_use]
    pub fn with_appended(mut self, more: &str) -> Self {
        match &mut self {
            Self::Ok { text, .. } | Self::Error { text } | Self::Denied { text } if !more.is_empty() => {
                text.push_str("\n\n");
                text.push_str(more);
            }
            Self::Ok { .. }
            | Self::Error { .. }
            | Self::Denied { .. }
            | Self::Unknown
            | Self::NotRun { .. }
            | Self::CutOff => {}
        }
        self
    }
}

/// Why the engine did not start a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotRunCause {
    /// The hard round limit was reached: only workflow tools work.
    TimeIsUp,
    /// The reply holds more tool calls than [`crate::limits::TOOL_CALLS_PER_REPLY`].
    TooManyCalls,
    /// The run ended while a person was asked about it.
    Unanswered,
}

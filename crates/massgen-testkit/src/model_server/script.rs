//! What a scripted model says, and when.

use std::time::Duration;

use serde_json::{Value, json};

use super::chunks::Frame;

/// When the parts of a reply go out. The default sends everything at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From the request to the first chunk.
    pub first_token: Duration,
    /// Chunks of a reply with content.
    pub chunks: usize,
    /// From one chunk to the next.
    pub interval: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { first_token: Duration::ZERO, chunks: 4, interval: Duration::ZERO }
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq)]
pub enum ScriptedReply {
    /// A reply of the model.
    Speak(SpokenReply),
    /// Another status.
    Refuse {
        /// The status.
        status: u16,
        /// Headers besides the content type.
        headers: Vec<(String, String)>,
        /// The body.
        body: String,
    },
    /// These frames and nothing else.
    Raw {
        /// The content type.
        content_type: String,
        /// The frames.
        frames: Vec<Frame>,
    },
    /// No answer, not even a head.
    Hang,
}

/// A reply of the model.
#[derive(Debug, Clone, PartialEq)]
pub struct SpokenReply {
    /// Reasoning, sent first.
    pub reasoning: String,
    /// Text, sent second.
    pub text: String,
    /// Tool calls, sent last; parallel ones interleave.
    pub calls: Vec<ScriptedCall>,
    /// The usage object; `None` sends none.
    pub usage: Option<Value>,
    /// The finish reason; `None` sends none.
    pub finish: Option<String>,
    /// What goes wrong.
    pub fault: Option<Fault>,
}

/// A tool call of a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptedCall {
    /// Its id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments as text.
    pub arguments: String,
}

/// What goes wrong in a stream, after so many chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks.
    Cut(usize),
    /// A chunk is not JSON.
    Malformed(usize),
    /// Nothing more comes, and the connection stays open.
    Silence(usize),
}

impl SpokenReply {
    /// A reply without content that says `stop` and reports 100 input and 10 output tokens.
    pub fn empty() -> Self {
        Self {
            reasoning: String::new(),
            text: String::new(),
            calls: Vec::new(),
            usage: Some(json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110})),
            finish: Some("stop".to_owned()),
            fault: None,
        }
    }
}

impl ScriptedReply {
    /// A reply that says `text`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Speak(SpokenReply { text: text.into(), ..SpokenReply::empty() })
    }

    /// A reply that calls one tool.
    pub fn call(name: &str, arguments: &Value) -> Self {
        Self::text("").with_call(name, arguments)
    }

    /// A refusal with an error object.
    pub fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = json!({"error": {"message": message, "type": code, "code": code, "param": null}});
        Self::Refuse { status, headers: Vec::new(), body: body.to_string() }
    }

    /// The same refusal with one more header. Other answers stay as they are.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        if let Self::Refuse { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// The same reply with one more tool call, and `tool_calls` as the reason to stop.
    #[must_use]
    pub fn with_call(self, name: &str, arguments: &Value) -> Self {
        self.with(|reply| {
            let id = format!("call_{}", reply.calls.len());
            reply.calls.push(ScriptedCall { id, name: name.to_owned(), arguments: arguments.to_string() });
            reply.finish = Some("tool_calls".to_owned());
        })
    }

    /// The same reply with reasoning.
    #[must_use]
    pub fn with_reasoning(self, reasoning: impl Into<String>) -> Self {
        self.with(|reply| reply.reasoning = reasoning.into())
    }

    /// The same reply with a fault.
    #[must_use]
    pub fn with_fault(self, fault: Fault) -> Self {
        self.with(|reply| reply.fault = Some(fault))
    }

    /// The same reply, changed. Answers that are no reply of the model stay as they are.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut SpokenReply)) -> Self {
        if let Self::Speak(reply) = &mut self {
            change(reply);
        }
        self
    }
}

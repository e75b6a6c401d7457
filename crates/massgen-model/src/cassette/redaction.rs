//! Takes known secrets out of what is written.

use std::fmt;
use std::sync::Arc;

use massgen_protocol::message::{FinishReason, ItemContent, ReplyOrigin};
use massgen_protocol::{ModelFailure, Reply, ReplyItem, ToolCall};
use serde_json::Value;

use super::RecordedEnd;

/// Takes secrets out of a text. It must leave a text that it has redacted as it is.
#[derive(Clone)]
pub struct Redaction(Arc<dyn Fn(&str) -> String + Send + Sync>);

impl Redaction {
    /// A redaction by `redact`.
    pub fn new(redact: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(redact))
    }

    /// A redaction that changes nothing.
    pub fn none() -> Self {
        Self::new(str::to_owned)
    }

    /// Redacts `text`.
    pub(super) fn text(&self, text: &str) -> String {
        (self.0)(text)
    }

    /// Redacts every text and every name in `value`.
    pub(super) fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(values) => values.into_iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => {
                fields.into_iter().map(|(name, value)| (self.text(&name), self.value(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    /// Redacts everything that came from a provider.
    pub(super) fn end(&self, end: RecordedEnd) -> RecordedEnd {
        match end {
            RecordedEnd::Replied(reply) => RecordedEnd::Replied(Arc::new(self.reply(&reply))),
            RecordedEnd::Failed(failure) => {
                RecordedEnd::Failed(ModelFailure { message: self.text(&failure.message), ..failure })
            }
            RecordedEnd::Cut => RecordedEnd::Cut,
        }
    }

    fn reply(&self, reply: &Reply) -> Reply {
        let items = reply.items.iter().map(|item| ReplyItem {
            content: self.content(&item.content),
            provider: item.provider.clone().map(|provider| self.value(provider)),
        });
        let finish = match &reply.finish {
            FinishReason::Other(reason) => FinishReason::Other(self.text(reason)),
            known @ (FinishReason::Stop
            | FinishReason::ToolCalls
            | FinishReason::Length
            | FinishReason::ContentFilter
            | FinishReason::Refusal
            | FinishReason::Paused
            | FinishReason::WindowFull
            | FinishReason::Incomplete) => known.clone(),
        };
        let origin = reply.origin.as_ref().map(|origin| ReplyOrigin {
            protocol: origin.protocol,
            host: self.text(&origin.host),
            model: self.text(&origin.model),
        });
        Reply { items: items.collect(), finish, origin, ..reply.clone() }
    }

    fn content(&self, content: &ItemContent) -> ItemContent {
        match content {
            ItemContent::Text { text } => ItemContent::Text { text: self.text(text) },
            ItemContent::Reasoning { text } => ItemContent::Reasoning { text: self.text(text) },
            ItemContent::ToolCall(call) => ItemContent::ToolCall(ToolCall {
                id: self.text(&call.id),
                name: self.text(&call.name),
                arguments: self.text(&call.arguments),
            }),
            ItemContent::File { media_type, at } => {
                ItemContent::File { media_type: self.text(media_type), at: at.clone() }
            }
            ItemContent::Opaque => ItemContent::Opaque,
        }
    }
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Redaction")
    }
}

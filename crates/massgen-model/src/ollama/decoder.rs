//! From lines of a stream to a reply.

use std::collections::HashMap;

use massgen_protocol::message::{FinishReason, ItemContent, ReplyItem, ToolCall};
use massgen_protocol::{CallId, DeltaKind, TokenUsage};
use serde_json::Value;
use serde_json::value::RawValue;

use super::line::{Line, Message};
use crate::provider::codec::{Decode, Fault};
use crate::provider::draft::Draft;
use crate::provider::usage::Reported;

/// What a call adds to a reply besides its bytes; bounds the number of empty ones.
const CALL_OVERHEAD: usize = 64;

/// Puts a reply together: one block of thinking, one of text, and the tool calls, which are the parts that a message of
/// this protocol has.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    thinking: String,
    text: String,
    calls: Vec<ReplyItem>,
}

impl Decode for Decoder {
    fn event(&mut self, data: &str, draft: &mut Draft) -> Result<(), Fault> {
        self.line(serde_json::from_str(data)?, draft)
    }

    fn document(&mut self, body: &str, draft: &mut Draft) -> Result<(), Fault> {
        // Gateways pass the lines on under the name of one document.
        let mut lines = serde_json::Deserializer::from_str(body).into_iter::<&RawValue>();
        lines.try_for_each(|line| self.event(line?.get(), draft))
    }

    fn items(self: Box<Self>, call: CallId) -> Result<Vec<ReplyItem>, String> {
        let mut items: Vec<ReplyItem> = Vec::new();
        if !self.thinking.is_empty() {
            items.push(ItemContent::Reasoning { text: self.thinking }.into());
        }
        if !self.text.is_empty() {
            items.push(ItemContent::Text { text: self.text }.into());
        }
        let mut known: HashMap<String, ToolCall> = HashMap::new();
        for (position, mut item) in self.calls.into_iter().enumerate() {
            if let ItemContent::ToolCall(tool) = &mut item.content {
                if tool.name.is_empty() {
                    return Err("a tool call without a name".to_owned());
                }
                let twin = known.get(&tool.id).filter(|_| !tool.id.is_empty());
                if twin.is_some_and(|twin| twin == tool) {
                    continue;
                }
                if tool.id.is_empty() || twin.is_some() {
                    tool.id = format!("{call}-tool-{position}");
                    // Its result names the new one, and both must agree.
                    if let Some(id) = item.provider.as_mut().and_then(|call| call.get_mut("id")) {
                        *id = tool.id.as_str().into();
                    }
                }
                known.insert(tool.id.clone(), tool.clone());
            }
            items.push(item);
        }
        Ok(items)
    }
}

impl Decoder {
    fn line(&mut self, line: Line<'_>, draft: &mut Draft) -> Result<(), Fault> {
        if let Some(error) = line.error {
            return Err(Fault::Said(serde_json::from_str(error.get())?));
        }
        if let Some(message) = line.message {
            draft.begin();
            self.message(message, draft)?;
        }
        let (input, output) = (line.prompt_eval_count.unwrap_or(0), line.eval_count.unwrap_or(0));
        if input > 0 || output > 0 {
            let cached_input = line.prompt_eval_cached_count.unwrap_or(0).min(input);
            let tokens = TokenUsage { input, output, cached_input, ..TokenUsage::default() };
            draft.reported.update(Reported { tokens: Some(tokens), cost: None });
        }
        if line.done == Some(true) {
            draft.finish =
                line.done_reason.filter(|reason| !reason.is_empty()).map(|reason| match reason.as_str() {
                    "stop" if self.calls.is_empty() => FinishReason::Stop,
                    "stop" => FinishReason::ToolCalls,
                    "length" => FinishReason::Length,
                    _ => FinishReason::Other(reason),
                });
            draft.end();
        }
        Ok(())
    }

    fn message(&mut self, message: Message<'_>, draft: &mut Draft) -> Result<(), Fault> {
        for (kind, piece, whole) in [
            (DeltaKind::Reasoning, message.thinking, &mut self.thinking),
            (DeltaKind::Text, message.content, &mut self.text),
        ] {
            let piece = piece.unwrap_or_default();
            draft.piece(kind, &piece);
            whole.push_str(&piece);
        }
        for raw in message.tool_calls.into_iter().flatten() {
            draft.weigh(raw.get().len() + CALL_OVERHEAD);
            let call: Value = serde_json::from_str(raw.get())?;
            let text = |pointer: &str| call.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let arguments = match call.pointer("/function/arguments") {
                None | Some(Value::Null) => "{}".to_owned(),
                Some(Value::String(text)) if text.trim().is_empty() => "{}".to_owned(),
                Some(Value::String(text)) => text.clone(),
                Some(arguments) => arguments.to_string(),
            };
            draft.piece(DeltaKind::ToolArguments, &arguments);
            let tool =
                ToolCall { id: text("/id").to_owned(), name: text("/function/name").to_owned(), arguments };
            self.calls.push(ReplyItem { content: ItemContent::ToolCall(tool), provider: Some(call) });
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;

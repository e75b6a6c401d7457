//! From events of a stream to a reply.

use std::time::Duration;

use massgen_protocol::limits;
use massgen_protocol::message::{FinishReason, ItemContent, Reply, ReplyItem};
use massgen_protocol::money::UsageSource;
use massgen_protocol::{CallId, DeltaKind, TokenUsage};
use serde_json::{Map, Value, json};

use super::calls::Calls;
use super::chunk::{Choice, Chunk, Delta, Piece, string};
use super::failure::Witness;
use super::usage::{Reported, cost, estimated_tokens};
use crate::retry::Failure;

/// What a call adds to a reply besides its bytes; bounds the number of empty ones.
const CALL_OVERHEAD: usize = 64;

/// Puts a reply together. The reply is one block of reasoning, one of text, and the tool calls: the parts that a
/// message of this protocol has.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    text: String,
    reasoning: String,
    /// The field in which the reasoning came; it goes back under the same name.
    reasoning_field: Option<&'static str>,
    reasoning_details: Vec<Value>,
    calls: Calls,
    finish: Option<FinishReason>,
    done: bool,
    begun: bool,
    reported: Reported,
    /// Pieces that nobody has taken yet.
    pieces: Vec<(DeltaKind, String)>,
    /// What counts towards [`limits::REPLY_BYTES`].
    size: usize,
}

/// When a reply came and what its request weighed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    pub(super) call: CallId,
    pub(super) request_bytes: usize,
    pub(super) first_token_after: Duration,
    pub(super) duration: Duration,
}

impl Decoder {
    /// Takes the data of one event.
    pub(super) fn event(&mut self, data: &[u8], is_error: bool, witness: &Witness) -> Result<(), Failure> {
        let text = std::str::from_utf8(data).map_err(|error| witness.malformed(error))?.trim();
        match text {
            "" => return Ok(()),
            "[DONE]" => {
                self.done = true;
                return Ok(());
            }
            _ => {}
        }
        if is_error {
            let error = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()));
            return Err(witness.in_stream(&error));
        }
        let chunk: Chunk<'_> = serde_json::from_str(text).map_err(|error| witness.malformed(error))?;
        self.chunk(chunk, witness)
    }

    /// Takes a reply that came whole.
    pub(super) fn whole(&mut self, body: &[u8], witness: &Witness) -> Result<(), Failure> {
        self.event(body, false, witness)?;
        self.done = true;
        Ok(())
    }

    /// The pieces that came since the last time.
    pub(super) fn take_pieces(&mut self) -> Vec<(DeltaKind, String)> {
        std::mem::take(&mut self.pieces)
    }

    /// Whether the server said that nothing follows.
    pub(super) fn is_done(&self) -> bool {
        self.done
    }

    /// Whether the model has stopped; only the usage may follow.
    pub(super) fn is_finished(&self) -> bool {
        self.finish.is_some()
    }

    /// Whether any part of the reply has come.
    pub(super) fn has_begun(&self) -> bool {
        self.size > 0
    }

    fn chunk(&mut self, chunk: Chunk<'_>, witness: &Witness) -> Result<(), Failure> {
        let value = |raw: &serde_json::value::RawValue| serde_json::from_str::<Value>(raw.get());
        let malformed = |error: serde_json::Error| witness.malformed(error);
        if let Some(error) = chunk.error.map(value).transpose().map_err(malformed)?
            && (error.is_object() || error.as_str().is_some_and(|text| !text.is_empty()))
        {
            return Err(witness.in_stream(&error));
        }
        let choice =
            chunk.choices.into_iter().flatten().find(|choice| choice.index.is_none_or(|index| index == 0));
        let groq = chunk.x_groq.map(value).transpose().map_err(malformed)?;
        let mut usages = Vec::new();
        usages.extend(groq.and_then(|mut groq| groq.get_mut("usage").map(Value::take)));
        for raw in [choice.as_ref().and_then(|choice| choice.usage), chunk.usage].into_iter().flatten() {
            usages.push(value(raw).map_err(malformed)?);
        }
        for usage in &usages {
            self.reported.update(Reported::read(usage));
        }
        if let Some(cost) = chunk.cost.map(value).transpose().map_err(malformed)?.as_ref().and_then(cost) {
            self.reported.cost = Some(cost);
        }
        match choice {
            Some(choice) => self.choice(choice, witness),
            None => Ok(()),
        }
    }

    fn choice(&mut self, choice: Choice<'_>, witness: &Witness) -> Result<(), Failure> {
        self.begun = true;
        if let Some(delta) = choice.delta.or(choice.message) {
            self.delta(delta).map_err(|error| witness.malformed(error))?;
        }
        if self.size > limits::REPLY_BYTES {
            let problem = format!("a reply of more than {} bytes", limits::REPLY_BYTES);
            return Err(witness.malformed(problem).for_good());
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => Ok(()),
            Some("error") => Err(witness.in_stream(&Value::Null)),
            Some(reason) => {
                self.finish = Some(finish_reason(reason));
                Ok(())
            }
        }
    }

    fn delta(&mut self, delta: Delta<'_>) -> Result<(), serde_json::Error> {
        self.reasoning(&delta)?;
        let mut piece = delta.content.map(Piece::read).transpose()?.unwrap_or_default();
        if piece.text.is_empty() {
            piece.text = string(delta.refusal)?;
        }
        self.add(DeltaKind::Reasoning, piece.reasoning);
        self.add(DeltaKind::Text, piece.text);
        for fragment in delta.tool_calls.into_iter().flatten() {
            self.size += CALL_OVERHEAD;
            let arguments = self.calls.fragment(fragment);
            self.add(DeltaKind::ToolArguments, arguments);
        }
        Ok(())
    }

    /// Servers that send the reasoning under several names send the same text under each; the first counts.
    fn reasoning(&mut self, delta: &Delta<'_>) -> Result<(), serde_json::Error> {
        let mut shown = String::new();
        if let Some(raw) = delta.reasoning_details
            && let Value::Array(details) = serde_json::from_str(raw.get())?
        {
            self.size += raw.get().len();
            for detail in details {
                for key in ["text", "summary"] {
                    shown.push_str(detail.get(key).and_then(Value::as_str).unwrap_or_default());
                }
                merge_detail(&mut self.reasoning_details, detail);
            }
        }
        for (field, raw) in [("reasoning_content", delta.reasoning_content), ("reasoning", delta.reasoning)] {
            let text = string(raw)?;
            if !text.is_empty() {
                self.reasoning_field.get_or_insert(field);
                if shown.is_empty() {
                    shown = text;
                }
            }
        }
        self.add(DeltaKind::Reasoning, shown);
        Ok(())
    }

    fn add(&mut self, kind: DeltaKind, text: String) {
        if text.is_empty() {
            return;
        }
        self.size += text.len();
        match kind {
            DeltaKind::Text => self.text.push_str(&text),
            DeltaKind::Reasoning => self.reasoning.push_str(&text),
            DeltaKind::ToolArguments => {}
        }
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == kind => piece.push_str(&text),
            _ => self.pieces.push((kind, text)),
        }
    }

    /// The reply, once the stream is over.
    pub(super) fn reply(self, measured: Measured, witness: &Witness) -> Result<Reply, Failure> {
        if self.finish.is_none() && !self.done {
            return Err(witness.cut());
        }
        if !self.begun {
            return Err(witness.malformed("a stream without a choice"));
        }
        let unsaid = if self.calls.is_empty() { FinishReason::Stop } else { FinishReason::ToolCalls };
        let finish = self.finish.unwrap_or(unsaid);
        let reasoning_bytes = self.reasoning.len();
        let mut items = Vec::new();
        let provider = reasoning_item(self.reasoning_field, self.reasoning_details);
        if !self.reasoning.is_empty() || provider.is_some() {
            items.push(ReplyItem { content: ItemContent::Reasoning { text: self.reasoning }, provider });
        }
        if !self.text.is_empty() {
            items.push(ItemContent::Text { text: self.text }.into());
        }
        for made in self.calls.finish(measured.call).map_err(|problem| witness.malformed(problem))? {
            let provider = (!made.extra.is_empty()).then_some(Value::Object(made.extra));
            items.push(ReplyItem { content: ItemContent::ToolCall(made.call), provider });
        }
        let mut reply = Reply {
            items,
            finish,
            usage: TokenUsage::default(),
            reported_cost: self.reported.cost,
            first_token_after: measured.first_token_after,
            duration: measured.duration,
        };
        reply.usage = self.reported.tokens.unwrap_or_else(|| TokenUsage {
            input: estimated_tokens(measured.request_bytes),
            output: estimated_tokens(reply.bytes()),
            reasoning: estimated_tokens(reasoning_bytes),
            source: UsageSource::Estimated,
            ..TokenUsage::default()
        });
        Ok(reply)
    }
}

/// The provider's item of a block of reasoning: the field it came in, without the text that is beside it anyway, and
/// the details as they came.
fn reasoning_item(field: Option<&'static str>, details: Vec<Value>) -> Option<Value> {
    let mut item = Map::new();
    if let Some(field) = field {
        item.insert(field.to_owned(), json!(""));
    }
    if !details.is_empty() {
        item.insert("reasoning_details".to_owned(), Value::Array(details));
    }
    (!item.is_empty()).then_some(Value::Object(item))
}

/// Appends a detail. A fragment of text or summary continues the last entry of its type and index and adds the
/// fields (signature, id) that the entry lacks.
fn merge_detail(details: &mut Vec<Value>, detail: Value) {
    let grows =
        matches!(detail.get("type").and_then(Value::as_str), Some("reasoning.text" | "reasoning.summary"));
    let continues =
        |last: &Value| last.get("type") == detail.get("type") && last.get("index") == detail.get("index");
    let last = details.last_mut().filter(|last| grows && continues(last)).and_then(Value::as_object_mut);
    let (Some(last), Value::Object(fields)) = (last, &detail) else {
        details.push(detail);
        return;
    };
    for (key, value) in fields {
        match (last.get_mut(key), value) {
            (Some(Value::String(text)), Value::String(more))
                if matches!(key.as_str(), "text" | "summary") =>
            {
                text.push_str(more);
            }
            (None | Some(Value::Null), value) => {
                last.insert(key.clone(), value.clone());
            }
            (Some(_), _) => {}
        }
    }
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "stop" | "end" | "eos" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        other => FinishReason::Other(other.to_owned()),
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;

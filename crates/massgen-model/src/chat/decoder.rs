//! From events of a stream to a reply.

use massgen_protocol::message::{FinishReason, ItemContent, ReplyItem};
use massgen_protocol::{CallId, DeltaKind};
use serde_json::{Map, Value, json};

use super::calls::{Assembled, Calls};
use super::chunk::{Choice, Chunk, Delta, Piece, string};
use super::images::Images;
use super::sources::Sources;
use crate::provider::codec::{Decode, Fault};
use crate::provider::draft::Draft;
use crate::provider::usage::{Reported, cost};

/// What a call adds to a reply besides its bytes; bounds the number of empty ones.
const CALL_OVERHEAD: usize = 64;

/// Puts a reply together. The reply is one block of reasoning, one of text, its sources, pictures, and the tool calls:
/// the parts that a message of this protocol has.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    text: String,
    /// Bytes of the text that came as a refusal.
    refused: usize,
    reasoning: String,
    /// The field in which the reasoning came; it goes back under the same name.
    reasoning_field: Option<&'static str>,
    reasoning_details: Vec<Value>,
    /// The reasoning came as parts of the content, as Mistral sends it.
    has_thinking_parts: bool,
    images: Images,
    sources: Sources,
    calls: Calls,
}

impl Decode for Decoder {
    fn event(&mut self, data: &str, draft: &mut Draft) -> Result<(), Fault> {
        if data == "[DONE]" {
            draft.end();
            return Ok(());
        }
        self.chunk(serde_json::from_str(data)?, draft)
    }

    fn document(&mut self, body: &str, draft: &mut Draft) -> Result<(), Fault> {
        self.chunk(serde_json::from_str(body)?, draft)?;
        draft.end();
        Ok(())
    }

    fn items(self: Box<Self>, call: CallId) -> Result<Vec<ReplyItem>, String> {
        let mut items = Vec::new();
        let provider = reasoning_item(self.reasoning_field, self.reasoning_details)
            .or_else(|| self.has_thinking_parts.then(|| thinking_part(&self.reasoning)));
        if !self.reasoning.is_empty() || provider.is_some() {
            items.push(ReplyItem { content: ItemContent::Reasoning { text: self.reasoning }, provider });
        }
        if !self.text.is_empty() {
            items.push(ItemContent::Text { text: self.text }.into());
        }
        items.extend(self.sources.into_item());
        items.extend(self.images.into_items());
        for Assembled { call, mut extra } in self.calls.finish(call)? {
            let provider = (!extra.is_empty()).then(|| {
                extra.entry("type").or_insert_with(|| "function".into());
                Value::Object(extra)
            });
            items.push(ReplyItem { content: ItemContent::ToolCall(call), provider });
        }
        Ok(items)
    }
}

impl Decoder {
    fn chunk(&mut self, chunk: Chunk<'_>, draft: &mut Draft) -> Result<(), Fault> {
        let value = |raw: &serde_json::value::RawValue| serde_json::from_str::<Value>(raw.get());
        if let Some(error) = chunk.error.map(value).transpose()?
            && (error.is_object() || error.as_str().is_some_and(|text| !text.is_empty()))
        {
            return Err(Fault::Said(error));
        }
        let choice =
            chunk.choices.into_iter().flatten().find(|choice| choice.index.is_none_or(|index| index == 0));
        let groq = chunk.x_groq.map(value).transpose()?;
        let mut usages = Vec::new();
        usages.extend(groq.and_then(|mut groq| groq.get_mut("usage").map(Value::take)));
        for raw in [choice.as_ref().and_then(|choice| choice.usage), chunk.usage].into_iter().flatten() {
            usages.push(value(raw)?);
        }
        for usage in &usages {
            draft.reported.update(Reported::read(usage));
        }
        if let Some(cost) = chunk.cost.map(value).transpose()?.as_ref().and_then(cost) {
            draft.reported.cost = Some(cost);
        }
        self.sources.take(chunk.citations, draft)?;
        match choice {
            Some(choice) => self.choice(choice, draft),
            None => Ok(()),
        }
    }

    fn choice(&mut self, choice: Choice<'_>, draft: &mut Draft) -> Result<(), Fault> {
        draft.begin();
        if let Some(delta) = choice.delta.or(choice.message) {
            self.delta(delta, draft)?;
        }
        match choice.finish_reason.as_deref() {
            None | Some("") => Ok(()),
            Some("error") => Err(Fault::Said(Value::Null)),
            Some(reason) => {
                let said = finish_reason(reason);
                // A refusal has no reason of its own to stop.
                let refuses =
                    said == FinishReason::Stop && self.refused > 0 && self.refused == self.text.len();
                draft.finish = Some(if refuses { FinishReason::Refusal } else { said });
                Ok(())
            }
        }
    }

    fn delta(&mut self, delta: Delta<'_>, draft: &mut Draft) -> Result<(), serde_json::Error> {
        self.reasoning(&delta, draft)?;
        let mut piece = delta.content.map(Piece::read).transpose()?.unwrap_or_default();
        if piece.text.is_empty() {
            piece.text = string(delta.refusal)?;
            self.refused += piece.text.len();
        }
        draft.piece(DeltaKind::Reasoning, &piece.reasoning);
        self.reasoning.push_str(&piece.reasoning);
        self.has_thinking_parts |= piece.has_thinking;
        draft.piece(DeltaKind::Text, &piece.text);
        self.text.push_str(&piece.text);
        if let Some(raw) = delta.images {
            draft.weigh(raw.get().len());
            if !draft.is_too_long()
                && let Value::Array(images) = serde_json::from_str(raw.get())?
            {
                piece.images.extend(images);
            }
        }
        self.sources.take(delta.annotations, draft)?;
        for reference in piece.references {
            self.sources.add(reference, draft);
        }
        for image in piece.images {
            self.images.take(image, draft);
        }
        for fragment in delta.tool_calls.into_iter().flatten() {
            draft.weigh(CALL_OVERHEAD);
            if draft.is_too_long() {
                break;
            }
            let fragment: Map<String, Value> = serde_json::from_str(fragment.get())?;
            draft.piece(DeltaKind::ToolArguments, &self.calls.fragment(fragment));
        }
        Ok(())
    }

    /// Servers that send the reasoning under several names send the same text under each; the first counts.
    fn reasoning(&mut self, delta: &Delta<'_>, draft: &mut Draft) -> Result<(), serde_json::Error> {
        let mut shown = String::new();
        if let Some(raw) = delta.reasoning_details
            && let Value::Array(details) = serde_json::from_str(raw.get())?
        {
            draft.weigh(raw.get().len());
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
        draft.piece(DeltaKind::Reasoning, &shown);
        self.reasoning.push_str(&shown);
        Ok(())
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

/// The part of a message's content that reasoning goes back as where it came in such parts.
fn thinking_part(text: &str) -> Value {
    json!({"type": "thinking", "thinking": [{"type": "text", "text": text}]})
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
    // What is not known counts as not whole, so the words of other services for a good end are here too.
    match reason.to_ascii_lowercase().as_str() {
        "stop" | "end" | "eos" | "eos_token" | "end_turn" | "stop_sequence" | "complete" | "completed"
        | "done" => FinishReason::Stop,
        "tool_calls" | "function_call" => FinishReason::ToolCalls,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        // vLLM and SGLang; DeepSeek.
        "abort" | "insufficient_system_resource" => FinishReason::Incomplete,
        _ => FinishReason::Other(reason.to_owned()),
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;

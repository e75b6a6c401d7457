//! From fragments of a stream to a reply.

use std::collections::HashMap;

use massgen_protocol::message::{FinishReason, ItemContent, ReplyItem, ToolCall};
use massgen_protocol::{CallId, DeltaKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::fragment::{Candidate, Fragment, Plain, usage, word};
use crate::provider::codec::{Decode, Fault};
use crate::provider::draft::Draft;

/// What a part adds to a reply besides its bytes; bounds the number of empty ones.
const PART_OVERHEAD: usize = 64;

/// What some models write before the name of a function.
const NAMESPACE: &str = "default_api:";

/// Puts a reply together. Every part of the model is an item; only pieces of one text, that say nothing else, are one.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    items: Vec<ReplyItem>,
    /// Whether the last item is text of only such pieces, and of which kind; the next one continues it.
    open: Option<Voice>,
    has_called: bool,
}

/// Whether a text is said or thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Said,
    Thought,
}

impl Voice {
    fn of(thought: Option<bool>) -> Self {
        if thought == Some(true) { Self::Thought } else { Self::Said }
    }

    fn kind(self) -> DeltaKind {
        match self {
            Self::Said => DeltaKind::Text,
            Self::Thought => DeltaKind::Reasoning,
        }
    }

    fn content(self, text: String) -> ItemContent {
        match self {
            Self::Said => ItemContent::Text { text },
            Self::Thought => ItemContent::Reasoning { text },
        }
    }
}

impl Decode for Decoder {
    fn event(&mut self, data: &str, draft: &mut Draft) -> Result<(), Fault> {
        // Gateways end their streams as they do for another protocol; this one ends with the connection.
        if data == "[DONE]" {
            return Ok(());
        }
        self.fragment(serde_json::from_str(data)?, draft)
    }

    fn document(&mut self, body: &str, draft: &mut Draft) -> Result<(), Fault> {
        if body.starts_with('[') {
            let fragments: Vec<&RawValue> = serde_json::from_str(body)?;
            return fragments.into_iter().try_for_each(|fragment| self.event(fragment.get(), draft));
        }
        self.event(body, draft)
    }

    fn items(self: Box<Self>, call: CallId) -> Result<Vec<ReplyItem>, String> {
        let mut known: HashMap<String, (String, String)> = HashMap::new();
        let mut items = Vec::with_capacity(self.items.len());
        let mut position = 0;
        for mut item in self.items {
            if let ItemContent::ToolCall(tool) = &mut item.content {
                if tool.name.is_empty() {
                    return Err("a tool call without a name".to_owned());
                }
                let twin = known.get(&tool.id).filter(|_| !tool.id.is_empty());
                if twin.is_some_and(|(name, arguments)| *name == tool.name && *arguments == tool.arguments) {
                    continue;
                }
                if tool.id.is_empty() || twin.is_some() {
                    tool.id = format!("{call}-tool-{position}");
                    // Its result names the new one, and both must agree.
                    if let Some(id) =
                        item.provider.as_mut().and_then(|part| part.pointer_mut("/functionCall/id"))
                    {
                        *id = tool.id.as_str().into();
                    }
                }
                known.insert(tool.id.clone(), (tool.name.clone(), tool.arguments.clone()));
                position += 1;
            }
            item.provider = item.provider.or_else(|| blank(&item.content));
            items.push(item);
        }
        Ok(items)
    }
}

/// The part of a text of blanks, which would not be sent back without.
fn blank(content: &ItemContent) -> Option<Value> {
    match content {
        ItemContent::Text { text } if text.trim().is_empty() => Some(json!({ "text": text })),
        ItemContent::Reasoning { text } if text.trim().is_empty() => {
            Some(json!({ "text": text, "thought": true }))
        }
        ItemContent::Text { .. }
        | ItemContent::Reasoning { .. }
        | ItemContent::ToolCall(_)
        | ItemContent::File { .. }
        | ItemContent::Opaque => None,
    }
}

/// A part with the bytes of a file in the field `at`.
fn file(part: Value, at: &str) -> ReplyItem {
    let said = |key: &str| part.get(at)?.get(key)?.as_str().map(str::to_owned);
    let media_type = said("mimeType").or_else(|| said("mime_type"));
    ReplyItem::with_file(part, &format!("/{at}/data"), media_type.as_deref())
}

impl Decoder {
    fn fragment(&mut self, fragment: Fragment<'_>, draft: &mut Draft) -> Result<(), Fault> {
        if let Some(error) = fragment.error {
            return Err(Fault::Said(serde_json::from_str(error.get())?));
        }
        if let Some(counted) = fragment.usage_metadata {
            draft.reported.update(usage(counted));
        }
        let blocked = fragment.prompt_feedback.and_then(|feedback| word(feedback.block_reason.as_ref()));
        if blocked.is_some() {
            draft.begin();
            draft.finish_at_end = Some(FinishReason::ContentFilter);
        }
        let mut candidates = fragment.candidates.into_iter().flatten();
        match candidates.find(|candidate| candidate.index.is_none_or(|index| index == 0)) {
            Some(candidate) => self.candidate(candidate, draft),
            None => Ok(()),
        }
    }

    fn candidate(&mut self, candidate: Candidate<'_>, draft: &mut Draft) -> Result<(), Fault> {
        draft.begin();
        for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            self.part(part, draft)?;
        }
        let Some(reason) = word(candidate.finish_reason.as_ref()) else {
            return Ok(());
        };
        if let "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" = reason.as_str() {
            let told = candidate.finish_message.as_ref().and_then(Value::as_str).unwrap_or_default();
            return Err(Fault::malformed(format!("the model stopped with `{reason}`: {told}")));
        }
        // Work with tools of the provider comes in rounds, each of which may give a reason.
        draft.finish_at_end = Some(self.finish_reason(reason));
        Ok(())
    }

    fn finish_reason(&self, reason: String) -> FinishReason {
        match reason.as_str() {
            "STOP" | "FUNCTION_CALL" if self.has_called => FinishReason::ToolCalls,
            "STOP" => FinishReason::Stop,
            "FUNCTION_CALL" => FinishReason::ToolCalls,
            "MAX_TOKENS" => FinishReason::Length,
            "SAFETY"
            | "BLOCKLIST"
            | "PROHIBITED_CONTENT"
            | "SPII"
            | "RECITATION"
            | "LANGUAGE"
            | "MODEL_ARMOR"
            | "IMAGE_SAFETY"
            | "IMAGE_PROHIBITED_CONTENT"
            | "IMAGE_RECITATION" => FinishReason::ContentFilter,
            "OTHER" | "IMAGE_OTHER" => FinishReason::Incomplete,
            _ => FinishReason::Other(reason),
        }
    }

    fn part(&mut self, raw: &RawValue, draft: &mut Draft) -> Result<(), Fault> {
        if let Ok(plain) = serde_json::from_str::<Plain<'_>>(raw.get()) {
            self.plain(&plain.text, Voice::of(plain.thought), draft);
            return Ok(());
        }
        let mut part: Value = serde_json::from_str(raw.get())?;
        draft.weigh(raw.get().len() + PART_OVERHEAD);
        let Some(fields) = part.as_object_mut() else {
            return Ok(());
        };
        self.open = None;
        if fields.keys().all(|key| matches!(key.as_str(), "thought" | "thoughtSignature")) {
            // A part must hold something; an empty text is how the signature of nothing is usually sent.
            fields.insert("text".to_owned(), "".into());
        }
        let voice = Voice::of(fields.get("thought").and_then(Value::as_bool));
        let at = ["inlineData", "inline_data"].into_iter().find(|key| fields.contains_key(*key));
        // A picture that the model made while it thought is a draft of the one to come.
        if let Some(at) = at.filter(|_| voice == Voice::Said) {
            self.items.push(file(part, at));
            return Ok(());
        }
        let content = if let Some(text) = fields.get("text").and_then(Value::as_str) {
            draft.piece(voice.kind(), text);
            voice.content(text.to_owned())
        } else if let Some(call) = fields.get_mut("functionCall").and_then(Value::as_object_mut) {
            self.has_called = true;
            let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
            let mut name = text(call.get("name"));
            if let Some(bare) = name.strip_prefix(NAMESPACE) {
                name = bare.to_owned();
                // The answer to the call names the function, and both must agree.
                call.insert("name".to_owned(), name.clone().into());
            }
            let arguments = match call.get("args") {
                None | Some(Value::Null) => "{}".to_owned(),
                Some(arguments) => arguments.to_string(),
            };
            draft.piece(DeltaKind::ToolArguments, &arguments);
            ItemContent::ToolCall(ToolCall { id: text(call.get("id")), name, arguments })
        } else {
            ItemContent::Opaque
        };
        self.items.push(ReplyItem { content, provider: Some(part) });
        Ok(())
    }

    fn plain(&mut self, text: &str, voice: Voice, draft: &mut Draft) {
        if text.is_empty() {
            return;
        }
        draft.piece(voice.kind(), text);
        let last = self.items.last_mut().filter(|_| self.open == Some(voice));
        if let Some(ItemContent::Text { text: said } | ItemContent::Reasoning { text: said }) =
            last.map(|item| &mut item.content)
        {
            said.push_str(text);
            return;
        }
        draft.weigh(PART_OVERHEAD);
        self.open = Some(voice);
        self.items.push(voice.content(text.to_owned()).into());
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;

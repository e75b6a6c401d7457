//! From events of a stream to a reply.

use massgen_protocol::message::{FinishReason, ItemContent, ReplyItem};
use massgen_protocol::money::UsageSource;
use massgen_protocol::{CallId, DeltaKind, TokenUsage};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::blocks::Blocks;
use super::dialect::Signatures;
use super::event::{Event, Message};
use crate::provider::codec::{Decode, Fault};
use crate::provider::draft::Draft;
use crate::provider::usage::{Reported, number, reported_cost};

/// The kind of the item that keeps the container of a reply. It is no block of the protocol.
pub(super) const CONTAINER: &str = "container";

/// The kind of the item that keeps what is said of a refusal. It is no block of the protocol either.
pub(super) const REFUSAL: &str = "refusal";

/// Puts a reply together.
#[derive(Debug)]
pub(super) struct Decoder {
    signatures: Signatures,
    blocks: Blocks,
    counted: Counted,
    /// Where the tools of the provider ran; the next request names it.
    container: Option<Value>,
    /// What the provider says of a refusal.
    refusal: Option<Value>,
    is_paused: bool,
}

impl Decoder {
    pub(super) fn new(signatures: Signatures) -> Self {
        Self {
            signatures,
            blocks: Blocks::default(),
            counted: Counted::default(),
            container: None,
            refusal: None,
            is_paused: false,
        }
    }

    /// What the head, the end or the whole of a message says besides its blocks.
    fn note(&mut self, message: &Message<'_>, draft: &mut Draft) -> Result<(), Fault> {
        if let Some(usage) = message.usage {
            self.count(usage, draft)?;
        }
        if let Some(container) = message.container.filter(|raw| raw.get().starts_with('{')) {
            draft.weigh(container.get().len());
            self.container = Some(serde_json::from_str(container.get())?);
        }
        if let Some(reason) = message.stop_reason.as_deref().filter(|reason| !reason.is_empty()) {
            draft.begin();
            let finish = finish_reason(reason);
            self.is_paused = finish == FinishReason::Paused;
            if finish == FinishReason::Refusal
                && let Some(details) = message.stop_details
            {
                let details: Value = serde_json::from_str(details.get())?;
                draft.piece(DeltaKind::Text, explanation(&details));
                self.refusal = Some(details);
            }
            draft.finish = Some(finish);
        }
        Ok(())
    }

    fn count(&mut self, usage: &RawValue, draft: &mut Draft) -> Result<(), Fault> {
        let usage: Value = serde_json::from_str(usage.get())?;
        self.counted.update(&usage);
        let cost = reported_cost(&usage);
        draft.reported.update(Reported { tokens: self.counted.tokens(), cost });
        Ok(())
    }

    fn start(&mut self, event: &Event<'_>, draft: &mut Draft) -> Result<(), Fault> {
        let block = event.content_block.ok_or_else(|| Fault::malformed("a block without content"))?;
        self.blocks.start(index(event)?, block, draft)
    }

    fn delta(&mut self, event: &Event<'_>, draft: &mut Draft) -> Result<(), Fault> {
        let delta = event.delta.ok_or_else(|| Fault::malformed("a delta without content"))?;
        self.blocks.delta(index(event)?, delta, draft)
    }
}

impl Decode for Decoder {
    fn event(&mut self, data: &str, draft: &mut Draft) -> Result<(), Fault> {
        // Not of this protocol, but gateways to others let it through.
        if data == "[DONE]" {
            draft.end();
            return Ok(());
        }
        let event: Event<'_> = serde_json::from_str(data)?;
        refused(&event)?;
        match event.kind.as_ref() {
            "message_start" => {
                draft.begin();
                self.note(&Message::read(event.message)?, draft)
            }
            "content_block_start" => self.start(&event, draft),
            "content_block_delta" => self.delta(&event, draft),
            "message_delta" => {
                let end = Message { usage: event.usage, ..Message::read(event.delta)? };
                self.note(&end, draft)
            }
            "message_stop" => {
                draft.end();
                Ok(())
            }
            // `content_block_stop` says nothing that is not known at the end; `ping` and others say nothing at all.
            _ => Ok(()),
        }
    }

    fn document(&mut self, body: &str, draft: &mut Draft) -> Result<(), Fault> {
        refused(&serde_json::from_str(body)?)?;
        let message: Message<'_> = serde_json::from_str(body)?;
        for (index, block) in (0..).zip(message.content.iter().flatten()) {
            self.blocks.start(index, block, draft)?;
        }
        self.note(&message, draft)?;
        draft.end();
        Ok(())
    }

    fn items(self: Box<Self>, call: CallId) -> Result<Vec<ReplyItem>, String> {
        let mut items = self.blocks.finish(self.signatures, call)?;
        if self.is_paused {
            trim_end(&mut items);
        }
        items.extend(self.refusal.and_then(|details| {
            let text = Some(explanation(&details)).filter(|text| !text.is_empty())?.to_owned();
            let provider = Some(json!({"type": REFUSAL, "stop_details": details}));
            Some(ReplyItem { content: ItemContent::Text { text }, provider })
        }));
        items.extend(self.container.map(|container| ReplyItem {
            content: ItemContent::Opaque,
            provider: Some(json!({"type": CONTAINER, "container": container})),
        }));
        Ok(items)
    }
}

/// The explanation of a refusal, in the provider's words.
fn explanation(details: &Value) -> &str {
    details.get("explanation").and_then(Value::as_str).unwrap_or_default()
}

/// Takes white space off the end of a reply that the model is to go on with: a request must not end in it.
fn trim_end(items: &mut Vec<ReplyItem>) {
    while let Some(ReplyItem { content: ItemContent::Text { text }, provider }) = items.last_mut() {
        text.truncate(text.trim_end().len());
        if let Some(said) = provider.as_mut().and_then(|item| item.get_mut("text")) {
            *said = text.as_str().into();
        }
        if !text.is_empty() {
            break;
        }
        items.pop();
    }
}

/// The error that an event tells of, if it does.
fn refused(event: &Event<'_>) -> Result<(), Fault> {
    let says_error =
        event.kind == "error" || event.error.is_some_and(|raw| raw.get().starts_with(['{', '"']));
    if !says_error {
        return Ok(());
    }
    let error = event.error.map(|raw| serde_json::from_str(raw.get())).transpose()?;
    Err(Fault::Said(error.unwrap_or_default()))
}

fn index(event: &Event<'_>) -> Result<u64, Fault> {
    let index = event.index.and_then(|raw| raw.get().parse().ok());
    index.ok_or_else(|| Fault::malformed("a block without a number"))
}

/// The counters as the protocol has them. They are running totals, told at the beginning and at the end.
#[derive(Debug, Default)]
struct Counted {
    /// Tokens that were neither read from the cache nor written to it.
    input: u64,
    cache_read: u64,
    cache_write: u64,
    /// Part of what was written to the cache.
    cache_write_long: u64,
    output: u64,
    /// Part of the output.
    thinking: u64,
}

impl Counted {
    fn update(&mut self, usage: &Value) {
        let count = |pointer: &str| usage.pointer(pointer).and_then(number);
        // Gateways that know the input from the beginning say zero at the end.
        self.input = count("/input_tokens").filter(|tokens| *tokens > 0).unwrap_or(self.input);
        self.cache_read = count("/cache_read_input_tokens").unwrap_or(self.cache_read);
        self.cache_write = count("/cache_creation_input_tokens").unwrap_or(self.cache_write);
        self.cache_write_long =
            count("/cache_creation/ephemeral_1h_input_tokens").unwrap_or(self.cache_write_long);
        self.output = count("/output_tokens").unwrap_or(self.output);
        self.thinking = count("/output_tokens_details/thinking_tokens").unwrap_or(self.thinking);
    }

    fn tokens(&self) -> Option<TokenUsage> {
        let input = self.input.saturating_add(self.cache_read).saturating_add(self.cache_write);
        (input > 0 || self.output > 0).then_some(TokenUsage {
            input,
            output: self.output,
            reasoning: self.thinking.min(self.output),
            cached_input: self.cache_read,
            cache_write: self.cache_write,
            cache_write_long: self.cache_write_long.min(self.cache_write),
            source: UsageSource::Api,
        })
    }
}

fn finish_reason(reason: &str) -> FinishReason {
    match reason {
        "end_turn" | "stop_sequence" => FinishReason::Stop,
        "tool_use" => FinishReason::ToolCalls,
        "max_tokens" => FinishReason::Length,
        "pause_turn" => FinishReason::Paused,
        "refusal" => FinishReason::Refusal,
        "model_context_window_exceeded" => FinishReason::WindowFull,
        other => FinishReason::Other(other.to_owned()),
    }
}

#[cfg(test)]
#[path = "decoder_tests.rs"]
mod tests;

//! The blocks of a reply, put together as the protocol sends them: a beginning and what is added to it.
//!
//! A block is kept as the provider's JSON with everything in it, known or not, so that it can go back as it was.

use std::collections::BTreeMap;

use massgen_protocol::message::{ItemContent, ReplyItem, ToolCall};
use massgen_protocol::{CallId, DeltaKind};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::dialect::Signatures;
use super::event::{Delta, string};
use crate::provider::codec::Fault;
use crate::provider::draft::Draft;

/// What a block adds to a reply besides its bytes; bounds the number of empty ones.
const BLOCK_OVERHEAD: usize = 64;

/// The blocks of one reply in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// Where the newest block of a number is. Parallel blocks may interleave.
    places: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Block {
    kind: Kind,
    /// The block as it is so far, its streamed input aside.
    item: Map<String, Value>,
    /// The input as it was streamed.
    input: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
    Redacted,
    Call,
    /// Tools of the provider, their results, and what is not known yet.
    Other,
}

impl Blocks {
    /// A block begins. What it already holds is shown.
    pub(super) fn start(&mut self, index: u64, raw: &RawValue, draft: &mut Draft) -> Result<(), Fault> {
        let item: Map<String, Value> = serde_json::from_str(raw.get())?;
        let block = Block { kind: Kind::of(&item)?, item, input: String::new() };
        let shown = block.begun();
        draft.weigh(BLOCK_OVERHEAD + raw.get().len().saturating_sub(shown.len()));
        if let Some(kind) = block.kind.shown_as() {
            draft.piece(kind, &shown);
        }
        self.push(index, block);
        Ok(())
    }

    /// Something is added to the block `index`.
    pub(super) fn delta(&mut self, index: u64, raw: &RawValue, draft: &mut Draft) -> Result<(), Fault> {
        let delta: Delta<'_> = serde_json::from_str(raw.get())?;
        match delta.kind.as_ref() {
            "text_delta" => {
                let block = self.at(index, Some("text"))?;
                block.append("text", &string(delta.text)?, Kind::Text, draft);
            }
            "thinking_delta" => {
                let block = self.at(index, Some("thinking"))?;
                block.append("thinking", &string(delta.thinking)?, Kind::Thinking, draft);
            }
            "signature_delta" => {
                let signature = string(delta.signature)?;
                draft.weigh(signature.len());
                append(&mut self.at(index, None)?.item, "signature", &signature);
            }
            "input_json_delta" => {
                let block = self.at(index, None)?;
                let piece = string(delta.partial_json)?;
                match block.kind.shown_as() {
                    Some(kind) if block.kind == Kind::Call => draft.piece(kind, &piece),
                    Some(_) | None => draft.weigh(piece.len()),
                }
                block.input.push_str(&piece);
            }
            "citations_delta" => {
                draft.weigh(raw.get().len());
                let item = &mut self.at(index, None)?.item;
                if let Some(citation) = delta.citation {
                    let citation = serde_json::from_str(citation.get())?;
                    merge(item, "citations", Value::Array(vec![citation]));
                }
            }
            _ => {
                let fields: Map<String, Value> = serde_json::from_str(raw.get())?;
                draft.weigh(raw.get().len());
                let item = &mut self.at(index, None)?.item;
                for (key, value) in fields.into_iter().filter(|(key, _)| key != "type") {
                    merge(item, &key, value);
                }
            }
        }
        Ok(())
    }

    fn push(&mut self, index: u64, block: Block) {
        self.places.insert(index, self.blocks.len());
        self.blocks.push(block);
    }

    /// The block `index`. Some gateways leave out the beginning of a block of text, which is then of the kind
    /// `unbegun`.
    fn at(&mut self, index: u64, unbegun: Option<&str>) -> Result<&mut Block, Fault> {
        if !self.places.contains_key(&index)
            && let Some(kind) = unbegun
        {
            let item = Map::from_iter([("type".to_owned(), Value::from(kind))]);
            self.push(index, Block { kind: Kind::of(&item)?, item, input: String::new() });
        }
        let place = self.places.get(&index);
        place
            .and_then(|place| self.blocks.get_mut(*place))
            .ok_or_else(|| Fault::malformed(format!("more of block {index}, which never began")))
    }

    /// The blocks as parts of a reply. Empty ones are left out.
    pub(super) fn finish(self, signatures: Signatures, call: CallId) -> Result<Vec<ReplyItem>, String> {
        let mut items = Vec::with_capacity(self.blocks.len());
        let mut calls = Calls::default();
        for block in self.blocks {
            items.extend(match block.kind {
                Kind::Text => text(block.item),
                Kind::Thinking => thinking(block.item, signatures),
                Kind::Redacted => {
                    let content = ItemContent::Reasoning { text: String::new() };
                    Some(ReplyItem { content, provider: Some(Value::Object(block.item)) })
                }
                Kind::Call => calls.take(block, call)?,
                Kind::Other => Some(ReplyItem {
                    content: ItemContent::Opaque,
                    provider: Some(Value::Object(block.with_input())),
                }),
            });
        }
        Ok(items)
    }
}

impl Kind {
    fn of(item: &Map<String, Value>) -> Result<Self, Fault> {
        match item.get("type").and_then(Value::as_str) {
            Some("text") => Ok(Self::Text),
            Some("thinking") => Ok(Self::Thinking),
            Some("redacted_thinking") => Ok(Self::Redacted),
            Some("tool_use") => Ok(Self::Call),
            Some(_) => Ok(Self::Other),
            None => Err(Fault::malformed("a block without a type")),
        }
    }

    fn shown_as(self) -> Option<DeltaKind> {
        match self {
            Self::Text => Some(DeltaKind::Text),
            Self::Thinking => Some(DeltaKind::Reasoning),
            Self::Call => Some(DeltaKind::ToolArguments),
            Self::Redacted | Self::Other => None,
        }
    }
}

impl Block {
    /// What can be shown of a block that has just begun.
    fn begun(&self) -> String {
        match self.kind {
            Kind::Text => field(&self.item, "text").to_owned(),
            Kind::Thinking => field(&self.item, "thinking").to_owned(),
            Kind::Call => whole_input(&self.item).unwrap_or_default(),
            Kind::Redacted | Kind::Other => String::new(),
        }
    }

    /// Adds `more` to a text of the block, which is shown if the block is of the kind `own`.
    fn append(&mut self, key: &str, more: &str, own: Kind, draft: &mut Draft) {
        match self.kind.shown_as() {
            Some(kind) if self.kind == own => draft.piece(kind, more),
            Some(_) | None => draft.weigh(more.len()),
        }
        append(&mut self.item, key, more);
    }

    /// The block with the input that was streamed to it. Input that broke off leaves it as it began.
    fn with_input(mut self) -> Map<String, Value> {
        if let Ok(input @ Value::Object(_)) = serde_json::from_str(&self.input) {
            self.item.insert("input".to_owned(), input);
        }
        self.item
    }
}

fn text(item: Map<String, Value>) -> Option<ReplyItem> {
    let text = field(&item, "text").to_owned();
    if text.is_empty() {
        return None;
    }
    // The provider refuses text that is blank, whatever else the block holds.
    let is_kept = !text.trim().is_empty() && has_more_than(&item, &["type", "text"]);
    let provider = is_kept.then_some(Value::Object(item));
    Some(ReplyItem { content: ItemContent::Text { text }, provider })
}

fn thinking(item: Map<String, Value>, signatures: Signatures) -> Option<ReplyItem> {
    let text = field(&item, "thinking").to_owned();
    let goes_back = match signatures {
        Signatures::Required => !field(&item, "signature").is_empty(),
        Signatures::Optional => !text.is_empty() || !field(&item, "signature").is_empty(),
    };
    let provider = goes_back.then_some(Value::Object(item));
    (provider.is_some() || !text.is_empty())
        .then_some(ReplyItem { content: ItemContent::Reasoning { text }, provider })
}

/// The tool calls so far, which must not share an id.
#[derive(Debug, Default)]
struct Calls {
    /// Name and arguments by id.
    known: BTreeMap<String, (String, String)>,
}

impl Calls {
    /// The call that `block` makes; none when it repeats an earlier one word by word.
    fn take(&mut self, block: Block, call: CallId) -> Result<Option<ReplyItem>, String> {
        let name = field(&block.item, "name").to_owned();
        if name.is_empty() {
            return Err("a tool call without a name".to_owned());
        }
        let streamed = Some(block.input.trim()).filter(|input| !matches!(*input, "" | "null"));
        let arguments = match streamed {
            Some(input) => input.to_owned(),
            None => whole_input(&block.item).unwrap_or_else(|| "{}".to_owned()),
        };
        let mut id = field(&block.item, "id").to_owned();
        let said = (name.clone(), arguments.clone());
        match self.known.get(&id) {
            Some(known) if *known == said => return Ok(None),
            None if !id.is_empty() => {}
            Some(_) | None => {
                id = format!("{call}-tool-{}", self.known.len());
            }
        }
        self.known.insert(id.clone(), said);
        let has_more = has_more_than(&block.item, &["type", "id", "name", "input"]);
        let provider = match serde_json::from_str(&arguments) {
            Ok(input @ Value::Object(_)) if has_more => {
                let mut item = block.item;
                item.insert("id".to_owned(), id.clone().into());
                item.insert("input".to_owned(), input);
                Some(Value::Object(item))
            }
            // The parts that we know make the block again.
            _ => None,
        };
        let content = ItemContent::ToolCall(ToolCall { id, name, arguments });
        Ok(Some(ReplyItem { content, provider }))
    }
}

/// The input that a call began with; calls made by code have it whole.
fn whole_input(item: &Map<String, Value>) -> Option<String> {
    match item.get("input")? {
        Value::Object(fields) if fields.is_empty() => None,
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        input => Some(input.to_string()),
    }
}

/// Whether `item` says anything besides the fields `known`.
fn has_more_than(item: &Map<String, Value>, known: &[&str]) -> bool {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Array(entries) => !entries.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    };
    item.iter().any(|(key, value)| !known.contains(&key.as_str()) && says(value))
}

fn field<'a>(item: &'a Map<String, Value>, key: &str) -> &'a str {
    item.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn append(item: &mut Map<String, Value>, key: &str, more: &str) {
    match item.get_mut(key) {
        Some(Value::String(text)) => text.push_str(more),
        Some(_) | None => {
            item.insert(key.to_owned(), more.into());
        }
    }
}

/// Adds `more` to a field: text and lists grow, anything else is replaced.
fn merge(item: &mut Map<String, Value>, key: &str, more: Value) {
    match (item.get_mut(key), more) {
        (Some(Value::String(text)), Value::String(more)) => text.push_str(&more),
        (Some(Value::Array(entries)), Value::Array(more)) => entries.extend(more),
        (_, more) => {
            item.insert(key.to_owned(), more);
        }
    }
}

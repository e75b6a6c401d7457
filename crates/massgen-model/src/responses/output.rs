//! The output items of one reply while they come in.
//!
//! An item has an id and a place in the output. Servers change the ids between events, use one place for all items, or
//! leave both out; what an event belongs to is decided here, once, for all of them.

use std::borrow::Cow;
use std::collections::HashMap;

use massgen_protocol::message::{ItemContent, ReplyItem, ToolCall};
use massgen_protocol::{CallId, DeltaKind};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::event::{Head, object, text};
use crate::provider::draft::Draft;

/// What an item adds to a reply besides its bytes; bounds the number of empty ones.
const ITEM_OVERHEAD: usize = 256;

/// What one value inside an item takes in memory besides its text, about.
const VALUE_OVERHEAD: usize = 64;

/// Between the parts of one block of reasoning.
const PARAGRAPH: &str = "\n\n";

/// What an item becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    Reasoning,
    Call,
    /// Whatever else: tools that the provider ran itself, and what nobody knows yet.
    Opaque,
}

impl Kind {
    fn named(name: &str) -> Self {
        match name {
            "message" => Self::Message,
            "reasoning" => Self::Reasoning,
            "function_call" => Self::Call,
            _ => Self::Opaque,
        }
    }
}

/// Where pieces come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Text,
    Refusal,
    /// A summary of reasoning.
    Summary,
    /// Reasoning as it is.
    Reasoning,
    Arguments,
}

impl Source {
    pub(super) fn kind(self) -> Kind {
        match self {
            Self::Text | Self::Refusal => Kind::Message,
            Self::Summary | Self::Reasoning => Kind::Reasoning,
            Self::Arguments => Kind::Call,
        }
    }
}

/// Which item an event means.
#[derive(Debug, Clone)]
pub(super) struct Address<'a> {
    pub(super) index: Option<u64>,
    /// Empty when the event names none.
    pub(super) id: Cow<'a, str>,
}

/// The items so far.
#[derive(Debug, Default)]
pub(super) struct Output {
    items: Vec<Item>,
    /// The latest item at each place.
    by_index: HashMap<u64, usize>,
    by_id: HashMap<String, usize>,
}

#[derive(Debug)]
struct Item {
    kind: Kind,
    index: Option<u64>,
    id: String,
    /// What is visible of it: text, reasoning, or arguments.
    text: String,
    /// What the last piece continued.
    part: Option<(Source, u64)>,
    /// Whether the model refused in it, and whether it said anything else.
    refused: bool,
    spoke: bool,
    /// Of a call.
    call_id: String,
    name: String,
    /// The provider's item, once it is complete.
    native: Option<Value>,
}

impl Output {
    /// Appends a piece, and gives what there is to show.
    pub(super) fn extend(
        &mut self,
        source: Source,
        part: u64,
        address: &Address<'_>,
        delta: &str,
        draft: &mut Draft,
    ) -> String {
        let at = match self.find(source.kind(), address) {
            Some(at) => at,
            None => self.open(source.kind(), address.index, &address.id, draft),
        };
        let Some(item) = self.items.get_mut(at).filter(|item| item.native.is_none()) else {
            return String::new();
        };
        item.refused |= source == Source::Refusal;
        item.spoke |= source == Source::Text;
        let mut shown = String::new();
        if source.kind() == Kind::Reasoning {
            match item.part {
                // Servers that send reasoning and its summary say the same twice.
                Some((first, _)) if first != source => return shown,
                Some((_, last)) if last != part => shown.push_str(PARAGRAPH),
                Some(_) | None => {}
            }
        }
        item.part = Some((source, part));
        shown.push_str(delta);
        item.text.push_str(&shown);
        shown
    }

    /// Whether pieces of this part have come, or all of its item.
    pub(super) fn has_part(&self, source: Source, part: u64, address: &Address<'_>) -> bool {
        let item = self.find(source.kind(), address).and_then(|at| self.items.get(at));
        item.is_some_and(|item| item.native.is_some() || item.part == Some((source, part)))
    }

    /// An item begins.
    pub(super) fn added(
        &mut self,
        index: Option<u64>,
        raw: &RawValue,
        draft: &mut Draft,
    ) -> Result<(), serde_json::Error> {
        let (kind, id) = head(raw)?;
        let known = (!id.is_empty()).then(|| self.by_id.get(id.as_ref()).copied()).flatten();
        let known = known.is_some_and(|at| self.items.get(at).is_some_and(|item| item.kind == kind));
        if known {
            return Ok(());
        }
        let at = self.open(kind, index, &id, draft);
        if kind == Kind::Call
            && let Some(begun) = value(raw, draft)?
            && let Some(item) = self.items.get_mut(at)
        {
            item.call_id = field(&begun, "call_id");
            item.name = field(&begun, "name");
        }
        Ok(())
    }

    /// An item is complete.
    pub(super) fn done(
        &mut self,
        index: Option<u64>,
        raw: &RawValue,
        draft: &mut Draft,
    ) -> Result<(), serde_json::Error> {
        let (kind, id) = head(raw)?;
        let address = Address { index, id };
        let at = match self.find(kind, &address) {
            Some(at) if !self.is_other(at, &address.id) => at,
            Some(_) | None => self.open(kind, index, &address.id, draft),
        };
        self.complete(at, raw, draft)
    }

    /// Takes the whole output as the end of the response repeats it: for the items that no event has told of, those
    /// that never came to their end, and reasoning that came without its ciphertext.
    pub(super) fn settle(
        &mut self,
        output: &[&RawValue],
        draft: &mut Draft,
    ) -> Result<(), serde_json::Error> {
        let mut unknown = Vec::new();
        for (raw, index) in output.iter().copied().zip(0_u64..) {
            let (kind, id) = head(raw)?;
            match self.find(kind, &Address { index: Some(index), id }) {
                Some(at) => {
                    self.complete(at, raw, draft)?;
                    if kind == Kind::Reasoning {
                        self.add_ciphertext(at, raw, draft)?;
                    }
                    if let Some(item) = self.items.get_mut(at) {
                        item.index = Some(index);
                    }
                }
                None => unknown.push((index, raw)),
            }
        }
        // Where ids and places differ between the events and the end, only the number tells whether one is missing.
        let missing = output.len().saturating_sub(self.items.len());
        for (index, raw) in unknown.into_iter().take(missing) {
            let (kind, id) = head(raw)?;
            let at = self.open(kind, Some(index), &id, draft);
            self.complete(at, raw, draft)?;
        }
        Ok(())
    }

    /// Whether the model refused and did nothing else.
    pub(super) fn is_refusal(&self) -> bool {
        self.items.iter().any(|item| item.refused)
            && !self.items.iter().any(|item| item.spoke || item.kind == Kind::Call)
    }

    /// The parts of the reply in the order of the output, each call with an id of its own, or what is wrong with them.
    /// An id that is missing or taken is made from the number of the model call.
    pub(super) fn into_items(mut self, call: CallId) -> Result<Vec<ReplyItem>, String> {
        if self.items.iter().all(|item| item.index.is_some()) {
            self.items.sort_by_key(|item| item.index);
        }
        let mut made = Vec::with_capacity(self.items.len());
        let mut calls: HashMap<String, ToolCall> = HashMap::new();
        for (position, item) in self.items.into_iter().enumerate() {
            let content = match item.kind {
                Kind::Message => ItemContent::Text { text: item.text },
                Kind::Reasoning => ItemContent::Reasoning { text: item.text },
                Kind::Call => {
                    if item.name.is_empty() {
                        return Err("a tool call without a name".to_owned());
                    }
                    let arguments = arguments(item.text);
                    let made_up = || format!("{call}-tool-{position}");
                    let id = if item.call_id.is_empty() { made_up() } else { item.call_id };
                    let mut tool_call = ToolCall { id, name: item.name, arguments };
                    match calls.get(&tool_call.id) {
                        Some(twin) if *twin == tool_call => continue,
                        Some(_) => tool_call.id = made_up(),
                        None => {}
                    }
                    calls.insert(tool_call.id.clone(), tool_call.clone());
                    ItemContent::ToolCall(tool_call)
                }
                Kind::Opaque => {
                    made.extend(item.native.map(of_the_service));
                    continue;
                }
            };
            let silent = match &content {
                ItemContent::Text { text } | ItemContent::Reasoning { text } => text.is_empty(),
                ItemContent::ToolCall(_) | ItemContent::File { .. } | ItemContent::Opaque => false,
            };
            if !silent || item.native.is_some() {
                made.push(ReplyItem { content, provider: item.native });
            }
        }
        Ok(made)
    }

    /// The item that an event for `kind` means, by its id first, then its place, then as the one that is under way.
    fn find(&self, kind: Kind, address: &Address<'_>) -> Option<usize> {
        let of_kind = |at: &usize| self.items.get(*at).is_some_and(|item| item.kind == kind);
        let by_id = || self.by_id.get(address.id.as_ref()).copied().filter(|_| !address.id.is_empty());
        let by_index = || address.index.and_then(|index| self.by_index.get(&index).copied());
        let under_way = || {
            let at = self.items.len().checked_sub(1)?;
            let item = self.items.get(at)?;
            let placed_elsewhere = item.index.is_some() && address.index.is_some();
            (item.native.is_none() && !placed_elsewhere).then_some(at)
        };
        by_id().filter(of_kind).or_else(|| by_index().filter(of_kind)).or_else(|| under_way().filter(of_kind))
    }

    /// Whether the item is complete and has another id than `id`.
    fn is_other(&self, at: usize, id: &str) -> bool {
        self.items.get(at).is_some_and(|item| item.native.is_some() && item.id != id)
    }

    fn open(&mut self, kind: Kind, index: Option<u64>, id: &str, draft: &mut Draft) -> usize {
        draft.weigh(ITEM_OVERHEAD + id.len());
        let at = self.items.len();
        self.items.push(Item {
            kind,
            index,
            id: id.to_owned(),
            text: String::new(),
            part: None,
            refused: false,
            spoke: false,
            call_id: String::new(),
            name: String::new(),
            native: None,
        });
        if let Some(index) = index {
            self.by_index.insert(index, at);
        }
        if !id.is_empty() {
            self.by_id.insert(id.to_owned(), at);
        }
        at
    }

    /// Takes the provider's item for what it is; what it leaves out is filled in from the pieces.
    fn complete(&mut self, at: usize, raw: &RawValue, draft: &mut Draft) -> Result<(), serde_json::Error> {
        let Some(item) = self.items.get_mut(at).filter(|item| item.native.is_none()) else {
            return Ok(());
        };
        let Some(mut native) = value(raw, draft)? else {
            return Ok(());
        };
        let shown_as = match item.kind {
            Kind::Message => DeltaKind::Text,
            Kind::Reasoning => DeltaKind::Reasoning,
            Kind::Call => DeltaKind::ToolArguments,
            Kind::Opaque => {
                item.native = Some(native);
                return Ok(());
            }
        };
        if item.kind == Kind::Call {
            for (key, known) in [("call_id", &mut item.call_id), ("name", &mut item.name)] {
                take_or_fill(&mut native, key, known);
            }
        }
        let mut said = said(item.kind, &native);
        let left_out = match item.kind {
            Kind::Call => takes_nothing(&said),
            Kind::Message | Kind::Reasoning | Kind::Opaque => said.is_empty(),
        };
        if left_out {
            restate(item.kind, &mut native, &item.text);
            said.clone_from(&item.text);
        } else if item.kind == Kind::Message {
            let parts = || parts(&native, "content").iter();
            item.refused = parts().any(|part| part.get("refusal").is_some());
            item.spoke = native.get("content").is_some_and(Value::is_string)
                || parts().any(|part| part.get("text").is_some_and(|text| text != ""));
        } else if item.kind == Kind::Call {
            // Some servers write an object; the protocol wants its text.
            set(&mut native, "arguments", said.as_str().into());
        }
        if let Some(rest) = said.strip_prefix(item.text.as_str()) {
            draft.piece(shown_as, rest);
        }
        item.text = said;
        item.native = Some(native);
        Ok(())
    }

    fn add_ciphertext(
        &mut self,
        at: usize,
        raw: &RawValue,
        draft: &mut Draft,
    ) -> Result<(), serde_json::Error> {
        const KEY: &str = "encrypted_content";
        let native = self.items.get_mut(at).and_then(|item| item.native.as_mut()?.as_object_mut());
        let Some(native) = native.filter(|native| native.get(KEY).is_none_or(Value::is_null)) else {
            return Ok(());
        };
        let head: Head<'_> = serde_json::from_str(raw.get())?;
        let ciphertext = text(head.encrypted_content)?;
        if !ciphertext.is_empty() {
            draft.weigh(ciphertext.len());
            native.insert(KEY.to_owned(), ciphertext.into());
        }
        Ok(())
    }
}

/// An item of a tool that the service ran itself: a picture, or something that only the service understands.
fn of_the_service(native: Value) -> ReplyItem {
    if field(&native, "type") != "image_generation_call" {
        return ReplyItem { content: ItemContent::Opaque, provider: Some(native) };
    }
    let format = match field(&native, "output_format").as_str() {
        // The protocol's own default.
        "" => "png".to_owned(),
        named => named.to_owned(),
    };
    ReplyItem::with_file(native, "/result", Some(&format!("image/{format}")))
}

/// The kind of an item and its id.
fn head(raw: &RawValue) -> Result<(Kind, Cow<'_, str>), serde_json::Error> {
    let head: Head<'_> = object(Some(raw))?.unwrap_or_default();
    Ok((Kind::named(&text(head.kind)?), text(head.id)?))
}

/// The item in memory; `None` for what is no item, or if the reply is too long with it.
fn value(raw: &RawValue, draft: &mut Draft) -> Result<Option<Value>, serde_json::Error> {
    draft.weigh(raw.get().len() + VALUE_OVERHEAD * values(raw.get()));
    if draft.is_too_long() { Ok(None) } else { object(Some(raw)) }
}

/// About how many values a JSON text holds.
fn values(json: &str) -> usize {
    let (mut count, mut in_string, mut escaped) = (1, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b',' | b'{' | b'[' if !in_string => count += 1,
            _ => {}
        }
    }
    count
}

/// A field with text; empty for anything else.
fn field(item: &Value, key: &str) -> String {
    item.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// Takes over a field of the item, or gives the item what is known of it already.
fn take_or_fill(item: &mut Value, key: &str, known: &mut String) {
    let stated = field(item, key);
    if !stated.is_empty() {
        *known = stated;
    } else if !known.is_empty() {
        set(item, key, known.as_str().into());
    }
}

fn set(item: &mut Value, key: &str, value: Value) {
    if let Some(fields) = item.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}

fn parts<'a>(item: &'a Value, key: &str) -> &'a [Value] {
    item.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What is visible of a complete item: text and refusals, the summary of reasoning or else the reasoning, arguments.
fn said(kind: Kind, item: &Value) -> String {
    let texts = |key: &str| -> Vec<&str> {
        match item.get(key) {
            Some(Value::String(text)) => vec![text.as_str()],
            _ => parts(item, key)
                .iter()
                .filter_map(|part| ["text", "refusal"].iter().find_map(|key| part.get(key)?.as_str()))
                .collect(),
        }
    };
    match kind {
        Kind::Message => texts("content").concat(),
        Kind::Reasoning => {
            let summary = texts("summary");
            if summary.is_empty() { texts("content") } else { summary }.join(PARAGRAPH)
        }
        Kind::Call => match item.get("arguments") {
            Some(Value::String(arguments)) => arguments.clone(),
            None | Some(Value::Null) => String::new(),
            Some(whole) => whole.to_string(),
        },
        Kind::Opaque => String::new(),
    }
}

/// Puts `text`, which came in pieces, into an item that leaves it out.
fn restate(kind: Kind, item: &mut Value, text: &str) {
    match kind {
        Kind::Call => set(item, "arguments", arguments(text.to_owned()).into()),
        Kind::Message if !text.is_empty() => {
            set(item, "content", json!([{"type": "output_text", "text": text, "annotations": []}]));
        }
        Kind::Reasoning if !text.is_empty() => {
            set(item, "summary", json!([{"type": "summary_text", "text": text}]));
        }
        Kind::Message | Kind::Reasoning | Kind::Opaque => {}
    }
}

/// Arguments that are left out are those of a tool that takes none.
fn arguments(text: String) -> String {
    if takes_nothing(&text) { "{}".to_owned() } else { text }
}

fn takes_nothing(arguments: &str) -> bool {
    matches!(arguments.trim(), "" | "null")
}

#[cfg(test)]
#[path = "output_tests.rs"]
mod tests;

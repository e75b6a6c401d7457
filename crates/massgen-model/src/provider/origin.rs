//! Replies of other models in a conversation, as a model understands them that did not make them.
//!
//! The providers' own items - signatures, encrypted reasoning, ids, blocks of their tools - mean something only to who
//! made them, and others refuse them. After a change of the model, its own replies go back as they came, those of the
//! others as what we read in them: text, tool calls, results, and a line about each file.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use massgen_protocol::ModelRequest;
use massgen_protocol::message::{ItemContent, Message, Reply, ReplyItem, ReplyOrigin, ToolCall};

use super::made_files::{Sight, in_words};

/// Letters and digits of an id that we make for a call. Mistral takes exactly nine of them and nothing else; all other
/// services take these too.
const ID_CHARS: usize = 9;

/// `request` as `origin` understands it. A reply that does not say whose it is counts as its own.
pub(super) fn understood<'a>(request: &'a ModelRequest, origin: &ReplyOrigin) -> Cow<'a, ModelRequest> {
    let is_foreign = |message: &Message| match message {
        Message::Assistant { reply } => reply.origin.as_ref().is_some_and(|other| other != origin),
        Message::User { .. } | Message::ToolResult { .. } => false,
    };
    if !request.messages.iter().any(is_foreign) {
        return Cow::Borrowed(request);
    }
    // The ids that the calls of the last reply have got.
    let mut ids = HashMap::new();
    let rebuilt = request.messages.iter().enumerate().map(|(position, message)| match message {
        Message::Assistant { reply } if is_foreign(message) => {
            ids = new_ids(reply, position);
            Message::Assistant { reply: Arc::new(rebuilt(reply, &ids)) }
        }
        Message::Assistant { .. } => {
            ids.clear();
            message.clone()
        }
        Message::ToolResult { id, name, text, is_error } => Message::ToolResult {
            id: ids.get(id).unwrap_or(id).clone(),
            name: name.clone(),
            text: text.clone(),
            is_error: *is_error,
        },
        Message::User { .. } => message.clone(),
    });
    let messages = rebuilt.collect();
    Cow::Owned(ModelRequest {
        context: request.context.clone(),
        system: Arc::clone(&request.system),
        tools: Arc::clone(&request.tools),
        messages,
        max_output_tokens: request.max_output_tokens,
        output: request.output.clone(),
    })
}

/// Ids for the calls of `reply` that every service takes. Services number their calls anew in each reply, others want
/// no id twice: the place in the conversation tells them apart.
fn new_ids(reply: &Reply, position: usize) -> HashMap<String, String> {
    reply.tool_calls().map(|call| (call.id.clone(), new_id(position, &call.id))).collect()
}

/// Equal for equal calls: what was sent before must not change.
fn new_id(position: usize, id: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&position.to_le_bytes()).update(id.as_bytes());
    let hash = hasher.finalize();
    let char_of = |byte: &u8| char::from_digit(u32::from(*byte) % 36, 36);
    hash.as_bytes().iter().filter_map(char_of).take(ID_CHARS).collect()
}

/// What we read in `reply`, without anything of its provider. Reasoning belongs to who thought it, text without a
/// letter is refused by some, and of a file it is told that there is one.
fn rebuilt(reply: &Reply, ids: &HashMap<String, String>) -> Reply {
    let content = |item: &ReplyItem| match &item.content {
        ItemContent::Text { text } if !text.trim().is_empty() => Some(item.content.clone()),
        ItemContent::ToolCall(call) => Some(ItemContent::ToolCall(ToolCall {
            id: ids.get(&call.id).unwrap_or(&call.id).clone(),
            name: call.name.clone(),
            arguments: call.arguments.clone(),
        })),
        ItemContent::Text { .. }
        | ItemContent::Reasoning { .. }
        | ItemContent::File { .. }
        | ItemContent::Opaque => None,
    };
    Reply {
        items: in_words(&reply.items, Sight::NotShown)
            .iter()
            .filter_map(content)
            .map(ReplyItem::from)
            .collect(),
        finish: reply.finish.clone(),
        usage: reply.usage,
        reported_cost: reply.reported_cost,
        first_token_after: reply.first_token_after,
        duration: reply.duration,
        origin: None,
    }
}

#[cfg(test)]
#[path = "origin_tests.rs"]
mod tests;

//! The bytes of a reply.

use axum::body::Bytes;
use serde_json::{Value, json};

use super::script::{Fault, Schedule, SpokenReply};

/// One step of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Bytes, sent in one piece.
    Data(Bytes),
    /// The connection breaks.
    Cut,
    /// Nothing more comes, and the connection stays open.
    Silence,
}

impl Frame {
    /// The bytes of `data`.
    pub fn data(data: impl Into<Bytes>) -> Self {
        Self::Data(data.into())
    }
}

/// An event with this data.
pub fn event(data: &str) -> String {
    format!("data: {data}\n\n")
}

/// The event that ends a stream.
pub const DONE: &str = "data: [DONE]\n\n";

/// A chunk with this delta.
pub fn delta(model: &str, delta: &Value) -> String {
    choice(model, delta, &Value::Null)
}

/// The chunk that carries the finish reason.
pub fn finish(model: &str, reason: &str) -> String {
    choice(model, &json!({}), &json!(reason))
}

/// The chunk that carries the usage.
pub fn usage(model: &str, usage: &Value) -> String {
    event(&chunk(model, &json!([]), Some(usage)).to_string())
}

fn choice(model: &str, delta: &Value, reason: &Value) -> String {
    let choices = json!([{"index": 0, "delta": delta, "logprobs": null, "finish_reason": reason}]);
    event(&chunk(model, &choices, None).to_string())
}

fn chunk(model: &str, choices: &Value, usage: Option<&Value>) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
        "choices": choices, "usage": usage,
    })
}

/// The frames of a streamed reply: as many chunks with content as the schedule says, if there is enough content; the
/// end goes out with the last of them.
pub fn frames(reply: &SpokenReply, schedule: &Schedule, model: &str) -> Vec<Frame> {
    let mut events: Vec<String> =
        deltas(reply, schedule.chunks).iter().map(|piece| delta(model, piece)).collect();
    if reply.fault.is_none() {
        let mut end = events.pop().unwrap_or_default();
        if let Some(reason) = &reply.finish {
            end.push_str(&finish(model, reason));
        }
        if let Some(counted) = &reply.usage {
            end.push_str(&usage(model, counted));
        }
        end.push_str(DONE);
        events.push(end);
    }
    let mut frames: Vec<Frame> = events.into_iter().map(Frame::data).collect();
    match reply.fault {
        None => {}
        Some(Fault::Cut(after)) => {
            frames.truncate(after);
            frames.push(Frame::Cut);
        }
        Some(Fault::Silence(after)) => {
            frames.truncate(after);
            frames.push(Frame::Silence);
        }
        Some(Fault::Malformed(after)) => {
            frames.truncate(after);
            frames.push(Frame::data(event("{\"choices\": [{\"delta\": ")));
        }
    }
    frames
}

/// The reply as one document.
pub fn document(reply: &SpokenReply, model: &str) -> String {
    let calls: Vec<Value> = reply
        .calls
        .iter()
        .map(|call| {
            json!({"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}})
        })
        .collect();
    let message = json!({
        "role": "assistant",
        "content": reply.text,
        "reasoning_content": (!reply.reasoning.is_empty()).then_some(&reply.reasoning),
        "tool_calls": (!calls.is_empty()).then_some(calls),
    });
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1_700_000_000, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": reply.usage,
    })
    .to_string()
}

/// The content in about `count` deltas: reasoning, then text, then the calls, whose fragments take turns.
fn deltas(reply: &SpokenReply, count: usize) -> Vec<Value> {
    let total = reply.reasoning.len()
        + reply.text.len()
        + reply.calls.iter().map(|call| call.arguments.len()).sum::<usize>();
    let share = |length: usize| (length * count).div_ceil(total.max(1)).max(1);
    let mut deltas = Vec::new();
    for (field, text) in [("reasoning_content", &reply.reasoning), ("content", &reply.text)] {
        deltas.extend(split(text, share(text.len())).into_iter().map(|piece| json!({ field: piece })));
    }
    let mut fragments: Vec<_> = reply
        .calls
        .iter()
        .map(|call| split(&call.arguments, share(call.arguments.len())).into_iter().enumerate())
        .collect();
    loop {
        let mut spoke = false;
        for (index, (call, fragments)) in reply.calls.iter().zip(&mut fragments).enumerate() {
            let Some((position, piece)) = fragments.next() else {
                continue;
            };
            spoke = true;
            let fragment = if position == 0 {
                json!({"index": index, "id": call.id, "type": "function",
                    "function": {"name": call.name, "arguments": piece}})
            } else {
                json!({"index": index, "function": {"arguments": piece}})
            };
            deltas.push(json!({ "tool_calls": [fragment] }));
        }
        if !spoke {
            break;
        }
    }
    if deltas.is_empty() {
        deltas.push(json!({"role": "assistant", "content": ""}));
    }
    deltas
}

/// `text` in at most `count` pieces of about the same size, none of them empty.
fn split(text: &str, count: usize) -> Vec<&str> {
    let size = text.len().div_ceil(count.max(1)).max(1);
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut cut = size.min(rest.len());
        while !rest.is_char_boundary(cut) {
            cut += 1;
        }
        let (piece, tail) = rest.split_at(cut);
        pieces.push(piece);
        rest = tail;
    }
    pieces
}

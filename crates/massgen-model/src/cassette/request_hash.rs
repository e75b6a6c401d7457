//! The hash by which a replayed request is recognised.

use massgen_protocol::ModelRequest;
use massgen_protocol::message::Message;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::Redaction;

/// The BLAKE3 hash, in hex, of everything in `request` that a provider sees, after redaction and without regard to
/// the order of names in objects.
///
/// # Errors
/// Some part cannot be written as JSON.
pub(super) fn request_hash(
    request: &ModelRequest,
    redaction: &Redaction,
) -> Result<String, serde_json::Error> {
    let messages = request.messages.iter().map(|message| match message {
        // Times and token counts of an earlier reply are not sent and may differ.
        Message::Assistant { reply } => Ok(json!({ "role": "assistant", "items": to_value(&reply.items)? })),
        Message::User { .. } | Message::ToolResult { .. } => to_value(message),
    });
    let mut seen = json!({
        "system": request.system,
        "tools": to_value(&request.tools)?,
        "messages": messages.collect::<Result<Vec<_>, _>>()?,
        "max_output_tokens": request.max_output_tokens,
    });
    // Recordings from before there was a form have no such entry.
    if let (Some(output), Some(seen)) = (&request.output, seen.as_object_mut()) {
        seen.insert("output".to_owned(), output.to_value());
    }
    let text = sorted(redaction.value(seen)).to_string();
    Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
}

fn to_value(value: &(impl Serialize + ?Sized)) -> Result<Value, serde_json::Error> {
    serde_json::to_value(value)
}

/// `value` with the names of every object in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Array(values) => values.into_iter().map(sorted).collect(),
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(
                fields.into_iter().map(|(name, value)| (name, sorted(value))).collect::<Map<_, _>>(),
            )
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

//! The JSON form of an event in the journal.

use massgen_protocol::event::ENVELOPE_VERSION;
use massgen_protocol::{Event, limits};
use serde::Deserialize;

/// The JSON of `event`, refused when [`decode`] would refuse it.
pub(crate) fn encode(event: &Event) -> Result<String, String> {
    let json = serde_json::to_string(event).map_err(|error| error.to_string())?;
    check_depth(&json)?;
    Ok(json)
}

/// The event in `json`, which was written as `version`.
pub(crate) fn decode(version: i64, json: &str) -> Result<Event, String> {
    if version != i64::from(ENVELOPE_VERSION) {
        return Err(format!("its version is {version}, and this massgen reads version {ENVELOPE_VERSION}"));
    }
    check_depth(json)?;
    let mut reader = serde_json::Deserializer::from_str(json);
    // A provider's item may be as deep as the parser's own limit allows and lies a few levels down in its event, so
    // that limit would refuse to read what was rightly written. The check above takes its place.
    reader.disable_recursion_limit();
    let event = Event::deserialize(&mut reader).map_err(|error| error.to_string())?;
    reader.end().map_err(|error| error.to_string())?;
    Ok(event)
}

/// Reading is recursive, so depth is stack.
fn check_depth(json: &str) -> Result<(), String> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > limits::JOURNAL_BODY_DEPTH {
                    return Err(format!("it nests deeper than {} levels", limits::JOURNAL_BODY_DEPTH));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "body_tests.rs"]
mod tests;

//! Reading `new_answer` and `vote` calls. Arguments come from a model: anything may be in them.

use massgen_protocol::ToolCall;
use massgen_protocol::turn::Refusal;
use serde_json::{Map, Value};

/// Name of the tool that submits an answer.
pub const NEW_ANSWER: &str = "new_answer";
/// Name of the tool that votes.
pub const VOTE: &str = "vote";

/// How often arguments that were encoded as a JSON string are decoded again.
const NESTED_ENCODINGS: usize = 4;

/// A call of a workflow tool, read as far as that is possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Submission {
    /// An answer with its text.
    Answer(Result<String, Refusal>),
    /// A vote.
    Vote(Result<Ballot, Refusal>),
}

/// What a vote says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ballot {
    pub(crate) target: String,
    pub(crate) reason: String,
}

/// Reads `call`; `None` when it is not a workflow tool.
pub(crate) fn read(call: &ToolCall) -> Option<Submission> {
    match call.name.as_str() {
        NEW_ANSWER => Some(Submission::Answer(arguments(call).and_then(|arguments| answer_text(&arguments)))),
        VOTE => Some(Submission::Vote(arguments(call).and_then(|arguments| ballot(&arguments)))),
        _ => None,
    }
}

fn arguments(call: &ToolCall) -> Result<Map<String, Value>, Refusal> {
    let bad = |problem: String| Refusal::BadArguments { problem };
    let text = call.arguments.trim();
    if text.is_empty() {
        return Ok(Map::new());
    }
    let mut value: Value =
        serde_json::from_str(text).map_err(|error| bad(format!("the arguments are not JSON: {error}")))?;
    for _ in 0..NESTED_ENCODINGS {
        match value {
            Value::Object(map) => return Ok(map),
            Value::String(inner) => {
                value = serde_json::from_str(&inner)
                    .map_err(|error| bad(format!("the arguments are not a JSON object: {error}")))?;
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => break,
        }
    }
    Err(bad("the arguments are not a JSON object".to_owned()))
}

fn answer_text(arguments: &Map<String, Value>) -> Result<String, Refusal> {
    let content = arguments
        .get("content")
        .ok_or_else(|| Refusal::BadArguments { problem: "`content` is missing".to_owned() })?;
    let text = text_of(content);
    if text.trim().is_empty() { Err(Refusal::EmptyAnswer) } else { Ok(text) }
}

/// Text of a value that should have been a string: lists are joined, objects give their telling key.
fn text_of(value: &Value) -> String {
    const TELLING: [&str; 9] =
        ["content", "description", "text", "message", "answer", "final_answer", "summary", "output", "title"];
    match value {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().map(text_of).collect::<Vec<_>>().join("\n"),
        Value::Object(map) => match TELLING.iter().find_map(|key| map.get(*key)) {
            Some(inner) => text_of(inner),
            None => value.to_string(),
        },
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn ballot(arguments: &Map<String, Value>) -> Result<Ballot, Refusal> {
    let target = match arguments.get("agent_id") {
        Some(Value::String(target)) => target.trim().to_owned(),
        Some(other) => other.to_string(),
        None => {
            return Err(Refusal::BadArguments { problem: "`agent_id` is missing".to_owned() });
        }
    };
    let reason = arguments.get("reason").map(text_of).unwrap_or_default();
    Ok(Ballot { target, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(name: &str, arguments: &str) -> ToolCall {
        ToolCall { id: "c".into(), name: name.into(), arguments: arguments.into() }
    }

    fn answer(arguments: &str) -> Result<String, Refusal> {
        match read(&call(NEW_ANSWER, arguments)) {
            Some(Submission::Answer(result)) => result,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn content_that_is_not_a_string_becomes_text() {
        assert_eq!(answer(r#"{"content":"a"}"#), Ok("a".into()));
        assert_eq!(answer(r#"{"content":["a",{"text":"b"}]}"#), Ok("a\nb".into()));
        assert_eq!(answer(r#"{"content":{"title":"t","summary":"s"}}"#), Ok("s".into()));
        assert_eq!(answer(r#"{"content":42}"#), Ok("42".into()));
        assert_eq!(answer(r#""{\"content\":\"twice encoded\"}""#), Ok("twice encoded".into()));
    }

    #[test]
    fn unreadable_arguments_are_refused_with_the_problem() {
        for bad in ["{", "[]", "7", r#"{"text":"x"}"#, ""] {
            assert!(matches!(answer(bad), Err(Refusal::BadArguments { .. })), "{bad}");
        }
        assert_eq!(answer(r#"{"content":"  "}"#), Err(Refusal::EmptyAnswer));
        assert!(matches!(read(&call(VOTE, "{}")), Some(Submission::Vote(Err(Refusal::BadArguments { .. })))));
        assert_eq!(read(&call("web_search", "{}")), None);
    }
}

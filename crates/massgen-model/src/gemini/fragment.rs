//! One fragment of a reply as it is on the wire. What is not read is skipped without a copy.

use std::borrow::Cow;

use massgen_protocol::TokenUsage;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

use crate::provider::usage::Reported;

/// A `GenerateContentResponse`: the next parts of a reply, or a whole one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fragment<'a> {
    #[serde(default, borrow)]
    pub(super) candidates: Option<Vec<Candidate<'a>>>,
    #[serde(default)]
    pub(super) prompt_feedback: Option<Feedback>,
    #[serde(default, borrow)]
    pub(super) usage_metadata: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Candidate<'a> {
    #[serde(default)]
    pub(super) index: Option<u64>,
    #[serde(default, borrow)]
    pub(super) content: Option<Content<'a>>,
    #[serde(default)]
    pub(super) finish_reason: Option<Value>,
    #[serde(default)]
    pub(super) finish_message: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Content<'a> {
    #[serde(default, borrow)]
    pub(super) parts: Option<Vec<&'a RawValue>>,
}

/// What the service thinks of the prompt.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Feedback {
    #[serde(default)]
    pub(super) block_reason: Option<Value>,
}

/// A part with a piece of text and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Plain<'a> {
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
    #[serde(default)]
    pub(super) thought: Option<bool>,
}

/// A name out of a list that the service may write as a number; the entry that says nothing is none.
pub(super) fn word(value: Option<&Value>) -> Option<String> {
    let word = match value? {
        Value::String(word) => word.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    (!word.is_empty() && !word.ends_with("_UNSPECIFIED")).then_some(word)
}

/// What a `usageMetadata` says. It counts everything so far; what it leaves out is zero, and one that cannot be read
/// says nothing.
pub(super) fn usage(raw: &RawValue) -> Reported {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Counts {
        #[serde(rename = "promptTokenCount")]
        prompt: Option<Number>,
        #[serde(rename = "toolUsePromptTokenCount")]
        tool_use: Option<Number>,
        #[serde(rename = "cachedContentTokenCount")]
        cached: Option<Number>,
        #[serde(rename = "candidatesTokenCount")]
        candidates: Option<Number>,
        #[serde(rename = "thoughtsTokenCount")]
        thoughts: Option<Number>,
    }
    let counts: Counts = serde_json::from_str(raw.get()).unwrap_or_default();
    let count = |number: Option<Number>| number.and_then(|number| number.as_u64()).unwrap_or(0);
    // What tools of the provider read for the model is input like the rest of the prompt.
    let input = count(counts.prompt).saturating_add(count(counts.tool_use));
    let reasoning = count(counts.thoughts);
    let output = count(counts.candidates).saturating_add(reasoning);
    let tokens = (input > 0 || output > 0).then(|| TokenUsage {
        input,
        output,
        reasoning,
        cached_input: count(counts.cached).min(input),
        ..TokenUsage::default()
    });
    Reported { tokens, cost: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thoughts_are_output_and_what_tools_read_is_input() {
        let read = |text: &str| usage(&RawValue::from_string(text.to_owned()).unwrap()).tokens;
        let full = r#"{"promptTokenCount": 100, "toolUsePromptTokenCount": 20, "cachedContentTokenCount": 60,
            "candidatesTokenCount": 5, "thoughtsTokenCount": 30, "totalTokenCount": 155,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}]}"#;
        let expected =
            TokenUsage { input: 120, output: 35, reasoning: 30, cached_input: 60, ..TokenUsage::default() };
        assert_eq!(read(full), Some(expected));
        assert_eq!(read("{}"), None);
        assert_eq!(read(r#"{"promptTokenCount": "many"}"#), None);
        assert_eq!(read(r#"{"promptTokenCount": -3, "candidatesTokenCount": 0}"#), None);
    }

    #[test]
    fn a_word_may_be_a_number_and_may_say_nothing() {
        let word = |value: Value| super::word(Some(&value));
        assert_eq!(word("STOP".into()).as_deref(), Some("STOP"));
        assert_eq!(word(7.into()).as_deref(), Some("7"));
        for nothing in [Value::Null, "".into(), "BLOCKED_REASON_UNSPECIFIED".into(), true.into()] {
            assert_eq!(word(nothing), None);
        }
    }
}

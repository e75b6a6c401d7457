//! One event of a stream as it is on the wire. Every field is taken as it stands and read when it is needed: a field
//! of another shape than the protocol's is no error, and what is not read is skipped without a copy.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A stream event.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) output_index: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) item_id: Option<&'a RawValue>,
    /// The part of a message or of raw reasoning.
    #[serde(default, borrow)]
    pub(super) content_index: Option<&'a RawValue>,
    /// The part of a summary of reasoning.
    #[serde(default, borrow)]
    pub(super) summary_index: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) delta: Option<&'a RawValue>,
    /// The whole of a part of text.
    #[serde(default, borrow)]
    pub(super) text: Option<&'a RawValue>,
    /// The whole of a refusal.
    #[serde(default, borrow)]
    pub(super) refusal: Option<&'a RawValue>,
    /// All arguments of a call.
    #[serde(default, borrow)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) response: Option<&'a RawValue>,
}

/// A response: what a terminal event carries, or a whole reply.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Response<'a> {
    #[serde(default, borrow)]
    pub(super) status: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) output: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) incomplete_details: Option<&'a RawValue>,
}

/// Why a response is incomplete.
#[derive(Debug, Deserialize)]
pub(super) struct IncompleteDetails<'a> {
    #[serde(default, borrow)]
    pub(super) reason: Option<&'a RawValue>,
}

/// What tells output items apart.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Head<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) encrypted_content: Option<&'a RawValue>,
}

/// The text of a string; empty for anything else.
pub(super) fn text(raw: Option<&RawValue>) -> Result<Cow<'_, str>, serde_json::Error> {
    let Some(quoted) = raw.map(RawValue::get).filter(|raw| raw.starts_with('"')) else {
        return Ok(Cow::Borrowed(""));
    };
    match quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        Some(_) | None => serde_json::from_str(quoted).map(Cow::Owned),
    }
}

/// The value of a count; `None` for anything else.
pub(super) fn count(raw: Option<&RawValue>) -> Option<u64> {
    raw?.get().parse().ok()
}

/// An object as `T`; `None` for anything else.
pub(super) fn object<'a, T: Deserialize<'a>>(
    raw: Option<&'a RawValue>,
) -> Result<Option<T>, serde_json::Error> {
    raw.filter(|raw| raw.get().starts_with('{')).map(|raw| serde_json::from_str(raw.get())).transpose()
}

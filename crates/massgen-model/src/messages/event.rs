//! Events of a reply as they are on the wire. What is not read is skipped without a copy.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// An event of a stream, or a whole `message`.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    /// The number of the block that it is about.
    #[serde(default, borrow)]
    pub(super) index: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) content_block: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) delta: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) error: Option<&'a RawValue>,
}

/// A message: its head in `message_start`, all of it in a reply that is not streamed, its end as the delta of
/// `message_delta`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Message<'a> {
    #[serde(default, borrow)]
    pub(super) content: Option<Vec<&'a RawValue>>,
    #[serde(default, borrow)]
    pub(super) stop_reason: Option<Cow<'a, str>>,
    /// Why the model stopped, in detail: what it says of a refusal.
    #[serde(default, borrow)]
    pub(super) stop_details: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) usage: Option<&'a RawValue>,
    /// The container that the provider's tools run in.
    #[serde(default, borrow)]
    pub(super) container: Option<&'a RawValue>,
}

impl<'a> Message<'a> {
    /// Reads a message; anything but an object is an empty one, which some gateways send.
    pub(super) fn read(raw: Option<&'a RawValue>) -> Result<Self, serde_json::Error> {
        match raw {
            Some(raw) if raw.get().starts_with('{') => serde_json::from_str(raw.get()),
            Some(_) | None => Ok(Self::default()),
        }
    }
}

/// What an event adds to a block. Its kind decides which field counts.
#[derive(Debug, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(rename = "type", default, borrow)]
    pub(super) kind: Cow<'a, str>,
    #[serde(default, borrow)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) thinking: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) signature: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) partial_json: Option<&'a RawValue>,
    #[serde(default, borrow)]
    pub(super) citation: Option<&'a RawValue>,
}

/// The text of a field; empty when there is none.
pub(super) fn string(raw: Option<&RawValue>) -> Result<String, serde_json::Error> {
    match raw {
        Some(raw) if raw.get() != "null" => serde_json::from_str(raw.get()),
        Some(_) | None => Ok(String::new()),
    }
}

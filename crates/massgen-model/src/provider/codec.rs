//! What a protocol is to the rest of a call: a writer of requests and a reader of replies.

use std::fmt::Display;

use bytes::Bytes;
use massgen_protocol::message::ReplyItem;
use massgen_protocol::{CallId, ModelRequest};
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::draft::Draft;
use super::fetched::StoredFile;

/// One protocol with the settings of one endpoint.
pub(crate) trait Codec: Send + Sync {
    /// The body of `request`, or why there is none. Equal requests give equal bytes, and the bytes of a longer
    /// conversation begin with those of a shorter one, closing brackets aside.
    fn body(&self, request: &ModelRequest) -> Result<Bytes, String>;

    /// Headers of every request besides those that all protocols have. A configuration may name others in their place.
    fn headers(&self) -> HeaderMap {
        HeaderMap::new()
    }

    /// A reader for one reply.
    fn decoder(&self) -> Box<dyn Decode>;

    /// The files that the items of a reply name and the service keeps.
    fn stored_files(&self, items: &[ReplyItem]) -> Vec<StoredFile> {
        let _ = items;
        Vec::new()
    }

    /// How a streamed reply is cut into events.
    fn framing(&self) -> Framing;
}

/// How a streamed reply is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Framing {
    /// Server-sent events.
    Events,
    /// JSON documents, one a line.
    Lines,
}

/// Reads one reply of a protocol. What all replies have goes into the [`Draft`]; the parts stay here until the end.
pub(crate) trait Decode: Send {
    /// Takes the data of one event; it is not blank.
    fn event(&mut self, data: &str, draft: &mut Draft) -> Result<(), Fault>;

    /// Takes a reply that came whole instead of as a stream.
    fn document(&mut self, body: &str, draft: &mut Draft) -> Result<(), Fault>;

    /// The parts of the reply, in the order in which the model made them, or what is wrong with them. Ids that are
    /// missing are made from `call`.
    fn items(self: Box<Self>, call: CallId) -> Result<Vec<ReplyItem>, String>;
}

/// Why what came is no part of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// It is not what the protocol says.
    Malformed(String),
    /// It is an error object of the service.
    Said(Value),
}

impl Fault {
    pub(crate) fn malformed(problem: impl Display) -> Self {
        Self::Malformed(problem.to_string())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::malformed(error)
    }
}

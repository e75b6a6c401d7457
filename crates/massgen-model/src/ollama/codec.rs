//! Requests of the protocol.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use massgen_protocol::ModelRequest;
use massgen_protocol::spec::Protocol;
use rig_core::message::{Api, Message, Origin};
use rig_core::providers::ollama::{Chat, OllamaConfig, PROVIDER_NAME};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::decoder::Decoder;
use crate::provider::body::{arrange, written};
use crate::provider::codec::{Codec, Decode, Framing};
use crate::provider::conversation::rig_request;
use crate::provider::files::Files;
use crate::provider::form::{self, Tools};

/// What no parameter replaces.
const OURS: [&str; 4] = ["model", "messages", "tools", "stream"];

/// Names of other protocols for the bound on the output; it has a name of its own here.
const BOUND: [&str; 2] = ["max_tokens", "max_output_tokens"];

/// Stands between two messages of the user, so that they stay two, and is not sent.
const BETWEEN: &str = "\u{1f}between two messages of the user\u{1f}";

/// The protocol for one model.
#[derive(Clone)]
pub(crate) struct OllamaCodec {
    wire: Chat,
    origin: Origin,
    parameters: Map<String, Value>,
    max_output_tokens: Option<u64>,
}

impl OllamaCodec {
    /// The protocol for `model`. Parameters that the interface does not know itself go into `options`, where those of
    /// the model are.
    pub(crate) fn new(
        model: &str,
        parameters: &BTreeMap<String, Value>,
        max_output_tokens: Option<u32>,
    ) -> Self {
        let mut bound = max_output_tokens.map(u64::from);
        let mut kept = Map::new();
        for (key, value) in parameters {
            if BOUND.contains(&key.as_str()) {
                bound = bound.or_else(|| value.as_u64());
            } else if !OURS.contains(&key.as_str()) && !value.is_null() {
                kept.insert(key.clone(), value.clone());
            }
        }
        // Otherwise a conversation that is too long loses its oldest messages, and nobody is told.
        kept.entry("truncate").or_insert(false.into());
        Self {
            wire: Chat::new(OllamaConfig::new(), model),
            origin: Origin::new(Api::from_static("ollama.chat"), PROVIDER_NAME, model),
            parameters: kept,
            max_output_tokens: bound,
        }
    }
}

impl Codec for OllamaCodec {
    fn body(&self, request: &ModelRequest) -> Result<Bytes, String> {
        let mut said = rig_request(request, &self.origin)?;
        said.chat_history = apart(said.chat_history);
        said.max_tokens = request.max_output_tokens.map(u64::from).or(self.max_output_tokens);
        if let Some(output) = &request.output {
            // A model that is held to a form cannot call a tool.
            form::ask(&mut said, output, Tools::LeftOut)?;
        }
        said.additional_params = Some(Value::Object(self.parameters.clone()));
        let body = written(&self.wire, said)?;
        let files = Files::of(request, Protocol::Ollama, "");
        arrange(&body, &["tools"], "messages", |message| files.placed(sent(message)?))
            .map_err(|error| error.to_string())
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }

    fn framing(&self) -> Framing {
        Framing::Lines
    }
}

/// The conversation with [`BETWEEN`] between neighbouring messages of the user. rig would join them into one text, which
/// would change bytes that were sent before.
fn apart(history: Vec<Message>) -> Vec<Message> {
    let mut apart: Vec<Message> = Vec::with_capacity(history.len());
    for message in history {
        if is_text(&message) && apart.last().is_some_and(is_text) {
            apart.push(Message::system(BETWEEN));
        }
        apart.push(message);
    }
    apart
}

fn is_text(message: &Message) -> bool {
    use rig_core::message::UserContent;
    match message {
        Message::User { content } => !content.iter().any(|part| matches!(part, UserContent::ToolResult(_))),
        Message::System { .. } | Message::Assistant(_) => false,
    }
}

/// The message, unless it only stood between two others.
fn sent(message: &RawValue) -> Result<Vec<Cow<'_, str>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(default, borrow)]
        content: Cow<'a, str>,
    }
    let shape: Shape<'_> = serde_json::from_str(message.get())?;
    let is_between = shape.role == "system" && shape.content == BETWEEN;
    Ok(if is_between { Vec::new() } else { vec![Cow::Borrowed(message.get())] })
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

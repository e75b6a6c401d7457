//! Requests to write and decoders without a connection.

use std::time::Duration;

use massgen_protocol::ids::{AgentId, AgentNo};
use massgen_protocol::message::{CallContext, Message, Purpose, Reply};
use massgen_protocol::{CallId, DeltaKind, ModelRequest, ToolSchema};
use serde_json::json;

use super::codec::{Decode, Fault, Framing};
use super::draft::{Draft, Incomplete, Measured};
use super::sse::SseReader;

/// The first request of an agent with the tools `vote` and `answer`, and with these messages.
pub(crate) fn request(messages: Vec<Message>) -> ModelRequest {
    let tool = |name: &str| ToolSchema {
        name: name.to_owned(),
        description: format!("does {name}"),
        parameters: json!({"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "integer"}}}),
    };
    request_with(vec![tool("vote"), tool("answer")], messages)
}

/// As [`request`], with other tools.
pub(crate) fn request_with(tools: Vec<ToolSchema>, messages: Vec<Message>) -> ModelRequest {
    ModelRequest {
        context: CallContext {
            agent: AgentId::new("agent_a").unwrap(),
            call: CallId { agent: AgentNo::from_index(0), number: 1 },
            purpose: Purpose::Coordinate,
            candidates: Vec::new(),
            may_answer: true,
            fallback: 0,
        },
        system: "be good".into(),
        tools: tools.into(),
        messages,
        max_output_tokens: None,
        output: None,
    }
}

/// A message of the user.
pub(crate) fn user(text: &str) -> Message {
    Message::user(text)
}

/// A decoder at work.
pub(crate) struct Bench {
    pub(crate) decoder: Box<dyn Decode>,
    pub(crate) draft: Draft,
}

/// Why there is no reply.
#[derive(Debug, PartialEq)]
pub(crate) enum NoReply {
    Fault(Fault),
    Incomplete(Incomplete),
}

impl Bench {
    pub(crate) fn new(decoder: Box<dyn Decode>) -> Self {
        Self { decoder, draft: Draft::default() }
    }

    pub(crate) fn event(&mut self, data: &str) -> Result<(), Fault> {
        self.decoder.event(data, &mut self.draft)
    }

    pub(crate) fn pieces(&mut self) -> Vec<(DeltaKind, String)> {
        self.draft.take_pieces()
    }

    /// The reply to the first call of agent 1, whose request had 401 bytes.
    pub(crate) fn reply(self) -> Result<Reply, Incomplete> {
        let call = CallId { agent: AgentNo::from_index(0), number: 1 };
        let instant = Duration::ZERO;
        let measured = Measured { call, request_bytes: 401, first_token_after: instant, duration: instant };
        self.draft.complete(self.decoder, measured)
    }
}

/// The reply that `events` make.
pub(crate) fn decode(
    decoder: Box<dyn Decode>,
    events: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<Reply, NoReply> {
    let mut bench = Bench::new(decoder);
    for event in events {
        bench.event(event.as_ref()).map_err(NoReply::Fault)?;
    }
    bench.reply().map_err(NoReply::Incomplete)
}

/// The reply that the bytes of a stream make when they come in these pieces.
pub(crate) fn decode_stream<'a>(
    decoder: Box<dyn Decode>,
    framing: Framing,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Reply, NoReply> {
    let mut reader = SseReader::new(framing);
    let mut events = Vec::new();
    for piece in pieces {
        reader.push(piece);
        events.extend(std::iter::from_fn(|| reader.next()));
    }
    events.extend(reader.finish());
    decode(decoder, events.iter().map(|event| String::from_utf8_lossy(&event.data).trim().to_owned()))
}

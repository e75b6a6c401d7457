//! The readers of replies without a connection: for what measures and fuzzes them, no part of the program.
//!
//! It is the very code that a call runs between the socket and the reply, on bytes from anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use massgen_protocol::CallId;
use massgen_protocol::ids::{AgentId, AgentNo};
use massgen_protocol::message::Reply;
use massgen_protocol::spec::{AgentSpec, BackendSpec, Protocol, Service, VotingSensitivity, Wire};

use super::ProviderModel;
use super::draft::{Incomplete, Measured};
use super::intake::{Intake, Refusal};
use crate::{HttpClient, Keys, RetryPolicy, connect_with};

/// Every protocol, with the name that its corpus and its fuzz target have.
pub const PROTOCOLS: [(&str, Protocol); 5] = [
    ("chat_completions", Protocol::ChatCompletions),
    ("responses", Protocol::Responses),
    ("messages", Protocol::Messages),
    ("gemini", Protocol::Gemini),
    ("ollama", Protocol::Ollama),
];

/// What came of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The reply, or why there is none.
    pub reply: Result<Reply, String>,
    /// Bytes that a person would have been shown while it came in.
    pub shown: usize,
}

/// Reads answers in one protocol.
#[derive(Debug, Clone)]
pub struct Reader {
    model: ProviderModel,
}

impl Reader {
    /// A reader for answers in `protocol`, as a model without settings has it.
    ///
    /// # Errors
    /// No model can be connected, which would be a mistake in this module.
    pub fn new(protocol: Protocol) -> Result<Self, String> {
        let service = Service { protocol, ..Service::chat_completions("http://127.0.0.1:9", Vec::new()) };
        let backend = BackendSpec {
            kind: "chatcompletion".to_owned(),
            wire: Wire::Service(service),
            model: "measured".to_owned(),
            max_output_tokens: None,
            context_window: None,
            price: None,
            parameters: BTreeMap::new(),
            output_schema: None,
        };
        let agent = AgentSpec {
            id: AgentId::new("measured").map_err(|error| error.to_string())?,
            backend,
            fallback: Vec::new(),
            attachments: Vec::new(),
            workspace: None,
            tooling: Box::default(),
            system_message: None,
            voting_sensitivity: VotingSensitivity::Lenient,
        };
        let model = connect_with(&agent, &Keys::default(), &HttpClient::new(), RetryPolicy::default());
        Ok(Self { model: model.map_err(|error| error.to_string())? })
    }

    /// Reads a streamed answer that comes in these pieces.
    pub fn stream<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
        self.read(|intake, shown| {
            for piece in pieces {
                intake.push(piece)?;
                *shown += taken(intake);
            }
            intake.finish()
        })
    }

    /// Reads an answer that came whole.
    pub fn document(&self, body: &[u8]) -> Outcome {
        self.read(|intake, _| intake.document(body))
    }

    fn read(&self, take: impl FnOnce(&mut Intake, &mut usize) -> Result<(), Refusal>) -> Outcome {
        let mut intake = Intake::new(&*self.model.endpoint.codec);
        let mut shown = 0;
        let taken_all = take(&mut intake, &mut shown);
        shown += taken(&mut intake);
        let instant = Duration::ZERO;
        let measured = Measured {
            call: CallId { agent: AgentNo::from_index(0), number: 1 },
            request_bytes: 0,
            first_token_after: instant,
            duration: instant,
        };
        let reply = match taken_all {
            Ok(()) => intake.complete(measured).map_err(|why| match why {
                Incomplete::Cut => "cut".to_owned(),
                Incomplete::Malformed(problem) => problem,
            }),
            Err(Refusal::Malformed(problem) | Refusal::TooLong(problem)) => Err(problem),
            Err(Refusal::Said(error)) => Err(format!("the service said {error}")),
        };
        Outcome { reply, shown }
    }
}

fn taken(intake: &mut Intake) -> usize {
    intake.take_pieces().iter().map(|(_, text)| text.len()).sum()
}

#[cfg(test)]
#[path = "measuring_tests.rs"]
mod tests;

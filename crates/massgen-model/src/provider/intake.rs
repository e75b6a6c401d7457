//! From the bytes of one answer to a reply, without a connection or a clock.

use massgen_protocol::message::Reply;
use massgen_protocol::{DeltaKind, limits};
use serde_json::Value;

use super::codec::{Codec, Decode, Fault};
use super::draft::{Draft, Incomplete, Measured};
use super::sse::{SseEvent, SseReader};

/// An answer on its way to become a reply.
pub(super) struct Intake {
    sse: SseReader,
    decoder: Box<dyn Decode>,
    draft: Draft,
}

/// Why an answer is not taken any further.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// It is not what the protocol says.
    Malformed(String),
    /// It is more than anybody keeps; another attempt would not be shorter.
    TooLong(String),
    /// It is an error object of the service.
    Said(Value),
}

impl Intake {
    pub(super) fn new(codec: &dyn Codec) -> Self {
        Self { sse: SseReader::new(codec.framing()), decoder: codec.decoder(), draft: Draft::default() }
    }

    /// The reply so far, apart from its parts.
    pub(super) fn draft(&self) -> &Draft {
        &self.draft
    }

    /// The pieces that came since the last time.
    pub(super) fn take_pieces(&mut self) -> Vec<(DeltaKind, String)> {
        self.draft.take_pieces()
    }

    /// Takes the next bytes of a stream. What follows the end of the reply is not looked at.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.sse.push(bytes);
        while !self.draft.is_over()
            && let Some(event) = self.sse.next()
        {
            self.event(&event)?;
        }
        if self.sse.pending() > limits::REPLY_BYTES {
            return Err(Refusal::TooLong("an event without an end".to_owned()));
        }
        Ok(())
    }

    /// The stream has ended.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        match self.sse.finish() {
            Some(event) if !self.draft.is_over() => self.event(&event),
            Some(_) | None => Ok(()),
        }
    }

    /// Takes an answer that came whole instead of as a stream.
    pub(super) fn document(&mut self, body: &[u8]) -> Result<(), Refusal> {
        let text = text(body)?;
        let taken = self.decoder.document(text, &mut self.draft);
        self.judge(taken)
    }

    /// The reply, if the answer was one.
    pub(super) fn complete(self, measured: Measured) -> Result<Reply, Incomplete> {
        self.draft.complete(self.decoder, measured)
    }

    fn event(&mut self, SseEvent { data, is_error }: &SseEvent) -> Result<(), Refusal> {
        let text = text(data)?;
        if text.is_empty() {
            return Ok(());
        }
        let taken = if *is_error {
            Err(Fault::Said(serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))))
        } else {
            self.decoder.event(text, &mut self.draft)
        };
        self.judge(taken)
    }

    fn judge(&self, taken: Result<(), Fault>) -> Result<(), Refusal> {
        match taken {
            Ok(()) if self.draft.is_too_long() => {
                Err(Refusal::TooLong(format!("a reply of more than {} bytes", limits::REPLY_BYTES)))
            }
            Ok(()) => Ok(()),
            Err(Fault::Malformed(problem)) => Err(Refusal::Malformed(problem)),
            Err(Fault::Said(error)) => Err(Refusal::Said(error)),
        }
    }
}

fn text(bytes: &[u8]) -> Result<&str, Refusal> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.trim()),
        Err(error) => Err(Refusal::Malformed(error.to_string())),
    }
}

//! One answer while it comes in.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::message::Reply;
use massgen_protocol::{CallId, DeltaKind, limits};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout};

use super::Endpoint;
use super::draft::{Incomplete, Measured};
use super::failure::Witness;
use super::intake::{Intake, Refusal};
use crate::retry::Failure;

/// How long the usage may follow the end of the reply.
const LINGER: Duration = Duration::from_secs(5);

/// How long a connection may take to end its answer after `[DONE]` before it is closed instead of kept.
const DRAIN: Duration = Duration::from_secs(1);

/// Most of a refusal's body that is read.
const REFUSAL_BYTES: usize = 64 * 1024;

/// Largest answer that is taken as one document: a reply of the largest size, escaped, and its frame.
const DOCUMENT_BYTES: usize = 4 * limits::REPLY_BYTES;

/// Facts of the request that is answered.
pub(super) struct Start {
    pub(super) call: CallId,
    pub(super) sent_at: Instant,
    pub(super) request_bytes: usize,
    /// Longest silence.
    pub(super) idle: Duration,
    /// Longest silence before the first piece.
    pub(super) first_idle: Duration,
}

/// An answer with status 200.
pub(super) struct Reading {
    start: Start,
    endpoint: Arc<Endpoint>,
    response: Option<Response>,
    intake: Intake,
    pieces: VecDeque<(DeltaKind, String)>,
    first_token_after: Option<Duration>,
}

/// What reading gave.
pub(super) enum Progress {
    /// A piece of the reply.
    Piece(DeltaKind, String),
    /// The answer is over; whether it is a reply, [`Reading::reply`] tells.
    Over,
}

impl Reading {
    /// Looks at the head of an answer. A refusal is read to its end, and so is a reply that is not streamed.
    pub(super) async fn open(
        response: Response,
        start: Start,
        endpoint: Arc<Endpoint>,
    ) -> Result<Self, Failure> {
        let witness = &endpoint.witness;
        let status = response.status();
        if status != StatusCode::OK {
            let headers = response.headers().clone();
            // The status alone tells enough when the body breaks off.
            let body = body(response, REFUSAL_BYTES, start.idle, witness).await;
            let body = body.unwrap_or_else(|(_, begun)| begun);
            return Err(witness.status(status, &headers, &body, jiff::Timestamp::now()));
        }
        let mut reading = Self {
            start,
            response: None,
            intake: Intake::new(&*endpoint.codec),
            endpoint,
            pieces: VecDeque::new(),
            first_token_after: None,
        };
        match content(response.headers()) {
            Content::Events => reading.response = Some(response),
            Content::Document => {
                let witness = &reading.endpoint.witness;
                let body = body(response, DOCUMENT_BYTES, reading.start.first_idle, witness).await;
                let body = body.map_err(|(failure, _)| failure)?;
                let taken = reading.intake.document(&body);
                taken.map_err(|refusal| reading.refused(refusal))?;
                reading.collect();
            }
            Content::Other(name) => return Err(reading.endpoint.witness.wrong_content(&name)),
        }
        Ok(reading)
    }

    /// The next piece.
    pub(super) async fn next(&mut self) -> Result<Progress, Failure> {
        loop {
            if let Some((kind, text)) = self.pieces.pop_front() {
                return Ok(Progress::Piece(kind, text));
            }
            let finished = self.intake.draft().is_finished();
            let is_over = self.intake.draft().is_over();
            let Some(response) = self.response.as_mut().filter(|_| !is_over) else {
                return Ok(Progress::Over);
            };
            // Some servers send the head of their answer at once and read the prompt then.
            let idle = if self.first_token_after.is_none() { self.start.first_idle } else { self.start.idle };
            let patience = if finished { LINGER.min(idle) } else { idle };
            let taken = match timeout(patience, response.chunk()).await {
                Ok(Ok(Some(bytes))) => self.intake.push(&bytes),
                Ok(Ok(None)) => {
                    self.response = None;
                    self.intake.finish()
                }
                // The reply is complete; that nothing decent follows takes nothing from it.
                Ok(Err(_)) | Err(_) if finished => {
                    self.response = None;
                    Ok(())
                }
                Ok(Err(error)) => return Err(self.endpoint.witness.transport(&error)),
                Err(_) => return Err(self.endpoint.witness.idle(idle)),
            };
            taken.map_err(|refusal| self.refused(refusal))?;
            self.collect();
        }
    }

    fn refused(&self, refusal: Refusal) -> Failure {
        let witness = &self.endpoint.witness;
        match refusal {
            Refusal::Malformed(problem) => witness.malformed(problem),
            Refusal::TooLong(problem) => witness.malformed(problem).for_good(),
            Refusal::Said(error) => witness.in_stream(&error),
        }
    }

    fn collect(&mut self) {
        if self.first_token_after.is_none() && self.intake.draft().has_content() {
            self.first_token_after = Some(self.start.sent_at.elapsed());
        }
        self.pieces.extend(self.intake.take_pieces());
    }

    /// The reply, if the answer was one.
    pub(super) fn reply(mut self) -> Result<Reply, Failure> {
        if let Some(response) = self.response.take() {
            drain(response);
        }
        let duration = self.start.sent_at.elapsed();
        let measured = Measured {
            call: self.start.call,
            request_bytes: self.start.request_bytes,
            first_token_after: self.first_token_after.unwrap_or(duration),
            duration,
        };
        let Endpoint { witness, origin, .. } = &*self.endpoint;
        match self.intake.complete(measured) {
            Ok(reply) => Ok(Reply { origin: Some(origin.clone()), ..reply }),
            Err(Incomplete::Cut) => Err(witness.cut()),
            Err(Incomplete::Malformed(problem)) => Err(witness.malformed(problem)),
        }
    }
}

/// Reads the end of an answer in the background, so that its connection can serve the next call.
fn drain(mut response: Response) {
    tokio::spawn(async move {
        let rest = async { while let Ok(Some(_)) = response.chunk().await {} };
        // A connection that does not come to its end is dropped with the response.
        let _ = timeout(DRAIN, rest).await;
    });
}

enum Content {
    Events,
    Document,
    Other(String),
}

/// What the answer is. Without a content type it is taken for what was asked for.
fn content(headers: &HeaderMap) -> Content {
    let name = headers.get(CONTENT_TYPE).and_then(|name| name.to_str().ok()).unwrap_or("text/event-stream");
    let name = name.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match name.as_str() {
        "text/event-stream" | "text/plain" | "application/octet-stream" | "application/x-ndjson" => {
            Content::Events
        }
        "application/json" => Content::Document,
        _ => Content::Other(name),
    }
}

/// A whole body, or why not and what came of it.
async fn body(
    mut response: Response,
    limit: usize,
    idle: Duration,
    witness: &Witness,
) -> Result<Vec<u8>, (Failure, Vec<u8>)> {
    let mut body = Vec::new();
    loop {
        match timeout(idle, response.chunk()).await {
            Ok(Ok(Some(bytes))) => body.extend_from_slice(&bytes),
            Ok(Ok(None)) => return Ok(body),
            Ok(Err(error)) => return Err((witness.transport(&error), body)),
            Err(_) => return Err((witness.idle(idle), body)),
        }
        if body.len() > limit {
            let problem = format!("a document of more than {limit} bytes");
            return Err((witness.malformed(problem).for_good(), body));
        }
    }
}

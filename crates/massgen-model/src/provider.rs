//! A model behind a service, whatever protocol the service speaks.
//!
//! A call is one stream of events: it sends the request when it is first polled, sends it again as the retry policy
//! allows, and ends once. Dropping it closes the connection.

pub(crate) mod body;
pub(crate) mod codec;
pub(crate) mod conversation;
pub(crate) mod draft;
pub(crate) mod failure;
mod reading;
mod sse;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod usage;

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, stream};
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::{CallId, ModelFailure, ModelRequest};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Url};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::codec::{Codec, Framing};
use self::failure::Witness;
use self::reading::{Progress, Reading};
use crate::retry::{Decision, Failure, GiveUp, RetryPolicy};

/// The header that names the call, so that a server's log can tell calls and their repetitions apart.
pub const CALL_HEADER: &str = "x-massgen-call";

/// A model behind a service.
#[derive(Clone)]
pub struct ProviderModel {
    endpoint: Arc<Endpoint>,
}

/// What [`ProviderModel`] is made of.
pub(crate) struct Endpoint {
    /// Where requests go.
    pub(crate) url: Url,
    pub(crate) client: Client,
    /// The authorization, if the service wants one, and what else every request carries.
    pub(crate) headers: HeaderMap,
    /// What failures say of the service.
    pub(crate) witness: Witness,
    pub(crate) codec: Box<dyn Codec>,
    pub(crate) policy: RetryPolicy,
}

impl ProviderModel {
    pub(crate) fn new(mut endpoint: Endpoint) -> Self {
        endpoint.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = match endpoint.codec.framing() {
            Framing::Events => "text/event-stream",
        };
        endpoint.headers.insert(ACCEPT, HeaderValue::from_static(accepted));
        Self { endpoint: Arc::new(endpoint) }
    }
}

impl fmt::Debug for ProviderModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderModel").field("host", &self.endpoint.witness.host()).finish_non_exhaustive()
    }
}

impl Model for ProviderModel {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let call = Call {
            endpoint: Arc::clone(&self.endpoint),
            id: request.context.call,
            input: Input::Unwritten(Box::new(request)),
            started: None,
            attempt: 0,
            phase: Phase::Sending { not_before: None },
        };
        let events = stream::unfold(Some(call), |call| async move {
            let mut call = call?;
            let event = call.next().await;
            let rest = match &event {
                ModelEvent::Finished(_) | ModelEvent::Failed(_) => None,
                ModelEvent::Delta { .. } | ModelEvent::Retrying { .. } => Some(call),
            };
            Some((event, rest))
        });
        events.boxed()
    }
}

/// One call under way.
struct Call {
    endpoint: Arc<Endpoint>,
    id: CallId,
    input: Input,
    started: Option<Instant>,
    /// Requests sent so far.
    attempt: u32,
    phase: Phase,
}

/// What is sent.
enum Input {
    /// Nothing has been sent yet.
    Unwritten(Box<ModelRequest>),
    /// The body, written once and the same for all attempts. The request itself is not kept beside it: conversations
    /// are long, and hundreds of calls may be under way.
    Written(Bytes),
}

enum Phase {
    /// The next request goes out, when its wait is over.
    Sending { not_before: Option<Instant> },
    /// An answer is being read.
    Reading(Box<Reading>),
}

impl Call {
    /// The next event. It ends the call if it is [`ModelEvent::Finished`] or [`ModelEvent::Failed`].
    async fn next(&mut self) -> ModelEvent {
        let started = *self.started.get_or_insert_with(Instant::now);
        let deadline = started + self.endpoint.policy.deadline;
        loop {
            let outcome = match &mut self.phase {
                Phase::Sending { not_before } => {
                    if let Some(moment) = *not_before {
                        sleep_until(moment).await;
                    }
                    match timeout_at(deadline, self.send()).await {
                        Ok(Ok(reading)) => {
                            self.phase = Phase::Reading(Box::new(reading));
                            continue;
                        }
                        Ok(Err(failure)) => Err(failure),
                        Err(_) => Err(self.late()),
                    }
                }
                Phase::Reading(reading) => match timeout_at(deadline, reading.next()).await {
                    Ok(Ok(Progress::Piece(kind, text))) => return ModelEvent::Delta { kind, text },
                    Ok(Ok(Progress::Over)) => Ok(()),
                    Ok(Err(failure)) => Err(failure),
                    Err(_) => Err(self.late()),
                },
            };
            let sending = Phase::Sending { not_before: None };
            let reply = match (outcome, std::mem::replace(&mut self.phase, sending)) {
                (Ok(()), Phase::Reading(reading)) => reading.reply(),
                (Ok(()), Phase::Sending { .. }) => continue,
                (Err(failure), _) => Err(failure),
            };
            return match reply {
                Ok(reply) => ModelEvent::Finished(Box::new(reply)),
                Err(failure) => self.failed(failure, started),
            };
        }
    }

    /// Sends the request and waits for the head of the answer.
    async fn send(&mut self) -> Result<Reading, Failure> {
        let endpoint = Arc::clone(&self.endpoint);
        let body = match &self.input {
            Input::Written(body) => body.clone(),
            Input::Unwritten(request) => {
                let body = endpoint.codec.body(request);
                let body = body.map_err(|problem| endpoint.witness.unwritable(problem))?;
                self.input = Input::Written(body.clone());
                body
            }
        };
        self.attempt += 1;
        let call = self.id;
        let sent_at = Instant::now();
        let request_bytes = body.len();
        let request = endpoint
            .client
            .post(endpoint.url.clone())
            .headers(endpoint.headers.clone())
            .header(CALL_HEADER, call.to_string())
            .body(body)
            .send();
        let idle = endpoint.policy.idle_timeout;
        let response = match timeout_at(sent_at + idle, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(endpoint.witness.transport(&error)),
            Err(_) => return Err(endpoint.witness.idle(idle)),
        };
        let start = reading::Start { call, sent_at, request_bytes, idle };
        Reading::open(response, start, endpoint).await
    }

    fn late(&self) -> Failure {
        self.endpoint.witness.deadline(self.endpoint.policy.deadline)
    }

    /// Sends again or gives up.
    fn failed(&mut self, failure: Failure, started: Instant) -> ModelEvent {
        let attempt = self.attempt;
        let mut hasher = DefaultHasher::new();
        (self.id, attempt).hash(&mut hasher);
        let now = Instant::now();
        match self.endpoint.policy.decide(attempt, now - started, &failure, hasher.finish()) {
            Decision::Retry { delay } => {
                self.phase = Phase::Sending { not_before: Some(now + delay) };
                ModelEvent::Retrying { attempt, kind: failure.kind, message: failure.message, delay }
            }
            Decision::GiveUp(why) => {
                let Failure { kind, mut message, retry_after, .. } = failure;
                let aside = match (why, retry_after) {
                    (GiveUp::WaitTooLong, Some(asked)) => {
                        format!("; it asks to wait {} s, too long for a call", asked.as_secs())
                    }
                    (GiveUp::Deadline, Some(_) | None) => "; no time is left to try again".to_owned(),
                    (GiveUp::NotRetryable | GiveUp::AttemptsUsed, Some(_) | None)
                    | (GiveUp::WaitTooLong, None) => String::new(),
                };
                message.push_str(&aside);
                ModelEvent::Failed(ModelFailure { kind, message, attempts: attempt })
            }
        }
    }
}

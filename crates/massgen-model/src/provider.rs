//! A model behind a service, whatever protocol the service speaks.
//!
//! A call is one stream of events: it sends the request when it is first polled, sends it again as the retry policy
//! allows, and ends once. Dropping it closes the connection.

pub(crate) mod body;
pub(crate) mod codec;
pub(crate) mod conversation;
pub(crate) mod draft;
pub(crate) mod failure;
pub(crate) mod fetched;
pub(crate) mod files;
pub(crate) mod form;
mod intake;
pub(crate) mod made_files;
#[cfg(any(test, feature = "measuring"))]
#[doc(hidden)]
pub mod measuring;
mod origin;
mod reading;
mod sse;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod usage;

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::message::{FailureKind, Message, Reply, ReplyOrigin};
use massgen_protocol::{CallId, ModelFailure, ModelRequest, ServiceReport};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use tokio::time::{Instant, sleep_until, timeout_at};

use self::codec::{Codec, Framing};
use self::failure::Witness;
use self::reading::{Progress, Reading};
use crate::breaker::{self, Verdict};
use crate::gate::{Pass, Passage, Stop};
use crate::retry::{Decision, Failure, GiveUp, RetryPolicy};

/// The header that names the call, so that a server's log can tell calls and their repetitions apart.
pub const CALL_HEADER: &str = "x-massgen-call";

/// Output tokens that a request is counted with under a rate limit until its usage is known. Its input is estimated from
/// its bytes.
const EXPECTED_OUTPUT_TOKENS: u64 = 1_000;

/// Longest wait for the next place in a window of a rate, of the first in the queue for it. Only the limit of a day makes
/// a call wait longer; such a call fails, because a run does not last that long.
const LONGEST_TURN_WAIT: Duration = Duration::from_mins(2);

/// What to do when a request is too large for its service and most of it are files, which every request carries.
const FILES_TOO_LARGE: &str =
    "; most of the request are the files that go with the task: make them smaller, or leave some out";

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
    /// Who makes the replies; the items of others do not go there.
    pub(crate) origin: ReplyOrigin,
    pub(crate) policy: RetryPolicy,
    /// The way through the gate that all agents share.
    pub(crate) passage: Passage,
}

impl ProviderModel {
    pub(crate) fn new(mut endpoint: Endpoint) -> Self {
        endpoint.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let accepted = match endpoint.codec.framing() {
            Framing::Events => "text/event-stream",
            Framing::Lines => "application/x-ndjson",
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
            attached_bytes: attached_bytes(&request),
            input: Input::Unwritten(Box::new(request)),
            started: None,
            attempt: 0,
            phase: Phase::Sending { not_before: None },
            pass: None,
            told: VecDeque::new(),
            has_told_of_turn: false,
            has_told_of_stop: false,
        };
        let events = stream::unfold(Some(call), |call| async move {
            let mut call = call?;
            let event = call.next().await;
            let rest = match &event {
                ModelEvent::Finished(_) | ModelEvent::Failed(_) => None,
                ModelEvent::Delta { .. } | ModelEvent::Retrying { .. } | ModelEvent::Service { .. } => {
                    Some(call)
                }
            };
            Some((event, rest))
        });
        events.boxed()
    }
}

/// Bytes that the attached files take in the body of `request`, as base64.
fn attached_bytes(request: &ModelRequest) -> usize {
    let files = request.messages.iter().flat_map(|message| match message {
        Message::User { files, .. } => files.as_slice(),
        Message::Assistant { .. } | Message::ToolResult { .. } => &[],
    });
    files.map(|file| file.bytes.len().div_ceil(3).saturating_mul(4)).sum()
}

/// One call under way.
struct Call {
    endpoint: Arc<Endpoint>,
    id: CallId,
    input: Input,
    /// How much of the body the files take that go with the task.
    attached_bytes: usize,
    /// When it began, moved on by the time that it has waited for its turn under a rate limit.
    started: Option<Instant>,
    /// Requests sent so far.
    attempt: u32,
    phase: Phase,
    /// The request under way, as the gate knows it.
    pass: Option<Pass>,
    /// What is to be told next, in order.
    told: VecDeque<ModelEvent>,
    has_told_of_turn: bool,
    /// Since the last request.
    has_told_of_stop: bool,
}

/// What is sent.
enum Input {
    /// Nothing has been sent yet.
    Unwritten(Box<ModelRequest>),
    /// The body, written once and the same for all attempts. The request itself is not kept beside it: conversations
    /// are long, and hundreds of calls may be under way.
    Written(Bytes),
}

/// Whether a request may go out.
enum Admitted {
    Yes,
    /// Once this is told, ask again.
    AfterTelling(ServiceReport),
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
        self.started.get_or_insert_with(Instant::now);
        loop {
            if let Some(event) = self.told.pop_front() {
                return event;
            }
            let deadline = self.deadline();
            let outcome = match &mut self.phase {
                Phase::Sending { not_before } => {
                    if let Some(moment) = not_before.take() {
                        sleep_until(moment).await;
                    }
                    match self.admitted().await {
                        Ok(Admitted::Yes) => {}
                        Ok(Admitted::AfterTelling(report)) => return self.report(report),
                        Err(failure) => {
                            let event = self.failed(failure);
                            self.told.push_back(event);
                            continue;
                        }
                    }
                    match timeout_at(self.deadline(), self.send()).await {
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
            let event = match reply {
                Ok(reply) => {
                    self.settle(Verdict::Works, Some(reply.usage.total()));
                    ModelEvent::Finished(Box::new(self.with_files(reply).await))
                }
                Err(failure) => self.failed(failure),
            };
            self.told.push_back(event);
        }
    }

    /// The reply with the files that its service keeps for it, as far as they can be had.
    async fn with_files(&mut self, mut reply: Reply) -> Reply {
        let fetched = fetched::fetch(&self.endpoint, self.id, &reply.items, self.deadline()).await;
        reply.items.extend(fetched.items);
        if let Some(problem) = fetched.problem {
            let report = self.report(ServiceReport::FilesLeft { count: fetched.left, problem });
            self.told.push_back(report);
        }
        reply
    }

    /// Until when requests may be sent and answers read.
    fn deadline(&self) -> Instant {
        self.started.unwrap_or_else(Instant::now) + self.endpoint.policy.deadline
    }

    /// Waits at the gate until the next request may go out.
    async fn admitted(&mut self) -> Result<Admitted, Failure> {
        let endpoint = Arc::clone(&self.endpoint);
        let tokens = usage::estimated_tokens(usage::text_bytes(&self.written()?))
            .saturating_add(EXPECTED_OUTPUT_TOKENS);
        let passage = &endpoint.passage;
        loop {
            if let Some(stop) = passage.stop() {
                if let Stop::For(wait) = stop {
                    if Instant::now() + wait >= self.deadline() {
                        return Err(passage.stopped(wait));
                    }
                    if !std::mem::replace(&mut self.has_told_of_stop, true) {
                        return Ok(Admitted::AfterTelling(ServiceReport::Held { wait }));
                    }
                }
                if !passage.reopened(self.deadline()).await {
                    return Err(passage.stopped(Duration::ZERO));
                }
                continue;
            }
            let limited = passage.limited(tokens);
            if let Some(limited) = limited.filter(|limited| limited.wait > LONGEST_TURN_WAIT) {
                return Err(passage.used_up(&limited));
            }
            if let Some(limited) = limited
                && !std::mem::replace(&mut self.has_told_of_turn, true)
            {
                let report = ServiceReport::Limited { limit: limited.limit, wait: limited.wait };
                return Ok(Admitted::AfterTelling(report));
            }
            let queued = Instant::now();
            let turn = passage.turn(tokens, LONGEST_TURN_WAIT).await;
            // The time of the run goes on; that of the call stands still, because nothing was asked of the service.
            self.started = self.started.map(|started| started + queued.elapsed());
            let reservation = turn.map_err(|wait| passage.used_up(&wait))?;
            if let Some(pass) = passage.enter(reservation) {
                if Instant::now() >= self.deadline() {
                    return Err(self.late());
                }
                self.pass = Some(pass);
                return Ok(Admitted::Yes);
            }
        }
    }

    /// Tells the gate what became of the request under way, and a person what changes by it.
    fn settle(&mut self, verdict: Verdict, tokens: Option<u64>) {
        self.has_told_of_stop = false;
        if let Some(report) = self.pass.take().and_then(|pass| pass.settle(verdict, tokens)) {
            let event = self.report(report);
            self.told.push_back(event);
        }
    }

    fn report(&self, report: ServiceReport) -> ModelEvent {
        ModelEvent::Service { service: self.endpoint.passage.service().to_owned(), report }
    }

    /// The body, written once.
    fn written(&mut self) -> Result<Bytes, Failure> {
        let body = match &self.input {
            Input::Written(body) => body.clone(),
            Input::Unwritten(request) => {
                let body = self.endpoint.codec.body(&origin::understood(request, &self.endpoint.origin));
                body.map_err(|problem| self.endpoint.witness.unwritable(problem))?
            }
        };
        self.input = Input::Written(body.clone());
        Ok(body)
    }

    /// Sends the request and waits for the head of the answer.
    async fn send(&mut self) -> Result<Reading, Failure> {
        let endpoint = Arc::clone(&self.endpoint);
        let body = self.written()?;
        self.attempt += 1;
        let call = self.id;
        let sent_at = Instant::now();
        let request_bytes = usage::text_bytes(&body);
        // Without them, would it be less than half as long?
        let is_mostly_files = self.attached_bytes > body.len() / 2;
        let request = endpoint
            .client
            .post(endpoint.url.clone())
            .headers(endpoint.headers.clone())
            .header(CALL_HEADER, call.to_string())
            .body(body)
            .send();
        let idle = endpoint.policy.idle_timeout;
        let first_idle = endpoint.policy.before_the_first_piece();
        let response = match timeout_at(sent_at + first_idle, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(endpoint.witness.transport(&error)),
            Err(_) => return Err(endpoint.witness.idle(first_idle)),
        };
        let is_too_large = response.status() == StatusCode::PAYLOAD_TOO_LARGE;
        let start = reading::Start { call, sent_at, request_bytes, idle, first_idle };
        let opened = Reading::open(response, start, endpoint).await;
        opened.map_err(|mut failure| {
            // A shorter conversation would not help.
            if is_too_large && is_mostly_files {
                failure.kind = FailureKind::Rejected;
                failure.message.push_str(FILES_TOO_LARGE);
            }
            failure
        })
    }

    fn late(&self) -> Failure {
        self.endpoint.witness.deadline(self.endpoint.policy.deadline)
    }

    /// Sends again or gives up.
    fn failed(&mut self, mut failure: Failure) -> ModelEvent {
        if let Some(settings) = self.endpoint.passage.breaker() {
            failure = breaker::repeatable(failure, settings);
            let verdict = Verdict::of(&failure, settings);
            // What was refused was not read; what broke off may have been.
            self.settle(verdict, failure.status.map(|_| 0));
        } else {
            self.settle(Verdict::Aside, failure.status.map(|_| 0));
        }
        let attempt = self.attempt;
        let mut hasher = DefaultHasher::new();
        (self.id, attempt).hash(&mut hasher);
        let now = Instant::now();
        let elapsed = self.started.map_or(Duration::ZERO, |started| now.saturating_duration_since(started));
        match self.endpoint.policy.decide(attempt, elapsed, &failure, hasher.finish()) {
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

//! A chat-completions server with a script and a schedule.
//!
//! It listens on this machine only, answers every request as a function says, at the times that a [`Schedule`] says,
//! and keeps a log: which call a request belongs to, what it said, when it came, whether its answer was taken whole.
//! It holds several hundred streams at once, and stops when it is dropped.

pub mod chunks;
pub mod log;
pub mod script;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::Response;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

pub use self::log::{Keep, Outcome, ReceivedRequest, RequestRecord};
pub use self::script::{Fault, Schedule, ScriptedCall, ScriptedReply, SpokenReply};

use self::chunks::{Frame, document, frames};
use self::log::{Log, Ticket};

/// The header by which clients name the call that a request belongs to.
pub const CALL_HEADER: &str = "x-massgen-call";

/// End of the paths at which files are asked for. The script answers them with [`ScriptedReply::Raw`] and
/// [`ScriptedReply::Refuse`].
const FILE: &str = "/content";

/// Ends of the paths that are answered. Those of other protocols than chat completions are for replies that are written
/// out: [`ScriptedReply::Raw`] and [`ScriptedReply::Refuse`].
const ENDPOINTS: [&str; 5] =
    ["/chat/completions", "/responses", "/v1/messages", ":streamGenerateContent", "/api/chat"];

type Script = Box<dyn Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync>;

/// A running server. Dropping it ends all streams.
#[derive(Debug)]
pub struct ModelServer {
    address: SocketAddr,
    log: Arc<Log>,
    stop: watch::Sender<bool>,
}

/// What may be chosen besides script and schedule.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The port; 0 takes a free one.
    pub port: u16,
    /// What the log keeps of the requests.
    pub keep: Keep,
}

struct Shared {
    script: Script,
    schedule: Schedule,
    log: Arc<Log>,
    stop: watch::Receiver<bool>,
}

impl ModelServer {
    /// Starts a server on a free port, on the running tokio runtime.
    ///
    /// # Errors
    /// No port can be opened.
    pub async fn start(
        script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
        schedule: Schedule,
    ) -> io::Result<Self> {
        Self::start_with(script, schedule, Options::default()).await
    }

    /// As [`Self::start`], with options.
    ///
    /// # Errors
    /// The port cannot be opened.
    pub async fn start_with(
        script: impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static,
        schedule: Schedule,
        options: Options,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(false);
        let log = Arc::new(Log::new(options.keep));
        let shared = Arc::new(Shared {
            script: Box::new(script),
            schedule,
            log: Arc::clone(&log),
            stop: stopped.clone(),
        });
        let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable()).with_state(shared);
        let listener = listener.tap_io(|stream| {
            // Without it a chunk may wait for the acknowledgement of the one before.
            let _ = stream.set_nodelay(true);
        });
        tokio::spawn(async move {
            let service = router.into_make_service_with_connect_info::<SocketAddr>();
            let served = axum::serve(listener, service).with_graceful_shutdown(until_stopped(stopped));
            // It ends when the server is dropped; connections end with their streams.
            let _ = served.await;
        });
        Ok(Self { address, log, stop })
    }

    /// What a client takes as base URL: `http://127.0.0.1:PORT/v1`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far, in the order of arrival.
    pub fn requests(&self) -> Vec<Arc<RequestRecord>> {
        self.log.records()
    }

    /// Waits until `count` requests have come.
    pub async fn received(&self, count: usize) {
        self.log.wait(|records| records.len() >= count).await;
    }

    /// Waits until the answers of `count` requests are over, one way or another.
    pub async fn ended(&self, count: usize) {
        let over = |records: &[Arc<RequestRecord>]| {
            records.iter().filter(|record| record.outcome() != Outcome::UnderWay).count()
        };
        self.log.wait(|records| over(records) >= count).await;
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn until_stopped(mut stopped: watch::Receiver<bool>) {
    // An error means that the server is gone, which is the same.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method == Method::GET && uri.path().ends_with("/models") {
        return respond(StatusCode::OK, &[], "application/json", r#"{"object":"list","data":[]}"#.into());
    }
    let is_file = method == Method::GET && uri.path().ends_with(FILE);
    let is_call = method == Method::POST && ENDPOINTS.iter().any(|end| uri.path().ends_with(end));
    if !is_file && !is_call {
        let body = r#"{"error":{"message":"no such endpoint","type":"invalid_request_error"}}"#;
        return respond(StatusCode::NOT_FOUND, &[], "application/json", body.into());
    }
    let (request, mut ticket) = shared.log.enter(client, uri.path(), headers, body);
    let reply = (shared.script)(&request);
    let streamed = request.wants_stream();
    let model = request.model();
    drop(request);
    let schedule = shared.schedule;
    let arrived = Instant::now();
    match reply {
        ScriptedReply::Speak(reply) if streamed => {
            let frames = frames(&reply, &schedule, &model);
            stream(frames, schedule, arrived, ticket, shared.stop.clone())
        }
        ScriptedReply::Speak(reply) => {
            pause(arrived + schedule.total(), &shared.stop).await;
            ticket.end(Outcome::Complete);
            respond(StatusCode::OK, &[], "application/json", document(&reply, &model).into())
        }
        ScriptedReply::Raw { content_type, frames } => {
            let mut response = stream(frames, schedule, arrived, ticket, shared.stop.clone());
            if let Ok(value) = HeaderValue::from_str(&content_type) {
                response.headers_mut().insert(header::CONTENT_TYPE, value);
            }
            response
        }
        ScriptedReply::Refuse { status, headers, body } => {
            ticket.end(Outcome::Refused);
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            respond(status, &headers, "application/json", body.into())
        }
        ScriptedReply::Hang => {
            until_stopped(shared.stop.clone()).await;
            respond(StatusCode::SERVICE_UNAVAILABLE, &[], "application/json", Body::empty())
        }
    }
}

fn respond(
    status: StatusCode,
    headers: &[(String, String)],
    content_type: &'static str,
    body: Body,
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn pause(until: Instant, stop: &watch::Receiver<bool>) {
    if until > Instant::now() {
        tokio::select! {
            () = sleep_until(until) => {}
            () = until_stopped(stop.clone()) => {}
        }
    }
}

/// Frame `i` goes out at the first token's time plus `i` intervals, however long the frames before took.
fn stream(
    frames: Vec<Frame>,
    schedule: Schedule,
    arrived: Instant,
    ticket: Ticket,
    stop: watch::Receiver<bool>,
) -> Response {
    let state = (frames.into_iter().enumerate(), ticket, stop);
    let body = futures::stream::unfold(state, move |(mut frames, mut ticket, stop)| async move {
        let Some((position, frame)) = frames.next() else {
            ticket.end(Outcome::Complete);
            return None;
        };
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let due = arrived + schedule.first_token + schedule.interval.saturating_mul(position);
        pause(due, &stop).await;
        if *stop.borrow() {
            return None;
        }
        let sent: io::Result<Bytes> = match frame {
            Frame::Data(bytes) => Ok(bytes),
            Frame::Cut => {
                // Otherwise the connection breaks before the frames so far have left.
                tokio::task::yield_now().await;
                ticket.end(Outcome::Cut);
                Err(io::Error::from(io::ErrorKind::ConnectionReset))
            }
            Frame::Silence => {
                until_stopped(stop.clone()).await;
                return None;
            }
        };
        Some((sent, (frames, ticket, stop)))
    });
    let mut response = Response::new(Body::from_stream(body));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

impl Schedule {
    /// From the request to the end of the reply.
    pub fn total(&self) -> Duration {
        let steps = u32::try_from(self.chunks.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first_token + self.interval.saturating_mul(steps)
    }
}

#[cfg(test)]
#[path = "model_server_tests.rs"]
mod tests;

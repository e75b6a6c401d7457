//! What the server was asked.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::CALL_HEADER;

/// Size of the blocks in which a provider's prompt cache is imitated, in bytes.
pub const BLOCK_BYTES: usize = 1024;

/// What the log keeps of the bodies of requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Keep {
    /// All of them.
    #[default]
    Bodies,
    /// Their sizes, and the hashes of their prefixes in steps of [`BLOCK_BYTES`].
    Hashes,
}

/// How the answer to a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet.
    UnderWay,
    /// It was sent to its end.
    Complete,
    /// With a status that is not success, as the script says.
    Refused,
    /// The connection was broken, as the script says.
    Cut,
    /// The client went away, or the server was stopped.
    Abandoned,
}

/// A request as the script sees it.
#[derive(Debug)]
pub struct ReceivedRequest {
    /// Position in the order of arrival, from 0.
    pub number: usize,
    /// The path that was asked for.
    pub path: String,
    /// The call that the client says it belongs to.
    pub call: Option<String>,
    /// How many requests of the same call came before.
    pub repeat: usize,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    json: OnceLock<Value>,
}

impl ReceivedRequest {
    /// The body as JSON, read when it is first asked for; null if it is none.
    pub fn json(&self) -> &Value {
        self.json.get_or_init(|| serde_json::from_slice(&self.body).unwrap_or_default())
    }

    /// The names of the tools that the model may call.
    pub fn tools(&self) -> Vec<String> {
        let name = |tool: &Value| tool.pointer("/function/name").and_then(Value::as_str).map(str::to_owned);
        self.list("tools").iter().filter_map(name).collect()
    }

    /// The text of the last message, or of its first part; empty when it has none.
    pub fn last_text(&self) -> &str {
        let content = self.list("messages").last().and_then(|message| message.get("content"));
        let text = content.and_then(|content| content.pointer("/0/text").or(Some(content)));
        text.and_then(Value::as_str).unwrap_or_default()
    }

    fn list(&self, key: &str) -> &[Value] {
        self.json().get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn wants_stream(&self) -> bool {
        self.head().stream == Some(true)
    }

    pub(super) fn model(&self) -> String {
        self.head().model.unwrap_or_default()
    }

    /// The two fields that the server itself reads, without reading the rest into memory.
    fn head(&self) -> Head {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

#[derive(Default, Deserialize)]
struct Head {
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    model: Option<String>,
}

/// A request as the log keeps it.
#[derive(Debug)]
pub struct RequestRecord {
    /// Position in the order of arrival, from 0.
    pub number: usize,
    /// The path that was asked for.
    pub path: String,
    /// The call that the client says it belongs to.
    pub call: Option<String>,
    /// The client's end of the connection: the same for requests that share one.
    pub client: SocketAddr,
    /// Value of the header `authorization`, if it was sent.
    pub authorization: Option<String>,
    /// The body, if bodies are kept.
    pub body: Option<Bytes>,
    /// Size of the body.
    pub bytes: usize,
    /// Hash i is of the first i + 1 blocks of the body, if hashes are kept; a last block that is not full counts.
    pub prefixes: Vec<u64>,
    /// When it came, since the server started.
    pub arrived: Duration,
    end: Mutex<(Outcome, Option<Duration>)>,
}

impl RequestRecord {
    /// The body as JSON; null if it is none or bodies are not kept.
    pub fn json(&self) -> Value {
        self.body.as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default()
    }

    /// How the answer ended.
    pub fn outcome(&self) -> Outcome {
        locked(&self.end).0
    }

    /// When the answer ended, since the server started.
    pub fn finished(&self) -> Option<Duration> {
        locked(&self.end).1
    }
}

#[derive(Debug)]
pub(super) struct Log {
    keep: Keep,
    started: Instant,
    records: Mutex<Vec<Arc<RequestRecord>>>,
    /// Counts changes, so that tests can wait for one.
    changes: watch::Sender<u64>,
}

impl Log {
    pub(super) fn new(keep: Keep) -> Self {
        Self { keep, started: Instant::now(), records: Mutex::default(), changes: watch::Sender::new(0) }
    }

    pub(super) fn records(&self) -> Vec<Arc<RequestRecord>> {
        locked(&self.records).clone()
    }

    pub(super) async fn wait(&self, reached: impl Fn(&[Arc<RequestRecord>]) -> bool) {
        let mut changes = self.changes.subscribe();
        // The sender lives as long as the log.
        let _ = changes.wait_for(|_| reached(&locked(&self.records))).await;
    }

    pub(super) fn enter(
        self: &Arc<Self>,
        client: SocketAddr,
        path: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> (ReceivedRequest, Ticket) {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let call = text(CALL_HEADER);
        let mut records = locked(&self.records);
        let number = records.len();
        let repeat = match &call {
            Some(call) => records.iter().filter(|record| record.call.as_ref() == Some(call)).count(),
            None => 0,
        };
        let record = Arc::new(RequestRecord {
            number,
            path: path.to_owned(),
            call: call.clone(),
            client,
            authorization: text("authorization"),
            body: (self.keep == Keep::Bodies).then(|| body.clone()),
            bytes: body.len(),
            prefixes: if self.keep == Keep::Hashes { prefixes(&body) } else { Vec::new() },
            arrived: self.started.elapsed(),
            end: Mutex::new((Outcome::UnderWay, None)),
        });
        records.push(Arc::clone(&record));
        drop(records);
        self.changed();
        let ticket = Ticket { log: Arc::clone(self), record };
        let path = path.to_owned();
        (ReceivedRequest { number, path, call, repeat, headers, body, json: OnceLock::new() }, ticket)
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes += 1);
    }
}

/// Stands for an answer; dropped without an end, the answer was abandoned.
#[derive(Debug)]
pub(super) struct Ticket {
    log: Arc<Log>,
    record: Arc<RequestRecord>,
}

impl Ticket {
    pub(super) fn end(&mut self, outcome: Outcome) {
        let mut end = locked(&self.record.end);
        if end.0 == Outcome::UnderWay {
            *end = (outcome, Some(self.log.started.elapsed()));
            drop(end);
            self.log.changed();
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.end(Outcome::Abandoned);
    }
}

fn prefixes(body: &[u8]) -> Vec<u64> {
    let mut hasher = DefaultHasher::new();
    let blocks = body.chunks(BLOCK_BYTES).map(|block| {
        block.hash(&mut hasher);
        hasher.finish()
    });
    blocks.collect()
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

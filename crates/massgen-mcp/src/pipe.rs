//! Messages of a server over its standard input and output: one JSON text per line.
//!
//! Why not the library's own: it drops what it cannot read, and whoever waits for that waits until the time is over. Here
//! a server that does not keep to the protocol is given up, and the reason is known.

use std::io;
use std::sync::{Arc, OnceLock};

use rmcp::RoleClient;
use rmcp::model::{ClientRequest, JsonRpcMessage, RequestId};
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::limits::{CLOSE_TIME, MESSAGE_BYTES, MESSAGE_VALUES, STRAY_LINES, WRITE_TIME};

/// Why a connection was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The server ended, or closed its output.
    Ended,
    /// It wrote a message that is too long.
    TooLong,
    /// It wrote too much that is no message.
    Garbage,
}

impl Broken {
    /// What the server did.
    pub(crate) fn told(self) -> String {
        match self {
            Self::Ended => "it ended".to_owned(),
            Self::TooLong => {
                format!(
                    "it sent a message of more than {} MiB or {MESSAGE_VALUES} values",
                    MESSAGE_BYTES / (1024 * 1024)
                )
            }
            Self::Garbage => "it sent something that is no message of the protocol".to_owned(),
        }
    }
}

type Output = Box<dyn AsyncWrite + Send + Unpin>;

/// The two streams of a server.
pub(crate) struct Pipe {
    read: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    /// A line that is not yet whole: reading may be interrupted anywhere.
    line: Vec<u8>,
    /// Lines in a row that were no message.
    strays: usize,
    /// The question for the newer way to begin, while it is open.
    probe: Option<RequestId>,
    /// The same, after the older way was taken because the answer did not come in time.
    given_up: Option<RequestId>,
    write: Arc<Mutex<Option<Output>>>,
    broken: Arc<OnceLock<Broken>>,
}

impl Pipe {
    pub(crate) fn new(read: Box<dyn AsyncRead + Send + Unpin>, write: Output) -> Self {
        Self {
            read: BufReader::with_capacity(64 * 1024, read),
            line: Vec::new(),
            strays: 0,
            probe: None,
            given_up: None,
            write: Arc::new(Mutex::new(Some(write))),
            broken: Arc::default(),
        }
    }

    /// Where it will stand why the connection was given up.
    pub(crate) fn broken(&self) -> Arc<OnceLock<Broken>> {
        Arc::clone(&self.broken)
    }

    /// Reads until a line is whole. When it is interrupted, the next call goes on.
    async fn fill_line(&mut self) -> Result<(), Broken> {
        loop {
            // A stream that fails has ended for us.
            let available = self.read.fill_buf().await.map_err(|_| Broken::Ended)?;
            if available.is_empty() {
                return Err(Broken::Ended);
            }
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(available.len(), |at| at + 1);
            if self.line.len() + taken > MESSAGE_BYTES {
                return Err(Broken::TooLong);
            }
            self.line.extend(available.iter().take(taken));
            self.read.consume(taken);
            if end.is_some() {
                return Ok(());
            }
        }
    }

    async fn next(&mut self) -> Result<RxJsonRpcMessage<RoleClient>, Broken> {
        loop {
            self.fill_line().await?;
            if values(&self.line) > MESSAGE_VALUES {
                return Err(Broken::TooLong);
            }
            let read = parse(&self.line);
            // A message may have been large; most are not.
            self.line.clear();
            self.line.shrink_to(64 * 1024);
            match read {
                Line::Message(message) => {
                    self.strays = 0;
                    if self.given_up.is_some() && answered(&message) == self.given_up.as_ref() {
                        // The library would take it for the answer to what was asked instead.
                        continue;
                    }
                    return Ok(*message);
                }
                Line::Nothing => {}
                Line::Stray if self.strays < STRAY_LINES => {
                    self.strays += 1;
                    tracing::debug!("a tool server wrote a line that is no message");
                }
                Line::Stray | Line::Garbage => return Err(Broken::Garbage),
            }
        }
    }
}

/// The request that a message answers.
fn answered(message: &RxJsonRpcMessage<RoleClient>) -> Option<&RequestId> {
    match message {
        JsonRpcMessage::Response(response) => Some(&response.id),
        JsonRpcMessage::Error(error) => error.id.as_ref(),
        JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_) => None,
    }
}

/// At least as many values as there are in `json`, but for a few.
fn values(json: &[u8]) -> usize {
    let (mut count, mut in_text, mut escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// What a line is.
enum Line {
    Message(Box<RxJsonRpcMessage<RoleClient>>),
    /// Nothing that anybody waits for.
    Nothing,
    /// No message, but perhaps a greeting or a log.
    Stray,
    /// Meant as a message, and none: somebody may wait for it.
    Garbage,
}

fn parse(line: &[u8]) -> Line {
    let line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line).trim_ascii();
    if line.is_empty() {
        return Line::Nothing;
    }
    if let Ok(message) = serde_json::from_slice(line) {
        return Line::Message(Box::new(message));
    }
    match serde_json::from_slice::<serde_json::Value>(line) {
        // A notification that nobody knows is none of our business; a request without a meaning is not answered.
        Ok(value) if value.get("method").is_some() => Line::Nothing,
        Ok(value) if value.get("jsonrpc").is_some() => Line::Garbage,
        Err(_) if line.starts_with(b"{") && line.windows(9).any(|window| window == b"\"jsonrpc\"") => {
            Line::Garbage
        }
        Ok(_) | Err(_) => Line::Stray,
    }
}

impl Transport<RoleClient> for Pipe {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        if let JsonRpcMessage::Request(request) = &item {
            match &request.request {
                ClientRequest::DiscoverRequest(_) => self.probe = Some(request.id.clone()),
                ClientRequest::InitializeRequest(_) => self.given_up = self.probe.take(),
                _ => {}
            }
        }
        let write = Arc::clone(&self.write);
        async move {
            let mut line = serde_json::to_vec(&item)?;
            line.push(b'\n');
            let mut write = write.lock().await;
            let output = write.as_mut().ok_or(io::ErrorKind::NotConnected)?;
            let written = async {
                output.write_all(&line).await?;
                output.flush().await
            };
            let over = timeout(WRITE_TIME, written).await;
            over.unwrap_or_else(|_| {
                // What was written of it would be the beginning of the next message.
                *write = None;
                Err(io::Error::new(io::ErrorKind::TimedOut, "it does not read what is sent to it"))
            })
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        match self.next().await {
            Ok(message) => Some(message),
            Err(broken) => {
                // The first reason is the one that counts.
                let _ = self.broken.set(broken);
                None
            }
        }
    }

    /// Ends the input of the server, and gives it a moment to end by itself.
    async fn close(&mut self) -> Result<(), Self::Error> {
        if let Ok(mut write) = self.write.try_lock() {
            drop(write.take());
        }
        let mut rest = [0; 4096];
        let ends = async { while self.read.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {} };
        // Whoever does not end now is ended.
        let _ = timeout(CLOSE_TIME, ends).await;
        Ok(())
    }
}

#[cfg(test)]
#[path = "pipe_tests.rs"]
mod tests;

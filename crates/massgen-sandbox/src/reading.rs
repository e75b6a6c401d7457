//! Reading what a process writes, to its end.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::capture::{Capture, Captured, Keep};
use crate::error::Error;

/// How long the rest of the output is waited for after the command has ended. All writers are gone by then.
const REST_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that are read at a time.
const PIECE: usize = 64 * 1024;

/// A stream that is read beside other work.
pub(crate) struct Reading(JoinHandle<io::Result<Captured>>);

impl Reading {
    /// Reads `stream` from now on. One that is not there is empty.
    pub(crate) fn start(stream: Option<impl AsyncRead + Send + Unpin + 'static>, keep: Keep) -> Self {
        Self(tokio::spawn(read(stream, keep)))
    }

    /// What was read, once all who write have ended.
    pub(crate) async fn rest(self) -> Result<Captured, Error> {
        let lost = || Error::Output(io::Error::other("a process that outlived the command holds it"));
        let captured = timeout(REST_PATIENCE, self.0).await.map_err(|_| lost())?;
        captured.map_err(|error| Error::Output(io::Error::other(error)))?.map_err(Error::Output)
    }
}

async fn read(stream: Option<impl AsyncRead + Unpin>, keep: Keep) -> io::Result<Captured> {
    let mut capture = Capture::new(keep);
    let Some(mut stream) = stream else { return Ok(capture.finish()) };
    let mut piece = vec![0; PIECE];
    let mut problem = None;
    loop {
        let count = stream.read(&mut piece).await?;
        if count == 0 {
            break;
        }
        // A full disk must not stop the command: it is read to its end, and the problem told then.
        if let Err(error) = capture.take(piece.get(..count).unwrap_or_default()) {
            problem.get_or_insert(error);
        }
    }
    match problem {
        Some(problem) => Err(problem),
        None => Ok(capture.finish()),
    }
}

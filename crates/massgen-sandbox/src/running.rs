//! A command under way: its streams, its end, and the way to bring that about.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::task::{Context, Poll};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::call::{HowItEnded, Stdin};
use crate::error::Error;
use crate::proxy::{Proxy, Refused};
use crate::terminal::{self, Terminal};

/// How long the supervisor has to end a call before it is killed itself. It has more than it needs.
const STOP_PATIENCE: Duration = Duration::from_secs(8);

/// A command under way. Dropped, it is ended with all that it had started, without waiting for that.
#[derive(Debug)]
pub struct Running {
    stdin: Option<InputStream>,
    stdout: Option<OutputStream>,
    stderr: Option<OutputStream>,
    refused: Option<Refused>,
    /// A word, or the end of this channel, ends the call.
    end: mpsc::Sender<()>,
    /// How it ended, once it has.
    ended: watch::Receiver<Option<Result<HowItEnded, io::ErrorKind>>>,
}

/// What a command reads. Dropped or shut down, it is the end of its input, except in a terminal, where that is typed
/// (Ctrl-D, byte 4).
pub struct InputStream(Box<dyn AsyncWrite + Send + Sync + Unpin>);

/// What a command writes. It must be read or, without a terminal, may be dropped: a command waits when nobody takes what
/// it writes.
pub struct OutputStream(Box<dyn AsyncRead + Send + Sync + Unpin>);

/// All that a call is started with.
pub(crate) struct Start {
    /// The helper in its role as supervisor.
    pub(crate) supervisor: Command,
    pub(crate) stdin: Stdin,
    pub(crate) time: Option<Duration>,
    pub(crate) terminal: Option<Terminal>,
    /// Kept until the end of the call.
    pub(crate) proxy: Option<Proxy>,
}

/// A started supervisor, and what the caller gets of its streams.
struct Streams {
    child: Child,
    stdin: Option<InputStream>,
    stdout: Option<OutputStream>,
    stderr: Option<OutputStream>,
}

impl Streams {
    fn of_pipes(mut supervisor: Command, stdin: Stdin) -> io::Result<Self> {
        supervisor.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(match stdin {
            Stdin::Empty => Stdio::null(),
            Stdin::Bytes(_) | Stdin::Open => Stdio::piped(),
        });
        let mut child = supervisor.spawn()?;
        let stdin = match (stdin, child.stdin.take()) {
            (Stdin::Empty, _) | (_, None) => None,
            (Stdin::Bytes(bytes), Some(input)) => {
                write(input, bytes);
                None
            }
            (Stdin::Open, Some(input)) => Some(InputStream(Box::new(input))),
        };
        let stdout = child.stdout.take().map(|stream| OutputStream(Box::new(stream)));
        let stderr = child.stderr.take().map(|stream| OutputStream(Box::new(stream)));
        Ok(Self { child, stdin, stdout, stderr })
    }

    fn of_terminal(mut supervisor: Command, terminal: Terminal, stdin: Stdin) -> io::Result<Self> {
        let (person, command) = terminal::open(terminal)?;
        let (screen, keys) = terminal::ends(person)?;
        supervisor.stdin(command.try_clone()?).stdout(command.try_clone()?).stderr(command);
        let child = supervisor.spawn()?;
        let stdin = match stdin {
            Stdin::Empty => {
                write(keys, terminal::typed(Vec::new()));
                None
            }
            Stdin::Bytes(bytes) => {
                write(keys, terminal::typed(bytes));
                None
            }
            Stdin::Open => Some(InputStream(Box::new(keys))),
        };
        // The supervisor's own copies of the command's side go with it: the stream ends when all who write have ended.
        Ok(Self { child, stdin, stdout: Some(OutputStream(Box::new(screen))), stderr: None })
    }
}

fn write(mut input: impl AsyncWrite + Send + Unpin + 'static, bytes: Vec<u8>) {
    tokio::spawn(async move {
        // A command need not read all of its input, or any of it.
        let _ = input.write_all(&bytes).await;
    });
}

impl Running {
    /// Starts a call. Its time runs from now on, whether somebody waits or not.
    pub(crate) fn start(start: Start) -> io::Result<Self> {
        let Start { supervisor, stdin, time, terminal, proxy } = start;
        let Streams { child, stdin, stdout, stderr } = match terminal {
            Some(terminal) => Streams::of_terminal(supervisor, terminal, stdin)?,
            None => Streams::of_pipes(supervisor, stdin)?,
        };
        let (end, told) = mpsc::channel(1);
        let (tell, ended) = watch::channel(None);
        let refused = proxy.as_ref().map(Proxy::refused);
        let supervisor = Supervisor(child);
        tokio::spawn(async move {
            let how = supervisor.see_to_its_end(time, told).await;
            drop(proxy);
            // Nobody may be interested any more.
            let _ = tell.send(Some(how.map_err(|error| error.kind())));
        });
        Ok(Self { stdin, stdout, stderr, refused, end, ended })
    }

    /// Where its standard input is written, once, if it is [`Stdin::Open`].
    pub fn stdin(&mut self) -> Option<InputStream> {
        self.stdin.take()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> Option<OutputStream> {
        self.stdout.take()
    }

    /// Its standard error, once; `None` in a terminal, which shows everything. A last line that begins with `massgen:` is the sandbox's.
    pub fn stderr(&mut self) -> Option<OutputStream> {
        self.stderr.take()
    }

    /// Hosts, with their ports, that it has asked for so far and may not reach: those of no list
    /// ([`Network::Allowlist`](crate::Network::Allowlist)). At most 32, each once.
    pub fn refused(&self) -> Vec<String> {
        self.refused.as_ref().map(Refused::hosts).unwrap_or_default()
    }

    /// Waits until it has ended with all that it had started. May be given up and asked again. Output that was written
    /// by then can still be read.
    pub async fn wait(&mut self) -> Result<HowItEnded, Error> {
        let lost = |kind: io::ErrorKind| Error::Lost(kind.into());
        let ended = self.ended.wait_for(Option::is_some).await;
        ended
            .map_err(|_| lost(io::ErrorKind::Interrupted))?
            .unwrap_or(Err(io::ErrorKind::Other))
            .map_err(lost)
    }

    /// Ends it with all that it had started, and waits for that. One that had ended before stays ended as it was.
    pub async fn kill(&mut self) -> Result<HowItEnded, Error> {
        // A full channel holds that word already, a closed one means that it is over.
        let _ = self.end.try_send(());
        self.wait().await
    }
}

/// The started helper. Dropped, as the runtime does when it goes down, it is told to end the call.
struct Supervisor(Child);

impl Supervisor {
    async fn see_to_its_end(
        mut self,
        time: Option<Duration>,
        mut told: mpsc::Receiver<()>,
    ) -> io::Result<HowItEnded> {
        let time_is_over = async {
            match time {
                Some(time) => tokio::time::sleep(time).await,
                None => std::future::pending().await,
            }
        };
        let how = tokio::select! {
            biased;
            status = self.0.wait() => return Ok(HowItEnded::Exited(code(status?))),
            () = time_is_over => HowItEnded::OutOfTime,
            _ = told.recv() => HowItEnded::Killed,
        };
        self.tell();
        if timeout(STOP_PATIENCE, self.0.wait()).await.is_err() {
            // Nothing more can be done about a supervisor that does not even end like this.
            self.0.kill().await?;
        }
        Ok(how)
    }

    fn tell(&self) {
        if let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) {
            // It may have ended by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        self.tell();
    }
}

/// The exit code that shells give to `status`.
pub(crate) fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

impl AsyncRead for OutputStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, into)
    }
}

impl AsyncWrite for InputStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl fmt::Debug for InputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InputStream")
    }
}

impl fmt::Debug for OutputStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OutputStream")
    }
}

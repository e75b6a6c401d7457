//! The way out for a command that may reach some hosts only: a proxy in this process, on a socket file that is mounted
//! into the command's namespace, which has no network of its own.
//!
//! It goes by the name that the command asks for, looks its addresses up itself, and connects to the one that it has
//! judged. What goes through a connection has to be for the same host as far as that can be seen: the `Host` header of
//! plain HTTP, and the server name that TLS begins with.

mod hello;
mod request;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::net::{TcpStream, UnixListener, UnixStream, lookup_host};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::hosts::{AllowedHost, Host, Target, is_allowed, may_lead_to};
use hello::Hello;
use request::{Plain, Refusal, Request};

/// The port of the proxy inside the namespace, where nothing else listens before the command does.
pub(crate) const PORT: u16 = 3128;

/// Connections of one command at a time. More wait.
pub(crate) const CONNECTIONS: usize = 64;

/// Bytes at most of the head of a request, and of the first message of TLS.
const HEAD_BYTES: usize = 32 * 1024;

/// How long a command may take to say what it wants.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);

/// How long a name is looked up.
const LOOKUP_PATIENCE: Duration = Duration::from_secs(15);

/// How long one address is tried.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// Addresses of one name that are tried.
const ADDRESSES: usize = 4;

/// What is read of a request that was refused, so that the answer arrives, and for how long.
const REFUSED_BYTES: u64 = 1024 * 1024;
const REFUSED_PATIENCE: Duration = Duration::from_secs(1);

/// After an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Hosts that a command asked for in vain, in the order of their first time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Refused(Arc<Mutex<Vec<String>>>);

/// Hosts at most that are noted.
const REFUSED: usize = 32;

impl Refused {
    fn note(&self, target: &Target) {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let host = target.to_string();
        if hosts.len() < REFUSED && !hosts.contains(&host) {
            hosts.push(host);
        }
    }

    /// Those that were noted until now.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A proxy for one call. Dropped, it closes all its connections.
#[derive(Debug)]
pub(crate) struct Proxy {
    serving: JoinHandle<()>,
    refused: Refused,
    folder: tempfile::TempDir,
}

impl Proxy {
    /// Starts it for a command that may reach `hosts`. Others than this user do not get at its socket.
    pub(crate) fn start(hosts: &[AllowedHost]) -> io::Result<Self> {
        use std::os::unix::fs::PermissionsExt;
        let own = std::fs::Permissions::from_mode(0o700);
        let folder = tempfile::Builder::new().prefix("massgen-").permissions(own).tempdir()?;
        let listener = UnixListener::bind(folder.path().join(SOCKET))?;
        let refused = Refused::default();
        let serving = tokio::spawn(serve(listener, hosts.into(), refused.clone()));
        Ok(Self { serving, refused, folder })
    }

    /// What it refuses, also after its end.
    pub(crate) fn refused(&self) -> Refused {
        self.refused.clone()
    }

    /// Its socket file.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }
}

const SOCKET: &str = "proxy";

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: UnixListener, hosts: Arc<[AllowedHost]>, refused: Refused) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // What goes wrong in a connection is the command's to notice: its connection ends.
                Ok((client, _)) => { connections.spawn(converse(client, Arc::clone(&hosts), refused.clone())); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(mut client: UnixStream, hosts: Arc<[AllowedHost]>, refused: Refused) -> io::Result<()> {
    let mut read = Vec::new();
    let patience = timeout(HEAD_PATIENCE, read_head(&mut client, &mut read));
    let Ok(head) = patience.await else { return Ok(()) };
    let asked = match head? {
        Some(head) => request::read(&head),
        None => Err(Refusal::bad("the head of the request is too long or broken off")),
    };
    let connected = match asked {
        Ok(request) => {
            let target = match &request {
                Request::Tunnel(target) | Request::Plain(Plain { target, .. }) => target,
            };
            let connected = connect(target, &hosts).await;
            if connected.as_ref().is_err_and(|refusal| refusal.status == Refusal::FORBIDDEN) {
                refused.note(target);
            }
            connected.map(|server| (request, server))
        }
        Err(refusal) => Err(refusal),
    };
    match connected {
        Ok((Request::Plain(plain), mut server)) => {
            let (from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            let sent = send_one(&plain, read.chain(from_client), &mut to_server);
            both(sent, pass_on(&mut from_server, &mut to_client)).await
        }
        Ok((Request::Tunnel(target), mut server)) => {
            client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            let (from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = server.split();
            let sent = send_through(&target, read, from_client, &mut to_server);
            both(sent, pass_on(&mut from_server, &mut to_client)).await
        }
        Err(refusal) => refuse(&mut client, &refusal).await,
    }
}

/// Takes a head up to its blank line. What follows it stays in `read`. `None` if there is no end to it.
async fn read_head(mut from: impl AsyncRead + Unpin, read: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut searched = 0_usize;
    loop {
        let found =
            read.get(searched..).and_then(|new| new.windows(END.len()).position(|window| window == END));
        if let Some(found) = found {
            let rest = read.split_off(searched + found + END.len());
            return Ok(Some(std::mem::replace(read, rest)));
        }
        searched = read.len().saturating_sub(END.len() - 1);
        if read.len() >= HEAD_BYTES || read_more(&mut from, read).await? == 0 {
            return Ok(None);
        }
    }
}

async fn read_more(mut from: impl AsyncRead + Unpin, read: &mut Vec<u8>) -> io::Result<usize> {
    let mut piece = [0; 4096];
    let count = from.read(&mut piece).await?;
    read.extend_from_slice(piece.get(..count).unwrap_or_default());
    Ok(count)
}

/// Connects to an address of `target` that may be reached.
async fn connect(target: &Target, hosts: &[AllowedHost]) -> Result<TcpStream, Refusal> {
    if !is_allowed(hosts, target) {
        let why = format!("`{target}` is not among the hosts that this command may reach");
        return Err(Refusal::forbidden(why));
    }
    let unreachable = |error: &dyn std::fmt::Display| {
        Refusal::unreachable(format!("`{target}` cannot be reached: {error}"))
    };
    let addresses: Vec<SocketAddr> = match &target.host {
        Host::Address(address) => vec![(*address, target.port).into()],
        Host::Name(name) => {
            let found = timeout(LOOKUP_PATIENCE, lookup_host((name.as_str(), target.port))).await;
            let found = found.map_err(|slow| unreachable(&slow))?;
            found.map_err(|error| unreachable(&error))?.collect()
        }
    };
    let may = |address: &&SocketAddr| may_lead_to(hosts, address.ip(), target.port);
    let mut problem =
        Refusal::forbidden(format!("`{target}` leads into this machine or the network around it"));
    for address in addresses.iter().filter(may).take(ADDRESSES) {
        problem = match timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(server)) => return Ok(server),
            Ok(Err(error)) => unreachable(&error),
            Err(slow) => unreachable(&slow),
        };
    }
    Err(problem)
}

/// Goes on until the server has said all, or what is sent to it has to be stopped.
async fn both(
    sent: impl Future<Output = io::Result<()>>,
    answered: impl Future<Output = io::Result<()>>,
) -> io::Result<()> {
    tokio::pin!(answered);
    tokio::select! {
        answered = &mut answered => answered,
        sent = sent => match sent {
            Ok(()) => answered.await,
            Err(error) => Err(error),
        },
    }
}

async fn pass_on(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    copy(from, to).await?;
    to.shutdown().await
}

/// Sends one request and nothing after it: a second one in the same connection might name another host.
async fn send_one(
    plain: &Plain,
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    to.write_all(plain.head.as_bytes()).await?;
    if copy(&mut (&mut from).take(plain.body), to).await? < plain.body {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match from.read(&mut [0]).await? {
        0 => Ok(()),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a second request in one connection")),
    }
}

/// Sends what a command says in its tunnel, once it is seen whom that is for.
async fn send_through(
    target: &Target,
    mut read: Vec<u8>,
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let refused = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    loop {
        match begins_with(&read, target) {
            Beginning::Open if read.len() >= HEAD_BYTES => return Err(refused("no end to its beginning")),
            Beginning::Open => {
                if read_more(&mut from, &mut read).await? == 0 {
                    return to.shutdown().await;
                }
            }
            Beginning::Refused(why) => return Err(refused(why)),
            Beginning::Request => {
                let head =
                    read_head(&mut from, &mut read).await?.ok_or_else(|| refused("no end of its head"))?;
                let plain = request::read_inside(&head, target).map_err(|refusal| refused(&refusal.why))?;
                return send_one(&plain, read.chain(from), to).await;
            }
            Beginning::Fitting => {
                to.write_all(&read).await?;
                return pass_on(&mut from, to).await;
            }
        }
    }
}

/// What a tunnel begins with.
#[derive(Debug, PartialEq, Eq)]
enum Beginning {
    /// Too little to tell.
    Open,
    /// Something for the server of the tunnel.
    Fitting,
    /// A request of plain HTTP.
    Request,
    /// Something that the server might pass on to another, or that hides whom it is for.
    Refused(&'static str),
}

fn begins_with(bytes: &[u8], target: &Target) -> Beginning {
    const RELAYED: &[u8] = b"CONNECT ";
    let front = |bytes: &[u8]| bytes.get(..RELAYED.len().min(bytes.len())).map(<[u8]>::to_ascii_uppercase);
    match (bytes.first(), target.port) {
        (None, _) => Beginning::Open,
        (Some(&hello::RECORD), _) => match hello::read(bytes) {
            Hello::Incomplete => Beginning::Open,
            Hello::Whole(None) if matches!(target.host, Host::Address(_)) => Beginning::Fitting,
            Hello::Whole(Some(name)) if Host::from_text(&name).as_ref() == Ok(&target.host) => {
                Beginning::Fitting
            }
            Hello::Whole(_) => Beginning::Refused("the server name is not that of the tunnel"),
            Hello::Other => Beginning::Refused("it looks like TLS and is not"),
        },
        (Some(_), 80) => Beginning::Request,
        (Some(_), 443) => Beginning::Refused("no TLS"),
        (Some(_), _) => match front(bytes) {
            Some(front) if front == RELAYED => Beginning::Refused("a tunnel in the tunnel"),
            Some(front) if RELAYED.starts_with(&front) => Beginning::Open,
            Some(_) | None => Beginning::Fitting,
        },
    }
}

async fn refuse(client: &mut UnixStream, refusal: &Refusal) -> io::Result<()> {
    let text = format!("massgen: {}\n", refusal.why);
    let (status, length) = (refusal.status, text.len());
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    );
    client.write_all(answer.as_bytes()).await?;
    client.shutdown().await?;
    // A connection that is closed with something unread in it may lose the answer.
    let mut rest = client.take(REFUSED_BYTES);
    let mut nowhere = sink();
    let read = timeout(REFUSED_PATIENCE, copy(&mut rest, &mut nowhere)).await;
    read.map_or(Ok(()), |read| read.map(|_| ()))
}

#[cfg(test)]
#[path = "proxy_tests.rs"]
mod tests;

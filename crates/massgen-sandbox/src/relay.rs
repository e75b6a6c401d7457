//! The process between a command without a network and the proxy of massgen: it listens where the command looks for a
//! proxy, and passes every connection on to the socket file. It judges nothing: the command could use that socket too.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::bubblewrap;
use crate::helper::{self, FAILED};
use crate::proxy::{CONNECTIONS, PORT};

/// Runs the helper in its role `command`, with a proxy beside it that leads to `socket`.
pub(crate) fn relay(socket: &OsStr, command: &[OsString]) -> ExitCode {
    run(socket, command).unwrap_or_else(|error| {
        // The caller shows it as what the command wrote. There is nobody else to tell.
        let _ = writeln!(io::stderr(), "massgen: the way to the network cannot be made: {error}");
        ExitCode::from(FAILED)
    })
}

fn run(socket: &OsStr, command: &[OsString]) -> io::Result<ExitCode> {
    // The command shares a namespace with it, and must not find more here than it has itself.
    crate::confine::close_dangerous().map_err(io::Error::other)?;
    // One thread: it counts among the processes of the command.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, PORT)).await?;
        let mut child = Command::new(bubblewrap::HELPER).args(command).spawn()?;
        tokio::select! {
            status = child.wait() => Ok(ExitCode::from(helper::code(status?))),
            error = pass_on(listener, socket) => Err(error),
        }
    })
}

async fn pass_on(listener: TcpListener, socket: &OsStr) -> io::Error {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                // What goes wrong in a connection is the command's to notice: its connection ends.
                Ok((client, _)) => { connections.spawn(connect(client, socket.to_owned())); }
                Err(error) => return error,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connect(mut client: TcpStream, socket: OsString) -> io::Result<()> {
    let mut proxy = UnixStream::connect(&socket).await?;
    copy_bidirectional(&mut client, &mut proxy).await.map(|_| ())
}

//! Terminals for commands that want one.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use nix::errno::Errno;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::unix::pipe;

/// A terminal that a command gets: it is its standard input, output and error, and the keys that interrupt work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// What a person types to end the input: Ctrl-D.
const END_OF_INPUT: u8 = 4;

/// What commands are told about their terminal when the caller says nothing.
pub(crate) const KIND: &str = "xterm-256color";

/// Makes a terminal: the side of the person, and that of the command.
#[cfg(target_os = "linux")]
pub(crate) fn open(terminal: Terminal) -> io::Result<(OwnedFd, OwnedFd)> {
    use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};
    // No other process that is started meanwhile gets hold of it.
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let person = openpt(flags)?;
    unlockpt(&person)?;
    let command = ioctl_tiocgptpeer(&person, flags)?;
    let size = Winsize { ws_col: terminal.columns, ws_row: terminal.rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&person, size)?;
    Ok((person, command))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn open(_terminal: Terminal) -> io::Result<(OwnedFd, OwnedFd)> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "terminals are made on Linux only"))
}

/// What a person types for an input of `bytes`. In the middle of a line the first Ctrl-D ends no more than that.
pub(crate) fn typed(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(END_OF_INPUT);
    }
    bytes.push(END_OF_INPUT);
    bytes
}

/// What a person sees and what they type, from their side of a terminal.
pub(crate) fn ends(person: OwnedFd) -> io::Result<(Screen, pipe::Sender)> {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(&person, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))?;
    // The runtime treats a terminal as it does a pipe: it waits, reads and writes.
    let keys = pipe::Sender::from_owned_fd_unchecked(person.try_clone()?)?;
    Ok((Screen(pipe::Receiver::from_owned_fd_unchecked(person)?), keys))
}

/// What the command writes to its terminal.
pub(crate) struct Screen(pipe::Receiver);

impl AsyncRead for Screen {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.0).poll_read(context, into) {
            // All who had the command's side are gone.
            Poll::Ready(Err(error)) if error.raw_os_error() == Some(Errno::EIO as i32) => Poll::Ready(Ok(())),
            other @ (Poll::Ready(_) | Poll::Pending) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_typed_so_that_it_is_one_at_any_place_in_a_line() {
        let typed = |text: &str| typed(text.as_bytes().to_vec());
        assert_eq!(typed(""), [4]);
        assert_eq!(typed("a\n"), [b'a', b'\n', 4]);
        assert_eq!(typed("a"), [b'a', 4, 4]);
    }
}

//! How the terminal was before somebody began to read from it key by key.

use std::io::{self, Write};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

/// Ends the marking of pasted text, which the line editor switches on while it reads.
const NO_PASTE_MARKS: &[u8] = b"\x1b[?2004l";

/// The settings of the terminal at a moment.
#[derive(Debug)]
pub(crate) struct TerminalMode(Option<Termios>);

impl TerminalMode {
    /// Those that it has now; nothing when stdin is no terminal.
    pub(crate) fn now() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }

    /// Gives them back to the terminal, if it has others.
    pub(crate) fn restore(self) {
        let Some(before) = self.0 else { return };
        if tcgetattr(io::stdin()).is_ok_and(|now| now == before) {
            return;
        }
        // The process is about to end, and there is nobody to tell.
        let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &before);
        let mut stderr = io::stderr().lock();
        let _ = stderr.write_all(NO_PASTE_MARKS).and_then(|()| stderr.write_all(b"\n"));
    }
}

//! How the terminal was before somebody began to read from it key by key, and how it is while nobody reads from it.

use std::io::{self, Write};

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};

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

/// While it lasts, the terminal does not show what is typed, which would stand in the middle of what is drawn; it waits
/// for whoever reads next. Only for a process in the foreground: any other one is stopped when it does this.
#[derive(Debug, Clone)]
pub(crate) struct Unseen(Option<Termios>);

impl Unseen {
    /// From now on; nothing when stdin is no terminal.
    pub(crate) fn begin() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut unseen = before.clone();
            unseen.local_flags.remove(LocalFlags::ECHO);
            set(&unseen);
        }
        Self(before)
    }

    /// Until now.
    pub(crate) fn end(&self) {
        if let Some(before) = &self.0 {
            set(before);
        }
    }
}

fn set(settings: &Termios) {
    // Where that fails, a key that is pressed is seen too early or too late: no more than that.
    let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, settings);
}

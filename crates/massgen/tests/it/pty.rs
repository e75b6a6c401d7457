//! The program on a terminal of its own, as a person has it before them.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};

/// Longer than anything here takes. It ends tests that would hang; none is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// More than is shown in any test here.
const MOST_SHOWN: usize = 256 * 1024;

/// The program on a terminal of its own. Dropped, it is killed.
pub(crate) struct Terminal {
    child: Child,
    pub(crate) keys: File,
    /// How it was set before the program began.
    pub(crate) settings: Termios,
    pieces: Receiver<Vec<u8>>,
    /// Everything that was shown.
    pub(crate) shown: String,
    /// How much of it was heard.
    pub(crate) heard: usize,
}

impl Terminal {
    /// Starts `command` on a terminal of 80 columns.
    pub(crate) fn start(command: Command) -> Self {
        Self::of_width(command, 80)
    }

    /// Starts `command` on a terminal of so many columns.
    pub(crate) fn of_width(mut command: Command, columns: u16) -> Self {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let settings = tcgetattr(&pty.slave).unwrap();
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        let names_its_kind = command.get_envs().any(|(name, _)| name == "TERM");
        if !names_its_kind {
            command.env("TERM", "xterm");
        }
        command.stdin(slave()).stdout(slave()).stderr(slave());
        let child = command.spawn().unwrap();
        drop(command);
        drop(pty.slave);
        let keys = File::from(pty.master);
        let mut screen = keys.try_clone().unwrap();
        let (sender, pieces) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal that nobody writes to any more is an error.
            while let Ok(length @ 1..) = screen.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, keys, settings, pieces, shown: String::new(), heard: 0 }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for `part` in what was not heard yet, and returns what came before it.
    pub(crate) fn hear(&mut self, part: &str) -> String {
        loop {
            let new = &self.shown[self.heard..];
            if let Some(at) = new.find(part) {
                let before = new[..at].to_owned();
                self.heard += at + part.len();
                return before;
            }
            let piece = self.pieces.recv_timeout(PATIENCE).unwrap_or_default();
            // A display that is drawn again and again never falls silent.
            assert!(!piece.is_empty() && self.shown.len() < MOST_SHOWN, "no `{part}` in\n{}", self.shown);
            // Characters may be cut between pieces; none of those is waited for.
            self.shown.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// Waits for the end; returns the exit code and everything that was shown.
    pub(crate) fn wait(mut self) -> (Option<i32>, String) {
        loop {
            match self.pieces.recv_timeout(PATIENCE) {
                Ok(piece) => self.shown.push_str(&String::from_utf8_lossy(&piece)),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("it does not end\n{}", self.shown),
            }
        }
        (self.child.wait().unwrap().code(), std::mem::take(&mut self.shown))
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! Ctrl-C and requests to terminate: what they end, and what a second one ends.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use massgen_ports::SessionHandle;
use massgen_protocol::Command;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::OnInterrupt;
use crate::failure::INTERRUPTED;
use crate::interactive::terminal_mode::TerminalMode;
use crate::remarks::Remarks;
use crate::review::Stop;

/// How often somebody who waits for a key is told that nobody waits for them.
const WAKING: Duration = Duration::from_millis(50);

/// Ctrl-C and requests to terminate, from now on. While nobody listens, both do nothing once somebody has listened.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> Pressed {
        tokio::select! {
            _ = self.interrupt.recv() => Pressed::Interrupt,
            _ = self.terminate.recv() => Pressed::Terminate,
        }
    }
}

/// What somebody asks a process for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pressed {
    Interrupt,
    Terminate,
}

/// What an interrupt ends.
pub(super) struct Interruptible {
    pub(super) session: Arc<dyn SessionHandle>,
    /// What comes behind the session.
    pub(super) review: Stop,
    pub(super) on_interrupt: OnInterrupt,
    /// How the terminal was before.
    pub(super) mode: TerminalMode,
}

/// The first signal saves what is there and ends the session, or the review of its changes; the second ends the process at
/// once.
pub(super) async fn interrupt(mut signals: Signals, what: Interruptible, remarks: Remarks) {
    let Interruptible { session, review, on_interrupt, mode } = what;
    // In a pager, Ctrl-C is meant for the pager.
    while signals.next().await == Pressed::Interrupt && review.is_read_elsewhere() {}
    review.want();
    remarks.tell(match on_interrupt {
        OnInterrupt::Leave => "stopping: what is there is saved; once more to stop at once",
        OnInterrupt::AskOn => "stopping this question: what is there is saved; once more to leave at once",
    });
    session.send(Command::Interrupt).await;
    let mut again = tokio::time::interval(WAKING);
    // Where nobody listens for it, the signal that wakes a thread is no interruption.
    let _resized = signal(SignalKind::window_change());
    loop {
        tokio::select! {
            pressed = signals.next() => {
                if pressed == Pressed::Terminate || !review.is_read_elsewhere() {
                    break;
                }
            }
            _ = again.tick() => review.wake(),
        }
    }
    mode.restore();
    #[expect(clippy::exit, reason = "a person asked twice; the journal holds everything that was committed")]
    std::process::exit(INTERRUPTED.into());
}

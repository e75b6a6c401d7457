//! An interrupt in a review: nothing is applied, and whoever waits for a person stops waiting.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::sys::pthread::{Pthread, pthread_kill, pthread_self};
use nix::sys::signal::Signal;

/// Stops a review from another thread.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    is_wanted: bool,
    at: Stage,
}

/// What a review does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// It looks at files.
    #[default]
    Looking,
    /// This thread waits for a key.
    Asking(Pthread),
    /// A person reads, in a program that has the terminal.
    Reading,
    /// Files of the project change, or have changed. That comes to its end.
    Applying,
}

impl Stop {
    /// Nothing is to be applied any more, unless that has begun.
    pub(crate) fn want(&self) {
        self.state().is_wanted = true;
    }

    /// Whether a program has the terminal: what is pressed there is meant for it.
    pub(crate) fn is_read_elsewhere(&self) -> bool {
        self.state().at == Stage::Reading
    }

    /// Wakes whoever waits for a key although a stop is wanted; once may be too early. The question sees it as if the
    /// person had left.
    pub(crate) fn wake(&self) {
        let state = self.state();
        if let Stage::Asking(thread) = state.at
            && state.is_wanted
        {
            // Its thread cannot go on to something else while the state is held. A signal to it ends its system call.
            let _ = pthread_kill(thread, Signal::SIGWINCH);
        }
    }

    /// Runs `ask`, which waits for keys on this thread; a refusal when a stop is wanted.
    ///
    /// # Errors
    /// Those of `ask`.
    pub(super) fn while_asking<T>(&self, ask: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.at(Stage::Asking(pthread_self()), ask)
    }

    /// Runs `read`, in which a program has the terminal; a refusal when a stop is wanted.
    ///
    /// # Errors
    /// Those of `read`.
    pub(super) fn while_reading<T>(&self, read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.at(Stage::Reading, read)
    }

    /// Whether changes may be applied; from then on nothing stops that.
    pub(super) fn lets_apply(&self) -> bool {
        let mut state = self.state();
        if !state.is_wanted {
            state.at = Stage::Applying;
        }
        !state.is_wanted
    }

    fn at<T>(&self, stage: Stage, run: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        let before = {
            let mut state = self.state();
            if state.is_wanted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            std::mem::replace(&mut state.at, stage)
        };
        let done = run();
        let mut state = self.state();
        state.at = before;
        if state.is_wanted { Err(io::ErrorKind::Interrupted.into()) } else { done }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_applied_is_not_stopped_and_what_is_not_is() {
        let stop = Stop::default();
        assert_eq!(stop.while_asking(|| Ok(1)).unwrap(), 1);
        assert!(stop.lets_apply());
        stop.want();
        stop.wake();

        let stop = Stop::default();
        let asked = stop.while_asking(|| {
            assert!(
                stop.while_reading(|| Ok(stop.is_read_elsewhere())).unwrap() && !stop.is_read_elsewhere()
            );
            stop.want();
            Ok(())
        });
        assert_eq!(asked.unwrap_err().kind(), io::ErrorKind::Interrupted);
        assert!(!stop.lets_apply());
        assert!(stop.while_asking(|| -> io::Result<()> { panic!("nobody is asked") }).is_err());
    }
}

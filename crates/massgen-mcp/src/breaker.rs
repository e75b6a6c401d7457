//! When a server that fails is left alone.
//!
//! After some failures in a row, calls are denied for a while. Then one call tries the server; if it fails too, the next
//! pause is twice as long. Pure: the caller brings the time, as a span since a moment of its choice.

use std::time::Duration;

use crate::limits::{BREAKER_FAILURES, BREAKER_LONGEST_PAUSE, BREAKER_PAUSE};

/// The state of one server.
#[derive(Debug, Clone, Default)]
pub(crate) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// The pause that is under way or was the last one, and its end.
    pause: Option<(Duration, Duration)>,
}

/// What a failure changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    None,
    /// The server is left alone from now on.
    Stopped,
}

impl Breaker {
    /// Whether a call may go at `now`; else how long the server is left alone yet.
    ///
    /// A call that goes after a pause tries the server. Until it has told, or as long again has passed, no other goes.
    pub(crate) fn admit(&mut self, now: Duration) -> Result<(), Duration> {
        let Some((length, until)) = &mut self.pause else { return Ok(()) };
        if let Some(rest) = until.checked_sub(now).filter(|rest| !rest.is_zero()) {
            return Err(rest);
        }
        *until = now + *length;
        Ok(())
    }

    /// A call was answered.
    pub(crate) fn worked(&mut self) {
        *self = Self::default();
    }

    /// A call failed for a reason that lies with the server.
    pub(crate) fn failed(&mut self, now: Duration) -> Change {
        self.failures = self.failures.saturating_add(1);
        if self.failures < BREAKER_FAILURES {
            return Change::None;
        }
        let length = self.pause.map_or(BREAKER_PAUSE, |(last, _)| (last * 2).min(BREAKER_LONGEST_PAUSE));
        self.pause = Some((length, now + length));
        Change::Stopped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn stopped() -> Breaker {
        let mut breaker = Breaker::default();
        assert_eq!(
            [0, 1, 2].map(|now| breaker.failed(at(now))),
            [Change::None, Change::None, Change::Stopped]
        );
        breaker
    }

    #[test]
    fn three_failures_in_a_row_stop_calls_for_half_a_minute() {
        let mut breaker = stopped();
        assert_eq!(breaker.admit(at(3)), Err(at(29)));
        assert_eq!(breaker.admit(at(32)), Ok(()));
    }

    #[test]
    fn a_success_between_failures_counts_anew() {
        let mut breaker = Breaker::default();
        for now in 0..10 {
            assert_eq!(breaker.failed(at(now)), Change::None);
            breaker.failed(at(now));
            breaker.worked();
            assert_eq!(breaker.admit(at(now)), Ok(()));
        }
    }

    #[test]
    fn pauses_double_up_to_two_minutes() {
        let mut breaker = stopped();
        let mut now = at(2);
        for pause in [30, 60, 120, 120] {
            assert_eq!(breaker.admit(now), Err(at(pause)));
            now += at(pause);
            assert_eq!(breaker.admit(now), Ok(()));
            assert_eq!(breaker.failed(now), Change::Stopped);
        }
    }

    #[test]
    fn after_a_pause_one_call_tries_and_its_success_lets_all_go() {
        let mut breaker = stopped();
        assert_eq!(breaker.admit(at(32)), Ok(()));
        assert_eq!(breaker.admit(at(33)), Err(at(29)));
        breaker.worked();
        assert_eq!(breaker.admit(at(33)), Ok(()));
        assert_eq!(breaker.failed(at(34)), Change::None);
    }

    #[test]
    fn a_try_that_nobody_hears_of_again_does_not_stop_the_server_for_ever() {
        let mut breaker = stopped();
        assert_eq!(breaker.admit(at(32)), Ok(()));
        assert_eq!(breaker.admit(at(62)), Ok(()));
    }
}

//! The circuit breaker of one service: when calls to it stop, when one tries it, when they go on.
//!
//! Closed, calls go. After so many failures in a row, or when the service asks for a long wait, it opens: calls wait.
//! When the pause is over, one call tries the service (half open) while the others go on waiting. Its failure opens the
//! breaker again, for longer. After its success the others go one after the other, so that a service that has just come
//! back does not meet all of them at once; when nobody waits any more, the breaker is closed.
//!
//! Pure: the caller brings the time, as a span since a moment of its choice, and does the waiting.

use std::time::Duration;

use massgen_protocol::message::FailureKind;
use massgen_protocol::pacing::{BreakerSettings, StopCause};

use crate::retry::{Failure, Repeat};

/// Time between two calls that have waited for the end of a stop: ten a second, so that five failures in a row stop the
/// rest again before many have gone, and a team of thirty is under way after three seconds.
const RESTART_INTERVAL: Duration = Duration::from_millis(100);

/// Calls go one after the other for at most so long: each agent of the largest team has had its turn by then, and new
/// calls must not be slowed for ever.
const RESTART_LIMIT: Duration = Duration::from_mins(1);

/// When nobody has asked for so long after the turn of the next call, all that waited have gone. Much longer than
/// a busy machine takes to wake a waiting call.
const RESTART_LULL: Duration = Duration::from_secs(1);

/// The state of one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaker {
    state: State,
    /// Failures since the last success, while calls go.
    failures: u32,
    /// Stops since the last success.
    stops: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen,
    /// Calls go one after the other, the next one not before `next`; all of them from `until` on.
    Restarting {
        next: Duration,
        until: Duration,
    },
}

/// Whether a request may go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It may, and its outcome is reported in this role.
    Go(Role),
    /// Not before this span has passed.
    Wait(Duration),
    /// Not before the call that tries the service has reported.
    AwaitProbe,
    /// Calls go on, one after the other: not before this span has passed, and then only one of them.
    InTurn(Duration),
}

/// What a request is to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// One of many.
    Ordinary,
    /// The one that tries the service after a stop.
    Probe,
}

/// What a request tells about its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It replied.
    Works,
    /// It answered, but not with a reply: that says nothing of the failures so far.
    Aside,
    /// It failed.
    Failed,
    /// It is busy and asks to be left alone so long, which its caller waits for.
    Busy(Duration),
    /// It asks to be left alone for longer than its caller waits.
    Away(Duration),
    /// Nobody waited for its answer.
    Abandoned,
}

/// What a report changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Calls stop.
    Stopped {
        /// Why.
        cause: StopCause,
        /// How long.
        pause: Duration,
    },
    /// Calls go on.
    Restored,
}

impl Verdict {
    /// What `failure` says.
    pub fn of(failure: &Failure, settings: &BreakerSettings) -> Self {
        let is_listed = failure.status.is_some_and(|status| settings.statuses.contains(&status));
        match (failure.kind, failure.retry_after) {
            (FailureKind::RateLimited | FailureKind::Server, Some(asked))
                if asked > settings.max_retry_after =>
            {
                Self::Away(asked)
            }
            (FailureKind::RateLimited, Some(asked)) => Self::Busy(asked),
            (FailureKind::RateLimited, None) => Self::Failed,
            _ if is_listed => Self::Failed,
            (FailureKind::Server | FailureKind::Network | FailureKind::Timeout, _) => match failure.status {
                None => Self::Failed,
                Some(_) => Self::Aside,
            },
            (
                FailureKind::QuotaExhausted
                | FailureKind::Malformed
                | FailureKind::Unauthorized
                | FailureKind::Rejected
                | FailureKind::ContextOverflow
                | FailureKind::NotRecorded,
                _,
            ) => Self::Aside,
        }
    }
}

/// `failure`, sent again if its status is among those that `settings` list.
pub fn repeatable(mut failure: Failure, settings: &BreakerSettings) -> Failure {
    let is_listed = failure.status.is_some_and(|status| settings.statuses.contains(&status));
    if is_listed && failure.repeat == Repeat::ByKind {
        failure.repeat = Repeat::Always;
    }
    failure
}

impl Default for Breaker {
    fn default() -> Self {
        Self { state: State::Closed, failures: 0, stops: 0 }
    }
}

impl Breaker {
    /// Whether a request may go out at `now`. [`Admission::Go`] for a probe takes the probe: its outcome must be
    /// reported.
    pub fn admit(&mut self, now: Duration) -> Admission {
        if let Some(wait) = self.outlook(now) {
            return wait;
        }
        match self.state {
            State::Closed => Admission::Go(Role::Ordinary),
            State::Restarting { next, until } => {
                let is_over = now >= until || now >= next.saturating_add(RESTART_LULL);
                let next = now.saturating_add(RESTART_INTERVAL);
                self.state = if is_over { State::Closed } else { State::Restarting { next, until } };
                Admission::Go(Role::Ordinary)
            }
            State::Open { .. } | State::HalfOpen => {
                self.state = State::HalfOpen;
                Admission::Go(Role::Probe)
            }
        }
    }

    /// What a request would wait for at `now`; `None` when it could go.
    pub fn outlook(&self, now: Duration) -> Option<Admission> {
        match self.state {
            State::Closed => None,
            State::Open { until } => {
                let wait = until.saturating_sub(now);
                (!wait.is_zero()).then_some(Admission::Wait(wait))
            }
            State::HalfOpen => Some(Admission::AwaitProbe),
            State::Restarting { next, until } => {
                let wait = next.min(until).saturating_sub(now);
                (!wait.is_zero()).then_some(Admission::InTurn(wait))
            }
        }
    }

    /// Takes the outcome of a request that was admitted as `role`. Outcomes of requests from before a stop neither end
    /// nor lengthen it.
    pub fn report(
        &mut self,
        now: Duration,
        role: Role,
        verdict: Verdict,
        settings: &BreakerSettings,
    ) -> Option<Change> {
        match (role, self.state, verdict) {
            (Role::Probe, State::HalfOpen, Verdict::Works | Verdict::Aside) => {
                let until = now.saturating_add(RESTART_LIMIT);
                *self = Self { state: State::Restarting { next: now, until }, ..Self::default() };
                Some(Change::Restored)
            }
            (Role::Probe, State::HalfOpen, Verdict::Failed) => {
                Some(self.stop(now, StopCause::FailedAgain, self.pause(settings)))
            }
            (Role::Probe, State::HalfOpen, Verdict::Abandoned) => {
                // It says nothing; the next one tries.
                self.state = State::Open { until: now };
                None
            }
            (Role::Probe, State::HalfOpen, Verdict::Busy(asked) | Verdict::Away(asked))
            | (Role::Ordinary, State::Closed | State::Restarting { .. }, Verdict::Away(asked)) => {
                Some(self.stop(now, StopCause::Asked, asked))
            }
            (Role::Ordinary, State::Closed | State::Restarting { .. }, Verdict::Works) => {
                *self = Self { state: self.state, ..Self::default() };
                None
            }
            (Role::Ordinary, State::Closed | State::Restarting { .. }, Verdict::Failed) => {
                self.failures = self.failures.saturating_add(1);
                let cause = StopCause::Failures { count: self.failures };
                let is_enough = self.failures >= settings.max_failures.get();
                is_enough.then(|| self.stop(now, cause, self.pause(settings)))
            }
            (
                Role::Ordinary,
                State::Closed | State::Restarting { .. },
                Verdict::Aside | Verdict::Busy(_) | Verdict::Abandoned,
            )
            | (Role::Ordinary, State::Open { .. } | State::HalfOpen, _)
            | (Role::Probe, State::Closed | State::Restarting { .. } | State::Open { .. }, _) => None,
        }
    }

    fn stop(&mut self, now: Duration, cause: StopCause, pause: Duration) -> Change {
        self.state = State::Open { until: now.saturating_add(pause) };
        self.stops = self.stops.saturating_add(1);
        self.failures = 0;
        Change::Stopped { cause, pause }
    }

    /// How long the next stop is.
    fn pause(&self, settings: &BreakerSettings) -> Duration {
        let mut pause = settings.pause;
        for _ in 0..self.stops.min(64) {
            if pause >= settings.max_pause {
                break;
            }
            pause = pause.saturating_mul(settings.growth_percent.max(100)) / 100;
        }
        pause.min(settings.max_pause).max(settings.pause)
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;

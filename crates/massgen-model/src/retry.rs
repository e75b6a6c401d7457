//! The one retry policy: what is sent again, when, and when a call is given up.
//!
//! Nothing below this layer retries, so attempts do not multiply. The decision is a pure function of what happened;
//! the caller does the waiting.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use massgen_protocol::message::FailureKind;
use massgen_protocol::pacing::Pacing;

/// How often and how patiently one model call is repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Requests that one call may send, the first included.
    pub attempts: u32,
    /// Time that a call may take, waits included, except those for a turn under a rate limit, which no clock of the call
    /// bounds: see `Passage::turn`. No request is sent past it.
    pub deadline: Duration,
    /// Longest silence of a server: before its answer begins, and between two pieces of it.
    pub idle_timeout: Duration,
    /// Whether it holds before the answer begins, too.
    pub first_silence: FirstSilence,
    /// Wait after the first failure, before the part that is left to chance.
    pub first_delay: Duration,
    /// Each further wait in percent of the one before; from 100.
    pub growth_percent: u32,
    /// How much of a wait is added to it by chance at most, in percent.
    pub jitter_percent: u32,
    /// Bound on the wait, before the part that is left to chance.
    pub max_delay: Duration,
    /// Longest wait that a server may ask for; when it asks for more, the call fails.
    pub max_retry_after: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 5,
            deadline: Duration::from_mins(10),
            idle_timeout: Duration::from_mins(2),
            first_silence: FirstSilence::Bounded,
            first_delay: Duration::from_millis(500),
            growth_percent: 200,
            jitter_percent: 100,
            max_delay: Duration::from_secs(30),
            max_retry_after: Duration::from_mins(2),
        }
    }
}

/// What bounds the silence of a server before the first piece of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstSilence {
    /// The same as between two pieces: services keep their connections busy.
    Bounded,
    /// The deadline of the call alone: a server of one's own reads a long prompt for minutes and says nothing meanwhile.
    UntilDeadline,
}

/// Why one request of a call gave no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The class.
    pub kind: FailureKind,
    /// What was said, one line, without secrets.
    pub message: String,
    /// The status that the server answered with, if it has answered.
    pub status: Option<u16>,
    /// Wait that the server asks for.
    pub retry_after: Option<Duration>,
    /// Whether it may be sent again at all.
    pub repeat: Repeat,
}

/// Whether a failed request may be sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// When failures of its kind may.
    ByKind,
    /// Whatever its kind: the server, or the configuration, says so.
    Always,
    /// In no case: it would fail again, at a price.
    Never,
}

impl Failure {
    /// A failure whose kind says whether it is sent again.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), status: None, retry_after: None, repeat: Repeat::ByKind }
    }

    /// The same, never to be sent again.
    #[must_use]
    pub fn for_good(mut self) -> Self {
        self.repeat = Repeat::Never;
        self
    }
}

/// What to do after a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Send it again after this wait.
    Retry {
        /// The wait.
        delay: Duration,
    },
    /// The call has failed.
    GiveUp(GiveUp),
}

/// Why a call is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GiveUp {
    /// The same request would fail again.
    NotRetryable,
    /// All attempts are used up.
    AttemptsUsed,
    /// The next attempt would begin after the deadline.
    Deadline,
    /// The server asks for a longer wait than is granted.
    WaitTooLong,
}

impl RetryPolicy {
    /// The standard policy with what the configuration of a service asks for.
    pub fn paced(pacing: &Pacing) -> Self {
        let mut policy = Self::default();
        if let Some(breaker) = &pacing.breaker {
            policy.growth_percent = breaker.growth_percent;
            policy.max_delay = breaker.max_pause;
            policy.max_retry_after = breaker.max_retry_after;
        }
        if let Some(backoff) = pacing.backoff {
            policy.attempts = backoff.attempts.get();
            policy.first_delay = backoff.first_delay;
            policy.growth_percent = backoff.growth_percent;
            policy.jitter_percent = backoff.jitter_percent;
            policy.max_delay = backoff.max_delay;
            let granted = pacing.breaker.as_ref().map_or(Duration::MAX, |breaker| breaker.max_retry_after);
            policy.max_retry_after = granted.min(backoff.max_delay);
        }
        if let Some(deadline) = pacing.deadline {
            policy.deadline = deadline;
        }
        if let Some(idle_timeout) = pacing.idle_timeout {
            policy.idle_timeout = idle_timeout;
        }
        policy
    }

    /// Longest silence before the first piece of an answer.
    pub(crate) fn before_the_first_piece(&self) -> Duration {
        match self.first_silence {
            FirstSilence::Bounded => self.idle_timeout,
            FirstSilence::UntilDeadline => self.idle_timeout.max(self.deadline),
        }
    }

    /// What to do after the `attempt`-th request (from 1) failed, `elapsed` after the call began. `seed` takes the
    /// place of chance, so that many callers do not come back at the same moment.
    pub fn decide(&self, attempt: u32, elapsed: Duration, failure: &Failure, seed: u64) -> Decision {
        let repeatable = match failure.repeat {
            Repeat::ByKind => failure.kind.is_retryable(),
            Repeat::Always => true,
            Repeat::Never => false,
        };
        if !repeatable {
            return Decision::GiveUp(GiveUp::NotRetryable);
        }
        if attempt >= self.attempts {
            return Decision::GiveUp(GiveUp::AttemptsUsed);
        }
        let delay = match failure.retry_after {
            Some(asked) if asked > self.max_retry_after => return Decision::GiveUp(GiveUp::WaitTooLong),
            Some(asked) => asked,
            None => self.backoff(attempt, seed),
        };
        if elapsed.saturating_add(delay) >= self.deadline {
            return Decision::GiveUp(GiveUp::Deadline);
        }
        Decision::Retry { delay }
    }

    fn backoff(&self, attempt: u32, seed: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a few hundred percent")]
        let factor = self.growth_percent.max(100) as f32 / 100.0;
        let mut delays = ExponentialBuilder::new()
            .with_min_delay(self.first_delay)
            .with_max_delay(self.max_delay)
            .with_factor(factor)
            .without_max_times()
            .build();
        // The iterator has no end without a bound on the times.
        let delay = delays.nth(attempt.saturating_sub(1) as usize).unwrap_or(self.max_delay);
        let mut hasher = DefaultHasher::new();
        (seed, attempt).hash(&mut hasher);
        let per_mille = u32::try_from(hasher.finish() % 1001).unwrap_or_default();
        delay.saturating_add(delay.saturating_mul(self.jitter_percent).saturating_mul(per_mille) / 100_000)
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;

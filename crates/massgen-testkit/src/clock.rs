//! A clock that follows tokio's, so that paused time is the only time there is.

use std::time::Duration;

use futures::future::BoxFuture;
use massgen_ports::Clock;
use massgen_protocol::Timestamp;
use tokio::time::Instant;

/// The moment at which every [`TestClock`] starts: 2026-01-01 00:00:00 UTC, in microseconds.
const START: i64 = 1_767_225_600_000_000;

/// Starts at a fixed moment and goes on with tokio's clock.
#[derive(Debug, Clone)]
pub struct TestClock {
    started: Instant,
}

impl TestClock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(START + i64::try_from(self.started.elapsed().as_micros()).unwrap_or(0))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep_until(&self, deadline: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep_until(self.started + deadline))
    }
}

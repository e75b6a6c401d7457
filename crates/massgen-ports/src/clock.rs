//! Time as an input.

use std::time::Duration;

use futures::future::BoxFuture;
use massgen_protocol::Timestamp;

/// Tells the time and wakes callers. Production reads the system; tests hold the hands themselves.
pub trait Clock: Send + Sync {
    /// The moment in the world.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process; never goes back.
    fn monotonic(&self) -> Duration;

    /// Completes when [`Clock::monotonic`] has reached `deadline`.
    fn sleep_until(&self, deadline: Duration) -> BoxFuture<'static, ()>;
}

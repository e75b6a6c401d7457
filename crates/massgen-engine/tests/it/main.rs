//! Sessions against scripted models, a journal in memory and a paused clock.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod sessions;

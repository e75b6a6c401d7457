//! The state machine as its callers see it.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly"
)]

mod edges;
mod endings;
mod files;
mod histories;
mod limits;
mod random;

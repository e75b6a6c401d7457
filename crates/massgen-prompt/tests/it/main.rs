//! The texts as a model gets them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

mod conversations;
mod cost;
mod materials;
mod texts;

//! Sessions against scripted models, a journal in memory and a paused clock.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail loudly")]

mod broken;
mod files;
mod lives;
mod projections;
mod random;
mod sessions;
#[cfg(test)]
mod tool_order;
#[cfg(test)]
mod waiting;
#[cfg(test)]
mod watching;

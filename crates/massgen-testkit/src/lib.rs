//! Development only: what tests and the bench need to run massgen against something that they control.
//!
//! What it holds: a model server with a fixed schedule, a proxy and a server with a certificate,
//! scripted models and tools, a journal in memory, crash points.
//!
//! What it does not hold: anything that ships.
//!
//! Who uses it: tests of every crate, and `cargo xtask bench`.

pub mod clock;
pub mod crash_point;
pub mod history;
pub mod mechanisms;
pub mod memory_journal;
pub mod model_server;
pub mod models;
pub mod network;

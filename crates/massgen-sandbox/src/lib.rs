//! Commands that agents run, and programs that are started for them: what they may reach, how long they may run, how
//! they are stopped, and what is kept of their output.
//!
//! What it holds: the [`Policy`] of one command, the [`Mechanism`]s that enforce it (bubblewrap with seccomp, Landlock
//! with seccomp), the probe that says which of them work here, the helper process that confines itself and then
//! becomes the command, and the run of a command with its limits. Besides, the [containers](container) of docker and
//! podman, for those who want these.
//!
//! What it does not hold: decisions on what an agent may do, which tools there are, and words for models. Whoever calls
//! it says what is readable, writable and reachable; it never widens that.
//!
//! Who calls it: the tools, the client of MCP servers, and the runner of external agents.
//!
//! Invariants:
//! - A command is started only under the mechanism that was asked for. If that cannot be had, the answer is an error,
//!   never a weaker mechanism.
//! - The confinement stands before the first instruction of the command: the helper confines itself, then executes it.
//! - When a call is over, no process that it started is alive, whatever session or group it made for itself.
//! - Output is bounded in memory while it comes, not after.
//!
//! Bubblewrap and Landlock exist on Linux only. On other systems nothing is confined, and the probe says so.

mod bubblewrap;
mod call;
mod capture;
#[cfg(target_os = "linux")]
mod confine;
pub mod container;
mod error;
mod gap;
pub mod helper;
mod hosts;
mod machine;
mod mechanism;
mod orders;
mod owner;
mod policy;
mod processes;
mod proxy;
mod reading;
#[cfg(target_os = "linux")]
mod relay;
mod run;
mod running;
#[cfg(target_os = "linux")]
mod signals;
#[cfg(target_os = "linux")]
mod supervise;
mod terminal;

pub use call::{Call, Ended, HowItEnded, Stdin};
pub use capture::{Captured, Keep};
pub use error::Error;
pub use gap::Gap;
pub use hosts::{AllowedHost, NoHost};
pub use machine::{Machine, program};
pub use mechanism::{Available, Mechanism, Unavailable};
pub use owner::{Life, Owner};
pub use policy::{Limits, Network, Policy, pinned};
pub use run::Sandbox;
pub use running::{InputStream, OutputStream, Running};
pub use terminal::Terminal;

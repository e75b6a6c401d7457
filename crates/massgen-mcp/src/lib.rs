//! Tool servers that speak the Model Context Protocol.
//!
//! What it holds: connections to servers for the whole run, one per agent and server, over the standard streams of a program
//! or over HTTP; the names under which models see their tools; calls with their time limits, restarts and breakers; the
//! checks of what the configuration says of a server.
//!
//! What it does not hold: what a program may reach (whoever implements [`Launcher`] decides that), approvals, words for
//! models beside the sentences that say why a call failed.
//!
//! Who calls it: the tool host of the program.
//!
//! Invariants:
//! - A server that cannot be had is a [`Notice`], never the end of a run.
//! - The list of tools of an agent does not change in a run.
//! - A call is repeated only when it surely did not run; everything else is told as unknown.
//! - Values of variables that are secret go to the server and nowhere else: not into notices, logs, or results.
//! - What a server sends is hostile: every message, list and text has a limit in [`limits`].
//! - Nothing that a server asks for is granted: no elicitation, no sampling, no roots.

mod breaker;
mod complaints;
mod connection;
mod error;
mod handler;
mod launch;
pub mod limits;
mod link;
mod notice;
mod offer;
mod pause;
mod pipe;
mod pool;
mod progress;
mod result;
pub mod security;
mod variables;
mod web;

pub use connection::BASE_VARIABLES;
pub use error::Error;
pub use launch::{Launch, Launched, Launcher, Unconfined};
pub use notice::{Notice, NoticeKind};
pub use offer::{Filter, Hints, ServerTool};
pub use pool::{AgentServers, Pool, Setup};
pub use progress::Hear;
pub use result::{Called, SentFile};
pub use variables::{Lookup, Variable};
pub use web::Web;

//! One session of a run: feeds the state machine, performs its effects, commits before it publishes.
//!
//! What it holds: the session loop ([`Session`]), the log that frontends read, agent turns (a prompt, a model call or
//! a tool call, an input), redaction of secrets, the system clock.
//!
//! What it does not hold: decisions (`massgen-core`), texts (`massgen-prompt`), and anything that knows a file, a
//! database or a network: those come in as ports.
//!
//! Who calls it: the binary and tests, through [`Session::start`] and [`Session::resume`]; frontends see a
//! [`massgen_ports::SessionHandle`].
//!
//! Invariants:
//! * Effects are performed, and events published, only after their events are committed.
//! * A model reply is queued for the journal before it is interpreted.
//! * Everything a model, a tool or a provider's error says passes the [`Redactor`] before it becomes an event.
//! * One task owns the state; everything else sends it inputs.

mod clock;
mod log;
mod materials;
mod plain;
mod ports;
mod redact;
mod runner;
mod session;
mod turn;
mod watch;

pub use clock::SystemClock;
pub use ports::Ports;
pub use redact::Redactor;
pub use session::{EngineError, Session};

//! The traits through which a session reaches the world, and the contract that every adapter of a trait passes.
//!
//! What it holds: [`Model`], [`ToolHost`], [`Journal`], [`Clock`] and [`SessionHandle`], with their errors, and the
//! contract tests in [`contract`].
//!
//! What it does not hold: any implementation with input or output of its own.
//!
//! Who uses it: adapters implement the traits, `massgen-engine` calls them, frontends hold a [`SessionHandle`].
//!
//! Invariants: every trait can be used as `dyn`; dropping a future or a stream stops the work behind it.

pub mod clock;
pub mod contract;
pub mod journal;
pub mod model;
pub mod session;
pub mod tools;
pub mod workspaces;

pub use clock::Clock;
pub use journal::{Journal, JournalError};
pub use model::{Model, ModelEvent, ModelStream};
pub use session::{SessionEnd, SessionHandle};
pub use tools::{CallWatch, ToolHost, ToolRun, Unwatched, Waiting};
pub use workspaces::{SnapshotFiles, Workspaces};

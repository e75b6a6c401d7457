//! The journal of a run: an append-only list of events in one SQLite file, with long bodies beside it as blobs, and the
//! artifact files that are projected from it.
//!
//! What it holds: [`SqliteJournal`], the adapter of the `Journal` port; [`read()`], which reads a journal while
//! somebody else may be writing it; the lock that keeps a second process out; SQL views for analysis
//! (`src/schema.sql`); [`sessions`], which keeps what was asked and answered one after the other.
//!
//! What it does not hold: the meaning of events (`massgen-core`), the decision what is committed when
//! (`massgen-engine`).
//!
//! Who calls it: the binary creates or opens a journal and hands it to the engine; `massgen logs` reads it.
//!
//! Invariants: sequence numbers are dense from 1; a row is never changed or deleted; a blob is durable before the row
//! that names it; one process writes. Whatever a run folder holds was possibly written by somebody hostile: it is
//! checked before it is believed.

pub mod artifacts;
mod blobs;
mod body;
mod database;
mod error;
mod journal;
mod lock;
mod private;
mod read;
pub mod sessions;
mod writer;

pub use blobs::{blob_name, load_bytes};
pub use journal::SqliteJournal;
pub use lock::Owner;
pub use read::{read, read_start};

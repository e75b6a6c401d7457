//! What agents changed in the user's project, shown, chosen, applied whole or not at all, and undone.
//!
//! [`compare`] finds the changes between two trees, [`plan`] decides what is done with those that were approved, both
//! without touching a file. [`apply`] does it in one transaction and keeps a record; [`recover`] ends what a crash
//! interrupted; [`undo`] takes it back. Everything blocks.

mod apply;
mod compare;
mod error;
mod file_change;
#[cfg(test)]
pub(crate) mod fixture;
mod hunks;
mod plan;
mod presence;
mod record;
mod recover;
mod rename;
mod scope;
mod selection;
mod spelling;
mod stage;
mod target;
mod undo;
mod unified;

pub use apply::{Applied, apply};
pub use compare::{Comparison, compare};
pub use error::ChangesError;
pub use file_change::{FileChange, Hunk, Line, Side, Status, Text};
pub(crate) use hunks::line_by_line;
pub use plan::{
    Bytes, Current, Folders, Inside, Operation, Plan, Reason, Skipped, Standing, Then, Wish, plan,
};
pub use presence::{Presence, presences};
pub use recover::{Recovered, recover, targets_of};
pub(crate) use scope::folders_above;
pub use scope::{IgnoreRules, Ignores, Scope};
pub(crate) use scope::{is_bookkeeping, is_bookkeeping_name};
pub use selection::{Approval, ApprovalByContext, Selection};
pub use spelling::{read as read_path, spell};
pub(crate) use spelling::{read_bytes, spell_bytes};
pub use target::Target;
pub use undo::{Later, Undone, undo};
pub use unified::{ContextReview, Listed, listed, unified};
pub(crate) use unified::{Sides, write_hunk};

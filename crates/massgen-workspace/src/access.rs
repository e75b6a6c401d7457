//! Which paths an agent may reach, and files opened so that nothing else is reached.
//!
//! A path is walked part by part, each part opened below the handle of the one before it. Links are followed by hand,
//! and the decision is made on the path that the walk really took; what is opened afterwards hangs on the handle of its
//! folder. So a link or a folder that somebody swaps in the meantime leads nowhere: between the decision and the opening
//! there is no second look-up.
//!
//! Files are written beside their place and moved there. A hard link to a file outside is therefore replaced, never
//! written through.

mod compare;
mod managed;
mod place;
mod refusal;
mod walk;

pub use compare::unified_diff;
pub use managed::{Contexts, Managed, Root, RootKind};
pub use place::{Entry, EntryKind, Folder, Place, Told};
pub use refusal::{Error, Refusal};
pub use walk::{Found, Gap, Last};

#[cfg(test)]
#[path = "access/access_tests.rs"]
mod tests;

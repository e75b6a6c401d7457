//! Workspaces of agents: snapshots of them, the user's project in isolation, and changes that go back to it.
//!
//! Snapshots: a folder is scanned (`walk`, `scan`) into a [`Tree`] of hashes; the bytes become blobs and the tree a
//! [`Manifest`], whose hash is the id ([`SnapshotStore`]). Peers see a snapshot through one read-only folder that all of
//! them share (`views`), with notes scrubbed of identities (`scrub`); the user gets it by [`export`]. [`Keeper`] does
//! this for the agents of a run, and is what the engine sees.
//!
//! What happens in a workspace meanwhile is hostile: nothing is opened through a link, nothing that an agent can name
//! leads out of its folder, and everything that can grow has a limit.
//!
//! Invariants: a manifest that is there is complete, after a kill and after a loss of power; the bytes of a blob have its
//! hash; a view never changes; only folders that massgen made are emptied or removed.

pub mod access;
mod beneath;
mod blobs;
mod cache;
pub mod changes;
mod contents;
mod durable;
mod error;
mod ignore_rules;
pub mod isolation;
mod keeper;
mod lay_out;
mod left_behind;
mod left_out;
mod manifest;
mod own_folder;
mod removal;
mod restore;
mod scan;
mod scrub;
mod store;
pub mod tree;
mod views;
mod walk;

pub use cache::StatCache;
pub use contents::Contents;
pub use durable::write_whole;
pub use error::Error;
pub use ignore_rules::ignore_rules;
pub use keeper::{Keeper, KeeperSpec, Seat};
pub use lay_out::{Exported, export};
pub use left_behind::{LeftBehind, left_behind, remove_left_behind};
pub use left_out::{Counted, LeftOut, Reason, Weight};
pub use manifest::Manifest;
pub use own_folder::{Beginning, begin};
pub use removal::remove_tree;
pub use scan::ScanLimits;
pub use scrub::Scrub;
pub use store::{SnapshotStore, Taken, Verified};
pub use tree::{Digest, Entry, Mode, Tree, TreePath};

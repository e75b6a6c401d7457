//! The tools that massgen brings along, and the box in which the tools of an agent lie together.
//!
//! What it holds: file tools, search, patches, commands, the plan of an agent's tasks, background jobs; the check of
//! arguments; the [policy](policy) that judges every call by what it does; the bound on results. The [`ToolBox`] puts
//! them together with other [`Source`]s of tools and is the host that an engine knows.
//!
//! What it does not hold: how paths are opened (`massgen-workspace`), how commands are confined (`massgen-sandbox`), the
//! protocol of tool servers (`massgen-mcp`), and the loop that calls tools (`massgen-engine`).
//!
//! Who calls it: the program, which makes a `ToolBox` for a session.
//!
//! Invariants:
//! - Nothing runs before the hooks of the user had their say, its arguments fit its schema and the policy has allowed it;
//!   every judgement is recorded.
//! - A policy judges what a call does (its capabilities, paths, addresses, command), not what the tool is called.
//! - Every path goes through [`massgen_workspace::access`].
//! - The schemas of an agent's tools stay the same for a whole run.
//! - A result is bounded and free of terminal control codes.

mod arguments;
mod clean;
pub mod commands;
pub mod custom;
mod desk;
mod error;
mod files;
pub mod hooks;
mod jobs;
mod naming;
mod plan;
pub mod policy;
mod preview;
mod source;
mod toolbox;

pub use desk::Desk;
pub use error::Error;
pub use files::FileSource;
pub use jobs::{LostJob, lost_jobs};
pub use naming::Selection;
pub use plan::PlanSource;
pub use source::{Capability, Failed, Invocation, Kind, Output, Page, Source};
pub use toolbox::{AgentTools, ToolBox, ToolBoxParts};

#[cfg(test)]
mod testing;

//! The files of a run folder that people and programs read: projections of the run's events.
//!
//! What it holds: [`RunFolder`], the paths; [`Projector`], which folds events and writes the files; [`rebuild`], which
//! writes them again; [`AutomationLines`], the lines of standard output; [`link_in_home`].
//!
//! What it does not hold: the truth. Everything here is a function of the committed events and the folder's path, no
//! clock and no other input, so files that were deleted come back byte for byte.
//!
//! Who calls it: the binary, on a thread of its own, with every committed event in order.
//!
//! Two counters are called rounds in these formats. The display round counts an agent's executions from 0; it is in
//! `events.jsonl`, in round records and in `round_timing`. The answer round is the number of answers that an agent had
//! when its execution began; it is in `coordination_events.json`, `snapshot_mappings.json` and `vote.json`.

mod agent;
mod automation;
mod conversation;
mod coordination;
mod decisions;
mod events;
pub(crate) mod excerpt;
mod files;
mod fold;
mod folder;
mod logs;
mod metadata;
mod metrics;
mod projector;
mod rebuild;
mod redact;
mod rounds;
pub(crate) mod stamps;
mod state;
mod status;
mod table;
mod tools;
mod trace;
mod usage;
mod yaml;

use std::path::PathBuf;

use massgen_protocol::{AgentNo, Seq};

pub use automation::{AutomationLines, AutomationPaths};
pub use events::CompatLine;
pub use folder::{Named, RunFolder, WORKSPACE, home_link, link_in_home};
pub use projector::{Due, Flush, Projector};
pub use rebuild::{RebuildReport, rebuild};

/// Why an artifact file could not be written. The run itself is not in danger: its truth is the journal, and
/// [`rebuild`] writes what is missing.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// What the file system says; names the path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A document cannot be written as JSON.
    #[error("a document cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The first event is not the start of a run.
    #[error("the first event of a run must be `run_started`, not `{kind}`")]
    NotStarted {
        /// What it is.
        kind: &'static str,
    },
    /// The files of a snapshot cannot be written.
    #[error("the files of an answer cannot be written: {0}")]
    Snapshot(String),
    /// There are no events.
    #[error("the run has no events")]
    NoEvents,
    /// A second start of the run.
    #[error("event {seq} starts a run that has begun")]
    StartedTwice {
        /// The event.
        seq: Seq,
    },
    /// An event does not follow the last one.
    #[error("event {found} does not follow event {last}")]
    OutOfOrder {
        /// The last event.
        last: Seq,
        /// The event that was to follow it.
        found: Seq,
    },
    /// An event is about an agent that the run does not have.
    #[error("the run has no agent `{agent}`")]
    UnknownAgent {
        /// The agent.
        agent: AgentNo,
    },
    /// Something that we did not make has the name of a link that we want to make.
    #[error("`{path}` is in the way: it is not a link of ours")]
    InTheWay {
        /// Where it is.
        path: PathBuf,
    },
}

#[cfg(test)]
#[path = "artifacts/testing.rs"]
pub(crate) mod testing;

#[cfg(test)]
#[path = "artifacts/projection_tests.rs"]
mod projection_tests;

#[cfg(test)]
#[path = "artifacts/made_tests.rs"]
mod made_tests;
#[cfg(test)]
#[path = "artifacts/workspace_tests.rs"]
mod workspace_tests;

#[cfg(test)]
#[path = "artifacts/automation_tests.rs"]
mod automation_tests;

//! Cassettes: a run's model calls in a file, and a model that replays them.
//!
//! A [`Recorder`] around a model writes every call that was made to a [`CassetteWriter`]; a [`Replayer`] serves the
//! same calls out of a [`Cassette`], in the order in which the recorded session saw their ends, without any
//! provider.
//!
//! The file is JSON, one value per line, readable only by its owner: a [`Header`] that says which run it is, then
//! one line per call in the order in which the session took the ends. A request is stored only as its hash, and
//! neither keys nor HTTP headers ever come here; a [`Redaction`] takes known secrets out of the replies as well.
//!
//! A recording goes on when its run is resumed. When two lines are about one call (the process was killed between
//! the line and the journal), the later one counts.

mod reader;
mod recorder;
mod redaction;
mod replayer;
mod request_hash;
#[cfg(test)]
mod test_run;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use massgen_protocol::{AgentId, ModelFailure, Purpose, Reply, RunSpec};
use serde::{Deserialize, Serialize};

pub use reader::Cassette;
pub use recorder::Recorder;
pub use redaction::Redaction;
pub use replayer::{Pace, Replay, Replayer};
pub use writer::CassetteWriter;

/// Version of the file format.
pub const CASSETTE_VERSION: u32 = 1;

/// Why a cassette cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CassetteError {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A call cannot be written as JSON.
    #[error("a call cannot be written to the cassette: {0}")]
    Json(#[from] serde_json::Error),
    /// The file does not begin as a cassette does.
    #[error("`{path}` is not a cassette: {problem}", path = path.display())]
    NotACassette {
        /// The file.
        path: PathBuf,
        /// What is wrong with its first line.
        problem: String,
    },
    /// The file was written by a massgen with another format.
    #[error("the cassette `{path}` has version {found}, this massgen reads version {CASSETTE_VERSION}", path = path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// A line cannot be understood.
    #[error("the cassette `{path}` is damaged at line {line}: {problem}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// The cassette belongs to another run.
    #[error("the cassette `{path}` holds another run: {difference}", path = path.display())]
    OtherRun {
        /// The file.
        path: PathBuf,
        /// In what it differs.
        difference: String,
    },
    /// Another process records to the file.
    #[error("another process records to the cassette `{path}`", path = path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// The first line of a cassette: which run it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`CASSETTE_VERSION`] of the writer.
    pub massgen_cassette: u32,
    /// The question.
    pub question: String,
    /// The agents, in the order of the configuration.
    pub agents: Vec<AgentId>,
}

impl Header {
    /// The header for the run of `spec`.
    pub fn of(spec: &RunSpec) -> Self {
        Self {
            massgen_cassette: CASSETTE_VERSION,
            question: spec.question.clone(),
            agents: spec.agents.iter().map(|agent| agent.id.clone()).collect(),
        }
    }

    /// The header as it is written.
    fn redacted(self, redaction: &Redaction) -> Self {
        Self { question: redaction.text(&self.question), ..self }
    }

    /// In what the run of `other` differs; `None` when it is this run.
    fn difference(&self, other: &Self) -> Option<String> {
        if self.question != other.question {
            return Some("its question is another".to_owned());
        }
        if self.agents != other.agents {
            let names =
                |agents: &[AgentId]| agents.iter().map(AgentId::as_str).collect::<Vec<_>>().join("`, `");
            let (recorded, asked) = (names(&self.agents), names(&other.agents));
            return Some(format!("its agents are `{recorded}`, not `{asked}`"));
        }
        None
    }
}

/// A line about one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// Order in which the session took the ends: dense, from 1.
    completed: u64,
    agent: AgentId,
    /// Which call of its agent.
    call: u32,
    purpose: Purpose,
    /// See [`request_hash::request_hash`].
    request_hash: String,
    /// How many ends the session had taken when it made the call.
    made_after: u64,
    /// From the first poll to the first piece; `None` when none came.
    first_token_ms: Option<u64>,
    /// From the first poll to the end.
    duration_ms: u64,
    end: RecordedEnd,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RecordedEnd {
    Replied(Arc<Reply>),
    Failed(ModelFailure),
    /// The session dropped the call before its end.
    Cut,
}

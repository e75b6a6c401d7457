//! Where an agent works: its folder, what it sees of the user's project, and how changes get back there.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::AgentNo;

/// The folder of an agent and what else it may reach. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WorkspaceSpec {
    /// The folder that the agent works in (`cwd`). When the run begins it is empty, or holds what the final answer of the
    /// turn before left.
    pub folder: String,
    /// The folder in which the agent finds its peers' files, `agent1` and so on (`agent_temporary_workspace`).
    pub peers: String,
    /// Real files and folders that the agent sees (`context_paths`), the deepest path decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<ContextPath>,
    /// How changes to writable context paths are kept apart until they are applied (`write_mode`).
    pub isolation: Isolation,
    /// What is done with a file that somebody else changed meanwhile (`drift_conflict_policy`).
    pub drift: DriftPolicy,
    /// Whether a file must have been read before it is deleted (`enforce_read_before_delete`).
    pub deletion: Deletion,
}

/// A context path of an agent, with the place at which the agent finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenContext<'a> {
    /// The path.
    pub context: &'a ContextPath,
    /// Which of the copies below the workspace is the agent's own, from 1; `None` when it sees the files themselves.
    pub copy: Option<usize>,
}

impl WorkspaceSpec {
    /// The context paths, each with where the agent finds it: those that it may write to are copies, unless nothing is
    /// kept apart.
    pub fn seen(&self) -> impl Iterator<Item = SeenContext<'_>> {
        let mut copies = 0;
        self.contexts.iter().map(move |context| {
            let is_copy = context.access == Access::Write && self.isolation != Isolation::Direct;
            copies += usize::from(is_copy);
            SeenContext { context, copy: is_copy.then_some(copies) }
        })
    }

    /// Where it finds the files of agent `peer`.
    pub fn of_peer(&self, peer: AgentNo) -> String {
        format!("{}/{peer}", self.peers.trim_end_matches('/'))
    }

    /// Where it finds its copy of a context path: a single file stands in the folder of its copy.
    pub fn copy_of(&self, seen: SeenContext<'_>) -> Option<String> {
        let folder = self.copy(seen.copy?);
        Some(match (seen.context.kind, seen.context.path.rsplit_once('/')) {
            (ContextKind::File, Some((_, name))) => format!("{folder}/{name}"),
            (ContextKind::File, None) | (ContextKind::Folder, _) => folder,
        })
    }

    /// The folder of copy `number`.
    pub fn copy(&self, number: usize) -> String {
        format!("{}/{COPIES}/{}", self.folder.trim_end_matches('/'), copy_name(number))
    }
}

/// The folder in a workspace that holds the agent's own copies of writable context paths.
pub const COPIES: &str = ".worktree";

/// What copy `number` is called there.
pub fn copy_name(number: usize) -> String {
    format!("ctx_{number}")
}

/// A real file or folder that an agent sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContextPath {
    /// Where it is.
    pub path: String,
    /// What may be done there.
    pub access: Access,
    /// What was there when the run began.
    #[serde(default, skip_serializing_if = "ContextKind::is_folder")]
    pub kind: ContextKind,
    /// Parts below it that stay as they are, relative to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<String>,
}

/// What a context path is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContextKind {
    /// A folder: all below it counts. Also what is not there.
    #[default]
    Folder,
    /// A single file: nothing beside it counts, and a copy is a folder with it alone.
    File,
}

impl ContextKind {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_folder(&self) -> bool {
        *self == Self::Folder
    }
}

/// What may be done with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    /// It may be read.
    Read,
    /// It may be read, written and deleted.
    Write,
}

/// How changes to the user's files are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// A git repository gets a worktree, any other folder a copy.
    #[default]
    Auto,
    /// A worktree; what is no git repository is an error.
    Worktree,
    /// A copy (`isolated`).
    Copy,
    /// None: the presenter writes to the files themselves (`legacy`).
    Direct,
}

/// What is done with a file that changed in the project since the run began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DriftPolicy {
    /// It is left as it is; the other changes are applied.
    #[default]
    Skip,
    /// It is overwritten.
    PreferPresenter,
    /// Nothing is applied.
    Fail,
}

/// When a file may be deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// After the agent has read or made it.
    #[default]
    AfterReading,
    /// At any time.
    Always,
}

/// The content of an agent's workspace at one moment: the hash of its manifest, in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct SnapshotId(pub String);

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A snapshot that was taken, for people and prompts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Snapshot {
    /// Which.
    pub id: SnapshotId,
    /// Files in it.
    pub files: u64,
    /// Bytes of all files together.
    pub bytes: u64,
    /// Paths that were left out, with the reason, for people; at most a handful.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, String>,
}

impl Snapshot {
    /// The name in [`Snapshot::left_out`] of those that are only counted.
    pub const OTHERS: &str = "(others)";
}

/// What [`Snapshot::left_out`] says, on one line: `big.bin (a file of 300 MB; …), 12 more`.
pub fn left_out_words(left_out: &BTreeMap<String, String>) -> String {
    let (counted, named): (Vec<_>, Vec<_>) = left_out.iter().partition(|(path, _)| *path == Snapshot::OTHERS);
    let named = named.into_iter().map(|(path, why)| format!("{path} ({why})"));
    named.chain(counted.into_iter().map(|(_, count)| count.clone())).collect::<Vec<_>>().join(", ")
}

/// What became of the wish to keep what a workspace holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum SnapshotOutcome {
    /// It was kept.
    Kept {
        /// As this.
        snapshot: Snapshot,
    },
    /// It could not be kept; the answer stands without files.
    Failed {
        /// Why, for people.
        message: String,
    },
}

impl SnapshotOutcome {
    /// What was kept.
    pub fn kept(&self) -> Option<&Snapshot> {
        match self {
            Self::Kept { snapshot } => Some(snapshot),
            Self::Failed { .. } => None,
        }
    }
}

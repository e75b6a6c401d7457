//! The files that agents work on.

use std::path::Path;

use futures::future::BoxFuture;
use massgen_protocol::{AgentId, AnswerLabel, Snapshot, SnapshotId};

/// Keeps what agents' workspaces hold, and shows it to others.
pub trait Workspaces: Send + Sync {
    /// Keeps what the workspace of `agent` holds now. The snapshot is on the disk when the future completes.
    ///
    /// # Errors
    /// A sentence for people: why it could not be kept.
    fn keep(&self, agent: &AgentId) -> BoxFuture<'static, Result<Snapshot, String>>;

    /// Lets the workspace of `agent` hold what `snapshot` holds, and nothing that came since. What the snapshot left out
    /// stays as it is.
    ///
    /// # Errors
    /// A sentence for people: why it cannot. The workspace may hold some files of the snapshot and not others then.
    fn restore(&self, agent: &AgentId, snapshot: &SnapshotId) -> BoxFuture<'static, Result<(), String>>;

    /// Lets `agent` do what only who writes the final answer may: where nothing is kept apart, change the user's own
    /// files. Once is enough for a process, and twice does no harm.
    ///
    /// # Errors
    /// A sentence for people: why it may not.
    fn let_present(&self, agent: &AgentId) -> Result<(), String>;

    /// Lets `viewer` see, under the folder of its peers' files, these snapshots and no others: that of the answer
    /// `agent2.1` at `agent2`. They can be read, not changed.
    ///
    /// # Errors
    /// A sentence for people: why they cannot be shown.
    fn show(
        &self,
        viewer: &AgentId,
        answers: Vec<(AnswerLabel, SnapshotId)>,
    ) -> BoxFuture<'static, Result<(), String>>;
}

/// The content of snapshots that were taken.
pub trait SnapshotFiles: Send + Sync {
    /// Writes the files of `snapshot` to the folder `to`, which is whole afterwards or was not made. A folder that is
    /// there already is left as it is.
    ///
    /// # Errors
    /// A sentence for people: why the files cannot be written.
    fn export(&self, snapshot: &SnapshotId, to: &Path) -> Result<(), String>;
}

/// For a session whose agents have no workspaces.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoWorkspaces;

impl Workspaces for NoWorkspaces {
    fn keep(&self, agent: &AgentId) -> BoxFuture<'static, Result<Snapshot, String>> {
        let message = format!("agent `{agent}` has no workspace");
        Box::pin(async move { Err(message) })
    }

    fn restore(&self, agent: &AgentId, _snapshot: &SnapshotId) -> BoxFuture<'static, Result<(), String>> {
        let message = format!("agent `{agent}` has no workspace");
        Box::pin(async move { Err(message) })
    }

    fn let_present(&self, _agent: &AgentId) -> Result<(), String> {
        Ok(())
    }

    fn show(
        &self,
        _viewer: &AgentId,
        _answers: Vec<(AnswerLabel, SnapshotId)>,
    ) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

impl SnapshotFiles for NoWorkspaces {
    fn export(&self, snapshot: &SnapshotId, _to: &Path) -> Result<(), String> {
        Err(format!("there is no snapshot `{snapshot}`"))
    }
}

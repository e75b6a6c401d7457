//! What the agent that answered changed in its copies of the user's project.

use std::collections::BTreeMap;
use std::path::Path;

use massgen_protocol::spec::RunSpec;
use massgen_protocol::workspace::DriftPolicy;
use massgen_protocol::{AgentId, AgentNo, Envelope, Event, SnapshotId};
use massgen_workspace::changes::{FileChange, Listed, compare, listed, unified};
use massgen_workspace::isolation::Isolated;
use massgen_workspace::{Manifest, SnapshotStore, TreePath};
use serde::Serialize;

use crate::failure::Failure;
use crate::workbench::projects::{ProjectCopy, Projects};

/// The final answer of a run, as far as its files are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) agent: AgentId,
    /// What its workspace held.
    pub(super) snapshot: Option<SnapshotId>,
}

/// All that the final answer changed.
#[derive(Debug)]
pub(super) struct Proposal {
    /// Those with changes, in order.
    pub(super) contexts: Vec<ContextChanges>,
    /// What people are told: changes that are not among them, and why.
    pub(super) remarks: Vec<String>,
}

/// What changed below one context path.
#[derive(Debug)]
pub(super) struct ContextChanges {
    /// The context path, without links.
    pub(super) path: String,
    /// Its number among the copies of the agent.
    pub(super) number: usize,
    pub(super) isolated: Isolated,
    /// In order of path; at least one.
    pub(super) changes: Vec<FileChange>,
    /// What is done with files that somebody else changed meanwhile.
    pub(super) drift: DriftPolicy,
    /// Paths that stay as they are.
    pub(super) protected: Vec<TreePath>,
}

/// The changes of one context path in `changes.json`.
#[derive(Debug, Serialize)]
pub(super) struct ListedContext {
    context: String,
    changes: Vec<Listed>,
}

/// What the run with these events came to; `None` without a final answer.
pub(super) fn answered(events: &[Envelope]) -> Option<(&RunSpec, Answered)> {
    let spec = events.iter().find_map(|envelope| match &envelope.event {
        Event::RunStarted { spec, .. } => Some(spec.as_ref()),
        _ => None,
    })?;
    let (agent, snapshot) = events.iter().rev().find_map(|envelope| match &envelope.event {
        Event::FinalAnswerReady { agent, snapshot, .. } => Some((*agent, snapshot.clone())),
        _ => None,
    })?;
    let of_number = |(number, _): &(AgentNo, _)| *number == agent;
    let (_, agent) = spec.agent_nos().into_iter().zip(&spec.agents).find(of_number)?;
    Some((spec, Answered { agent: agent.id.clone(), snapshot }))
}

impl Proposal {
    /// What `answered` changed in its copies.
    ///
    /// # Errors
    /// When a snapshot is missing or damaged.
    pub(super) fn of(
        answered: &Answered,
        spec: &RunSpec,
        projects: &Projects,
        store: &SnapshotStore,
    ) -> Result<Self, Failure> {
        let mut proposal = Self { contexts: Vec::new(), remarks: Vec::new() };
        let copies: Vec<&ProjectCopy> =
            projects.copies.iter().filter(|copy| copy.agent == answered.agent).collect();
        if copies.is_empty() {
            return Ok(proposal);
        }
        let Some(snapshot) = &answered.snapshot else {
            proposal.remarks.push(format!(
                "warning: what `{}` changed in the project was not kept; nothing of it is applied",
                answered.agent
            ));
            return Ok(proposal);
        };
        let after = store.manifest(snapshot).map_err(damaged)?;
        for copy in copies {
            proposal.add(copy, spec, &after, store)?;
        }
        Ok(proposal)
    }

    fn add(
        &mut self,
        copy: &ProjectCopy,
        spec: &RunSpec,
        after: &Manifest,
        store: &SnapshotStore,
    ) -> Result<(), Failure> {
        let before = store.manifest(&copy.baseline).map_err(damaged)?;
        let path = copy.isolated.review(&[]).original_path;
        let Some(folder) = folder_of(copy) else {
            self.remarks.push(format!("warning: the copy of `{path}` has an odd place; nothing is applied"));
            return Ok(());
        };
        if after.leaves_out(&folder) {
            self.remarks.push(format!(
                "warning: the copy of `{path}` was too large to be kept; nothing of it is applied"
            ));
            return Ok(());
        }
        let tree = after.tree.below(&folder);
        if tree.entries.is_empty() && !before.tree.entries.is_empty() {
            self.remarks.push(format!(
                "warning: `{}` left nothing of its copy of `{path}`; it is taken for a mistake, and nothing is deleted",
                copy.agent
            ));
            return Ok(());
        }
        let unknown = "it was not kept whole";
        let left_out = after.left_out.iter().filter_map(|path| path.strip(&folder));
        let left_out = left_out.chain(before.left_out.iter().cloned()).map(|path| (path, unknown.to_owned()));
        let comparison =
            compare(&before.tree, &tree, store, &copy.isolated.scope(left_out)).map_err(damaged)?;
        if comparison.changes.is_empty() {
            return Ok(());
        }
        let workspace = spec.agents.iter().find(|agent| agent.id == copy.agent);
        let workspace = workspace.and_then(|agent| agent.workspace.as_deref());
        let seen =
            workspace.and_then(|workspace| workspace.seen().find(|seen| seen.copy == Some(copy.number)));
        let protected = seen.map(|seen| seen.context.protected.as_slice()).unwrap_or_default();
        self.contexts.push(ContextChanges {
            path,
            number: copy.number,
            isolated: copy.isolated.clone(),
            changes: comparison.changes,
            drift: workspace.map(|workspace| workspace.drift).unwrap_or_default(),
            protected: protected
                .iter()
                .filter_map(|path| TreePath::new(path.trim_start_matches("./").trim_end_matches('/')))
                .collect(),
        });
        Ok(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.contexts.is_empty()
    }

    /// All changes as a text in git's format, context path after context path.
    pub(super) fn diff(&self) -> Vec<u8> {
        self.contexts.iter().flat_map(|context| unified(&context.changes)).collect()
    }

    /// What `changes.json` says.
    pub(super) fn listed(&self) -> Vec<ListedContext> {
        let context = |context: &ContextChanges| ListedContext {
            context: context.path.clone(),
            changes: context.changes.iter().map(listed).collect(),
        };
        self.contexts.iter().map(context).collect()
    }

    /// The names of all changed files, as a decision has them: below their context path, with it in front when there are
    /// several.
    pub(super) fn names(&self) -> BTreeMap<(usize, usize), String> {
        let is_alone = self.contexts.len() == 1;
        let contexts = self.contexts.iter().enumerate();
        contexts
            .flat_map(|(at, context)| {
                context.changes.iter().enumerate().map(move |(number, change)| {
                    let path = listed(change).path;
                    ((at, number), if is_alone { path } else { format!("{}::{path}", context.path) })
                })
            })
            .collect()
    }
}

fn damaged(error: impl std::fmt::Display) -> Failure {
    Failure::configuration(format!("what agents changed in the project cannot be read: {error}"))
}

/// Where a workspace holds what stands for the context path, below its root.
fn folder_of(copy: &ProjectCopy) -> Option<TreePath> {
    let isolated = &copy.isolated;
    let prefix = isolated.folder.strip_prefix(&isolated.place).ok()?;
    // The last two names: `.worktree/ctx_N`.
    let (copies, name) = (isolated.place.parent()?.file_name()?, isolated.place.file_name()?);
    let base = Path::new(copies).join(name);
    TreePath::from_path(&if prefix.as_os_str().is_empty() { base } else { base.join(prefix) })
}

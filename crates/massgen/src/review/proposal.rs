//! What the agent that answered changed in its copies of the user's project.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

use massgen_journal::artifacts::RunFolder;
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::workspace::{Access, DriftPolicy, WorkspaceSpec};
use massgen_protocol::{AgentId, AgentNo, Envelope, Event, SnapshotId};
use massgen_view::clean::clean_line;
use massgen_workspace::changes::{FileChange, Listed, Scope, compare, listed, read_path, spell, unified};
use massgen_workspace::isolation::Isolated;
use massgen_workspace::{Entry, Manifest, SnapshotStore, Tree, TreePath};
use serde::Serialize;

use crate::failure::Failure;
use crate::real_folders::real;
use crate::workbench::guards::Guards;
use crate::workbench::projects::{ProjectCopy, Projects};

/// Paths that are named when something was not kept.
const NAMED: usize = 5;

/// The final answer of a run, as far as its files are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) agent: AgentId,
    /// What its workspace held.
    pub(super) snapshot: Option<SnapshotId>,
    /// What an agent makes of these in its copy is never applied.
    pub(super) guards: Guards,
}

/// All that the final answer changed.
#[derive(Debug)]
pub(super) struct Proposal {
    /// Those with changes, in order.
    pub(super) contexts: Vec<ContextChanges>,
    /// What people are told besides.
    pub(super) remarks: Vec<String>,
    /// Copies that hold changes which nothing else holds, in order.
    pub(super) unkept: Vec<Unkept>,
}

/// A copy of the project with changes that were not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unkept {
    pub(super) copy: ProjectCopy,
    /// Which changes, and why they were not, for people.
    pub(super) told: String,
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

/// How the run with these events began.
pub(super) fn begun(events: &[Envelope]) -> Option<(&RunSpec, &RunMeta)> {
    events.iter().find_map(|envelope| match &envelope.event {
        Event::RunStarted { spec, meta } => Some((spec.as_ref(), meta.as_ref())),
        _ => None,
    })
}

/// What the run with these events came to; `None` without a final answer.
pub(super) fn answered(events: &[Envelope]) -> Option<(&RunSpec, Answered)> {
    let (spec, meta) = begun(events)?;
    let (agent, snapshot) = events.iter().rev().find_map(|envelope| match &envelope.event {
        Event::FinalAnswerReady { agent, snapshot, .. } => Some((*agent, snapshot.clone())),
        _ => None,
    })?;
    let of_number = |(number, _): &(AgentNo, _)| *number == agent;
    let (_, agent) = spec.agent_nos().into_iter().zip(&spec.agents).find(of_number)?;
    // Programs that `PATH` leads to are known by their names.
    let configuration = meta.config_path.as_deref().map(Path::new);
    let guards = Guards::of(spec, configuration, Path::new(&meta.working_directory), OsStr::new(""));
    Some((spec, Answered { agent: agent.id.clone(), snapshot, guards }))
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
        (folder, store): (&RunFolder, &SnapshotStore),
    ) -> Result<Self, Failure> {
        let mut proposal = Self { contexts: Vec::new(), remarks: Vec::new(), unkept: Vec::new() };
        let copies: Vec<&ProjectCopy> =
            projects.copies.iter().filter(|copy| copy.agent == answered.agent).collect();
        if copies.is_empty() {
            return Ok(proposal);
        }
        let Some(snapshot) = &answered.snapshot else {
            for copy in copies {
                let path = copy.context();
                let told = format!(
                    "what `{}` changed in `{path}` was not kept; nothing of it is applied",
                    copy.agent
                );
                proposal.unkept.push(Unkept { copy: copy.clone(), told });
            }
            return Ok(proposal);
        };
        let after = store.manifest(snapshot).map_err(damaged)?;
        for copy in copies {
            proposal.add(copy, (spec, &answered.guards), &after, (folder, store))?;
        }
        Ok(proposal)
    }

    fn add(
        &mut self,
        copy: &ProjectCopy,
        (spec, guards): (&RunSpec, &Guards),
        after: &Manifest,
        (run, store): (&RunFolder, &SnapshotStore),
    ) -> Result<(), Failure> {
        let before = store.manifest(&copy.baseline).map_err(damaged)?;
        let path = copy.context();
        let mut unkept = |told: String| self.unkept.push(Unkept { copy: copy.clone(), told });
        let Some(folder) = folder_of(copy) else {
            unkept(format!("the copy of `{path}` has an odd place; nothing of it is applied"));
            return Ok(());
        };
        if after.leaves_out(&folder) {
            unkept(format!("the copy of `{path}` was too large to be kept; nothing of it is applied"));
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
        let left_out: Vec<TreePath> = after.left_out.iter().filter_map(|path| path.strip(&folder)).collect();
        let mut lost = lost(copy, &before, &tree, &left_out, store).map_err(damaged)?;
        lost.extend(copy.changed_unkept(run).map_err(damaged)?);
        // What nobody saw in the project is not replaced in it.
        let unseen = copy.isolated.left_out.keys().filter_map(|path| read_path(path));
        lost.extend(unseen.filter(|path| tree.entries.contains_key(path) || tree.holds_below(path)));
        lost.sort();
        lost.dedup();
        if !lost.is_empty() {
            unkept(format!("not kept, and so not applied to `{path}`: {}", named(&lost)));
        }
        let scope = scope(copy, left_out.iter().chain(&before.left_out));
        let comparison = compare(&before.tree, &tree, store, &scope).map_err(damaged)?;
        if let Some(only) = &scope.only {
            let beside = comparison.left_out.into_keys().filter(|path| path != only);
            let beside: Vec<TreePath> = beside.collect();
            if !beside.is_empty() {
                let beside = named(&beside);
                let is_gone = before.tree.entries.contains_key(only) && !tree.entries.contains_key(only);
                let kept = if is_gone { "; it may have been moved there, and is not deleted" } else { "" };
                self.remarks
                    .push(format!("not applied: {beside}; agents were to change `{path}` alone{kept}"));
            }
        }
        if comparison.changes.is_empty() {
            return Ok(());
        }
        let workspace = spec.agents.iter().find(|agent| agent.id == copy.agent);
        let workspace = workspace.and_then(|agent| agent.workspace.as_deref());
        let seen =
            workspace.and_then(|workspace| workspace.seen().find(|seen| seen.copy == Some(copy.number)));
        let protected = seen.map(|seen| seen.context.protected.as_slice()).unwrap_or_default().iter();
        let protected = protected
            .filter_map(|path| TreePath::new(path.trim_start_matches("./").trim_end_matches('/')))
            .chain(workspace.into_iter().flat_map(|workspace| only_read(workspace, &copy.isolated.target)))
            .chain(guards.refused(&copy.isolated.target, &comparison.changes))
            .collect();
        self.contexts.push(ContextChanges {
            path,
            number: copy.number,
            isolated: copy.isolated.clone(),
            changes: comparison.changes,
            drift: workspace.map(|workspace| workspace.drift).unwrap_or_default(),
            protected,
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

/// What agents with `workspace` were to read only, inside of `target`, a folder without links that they may change.
fn only_read(workspace: &WorkspaceSpec, target: &Path) -> impl Iterator<Item = TreePath> {
    let read = workspace.contexts.iter().filter(|context| context.access == Access::Read);
    read.filter_map(move |context| {
        TreePath::from_path(real(Path::new(&context.path)).strip_prefix(target).ok()?)
    })
}

/// What counts in a comparison when these paths are not known.
fn scope<'a>(copy: &ProjectCopy, unknown: impl Iterator<Item = &'a TreePath>) -> Scope {
    copy.isolated.scope(unknown.map(|path| (path.clone(), "it was not kept whole".to_owned())))
}

/// Which paths of `left_out`, those that a snapshot with this `tree` does not hold, are changes of the project: not what
/// was left out `before` already, nor what git ignores.
fn lost(
    copy: &ProjectCopy,
    before: &Manifest,
    tree: &Tree,
    left_out: &[TreePath],
    store: &SnapshotStore,
) -> io::Result<Vec<TreePath>> {
    if left_out.iter().all(|path| before.leaves_out(path)) {
        return Ok(Vec::new());
    }
    // With something in their places, whatever it is, the comparison tells which of them would have been changes.
    let mut whole = tree.clone();
    whole.entries.extend(left_out.iter().map(|path| (path.clone(), Entry::EmptyFolder)));
    let comparison = compare(&before.tree, &whole, store, &scope(copy, before.left_out.iter()))?;
    let paths = comparison.changes.into_iter().map(|change| change.path);
    Ok(paths.filter(|path| left_out.contains(path)).collect())
}

/// Some of `paths`, for people.
fn named(paths: &[TreePath]) -> String {
    let mut names: Vec<String> =
        paths.iter().take(NAMED).map(|path| format!("`{}`", clean_line(&spell(path)))).collect();
    names.extend(paths.len().checked_sub(NAMED).filter(|more| *more > 0).map(|more| format!("{more} more")));
    names.join(", ")
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

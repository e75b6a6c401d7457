//! Where agents work with files: the folder of each, the real paths that it sees, and how changes get back there.

use std::path::Path;

use massgen_protocol::workspace::{
    Access, ContextKind, ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec,
};

use super::Lower;
use super::tooling::{Common, Owner};
use crate::check::shortened;
use crate::finding::Finding;
use crate::needed::{Needed, NeededKind};
use crate::node::{Node, Value};
use crate::paths;

/// `cwd` of an agent that needs a workspace and names none.
const DEFAULT_FOLDER: &str = "workspace";

/// Where changes that a run makes are kept apart.
pub(super) fn isolation(coordination: Option<&Node>) -> Isolation {
    match coordination.and_then(|node| node.get("write_mode")).and_then(Node::text) {
        Some("worktree") => Isolation::Worktree,
        Some("isolated") => Isolation::Copy,
        Some("legacy") => Isolation::Direct,
        _ => Isolation::Auto,
    }
}

/// What is done with files that changed meanwhile.
pub(super) fn drift(coordination: Option<&Node>) -> DriftPolicy {
    match coordination.and_then(|node| node.get("drift_conflict_policy")).and_then(Node::text) {
        Some("prefer_presenter") => DriftPolicy::PreferPresenter,
        Some("fail") => DriftPolicy::Fail,
        _ => DriftPolicy::Skip,
    }
}

/// Adds paths to those that are there; where both name one, writing wins and what either protects is protected.
fn merge(contexts: &mut Vec<ContextPath>, more: Vec<ContextPath>) {
    for path in more {
        match contexts.iter_mut().find(|known| known.path == path.path) {
            Some(known) => {
                known.access = known.access.max(path.access);
                for protected in path.protected {
                    if !known.protected.contains(&protected) {
                        known.protected.push(protected);
                    }
                }
            }
            None => contexts.push(path),
        }
    }
}

/// Leaves out writable paths inside of other writable ones, which they add nothing to: two copies of a file would be
/// changed apart. What they protect stays protected.
fn without_covered(contexts: &[ContextPath]) -> Vec<ContextPath> {
    let is_around = |outer: &ContextPath, inner: &ContextPath| {
        let are_writable = [outer, inner].iter().all(|context| context.access == Access::Write);
        are_writable && outer.path != inner.path && Path::new(&inner.path).starts_with(&outer.path)
    };
    let (covered, mut left): (Vec<_>, Vec<_>) =
        contexts.iter().cloned().partition(|inner| contexts.iter().any(|outer| is_around(outer, inner)));
    for inner in covered {
        for outer in left.iter_mut().filter(|outer| is_around(outer, &inner)) {
            let below = Path::new(&inner.path).strip_prefix(&outer.path).unwrap_or(Path::new(""));
            let protected =
                inner.protected.iter().map(|part| below.join(part).to_string_lossy().into_owned());
            outer.protected.extend(protected);
        }
    }
    left
}

impl Lower<'_> {
    /// The workspace of an agent whose `backend` is `node`. An agent that sees real files or runs commands has one,
    /// also when it names none.
    pub(super) fn workspace(
        &mut self,
        node: &Node,
        owner: &Owner<'_>,
        common: &Common<'_>,
        needed: &mut Vec<Needed>,
    ) -> Option<Box<WorkspaceSpec>> {
        let own = self.contexts(node, &owner.path, needed);
        let mut contexts = common.contexts.clone();
        merge(&mut contexts, own);
        let contexts = without_covered(&contexts);
        let runs_commands = node.get("enable_mcp_command_line").and_then(Node::bool) == Some(true);
        let written = node.get("cwd").and_then(Node::text).filter(|text| !text.trim().is_empty());
        if written.is_none() && contexts.is_empty() && !runs_commands {
            return None;
        }
        let id = owner.id.map(massgen_protocol::AgentId::as_str).unwrap_or_default();
        let folder = self.by.workspace(written.unwrap_or(DEFAULT_FOLDER), id);
        let peers = paths::peers(
            self.by.working_directory,
            common.peers.as_deref(),
            self.by.instance.unwrap_or_default(),
            id,
        );
        let may_delete = node.get("enforce_read_before_delete").and_then(Node::bool) == Some(false);
        Some(Box::new(WorkspaceSpec {
            folder: folder.to_string_lossy().into_owned(),
            peers: peers.to_string_lossy().into_owned(),
            contexts,
            isolation: common.isolation,
            drift: common.drift,
            deletion: if may_delete { Deletion::Always } else { Deletion::AfterReading },
        }))
    }

    /// The `context_paths` in `holder`, which is at `path`. That they exist is for whoever can look.
    pub(super) fn contexts(
        &mut self,
        holder: &Node,
        path: &str,
        needed: &mut Vec<Needed>,
    ) -> Vec<ContextPath> {
        let mut contexts = Vec::new();
        for (i, entry) in
            holder.get("context_paths").and_then(Node::list).unwrap_or_default().iter().enumerate()
        {
            let Value::Map(_) = entry.value else { continue };
            let path = format!("{path}.context_paths[{i}]");
            let Some(written) = entry.get("path").filter(|node| node.text() != Some("")) else {
                self.report(
                    Finding::error(format!("{path}.path"), "the entry has no `path`")
                        .hint("for example `{path: src, permission: read}`")
                        .at(&entry.origin),
                );
                continue;
            };
            let Some(text) = written.text().filter(|text| !self.waits(text)) else { continue };
            let absolute = self.by.absolute(text);
            let is_writable = entry.get("permission").and_then(Node::text) == Some("write");
            needed.push(Needed {
                path: absolute.clone().into(),
                at: format!("{path}.path"),
                origin: written.origin.clone(),
                kind: NeededKind::Context,
            });
            let protected = self.protected(entry, &path, &absolute);
            let access = if is_writable { Access::Write } else { Access::Read };
            merge(
                &mut contexts,
                vec![ContextPath { path: absolute, access, kind: ContextKind::Folder, protected }],
            );
        }
        contexts
    }

    /// The parts of the context path `root` that stay as they are, relative to it.
    fn protected(&mut self, entry: &Node, path: &str, root: &str) -> Vec<String> {
        let mut protected = Vec::new();
        for (i, node) in
            entry.get("protected_paths").and_then(Node::list).unwrap_or_default().iter().enumerate()
        {
            let Some(text) = node.text().filter(|text| !self.waits(text)) else { continue };
            if text.contains('*') {
                let message =
                    format!("`{}` is taken as a name: patterns are not known here", shortened(text));
                self.report(
                    Finding::warning(format!("{path}.protected_paths[{i}]"), message)
                        .hint("name files, or a folder to protect all that is in it")
                        .at(&node.origin),
                );
            }
            let whole = crate::context_paths::absolute(text.trim(), Path::new(root), None);
            match whole.strip_prefix(root) {
                Ok(rest) if !rest.as_os_str().is_empty() => {
                    protected.push(rest.to_string_lossy().into_owned());
                }
                Ok(_) | Err(_) => {
                    let message = format!("`{}` is no part of the context path", shortened(text));
                    self.report(
                        Finding::error(format!("{path}.protected_paths[{i}]"), message)
                            .hint("write it relative to `path`, for example `.git`")
                            .at(&node.origin),
                    );
                }
            }
        }
        protected
    }
}

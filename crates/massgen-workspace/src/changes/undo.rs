//! Takes back what was applied, long after.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::changes::apply::apply_on;
use crate::changes::error::ChangesError;
use crate::changes::plan::{
    Bytes, Candidate, Current, Folders, Operation, Plan, Reason, Skipped, Standing, Then, make_room,
    remove_blocked,
};
use crate::changes::record::{Record, Shelf, State, Thing};
use crate::changes::recover::{Recovered, recover_on};
use crate::changes::target::Target;
use crate::tree::TreePath;

/// What happens to a file that somebody changed since it was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Later {
    /// It stays as it is.
    Keep,
    /// It becomes what it was before the changes were applied.
    Overwrite,
}

/// What was undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undone {
    /// The folder whose files were changed.
    pub target: PathBuf,
    /// Every path that is as it was before, in order, without those that already were.
    pub restored: Vec<TreePath>,
    /// What was not undone, and why.
    pub kept: Vec<Skipped>,
    /// What had been interrupted and was ended first.
    pub recovered: Recovered,
}

/// Undoes what was applied with `record`: all of it, or nothing if something fails.
///
/// # Errors
/// Nothing is applied, or something cannot be read or written. The target is as it was before, unless the error is
/// [`ChangesError::Torn`].
pub fn undo(record: &Path, later: Later) -> Result<Undone, ChangesError> {
    let shelf = Shelf::at(record);
    let recovered = recover_on(&shelf)?;
    let not_applied = || ChangesError::NotApplied { path: record.to_owned() };
    let mut record = shelf.load()?.ok_or_else(not_applied)?;
    match record.state {
        State::Applied => {}
        // An undoing may have been finished just now.
        State::TakenBack if recovered != Recovered::Nothing => {
            return Ok(Undone { target: record.target(), restored: Vec::new(), kept: Vec::new(), recovered });
        }
        State::TakenBack | State::Undone => return Err(not_applied()),
        State::Staging | State::Applying => {
            return Err(ChangesError::Interrupted { path: shelf.folder().to_owned() });
        }
    }
    let target = Target::open(&record.target())?;
    let mut plan = reverse(&record, &target, later)?;
    plan.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    let applied = apply_on(&plan, &target, &shelf, &shelf.next_undoing())?;
    let kept: Vec<Skipped> =
        plan.skipped.into_iter().filter(|skipped| skipped.reason != Reason::Done).collect();
    if kept.is_empty() {
        record.state = State::Undone;
        shelf.save(&record)?;
    }
    Ok(Undone { target: target.path().to_owned(), restored: applied.paths, kept, recovered })
}

/// The plan that takes a record back.
fn reverse(record: &Record, target: &Target, later: Later) -> Result<Plan, ChangesError> {
    let mut current = Current::default();
    let mut candidates = Vec::new();
    let mut skipped = Vec::new();
    for step in &record.steps {
        let path = &step.path.0;
        let mut skip = |reason| skipped.push(Skipped { path: path.clone(), reason });
        target.look(path, &mut current)?;
        let now = current.at(path).clone();
        let then = before(&step.old);
        if now == then.standing() {
            skip(Reason::Done);
            continue;
        }
        // Where a folder stands now, what is in it decides: it may be going too.
        let differs = now != step.new.standing() && now != Standing::Folder;
        if differs && later == Later::Keep {
            skip(Reason::Drifted);
            continue;
        }
        candidates.push(Candidate {
            path: path.clone(),
            operations: vec![Operation { path: path.clone(), now, then }],
        });
    }
    for path in remove_blocked(&mut candidates, &current) {
        skipped.push(Skipped { path, reason: Reason::Blocked });
    }
    let mut operations: Vec<Operation> =
        candidates.into_iter().flat_map(|candidate| candidate.operations).collect();
    make_room(&mut operations, &current);
    operations.sort_by(|a, b| a.path.cmp(&b.path));
    let remove: BTreeSet<TreePath> = record.made.keys().map(|name| name.0.clone()).collect();
    let restore: BTreeMap<TreePath, u32> =
        record.removed.iter().map(|(name, mode)| (name.0.clone(), *mode)).collect();
    Ok(Plan { operations, skipped, folders: Folders::Exactly { remove, restore } })
}

fn before(old: &Thing) -> Then {
    match (old, old.standing()) {
        (Thing::File { permissions, mode, .. }, Standing::File { digest, .. }) => {
            Then::File { bytes: Bytes::Kept(digest), mode: *mode, permissions: Some(*permissions) }
        }
        (_, Standing::Link { target }) => Then::Link { target },
        (Thing::Folder { permissions }, Standing::Folder) => Then::Folder { permissions: *permissions },
        (_, Standing::Folder) => Then::Folder { permissions: None },
        (_, Standing::Nothing | Standing::Other | Standing::File { .. }) => Then::Nothing,
    }
}

#[cfg(test)]
#[path = "undo_tests.rs"]
mod tests;

//! Applies a plan: all of it, or nothing.
//!
//! Everything that can fail for lack of room or rights comes first: old contents are kept in the record, new files are
//! written to a folder beside the target. Then the record says what is about to happen, and only then files move into
//! their places, one rename each. A failure on the way takes back what was done; after a crash, [`recover`](crate::changes::recover) does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::changes::error::ChangesError;
use crate::changes::plan::{Bytes, Folders, Operation, Plan, Standing, Then};
use crate::changes::record::{Name, Record, Shelf, State, Step, Thing};
use crate::changes::recover::take_back;
use crate::changes::scope::folders_above;
use crate::changes::stage::{Fresh, Over, Stage};
use crate::changes::target::{Seen, Target};
use crate::contents::Contents;
use crate::tree::{Digest, Mode, TreePath};

/// What was applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Applied {
    /// Every path that changed, in order.
    pub paths: Vec<TreePath>,
}

/// Applies `plan` to `target`. `record` is a folder of its own for this application; it must be outside of the target's
/// files that change, and is what [`recover`](crate::changes::recover) and [`undo`](crate::changes::undo) need.
///
/// # Errors
/// Something failed, or the target is no longer as planned. It is as it was before, unless the error is
/// [`ChangesError::Torn`].
pub fn apply(
    plan: &Plan,
    target: &Target,
    contents: &dyn Contents,
    record: &Path,
) -> Result<Applied, ChangesError> {
    apply_on(plan, target, contents, &Shelf::at(record))
}

pub(crate) fn apply_on(
    plan: &Plan,
    target: &Target,
    contents: &dyn Contents,
    shelf: &Shelf,
) -> Result<Applied, ChangesError> {
    let (mut record, stage) = begin(plan, target, contents, shelf)?;
    let done = actions(&record).iter().try_for_each(|action| act(target, &stage, action));
    let settled =
        done.and_then(|()| Stage::settle_places(target, record.steps.iter().map(|step| &step.path.0)));
    if let Err(cause) = settled {
        return Err(match take_back(target, &stage, shelf, &mut record) {
            Ok(left) => match left.into_iter().next() {
                // What somebody else wrote meanwhile is theirs. It is not a mix of ours.
                Some(path) if !matches!(cause, ChangesError::Raced { .. }) => ChangesError::Raced { path },
                Some(_) | None => cause,
            },
            Err((path, rollback)) => {
                ChangesError::Torn { cause: Box::new(cause), path, rollback: Box::new(rollback) }
            }
        });
    }
    record.state = State::Applied;
    shelf.save(&record)?;
    stage.remove(target)?;
    let changed = record.steps.into_iter().filter(|step| step.old.standing() != step.new.standing());
    Ok(Applied { paths: changed.map(|step| step.path.0).collect() })
}

/// Everything up to the point from which on the target changes.
fn begin(
    plan: &Plan,
    target: &Target,
    contents: &dyn Contents,
    shelf: &Shelf,
) -> Result<(Record, Stage), ChangesError> {
    let mut record = shelf.begin(target.path())?;
    let staged = Stage::make(target, record.stage_name()).and_then(|stage| {
        prepare(plan, target, contents, shelf, &stage, &mut record)?;
        record.state = State::Applying;
        shelf.save(&record)?;
        Ok(stage)
    });
    match staged {
        Ok(stage) => Ok((record, stage)),
        Err(error) => {
            Stage::remove_from(target, record.stage_name())?;
            record.state = State::TakenBack;
            record.steps.clear();
            shelf.save(&record)?;
            Err(error)
        }
    }
}

/// Keeps old contents, writes new files, and puts down what is to happen.
fn prepare(
    plan: &Plan,
    target: &Target,
    contents: &dyn Contents,
    shelf: &Shelf,
    stage: &Stage,
    record: &mut Record,
) -> Result<(), ChangesError> {
    for (number, operation) in plan.operations.iter().enumerate() {
        let seen = target.see(&operation.path)?;
        if seen.standing != operation.now {
            return Err(ChangesError::Raced { path: operation.path.clone() });
        }
        let old = keep(target, shelf, &operation.path, &seen)?;
        let new = lay_out(target, contents, stage, number, operation, &seen)?;
        record.steps.push(Step { path: Name(operation.path.clone()), old, new });
    }
    shelf.settle()?;
    stage.settle(target)?;
    folders(plan, target, record)
}

/// Keeps what stands at a path.
fn keep(target: &Target, shelf: &Shelf, path: &TreePath, seen: &Seen) -> Result<Thing, ChangesError> {
    let permissions = seen.stat.as_ref().map(|stat| stat.st_mode & 0o7777);
    Ok(match &seen.standing {
        Standing::Nothing | Standing::Other => Thing::Nothing,
        Standing::Folder => Thing::Folder { permissions },
        Standing::Link { target } => Thing::Link { target: crate::changes::spelling::spell_bytes(target) },
        Standing::File { digest, mode } => {
            let bytes = target.read(path).map_err(|error| target.problem(path, error))?;
            if Digest::of(&bytes) != *digest {
                return Err(ChangesError::Raced { path: path.clone() });
            }
            shelf.keep(digest, &bytes)?;
            Thing::File { digest: digest.to_string(), mode: *mode, permissions: permissions.unwrap_or(0o600) }
        }
    })
}

/// Writes what comes to a path, under the number of its operation.
fn lay_out(
    target: &Target,
    contents: &dyn Contents,
    stage: &Stage,
    number: usize,
    operation: &Operation,
    seen: &Seen,
) -> Result<Thing, ChangesError> {
    let path = &operation.path;
    Ok(match &operation.then {
        Then::Nothing => Thing::Nothing,
        Then::Folder { permissions } => Thing::Folder { permissions: *permissions },
        Then::Link { target: says } => {
            stage.link(number, says).map_err(|error| target.problem(path, error))?;
            Thing::Link { target: crate::changes::spelling::spell_bytes(says) }
        }
        Then::File { bytes, mode, permissions } => {
            let kept;
            let bytes = match bytes {
                Bytes::Here(bytes) => bytes,
                Bytes::Kept(digest) => {
                    kept = contents
                        .read(digest)
                        .map_err(|source| ChangesError::Content { path: path.clone(), source })?;
                    &kept
                }
            };
            let old = match (&operation.now, &seen.stat) {
                (Standing::File { .. }, Some(stat)) => Some(stat),
                _ => None,
            };
            let permissions = permissions.unwrap_or_else(|| match old {
                Some(stat) => with_mode(stat.st_mode & 0o7777, *mode),
                None => stage.usual(*mode),
            });
            let owner = old.map(|stat| (stat.st_uid, stat.st_gid));
            stage
                .file(number, bytes, Fresh { permissions, owner })
                .map_err(|error| target.problem(path, error))?;
            let digest = Digest::of(bytes).to_string();
            Thing::File { digest, mode: *mode, permissions }
        }
    })
}

/// The permissions of a file that becomes, or is no longer, a program: whoever may read it may run it.
fn with_mode(permissions: u32, mode: Mode) -> u32 {
    match mode {
        Mode::Executable if permissions & 0o100 == 0 => permissions | 0o100 | ((permissions & 0o444) >> 2),
        Mode::Executable => permissions,
        Mode::Plain => permissions & !0o111,
    }
}

/// Puts down which folders come and go.
fn folders(plan: &Plan, target: &Target, record: &mut Record) -> Result<(), ChangesError> {
    let stays = |operation: &&Operation| operation.then != Then::Nothing;
    let mut needed: BTreeSet<TreePath> =
        plan.operations.iter().filter(stays).flat_map(|operation| folders_above(&operation.path)).collect();
    let (mut leaving, restored): (BTreeSet<TreePath>, BTreeMap<TreePath, u32>) = match &plan.folders {
        Folders::RemoveEmptied => {
            let goes = plan.operations.iter().filter(|operation| operation.then == Then::Nothing);
            (goes.flat_map(|operation| folders_above(&operation.path)).collect(), BTreeMap::new())
        }
        Folders::Exactly { remove, restore } => (remove.clone(), restore.clone()),
    };
    needed.extend(restored.keys().flat_map(folders_above));
    needed.extend(restored.keys().cloned());
    let operated: BTreeSet<&TreePath> = plan.operations.iter().map(|operation| &operation.path).collect();
    let made_by_step: BTreeSet<&TreePath> = plan
        .operations
        .iter()
        .filter(|operation| matches!(operation.then, Then::Folder { .. }))
        .map(|operation| &operation.path)
        .collect();
    leaving.retain(|path| !needed.contains(path) && !operated.contains(path));
    for path in needed {
        let seen = target.see(&path)?;
        let (is_folder, is_operated) = (seen.standing == Standing::Folder, operated.contains(&path));
        // A file or link that stands there goes: otherwise nothing below it would have been planned. A folder that an
        // operation removes comes back.
        if !made_by_step.contains(&path) && (!is_folder || is_operated) {
            let as_it_was = seen.stat.filter(|_| is_folder).map(|stat| stat.st_mode & 0o7777);
            let permissions = restored.get(&path).copied().or(as_it_was);
            record.made.insert(Name(path), permissions);
        }
    }
    for path in leaving {
        let seen = target.see(&path)?;
        if let (Standing::Folder, Some(stat)) = (&seen.standing, &seen.stat) {
            record.removed.insert(Name(path), stat.st_mode & 0o7777);
        }
    }
    Ok(())
}

/// One change of the target. Each is done or not done, whatever happens to the process.
#[derive(Debug)]
enum Action<'a> {
    /// With the number under which nothing waits.
    Remove(usize, &'a Step),
    RemoveFolder(&'a TreePath),
    MakeFolder(&'a TreePath, Option<u32>),
    /// With the number under which it waits.
    Place(usize, &'a Step),
}

/// What makes the new state of the old one, in this order: first what is in the way goes.
fn actions(record: &Record) -> Vec<Action<'_>> {
    let goes = |(_, step): &(usize, &Step)| {
        matches!(step.old, Thing::File { .. } | Thing::Link { .. })
            && matches!(step.new, Thing::Nothing | Thing::Folder { .. })
    };
    let comes = |step: &Step| matches!(step.new, Thing::File { .. } | Thing::Link { .. });
    let numbered = || record.steps.iter().enumerate();
    let mut actions: Vec<_> =
        numbered().filter(goes).map(|(number, step)| Action::Remove(number, step)).collect();
    actions.extend(deepest_first(leaving(record)).into_iter().map(Action::RemoveFolder));
    actions.extend(made(record).into_iter().map(|(path, permissions)| Action::MakeFolder(path, permissions)));
    actions
        .extend(numbered().filter(|(_, step)| comes(step)).map(|(number, step)| Action::Place(number, step)));
    actions
}

/// Does one thing. Whatever is not as it was planned ends it.
fn act(target: &Target, stage: &Stage, action: &Action<'_>) -> Result<(), ChangesError> {
    match action {
        Action::Remove(number, step) => {
            expect(target, step)?;
            stage.take(target, *number, &step.path.0, &step.old.standing())
        }
        Action::RemoveFolder(path) => target.remove_folder(path),
        Action::MakeFolder(path, permissions) => target.make_folder(path, *permissions),
        Action::Place(number, step) => {
            let over = match step.old {
                Thing::Nothing | Thing::Folder { .. } => Over::Nothing,
                Thing::File { .. } | Thing::Link { .. } => {
                    expect(target, step)?;
                    Over::Old(step.old.standing())
                }
            };
            stage.place(target, *number, &step.path.0, &over)
        }
    }
}

/// Folders that go, if they are empty.
pub(crate) fn leaving(record: &Record) -> impl Iterator<Item = &TreePath> {
    let named = record
        .steps
        .iter()
        .filter(|step| matches!(step.old, Thing::Folder { .. }) && !matches!(step.new, Thing::Folder { .. }));
    record.removed.keys().map(|name| &name.0).chain(named.map(|step| &step.path.0))
}

/// Folders that come, the highest first.
pub(crate) fn made(record: &Record) -> Vec<(&TreePath, Option<u32>)> {
    let named = record.steps.iter().filter_map(|step| match &step.new {
        Thing::Folder { permissions } => Some((&step.path.0, *permissions)),
        Thing::Nothing | Thing::File { .. } | Thing::Link { .. } => None,
    });
    let mut folders: Vec<_> =
        record.made.iter().map(|(name, permissions)| (&name.0, *permissions)).chain(named).collect();
    folders.sort_by_key(|(path, _)| depth(path));
    folders
}

fn expect(target: &Target, step: &Step) -> Result<(), ChangesError> {
    if target.see(&step.path.0)?.standing == step.old.standing() {
        Ok(())
    } else {
        Err(ChangesError::Raced { path: step.path.0.clone() })
    }
}

pub(crate) fn deepest_first<'a>(paths: impl Iterator<Item = &'a TreePath>) -> Vec<&'a TreePath> {
    let mut paths: Vec<_> = paths.collect();
    paths.sort_by_key(|path| std::cmp::Reverse(depth(path)));
    paths
}

pub(crate) fn depth(path: &TreePath) -> usize {
    folders_above(path).count()
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;

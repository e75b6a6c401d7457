//! Ends what was interrupted: forwards if everything is in its place, else back.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::changes::apply::{deepest_first, depth, made};
use crate::changes::error::ChangesError;
use crate::changes::plan::Standing;
use crate::changes::record::{Record, Shelf, State, Step, Thing};
use crate::changes::stage::{Fresh, Over, Stage};
use crate::changes::target::Target;
use crate::contents::Contents;
use crate::tree::TreePath;

/// What was found to be left of an application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recovered {
    /// Nothing: it was finished, or there was none.
    Nothing,
    /// It had not been finished, but all its files were in their places; now it is.
    Finished,
    /// It was taken back: the files are as they were before it.
    TakenBack {
        /// Except these, which somebody changed since.
        left: Vec<TreePath>,
    },
}

/// Ends an application that was interrupted, and undoings of it: the target's files are as they were before, or as they
/// were to become. To be called, for every record of a run, before anything else is done with its target.
///
/// # Errors
/// The record or the target cannot be read or written. It can be called again.
pub fn recover(record: &Path) -> Result<Recovered, ChangesError> {
    recover_on(&Shelf::at(record))
}

/// The folders that [`recover`] and [`undo`](crate::changes::undo) would change the files of; none when there is no record. A
/// record may have been written by anybody: ask before it is followed.
///
/// # Errors
/// The record cannot be read.
pub fn targets_of(record: &Path) -> Result<BTreeSet<PathBuf>, ChangesError> {
    let shelf = Shelf::at(record);
    let undoings = shelf.undoings();
    let mut targets = BTreeSet::new();
    for shelf in std::iter::once(shelf).chain(undoings) {
        targets.extend(shelf.load()?.map(|record| record.target()));
    }
    Ok(targets)
}

pub(crate) fn recover_on(shelf: &Shelf) -> Result<Recovered, ChangesError> {
    let mut result = recover_one(shelf)?;
    for undoing in shelf.undoings() {
        match recover_one(&undoing)? {
            Recovered::Nothing => {}
            done @ (Recovered::Finished | Recovered::TakenBack { .. }) => result = done,
        }
    }
    Ok(result)
}

fn recover_one(shelf: &Shelf) -> Result<Recovered, ChangesError> {
    let Some(mut record) = shelf.load()? else { return Ok(Recovered::Nothing) };
    match record.state {
        State::Applied | State::Undone | State::TakenBack => {
            // The end of the last step, if it came to that.
            if record.target().is_dir() {
                Stage::remove_from(&Target::open(&record.target())?, record.stage_name())?;
            }
            Ok(Recovered::Nothing)
        }
        State::Staging => {
            // With its folder, what was begun is gone as well.
            if record.target().is_dir() {
                Stage::remove_from(&Target::open(&record.target())?, record.stage_name())?;
            }
            record.state = State::TakenBack;
            shelf.save(&record)?;
            Ok(Recovered::TakenBack { left: Vec::new() })
        }
        State::Applying => {
            let target = Target::open(&record.target())?;
            let stage = Stage::make(&target, record.stage_name())?;
            if is_complete(&target, &record)? {
                record.state = State::Applied;
                shelf.save(&record)?;
                stage.remove(&target)?;
                return Ok(Recovered::Finished);
            }
            let left = take_back(&target, &stage, shelf, &mut record).map_err(|(_, error)| error)?;
            Ok(Recovered::TakenBack { left })
        }
    }
}

/// Whether every file is in its new place.
fn is_complete(target: &Target, record: &Record) -> Result<bool, ChangesError> {
    for step in &record.steps {
        let seen = target.see(&step.path.0)?.standing;
        // Where nothing is to be there may be a folder: one that came instead, or one that should have gone but into which
        // somebody put something.
        let may_be_folder = matches!(step.old, Thing::Folder { .. }) || record.made.contains_key(&step.path);
        let is_folder = seen == Standing::Folder && may_be_folder && step.new == Thing::Nothing;
        if seen != step.new.standing() && (!is_folder || target.is_empty(&step.path.0)?) {
            return Ok(false);
        }
    }
    for path in deepest_first(record.removed.keys().map(|name| &name.0)) {
        if target.see(path)?.standing == Standing::Folder && target.is_empty(path)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Puts everything back. What is neither as it was nor as it was to become belongs to somebody else: it stays, and is
/// given back.
pub(crate) fn take_back(
    target: &Target,
    stage: &Stage,
    shelf: &Shelf,
    record: &mut Record,
) -> Result<Vec<TreePath>, (TreePath, ChangesError)> {
    let mut left = BTreeSet::new();
    for step in &record.steps {
        let path = &step.path.0;
        let back = || -> Result<(), ChangesError> {
            let seen = target.see(path)?.standing;
            let is_ours =
                seen == step.new.standing() && matches!(seen, Standing::File { .. } | Standing::Link { .. });
            if is_ours && matches!(step.old, Thing::Nothing | Thing::Folder { .. }) {
                target.unlink(path)?;
            }
            Ok(())
        };
        back().map_err(|error| (path.clone(), error))?;
    }
    for path in deepest_first(made(record).into_iter().map(|(path, _)| path)) {
        let was_folder =
            record.steps.iter().any(|step| step.path.0 == *path && matches!(step.old, Thing::Folder { .. }));
        if !was_folder {
            target.remove_folder(path).map_err(|error| (path.clone(), error))?;
        }
    }
    let named = record.steps.iter().filter_map(|step| match &step.old {
        Thing::Folder { permissions } => Some((&step.path.0, *permissions)),
        Thing::Nothing | Thing::File { .. } | Thing::Link { .. } => None,
    });
    let mut folders: Vec<(&TreePath, Option<u32>)> =
        record.removed.iter().map(|(name, mode)| (&name.0, Some(*mode))).chain(named).collect();
    folders.sort_by_key(|(path, _)| depth(path));
    for (path, permissions) in folders {
        match target.make_folder(path, permissions) {
            Ok(()) => {}
            Err(ChangesError::Raced { path }) => {
                left.insert(path);
            }
            Err(error) => return Err((path.clone(), error)),
        }
    }
    for (number, step) in record.steps.iter().enumerate() {
        match put_back(target, stage, shelf, number, step) {
            Ok(()) => {}
            Err(ChangesError::Raced { path }) => {
                left.insert(path);
            }
            Err(error) => return Err((step.path.0.clone(), error)),
        }
    }
    let mut end = || -> Result<(), ChangesError> {
        Stage::settle_places(target, record.steps.iter().map(|step| &step.path.0))?;
        record.state = State::TakenBack;
        shelf.save(record)?;
        Stage::remove_from(target, record.stage_name())
    };
    end().map_err(|error| (stage.path().clone(), error))?;
    Ok(left.into_iter().collect())
}

/// Puts an old file or link back to its place.
fn put_back(
    target: &Target,
    stage: &Stage,
    shelf: &Shelf,
    number: usize,
    step: &Step,
) -> Result<(), ChangesError> {
    let path = &step.path.0;
    let old = step.old.standing();
    let seen = target.see(path)?;
    if seen.standing == old {
        return Ok(());
    }
    let over = match seen.standing {
        Standing::Nothing => Over::Nothing,
        ref ours if *ours == step.new.standing() && *ours != Standing::Folder => Over::Old(ours.clone()),
        Standing::File { .. } | Standing::Link { .. } | Standing::Folder | Standing::Other => {
            return Err(ChangesError::Raced { path: path.clone() });
        }
    };
    match &step.old {
        Thing::Nothing | Thing::Folder { .. } => Err(ChangesError::Raced { path: path.clone() }),
        Thing::Link { .. } => {
            let Standing::Link { target: says } = old else { return Ok(()) };
            stage.link(number, &says).map_err(|error| target.problem(path, error))?;
            stage.place(target, number, path, &over)
        }
        Thing::File { permissions, .. } => {
            let Standing::File { digest, .. } = old else { return Ok(()) };
            let bytes =
                shelf.read(&digest).map_err(|source| ChangesError::Content { path: path.clone(), source })?;
            let owner = seen.stat.map(|stat| (stat.st_uid, stat.st_gid));
            stage
                .file(number, &bytes, Fresh { permissions: *permissions, owner })
                .and_then(|file| file.sync_all())
                .map_err(|error| target.problem(path, error))?;
            stage.place(target, number, path, &over)
        }
    }
}

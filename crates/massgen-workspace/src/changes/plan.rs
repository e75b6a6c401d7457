//! What is to be done to the user's files, decided before anything is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use massgen_protocol::workspace::DriftPolicy;

use crate::changes::error::ChangesError;
use crate::changes::file_change::{FileChange, Hunk, Text};
use crate::changes::hunks;
use crate::changes::scope::{folders_above, is_bookkeeping, is_within};
use crate::changes::selection::{Pick, Selection};
use crate::contents::Contents;
use crate::tree::{Digest, Entry, Mode, TreePath};

/// What is wanted.
#[derive(Clone, Copy)]
pub struct Wish<'a> {
    /// All changes of the context path.
    pub changes: &'a [FileChange],
    /// Which of them.
    pub selection: &'a Selection,
    /// What happens to files that somebody else changed meanwhile.
    pub drift: DriftPolicy,
    /// Paths, with all below them, that stay as they are (`protected_paths`).
    pub protected: &'a [TreePath],
    /// The bytes of old and new versions.
    pub contents: &'a dyn Contents,
}

impl fmt::Debug for Wish<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wish")
            .field("changes", &self.changes)
            .field("selection", &self.selection)
            .field("drift", &self.drift)
            .field("protected", &self.protected)
            .finish_non_exhaustive()
    }
}

/// What stands at a path of the user's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Nothing,
    /// A file.
    File {
        /// The hash of its bytes.
        digest: Digest,
        /// Whether its owner may execute it.
        mode: Mode,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: Vec<u8>,
    },
    /// A folder.
    Folder,
    /// A socket, a device or the like.
    Other,
}

impl Standing {
    fn of(entry: Option<&Entry>) -> Self {
        match entry {
            None => Self::Nothing,
            Some(Entry::File { digest, mode, .. }) => Self::File { digest: *digest, mode: *mode },
            Some(Entry::Link { target }) => Self::Link { target: target.clone() },
            Some(Entry::EmptyFolder) => Self::Folder,
        }
    }
}

/// What stands in the user's folder now, as far as the changes concern it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Current {
    /// At every path of a change, and at every folder above one. What is not named is nothing.
    pub standings: BTreeMap<TreePath, Standing>,
    /// What is below a folder that stands where a change is, if it is not too much: files, links and empty folders.
    pub inside: BTreeMap<TreePath, Inside>,
    /// Bytes of files of which only some hunks are to change, or may have changed already.
    pub bytes: BTreeMap<TreePath, Vec<u8>>,
}

/// What is below a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside {
    /// These.
    Paths {
        /// Files, links and the like.
        files: BTreeSet<TreePath>,
        /// Folders with nothing in them.
        empty: BTreeSet<TreePath>,
    },
    /// More than is looked at.
    Much,
}

impl Current {
    pub(crate) fn at(&self, path: &TreePath) -> &Standing {
        self.standings.get(path).unwrap_or(&Standing::Nothing)
    }
}

/// What will be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order of path, each path once.
    pub operations: Vec<Operation>,
    /// Changes of which nothing is done.
    pub skipped: Vec<Skipped>,
    /// What becomes of folders.
    pub folders: Folders,
}

/// One path that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Where.
    pub path: TreePath,
    /// What must stand there; anything else ends the whole application.
    pub now: Standing,
    /// What will stand there.
    pub then: Then,
}

/// What will stand at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// A file.
    File {
        /// Its bytes.
        bytes: Bytes,
        /// Whether it can be executed.
        mode: Mode,
        /// Its exact permissions, if they are known; otherwise those of the file before it, or the usual ones.
        permissions: Option<u32>,
    },
    /// A symbolic link.
    Link {
        /// What it says.
        target: Vec<u8>,
    },
    /// A folder.
    Folder {
        /// Its exact permissions, if they are known; otherwise the usual ones.
        permissions: Option<u32>,
    },
}

/// Bytes of a file to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bytes {
    /// These are kept elsewhere.
    Kept(Digest),
    /// These were put together.
    Here(Vec<u8>),
}

impl Bytes {
    pub(crate) fn digest(&self) -> Digest {
        match self {
            Self::Kept(digest) => *digest,
            Self::Here(bytes) => Digest::of(bytes),
        }
    }
}

impl Then {
    /// The standing that it leads to.
    pub(crate) fn standing(&self) -> Standing {
        match self {
            Self::Nothing => Standing::Nothing,
            Self::File { bytes, mode, .. } => Standing::File { digest: bytes.digest(), mode: *mode },
            Self::Link { target } => Standing::Link { target: target.clone() },
            Self::Folder { .. } => Standing::Folder,
        }
    }

    fn of(entry: Option<&Entry>) -> Self {
        match entry {
            None => Self::Nothing,
            Some(Entry::File { digest, mode, .. }) => {
                Self::File { bytes: Bytes::Kept(*digest), mode: *mode, permissions: None }
            }
            Some(Entry::Link { target }) => Self::Link { target: target.clone() },
            Some(Entry::EmptyFolder) => Self::Folder { permissions: None },
        }
    }
}

/// What becomes of folders besides those that an operation names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Folders {
    /// Those that lose their last file go.
    #[default]
    RemoveEmptied,
    /// Only these go when they are empty, and these are there afterwards, with these permissions.
    Exactly {
        /// Made by an application that is undone.
        remove: BTreeSet<TreePath>,
        /// Removed by an application that is undone.
        restore: BTreeMap<TreePath, u32>,
    },
}

/// A change of which nothing is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The path of the change.
    pub path: TreePath,
    /// Why.
    pub reason: Reason,
}

/// Why nothing is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// It was not approved.
    NotApproved,
    /// An approval names it, but it did not change.
    NotChanged,
    /// It stays as it is, by configuration, or because it belongs to git or to this program.
    Protected,
    /// Somebody changed it since the run began.
    Drifted,
    /// What it needs is not there: something else stands in its place, or above it.
    Blocked,
    /// It is already as it would be.
    Done,
}

/// A change with what it does to its one path, or two if it is renamed.
pub(crate) struct Candidate {
    pub(crate) path: TreePath,
    pub(crate) operations: Vec<Operation>,
}

/// Decides what is done.
///
/// # Errors
/// A hunk does not fit or does not exist; with [`DriftPolicy::Fail`], a file drifted or something stands in the way; bytes
/// are missing. Nothing is planned then.
pub fn plan(wish: &Wish<'_>, current: &Current) -> Result<Plan, ChangesError> {
    let mut skipped: Vec<Skipped> = unknown(wish);
    let mut candidates = Vec::new();
    let mut drifted = Vec::new();
    for change in wish.changes {
        let mut skip = |reason| skipped.push(Skipped { path: change.path.clone(), reason });
        let hunks = match wish.selection.pick(change) {
            Pick::Nothing => {
                skip(Reason::NotApproved);
                continue;
            }
            Pick::Unknown(index) => {
                return Err(ChangesError::NoSuchHunk { path: change.path.clone(), index });
            }
            Pick::Whole => None,
            Pick::Hunks(hunks) => Some(hunks),
        };
        if paths(change).any(|path| is_protected(path, wish.protected)) {
            skip(Reason::Protected);
            continue;
        }
        let parts = parts(change);
        // A folder that stays while what was in it goes has to be named, or it would go as well.
        let is_folder = change.after == Some(Entry::EmptyFolder);
        if hunks.is_none() && !is_folder && parts.iter().all(|part| part.is_there(current)) {
            skip(Reason::Done);
            continue;
        }
        let held = held(wish, change, current)?;
        if let (Some(held), Some(chosen)) = (&held, &hunks)
            && chosen.is_subset(held)
        {
            skip(Reason::Done);
            continue;
        }
        let is_foreign =
            |part: &Part<'_>| part.differs(current) && (hunks.is_some() || !part.is_there(current));
        if held.is_none() && parts.iter().any(is_foreign) {
            match wish.drift {
                DriftPolicy::Skip => {
                    skip(Reason::Drifted);
                    continue;
                }
                DriftPolicy::Fail => {
                    drifted.push(change.path.clone());
                    continue;
                }
                DriftPolicy::PreferPresenter => {}
            }
        }
        let mut operations = Vec::new();
        for part in &parts {
            let then = match (&hunks, part.after) {
                (Some(chosen), Some(after)) => {
                    some_hunks(wish, change, after, (chosen, held.as_ref()), part.path, current)?
                }
                (Some(_) | None, after) => Then::of(after),
            };
            let now = current.at(part.path).clone();
            if now != then.standing() || is_folder {
                operations.push(Operation { path: part.path.clone(), now, then });
            }
        }
        candidates.push(Candidate { path: change.path.clone(), operations });
    }
    if !drifted.is_empty() {
        return Err(ChangesError::Drifted { paths: drifted });
    }
    let blocked = remove_blocked(&mut candidates, current);
    if wish.drift == DriftPolicy::Fail && !blocked.is_empty() {
        return Err(ChangesError::Blocked { paths: blocked });
    }
    skipped.extend(blocked.into_iter().map(|path| Skipped { path, reason: Reason::Blocked }));
    skipped.sort_by(|a, b| (&a.path, a.reason).cmp(&(&b.path, b.reason)));
    let mut operations: Vec<_> = candidates.into_iter().flat_map(|candidate| candidate.operations).collect();
    make_room(&mut operations, current);
    operations.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Plan { operations, skipped, folders: Folders::RemoveEmptied })
}

/// Every path that planning looks at, besides the folders above them.
pub(crate) fn paths(change: &FileChange) -> impl Iterator<Item = &TreePath> {
    change.from.iter().chain(std::iter::once(&change.path))
}

/// One path of a change.
pub(super) struct Part<'a> {
    path: &'a TreePath,
    before: Option<&'a Entry>,
    after: Option<&'a Entry>,
}

impl Part<'_> {
    /// Whether it stands as it is to be.
    pub(super) fn is_there(&self, current: &Current) -> bool {
        *current.at(self.path) == Standing::of(self.after)
    }

    /// Whether it does not stand as it was.
    pub(super) fn differs(&self, current: &Current) -> bool {
        let now = current.at(self.path);
        // What comes where a folder stands, or above, is decided later: its content may be going too.
        *now != Standing::of(self.before) && !(self.before.is_none() && *now == Standing::Folder)
    }
}

pub(super) fn parts(change: &FileChange) -> Vec<Part<'_>> {
    match &change.from {
        Some(from) => vec![
            Part { path: from, before: change.before.as_ref(), after: None },
            Part { path: &change.path, before: None, after: change.after.as_ref() },
        ],
        None => {
            vec![Part { path: &change.path, before: change.before.as_ref(), after: change.after.as_ref() }]
        }
    }
}

/// Approved paths that did not change.
fn unknown(wish: &Wish<'_>) -> Vec<Skipped> {
    let changed: BTreeSet<&TreePath> = wish.changes.iter().map(|change| &change.path).collect();
    let named = wish.selection.files.iter().flatten().chain(wish.selection.hunks.keys());
    let unknown: BTreeSet<&TreePath> = named.filter(|path| !changed.contains(path)).collect();
    unknown.into_iter().map(|path| Skipped { path: path.clone(), reason: Reason::NotChanged }).collect()
}

pub(super) fn is_protected(path: &TreePath, protected: &[TreePath]) -> bool {
    // A protected path below `path` would go with it only if `path` became something else; then it is changed itself.
    is_bookkeeping(path) || protected.iter().any(|root| is_within(path, root))
}

/// Which hunks of a change stand in its file already, when it is else as it was: some were applied before. Nothing when it
/// is as it was, or somebody changed it otherwise.
pub(super) fn held(
    wish: &Wish<'_>,
    change: &FileChange,
    current: &Current,
) -> Result<Option<BTreeSet<usize>>, ChangesError> {
    let (
        Some(Entry::File { digest, mode, .. }),
        Some(Entry::File { mode: then, .. }),
        Text::Hunks(hunks),
        None,
        Standing::File { digest: now, mode: is },
    ) = (&change.before, &change.after, &change.text, &change.from, current.at(&change.path))
    else {
        return Ok(None);
    };
    let Some(bytes) = current.bytes.get(&change.path) else { return Ok(None) };
    if now == digest || (is != mode && is != then) {
        return Ok(None);
    }
    let read = wish.contents.read(digest);
    let old = read.map_err(|source| ChangesError::Content { path: change.path.clone(), source })?;
    Ok(hunks::held(&old, hunks, bytes))
}

/// Whether the file of a change may hold some of its hunks, and not all: it is neither as it was nor as it is to be.
pub(crate) fn may_hold_some(change: &FileChange, now: &Standing) -> bool {
    let is_divided = matches!(&change.text, Text::Hunks(hunks) if hunks.len() > 1);
    let differs = |entry: &Option<Entry>| Standing::of(entry.as_ref()) != *now;
    is_divided && differs(&change.before) && differs(&change.after)
}

/// The file with some of its hunks. Its mode stays, unless the whole is approved.
fn some_hunks(
    wish: &Wish<'_>,
    change: &FileChange,
    after: &Entry,
    (chosen, held): (&BTreeSet<usize>, Option<&BTreeSet<usize>>),
    place: &TreePath,
    current: &Current,
) -> Result<Then, ChangesError> {
    let read = |digest: &Digest| {
        wish.contents
            .read(digest)
            .map_err(|source| ChangesError::Content { path: change.path.clone(), source })
    };
    let (Some(Entry::File { digest, mode, .. }), Entry::File { .. }) = (&change.before, after) else {
        return Ok(Then::of(Some(after)));
    };
    let source = change.from.as_ref().unwrap_or(place);
    let text = match current.at(source) {
        Standing::File { digest: now, .. } if now == digest || held.is_some() => read(digest)?,
        Standing::File { .. } => current.bytes.get(source).cloned().unwrap_or_default(),
        Standing::Nothing | Standing::Link { .. } | Standing::Folder | Standing::Other => Vec::new(),
    };
    let all: &[Hunk] = match &change.text {
        Text::Hunks(hunks) => hunks,
        Text::Same | Text::Binary | Text::Long => &[],
    };
    let is_wanted = |index: &usize| chosen.contains(index) || held.is_some_and(|held| held.contains(index));
    let hunks: Vec<&Hunk> = all.iter().filter(|hunk| is_wanted(&hunk.index)).collect();
    let bytes = hunks::put_in(&text, &hunks).map_err(|hunks::DoesNotFit(index)| {
        ChangesError::HunkDoesNotFit { path: change.path.clone(), index }
    })?;
    let mode = match current.at(source) {
        Standing::File { mode, .. } => *mode,
        Standing::Nothing | Standing::Link { .. } | Standing::Folder | Standing::Other => *mode,
    };
    Ok(Then::File { bytes: Bytes::Here(bytes), mode, permissions: None })
}

/// Takes out every change that cannot be made, and says whose it was. What one of them would have removed may be in the
/// way of another, so this goes on until nothing changes.
pub(crate) fn remove_blocked(candidates: &mut Vec<Candidate>, current: &Current) -> Vec<TreePath> {
    let mut blocked = Vec::new();
    loop {
        let planned: BTreeMap<&TreePath, &Then> = candidates
            .iter()
            .flat_map(|candidate| &candidate.operations)
            .map(|operation| (&operation.path, &operation.then))
            .collect();
        let is_free = |candidate: &Candidate| {
            candidate.operations.iter().all(|operation| can_be_done(operation, &planned, current))
        };
        let free: Vec<bool> = candidates.iter().map(is_free).collect();
        if free.iter().all(|free| *free) {
            return blocked;
        }
        let mut free = free.into_iter();
        candidates.retain(|candidate| {
            let keep = free.next().unwrap_or(true);
            if !keep {
                blocked.push(candidate.path.clone());
            }
            keep
        });
    }
}

/// Adds the removal of folders, empty ones only, that are in a folder whose place something else takes.
pub(crate) fn make_room(operations: &mut Vec<Operation>, current: &Current) {
    let planned: BTreeSet<TreePath> = operations.iter().map(|operation| operation.path.clone()).collect();
    let replaces = |operation: &&Operation| matches!(operation.then, Then::File { .. } | Then::Link { .. });
    let room: BTreeSet<TreePath> = operations
        .iter()
        .filter(replaces)
        .filter_map(|operation| current.inside.get(&operation.path))
        .flat_map(|inside| match inside {
            Inside::Paths { empty, .. } => empty.iter().cloned().collect(),
            Inside::Much => Vec::new(),
        })
        .filter(|path| !planned.contains(path))
        .collect();
    operations.extend(room.into_iter().map(|path| Operation {
        path,
        now: Standing::Folder,
        then: Then::Nothing,
    }));
}

fn can_be_done(operation: &Operation, planned: &BTreeMap<&TreePath, &Then>, current: &Current) -> bool {
    let place_is_free = match &operation.now {
        Standing::Nothing | Standing::File { .. } | Standing::Link { .. } => true,
        Standing::Other => false,
        // An empty folder that is to go, but is not empty, stays; nothing is lost by that.
        Standing::Folder => match (&operation.then, current.inside.get(&operation.path)) {
            (Then::Nothing | Then::Folder { .. }, _) | (_, None) => true,
            (Then::File { .. } | Then::Link { .. }, Some(Inside::Paths { files, .. })) => {
                files.iter().all(|path| planned.get(path).is_some_and(|then| **then == Then::Nothing))
            }
            (Then::File { .. } | Then::Link { .. }, Some(Inside::Much)) => false,
        },
    };
    let way_is_free = match &operation.then {
        Then::Nothing => true,
        Then::File { .. } | Then::Link { .. } | Then::Folder { .. } => {
            folders_above(&operation.path).all(|folder| match planned.get(&folder) {
                Some(then) => matches!(then, Then::Nothing | Then::Folder { .. }),
                None => matches!(current.at(&folder), Standing::Nothing | Standing::Folder),
            })
        }
    };
    place_is_free && way_is_free
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;

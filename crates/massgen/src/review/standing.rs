//! What of a proposal is in the project now, whoever put it there.

use std::collections::{BTreeMap, BTreeSet};

use massgen_journal::artifacts::RunFolder;
use massgen_workspace::SnapshotStore;
use massgen_workspace::changes::{
    ChangesError, Presence, Selection, Target, Wish, presences, read_path, spell,
};

use super::application::Application;
use super::proposal::{ContextChanges, Proposal};
use super::telling;
use crate::failure::Failure;

/// How one change stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is in the project.
    Applied,
    /// These places of it are, and the others are as they were.
    InPart(BTreeSet<usize>),
    /// It is not.
    Open,
    /// It is not, and never will be.
    Protected,
    /// It never was, and the file is not as the run found it.
    Drifted,
    /// It was, and somebody changed the file since.
    ChangedSince,
    /// Only some places of it were, and somebody changed the file since.
    InPartChangedSince,
}

impl Standing {
    /// For people.
    pub(super) fn words(&self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::InPart(_) => "applied in part",
            Self::Open => "not applied",
            Self::Protected => "not applied: it is protected",
            Self::Drifted => "not applied: it changed in the project meanwhile",
            Self::ChangedSince => "applied, and changed since",
            Self::InPartChangedSince => "applied in part, and changed since",
        }
    }

    /// Whether the place with this number, from 0, is in the project.
    pub(super) fn holds(&self, place: usize) -> bool {
        match self {
            Self::Applied => true,
            Self::InPart(places) => places.contains(&place),
            Self::Open | Self::Protected | Self::Drifted | Self::ChangedSince | Self::InPartChangedSince => {
                false
            }
        }
    }
}

/// How the changes of a proposal stand, by number of context path and of change.
#[derive(Debug, Default)]
pub(super) struct Standings {
    of: BTreeMap<(usize, usize), Standing>,
    /// Whether `massgen undo` has something to take back: what a person put in by hand it leaves alone.
    pub(super) is_undoable: bool,
    /// Context paths that nothing can be known of, each with the reason.
    pub(super) unknown: Vec<(String, ChangesError)>,
}

impl Standings {
    /// Looks at the project. Blocks.
    ///
    /// # Errors
    /// When what was applied before cannot be read.
    pub(super) fn of(
        proposal: &Proposal,
        (run, store): (&RunFolder, &SnapshotStore),
    ) -> Result<Self, Failure> {
        let applied = applied(run)?;
        let mut standings = Self { is_undoable: !applied.is_empty(), ..Self::default() };
        for (at, context) in proposal.contexts.iter().enumerate() {
            match look(context, store) {
                Ok(found) => {
                    let changes = found.into_iter().zip(&context.changes).enumerate();
                    standings.of.extend(changes.map(|(number, (presence, change))| {
                        let before = || {
                            let all = telling::hunks(change).iter().map(|hunk| hunk.index).collect();
                            applied.get(&(context.path.clone(), spell(&change.path))).map(|places| {
                                match places {
                                    Some(places) if *places != all => Standing::InPartChangedSince,
                                    Some(_) | None => Standing::ChangedSince,
                                }
                            })
                        };
                        let standing = match presence {
                            Presence::Whole => Standing::Applied,
                            Presence::Hunks(places) => Standing::InPart(places),
                            Presence::Nothing => Standing::Open,
                            Presence::Protected => Standing::Protected,
                            Presence::Differs => before().unwrap_or(Standing::Drifted),
                        };
                        ((at, number), standing)
                    }));
                }
                Err(error) => standings.unknown.push((context.path.clone(), error)),
            }
        }
        Ok(standings)
    }

    /// How this change stands; nothing if it is not known.
    pub(super) fn get(&self, key: (usize, usize)) -> Option<&Standing> {
        self.of.get(&key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Standing> {
        self.of.values()
    }
}

fn look(context: &ContextChanges, store: &SnapshotStore) -> Result<Vec<Presence>, ChangesError> {
    let selection = Selection::all();
    let current = Target::open(&context.isolated.target)?.current(&context.changes, &selection)?;
    let wish = Wish {
        changes: &context.changes,
        selection: &selection,
        drift: context.drift,
        protected: &context.protected,
        contents: store,
    };
    presences(&wish, &current)
}

/// What was applied, by context path and path below that: which places of it, or nothing where it was the whole.
type AppliedPlaces = BTreeMap<(String, String), Option<BTreeSet<usize>>>;

/// What the run applied and nobody took back with `massgen undo`.
fn applied(run: &RunFolder) -> Result<AppliedPlaces, Failure> {
    let mut applied = AppliedPlaces::new();
    for application in Application::all(run)?.into_iter().filter(|application| !application.is_undone()) {
        let approval = application.decision()?.map(|decision| decision.approval).unwrap_or_default();
        for context in application.outcome()?.map(|outcome| outcome.contexts).unwrap_or_default() {
            let chosen = approval.selection(&context.context).hunks;
            for path in context.applied {
                let places = read_path(&path).and_then(|path| chosen.get(&path).cloned());
                let key = (context.context.clone(), path);
                let so_far = applied.entry(key).or_insert_with(|| Some(BTreeSet::new()));
                *so_far = so_far.take().zip(places).map(|(some, more)| some.union(&more).copied().collect());
            }
        }
    }
    Ok(applied)
}

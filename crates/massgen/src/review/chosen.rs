//! What a person names of the changes of a run, on the command line.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use massgen_protocol::plain;
use massgen_workspace::TreePath;
use massgen_workspace::changes::{Approval, ApprovalByContext, FileChange, listed};

use super::proposal::{ContextChanges, Proposal};
use super::standing::{Standing, Standings};
use super::telling;
use crate::environment::Environment;

/// What of a run is applied; without any of it, everything.
#[derive(Debug, Default)]
pub(crate) struct Chosen<'a> {
    /// Files and folders, named as `massgen changes` does or as a shell completes them.
    pub(crate) files: &'a [String],
    /// Places of files: the name, `:`, and the number of the place, from 1.
    pub(crate) places: &'a [String],
}

/// Changes that are chosen, by number of context path and of change; of those with places, only these.
pub(super) type Choice = BTreeMap<(usize, usize), Option<BTreeSet<usize>>>;

impl Chosen<'_> {
    /// What is meant of `proposal`.
    ///
    /// # Errors
    /// What names nothing of it.
    pub(super) fn of(&self, proposal: &Proposal, environment: &Environment) -> Result<Choice, String> {
        if self.files.is_empty() && self.places.is_empty() {
            return Ok(proposal.names().into_keys().map(|key| (key, None)).collect());
        }
        let find = |name: &str| find(proposal, name, environment);
        let mut choice = Choice::new();
        for place in self.places {
            let (name, number) = place
                .rsplit_once(':')
                .and_then(|(name, number)| Some((name, number.parse::<usize>().ok()?)))
                .ok_or_else(|| {
                    format!("`{place}` names no place of a file: that is the file, `:` and a number")
                })?;
            let found = find(name)?;
            let [key] = found.as_slice() else {
                return Err(format!("`{name}` is more than one file; a place is one of a file"));
            };
            let places = change(proposal, *key).map(|(_, change)| telling::hunks(change)).unwrap_or_default();
            if places.is_empty() {
                return Err(format!("`{name}` is applied as a whole, with `--file`"));
            }
            let index = number.checked_sub(1).filter(|index| *index < places.len());
            let index = index.ok_or_else(|| match places.len() {
                1 => format!("`{name}` changed in 1 place; there is no place {number}"),
                count => format!("`{name}` changed in {count} places; there is no place {number}"),
            })?;
            choice.entry(*key).or_insert_with(|| Some(BTreeSet::new())).get_or_insert_default().insert(index);
        }
        for name in self.files {
            // The whole has all places.
            choice.extend(find(name)?.into_iter().map(|key| (key, None)));
        }
        Ok(choice)
    }
}

/// What of `choice` is not in the project yet.
pub(super) fn open(choice: &Choice, standings: &Standings) -> Choice {
    let is_there = |(key, places): &(&(usize, usize), &Option<BTreeSet<usize>>)| {
        let standing = standings.get(**key);
        match places {
            None => standing == Some(&Standing::Applied),
            Some(places) => {
                standing.is_some_and(|standing| places.iter().all(|place| standing.holds(*place)))
            }
        }
    };
    let open = choice.iter().filter(|chosen| !is_there(chosen));
    open.map(|(key, places)| (*key, places.clone())).collect()
}

/// `choice` as an approval; of a proposal as a whole, the approval of everything.
pub(super) fn approval(proposal: &Proposal, choice: &Choice) -> Approval {
    if choice.values().all(Option::is_none) && choice.len() == proposal.names().len() {
        return Approval::default();
    }
    let mut files: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut hunks: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
    for (key, places) in choice {
        let Some((context, change)) = change(proposal, *key) else { continue };
        let path = listed(change).path;
        files.entry(context.path.clone()).or_default().push(path.clone());
        if let Some(places) = places {
            let of_context = hunks.entry(context.path.clone()).or_default();
            of_context.insert(path, places.iter().copied().collect());
        }
    }
    Approval {
        approved_files: None,
        metadata: ApprovalByContext {
            approved_files_by_context: Some(files),
            approved_hunks_by_context: Some(hunks),
        },
    }
}

fn change(proposal: &Proposal, (at, number): (usize, usize)) -> Option<(&ContextChanges, &FileChange)> {
    let context = proposal.contexts.get(at)?;
    Some((context, context.changes.get(number)?))
}

/// The changes that `name` means: the one that is listed so, or else all at or below the path that it is, seen from the
/// working directory. If there is one context path, a name is one below that, too, unless it says where it begins, as `.`
/// does. Both names of a renamed file mean it.
fn find(proposal: &Proposal, name: &str, environment: &Environment) -> Result<Vec<(usize, usize)>, String> {
    let names = proposal.names();
    if let Some((key, _)) = names.iter().find(|(_, known)| *known == name) {
        return Ok(vec![*key]);
    }
    let typed = Path::new(name);
    let is_below = typed.components().all(|component| matches!(component, Component::Normal(_)));
    let bases = [Some(environment.working_directory.as_path()), alone(proposal).filter(|_| is_below)];
    for base in bases.into_iter().flatten() {
        let path = plain(&environment.in_folder(base).absolute(typed));
        // What a variable of a shell leaves that is not set: it is hardly meant to be everything.
        if name.is_empty() || path.parent().is_none() {
            return Err(format!("`{name}` names no file"));
        }
        let found: Vec<(usize, usize)> =
            names.keys().copied().filter(|key| is_at(proposal, *key, &path)).collect();
        if !found.is_empty() {
            return Ok(found);
        }
    }
    Err(format!("the run did not change `{name}`"))
}

fn alone(proposal: &Proposal) -> Option<&Path> {
    match proposal.contexts.as_slice() {
        [context] => Some(&context.isolated.target),
        _ => None,
    }
}

fn is_at(proposal: &Proposal, key: (usize, usize), path: &Path) -> bool {
    change(proposal, key).is_some_and(|(context, change)| {
        let is_there = |of_change: &Path| context.isolated.target.join(of_change).starts_with(path);
        let from = change.from.as_ref().map(TreePath::as_path);
        is_there(change.path.as_path()) || from.is_some_and(|from| context.isolated.target.join(from) == path)
    })
}

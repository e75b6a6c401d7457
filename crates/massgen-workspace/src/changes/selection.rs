//! Which changes were approved.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::changes::file_change::{FileChange, Text};
use crate::changes::spelling;
use crate::tree::TreePath;

/// The part of a review decision that says which changes are approved, of all context paths.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Approval {
    /// Paths below their context path, or `<context path>::<path>`. Nothing given: all; an empty list: none.
    pub approved_files: Option<Vec<String>>,
    /// What only these fields say comes before [`Self::approved_files`].
    pub metadata: ApprovalByContext,
}

/// Approved changes by context path. A context path that a map does not name has nothing approved by that map.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ApprovalByContext {
    /// Paths by context path.
    pub approved_files_by_context: Option<BTreeMap<String, Vec<String>>>,
    /// Numbers of hunks, from 0, by file and context path. A file that is not named is approved, or not, as a whole.
    pub approved_hunks_by_context: Option<BTreeMap<String, BTreeMap<String, Vec<usize>>>>,
}

impl Approval {
    /// What is approved below the context path `context`.
    pub fn selection(&self, context: &str) -> Selection {
        let by_context = &self.metadata;
        let files = match (&by_context.approved_files_by_context, &self.approved_files) {
            (Some(map), _) => Some(map.get(context).map(|paths| read_all(paths)).unwrap_or_default()),
            (None, Some(paths)) => {
                let below = |path: &str| match path.split_once("::") {
                    Some((of, rest)) if of == context => spelling::read(rest),
                    // Of another context path. A name with `::` in it does not begin like this.
                    Some((of, _)) if of.starts_with('/') => None,
                    Some(_) | None => spelling::read(path),
                };
                Some(paths.iter().filter_map(|path| below(path)).collect())
            }
            (None, None) => None,
        };
        let hunks = by_context
            .approved_hunks_by_context
            .as_ref()
            .and_then(|map| map.get(context))
            .map(|map| {
                let one = |(path, hunks): (&String, &Vec<usize>)| {
                    Some((spelling::read(path)?, hunks.iter().copied().collect()))
                };
                map.iter().filter_map(one).collect()
            })
            .unwrap_or_default();
        Selection { files, hunks }
    }
}

fn read_all(paths: &[String]) -> BTreeSet<TreePath> {
    paths.iter().filter_map(|path| spelling::read(path)).collect()
}

/// Which changes of one context path are approved.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// If given, these files and no others.
    pub files: Option<BTreeSet<TreePath>>,
    /// Of these files only these hunks, if the file is approved.
    pub hunks: BTreeMap<TreePath, BTreeSet<usize>>,
}

/// What is approved of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pick {
    Nothing,
    Whole,
    /// At least one hunk, and not all.
    Hunks(BTreeSet<usize>),
    /// A hunk that is not there.
    Unknown(usize),
}

impl Selection {
    /// Everything.
    pub fn all() -> Self {
        Self::default()
    }

    /// Nothing.
    pub fn none() -> Self {
        Self { files: Some(BTreeSet::new()), hunks: BTreeMap::new() }
    }

    /// These files, whole.
    pub fn files(paths: impl IntoIterator<Item = TreePath>) -> Self {
        Self { files: Some(paths.into_iter().collect()), hunks: BTreeMap::new() }
    }

    /// What is approved of `change`. Only what has hunks, and stays a file, can be approved in part: of anything else, any
    /// hunk stands for the whole.
    pub(crate) fn pick(&self, change: &FileChange) -> Pick {
        if self.files.as_ref().is_some_and(|files| !files.contains(&change.path)) {
            return Pick::Nothing;
        }
        let Some(chosen) = self.hunks.get(&change.path) else { return Pick::Whole };
        let there = match &change.text {
            Text::Hunks(hunks) => hunks.len(),
            // A file that is shown without hunks is one piece.
            Text::Same | Text::Binary | Text::Long => 1,
        };
        if let Some(unknown) = chosen.iter().find(|index| **index >= there) {
            return Pick::Unknown(*unknown);
        }
        if chosen.is_empty() {
            Pick::Nothing
        } else if chosen.len() == there || change.before.is_none() || change.after.is_none() {
            Pick::Whole
        } else {
            Pick::Hunks(chosen.clone())
        }
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;

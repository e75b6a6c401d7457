//! How much of the changes is in the user's folder, whoever put it there.

use std::collections::BTreeSet;

use crate::changes::error::ChangesError;
use crate::changes::file_change::FileChange;
use crate::changes::plan::{Current, Wish, held, is_protected, parts, paths};

/// How a change stands in the user's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is there.
    Whole,
    /// These of its hunks are there, at least one and not all; else the file is as it was.
    Hunks(BTreeSet<usize>),
    /// Nothing of it is there: all is as it was.
    Nothing,
    /// It is not there, and never comes: by configuration, or because it belongs to git or to this program.
    Protected,
    /// Neither is it there nor is all as it was: somebody changed it.
    Differs,
}

/// How each change of `wish` stands, in their order. What is selected, and what is done about drift, does not matter.
///
/// # Errors
/// Bytes are missing.
pub fn presences(wish: &Wish<'_>, current: &Current) -> Result<Vec<Presence>, ChangesError> {
    wish.changes.iter().map(|change| presence(change, wish, current)).collect()
}

fn presence(change: &FileChange, wish: &Wish<'_>, current: &Current) -> Result<Presence, ChangesError> {
    let parts = parts(change);
    if parts.iter().all(|part| part.is_there(current)) {
        return Ok(Presence::Whole);
    }
    if paths(change).any(|path| is_protected(path, wish.protected)) {
        return Ok(Presence::Protected);
    }
    let is_foreign = parts.iter().any(|part| part.differs(current) && !part.is_there(current));
    Ok(match held(wish, change, current)? {
        Some(held) if held.is_empty() => Presence::Nothing,
        Some(held) => Presence::Hunks(held),
        None if is_foreign => Presence::Differs,
        None => Presence::Nothing,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::changes::compare::compare;
    use crate::changes::fixture::{Store, path, temporary, tree, write};
    use crate::changes::scope::Scope;
    use crate::changes::selection::Selection;
    use crate::changes::target::Target;
    use massgen_protocol::workspace::DriftPolicy;

    const LONG: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

    #[test]
    fn what_is_there_in_part_or_not_is_told_apart_from_what_somebody_changed() {
        let mut store = Store::new();
        let long = |first: &str, last: &str| LONG.replace("1\n2", first).replace("9\n10", last);
        let both = long("one\n2", "9\nten");
        let before =
            [("applied", "1"), ("gone", "1"), ("kept", "1"), ("long", LONG), ("mine", "1"), ("open", "1")];
        let after =
            [("applied", "2"), ("kept", "2"), ("long", &both), ("mine", "2"), ("new", "2"), ("open", "2")];
        let half = long("one\n2", "9\n10");
        let now = [("applied", "2"), ("kept", "1"), ("long", &half), ("mine", "3"), ("open", "1")];
        let trees = [&before[..], &after, &now].map(|files| tree(files, &mut store));
        let root = temporary();
        write(root.path(), &trees[2], &store);
        let changes = compare(&trees[0], &trees[1], &store, &Scope::default()).unwrap().changes;
        let selection = Selection::all();
        let current = Target::open(root.path()).unwrap().current(&changes, &selection).unwrap();
        let wish = Wish {
            changes: &changes,
            selection: &selection,
            drift: DriftPolicy::Fail,
            protected: &[path("kept")],
            contents: &store,
        };
        let found = presences(&wish, &current).unwrap();
        let names = changes.iter().map(|change| change.path.as_path().display().to_string());
        let expected = [
            ("applied", Presence::Whole),
            ("gone", Presence::Whole),
            ("kept", Presence::Protected),
            ("long", Presence::Hunks([0].into())),
            ("mine", Presence::Differs),
            ("new", Presence::Nothing),
            ("open", Presence::Nothing),
        ];
        let expected = expected.map(|(name, presence)| (name.to_owned(), presence));
        assert_eq!(names.zip(found).collect::<Vec<_>>(), expected);
    }
}

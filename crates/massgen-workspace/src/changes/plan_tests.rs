use std::collections::BTreeMap;
use std::path::Path;

use massgen_protocol::workspace::DriftPolicy;

use super::{Plan, Reason, Wish, plan};
use crate::changes::compare::compare;
use crate::changes::error::ChangesError;
use crate::changes::fixture::{Store, path, temporary, tree, write};
use crate::changes::scope::Scope;
use crate::changes::selection::Selection;
use crate::changes::target::Target;

/// Three versions of a folder, each a list of names and contents.
struct Case<'a> {
    before: &'a [(&'a str, &'a str)],
    after: &'a [(&'a str, &'a str)],
    now: &'a [(&'a str, &'a str)],
}

fn decide(
    case: &Case<'_>,
    selection: &Selection,
    drift: DriftPolicy,
    protected: &[&str],
) -> Result<Plan, ChangesError> {
    let mut store = Store::new();
    let (before, after) = (tree(case.before, &mut store), tree(case.after, &mut store));
    let root = temporary();
    let now = tree(case.now, &mut store);
    write(root.path(), &now, &store);
    let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
    let current = Target::open(root.path()).unwrap().current(&changes, selection).unwrap();
    let protected: Vec<_> = protected.iter().map(|name| path(name)).collect();
    plan(&Wish { changes: &changes, selection, drift, protected: &protected, contents: &store }, &current)
}

fn reasons(plan: &Plan) -> BTreeMap<&Path, Reason> {
    plan.skipped.iter().map(|skipped| (skipped.path.as_path(), skipped.reason)).collect()
}

fn operated(plan: &Plan) -> Vec<&Path> {
    plan.operations.iter().map(|operation| operation.path.as_path()).collect()
}

const DRIFTED: Case<'_> = Case {
    before: &[("a", "1"), ("b", "1"), ("c", "1"), ("d", "1"), ("same", "1")],
    after: &[("a", "2"), ("b", "2"), ("d", "2"), ("new", "2"), ("same", "2")],
    now: &[("a", "mine"), ("b", "1"), ("c", "mine"), ("new", "mine"), ("same", "2")],
};

#[test]
fn drifted_files_are_skipped_and_the_others_are_changed() {
    let plan = decide(&DRIFTED, &Selection::all(), DriftPolicy::Skip, &[]).unwrap();
    assert_eq!(operated(&plan), [Path::new("b")]);
    let expected = [
        ("a", Reason::Drifted),
        ("c", Reason::Drifted),
        ("d", Reason::Drifted),
        ("new", Reason::Drifted),
        ("same", Reason::Done),
    ];
    assert_eq!(reasons(&plan), expected.map(|(name, reason)| (Path::new(name), reason)).into());
}

#[test]
fn presenter_overwrites_drifted_files_if_the_policy_says_so() {
    let plan = decide(&DRIFTED, &Selection::all(), DriftPolicy::PreferPresenter, &[]).unwrap();
    assert_eq!(operated(&plan), ["a", "b", "c", "d", "new"].map(Path::new));
}

#[test]
fn one_drifted_file_fails_everything_if_the_policy_says_so() {
    let failed = decide(&DRIFTED, &Selection::all(), DriftPolicy::Fail, &[]).unwrap_err();
    insta::assert_snapshot!(failed, @"changed in the project since the run began: `a`, `c`, `d`, `new`");
    // What was not approved does not matter.
    let plan = decide(&DRIFTED, &Selection::files([path("b")]), DriftPolicy::Fail, &[]).unwrap();
    assert_eq!(operated(&plan), [Path::new("b")]);
}

#[test]
fn protected_paths_and_everything_below_them_stay() {
    let case = Case {
        before: &[("keep/a", "1"), ("keeper", "1"), ("file", "some\nlong\nname\n")],
        after: &[("keep/a", "2"), ("keeper", "2"), ("keep/file", "some\nlong\nname\n")],
        now: &[("keep/a", "1"), ("keeper", "1"), ("file", "some\nlong\nname\n")],
    };
    let plan = decide(&case, &Selection::all(), DriftPolicy::PreferPresenter, &["keep"]).unwrap();
    assert_eq!(operated(&plan), [Path::new("keeper")]);
    let protected = Reason::Protected;
    assert_eq!(
        reasons(&plan),
        [(Path::new("keep/a"), protected), (Path::new("keep/file"), protected)].into()
    );
}

#[test]
fn folder_with_files_of_others_is_never_replaced() {
    let case = Case {
        before: &[("d/a", "1")],
        after: &[("d", "now a file")],
        now: &[("d/a", "1"), ("d/mine", "mine")],
    };
    for drift in [DriftPolicy::Skip, DriftPolicy::PreferPresenter] {
        let plan = decide(&case, &Selection::all(), drift, &[]).unwrap();
        assert_eq!(operated(&plan), [Path::new("d/a")]);
        assert_eq!(reasons(&plan), [(Path::new("d"), Reason::Blocked)].into());
    }
    assert!(matches!(
        decide(&case, &Selection::all(), DriftPolicy::Fail, &[]),
        Err(ChangesError::Blocked { .. })
    ));
}

#[test]
fn empty_folders_make_room_and_come_back_when_it_is_undone() {
    let case = Case { before: &[], after: &[("d", "now a file")], now: &[("d/e/f/", ""), ("d/g/", "")] };
    let plan = decide(&case, &Selection::all(), DriftPolicy::Fail, &[]).unwrap();
    assert_eq!(operated(&plan), ["d", "d/e/f", "d/g"].map(Path::new));
}

#[test]
fn file_below_a_file_needs_that_one_to_go() {
    let case = Case { before: &[("d", "1")], after: &[("d/a", "2")], now: &[("d", "1")] };
    let all = decide(&case, &Selection::all(), DriftPolicy::Skip, &[]).unwrap();
    assert_eq!(operated(&all), [Path::new("d"), Path::new("d/a")]);
    let half = decide(&case, &Selection::files([path("d/a")]), DriftPolicy::Skip, &[]).unwrap();
    assert_eq!(operated(&half), Vec::<&Path>::new());
    assert_eq!(
        reasons(&half),
        [(Path::new("d"), Reason::NotApproved), (Path::new("d/a"), Reason::Blocked)].into()
    );
}

const NUMBERS: &str = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n";

fn hunks(indexes: &[usize]) -> Selection {
    let mut selection = Selection::all();
    selection.hunks.insert(path("f"), indexes.iter().copied().collect());
    selection
}

#[test]
fn one_of_two_hunks_is_put_into_a_file_that_changed_elsewhere() {
    let (after, now) =
        ([("f", "one\n2\n3\n4\n5\n6\n7\n8\n9\nten\n")], [("f", "1\n2\n3\n4\nmine\n5\n6\n7\n8\n9\n10\n")]);
    let case = Case { before: &[("f", NUMBERS)], after: &after, now: &now };
    let skipped = decide(&case, &hunks(&[1]), DriftPolicy::Skip, &[]).unwrap();
    assert_eq!(reasons(&skipped), [(Path::new("f"), Reason::Drifted)].into());
    let plan = decide(&case, &hunks(&[1]), DriftPolicy::PreferPresenter, &[]).unwrap();
    let super::Then::File { bytes: super::Bytes::Here(bytes), .. } = &plan.operations[0].then else {
        panic!("{plan:?}")
    };
    assert_eq!(bytes, b"1\n2\n3\n4\nmine\n5\n6\n7\n8\n9\nten\n");
}

#[test]
fn hunk_that_does_not_fit_fails_everything_and_is_named() {
    let (after, now) =
        ([("f", "one\n2\n3\n4\n5\n6\n7\n8\n9\nten\n")], [("f", "1\n2\n3\n4\n5\n6\n7\n8\n9\nmine\n")]);
    let case = Case { before: &[("f", NUMBERS)], after: &after, now: &now };
    let failed = decide(&case, &hunks(&[1]), DriftPolicy::PreferPresenter, &[]).unwrap_err();
    insta::assert_snapshot!(failed, @"place 2 of `f` does not fit");
    let unknown = decide(&case, &hunks(&[7]), DriftPolicy::Skip, &[]).unwrap_err();
    insta::assert_snapshot!(unknown, @"`f` has no place 8");
}

#[test]
fn approved_path_that_did_not_change_is_told() {
    let case = Case { before: &[("f", "1")], after: &[("f", "2")], now: &[("f", "1")] };
    let plan = decide(&case, &Selection::files([path("g")]), DriftPolicy::Skip, &[]).unwrap();
    assert_eq!(
        reasons(&plan),
        [(Path::new("f"), Reason::NotApproved), (Path::new("g"), Reason::NotChanged)].into()
    );
}

use std::collections::BTreeMap;

use super::{Comparison, compare};
use crate::changes::file_change::{Status, Text};
use crate::changes::fixture::{Store, path, tree};
use crate::changes::scope::{IgnoreRules, Ignores, Scope};
use crate::changes::unified::listed;

fn comparison(before: &[(&str, &str)], after: &[(&str, &str)], scope: &Scope) -> Comparison {
    let mut store = Store::new();
    let (before, after) = (tree(before, &mut store), tree(after, &mut store));
    compare(&before, &after, &store, scope).unwrap()
}

/// The changes as `letter path` or `letter from > path`.
fn summary(before: &[(&str, &str)], after: &[(&str, &str)], scope: &Scope) -> Vec<String> {
    let found = comparison(before, after, scope);
    found
        .changes
        .iter()
        .map(|change| {
            let from = change.from.as_ref().map(|from| format!("{from} > ")).unwrap_or_default();
            let listed = listed(change);
            format!("{} {from}{}", listed.status, listed.path)
        })
        .collect()
}

#[test]
fn every_kind_of_change_is_found_in_order_of_path() {
    let before = [
        ("changed", "1\n"),
        ("gone", "gone\n"),
        ("mode", "m"),
        ("link@", "a"),
        ("tolink", "x"),
        ("same", "s"),
        ("old/name", "moved\n"),
        ("empty/", ""),
        ("filled/", ""),
    ];
    let after = [
        ("changed", "2\n"),
        ("mode*", "m"),
        ("link@", "b"),
        ("tolink@", "x"),
        ("same", "s"),
        ("new/name", "moved\n"),
        ("added", "added\n"),
        ("hollow/", ""),
        ("filled/with", ""),
    ];
    insta::assert_snapshot!(summary(&before, &after, &Scope::default()).join("\n"), @r"
    A added
    M changed
    D empty/
    A filled/with
    D gone
    A hollow/
    M link
    M mode
    R old/name > new/name
    T tolink
    ");
}

#[test]
fn file_that_keeps_half_of_its_bytes_is_renamed_and_one_that_keeps_less_is_not() {
    let text = |changed: usize| -> String {
        (0..10)
            .map(|line| if line < changed { format!("new {line:4}\n") } else { format!("old {line:4}\n") })
            .collect()
    };
    let pair = |changed| summary(&[("a", &text(0))], &[("b", &text(changed))], &Scope::default()).join(", ");
    assert_eq!(pair(5), "R a > b");
    assert_eq!(pair(6), "D a, A b");
}

#[test]
fn renamed_file_says_how_alike_it_is_and_which_lines_changed() {
    let mut store = Store::new();
    let before = tree(&[("a", "1\n2\n3\n4\n")], &mut store);
    let after = tree(&[("b*", "1\n2\n3\nfour\n")], &mut store);
    let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].status, Status::Renamed { percent: 54 });
    assert!(matches!(&changes[0].text, Text::Hunks(hunks) if hunks.len() == 1));
}

#[test]
fn bookkeeping_of_git_and_of_this_program_is_no_change() {
    let after = [(".git/config", "x"), ("sub/.git", "x"), (".massgen/a", "x"), ("a/.massgen_scratch/b", "x")];
    assert_eq!(summary(&[], &after, &Scope::default()), Vec::<String>::new());
    assert_eq!(summary(&[], &[(".gitignore", "x"), (".github/a", "x")], &Scope::default()).len(), 2);
}

#[test]
fn what_a_snapshot_left_out_is_not_deleted() {
    let left_out = BTreeMap::from([(path("target"), "too large".to_owned())]);
    let scope = Scope { left_out, ..Scope::default() };
    let before = [("target/a", "x"), ("b", "y")];
    assert_eq!(summary(&before, &[], &scope), ["D b"]);
}

#[test]
fn context_path_that_is_a_file_has_no_other_changes() {
    let scope = Scope { only: Some(path("one")), ..Scope::default() };
    let (before, after) = ([("one", "1")], [("one", "2"), ("two", "2"), (".git/HEAD", "")]);
    assert_eq!(summary(&before, &after, &scope), ["M one"]);
    let left_out = comparison(&before, &after, &scope).left_out;
    assert_eq!(left_out.into_keys().collect::<Vec<_>>(), [path("two")], "it is told");
}

#[test]
fn context_path_that_is_a_file_is_not_deleted_when_it_may_have_been_moved() {
    let scope = Scope { only: Some(path("one")), ..Scope::default() };
    assert_eq!(summary(&[("one", "1")], &[(".git/HEAD", "")], &scope), ["D one"]);
    for beside in ["two", "one/two"] {
        let comparison = comparison(&[("one", "1")], &[(beside, "1")], &scope);
        assert_eq!(comparison.changes, []);
        assert_eq!(comparison.left_out.into_keys().collect::<Vec<_>>(), [path("one"), path(beside)]);
    }
}

#[test]
fn new_files_that_git_ignores_do_not_count_but_tracked_ones_do() {
    let rules =
        |way: Option<&str>, text: &str| IgnoreRules { way: way.map(str::to_owned), text: text.to_owned() };
    let rules = vec![rules(None, "*.swp"), rules(Some("up/here"), "/up/here/only\n/only\n!b.swp")];
    let scope = Scope { ignores: Some(Ignores { rules }), ..Scope::default() };
    let ignore = (".gitignore", "target/\n*.log\n!keep.log\n/top\n");
    let nested = ("sub/.gitignore", "!x.log\ny\n");
    let before = [ignore, nested, ("tracked.log", "1")];
    let after = [
        ignore,
        nested,
        ("tracked.log", "2"),
        ("target/a", ""),
        ("sub/target/keep.log", ""),
        ("a.log", ""),
        ("keep.log", ""),
        ("sub/x.log", ""),
        ("sub/z.log", ""),
        ("sub/y", ""),
        ("top", ""),
        ("sub/top", ""),
        (".a.swp", ""),
        ("b.swp", ""),
        ("only", ""),
    ];
    assert_eq!(
        summary(&before, &after, &scope),
        ["A b.swp", "A keep.log", "A sub/top", "A sub/x.log", "M tracked.log"]
    );
}

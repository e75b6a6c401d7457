use std::collections::BTreeMap;
use std::path::PathBuf;

use massgen_protocol::workspace::DriftPolicy;
use massgen_workspace::changes::{Scope, Selection, compare, read_path};
use massgen_workspace::isolation::{Isolated, Kind};
use massgen_workspace::{Digest, Entry, Mode, Tree, TreePath};

use super::*;
use crate::review::proposal::ContextChanges;
use crate::setting_up::dialogue::scripted::{Answer, Scripted};

/// What becomes of files: their name, what they held, what they hold.
type Files<'a> = &'a [(&'a str, Option<&'a str>, Option<&'a str>)];

fn context(number: usize, path: &str, files: Files<'_>) -> ContextChanges {
    let mut contents: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
    let (mut before, mut after) = (Tree::default(), Tree::default());
    for (name, old, new) in files {
        for (tree, text) in [(&mut before, old), (&mut after, new)] {
            let Some(text) = text else { continue };
            let digest = Digest::of(text.as_bytes());
            contents.insert(digest, text.as_bytes().to_vec());
            let entry = Entry::File { digest, size: text.len() as u64, mode: Mode::Plain };
            tree.entries.insert(TreePath::new(*name).unwrap(), entry);
        }
    }
    let isolated = Isolated {
        target: PathBuf::from(path),
        only: None,
        place: PathBuf::from("/w/.worktree/ctx_1"),
        folder: PathBuf::from("/w/.worktree/ctx_1"),
        kind: Kind::Copy,
        base: None,
        ignores: None,
        left_out: BTreeMap::new(),
        notes: Vec::new(),
    };
    let changes = compare(&before, &after, &contents, &Scope::default()).unwrap().changes;
    let path = path.to_owned();
    ContextChanges { path, number, isolated, changes, drift: DriftPolicy::Skip, protected: Vec::new() }
}

fn proposal() -> Proposal {
    let long = |first: &str, last: &str| {
        let middle = (0..20).map(|line| format!("line {line}\n")).collect::<Vec<_>>().concat();
        format!("{first}\n{middle}{last}\n")
    };
    let (old, new) = (long("one", "two"), long("ONE", "TWO"));
    let files: Files<'_> = &[
        ("a.txt", Some(&old), Some(&new)),
        ("b\u{1b}[2J.txt", None, Some("new\n")),
        ("gone.txt", Some("x\n"), None),
    ];
    Proposal { contexts: vec![context(1, "/project", files)], remarks: Vec::new(), unkept: Vec::new() }
}

fn answered(proposal: &Proposal, answers: impl IntoIterator<Item = Answer>) -> (Option<Approval>, String) {
    let mut dialogue = Scripted::new(answers);
    let approval = ask(&mut dialogue, proposal, &mut || Ok(())).unwrap();
    (approval, dialogue.finished())
}

fn paths(selection: &Selection) -> Vec<String> {
    selection.files.iter().flatten().map(ToString::to_string).collect()
}

#[test]
fn everything_or_nothing_is_one_key() {
    let proposal = proposal();
    assert_eq!(answered(&proposal, [Answer::Enter]).0, Some(Approval::default()));
    assert_eq!(answered(&proposal, [Answer::Pick("Nothing")]).0, None);
    assert_eq!(answered(&proposal, [Answer::Escape]).0, None);
}

#[test]
fn files_and_places_of_them_are_chosen() {
    let (approval, transcript) = answered(
        &proposal(),
        [
            Answer::Pick("Show the changes in full"),
            Answer::Pick("Choose files"),
            Answer::Picks(&["a.txt", "gone.txt"]),
            Answer::Pick("Choose places in a file"),
            Answer::Picks(&["- two"]),
            Answer::Enter,
        ],
    );
    let selection = approval.unwrap().selection("/project");
    assert_eq!(paths(&selection), ["a.txt", "gone.txt"]);
    assert_eq!(selection.hunks[&read_path("a.txt").unwrap()], BTreeSet::from([1]));
    assert!(!transcript.contains('\u{1b}'));
    insta::assert_snapshot!(transcript);
}

#[test]
fn who_leaves_a_list_keeps_what_was_chosen_before() {
    let (approval, _) = answered(
        &proposal(),
        [
            Answer::Pick("Choose files"),
            Answer::Picks(&["gone.txt"]),
            Answer::Pick("Choose files"),
            Answer::Escape,
            Answer::Pick("What is chosen"),
        ],
    );
    assert_eq!(paths(&approval.unwrap().selection("/project")), ["gone.txt"]);
}

#[test]
fn files_of_the_same_name_in_two_folders_are_kept_apart() {
    let files: Files<'_> = &[("same.txt", None, Some("x\n"))];
    let contexts = vec![context(1, "/one", files), context(2, "/two", files)];
    let proposal = Proposal { contexts, remarks: Vec::new(), unkept: Vec::new() };
    let (approval, _) = answered(
        &proposal,
        [Answer::Pick("Choose files"), Answer::Picks(&["/two::same.txt"]), Answer::Enter],
    );
    let approval = approval.unwrap();
    assert!(paths(&approval.selection("/one")).is_empty());
    assert_eq!(paths(&approval.selection("/two")), ["same.txt"]);
}

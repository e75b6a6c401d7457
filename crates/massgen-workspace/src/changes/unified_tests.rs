use std::process::Command;

use super::unified;
use crate::changes::compare::compare;
use crate::changes::fixture::{Dice, Store, scan, temporary, tree, write};
use crate::changes::scope::Scope;
use crate::tree::Entry;

#[test]
fn changes_read_as_git_would_show_them() {
    let mut store = Store::new();
    let numbers = (1..=20).map(|number| number.to_string() + "\n").collect::<Vec<_>>().concat();
    let before = [
        ("numbers", numbers.as_str()),
        ("no end", "a\nb"),
        ("crlf", "a\r\nb\r\n"),
        ("gone*", "1\n"),
        ("blob", "\0a"),
        ("name", "1\n2\n3\n4\n"),
        ("link@", "a"),
        ("kind", "text\n"),
    ];
    let changed = numbers.replace("\n3\n", "\nthree\n").replace("\n17\n", "\n17\n17.5\n");
    let after = [
        ("numbers*", changed.as_str()),
        ("no end", "a\nb\n"),
        ("crlf", "a\r\nc\r\n"),
        ("new \"q\"", "new\n"),
        ("empty", ""),
        ("hollow/", ""),
        ("blob", "\0b"),
        ("other name", "1\n2\n3\nfour\n"),
        ("link@", "b"),
        ("kind@", "text"),
    ];
    let (before, after) = (tree(&before, &mut store), tree(&after, &mut store));
    let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
    let text = String::from_utf8(unified(&changes)).unwrap();
    insta::assert_snapshot!(text.replace('\r', "<CR>"));
}

#[test]
fn git_applies_the_text_of_random_changes() {
    for seed in 0..25 {
        let mut dice = Dice(seed);
        let folder = temporary();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        for place in [&old, &new] {
            fs_err::create_dir(place).unwrap();
        }
        for _ in 0..12 {
            dice.disturb(&old);
        }
        let mut store = Store::new();
        let mut before = scan(&old, &mut store);
        write(&new, &before, &store);
        for _ in 0..8 {
            dice.disturb(&new);
        }
        let mut after = scan(&new, &mut store);
        // Git's patches leave out what they cannot carry.
        let is_text = |entry: &Entry| match entry {
            Entry::File { digest, .. } => !store[digest].contains(&0),
            Entry::Link { .. } => true,
            Entry::EmptyFolder => false,
        };
        before.entries.retain(|_, entry| is_text(entry));
        after.entries.retain(|_, entry| is_text(entry));
        let target = folder.path().join("target");
        fs_err::create_dir(&target).unwrap();
        write(&target, &before, &store);
        let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
        let patch = unified(&changes);
        fs_err::write(folder.path().join("patch"), &patch).unwrap();
        if patch.is_empty() {
            continue;
        }
        let git = Command::new("git")
            .args(["apply", "--whitespace=nowarn", "../patch"])
            .env("GIT_CEILING_DIRECTORIES", folder.path())
            .current_dir(&target)
            .output()
            .unwrap();
        assert!(
            git.status.success(),
            "{seed}: {}\n{}",
            String::from_utf8_lossy(&git.stderr),
            patch.escape_ascii()
        );
        let mut result = scan(&target, &mut store);
        result.entries.retain(|_, entry| *entry != Entry::EmptyFolder);
        assert_eq!(result, after, "{seed}");
    }
}

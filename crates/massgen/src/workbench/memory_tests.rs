use fs_err::os::unix::fs::symlink;

use super::*;

fn path(text: &str) -> MemoryPath {
    MemoryPath::in_workspace(&format!("{FOLDER}/{text}")).unwrap()
}

fn files(of: &[(&str, &str)]) -> MemoryFiles {
    of.iter().map(|(at, text)| (path(at), (*text).to_owned())).collect()
}

fn merge(winner: &[(&str, &str)], others: &[&[(&str, &str)]], before: &[(&str, &str)]) -> MemoryFiles {
    let mut left_out = BTreeSet::new();
    let kept = merged(files(winner), others.iter().map(|of| files(of)), &files(before), &mut left_out);
    assert!(left_out.is_empty(), "{left_out:?}");
    kept
}

#[test]
fn what_the_winner_lacks_is_copied_and_what_others_say_otherwise_stands_behind_a_separator() {
    let kept = merge(
        &[("short_term/a.md", "# A\nours\n"), ("short_term/same.md", "x\n")],
        &[
            &[("short_term/a.md", "# A\ntheirs\n"), ("short_term/same.md", "x")],
            &[("long_term/b.md", "new\n"), ("short_term/a.md", "# A\nours\nand more\n")],
        ],
        &[],
    );
    assert_eq!(
        kept,
        files(&[
            ("short_term/a.md", "# A\nours\n\n---\n\ntheirs\n\n---\n\nand more\n"),
            ("short_term/same.md", "x\n"),
            ("long_term/b.md", "new\n"),
        ])
    );
    let longer = merge(&[("short_term/a.md", "one\n")], &[&[("short_term/a.md", "one\ntwo\n")]], &[]);
    assert_eq!(longer, files(&[("short_term/a.md", "one\ntwo\n")]), "it says all, and more");
}

#[test]
fn who_did_not_touch_a_file_brings_nothing_of_it_back() {
    let before = [("short_term/a.md", "old\n"), ("short_term/gone.md", "removed\n")];
    let kept = merge(&[("short_term/a.md", "new\n")], &[&before], &before);
    assert_eq!(kept, files(&[("short_term/a.md", "new\n")]));
}

#[test]
fn notes_do_not_grow_beyond_their_limits_and_that_is_told() {
    let half = "x\n".repeat(limits::MEMORY_FILE_BYTES / 3);
    let other = half.replace('x', "y");
    let mut left_out = BTreeSet::new();
    let kept = merged(
        files(&[("short_term/a.md", &half)]),
        [files(&[("short_term/a.md", &other)])],
        &MemoryFiles::new(),
        &mut left_out,
    );
    assert_eq!(kept, files(&[("short_term/a.md", &half)]));
    let remark = told(&left_out).unwrap();
    assert!(remark.ends_with("`short_term/a.md` (it is longer than 256 KiB)"), "{remark}");

    let many = (0..=limits::MEMORY_FILES + 5)
        .map(|number| (path(&format!("long_term/{number:04}.md")), number.to_string()));
    let kept = merged(MemoryFiles::new(), [many.collect()], &MemoryFiles::new(), &mut left_out);
    assert_eq!(kept.len(), limits::MEMORY_FILES);
    assert!(told(&left_out).unwrap().ends_with(" and 2 more"), "{left_out:?}");

    let large = "z".repeat(limits::MEMORY_FILE_BYTES);
    let large = (0..20).map(|number| (path(&format!("long_term/{number}.md")), large.clone()));
    let kept = merged(large.collect(), [], &MemoryFiles::new(), &mut left_out);
    assert_eq!(kept.values().map(String::len).sum::<usize>(), limits::MEMORY_BYTES);
}

#[test]
fn links_in_a_workspace_are_not_written_through() {
    let folder = tempfile::tempdir().unwrap();
    let (workspace, outside) = (folder.path().join("workspace"), folder.path().join("outside"));
    fs_err::create_dir_all(workspace.join("memory/long_term")).unwrap();
    fs_err::create_dir(&outside).unwrap();
    fs_err::write(outside.join("x.md"), "mine").unwrap();
    symlink(&outside, workspace.join("memory/short_term")).unwrap();
    symlink(outside.join("x.md"), workspace.join("memory/long_term/x.md")).unwrap();
    put_into(&workspace, &files(&[("short_term/x.md", "one"), ("long_term/x.md", "two")])).unwrap();
    assert_eq!(fs_err::read_to_string(outside.join("x.md")).unwrap(), "mine");
    assert_eq!(fs_err::read_dir(&outside).unwrap().count(), 1);
    let read = |path: &str| fs_err::read_to_string(workspace.join("memory").join(path)).unwrap();
    assert_eq!((read("short_term/x.md").as_str(), read("long_term/x.md").as_str()), ("one", "two"));
}

#[test]
fn a_note_without_a_head_is_described_by_its_first_line() {
    assert_eq!(description("---\nname: a\ndescription: The plan.\n---\nText"), "The plan.");
    assert_eq!(description("\n# The plan\nText"), "The plan");
    assert_eq!(description("---\ntier: short\n---"), "tier: short");
    assert_eq!(description(" \n"), "");
}

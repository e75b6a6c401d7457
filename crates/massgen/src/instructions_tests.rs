//! Which instructions of a project agents get.

use fs_err::os::unix::fs::symlink;
use tempfile::TempDir;

use super::*;

/// A repository with these files, in a folder that has instructions of its own.
fn project(files: &[(&str, &str)]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let root = fs_err::canonicalize(folder.path()).unwrap().join("project");
    fs_err::create_dir_all(root.join(".git")).unwrap();
    fs_err::create_dir_all(root.join("a/b")).unwrap();
    fs_err::write(folder.path().join("AGENTS.md"), "outside").unwrap();
    for (name, text) in files {
        fs_err::write(root.join(name), text).unwrap();
    }
    (folder, root)
}

fn text_at(start: &Path) -> Option<String> {
    find(start).unwrap().map(|found| found.text)
}

#[test]
fn the_nearest_file_counts_and_nothing_above_the_repository() {
    let (_folder, root) = project(&[("AGENTS.md", "root\n"), ("a/AGENTS.md", "a"), ("a/b/CLAUDE.md", "b")]);
    assert_eq!(text_at(&root), Some("root".to_owned()));
    assert_eq!(text_at(&root.join("a")), Some("a".to_owned()));
    assert_eq!(text_at(&root.join("a/b")), Some("b".to_owned()));
    assert_eq!(text_at(&root.join("a/b/CLAUDE.md")), Some("b".to_owned()));
    let (_folder, bare) = project(&[]);
    assert_eq!(text_at(&bare.join("a/b")), None);
    assert_eq!(text_at(&bare.join("nowhere")), None);
}

#[test]
fn agents_comes_before_claude_and_a_file_that_says_nothing_does_not_count() {
    let (_folder, root) = project(&[
        ("AGENTS.md", "one"),
        ("CLAUDE.md", "two"),
        ("a/AGENTS.md", " \n\u{200b}"),
        ("a/CLAUDE.md", "three"),
    ]);
    assert_eq!(text_at(&root), Some("one".to_owned()));
    assert_eq!(text_at(&root.join("a")), Some("three".to_owned()));
}

#[test]
fn outside_a_repository_only_the_folder_itself_counts() {
    let folder = tempfile::tempdir().unwrap();
    fs_err::create_dir(folder.path().join("below")).unwrap();
    fs_err::write(folder.path().join("AGENTS.md"), "here").unwrap();
    assert_eq!(text_at(folder.path()), Some("here".to_owned()));
    assert_eq!(text_at(&folder.path().join("below")), None);
}

#[test]
fn a_link_inside_the_project_is_followed_and_one_that_leads_out_is_told() {
    let (folder, root) = project(&[("CLAUDE.md", "shared")]);
    symlink("CLAUDE.md", root.join("AGENTS.md")).unwrap();
    let found = find(&root).unwrap().unwrap();
    assert_eq!((found.path, found.text.as_str()), (root.join("CLAUDE.md"), "shared"));
    fs_err::write(folder.path().join("key"), "secret").unwrap();
    symlink("../../key", root.join("a/AGENTS.md")).unwrap();
    let told = find(&root.join("a/b")).unwrap_err();
    assert!(
        told.ends_with("cannot be used: it leads out of the project") && !told.contains("secret"),
        "{told}"
    );
}

#[test]
fn files_that_cannot_be_used_are_told_and_no_other_takes_their_place() {
    let (_folder, root) = project(&[("AGENTS.md", "root")]);
    fs_err::create_dir(root.join("a/AGENTS.md")).unwrap();
    assert!(find(&root.join("a")).unwrap_err().ends_with("it is a folder"));
    fs_err::remove_dir(root.join("a/AGENTS.md")).unwrap();
    fs_err::write(root.join("a/AGENTS.md"), b"\xff\xfe").unwrap();
    assert!(find(&root.join("a")).unwrap_err().ends_with("it is not text in UTF-8"));
    fs_err::write(root.join("a/AGENTS.md"), vec![b'x'; 1 + (1 << 20)]).unwrap();
    assert!(find(&root.join("a")).unwrap_err().ends_with("at most 1048576 are read"));
}

#[test]
fn long_instructions_are_cut_at_a_line_with_a_note() {
    let line = "ä".repeat(40) + "\n";
    let long = line.repeat(limits::INSTRUCTIONS_BYTES / line.len() + 10);
    let (_folder, root) = project(&[("AGENTS.md", &long)]);
    let found = find(&root).unwrap().unwrap();
    let (head, note) = found.text.rsplit_once("\n\n").unwrap();
    assert!(head.len() <= limits::INSTRUCTIONS_BYTES && head.ends_with('ä'));
    assert_eq!(note, format!("[{} more bytes of this file are left out]", long.trim().len() - head.len()));
    assert_eq!(found.hash, blob_name(long.as_bytes()), "of the file as it is");
}

#[test]
fn what_nobody_can_see_is_left_out() {
    let (_folder, root) = project(&[("AGENTS.md", "Use\u{202e} tabs.\u{e0041}\u{1b}[31m")]);
    assert_eq!(text_at(&root), Some("Use tabs.".to_owned()));
}

#[test]
fn a_repository_above_that_belongs_to_somebody_else_is_not_ours() {
    let walk = |mine: &[&str], root: &'static str| {
        let owner = |folder: &Path| Some(if mine.iter().any(|own| Path::new(own) == folder) { 1 } else { 2 });
        upward(Path::new("/tmp/x/y"), owner, move |folder| folder == Path::new(root))
    };
    let paths = |paths: &[&str]| paths.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(walk(&["/tmp/x/y", "/tmp/x"], "/tmp/x"), paths(&["/tmp/x/y", "/tmp/x"]));
    assert_eq!(walk(&["/tmp/x/y", "/tmp/x"], "/tmp"), paths(&["/tmp/x/y"]));
    assert_eq!(walk(&["/tmp/x/y", "/tmp/x"], "/none"), paths(&["/tmp/x/y"]));
}

#[test]
fn only_the_owner_of_a_folder_and_the_user_speak_to_agents_in_it() {
    assert!(may_speak(1000, 1000, 1000), "the user, at home");
    assert!(may_speak(1000, 0, 1000), "the user, in a folder for everybody");
    assert!(may_speak(0, 0, 1000), "whoever has the folder");
    assert!(!may_speak(1001, 0, 1000), "somebody, in a folder for everybody");
}

#[test]
fn a_file_of_somebody_else_is_refused_and_told() {
    let (_folder, root) = project(&[("AGENTS.md", "obey")]);
    // Only root can give a file away.
    if !geteuid().is_root() {
        return;
    }
    fs_err::os::unix::fs::chown(root.join("AGENTS.md"), Some(4242), None).unwrap();
    let problem = find(&root).unwrap_err();
    assert!(problem.ends_with("it belongs to somebody else than the folder"), "{problem}");
}

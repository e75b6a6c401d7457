use massgen_protocol::workspace::DriftPolicy;

use super::{Later, undo};
use crate::changes::apply::apply;
use crate::changes::compare::compare;
use crate::changes::fixture::{Store, exactly, path, temporary, tree, write};
use crate::changes::plan::{Reason, Skipped, Wish, plan};
use crate::changes::scope::Scope;
use crate::changes::selection::Selection;
use crate::changes::target::Target;

/// A folder in which changes were applied, with the record of them.
fn applied() -> tempfile::TempDir {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("a", "1"), ("b", "1"), ("gone/c", "1"), ("name", "some name\n")], &mut store);
    let after = tree(&[("a", "2"), ("b", "2"), ("new/d", "2"), ("other", "some name\n")], &mut store);
    let folder = root.path().join("target");
    write(&folder, &before, &store);
    let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
    let target = Target::open(&folder).unwrap();
    let selection = Selection::all();
    let wish = Wish {
        changes: &changes,
        selection: &selection,
        drift: DriftPolicy::Skip,
        protected: &[],
        contents: &store,
    };
    let plan = plan(&wish, &target.current(&changes, &selection).unwrap()).unwrap();
    apply(&plan, &target, &store, &root.path().join("record")).unwrap();
    root
}

fn text(root: &tempfile::TempDir, name: &str) -> Option<String> {
    fs_err::read_to_string(root.path().join("target").join(name)).ok()
}

#[test]
fn file_that_was_changed_since_is_kept_and_told_and_the_rest_is_undone() {
    let root = applied();
    fs_err::write(root.path().join("target/a"), "mine").unwrap();
    fs_err::write(root.path().join("target/new/mine"), "mine").unwrap();
    let undone = undo(&root.path().join("record"), Later::Keep).unwrap();
    assert_eq!(undone.kept, [Skipped { path: path("a"), reason: Reason::Drifted }]);
    assert_eq!(text(&root, "a").unwrap(), "mine");
    assert_eq!(text(&root, "b").unwrap(), "1");
    assert_eq!(text(&root, "gone/c").unwrap(), "1");
    assert_eq!(text(&root, "name").unwrap(), "some name\n");
    assert_eq!(text(&root, "new/d"), None);
    assert_eq!(text(&root, "new/mine").unwrap(), "mine");
}

#[test]
fn what_was_kept_can_be_undone_later_by_force() {
    let root = applied();
    fs_err::write(root.path().join("target/a"), "mine").unwrap();
    let record = root.path().join("record");
    undo(&record, Later::Keep).unwrap();
    let undone = undo(&record, Later::Overwrite).unwrap();
    assert_eq!((undone.restored, undone.kept), (vec![path("a")], vec![]));
    assert_eq!(text(&root, "a").unwrap(), "1");
}

#[test]
fn undoing_never_removes_what_stands_in_its_way() {
    let root = applied();
    // Where `gone/c` was, somebody made a folder with a file.
    fs_err::create_dir_all(root.path().join("target/gone/c")).unwrap();
    fs_err::write(root.path().join("target/gone/c/mine"), "mine").unwrap();
    let undone = undo(&root.path().join("record"), Later::Overwrite).unwrap();
    assert_eq!(undone.kept, [Skipped { path: path("gone/c"), reason: Reason::Blocked }]);
    assert_eq!(text(&root, "gone/c/mine").unwrap(), "mine");
    assert_eq!(text(&root, "a").unwrap(), "1");
}

#[test]
fn kept_bytes_are_readable_by_their_owner_only() {
    let root = applied();
    for (path, (mode, _)) in exactly(&root.path().join("record/contents")) {
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    assert_eq!(exactly(&root.path().join("record"))[std::path::Path::new("contents")].0 & 0o077, 0);
}

#[test]
fn damaged_record_is_refused() {
    let root = applied();
    let file = root.path().join("record/changes.json");
    let text = fs_err::read_to_string(&file).unwrap();
    for (from, to) in
        [("\"a\"", "\"../a\""), ("\"path\": \"a\"", "\"path\": \"/etc/passwd\""), (".massgen_apply", "../x")]
    {
        assert!(text.contains(from), "{text}");
        fs_err::write(&file, text.replace(from, to)).unwrap();
        let refused = undo(&root.path().join("record"), Later::Keep);
        assert!(matches!(refused, Err(crate::changes::ChangesError::Record { .. })), "{refused:?}");
    }
}

use std::ffi::OsStr;

use super::{Fresh, Over, Stage};
use crate::changes::error::ChangesError;
use crate::changes::fixture::{path, temporary};
use crate::changes::target::Target;

const FRESH: Fresh = Fresh { permissions: 0o644, owner: None };

#[test]
fn what_somebody_wrote_since_it_was_looked_at_stays() {
    let root = temporary();
    let file = root.path().join("file");
    let text = || fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, "old").unwrap();
    let target = Target::open(root.path()).unwrap();
    let old = target.see(&path("file")).unwrap().standing;
    let stage = Stage::make(&target, OsStr::new(".stage")).unwrap();
    // An editor saves after the last look.
    fs_err::write(&file, "of somebody").unwrap();
    stage.file(0, b"new", FRESH).unwrap();
    let placed = stage.place(&target, 0, &path("file"), &Over::Old(old.clone()));
    assert!(matches!(placed, Err(ChangesError::Raced { .. })), "{placed:?}");
    assert_eq!(text(), "of somebody");
    let taken = stage.take(&target, 1, &path("file"), &old);
    assert!(matches!(taken, Err(ChangesError::Raced { .. })), "{taken:?}");
    assert_eq!(text(), "of somebody");

    fs_err::write(&file, "old").unwrap();
    stage.place(&target, 0, &path("file"), &Over::Old(old)).unwrap();
    assert_eq!(text(), "new");
    let new = target.see(&path("file")).unwrap().standing;
    stage.take(&target, 1, &path("file"), &new).unwrap();
    assert!(!file.exists());
    stage.remove(&target).unwrap();
    assert_eq!(fs_err::read_dir(root.path()).unwrap().count(), 0);
}

use std::os::unix::fs::symlink;

use super::Target;
use crate::changes::fixture::{path, temporary};
use crate::changes::plan::Standing;

#[test]
fn nothing_is_seen_through_a_link() {
    let root = temporary();
    fs_err::create_dir_all(root.path().join("real/sub")).unwrap();
    fs_err::write(root.path().join("real/sub/file"), "x").unwrap();
    symlink("real", root.path().join("link")).unwrap();
    symlink("/etc", root.path().join("away")).unwrap();
    let target = Target::open(root.path()).unwrap();
    let see = |name: &str| target.see(&path(name)).unwrap().standing;
    assert!(matches!(see("real/sub/file"), Standing::File { .. }));
    assert!(matches!(see("link"), Standing::Link { .. }));
    for name in ["link/sub/file", "link/sub", "away/passwd", "real/sub/file/below", "missing/file"] {
        assert_eq!(see(name), Standing::Nothing, "{name}");
    }
}

#[test]
fn walking_part_by_part_finds_the_same_folders_and_follows_no_link_either() {
    let root = temporary();
    fs_err::create_dir_all(root.path().join("real/sub")).unwrap();
    symlink("real", root.path().join("link")).unwrap();
    let target = Target::open(root.path()).unwrap();
    for name in ["real", "real/sub", ".", "link", "link/sub", "missing"] {
        assert_eq!(target.walk(name.as_bytes()).is_ok(), target.folder(name.as_bytes()).is_ok(), "{name}");
    }
    assert!(target.walk(b"link/sub").is_err());
}

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

use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use rustix::fs::mkdirat;

use super::*;

/// In memory, where there is such a place.
fn new_home() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn set_mode(path: &Path, mode: u32) {
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs_err::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn files_links_pipes_and_folders_go_and_what_is_not_there_is_gone_already() {
    let home = new_home();
    let folder = home.path().join("folder");
    fs_err::create_dir_all(folder.join("a/b")).unwrap();
    fs_err::create_dir(folder.join("empty")).unwrap();
    fs_err::write(folder.join("a/b/file"), "x").unwrap();
    rustix::fs::mknodat(CWD, folder.join("a/pipe"), rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
    symlink("file", folder.join("a/b/link")).unwrap();
    symlink(home.path(), home.path().join("link")).unwrap();
    for path in ["folder", "link", "folder", "missing/folder", "folder/a/b"] {
        remove_tree(&home.path().join(path)).unwrap();
    }
    assert_eq!(fs_err::read_dir(home.path()).unwrap().count(), 0);
    remove_tree(Path::new("/")).unwrap_err();
}

#[test]
fn folders_within_folders_go_at_any_depth_with_few_handles_and_a_small_stack() {
    const LEVELS: usize = 10_000;
    let home = new_home();
    let folder = home.path().join("folder");
    fs_err::create_dir(&folder).unwrap();
    let mut at: OwnedFd = openat(CWD, &folder, OFlags::RDONLY, Mode::empty()).unwrap();
    for level in 0..LEVELS {
        mkdirat(&at, "d", Mode::RWXU).unwrap();
        if level % 100 == 0 {
            mkdirat(&at, "beside", Mode::RWXU).unwrap();
            openat(&at, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR).unwrap();
        }
        at = openat(&at, "d", OFlags::RDONLY, Mode::empty()).unwrap();
    }
    drop(at);
    let removed = folder.clone();
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    small.spawn(move || remove_tree(&removed).unwrap()).unwrap().join().unwrap();
    assert!(!folder.exists());
}

#[test]
fn more_folders_than_are_listed_at_once_go() {
    let home = new_home();
    let folder = home.path().join("folder");
    for number in 0..=2 * LISTED {
        fs_err::create_dir_all(folder.join(format!("{number}/below"))).unwrap();
    }
    remove_tree(&folder).unwrap();
    assert!(!folder.exists());
}

#[test]
fn closed_folder_is_opened_and_what_a_link_names_is_not() {
    let home = new_home();
    let (closed, outside) = (home.path().join("closed"), home.path().join("outside"));
    fs_err::create_dir_all(closed.join("a")).unwrap();
    fs_err::create_dir(&outside).unwrap();
    symlink(&outside, home.path().join("link")).unwrap();
    set_mode(&closed, 0o000);
    set_mode(&outside, 0o555);
    let around = openat(CWD, home.path(), OFlags::RDONLY, Mode::empty()).unwrap();
    open(around.as_fd(), c"closed").unwrap();
    assert_eq!(mode(&closed), 0o700);
    let failed = open(around.as_fd(), c"link").unwrap_err();
    assert!(matches!(failed, Errno::LOOP | Errno::NOTDIR), "{failed}");
    assert_eq!(mode(&outside), 0o555);
    remove_tree(&closed).unwrap();
}

#[test]
fn link_on_the_way_is_followed_only_by_who_wants_it() {
    let home = new_home();
    let real = fs_err::canonicalize(home.path()).unwrap();
    let fill = || fs_err::create_dir_all(real.join("outside/folder/below")).unwrap();
    symlink("outside", real.join("way")).unwrap();
    let by_link: PathBuf = real.join("way/folder");
    fill();
    remove_tree_without_links(&by_link).unwrap();
    assert!(by_link.exists());
    remove_tree(&by_link).unwrap();
    assert!(!by_link.exists());
    fill();
    remove_tree_without_links(&real.join("outside/folder")).unwrap();
    assert!(!by_link.exists());
}

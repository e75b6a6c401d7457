use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use super::*;

struct Home {
    folder: tempfile::TempDir,
    store: SnapshotStore,
    limits: ScanLimits,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("work")).unwrap();
        let store = SnapshotStore::open(&folder.path().join("store")).unwrap();
        let limits = ScanLimits { file_bytes: 100, ..ScanLimits::default() };
        Self { folder, store, limits }
    }

    fn work(&self, path: &str) -> PathBuf {
        self.folder.path().join("work").join(path)
    }

    fn write(&self, path: &str, content: &str) {
        let path = self.work(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs_err::read_to_string(self.work(path)).unwrap()
    }

    fn mode(&self, path: &str, mode: u32) {
        fs_err::set_permissions(self.work(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    fn take(&self) -> SnapshotId {
        self.store.take(&self.work(""), &mut StatCache::default(), &self.limits).unwrap().id
    }

    fn restore(&self, id: &SnapshotId) -> Result<(), Error> {
        self.store.restore(id, &self.work(""), &StatCache::default(), &self.limits)
    }
}

#[test]
fn folder_holds_the_snapshot_again_whatever_became_of_it() {
    let home = Home::new();
    for path in ["same.txt", "changed.txt", "gone.txt", "deep/in/gone.txt", "folder/file", "was_file"] {
        home.write(path, path);
    }
    home.write("run.sh", "#!/bin/sh\n");
    home.mode("run.sh", 0o755);
    symlink("same.txt", home.work("link")).unwrap();
    symlink("/etc/hosts", home.work("out")).unwrap();
    fs_err::create_dir(home.work("empty")).unwrap();
    fs_err::create_dir_all(home.work("now/empty")).unwrap();
    let id = home.take();

    home.write("changed.txt", "half done");
    home.write("new/deep/new.txt", "new");
    fs_err::remove_file(home.work("gone.txt")).unwrap();
    fs_err::remove_dir_all(home.work("deep")).unwrap();
    fs_err::remove_dir_all(home.work("folder")).unwrap();
    home.write("folder", "a file now");
    fs_err::remove_file(home.work("was_file")).unwrap();
    home.write("was_file/now/a folder", "");
    home.mode("run.sh", 0o644);
    for link in ["link", "out"] {
        fs_err::remove_file(home.work(link)).unwrap();
    }
    symlink("changed.txt", home.work("link")).unwrap();
    home.write("out", "a file now");
    fs_err::remove_dir(home.work("empty")).unwrap();
    home.write("now/empty/file", "");
    let untouched = fs_err::metadata(home.work("same.txt")).unwrap().ino();

    home.restore(&id).unwrap();
    assert_eq!(home.take(), id);
    assert_eq!(
        (home.read("changed.txt"), home.read("folder/file")),
        ("changed.txt".into(), "folder/file".into())
    );
    assert!(!home.work("new").exists() && home.work("was_file").is_file());
    assert_eq!(fs_err::metadata(home.work("same.txt")).unwrap().ino(), untouched);
}

#[test]
fn what_stands_in_the_place_of_something_of_the_snapshot_goes() {
    let home = Home::new();
    for path in ["empty_now", "history_now", "full_now", "above/large_now/file", "above/pipe_now/file"] {
        home.write(path, path);
    }
    symlink("full_now", home.work("link")).unwrap();
    for path in ["file_now", "link_now"] {
        fs_err::create_dir(home.work(path)).unwrap();
    }
    let id = home.take();

    for path in ["empty_now", "history_now", "full_now", "link"] {
        fs_err::remove_file(home.work(path)).unwrap();
    }
    for path in ["empty_now", "link"] {
        fs_err::create_dir(home.work(path)).unwrap();
    }
    home.write("history_now/.git/HEAD", "new");
    home.write("full_now/closed/file", "new");
    home.write(&format!("{UNFINISHED}/.git/HEAD"), "new");
    home.write("full_now/large", &"x".repeat(101));
    home.mode("full_now/closed", 0o555);
    for path in ["file_now", "link_now", "above/large_now", "above/pipe_now"] {
        fs_err::remove_dir_all(home.work(path)).unwrap();
    }
    home.write("file_now", "new");
    symlink("file_now", home.work("link_now")).unwrap();
    home.write("above/large_now", &"x".repeat(101));
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.work("above/pipe_now"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();

    home.restore(&id).unwrap();
    assert_eq!(home.take(), id);
    assert_eq!((home.read("history_now"), home.read("link")), ("history_now".into(), "full_now".into()));
}

#[test]
fn nothing_is_touched_when_nothing_differs() {
    let home = Home::new();
    home.write("a/b", "text");
    let id = home.take();
    let look = || {
        let found = fs_err::metadata(home.work("a/b")).unwrap();
        (found.ino(), found.ctime(), found.ctime_nsec())
    };
    let before = look();
    home.restore(&id).unwrap();
    assert_eq!(look(), before);
}

#[test]
fn history_of_git_and_what_is_not_kept_stay() {
    let home = Home::new();
    home.write("copy/.git/HEAD", "old");
    home.write("copy/file", "voted for");
    home.write("large", &"x".repeat(101));
    let id = home.take();
    home.write("copy/.git/HEAD", "new");
    home.write("copy/file", "half done");
    home.write("large", "small by now");
    home.write("later", &"y".repeat(101));
    home.restore(&id).unwrap();
    assert_eq!((home.read("copy/.git/HEAD"), home.read("copy/file")), ("new".into(), "voted for".into()));
    // What the answer held there nobody knows.
    assert_eq!(home.read("large"), "small by now");
    assert_eq!(home.read("later").len(), 101);
}

#[test]
fn file_that_has_become_too_large_to_be_kept_is_written_anew() {
    let home = Home::new();
    home.write("log", "short");
    let id = home.take();
    home.write("log", &"x".repeat(101));
    home.restore(&id).unwrap();
    assert_eq!(home.read("log"), "short");
}

#[test]
fn folders_that_an_agent_closed_are_no_hindrance() {
    let home = Home::new();
    home.write("a/file", "text");
    let id = home.take();
    home.write("a/file", "changed");
    home.write("cache/new", "");
    home.mode("a", 0o555);
    home.mode("cache", 0o555);
    home.restore(&id).unwrap();
    assert_eq!(home.take(), id);
}

#[test]
fn nothing_is_written_through_a_link() {
    let home = Home::new();
    let outside = home.folder.path().join("outside");
    fs_err::create_dir(&outside).unwrap();
    home.write("folder/file", "text");
    let id = home.take();
    fs_err::remove_dir_all(home.work("folder")).unwrap();
    symlink(&outside, home.work("folder")).unwrap();
    home.restore(&id).unwrap();
    assert_eq!(home.take(), id);
    assert!(fs_err::read_dir(&outside).unwrap().next().is_none());
    assert!(home.work("folder").is_dir() && !home.work("folder").is_symlink());
}

#[test]
fn damaged_content_is_an_error_and_never_stands_in_a_file() {
    let home = Home::new();
    home.write("file", "voted for");
    let id = home.take();
    let blob = home.store.blobs.path(&crate::tree::Digest::of(b"voted for"));
    fs_err::set_permissions(&blob, std::fs::Permissions::from_mode(0o600)).unwrap();
    fs_err::write(&blob, "something else").unwrap();
    home.write("file", "mine");
    home.restore(&id).unwrap_err();
    assert_eq!(home.read("file"), "mine");
    home.restore(&SnapshotId("none".into())).unwrap_err();
}

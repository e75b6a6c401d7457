use std::os::unix::fs::MetadataExt;

use super::*;
use crate::cache::StatCache;
use crate::scan::ScanLimits;

fn path(text: &str) -> TreePath {
    TreePath::new(text).unwrap()
}

#[test]
fn a_link_stays_only_if_it_leads_nowhere_else() {
    let homes = [PathBuf::from("/w/one")];
    let link = |at: &str, target: &str| {
        link_inside(&path(at), target.as_bytes(), &homes).map(|target| String::from_utf8(target).unwrap())
    };
    let same =
        [("a", "b"), ("a", "./b/c"), ("d/a", "../b"), ("d/e/a", "../../b"), ("d/a", ".."), ("a", "b/.c")];
    for (at, target) in same {
        assert_eq!(link(at, target).as_deref(), Some(target), "{at} -> {target}");
    }
    let moved = [
        ("a", "/w/one/b", "b"),
        ("d/a", "/w/one/b/c", "../b/c"),
        ("d/a", "/w/one", "../"),
        ("a", "/w/one", "."),
    ];
    for (at, target, expected) in moved {
        assert_eq!(link(at, target).as_deref(), Some(expected), "{at} -> {target}");
    }
    let out = [
        ("a", ".."),
        ("a", "../b"),
        ("d/a", "../../b"),
        ("a", "/etc/passwd"),
        ("a", "/w/one2"),
        ("a", "/w/one/../two"),
        // `s` may be a link to a folder above.
        ("q/r/l", "s/../../y"),
        ("a", "b/.."),
        ("a", "./../b"),
        ("a", ""),
    ];
    for (at, target) in out {
        assert_eq!(link(at, target), None, "{at} -> {target}");
    }
}

struct Home {
    folder: tempfile::TempDir,
    store: SnapshotStore,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("work")).unwrap();
        let store = SnapshotStore::open(&folder.path().join("store")).unwrap();
        Self { folder, store }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn tree(&self, folder: &str) -> Tree {
        let taken = self.store.take(&self.at(folder), &mut StatCache::default(), &ScanLimits::default());
        (*taken.unwrap().tree).clone()
    }
}

#[test]
fn an_export_is_the_snapshot_and_can_be_changed() {
    let home = Home::new();
    fs_err::create_dir_all(home.at("work/src/empty")).unwrap();
    fs_err::write(home.at("work/src/run"), "#!/bin/sh").unwrap();
    fs_err::set_permissions(home.at("work/src/run"), Permissions::from_mode(0o755)).unwrap();
    fs_err::write(home.at("work/plain"), "text").unwrap();
    symlink("src/run", home.at("work/link")).unwrap();
    symlink(home.at("work/plain"), home.at("work/src/absolute")).unwrap();
    symlink("/etc/passwd", home.at("work/out")).unwrap();
    let tree = home.tree("work");
    let target = home.at("final/agent_a/workspace");
    let exported = export(&home.store, &tree, &target, &[home.at("work")]).unwrap();
    assert_eq!(exported, Exported { files: 2, bytes: 13, links_left_out: vec![path("out")] });
    let mut expected = tree;
    expected.entries.remove(&path("out"));
    expected.entries.insert(path("src/absolute"), Entry::Link { target: b"../plain".to_vec() });
    assert_eq!(home.tree("final/agent_a/workspace"), expected);
    assert_eq!(fs_err::read_to_string(target.join("src/absolute")).unwrap(), "text");
    let mode = |path: &str| fs_err::metadata(target.join(path)).unwrap().mode() & 0o777;
    assert_eq!((mode("plain"), mode("src/run"), mode("src")), (0o600, 0o700, 0o700));
    // Changing it does not change what is kept.
    fs_err::write(target.join("plain"), "changed").unwrap();
    assert!(home.store.verify().unwrap().faults.is_empty());
}

#[test]
fn an_export_takes_the_place_of_what_was_there() {
    let home = Home::new();
    fs_err::write(home.at("work/new"), "new").unwrap();
    let tree = home.tree("work");
    fs_err::create_dir_all(home.at("out/old/deep")).unwrap();
    fs_err::create_dir_all(home.at(".out.unfinished/half")).unwrap();
    export(&home.store, &tree, &home.at("out"), &[]).unwrap();
    assert_eq!(home.tree("out"), tree);
    assert!(!home.at(".out.unfinished").exists());
}

#[test]
fn an_export_that_fails_leaves_what_was_there() {
    let home = Home::new();
    fs_err::write(home.at("work/a"), "aaa").unwrap();
    fs_err::write(home.at("work/b"), "bbb").unwrap();
    let tree = home.tree("work");
    fs_err::write(home.store.blobs.path(&Digest::of(b"bbb")), "bad").unwrap();
    fs_err::create_dir(home.at("out")).unwrap();
    fs_err::write(home.at("out/old"), "old").unwrap();
    let error = export(&home.store, &tree, &home.at("out"), &[]).unwrap_err();
    assert!(matches!(error, Error::DamagedBlob(_)), "{error}");
    assert_eq!(fs_err::read_to_string(home.at("out/old")).unwrap(), "old");
    assert!(!home.at("out/a").exists());
    assert!(!home.at(".out.unfinished").exists());
}

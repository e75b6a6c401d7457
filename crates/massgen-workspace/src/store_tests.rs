use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use rustix::fs::{FileType, Mode as FileMode, OFlags};

use super::*;
use crate::left_out::{Counted, Reason, Weight};
use crate::tree::{Mode, TreePath};

struct Home {
    folder: tempfile::TempDir,
    store: SnapshotStore,
    cache: StatCache,
    limits: ScanLimits,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("work")).unwrap();
        let store = SnapshotStore::open(&folder.path().join("store")).unwrap();
        Self { folder, store, cache: StatCache::default(), limits: ScanLimits::default() }
    }

    fn work(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join("work").join(path)
    }

    fn write(&self, path: impl AsRef<Path>, content: impl AsRef<[u8]>) {
        let path = self.work(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    fn take(&mut self) -> Taken {
        self.store.take(&self.work(""), &mut self.cache, &self.limits).unwrap()
    }

    /// Lets a file look as if it was written long ago, so that it is remembered.
    fn age(&self, path: impl AsRef<Path>) {
        // The time of the change of the inode cannot be set; what is left is to wait until it is over.
        let changed = |path: &Path| {
            use std::os::unix::fs::MetadataExt;
            let found = fs_err::metadata(path).unwrap();
            (found.ctime(), found.ctime_nsec())
        };
        let stamp = changed(&self.work(path));
        let probe = self.folder.path().join("probe");
        loop {
            fs_err::write(&probe, "x").unwrap();
            let now = changed(&probe);
            if (now.0 - stamp.0) * 1_000_000_000 + (now.1 - stamp.1) > 30_000_000 {
                break;
            }
        }
    }

    fn unfinished(&self) -> usize {
        fs_err::read_dir(self.folder.path().join("store/unfinished")).unwrap().count()
    }
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.entries.keys().map(ToString::to_string).collect()
}

fn left_out(taken: &Taken) -> BTreeMap<String, Reason> {
    taken.left_out.paths.iter().map(|(path, reason)| (path.to_string(), reason.clone())).collect()
}

#[test]
fn a_snapshot_holds_what_the_folder_holds() {
    let mut home = Home::new();
    home.write("src/main.rs", "fn main() {}");
    home.write("run.sh", "#!/bin/sh");
    fs_err::set_permissions(home.work("run.sh"), std::fs::Permissions::from_mode(0o755)).unwrap();
    home.write(OsStr::from_bytes(b"caf\xe9"), "latin");
    home.write("empty.txt", "");
    fs_err::create_dir_all(home.work("nothing/here")).unwrap();
    symlink("src/main.rs", home.work("link")).unwrap();
    symlink("/etc/passwd", home.work("out")).unwrap();
    let taken = home.take();
    let manifest = home.store.manifest(&taken.id).unwrap();
    assert_eq!(manifest.tree, *taken.tree);
    let get = |path: &[u8]| manifest.tree.get(&TreePath::new(path).unwrap()).unwrap().clone();
    let file =
        |content: &[u8], mode| Entry::File { digest: Digest::of(content), size: content.len() as u64, mode };
    assert_eq!(get(b"src/main.rs"), file(b"fn main() {}", Mode::Plain));
    assert_eq!(get(b"run.sh"), file(b"#!/bin/sh", Mode::Executable));
    assert_eq!(get(b"caf\xe9"), file(b"latin", Mode::Plain));
    assert_eq!(get(b"empty.txt"), file(b"", Mode::Plain));
    assert_eq!(get(b"nothing/here"), Entry::EmptyFolder);
    assert_eq!(get(b"link"), Entry::Link { target: b"src/main.rs".to_vec() });
    assert_eq!(get(b"out"), Entry::Link { target: b"/etc/passwd".to_vec() });
    assert_eq!(manifest.tree.entries.len(), 7);
    assert_eq!(home.store.read(&Digest::of(b"latin")).unwrap(), b"latin");
    let snapshot = taken.snapshot();
    assert_eq!((snapshot.files, snapshot.bytes), (4, 26));
    assert!(home.store.verify().unwrap().faults.is_empty());
}

#[test]
fn the_store_is_for_its_owner_alone() {
    let mut home = Home::new();
    home.write("a/b", "secret");
    home.take();
    let mut ahead = vec![home.folder.path().join("store")];
    let mut files = 0;
    while let Some(path) = ahead.pop() {
        let mode = fs_err::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{path:?}");
            ahead.extend(fs_err::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files += 1;
            assert_eq!(mode, 0o600, "{path:?}");
        }
    }
    assert_eq!(files, 2);
}

#[test]
fn the_same_content_has_the_same_id_and_is_kept_once() {
    let mut home = Home::new();
    for name in 0..200 {
        home.write(format!("copies/{name}"), "the same");
    }
    let first = home.take();
    assert_eq!(home.store.verify().unwrap().blobs, 1);
    home.cache = StatCache::default();
    assert_eq!(home.take().id, first.id);
    home.write("copies/7", "another");
    let second = home.take();
    assert_ne!(second.id, first.id);
    home.write("copies/7", "the same");
    assert_eq!(home.take().id, first.id);
    let verified = home.store.verify().unwrap();
    assert_eq!((verified.snapshots, verified.blobs), (2, 2));
    assert_eq!(home.unfinished(), 0);
}

#[test]
fn a_file_that_did_not_change_is_not_read_again() {
    let mut home = Home::new();
    home.write("old", "old");
    home.age("old");
    let first = home.take();
    assert_eq!(home.cache.known(), 1);
    // Who cannot read it would leave it out.
    let blobs = home.folder.path().join("store/blobs");
    fs_err::rename(&blobs, home.folder.path().join("store/aside")).unwrap();
    fs_err::create_dir(&blobs).unwrap();
    assert_eq!(home.take().id, first.id);
    assert_eq!(fs_err::read_dir(&blobs).unwrap().count(), 0, "a file was read and kept again");
}

#[test]
fn a_change_is_seen_that_keeps_size_and_time() {
    let mut home = Home::new();
    home.write("file", "one");
    home.age("file");
    home.take();
    let before = fs_err::metadata(home.work("file")).unwrap().modified().unwrap();
    home.write("file", "two");
    fs_err::OpenOptions::new()
        .write(true)
        .open(home.work("file"))
        .unwrap()
        .into_file()
        .set_times(std::fs::FileTimes::new().set_modified(before))
        .unwrap();
    let taken = home.take();
    let digest = Digest::of(b"two");
    assert_eq!(
        taken.tree.get(&TreePath::new("file").unwrap()),
        Some(&Entry::File { digest, size: 3, mode: Mode::Plain })
    );
}

#[test]
fn two_changes_within_a_tick_are_both_seen() {
    let mut home = Home::new();
    for round in 0..50 {
        let content = format!("{round:02}");
        home.write("file", &content);
        let taken = home.take();
        let entry = taken.tree.get(&TreePath::new("file").unwrap()).cloned();
        assert_eq!(
            entry,
            Some(Entry::File { digest: Digest::of(content.as_bytes()), size: 2, mode: Mode::Plain })
        );
    }
}

#[test]
fn the_history_of_git_and_what_is_no_file_are_not_kept() {
    let mut home = Home::new();
    home.write(".git/config", "[core]");
    home.write("module/.git", "gitdir: ../.git/modules/module");
    home.write("module/a", "a");
    let fifo = home.work("pipe");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(home.work("socket")).unwrap();
    let taken = home.take();
    assert_eq!(paths(&taken.tree), ["module/a"]);
    let expected = [
        (".git", Reason::History),
        ("module/.git", Reason::History),
        ("pipe", Reason::Special),
        ("socket", Reason::Special),
    ];
    assert_eq!(left_out(&taken), expected.map(|(path, reason)| (path.to_owned(), reason)).into());
    let manifest = home.store.manifest(&taken.id).unwrap();
    assert!(manifest.leaves_out(&TreePath::new("pipe").unwrap()));
    assert!(
        !manifest.leaves_out(&TreePath::new(".git").unwrap()),
        "a repository that is made changes no snapshot"
    );
    assert_eq!(taken.snapshot().left_out.len(), 2);
}

#[test]
fn what_git_ignores_is_kept_while_it_is_small() {
    let mut home = Home::new();
    home.write(".gitignore", "*.log\n/build\n!important.log\n# a comment\n\n[\n");
    home.write("sub/.gitignore", "!kept.log\ngenerated/\n");
    home.write("notes.log", "small");
    home.write("build/out", vec![b'x'; 900]);
    home.write("important.log", vec![b'y'; 5000]);
    home.write("sub/kept.log", vec![b'z'; 5000]);
    home.write("sub/build/fine", "fine");
    home.write("sub/generated/deep/a", vec![b'g'; 100]);
    home.limits.ignored_bytes = 2000;
    let taken = home.take();
    assert!(taken.left_out.paths.is_empty(), "{:?}", taken.left_out);
    assert_eq!(taken.tree.entries.len(), 8);

    home.write("sub/generated/deep/b", vec![b'g'; 1500]);
    let taken = home.take();
    let weight = Weight { bytes: 1600, files: 2, counted: Counted::All };
    assert_eq!(left_out(&taken), [("sub/generated".to_owned(), Reason::Ignored { weight })].into());

    home.limits.ignored_bytes = 500;
    let taken = home.take();
    assert_eq!(left_out(&taken).into_keys().collect::<Vec<_>>(), ["build", "sub/generated"]);
    assert!(paths(&taken.tree).contains(&"notes.log".to_owned()));
    insta::assert_json_snapshot!(taken.snapshot().left_out, @r#"
    {
      "build": "ignored by `.gitignore`, and large: at least 1 file, 900 bytes",
      "sub/generated": "ignored by `.gitignore`, and large: at least 2 files, 2 KB"
    }
    "#);
}

#[test]
fn packages_caches_and_build_folders_are_left_out_when_large() {
    let mut home = Home::new();
    for file in 0..30 {
        home.write(format!("web/node_modules/left-pad/{file}.js"), "x");
        home.write(format!("target/debug/{file}.o"), "x");
        home.write(format!("venv/lib/{file}.py"), "x");
        home.write(format!("mine/target/{file}.txt"), "x");
    }
    home.write("target/CACHEDIR.TAG", "Signature: 8a477f597d28d172789f06886806bc55\n# made by cargo");
    home.write("mine/target/CACHEDIR.TAG", "no signature");
    home.write("venv/pyvenv.cfg", "home = /usr");
    home.write("small/node_modules/one.js", "x");
    home.limits.ignored_files = 20;
    let taken = home.take();
    let folders: Vec<String> = left_out(&taken).into_keys().collect();
    assert_eq!(folders, ["target", "venv", "web/node_modules"]);
    assert_eq!(taken.tree.files(), 32);
    assert!(home.store.manifest(&taken.id).unwrap().leaves_out(&TreePath::new("target/debug/1.o").unwrap()));
}

#[test]
fn large_groups_take_no_room_from_other_files() {
    let mut home = Home::new();
    for package in 0..6 {
        for file in 0..30 {
            home.write(format!("{package}/node_modules/{file}.js"), "x");
        }
        home.write(format!("{package}/main.js"), "x");
    }
    for folder in 0..100 {
        fs_err::create_dir_all(home.work(format!("7/node_modules/{folder}/empty"))).unwrap();
    }
    home.limits.ignored_files = 20;
    home.limits.entries = 100;
    let taken = home.take();
    assert_eq!(taken.tree.files(), 6, "{:?}", taken.left_out);
    assert_eq!(taken.left_out.paths.len(), 7);
}

#[test]
fn a_gitignore_that_is_too_long_is_not_obeyed() {
    let mut home = Home::new();
    home.limits.ignored_files = 0;
    home.write("x", "x");
    home.write(".gitignore", "x\n");
    assert_eq!(paths(&home.take().tree), [".gitignore"]);
    home.write(".gitignore", "x\n".repeat(50_000));
    assert_eq!(paths(&home.take().tree), [".gitignore", "x"]);
}

#[test]
fn all_rules_together_are_obeyed_up_to_a_limit() {
    let mut home = Home::new();
    home.limits.ignored_files = 0;
    let rules = format!("*.o\n{}\n", "#".repeat(60_000));
    for folder in ["a", "b", "c", "d", "e", "f"] {
        home.write(format!("{folder}/.gitignore"), &rules);
        home.write(format!("{folder}/x.o"), "x");
    }
    let kept = paths(&home.take().tree);
    let kept: Vec<&String> = kept.iter().filter(|path| path.contains("/x.o")).collect();
    // As many as there is room for, in order.
    assert_eq!(kept, ["e/x.o", "f/x.o"]);
}

#[test]
fn limits_leave_out_the_largest_and_say_so() {
    let mut home = Home::new();
    home.write("small", "1");
    home.write("a-large", vec![b'a'; 600]);
    home.write("b-larger", vec![b'b'; 700]);
    home.write("c-huge", vec![b'c'; 5000]);
    home.limits.file_bytes = 1000;
    home.limits.bytes = 800;
    let taken = home.take();
    assert_eq!(paths(&taken.tree), ["a-large", "small"]);
    insta::assert_json_snapshot!(taken.snapshot().left_out, @r#"
    {
      "b-larger": "a file of 700 bytes; all files together may have 800 bytes",
      "c-huge": "a file of 5 KB; files above 1000 bytes are not kept"
    }
    "#);
}

#[test]
fn more_files_than_fit_are_left_out_in_order() {
    let mut home = Home::new();
    for name in 0..40 {
        home.write(format!("{}/{name:02}", name / 10), "x");
    }
    home.limits.entries = 25;
    let taken = home.take();
    assert_eq!(taken.tree.entries.len(), 25);
    assert_eq!(paths(&taken.tree).last().unwrap(), "2/24");
    assert!(home.store.manifest(&taken.id).unwrap().leaves_out(&TreePath::new("3/35").unwrap()));
    assert_eq!(home.take().id, taken.id);
}

#[test]
fn a_list_that_could_not_be_read_again_is_not_written() {
    let mut home = Home::new();
    home.write("a", "x");
    let list = encode_of(&home.take());
    home.limits.manifest_bytes = list - 1;
    home.write("b", "x");
    let refused = home.store.take(&home.work(""), &mut home.cache, &home.limits).unwrap_err();
    assert!(matches!(refused, Error::LongList { .. }), "{refused}");
    assert_eq!((home.store.verify().unwrap().snapshots, home.unfinished()), (1, 0));
    home.limits.manifest_bytes = 2 * list;
    home.take();
}

/// Bytes of the list of a snapshot.
fn encode_of(taken: &Taken) -> u64 {
    manifest::encode(&taken.tree, &taken.left_out.in_manifest()).len() as u64
}

#[test]
fn the_longest_list_that_a_folder_can_have_is_one_that_can_be_read() {
    // A line of a file besides its name: what it is, the largest size, the hash, and what separates them.
    let line = "f  \0".len() + u64::MAX.to_string().len() + 64 + 1;
    // The last one may go over the limit, with the longest target that a link has.
    let names = limits::SNAPSHOT_NAME_BYTES + limits::SNAPSHOT_PATH_BYTES + 4096;
    // The shortest paths take three bytes besides.
    let left_out = 2 * limits::SNAPSHOT_NAME_BYTES;
    let longest = limits::SNAPSHOT_ENTRIES * line + names + left_out;
    assert!(longest as u64 <= limits::MANIFEST_BYTES, "{longest}");
}

#[test]
fn folders_with_too_many_bytes_of_names_are_left_out_whole() {
    let mut home = Home::new();
    home.write("z", "x");
    // The paths count as they are in memory: with all folders before them.
    let deep = vec!["d".repeat(250); 11].join("/");
    let count = limits::SNAPSHOT_NAME_BYTES / (deep.len() + 4) + 1;
    for (folder, files) in [("few", 10), ("much", count)] {
        fs_err::create_dir_all(home.work(folder).join(&deep)).unwrap();
        let around =
            rustix::fs::open(home.work(folder).join(&deep), OFlags::RDONLY, FileMode::empty()).unwrap();
        for number in 0..files {
            rustix::fs::mknodat(&around, format!("{number:05}"), FileType::Fifo, FileMode::RWXU, 0).unwrap();
        }
    }
    let taken = home.take();
    assert_eq!(paths(&taken.tree), ["z"]);
    let left_out = left_out(&taken);
    assert_eq!(left_out.len(), 10 + 1);
    assert_eq!(left_out[&format!("much/{deep}")], Reason::TooMany { limit: limits::SNAPSHOT_ENTRIES });
    assert!(taken.snapshot().left_out.contains_key("(others)"));
}

#[test]
fn a_path_that_is_too_long_to_be_opened_is_left_out() {
    let mut home = Home::new();
    home.write("fine", "x");
    let deep = "d".repeat(250);
    let mut at = home.work("");
    // By steps: as one path it is too long for the system.
    for _ in 0..15 {
        at = at.join(&deep);
        if at.as_os_str().len() < 3900 {
            fs_err::create_dir(&at).unwrap();
        }
    }
    let taken = home.take();
    assert_eq!(paths(&taken.tree), ["fine"]);
    assert_eq!(left_out(&taken).into_values().collect::<Vec<_>>(), [Reason::TooLong]);
}

#[test]
fn what_cannot_be_read_is_told_and_not_fatal() {
    let mut home = Home::new();
    home.write("closed/inner", "x");
    home.write("listed/inner", "x");
    symlink("inner", home.work("listed/link")).unwrap();
    fs_err::create_dir(home.work("listed/sub")).unwrap();
    home.write("locked", "x");
    home.write("open", "x");
    let mode = |path: &str, mode| {
        fs_err::set_permissions(home.work(path), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode("closed", 0);
    mode("listed", 0o400);
    mode("locked", 0);
    // Root reads everything.
    let is_root = fs_err::read(home.work("locked")).is_ok();
    let taken = home.store.take(&home.work(""), &mut StatCache::default(), &home.limits).unwrap();
    mode("closed", 0o700);
    mode("listed", 0o700);
    if is_root {
        assert_eq!(taken.tree.files(), 4);
    } else {
        assert_eq!(paths(&taken.tree), ["open"]);
        let left_out: Vec<String> = left_out(&taken).into_keys().collect();
        assert_eq!(left_out, ["closed", "listed/inner", "listed/link", "listed/sub", "locked"]);
    }
    home.take();
}

#[test]
fn bytes_are_those_that_were_hashed_while_somebody_writes() {
    let mut home = Home::new();
    let path = home.work("busy");
    home.write("busy", "");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut round = 0_usize;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                round += 1;
                fs_err::write(&path, vec![u8::try_from(round % 250).unwrap(); round * 7919 % 3_000_000])
                    .unwrap();
            }
        });
        for _ in 0..30 {
            let taken = home.take();
            let entry = taken.tree.get(&TreePath::new("busy").unwrap()).unwrap().clone();
            let Entry::File { digest, size, .. } = entry else { panic!("{entry:?}") };
            // `read` compares the bytes with the hash.
            assert_eq!(home.store.read(&digest).unwrap().len() as u64, size);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(home.store.verify().unwrap().faults.is_empty());
    assert_eq!(home.unfinished(), 0);
}

#[test]
fn links_that_swap_with_folders_never_lead_outside() {
    let mut home = Home::new();
    fs_err::create_dir(home.folder.path().join("outside")).unwrap();
    fs_err::write(home.folder.path().join("outside/file"), "secret").unwrap();
    home.write("real/file", "mine");
    let (name, real) = (home.work("real"), home.work("aside"));
    let outside = home.folder.path().join("outside");
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                fs_err::rename(&name, &real).unwrap();
                symlink(&outside, &name).unwrap();
                fs_err::remove_file(&name).unwrap();
                fs_err::rename(&real, &name).unwrap();
            }
        });
        for _ in 0..200 {
            let taken = home.take();
            let secret = Digest::of(b"secret");
            let is_secret = |entry: &Entry| matches!(entry, Entry::File { digest, .. } if *digest == secret);
            assert!(!taken.tree.entries.values().any(is_secret));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert!(!home.store.blobs.has(&Digest::of(b"secret")));
}

#[test]
fn a_long_file_is_kept_as_it_is() {
    let mut home = Home::new();
    let content: Vec<u8> = (0_u32..1_000_000).flat_map(u32::to_le_bytes).collect();
    home.write("long", &content);
    home.take();
    assert_eq!(home.store.read(&Digest::of(&content)).unwrap(), content);
}

#[test]
fn damage_is_found() {
    let mut home = Home::new();
    home.write("a", "aaa");
    home.write("b", "bbb");
    let taken = home.take();
    fs_err::write(home.store.blobs.path(&Digest::of(b"aaa")), "aab").unwrap();
    fs_err::remove_file(home.store.blobs.path(&Digest::of(b"bbb"))).unwrap();
    assert_eq!(home.store.read(&Digest::of(b"aaa")).unwrap_err().kind(), io::ErrorKind::InvalidData);
    let faults = home.store.verify().unwrap().faults;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[1].ends_with("the content of `b` is missing"), "{faults:?}");
    let manifest = home.folder.path().join("store/snapshots").join(&taken.id.0);
    fs_err::write(&manifest, "massgen snapshot 1\n").unwrap();
    assert!(matches!(home.store.manifest(&taken.id), Err(Error::DamagedSnapshot { .. })));
}

#[test]
fn an_id_never_becomes_another_path() {
    let home = Home::new();
    fs_err::write(home.folder.path().join("store/secret"), "x").unwrap();
    for id in ["../secret", "", "/etc/passwd", &"A".repeat(64)] {
        assert!(matches!(home.store.manifest(&SnapshotId(id.to_owned())), Err(Error::NotAnId(_))));
    }
    let missing = SnapshotId(Digest::of(b"").to_string());
    assert!(matches!(home.store.manifest(&missing), Err(Error::NoSnapshot(_))));
}

#[test]
fn what_a_killed_process_left_goes_when_the_store_is_opened() {
    let mut home = Home::new();
    home.write("a", "a");
    let taken = home.take();
    fs_err::write(home.folder.path().join("store/unfinished/1-1"), "half").unwrap();
    let again = SnapshotStore::open(&home.folder.path().join("store")).unwrap();
    assert_eq!(home.unfinished(), 0);
    assert_eq!(again.manifest(&taken.id).unwrap().tree, *taken.tree);
}

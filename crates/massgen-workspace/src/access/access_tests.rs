use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use massgen_protocol::workspace::{
    Access, ContextKind, ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec,
};
use proptest::prelude::*;

use super::managed::Managed;
use super::walk::{How, walk};
use super::*;

struct House {
    root: PathBuf,
    managed: Arc<Managed>,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let root = fs_err::canonicalize(folder.path()).expect("its path");
        for name in
            ["ws", "peers/agent2", "project/src", "project/.git", "project/keep", "outside", "journal"]
        {
            fs_err::create_dir_all(root.join(name)).expect("made");
        }
        for (name, text) in [
            ("outside/secret", "the secret"),
            ("peers/agent2/a.txt", "of a peer"),
            ("project/src/main.rs", "fn main() {}"),
            ("project/.git/config", "[core]"),
            ("project/keep/x", "x"),
            ("single.txt", "single"),
            ("beside.txt", "beside"),
        ] {
            fs_err::write(root.join(name), text).expect("written");
        }
        let managed = managed(&root, Contexts::AsWritten);
        Self { root, managed, _folder: folder }
    }

    fn read(&self, path: impl AsRef<Path>) -> Result<String, Error> {
        let place = self.managed.find(path, Last::Followed)?.there()?;
        Ok(String::from_utf8_lossy(&place.read(1000)?).into_owned())
    }

    fn write(&self, path: impl AsRef<Path>, text: &str) -> Result<(), Error> {
        match self.managed.find(path, Last::Followed)? {
            Found::There(place) => place.replace(text.as_bytes()),
            Found::Missing(gap) => gap.into_place()?.replace(text.as_bytes()),
        }
    }

    fn text(&self, name: &str) -> String {
        fs_err::read_to_string(self.root.join(name)).expect("read")
    }
}

fn spec(root: &Path) -> WorkspaceSpec {
    let name = |name: &str| root.join(name).to_str().expect("text").to_owned();
    let context = |path: &str, access, protected: &[&str]| ContextPath {
        path: name(path),
        access,
        kind: ContextKind::Folder,
        protected: protected.iter().map(|part| (*part).to_owned()).collect(),
    };
    WorkspaceSpec {
        folder: name("ws"),
        peers: name("peers"),
        contexts: vec![
            context("project", Access::Write, &["keep"]),
            context("single.txt", Access::Write, &[]),
        ],
        isolation: Isolation::Direct,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    }
}

fn managed(root: &Path, contexts: Contexts) -> Arc<Managed> {
    let managed = Managed::of(&spec(root), contexts).expect("all are there");
    Arc::new(managed.with_hidden(&root.join("journal")))
}

fn is_refused<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Refused(_)))
}

#[test]
fn what_an_agent_was_given_is_read_and_written_as_the_table_says() {
    let house = House::new();
    let here = |name: &str| house.root.join(name);
    house.write("notes/a.txt", "mine").expect("the workspace is its own");
    assert_eq!(house.read(here("ws/notes/a.txt")).expect("read"), "mine");
    assert_eq!(house.read(here("peers/agent2/a.txt")).expect("read"), "of a peer");
    assert!(is_refused(&house.write(here("peers/agent2/a.txt"), "x")));
    house.write(here("project/src/main.rs"), "changed").expect("a writable context");
    assert_eq!(house.text("project/src/main.rs"), "changed");
    assert_eq!(house.read(here("project/.git/config")).expect("read"), "[core]");
    assert!(is_refused(&house.write(here("project/.git/config"), "x")));
    assert!(is_refused(&house.write(here("project/keep/x"), "x")));
    assert!(is_refused(&house.write(here("project/keep/new/deep"), "x")));
    house.write(here("single.txt"), "two").expect("a single file");
    assert!(is_refused(&house.read(here("beside.txt"))));
    assert!(is_refused(&house.read(here("outside/secret"))));
    assert!(is_refused(&house.read(here("journal/journal.db"))));
}

#[test]
fn nothing_is_made_beside_the_one_file_that_a_copy_is_for() {
    let house = House::new();
    let copy = house.root.join("ws/.worktree/ctx_2");
    fs_err::create_dir_all(&copy).expect("made");
    fs_err::write(copy.join("single.txt"), "one").expect("written");
    let spec = WorkspaceSpec { isolation: Isolation::Auto, ..spec(&house.root) };
    let managed = Arc::new(Managed::of(&spec, Contexts::ReadOnly).expect("all are there"));
    managed.decide_change(&copy.join("single.txt")).expect("that is what it is for");
    for beside in ["beside.txt", "new/new.txt", "single.txt.bak"] {
        let refusal = managed.decide_change(&copy.join(beside)).expect_err("it would be dropped");
        assert!(matches!(&refusal, Refusal::Beside { only, .. } if *only == copy.join("single.txt")));
    }
    // A whole folder is another matter.
    managed.decide_change(&copy.with_file_name("ctx_1").join("new/new.txt")).expect("it is applied");
}

#[test]
fn contexts_are_read_only_before_the_presentation() {
    let house = House::new();
    let managed = managed(&house.root, Contexts::ReadOnly);
    let place = managed.find(house.root.join("project/src/main.rs"), Last::Followed).expect("found");
    assert_eq!(place.there().map(|place| place.access()).expect("there"), Access::Read);
    let refusal = managed.decide_change(&house.root.join("project/src/main.rs")).expect_err("refused");
    assert!(matches!(refusal, Refusal::ReadOnly(_)));
}

#[test]
fn a_workspace_below_a_hidden_folder_stays_in_reach_and_all_beside_it_does_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs_err::canonicalize(folder.path()).expect("its path");
    for name in ["p/.massgen/workspaces/mine", "p/.massgen/workspaces/other", "p/.massgen/logs", "peers"] {
        fs_err::create_dir_all(root.join(name)).expect("made");
    }
    let name = |name: &str| root.join(name).to_str().expect("text").to_owned();
    let spec = WorkspaceSpec {
        folder: name("p/.massgen/workspaces/mine"),
        peers: name("peers"),
        contexts: vec![ContextPath {
            path: name("p"),
            access: Access::Read,
            kind: ContextKind::Folder,
            protected: Vec::new(),
        }],
        isolation: Isolation::Auto,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    };
    let managed =
        Managed::of(&spec, Contexts::ReadOnly).expect("all are there").with_hidden(&root.join("p/.massgen"));
    let decide = |name: &str| managed.decide(&root.join(name));
    assert_eq!(decide("p/.massgen/workspaces/mine/a"), Ok(Access::Write));
    assert_eq!(decide("p/a"), Ok(Access::Read));
    for hidden in
        ["p/.massgen", "p/.massgen/workspaces", "p/.massgen/workspaces/other/a", "p/.massgen/logs/x"]
    {
        assert!(matches!(decide(hidden), Err(Refusal::Hidden(_))), "{hidden}");
    }
    let managed = Arc::new(managed);
    let up = managed.find("../other", Last::Followed).map(|found| found.path());
    assert!(is_refused(&up), "{up:?}");
    let folder =
        managed.find(root.join("p"), Last::Followed).and_then(Found::there).and_then(|place| place.folder());
    assert_eq!(folder.and_then(|folder| folder.entries(9)).expect("listed"), []);
}

#[test]
fn hostile_paths_lead_nowhere() {
    let house = House::new();
    fs_err::create_dir(house.root.join("ws/dir")).expect("made");
    symlink(house.root.join("outside"), house.root.join("ws/out")).expect("linked");
    symlink("../outside/secret", house.root.join("ws/secret")).expect("linked");
    symlink("/proc/self/root", house.root.join("ws/proc")).expect("linked");
    symlink("loop", house.root.join("ws/loop")).expect("linked");
    for path in [
        "../outside/secret",
        "dir/../../outside/secret",
        "out/secret",
        "out/../outside/secret",
        "secret",
        "proc/etc/passwd",
        "/proc/self/environ",
        "/proc/self/cwd/Cargo.toml",
        "/etc/passwd",
        "/",
        "..",
        "../ws2",
        "../wsx/a",
    ] {
        assert!(is_refused(&house.read(path)), "{path}: {:?}", house.read(path));
        assert!(is_refused(&house.write(path, "x")), "{path}");
    }
    assert!(matches!(house.read("loop"), Err(Error::TooManyLinks(_))));
    assert!(matches!(house.read("a\0b"), Err(Error::NotAPath)));
    assert!(matches!(house.read(""), Err(Error::NotAPath)));
    assert!(matches!(house.read("nothing/../../outside/secret"), Err(Error::Missing(_))));
    assert_eq!(house.text("outside/secret"), "the secret");
}

#[test]
fn links_between_managed_folders_are_followed_and_judged_where_they_lead() {
    let house = House::new();
    symlink(house.root.join("peers/agent2"), house.root.join("ws/peer")).expect("linked");
    symlink("../project", house.root.join("ws/project")).expect("linked");
    assert_eq!(house.read("peer/a.txt").expect("read"), "of a peer");
    assert!(is_refused(&house.write("peer/a.txt", "x")));
    house.write("project/src/new.rs", "new").expect("written");
    assert_eq!(house.text("project/src/new.rs"), "new");
    assert!(is_refused(&house.write("project/.git/config", "x")));
    // `..` is the folder that the link leads to, as the system has it.
    assert_eq!(house.read("project/../single.txt").expect("the context file"), "single");
    assert!(is_refused(&house.read("project/../beside.txt")));
}

#[test]
fn a_hard_link_to_a_file_outside_is_replaced_and_not_written_through() {
    let house = House::new();
    fs_err::hard_link(house.root.join("outside/secret"), house.root.join("ws/hard")).expect("linked");
    house.write("hard", "mine").expect("written");
    assert_eq!(
        (house.text("ws/hard").as_str(), house.text("outside/secret").as_str()),
        ("mine", "the secret")
    );
}

#[test]
fn a_link_that_comes_after_the_walk_is_not_followed() {
    let house = House::new();
    house.write("file", "mine").expect("written");
    let place = house.managed.find("file", Last::Followed).and_then(Found::there).expect("found");
    let gap = house.managed.find("new/deep", Last::Followed).expect("found");
    fs_err::remove_file(house.root.join("ws/file")).expect("removed");
    symlink("../outside/secret", house.root.join("ws/file")).expect("linked");
    symlink("../outside", house.root.join("ws/new")).expect("linked");
    assert!(place.read(100).is_err());
    place.replace(b"mine again").expect("the link itself is replaced");
    assert_eq!(house.text("outside/secret"), "the secret");
    let Found::Missing(gap) = gap else { panic!("nothing was there") };
    assert!(gap.into_place().is_err());
    assert!(!house.root.join("outside/deep").exists());
}

#[test]
fn folders_that_are_swapped_for_links_all_the_time_never_let_anything_out() {
    let house = House::new();
    let ws = house.root.join("ws");
    fs_err::create_dir(ws.join("a")).expect("made");
    fs_err::write(ws.join("a/secret"), "mine").expect("written");
    symlink("../outside", ws.join("b")).expect("linked");
    let stop = Arc::new(AtomicBool::new(false));
    let swapper = std::thread::spawn({
        let (stop, ws) = (stop.clone(), ws);
        move || {
            while !stop.load(Ordering::Relaxed) {
                let (from, to) = (ws.join("a"), ws.join("b"));
                let here = rustix::fs::CWD;
                rustix::fs::renameat_with(here, &from, here, &to, rustix::fs::RenameFlags::EXCHANGE)
                    .expect("exchanged");
            }
        }
    });
    for _ in 0..3000 {
        if let Ok(text) = house.read("a/secret") {
            assert_eq!(text, "mine");
        }
        // Refusals, missing files and loops are all right; only what lies outside must stay as it is.
        let _ = house.write("a/secret", "mine");
        let _ = house.write("a/made", "mine");
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().expect("it ends");
    assert_eq!(house.text("outside/secret"), "the secret");
    assert!(!house.root.join("outside/made").exists());
}

#[test]
fn what_must_stay_is_neither_moved_nor_removed_with_what_is_around_it() {
    let house = House::new();
    let find = |name: &str| {
        house.managed.find(house.root.join(name), Last::AsItIs).and_then(Found::there).expect("found")
    };
    for name in ["ws", "project", "project/keep", "project/.git", "peers/agent2"] {
        assert!(is_refused(&find(name).remove_tree()), "{name}");
    }
    fs_err::create_dir_all(house.root.join("project/lib/node_modules/x")).expect("made");
    assert!(is_refused(&find("project/lib").remove_tree()));
    let Ok(Found::Missing(gap)) = house.managed.find("lib", Last::AsItIs) else { panic!("nothing is there") };
    assert!(is_refused(&find("project/lib").move_to(&gap.into_place().expect("a place"))));
    assert!(house.root.join("project/lib/node_modules/x").exists());
    find("project/src").remove_tree().expect("nothing in it must stay");
    assert!(!house.root.join("project/src").exists());
}

#[test]
fn removing_a_tree_removes_links_and_not_what_they_lead_to() {
    let house = House::new();
    fs_err::create_dir_all(house.root.join("ws/t/u")).expect("made");
    symlink("../../outside", house.root.join("ws/t/out")).expect("linked");
    symlink("../../../outside/secret", house.root.join("ws/t/u/secret")).expect("linked");
    house
        .managed
        .find("t", Last::AsItIs)
        .and_then(Found::there)
        .expect("found")
        .remove_tree()
        .expect("removed");
    assert!(!house.root.join("ws/t").exists());
    assert_eq!(house.text("outside/secret"), "the secret");
}

#[test]
fn a_file_keeps_its_mode_when_its_content_is_replaced() {
    let house = House::new();
    house.write("run.sh", "one").expect("written");
    fs_err::set_permissions(house.root.join("ws/run.sh"), std::fs::Permissions::from_mode(0o754))
        .expect("set");
    house.write("run.sh", "two").expect("written");
    assert_eq!(fs_err::metadata(house.root.join("ws/run.sh")).expect("told").mode() & 0o7777, 0o754);
    let left: Vec<_> = fs_err::read_dir(house.root.join("ws")).expect("read").collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn pipes_and_folders_are_no_files() {
    let house = House::new();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        house.root.join("ws/pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .expect("made");
    fs_err::create_dir(house.root.join("ws/dir")).expect("made");
    assert!(matches!(house.read("pipe"), Err(Error::NotAFile(_))));
    assert!(matches!(house.read("dir"), Err(Error::NotAFile(_))));
    assert!(matches!(house.write("dir", "x"), Err(Error::NotAFile(_))));
    assert!(matches!(house.read("pipe/x"), Err(Error::NotAFolder(_))));
}

#[test]
fn names_that_are_no_text_are_listed_and_opened() {
    let house = House::new();
    let name = OsStr::from_bytes(b"odd-\xff");
    fs_err::write(house.root.join("ws").join(name), "odd").expect("written");
    assert_eq!(house.read(name).expect("read"), "odd");
    let folder =
        house.managed.find(".", Last::Followed).and_then(Found::there).and_then(|place| place.folder());
    let folder = folder.expect("opened");
    let entries = folder.entries(10).expect("listed");
    assert_eq!(entries, [Entry { name: name.to_os_string(), kind: EntryKind::File }]);
    assert!(matches!(folder.entries(0), Err(Error::TooMany { most: 0, .. })));
}

#[test]
fn a_root_is_found_by_the_name_that_the_configuration_gives_it() {
    let house = House::new();
    let other = house.root.join("elsewhere");
    symlink(&house.root, &other).expect("linked");
    let managed = managed(&other, Contexts::AsWritten);
    fs_err::write(house.root.join("ws/a"), "a").expect("written");
    for path in [other.join("ws/a"), house.root.join("ws/a"), other.join("ws/../ws/a")] {
        let place = managed.find(&path, Last::Followed).and_then(Found::there).expect("found");
        assert_eq!(place.path(), house.root.join("ws/a"));
    }
}

#[test]
fn larger_files_than_asked_for_are_not_read() {
    let house = House::new();
    house.write("big", &"x".repeat(11)).expect("written");
    let place = house.managed.find("big", Last::Followed).and_then(Found::there).expect("found");
    assert!(matches!(place.read(10), Err(Error::TooLarge { size: 11, most: 10, .. })));
    assert_eq!(place.read(11).expect("read").len(), 11);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn both_walks_reach_the_same_and_never_what_lies_outside(
        links in prop::collection::vec(("[ab]", "(\\.\\./){0,3}(ws|outside|peers|a|b|a/b|project|project/keep)"), 0..4),
        parts in prop::collection::vec("(a|b|\\.\\.|\\.|outside|ws|secret|peers|project|f)", 1..6),
    ) {
        let house = House::new();
        let ws = house.root.join("ws");
        fs_err::create_dir_all(ws.join("a/b")).expect("made");
        fs_err::write(ws.join("a/b/f"), "f").expect("written");
        for (index, (name, target)) in links.iter().enumerate() {
            let at = if index % 2 == 0 { ws.join("b") } else { ws.join("a/b").join(name) };
            // Some stand already.
            let _ = symlink(target, at);
        }
        let path: PathBuf = parts.iter().collect();
        let path_of = |how| walk(&house.managed, &path, Last::Followed, how).map(|found| found.path());
        let (quick, slow) = (path_of(How::Quickly), path_of(How::PartByPart));
        prop_assert_eq!(quick.as_ref().ok(), slow.as_ref().ok());
        if let Ok(found) = slow {
            prop_assert!(house.managed.decide(&found).is_ok(), "{}", found.display());
            if let Ok(real) = fs_err::canonicalize(ws.join(&path)) {
                prop_assert_eq!(real, found);
            }
        }
    }
}

#[test]
fn files_are_spelled_as_seen_from_what_holds_them_and_copies_as_what_they_stand_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs_err::canonicalize(folder.path()).expect("its path");
    for name in ["ws", "peers", "read/sub", "project", "view"] {
        fs_err::create_dir_all(root.join(name)).expect("made");
    }
    fs_err::write(root.join("single.txt"), "single").expect("written");
    let name = |name: &str| root.join(name).to_str().expect("text").to_owned();
    let context = |path: &str, access| ContextPath {
        path: name(path),
        access,
        kind: ContextKind::Folder,
        protected: Vec::new(),
    };
    let spec = WorkspaceSpec {
        folder: name("ws"),
        peers: name("peers"),
        contexts: vec![
            context("read", Access::Read),
            context("read/sub", Access::Read),
            context("project", Access::Write),
            context("single.txt", Access::Write),
        ],
        isolation: Isolation::Auto,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    };
    let managed = Managed::of(&spec, Contexts::ReadOnly).expect("all are there");
    let managed = managed.with_readable(&root.join("view")).expect("there");
    let told: Vec<String> = [
        "ws/notes",
        "ws",
        "read/secrets/a",
        "read/sub/secrets/a",
        "project/secrets/a",
        "single.txt",
        "ws/.worktree/ctx_1/secrets/a",
        "ws/.worktree/ctx_2/single.txt",
        "peers/agent2/a",
        "view/.worktree/ctx_7/secrets/a",
        "other/secrets/a",
    ]
    .iter()
    .map(|path| format!("{path}: {}", managed.spellings(&root.join(path)).join(" | ")))
    .collect();
    insta::assert_snapshot!(told.join("\n").replace(root.to_str().expect("text"), "ROOT"));
}

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use massgen_protocol::workspace::{DriftPolicy, Isolation};

use super::{Git, Isolated, IsolationError, Kind, Owner, Request, isolate, leftovers};
use crate::cache::StatCache;
use crate::changes::fixture::{Dice, Store, exactly, path, scan, temporary};
use crate::changes::{self, FileChange, Later, Selection, Status, Target, Text, Wish};
use crate::manifest::Manifest;
use crate::scan::ScanLimits;
use crate::store::SnapshotStore;
use crate::tree::{Digest, Entry, Mode, Tree, TreePath};

/// A home folder, a project and a place for copies.
struct Desk {
    root: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self { root: temporary() };
        for name in ["home", "project"] {
            fs_err::create_dir(desk.root.path().join(name)).unwrap();
        }
        desk
    }

    fn project(&self) -> PathBuf {
        fs_err::canonicalize(self.root.path()).unwrap().join("project")
    }

    fn environment(&self) -> BTreeMap<OsString, OsString> {
        let path = std::env::var_os("PATH").unwrap();
        [("PATH".into(), path), ("HOME".into(), self.root.path().join("home").into())].into()
    }

    /// Commits all that is in `project`.
    fn commit(&self, project: &Path) {
        self.git(project, &["add", "-A"]);
        self.git(project, &["commit", "-qm", "first"]);
    }

    /// Git as the user calls it.
    fn git(&self, folder: &Path, words: &[&str]) -> Vec<u8> {
        let output = Command::new("git")
            .env_clear()
            .envs(self.environment())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .args(["-c", "user.name=u", "-c", "user.email=u@localhost", "-c", "protocol.file.allow=always"])
            .args(["-c", "init.defaultBranch=main"])
            .args(words)
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    fn place(&self) -> PathBuf {
        self.root.path().join("workspace/.worktree/ctx_1")
    }

    fn isolate(&self, source: &Path, isolation: Isolation) -> Result<Isolated, IsolationError> {
        let owner = Owner::this_process("/logs/run 1").unwrap();
        let place = self.place();
        let request = Request { source, place: &place, isolation, skip: &[], owner: &owner };
        isolate(&Git::new(&self.environment()), &request)
    }

    /// What of git a user could notice, besides files.
    fn noticed(&self) -> Vec<Vec<u8>> {
        let project = self.project();
        let ask = |words: &[&str]| self.git(&project, words);
        vec![
            fs_err::read(project.join(".git/index")).unwrap_or_default(),
            fs_err::read(project.join(".git/config")).unwrap(),
            fs_err::read(project.join(".git/HEAD")).unwrap(),
            ask(&["--no-optional-locks", "status", "--porcelain", "-z"]),
            ask(&["for-each-ref"]),
            ask(&["worktree", "list", "--porcelain"]),
        ]
    }
}

fn is_ignored(path: &[u8]) -> bool {
    path.ends_with(b".ignored") || path.starts_with(b"junk/") || path.windows(6).any(|part| part == b"/junk/")
}

/// What git would track, without empty folders, which it does not know.
fn tracked(mut tree: Tree) -> Tree {
    tree.entries.retain(|path, entry| !is_ignored(path.as_bytes()) && *entry != Entry::EmptyFolder);
    tree
}

const MODULES: &str = "[submodule \"module\"]\n\tpath = module\n\turl = ../other\n";

/// What the generated repositories and their changes have among them, and how many.
#[derive(Debug, Default)]
struct Kinds(BTreeMap<&'static str, usize>);

/// All of them.
const KINDS: [&str; 16] = [
    "dirty tree",
    "staged work",
    "submodule",
    "repository in the repository",
    "part of a repository",
    "nested ignore file",
    "added",
    "modified",
    "deleted",
    "renamed",
    "another type",
    "executable bit",
    "link",
    "CRLF",
    "binary",
    "name that is not UTF-8",
];

impl Kinds {
    fn count(&mut self, kind: &'static str, is_there: bool) {
        *self.0.entry(kind).or_default() += usize::from(is_there);
    }

    fn of_change(&mut self, change: &FileChange, store: &SnapshotStore) {
        self.count("added", change.status == Status::Added);
        self.count("modified", change.status == Status::Modified);
        self.count("deleted", change.status == Status::Deleted);
        self.count("renamed", matches!(change.status, Status::Renamed { .. }));
        self.count("another type", change.status == Status::TypeChanged);
        let sides = [&change.before, &change.after];
        let modes = sides.map(|entry| match entry {
            Some(Entry::File { mode, .. }) => Some(*mode),
            _ => None,
        });
        let is_bit = matches!(modes, [Some(Mode::Plain), Some(Mode::Executable)])
            || matches!(modes, [Some(Mode::Executable), Some(Mode::Plain)]);
        self.count("executable bit", is_bit);
        self.count("link", sides.iter().any(|entry| matches!(entry, Some(Entry::Link { .. }))));
        let has_crlf = |digest: &Digest| store.read(digest).unwrap().windows(2).any(|pair| pair == b"\r\n");
        let is_crlf =
            |entry: &&Option<Entry>| matches!(entry, Some(Entry::File { digest, .. }) if has_crlf(digest));
        self.count("CRLF", sides.iter().any(is_crlf));
        self.count("binary", change.text == Text::Binary);
        self.count("name that is not UTF-8", std::str::from_utf8(change.path.as_bytes()).is_err());
    }
}

/// A repository as a user might leave it: some things committed, some staged, some neither.
fn repository(desk: &Desk, dice: &mut Dice, kinds: &mut Kinds) {
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    let rules = "*.ignored\njunk/\n";
    fs_err::write(project.join(".gitignore"), rules).unwrap();
    fs_err::create_dir_all(project.join("sub/deep")).unwrap();
    fs_err::write(project.join("sub/deep/file"), "file\n").unwrap();
    fs_err::write(project.join("sub/.gitignore"), "/own\n").unwrap();
    for _ in 0..14 {
        dice.disturb(&project);
    }
    fs_err::create_dir_all(project.join("sub/deep")).unwrap();
    fs_err::write(project.join(".gitignore"), rules).unwrap();
    let has_module = dice.roll(3) == 0;
    if has_module {
        let other = desk.root.path().join("other");
        fs_err::create_dir(&other).unwrap();
        desk.git(&other, &["init", "-q"]);
        fs_err::write(other.join("in module"), "module\n").unwrap();
        desk.git(&other, &["add", "-A"]);
        desk.git(&other, &["commit", "-qm", "module"]);
        desk.git(&project, &["submodule", "--quiet", "add", "../other", "module"]);
    }
    desk.git(&project, &["add", "-A"]);
    desk.git(&project, &["commit", "-qm", "first", "--allow-empty"]);
    for _ in 0..dice.roll(8) {
        dice.disturb(&project);
    }
    if dice.roll(2) == 0 {
        desk.git(&project, &["add", "-A"]);
    }
    for _ in 0..dice.roll(8) {
        dice.disturb(&project);
    }
    if dice.roll(3) == 0 {
        let nested = project.join("nested");
        fs_err::create_dir(&nested).unwrap();
        desk.git(&nested, &["init", "-q"]);
        fs_err::write(nested.join("tracked"), "nested\n").unwrap();
        desk.git(&nested, &["add", "-A"]);
        if dice.roll(2) == 0 {
            desk.git(&nested, &["commit", "-qm", "nested"]);
        }
        fs_err::write(nested.join("untracked"), "nested\n").unwrap();
    }
    // The rules are what this test knows, whatever happened to them.
    let modules = if has_module { Some((".gitmodules", MODULES)) } else { None };
    for (name, text) in [(".gitignore", rules), ("sub/.gitignore", "/own\n")].into_iter().chain(modules) {
        let file = project.join(name);
        if fs_err::symlink_metadata(&file).is_ok_and(|found| found.is_dir()) {
            fs_err::remove_dir_all(&file).unwrap();
        } else if fs_err::symlink_metadata(&file).is_ok() {
            fs_err::remove_file(&file).unwrap();
        }
        let folder = file.parent().unwrap();
        if fs_err::symlink_metadata(folder).is_ok_and(|found| !found.is_dir()) {
            fs_err::remove_file(folder).unwrap();
        }
        fs_err::create_dir_all(folder).unwrap();
        fs_err::write(&file, text).unwrap();
    }
    fs_err::create_dir_all(project.join("sub/deep")).unwrap();
    fs_err::write(project.join("sub/deep/kept"), "kept\n").unwrap();
    fs_err::create_dir_all(project.join("junk/more")).unwrap();
    for name in ["secret.ignored", "junk/product", "junk/more/product", "sub/x.ignored"] {
        fs_err::write(project.join(name), "mine").unwrap();
    }
    let status = desk.git(&project, &["--no-optional-locks", "status", "--porcelain"]);
    let status = String::from_utf8_lossy(&status);
    kinds.count("dirty tree", status.lines().any(|line| !line[1..].starts_with(' ')));
    kinds.count("staged work", status.lines().any(|line| !line.starts_with([' ', '?'])));
    kinds.count("submodule", has_module && project.join("module/.git").exists());
    kinds.count("repository in the repository", project.join("nested/.git").exists());
    kinds.count("nested ignore file", project.join("sub/.gitignore").is_file());
}

/// The manifest of a snapshot of `folder`, as a run takes it. It leaves nothing out.
fn snapshot(folder: &Path, store: &SnapshotStore) -> Manifest {
    let taken = store.take(folder, &mut StatCache::default(), &ScanLimits::default()).unwrap();
    let manifest = store.manifest(&taken.id).unwrap();
    assert_eq!(manifest.left_out.len(), 0);
    manifest
}

fn round_trip(seed: u64, kinds: &mut Kinds) {
    let desk = Desk::new();
    let mut dice = Dice(seed);
    repository(&desk, &mut dice, kinds);
    let project = desk.project();
    let is_part = dice.roll(4) == 0;
    kinds.count("part of a repository", is_part);
    let source = if is_part { project.join("sub") } else { project.clone() };
    let isolation = [Isolation::Auto, Isolation::Worktree, Isolation::Copy][dice.roll(3)];
    let (original, noticed) = (exactly(&project), desk.noticed());

    let isolated = desk.isolate(&source, isolation).unwrap();
    assert_eq!(matches!(isolated.kind, Kind::Worktree { .. }), isolation != Isolation::Copy, "{seed}");
    assert_eq!(isolated.notes, Vec::<String>::new(), "{seed}");
    let store = SnapshotStore::open(&desk.root.path().join("store")).unwrap();
    let before = snapshot(&isolated.folder, &store).tree;
    assert_eq!(before, tracked(scan(&source, &mut Store::new())), "{seed}");
    assert_eq!(exactly(&project), original, "{seed}");
    assert_eq!(desk.noticed()[..5], noticed[..5], "{seed}");
    let status = desk.git(&isolated.place, &["status", "--porcelain"]);
    assert_eq!(String::from_utf8_lossy(&status), "", "{seed}: an agent sees its own changes only");

    for _ in 0..12 {
        dice.disturb(&isolated.folder);
    }
    // The workspace of the agent as a whole, with the copy in it.
    let workspace = desk.root.path().join("workspace");
    let way = isolated.folder.strip_prefix(fs_err::canonicalize(&workspace).unwrap()).unwrap();
    let way = TreePath::from_path(way).unwrap();
    let take = || snapshot(&workspace, &store).tree.below(&way);
    let mut after = take();
    assert_eq!(after, scan(&isolated.folder, &mut Store::new()), "{seed}");
    let rules_stand = [".gitignore", "sub/.gitignore"]
        .iter()
        .all(|name| before.entries.get(&path(name)) == after.entries.get(&path(name)));
    if rules_stand {
        fs_err::write(isolated.folder.join("made.ignored"), "by a build").unwrap();
        after = take();
    }
    // What a run keeps of it survives being written down.
    let isolated: Isolated = serde_json::from_str(&serde_json::to_string(&isolated).unwrap()).unwrap();
    let changes = changes::compare(&before, &after, &store, &isolated.scope([])).unwrap().changes;
    for change in &changes {
        kinds.of_change(change, &store);
    }
    let target = Target::open(&isolated.target).unwrap();
    let selection = Selection::all();
    let wish = Wish {
        changes: &changes,
        selection: &selection,
        drift: DriftPolicy::Fail,
        protected: &[],
        contents: &store,
    };
    let plan = changes::plan(&wish, &target.current(&changes, &selection).unwrap()).unwrap();
    let record = desk.root.path().join("record");
    changes::apply(&plan, &target, &store, &record).unwrap();
    assert_eq!(tracked(scan(&source, &mut Store::new())), tracked(after), "{seed}");
    for name in ["secret.ignored", "junk/product", "junk/more/product", "sub/x.ignored"] {
        assert_eq!(fs_err::read(project.join(name)).unwrap(), b"mine", "{seed}");
    }
    let undone = changes::undo(&record, Later::Keep).unwrap();
    assert_eq!(undone.kept, [], "{seed}");
    assert_eq!(exactly(&project), original, "{seed}");

    isolated.remove().unwrap();
    assert!(!isolated.place.exists(), "{seed}");
    assert_eq!(desk.noticed(), noticed, "{seed}");
    assert!(!project.join(".git/worktrees").exists(), "{seed}");
}

// Four parts, so that they run side by side.

/// Each of these has every kind among its repositories.
fn round_trips(seeds: std::ops::Range<u64>) {
    let mut kinds = Kinds::default();
    seeds.for_each(|seed| round_trip(seed, &mut kinds));
    for kind in KINDS {
        assert!(kinds.0.get(kind).is_some_and(|count| *count > 0), "no {kind}: {kinds:?}");
    }
}

#[test]
fn fifty_generated_repositories_round_trip() {
    round_trips(0..50);
}

#[test]
fn fifty_other_generated_repositories_round_trip() {
    round_trips(50..100);
}

#[test]
fn fifty_more_generated_repositories_round_trip() {
    round_trips(100..150);
}

#[test]
fn the_last_fifty_generated_repositories_round_trip() {
    round_trips(150..200);
}

#[test]
fn plain_folder_is_copied_with_everything_in_it_and_gets_a_repository() {
    let desk = Desk::new();
    let project = desk.project();
    fs_err::create_dir_all(project.join("empty/deeper")).unwrap();
    fs_err::create_dir_all(project.join(".massgen/workspaces")).unwrap();
    fs_err::write(project.join("file"), "1").unwrap();
    fs_err::write(project.join(".gitignore"), "file\n").unwrap();
    fs_err::write(project.join(OsStr::new("no\u{301}n")), "1").unwrap();
    fs_err::write(project.join(OsString::from_vec(b"caf\xe9".to_vec())), "1").unwrap();
    let isolated = desk.isolate(&project, Isolation::Auto).unwrap();
    assert_eq!(isolated.kind, Kind::Copy);
    assert_eq!(isolated.notes, Vec::<String>::new());
    let mut store = Store::new();
    assert_eq!(scan(&isolated.folder, &mut store), scan(&project, &mut store));
    assert!(!isolated.folder.join(".massgen").exists());
    assert_eq!(desk.git(&isolated.folder, &["log", "--format=%an"]), b"massgen\n");
    isolated.remove().unwrap();
    assert!(!isolated.place.exists());
}

#[test]
fn single_file_is_isolated_alone() {
    let desk = Desk::new();
    let project = desk.project();
    for name in ["one", "two"] {
        fs_err::write(project.join(name), name).unwrap();
    }
    let isolated = desk.isolate(&project.join("one"), Isolation::Auto).unwrap();
    assert_eq!(isolated.target, project);
    assert_eq!(fs_err::read(isolated.folder.join("one")).unwrap(), b"one");
    assert!(!isolated.folder.join("two").exists());
    assert_eq!(isolated.scope([]).only, Some(path("one")));
    assert_eq!(isolated.notes, Vec::<String>::new());
}

#[test]
fn repository_without_commits_is_copied_and_told() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    fs_err::write(project.join(".gitignore"), "*.log\n").unwrap();
    fs_err::write(project.join("a.log"), "x").unwrap();
    fs_err::write(project.join("file"), "x").unwrap();
    let refused = desk.isolate(&project, Isolation::Worktree).unwrap_err();
    assert!(matches!(refused, IsolationError::NoWorktree { .. }), "{refused}");
    let isolated = desk.isolate(&project, Isolation::Auto).unwrap();
    assert_eq!(isolated.kind, Kind::Copy);
    assert!(isolated.notes[0].ends_with("its repository has no commits yet"), "{:?}", isolated.notes);
    assert!(isolated.folder.join("file").exists());
    assert!(!isolated.folder.join("a.log").exists());
}

#[test]
fn submodule_is_copied_and_told() {
    let desk = Desk::new();
    let (project, other) = (desk.project(), desk.root.path().join("other"));
    fs_err::create_dir(&other).unwrap();
    for folder in [&other, &project] {
        desk.git(folder, &["init", "-q"]);
        fs_err::write(folder.join("file"), "x").unwrap();
        desk.git(folder, &["add", "-A"]);
        desk.git(folder, &["commit", "-qm", "first"]);
    }
    desk.git(&project, &["submodule", "--quiet", "add", "../other", "module"]);
    let isolated = desk.isolate(&project.join("module"), Isolation::Auto).unwrap();
    assert_eq!(isolated.kind, Kind::Copy);
    assert!(isolated.notes[0].ends_with("it is a submodule"), "{:?}", isolated.notes);
    assert!(isolated.folder.join("file").exists());
}

#[test]
fn review_names_what_changed_and_where() {
    let desk = Desk::new();
    let project = desk.project();
    fs_err::write(project.join("file"), "1\n").unwrap();
    let isolated = desk.isolate(&project, Isolation::Auto).unwrap();
    let mut store = Store::new();
    let before = scan(&isolated.folder, &mut store);
    fs_err::write(isolated.folder.join("file"), "2\n").unwrap();
    let after = scan(&isolated.folder, &mut store);
    let changes = changes::compare(&before, &after, &store, &isolated.scope([])).unwrap().changes;
    let mut review = isolated.review(&changes);
    assert_eq!(review.base_ref.take().unwrap().len(), 40);
    let root = fs_err::canonicalize(desk.root.path()).unwrap();
    let text = serde_json::to_string_pretty(&review).unwrap();
    insta::assert_snapshot!(text.replace(root.to_str().unwrap(), "<root>"));
}

#[test]
fn what_cannot_be_isolated_is_refused_in_clear_words() {
    let desk = Desk::new();
    let project = desk.project();
    let refused = |source: &Path, isolation| {
        let error = desk.isolate(source, isolation).unwrap_err();
        assert!(!desk.place().exists());
        let text = error.to_string().replace(project.to_str().unwrap(), "<project>");
        format!("{text}\n  hint: {}", error.hint().unwrap_or("-"))
    };
    let mut said = vec![refused(&project, Isolation::Worktree), refused(&project, Isolation::Direct)];
    desk.git(&project, &["init", "-q", "--bare", "bare.git"]);
    said.push(refused(&project.join("bare.git"), Isolation::Auto));
    desk.git(&project, &["init", "-q"]);
    said.push(refused(&project.join(".git"), Isolation::Auto));
    said.push(refused(&project, Isolation::Worktree));
    let link = [("core.worktree", "/tmp")];
    for (name, value) in link {
        desk.git(&project, &["config", name, value]);
    }
    said.push(refused(&project, Isolation::Auto));
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn folder_that_git_ignores_is_copied_whole() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    fs_err::write(project.join(".gitignore"), "data/\n").unwrap();
    desk.commit(&project);
    fs_err::create_dir(project.join("data")).unwrap();
    fs_err::write(project.join("data/file"), "x").unwrap();
    let isolated = desk.isolate(&project.join("data"), Isolation::Auto).unwrap();
    assert_eq!((&isolated.kind, isolated.ignores.clone()), (&Kind::Copy, None));
    assert!(isolated.folder.join("file").exists());
}

#[test]
fn sparse_checkout_is_isolated_as_it_is_on_the_disk() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    for name in ["in/a", "out/b"] {
        fs_err::create_dir_all(project.join(name).parent().unwrap()).unwrap();
        fs_err::write(project.join(name), name).unwrap();
    }
    desk.commit(&project);
    desk.git(&project, &["sparse-checkout", "set", "in"]);
    assert!(!project.join("out").exists());
    let noticed = desk.noticed();
    let isolated = desk.isolate(&project, Isolation::Worktree).unwrap();
    let mut store = Store::new();
    assert_eq!(scan(&isolated.folder, &mut store), scan(&project, &mut store));
    isolated.remove().unwrap();
    assert_eq!(desk.noticed(), noticed);
}

#[test]
fn programs_named_by_the_settings_of_a_repository_are_not_run() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    fs_err::write(project.join("file"), "1\n").unwrap();
    desk.commit(&project);
    let trap = desk.root.path().join("trap");
    let spring = format!("touch {}; cat", trap.display());
    for hook in ["post-checkout", "reference-transaction", "post-index-change", "pre-commit"] {
        let hook = project.join(".git/hooks").join(hook);
        fs_err::write(&hook, format!("#!/bin/sh\ntouch {}\n", trap.display())).unwrap();
        crate::changes::fixture::set_mode(&hook, 0o755);
    }
    for name in [
        "core.fsmonitor",
        "core.sshCommand",
        "core.pager",
        "core.editor",
        "filter.evil.clean",
        "filter.evil.smudge",
        "filter.evil.process",
        "filter.e=v.il.clean",
        "diff.external",
        "diff.evil.textconv",
        "gpg.program",
    ] {
        desk.git(&project, &["config", name, &spring]);
    }
    desk.git(&project, &["config", "filter.evil.required", "true"]);
    desk.git(&project, &["config", "commit.gpgSign", "true"]);
    fs_err::write(project.join(".gitattributes"), "* filter=evil diff=evil\nodd filter=e=v.il\n").unwrap();
    fs_err::write(project.join("file"), "2\n").unwrap();
    fs_err::write(project.join("odd"), "2\n").unwrap();
    // The user's own git ran into it, or this test would prove nothing.
    let _ = Command::new("git").args(["status"]).current_dir(&project).output().unwrap();
    assert!(trap.exists());
    fs_err::remove_file(&trap).unwrap();
    let isolated = desk.isolate(&project, Isolation::Worktree).unwrap();
    assert_eq!(isolated.notes, Vec::<String>::new());
    assert_eq!(fs_err::read(isolated.folder.join("file")).unwrap(), b"2\n");
    leftovers(&Git::new(&desk.environment()), &project).unwrap();
    isolated.remove().unwrap();
    assert!(!trap.exists());
}

#[test]
fn nothing_is_copied_through_a_link() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    fs_err::create_dir(project.join("folder")).unwrap();
    fs_err::write(project.join("folder/passwd"), "x").unwrap();
    desk.commit(&project);
    fs_err::remove_dir_all(project.join("folder")).unwrap();
    std::os::unix::fs::symlink("/etc", project.join("folder")).unwrap();
    let isolated = desk.isolate(&project, Isolation::Worktree).unwrap();
    let mut store = Store::new();
    assert_eq!(scan(&isolated.folder, &mut store), scan(&project, &mut store));
    assert_eq!(fs_err::read_link(isolated.folder.join("folder")).unwrap(), Path::new("/etc"));
}

#[test]
fn worktrees_of_dead_runs_are_found_and_removed_and_those_of_others_stay() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    fs_err::write(project.join("file"), "x").unwrap();
    desk.commit(&project);
    let theirs = desk.root.path().join("theirs");
    desk.git(
        &project,
        &["worktree", "add", "-q", "--lock", "--reason", "on a stick", theirs.to_str().unwrap()],
    );
    desk.git(&project, &["branch", "massgen/12345678"]);
    let git = Git::new(&desk.environment());
    let isolated = desk.isolate(&project, Isolation::Auto).unwrap();

    let found = leftovers(&git, &project).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].place, found[0].owner.run.as_str()), (&isolated.place, "/logs/run 1"));
    assert!(matches!(found[0].remove(), Err(IsolationError::InUse { .. })));

    // A process of another container, of which this one sees nothing.
    let this = found[0].owner.process.to_string();
    let parts: Vec<&str> = this.split(':').collect();
    let owner = |processes: &str, began: &str| Owner {
        process: [parts[0], parts[1], processes, parts[3], began].join(":").parse().unwrap(),
        run: "/logs/run 1".to_owned(),
    };
    isolated.take_over(&owner("pid[1]", "1")).unwrap();
    let unseen = leftovers(&git, &project).unwrap();
    assert!(matches!(unseen[0].remove(), Err(IsolationError::InUse { .. })));

    let dead = owner(parts[2], "1");
    isolated.take_over(&dead).unwrap();
    // Whatever the agent did to its files does not matter.
    fs_err::remove_file(isolated.place.join(".git")).unwrap();
    fs_err::create_dir(isolated.place.join("closed")).unwrap();
    crate::changes::fixture::set_mode(&isolated.place.join("closed"), 0o000);
    for leftover in leftovers(&git, &project).unwrap() {
        leftover.remove().unwrap();
    }
    assert!(!isolated.place.exists());
    assert_eq!(leftovers(&git, &project).unwrap(), []);
    assert!(theirs.join("file").exists());
    let list = String::from_utf8(desk.git(&project, &["worktree", "list", "--porcelain"])).unwrap();
    assert_eq!(list.matches("worktree ").count(), 2, "{list}");
    assert!(!desk.git(&project, &["branch", "--list", "massgen/12345678"]).is_empty());
}

#[test]
fn folder_that_is_named_as_a_worktree_and_is_no_copy_of_ours_is_not_removed() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    // As a repository could bring it that came from somebody else.
    let documents = desk.root.path().join("documents");
    fs_err::create_dir(&documents).unwrap();
    fs_err::write(documents.join("letter"), "mine").unwrap();
    let own = project.join(".git/worktrees/ctx_1");
    fs_err::create_dir_all(&own).unwrap();
    let dead = massgen_sandbox::Owner::this().unwrap().to_string();
    let dead = format!("massgen process={}:1 run=/logs", dead.rsplit_once(':').unwrap().0);
    fs_err::write(own.join("locked"), dead).unwrap();
    fs_err::write(own.join("gitdir"), format!("{}\n", documents.join(".git").display())).unwrap();
    assert_eq!(leftovers(&Git::new(&desk.environment()), &project).unwrap(), []);
    // One that looks as a copy does is.
    let copy = desk.root.path().join("workspace/.worktree/ctx_1");
    fs_err::write(own.join("gitdir"), format!("{}\n", copy.join(".git").display())).unwrap();
    assert_eq!(leftovers(&Git::new(&desk.environment()), &project).unwrap().len(), 1);
}

#[test]
fn copy_whose_folder_became_a_link_is_gone_and_what_the_link_leads_to_stays() {
    for isolation in [Isolation::Auto, Isolation::Copy] {
        let desk = Desk::new();
        let project = desk.project();
        desk.git(&project, &["init", "-q"]);
        fs_err::write(project.join("file"), "x").unwrap();
        desk.git(&project, &["add", "-A"]);
        desk.git(&project, &["commit", "-qm", "first"]);
        let isolated = desk.isolate(&project, isolation).unwrap();
        let outside = desk.root.path().join("outside");
        fs_err::create_dir_all(outside.join("ctx_1")).unwrap();
        fs_err::write(outside.join("ctx_1/letter"), "mine").unwrap();
        let all = isolated.place.parent().unwrap();
        fs_err::rename(all, all.with_file_name("moved")).unwrap();
        std::os::unix::fs::symlink(&outside, all).unwrap();
        isolated.remove().unwrap();
        assert_eq!(fs_err::read_to_string(outside.join("ctx_1/letter")).unwrap(), "mine");
        assert_eq!(leftovers(&Git::new(&desk.environment()), &project).unwrap(), []);
    }
}

#[test]
fn failure_half_way_leaves_nothing_behind() {
    let desk = Desk::new();
    let project = desk.project();
    desk.git(&project, &["init", "-q"]);
    fs_err::write(project.join("file"), "x").unwrap();
    desk.commit(&project);
    let noticed = desk.noticed();
    // The tree of the last commit is lost: git cannot fill the index.
    let tree = String::from_utf8(desk.git(&project, &["rev-parse", "HEAD^{tree}"])).unwrap();
    let (head, tail) = tree.trim().split_at(2);
    let object = project.join(".git/objects").join(head).join(tail);
    let kept = fs_err::read(&object).unwrap();
    fs_err::remove_file(&object).unwrap();
    let failed = desk.isolate(&project, Isolation::Worktree).unwrap_err();
    assert!(matches!(failed, IsolationError::Git { .. }), "{failed}");
    fs_err::write(&object, kept).unwrap();
    assert!(!desk.place().exists());
    assert_eq!(desk.noticed(), noticed);
    assert_eq!(leftovers(&Git::new(&desk.environment()), &project).unwrap(), []);
}

#[test]
fn place_that_exists_is_not_touched() {
    let desk = Desk::new();
    fs_err::create_dir_all(desk.place()).unwrap();
    fs_err::write(desk.place().join("mine"), "x").unwrap();
    let refused = desk.isolate(&desk.project(), Isolation::Auto);
    assert!(matches!(refused, Err(IsolationError::Taken { .. })), "{refused:?}");
    assert!(desk.place().join("mine").exists());
}

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use massgen_protocol::workspace::DriftPolicy;

use super::{act, actions, apply, begin};
use crate::changes::compare::compare;
use crate::changes::error::ChangesError;
use crate::changes::fixture::{Dice, Store, exactly, path, scan, set_mode, temporary, tree, write};
use crate::changes::plan::{Plan, Reason, Wish, plan};
use crate::changes::record::Shelf;
use crate::changes::recover::{Recovered, recover};
use crate::changes::scope::Scope;
use crate::changes::selection::Selection;
use crate::changes::target::Target;
use crate::changes::undo::{Later, undo};
use crate::tree::{Entry, Tree};

/// Plans the change from `before` to `after` for `folder`.
fn planned(
    folder: &Path,
    before: &Tree,
    after: &Tree,
    store: &Store,
    selection: &Selection,
) -> (Plan, Target) {
    let changes = compare(before, after, store, &Scope::default()).unwrap().changes;
    let target = Target::open(folder).unwrap();
    let current = target.current(&changes, selection).unwrap();
    let wish =
        Wish { changes: &changes, selection, drift: DriftPolicy::Skip, protected: &[], contents: store };
    (plan(&wish, &current).unwrap(), target)
}

/// A random folder `old`, a changed one `new`, and a place for a record.
fn two_folders(dice: &mut Dice, root: &Path) -> (Tree, Tree, Store) {
    let (old, new) = (root.join("old"), root.join("new"));
    fs_err::create_dir(&old).unwrap();
    fs_err::create_dir(&new).unwrap();
    for _ in 0..15 {
        dice.disturb(&old);
    }
    let mut store = Store::new();
    let before = scan(&old, &mut store);
    write(&new, &before, &store);
    for _ in 0..12 {
        dice.disturb(&new);
    }
    let after = scan(&new, &mut store);
    (before, after, store)
}

#[test]
fn random_changes_are_applied_exactly_and_undone_exactly() {
    for seed in 0..400 {
        let root = temporary();
        let mut dice = Dice(seed);
        let (before, after, store) = two_folders(&mut dice, root.path());
        let old = root.path().join("old");
        let original = exactly(&old);
        let (plan, target) = planned(&old, &before, &after, &store, &Selection::all());
        assert_eq!(plan.skipped, [], "{seed}");
        let record = root.path().join("record");
        apply(&plan, &target, &store, &record).unwrap();
        assert_eq!(scan(&old, &mut Store::new()), after, "{seed}");
        let undone = undo(&record, Later::Keep).unwrap();
        assert_eq!(undone.kept, [], "{seed}");
        assert_eq!(exactly(&old), original, "{seed}");
        assert!(matches!(undo(&record, Later::Keep), Err(ChangesError::NotApplied { .. })));
    }
}

#[test]
fn random_subset_of_files_is_applied_and_nothing_else() {
    for seed in 0..200 {
        let root = temporary();
        let mut dice = Dice(1000 + seed);
        let (before, after, store) = two_folders(&mut dice, root.path());
        let old = root.path().join("old");
        let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
        let chosen: Vec<_> = changes.iter().filter(|_| dice.roll(2) == 0).collect();
        let selection = Selection::files(chosen.iter().map(|change| change.path.clone()));
        let (plan, target) = planned(&old, &before, &after, &store, &selection);
        let is_blocked = |path: &crate::tree::TreePath| {
            plan.skipped.iter().any(|skipped| skipped.path == *path && skipped.reason == Reason::Blocked)
        };
        let mut expected = before.clone();
        let applied: Vec<_> = chosen.into_iter().filter(|change| !is_blocked(&change.path)).collect();
        for change in &applied {
            expected.entries.remove(change.from.as_ref().unwrap_or(&change.path));
        }
        for change in &applied {
            if let Some(entry) = &change.after {
                expected.entries.insert(change.path.clone(), entry.clone());
            }
        }
        apply(&plan, &target, &store, &root.path().join("record")).unwrap();
        let mut result = scan(&old, &mut Store::new());
        // Empty folders are a consequence here, not a choice.
        for tree in [&mut result, &mut expected] {
            tree.entries.retain(|_, entry| *entry != Entry::EmptyFolder);
        }
        assert_eq!(result, expected, "{seed}");
    }
}

#[test]
fn work_of_others_survives_random_changes_and_undoing_gives_it_back_exactly() {
    for seed in 0..300 {
        let root = temporary();
        let mut dice = Dice(9000 + seed);
        let (before, after, mut store) = two_folders(&mut dice, root.path());
        let old = root.path().join("old");
        for _ in 0..dice.roll(10) {
            dice.disturb(&old);
        }
        let others = scan(&old, &mut store);
        let original = exactly(&old);
        let drift = if seed % 3 == 0 { DriftPolicy::PreferPresenter } else { DriftPolicy::Skip };
        let changes = compare(&before, &after, &store, &Scope::default()).unwrap().changes;
        let target = Target::open(&old).unwrap();
        let selection = Selection::all();
        let wish = Wish { changes: &changes, selection: &selection, drift, protected: &[], contents: &store };
        let plan = plan(&wish, &target.current(&changes, &selection).unwrap()).unwrap();
        let record = root.path().join("record");
        apply(&plan, &target, &store, &record).unwrap();
        let result = scan(&old, &mut Store::new());
        for change in &changes {
            let path = &change.path;
            if plan.skipped.iter().any(|skipped| skipped.path == *path && skipped.reason != Reason::Done) {
                continue;
            }
            let (wanted, found) = (after.entries.get(path), result.entries.get(path));
            // An empty folder is what is left of one with files of others in it.
            let stayed = [wanted, found].contains(&Some(&Entry::EmptyFolder));
            assert!(wanted == found || stayed, "{seed}: {path}");
        }
        if drift == DriftPolicy::Skip {
            for (path, entry) in &others.entries {
                if before.entries.get(path) != Some(entry) && *entry != Entry::EmptyFolder {
                    assert_eq!(result.entries.get(path), Some(entry), "{seed}: {path}");
                }
            }
        }
        assert_eq!(undo(&record, Later::Keep).unwrap().kept, [], "{seed}");
        assert_eq!(exactly(&old), original, "{seed}");
    }
}

#[test]
fn permissions_of_the_owner_survive_changes_and_undoing() {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("secret", "1"), ("tool*", "1"), ("plain", "1"), ("d/gone", "1")], &mut store);
    let after = tree(&[("secret", "2"), ("tool*", "2"), ("plain*", "1")], &mut store);
    let folder = root.path().join("target");
    write(&folder, &before, &store);
    set_mode(&folder.join("secret"), 0o600);
    set_mode(&folder.join("tool"), 0o750);
    set_mode(&folder.join("plain"), 0o640);
    set_mode(&folder.join("d/gone"), 0o440);
    set_mode(&folder.join("d"), 0o700);
    let original = exactly(&folder);
    let (plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
    let record = root.path().join("record");
    apply(&plan, &target, &store, &record).unwrap();
    let mode = |name: &str| exactly(&folder)[Path::new(name)].0 & 0o7777;
    assert_eq!((mode("secret"), mode("tool"), mode("plain")), (0o600, 0o750, 0o750));
    assert!(!folder.join("d").exists());
    undo(&record, Later::Keep).unwrap();
    assert_eq!(exactly(&folder), original);
}

#[test]
fn linked_folder_never_lets_a_write_out() {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("d/e/file", "old")], &mut store);
    let after = tree(&[("d/e/file", "new"), ("d/e/more", "new")], &mut store);
    let (folder, outside) = (root.path().join("target"), root.path().join("outside"));
    write(&folder, &before, &store);
    write(&outside, &tree(&[("e/file", "old")], &mut store), &store);
    let (plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
    // Before planning it is drift; after planning it is a race.
    fs_err::remove_dir_all(folder.join("d")).unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("d")).unwrap();
    let raced = apply(&plan, &target, &store, &root.path().join("record"));
    assert!(matches!(raced, Err(ChangesError::Raced { .. })), "{raced:?}");
    let (plan, _) = planned(&folder, &before, &after, &store, &Selection::all());
    assert_eq!(plan.operations, []);
    assert_eq!(exactly(&outside).len(), 2);
    assert_eq!(fs_err::read(outside.join("e/file")).unwrap(), b"old");
}

#[test]
fn failure_in_the_middle_takes_back_what_was_done() {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("a", "1"), ("b/x", "1"), ("gone", "1")], &mut store);
    let after = tree(&[("a", "2"), ("b/x", "2"), ("new/file", "2")], &mut store);
    let folder = root.path().join("target");
    write(&folder, &before, &store);
    let original = exactly(&folder);
    let (mut plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
    // A plan that cannot be carried out: below a file there is no place.
    let mut impossible = plan.operations[0].clone();
    impossible.path = path("b/x/y");
    impossible.now = crate::changes::plan::Standing::Nothing;
    plan.operations.push(impossible);
    let record = root.path().join("record");
    let failed = apply(&plan, &target, &store, &record);
    assert!(matches!(failed, Err(ChangesError::Raced { .. })), "{failed:?}");
    assert_eq!(exactly(&folder), original);
    assert_eq!(recover(&record).unwrap(), Recovered::Nothing);
    assert!(matches!(undo(&record, Later::Keep), Err(ChangesError::NotApplied { .. })));
}

#[test]
fn missing_content_changes_nothing_and_leaves_no_trace() {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("a", "1")], &mut store);
    let after = tree(&[("a", "2"), ("b", "3")], &mut store);
    let folder = root.path().join("target");
    write(&folder, &before, &store);
    let original = exactly(&folder);
    let (plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
    let failed = apply(&plan, &target, &Store::new(), &root.path().join("record"));
    assert!(matches!(failed, Err(ChangesError::Content { .. })), "{failed:?}");
    assert_eq!(exactly(&folder), original);
}

#[test]
fn record_of_applied_changes_is_not_overwritten() {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("a", "1")], &mut store);
    let after = tree(&[("a", "2")], &mut store);
    let folder = root.path().join("target");
    write(&folder, &before, &store);
    let (plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
    let record = root.path().join("record");
    apply(&plan, &target, &store, &record).unwrap();
    let again = apply(&plan, &target, &store, &record);
    assert!(matches!(again, Err(ChangesError::RecordTaken { .. })), "{again:?}");
}

#[test]
fn interruption_at_every_boundary_is_recovered_to_the_old_or_the_new_state() {
    let mut boundaries = 0;
    for seed in 0..40 {
        let root = temporary();
        let (before, after, store) = two_folders(&mut Dice(7000 + seed), root.path());
        let original = exactly(&root.path().join("old"));
        for stop in 0.. {
            let folder = root.path().join(format!("{stop}"));
            fs_err::create_dir(&folder).unwrap();
            write(&folder, &before, &store);
            let shelf = Shelf::at(&root.path().join(format!("record {stop}")));
            let (plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
            let (record, stage) = begin(&plan, &target, &store, &shelf).unwrap();
            let actions = actions(&record);
            for action in actions.iter().take(stop) {
                act(&target, &stage, action).unwrap();
            }
            boundaries += 1;
            let is_last = stop >= actions.len();
            match recover(shelf.folder()).unwrap() {
                Recovered::Finished => {
                    // Finished before the end: what remained was to make what is there already.
                    assert_eq!(scan(&folder, &mut Store::new()), after, "{seed}, {stop}");
                }
                Recovered::TakenBack { left } => {
                    assert_eq!(left, [], "{seed}, {stop}");
                    assert!(!is_last, "{seed}");
                    assert_eq!(exactly(&folder), original, "{seed}, {stop}");
                }
                Recovered::Nothing => panic!("{seed}, {stop}"),
            }
            assert_eq!(recover(shelf.folder()).unwrap(), Recovered::Nothing);
            if is_last {
                break;
            }
        }
    }
    assert!(boundaries > 300, "{boundaries}");
}

#[test]
fn interrupted_application_leaves_what_others_wrote_since() {
    let root = temporary();
    let mut store = Store::new();
    let before = tree(&[("a", "1"), ("b", "1"), ("c", "1")], &mut store);
    let after = tree(&[("a", "2"), ("b", "2"), ("c", "2")], &mut store);
    let folder = root.path().join("target");
    write(&folder, &before, &store);
    let shelf = Shelf::at(&root.path().join("record"));
    let (plan, target) = planned(&folder, &before, &after, &store, &Selection::all());
    let (record, stage) = begin(&plan, &target, &store, &shelf).unwrap();
    for action in actions(&record).iter().take(2) {
        act(&target, &stage, action).unwrap();
    }
    fs_err::write(folder.join("a"), "mine").unwrap();
    let recovered = recover(shelf.folder()).unwrap();
    assert_eq!(recovered, Recovered::TakenBack { left: vec![path("a")] });
    let texts = ["a", "b", "c"].map(|name| fs_err::read_to_string(folder.join(name)).unwrap());
    assert_eq!(texts, ["mine", "1", "1"]);
}

/// Runs in a process of its own, started by the test below: applies what is on the disk and undoes it, again and again.
#[test]
#[ignore = "it is started by another test, and works until it is killed"]
fn child_that_applies_until_it_is_killed() {
    let Some(root) = std::env::var_os("MASSGEN_TEST_APPLY") else { return };
    let root = Path::new(&root);
    let mut store = Store::new();
    let before = scan(&root.join("old"), &mut store);
    let after = scan(&root.join("new"), &mut store);
    println!("\nbegins");
    for round in 0.. {
        let record = root.join(format!("records/{round}"));
        let (plan, target) = planned(&root.join("old"), &before, &after, &store, &Selection::all());
        apply(&plan, &target, &store, &record).unwrap();
        undo(&record, Later::Keep).unwrap();
    }
}

/// What a process left that was killed, and what recovery made of it.
#[derive(Debug, Default)]
struct Killed {
    /// Nothing was under way: between two applications.
    between: usize,
    /// Files were in their places already.
    finished: usize,
    /// It was taken back.
    taken_back: usize,
    /// Before recovery, the folder was neither the old nor the new one.
    torn: usize,
}

/// Kills a process that applies random changes, once for each of `seeds`, and recovers.
fn kill_and_recover(seeds: std::ops::Range<u64>) -> Killed {
    let mut seen = Killed::default();
    for seed in seeds {
        let root = temporary();
        let mut dice = Dice(seed);
        let (before, after, _) = two_folders(&mut dice, root.path());
        let (old, records) = (root.path().join("old"), root.path().join("records"));
        fs_err::create_dir(&records).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "changes::apply::tests::child_that_applies_until_it_is_killed"])
            .args(["--ignored", "--nocapture"])
            .env("MASSGEN_TEST_APPLY", root.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while lines.next().unwrap().unwrap() != "begins" {}
        // The moment is the point of this test; what is checked holds at every moment.
        std::thread::sleep(Duration::from_micros(dice.roll(20_000) as u64));
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9), "{seed}: it ended by itself");

        let killed = scan(&old, &mut Store::new());
        seen.torn += usize::from(killed != before && killed != after);
        let (mut finished, mut taken_back) = (0, 0);
        for record in fs_err::read_dir(&records).unwrap() {
            let record = record.unwrap().path();
            match recover(&record).unwrap() {
                Recovered::Nothing => {}
                Recovered::Finished => finished += 1,
                Recovered::TakenBack { left } => {
                    assert_eq!(left, [], "{seed}");
                    taken_back += 1;
                }
            }
            assert_eq!(recover(&record).unwrap(), Recovered::Nothing, "{seed}");
        }
        let state = scan(&old, &mut Store::new());
        assert!(state == before || state == after, "{seed}: a mix");
        assert!(exactly(&old).keys().all(|path| !path.to_string_lossy().contains(".massgen")), "{seed}");
        assert!(finished + taken_back <= 1, "{seed}: only the last one was under way");
        seen.finished += finished;
        seen.taken_back += taken_back;
        seen.between += 1 - finished - taken_back;
    }
    seen
}

#[test]
fn killed_application_leaves_the_old_or_the_new_state_and_never_a_mix() {
    let seen = std::thread::scope(|scope| {
        let halves = [5000..5100, 5100..5200].map(|seeds| scope.spawn(|| kill_and_recover(seeds)));
        halves.map(|half| half.join().unwrap())
    });
    let count = |of: fn(&Killed) -> usize| seen.iter().map(of).sum::<usize>();
    assert_eq!(count(|seen| seen.between + seen.finished + seen.taken_back), 200);
    println!("200 kills: {seen:?}");
    // Else the kills hit nothing, and the test says nothing.
    assert!(count(|seen| seen.taken_back) > 20 && count(|seen| seen.torn) > 0, "{seen:?}");
}

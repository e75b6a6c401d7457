//! A process that takes snapshots is killed at random moments. Whatever it was doing: what is there is complete.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

use massgen_protocol::SnapshotId;
use massgen_workspace::{ScanLimits, SnapshotStore, StatCache, export};

/// Says to a child where it works, and from which number on it makes contents.
const FOLDER: &str = "MASSGEN_TEST_FOLDER";
const SEED: &str = "MASSGEN_TEST_SEED";

/// After so many kills a store begins anew, so that checking it stays quick.
const KILLS_PER_STORE: u64 = 20;

/// Numbers that look random and are the same each time.
fn scrambled(number: u64) -> u64 {
    let mixed =
        (number ^ (number >> 30)).wrapping_add(0x9E37_79B9_7F4A_7C15).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB) >> 16
}

/// The process that is killed: it changes files, takes a snapshot, says which, exports it, and begins again.
#[test]
#[ignore = "it is started by the other test, and works until it is killed"]
fn works_until_it_is_killed() {
    let (Ok(folder), Ok(seed)) = (std::env::var(FOLDER), std::env::var(SEED)) else { return };
    let (folder, mut number) = (Path::new(&folder), seed.parse::<u64>().unwrap());
    let store = SnapshotStore::open(&folder.join("store")).unwrap();
    let mut cache = StatCache::default();
    // When nobody listens any more, the panic ends it.
    let say = |text: &str| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{text}").and_then(|()| out.flush()).unwrap();
    };
    say("said ready");
    loop {
        number += 1;
        // Sometimes so many files that they are made durable together.
        let files = if number % 3 == 0 { 60 } else { scrambled(number) % 10 };
        for file in 0..files {
            let size = usize::try_from(scrambled(number + file) % 4000).unwrap();
            let text = format!("{number} {file} ").repeat(size / 8);
            fs_err::write(folder.join("work").join(file.to_string()), text).unwrap();
        }
        let taken = store.take(&folder.join("work"), &mut cache, &ScanLimits::default()).unwrap();
        say(&format!("said {}", taken.id));
        export(&store, &taken.tree, &folder.join("final/workspace"), &[]).unwrap();
    }
}

/// A folder in memory where there is one: nothing waits for a disk there, so that a kill can hit anything.
fn new_home() -> tempfile::TempDir {
    let in_memory = Path::new("/dev/shm");
    let made = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
    let made = made.unwrap();
    fs_err::create_dir(made.path().join("work")).unwrap();
    made
}

/// Opens what a killed process left, and looks at all of it. Returns how many snapshots there are.
fn check(folder: &Path, said: &[SnapshotId]) -> u64 {
    let store = SnapshotStore::open(&folder.join("store")).unwrap();
    assert_eq!(fs_err::read_dir(folder.join("store/unfinished")).unwrap().count(), 0);
    let verified = store.verify().unwrap();
    assert_eq!(verified.faults, Vec::<String>::new());
    for id in said {
        store.manifest(id).unwrap();
    }
    // What was exported last is one of the snapshots, whole.
    let exported = folder.join("final/workspace");
    if exported.exists() {
        let again = new_home();
        let scratch = SnapshotStore::open(again.path()).unwrap();
        let taken = scratch.take(&exported, &mut StatCache::default(), &ScanLimits::default()).unwrap();
        assert_eq!(store.manifest(&taken.id).unwrap().tree, *taken.tree);
    }
    verified.snapshots
}

/// Kills a process that takes snapshots, once for each of `seeds`, and looks at what it left. Returns how often it was at
/// work on a snapshot, and the most snapshots that were in a store.
fn kill_and_check(seeds: std::ops::Range<u64>) -> (u64, u64) {
    let (mut home, mut at_work, mut snapshots) = (new_home(), 0, 0);
    for seed in seeds {
        if seed % KILLS_PER_STORE == 0 {
            home = new_home();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::works_until_it_is_killed", "--ignored", "--nocapture"])
            .env(FOLDER, home.path())
            .env(SEED, (seed * 100_000).to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = sync_channel(100_000);
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The harness writes in front of the first line, and its own.
                if let Some((_, said)) = line.split_once("said ")
                    && sender.send(said.to_owned()).is_err()
                {
                    break;
                }
            }
        });
        assert_eq!(lines.recv_timeout(Duration::from_mins(1)).as_deref(), Ok("ready"), "{seed}");
        let moment = Instant::now() + Duration::from_micros(scrambled(seed) % 40_000);
        let mut said = Vec::new();
        loop {
            match lines.recv_timeout(moment.saturating_duration_since(Instant::now())) {
                Ok(id) => said.push(SnapshotId(id)),
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("{seed}: the child ended by itself"),
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        reader.join().unwrap();
        said.extend(lines.try_iter().map(SnapshotId));
        // A line that was cut off by the kill says nothing.
        said.retain(|id| id.0.len() == 64);
        at_work += u64::from(is_left_unfinished(home.path()));
        println!("seed {seed}: {} snapshots were said", said.len());
        snapshots = snapshots.max(check(home.path(), &said));
    }
    (at_work, snapshots)
}

/// Whether a snapshot was on its way into the store.
fn is_left_unfinished(folder: &Path) -> bool {
    fs_err::read_dir(folder.join("store/unfinished")).unwrap().next().is_some()
}

#[test]
fn a_process_that_is_killed_leaves_no_half_snapshot() {
    let halves = std::thread::scope(|scope| {
        let halves = [0..100, 100..200].map(|seeds| scope.spawn(|| kill_and_check(seeds)));
        halves.map(|half| half.join().unwrap())
    });
    println!("200 kills; those at work on a snapshot, and the most snapshots in a store: {halves:?}");
    // Else the kills hit nothing, and the test says nothing.
    let at_work: u64 = halves.iter().map(|(at_work, _)| at_work).sum();
    assert!(at_work > 20 && halves.iter().all(|(_, snapshots)| *snapshots > 10), "{halves:?}");
}

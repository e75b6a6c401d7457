//! Kills and torn files.

use std::path::Path;
use std::process::Command;

use massgen_journal::SqliteJournal;
use massgen_ports::Journal;
use massgen_protocol::{Envelope, limits};
use massgen_testkit::crash_point::{CrashPoint, CrashingJournal, Side};

use crate::process::{Player, say};
use crate::run::{Run, envelope, long, owner, plain, small};

/// Appends batches of three, some of them long, and says each number once it is durable, until it is killed.
pub(crate) fn write_on(run_dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let journal = SqliteJournal::create(run_dir, &owner()).unwrap();
    for first in (1..).step_by(3) {
        runtime.block_on(journal.append((first..first + 3).map(written).collect())).unwrap();
        say("stored", first + 2);
    }
}

fn written(seq: u64) -> std::sync::Arc<Envelope> {
    if seq.is_multiple_of(5) {
        long(seq, &format!("{seq} ").repeat(limits::INLINE_BODY_BYTES))
    } else {
        small(seq)
    }
}

#[test]
fn after_a_kill_everything_that_was_told_to_be_durable_is_there() {
    for kill_at in [3, 30, 99] {
        let run = Run::new();
        let mut player = Player::start("write on", &run.dir);
        while player.hear("stored").parse::<u64>().unwrap() < kill_at {}
        player.kill();
        let events = run.open().1;
        let count = events.len() as u64;
        assert!(count >= kill_at && count.is_multiple_of(3), "{count} events, killed after {kill_at}");
        assert_eq!(events, plain(&(1..=count).map(written).collect::<Vec<_>>()));
    }
}

pub(crate) fn crash_before(run_dir: &Path) {
    crash(run_dir, Side::Before);
}

pub(crate) fn crash_after(run_dir: &Path) {
    crash(run_dir, Side::After);
}

fn crash(run_dir: &Path, side: Side) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let inner = SqliteJournal::create(run_dir, &owner()).unwrap();
    let journal = CrashingJournal::new(inner, Some(CrashPoint { append: 3, side }));
    for seq in 1..10 {
        runtime.block_on(journal.append(vec![small(seq)])).unwrap();
        say("told", seq);
    }
}

#[test]
fn a_crash_point_kills_on_its_side_of_its_commit() {
    use std::os::unix::process::ExitStatusExt;
    for (part, stored) in [("crash before", 2), ("crash after", 3)] {
        let run = Run::new();
        let mut player = Player::start(part, &run.dir);
        assert_eq!([player.hear("told"), player.hear("told")], ["1", "2"]);
        assert_eq!(player.wait().signal(), Some(9));
        assert_eq!(run.open().1, plain(&(1..=stored).map(small).collect::<Vec<_>>()));
    }
}

#[tokio::test]
async fn without_a_crash_point_appends_are_counted() {
    let run = Run::new();
    let journal = CrashingJournal::new(run.create(), None);
    massgen_ports::contract::journal_is_dense(&journal).await.unwrap();
    assert_eq!(journal.appends(), 3);
}

/// The journal as a power failure may leave it: the log ends anywhere. (A copy by another process: SQLite would lose
/// its locks on the database if this process opened and closed it.)
#[tokio::test]
async fn a_torn_log_opens_at_a_batch_that_was_committed() {
    let run = Run::new();
    let journal = run.create();
    let batches: Vec<Vec<_>> = (0..12).map(|n| (n * 4 + 1..=n * 4 + 4).map(note).collect()).collect();
    for batch in &batches {
        journal.append(batch.clone()).await.unwrap();
    }
    let copies = Run::new();
    fs_err::create_dir_all(&copies.dir).unwrap();
    let copied = Command::new("cp")
        .args(["journal.db", "journal.db-wal"].map(|name| run.dir.join(name)))
        .arg(&copies.dir)
        .status();
    assert!(copied.unwrap().success());
    let database = fs_err::read(copies.database()).unwrap();
    let log = fs_err::read(copies.dir.join("journal.db-wal")).unwrap();
    let all = plain(&batches.concat());

    let mut lengths = std::collections::BTreeSet::new();
    for torn_at in (0..=log.len()).step_by(1500).chain([log.len()]) {
        let torn = Run::new();
        fs_err::create_dir_all(&torn.dir).unwrap();
        fs_err::write(torn.database(), &database).unwrap();
        fs_err::write(torn.dir.join("journal.db-wal"), &log[..torn_at]).unwrap();
        assert_eq!(massgen_journal::read(&torn.dir).unwrap(), torn.open().1, "log of {torn_at} bytes");
        let events = torn.open().1;
        assert_eq!(events, all[..events.len()], "log of {torn_at} bytes");
        assert!(events.len().is_multiple_of(4), "log of {torn_at} bytes: {} events", events.len());
        lengths.insert(events.len());
    }
    // Every commit was the last one once, the moment before the first included.
    assert_eq!(lengths, (0..=12).map(|n| n * 4).collect());
    drop(journal);
}

/// Long enough that a batch does not fit one page of the database.
fn note(seq: u64) -> std::sync::Arc<Envelope> {
    let message = format!("event {seq} ").repeat(200);
    envelope(seq, massgen_protocol::Event::Degraded { message, agent: None })
}

//! Appending: order, grouping, size.

use std::path::Path;
use std::sync::Arc;

use futures::future::join_all;
use massgen_journal::SqliteJournal;
use massgen_ports::{Journal, JournalError, contract};
use massgen_protocol::{AgentNo, Event, RevisionSet, Seq, limits};

use crate::process::{Player, say};
use crate::run::{Run, envelope, owner, plain, small};

#[tokio::test]
async fn the_journal_keeps_the_contract() {
    let run = Run::new();
    contract::journal_is_dense(&run.create()).await.unwrap();
    assert_eq!(massgen_journal::read(&run.dir).unwrap().len(), 3);
}

#[tokio::test]
async fn batches_queued_while_a_commit_is_under_way_share_the_next_one() {
    let run = Run::new();
    let journal = run.create();
    // While somebody else holds the write lock, no commit can end.
    let other = run.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends: Vec<_> = (1..=500).map(|seq| journal.append(vec![small(seq)])).collect();
    other.execute_batch("ROLLBACK").unwrap();
    for stored in join_all(appends).await {
        stored.unwrap();
    }
    // The first takes what was there when the writer woke up, the second the rest.
    assert!((1..=2).contains(&journal.commits()), "{} commits", journal.commits());
    assert_eq!(massgen_journal::read(&run.dir).unwrap().len(), 500);
}

#[tokio::test]
async fn batches_one_after_another_are_one_commit_each() {
    let run = Run::new();
    let journal = run.create();
    for seq in 1..=5 {
        journal.append(vec![small(seq)]).await.unwrap();
    }
    journal.append(Vec::new()).await.unwrap();
    assert_eq!(journal.commits(), 5);
}

#[tokio::test]
async fn a_batch_is_stored_even_if_nobody_waits_for_it() {
    let run = Run::new();
    let journal = run.create();
    drop(journal.append(vec![small(1), small(2)]));
    journal.append(vec![small(3)]).await.unwrap();
    drop(journal.append(vec![small(4)]));
    drop(journal);
    let (_journal, events) = run.open();
    assert_eq!(events, plain(&[small(1), small(2), small(3), small(4)]));
}

#[tokio::test]
async fn a_full_queue_makes_callers_wait_and_keeps_the_order() {
    let run = Run::new();
    let journal = run.create();
    let count = limits::JOURNAL_QUEUE as u64 * 3;
    let appends: Vec<_> = (1..=count).map(|seq| journal.append(vec![small(seq)])).collect();
    for stored in join_all(appends).await {
        stored.unwrap();
    }
    assert_eq!(massgen_journal::read(&run.dir).unwrap().len() as u64, count);
}

#[tokio::test]
async fn after_a_gap_what_came_before_is_stored_and_everything_after_gets_the_error() {
    let run = Run::new();
    let journal = run.create();
    let other = run.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let appends =
        [vec![small(1)], vec![small(2), small(4)], vec![small(2)]].map(|batch| journal.append(batch));
    other.execute_batch("ROLLBACK").unwrap();
    let gap = Err(JournalError::OutOfOrder { last: Seq(2), found: Seq(4) });
    assert_eq!(join_all(appends).await, [Ok(()), gap.clone(), gap.clone()]);
    assert_eq!(journal.append(vec![small(2)]).await, gap);
    assert_eq!(journal.append(Vec::new()).await, gap);
    drop(journal);
    assert_eq!(run.open().1, plain(&[small(1)]));
}

#[tokio::test]
async fn a_reopened_journal_goes_on_where_it_ended() {
    let run = Run::new();
    run.create().append(vec![small(1), small(2)]).await.unwrap();
    let (journal, events) = run.open();
    assert_eq!(events, plain(&[small(1), small(2)]));
    journal.append(vec![small(3)]).await.unwrap();
    drop(journal);
    let (journal, events) = run.open();
    assert_eq!(events.len(), 3);
    let again = journal.append(vec![small(3)]).await;
    assert_eq!(again, Err(JournalError::OutOfOrder { last: Seq(3), found: Seq(3) }));
}

/// Ten thousand events of 4 KiB in one batch, and how much memory the process took for it.
pub(crate) fn one_large_batch(run_dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let journal = SqliteJournal::create(run_dir, &owner()).unwrap();
    let content: Arc<str> = "x".repeat(4096).into();
    let event = |seq| {
        let label = AgentNo::from_index(0).label(1);
        envelope(
            seq,
            Event::AnswerAccepted {
                label,
                content: Arc::clone(&content),
                seen: RevisionSet::empty(0),
                snapshot: None,
            },
        )
    };
    let batch: Vec<_> = (1..=10_000).map(event).collect();
    let before = peak_kib();
    runtime.block_on(journal.append(batch)).unwrap();
    say("growth", peak_kib() - before);
    say("commits", journal.commits());
}

/// The most memory that this process has had, in KiB.
fn peak_kib() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_batch_of_ten_thousand_events_does_not_gather_in_memory() {
    let run = Run::new();
    let mut player = Player::start("one large batch", &run.dir);
    let growth: u64 = player.hear("growth").parse().unwrap();
    assert_eq!(player.hear("commits"), "1");
    assert!(player.wait().success());
    // The events are 40 MiB of JSON; SQLite's cache is 2 MiB.
    assert!(growth < 12 * 1024, "{growth} KiB");
    assert_eq!(massgen_journal::read(&run.dir).unwrap().len(), 10_000);
}

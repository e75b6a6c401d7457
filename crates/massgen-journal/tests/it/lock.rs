//! One process at a time.

use std::path::Path;

use massgen_journal::{Owner, SqliteJournal};
use massgen_ports::{Journal, JournalError};

use crate::process::{Player, say, stay};
use crate::run::{Run, owner, plain, small};

/// Creates a journal, stores an event and keeps the journal open.
pub(crate) fn hold(run_dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let owner = Owner { pid: std::process::id(), started_at: 1_795_245_123, command: "massgen".into() };
    let journal = SqliteJournal::create(run_dir, &owner).unwrap();
    runtime.block_on(journal.append(vec![small(1)])).unwrap();
    say("ready", 1);
    stay();
}

#[test]
fn a_run_that_is_open_is_refused_with_its_owner() {
    let run = Run::new();
    let journal = run.create();
    let refused = SqliteJournal::open(&run.dir, &owner()).unwrap_err();
    let told = format!("process {}, started 2026-11-21 07:12:03 UTC", std::process::id());
    assert_eq!(refused, JournalError::Locked { path: run.dir.clone(), owner: told });
    assert!(matches!(SqliteJournal::create(&run.dir, &owner()), Err(JournalError::Locked { .. })));
    drop(journal);
    run.open();
}

#[test]
fn another_process_is_refused_until_the_owner_is_gone() {
    for end in [Player::kill as fn(Player), |player| {
        assert!(player.wait().success());
    }] {
        let run = Run::new();
        let mut player = Player::start("hold", &run.dir);
        player.hear("ready");
        let told = format!("process {}, started 2026-11-21 07:12:03 UTC", player.id());
        let refused = SqliteJournal::open(&run.dir, &owner()).unwrap_err();
        assert_eq!(refused, JournalError::Locked { path: run.dir.clone(), owner: told });
        end(player);
        assert_eq!(run.open().1, plain(&[small(1)]));
    }
}

#[test]
fn the_lock_file_tells_the_owner_while_the_run_is_open() {
    let run = Run::new();
    let journal = run.create();
    let file = run.dir.join("journal.lock");
    let json = fs_err::read_to_string(&file).unwrap();
    assert_eq!(serde_json::from_str::<Owner>(&json).unwrap(), owner());
    drop(journal);
    assert_eq!(fs_err::read_to_string(&file).unwrap(), "");
}

#[test]
fn what_an_owner_before_left_in_the_lock_file_is_gone() {
    let run = Run::new();
    drop(run.create());
    fs_err::write(run.dir.join("journal.lock"), "x".repeat(10_000)).unwrap();
    let _journal = run.open();
    let json = fs_err::read_to_string(run.dir.join("journal.lock")).unwrap();
    assert_eq!(serde_json::from_str::<Owner>(&json).unwrap(), owner());
}

#[test]
fn an_owner_that_cannot_be_read_is_still_an_owner() {
    let run = Run::new();
    let _journal = run.create();
    fs_err::write(run.dir.join("journal.lock"), "\u{1b}[31m not JSON").unwrap();
    let refused = SqliteJournal::open(&run.dir, &owner()).unwrap_err().to_string();
    assert!(
        refused.ends_with("is open in another process: a process that has not told who it is"),
        "{refused}"
    );
}

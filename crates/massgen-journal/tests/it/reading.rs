//! Reading beside a writer, and without any right to write.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use massgen_ports::Journal;
use massgen_protocol::Envelope;

use crate::process::{Player, say};
use crate::run::{Run, files_under, long, plain, small};

/// Says how many events there are.
pub(crate) fn read_and_count(run_dir: &Path) {
    match massgen_journal::read(run_dir) {
        Ok(events) => say("count", events.len()),
        Err(error) => say("count", error),
    }
}

#[tokio::test]
async fn a_reader_sees_every_commit_while_the_journal_is_open() {
    let run = Run::new();
    let journal = run.create();
    assert_eq!(massgen_journal::read(&run.dir).unwrap(), []);
    let mut stored = Vec::new();
    for seq in 1..=20 {
        let event = if seq % 4 == 0 { long(seq, &"x".repeat(20_000)) } else { small(seq) };
        stored.push(event.clone());
        journal.append(vec![event]).await.unwrap();
        assert_eq!(massgen_journal::read(&run.dir).unwrap(), plain(&stored));
    }
}

#[test]
fn another_process_that_writes_is_not_held_up_and_never_seen_halfway() {
    let run = Run::new();
    let mut player = Player::start("write on", &run.dir);
    player.hear("stored");
    let mut seen = 0;
    while seen < 60 {
        let events = massgen_journal::read(&run.dir).unwrap();
        assert!(events.len() >= seen && events.len().is_multiple_of(3), "{seen}, then {}", events.len());
        seen = events.len();
        player.hear("stored");
    }
    player.kill();
}

#[tokio::test]
async fn reading_changes_nothing_in_the_files() {
    let run = Run::new();
    let journal = run.create();
    journal.append(vec![small(1), long(2, &"x".repeat(20_000))]).await.unwrap();
    drop(journal);
    let contents = || files_under(&run.dir).into_iter().map(|path| (fs_err::read(&path).unwrap(), path));
    let before: Vec<_> = contents().collect();
    for _ in 0..2 {
        assert_eq!(massgen_journal::read(&run.dir).unwrap().len(), 2);
    }
    // What SQLite needs to learn of a writer may stay beside them, and is empty.
    let index = run.dir.join("journal.db-shm");
    let after: Vec<_> = contents().filter(|(content, path)| !content.is_empty() && *path != index).collect();
    let before: Vec<_> = before.into_iter().filter(|(content, _)| !content.is_empty()).collect();
    assert!(before == after);
}

/// An archive on a medium that cannot be written, or the folder of somebody else. The administrator may write
/// everywhere, so then somebody else reads.
#[tokio::test]
async fn a_closed_journal_can_be_read_where_nothing_may_be_written() {
    let run = Run::new();
    run.create().append(vec![small(1), long(2, &"x".repeat(20_000))]).await.unwrap();
    let root = fs_err::metadata(&run.dir).unwrap().uid() == 0;
    let parent = run.dir.parent().unwrap();
    let folders = Command::new("chmod").args(["-R", "a-w,a+rX"]).arg(parent).status().unwrap();
    assert!(folders.success());
    let reader = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"].map(OsStr::new);
    let mut player = Player::start_under(if root { &reader } else { &[] }, "read", &run.dir);
    assert_eq!(player.hear("count"), "2");
    assert!(player.wait().success());
    fs_err::set_permissions(parent, std::fs::Permissions::from_mode(0o700)).unwrap();
    let unlocked = Command::new("chmod").args(["-R", "u+w"]).arg(parent).status().unwrap();
    assert!(unlocked.success());
}

#[test]
fn a_journal_killed_before_its_first_commit_is_empty_and_usable() {
    let no_file_yet = |run: &Run| fs_err::write(run.database(), "").unwrap();
    let no_tables_yet = |run: &Run| {
        run.sql().query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
        assert_ne!(fs_err::metadata(run.database()).unwrap().len(), 0);
    };
    for killed in [&no_file_yet as &dyn Fn(&Run), &no_tables_yet] {
        let run = Run::new();
        fs_err::create_dir(&run.dir).unwrap();
        killed(&run);
        assert_eq!(massgen_journal::read(&run.dir).unwrap(), []);
        let (journal, events) = run.open();
        assert_eq!(events, Vec::<Envelope>::new());
        drop(journal);
        assert_eq!(run.open().1, []);
    }
}

//! Disks that are full and folders that are none.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use massgen_journal::SqliteJournal;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::{Envelope, Event};

use crate::process::{Player, say};
use crate::run::{Run, envelope, files_under, long, owner, plain, small};

/// Runs its arguments with a disk of 8 MiB in place of the folder `$0`.
const SMALL_DISK: &str = "mount -t tmpfs -o size=8m,mode=700 none \"$0\" && exec \"$@\"";

/// A disk of 8 MiB for this process and its children only. It needs no rights beyond user namespaces.
fn small_disk(dir: &Path) -> Option<[&OsStr; 6]> {
    let words = ["unshare", "--map-root-user", "--mount", "sh", "-c", SMALL_DISK].map(OsStr::new);
    let [unshare, options @ ..] = words;
    let possible = Command::new(unshare).args(options).arg(dir).arg("true").output();
    possible.is_ok_and(|output| output.status.success()).then_some(words)
}

fn note(seq: u64) -> std::sync::Arc<Envelope> {
    envelope(seq, Event::Degraded { message: format!("event {seq} ").repeat(100), agent: None })
}

pub(crate) fn fill_with_events(run_dir: &Path) {
    fill(run_dir, note);
}

pub(crate) fn fill_with_blobs(run_dir: &Path) {
    fill(run_dir, |seq| long(seq, &format!("{seq} ").repeat(50_000)));
}

/// Appends until the disk is full, and says what happened then.
fn fill(run_dir: &Path, event: fn(u64) -> std::sync::Arc<Envelope>) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let journal = SqliteJournal::create(run_dir, &owner()).unwrap();
    let append = |seq| runtime.block_on(journal.append(vec![event(seq)]));
    let (last, error) = (1..).find_map(|seq| append(seq).err().map(|error| (seq - 1, error))).unwrap();
    say("stored", last);
    say("error", matches!(error, JournalError::DiskFull { .. }));
    say("again", append(last + 1) == Err(error));
    let stored = plain(&(1..=last).map(event).collect::<Vec<_>>());
    say("readable", massgen_journal::read(run_dir).unwrap() == stored);
    drop(journal);
    // The disk is as full as before; what is there can still be read, and resumed once there is space.
    say("readable", massgen_journal::read(run_dir).unwrap() == stored);
}

#[test]
fn a_full_disk_stops_the_journal_and_keeps_what_was_committed() {
    for (part, at_least) in [("fill the disk", 1000), ("fill the disk with blobs", 30)] {
        let run = Run::new();
        fs_err::create_dir_all(&run.dir).unwrap();
        let Some(words) = small_disk(&run.dir) else {
            println!(
                "not tested here: there are no user namespaces (a unit test of the writer fills a database)"
            );
            return;
        };
        let program: Vec<_> = words.into_iter().chain([run.dir.as_os_str()]).collect();
        let mut player = Player::start_under(&program, part, &run.dir.join("log_1"));
        assert!(player.hear("stored").parse::<u64>().unwrap() > at_least, "{part}");
        for word in ["error", "again", "readable", "readable"] {
            assert_eq!(player.hear(word), "true", "{part}: {word}");
        }
        assert!(player.wait().success());
    }
}

#[test]
fn a_file_in_place_of_the_run_folder_is_told_with_its_path() {
    let run = Run::new();
    fs_err::write(&run.dir, "a file").unwrap();
    let error = SqliteJournal::create(&run.dir, &owner()).unwrap_err();
    let JournalError::Io { path, problem } = &error else { panic!("{error}") };
    assert_eq!(path, &run.dir);
    assert!(problem.contains("File exists"), "{problem}");
    let below = run.dir.join("log_2");
    let error = SqliteJournal::create(&below, &owner()).unwrap_err().to_string();
    assert!(error.contains(&below.display().to_string()) && error.contains("Not a directory"), "{error}");
}

#[tokio::test]
async fn a_file_in_place_of_the_blob_folder_stops_the_journal() {
    let run = Run::new();
    let journal = run.create();
    journal.append(vec![small(1)]).await.unwrap();
    fs_err::write(run.dir.join("blobs"), "a file").unwrap();
    let error = journal.append(vec![small(2), long(3, &"x".repeat(20_000))]).await.unwrap_err();
    assert!(
        matches!(&error, JournalError::Io { path, .. } if path.starts_with(run.dir.join("blobs"))),
        "{error}"
    );
    assert_eq!(journal.append(vec![small(2)]).await, Err(error));
    drop(journal);
    assert_eq!(run.open().1, plain(&[small(1)]));
}

#[test]
fn a_folder_without_a_journal_is_told_and_left_alone() {
    let run = Run::new();
    let not_found = JournalError::NotFound { path: run.dir.clone() };
    assert_eq!(SqliteJournal::open(&run.dir, &owner()).unwrap_err(), not_found);
    assert_eq!(massgen_journal::read(&run.dir).unwrap_err(), not_found);
    assert!(!run.dir.exists());
    fs_err::create_dir(&run.dir).unwrap();
    assert_eq!(SqliteJournal::open(&run.dir, &owner()).unwrap_err(), not_found);
    assert_eq!(files_under(&run.dir), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_journal_is_never_created_over_another() {
    let run = Run::new();
    run.create().append(vec![small(1)]).await.unwrap();
    let error = SqliteJournal::create(&run.dir, &owner()).unwrap_err();
    assert_eq!(
        error,
        JournalError::Io { path: run.database(), problem: "there is a journal already".into() }
    );
    assert_eq!(run.open().1, plain(&[small(1)]));
}

#[tokio::test]
async fn only_the_owner_may_see_the_files_and_folders() {
    use std::os::unix::fs::PermissionsExt;
    let run = Run::new();
    fs_err::create_dir(&run.dir).unwrap();
    let journal = run.create();
    journal.append(vec![long(1, &"x".repeat(20_000))]).await.unwrap();
    let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
    let files = files_under(&run.dir);
    // Database, log, index, lock, blob.
    assert_eq!(files.len(), 5, "{files:?}");
    for file in &files {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    let blob = files.iter().find(|file| file.starts_with(run.dir.join("blobs"))).unwrap();
    for folder in [&run.dir, &run.dir.join("blobs"), blob.parent().unwrap()] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    drop(journal);
}

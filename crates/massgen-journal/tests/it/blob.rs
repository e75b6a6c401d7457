//! Long events, which lie beside the database.

use std::path::PathBuf;

use massgen_journal::SqliteJournal;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::{Seq, limits};

use crate::run::{Run, envelope, files_under, long, owner, plain, small};

fn blobs(run: &Run) -> Vec<PathBuf> {
    files_under(&run.dir.join("blobs"))
}

#[tokio::test]
async fn long_events_come_back_as_they_were() {
    let run = Run::new();
    let batch = vec![small(1), long(2, &"é\n\"".repeat(30_000)), small(3)];
    run.create().append(batch.clone()).await.unwrap();
    assert_eq!(run.open().1, plain(&batch));

    let files = blobs(&run);
    assert_eq!(files.len(), 1, "{files:?}");
    let content = fs_err::read(&files[0]).unwrap();
    let hash = blake3::hash(&content).to_hex().to_string();
    assert_eq!(files[0], run.dir.join("blobs").join(&hash[..2]).join(&hash));
    let named: (Option<String>, String) =
        run.sql().query_row("SELECT body, blob FROM events WHERE seq = 2", [], |row| row.try_into()).unwrap();
    assert_eq!(named, (None, hash));
}

#[tokio::test]
async fn the_limit_decides_what_becomes_a_blob() {
    let run = Run::new();
    let journal = run.create();
    let note = |seq, bytes| {
        envelope(seq, massgen_protocol::Event::Degraded { message: "x".repeat(bytes), agent: None })
    };
    let frame = serde_json::to_string(&note(1, 0).event).unwrap().len();
    let fits = limits::INLINE_BODY_BYTES - frame;
    journal.append(vec![note(1, fits)]).await.unwrap();
    assert!(!run.dir.join("blobs").exists());
    journal.append(vec![note(2, fits + 1)]).await.unwrap();
    assert_eq!(blobs(&run).len(), 1);
}

#[tokio::test]
async fn equal_content_is_stored_once() {
    let run = Run::new();
    let journal = run.create();
    let (text, other) = ("x".repeat(20_000), "y".repeat(20_000));
    journal.append(vec![long(1, &text), long(2, &text)]).await.unwrap();
    journal.append(vec![long(3, &text), long(4, &other)]).await.unwrap();
    assert_eq!(blobs(&run).len(), 2);
    drop(journal);
    assert_eq!(run.open().1, plain(&[long(1, &text), long(2, &text), long(3, &text), long(4, &other)]));
}

#[tokio::test]
async fn a_damaged_or_missing_blob_is_told_with_its_event() {
    let run = Run::new();
    run.create().append(vec![small(1), long(2, &"x".repeat(20_000))]).await.unwrap();
    let blob = blobs(&run).remove(0);

    let mut content = fs_err::read(&blob).unwrap();
    content[100] ^= 1;
    fs_err::write(&blob, &content).unwrap();
    let damaged = massgen_journal::read(&run.dir).unwrap_err();
    let JournalError::Corrupt { path, seq, problem } = &damaged else { panic!("{damaged}") };
    assert_eq!((path, *seq), (&run.database(), Seq(2)));
    assert!(problem.contains("is damaged"), "{problem}");
    assert_eq!(SqliteJournal::open(&run.dir, &owner()).unwrap_err(), damaged);

    fs_err::remove_file(&blob).unwrap();
    let missing = massgen_journal::read(&run.dir).unwrap_err().to_string();
    assert!(missing.contains("at event 2") && missing.contains("is missing"), "{missing}");
}

#[tokio::test]
async fn content_that_is_stored_again_replaces_its_damaged_blob() {
    let run = Run::new();
    let journal = run.create();
    let text = "x".repeat(20_000);
    journal.append(vec![long(1, &text)]).await.unwrap();
    fs_err::write(blobs(&run).remove(0), "damaged").unwrap();
    journal.append(vec![long(2, &text)]).await.unwrap();
    assert_eq!(massgen_journal::read(&run.dir).unwrap(), plain(&[long(1, &text), long(2, &text)]));
}

#[tokio::test]
async fn what_a_kill_left_of_a_blob_is_overwritten() {
    let run = Run::new();
    let journal = run.create();
    fs_err::create_dir(run.dir.join("blobs")).unwrap();
    fs_err::write(run.dir.join("blobs/unfinished"), "x".repeat(100_000)).unwrap();
    let batch = vec![long(1, &"y".repeat(20_000))];
    journal.append(batch.clone()).await.unwrap();
    assert_eq!(massgen_journal::read(&run.dir).unwrap(), plain(&batch));
    assert_eq!(blobs(&run).len(), 1);
}

#[tokio::test]
async fn a_blob_name_never_leads_out_of_the_run_folder() {
    let run = Run::new();
    run.create().append(vec![small(1)]).await.unwrap();
    fs_err::write(run.dir.join("secret"), r#"{"type":"run_resumed"}"#).unwrap();
    for name in ["../secret", "..", "", "aa/../../secret", &"A".repeat(64), &"é".repeat(32)] {
        let sql = run.sql();
        sql.execute_batch("DROP TRIGGER events_are_never_changed").unwrap();
        sql.execute("UPDATE events SET body = NULL, blob = ?1", [name]).unwrap();
        sql.execute_batch(
            "CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, ''); END",
        )
        .unwrap();
        let refused = massgen_journal::read(&run.dir).unwrap_err().to_string();
        assert!(refused.contains("is not the name of a blob"), "{refused}");
    }
}

#[tokio::test]
async fn a_file_that_goes_with_the_task_is_kept_once_and_found_by_its_hash() {
    let run = Run::new();
    let journal = run.create();
    let content = [0xff, 0x00, 0x89, b'P'];
    let name = journal.keep(&content).unwrap();
    assert_eq!(journal.keep(&content).unwrap(), name);
    assert_eq!(name, massgen_journal::blob_name(&content));
    assert_eq!(blobs(&run).len(), 1);
    // Events come after it, and do not disturb it.
    journal.append(vec![small(1), long(2, &"x".repeat(20_000))]).await.unwrap();
    drop(journal);
    assert_eq!(massgen_journal::load_bytes(&run.dir, &name).unwrap(), content);

    let path = run.dir.join("blobs").join(&name[..2]).join(&name);
    fs_err::write(&path, b"another").unwrap();
    let damaged = massgen_journal::load_bytes(&run.dir, &name).unwrap_err();
    assert!(damaged.contains("is damaged"), "{damaged}");
    fs_err::remove_file(&path).unwrap();
    let missing = massgen_journal::load_bytes(&run.dir, &name).unwrap_err();
    assert!(missing.contains("is missing"), "{missing}");
    for name in ["", "../../etc/passwd", &name.to_uppercase()] {
        let refused = massgen_journal::load_bytes(&run.dir, name).unwrap_err();
        assert!(refused.contains("is not the name of a blob"), "{refused}");
    }
}

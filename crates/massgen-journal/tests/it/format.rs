//! What the file holds is guarded while it is written and checked when it is read.

use massgen_journal::SqliteJournal;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::Seq;

use crate::run::{Run, owner, small};

async fn written() -> Run {
    let run = Run::new();
    run.create().append(vec![small(1), small(2), small(3)]).await.unwrap();
    run
}

#[tokio::test]
async fn sqlite_refuses_every_change_of_what_is_stored() {
    let run = written().await;
    let sql = run.sql();
    let row = "(seq, at, run_ms, v, kind, body)";
    for (statement, reason) in [
        ("UPDATE events SET kind = 'vote_cast' WHERE seq = 2".to_owned(), "never changed"),
        ("UPDATE events SET seq = 9 WHERE seq = 3".to_owned(), "never changed"),
        ("DELETE FROM events WHERE seq = 3".to_owned(), "never deleted"),
        ("DELETE FROM events".to_owned(), "never deleted"),
        (format!("INSERT OR REPLACE INTO events {row} VALUES (2, 0, 0, 1, 'x', '{{}}')"), "is dense"),
        (format!("INSERT INTO events {row} VALUES (5, 0, 0, 1, 'x', '{{}}')"), "is dense"),
        (format!("INSERT INTO events {row} VALUES (0, 0, 0, 1, 'x', '{{}}')"), "is dense"),
        ("INSERT INTO events (seq, at, run_ms, v, kind) VALUES (4, 0, 0, 1, 'x')".to_owned(), "CHECK"),
    ] {
        let refused = sql.execute(&statement, []).unwrap_err().to_string();
        assert!(refused.contains(reason), "{statement}: {refused}");
    }
    assert_eq!(run.open().1.len(), 3);
}

/// Changes the file in a way that the triggers forbid, then reads it.
fn spoil(run: &Run, statement: &str) -> (Seq, String) {
    let sql = run.sql();
    sql.execute_batch("DROP TRIGGER events_are_never_changed; DROP TRIGGER events_are_never_deleted")
        .unwrap();
    sql.execute_batch(statement).unwrap();
    drop(sql);
    let error = massgen_journal::read(&run.dir).unwrap_err();
    assert_eq!(SqliteJournal::open(&run.dir, &owner()).unwrap_err(), error);
    let JournalError::Corrupt { path, seq, problem } = error else { panic!("{error}") };
    assert_eq!(path, run.database());
    (seq, problem)
}

#[tokio::test]
async fn what_cannot_be_read_is_told_with_its_event() {
    let deep = format!("UPDATE events SET body = '{}' WHERE seq = 2", "[".repeat(100_000));
    for (statement, event, reason) in [
        ("DELETE FROM events WHERE seq = 2", 2, "it is missing; the next is 3"),
        ("DELETE FROM events WHERE seq = 1", 1, "it is missing; the next is 2"),
        ("UPDATE events SET body = '{\"type\":' WHERE seq = 2", 2, "EOF while parsing"),
        ("UPDATE events SET body = '{\"type\":\"no_such\"}' WHERE seq = 2", 2, "unknown variant `no_such`"),
        ("UPDATE events SET body = body || 'x' WHERE seq = 3", 3, "trailing characters"),
        ("UPDATE events SET v = 2 WHERE seq = 2", 2, "its version is 2, and this massgen reads version 1"),
        ("UPDATE events SET run_ms = -1 WHERE seq = 2", 2, "its time at work"),
        (&deep, 2, "it nests deeper than 256 levels"),
        ("UPDATE meta SET value = '2'", 0, "its format is 2, and this massgen reads format 1"),
        ("UPDATE meta SET value = 'x'", 0, "it is not a journal of massgen"),
        ("DELETE FROM meta", 0, "it is not a journal of massgen"),
        ("DROP TABLE meta", 0, "it is not a journal of massgen"),
        (
            "DROP TABLE events; CREATE TABLE events (seq, at, run_ms, v, body, blob);
          INSERT INTO events VALUES (1, 'noon', 0, 1, '{}', NULL)",
            1,
            "Invalid column type",
        ),
    ] {
        let (seq, problem) = spoil(&written().await, statement);
        assert_eq!(seq, Seq(event), "{statement}: {problem}");
        assert!(problem.contains(reason), "{statement}: {problem}");
    }
}

#[test]
fn a_file_that_is_no_database_is_corrupt() {
    let run = Run::new();
    fs_err::create_dir(&run.dir).unwrap();
    fs_err::write(run.database(), "not a database, ".repeat(1000)).unwrap();
    let error = massgen_journal::read(&run.dir).unwrap_err();
    let expected = JournalError::Corrupt {
        path: run.database(),
        seq: Seq(0),
        problem: "it is not an SQLite database".into(),
    };
    assert_eq!(error, expected);
    assert_eq!(SqliteJournal::open(&run.dir, &owner()).unwrap_err(), expected);
}

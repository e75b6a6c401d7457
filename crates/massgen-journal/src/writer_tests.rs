use massgen_protocol::event::ENVELOPE_VERSION;
use massgen_protocol::{Event, RunMillis, Timestamp};

use super::*;

fn note(seq: u64) -> Arc<Envelope> {
    let message = format!("event {seq} ").repeat(100);
    Arc::new(Envelope {
        v: ENVELOPE_VERSION,
        seq: Seq(seq),
        at: Timestamp::from_micros(1),
        run_time: RunMillis(2),
        event: Event::Degraded { message, agent: None },
    })
}

/// A database that may not grow is what a full disk is for SQLite.
#[test]
fn a_full_database_stops_the_writer_and_keeps_what_was_committed() {
    let dir = tempfile::tempdir().unwrap();
    let path = database::path_in(dir.path());
    fs_err::write(&path, "").unwrap();
    let connection = database::open_for_writing(&path).unwrap();
    connection.pragma_update(None, "max_page_count", 40).unwrap();
    let mut writer = Writer::new(connection, dir.path(), Seq(0), Arc::default());
    let append = |seq| {
        let (done, mut stored) = oneshot::channel();
        writer.serve(vec![Job { batch: vec![note(seq)], done }]);
        stored.try_recv().unwrap().unwrap()
    };
    let results: Vec<_> = (1..=200).map(append).collect();
    writer.close();
    let stored = results.iter().take_while(|result| result.is_ok()).count();
    assert!((50..200).contains(&stored), "{stored}");
    for result in &results[stored..] {
        assert_eq!(result, &Err(JournalError::DiskFull { path: path.clone() }));
    }
    let expected: Vec<_> = (1..=stored as u64).map(|seq| Envelope::clone(&note(seq))).collect();
    assert_eq!(crate::read(dir.path()).unwrap(), expected);
}

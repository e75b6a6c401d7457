//! From the file back to envelopes.

use std::path::Path;

use massgen_ports::JournalError;
use massgen_protocol::event::ENVELOPE_VERSION;
use massgen_protocol::{Envelope, RunMillis, Seq, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::database;
use crate::error::{corrupt, from_sqlite};
use crate::{blobs, body};

/// Reads the journal of the run in `run_dir`: everything that is committed at this moment. It takes no lock and
/// changes nothing, so another process may write at the same time. A journal whose writer was killed before its first
/// commit holds no events.
///
/// While a log of SQLite (`journal.db-wal`) is there, SQLite may have to make its index (`journal.db-shm`) and needs
/// the right to write to the folder; a journal that was closed in order needs only the right to read.
///
/// # Errors
/// [`JournalError::NotFound`] without a journal, [`JournalError::Corrupt`] when it holds something that cannot be
/// read, is not dense, or is of a newer format, [`JournalError::Io`] for anything else.
pub fn read(run_dir: &Path) -> Result<Vec<Envelope>, JournalError> {
    let path = database::path_in(run_dir);
    if !database::is_there(&path)? {
        return Err(JournalError::NotFound { path: run_dir.to_owned() });
    }
    match database::open_for_reading(&path)? {
        Some(connection) => all_events(&connection, run_dir),
        None => Ok(Vec::new()),
    }
}

/// Reads the first event of the journal of the run in `run_dir`, as [`read`] does; `None` when there is none yet.
///
/// # Errors
/// As [`read`].
pub fn read_start(run_dir: &Path) -> Result<Option<Envelope>, JournalError> {
    let path = database::path_in(run_dir);
    if !database::is_there(&path)? {
        return Err(JournalError::NotFound { path: run_dir.to_owned() });
    }
    let Some(connection) = database::open_for_reading(&path)? else {
        return Ok(None);
    };
    let first = Seq(1);
    let stored = connection
        .query_row("SELECT seq, at, run_ms, v, body, blob FROM events WHERE seq = 1", [], Stored::from_row)
        .optional()
        .map_err(|error| from_sqlite(&path, first, &error))?;
    let stored = stored
        .map(|stored| stored.into_envelope(run_dir, first).map_err(|problem| corrupt(&path, first, problem)));
    stored.transpose()
}

/// All events of the journal behind `connection`, checked for density; their blobs lie in `run_dir`.
pub(crate) fn all_events(connection: &Connection, run_dir: &Path) -> Result<Vec<Envelope>, JournalError> {
    let path = database::path_in(run_dir);
    let mut events = Vec::new();
    let mut last = Seq(0);
    let mut statement = connection
        .prepare("SELECT seq, at, run_ms, v, body, blob FROM events ORDER BY seq")
        .map_err(|error| from_sqlite(&path, last, &error))?;
    let mut rows = statement.query([]).map_err(|error| from_sqlite(&path, last, &error))?;
    loop {
        let expected = last.next();
        let Some(row) = rows.next().map_err(|error| from_sqlite(&path, expected, &error))? else {
            break;
        };
        let stored = Stored::from_row(row).map_err(|error| from_sqlite(&path, expected, &error))?;
        if u64::try_from(stored.seq) != Ok(expected.0) {
            return Err(corrupt(&path, expected, format!("it is missing; the next is {}", stored.seq)));
        }
        events.push(
            stored.into_envelope(run_dir, expected).map_err(|problem| corrupt(&path, expected, problem))?,
        );
        last = expected;
    }
    Ok(events)
}

/// A row of `events`, as it is.
struct Stored {
    seq: i64,
    at: i64,
    run_ms: i64,
    version: i64,
    body: Option<String>,
    blob: Option<String>,
}

impl Stored {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            at: row.get(1)?,
            run_ms: row.get(2)?,
            version: row.get(3)?,
            body: row.get(4)?,
            blob: row.get(5)?,
        })
    }

    fn into_envelope(self, run_dir: &Path, seq: Seq) -> Result<Envelope, String> {
        let json = match (self.body, self.blob) {
            (Some(json), None) => json,
            (None, Some(name)) => blobs::load(run_dir, &name)?,
            (Some(_), Some(_)) => return Err("it has a body and a blob".to_owned()),
            (None, None) => return Err("it has neither a body nor a blob".to_owned()),
        };
        let run_time = u64::try_from(self.run_ms).map_err(|error| format!("its time at work: {error}"))?;
        Ok(Envelope {
            v: ENVELOPE_VERSION,
            seq,
            at: Timestamp::from_micros(self.at),
            run_time: RunMillis(run_time),
            event: body::decode(self.version, &json)?,
        })
    }
}

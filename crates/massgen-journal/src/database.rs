//! The SQLite file: how it is opened, and what is in it before the first event.

use std::fmt::Write;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use massgen_ports::JournalError;
use massgen_protocol::Seq;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior};

use crate::error::{corrupt, from_io, from_sqlite, problem};

/// Version of the tables. A journal of a newer version is refused.
const FORMAT: u32 = 1;

/// Tables, triggers and views of [`FORMAT`].
const SCHEMA: &str = include_str!("schema.sql");

/// How long a statement waits for a lock that somebody else holds on the file. Readers never make the writer wait;
/// this is for the moments when a reader has just opened the file or a person works on it with another program.
const LOCK_WAIT: Duration = Duration::from_secs(10);

/// The journal file of the run in `run_dir`.
pub(crate) fn path_in(run_dir: &Path) -> PathBuf {
    run_dir.join("journal.db")
}

/// Whether there is a file at `path`.
pub(crate) fn is_there(path: &Path) -> Result<bool, JournalError> {
    path.try_exists().map_err(|error| from_io(path, &error))
}

/// Opens the file at `path`, which is there but may be empty, and makes the tables if they are missing.
pub(crate) fn open_for_writing(path: &Path) -> Result<Connection, JournalError> {
    let failed = |error: rusqlite::Error| from_sqlite(path, Seq(0), &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    distrust(&connection).map_err(failed)?;
    let mode: String =
        connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(failed)?;
    if mode != "wal" {
        return Err(problem(path, format!("SQLite offers journal mode `{mode}` here, and `wal` is needed")));
    }
    connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    if count_objects(&transaction).map_err(failed)? == 0 {
        transaction.execute_batch(SCHEMA).map_err(failed)?;
        transaction
            .execute("INSERT INTO meta (key, value) VALUES ('format', ?1)", [FORMAT.to_string()])
            .map_err(failed)?;
    } else {
        check_format(&transaction, path)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(connection)
}

/// Opens the file at `path` without the right to change it. `None` when nothing was ever committed to it.
pub(crate) fn open_for_reading(path: &Path) -> Result<Option<Connection>, JournalError> {
    let opened = match try_reading(path, Sharing::WithWriter) {
        // In a folder where nothing may be written, SQLite cannot make the files through which it would learn of a
        // writer. Without anything in the log beside the database there is no writer, and nothing is missed.
        Err(error) if cannot_share(&error) && is_empty(&log_of(path))? => try_reading(path, Sharing::Alone),
        other => other,
    };
    let (connection, objects) = opened.map_err(|error| from_sqlite(path, Seq(0), &error))?;
    if objects == 0 {
        return Ok(None);
    }
    check_format(&connection, path)?;
    Ok(Some(connection))
}

/// Whether somebody else may write to the file while it is read.
#[derive(Clone, Copy)]
enum Sharing {
    /// Yes.
    WithWriter,
    /// No: SQLite looks at nothing but the file itself.
    Alone,
}

fn try_reading(path: &Path, sharing: Sharing) -> rusqlite::Result<(Connection, i64)> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = match sharing {
        Sharing::WithWriter => Connection::open_with_flags(path, flags)?,
        Sharing::Alone => Connection::open_with_flags(immutable(path), flags | OpenFlags::SQLITE_OPEN_URI)?,
    };
    distrust(&connection)?;
    let objects = count_objects(&connection)?;
    Ok((connection, objects))
}

fn cannot_share(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

/// The URI under which SQLite takes the file at `path` for unchangeable.
fn immutable(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => drop(write!(uri, "%{byte:02x}")),
        }
    }
    uri.push_str("?immutable=1");
    uri
}

/// Whether there is no file at `path`, or nothing in it.
fn is_empty(path: &Path) -> Result<bool, JournalError> {
    match fs_err::metadata(path) {
        Ok(file) => Ok(file.len() == 0),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(from_io(path, &error)),
    }
}

/// The write-ahead log that SQLite keeps beside the database at `path`.
fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// A run folder may come from somebody else: its schema must not be able to do more than hold data.
fn distrust(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(LOCK_WAIT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)
}

fn count_objects(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
}

/// Whether the tables are ours, and in a format that this code knows.
fn check_format(connection: &Connection, path: &Path) -> Result<(), JournalError> {
    let failed = |error: rusqlite::Error| from_sqlite(path, Seq(0), &error);
    let not_ours = || corrupt(path, Seq(0), "it is not a journal of massgen");
    let tables: i64 = connection
        .query_row(
            "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name IN ('events', 'meta')",
            [],
            |row| row.get(0),
        )
        .map_err(failed)?;
    if tables != 2 {
        return Err(not_ours());
    }
    let format: Option<String> = connection
        .query_row("SELECT value FROM meta WHERE key = 'format'", [], |row| row.get(0))
        .optional()
        .map_err(failed)?;
    match format.as_deref().map(str::parse) {
        Some(Ok(FORMAT)) => Ok(()),
        Some(Ok(other)) => {
            let found = format!("its format is {other}, and this massgen reads format {FORMAT}");
            Err(corrupt(path, Seq(0), found))
        }
        Some(Err(_)) | None => Err(not_ours()),
    }
}

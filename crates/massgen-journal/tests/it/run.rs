//! A run folder and envelopes to fill it with.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_journal::{Owner, SqliteJournal};
use massgen_protocol::event::ENVELOPE_VERSION;
use massgen_protocol::{AgentNo, Envelope, Event, RevisionSet, RunMillis, Seq, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

/// A run folder that does not exist yet, in a folder that is removed afterwards.
pub(crate) struct Run {
    pub(crate) dir: PathBuf,
    _parent: TempDir,
}

impl Run {
    pub(crate) fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        Self { dir: parent.path().join("log_1"), _parent: parent }
    }

    pub(crate) fn create(&self) -> SqliteJournal {
        SqliteJournal::create(&self.dir, &owner()).unwrap()
    }

    pub(crate) fn open(&self) -> (SqliteJournal, Vec<Envelope>) {
        SqliteJournal::open(&self.dir, &owner()).unwrap()
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.dir.join("journal.db")
    }

    /// The database as any SQLite program sees it.
    pub(crate) fn sql(&self) -> Connection {
        Connection::open(self.database()).unwrap()
    }
}

pub(crate) fn owner() -> Owner {
    Owner { pid: std::process::id(), started_at: 1_795_245_123, command: "massgen 'why?'".into() }
}

pub(crate) fn envelope(seq: u64, event: Event) -> Arc<Envelope> {
    let at = Timestamp::from_micros(1_795_245_123_000_000 + i64::try_from(seq).unwrap() * 500_000);
    Arc::new(Envelope { v: ENVELOPE_VERSION, seq: Seq(seq), at, run_time: RunMillis(seq * 500), event })
}

pub(crate) fn small(seq: u64) -> Arc<Envelope> {
    envelope(seq, Event::Degraded { message: format!("event {seq}"), agent: None })
}

/// An event that is too long to lie in the database.
pub(crate) fn long(seq: u64, content: &str) -> Arc<Envelope> {
    assert!(content.len() > massgen_protocol::limits::INLINE_BODY_BYTES);
    let label = AgentNo::from_index(0).label(1);
    envelope(
        seq,
        Event::AnswerAccepted { label, content: content.into(), seen: RevisionSet::empty(3), snapshot: None },
    )
}

/// What is stored, for comparison with what was read.
pub(crate) fn plain(envelopes: &[Arc<Envelope>]) -> Vec<Envelope> {
    envelopes.iter().map(|envelope| Envelope::clone(envelope)).collect()
}

/// All files under `dir`.
pub(crate) fn files_under(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_under(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}

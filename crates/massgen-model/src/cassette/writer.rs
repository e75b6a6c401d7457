//! Writes a cassette.

use std::fs::TryLockError;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fs_err::{File, OpenOptions};
use serde::Serialize;
use tokio::sync::OwnedMutexGuard;

use super::reader::{self, Contents};
use super::{CassetteError, Header, Line, Redaction};

/// A cassette that is being recorded; shared by the recorders of all agents of a run.
#[derive(Debug)]
pub struct CassetteWriter {
    path: PathBuf,
    redaction: Redaction,
    tape: Mutex<Tape>,
    /// Held while an end is with the session and not yet taken.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
struct Tape {
    file: File,
    /// How many lines about calls are on it.
    completed: u64,
    /// An end is with the session and not yet taken.
    is_end_out: bool,
    /// Calls that were cut off meanwhile. That end may be why, so their lines come after its line.
    cuts: Vec<Line>,
    /// The first problem. After it nothing is written, because the recording would have a hole.
    problem: Option<String>,
}

impl CassetteWriter {
    /// Opens the cassette at `path` for the run of `header`: a new file, or the recording of the same run, which is
    /// then continued. A last line that a kill has cut off is removed.
    ///
    /// # Errors
    /// The file is another run's, no cassette, damaged, in use, or cannot be written.
    pub fn open(path: &Path, header: &Header, redaction: Redaction) -> Result<Self, CassetteError> {
        let header = header.clone().redacted(&redaction);
        let mut file = open_for_owner(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => CassetteError::InUse { path: path.to_owned() },
            TryLockError::Error(error) => CassetteError::Io(error),
        })?;
        let completed = match reader::read(path)? {
            Contents::Nothing => {
                file.write_all(json_line(&header)?.as_bytes())?;
                0
            }
            Contents::Recording(recording) => {
                if let Some(difference) = recording.header.difference(&header) {
                    return Err(CassetteError::OtherRun { path: path.to_owned(), difference });
                }
                file.set_len(recording.whole_bytes)?;
                if recording.lacks_newline {
                    file.write_all(b"\n")?;
                }
                recording.lines.last().map_or(0, |line| line.completed)
            }
        };
        let tape = Tape { file, completed, is_end_out: false, cuts: Vec::new(), problem: None };
        let turn = Arc::default();
        Ok(Self { path: path.to_owned(), redaction, tape: Mutex::new(tape), turn })
    }

    /// Completes when the end that the session has, if it has one, is on the tape. To be awaited after the run, so
    /// that its last call is recorded too. Gives [`Self::problem`].
    pub async fn finish(&self) -> Option<String> {
        drop(self.turn.lock().await);
        self.problem()
    }

    /// Why the recording stopped before its run, if it did. The run itself goes on.
    pub fn problem(&self) -> Option<String> {
        self.tape().problem.clone()
    }

    pub(super) fn redaction(&self) -> &Redaction {
        &self.redaction
    }

    /// How many ends the session may know of that makes a call now.
    pub(super) fn ends_seen(&self) -> u64 {
        let tape = self.tape();
        tape.completed + u64::from(tape.is_end_out)
    }

    /// Waits until no end is with the session, then lets the caller give one out. The caller keeps what it gets
    /// until it has handed the line to [`Self::append`].
    pub(super) async fn turn(&self) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        self.tape().is_end_out = true;
        turn
    }

    /// Writes the line about the end that was given out. Lines stand in the order of these calls, so the write is
    /// not handed to another thread: it is one short write to a file.
    pub(super) fn append(&self, line: Line) {
        let mut tape = self.tape();
        tape.is_end_out = false;
        self.write(&mut tape, line);
        for cut in std::mem::take(&mut tape.cuts) {
            self.write(&mut tape, cut);
        }
    }

    /// Writes the line about a call that the session cut off: now, or after the end that it has before it.
    pub(super) fn append_cut(&self, line: Line) {
        let mut tape = self.tape();
        if tape.is_end_out {
            tape.cuts.push(line);
        } else {
            self.write(&mut tape, line);
        }
    }

    /// Puts `line` on the tape; its order number is set here.
    fn write(&self, tape: &mut Tape, line: Line) {
        if tape.problem.is_some() {
            return;
        }
        let completed = tape.completed + 1;
        let line = Line { completed, end: self.redaction.end(line.end), ..line };
        let written = json_line(&line).and_then(|text| Ok(tape.file.write_all(text.as_bytes())?));
        match written {
            Ok(()) => tape.completed = completed,
            Err(error) => self.stop(tape, &error),
        }
    }

    /// Stops the recording, because a call cannot be recorded.
    pub(super) fn give_up(&self, error: &CassetteError) {
        self.stop(&mut self.tape(), error);
    }

    fn stop(&self, tape: &mut Tape, error: &CassetteError) {
        if tape.problem.is_none() {
            let problem = format!("recording stopped after {} calls: {error}", tape.completed);
            tracing::warn!(cassette = %self.path.display(), "{problem}");
            tape.problem = Some(problem);
        }
    }

    fn tape(&self) -> MutexGuard<'_, Tape> {
        self.tape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn json_line(value: &impl Serialize) -> Result<String, CassetteError> {
    let mut text = serde_json::to_string(value)?;
    text.push('\n');
    Ok(text)
}

/// Opens `path` to append to it; only its owner may read it, also when it was there before.
fn open_for_owner(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;

        use fs_err::os::unix::fs::OpenOptionsExt;

        let file = options.mode(0o600).open(path)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        Ok(file)
    }
    #[cfg(not(unix))]
    options.open(path)
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;

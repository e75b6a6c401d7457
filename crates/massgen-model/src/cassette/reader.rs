//! Reads a cassette.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use massgen_protocol::{AgentId, RunSpec};
use serde::Deserialize;

use super::{CASSETTE_VERSION, CassetteError, Header, Line, Redaction};

/// A recorded run.
#[derive(Debug)]
pub struct Cassette {
    path: PathBuf,
    header: Header,
    /// In the order in which the session took the ends; one line per call.
    pub(super) lines: Vec<Line>,
    by_call: HashMap<(AgentId, u32), usize>,
    is_cut: bool,
}

impl Cassette {
    /// Reads the cassette at `path`. A last line that a kill has cut off is left out.
    ///
    /// # Errors
    /// The file cannot be read, is no cassette, or is damaged; the latter tells the line.
    pub fn load(path: &Path) -> Result<Self, CassetteError> {
        let recording = match read(path)? {
            Contents::Nothing => {
                let problem = "it is empty".to_owned();
                return Err(CassetteError::NotACassette { path: path.to_owned(), problem });
            }
            Contents::Recording(recording) => recording,
        };
        let last_about_call: HashMap<(AgentId, u32), u64> =
            recording.lines.iter().map(|line| ((line.agent.clone(), line.call), line.completed)).collect();
        let counts =
            |line: &Line| last_about_call.get(&(line.agent.clone(), line.call)) == Some(&line.completed);
        let lines: Vec<Line> = recording.lines.into_iter().filter(counts).collect();
        let by_call =
            lines.iter().enumerate().map(|(index, line)| ((line.agent.clone(), line.call), index)).collect();
        Ok(Self { path: path.to_owned(), header: recording.header, lines, by_call, is_cut: recording.is_cut })
    }

    /// Refuses a cassette of another run than that of `spec`. `redaction` is the one that it was recorded with.
    ///
    /// # Errors
    /// Says whether the question or the agents differ.
    pub fn check_run(&self, spec: &RunSpec, redaction: &Redaction) -> Result<(), CassetteError> {
        self.check_header(Header::of(spec), redaction)
    }

    fn check_header(&self, asked: Header, redaction: &Redaction) -> Result<(), CassetteError> {
        match self.header.difference(&asked.redacted(redaction)) {
            None => Ok(()),
            Some(difference) => Err(CassetteError::OtherRun { path: self.path.clone(), difference }),
        }
    }

    /// Which run it is.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How many calls it holds.
    pub fn calls(&self) -> usize {
        self.lines.len()
    }

    /// Whether the recording ends in a line that was cut off.
    pub fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The position of the line about the call `number` of `agent`.
    pub(super) fn position(&self, agent: &AgentId, number: u32) -> Option<usize> {
        self.by_call.get(&(agent.clone(), number)).copied()
    }

    /// How many calls of `agent` it holds.
    pub(super) fn calls_of(&self, agent: &AgentId) -> usize {
        self.lines.iter().filter(|line| line.agent == *agent).count()
    }
}

/// What is in a file.
pub(super) enum Contents {
    /// No byte at all.
    Nothing,
    /// A cassette.
    Recording(RawRecording),
}

/// A cassette file as it is, lines that were replaced by later ones included.
pub(super) struct RawRecording {
    pub(super) header: Header,
    pub(super) lines: Vec<Line>,
    /// The file up to the end of its last whole line.
    pub(super) whole_bytes: u64,
    /// The last whole line has no line end.
    pub(super) lacks_newline: bool,
    /// Something that is no whole line follows.
    is_cut: bool,
}

/// Only what tells the version: later versions may have other fields.
#[derive(Deserialize)]
struct Versioned {
    massgen_cassette: u32,
}

/// Reads the file at `path`.
pub(super) fn read(path: &Path) -> Result<Contents, CassetteError> {
    let bytes = fs_err::read(path)?;
    let mut rows = bytes.split_inclusive(|byte| *byte == b'\n').enumerate();
    let Some((_, first)) = rows.next() else {
        return Ok(Contents::Nothing);
    };
    let mut recording = RawRecording {
        header: header(first, path)?,
        lines: Vec::new(),
        whole_bytes: length(first),
        lacks_newline: !is_whole(first),
        is_cut: false,
    };
    for (index, row) in rows {
        let damaged =
            |problem: String| CassetteError::Damaged { path: path.to_owned(), line: index + 1, problem };
        let line: Line = match serde_json::from_slice(row) {
            Ok(line) => line,
            // Only the last row can be without a line end.
            Err(_) if !is_whole(row) => {
                recording.is_cut = true;
                break;
            }
            Err(error) => return Err(damaged(error.to_string())),
        };
        let expected = recording.lines.last().map_or(1, |last: &Line| last.completed + 1);
        if line.completed != expected {
            return Err(damaged(format!("it is call {} of the recording, not {expected}", line.completed)));
        }
        recording.whole_bytes += length(row);
        recording.lacks_newline = !is_whole(row);
        recording.lines.push(line);
    }
    Ok(Contents::Recording(recording))
}

fn header(row: &[u8], path: &Path) -> Result<Header, CassetteError> {
    let no_cassette = |error: serde_json::Error| CassetteError::NotACassette {
        path: path.to_owned(),
        problem: error.to_string(),
    };
    let Versioned { massgen_cassette: found } = serde_json::from_slice(row).map_err(no_cassette)?;
    if found != CASSETTE_VERSION {
        return Err(CassetteError::Version { path: path.to_owned(), found });
    }
    serde_json::from_slice(row).map_err(no_cassette)
}

fn is_whole(row: &[u8]) -> bool {
    row.ends_with(b"\n")
}

fn length(row: &[u8]) -> u64 {
    u64::try_from(row.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;

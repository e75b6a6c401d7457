//! Where runs are, and which of their files are read.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::turns::newest_beginning;
use crate::environment::Environment;
use crate::failure::Failure;

/// Longest file of a run that is read for a report.
const REPORT_BYTES: u64 = 256 * 1024 * 1024;

/// Word for the newest run.
pub(super) const LATEST: &str = "latest";

/// One attempt of a run, which is what reports are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The run's folder `log_…`.
    pub(super) root: PathBuf,
    /// Number of the turn.
    pub(super) turn: u32,
    /// The folder `turn_N/attempt_M` with the files.
    pub(super) folder: PathBuf,
}

/// What a report is made from; empty documents where there is no file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Documents {
    /// `status.json`.
    pub(super) status: Value,
    /// `metrics_summary.json`; there is none before the end of a run.
    pub(super) metrics: Value,
}

/// The folders that hold runs, the ones of this project first.
pub(super) fn bases(environment: &Environment) -> Vec<PathBuf> {
    let mut bases = vec![environment.found_log_base()];
    let at_home = environment.home.as_ref().map(|home| home.join(".massgen").join("massgen_logs"));
    bases.extend(at_home.filter(|home| !bases.contains(home)));
    bases
}

/// All runs in the first base that has any; first the one whose newest turn began last.
pub(super) fn runs(environment: &Environment) -> Vec<PathBuf> {
    let runs = |base: PathBuf| {
        let entries = fs_err::read_dir(base).into_iter().flatten();
        let is_run = |path: &PathBuf| name(path).starts_with("log_") && path.is_dir();
        let runs = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_run);
        let mut runs: Vec<(String, PathBuf)> = runs.map(|root| (newest_beginning(&root), root)).collect();
        runs.sort_unstable_by(|one, other| other.cmp(one));
        runs.into_iter().map(|(_, root)| root).collect::<Vec<_>>()
    };
    bases(environment).into_iter().map(runs).find(|runs| !runs.is_empty()).unwrap_or_default()
}

/// The attempt that `log_dir` means: `latest`; or a folder, at the level of a run, a turn or an attempt; or the name of
/// a run, with or without `log_`.
pub(super) fn attempt(log_dir: &Path, environment: &Environment) -> Result<Attempt, Failure> {
    let hint = "see `massgen logs list`, or give the folder that was printed as LOG_DIR";
    if log_dir == Path::new(LATEST) {
        let newest = runs(environment).iter().find_map(|root| newest_attempt(root));
        return newest.ok_or_else(|| {
            let bases: Vec<String> =
                bases(environment).iter().map(|base| base.display().to_string()).collect();
            Failure::configuration(format!("there is no run in {}", bases.join(" or ")))
                .hint("ask a question first: massgen \"your question\"")
        });
    }
    let below = bases(environment).into_iter().flat_map(|base| {
        let with_prefix = base.join(format!("log_{}", log_dir.display()));
        [base.join(log_dir), with_prefix]
    });
    let mut candidates = std::iter::once(environment.absolute(log_dir)).chain(below);
    let Some(folder) = candidates.find(|path| path.is_dir()) else {
        return Err(Failure::configuration(format!("there is no run `{}`", log_dir.display())).hint(hint));
    };
    attempt_at(&folder).ok_or_else(|| {
        Failure::configuration(format!("`{}` has no files of a run", folder.display())).hint(hint)
    })
}

/// The attempt that the folder is, or the newest one in it.
fn attempt_at(folder: &Path) -> Option<Attempt> {
    // The name that links and `..` lead to.
    let folder = fs_err::canonicalize(folder).ok()?;
    if number(&folder, "attempt_").is_some() {
        let turn = folder.parent()?;
        let root = turn.parent()?.to_owned();
        let number = number(turn, "turn_")?;
        return has_documents(&folder).then_some(Attempt { root, turn: number, folder });
    }
    if let Some(number) = number(&folder, "turn_") {
        return newest_of_turn(folder.parent()?, number, &folder);
    }
    newest_attempt(&folder)
}

/// The newest attempt of the newest turn of a run.
pub(super) fn newest_attempt(root: &Path) -> Option<Attempt> {
    numbered(root, "turn_").into_iter().find_map(|(number, turn)| newest_of_turn(root, number, &turn))
}

fn newest_of_turn(root: &Path, number: u32, turn: &Path) -> Option<Attempt> {
    let (_, folder) = numbered(turn, "attempt_").into_iter().find(|(_, folder)| has_documents(folder))?;
    Some(Attempt { root: root.to_owned(), turn: number, folder })
}

fn has_documents(folder: &Path) -> bool {
    ["metrics_summary.json", "status.json"].iter().any(|name| folder.join(name).is_file())
}

/// The folders in `folder` that are called `prefix` and a number, the highest number first.
fn numbered(folder: &Path, prefix: &str) -> Vec<(u32, PathBuf)> {
    let entries = fs_err::read_dir(folder).into_iter().flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<(u32, PathBuf)> =
        paths.filter_map(|path| Some((number(&path, prefix)?, path))).collect();
    found.sort_unstable_by(|one, other| other.cmp(one));
    found
}

/// N of `prefix` and N, from 1, as it is written by whoever makes such folders.
fn number(path: &Path, prefix: &str) -> Option<u32> {
    let name = name(path);
    let digits = name.strip_prefix(prefix)?;
    digits.parse().ok().filter(|number: &u32| *number > 0 && number.to_string() == digits)
}

/// The last part of `path`.
pub(super) fn name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

impl Attempt {
    /// What its files say.
    pub(super) fn documents(&self) -> Result<Documents, Failure> {
        Ok(Documents {
            status: read(&self.folder.join("status.json"))?,
            metrics: read(&self.folder.join("metrics_summary.json"))?,
        })
    }

    /// Whether someone has written an analysis of the turn.
    pub(super) fn is_analyzed(&self) -> bool {
        self.root.join(format!("turn_{}", self.turn)).join("ANALYSIS_REPORT.md").is_file()
    }
}

/// The document in `file`; nothing when there is no such file.
fn read(file: &Path) -> Result<Value, Failure> {
    let length = match fs_err::metadata(file) {
        Ok(metadata) => metadata.len(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(Failure::configuration(error)),
    };
    let unusable = |problem: &dyn std::fmt::Display| {
        Failure::configuration(format!("`{}` cannot be used: {problem}", file.display()))
            .hint("write the files of the run again with `massgen logs rebuild` and its log folder")
    };
    if length > REPORT_BYTES {
        return Err(unusable(&format!("it has {length} bytes; at most {REPORT_BYTES} are read")));
    }
    let bytes = fs_err::read(file).map_err(|error| unusable(&error))?;
    serde_json::from_slice(&bytes).map_err(|error| unusable(&error))
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;

//! The run that somebody names, by its journals: for going on with it and for writing its files again.

use std::io;
use std::path::Path;

use massgen_journal::artifacts::{Named, RunFolder};
use massgen_journal::read_start;
use massgen_protocol::Event;

use crate::environment::Environment;
use crate::failure::Failure;

/// The run that somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FoundRun {
    /// The newest of its turns, or the one that was named.
    newest: RunFolder,
    /// The turns before it; none when one was named.
    earlier: Vec<RunFolder>,
}

impl FoundRun {
    /// The turn that was named, else the newest one.
    pub(crate) fn newest(self) -> RunFolder {
        self.newest
    }

    /// The turn that was named, else all, the oldest first.
    pub(crate) fn turns(self) -> Vec<RunFolder> {
        let mut turns = self.earlier;
        turns.push(self.newest);
        turns
    }

    fn of(named: Named) -> io::Result<Option<Self>> {
        match named {
            Named::Turn(newest) => Ok(Some(Self { newest, earlier: Vec::new() })),
            Named::Session(root) => {
                let mut earlier = RunFolder::turns_in(&root)?;
                Ok(earlier.pop().map(|newest| Self { newest, earlier }))
            }
        }
    }
}

/// The run that `log_dir` names: `latest`, a session root (all its turns), a folder of a turn or an attempt (that turn),
/// or the name of one of these in the folder of logs.
pub(crate) fn find_run(log_dir: &Path, environment: &Environment) -> Result<FoundRun, Failure> {
    let base = environment.log_base();
    if log_dir == Path::new("latest") {
        return latest(&base).map_err(Failure::configuration)?.ok_or_else(|| {
            Failure::configuration(format!("there is no run with a journal in `{}`", base.display()))
                .hint("give the folder that was printed as LOG_DIR")
        });
    }
    let nothing = || {
        Failure::configuration(format!("there is no journal in `{}`", log_dir.display()))
            .hint("give the folder that was printed as LOG_DIR, or `latest`")
    };
    for path in [environment.absolute(log_dir), base.join(log_dir)] {
        // Links lead here from the home directory; files are written under the folder's own name.
        let Ok(path) = fs_err::canonicalize(path) else { continue };
        if let Some(named) = RunFolder::named_by(&path).map_err(Failure::configuration)? {
            return FoundRun::of(named).map_err(Failure::configuration)?.ok_or_else(nothing);
        }
    }
    Err(nothing())
}

/// The run in `base` whose newest turn began last.
fn latest(base: &Path) -> io::Result<Option<FoundRun>> {
    let entries = match fs_err::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut newest: Option<(String, FoundRun)> = None;
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("log_") {
            continue;
        }
        let Ok(root) = fs_err::canonicalize(entry.path()) else { continue };
        let Some(found) = FoundRun::of(Named::Session(root))? else { continue };
        let began = beginning(&found.newest);
        if newest.as_ref().is_none_or(|(last, _)| *last < began) {
            newest = Some((began, found));
        }
    }
    Ok(newest.map(|(_, found)| found))
}

/// When the newest turn below `root` began, as a text that sorts by time. Without a journal the name tells.
pub(super) fn newest_beginning(root: &Path) -> String {
    let newest = RunFolder::turns_in(root).ok().and_then(|mut turns| turns.pop());
    newest.map_or_else(|| RunFolder::new(root).name().into_owned(), |newest| beginning(&newest))
}

/// When a turn began, as a text that sorts by time: the name of its session root for the first turn, and what that name
/// would be for a later one.
fn beginning(folder: &RunFolder) -> String {
    let name = folder.name().into_owned();
    if folder.turn == 1 {
        return name;
    }
    // A turn that was killed before its first event is as old as its session.
    let start = read_start(&folder.journal_dir()).ok().flatten();
    match start.as_ref().map(|envelope| (&envelope.event, envelope.at)) {
        Some((Event::RunStarted { meta, .. }, at)) => RunFolder::name_for(at, meta.utc_offset_seconds),
        Some(_) | None => name,
    }
}

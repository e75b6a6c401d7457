//! The run that somebody names, by its journals: for going on with it and for writing its files again.

use std::io;
use std::path::Path;

use massgen_journal::artifacts::{Named, RunFolder};
use massgen_journal::read_start;
use massgen_protocol::Event;
use massgen_view::clean::clean_line;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::trust::{NO_HOME, is_own, refuse_links};

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
    let found = named(log_dir, environment)?;
    refuse_links(&found.newest, environment)?;
    Ok(found)
}

fn named(log_dir: &Path, environment: &Environment) -> Result<FoundRun, Failure> {
    let base = environment.found_log_base();
    if log_dir == Path::new("latest") {
        let newest = newest_first(&base).map_err(Failure::configuration)?.into_iter().next();
        return newest.ok_or_else(|| no_run(&base));
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

/// The runs of this project that the user began here, the one whose newest turn began last first. Those that came with the
/// project say themselves when they began, and must be named.
///
/// # Errors
/// When there is none, whether there are others or not, or they cannot be read.
pub(crate) fn own_runs(environment: &Environment) -> Result<Vec<FoundRun>, Failure> {
    let base = environment.found_log_base();
    let runs = newest_first(&base).map_err(Failure::configuration)?;
    let (own, others): (Vec<FoundRun>, Vec<FoundRun>) =
        runs.into_iter().partition(|run| is_own(&run.newest, environment));
    match others.first() {
        _ if !own.is_empty() => Ok(own),
        None => Err(no_run(&base)),
        Some(newest) => Err(no_own_run(&base, &newest.newest.root, others.len(), environment)),
    }
}

fn no_own_run(base: &Path, newest: &Path, count: usize, environment: &Environment) -> Failure {
    let base = clean_line(&base.display().to_string());
    let failure = Failure::configuration(match count {
        1 => format!("the run in `{base}` was not begun by you here"),
        count => format!("none of the {count} runs in `{base}` was begun by you here"),
    });
    if environment.home.is_none() {
        return failure.hint(NO_HOME);
    }
    let newest = clean_line(&newest.display().to_string());
    failure.hint(format!("name the folder of the one that you mean; that of the newest is `{newest}`"))
}

fn no_run(base: &Path) -> Failure {
    Failure::configuration(format!("there is no run with a journal in `{}`", base.display()))
        .hint("ask a question first: massgen \"your question\"; or name the folder of a run")
}

fn newest_first(base: &Path) -> io::Result<Vec<FoundRun>> {
    let entries = match fs_err::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut runs: Vec<(String, FoundRun)> = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with("log_") {
            continue;
        }
        let Ok(root) = fs_err::canonicalize(entry.path()) else { continue };
        let Some(found) = FoundRun::of(Named::Session(root))? else { continue };
        runs.push((beginning(&found.newest), found));
    }
    runs.sort_by(|(one, _), (other, _)| other.cmp(one));
    Ok(runs.into_iter().map(|(_, found)| found).collect())
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

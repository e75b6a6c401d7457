//! Work with the logs of runs.

use std::io::Write;
use std::path::{Path, PathBuf};

use massgen_journal::artifacts::{RunFolder, rebuild};

use crate::arguments::Logs;
use crate::environment::Environment;
use crate::failure::{Failure, SUCCESS};
use crate::run::open_journal;

/// Name of the journal in a run folder.
const JOURNAL: &str = "journal.db";

/// Performs `massgen logs …`.
pub(crate) fn perform(command: &Logs, environment: &Environment) -> Result<u8, Failure> {
    match command {
        Logs::Rebuild { log_dir } => {
            let root = find_run(log_dir, environment)?;
            // Whoever is at work on the run writes the same files.
            let (journal, events) = open_journal(&root)?;
            let folder = RunFolder::new(&root);
            let report = rebuild(&folder, &events).map_err(Failure::configuration)?;
            drop(journal);
            let mut stdout = std::io::stdout().lock();
            let _ = writeln!(
                stdout,
                "{}: {} files written from {} events, {} removed",
                root.display(),
                report.files,
                report.events,
                report.removed
            );
            Ok(SUCCESS)
        }
    }
}

/// The session root of a run: `latest`, or a folder in or below which the journal is, or its name.
pub(crate) fn find_run(log_dir: &Path, environment: &Environment) -> Result<PathBuf, Failure> {
    let base = environment.log_base();
    if log_dir == Path::new("latest") {
        return latest(&base).ok_or_else(|| {
            Failure::configuration(format!("there is no run with a journal in `{}`", base.display()))
                .hint("give the folder that was printed as LOG_DIR")
        });
    }
    let candidates = [environment.absolute(log_dir), base.join(log_dir)];
    let root =
        candidates.iter().flat_map(|path| path.ancestors().take(3)).find(|path| path.join(JOURNAL).is_file());
    let Some(root) = root else {
        return Err(Failure::configuration(format!("there is no journal in `{}`", log_dir.display()))
            .hint("give the folder that was printed as LOG_DIR, or `latest`"));
    };
    // Links lead here from the home directory; files are written under the folder's own name.
    fs_err::canonicalize(root).map_err(Failure::configuration)
}

/// The newest run in `base`: the names of runs sort by time.
fn latest(base: &Path) -> Option<PathBuf> {
    let is_run = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log_"))
            && path.join(JOURNAL).is_file()
    };
    fs_err::read_dir(base).ok()?.filter_map(|entry| Some(entry.ok()?.path())).filter(is_run).max()
}

//! Writes all projections of a run again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_ports::SnapshotFiles;
use massgen_protocol::Envelope;
use massgen_protocol::file::is_made_name;

use super::ArtifactError;
use super::folder::{MADE_FOLDER, RunFolder, WORKSPACE};
use super::projector::Projector;

/// Names of files that are projections. Nothing else is ever removed: the folder also holds the journal, and whatever
/// people put there.
const OURS: [&str; 13] = [
    "status.json",
    "events.jsonl",
    "massgen.log",
    "execution_metadata.yaml",
    "coordination_events.json",
    "coordination_table.txt",
    "snapshot_mappings.json",
    "metrics_summary.json",
    "metrics_events.json",
    "answer.txt",
    "vote.json",
    "context.txt",
    "execution_trace.md",
];

/// Depth below the attempt at which the deepest projections are: `<agent>/<stamp>/<file>`. Only the files that agents
/// made are deeper, in a folder of their own.
const DEPTH: u32 = 2;

/// What [`rebuild`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RebuildReport {
    /// Events that were folded.
    pub events: usize,
    /// Files that the projection consists of, all written again.
    pub files: usize,
    /// Files that an earlier projection had left and that do not belong to the run.
    pub removed: usize,
}

/// Writes all projections of the run in `folder` again from all of its `events` and removes those that do not follow
/// from them. A reader that looks meanwhile sees old or new files, never none. The journal and files that we did not
/// write stay as they are.
///
/// # Errors
/// When there are no events, when they are not those of a run from its first one, or when a file cannot be written.
pub fn rebuild<'a>(
    folder: &RunFolder,
    snapshots: Arc<dyn SnapshotFiles>,
    events: impl IntoIterator<Item = &'a Envelope>,
) -> Result<RebuildReport, ArtifactError> {
    let mut count = 0;
    let counted = events.into_iter().inspect(|_| count += 1);
    let projector = Projector::resume(folder.clone(), snapshots, counted)?;
    if count == 0 {
        return Err(ArtifactError::NoEvents);
    }
    let known = projector.files().known();
    let mut removed = 0;
    for above in [folder.attempt_dir(), folder.turn_final_dir()] {
        removed += sweep(&above, known, DEPTH)?;
    }
    Ok(RebuildReport { events: count, files: known.len(), removed })
}

/// Removes projections below `folder` that are not `known`, and folders that are empty then. Returns how many files.
fn sweep(folder: &Path, known: &BTreeSet<PathBuf>, depth: u32) -> Result<usize, ArtifactError> {
    let entries = match fs_err::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let mut removed = 0;
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type()?;
        if kind.is_dir() && name != WORKSPACE && (depth > 0 || name == MADE_FOLDER) {
            let below = sweep(&path, known, depth.saturating_sub(1))?;
            removed += below;
            if below > 0 && fs_err::read_dir(&path)?.next().is_none() {
                fs_err::remove_dir(&path)?;
            }
        } else if kind.is_file() && is_ours(folder, &name) && !known.contains(&path) {
            fs_err::remove_file(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

fn is_ours(folder: &Path, name: &str) -> bool {
    let is_temporary = name.starts_with('.') && Path::new(name).extension().is_some_and(|end| end == "tmp");
    let is_made = folder.ends_with(MADE_FOLDER) && is_made_name(name);
    is_temporary || is_made || OURS.contains(&name)
}

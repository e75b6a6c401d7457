//! Skills that agents wrote while they worked, in earlier runs of the project.

use std::path::{Path, PathBuf};

use massgen_journal::artifacts::RunFolder;

/// Where an agent writes one in its workspace; those of MassGen do, too.
const PLACE: &str = "tasks/evolving_skill";

/// So many of the newest runs are looked through.
const RUNS: usize = 50;

/// The skills beside the final answers of the runs in `base` that are the user's own, the newest first: each with the
/// files of that answer, which it must not lead out of.
pub(crate) fn folders(base: &Path, is_own: &dyn Fn(&RunFolder) -> bool) -> Vec<(PathBuf, PathBuf)> {
    // Their names tell when they began.
    let mut runs = entries(base);
    runs.retain(|run| run.file_name().is_some_and(|name| name.to_string_lossy().starts_with("log_")));
    let mut found = Vec::new();
    for run in runs.into_iter().rev().take(RUNS) {
        let turns = RunFolder::turns_in(&run).unwrap_or_default();
        for turn in turns.iter().rev().filter(|turn| is_own(turn)) {
            let workspaces = entries(&turn.turn_final_dir()).into_iter().map(|agent| agent.join("workspace"));
            let skills = workspaces.map(|workspace| (workspace.join(PLACE), workspace));
            found.extend(skills.filter(|(skill, _)| skill.join(super::FILE).is_file()));
        }
    }
    found
}

/// What is in `folder`, by name. A run that cannot be read has no skills.
fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    entries.sort_unstable();
    entries
}

#[cfg(test)]
#[path = "earlier_tests.rs"]
mod tests;

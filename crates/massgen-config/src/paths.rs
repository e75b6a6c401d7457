//! Where the folders of a run go: what becomes of the paths of a configuration.
//!
//! Pure: nothing is made or looked at here.

use std::path::{Component, Path, PathBuf};

/// Folder of the project that everything goes into.
const STATE: &str = ".massgen";

/// Folder in [`STATE`] for the workspaces of agents.
const WORKSPACES: &str = "workspaces";

/// `orchestrator.snapshot_storage` when the configuration has none.
pub const SNAPSHOT_STORAGE: &str = "snapshots";

/// `orchestrator.agent_temporary_workspace` when the configuration has none.
pub const AGENT_TEMPORARY_WORKSPACE: &str = "temp_workspaces";

/// Where a run keeps the files of answers: `written` is `orchestrator.snapshot_storage`, `stamp` the name of the run's
/// log folder. A relative path goes below `.massgen`; an absolute one stays; both end in the stamp.
pub fn snapshot_storage(working_directory: &Path, written: Option<&str>, stamp: &str) -> PathBuf {
    storage(working_directory, written.unwrap_or(SNAPSHOT_STORAGE), stamp)
}

/// Where agents see the files of their peers' answers: `written` is `orchestrator.agent_temporary_workspace`. The same
/// rules as for [`snapshot_storage`].
pub fn agent_temporary_workspace(working_directory: &Path, written: Option<&str>, stamp: &str) -> PathBuf {
    storage(working_directory, written.unwrap_or(AGENT_TEMPORARY_WORKSPACE), stamp)
}

fn storage(working_directory: &Path, written: &str, stamp: &str) -> PathBuf {
    below(working_directory, Path::new(STATE), written).join(stamp)
}

/// The workspace of an agent, absolute when `working_directory` is: `cwd` is what the configuration says, `instance`
/// eight hexadecimal digits that keep agents and runs apart; `None` while there is no run yet. A relative path
/// goes below `.massgen/workspaces`. Digits behind a last part `workspace` are dropped, because they would tell an agent
/// which one it is.
pub fn workspace(working_directory: &Path, cwd: &str, instance: Option<&str>) -> PathBuf {
    let placed = below(working_directory, &Path::new(STATE).join(WORKSPACES), cwd);
    let name = placed.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let name = if bare == "workspace" { bare } else { name.as_str() };
    let name = instance.map_or_else(|| name.to_owned(), |instance| format!("{name}_{instance}"));
    placed.with_file_name(name)
}

/// Eight hexadecimal digits that stand for the agent `id` in the run `instance`, in names of folders: they keep agents
/// and runs apart and say neither which agent it is nor where it stands in the team. An empty `id` stands for the run.
pub fn token(instance: &str, id: &str) -> String {
    // FNV-1a with 64 bits, folded.
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let bytes = instance.bytes().chain([0]).chain(id.bytes());
    let hash = bytes.fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{:08x}", (hash >> 32) ^ (hash & 0xffff_ffff))
}

/// Where the agent `id` finds the files of its peers: a folder of its own below
/// [`agent_temporary_workspace`], which ends in the token of the run.
pub fn peers(working_directory: &Path, written: Option<&str>, instance: &str, id: &str) -> PathBuf {
    agent_temporary_workspace(working_directory, written, &token(instance, "")).join(token(instance, id))
}

/// `written` below `folder` of the working directory, unless it is absolute or names the state folder itself. Steps up
/// are left out, so that a relative path never leads out of `folder`.
fn below(working_directory: &Path, folder: &Path, written: &str) -> PathBuf {
    let path = Path::new(written.trim());
    if path.is_absolute() {
        return path.to_path_buf();
    }
    let plain: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    if plain.starts_with(STATE) {
        return working_directory.join(plain);
    }
    // A path of nothing but dots names no folder of its own.
    let plain = if plain.as_os_str().is_empty() { PathBuf::from("workspace") } else { plain };
    working_directory.join(folder).join(plain)
}

/// Whether a path has a step up (`..`) in it.
pub(crate) fn climbs(path: &str) -> bool {
    Path::new(path).components().any(|part| part == Component::ParentDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: &str = "/project";

    #[test]
    fn relative_storage_goes_below_the_state_folder_and_ends_in_the_stamp() {
        for (written, wanted) in [
            (None, "/project/.massgen/snapshots/log_1"),
            (Some("snaps"), "/project/.massgen/snaps/log_1"),
            (Some("./snaps/"), "/project/.massgen/snaps/log_1"),
            (Some(".massgen/snaps"), "/project/.massgen/snaps/log_1"),
            (Some("/var/snaps"), "/var/snaps/log_1"),
            (Some("../../etc"), "/project/.massgen/etc/log_1"),
        ] {
            assert_eq!(
                snapshot_storage(Path::new(PROJECT), written, "log_1"),
                Path::new(wanted),
                "{written:?}"
            );
        }
        let temporary = agent_temporary_workspace(Path::new(PROJECT), None, "log_1");
        assert_eq!(temporary, Path::new("/project/.massgen/temp_workspaces/log_1"));
    }

    #[test]
    fn a_token_is_the_same_for_an_agent_of_a_run_and_no_other() {
        let known = token("0a1b2c3d", "writer");
        assert_eq!(known, token("0a1b2c3d", "writer"));
        assert!(known.len() == 8 && known.chars().all(|c| c.is_ascii_hexdigit()), "{known}");
        assert_ne!(known, token("0a1b2c3e", "writer"));
        assert_ne!(known, token("0a1b2c3d", "writes"));
        let folder = peers(Path::new(PROJECT), None, "0a1b2c3d", "writer");
        let run = token("0a1b2c3d", "");
        assert_eq!(folder, Path::new("/project/.massgen/temp_workspaces").join(run).join(known));
    }

    #[test]
    fn a_workspace_gets_the_suffix_of_the_run_and_loses_the_number_of_the_agent() {
        for (cwd, wanted) in [
            ("workspace", "/project/.massgen/workspaces/workspace_0a1b2c3d"),
            ("workspace2", "/project/.massgen/workspaces/workspace_0a1b2c3d"),
            ("site/workspace12", "/project/.massgen/workspaces/site/workspace_0a1b2c3d"),
            ("work2", "/project/.massgen/workspaces/work2_0a1b2c3d"),
            (".massgen/workspaces/x", "/project/.massgen/workspaces/x_0a1b2c3d"),
            ("/srv/agent", "/srv/agent_0a1b2c3d"),
            ("../../x", "/project/.massgen/workspaces/x_0a1b2c3d"),
            (".", "/project/.massgen/workspaces/workspace_0a1b2c3d"),
        ] {
            assert_eq!(workspace(Path::new(PROJECT), cwd, Some("0a1b2c3d")), Path::new(wanted), "{cwd}");
        }
        assert_eq!(
            workspace(Path::new(PROJECT), "workspace1", None),
            Path::new("/project/.massgen/workspaces/workspace")
        );
    }
}

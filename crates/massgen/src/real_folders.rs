//! What is really where a configuration says: folders of agents are spelled without symbolic links, so that what their
//! programs print is what they were told, and what is looked for in their texts; and which context paths are single files.

use std::path::{Path, PathBuf};

use massgen_protocol::RunSpec;
use massgen_protocol::workspace::ContextKind;

/// Spells the folders of all agents of `spec` so. The folder itself is not resolved: one that is a link is refused later.
pub(crate) fn spell(spec: &mut RunSpec) {
    let workspaces = spec.agents.iter_mut().filter_map(|agent| agent.workspace.as_deref_mut());
    for folder in workspaces.flat_map(|workspace| [&mut workspace.folder, &mut workspace.peers]) {
        let path = Path::new(folder.as_str());
        if let (Some(above), Some(name)) = (path.parent(), path.file_name()) {
            *folder = real(above).join(name).to_string_lossy().into_owned();
        }
    }
}

/// Notes which context paths of all agents of `spec` are single files.
pub(crate) fn tell_files(spec: &mut RunSpec) {
    let workspaces = spec.agents.iter_mut().filter_map(|agent| agent.workspace.as_deref_mut());
    for context in workspaces.flat_map(|workspace| &mut workspace.contexts) {
        if Path::new(&context.path).is_file() {
            context.kind = ContextKind::File;
        }
    }
}

/// `folder` with the links in it followed, as far as it exists.
pub(crate) fn real(folder: &Path) -> PathBuf {
    match (fs_err::canonicalize(folder), folder.parent(), folder.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(above), Some(name)) => real(above).join(name),
        (Err(_), ..) => folder.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use fs_err::os::unix::fs::symlink;
    use massgen_testkit::history::{spec, workspace};

    use super::*;

    #[test]
    fn links_above_a_folder_are_followed_and_the_folder_itself_is_not() {
        let home = tempfile::tempdir().unwrap();
        let home = fs_err::canonicalize(home.path()).unwrap();
        fs_err::create_dir_all(home.join("real/link_to")).unwrap();
        symlink(home.join("real"), home.join("link")).unwrap();
        symlink(home.join("real/link_to"), home.join("real/agent")).unwrap();
        let mut spec = spec(&["a"]);
        let mut own = workspace("a");
        own.folder = home.join("link/agent").display().to_string();
        own.peers = home.join("link/not/there/yet").display().to_string();
        spec.agents[0].workspace = Some(Box::new(own));
        spell(&mut spec);
        let own = spec.agents[0].workspace.as_ref().unwrap();
        assert_eq!(Path::new(&own.folder), home.join("real/agent"));
        assert_eq!(Path::new(&own.peers), home.join("real/not/there/yet"));
    }
}

//! Which folder counts as the one that the work is in.

use massgen_protocol::workspace::{ContextKind, Deletion, DriftPolicy, Isolation, WorkspaceSpec};
use massgen_testkit::history::spec;

use super::*;

/// An agent that is shown these paths.
fn shown(contexts: &[(&Path, Access)]) -> Vec<AgentSpec> {
    let contexts = contexts.iter().map(|(path, access)| ContextPath {
        path: path.display().to_string(),
        access: *access,
        kind: ContextKind::Folder,
        protected: Vec::new(),
    });
    let mut agents = spec(&["a"]).agents;
    agents[0].workspace = Some(Box::new(WorkspaceSpec {
        folder: "/w".to_owned(),
        peers: "/p".to_owned(),
        contexts: contexts.collect(),
        isolation: Isolation::Auto,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    }));
    agents
}

#[test]
fn what_may_change_comes_before_the_working_directory_and_that_before_what_is_only_read() {
    let home = tempfile::tempdir().unwrap();
    let at = |path: &str| home.path().join(path);
    for folder in ["repository/.git", "repository/a", "repository/b", "other"] {
        fs_err::create_dir_all(at(folder)).unwrap();
    }
    let (here, beside, other) = (at("repository/a"), at("repository/b"), at("other"));
    let (read, write) = (Access::Read, Access::Write);
    let of = |contexts: &[(&Path, Access)]| project_of(&shown(contexts), &here);
    assert_eq!(of(&[]), here);
    assert_eq!(of(&[(&other, read), (&beside, write)]), beside);
    assert_eq!(of(&[(&other, read), (&here, read)]), here);
    assert_eq!(of(&[(&other, read), (&beside, read)]), here, "they are one project");
    assert_eq!(of(&[(&other, read)]), other);
}

//! Who may change the user's own files, and when.

use massgen_protocol::workspace::{
    Access, ContextKind, ContextPath, Deletion, DriftPolicy, Isolation, WorkspaceSpec,
};
use massgen_workspace::access::Contexts;

use super::*;

/// A desk in a folder with a project, where nothing is kept apart.
fn desks(root: &std::path::Path) -> (Desks, Arc<Desk>, AgentId) {
    let name = |name: &str| root.join(name).to_str().unwrap().to_owned();
    for folder in ["work", "peers", "project", "shown"] {
        fs_err::create_dir(root.join(folder)).unwrap();
    }
    let spec = WorkspaceSpec {
        folder: name("work"),
        peers: name("peers"),
        contexts: vec![ContextPath {
            path: name("project"),
            access: Access::Write,
            kind: ContextKind::Folder,
            protected: Vec::new(),
        }],
        isolation: Isolation::Direct,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    };
    let base = Managed::of(&spec, Contexts::ReadOnly).unwrap();
    let desk = Arc::new(Desk::new(base.clone(), spec.deletion));
    let agent = AgentId::new("a").unwrap();
    let seat = SeatParts {
        agent: agent.clone(),
        desk: Arc::clone(&desk),
        base,
        presenting: Some(Managed::of(&spec, Contexts::AsWritten).unwrap()),
    };
    (Desks::new([seat]), desk, agent)
}

#[test]
fn the_users_own_files_are_changed_by_who_presents_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs_err::canonicalize(folder.path()).unwrap();
    let (desks, desk, agent) = desks(&root);
    let can_change = || desk.managed().decide_change(&root.join("project/file")).is_ok();
    let can_read = || desk.managed().decide(&root.join("shown/file")).is_ok();
    assert!(!can_change() && !can_read());
    desks.show(&agent, vec![root.join("shown")]).unwrap();
    assert!(!can_change() && can_read());
    desks.let_present(&agent).unwrap();
    assert!(can_change() && can_read());
}

#[test]
fn a_folder_that_is_gone_changes_nothing_about_what_may_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let root = fs_err::canonicalize(folder.path()).unwrap();
    let (desks, desk, agent) = desks(&root);
    let can_change = || desk.managed().decide_change(&root.join("project/file")).is_ok();
    fs_err::remove_dir(root.join("shown")).unwrap();
    desks.show(&agent, vec![root.join("shown")]).unwrap_err();
    assert!(!can_change());
    desks.let_present(&agent).unwrap_err();
    assert!(can_change());
}

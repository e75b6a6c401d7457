use std::os::unix::fs::symlink;

use super::*;
use crate::left_behind::{LeftBehind, left_behind, remove_left_behind};

fn is_empty(folder: &Path) -> bool {
    fs_err::read_dir(folder).unwrap().next().is_none()
}

#[test]
fn a_workspace_of_the_project_is_emptied_by_a_new_run_and_kept_by_one_that_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".massgen/workspaces/team/one_ab12");
    begin(&folder, Beginning::New).unwrap();
    assert_eq!(fs_err::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    fs_err::create_dir_all(folder.join("deep/er")).unwrap();
    fs_err::write(folder.join("deep/er/file"), "x").unwrap();
    begin(&folder, Beginning::Resumed).unwrap();
    assert!(folder.join("deep/er/file").exists());
    begin(&folder, Beginning::New).unwrap();
    assert!(is_empty(&folder));
    assert!(
        is_empty(folder.parent().unwrap())
            || fs_err::read_dir(folder.parent().unwrap()).unwrap().count() == 1
    );
}

#[test]
fn a_folder_of_somebody_else_is_never_emptied_or_removed() {
    let home = tempfile::tempdir().unwrap();
    let project = home.path().join("project");
    fs_err::create_dir_all(project.join("src")).unwrap();
    fs_err::write(project.join("src/main.rs"), "mine").unwrap();
    assert!(matches!(begin(&project, Beginning::New), Err(Error::ForeignFolder(_))));
    assert!(matches!(remove_own(&project), Err(Error::ForeignFolder(_))));
    assert_eq!(left_behind(std::slice::from_ref(&project)).unwrap(), []);
    // Also by a link from a place that would be ours.
    let workspaces = home.path().join(".massgen/workspaces");
    fs_err::create_dir_all(&workspaces).unwrap();
    symlink(&project, workspaces.join("one")).unwrap();
    assert!(matches!(begin(&workspaces.join("one"), Beginning::New), Err(Error::LinkedFolder(_))));
    assert!(matches!(remove_own(&workspaces.join("one")), Err(Error::LinkedFolder(_))));
    assert!(matches!(begin(&workspaces.join("one/src"), Beginning::New), Err(Error::ForeignFolder(_))));
    assert_eq!(fs_err::read_to_string(project.join("src/main.rs")).unwrap(), "mine");
}

#[test]
fn a_folder_elsewhere_is_ours_if_we_made_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("out_ab12");
    begin(&folder, Beginning::New).unwrap();
    assert!(is_empty(&folder));
    fs_err::write(folder.join("x"), "12345").unwrap();
    begin(&folder, Beginning::New).unwrap();
    assert!(is_empty(&folder));
    fs_err::write(folder.join("x"), "12345").unwrap();
    let found = left_behind(&[folder.clone(), home.path().join("never")]).unwrap();
    assert_eq!(found, [LeftBehind { folder: folder.clone(), files: 1, bytes: 5 }]);
    remove_left_behind(&folder).unwrap();
    assert!(is_empty(home.path()), "the mark went too");

    // Another folder that has its place is not.
    begin(&folder, Beginning::New).unwrap();
    fs_err::rename(&folder, home.path().join("kept")).unwrap();
    fs_err::create_dir(&folder).unwrap();
    fs_err::write(folder.join("mine"), "x").unwrap();
    assert!(matches!(begin(&folder, Beginning::New), Err(Error::ForeignFolder(_))));
}

#[test]
fn a_workspace_that_its_agent_closed_is_open_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".massgen/workspaces/one_ab12");
    let mode = || fs_err::metadata(&folder).unwrap().permissions().mode() & 0o777;
    for beginning in [Beginning::Resumed, Beginning::New] {
        begin(&folder, beginning).unwrap();
        fs_err::write(folder.join("file"), "x").unwrap();
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o000)).unwrap();
        begin(&folder, beginning).unwrap();
        assert_eq!(mode(), 0o700);
        assert_eq!(is_empty(&folder), beginning == Beginning::New);
    }
}

#[test]
fn an_empty_folder_is_used_whoever_made_it() {
    let home = tempfile::tempdir().unwrap();
    begin(home.path(), Beginning::New).unwrap();
}

#[test]
fn folders_that_nobody_may_write_are_removed_and_links_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".massgen/temp_workspaces/run/view");
    fs_err::create_dir_all(folder.join("a/b")).unwrap();
    fs_err::write(folder.join("a/b/file"), "x").unwrap();
    let outside = home.path().join("outside");
    fs_err::create_dir(&outside).unwrap();
    fs_err::write(outside.join("file"), "mine").unwrap();
    symlink(&outside, folder.join("a/link")).unwrap();
    for path in ["a/b", "a", ""] {
        fs_err::set_permissions(folder.join(path), std::fs::Permissions::from_mode(0o111)).unwrap();
    }
    fs_err::set_permissions(&outside, std::fs::Permissions::from_mode(0o555)).unwrap();
    remove_left_behind(&folder).unwrap();
    assert!(!folder.exists());
    assert!(!folder.parent().unwrap().exists(), "the folder of the run is empty, and goes");
    assert_eq!(fs_err::metadata(&outside).unwrap().permissions().mode() & 0o777, 0o555);
    assert_eq!(fs_err::read_to_string(outside.join("file")).unwrap(), "mine");
    fs_err::set_permissions(&outside, std::fs::Permissions::from_mode(0o755)).unwrap();
}

use massgen_protocol::Timestamp;

use super::super::ArtifactError;
use super::*;

#[test]
fn a_session_root_is_named_after_local_time() {
    let at = Timestamp::from_micros(1_771_061_415_482_913);
    assert_eq!(RunFolder::name_for(at, -5 * 3600), "log_20260214_043015_482913");
}

#[test]
fn an_agent_with_the_name_of_a_file_of_ours_gets_another_folder() {
    let folder = RunFolder::new("/logs/log_1");
    assert_eq!(folder.agent_dir("final"), Path::new("/logs/log_1/turn_1/attempt_1/final.agent"));
    assert_eq!(folder.agent_dir("agent_a"), Path::new("/logs/log_1/turn_1/attempt_1/agent_a"));
    let later = RunFolder { turn: 2, attempt: 3, ..folder };
    assert_eq!(later.root_status_target(), Path::new("turn_2/attempt_3/status.json"));
    assert_eq!(later.turn_final_answer_file("a"), Path::new("/logs/log_1/turn_2/final/a/answer.txt"));
}

#[test]
fn the_link_in_the_home_directory_leads_to_the_newest_run() {
    let home = tempfile::tempdir().unwrap();
    let logs = home.path().join("project");
    let runs: Vec<_> = ["log_1", "log_2"].map(|name| RunFolder::new(logs.join(name))).into();
    for run in &runs {
        create_folder(&run.root).unwrap();
    }
    // The first run is taken up again after the second one was made.
    for run in [&runs[0], &runs[1], &runs[0]] {
        let before = fs_err::metadata(&run.root).unwrap().modified().unwrap();
        let link = link_in_home(home.path(), run).unwrap();
        assert_eq!(fs_err::read_link(&link).unwrap(), run.root);
        assert_eq!(link, home.path().join(".massgen/massgen_logs").join(run.name().as_ref()));
        assert!(fs_err::metadata(&link).unwrap().modified().unwrap() >= before);
        assert_eq!(fs_err::read_dir(&run.root).unwrap().count(), 0, "nothing is left behind");
    }
}

#[test]
fn a_link_to_another_place_is_replaced_and_anything_else_is_left_alone() {
    let home = tempfile::tempdir().unwrap();
    let run = RunFolder::new(home.path().join("project/log_1"));
    create_folder(&run.root).unwrap();
    let links = home.path().join(".massgen/massgen_logs");
    create_folder(&links).unwrap();
    symlink("/nowhere", links.join("log_1")).unwrap();
    let link = link_in_home(home.path(), &run).unwrap();
    assert_eq!(fs_err::read_link(&link).unwrap(), run.root);

    fs_err::remove_file(&link).unwrap();
    create_folder(&link).unwrap();
    assert!(matches!(link_in_home(home.path(), &run), Err(ArtifactError::InTheWay { .. })));

    // Runs that are kept in the home directory itself need no link.
    let at_home = RunFolder::new(link.clone());
    assert_eq!(link_in_home(home.path(), &at_home).unwrap(), link);
    assert!(fs_err::symlink_metadata(&link).unwrap().is_dir());
}

/// Puts an empty journal where the turn has its own.
fn with_journal(folder: RunFolder) -> RunFolder {
    create_folder(&folder.journal_dir()).unwrap();
    fs_err::write(folder.journal_dir().join("journal.db"), "").unwrap();
    folder
}

#[test]
fn a_path_names_a_turn_or_the_whole_session() {
    let logs = tempfile::tempdir().unwrap();
    let root = logs.path().join("log_1");
    let first = with_journal(RunFolder::new(&root));
    let third = with_journal(RunFolder::of_turn(&root, 3));
    create_folder(&root.join("turn_2/attempt_1")).unwrap();
    create_folder(&root.join("turn_03")).unwrap();
    assert_eq!(RunFolder::turns_in(&root).unwrap(), [first.clone(), third.clone()]);
    assert_eq!(RunFolder::turns_in(&logs.path().join("log_2")).unwrap(), []);
    let named = |path: &str| RunFolder::named_by(&root.join(path)).unwrap();
    assert_eq!(RunFolder::named_by(&root).unwrap(), Some(Named::Session(root.clone())));
    assert_eq!(named("turn_1"), Some(Named::Turn(first.clone())));
    assert_eq!(named("turn_1/attempt_1"), Some(Named::Turn(first)));
    assert_eq!(named("turn_3"), Some(Named::Turn(third.clone())));
    assert_eq!(named("turn_3/attempt_2"), Some(Named::Turn(third)));
    assert_eq!(named("turn_2/attempt_1"), None, "it has no journal, and no other turn was meant");
    assert_eq!(named("turn_7"), None);
    assert_eq!(RunFolder::named_by(logs.path()).unwrap(), None);
}

#[test]
fn runs_that_begin_in_the_same_microsecond_get_roots_of_their_own() {
    let logs = tempfile::tempdir().unwrap();
    let base = logs.path().join("new");
    let at = Timestamp::from_micros(1_771_061_415_482_913);
    let claim = || RunFolder::claim_root(&base, at, 0).unwrap().file_name().unwrap().to_owned();
    assert_eq!([claim(), claim()], ["log_20260214_093015_482913", "log_20260214_093015_482914"]);
}

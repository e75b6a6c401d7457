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

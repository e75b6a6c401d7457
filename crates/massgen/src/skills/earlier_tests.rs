//! Which skills of earlier runs are found, and in which order.

use super::*;

/// A turn of a run whose agent `a` left a skill.
fn turn(base: &Path, run: &str, turn: u32) -> RunFolder {
    let folder = RunFolder::of_turn(base.join(run), turn);
    fs_err::create_dir_all(folder.journal_dir()).unwrap();
    fs_err::write(folder.journal_dir().join("journal.db"), "").unwrap();
    let skill = folder.turn_final_workspace("a").join(PLACE);
    fs_err::create_dir_all(&skill).unwrap();
    fs_err::write(skill.join(super::super::FILE), "").unwrap();
    folder
}

#[test]
fn the_newest_come_first_and_only_runs_of_the_user_count() {
    let base = tempfile::tempdir().unwrap();
    let own = [turn(base.path(), "log_2", 1), turn(base.path(), "log_2", 2), turn(base.path(), "log_1", 1)];
    turn(base.path(), "log_3", 1);
    turn(base.path(), "other", 1);
    let found = folders(base.path(), &|run| own.contains(run));
    let expected = [&own[1], &own[0], &own[2]].map(|run| run.turn_final_workspace("a"));
    assert_eq!(found.iter().map(|(_, boundary)| boundary.clone()).collect::<Vec<_>>(), expected);
    assert!(found.iter().all(|(skill, boundary)| *skill == boundary.join(PLACE)));
}

use super::*;

/// A copy in `folder`, below the workspace `ws` of it.
fn copy(folder: &Path) -> ProjectCopy {
    let place = folder.join("ws/.worktree/repository_1");
    let isolated = Isolated {
        target: folder.join("project/part"),
        only: None,
        folder: place.join("part"),
        place,
        kind: Kind::Copy,
        base: None,
        ignores: None,
        left_out: BTreeMap::new(),
        notes: Vec::new(),
    };
    let agent = AgentId::new("a").unwrap();
    ProjectCopy { agent, number: 1, isolated, baseline: SnapshotId(String::new()), unkept: BTreeMap::new() }
}

#[test]
fn a_copy_that_is_a_link_by_now_is_not_moved_away_with_what_it_leads_to() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs_err::canonicalize(folder.path()).unwrap();
    let (copy, run) = (copy(&folder), RunFolder::new(folder.join("run")));
    let mine = folder.join("mine/part");
    fs_err::create_dir_all(&mine).unwrap();
    fs_err::create_dir_all(folder.join("ws/.worktree")).unwrap();
    symlink(folder.join("mine"), &copy.isolated.place).unwrap();
    copy.rescue(&run).unwrap();
    assert!(mine.is_dir() && !copy.refuge(&run).exists());
    fs_err::remove_file(&copy.isolated.place).unwrap();
    fs_err::create_dir_all(&copy.isolated.folder).unwrap();
    copy.rescue(&run).unwrap();
    assert!(!copy.isolated.folder.exists() && copy.refuge(&run).is_dir());
}

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use super::*;

struct Home {
    folder: tempfile::TempDir,
    keeper: Keeper,
}

fn id(name: &str) -> AgentId {
    AgentId::new(name).unwrap()
}

fn label(agent: usize, revision: u32) -> AnswerLabel {
    AgentNo::from_index(agent).label(revision)
}

fn spec(home: &Path) -> KeeperSpec {
    let ours = home.join(".massgen");
    let seat = |index: usize, name: &str| Seat {
        agent: id(name),
        number: AgentNo::from_index(index),
        folder: ours.join(format!("workspaces/{name}_1f")),
        peers: ours.join(format!("temp_workspaces/run/token{index}")),
    };
    KeeperSpec {
        store: home.join("log/snapshots"),
        views: ours.join("temp_workspaces/run/.views"),
        seats: ["alice", "bob", "carol"].iter().enumerate().map(|(index, name)| seat(index, name)).collect(),
        limits: ScanLimits::default(),
    }
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keeper = Keeper::open(spec(folder.path()), Beginning::New).unwrap();
        Self { folder, keeper }
    }

    fn work(&self, agent: &str) -> PathBuf {
        self.folder.path().join(format!(".massgen/workspaces/{agent}_1f"))
    }

    fn peers(&self, index: usize) -> PathBuf {
        self.folder.path().join(format!(".massgen/temp_workspaces/run/token{index}"))
    }

    fn write(&self, agent: &str, path: &str, content: &str) {
        let path = self.work(agent).join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, content).unwrap();
    }

    async fn keep(&self, agent: &str) -> SnapshotId {
        self.keeper.keep(&id(agent)).await.unwrap().id
    }

    fn views(&self) -> usize {
        fs_err::read_dir(self.folder.path().join(".massgen/temp_workspaces/run/.views")).unwrap().count()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs_err::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn peers_see_one_shared_view_of_an_answer_and_cannot_change_it() {
    let home = Home::new();
    home.write("alice", "src/main.rs", "fn main() {}");
    home.write("alice", ".git/config", "x");
    home.write("alice", "memory/notes.md", "alice wrote this for bob");
    let first = home.keep("alice").await;
    for viewer in ["bob", "carol"] {
        home.keeper.show(&id(viewer), vec![(label(0, 1), first.clone())]).await.unwrap();
    }
    assert_eq!(home.views(), 1);
    let (one, other) = (home.peers(1).join("agent1"), home.peers(2).join("agent1"));
    let inode = |path: &Path| fs_err::metadata(path.join("src/main.rs")).unwrap().ino();
    assert_eq!(inode(&one), inode(&other));
    assert_eq!(names(&home.peers(1)), ["agent1"]);
    assert_eq!(names(&one), ["memory", "src"]);
    assert_eq!(fs_err::read_to_string(one.join("src/main.rs")).unwrap(), "fn main() {}");
    assert_eq!(fs_err::read_to_string(one.join("memory/notes.md")).unwrap(), "agent1 wrote this for agent2");
    let mode = |path: &str| fs_err::metadata(one.join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("src"), mode("src/main.rs")), (0o555, 0o555, 0o444));
    assert_eq!(home.keeper.visible(&id("bob")), [fs_err::canonicalize(&one).unwrap()]);
    assert_eq!(home.keeper.visible(&id("alice")), Vec::<PathBuf>::new());
    // No name on the way says who made it.
    assert!(!fs_err::read_link(&one).unwrap().to_string_lossy().contains("alice"));
    assert!(home.keeper.store().verify().unwrap().faults.is_empty());
}

#[tokio::test]
async fn a_view_stays_as_it_was_shown_whatever_its_owner_does() {
    let home = Home::new();
    home.write("alice", "answer", "first");
    let first = home.keep("alice").await;
    home.keeper.show(&id("bob"), vec![(label(0, 1), first)]).await.unwrap();
    home.write("alice", "answer", "second");
    let second = home.keep("alice").await;
    let seen = || fs_err::read_to_string(home.peers(1).join("agent1/answer")).unwrap();
    assert_eq!(seen(), "first");
    home.keeper.show(&id("bob"), vec![(label(0, 2), second)]).await.unwrap();
    assert_eq!(seen(), "second");
}

#[tokio::test]
async fn only_what_was_named_is_seen_and_unused_views_go() {
    let home = Home::new();
    home.write("bob", "b", "b");
    let of_bob = home.keep("bob").await;
    for round in 1..6 {
        home.write("alice", "a", &round.to_string());
        let of_alice = home.keep("alice").await;
        let answers = vec![(label(0, round), of_alice), (label(1, 1), of_bob.clone())];
        home.keeper.show(&id("carol"), answers).await.unwrap();
        assert_eq!(names(&home.peers(2)), ["agent1", "agent2"]);
        // A command of carol may still be at work in what she saw before.
        assert!(home.views() <= 3, "{}", home.views());
    }
    home.keeper.show(&id("carol"), vec![(label(1, 1), of_bob)]).await.unwrap();
    assert_eq!(names(&home.peers(2)), ["agent2"]);
    home.keeper.show(&id("carol"), vec![]).await.unwrap();
    assert_eq!(names(&home.peers(2)), Vec::<String>::new());
    assert_eq!(home.views(), 1);
}

#[tokio::test]
async fn places_in_notes_are_those_that_a_reader_can_use() {
    let home = Home::new();
    home.write("bob", "result.txt", "42");
    let of_bob = home.keep("bob").await;
    home.keeper.show(&id("alice"), vec![(label(1, 1), of_bob)]).await.unwrap();
    let view_of_bob = fs_err::canonicalize(home.peers(0).join("agent2")).unwrap();
    let notes = format!(
        "mine: {}/x.md; his: {}/y.md; seen at {}/agent2/result.txt, that is {}/result.txt",
        home.work("alice").display(),
        home.work("bob").display(),
        home.peers(0).display(),
        view_of_bob.display(),
    );
    home.write("alice", "memory/notes.md", &notes);
    home.write("alice", "deliverable.md", &notes);
    home.write("alice", "x.md", "x");
    symlink(home.work("alice").join("x.md"), home.work("alice").join("inside")).unwrap();
    symlink(home.work("bob").join("result.txt"), home.work("alice").join("outside")).unwrap();
    let of_alice = home.keep("alice").await;
    home.keeper.show(&id("carol"), vec![(label(0, 1), of_alice)]).await.unwrap();
    let seen = home.peers(2).join("agent1");
    let view = fs_err::canonicalize(&seen).unwrap();
    assert_eq!(
        fs_err::read_to_string(seen.join("memory/notes.md")).unwrap(),
        format!(
            "mine: {}/x.md; his: agent2/y.md; seen at agent2/result.txt, that is agent2/result.txt",
            view.display()
        )
    );
    assert_eq!(fs_err::read_to_string(seen.join("deliverable.md")).unwrap(), notes);
    assert_eq!(fs_err::read_to_string(seen.join("inside")).unwrap(), "x");
    assert_eq!(names(&seen), ["deliverable.md", "inside", "memory", "x.md"]);
}

#[tokio::test]
async fn a_new_run_begins_empty_and_one_that_goes_on_with_what_was_there() {
    let home = Home::new();
    home.write("alice", "work", "half done");
    let kept = home.keep("alice").await;
    home.keeper.show(&id("bob"), vec![(label(0, 1), kept.clone())]).await.unwrap();
    let resumed = Keeper::open(spec(home.folder.path()), Beginning::Resumed).unwrap();
    assert_eq!(names(&home.work("alice")), ["work"]);
    assert_eq!(home.views(), 0, "a view of a killed process may be half a view");
    resumed.show(&id("bob"), vec![(label(0, 1), kept)]).await.unwrap();
    assert_eq!(fs_err::read_to_string(home.peers(1).join("agent1/work")).unwrap(), "half done");
    Keeper::open(spec(home.folder.path()), Beginning::New).unwrap();
    assert_eq!(names(&home.work("alice")), Vec::<String>::new());
    assert_eq!(names(&home.peers(1)), Vec::<String>::new());
}

#[tokio::test]
async fn work_that_nobody_waits_for_is_finished_and_one_piece_goes_at_a_time() {
    let home = Home::new();
    for file in 0..500 {
        home.write("alice", &format!("files/{file}"), &format!("content {file}"));
    }
    drop(home.keeper.keep(&id("alice")));
    let mut dropped = home.keeper.keep(&id("alice"));
    assert!(futures::poll!(&mut dropped).is_pending());
    drop(dropped);
    let all: Vec<_> = (0..5).map(|_| home.keeper.keep(&id("alice"))).collect();
    let ids: BTreeSet<SnapshotId> =
        futures::future::join_all(all).await.into_iter().map(|kept| kept.unwrap().id).collect();
    assert_eq!(ids.len(), 1);
    let verified = home.keeper.store().verify().unwrap();
    assert_eq!((verified.snapshots, verified.blobs, verified.faults), (1, 500, vec![]));
}

#[tokio::test]
async fn an_agent_without_a_workspace_and_a_snapshot_that_is_not_there_are_said() {
    let home = Home::new();
    let nobody = home.keeper.keep(&id("dave")).await.unwrap_err();
    assert_eq!(nobody, "agent `dave` has no workspace");
    let missing = SnapshotId("0".repeat(64));
    let error = home.keeper.show(&id("bob"), vec![(label(0, 1), missing)]).await.unwrap_err();
    assert_eq!(error, format!("snapshot `{}` is not in the store", "0".repeat(64)));
}

#[tokio::test]
async fn links_that_lead_out_are_told_and_those_of_the_project_are_not() {
    let home = Home::new();
    home.write("alice", "page.html", "x");
    home.write("alice", ".worktree/ctx_1/file", "x");
    symlink("/etc/hosts", home.work("alice").join("out")).unwrap();
    symlink(home.work("alice").join("page.html"), home.work("alice").join("in")).unwrap();
    symlink("/etc/hosts", home.work("alice").join(".worktree/ctx_1/out")).unwrap();
    let told = home.keeper.keep(&id("alice")).await.unwrap().left_out;
    assert_eq!(told.keys().collect::<Vec<_>>(), ["out"]);
}

#[tokio::test]
async fn workspace_holds_a_snapshot_again_and_the_next_one_is_the_same() {
    let home = Home::new();
    home.write("alice", "page.html", "voted for");
    let kept = home.keep("alice").await;
    home.write("alice", "page.html", "half done");
    home.write("alice", "more.html", "half done");
    home.keep("alice").await;
    home.keeper.restore(&id("alice"), &kept).await.unwrap();
    assert_eq!(home.keep("alice").await, kept);
    home.keeper.restore(&id("dave"), &kept).await.unwrap_err();
}

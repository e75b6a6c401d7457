//! What workspaces held stands beside the answers.

use std::path::Path;
use std::sync::Arc;

use massgen_ports::SnapshotFiles;
use massgen_protocol::event::*;
use massgen_protocol::workspace::*;
use massgen_protocol::{Event, SnapshotId};
use serde_json::Value;

use super::testing::*;
use super::*;
use crate::sessions::{StoredEnd, TurnRecord};

/// A snapshot is one file with its own name in it.
struct Named;

impl SnapshotFiles for Named {
    fn export(&self, snapshot: &SnapshotId, to: &Path) -> Result<(), String> {
        if to.exists() {
            return Ok(());
        }
        fs_err::create_dir_all(to).unwrap();
        fs_err::write(to.join("page.html"), &snapshot.0).map_err(|error| error.to_string())
    }
}

fn history() -> History {
    let workspace = WorkspaceSpec {
        folder: "/w/alpha".into(),
        peers: "/p/alpha".into(),
        contexts: vec![ContextPath {
            path: "/home/me/project".into(),
            access: Access::Write,
            kind: ContextKind::Folder,
            protected: Vec::new(),
        }],
        isolation: Isolation::Auto,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    };
    let alpha = massgen_protocol::AgentSpec { workspace: Some(Box::new(workspace)), ..agent("alpha", None) };
    let mut history = History::new(vec![alpha]);
    history.execution(no(1), &[]);
    history.answer(no(1), "See /w/alpha/page.html.");
    for envelope in &mut history.events {
        if let Event::AnswerAccepted { snapshot, .. } = &mut envelope.event {
            *snapshot = Some(SnapshotId("first".into()));
        }
    }
    history.push(Event::CoordinationEnded { cause: EndCause::AllVoted });
    history.push(Event::FinalAnswerReady {
        agent: no(1),
        content: "See /w/alpha/page.html, /w/alpha/.worktree/ctx_1/a.rs and /w/alphabet.".into(),
        source: FinalSource::Presented,
        snapshot: Some(SnapshotId("last".into())),
    });
    history.finished(RunOutcome::Answered);
    history
}

fn project(folder: &RunFolder) {
    let mut projector = Projector::new(folder.clone(), Arc::new(Named)).unwrap();
    for envelope in &history().events {
        projector.apply(envelope).unwrap();
    }
    projector.flush(Flush::Everything).unwrap();
}

#[test]
fn files_stand_beside_every_answer_and_the_final_text_leads_to_them() {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(home.path().join("log"));
    project(&folder);
    let read = |path: &Path| fs_err::read_to_string(path).unwrap();
    for above in [folder.final_dir(), folder.turn_final_dir()] {
        let beside = above.join("alpha");
        assert_eq!(read(&beside.join("workspace/page.html")), "last");
        let path = beside.join("workspace/page.html").display().to_string();
        let expected = format!("See {path}, /home/me/project/a.rs and /w/alphabet.");
        assert_eq!(read(&beside.join("answer.txt")), expected);
    }
    let status: Value = serde_json::from_str(&read(&folder.status_file())).unwrap();
    let first = status["historical_workspaces"][0]["workspacePath"].as_str().unwrap();
    assert_eq!(read(&Path::new(first).join("page.html")), "first");
    assert_eq!(status["agents"]["alpha"]["workspace_paths"]["workspace"], "/w/alpha");
}

#[test]
fn files_come_back_when_all_is_written_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(home.path().join("log"));
    project(&folder);
    let live = tree(&folder.root);
    fs_err::remove_dir_all(folder.turn_final_dir()).unwrap();
    fs_err::remove_dir_all(folder.attempt_dir()).unwrap();
    rebuild(&folder, Arc::new(Named), &history().events).unwrap();
    assert_eq!(tree(&folder.root), live);
}

#[test]
fn nothing_that_people_read_names_a_folder_that_is_gone() {
    let home = tempfile::tempdir().unwrap();
    let folder = RunFolder::new(home.path().join("log"));
    project(&folder);
    let (mut lines, mut record) =
        (AutomationLines::new(folder.clone(), AutomationPaths::default()), TurnRecord::of(folder.clone()));
    let mut told = Vec::new();
    for envelope in &history().events {
        told.extend(lines.lines(envelope));
        record.fold(envelope);
    }
    let kept = folder.turn_final_workspace("alpha").display().to_string();
    let expected = format!("See {kept}/page.html, /home/me/project/a.rs and /w/alphabet.");
    assert_eq!(record.final_answer(), Some(expected.as_str()));
    let preview = told.iter().find(|line| line.starts_with("ANSWER_PREVIEW")).unwrap();
    assert!(!preview.contains("/w/alpha/"), "{preview}");
    let answers = files_named(&folder.root, "answer.txt");
    assert_eq!(answers.len(), 3);
    for path in answers {
        let text = fs_err::read_to_string(&path).unwrap();
        assert!(
            !text.contains("/w/alpha/") && text.contains("/workspace/page.html"),
            "{}: {text}",
            path.display()
        );
    }
    let events = fs_err::read_to_string(folder.events_file()).unwrap();
    let line = events.lines().find(|line| line.contains("\"final_answer\"")).unwrap();
    assert!(!line.contains("/w/alpha/"), "{line}");
}

#[test]
fn what_an_unfinished_run_leaves_has_names_and_no_places() {
    let mut record = TurnRecord::of(RunFolder::new("/log"));
    for envelope in history()
        .events
        .iter()
        .filter(|envelope| matches!(envelope.event, Event::RunStarted { .. } | Event::AnswerAccepted { .. }))
    {
        record.fold(envelope);
    }
    let StoredEnd::Open { answers, .. } = record.as_stored(1).unwrap().end else { panic!("it has no end") };
    assert_eq!(answers[0].answer, "See page.html.");
}

/// The files of this name in `folder`.
fn files_named(folder: &Path, name: &str) -> Vec<std::path::PathBuf> {
    let all = tree(folder).into_keys().map(|path| folder.join(path));
    all.filter(|path| path.file_name().is_some_and(|found| found == name)).collect()
}

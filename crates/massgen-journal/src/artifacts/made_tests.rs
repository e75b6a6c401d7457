//! Files that agents make reach the disk beside their answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use massgen_ports::workspaces::NoWorkspaces;
use massgen_protocol::event::*;
use massgen_protocol::message::ReplyItem;
use massgen_protocol::spec::FinalAnswerStrategy;
use massgen_protocol::{AnswerLabel, Event, Purpose};
use serde_json::json;

use super::testing::*;
use super::*;

/// Everything that base64 can say, and that text cannot.
const PICTURE: (&str, &[u8]) = ("iVBORw0KGgr/AA==", b"\x89PNG\r\n\x1a\n\xff\x00");
const DRAFT: (&str, &[u8]) = ("ZHJhZnQ=", b"draft");
const SOUND: (&str, &[u8]) = ("c291bmQ=", b"sound");

fn file(media_type: &str, (data, _): (&str, &[u8])) -> ReplyItem {
    ReplyItem::with_file(json!({"inlineData": {"data": data}}), "/inlineData/data", Some(media_type))
}

fn folder(home: &tempfile::TempDir) -> RunFolder {
    RunFolder::new(home.path().canonicalize().unwrap().join("log_20260214_103015_000000"))
}

/// alpha paints, answers, paints again and presents; zeta only paints.
fn painted() -> History {
    let mut history = History::new(vec![agent("alpha", None), agent("zeta", None)]);
    let (alpha, zeta) = (no(1), no(2));
    for agent in [alpha, zeta] {
        history.execution(agent, &[]);
    }
    let call = history.call(alpha, Purpose::Coordinate);
    history
        .finish_with(call, vec![file("image/png", DRAFT), text("See.").into(), file("image/png", PICTURE)]);
    let call = history.call(zeta, Purpose::Coordinate);
    history.finish_with(call, vec![file("../../etc/passwd", SOUND)]);
    history.answer(alpha, "Look at the picture.");
    history.answer(zeta, "Listen.");
    history
}

fn presented() -> History {
    let mut history = painted();
    let alpha = no(1);
    let won: AnswerLabel = alpha.label(1);
    history.push(Event::CoordinationEnded { cause: EndCause::AllVoted });
    history.push(Event::WinnerSelected { answer: won, tally: vec![], basis: WinnerBasis::MostVotes });
    history
        .push(Event::PresentationStarted { presenter: alpha, strategy: FinalAnswerStrategy::WinnerPresent });
    let call = history.call(alpha, Purpose::Present);
    history.finish_with(call, vec![text("Look and listen.").into(), file("audio/wav", SOUND)]);
    history.push(Event::FinalAnswerReady {
        agent: alpha,
        content: "Look and listen.".into(),
        source: FinalSource::Presented,
        snapshot: None,
    });
    history.finished(RunOutcome::Answered);
    history
}

/// All files that agents made, by path below the turn, with the stamps left out.
fn made(folder: &RunFolder) -> BTreeMap<String, Vec<u8>> {
    let tree = tree(&folder.turn_dir());
    let made = tree.into_iter().filter(|(name, _)| name.contains("/files/") && !name.ends_with('/'));
    made.map(|(name, bytes)| {
        let parts: Vec<_> = name.split('/').filter(|part| !part.starts_with("2026")).collect();
        (parts.join("/"), bytes)
    })
    .collect()
}

fn expected(files: &[(&str, (&str, &[u8]))]) -> BTreeMap<String, Vec<u8>> {
    files.iter().map(|(name, (_, bytes))| ((*name).to_owned(), bytes.to_vec())).collect()
}

fn project(folder: &RunFolder, history: &History) {
    let mut projector = Projector::new(folder.clone(), Arc::new(NoWorkspaces)).unwrap();
    for envelope in &history.events {
        projector.apply(envelope).unwrap();
    }
    projector.flush(Flush::Everything).unwrap();
}

#[test]
fn files_stand_beside_the_answer_that_they_belong_to_and_beside_the_final_one() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    project(&folder, &presented());
    assert_eq!(
        made(&folder),
        expected(&[
            ("attempt_1/alpha/files/image-1.png", DRAFT),
            ("attempt_1/alpha/files/image-2.png", PICTURE),
            ("attempt_1/zeta/files/file-1.bin", SOUND),
            ("attempt_1/final/alpha/files/image-1.png", DRAFT),
            ("attempt_1/final/alpha/files/image-2.png", PICTURE),
            ("attempt_1/final/alpha/files/audio-1.wav", SOUND),
            ("final/alpha/files/image-1.png", DRAFT),
            ("final/alpha/files/image-2.png", PICTURE),
            ("final/alpha/files/audio-1.wav", SOUND),
        ])
    );
    assert!(folder.turn_final_file("alpha", "audio-1.wav").is_file());
    for name in tree(&folder.turn_dir()).keys().filter(|name| name.contains("/files/")) {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs_err::metadata(folder.turn_dir().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, if name.ends_with('/') { 0o700 } else { 0o600 }, "{name}");
    }
    let trace = fs_err::read_to_string(folder.final_dir().join("alpha/execution_trace.md")).unwrap();
    assert!(trace.contains("[audio: audio/wav, 5 bytes]"), "{trace}");
}

#[test]
fn files_come_back_byte_for_byte_and_those_of_no_answer_go() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let history = presented();
    project(&folder, &history);
    let live = tree(&folder.root);
    fs_err::remove_dir_all(folder.turn_final_dir()).unwrap();
    let beside = folder.final_dir().join("alpha/files");
    fs_err::write(beside.join("image-1.png"), "torn").unwrap();
    fs_err::write(beside.join("image-7.png"), "of an attempt that never was").unwrap();
    let report = rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    assert_eq!((tree(&folder.root), report.removed), (live, 1));
    fs_err::write(beside.join("notes.txt"), "mine").unwrap();
    rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    assert!(beside.join("notes.txt").exists(), "what people keep there stays");
}

#[test]
fn an_interrupted_run_shows_the_files_of_its_best_answer_until_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = painted();
    history.push(Event::RunInterrupted { best: Some(no(1).label(1)) });
    project(&folder, &history);
    let best = fs_err::read(folder.turn_final_file("alpha", "image-2.png")).unwrap();
    assert_eq!(best, PICTURE.1);
    history.push(Event::RunResumed);
    rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    assert!(!folder.turn_final_dir().exists() && !folder.final_dir().exists());
}

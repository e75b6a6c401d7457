use massgen_protocol::message::FailureKind;
use massgen_protocol::{ModelFailure, Purpose};

use super::*;
use crate::cassette::test_run::{header, id, reply};
use crate::cassette::{Cassette, RecordedEnd};

fn line(agent: &str, call: u32, end: RecordedEnd) -> Line {
    Line {
        completed: 0,
        agent: id(agent),
        call,
        purpose: Purpose::Coordinate,
        request_hash: "00".into(),
        made_after: 0,
        first_token_ms: Some(1),
        duration_ms: 2,
        end,
    }
}

fn open(path: &Path) -> Result<CassetteWriter, CassetteError> {
    CassetteWriter::open(path, &header(), Redaction::none())
}

fn replied(text: &str) -> RecordedEnd {
    RecordedEnd::Replied(reply(text).into())
}

#[test]
fn what_is_written_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    let writer = open(&path).unwrap();
    let failure = ModelFailure { kind: FailureKind::Server, message: "down".into(), attempts: 2 };
    let ends = [replied("yes"), RecordedEnd::Failed(failure), RecordedEnd::Cut];
    for (call, end) in (1..).zip(ends.clone()) {
        writer.append(line("a", call, end));
    }
    let cassette = Cassette::load(&path).unwrap();
    let read: Vec<_> = cassette.lines.iter().map(|line| line.end.clone()).collect();
    assert_eq!(read, ends);
    assert_eq!(writer.problem(), None);
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_a_cassette() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    let mode = || fs_err::metadata(&path).unwrap().permissions().mode() & 0o777;
    drop(open(&path).unwrap());
    assert_eq!(mode(), 0o600);
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    drop(open(&path).unwrap());
    assert_eq!(mode(), 0o600);
}

#[test]
fn a_recording_of_the_same_run_is_continued_after_its_last_whole_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    let first = open(&path).unwrap();
    first.append(line("a", 1, replied("one")));
    first.append(line("b", 1, replied("lost")));
    drop(first);
    let whole = fs_err::read(&path).unwrap();
    fs_err::write(&path, &whole[..whole.len() - 9]).unwrap();

    let second = open(&path).unwrap();
    second.append(line("b", 1, replied("again")));
    drop(second);
    let cassette = Cassette::load(&path).unwrap();
    let calls: Vec<_> = cassette.lines.iter().map(|line| (line.completed, line.agent.as_str())).collect();
    assert_eq!(calls, [(1, "a"), (2, "b")]);
    assert_eq!(cassette.lines[1].end, replied("again"));
}

#[test]
fn a_recording_without_its_last_line_end_is_continued_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    open(&path).unwrap().append(line("a", 1, RecordedEnd::Cut));
    let whole = fs_err::read(&path).unwrap();
    fs_err::write(&path, &whole[..whole.len() - 1]).unwrap();
    open(&path).unwrap().append(line("a", 2, RecordedEnd::Cut));
    assert_eq!(Cassette::load(&path).unwrap().calls(), 2);
}

#[test]
fn the_recording_of_another_run_and_other_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    let other = Header { question: "something else".into(), ..header() };
    drop(CassetteWriter::open(&path, &other, Redaction::none()).unwrap());
    let before = fs_err::read(&path).unwrap();
    let error = open(&path).unwrap_err().to_string();
    assert!(error.ends_with("holds another run: its question is another"), "{error}");
    assert_eq!(fs_err::read(&path).unwrap(), before);

    let letter = folder.path().join("letter.txt");
    fs_err::write(&letter, "dear reader").unwrap();
    assert!(matches!(open(&letter), Err(CassetteError::NotACassette { .. })));
    assert_eq!(fs_err::read(&letter).unwrap(), b"dear reader");
}

#[test]
fn a_second_writer_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    let _first = open(&path).unwrap();
    assert!(matches!(open(&path), Err(CassetteError::InUse { .. })));
}

#[test]
fn after_a_write_that_fails_nothing_more_is_written_and_the_problem_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    let writer = open(&path).unwrap();
    writer.append(line("a", 1, RecordedEnd::Cut));
    let writable = std::mem::replace(&mut writer.tape().file, File::open(&path).unwrap());
    writer.append(line("a", 2, RecordedEnd::Cut));
    let problem = writer.problem().unwrap();
    assert!(
        problem.starts_with("recording stopped after 1 calls:") && problem.contains("run.cassette"),
        "{problem}"
    );
    writer.tape().file = writable;
    writer.append(line("a", 3, RecordedEnd::Cut));
    assert_eq!(writer.problem(), Some(problem));
    assert_eq!(Cassette::load(&path).unwrap().calls(), 1);
}

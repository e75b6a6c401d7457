use massgen_protocol::Purpose;
use serde_json::{Value, json};

use super::*;
use crate::cassette::test_run::{header, id};

fn line(completed: u64, agent: &str, call: u32) -> Value {
    json!({
        "completed": completed, "agent": agent, "call": call, "purpose": Purpose::Coordinate,
        "request_hash": "00", "made_after": 0, "first_token_ms": null, "duration_ms": 5, "end": "cut",
    })
}

fn file(rows: &[Value]) -> (tempfile::TempDir, PathBuf) {
    let text: String = rows.iter().flat_map(|row| [row.to_string(), "\n".to_owned()]).collect();
    raw_file(&text)
}

fn raw_file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.cassette");
    fs_err::write(&path, text).unwrap();
    (folder, path)
}

fn rows() -> Vec<Value> {
    vec![serde_json::to_value(header()).unwrap(), line(1, "a", 1), line(2, "b", 1)]
}

#[test]
fn a_cassette_holds_its_calls_in_order() {
    let (_folder, path) = file(&rows());
    let cassette = Cassette::load(&path).unwrap();
    assert_eq!(cassette.header(), &header());
    assert_eq!(cassette.calls(), 2);
    assert_eq!(cassette.position(&id("b"), 1), Some(1));
    assert_eq!(cassette.position(&id("b"), 2), None);
    assert!(!cassette.is_cut());
}

#[test]
fn a_cut_last_line_is_left_out_wherever_it_is_cut() {
    let (_folder, path) = file(&rows());
    let whole = fs_err::read(&path).unwrap();
    let before_last = whole.len() - line(2, "b", 1).to_string().len() - 1;
    for length in before_last + 1..whole.len() - 1 {
        fs_err::write(&path, &whole[..length]).unwrap();
        let cassette = Cassette::load(&path).unwrap();
        assert_eq!((cassette.calls(), cassette.is_cut()), (1, true), "{length} bytes");
    }
    fs_err::write(&path, &whole[..whole.len() - 1]).unwrap();
    let cassette = Cassette::load(&path).unwrap();
    assert_eq!((cassette.calls(), cassette.is_cut()), (2, false), "only the line end is missing");
}

#[test]
fn a_damaged_line_is_told_with_its_number() {
    let (_folder, path) = file(&rows());
    let whole = fs_err::read_to_string(&path).unwrap();
    fs_err::write(&path, format!("{whole}{{\"completed\": 3,\n")).unwrap();
    match Cassette::load(&path) {
        Err(CassetteError::Damaged { path: named, line: 4, .. }) => assert_eq!(named, path),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_line_is_damage() {
    let mut rows = rows();
    rows.remove(1);
    let (_folder, path) = file(&rows);
    let error = Cassette::load(&path).unwrap_err().to_string();
    assert!(error.ends_with("is damaged at line 2: it is call 2 of the recording, not 1"), "{error}");
}

#[test]
fn the_later_of_two_lines_about_one_call_counts() {
    let mut rows = rows();
    rows.push(line(3, "a", 1));
    let (_folder, path) = file(&rows);
    let cassette = Cassette::load(&path).unwrap();
    let order: Vec<u64> = cassette.lines.iter().map(|line| line.completed).collect();
    assert_eq!(order, [2, 3]);
    assert_eq!(cassette.position(&id("a"), 1), Some(1));
}

#[test]
fn other_files_are_not_cassettes() {
    for text in ["", "\n", "hello\n", "{}\n", "[1]", "{\"massgen_cassette\":1}\n"] {
        let (_folder, path) = raw_file(text);
        match Cassette::load(&path) {
            Err(CassetteError::NotACassette { .. }) => {}
            other => panic!("{text:?} gave {other:?}"),
        }
    }
}

#[test]
fn a_cassette_of_another_version_is_refused() {
    let (_folder, path) = raw_file("{\"massgen_cassette\":2,\"sides\":\"both\"}\n");
    match Cassette::load(&path) {
        Err(CassetteError::Version { found: 2, .. }) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_cassette_of_another_run_is_refused() {
    let redaction = Redaction::new(|text| text.replace("secret", "[redacted]"));
    let recorded = Header { question: "why [redacted]?".into(), ..header() };
    let (_folder, path) = file(&[serde_json::to_value(recorded).unwrap()]);
    let cassette = Cassette::load(&path).unwrap();
    let difference = |header: &Header| match cassette.check_header(header.clone(), &redaction) {
        Ok(()) => None,
        Err(CassetteError::OtherRun { difference, .. }) => Some(difference),
        Err(other) => panic!("{other}"),
    };
    let asked = Header { question: "why secret?".into(), ..header() };
    assert_eq!(difference(&asked), None);
    assert_eq!(difference(&header()).unwrap(), "its question is another");
    let others = Header { agents: vec![id("a"), id("x")], ..asked };
    assert_eq!(difference(&others).unwrap(), "its agents are `a`, `b`, `c`, not `a`, `x`");
}

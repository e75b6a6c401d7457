use massgen_journal::artifacts::RunFolder;

use super::*;
use crate::interactive::test_run::write_run;

#[test]
fn the_newest_attempt_is_the_record_of_a_question() {
    let root = tempfile::tempdir().unwrap();
    let folder = write_run(root.path(), 1, "q");
    fs_err::create_dir(folder.turn_dir().join("attempt_2")).unwrap();
    assert_eq!(Record::of(&folder).folder(), folder.turn_dir().join("attempt_2"));
    let nowhere = RunFolder::new("/nowhere");
    assert_eq!(Record::of(&nowhere).folder(), nowhere.attempt_dir());
}

#[test]
fn what_is_missing_or_damaged_is_told_with_its_path() {
    let root = tempfile::tempdir().unwrap();
    let record = Record::of(&RunFolder::new(root.path()));
    let status = record.folder().join("status.json");
    assert_eq!(record.status().unwrap_err().to_string(), format!("there is no `{}`", status.display()));
    assert_eq!(record.answers().unwrap(), []);
    fs_err::create_dir_all(record.folder()).unwrap();
    fs_err::write(&status, "{").unwrap();
    let error = record.status().unwrap_err().to_string();
    assert!(error.starts_with(&format!("`{}` is damaged: ", status.display())), "{error}");
    // Other programs write less.
    fs_err::write(&status, r#"{"agents": {"a": {"status": "waiting"}, "b": 7}}"#).unwrap();
    let agents = record.status().unwrap().agents();
    assert_eq!(agents.iter().map(|agent| agent.id.as_str()).collect::<Vec<_>>(), ["a"]);
}

#[test]
fn an_answer_outside_of_the_run_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let record = Record::of(&write_run(root.path(), 1, "q"));
    for path in ["../../secret", "/etc/passwd", "agent_a/../../../secret"] {
        let mapping =
            serde_json::json!({ "x": { "type": "answer", "label": "x", "agent_id": "a", "path": path } });
        fs_err::write(record.folder().join("snapshot_mappings.json"), mapping.to_string()).unwrap();
        let error = record.answers().unwrap_err().to_string();
        assert!(error.ends_with("is outside of the run"), "{error}");
    }
}

#[test]
fn only_the_end_of_a_long_log_is_read_from_the_beginning_of_a_line_on() {
    let root = tempfile::tempdir().unwrap();
    let record = Record::of(&write_run(root.path(), 1, "q"));
    let lines: Vec<_> = (0..100_000).map(|number| format!("line {number}")).collect();
    let lines = format!("{}\n", lines.join("\n"));
    fs_err::write(record.folder().join("agent_outputs/agent_a.txt"), &lines).unwrap();
    let tail = record.output("agent_a").unwrap();
    assert!(tail.is_cut && tail.text.len() as u64 <= TAIL_BYTES);
    assert!(tail.text.starts_with("line ") && tail.text.ends_with("line 99999\n"));
}

#[test]
fn as_many_events_are_read_as_asked_for_and_broken_lines_are_skipped() {
    let root = tempfile::tempdir().unwrap();
    let record = Record::of(&write_run(root.path(), 1, "q"));
    let kinds =
        |count| record.events(count).unwrap().into_iter().map(|event| event.event_type).collect::<Vec<_>>();
    assert_eq!(kinds(2), ["answer_submitted", "vote"]);
    assert_eq!(kinds(50).len(), 4);
}

#[test]
fn a_listing_of_files_is_bounded() {
    let root = tempfile::tempdir().unwrap();
    let record = Record::of(&write_run(root.path(), 1, "q"));
    let (files, more) = record.files().unwrap();
    assert_eq!(more, 0);
    assert!(files.iter().any(|(path, _)| path == Path::new("attempt_1/status.json")), "{files:?}");
    for number in 0..FILES {
        fs_err::write(record.folder().join(format!("file_{number}")), "").unwrap();
    }
    let (files, more) = record.files().unwrap();
    assert_eq!(files.len(), FILES);
    assert!(more > 0);
}

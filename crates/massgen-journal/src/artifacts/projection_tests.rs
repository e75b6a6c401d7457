//! What the files of whole runs look like, and that they come back.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use massgen_ports::workspaces::NoWorkspaces;
use massgen_protocol::event::*;
use massgen_protocol::money::Price;
use massgen_protocol::turn::TallyRow;
use massgen_protocol::{Envelope, Event, Purpose};
use serde_json::Value;

use super::testing::*;
use super::*;

fn folder(home: &tempfile::TempDir) -> RunFolder {
    let root = home.path().canonicalize().unwrap().join("log_20260214_103015_000000");
    RunFolder::new(root)
}

/// Writes the files as a running program does.
fn project(folder: &RunFolder, events: &[Envelope]) -> Projector {
    let mut projector = Projector::new(folder.clone(), Arc::new(NoWorkspaces)).unwrap();
    for (index, envelope) in events.iter().enumerate() {
        projector.apply(envelope).unwrap();
        projector.flush(Flush::Urgent).unwrap();
        if index % 7 == 0 {
            projector.flush(Flush::Everything).unwrap();
        }
    }
    projector.flush(Flush::Everything).unwrap();
    projector
}

fn status(folder: &RunFolder) -> Value {
    serde_json::from_str(&fs_err::read_to_string(folder.status_file()).unwrap()).unwrap()
}

fn json_file(path: &Path) -> Value {
    serde_json::from_str(&fs_err::read_to_string(path).unwrap()).unwrap()
}

fn event_lines(folder: &RunFolder) -> Vec<Value> {
    let text = fs_err::read_to_string(folder.events_file()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_file_of_an_eventful_run() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    project(&folder, &eventful().events);
    let files = tree(&folder.root);
    let names: Vec<_> = files.keys().cloned().collect();
    insta::assert_snapshot!("files", names.join("\n"));
    let home = folder.root.parent().unwrap().to_string_lossy().into_owned();
    // One snapshot per file of the attempt, and one per folder of it.
    let mut groups: BTreeMap<String, String> = BTreeMap::new();
    for (name, content) in &files {
        let Some(path) =
            name.strip_prefix("turn_1/attempt_1/").filter(|path| !path.is_empty() && !path.ends_with('/'))
        else {
            continue;
        };
        let text = String::from_utf8(content.clone()).unwrap().replace(&home, "[ROOT]");
        match path.split_once('/') {
            Some((group, _)) => {
                let all = groups.entry(group.to_owned()).or_default();
                writeln!(all, "=== {path}\n{text}").unwrap();
            }
            None => drop(groups.insert(path.to_owned(), text)),
        }
    }
    for (name, text) in groups {
        insta::with_settings!({snapshot_suffix => name, prepend_module_to_snapshot => false}, {
            insta::assert_snapshot!("run", text);
        });
    }
    for (name, content) in &files {
        if let Some(path) = name.strip_prefix("turn_1/final/") {
            assert_eq!(
                Some(content),
                files.get(&format!("turn_1/attempt_1/final/{path}")),
                "the turn has the same"
            );
        }
    }
}

#[test]
fn deleted_files_come_back_byte_for_byte() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let events = eventful().events;
    project(&folder, &events);
    fs_err::write(folder.root.join("journal.db"), "truth").unwrap();
    let live = tree(&folder.root);

    // Some files are gone, some are torn, one is left from an attempt that never was.
    fs_err::remove_dir_all(folder.final_dir()).unwrap();
    fs_err::remove_file(folder.status_file()).unwrap();
    fs_err::write(folder.events_file(), "{\"torn").unwrap();
    fs_err::create_dir_all(folder.final_dir().join("ghost")).unwrap();
    fs_err::write(folder.final_dir().join("ghost/answer.txt"), "boo").unwrap();
    fs_err::write(folder.attempt_dir().join(".status.json.1-1.tmp"), "{").unwrap();
    let report = rebuild(&folder, Arc::new(NoWorkspaces), &events).unwrap();
    assert_eq!(tree(&folder.root), live);
    assert_eq!((report.events, report.removed), (events.len(), 2));

    // All of it is gone.
    fs_err::remove_dir_all(folder.turn_dir()).unwrap();
    fs_err::remove_file(folder.root_status_link()).unwrap();
    rebuild(&folder, Arc::new(NoWorkspaces), &events).unwrap();
    assert_eq!(tree(&folder.root), live);
}

#[test]
fn what_people_and_the_journal_keep_in_the_folder_survives_a_rebuild() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let events = eventful().events;
    project(&folder, &events);
    let kept = [
        folder.root.join("journal.db"),
        folder.root.join("journal.db-wal"),
        folder.root.join("journal.lock"),
        folder.turn_dir().join("ANALYSIS_REPORT.md"),
        folder.attempt_dir().join("review_request.json"),
        folder.final_dir().join("zeta/workspace/answer.txt"),
        folder.root.join("turn_2/attempt_1/status.json"),
    ];
    for path in &kept {
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, "mine").unwrap();
    }
    rebuild(&folder, Arc::new(NoWorkspaces), &events).unwrap();
    for path in &kept {
        assert_eq!(fs_err::read_to_string(path).unwrap(), "mine", "{}", path.display());
    }
}

#[test]
fn a_run_that_is_killed_at_any_event_and_resumed_has_the_files_of_one_that_was_not() {
    let events = eventful().events;
    let home = tempfile::tempdir().unwrap();
    let whole = folder(&home);
    project(&whole, &events);
    let expected = tree(&whole.root);
    for cut in 0..events.len() {
        fs_err::remove_dir_all(&whole.root).unwrap();
        let mut first = Projector::new(whole.clone(), Arc::new(NoWorkspaces)).unwrap();
        for envelope in &events[..cut] {
            first.apply(envelope).unwrap();
        }
        // The process dies before anything else is flushed, in the middle of a line.
        drop(first);
        if cut > 0 {
            let torn = fs_err::read_to_string(whole.events_file()).unwrap();
            fs_err::write(whole.events_file(), &torn[..torn.len() - 7]).unwrap();
        }
        let mut second = Projector::resume(whole.clone(), Arc::new(NoWorkspaces), &events[..cut]).unwrap();
        for envelope in &events[cut..] {
            second.apply(envelope).unwrap();
        }
        second.flush(Flush::Everything).unwrap();
        assert_eq!(tree(&whole.root), expected, "killed after {cut} events");
    }
}

#[test]
fn files_are_for_their_owner_only() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    project(&folder, &eventful().events);
    let mut seen = 0;
    for name in tree(&folder.root).keys() {
        let metadata = fs_err::symlink_metadata(folder.root.join(name)).unwrap();
        if metadata.is_symlink() {
            continue;
        }
        let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(metadata.permissions().mode() & 0o777, expected, "{name}");
        seen += 1;
    }
    assert!(seen > 30);
}

#[test]
fn status_says_complete_only_when_the_final_files_are_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut projector = Projector::new(folder.clone(), Arc::new(NoWorkspaces)).unwrap();
    for envelope in &eventful().events {
        projector.apply(envelope).unwrap();
        projector.flush(Flush::Urgent).unwrap();
        let status = status(&folder);
        let is_last = matches!(envelope.event, Event::RunFinished { .. });
        assert_eq!(status["is_complete"], is_last, "{}", envelope.event.kind());
        let is_there =
            folder.turn_final_answer_file("zeta").exists() && folder.final_answer_file("zeta").exists();
        assert!(is_there || status["results"]["final_answer_preview"].is_null());
        assert!(is_there || !is_last);
        assert!(!is_last || folder.attempt_dir().join("metrics_summary.json").exists());
        assert_eq!(json_file(&folder.root_status_link()), status, "the session root shows the same");
    }
}

#[test]
fn a_vote_is_cleared_by_a_new_answer_and_the_status_says_restarting() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut projector = Projector::new(folder.clone(), Arc::new(NoWorkspaces)).unwrap();
    let mut seen = Vec::new();
    for envelope in &eventful().events {
        projector.apply(envelope).unwrap();
        projector.flush(Flush::Everything).unwrap();
        let status = status(&folder);
        let zeta = &status["agents"]["zeta"];
        let now =
            format!("{} {} {}", zeta["status"], zeta["vote_cast"]["counts"], status["results"]["votes"]);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
    }
    insta::assert_snapshot!(seen.join("\n"));
}

#[test]
fn display_rounds_rise_with_every_execution_and_every_round_that_starts_ends() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    project(&folder, &eventful().events);
    let lines = event_lines(&folder);
    for id in ["alpha", "mid", "zeta"] {
        let rounds = |kind: &str| -> Vec<u64> {
            let ours = lines.iter().filter(|line| line["agent_id"] == id && line["event_type"] == kind);
            ours.map(|line| line["round_number"].as_u64().unwrap()).collect()
        };
        let started = rounds("round_start");
        assert!(started.windows(2).all(|pair| pair[0] < pair[1]), "{id}: {started:?}");
        assert_eq!(started, rounds("round_end"), "{id}");
    }
    let seqs: Vec<u64> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert!(seqs.is_sorted());
}

#[test]
fn an_interrupted_run_has_its_best_answer_as_a_result_until_it_goes_on() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = eventful_until_votes();
    history.push(Event::RunInterrupted { best: Some(no(1).label(1)) });
    project(&folder, &history.events);
    let partial = fs_err::read_to_string(folder.final_answer_file("alpha")).unwrap();
    assert_eq!(partial, "Blue light scatters more.\nSee sky.md.");
    assert_eq!(partial, fs_err::read_to_string(folder.turn_final_answer_file("alpha")).unwrap());
    let status_then = status(&folder);
    assert_eq!(status_then["coordination"]["phase"], "cancelled");
    assert_eq!(status_then["coordination"]["cancelled"], true);
    assert_eq!(
        (status_then["finish_reason"].as_str(), &status_then["results"]["winner"]),
        (Some("error"), &Value::Null)
    );
    for name in
        ["coordination_events.json", "snapshot_mappings.json", "metrics_summary.json", "metrics_events.json"]
    {
        json_file(&folder.attempt_dir().join(name));
    }
    let interrupted = tree(&folder.root);
    rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    assert_eq!(tree(&folder.root), interrupted);

    history.push(Event::RunResumed);
    rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    assert!(!folder.final_dir().exists() && !folder.turn_final_dir().exists());
    let status_now = status(&folder);
    assert_eq!(
        (&status_now["is_complete"], &status_now["finish_reason"]),
        (&false.into(), &"in_progress".into())
    );

    let stored = "Because of sk-abcdefghijklmnopqrst scattering.";
    history.push(Event::CoordinationEnded { cause: EndCause::Deadline });
    let tally = vec![TallyRow { answer: no(3).label(1), votes: 1 }];
    history.push(Event::WinnerSelected { answer: no(3).label(1), tally, basis: WinnerBasis::MostVotes });
    history.push(Event::FinalAnswerReady {
        agent: no(3),
        content: stored.into(),
        source: FinalSource::StoredAsFallback,
        snapshot: None,
    });
    history.finished(RunOutcome::Answered);
    rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    let winners: Vec<_> =
        fs_err::read_dir(folder.final_dir()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(winners, ["zeta"]);
    assert_eq!(fs_err::read_to_string(folder.final_answer_file("zeta")).unwrap(), stored);
    assert_eq!(status(&folder)["finish_reason"], "timeout");
    let timeout =
        event_lines(&folder).into_iter().find(|line| line["event_type"] == "orchestrator_timeout").unwrap();
    assert_eq!(
        (&timeout["data"]["selected_agent"], &timeout["data"]["available_answers"]),
        (&"zeta".into(), &3.into())
    );
}

#[test]
fn an_interruption_before_any_answer_leaves_no_result() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = History::new(vec![agent("a", None)]);
    history.execution(no(1), &[]);
    history.push(Event::RunInterrupted { best: None });
    project(&folder, &history.events);
    assert!(!folder.final_dir().exists() && !folder.turn_final_dir().exists());
    assert!(!folder.attempt_dir().join("snapshot_mappings.json").exists());
    assert_eq!(status(&folder)["coordination"]["phase"], "cancelled");
}

#[test]
fn a_run_without_an_answer_is_an_error_that_names_the_agents() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = History::new(vec![agent("a", None), agent("b", None)]);
    for n in [1, 2] {
        history.execution(no(n), &[]);
        history.push(Event::AgentStateChanged {
            agent: no(n),
            state: AgentStatus::Out { cause: if n == 1 { OutCause::NeverActed } else { OutCause::TimedOut } },
        });
    }
    history.push(Event::CoordinationEnded { cause: EndCause::AllOut });
    history.finished(RunOutcome::NoAnswer);
    project(&folder, &history.events);
    let status = status(&folder);
    assert_eq!((&status["finish_reason"], &status["is_complete"]), (&"error".into(), &true.into()));
    insta::assert_snapshot!(status["finish_reason_details"].as_str().unwrap(), @"No answer. a: it would not decide, asked as often as allowed; b: it did not finish after its hard round limit");
    assert_eq!(
        (&status["agents"]["a"]["status"], &status["agents"]["b"]["status"]),
        (&"error".into(), &"timeout".into())
    );
    assert_eq!(status["rounds"]["by_outcome"]["timeout"], 1);
    assert!(!folder.final_dir().exists());
    let metrics = json_file(&folder.attempt_dir().join("metrics_summary.json"));
    assert_eq!((&metrics["meta"]["winner"], &metrics["rounds"]["total_rounds"]), (&Value::Null, &2.into()));
    let coordination = json_file(&folder.attempt_dir().join("coordination_events.json"));
    assert_eq!(coordination["session_metadata"]["final_winner"], Value::Null);
}

#[test]
fn an_unknown_price_is_null_everywhere_and_a_free_one_is_zero() {
    let costs = |price: Option<Price>| {
        let home = tempfile::tempdir().unwrap();
        let folder = folder(&home);
        let mut history = History::new(vec![agent("a", price)]);
        history.execution(no(1), &[]);
        let label = history.answer(no(1), "x");
        history.push(Event::CoordinationEnded { cause: EndCause::AllAnswered });
        history.push(Event::WinnerSelected { answer: label, tally: vec![], basis: WinnerBasis::FirstAnswer });
        history.push(Event::FinalAnswerReady {
            agent: no(1),
            content: "x".into(),
            source: FinalSource::Stored,
            snapshot: None,
        });
        history.finished(RunOutcome::Answered);
        project(&folder, &history.events);
        let status = status(&folder);
        let metrics = json_file(&folder.attempt_dir().join("metrics_summary.json"));
        let a = &status["agents"]["a"];
        [
            status["costs"]["total_estimated_cost"].clone(),
            status["rounds"]["total_round_cost"].clone(),
            status["budget"]["spent_cost"].clone(),
            a["token_usage"]["estimated_cost"].clone(),
            a["round_history"][0]["estimated_cost"].clone(),
            metrics["totals"]["estimated_cost"].clone(),
            metrics["rounds"]["total_estimated_cost"].clone(),
        ]
    };
    assert!(costs(None).iter().all(Value::is_null));
    assert!(costs(Some(Price::FREE)).iter().all(|cost| *cost == 0.0));
    assert!(costs(Some(price())).iter().all(|cost| cost.as_f64().unwrap() > 0.0));
}

#[test]
fn money_and_tokens_of_calls_under_way_are_shown_as_reserved() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = History::new(vec![agent("a", Some(price()))]);
    history.execution(no(1), &[]);
    let call = history.call(no(1), Purpose::Coordinate);
    project(&folder, &history.events);
    let budget = status(&folder)["budget"].clone();
    assert_eq!((&budget["reserved_cost"], &budget["reserved_tokens"]), (&0.01.into(), &5000.into()));
    history.finish(call, vec![text("x")]);
    rebuild(&folder, Arc::new(NoWorkspaces), &history.events).unwrap();
    let budget = status(&folder)["budget"].clone();
    assert_eq!((&budget["reserved_cost"], &budget["reserved_tokens"]), (&0.0.into(), &0.into()));
    assert_eq!((&budget["spent_tokens"], &budget["max_cost"]), (&120.into(), &0.5.into()));
}

#[test]
fn no_secret_reaches_a_file_except_the_answer_that_says_it() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    project(&folder, &eventful().events);
    for (name, content) in tree(&folder.root) {
        let text = String::from_utf8(content).unwrap();
        assert!(!text.contains("hunter2"), "{name}");
        assert!(!text.contains("sk-written-in-it"), "{name}");
        assert!(!text.contains("sk-abcdef") || name.ends_with("answer.txt"), "{name}");
    }
}

/// Counts the file writes and the made parts of `status.json` of a run of `count` agents that answer once and vote.
fn work_of(count: usize) -> (u64, u64) {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = History::new((0..count).map(|n| agent(&format!("a{n:04}"), None)).collect());
    for n in 1..=count {
        history.execution(no(n), &[]);
    }
    for n in 1..=count {
        history.answer(no(n), "an answer of moderate length");
    }
    let all: Vec<_> = history.revisions.labels().collect();
    for n in 1..=count {
        history.execution(no(n), &all);
    }
    for n in 1..=count {
        history.vote(no(n), no(1).label(1), "best");
    }
    history.push(Event::CoordinationEnded { cause: EndCause::AllVoted });
    let mut projector = Projector::new(folder.clone(), Arc::new(NoWorkspaces)).unwrap();
    for batch in history.events.chunks(100) {
        for envelope in batch {
            projector.apply(envelope).unwrap();
            projector.flush(Flush::Urgent).unwrap();
        }
        projector.flush(Flush::Everything).unwrap();
    }
    let status = status(&folder);
    assert_eq!(status["agents"].as_object().unwrap().len(), count);
    assert_eq!(status["results"]["votes"]["agent1.1"], count);
    (projector.writes(), projector.status_parts_made())
}

#[test]
fn the_work_of_writing_grows_with_the_number_of_agents_and_not_with_its_square() {
    let (small, large) = (work_of(60), work_of(300));
    assert!(large.0 <= small.0 * 6, "writes: {small:?} {large:?}");
    assert!(large.1 <= small.1 * 6, "parts: {small:?} {large:?}");
}

#[test]
fn events_out_of_order_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let events = eventful().events;
    let mut projector = Projector::new(folder(&home), Arc::new(NoWorkspaces)).unwrap();
    assert!(matches!(projector.apply(&events[1]), Err(ArtifactError::NotStarted { .. })));
    projector.apply(&events[0]).unwrap();
    assert!(matches!(projector.apply(&events[2]), Err(ArtifactError::OutOfOrder { .. })));
    projector.apply(&events[1]).unwrap();
    assert!(matches!(rebuild(&folder(&home), Arc::new(NoWorkspaces), []), Err(ArtifactError::NoEvents)));
}

#[test]
fn a_context_repeats_answers_up_to_a_limit_and_then_says_where_they_are() {
    let home = tempfile::tempdir().unwrap();
    let folder = folder(&home);
    let mut history = History::new(vec![agent("a", None), agent("b", None)]);
    for n in [1, 2] {
        history.execution(no(n), &[]);
    }
    let first = history.answer(no(1), &"x".repeat(12_000));
    let second = history.answer(no(2), &"y".repeat(12_000));
    history.execution(no(1), &[second]);
    history.execution(no(2), &[first, second]);
    history.vote(no(2), first, "longer");
    project(&folder, &history.events);
    let stamps: Vec<_> =
        fs_err::read_dir(folder.agent_dir("b")).unwrap().map(|e| e.unwrap().path()).collect();
    let vote = stamps.iter().find(|path| path.join("vote.json").exists()).unwrap();
    let context = fs_err::read_to_string(vote.join("context.txt")).unwrap();
    assert!(context.contains("xxxx"));
    let answer = stamps.iter().find(|path| path.join("answer.txt").exists()).unwrap();
    let place = answer.strip_prefix(folder.attempt_dir()).unwrap().join("answer.txt");
    assert!(context.contains(&format!("[see {}]", place.display())), "{}", &context[context.len() - 2000..]);
}

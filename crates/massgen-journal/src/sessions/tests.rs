use std::path::Path;
use std::time::Duration;

use massgen_protocol::Event;
use massgen_protocol::event::{FinalSource, RunOutcome};
use massgen_protocol::spec::{SimulatedSpec, Wire};
use serde_json::{Value, json};

use super::*;
use crate::artifacts::testing::{History, agent, eventful, no};

/// 2026-02-14 09:30:15 UTC.
const NINE_THIRTY: Timestamp = Timestamp::from_micros(1_771_061_415_482_913);

fn id(text: &str) -> SessionId {
    SessionId::new(text).unwrap()
}

fn entry(id: &str) -> Entry {
    Entry { session_id: id.into(), status: Entry::COMPLETED.into(), ..Entry::default() }
}

fn record(history: &History) -> TurnRecord {
    let mut record = TurnRecord::default();
    for envelope in &history.events {
        record.fold(envelope);
    }
    record
}

/// Two agents have answered, and one has voted.
fn halfway() -> History {
    let mut history = History::new(vec![agent("a", None), agent("b", None)]);
    history.execution(no(1), &[]);
    history.execution(no(2), &[]);
    let first = history.answer(no(1), "Because it is far away.");
    history.answer(no(2), "Rayleigh.");
    history.vote(no(2), first, "it is longer");
    history
}

fn files(folder: &std::path::Path) -> Vec<String> {
    let entries = fs_err::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_id_is_the_second_of_its_beginning_and_never_leaves_its_folder() {
    assert_eq!(SessionId::at(NINE_THIRTY, 3600).as_str(), "session_20260214_103015");
    for bad in ["", ".", "..", "../x", "a/b", "a b", "a\n", &"x".repeat(97)] {
        assert!(matches!(SessionId::new(bad), Err(SessionError::BadId(_))), "{bad:?}");
    }
}

#[test]
fn sessions_that_begin_in_the_same_second_get_ids_of_their_own() {
    let project = tempfile::tempdir().unwrap();
    let wanted = SessionId::at(NINE_THIRTY, 0);
    let claim =
        |taken: &str| SessionFolder::claim(project.path(), &wanted, |id| id.as_str() == taken).unwrap();
    let ids = [claim(""), claim("session_20260214_093015_2"), claim("")].map(|claim| claim.id.to_string());
    assert_eq!(ids, ["session_20260214_093015", "session_20260214_093015_3", "session_20260214_093015_2"]);
    let claim = claim("");
    claim.folder.announce(project.path()).unwrap();
    let announced = fs_err::read_to_string(project.path().join(".massgen/.session_id")).unwrap();
    assert_eq!(announced, "session_20260214_093015_4");
    assert_eq!(claim.folder.turns().unwrap(), [0; 0]);
}

#[test]
fn the_index_keeps_what_it_does_not_know() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path().join(".massgen"));
    assert!(registry.read().unwrap().value.entries().is_empty());
    assert!(!home.path().join(".massgen").exists(), "reading makes nothing");
    registry.update(|sessions| sessions.put(&entry("a"))).unwrap();
    let foreign = json!({
        "version": 7,
        "sessions": [
            {"session_id": "a", "mood": "good", "status": "active", "log_directory": "log_1"},
            {"session_id": 5},
            "nonsense",
        ],
    });
    fs_err::write(registry.file(), foreign.to_string()).unwrap();
    registry.update(|sessions| sessions.put(&entry("b"))).unwrap();
    registry.update(|sessions| sessions.put(&Entry { model: Some("m".into()), ..entry("a") })).unwrap();
    let written: Value = serde_json::from_slice(&fs_err::read(registry.file()).unwrap()).unwrap();
    assert_eq!(written["version"], 7);
    assert_eq!(written["sessions"][0]["mood"], "good");
    assert_eq!(
        (&written["sessions"][0]["status"], &written["sessions"][0]["model"]),
        (&"completed".into(), &"m".into())
    );
    assert_eq!(
        (&written["sessions"][1], &written["sessions"][2]),
        (&json!({"session_id": 5}), &"nonsense".into())
    );
    let sessions = registry.read().unwrap().value;
    assert_eq!(sessions.entries().iter().map(|entry| &entry.session_id).collect::<Vec<_>>(), ["a", "b"]);
    assert!(sessions.find("b").is_some_and(|entry| !entry.is_active()) && sessions.find("c").is_none());
}

#[test]
fn a_broken_index_is_set_aside_and_a_new_one_begun() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    for (number, broken) in ["{\"sessions\": [", "[]", "", "{\"sessions\": 3}"].iter().enumerate() {
        fs_err::write(registry.file(), broken).unwrap();
        let updated = registry.update(|sessions| sessions.put(&entry("a"))).unwrap();
        let aside = updated.set_aside.unwrap();
        assert_eq!(aside, home.path().join(format!("sessions.json.broken-{}", number + 1)));
        assert_eq!(fs_err::read_to_string(aside).unwrap(), *broken);
        assert_eq!(registry.read().unwrap().value.entries().len(), 1);
    }
    fs_err::write(registry.file(), "{").unwrap();
    let read = registry.read().unwrap();
    assert!(read.value.entries().is_empty() && read.set_aside.is_some_and(|path| path.is_file()));
}

#[test]
fn what_fails_leaves_the_index_as_it_was() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    registry.update(|sessions| sessions.put(&entry("a"))).unwrap();
    let failed = registry.update(|sessions| {
        sessions.put(&entry("b"))?;
        Err::<(), _>(SessionError::NotStarted)
    });
    assert!(failed.is_err());
    assert!(!registry.read().unwrap().value.knows("b"));
}

#[test]
fn many_writers_lose_nothing() {
    let home = tempfile::tempdir().unwrap();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let registry = Registry::new(home.path());
            scope.spawn(move || {
                for number in 0..20 {
                    let entry = entry(&format!("s{writer}_{number}"));
                    registry.update(|sessions| sessions.put(&entry)).unwrap();
                }
            });
        }
    });
    assert_eq!(Registry::new(home.path()).read().unwrap().value.entries().len(), 160);
    assert_eq!(files(home.path()), ["sessions.json", "sessions.lock"]);
}

/// A session that began in minute `minute`, at most 9999, and says that it is at work.
fn active(id: &str, minute: usize, logs: &Path) -> Entry {
    Entry {
        start_time: format!("2026-02-14T{:03}:{:02}", minute / 60, minute % 60),
        status: Entry::ACTIVE.into(),
        log_directory: Some(logs.display().to_string()),
        ..entry(id)
    }
}

fn ids(registry: &Registry) -> Vec<String> {
    registry.read().unwrap().value.entries().into_iter().map(|entry| entry.session_id).collect()
}

fn put_all(registry: &Registry, entries: impl IntoIterator<Item = Entry>) {
    let put = |sessions: &mut Sessions| entries.into_iter().try_for_each(|entry| sessions.put(&entry));
    registry.update(put).unwrap();
}

/// A journal in `root` whose process is gone.
fn dead(root: &Path) -> PathBuf {
    drop(alive(root));
    root.to_owned()
}

/// A journal in `root` that this process has open.
fn alive(root: &Path) -> crate::SqliteJournal {
    let owner = crate::Owner { pid: std::process::id(), started_at: 0, command: "test".into() };
    crate::SqliteJournal::create(root, &owner).unwrap()
}

#[test]
fn a_full_index_loses_what_is_over_or_dead_before_what_is_at_work() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    let at_work = alive(&home.path().join("alive"));
    let dead = dead(&home.path().join("dead"));
    let done = |minute: usize| Entry {
        status: Entry::COMPLETED.into(),
        ..active(&minute.to_string(), minute, &dead)
    };
    let oldest = [
        active("at work", 0, &home.path().join("alive")),
        active("of another program", 1, Path::new("log_1")),
        active("killed", 2, &dead),
        Entry { end_time: Some("2026-02-15T00:00".into()), ..done(3) },
    ];
    put_all(&registry, oldest.into_iter().chain((4..=limits::SESSIONS).map(done)));
    // One too many: the killed one is the oldest that nobody is at work on; what was used last is not old.
    let left = ids(&registry);
    assert_eq!(left.len(), limits::SESSIONS);
    assert_eq!(left[..4], ["at work", "of another program", "3", "4"]);
    drop(at_work);
    put_all(&registry, [done(9000)]);
    assert_eq!(ids(&registry)[..2], ["of another program", "3"], "its process has ended");
}

#[test]
fn an_index_of_nothing_but_active_sessions_keeps_to_its_limit_too() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    let named = |minute: usize| active(&minute.to_string(), minute, Path::new("log_of_another_program"));
    put_all(&registry, (0..limits::SESSIONS + 3).map(named));
    let left = ids(&registry);
    assert_eq!((left.len(), left[0].as_str()), (limits::SESSIONS, "3"));
}

#[test]
fn an_index_stays_shorter_than_what_is_read() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    let long = |number: usize| Entry {
        model: Some("m".repeat(1024 * 1024)),
        ..active(&number.to_string(), number, Path::new(""))
    };
    put_all(&registry, (0..20).map(long));
    assert!(fs_err::metadata(registry.file()).unwrap().len() <= limits::SESSION_INDEX_BYTES);
    let left = ids(&registry);
    assert_eq!((left.len(), left[0].as_str()), (15, "5"));
}

#[test]
fn an_index_that_is_too_long_is_set_aside() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    fs_err::File::create(registry.file()).unwrap().set_len(limits::SESSION_INDEX_BYTES + 1).unwrap();
    let updated = registry.update(|sessions| sessions.put(&entry("a"))).unwrap();
    assert_eq!(fs_err::metadata(updated.set_aside.unwrap()).unwrap().len(), limits::SESSION_INDEX_BYTES + 1);
    assert_eq!(ids(&registry), ["a"]);
}

#[test]
fn a_broken_index_keeps_its_name_until_there_is_a_new_one() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    fs_err::write(registry.file(), "precious").unwrap();
    let failed = registry.update(|_| Err::<(), _>(SessionError::NotStarted));
    assert!(matches!(failed, Err(SessionError::NotStarted)));
    assert_eq!(files(home.path()), ["sessions.json", "sessions.lock"]);
    // Nor does it lose it when the new one cannot be written.
    fs_err::create_dir(home.path().join("sessions.json.tmp")).unwrap();
    assert!(registry.update(|sessions| sessions.put(&entry("a"))).is_err());
    assert_eq!(files(home.path()), ["sessions.json", "sessions.json.tmp", "sessions.lock"]);
    assert_eq!(fs_err::read_to_string(registry.file()).unwrap(), "precious");
    fs_err::remove_dir(home.path().join("sessions.json.tmp")).unwrap();
    // A process that was killed in between has given it its second name already.
    fs_err::hard_link(registry.file(), home.path().join("sessions.json.broken-1")).unwrap();
    let updated = registry.update(|sessions| sessions.put(&entry("a"))).unwrap();
    assert_eq!(fs_err::read_to_string(updated.set_aside.unwrap()).unwrap(), "precious");
    assert_eq!(files(home.path()), ["sessions.json", "sessions.json.broken-1", "sessions.lock"]);
    assert_eq!(ids(&registry), ["a"]);
}

#[test]
fn a_session_can_be_taken_back() {
    let home = tempfile::tempdir().unwrap();
    let registry = Registry::new(home.path());
    put_all(&registry, [entry("a"), entry("b")]);
    let remove = |sessions: &mut Sessions| {
        sessions.remove("a");
        Ok(())
    };
    registry.update(remove).unwrap();
    assert_eq!(ids(&registry), ["b"]);
}

/// Two agents have answered, one was stopped; then the run goes on to its final answer.
fn stopped_and_finished() -> (TurnRecord, TurnRecord) {
    let mut history = halfway();
    history.push(Event::RunInterrupted { best: Some(no(2).label(1)) });
    let stopped = record(&history);
    history.push(Event::RunResumed);
    history.push(Event::FinalAnswerReady {
        agent: no(1),
        content: "Blue light is scattered most.".into(),
        source: FinalSource::Stored,
        snapshot: None,
    });
    history.finished(RunOutcome::Answered);
    (stopped, record(&history))
}

#[test]
fn a_turn_can_be_read_wherever_keeping_it_is_cut_short() {
    let (stopped, finished) = stopped_and_finished();
    let (before, after) = (stopped.as_stored(1).unwrap(), finished.as_stored(1).unwrap());
    for done in 0.. {
        let project = tempfile::tempdir().unwrap();
        let session = SessionFolder::of(project.path(), &id("s"));
        session.keep(1, &stopped).unwrap();
        let steps = session.steps(1, &finished).unwrap();
        steps.iter().take(done).for_each(|step| step.perform().unwrap());
        let read = session.turn(1).unwrap();
        assert!(read == before || read == after, "after {done} steps: {read:?}");
        if done == steps.len() {
            assert_eq!(read, after);
            assert_eq!(files(&session.path().join("turn_1")), ["answer.txt", "metadata.json"]);
            break;
        }
    }
    // A turn of which nothing was kept is there as a whole or not at all.
    for (whole, expected) in [(&stopped, &before), (&finished, &after)] {
        let project = tempfile::tempdir().unwrap();
        let session = SessionFolder::of(project.path(), &id("s"));
        fs_err::create_dir_all(session.path().join("turn_1")).unwrap();
        for step in session.steps(1, whole).unwrap() {
            step.perform().unwrap();
            if !session.turns().unwrap().is_empty() {
                assert_eq!(&session.turn(1).unwrap(), expected);
            }
        }
        assert_eq!(session.turns().unwrap(), [1]);
    }
}

#[test]
fn a_broken_turn_does_not_keep_the_others_from_being_kept() {
    let project = tempfile::tempdir().unwrap();
    let session = SessionFolder::of(project.path(), &id("s"));
    session.keep(1, &record(&eventful())).unwrap();
    fs_err::write(session.path().join("turn_1/metadata.json"), "{").unwrap();
    session.keep(2, &record(&eventful())).unwrap();
    let summary = fs_err::read_to_string(session.path().join("SESSION_SUMMARY.txt")).unwrap();
    assert!(summary.contains("\nTurn 1  cannot be read\n\nTurn 2  "), "{summary}");
}

#[test]
fn a_turn_of_simulated_agents_is_marked_as_one() {
    let project = tempfile::tempdir().unwrap();
    let session = SessionFolder::of(project.path(), &id("s"));
    for (number, simulated) in [(1, 2), (2, 1)] {
        let mut agents = vec![agent("a", None), agent("b", None)];
        for agent in agents.iter_mut().take(simulated) {
            agent.backend.wire = Wire::Simulated(SimulatedSpec {
                seed: 0,
                latency: Duration::ZERO,
                tokens_per_second: None,
                script: None,
            });
        }
        let mut history = History::new(agents);
        history.finished(RunOutcome::NoAnswer);
        session.keep(number, &record(&history)).unwrap();
        assert_eq!(session.turn(number).unwrap(), record(&history).as_stored(number).unwrap());
    }
    assert!(session.turn(1).unwrap().is_simulated && !session.turn(2).unwrap().is_simulated);
}

#[test]
fn a_turn_is_kept_with_its_answer_and_told_in_the_summary() {
    let project = tempfile::tempdir().unwrap();
    let session = SessionFolder::of(project.path(), &id("session_20260214_103015"));
    session.keep(1, &record(&eventful())).unwrap();
    session.keep(2, &record(&eventful())).unwrap();
    assert_eq!(session.turns().unwrap(), [1, 2]);
    let turn = session.turn(2).unwrap();
    let answer = fs_err::read_to_string(session.path().join("turn_2/answer.txt")).unwrap();
    assert_eq!((turn.task.as_str(), &turn.end), ("Why is the sky blue?", &StoredEnd::Answered(answer)));
    assert_eq!(files(&session.path().join("turn_2")), ["answer.txt", "metadata.json"]);
    let read = |name: &str| fs_err::read_to_string(session.path().join(name)).unwrap();
    insta::assert_snapshot!(read("turn_2/metadata.json"));
    insta::assert_snapshot!(read("SESSION_SUMMARY.txt"));
    let winners: Value = serde_json::from_str(&read("winning_agents_history.json")).unwrap();
    let winner = turn.winning_agent.unwrap();
    assert_eq!(winners, json!([{"agent_id": winner, "turn": 1}, {"agent_id": winner, "turn": 2}]));
}

#[test]
fn a_stopped_turn_is_kept_with_what_there_was_until_it_is_resumed() {
    let project = tempfile::tempdir().unwrap();
    let session = SessionFolder::of(project.path(), &id("s"));
    let mut history = halfway();
    assert_eq!(record(&history).ending(), Ending::Killed);
    history.push(Event::RunInterrupted { best: Some(no(2).label(1)) });
    session.keep(1, &record(&history)).unwrap();
    let read = |name: &str| fs_err::read_to_string(session.path().join(name)).unwrap();
    insta::assert_snapshot!(
        [read("turn_1/answer.txt"), read("turn_1/metadata.json"), read("turn_1/partial_answers.json")]
            .join("\n---\n")
    );
    let StoredEnd::Open { is_stopped, answers } = session.turn(1).unwrap().end else { panic!("no answer") };
    assert!(is_stopped);
    assert_eq!(record(&history).as_stored(1).unwrap(), session.turn(1).unwrap());
    assert_eq!(answers.iter().map(|part| part.agent.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(read("winning_agents_history.json").trim(), "[]");

    history.push(Event::RunResumed);
    history.push(Event::FinalAnswerReady {
        agent: no(1),
        content: "Blue light is scattered most.".into(),
        source: FinalSource::Stored,
        snapshot: None,
    });
    history.finished(RunOutcome::Answered);
    session.keep(1, &record(&history)).unwrap();
    assert_eq!(session.turn(1).unwrap().end, StoredEnd::Answered("Blue light is scattered most.".into()));
    assert_eq!(files(&session.path().join("turn_1")), ["answer.txt", "metadata.json"]);
}

#[test]
fn a_turn_in_which_nobody_answered_is_no_stopped_one() {
    let project = tempfile::tempdir().unwrap();
    let session = SessionFolder::of(project.path(), &id("s"));
    let mut history = History::new(vec![agent("a", None)]);
    history.finished(RunOutcome::DeadlineWithoutAnswer);
    session.keep(1, &record(&history)).unwrap();
    let turn = session.turn(1).unwrap();
    assert_eq!(turn.end, StoredEnd::Open { is_stopped: false, answers: Vec::new() });
    assert_eq!(record(&history).as_stored(1).unwrap(), turn);
    let told = fs_err::read_to_string(session.path().join("turn_1/answer.txt")).unwrap();
    assert_eq!(told, "[PARTIAL ANSWER - deadline while coordinating; nobody had answered]");
}

#[test]
fn turns_of_another_program_are_read() {
    let project = tempfile::tempdir().unwrap();
    let session = SessionFolder::of(project.path(), &id("session_20260101_000000"));
    let turn = session.path().join("turn_3");
    fs_err::create_dir_all(&turn).unwrap();
    fs_err::write(turn.join("answer.txt"), "An answer.").unwrap();
    let metadata = json!({"turn": 3, "task": "A question", "winning_agent": "x", "more": [1]});
    fs_err::write(turn.join("metadata.json"), metadata.to_string()).unwrap();
    // Neither of these is a turn.
    fs_err::create_dir(session.path().join("turn_4")).unwrap();
    fs_err::create_dir(session.path().join("turn_x")).unwrap();
    assert_eq!(session.turns().unwrap(), [3]);
    let expected = StoredTurn {
        number: 3,
        task: "A question".into(),
        winning_agent: Some("x".into()),
        is_simulated: false,
        end: StoredEnd::Answered("An answer.".into()),
    };
    assert_eq!(session.turn(3).unwrap(), expected);
    fs_err::write(turn.join("metadata.json"), "{").unwrap();
    assert!(matches!(session.turn(3), Err(SessionError::Broken { .. })));
}

#[test]
fn the_next_turn_goes_on_with_the_files_of_the_final_answer_or_of_the_best_one() {
    let id = |text: &str| massgen_protocol::SnapshotId(text.to_owned());
    let mut history = History::new(vec![agent("a", None), agent("b", None)]);
    for (number, snapshot) in [(1, Some("first")), (2, None)] {
        let label = history.answer(no(number), "text");
        let events = history.events.iter_mut().rev();
        let taken = events.map(|envelope| &mut envelope.event).find_map(|event| {
            if let Event::AnswerAccepted { snapshot, .. } = event { Some(snapshot) } else { None }
        });
        *taken.unwrap_or_else(|| panic!("{label} was accepted")) = snapshot.map(id);
    }
    assert_eq!(record(&history).result(), None, "it is not over");
    let best = Some(no(1).label(1));
    history.push(Event::RunInterrupted { best });
    assert_eq!(record(&history).result(), Some((no(1), Some(&id("first")))));
    history.push(Event::RunResumed);
    assert_eq!(record(&history).result(), None);
    for (agent, snapshot, files) in
        [(1, None, Some("first")), (1, Some("last"), Some("last")), (2, None, None)]
    {
        let (content, source, snapshot) = ("end".into(), FinalSource::Presented, snapshot.map(id));
        history.push(Event::FinalAnswerReady { agent: no(agent), content, source, snapshot });
        assert_eq!(record(&history).result(), Some((no(agent), files.map(id).as_ref())));
    }
    assert_eq!(record(&history).snapshots().len(), 1);
}

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::BoxFuture;
use massgen_ports::{Journal, JournalError};
use massgen_protocol::{Envelope, Event};
use tokio::signal::unix::{SignalKind, signal};

use super::*;
use crate::arguments::CommandLine;

/// One agent that answers and then hangs.
const STUCK: &str = "agents: {default: {replies: [[{answer: half}], [{hang: true}]]}}";

/// One agent that answers and votes for itself.
const ALONE: &str =
    "agents: {default: {replies: [[{answer: one}], [{vote: agent_a}]], present: [[{answer: the end}]]}}";

/// A journal under which somebody presses Ctrl-C at the first answer, once.
struct Pressing {
    inner: Arc<dyn Journal>,
    is_pressed: Arc<AtomicBool>,
}

impl Journal for Pressing {
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        let has_answer = batch.iter().any(|envelope| matches!(envelope.event, Event::AnswerAccepted { .. }));
        if has_answer && !self.is_pressed.swap(true, Ordering::SeqCst) {
            let me = std::process::id().to_string();
            std::process::Command::new("kill").args(["-INT", &me]).status().unwrap();
        }
        self.inner.append(batch)
    }
}

/// What is asked for in `folder`, by a person whose home it is too.
fn asked(folder: &Path, flags: &[&str]) -> (CommandLine, Environment) {
    let words = ["massgen", "--no-display"].iter().chain(flags).map(Into::into);
    let mut environment = Environment::of(&[]);
    environment.working_directory = folder.to_owned();
    environment.home = Some(folder.to_owned());
    (CommandLine::parse(words).unwrap(), environment)
}

fn configure(folder: &Path, script: &str) {
    let backend = serde_json::json!({
        "type": "simulated", "script": "script.yaml", "latency_ms": 0, "tokens_per_second": 0
    });
    let config = serde_json::json!({ "agents": [{ "id": "agent_a", "backend": backend }] });
    fs_err::write(folder.join("config.json"), config.to_string()).unwrap();
    fs_err::write(folder.join("script.yaml"), script).unwrap();
}

#[test]
fn asking_can_be_done_by_any_thread() {
    fn sendable<T: Send>(_: &T) {}
    fn check(asking: &mut Asking<'_>) {
        sendable(asking);
        sendable(&asking.ask(None));
    }
    let _: fn(&mut Asking<'_>) = check;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_one_question_and_the_next_one_is_asked_in_the_same_process() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs_err::canonicalize(folder.path()).unwrap();
    configure(&folder, STUCK);
    // Otherwise a Ctrl-C before the first run listens would end the tests.
    let _listening = signal(SignalKind::interrupt()).unwrap();
    let is_pressed = Arc::new(AtomicBool::new(false));
    let layer =
        JournalLayer::new(move |inner| Arc::new(Pressing { inner, is_pressed: Arc::clone(&is_pressed) }));
    let (mut line, environment) = asked(&folder, &["--config", "config.json"]);
    let mut asking = Asking::begin(&mut line.arguments, &environment, &layer, OnInterrupt::AskOn).unwrap();
    assert!(asking.session().id().is_none() && asking.session().runs().is_empty());

    let end = asking.ask(Some("first?")).await.unwrap();
    assert_eq!((end.code, end.is_interrupted, end.folder.turn), (4, true, 1));
    let id = asking.session().id().unwrap().clone();
    assert_eq!(asking.session().remembered(), 1);

    configure(&folder, ALONE);
    for (question, turn) in [("second?", 2), ("third?", 3)] {
        let end = asking.ask(Some(question)).await.unwrap();
        assert_eq!((end.code, end.is_interrupted, end.folder.turn), (0, false, turn));
    }
    let runs = asking.session().runs();
    assert_eq!(runs.iter().map(|run| run.turn).collect::<Vec<_>>(), [1, 2, 3]);
    assert!(runs.iter().all(|run| run.root == runs[0].root));
    let start = massgen_journal::read_start(&runs[2].journal_dir()).unwrap().unwrap();
    let Event::RunStarted { spec, meta } = start.event else { panic!("no start") };
    assert_eq!(meta.session.as_ref().unwrap().id, id.as_str());
    let past: Vec<_> = spec.history.iter().map(|turn| turn.question.as_str()).collect();
    assert_eq!(past, ["first?", "second?"]);
    assert!(spec.history[0].answer.contains("it was stopped") && spec.history[1].answer == "the end");

    // A question that cannot be run leaves the session as it is.
    fs_err::write(folder.join("config.json"), "agents: [").unwrap();
    assert!(asking.ask(Some("fourth?")).await.is_err());
    configure(&folder, ALONE);
    assert_eq!(asking.ask(Some("fourth?")).await.unwrap().folder.turn, 4);

    asking.reset();
    let end = asking.ask(Some("of another session?")).await.unwrap();
    assert_eq!(end.folder.turn, 1);
    assert_ne!(asking.session().id().unwrap(), &id);
    let start = massgen_journal::read_start(&end.folder.journal_dir()).unwrap().unwrap();
    let Event::RunStarted { spec, .. } = start.event else { panic!("no start") };
    assert!(spec.history.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_knows_what_another_process_has_asked_in_the_session_since() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs_err::canonicalize(folder.path()).unwrap();
    configure(&folder, ALONE);
    let _listening = signal(SignalKind::interrupt()).unwrap();
    let layer = JournalLayer::new(|inner| inner);
    let (mut line, environment) = asked(&folder, &["--config", "config.json"]);
    let mut one = Asking::begin(&mut line.arguments, &environment, &layer, OnInterrupt::AskOn).unwrap();
    one.ask(Some("first?")).await.unwrap();
    let (mut other_line, _) = asked(&folder, &["--continue"]);
    let mut other =
        Asking::begin(&mut other_line.arguments, &environment, &layer, OnInterrupt::AskOn).unwrap();
    other.ask(Some("second?")).await.unwrap();
    let end = one.ask(Some("third?")).await.unwrap();
    assert_eq!(end.folder.turn, 3);
    let start = massgen_journal::read_start(&end.folder.journal_dir()).unwrap().unwrap();
    let Event::RunStarted { spec, .. } = start.event else { panic!("no start") };
    let past: Vec<_> = spec.history.iter().map(|turn| turn.question.as_str()).collect();
    assert_eq!(past, ["first?", "second?"]);
    assert_eq!(one.session().remembered(), 3);

    // While it is at work, nothing is asked beside it.
    let run = one.session().next_run(SystemClock::start().now(), 0, &environment).unwrap();
    let at_work = SqliteJournal::create(&run.journal_dir(), &run::owner(SystemClock::start().now())).unwrap();
    let refused = one.ask(Some("fourth?")).await.unwrap_err().to_string();
    assert!(refused.contains("turn 4 of the session `") && refused.contains("` is still at work: process "));
    drop(at_work);
    assert_eq!(one.ask(Some("fifth?")).await.unwrap().folder.turn, 5);
}

#[test]
fn a_turn_whose_run_could_not_be_started_leaves_no_session_at_work() {
    let folder = tempfile::tempdir().unwrap();
    let folder = fs_err::canonicalize(folder.path()).unwrap();
    configure(&folder, ALONE);
    let (line, environment) = asked(&folder, &["--config", "config.json", "q"]);
    let setup = setup::prepare(&line.arguments, &environment).unwrap();
    let now = SystemClock::start().now();
    let registry = massgen_journal::sessions::Registry::new(folder.join(".massgen"));
    let entries = || registry.read().unwrap().value.entries();
    let mut session = OpenSession::new(&environment, Registration::Yes);
    let mut begin = |is_kept: bool| {
        let run = session.next_run(now, 0, &environment).unwrap();
        let before = session.clone();
        let meta = session.begin(&run, &setup.spec, &setup.meta, now).unwrap();
        assert!(entries()[0].is_active());
        if !is_kept {
            session.take_back(before, &setup.meta, now);
        }
        (folder.join(".massgen/sessions").join(meta.id), session.id().cloned())
    };
    let (kept, id) = begin(false);
    assert!(entries().is_empty() && !kept.exists() && id.is_none());
    let (kept, id) = begin(true);
    assert!(kept.is_dir() && id.is_some());
    assert_eq!(begin(false), (kept.clone(), id));
    assert!(kept.is_dir() && !entries()[0].is_active());
}

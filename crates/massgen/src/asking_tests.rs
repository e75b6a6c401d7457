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

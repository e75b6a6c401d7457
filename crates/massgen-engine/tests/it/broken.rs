//! Adapters that do not keep to their contracts: the session goes on or ends, and nobody waits for ever.
#![expect(clippy::panic, reason = "adapters that break are what is tested")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use massgen_engine::{Ports, Redactor, Session};
use massgen_ports::tools::NoTools;
use massgen_ports::workspaces::NoWorkspaces;
use massgen_ports::{
    CallWatch, Journal, JournalError, Model, ModelEvent, ModelStream, SessionEnd, SessionHandle, ToolHost,
    ToolRun,
};
use massgen_protocol::event::{CallOutcome, RunOutcome};
use massgen_protocol::message::{FailureKind, Message};
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::{
    AgentId, Command, DeltaKind, Envelope, Event, ModelRequest, Seq, ToolCall, ToolSchema, ToolUse,
};
use massgen_testkit::clock::TestClock;
use massgen_testkit::history::{answer, reply, spec, vote, work};
use massgen_testkit::memory_journal::MemoryJournal;
use massgen_testkit::models::ScriptedModel;

fn session(
    spec: &RunSpec,
    journal: Arc<dyn Journal>,
    tools: Arc<dyn ToolHost>,
    model: &Arc<dyn Model>,
    redactor: &Redactor,
) -> Session {
    let models: BTreeMap<_, _> =
        spec.agents.iter().map(|agent| (agent.id.clone(), Arc::clone(model))).collect();
    let ports = Ports {
        journal,
        clock: Arc::new(TestClock::start()),
        models,
        tools,
        workspaces: Arc::new(NoWorkspaces),
        files: BTreeMap::new(),
        redactor: redactor.clone(),
    };
    Session::start(spec.clone(), RunMeta::default(), ports).unwrap()
}

fn finished(item: massgen_protocol::message::ItemContent) -> Vec<(Duration, ModelEvent)> {
    vec![(Duration::from_millis(100), ModelEvent::Finished(Box::new(reply([item]))))]
}

/// For the agent `b` a model that breaks; everybody else answers and votes.
struct Breaking(fn() -> ModelStream);

impl Model for Breaking {
    fn call(&self, request: ModelRequest) -> ModelStream {
        if request.context.agent.as_str() == "b" {
            return (self.0)();
        }
        ScriptedModel::new(|request| match request.context.candidates.first() {
            Some(candidate) => finished(vote(&candidate.to_string())),
            None => finished(answer("x")),
        })
        .call(request)
    }
}

async fn failure_of_b(stream: fn() -> ModelStream) -> (FailureKind, tokio::time::Duration) {
    let journal = Arc::new(MemoryJournal::new());
    let started = tokio::time::Instant::now();
    let session = session(
        &spec(&["a", "b"]),
        Arc::clone(&journal) as Arc<_>,
        Arc::new(NoTools),
        &(Arc::new(Breaking(stream)) as Arc<_>),
        &Redactor::default(),
    );
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    let kind = journal.envelopes().iter().find_map(|envelope| match &envelope.event {
        Event::ModelCallFinished { outcome: CallOutcome::Failed { failure }, .. } => Some(failure.kind),
        _ => None,
    });
    (kind.unwrap(), started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_model_whose_stream_just_ends_has_failed() {
    let (kind, took) = failure_of_b(|| futures::stream::empty().boxed()).await;
    assert_eq!(kind, FailureKind::Malformed);
    assert!(took < Duration::from_secs(1), "nobody waits for a deadline: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_model_that_panics_has_failed() {
    let (kind, took) = failure_of_b(|| panic!("the adapter has a bug")).await;
    assert_eq!(kind, FailureKind::Malformed);
    assert!(took < Duration::from_secs(1), "nobody waits for a deadline: {took:?}");
}

struct PanickingTools;

impl ToolHost for PanickingTools {
    fn tools(&self, _agent: &AgentId) -> Vec<ToolSchema> {
        Vec::new()
    }

    fn run(
        &self,
        _agent: &AgentId,
        _tool_use: ToolUse,
        _call: ToolCall,
        _watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        panic!("the tool has a bug")
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_panics_is_an_error_for_its_agent() {
    let model = ScriptedModel::new(|request| {
        let told = request.messages.iter().any(
            |message| matches!(message, Message::ToolResult { is_error: true, text, .. } if text.contains("broke")),
        );
        match (told, request.context.candidates.first()) {
            (false, _) => finished(work("look")),
            (true, None) => finished(answer("x")),
            (true, Some(candidate)) => finished(vote(&candidate.to_string())),
        }
    });
    let session = session(
        &spec(&["a"]),
        Arc::new(MemoryJournal::new()),
        Arc::new(PanickingTools),
        &(Arc::new(model) as Arc<_>),
        &Redactor::default(),
    );
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
}

struct PanickingJournal;

impl Journal for PanickingJournal {
    fn append(&self, _batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        panic!("the journal has a bug")
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_loop_that_breaks_leaves_no_reader_waiting() {
    let model = ScriptedModel::new(|_| finished(answer("x")));
    let session = session(
        &spec(&["a"]),
        Arc::new(PanickingJournal),
        Arc::new(NoTools),
        &(Arc::new(model) as Arc<_>),
        &Redactor::default(),
    );
    assert_eq!(session.ended().await, SessionEnd::Interrupted);
    assert_eq!(session.events(Seq(0)).count().await, 0);
    assert_eq!(session.deltas().count().await, 0);
}

/// Takes half a second per append.
struct SlowJournal(Arc<MemoryJournal>);

impl Journal for SlowJournal {
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        let stored = self.0.append(batch);
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            stored.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_comes_while_an_interrupt_is_stored_is_kept() {
    let journal = Arc::new(MemoryJournal::new());
    let model = ScriptedModel::new(|_| finished(answer("x")));
    let session = session(
        &spec(&["a"]),
        Arc::new(SlowJournal(Arc::clone(&journal))),
        Arc::new(NoTools),
        &(Arc::new(model.clone()) as Arc<_>),
        &Redactor::default(),
    );
    let mut events = session.events(Seq(0));
    while let Some(envelope) = events.next().await {
        // The call is made now, and ends before the interrupt is durable.
        if matches!(envelope.event, Event::ModelCallStarted { .. }) {
            session.send(Command::Interrupt).await;
        }
    }
    assert_eq!(session.ended().await, SessionEnd::Interrupted);
    assert_eq!(model.requests().len(), 1);
    let replied = |envelope: &Arc<Envelope>| {
        matches!(envelope.event, Event::ModelCallFinished { outcome: CallOutcome::Replied { .. }, .. })
    };
    assert!(journal.envelopes().iter().any(replied));
}

#[tokio::test(start_paused = true)]
async fn pieces_of_a_failed_request_are_void_and_secrets_leave_the_others() {
    let model = ScriptedModel::new(|request| {
        let piece = |text: &str| ModelEvent::Delta { kind: DeltaKind::Text, text: text.into() };
        let moment = Duration::from_millis(1);
        let retrying = ModelEvent::Retrying {
            attempt: 1,
            kind: FailureKind::Network,
            message: "cut".into(),
            delay: Duration::ZERO,
        };
        let item = match request.context.candidates.first() {
            Some(candidate) => vote(&candidate.to_string()),
            None => answer("x"),
        };
        let end = ModelEvent::Finished(Box::new(reply([item])));
        vec![(moment, piece("void")), (moment, retrying), (moment, piece("sk-canary-4711")), (moment, end)]
    });
    let session = session(
        &spec(&["a"]),
        Arc::new(MemoryJournal::new()),
        Arc::new(NoTools),
        &(Arc::new(model) as Arc<_>),
        &Redactor::new(["sk-canary-4711".into()]),
    );
    let deltas: Vec<String> = session.deltas().map(|delta| delta.text).collect().await;
    assert!(deltas.iter().all(|text| text == "[REDACTED]") && !deltas.is_empty(), "{deltas:?}");
}

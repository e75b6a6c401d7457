//! What a session does with its ports.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_core::replay;
use massgen_engine::{Ports, Redactor, Session};
use massgen_ports::workspaces::NoWorkspaces;
use massgen_ports::{JournalError, Model, ModelEvent, SessionEnd, SessionHandle};
use massgen_protocol::event::{CallOutcome, RunOutcome};
use massgen_protocol::message::{ItemContent, Message};
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::{
    AttachedFile, Attachment, AttachmentContent, AttachmentKind, Command, DeltaKind, Envelope, Event,
    ModelRequest, Note, Notice, OutputSchema, Purpose, Seq,
};
use massgen_testkit::clock::TestClock;
use massgen_testkit::history::{answer, reply, spec, text_item, vote, work};
use massgen_testkit::memory_journal::MemoryJournal;
use massgen_testkit::models::{OneTool, ScriptedModel};

const LATENCY: Duration = Duration::from_millis(100);

/// Answers first, then votes for the first candidate; presents when asked.
fn cooperative(request: &ModelRequest) -> Vec<(Duration, ModelEvent)> {
    let item = match (request.context.purpose, request.context.candidates.first()) {
        (Purpose::Coordinate, Some(candidate)) => vote(&candidate.to_string()),
        (Purpose::Coordinate, None) => answer(&format!("answer of {}", request.context.agent)),
        (Purpose::Present, _) => answer("the final answer"),
        (Purpose::Summarize, _) => text_item("a summary"),
    };
    finished(item)
}

pub(crate) fn finished(item: ItemContent) -> Vec<(Duration, ModelEvent)> {
    let delta = ModelEvent::Delta { kind: DeltaKind::Text, text: "piece".into() };
    vec![(LATENCY, delta), (LATENCY, ModelEvent::Finished(Box::new(reply([item]))))]
}

pub(crate) struct World {
    journal: Arc<MemoryJournal>,
    pub(crate) model: ScriptedModel,
    tools: OneTool,
    redactor: Redactor,
}

impl World {
    pub(crate) fn new(
        script: impl Fn(&ModelRequest) -> Vec<(Duration, ModelEvent)> + Send + Sync + 'static,
    ) -> Self {
        Self {
            journal: Arc::new(MemoryJournal::new()),
            model: ScriptedModel::new(script),
            tools: OneTool::default(),
            redactor: Redactor::default(),
        }
    }

    pub(crate) fn ports(&self, spec: &RunSpec) -> Ports {
        let model: Arc<dyn Model> = Arc::new(self.model.clone());
        let models: BTreeMap<_, _> =
            spec.agents.iter().map(|agent| (agent.id.clone(), Arc::clone(&model))).collect();
        Ports {
            journal: Arc::clone(&self.journal) as Arc<_>,
            clock: Arc::new(TestClock::start()),
            models,
            tools: Arc::new(self.tools.clone()),
            workspaces: Arc::new(NoWorkspaces),
            files: BTreeMap::new(),
            redactor: self.redactor.clone(),
        }
    }

    pub(crate) fn stored(&self) -> Vec<Envelope> {
        self.journal.envelopes().iter().map(|envelope| Envelope::clone(envelope)).collect()
    }

    fn start(&self, spec: RunSpec) -> Session {
        let ports = self.ports(&spec);
        Session::start(spec, RunMeta::default(), ports).unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn three_agents_take_seven_calls_in_three_phases() {
    let world = World::new(cooperative);
    let session = world.start(spec(&["a", "b", "c"]));
    let started = tokio::time::Instant::now();
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    assert_eq!(world.model.requests().len(), 7);
    assert_eq!(started.elapsed(), 6 * LATENCY, "three phases of two latencies each, and nothing else");
    let events: Vec<_> = session.events(Seq(0)).collect().await;
    let stored: Vec<_> = world.stored();
    assert_eq!(events.iter().map(|event| &**event).cloned().collect::<Vec<_>>(), stored);
    assert_eq!(
        stored.iter().map(|event| event.seq.0).collect::<Vec<_>>(),
        (1..=stored.len() as u64).collect::<Vec<_>>()
    );
    assert!(replay(&stored).is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_files_of_an_agent_go_with_its_task_in_every_call() {
    let world = World::new(cooperative);
    let mut spec = spec(&["a", "b"]);
    let attachment = Attachment {
        name: "chart.png".to_owned(),
        media_type: "image/png".to_owned(),
        kind: AttachmentKind::Image,
        content: AttachmentContent::Blob { hash: "ab".repeat(32), bytes: 3 },
    };
    spec.agents[0].attachments.push(attachment.clone());
    let file = Arc::new(AttachedFile { attachment, bytes: (*b"PNG").into() });
    let files = BTreeMap::from([(spec.agents[0].id.clone(), vec![Arc::clone(&file)])]);

    let error = Session::start(spec.clone(), RunMeta::default(), world.ports(&spec)).unwrap_err();
    assert_eq!(error.to_string(), "the files of agent `a` are not there");
    let ports = Ports { files, ..world.ports(&spec) };
    Session::start(spec, RunMeta::default(), ports).unwrap().ended().await;

    let requests = world.model.requests();
    assert!(requests.len() > 3);
    for request in requests {
        let sent: Vec<_> = request
            .messages
            .iter()
            .filter_map(|message| match message {
                Message::User { files, .. } => Some(files),
                Message::Assistant { .. } | Message::ToolResult { .. } => None,
            })
            .flatten()
            .map(|file| &*file.bytes)
            .collect();
        let is_its_own = request.context.agent.as_str() == "a";
        assert_eq!(sent, if is_its_own { vec![b"PNG".as_slice()] } else { Vec::new() });
    }
    let stored = serde_json::to_string(&world.stored()).unwrap();
    assert!(stored.contains(&"ab".repeat(32)), "the first event names the file");
}

#[tokio::test(start_paused = true)]
async fn later_prompts_of_an_agent_begin_with_its_earlier_ones() {
    let world = World::new(cooperative);
    world.start(spec(&["a", "b"])).ended().await;
    let mut by_agent: BTreeMap<String, Vec<ModelRequest>> = BTreeMap::new();
    for request in world.model.requests() {
        by_agent.entry(request.context.agent.to_string()).or_default().push(request);
    }
    for requests in by_agent.values() {
        for pair in requests.windows(2) {
            assert_eq!(pair[0].system, pair[1].system);
            assert_eq!(pair[0].tools, pair[1].tools);
            assert_eq!(pair[1].messages[..pair[0].messages.len()], pair[0].messages[..]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_session_goes_on_without_paying_twice() {
    let world = World::new(cooperative);
    world.start(spec(&["a", "b", "c"])).ended().await;
    let whole = world.stored();
    for cut in 1..whole.len() {
        let resumed = World {
            journal: Arc::new(MemoryJournal::holding(whole[..cut].iter().cloned().map(Arc::new))),
            ..World::new(cooperative)
        };
        let paid: Vec<_> = whole[..cut]
            .iter()
            .filter_map(|envelope| match &envelope.event {
                Event::ModelCallFinished { call, outcome: CallOutcome::Replied { .. } } => Some(*call),
                _ => None,
            })
            .collect();
        let session = Session::resume(whole[..cut].to_vec(), resumed.ports(&spec(&["a", "b", "c"]))).unwrap();
        assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered), "cut at {cut}");
        for request in resumed.model.requests() {
            assert!(
                !paid.contains(&request.context.call),
                "cut at {cut}: {} paid twice",
                request.context.call
            );
        }
        assert_eq!(final_answer(&resumed.journal), final_answer(&world.journal), "cut at {cut}");
    }
}

fn final_answer(journal: &MemoryJournal) -> Option<String> {
    journal.envelopes().iter().find_map(|envelope| match &envelope.event {
        Event::FinalAnswerReady { content, .. } => Some(content.to_string()),
        _ => None,
    })
}

#[tokio::test(start_paused = true)]
async fn a_resumed_session_sends_the_bytes_that_the_killed_one_would_have_sent() {
    let world = World::new(cooperative);
    world.start(spec(&["a", "b"])).ended().await;
    let whole = world.stored();
    let cut = whole.len() / 2;
    let resumed = World {
        journal: Arc::new(MemoryJournal::holding(whole[..cut].iter().cloned().map(Arc::new))),
        ..World::new(cooperative)
    };
    Session::resume(whole[..cut].to_vec(), resumed.ports(&spec(&["a", "b"]))).unwrap().ended().await;
    let first = world.model.requests();
    for request in resumed.model.requests() {
        let same = first.iter().find(|other| other.context.call == request.context.call);
        assert_eq!(same, Some(&request));
    }
}

#[tokio::test(start_paused = true)]
async fn a_finished_run_is_told_again_without_any_call() {
    let world = World::new(cooperative);
    world.start(spec(&["a"])).ended().await;
    let past = world.stored();
    let calls = world.model.requests().len();
    let again = Session::resume(past.clone(), world.ports(&spec(&["a"]))).unwrap();
    assert_eq!(again.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    assert_eq!(again.events(Seq(0)).count().await, past.len());
    assert_eq!(world.model.requests().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_fails_stops_the_session_and_nothing_unstored_is_shown() {
    for n in 1..12 {
        let full = JournalError::DiskFull { path: "journal.db".into() };
        let world = World {
            journal: Arc::new(MemoryJournal::new().failing_at(n, full.clone())),
            ..World::new(cooperative)
        };
        let session = world.start(spec(&["a", "b"]));
        assert_eq!(session.ended().await, SessionEnd::JournalFailed(full));
        let shown = session.events(Seq(0)).count().await;
        assert!(shown <= world.stored().len(), "{shown} events shown");
    }
}

#[tokio::test(start_paused = true)]
async fn an_interrupted_session_ends_at_once_and_can_be_resumed() {
    let world = World::new(|request| match request.context.agent.as_str() {
        "a" => cooperative(request),
        _ => Vec::new(),
    });
    let session = world.start(spec(&["a", "b"]));
    let mut events = session.events(Seq(0));
    while let Some(envelope) = events.next().await {
        if matches!(envelope.event, Event::AnswerAccepted { .. }) {
            assert!(session.send(Command::Interrupt).await);
        }
    }
    assert_eq!(session.ended().await, SessionEnd::Interrupted);
    assert!(!session.send(Command::Interrupt).await, "the session has ended");
    let past = world.stored();
    let resumed = World {
        journal: Arc::new(MemoryJournal::holding(past.iter().cloned().map(Arc::new))),
        ..World::new(cooperative)
    };
    let session = Session::resume(past, resumed.ports(&spec(&["a", "b"]))).unwrap();
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
}

#[tokio::test(start_paused = true)]
async fn deadlines_cut_a_model_that_hangs() {
    let world = World::new(|request| match request.context.agent.as_str() {
        "a" => cooperative(request),
        _ => Vec::new(),
    });
    let mut spec = spec(&["a", "b"]);
    spec.timeouts.orchestrator = Duration::from_mins(1);
    let session = world.start(spec);
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    assert_eq!(final_answer(&world.journal).as_deref(), Some("the final answer"));
}

#[tokio::test(start_paused = true)]
async fn tools_run_and_their_results_go_back_to_the_model() {
    let world = World::new(|request| {
        let has_looked = request
            .messages
            .iter()
            .any(|message| matches!(message, Message::ToolResult { name, .. } if name == "look"));
        if has_looked { cooperative(request) } else { finished(work("look")) }
    });
    let session = world.start(spec(&["a"]));
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    assert_eq!(world.tools.uses().len(), 1);
    assert!(world.model.requests()[0].tools.iter().any(|tool| tool.name == "look"));
}

#[tokio::test(start_paused = true)]
async fn a_note_reaches_the_prompt_of_a_working_agent() {
    let world = World::new(|request| {
        let noted = request
            .messages
            .iter()
            .any(|message| matches!(message, Message::User { text, .. } if text.contains("<note")));
        match (request.context.purpose, noted) {
            (Purpose::Coordinate, false) => finished(work("look")),
            _ => cooperative(request),
        }
    });
    let session = world.start(spec(&["a"]));
    let note = Note { content: "be brief".into(), source: "human".into(), targets: None };
    session.send(Command::Steer(note)).await;
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
}

#[tokio::test(start_paused = true)]
async fn secrets_never_enter_the_journal() {
    let leak = "the key is sk-canary-4711-secret";
    let world = World {
        redactor: Redactor::new(["sk-canary-4711-secret".into()]),
        ..World::new(move |request| match request.context.call.number {
            1 => finished(text_item(leak)),
            2 => finished(answer(leak)),
            _ => cooperative(request),
        })
    };
    world.start(spec(&["a"])).ended().await;
    let stored = format!("{:?}", world.stored());
    assert!(stored.contains("[REDACTED]") && !stored.contains("canary"), "{stored}");
}

#[tokio::test(start_paused = true)]
async fn secrets_in_what_is_reported_never_enter_the_journal() {
    let world =
        World { redactor: Redactor::new(["sk-canary-4711-secret".into()]), ..World::new(cooperative) };
    let session = world.start(spec(&["a"]));
    let message = "the server said: bad key sk-can\u{1b}[1mary-4711-secret".to_owned();
    session.send(Command::Report(Notice { message, agent: Some(spec(&["a"]).agents[0].id.clone()) })).await;
    session.ended().await;
    let told: Vec<_> = world
        .stored()
        .into_iter()
        .filter_map(|envelope| match envelope.event {
            Event::Degraded { message, agent } => Some((message, agent)),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].0, "the server said: bad key [REDACTED]");
    assert!(told[0].1.is_some());
}

#[tokio::test(start_paused = true)]
async fn deltas_are_shown_while_a_reply_streams_and_never_stored() {
    let world = World::new(cooperative);
    let session = world.start(spec(&["a"]));
    let deltas: Vec<_> = session.deltas().collect().await;
    assert_eq!(deltas.len(), 3, "{deltas:?}");
    assert!(world.journal.envelopes().iter().all(|envelope| !format!("{envelope:?}").contains("piece")));
}

#[tokio::test(start_paused = true)]
async fn only_the_call_that_writes_the_final_answer_is_asked_for_its_form() {
    let form = r#"{"city":"Lyon"}"#;
    let world = World::new(move |request| match request.context.purpose {
        Purpose::Present => finished(text_item(form)),
        Purpose::Coordinate | Purpose::Summarize => cooperative(request),
    });
    let mut spec = spec(&["a", "b"]);
    let schema: OutputSchema = serde_json::from_str(r#"{"type": "object", "required": ["city"]}"#).unwrap();
    for agent in &mut spec.agents {
        agent.backend.output_schema = Some(Arc::new(schema.clone()));
    }
    let session = world.start(spec);
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    let requests = world.model.requests();
    for request in &requests {
        let is_final = request.context.purpose == Purpose::Present;
        assert_eq!(request.output.as_deref(), is_final.then_some(&schema), "{:?}", request.context);
        assert!(request.system.contains(r#"{"type":"object","required":["city"]}"#), "{}", request.system);
        assert_eq!(request.tools, requests[0].tools, "tools do not change in a run");
    }
    let finals = world.stored().into_iter().filter_map(|envelope| match envelope.event {
        Event::FinalAnswerReady { content, .. } => Some(content),
        _ => None,
    });
    assert_eq!(finals.collect::<Vec<_>>(), [Arc::from(form)]);
}

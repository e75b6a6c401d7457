//! Agents with workspaces: what is kept, what is shown to whom, and what prompts say of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::future::BoxFuture;
use massgen_engine::Session;
use massgen_ports::{SessionEnd, SessionHandle, Workspaces};
use massgen_protocol::event::{FinalSource, RunOutcome};
use massgen_protocol::message::Message;
use massgen_protocol::spec::RunMeta;
use massgen_protocol::{AgentId, AnswerLabel, Event, ModelRequest, Purpose, RunSpec, Snapshot, SnapshotId};
use massgen_testkit::history::{answer, spec, vote, workspace};

use crate::sessions::{World, finished};

/// Workspaces that count what is asked of them. Shows fail when `broken`.
#[derive(Default)]
struct Shelf {
    kept: Mutex<Vec<AgentId>>,
    shown: Mutex<Vec<(AgentId, Vec<String>)>>,
    /// What was done for the presenter, in order.
    presented: Mutex<Vec<String>>,
    broken: bool,
    not_kept: BTreeMap<String, String>,
}

impl Workspaces for Shelf {
    fn keep(&self, agent: &AgentId) -> BoxFuture<'static, Result<Snapshot, String>> {
        let mut kept = self.kept.lock().unwrap();
        kept.push(agent.clone());
        let id = SnapshotId(format!("{agent}-{}", kept.iter().filter(|other| *other == agent).count()));
        let left_out = self.not_kept.clone();
        Box::pin(async move { Ok(Snapshot { id, files: 2, bytes: 9, left_out }) })
    }

    fn restore(&self, agent: &AgentId, snapshot: &SnapshotId) -> BoxFuture<'static, Result<(), String>> {
        self.presented.lock().unwrap().push(format!("{agent} {snapshot}"));
        let broken = self.broken;
        Box::pin(async move { if broken { Err("the disk is full".to_owned()) } else { Ok(()) } })
    }

    fn let_present(&self, agent: &AgentId) -> Result<(), String> {
        self.presented.lock().unwrap().push(format!("{agent} presents"));
        Ok(())
    }

    fn show(
        &self,
        viewer: &AgentId,
        answers: Vec<(AnswerLabel, SnapshotId)>,
    ) -> BoxFuture<'static, Result<(), String>> {
        let answers = answers.into_iter().map(|(label, snapshot)| format!("{label} {snapshot}")).collect();
        self.shown.lock().unwrap().push((viewer.clone(), answers));
        let broken = self.broken;
        Box::pin(async move { if broken { Err("the disk is full".to_owned()) } else { Ok(()) } })
    }
}

fn with_workspaces() -> RunSpec {
    let mut spec = spec(&["a", "b"]);
    for agent in &mut spec.agents {
        agent.workspace = Some(Box::new(workspace(agent.id.as_str())));
    }
    spec
}

/// Each answers with a path in its own folder, then all vote for the first.
fn world() -> World {
    World::new(|request: &ModelRequest| {
        let folder = format!("/w/{}", request.context.agent);
        finished(match (request.context.purpose, request.context.candidates.is_empty()) {
            (Purpose::Coordinate, true) => answer(&format!("See {folder}/page.html.")),
            (Purpose::Coordinate, false) => vote("agent1"),
            (Purpose::Present | Purpose::Summarize, _) => answer("It is done."),
        })
    })
}

async fn run(shelf: &Arc<Shelf>) -> World {
    let world = world();
    let spec = with_workspaces();
    let ports = massgen_engine::Ports { workspaces: Arc::clone(shelf) as Arc<_>, ..world.ports(&spec) };
    let session = Session::start(spec, RunMeta::default(), ports).unwrap();
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    world
}

fn texts(request: &ModelRequest) -> String {
    let texts = request.messages.iter().filter_map(|message| match message {
        Message::User { text, .. } => Some(text.as_str()),
        Message::Assistant { .. } | Message::ToolResult { .. } => None,
    });
    texts.collect::<Vec<_>>().join("\n")
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_its_files_and_who_judges_it_sees_them_before_its_prompt_is_sent() {
    let shelf = Arc::new(Shelf::default());
    let world = run(&shelf).await;
    // Two answers and the presentation.
    assert_eq!(shelf.kept.lock().unwrap().len(), 3);
    let shown = shelf.shown.lock().unwrap().clone();
    let judging: Vec<_> = shown.iter().filter(|(_, answers)| answers.len() == 2).collect();
    assert!(judging.len() >= 2, "{shown:?}");
    assert!(judging.iter().all(|(_, answers)| answers[0] == "agent1.1 a-1" && answers[1] == "agent2.1 b-1"));
    let last = world.stored().into_iter().find_map(|envelope| match envelope.event {
        Event::FinalAnswerReady { snapshot, .. } => snapshot,
        _ => None,
    });
    assert_eq!(last, Some(SnapshotId("a-2".into())));
}

#[tokio::test(start_paused = true)]
async fn a_path_in_a_peers_answer_leads_to_where_the_reader_finds_the_file() {
    let world = run(&Arc::default()).await;
    let of = |agent: &str| {
        let requests = world.model.requests();
        let judging = requests.iter().find(|request| {
            request.context.agent.as_str() == agent && !request.context.candidates.is_empty()
        });
        texts(judging.unwrap())
    };
    let read_by_b = of("b");
    assert!(read_by_b.contains("See /p/b/agent1/page.html."), "{read_by_b}");
    assert!(read_by_b.contains("[files with this answer: /p/b/agent1/]"), "{read_by_b}");
    assert!(!read_by_b.contains("/w/a"), "{read_by_b}");
    let read_by_a = of("a");
    assert!(read_by_a.contains("See /p/a/agent2/page.html.") && !read_by_a.contains("/w/b"), "{read_by_a}");
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_shown_are_told_and_the_run_goes_on() {
    let world = run(&Arc::new(Shelf { broken: true, ..Shelf::default() })).await;
    let told = world.stored().iter().any(|envelope| match &envelope.event {
        Event::Degraded { message, agent } => {
            message == "the files of peers cannot be shown: the disk is full" && agent.is_some()
        }
        _ => false,
    });
    assert!(told);
}

#[tokio::test(start_paused = true)]
async fn who_presents_may_do_so_and_has_its_files_back_before_its_first_prompt() {
    let shelf = Arc::new(Shelf::default());
    let world = run(&shelf).await;
    assert_eq!(*shelf.presented.lock().unwrap(), ["a presents", "a a-1"]);
    let requests = world.model.requests();
    let last = requests.iter().find(|request| request.context.purpose == Purpose::Present).unwrap();
    assert!(texts(last).contains("Your folder holds the files of that answer again"), "{}", texts(last));
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_put_back_leave_the_answer_as_it_is() {
    let world = run(&Arc::new(Shelf { broken: true, ..Shelf::default() })).await;
    let end = world.stored().into_iter().find_map(|envelope| match envelope.event {
        Event::FinalAnswerReady { source, snapshot, .. } => Some((source, snapshot)),
        _ => None,
    });
    assert_eq!(end, Some((FinalSource::StoredAsFallback, Some(SnapshotId("a-1".into())))));
    assert!(world.model.requests().iter().all(|request| request.context.purpose != Purpose::Present));
}

#[tokio::test(start_paused = true)]
async fn author_is_told_what_was_not_kept_with_its_answer() {
    let not_kept = BTreeMap::from([("big.bin".to_owned(), "a file of 300 MB".to_owned())]);
    let world = run(&Arc::new(Shelf { not_kept, ..Shelf::default() })).await;
    let requests = world.model.requests();
    let judging = requests
        .iter()
        .find(|request| request.context.agent.as_str() == "b" && !request.context.candidates.is_empty());
    let told = judging.unwrap().messages.iter().any(|message| match message {
        Message::ToolResult { text, .. } => {
            text.starts_with("Accepted as agent2.1.") && text.contains("big.bin (a file of 300 MB)")
        }
        Message::User { .. } | Message::Assistant { .. } => false,
    });
    assert!(told, "{judging:?}");
}

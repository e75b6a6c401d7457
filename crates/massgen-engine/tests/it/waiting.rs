//! Tools that only wait, and what ends that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_engine::{Ports, Session};
use massgen_ports::{CallWatch, SessionEnd, SessionHandle, ToolHost, ToolRun, Waiting};
use massgen_protocol::event::RunOutcome;
use massgen_protocol::message::Message;
use massgen_protocol::spec::RunMeta;
use massgen_protocol::{
    AgentId, Command, ModelRequest, Note, Purpose, ToolCall, ToolOutcome, ToolSchema, ToolUse,
};
use massgen_testkit::history::{answer, spec, vote, work};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::sessions::{World, finished};

/// One tool, which waits until that is pointless; and every word on that.
struct Waits {
    waiting: watch::Sender<Waiting>,
    told: Mutex<Vec<(AgentId, Waiting)>>,
}

impl ToolHost for Waits {
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
        let mut waiting = self.waiting.subscribe();
        Box::pin(async move {
            waiting.wait_for(|waiting| *waiting == Waiting::Pointless).await.expect("the host is there");
            ToolOutcome::ok("there is news").into()
        })
    }

    fn set_waiting(&self, agent: &AgentId, waiting: Waiting) {
        self.told.lock().expect("whole").push((agent.clone(), waiting));
        self.waiting.send_replace(waiting);
    }
}

/// Waits, then answers once it was told something.
fn patient(request: &ModelRequest) -> Vec<(Duration, massgen_ports::ModelEvent)> {
    let noted = request
        .messages
        .iter()
        .any(|message| matches!(message, Message::User { text, .. } if text.contains("<note")));
    let item = match (request.context.purpose, request.context.candidates.first(), noted) {
        (Purpose::Coordinate, None, false) => work("wait"),
        (Purpose::Coordinate, Some(candidate), _) => vote(&candidate.to_string()),
        (Purpose::Coordinate | Purpose::Present | Purpose::Summarize, _, _) => answer("an answer"),
    };
    finished(item)
}

#[tokio::test(start_paused = true)]
async fn steering_ends_a_wait_and_is_heard_with_its_result() {
    let world = World::new(patient);
    let host = Arc::new(Waits { waiting: watch::channel(Waiting::Allowed).0, told: Mutex::default() });
    let spec = spec(&["a"]);
    let agent = spec.agents[0].id.clone();
    let ports = Ports { tools: Arc::clone(&host) as Arc<_>, ..world.ports(&spec) };
    let session = Session::start(spec, RunMeta::default(), ports).expect("started");
    // The model has replied by then, and its tool waits.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*host.told.lock().expect("whole"), []);
    let note = Note { content: "go on".into(), source: "human".into(), targets: None };
    session.send(Command::Steer(note)).await;
    let ended = timeout(Duration::from_secs(30), session.ended()).await.expect("the wait has ended");
    assert_eq!(ended, SessionEnd::Finished(RunOutcome::Answered));
    let told = host.told.lock().expect("whole").clone();
    assert_eq!(told, [(agent.clone(), Waiting::Pointless), (agent, Waiting::Allowed)]);
}

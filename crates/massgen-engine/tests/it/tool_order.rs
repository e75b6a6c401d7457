//! Calls of one reply that end in another order than they were made in.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use massgen_engine::{Ports, Session};
use massgen_ports::{CallWatch, ModelEvent, SessionEnd, SessionHandle, ToolHost, ToolRun};
use massgen_protocol::event::RunOutcome;
use massgen_protocol::message::Message;
use massgen_protocol::spec::RunMeta;
use massgen_protocol::{AgentId, Event, ModelRequest, Purpose, ToolCall, ToolOutcome, ToolSchema, ToolUse};
use massgen_testkit::history::{answer, reply, spec, vote, work};

use crate::sessions::{World, finished};

/// The calls of the first reply; the last ends first.
const CALLS: [&str; 4] = ["one", "two", "three", "four"];

/// Tools of which each says its name, the later ones sooner.
struct LaterSooner;

impl ToolHost for LaterSooner {
    fn tools(&self, _agent: &AgentId) -> Vec<ToolSchema> {
        let schema = |name: &str| ToolSchema {
            name: name.to_owned(),
            description: "Says its name.".to_owned(),
            parameters: serde_json::json!({ "type": "object" }),
        };
        CALLS.map(schema).to_vec()
    }

    fn run(
        &self,
        _agent: &AgentId,
        tool_use: ToolUse,
        call: ToolCall,
        _watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        let time = Duration::from_secs(100 - u64::from(tool_use.index));
        Box::pin(async move {
            tokio::time::sleep(time).await;
            ToolOutcome::ok(format!("this is {}", call.name)).into()
        })
    }
}

/// The names and texts of results in a request.
fn results(request: &ModelRequest) -> Vec<(String, String)> {
    let result = |message: &Message| match message {
        Message::ToolResult { name, text, .. } => Some((name.clone(), text.clone())),
        Message::User { .. } | Message::Assistant { .. } => None,
    };
    request.messages.iter().filter_map(result).collect()
}

#[tokio::test(start_paused = true)]
async fn results_stand_in_the_order_of_their_calls_however_they_end() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let world = World::new(move |request: &ModelRequest| {
        let results = results(request);
        match (request.context.purpose, request.context.candidates.first()) {
            (Purpose::Coordinate, None) if results.is_empty() => {
                vec![(Duration::ZERO, ModelEvent::Finished(Box::new(reply(CALLS.map(work)))))]
            }
            (Purpose::Coordinate, None) => {
                kept.lock().expect("whole").extend(results);
                finished(answer("an answer"))
            }
            (Purpose::Coordinate, Some(candidate)) => finished(vote(&candidate.to_string())),
            (Purpose::Present | Purpose::Summarize, _) => finished(answer("an answer")),
        }
    });
    let spec = spec(&["a"]);
    let ports = Ports { tools: Arc::new(LaterSooner), ..world.ports(&spec) };
    let session = Session::start(spec, RunMeta::default(), ports).expect("started");
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    let ended = world.stored().into_iter().filter_map(|envelope| match envelope.event {
        Event::ToolCallFinished { tool_use, .. } => Some(tool_use.index),
        _ => None,
    });
    assert_eq!(ended.collect::<Vec<_>>(), [3, 2, 1, 0], "they ended the other way round");
    let in_order = CALLS.map(|name| (name.to_owned(), format!("this is {name}")));
    assert_eq!(*seen.lock().expect("whole"), in_order);
}

//! What is heard of a tool call while it is under way.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use massgen_engine::{Ports, Session};
use massgen_ports::{CallWatch, ModelEvent, SessionEnd, SessionHandle, ToolHost, ToolRun};
use massgen_protocol::event::{DeltaKind, Event, RunOutcome};
use massgen_protocol::message::{Asking, Message, ToolQuestion};
use massgen_protocol::spec::RunMeta;
use massgen_protocol::{AgentId, ModelRequest, Purpose, ToolCall, ToolOutcome, ToolSchema, ToolUse};
use massgen_testkit::history::{answer, spec, vote, work};
use tokio::time::sleep;

use crate::sessions::{World, finished};

/// One tool, which tells how far it is, faster than anybody reads, and asks a person.
struct Tells(Arc<World>);

impl ToolHost for Tells {
    fn tools(&self, _agent: &AgentId) -> Vec<ToolSchema> {
        Vec::new()
    }

    fn run(
        &self,
        _agent: &AgentId,
        _tool_use: ToolUse,
        _call: ToolCall,
        watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        let world = Arc::clone(&self.0);
        Box::pin(async move {
            for part in 0..=1000 {
                watch.progress(&format!("{part} of 1000"));
                sleep(Duration::from_millis(1)).await;
            }
            sleep(Duration::from_secs(1)).await;
            watch.asks(Asking::Asked { question: question() }).await;
            let kept = asked(&world);
            watch.asks(Asking::Over).await;
            ToolOutcome::ok(format!("{kept} was kept first, {} after", asked(&world))).into()
        })
    }
}

fn question() -> ToolQuestion {
    ToolQuestion {
        wants: "run `make`".to_owned(),
        reason: "it may do harm".to_owned(),
        reply_in: "resp_1.json".to_owned(),
        time: Duration::from_mins(5),
    }
}

/// Events on questions that are stored.
fn asked(world: &World) -> usize {
    let is_asked = |event: &Event| matches!(event, Event::ToolCallAsked { .. });
    world.stored().iter().filter(|envelope| is_asked(&envelope.event)).count()
}

/// Calls the tool, then answers.
fn curious(request: &ModelRequest) -> Vec<(Duration, ModelEvent)> {
    let has_result = request.messages.iter().any(|message| matches!(message, Message::ToolResult { .. }));
    let item = match (request.context.purpose, request.context.candidates.first(), has_result) {
        (Purpose::Coordinate, None, false) => work("look"),
        (Purpose::Coordinate, Some(candidate), _) => vote(&candidate.to_string()),
        (Purpose::Coordinate | Purpose::Present | Purpose::Summarize, _, _) => answer("an answer"),
    };
    finished(item)
}

#[tokio::test(start_paused = true)]
async fn progress_is_shown_in_moderation_and_questions_are_kept_before_anything_follows() {
    let world = Arc::new(World::new(curious));
    let spec = spec(&["a"]);
    let ports = Ports { tools: Arc::new(Tells(Arc::clone(&world))), ..world.ports(&spec) };
    let session = Session::start(spec, RunMeta::default(), ports).expect("started");
    let deltas: Vec<_> = session.deltas().collect().await;
    assert_eq!(session.ended().await, SessionEnd::Finished(RunOutcome::Answered));
    let lines: Vec<_> = deltas
        .iter()
        .filter(|delta| delta.kind == DeltaKind::ToolProgress)
        .map(|delta| &delta.text)
        .collect();
    assert!((3..=8).contains(&lines.len()), "{lines:?}");
    assert_eq!(*lines[lines.len() - 1], "look: 1000 of 1000", "the newest is not lost");
    let results: Vec<_> = world
        .stored()
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::ToolCallFinished { outcome: ToolOutcome::Ok { text, .. }, .. } => Some(text.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(results, ["1 was kept first, 2 after"]);
}

//! What the tests of cassettes share: requests, and models whose replies are given.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::message::{FinishReason, ItemContent, Message};
use massgen_protocol::{
    AgentId, AgentNo, CallContext, CallId, DeltaKind, ModelRequest, Purpose, Reply, ReplyItem, TokenUsage,
    ToolCall,
};
use serde_json::json;

use super::{CASSETTE_VERSION, Header};

pub(super) const AGENTS: [&str; 3] = ["a", "b", "c"];

pub(super) fn id(text: &str) -> AgentId {
    AgentId::new(text).unwrap()
}

pub(super) fn header() -> Header {
    Header { massgen_cassette: CASSETTE_VERSION, question: "why?".into(), agents: AGENTS.map(id).into() }
}

/// The call `number` of `agent`, with `messages` from the user.
pub(super) fn request(agent: &str, number: u32, messages: &[String]) -> ModelRequest {
    let index = AGENTS.iter().position(|name| *name == agent).unwrap();
    ModelRequest {
        context: CallContext {
            agent: id(agent),
            call: CallId { agent: AgentNo::from_index(index), number },
            purpose: Purpose::Coordinate,
            candidates: Vec::new(),
            may_answer: true,
            fallback: 0,
        },
        system: "system".into(),
        tools: Arc::new([]),
        messages: messages.iter().map(Message::user).collect(),
        max_output_tokens: None,
        output: None,
    }
}

/// A reply that says `text` in all ways in which a reply can say something.
pub(super) fn reply(text: &str) -> Reply {
    let call =
        ToolCall { id: "1".into(), name: "lookup".into(), arguments: json!({ "q": text }).to_string() };
    Reply {
        items: vec![
            ReplyItem { content: ItemContent::Reasoning { text: format!("I think {text}") }, provider: None },
            ReplyItem {
                content: ItemContent::Text { text: text.to_owned() },
                provider: Some(json!({ "raw": { text: [text] } })),
            },
            ItemContent::ToolCall(call).into(),
        ],
        finish: FinishReason::Other(text.to_owned()),
        usage: TokenUsage { input: 10, output: 20, ..TokenUsage::default() },
        reported_cost: None,
        first_token_after: Duration::from_millis(10),
        duration: Duration::from_millis(30),
        origin: None,
    }
}

/// Says the number of the call after 10 ms and ends after 30 ms, `make` gives the end.
pub(super) struct Fixed<F>(pub(super) F);

impl<F: Fn(&ModelRequest) -> ModelEvent + Send + Sync> Model for Fixed<F> {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let piece = ModelEvent::Delta { kind: DeltaKind::Text, text: request.context.call.to_string() };
        let end = (self.0)(&request);
        let events = [(Duration::from_millis(10), piece), (Duration::from_millis(20), end)];
        stream::iter(events)
            .then(async |(pause, event)| {
                tokio::time::sleep(pause).await;
                event
            })
            .boxed()
    }
}

/// The end of `call`, which stays open: nobody has taken the end yet.
pub(super) async fn end(call: &mut ModelStream) -> ModelEvent {
    loop {
        match call.next().await.unwrap() {
            ModelEvent::Delta { .. } | ModelEvent::Retrying { .. } | ModelEvent::Service { .. } => {}
            end @ (ModelEvent::Finished(_) | ModelEvent::Failed(_)) => return end,
        }
    }
}

/// Makes one call and takes its end.
pub(super) async fn take(model: &dyn Model, request: ModelRequest) -> ModelEvent {
    end(&mut model.call(request)).await
}

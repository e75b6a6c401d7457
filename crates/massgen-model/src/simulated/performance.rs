//! Plays a reply: its pieces at the configured speed, then its end.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use massgen_ports::{ModelEvent, ModelStream};
use massgen_protocol::message::{
    FinishReason, ItemContent, Message, ModelFailure, Reply, ReplyItem, ToolCall,
};
use massgen_protocol::spec::SimulatedSpec;
use massgen_protocol::{AttachedFile, DeltaKind, ModelRequest, Purpose, TokenUsage, UsageSource};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::script::{ScriptedFailure, Step};
use super::{NEW_ANSWER, VOTE};

/// Bytes that count as one token.
const TOKEN_BYTES: usize = 4;

/// Pieces per second of a fast reply. A display needs no more, and a very fast model would flood it.
const PIECES_PER_SECOND: u32 = 50;

/// Key of the mark in the provider's item of a reply of the presentation.
const PURPOSE_MARK: &str = "simulated_purpose";

/// Streams `steps` as the reply to `request`. `vote_name` gives the name that a vote for a written target carries.
pub(super) fn perform(
    steps: &[Step],
    spec: &SimulatedSpec,
    request: &ModelRequest,
    vote_name: impl Fn(&str) -> String,
) -> ModelStream {
    let mut timeline = Timeline { at: spec.latency, speed: spec.tokens_per_second, cues: VecDeque::new() };
    let mut items: Vec<ReplyItem> = Vec::new();
    let mut open_ended = false;
    for step in steps {
        let content = match step {
            Step::Think(text) => ItemContent::Reasoning { text: text.clone() },
            Step::Say(text) => ItemContent::Text { text: text.clone() },
            Step::Call { tool, arguments } => tool_call(request, items.len(), tool, arguments.clone()),
            Step::Answer(text) => {
                tool_call(request, items.len(), NEW_ANSWER, json!({ "content": text }).to_string())
            }
            Step::Vote { target, reason } => {
                let arguments = json!({ "agent_id": vote_name(target), "reason": reason });
                tool_call(request, items.len(), VOTE, arguments.to_string())
            }
            Step::Wait(pause) => {
                timeline.advance(*pause);
                continue;
            }
            Step::Fail(failure) => {
                timeline.fail(failure, spec.latency);
                open_ended = true;
                continue;
            }
            Step::Hang => {
                timeline.cue(Act::Hang);
                open_ended = true;
                continue;
            }
        };
        timeline.speak(&content);
        items.push(content.into());
    }
    if !open_ended {
        mark(&mut items, request.context.purpose);
        timeline.cue(Act::Finish(finish(items, request)));
    }
    play(timeline.cues)
}

/// How many replies of the presentation are in `messages` already.
pub(super) fn presented(messages: &[Message]) -> usize {
    let is_marked =
        |item: &ReplyItem| item.provider.as_ref().is_some_and(|mark| mark.get(PURPOSE_MARK).is_some());
    let replies = messages.iter().filter(|message| match message {
        Message::Assistant { reply } => reply.items.iter().any(is_marked),
        Message::User { .. } | Message::ToolResult { .. } => false,
    });
    replies.count()
}

/// Marks a reply of the presentation, so that the next request tells how many there were.
fn mark(items: &mut Vec<ReplyItem>, purpose: Purpose) {
    match purpose {
        Purpose::Coordinate | Purpose::Summarize => {}
        Purpose::Present => {
            if items.is_empty() {
                items.push(ItemContent::Opaque.into());
            }
            if let Some(first) = items.first_mut() {
                first.provider = Some(json!({ PURPOSE_MARK: purpose }));
            }
        }
    }
}

fn tool_call(request: &ModelRequest, index: usize, name: &str, arguments: String) -> ItemContent {
    let id = format!("simulated-{}-{index}", request.context.call);
    ItemContent::ToolCall(ToolCall { id, name: name.to_owned(), arguments })
}

fn finish(items: Vec<ReplyItem>, request: &ModelRequest) -> Box<Reply> {
    let mut reply = Reply {
        items,
        finish: FinishReason::Stop,
        usage: TokenUsage::default(),
        reported_cost: None,
        first_token_after: Duration::ZERO,
        duration: Duration::ZERO,
        origin: None,
    };
    if reply.tool_calls().next().is_some() {
        reply.finish = FinishReason::ToolCalls;
    }
    reply.usage = TokenUsage {
        input: tokens(request_bytes(request)),
        output: tokens(reply.bytes()),
        reasoning: tokens(reply.reasoning().len()),
        source: UsageSource::Estimated,
        ..TokenUsage::default()
    };
    Box::new(reply)
}

fn request_bytes(request: &ModelRequest) -> usize {
    let tools = request
        .tools
        .iter()
        .map(|tool| tool.name.len() + tool.description.len() + json_bytes(&tool.parameters));
    let messages = request.messages.iter().map(|message| match message {
        Message::User { text, files } => {
            let cost = |file: &Arc<AttachedFile>| file.attachment.prompt_bytes();
            let files: u64 = files.iter().map(cost).sum();
            text.len().saturating_add(usize::try_from(files).unwrap_or(usize::MAX))
        }
        Message::Assistant { reply } => reply.bytes(),
        Message::ToolResult { name, text, .. } => name.len() + text.len(),
    });
    request.system.len() + tools.sum::<usize>() + messages.sum::<usize>()
}

fn json_bytes(value: &Value) -> usize {
    value.to_string().len()
}

fn tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(TOKEN_BYTES)).unwrap_or(u64::MAX)
}

/// Something that happens at a moment of the call.
struct Cue {
    /// From the start of the call.
    at: Duration,
    act: Act,
}

enum Act {
    Tell(ModelEvent),
    Finish(Box<Reply>),
    Hang,
}

/// Collects cues; `at` is the moment up to which the call is planned.
struct Timeline {
    at: Duration,
    speed: Option<NonZeroU32>,
    cues: VecDeque<Cue>,
}

impl Timeline {
    fn cue(&mut self, act: Act) {
        self.cues.push_back(Cue { at: self.at, act });
    }

    fn advance(&mut self, by: Duration) {
        self.at = self.at.saturating_add(by);
    }

    /// Plans the pieces of one item. A piece comes when its first token is due.
    fn speak(&mut self, content: &ItemContent) {
        let (kind, mut rest) = match content {
            ItemContent::Text { text } => (DeltaKind::Text, text.as_str()),
            ItemContent::Reasoning { text } => (DeltaKind::Reasoning, text.as_str()),
            ItemContent::ToolCall(call) => (DeltaKind::ToolArguments, call.arguments.as_str()),
            ItemContent::File { .. } | ItemContent::Opaque => return,
        };
        while !rest.is_empty() {
            let (piece, after) = match self.speed {
                None => (rest, ""),
                Some(speed) => split_piece(rest, speed),
            };
            self.cue(Act::Tell(ModelEvent::Delta { kind, text: piece.to_owned() }));
            if let Some(speed) = self.speed {
                self.advance(time_of(tokens(piece.len()), speed));
            }
            rest = after;
        }
    }

    /// Plans a failure with its retries. Each request takes the latency until it fails.
    fn fail(&mut self, failure: &ScriptedFailure, latency: Duration) {
        let ScriptedFailure { kind, message, retries, .. } = failure;
        for attempt in 1..=*retries {
            let event = ModelEvent::Retrying {
                attempt,
                kind: *kind,
                message: message.clone(),
                delay: failure.delay(),
            };
            self.cue(Act::Tell(event));
            self.advance(failure.delay());
            self.advance(latency);
        }
        let attempts = retries.saturating_add(1);
        let end = ModelFailure { kind: *kind, message: message.clone(), attempts };
        self.cue(Act::Tell(ModelEvent::Failed(end)));
    }
}

/// Cuts the first piece off `text`: whole tokens, at most [`PIECES_PER_SECOND`] of them.
fn split_piece(text: &str, speed: NonZeroU32) -> (&str, &str) {
    let tokens = usize::try_from(speed.get().div_ceil(PIECES_PER_SECOND)).unwrap_or(usize::MAX);
    let wanted = tokens.saturating_mul(TOKEN_BYTES);
    let end = (wanted..text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
    text.split_at(end)
}

fn time_of(tokens: u64, speed: NonZeroU32) -> Duration {
    let nanos = u128::from(tokens) * 1_000_000_000 / u128::from(speed.get());
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// A call under way.
struct Playing {
    cues: VecDeque<Cue>,
    /// When the stream was first polled.
    started: Option<Instant>,
    first_piece: Option<Duration>,
}

fn play(cues: VecDeque<Cue>) -> ModelStream {
    stream::unfold(Playing { cues, started: None, first_piece: None }, async |mut playing| {
        let started = *playing.started.get_or_insert_with(Instant::now);
        let cue = playing.cues.pop_front()?;
        match started.checked_add(cue.at) {
            // Cues that are due already must not pay the resolution of the timer.
            Some(due) if due <= Instant::now() => {}
            Some(due) => tokio::time::sleep_until(due).await,
            None => std::future::pending().await,
        }
        let elapsed = started.elapsed();
        let event = match cue.act {
            Act::Tell(event) => {
                playing.first_piece.get_or_insert(elapsed);
                event
            }
            Act::Finish(mut reply) => {
                reply.first_token_after = playing.first_piece.unwrap_or(elapsed);
                reply.duration = elapsed;
                ModelEvent::Finished(reply)
            }
            Act::Hang => std::future::pending().await,
        };
        Some((event, playing))
    })
    .boxed()
}

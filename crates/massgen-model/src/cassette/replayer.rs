//! A model that serves a recording.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::message::{FailureKind, ItemContent};
use massgen_protocol::{AgentId, DeltaKind, ModelFailure, ModelRequest, Reply, limits};
use tokio::sync::watch;
use tokio::time::Instant;

use super::request_hash::request_hash;
use super::{Cassette, Line, RecordedEnd, Redaction};

/// How fast a recording is replayed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Pace {
    /// Without any pause.
    #[default]
    AsFastAsPossible,
    /// First pieces and ends come no earlier than they did.
    Recorded,
}

/// The replay of one run, shared by the models of all its agents.
///
/// An end is only given out after the session has taken the ends of all earlier lines (it has polled the stream
/// again after the end, or dropped it) and has made all calls that it had made by then. A call that the recorded
/// session cut off stays open until this session cuts it off as well. As soon as one call is not the recorded one,
/// the run has left the recording, and every call that is open or comes later fails with
/// [`FailureKind::NotRecorded`].
#[derive(Debug)]
pub struct Replay {
    cassette: Cassette,
    pace: Pace,
    redaction: Redaction,
    progress: watch::Sender<Progress>,
}

/// How far the session has come.
#[derive(Debug)]
struct Progress {
    /// Per line: whether the call was made.
    made: Vec<bool>,
    /// Per line: whether the session has taken the end, or does not want it any more.
    taken: Vec<bool>,
    /// The first line that is not taken.
    next: usize,
    /// Where and why the run left the recording, when it did.
    left: Option<Arc<str>>,
}

impl Progress {
    fn is_made(&self, position: usize) -> bool {
        let is = |list: &[bool]| list.get(position) == Some(&true);
        is(&self.made) || is(&self.taken)
    }

    fn take(&mut self, position: usize) {
        if let Some(taken) = self.taken.get_mut(position) {
            *taken = true;
        }
        while self.taken.get(self.next) == Some(&true) {
            self.next += 1;
        }
    }
}

/// Whether a call may end.
enum Turn {
    /// The session is as far as the recorded one was.
    Now,
    /// The run has left the recording; where and why.
    Left(Arc<str>),
    /// The session does not make the call of this line.
    StalledAt(usize),
}

impl Replay {
    /// Replays `cassette`. `redaction` is the one that it was recorded with.
    pub fn new(cassette: Cassette, pace: Pace, redaction: Redaction) -> Self {
        let none = vec![false; cassette.lines.len()];
        let progress = Progress { made: none.clone(), taken: none, next: 0, left: None };
        Self { cassette, pace, redaction, progress: watch::Sender::new(progress) }
    }

    /// Passes over the first `calls` calls of `agent`, because an earlier process of this run has their ends.
    pub fn skip(&self, agent: &AgentId, calls: u32) {
        let lines = self.cassette.lines.iter().enumerate();
        let positions = lines.filter(|(_, line)| line.agent == *agent && line.call <= calls);
        self.progress.send_modify(|progress| {
            for (position, _) in positions {
                progress.take(position);
            }
        });
    }

    /// Where and why the run left the recording, when it did.
    pub fn left_at(&self) -> Option<Arc<str>> {
        self.progress.borrow().left.clone()
    }

    fn line(&self, position: usize) -> Option<&Line> {
        self.cassette.lines.get(position)
    }

    /// Notes that the run leaves the recording at the call `number` of `agent`, and gives the end of that call.
    fn leave(&self, agent: &AgentId, number: u32, why: &str) -> ModelEvent {
        let message: Arc<str> =
            format!("the run left the recording at call {number} of `{agent}`: {why}").into();
        self.progress.send_modify(|progress| {
            progress.left.get_or_insert_with(|| Arc::clone(&message));
        });
        not_recorded(&message)
    }

    /// Waits until the line at `position` may end.
    async fn turn(&self, position: usize) -> Turn {
        let mut progress = self.progress.subscribe();
        loop {
            let missing = {
                let now = progress.borrow_and_update();
                if let Some(message) = &now.left {
                    return Turn::Left(Arc::clone(message));
                }
                if now.next >= position {
                    match self.missing_before(position, &now) {
                        None => return Turn::Now,
                        missing => missing,
                    }
                } else {
                    Some(now.next).filter(|next| !now.is_made(*next))
                }
            };
            // The sender lives in `self`, so a change is all that can come.
            let change = progress.changed();
            match missing {
                None => drop(change.await),
                Some(missing) => {
                    if tokio::time::timeout(limits::REPLAY_STALL, change).await.is_err() {
                        return Turn::StalledAt(missing);
                    }
                }
            }
        }
    }

    /// A line whose call was made before the line at `position` ended, and is not made yet.
    fn missing_before(&self, position: usize, now: &Progress) -> Option<usize> {
        let ended_as = self.line(position).map_or(u64::MAX, |line| line.completed);
        let lines = self.cassette.lines.iter().enumerate();
        let mut missing = lines.filter(|(other, line)| line.made_after < ended_as && !now.is_made(*other));
        missing.next().map(|(other, _)| other)
    }

    /// Completes when the run has left the recording, with where and why; `None` when it has not until `deadline`.
    async fn left_before(&self, deadline: Instant) -> Option<Arc<str>> {
        let mut progress = self.progress.subscribe();
        let left = progress.wait_for(|progress| progress.left.is_some());
        match tokio::time::timeout_at(deadline, left).await {
            Ok(Ok(progress)) => progress.left.clone(),
            Ok(Err(_)) | Err(_) => None,
        }
    }
}

fn not_recorded(message: &str) -> ModelEvent {
    ModelEvent::Failed(ModelFailure {
        kind: FailureKind::NotRecorded,
        message: message.to_owned(),
        attempts: 0,
    })
}

/// Serves the calls of any agent of a [`Replay`].
#[derive(Debug, Clone)]
pub struct Replayer {
    replay: Arc<Replay>,
}

impl Replayer {
    /// A model for the agents of `replay`.
    pub fn new(replay: Arc<Replay>) -> Self {
        Self { replay }
    }
}

impl Model for Replayer {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let call = Call {
            replay: Arc::clone(&self.replay),
            agent: request.context.agent.clone(),
            number: request.context.call.number,
            stage: Stage::New(Box::new(request)),
            served: None,
            started: Instant::now(),
            pieces: VecDeque::new(),
        };
        stream::unfold(call, Call::next).boxed()
    }
}

/// One call under way.
struct Call {
    replay: Arc<Replay>,
    agent: AgentId,
    number: u32,
    stage: Stage,
    /// The line that it is served from. Dropping it takes the line.
    served: Option<Served>,
    /// When the stream was first polled.
    started: Instant,
    pieces: VecDeque<ModelEvent>,
}

enum Stage {
    New(Box<ModelRequest>),
    Playing,
    Ended,
}

/// A line whose end waits to be taken.
struct Served {
    replay: Arc<Replay>,
    position: usize,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.replay.progress.send_modify(|progress| progress.take(self.position));
    }
}

impl Call {
    async fn next(mut self) -> Option<(ModelEvent, Self)> {
        match std::mem::replace(&mut self.stage, Stage::Playing) {
            Stage::New(request) => {
                self.started = Instant::now();
                if let Err(why) = self.find(&request) {
                    return Some(self.leave(&why));
                }
            }
            Stage::Playing => {}
            Stage::Ended => return None,
        }
        if !self.pieces.is_empty() {
            self.wait_as_recorded(|line| line.first_token_ms.unwrap_or(line.duration_ms)).await;
        }
        if let Some(piece) = self.pieces.pop_front() {
            return Some((piece, self));
        }
        self.wait_as_recorded(|line| line.duration_ms).await;
        let position = self.served.as_ref().map(|served| served.position);
        let unrecorded = self.replay.cassette.calls();
        match self.replay.turn(position.unwrap_or(unrecorded)).await {
            Turn::Now => {}
            Turn::Left(message) => return Some(self.end(not_recorded(&message))),
            Turn::StalledAt(line) => return Some(self.leave_because_of(line)),
        }
        let Some(line) = position.and_then(|position| self.replay.line(position)) else {
            let why = self.why_missing();
            return Some(self.leave(&why));
        };
        let event = match &line.end {
            RecordedEnd::Replied(reply) => ModelEvent::Finished(Box::new(Reply::clone(reply))),
            RecordedEnd::Failed(failure) => ModelEvent::Failed(failure.clone()),
            RecordedEnd::Cut => {
                let cut_after = Duration::from_millis(line.duration_ms);
                let cut_at = self.started.checked_add(cut_after).unwrap_or(self.started).max(Instant::now());
                match self.replay.left_before(cut_at + limits::REPLAY_STALL).await {
                    Some(message) => not_recorded(&message),
                    None => {
                        return Some(
                            self.leave("it was cut off there when the recording was made, and is not now"),
                        );
                    }
                }
            }
        };
        Some(self.end(event))
    }

    /// Finds the recorded call and what it streams; the error says why it is not the recorded one.
    fn find(&mut self, request: &ModelRequest) -> Result<(), String> {
        let replay = &self.replay;
        if let Some(before) = self.number.checked_sub(1) {
            replay.skip(&self.agent, before);
        }
        let Some(position) = replay.cassette.position(&self.agent, self.number) else {
            return Ok(());
        };
        let Some(line) = replay.line(position) else {
            return Ok(());
        };
        let hash = request_hash(request, &replay.redaction).map_err(|error| error.to_string())?;
        if hash != line.request_hash {
            return Err(
                "its request is not the recorded one; the configuration, the prompts or what the tools gave \
                        back differ"
                    .to_owned(),
            );
        }
        if let RecordedEnd::Replied(reply) = &line.end {
            self.pieces = pieces(reply);
        }
        replay.progress.send_modify(|progress| {
            if let Some(made) = progress.made.get_mut(position) {
                *made = true;
            }
        });
        self.served = Some(Served { replay: Arc::clone(replay), position });
        Ok(())
    }

    fn why_missing(&self) -> String {
        let cassette = &self.replay.cassette;
        let calls = cassette.calls_of(&self.agent);
        let cut = if cassette.is_cut() { ", and its end was cut off" } else { "" };
        format!("the recording holds only {calls} calls of this agent{cut}")
    }

    /// Pauses until as long after the start as `millis` of the line says, if the pace is the recorded one.
    async fn wait_as_recorded(&self, millis: impl Fn(&Line) -> u64 + Send) {
        match self.replay.pace {
            Pace::AsFastAsPossible => {}
            Pace::Recorded => {
                let line = self.served.as_ref().and_then(|served| self.replay.line(served.position));
                let until =
                    line.and_then(|line| self.started.checked_add(Duration::from_millis(millis(line))));
                if let Some(until) = until {
                    tokio::time::sleep_until(until).await;
                }
            }
        }
    }

    fn leave(self, why: &str) -> (ModelEvent, Self) {
        let event = self.replay.leave(&self.agent, self.number, why);
        self.end(event)
    }

    /// Leaves the recording because the call of another line is not made.
    fn leave_because_of(self, position: usize) -> (ModelEvent, Self) {
        let replay = Arc::clone(&self.replay);
        match replay.line(position) {
            Some(line) => {
                let event = replay.leave(&line.agent, line.call, "the call was recorded and is not made now");
                self.end(event)
            }
            None => self.leave("the recording is over"),
        }
    }

    fn end(mut self, event: ModelEvent) -> (ModelEvent, Self) {
        self.stage = Stage::Ended;
        (event, self)
    }
}

/// The deltas of a recorded reply: each item as a whole.
fn pieces(reply: &Reply) -> VecDeque<ModelEvent> {
    let piece = |content: &ItemContent| match content {
        ItemContent::Text { text } => Some((DeltaKind::Text, text.clone())),
        ItemContent::Reasoning { text } => Some((DeltaKind::Reasoning, text.clone())),
        ItemContent::ToolCall(call) => Some((DeltaKind::ToolArguments, call.arguments.clone())),
        ItemContent::File { .. } | ItemContent::Opaque => None,
    };
    let pieces = reply.items.iter().filter_map(|item| piece(&item.content));
    pieces.filter(|(_, text)| !text.is_empty()).map(|(kind, text)| ModelEvent::Delta { kind, text }).collect()
}

#[cfg(test)]
#[path = "cassette_tests.rs"]
mod tests;

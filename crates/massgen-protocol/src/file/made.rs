//! Which files belong to which answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::{FileNames, ReplyFile};
use crate::event::{CallOutcome, Event, FinalSource};
use crate::ids::{AgentNo, AnswerLabel};
use crate::limits;
use crate::message::Reply;

/// The files that the agents of a run have made, after some of its events.
///
/// What an agent makes belongs to its next answer. To the final answer belong the files of the answer that won, and
/// what its author has made since, unless the stored answer is the final one as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MadeFiles {
    /// Replies with files since the last answer of their agent.
    since: BTreeMap<AgentNo, Vec<Arc<Reply>>>,
    answers: BTreeMap<AnswerLabel, Vec<Arc<Reply>>>,
    winner: Option<AnswerLabel>,
    final_answer: Vec<Arc<Reply>>,
}

/// A file with the name that it gets beside its answer. Shown, it is `image-1.png (image/png, 34 KB)`.
#[derive(Debug, Clone)]
pub struct NamedFile<'a> {
    /// The name, for example `image-1.png`; ours, not the model's.
    pub name: String,
    /// The file.
    pub file: ReplyFile<'a>,
}

impl fmt::Display for NamedFile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.file)
    }
}

impl MadeFiles {
    /// Takes note of the next event.
    pub fn fold(&mut self, event: &Event) {
        match event {
            Event::ModelCallFinished { call, outcome: CallOutcome::Replied { reply, .. } } => {
                if reply.files().next().is_some() {
                    self.since.entry(call.agent).or_default().push(Arc::clone(reply));
                }
            }
            Event::AnswerAccepted { label, .. } => {
                if let Some(made) = self.since.remove(&label.agent) {
                    self.answers.insert(*label, made);
                }
            }
            Event::WinnerSelected { answer, .. } => self.winner = Some(*answer),
            Event::FinalAnswerReady { agent, source, .. } => {
                let won = self.winner.filter(|label| label.agent == *agent);
                let stored = won.and_then(|label| self.answers.get(&label)).into_iter().flatten();
                let since = match source {
                    FinalSource::Presented | FinalSource::StoredAsFallback => self.since.get(agent),
                    FinalSource::Stored => None,
                };
                self.final_answer = stored.chain(since.into_iter().flatten()).cloned().collect();
            }
            Event::RunStarted { .. }
            | Event::RunResumed
            | Event::RunInterrupted { .. }
            | Event::ExecutionStarted { .. }
            | Event::PromptExtended { .. }
            | Event::ModelCallStarted { .. }
            | Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::ModelCallFinished {
                outcome: CallOutcome::Failed { .. } | CallOutcome::Cancelled { .. },
                ..
            }
            | Event::ToolCallStarted { .. }
            | Event::ToolCallFinished { .. }
            | Event::ToolCallAsked { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. }
            | Event::VoteCast { .. }
            | Event::VoteIgnored { .. }
            | Event::SubmissionRefused { .. }
            | Event::NoDecision { .. }
            | Event::FallbackTaken { .. }
            | Event::ConversationCompacted { .. }
            | Event::AgentStateChanged { .. }
            | Event::NoteReceived { .. }
            | Event::RoundLimitReached { .. }
            | Event::CoordinationEnded { .. }
            | Event::PresentationStarted { .. }
            | Event::RunFinished { .. }
            | Event::Degraded { .. } => {}
        }
    }

    /// The files of an answer, at most [`limits::FILES_PER_ANSWER`].
    pub fn of_answer(&self, label: AnswerLabel) -> Vec<NamedFile<'_>> {
        self.answers.get(&label).map(|replies| named(replies)).unwrap_or_default()
    }

    /// The files of the final answer, at most [`limits::FILES_PER_ANSWER`]; none before there is one.
    pub fn of_final_answer(&self) -> Vec<NamedFile<'_>> {
        named(&self.final_answer)
    }
}

fn named(replies: &[Arc<Reply>]) -> Vec<NamedFile<'_>> {
    let mut names = FileNames::default();
    let files = replies.iter().flat_map(|reply| reply.files()).take(limits::FILES_PER_ANSWER);
    files.map(|file| NamedFile { name: names.next(file.media_type), file }).collect()
}

#[cfg(test)]
#[path = "made_tests.rs"]
mod tests;

//! From the events of a run to what its session keeps of it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use massgen_protocol::event::{AgentStatus, RunOutcome};
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::{AgentNo, AnswerLabel, Envelope, Event, RevisionSet, Seq, SnapshotId, Timestamp};
use serde_json::{Map, Value, json};

use super::folder::{PartialAnswer, StoredEnd, StoredTurn};
use crate::artifacts::RunFolder;
use crate::artifacts::stamps::LocalTime;

/// A run as its session keeps it, after some events.
#[derive(Debug, Default)]
pub struct TurnRecord {
    /// Where the files of the run are; `None` leaves texts as they are.
    folder: Option<RunFolder>,
    run: Option<Run>,
    last: Seq,
    answers: BTreeMap<AgentNo, (u32, Arc<str>)>,
    snapshots: BTreeMap<AnswerLabel, SnapshotId>,
    final_snapshot: Option<SnapshotId>,
    votes: BTreeMap<AgentNo, Vote>,
    revisions: RevisionSet,
    out: BTreeSet<AgentNo>,
    winner: Option<AgentNo>,
    best: Option<AnswerLabel>,
    is_presenting: bool,
    final_answer: Option<Arc<str>>,
    outcome: Option<RunOutcome>,
    is_interrupted: bool,
}

#[derive(Debug)]
struct Run {
    spec: Arc<RunSpec>,
    meta: Arc<RunMeta>,
    /// By agent number.
    ids: Vec<String>,
    at: Timestamp,
}

#[derive(Debug)]
struct Vote {
    answer: AnswerLabel,
    reason: String,
    seen: RevisionSet,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With a final answer.
    Answered,
    /// Interrupted by a person or program; it can be resumed.
    Interrupted,
    /// Its process was killed; it can be resumed.
    Killed,
    /// Without an answer.
    NoAnswer,
    /// By its deadline, without an answer.
    Deadline,
    /// By its budget, without an answer.
    Budget,
}

impl Ending {
    /// Whether it could have gone on.
    pub fn is_stop(self) -> bool {
        match self {
            Self::Interrupted | Self::Killed => true,
            Self::Answered | Self::NoAnswer | Self::Deadline | Self::Budget => false,
        }
    }

    /// The name in `metadata.json`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Interrupted => "interrupted",
            Self::Killed => "killed",
            Self::NoAnswer => "no_answer",
            Self::Deadline => "deadline",
            Self::Budget => "budget",
        }
    }
}

impl TurnRecord {
    /// No event folded yet, of the run in `folder`.
    pub fn of(folder: RunFolder) -> Self {
        Self { folder: Some(folder), ..Self::default() }
    }

    /// Folds the next event; one that was folded before changes nothing.
    pub fn fold(&mut self, envelope: &Envelope) {
        if envelope.seq <= self.last {
            return;
        }
        self.last = envelope.seq;
        if let Some(run) = &mut self.run {
            run.at = envelope.at;
        }
        match &envelope.event {
            Event::RunStarted { spec, meta } => self.start(spec, meta, envelope.at),
            Event::AnswerAccepted { label, content, snapshot, .. } => {
                // Its files do not outlive the run unless it becomes the final answer.
                let told = self.told(label.agent, content, None);
                self.answers.insert(label.agent, (label.revision, told));
                self.snapshots.extend(snapshot.iter().map(|snapshot| (*label, snapshot.clone())));
                self.revisions.include(*label);
            }
            Event::VoteCast { voter, answer, reason, seen } => {
                let vote = Vote { answer: *answer, reason: reason.clone(), seen: seen.clone() };
                self.votes.insert(*voter, vote);
            }
            Event::AgentStateChanged { agent, state: AgentStatus::Out { .. } } => {
                self.out.insert(*agent);
            }
            Event::WinnerSelected { answer, .. } => self.winner = Some(answer.agent),
            Event::PresentationStarted { .. } => self.is_presenting = true,
            Event::FinalAnswerReady { agent, content, snapshot, .. } => {
                self.winner = Some(*agent);
                self.final_answer = Some(self.told(*agent, content, snapshot.as_ref()));
                self.final_snapshot.clone_from(snapshot);
            }
            Event::RunInterrupted { best } => {
                self.best = *best;
                self.is_interrupted = true;
            }
            Event::RunResumed => self.is_interrupted = false,
            Event::RunFinished { outcome } => self.outcome = Some(*outcome),
            Event::ExecutionStarted { .. }
            | Event::PromptExtended { .. }
            | Event::ModelCallStarted { .. }
            | Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::ModelCallFinished { .. }
            | Event::ToolCallStarted { .. }
            | Event::ToolCallFinished { .. }
            | Event::ToolCallAsked { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. }
            | Event::VoteIgnored { .. }
            | Event::SubmissionRefused { .. }
            | Event::NoDecision { .. }
            | Event::FallbackTaken { .. }
            | Event::ConversationCompacted { .. }
            | Event::AgentStateChanged { .. }
            | Event::NoteReceived { .. }
            | Event::RoundLimitReached { .. }
            | Event::CoordinationEnded { .. }
            | Event::Degraded { .. } => {}
        }
    }

    /// A text of agent `author` whose files, if they are kept, stand beside the final answer.
    fn told(&self, author: AgentNo, content: &Arc<str>, snapshot: Option<&SnapshotId>) -> Arc<str> {
        match (&self.folder, self.spec()) {
            (Some(folder), Some(spec)) => match folder.final_text(spec, author, content, snapshot) {
                Cow::Borrowed(_) => Arc::clone(content),
                Cow::Owned(told) => told.into(),
            },
            (None, _) | (_, None) => Arc::clone(content),
        }
    }

    fn start(&mut self, spec: &Arc<RunSpec>, meta: &Arc<RunMeta>, at: Timestamp) {
        let mut ids: Vec<String> = spec.agents.iter().map(|agent| agent.id.to_string()).collect();
        ids.sort();
        self.revisions = RevisionSet::empty(ids.len());
        self.run = Some(Run { spec: Arc::clone(spec), meta: Arc::clone(meta), ids, at });
    }

    /// What was run; `None` before the first event.
    pub fn spec(&self) -> Option<&RunSpec> {
        self.run.as_ref().map(|run| run.spec.as_ref())
    }

    /// Where the run comes from; `None` before the first event.
    pub fn meta(&self) -> Option<&RunMeta> {
        self.run.as_ref().map(|run| run.meta.as_ref())
    }

    /// The turn as it is read back once it is kept as `number`; `None` before the first event.
    pub fn as_stored(&self, number: u32) -> Option<StoredTurn> {
        let end = match (&self.final_answer, self.ending()) {
            (Some(answer), _) => StoredEnd::Answered(answer.to_string()),
            (None, ending) => StoredEnd::Open {
                is_stopped: ending.is_stop(),
                answers: self
                    .ids()
                    .iter()
                    .filter_map(|id| {
                        Some(PartialAnswer { agent: id.clone(), answer: self.answer_of(id)?.to_owned() })
                    })
                    .collect(),
            },
        };
        let winning_agent = self.leader().map(str::to_owned);
        let (task, is_simulated) = (self.spec()?.question.clone(), self.is_simulated());
        Some(StoredTurn { number, task, winning_agent, is_simulated, end })
    }

    /// Whether all who took part were simulated.
    pub(super) fn is_simulated(&self) -> bool {
        self.spec().is_some_and(RunSpec::is_simulated)
    }

    /// The final answer, if there is one.
    pub fn final_answer(&self) -> Option<&str> {
        self.final_answer.as_deref()
    }

    /// The files that belong to each accepted answer.
    pub fn snapshots(&self) -> &BTreeMap<AnswerLabel, SnapshotId> {
        &self.snapshots
    }

    /// Whose files the next turn goes on with, and which: those of the final answer, or of the best one of a turn that was
    /// interrupted. `None` when the turn came to nothing, or is not over.
    pub fn result(&self) -> Option<(AgentNo, Option<&SnapshotId>)> {
        let newest = |agent: AgentNo| {
            self.snapshots.iter().rev().find(|(label, _)| label.agent == agent).map(|(_, snapshot)| snapshot)
        };
        match (&self.final_answer, self.winner, self.best) {
            (Some(_), Some(winner), _) => {
                Some((winner, self.final_snapshot.as_ref().or_else(|| newest(winner))))
            }
            (None, _, Some(best)) if self.is_interrupted => Some((best.agent, self.snapshots.get(&best))),
            (Some(_) | None, _, _) => None,
        }
    }

    /// How the turn ended, as far as the events tell.
    pub fn ending(&self) -> Ending {
        match (&self.final_answer, self.outcome) {
            (Some(_), _) | (None, Some(RunOutcome::Answered)) => Ending::Answered,
            (None, Some(RunOutcome::NoAnswer)) => Ending::NoAnswer,
            (None, Some(RunOutcome::DeadlineWithoutAnswer)) => Ending::Deadline,
            (None, Some(RunOutcome::BudgetWithoutAnswer)) => Ending::Budget,
            (None, None) if self.is_interrupted => Ending::Interrupted,
            (None, None) => Ending::Killed,
        }
    }

    /// The moment of the last event, in the local time of the run.
    pub(super) fn timestamp(&self) -> Option<String> {
        let run = self.run.as_ref()?;
        Some(LocalTime::new(run.meta.utc_offset_seconds).iso(run.at))
    }

    /// The winner, or without a final answer whoever was ahead: by votes, else by the length of the answer.
    pub(super) fn leader(&self) -> Option<&str> {
        let longest = || {
            let longest =
                self.answers.iter().max_by_key(|(no, (_, text))| (text.len(), std::cmp::Reverse(**no)));
            longest.map(|(no, _)| *no)
        };
        let leader = self.winner.or_else(|| self.best.map(|best| best.agent)).or_else(longest);
        self.id(leader?)
    }

    /// What stands in `answer.txt`.
    pub(super) fn answer_text(&self) -> String {
        if let Some(answer) = &self.final_answer {
            return answer.to_string();
        }
        let phase = self.phase();
        let end = self.ending().name().replace('_', " ");
        let leader = self.leader().and_then(|id| Some((id, self.answer_of(id)?)));
        match leader {
            Some((id, text)) => {
                format!("[PARTIAL ANSWER - {end} while {phase}; best so far: {id}]\n\n{text}")
            }
            None => format!("[PARTIAL ANSWER - {end} while {phase}; nobody had answered]"),
        }
    }

    /// `idle`, `coordinating` or `presenting`.
    pub(super) fn phase(&self) -> &'static str {
        if self.is_presenting || self.winner.is_some() {
            "presenting"
        } else if self.last > Seq(1) {
            "coordinating"
        } else {
            "idle"
        }
    }

    /// Whether all agents that take part have a vote that counts.
    pub(super) fn is_voting_complete(&self) -> bool {
        let live = |no: &AgentNo| !self.out.contains(no);
        let nos = || (0..self.ids().len()).map(AgentNo::from_index).filter(live);
        nos().count() > 0 && nos().all(|no| self.counting_vote(no).is_some())
    }

    /// `partial_answers.json`.
    pub(super) fn partial_answers(&self) -> Value {
        let parts = self.ids().iter().enumerate().filter_map(|(index, id)| {
            let no = AgentNo::from_index(index);
            let (count, answer) = self.answers.get(&no)?;
            let vote = self.counting_vote(no);
            let votes = vote.and_then(|vote| {
                Some(json!({ "agent_id": self.id(vote.answer.agent)?, "reason": vote.reason }))
            });
            let part = json!({
                "answer": answer.as_ref(),
                "has_voted": vote.is_some(),
                "votes": votes.unwrap_or_else(|| json!({})),
                "answer_count": count,
            });
            Some((id.clone(), part))
        });
        Value::Object(parts.collect())
    }

    /// Models by agent.
    pub(super) fn models(&self) -> Map<String, Value> {
        let agents = self.spec().into_iter().flat_map(|spec| &spec.agents);
        agents.map(|agent| (agent.id.to_string(), agent.backend.model.as_str().into())).collect()
    }

    fn counting_vote(&self, no: AgentNo) -> Option<&Vote> {
        self.votes.get(&no).filter(|vote| vote.seen == self.revisions)
    }

    fn answer_of(&self, id: &str) -> Option<&str> {
        let index = self.ids().iter().position(|known| known == id)?;
        self.answers.get(&AgentNo::from_index(index)).map(|(_, text)| text.as_ref())
    }

    fn ids(&self) -> &[String] {
        self.run.as_ref().map_or(&[], |run| &run.ids)
    }

    fn id(&self, no: AgentNo) -> Option<&str> {
        self.ids().get(no.index()).map(String::as_str)
    }
}

//! What the artifact files tell, after some events. `fold.rs` changes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use massgen_protocol::event::{EndCause, RunOutcome, WinnerBasis};
use massgen_protocol::spec::RunMeta;
use massgen_protocol::turn::{News, TallyRow, Turn};
use massgen_protocol::{
    AgentNo, AgentSpec, AnswerLabel, CallId, Envelope, Event, MadeFiles, Note, NoteId, Purpose, RevisionSet,
    RunMillis, RunSpec, Seq, SnapshotId, Timestamp, Usd,
};

use super::ArtifactError;
use super::agent::{AgentState, VoteCounts};
use super::folder::{RunFolder, WORKSPACE, folder_name};
use super::stamps::LocalTime;
use super::usage::{Cost, total};

/// Everything that the files tell, after some events.
#[derive(Debug)]
pub(super) struct RunState {
    pub(super) folder: RunFolder,
    pub(super) spec: Arc<RunSpec>,
    pub(super) meta: Arc<RunMeta>,
    pub(super) local: LocalTime,
    pub(super) started: Timestamp,
    pub(super) started_work: RunMillis,
    pub(super) last: Moment,
    /// By agent number.
    pub(super) agents: Vec<AgentState>,
    /// Numbers in registration order.
    pub(super) registration: Vec<AgentNo>,
    pub(super) revisions: RevisionSet,
    pub(super) answers: BTreeMap<AnswerLabel, Answer>,
    pub(super) votes: Vec<Vote>,
    pub(super) notes: BTreeMap<NoteId, Note>,
    pub(super) calls: BTreeMap<CallId, OpenCall>,
    /// Accepted answers and votes so far: the counter that coordination events call the iteration.
    pub(super) iteration: u32,
    pub(super) end_cause: Option<EndCause>,
    pub(super) winner: Option<Winner>,
    pub(super) presenter: Option<AgentNo>,
    pub(super) final_answer: Option<FinalAnswer>,
    /// The files that agents made.
    pub(super) made: MadeFiles,
    pub(super) phase: RunPhase,
}

/// When the last event was committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) seq: Seq,
    pub(super) at: Timestamp,
    pub(super) work: RunMillis,
}

/// Whether the run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunPhase {
    Running,
    Interrupted { best: Option<AnswerLabel>, at: Timestamp },
    Finished(RunOutcome),
}

/// An accepted answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) content: Arc<str>,
    pub(super) stamp: String,
    pub(super) round: u32,
    pub(super) iteration: u32,
    /// The files that belong to it.
    pub(super) snapshot: Option<SnapshotId>,
}

/// A vote that was cast.
#[derive(Debug)]
pub(super) struct Vote {
    pub(super) voter: AgentNo,
    pub(super) answer: AnswerLabel,
    pub(super) reason: String,
    pub(super) seen: RevisionSet,
    /// Whether what the voter had seen is still all there is.
    pub(super) counts: VoteCounts,
    /// Which vote of its voter, from 1.
    pub(super) number: u32,
    pub(super) stamp: String,
    pub(super) at: Timestamp,
    pub(super) round: u32,
    pub(super) iteration: u32,
}

impl Vote {
    /// `agent2.vote1`.
    pub(super) fn label(&self) -> String {
        format!("{}.vote{}", self.voter, self.number)
    }
}

/// The winner and what decided.
#[derive(Debug)]
pub(super) struct Winner {
    pub(super) answer: AnswerLabel,
    pub(super) tally: Vec<TallyRow>,
    pub(super) basis: WinnerBasis,
}

/// The final answer.
#[derive(Debug)]
pub(super) struct FinalAnswer {
    pub(super) agent: AgentNo,
    pub(super) content: Arc<str>,
}

/// A model call that has not ended.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub(super) purpose: Purpose,
    /// The round of its agent that it belongs to, by index.
    pub(super) round: Option<usize>,
    pub(super) started_work: RunMillis,
    pub(super) reserved_tokens: u64,
    pub(super) reserved_cost: Option<Usd>,
}

/// What a fold changed, as far as the writers have to be told.
#[derive(Debug, Default)]
pub(super) struct Folded {
    /// Rounds that ended: agent and index of the round.
    pub(super) ended: Vec<(AgentNo, usize)>,
    /// Agents whose part of `status.json` is no longer true.
    pub(super) touched: Vec<AgentNo>,
    /// What the call that ended was for.
    pub(super) purpose: Option<Purpose>,
}

impl RunState {
    /// The folder that holds the files of an answer, for programs; none when the answer has no files.
    pub(super) fn workspace_of(&self, label: AnswerLabel) -> Option<String> {
        let answer = self.answers.get(&label).filter(|answer| answer.snapshot.is_some())?;
        let folder = self.folder.answer_dir(self.id(label.agent), &answer.stamp);
        Some(folder.join(WORKSPACE).display().to_string())
    }

    /// The state after the first event, which must be `RunStarted`.
    pub(super) fn start(folder: RunFolder, envelope: &Envelope) -> Result<Self, ArtifactError> {
        let Event::RunStarted { spec, meta } = &envelope.event else {
            return Err(ArtifactError::NotStarted { kind: envelope.event.kind() });
        };
        let registration = spec.agent_nos();
        let count = registration.len();
        let mut agents: Vec<_> = registration
            .iter()
            .zip(&spec.agents)
            .map(|(no, agent)| AgentState::new(*no, agent, count, envelope.at))
            .collect();
        agents.sort_by_key(|agent| agent.no);
        Ok(Self {
            folder,
            spec: Arc::clone(spec),
            meta: Arc::clone(meta),
            local: LocalTime::new(meta.utc_offset_seconds),
            started: envelope.at,
            started_work: envelope.run_time,
            last: Moment { seq: envelope.seq, at: envelope.at, work: envelope.run_time },
            agents,
            registration,
            revisions: RevisionSet::empty(count),
            answers: BTreeMap::new(),
            votes: Vec::new(),
            notes: BTreeMap::new(),
            calls: BTreeMap::new(),
            iteration: 0,
            end_cause: None,
            winner: None,
            presenter: None,
            final_answer: None,
            made: MadeFiles::default(),
            phase: RunPhase::Running,
        })
    }

    pub(super) fn question(&self) -> &str {
        &self.spec.question
    }

    pub(super) fn agent(&self, no: AgentNo) -> Option<&AgentState> {
        self.agents.get(no.index())
    }

    /// The real id of an agent; `unknown` for a number that the run does not have.
    pub(super) fn id(&self, no: AgentNo) -> &str {
        self.agent(no).map_or("unknown", |agent| &agent.id)
    }

    /// The model that `entry` of the fallback list of agent `no` names.
    pub(super) fn fallback_model(&self, no: AgentNo, entry: u32) -> &str {
        self.spec.fallback(no, entry).map_or("another model", |backend| &backend.model)
    }

    /// What the run was begun with for agent `no`.
    pub(super) fn agent_spec(&self, no: AgentNo) -> Option<&AgentSpec> {
        let position = self.registration.iter().position(|other| *other == no)?;
        self.spec.agents.get(position)
    }

    /// Agents in registration order.
    pub(super) fn registered(&self) -> impl Iterator<Item = &AgentState> {
        self.registration.iter().filter_map(|no| self.agent(*no))
    }

    /// Time at work so far, in seconds with three decimals.
    pub(super) fn elapsed_seconds(&self) -> f64 {
        self.last.work.since(self.started_work).as_secs_f64()
    }

    /// Where an answer is, relative to the attempt directory.
    pub(super) fn answer_path(&self, label: AnswerLabel) -> String {
        let stamp = self.answers.get(&label).map_or("", |answer| &answer.stamp);
        format!("{}/{stamp}/answer.txt", folder_name(self.id(label.agent)))
    }

    /// The newest label of every agent that has an answer.
    pub(super) fn newest_labels(&self) -> Vec<AnswerLabel> {
        self.revisions.labels().collect()
    }

    /// The largest round of any agent: the round of events that belong to none.
    pub(super) fn largest_answer_round(&self) -> u32 {
        self.agents.iter().map(|agent| agent.answer_round).max().unwrap_or(0)
    }

    /// The vote of an agent that counts at this moment.
    pub(super) fn counting_vote(&self, agent: &AgentState) -> Option<&Vote> {
        agent.vote.and_then(|index| self.votes.get(index)).filter(|vote| vote.counts == VoteCounts::Yes)
    }

    /// Votes that count, most first; among equals in registration order. Final once the winner is known.
    pub(super) fn tally(&self) -> Vec<TallyRow> {
        if let Some(winner) = &self.winner {
            return winner.tally.clone();
        }
        let mut counts: BTreeMap<AnswerLabel, u32> = BTreeMap::new();
        for vote in self.agents.iter().filter_map(|agent| self.counting_vote(agent)) {
            *counts.entry(vote.answer).or_default() += 1;
        }
        let place = |label: &AnswerLabel| self.registration.iter().position(|no| *no == label.agent);
        let mut rows: Vec<_> = counts.into_iter().map(|(answer, votes)| TallyRow { answer, votes }).collect();
        rows.sort_by_key(|row| (std::cmp::Reverse(row.votes), place(&row.answer)));
        rows
    }

    /// Whose answer is the result, as far as that is known.
    pub(super) fn winner_agent(&self) -> Option<AgentNo> {
        let selected = self.winner.as_ref().map(|winner| winner.answer.agent);
        self.final_answer.as_ref().map(|answer| answer.agent).or(selected)
    }

    pub(super) fn is_tie(&self) -> bool {
        self.winner.as_ref().is_some_and(|winner| winner.basis == WinnerBasis::Tie)
    }

    /// Money that was spent; `None` when a part of it is unknown.
    pub(super) fn spent_cost(&self) -> Option<Usd> {
        total(self.agents.iter().map(|agent| &agent.cost))
    }

    pub(super) fn spent_tokens(&self) -> u64 {
        self.agents.iter().map(|agent| agent.usage.total()).sum()
    }

    /// Money held back for calls under way; `None` when a part of it is unknown.
    pub(super) fn reserved_cost(&self) -> Option<Usd> {
        let mut reserved = Cost::nothing(Some(()));
        for call in self.calls.values() {
            reserved.add(call.reserved_cost);
        }
        reserved.sum()
    }

    pub(super) fn reserved_tokens(&self) -> u64 {
        self.calls.values().map(|call| call.reserved_tokens).sum()
    }
}

/// What a turn tells its agent.
pub(super) fn news_of(turn: &Turn) -> Option<&News> {
    match turn {
        Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. } => Some(news),
        Turn::Reply { .. } | Turn::Recap { .. } => None,
    }
}

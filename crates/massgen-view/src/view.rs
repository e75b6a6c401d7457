//! The state of a run as a person sees it, folded from its events.

use std::collections::BTreeMap;
use std::sync::Arc;

use massgen_protocol::event::{
    AgentStatus, CallOutcome, EndCause, FinalSource, OutCause, RunOutcome, WinnerBasis,
};
use massgen_protocol::spec::{Budget, FinalAnswerStrategy};
use massgen_protocol::turn::TallyRow;
use massgen_protocol::{
    AgentNo, AnswerLabel, CallId, Delta, DeltaKind, Envelope, Event, MadeFiles, RevisionSet, RunMillis,
    RunSpec, Seq, SnapshotId, Timestamp, TokenUsage, Usd,
};

use crate::agent::{AgentView, VoteView};
use crate::clean::{clean_line, words};
use crate::tool_end::{Trouble, trouble};
use crate::wording;

/// What a run looks like after some prefix of its events. The same prefix gives the same view; [`Delta`]s add what is
/// being written right now and leave nothing behind once their call has ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RunView {
    /// What is run; `None` before the first event.
    pub spec: Option<Arc<RunSpec>>,
    /// The agents in registration order.
    pub agents: Vec<AgentView>,
    /// How far the run is.
    pub phase: Phase,
    /// The last event that was folded in.
    pub last_seq: Seq,
    /// Time at work up to that event.
    pub elapsed: RunMillis,
    /// When the run began.
    pub started_at: Timestamp,
    /// What all finished and cancelled calls used and cost.
    pub spent: Spent,
    /// Why coordination ended, once it has.
    pub end: Option<EndCause>,
    /// The winner, once it is known.
    pub winner: Option<Winner>,
    /// The answer that would have won when the run was interrupted.
    pub best: Option<AnswerLabel>,
    /// Who writes the final answer, and out of what.
    pub presenter: Option<(AgentNo, FinalAnswerStrategy)>,
    /// The final answer.
    pub final_answer: Option<FinalAnswer>,
    /// The files that agents made.
    pub made: MadeFiles,
    /// What works less well than asked for.
    pub notices: Vec<Notice>,
    /// Steering messages so far.
    pub notes: usize,
    /// How often the run was taken up again.
    pub resumes: u32,
    /// How the run ended.
    pub outcome: Option<RunOutcome>,
    /// Entry i is the position in `agents` of the agent with index i.
    positions: Vec<usize>,
    /// The current answers.
    current: RevisionSet,
    /// Calls that are under way, with what is held back for them.
    open: BTreeMap<CallId, Reserved>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has happened.
    #[default]
    Starting,
    /// Agents answer and vote.
    Coordinating,
    /// No more answers or votes; the winner is being chosen.
    Choosing,
    /// The final answer is being written.
    Presenting,
    /// Interrupted; it can be resumed.
    Interrupted,
    /// Over.
    Finished,
}

/// What calls used and cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Spent {
    /// Tokens.
    pub usage: TokenUsage,
    /// The sum of all known costs.
    pub known_cost: Usd,
    /// Calls whose price nobody knows; their cost is not in `known_cost`.
    pub unpriced_calls: u32,
}

impl Spent {
    /// The cost; `None` when the price of a part is unknown.
    pub fn cost(&self) -> Option<Usd> {
        (self.unpriced_calls == 0).then_some(self.known_cost)
    }

    fn add(&mut self, usage: TokenUsage, cost: Option<Usd>) {
        self.usage += usage;
        match cost {
            Some(cost) => self.known_cost += cost,
            None => self.unpriced_calls += 1,
        }
    }
}

/// What is held back from the budget for calls that are under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reserved {
    /// Tokens.
    pub tokens: u64,
    /// Money, as far as prices are known.
    pub cost: Usd,
}

/// The winner of the votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Winner {
    /// The winning answer.
    pub answer: AnswerLabel,
    /// The votes that count, most first.
    pub tally: Vec<TallyRow>,
    /// What decided.
    pub basis: WinnerBasis,
}

/// The result of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalAnswer {
    /// Whose it is.
    pub agent: AgentNo,
    /// The text as the model wrote it. Not cleaned: it goes to files and pipes unchanged, and to terminals only
    /// through [`crate::markdown()`].
    pub content: Arc<str>,
    /// Where it comes from.
    pub source: FinalSource,
    /// The files that belong to it.
    pub snapshot: Option<SnapshotId>,
}

/// Something that works less well than asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What, cleaned, on one line.
    pub message: String,
    /// The agent that it concerns, if one.
    pub agent: Option<AgentNo>,
}

impl RunView {
    /// The view after all of `events`.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Envelope>) -> Self {
        let mut view = Self::default();
        for envelope in events {
            view.apply(envelope);
        }
        view
    }

    /// The agent with number `no`.
    pub fn agent(&self, no: AgentNo) -> Option<&AgentView> {
        self.positions.get(no.index()).and_then(|at| self.agents.get(*at))
    }

    fn agent_mut(&mut self, no: AgentNo) -> Option<&mut AgentView> {
        self.positions.get(no.index()).and_then(|at| self.agents.get_mut(*at))
    }

    /// The id of agent `no`, or its anonymous number if the view does not know it.
    pub fn name(&self, no: AgentNo) -> String {
        self.agent(no).map_or_else(|| no.to_string(), |agent| agent.id.to_string())
    }

    /// The folder that agent `no` works in, if it has one.
    pub(crate) fn workspace(&self, no: AgentNo) -> Option<&str> {
        self.spec.as_ref()?.agent(no)?.workspace.as_deref().map(|workspace| workspace.folder.as_str())
    }

    /// Whether any agent's model is simulated.
    pub fn has_simulated(&self) -> bool {
        self.agents.iter().any(|agent| agent.simulated)
    }

    /// When coordination and presentation must be over, in time at work.
    pub fn deadline(&self) -> Option<RunMillis> {
        self.spec.as_ref().map(|spec| RunMillis::default() + spec.timeouts.orchestrator)
    }

    /// What the run may spend.
    pub fn budget(&self) -> Budget {
        self.spec.as_ref().map(|spec| spec.budget.clone()).unwrap_or_default()
    }

    /// What is held back for calls that are under way.
    pub fn reserved(&self) -> Reserved {
        self.open.values().fold(Reserved::default(), |sum, one| Reserved {
            tokens: sum.tokens.saturating_add(one.tokens),
            cost: sum.cost + one.cost,
        })
    }

    /// Answers of all agents together.
    pub fn answers(&self) -> usize {
        self.agents.iter().map(|agent| usize::try_from(agent.answers).unwrap_or(usize::MAX)).sum()
    }

    /// Whether `vote` counts: what its voter had seen are the current answers.
    pub fn counts(&self, vote: &VoteView) -> bool {
        vote.seen == self.current
    }

    /// Votes that count, most first; the decisive ones once there is a winner.
    pub fn tally(&self) -> Vec<TallyRow> {
        if let Some(winner) = &self.winner {
            return winner.tally.clone();
        }
        let mut votes: BTreeMap<AnswerLabel, u32> = BTreeMap::new();
        for vote in
            self.agents.iter().filter_map(|agent| agent.vote.as_ref()).filter(|vote| self.counts(vote))
        {
            *votes.entry(vote.answer).or_default() += 1;
        }
        let mut rows: Vec<_> = votes.into_iter().map(|(answer, votes)| TallyRow { answer, votes }).collect();
        rows.sort_by(|a, b| b.votes.cmp(&a.votes).then(a.answer.cmp(&b.answer)));
        rows
    }

    /// Takes in a piece of a reply, or how far a tool is. What is of calls that are not under way is too late and changes nothing.
    pub fn apply_delta(&mut self, delta: &Delta) {
        let is_open = self.open.contains_key(&delta.call);
        if let Some(agent) = self.agent_mut(delta.call.agent) {
            match delta.kind {
                DeltaKind::Text | DeltaKind::Reasoning | DeltaKind::ToolArguments if is_open => {
                    agent.hear(delta);
                }
                DeltaKind::ToolProgress if agent.runs_tools_of(delta.call) => agent.hear_tool(delta),
                DeltaKind::Text
                | DeltaKind::Reasoning
                | DeltaKind::ToolArguments
                | DeltaKind::ToolProgress => {}
            }
        }
    }

    /// Takes in the next event. An event that was taken in before changes nothing, so a frontend may subscribe again
    /// from any earlier number.
    pub fn apply(&mut self, envelope: &Envelope) {
        if envelope.seq <= self.last_seq {
            return;
        }
        self.last_seq = envelope.seq;
        self.elapsed = self.elapsed.max(envelope.run_time);
        self.made.fold(&envelope.event);
        match &envelope.event {
            Event::RunStarted { spec, meta: _ } => self.start(spec, envelope.at),
            Event::RunResumed => {
                self.resumes += 1;
                self.phase = self.phase_of_progress();
                self.agents.iter_mut().for_each(AgentView::stop_hearing);
            }
            Event::RunInterrupted { best } => {
                self.best = *best;
                self.phase = Phase::Interrupted;
                self.agents.iter_mut().for_each(AgentView::stop_hearing);
            }
            Event::NoteReceived { .. } => self.notes += 1,
            Event::CoordinationEnded { cause } => {
                self.end = Some(*cause);
                self.phase = Phase::Choosing;
            }
            Event::WinnerSelected { answer, tally, basis } => {
                self.winner = Some(Winner { answer: *answer, tally: tally.clone(), basis: *basis });
            }
            Event::PresentationStarted { presenter, strategy } => {
                self.presenter = Some((*presenter, *strategy));
                self.phase = Phase::Presenting;
            }
            Event::FinalAnswerReady { agent, content, source, snapshot } => {
                self.final_answer = Some(FinalAnswer {
                    agent: *agent,
                    content: Arc::clone(content),
                    source: *source,
                    snapshot: snapshot.clone(),
                });
            }
            Event::RunFinished { outcome } => {
                self.outcome = Some(*outcome);
                self.phase = Phase::Finished;
                self.agents.iter_mut().for_each(AgentView::stop_hearing);
            }
            Event::Degraded { message, agent } => {
                self.notices.push(Notice { message: clean_line(message), agent: *agent });
            }
            Event::ModelCallStarted { call, reserved_tokens, reserved_cost, purpose: _ } => {
                let cost = reserved_cost.unwrap_or_default();
                self.open.insert(*call, Reserved { tokens: *reserved_tokens, cost });
                self.of_agent(call.agent, AgentView::stop_hearing);
            }
            Event::ModelCallFinished { call, outcome } => self.settle(*call, outcome),
            Event::AnswerAccepted { label, content, seen: _, snapshot: _ } => {
                self.current.include(*label);
                self.of_agent(label.agent, |agent| {
                    agent.answers = label.revision;
                    agent.latest = Some(*label);
                    agent.latest_words = words(content);
                    agent.say(&crate::clean::first_line(content));
                });
            }
            Event::VoteCast { voter, answer, reason, seen } => {
                let vote = VoteView { answer: *answer, reason: clean_line(reason), seen: seen.clone() };
                self.of_agent(*voter, |agent| {
                    if !vote.reason.is_empty() {
                        agent.say(&vote.reason);
                    }
                    agent.vote = Some(vote);
                });
            }
            Event::ExecutionStarted { agent, execution, .. } => {
                self.of_agent(*agent, |agent| {
                    agent.execution = *execution;
                    agent.limit = None;
                });
            }
            Event::ModelCallRetried { call, kind, message, .. } => {
                self.of_agent(call.agent, |agent| {
                    agent.stop_hearing();
                    agent.retries += 1;
                    agent.say(&format!("{kind}: {message}"));
                });
            }
            Event::ServiceReported { call, service, report } => {
                self.of_agent(call.agent, |agent| agent.say(&report.line(&clean_line(service))));
            }
            Event::ToolCallStarted { tool_use, tool_call } => {
                self.of_agent(tool_use.call.agent, |agent| {
                    agent.start_tool(*tool_use);
                    agent.say(&format!("runs {}", tool_call.name));
                });
            }
            Event::ToolCallFinished { tool_use, outcome, duration: _, decisions } => {
                let no = tool_use.call.agent;
                let trouble = trouble(outcome, decisions, self.workspace(no));
                self.of_agent(no, |agent| {
                    agent.end_tool(*tool_use);
                    if let Some(Trouble { text, cause }) = trouble {
                        let colon = if cause.is_empty() { "" } else { ": " };
                        agent.say(&format!("{text}{colon}{cause}"));
                    }
                });
            }
            Event::ToolCallAsked { tool_use, asking } => {
                let line = asking.line().unwrap_or_else(|| "goes on with its tool".to_owned());
                self.of_agent(tool_use.call.agent, |agent| agent.say(&line));
            }
            Event::VoteIgnored { voter, .. } => {
                self.of_agent(*voter, |agent| {
                    agent.say("its vote came too late: there are newer answers");
                });
            }
            Event::SubmissionRefused { agent, refusal, .. } => {
                let why = wording::refusal(refusal);
                self.of_agent(*agent, |agent| {
                    agent.refusals += 1;
                    agent.say(&why);
                });
            }
            Event::NoDecision { agent, .. } => self.of_agent(*agent, |agent| agent.undecided += 1),
            Event::RoundLimitReached { agent, limit } => {
                self.of_agent(*agent, |agent| agent.limit = Some(*limit));
            }
            Event::AgentStateChanged { agent, state } => self.of_agent(*agent, |agent| {
                if let AgentStatus::Out { cause: OutCause::ModelFailed { failure } } = state {
                    agent.failure = Some(clean_line(&failure.to_string()));
                }
                agent.status = state.clone();
            }),
            Event::FallbackTaken { agent, entry, failure } => {
                let spec = self.spec.clone();
                self.of_agent(*agent, |view| {
                    view.failure = Some(clean_line(&failure.to_string()));
                    if let Some(backend) = spec.as_ref().and_then(|spec| spec.fallback(*agent, *entry)) {
                        view.take_model(backend);
                    }
                });
            }
            Event::SnapshotStarted { call } => {
                self.of_agent(call.agent, |agent| agent.say("keeps its files"));
            }
            Event::PromptExtended { .. }
            | Event::ConversationCompacted { .. }
            | Event::SnapshotFinished { .. } => {}
        }
    }

    fn of_agent(&mut self, no: AgentNo, change: impl FnOnce(&mut AgentView)) {
        if let Some(agent) = self.agent_mut(no) {
            change(agent);
        }
    }

    fn start(&mut self, spec: &Arc<RunSpec>, at: Timestamp) {
        let numbers = spec.agent_nos();
        self.positions = vec![0; numbers.len()];
        for (position, no) in numbers.iter().enumerate() {
            if let Some(slot) = self.positions.get_mut(no.index()) {
                *slot = position;
            }
        }
        self.agents =
            spec.agents.iter().zip(&numbers).map(|(agent, no)| AgentView::new(*no, agent)).collect();
        self.current = RevisionSet::empty(numbers.len());
        self.spec = Some(Arc::clone(spec));
        self.started_at = at;
        self.phase = Phase::Coordinating;
    }

    fn settle(&mut self, call: CallId, outcome: &CallOutcome) {
        self.open.remove(&call);
        let spent = match outcome {
            CallOutcome::Replied { reply, cost } => Some((reply.usage, *cost)),
            CallOutcome::Cancelled { usage, cost } => Some((*usage, *cost)),
            CallOutcome::Failed { .. } => None,
        };
        if let Some((usage, cost)) = spent {
            self.spent.add(usage, cost);
        }
        self.of_agent(call.agent, |agent| {
            agent.stop_hearing();
            if let Some((usage, cost)) = spent {
                agent.spent.add(usage, cost);
            }
            match outcome {
                CallOutcome::Replied { reply, .. } => agent.say_reply(reply),
                CallOutcome::Failed { failure } => {
                    agent.failed_calls += 1;
                    let text = clean_line(&failure.to_string());
                    agent.say(&text);
                    agent.failure = Some(text);
                }
                CallOutcome::Cancelled { .. } => {}
            }
        });
    }

    /// The phase that what is known implies, for a run that goes on after an interrupt.
    fn phase_of_progress(&self) -> Phase {
        if self.outcome.is_some() {
            Phase::Finished
        } else if self.presenter.is_some() {
            Phase::Presenting
        } else if self.end.is_some() {
            Phase::Choosing
        } else {
            Phase::Coordinating
        }
    }
}

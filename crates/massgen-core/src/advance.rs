//! The second half of a step: every consequence of the state, drawn until there is none left.

use std::sync::Arc;

use massgen_protocol::event::{AgentStatus, EndCause, Occasion, OutCause, RoundLimit, WaitCause};
use massgen_protocol::message::{FailureKind, ModelFailure};
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::turn::News;
use massgen_protocol::{AgentNo, Event, RunMillis};

use crate::decide::opening_directive;
use crate::draft::Draft;
use crate::effect::{Effect, Open};
use crate::record::{Input, record};
use crate::schedule::{FirstAnswers, Readiness, end_of_coordination, first_answers, readiness};
use crate::state::{Agent, AgentState, Aim, Phase, State, WorkStep};

/// A state, and the events that led to it.
#[derive(Debug, Clone)]
pub struct Step {
    /// The state after the events.
    pub state: State,
    /// What happened, in order; to be stored with the time that was passed in.
    pub events: Vec<Event>,
    /// What the world has to do now, once the events are stored.
    pub effects: Vec<Effect>,
}

/// Begins a run: its state, and its first event.
pub fn begin(spec: Arc<RunSpec>, meta: Arc<RunMeta>, now: RunMillis) -> (State, Event) {
    (State::started(&spec, &meta, now), Event::RunStarted { spec, meta })
}

/// Draws every consequence of the state, until there is none left.
///
/// Changes `state` and returns the events that did.
pub fn advance(state: &mut State, now: RunMillis) -> Vec<Event> {
    let mut draft = Draft::new(state, now);
    if !draft.state.interrupted {
        while draft.advance_once() {}
        draft.announce_changes();
    }
    draft.events
}

/// [`record`] and [`advance`] in one, as a pure function from state to state.
pub fn step(state: &State, now: RunMillis, input: Input) -> Step {
    let before = Open::wanted(state);
    let mut state = state.clone();
    let mut events = record(&mut state, now, input);
    events.extend(advance(&mut state, now));
    let effects = before.effects_towards(&Open::wanted(&state));
    Step { state, events, effects }
}

impl Draft<'_> {
    /// Draws one consequence. Returns whether there was one.
    fn advance_once(&mut self) -> bool {
        if self.state.phase != Phase::Coordinating {
            return self.advance_after_coordination();
        }
        let mut changed = false;
        for index in 0..self.state.agents.len() {
            changed |= self.advance_agent(AgentNo::from_index(index));
        }
        if changed {
            return true;
        }
        if let Some(cause) = end_of_coordination(self.state) {
            self.emit(Event::CoordinationEnded { cause });
            return true;
        }
        let mut outstanding = first_answers(self.state);
        for index in 0..self.state.agents.len() {
            if self.schedule(AgentNo::from_index(index), outstanding) {
                // Who began just now may be at its first answer.
                outstanding = first_answers(self.state);
                changed = true;
            }
        }
        changed || self.end_if_unaffordable()
    }

    /// Takes one working agent on by one step. Returns whether anything changed.
    fn advance_agent(&mut self, no: AgentNo) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let AgentState::Working(work) = &agent.state else {
            return false;
        };
        let must_be_cut = work.limit >= Some(RoundLimit::Hard) && work.told < Some(RoundLimit::Hard);
        match work.step.clone() {
            WorkStep::Deciding { call } => match work.aim {
                Aim::Decision => self.decide(no, call),
                Aim::Summary => self.take_summary(no, call),
            },
            WorkStep::Failed { failure } => self.give_up_call(no, failure),
            WorkStep::Calling { .. } | WorkStep::Tools { .. } if must_be_cut => self.cut_off(no),
            WorkStep::Ready if must_be_cut => {
                let news = News { directive: self.state.due_directive(no), ..News::default() };
                self.tell(no, news, Occasion::Limit);
            }
            WorkStep::Tools { call, open } => return self.start_more_tools(no, call, open.len()),
            WorkStep::Ready | WorkStep::Calling { .. } | WorkStep::Keeping { .. } => return false,
        }
        true
    }

    /// A conversation that has outgrown its window is made shorter or begins afresh; after every other failure the next
    /// model takes over, and without one the agent is out.
    fn give_up_call(&mut self, no: AgentNo, failure: ModelFailure) {
        if self.fall_back(no, &failure) {
            return;
        }
        let has_history = self.state.agent(no).is_some_and(|agent| !agent.replies.is_empty());
        if failure.kind != FailureKind::ContextOverflow || !has_history {
            self.drop_out(no, OutCause::ModelFailed { failure });
        } else if !self.drop_results(no) {
            self.begin_afresh(no);
        }
    }

    /// Lets the next model of the agent's list take over, if another model may succeed and there is one.
    pub(crate) fn fall_back(&mut self, no: AgentNo, failure: &ModelFailure) -> bool {
        let entry = self.state.agent(no).map_or(0, |agent| agent.fallback) + 1;
        if !failure.kind.concerns_the_model() || self.state.spec.fallback(no, entry).is_none() {
            return false;
        }
        self.emit(Event::FallbackTaken { agent: no, entry, failure: failure.clone() });
        true
    }

    /// Starts an execution or a call if the time has come. Returns whether anything changed.
    fn schedule(&mut self, no: AgentNo, first_answers: FirstAnswers) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        match readiness(self.state, agent, first_answers) {
            Readiness::Start => {
                let directive = opening_directive(self.state, agent);
                self.start_execution(no, None, directive, Occasion::ExecutionStart);
                true
            }
            Readiness::HeldByFairness => {
                // A vote stays a vote while its voter is held back.
                let parks = match agent.state {
                    AgentState::Answered => true,
                    AgentState::Waiting { on } => on != WaitCause::SlowerPeers,
                    AgentState::Working(_)
                    | AgentState::Voted(_)
                    | AgentState::Presenting(_)
                    | AgentState::Out { .. }
                    | AgentState::Done => false,
                };
                if parks {
                    self.park(no, WaitCause::SlowerPeers);
                }
                parks
            }
            Readiness::Nothing => {
                let is_ready = |agent: &Agent| match &agent.state {
                    AgentState::Working(work) => work.step == WorkStep::Ready,
                    AgentState::Waiting { .. }
                    | AgentState::Answered
                    | AgentState::Voted(_)
                    | AgentState::Presenting(_)
                    | AgentState::Out { .. }
                    | AgentState::Done => false,
                };
                is_ready(agent) && self.start_call(no)
            }
        }
    }

    /// When calls are held back by the budget and none is under way that could free some of it, that is the end.
    fn end_if_unaffordable(&mut self) -> bool {
        let steps = || self.state.agents.iter().filter_map(|agent| Some(&agent.work()?.step));
        let held_back = steps().any(|step| *step == WorkStep::Ready);
        let under_way = steps().any(|step| {
            matches!(step, WorkStep::Calling { .. } | WorkStep::Tools { .. } | WorkStep::Keeping { .. })
        });
        if !held_back || under_way {
            return false;
        }
        self.emit(Event::CoordinationEnded { cause: EndCause::Budget });
        true
    }

    /// Ends all executions, at the end of coordination.
    pub(crate) fn cut_off_everything(&mut self) {
        for no in self.working_agents() {
            self.cut_off(no);
            self.emit(Event::AgentStateChanged { agent: no, state: AgentStatus::Done });
        }
    }

    /// Tells observers of every state that they have not been told of.
    pub(crate) fn announce_changes(&mut self) {
        let changed: Vec<(AgentNo, AgentStatus)> = self
            .state
            .agents
            .iter()
            .map(|agent| (agent, agent.status()))
            .filter(|(agent, status)| agent.announced != *status)
            .map(|(agent, status)| (agent.no, status))
            .collect();
        for (agent, state) in changed {
            self.emit(Event::AgentStateChanged { agent, state });
        }
    }
}

//! The two halves of a step: record what happened, then draw every consequence.

use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::event::{
    AgentStatus, CallOutcome, Conversation, EndCause, Occasion, OutCause, RoundLimit, WaitCause,
};
use massgen_protocol::message::{FailureKind, ModelFailure, Purpose, Reply, ToolOutcome};
use massgen_protocol::spec::{Continuation, PeerUpdates, RunMeta, RunSpec};
use massgen_protocol::turn::{Directive, News, Turn};
use massgen_protocol::{AgentNo, CallId, Command, Event, NoteId, RunMillis, ToolUse, limits};

use crate::decide::opening_directive;
use crate::effect::{Effect, Open};
use crate::schedule::{Readiness, end_of_coordination, readiness};
use crate::state::{Agent, AgentState, Phase, State, WorkStep};
use crate::tally::{Ending, select};
use crate::timer::Timer;

/// Something that happened outside.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A model replied.
    ModelReplied {
        /// To which call.
        call: CallId,
        /// What.
        reply: Arc<Reply>,
    },
    /// A model call failed for good.
    ModelFailed {
        /// Which.
        call: CallId,
        /// How.
        failure: ModelFailure,
    },
    /// A request of a model call failed and will be sent again.
    ModelRetrying {
        /// Which call.
        call: CallId,
        /// Which request failed, from 1.
        attempt: u32,
        /// The class of the failure.
        kind: FailureKind,
        /// What was said.
        message: String,
        /// Wait before the next request.
        delay: Duration,
    },
    /// A work tool ended.
    ToolFinished {
        /// Which.
        tool_use: ToolUse,
        /// How.
        outcome: ToolOutcome,
        /// How long it ran.
        duration: Duration,
    },
    /// A deadline was reached.
    TimerFired(Timer),
    /// Somebody asks for something.
    Command(Command),
    /// A process takes the run up again.
    Resumed,
}

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
    (
        State::started(&spec, &meta, now),
        Event::RunStarted { spec, meta },
    )
}

/// Records `input` as the fact that it is, without interpreting it. Inputs that are no longer wanted (a reply to a call
/// that was cut off, a timer of an execution that is over) leave no event.
///
/// Changes `state` and returns the events that did.
pub fn record(state: &mut State, now: RunMillis, input: Input) -> Vec<Event> {
    let mut draft = Draft::new(state, now);
    draft.record(input);
    draft.events
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
    Step {
        state,
        events,
        effects,
    }
}

/// A state under change, and the events that change it.
pub(crate) struct Draft<'a> {
    pub(crate) state: &'a mut State,
    now: RunMillis,
    events: Vec<Event>,
}

impl<'a> Draft<'a> {
    fn new(state: &'a mut State, now: RunMillis) -> Self {
        // Time at work never goes back, whatever the caller's clock does.
        let now = now.max(state.now);
        Self {
            state,
            now,
            events: Vec::new(),
        }
    }

    pub(crate) fn emit(&mut self, event: Event) {
        self.state.apply(&event, self.now);
        self.events.push(event);
    }

    fn record(&mut self, input: Input) {
        match input {
            Input::ModelReplied { call, reply } if self.is_calling(call) => {
                let cost = self.state.cost_of(call.agent, &reply);
                self.emit(Event::ModelCallFinished {
                    call,
                    outcome: CallOutcome::Replied { reply, cost },
                });
            }
            Input::ModelFailed { call, failure } if self.is_calling(call) => {
                self.emit(Event::ModelCallFinished {
                    call,
                    outcome: CallOutcome::Failed { failure },
                });
            }
            Input::ModelRetrying {
                call,
                attempt,
                kind,
                message,
                delay,
            } if self.is_calling(call) => {
                self.emit(Event::ModelCallRetried {
                    call,
                    attempt,
                    kind,
                    message,
                    delay,
                });
            }
            Input::ModelReplied { .. } | Input::ModelFailed { .. } | Input::ModelRetrying { .. } => {}
            Input::ToolFinished {
                tool_use,
                outcome,
                duration,
            } => {
                if self.is_running(tool_use) {
                    self.emit(Event::ToolCallFinished {
                        tool_use,
                        outcome,
                        duration,
                    });
                }
            }
            Input::TimerFired(timer) => self.record_timer(timer),
            Input::Command(command) => self.record_command(command),
            Input::Resumed => self.record_resume(),
        }
    }

    fn record_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Coordination | Timer::Run => {
                if timer == Timer::Coordination && !self.state.has_answers() {
                    let message =
                        "the deadline is near and nobody has answered: agents are asked for an answer now";
                    self.emit(Event::Degraded {
                        message: message.to_owned(),
                        agent: None,
                    });
                    for no in self.working_agents() {
                        self.emit(Event::RoundLimitReached {
                            agent: no,
                            limit: RoundLimit::Hard,
                        });
                    }
                } else if self.state.phase == Phase::Coordinating {
                    self.emit(Event::CoordinationEnded {
                        cause: EndCause::Deadline,
                    });
                } else if let Phase::Won {
                    answer,
                    presentation: Some(_),
                    ..
                } = self.state.phase.clone()
                {
                    self.cut_off(answer.agent);
                    self.finish_with_stored(answer, massgen_protocol::event::FinalSource::StoredAsFallback);
                }
            }
            Timer::Round {
                agent,
                execution,
                limit,
            } => {
                let is_current = self.state.agent(agent).and_then(Agent::work).is_some_and(|work| {
                    work.execution == execution && (work.limit < Some(limit) || limit == RoundLimit::Final)
                });
                if !is_current {
                    return;
                }
                if limit == RoundLimit::Final {
                    self.cut_off(agent);
                }
                self.emit(Event::RoundLimitReached { agent, limit });
            }
        }
    }

    fn record_command(&mut self, command: Command) {
        match command {
            Command::Interrupt => {
                let is_running =
                    !self.state.interrupted && !matches!(self.state.phase, Phase::Finished { .. });
                if is_running {
                    let best = select(self.state, Ending::CutShort).map(|selection| selection.answer);
                    self.emit(Event::RunInterrupted { best });
                }
            }
            Command::AnswerNow => {
                for no in self.working_agents() {
                    if self
                        .state
                        .agent(no)
                        .and_then(Agent::work)
                        .is_some_and(|work| work.limit.is_none())
                    {
                        self.emit(Event::RoundLimitReached {
                            agent: no,
                            limit: RoundLimit::Soft,
                        });
                    }
                }
            }
            Command::Steer(note) => {
                let pending = self
                    .state
                    .agents
                    .iter()
                    .map(|agent| self.state.undelivered_notes(agent).len())
                    .max();
                if pending.unwrap_or(0) >= limits::PENDING_NOTES || note.content.len() > limits::NOTE_BYTES {
                    let message =
                        "a steering message was dropped: it is too long, or too many wait for delivery";
                    return self.emit(Event::Degraded {
                        message: message.to_owned(),
                        agent: None,
                    });
                }
                let id = NoteId(
                    u32::try_from(self.state.notes.len())
                        .unwrap_or(u32::MAX)
                        .saturating_add(1),
                );
                self.emit(Event::NoteReceived { id, note });
            }
        }
    }

    /// Calls under way are simply made again; whether a tool has run nobody knows, and the model is told so.
    fn record_resume(&mut self) {
        self.emit(Event::RunResumed);
        for tool_use in Open::wanted(self.state).tools {
            let outcome = ToolOutcome::Unknown;
            self.emit(Event::ToolCallFinished {
                tool_use,
                outcome,
                duration: Duration::ZERO,
            });
        }
    }

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
        for index in 0..self.state.agents.len() {
            changed |= self.schedule(AgentNo::from_index(index));
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
            WorkStep::Deciding { call } => self.decide(no, call),
            WorkStep::Failed { failure } => self.give_up_call(no, failure),
            WorkStep::Calling { .. } | WorkStep::Tools { .. } if must_be_cut => self.cut_off(no),
            WorkStep::Ready if must_be_cut => {
                let news = News {
                    directive: self.due_directive(no),
                    ..News::default()
                };
                self.tell(no, news, Occasion::Limit);
            }
            WorkStep::Ready | WorkStep::Calling { .. } | WorkStep::Tools { .. } => return false,
        }
        true
    }

    /// A conversation that has outgrown its window begins afresh; every other failure ends the agent.
    fn give_up_call(&mut self, no: AgentNo, failure: ModelFailure) {
        let has_history = self
            .state
            .agent(no)
            .is_some_and(|agent| !agent.replies.is_empty());
        if failure.kind == FailureKind::ContextOverflow && has_history {
            let directive = self
                .state
                .agent(no)
                .and_then(|agent| opening_directive(self.state, agent));
            self.start_execution(no, Some(Conversation::Fresh), directive, Occasion::ExecutionStart);
        } else {
            self.drop_out(no, OutCause::ModelFailed { failure });
        }
    }

    /// Starts an execution or a call if the time has come. Returns whether anything changed.
    fn schedule(&mut self, no: AgentNo) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        match readiness(self.state, agent) {
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
                is_ready(agent) && self.start_call(no, Purpose::Coordinate)
            }
        }
    }

    /// When calls are held back by the budget and none is under way that could free some of it, that is the end.
    fn end_if_unaffordable(&mut self) -> bool {
        let steps = || {
            self.state
                .agents
                .iter()
                .filter_map(|agent| Some(&agent.work()?.step))
        };
        let held_back = steps().any(|step| *step == WorkStep::Ready);
        let under_way = steps().any(|step| matches!(step, WorkStep::Calling { .. } | WorkStep::Tools { .. }));
        if !held_back || under_way {
            return false;
        }
        self.emit(Event::CoordinationEnded {
            cause: EndCause::Budget,
        });
        true
    }

    /// Begins an execution of `no`: its conversation goes on or begins afresh, with everything that it has not seen.
    pub(crate) fn start_execution(
        &mut self,
        no: AgentNo,
        conversation: Option<Conversation>,
        directive: Option<Directive>,
        occasion: Occasion,
    ) {
        let Some(agent) = self.state.agent(no) else { return };
        let conversation = conversation.unwrap_or_else(|| self.conversation_for(agent));
        let execution = agent.executions + 1;
        let round = agent.answer_count();
        self.emit(Event::ExecutionStarted {
            agent: no,
            execution,
            round,
            conversation,
        });
        match conversation {
            Conversation::Continued => {
                let news = self.unseen_news(no, directive);
                self.tell(no, news, occasion);
            }
            Conversation::Fresh => {
                let Some(agent) = self.state.agent(no) else { return };
                let news = News {
                    answers: self.state.revisions.labels().collect(),
                    notes: self.state.notes_for(agent).collect(),
                    directive,
                };
                self.emit(Event::PromptExtended {
                    agent: no,
                    turn: Turn::Opening(news),
                    occasion,
                });
            }
        }
    }

    fn conversation_for(&self, agent: &Agent) -> Conversation {
        let options = &self.state.spec.orchestration;
        let restart_for_updates = options.peer_updates == PeerUpdates::AtRestart
            && self.state.revisions.newer_than(&agent.seen).next().is_some();
        let window = self
            .state
            .agent_spec(agent.no)
            .map_or(0, |spec| spec.backend.assumed_context_window());
        match options.continuation {
            Continuation::Auto { share_per_mille } => {
                let room = window.saturating_mul(u64::from(share_per_mille)) / 1000;
                let fits = agent.context.likely_tokens() <= room;
                if agent.conversation.is_empty() || restart_for_updates || !fits {
                    Conversation::Fresh
                } else {
                    Conversation::Continued
                }
            }
            Continuation::Fresh => Conversation::Fresh,
        }
    }

    /// Starts the next model call of `no` if the budget allows. Returns whether it did.
    pub(crate) fn start_call(&mut self, no: AgentNo, purpose: Purpose) -> bool {
        let Some(agent) = self.state.agent(no) else {
            return false;
        };
        let worst = self.state.worst_case(agent);
        if !self.state.fits_budget(worst) {
            return false;
        }
        let call = CallId {
            agent: no,
            number: agent.calls + 1,
        };
        self.emit(Event::ModelCallStarted {
            call,
            purpose,
            reserved_tokens: worst.tokens,
            reserved_cost: worst.cost,
        });
        true
    }

    pub(crate) fn park(&mut self, no: AgentNo, on: WaitCause) {
        self.emit(Event::AgentStateChanged {
            agent: no,
            state: AgentStatus::Waiting { on },
        });
    }

    pub(crate) fn drop_out(&mut self, no: AgentNo, cause: OutCause) {
        self.emit(Event::AgentStateChanged {
            agent: no,
            state: AgentStatus::Out { cause },
        });
    }

    /// Ends whatever `no` has under way: calls are settled by estimate, tools are told as cut off.
    pub(crate) fn cut_off(&mut self, no: AgentNo) {
        let Some(agent) = self.state.agent(no) else { return };
        match agent.work().map(|work| work.step.clone()) {
            Some(WorkStep::Calling { call }) => {
                let (usage, cost) = self.state.cut_off_usage(agent);
                self.emit(Event::ModelCallFinished {
                    call,
                    outcome: CallOutcome::Cancelled { usage, cost },
                });
            }
            Some(WorkStep::Tools { open, .. }) => {
                for tool_use in open {
                    let outcome = ToolOutcome::CutOff;
                    self.emit(Event::ToolCallFinished {
                        tool_use,
                        outcome,
                        duration: Duration::ZERO,
                    });
                }
            }
            Some(WorkStep::Ready | WorkStep::Deciding { .. } | WorkStep::Failed { .. }) | None => {}
        }
    }

    /// Ends all executions, at the end of coordination.
    pub(crate) fn cut_off_everything(&mut self) {
        for no in self.working_agents() {
            self.cut_off(no);
            self.emit(Event::AgentStateChanged {
                agent: no,
                state: AgentStatus::Done,
            });
        }
    }

    fn announce_changes(&mut self) {
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

    fn working_agents(&self) -> Vec<AgentNo> {
        let is_working = |agent: &&Agent| matches!(agent.state, AgentState::Working(_));
        self.state
            .agents
            .iter()
            .filter(is_working)
            .map(|agent| agent.no)
            .collect()
    }

    fn is_calling(&self, call: CallId) -> bool {
        let step = self
            .state
            .agent(call.agent)
            .and_then(Agent::work)
            .map(|work| &work.step);
        step == Some(&WorkStep::Calling { call })
    }

    fn is_running(&self, tool_use: ToolUse) -> bool {
        match self
            .state
            .agent(tool_use.call.agent)
            .and_then(Agent::work)
            .map(|work| &work.step)
        {
            Some(WorkStep::Tools { open, .. }) => open.contains(&tool_use),
            Some(
                WorkStep::Ready
                | WorkStep::Calling { .. }
                | WorkStep::Deciding { .. }
                | WorkStep::Failed { .. },
            )
            | None => false,
        }
    }
}

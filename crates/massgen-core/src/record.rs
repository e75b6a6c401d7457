//! The first half of a step: what happened outside, written down as the fact that it is.

use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::event::{CallOutcome, EndCause, FinalSource, RoundLimit};
use massgen_protocol::message::{
    Asking, FailureKind, ModelFailure, NotRunCause, Reply, ToolDecision, ToolOutcome,
};
use massgen_protocol::workspace::left_out_words;
use massgen_protocol::{
    AgentNo, AnswerLabel, CallId, Command, Event, NoteId, Notice, RunMillis, ServiceReport, SnapshotOutcome,
    TokenUsage, ToolUse, Usd, limits,
};

use crate::draft::Draft;
use crate::effect::Open;
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
    /// A model call is held back, or what is known of its service changed.
    ServiceReported {
        /// Which call tells it.
        call: CallId,
        /// The model and the host, for people.
        service: String,
        /// What.
        report: ServiceReport,
    },
    /// A work tool ended.
    ToolFinished {
        /// Which.
        tool_use: ToolUse,
        /// How.
        outcome: ToolOutcome,
        /// How long it ran.
        duration: Duration,
        /// What was decided on what it wanted.
        decisions: Vec<ToolDecision>,
    },
    /// A work tool asks a person, still does, or asks no longer.
    ToolAsks {
        /// Which.
        tool_use: ToolUse,
        /// How it stands with the question.
        asking: Asking,
    },
    /// What a workspace holds was kept, or could not be.
    SnapshotFinished {
        /// The call whose reply submits an answer.
        call: CallId,
        /// What became of it.
        outcome: SnapshotOutcome,
    },
    /// The files that an agent starts from could not be put into its workspace, so its call was not made.
    FilesNotRestored {
        /// The call.
        call: CallId,
        /// Why, for people.
        message: String,
    },
    /// A deadline was reached.
    TimerFired(Timer),
    /// Somebody asks for something.
    Command(Command),
    /// A process takes the run up again.
    Resumed,
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

impl Draft<'_> {
    fn record(&mut self, input: Input) {
        match input {
            Input::ModelReplied { call, reply } if self.is_calling(call) => {
                let cost = self.state.cost_of(call.agent, &reply);
                self.emit(Event::ModelCallFinished { call, outcome: CallOutcome::Replied { reply, cost } });
            }
            Input::ModelFailed { call, failure } if self.is_calling(call) => {
                self.emit(Event::ModelCallFinished { call, outcome: CallOutcome::Failed { failure } });
            }
            Input::ModelRetrying { call, attempt, kind, message, delay } if self.is_calling(call) => {
                self.emit(Event::ModelCallRetried { call, attempt, kind, message, delay });
            }
            Input::ServiceReported { call, service, report } if self.is_calling(call) => {
                self.emit(Event::ServiceReported { call, service, report });
            }
            Input::ModelReplied { .. }
            | Input::ModelFailed { .. }
            | Input::ModelRetrying { .. }
            | Input::ServiceReported { .. } => {}
            Input::ToolFinished { tool_use, outcome, duration, decisions } => {
                if self.state.agent(tool_use.call.agent).is_some_and(|agent| agent.is_running(tool_use)) {
                    self.emit(Event::ToolCallFinished { tool_use, outcome, duration, decisions });
                }
            }
            Input::ToolAsks { tool_use, asking } => {
                if self.state.agent(tool_use.call.agent).is_some_and(|agent| agent.is_running(tool_use)) {
                    self.emit(Event::ToolCallAsked { tool_use, asking });
                }
            }
            Input::SnapshotFinished { call, outcome } => {
                if self.is_at(call.agent, &WorkStep::Keeping { call }) {
                    self.record_snapshot(call, outcome);
                }
            }
            Input::FilesNotRestored { call, message } => {
                if self.is_calling(call) {
                    self.record_not_restored(call, &message);
                }
            }
            Input::TimerFired(timer) => self.record_timer(timer),
            Input::Command(command) => self.record_command(command),
            Input::Resumed => self.record_resume(),
        }
    }

    fn record_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Coordination | Timer::Run => self.record_deadline(timer),
            Timer::Round { agent, execution, limit } => {
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

    /// A deadline that was reached while the run left the phase that it is for says nothing.
    fn record_deadline(&mut self, timer: Timer) {
        match self.state.phase.clone() {
            Phase::Coordinating if timer == Timer::Coordination && !self.state.has_answers() => {
                let message =
                    "the deadline is near and nobody has answered: agents are asked for an answer now";
                self.emit(Event::Degraded { message: message.to_owned(), agent: None });
                for no in self.working_agents() {
                    self.emit(Event::RoundLimitReached { agent: no, limit: RoundLimit::Hard });
                }
            }
            Phase::Coordinating => self.emit(Event::CoordinationEnded { cause: EndCause::Deadline }),
            Phase::Won { answer, presentation: Some(_), .. } if timer == Timer::Run => {
                self.cut_off(answer.agent);
                self.finish_with_stored(answer, FinalSource::StoredAsFallback);
            }
            Phase::Ended { .. } | Phase::Won { .. } | Phase::Final | Phase::Finished { .. } => {}
        }
    }

    fn record_command(&mut self, command: Command) {
        match command {
            Command::Interrupt => {
                let is_running =
                    !self.state.interrupted && !matches!(self.state.phase, Phase::Finished { .. });
                if is_running {
                    let best = self.best_answer();
                    self.emit(Event::RunInterrupted { best });
                }
            }
            Command::AnswerNow => {
                for no in self.working_agents() {
                    if self.state.agent(no).and_then(Agent::work).is_some_and(|work| work.limit.is_none()) {
                        self.emit(Event::RoundLimitReached { agent: no, limit: RoundLimit::Soft });
                    }
                }
            }
            Command::Report(Notice { message, agent }) => {
                let known = self.state.agents.iter().find(|known| Some(&known.id) == agent.as_ref());
                let agent = known.map(Agent::no);
                if !matches!(self.state.phase, Phase::Finished { .. }) {
                    self.emit(Event::Degraded { message, agent });
                }
            }
            Command::Steer(note) => {
                // Who takes no further part is told nothing more, and holds nobody up.
                let listens = |agent: &&Agent| match agent.state {
                    AgentState::Out { .. } | AgentState::Done => false,
                    AgentState::Waiting { .. }
                    | AgentState::Working(_)
                    | AgentState::Answered
                    | AgentState::Voted(_)
                    | AgentState::Presenting(_) => true,
                };
                let listeners = self.state.agents.iter().filter(listens);
                let pending = listeners.map(|agent| self.state.undelivered_notes(agent).len()).max();
                if pending.unwrap_or(0) >= limits::PENDING_NOTES || note.content.len() > limits::NOTE_BYTES {
                    let message =
                        "a steering message was dropped: it is too long, or too many wait for delivery";
                    return self.emit(Event::Degraded { message: message.to_owned(), agent: None });
                }
                let id = NoteId(u32::try_from(self.state.notes.len()).unwrap_or(u32::MAX).saturating_add(1));
                self.emit(Event::NoteReceived { id, note });
            }
        }
    }

    /// The answer that would win now, or has won.
    fn best_answer(&self) -> Option<AnswerLabel> {
        match self.state.phase {
            Phase::Won { answer, .. } => Some(answer),
            Phase::Coordinating | Phase::Ended { .. } | Phase::Final | Phase::Finished { .. } => {
                select(self.state, Ending::CutShort).map(|selection| selection.answer)
            }
        }
    }

    /// Calls under way are simply made again; whether a tool has run nobody knows, and the model is told so. One that a person
    /// was still asked about has not.
    fn record_resume(&mut self) {
        self.emit(Event::RunResumed);
        for tool_use in Open::wanted(self.state).tools {
            let asks =
                self.state.agent(tool_use.call.agent).is_some_and(|agent| agent.asking.contains(&tool_use));
            let outcome = if asks {
                ToolOutcome::NotRun { cause: NotRunCause::Unanswered }
            } else {
                ToolOutcome::Unknown
            };
            self.emit(Event::ToolCallFinished {
                tool_use,
                outcome,
                duration: Duration::ZERO,
                decisions: Vec::new(),
            });
        }
    }

    /// Without the files that were voted for, nothing new can be made of them: the answer stands as it is.
    fn record_not_restored(&mut self, call: CallId, message: &str) {
        let outcome = CallOutcome::Cancelled { usage: TokenUsage::default(), cost: Some(Usd::default()) };
        self.emit(Event::ModelCallFinished { call, outcome });
        if let Phase::Won { answer, .. } = self.state.phase {
            let message =
                format!("the files of {answer} could not be put back, so it stands as it is: {message}");
            self.emit(Event::Degraded { message, agent: Some(call.agent) });
            self.finish_with_stored(answer, FinalSource::StoredAsFallback);
        }
    }

    /// An answer whose files cannot be kept still counts, and everybody is told that it has none, or not all.
    fn record_snapshot(&mut self, call: CallId, outcome: SnapshotOutcome) {
        let agent = Some(call.agent);
        match &outcome {
            SnapshotOutcome::Failed { message } => {
                let message = format!("the files of an answer could not be kept: {message}");
                self.emit(Event::Degraded { message, agent });
            }
            SnapshotOutcome::Kept { snapshot } => {
                let told = self.state.agent(call.agent).map(|agent| &agent.told_left_out);
                let is_new = |path: &String| told.is_none_or(|told| !told.contains(path));
                if snapshot.left_out.keys().any(is_new) {
                    let message = format!(
                        "some of its files are not kept with its answer, and go when the run ends: {}. \
                         If you need them, ask for smaller ones",
                        left_out_words(&snapshot.left_out)
                    );
                    self.emit(Event::Degraded { message, agent });
                }
            }
        }
        self.emit(Event::SnapshotFinished { call, outcome });
    }

    fn is_calling(&self, call: CallId) -> bool {
        self.is_at(call.agent, &WorkStep::Calling { call })
    }

    fn is_at(&self, agent: AgentNo, step: &WorkStep) -> bool {
        self.state.agent(agent).and_then(Agent::work).is_some_and(|work| work.step == *step)
    }
}

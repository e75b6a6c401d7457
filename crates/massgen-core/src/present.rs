//! After coordination: the winner, the presentation, the end of the run.

use std::sync::Arc;

use massgen_protocol::event::{AgentStatus, EndCause, FinalSource, Occasion, RunOutcome};
use massgen_protocol::message::FailureKind;
use massgen_protocol::spec::FinalAnswerStrategy;
use massgen_protocol::turn::{Directive, TallyRow};
use massgen_protocol::{AgentNo, AnswerLabel, Event, SnapshotId};

use crate::draft::Draft;
use crate::plan::{Plan, configured, plan};
use crate::schedule::takes_votes;
use crate::state::{Phase, WorkStep};
use crate::tally::{Ending, select};

impl Draft<'_> {
    /// Takes the run from the end of coordination to its own end. Returns whether anything changed.
    pub(crate) fn advance_after_coordination(&mut self) -> bool {
        match self.state.phase.clone() {
            Phase::Coordinating | Phase::Finished { .. } => false,
            Phase::Ended { cause } => {
                self.cut_off_everything();
                self.choose_winner(cause);
                true
            }
            Phase::Won { answer, presentation: None, .. } => {
                self.begin_presentation(answer);
                true
            }
            Phase::Won { cause, answer, tally, presentation: Some(strategy) } => {
                self.continue_presentation(cause, answer, tally, strategy)
            }
            Phase::Final => {
                self.finish_run(RunOutcome::Answered);
                true
            }
        }
    }

    fn choose_winner(&mut self, cause: EndCause) {
        let ending = if cause.is_cut_short() { Ending::CutShort } else { Ending::Complete };
        if let Some(selection) = select(self.state, ending) {
            self.emit(Event::WinnerSelected {
                answer: selection.answer,
                tally: selection.tally,
                basis: selection.basis,
            });
            return;
        }
        let outcome = match cause {
            EndCause::Deadline => RunOutcome::DeadlineWithoutAnswer,
            EndCause::Budget => RunOutcome::BudgetWithoutAnswer,
            EndCause::AllVoted | EndCause::AllAnswered | EndCause::AllOut => RunOutcome::NoAnswer,
        };
        self.finish_run(outcome);
    }

    /// Nothing follows the end, so whatever is still to be told is told before it.
    fn finish_run(&mut self, outcome: RunOutcome) {
        self.announce_changes();
        self.emit(Event::RunFinished { outcome });
    }

    fn begin_presentation(&mut self, answer: AnswerLabel) {
        let presenter = answer.agent;
        let strategy = match plan(&self.state.spec) {
            Plan::Reuse => return self.finish_with_stored(answer, FinalSource::Stored),
            Plan::Present => FinalAnswerStrategy::WinnerPresent,
            Plan::Synthesize => FinalAnswerStrategy::Synthesize,
        };
        let in_time = self.state.now < self.state.run_deadline();
        let able = self.state.agent(presenter).is_some_and(|agent| !agent.is_out());
        if in_time && able {
            if configured(&self.state.spec) == Plan::Reuse {
                let message = "the final answer is written anew although the configuration leaves that out: \
                               with `write_mode: legacy`, files of the user change only then";
                self.emit(Event::Degraded { message: message.to_owned(), agent: None });
            }
            self.emit(Event::PresentationStarted { presenter, strategy });
        } else {
            self.finish_with_stored(answer, FinalSource::StoredAsFallback);
        }
    }

    /// Returns whether anything changed.
    fn continue_presentation(
        &mut self,
        cause: EndCause,
        answer: AnswerLabel,
        tally: Vec<TallyRow>,
        strategy: FinalAnswerStrategy,
    ) -> bool {
        let presenter = answer.agent;
        let step = self.state.agent(presenter).and_then(|agent| Some(agent.work()?.step.clone()));
        // A reply that is there has come in time, however late it is read.
        let is_read = !matches!(step, Some(WorkStep::Deciding { .. }));
        if is_read && self.state.now >= self.state.run_deadline() {
            self.cut_off(presenter);
            self.finish_with_stored(answer, FinalSource::StoredAsFallback);
            return true;
        }
        match step {
            Some(WorkStep::Tools { call, open }) => {
                return self.start_more_tools(presenter, call, open.len());
            }
            Some(WorkStep::Calling { .. } | WorkStep::Keeping { .. }) => return false,
            None => {
                let tally = if takes_votes(self.state) && !cause.is_cut_short() { tally } else { Vec::new() };
                let restored = self.state.files_to_restore(presenter).is_some();
                let directive = match strategy {
                    FinalAnswerStrategy::WinnerReuse | FinalAnswerStrategy::WinnerPresent => {
                        Directive::Present { tally, restored }
                    }
                    FinalAnswerStrategy::Synthesize => Directive::Synthesize { tally, restored },
                };
                self.start_execution(presenter, None, Some(directive), Occasion::Presentation);
            }
            Some(WorkStep::Ready) => {
                if !self.start_call(presenter) {
                    self.finish_with_stored(answer, FinalSource::StoredAsFallback);
                }
            }
            Some(WorkStep::Deciding { call }) => self.decide_presentation(presenter, call, answer),
            Some(WorkStep::Failed { failure }) => {
                let is_full = failure.kind == FailureKind::ContextOverflow;
                let goes_on =
                    self.fall_back(presenter, &failure) || (is_full && self.drop_results(presenter));
                if !goes_on {
                    self.finish_with_stored(answer, FinalSource::StoredAsFallback);
                }
            }
        }
        true
    }

    /// The winner's accepted answer becomes the result.
    pub(crate) fn finish_with_stored(&mut self, answer: AnswerLabel, source: FinalSource) {
        let stored = self.state.answer(answer);
        let content = stored.map_or_else(|| Arc::from(""), |stored| Arc::clone(&stored.content));
        let snapshot = stored.and_then(|stored| stored.snapshot.clone());
        self.finish_with(answer.agent, content, source, snapshot);
    }

    pub(crate) fn finish_with(
        &mut self,
        agent: AgentNo,
        content: Arc<str>,
        source: FinalSource,
        snapshot: Option<SnapshotId>,
    ) {
        self.emit(Event::FinalAnswerReady { agent, content, source, snapshot });
        if self.state.agent(agent).is_some_and(|agent| agent.work().is_some()) {
            self.emit(Event::AgentStateChanged { agent, state: AgentStatus::Done });
        }
    }
}

//! Deadlines as a function of the state: which timer fires next, and when.

use std::time::Duration;

use massgen_protocol::event::RoundLimit;
use massgen_protocol::{AgentNo, RunMillis, limits};

use crate::plan::{Plan, plan};
use crate::state::{Agent, AgentState, Phase, State, Work};

/// A deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    /// Coordination must end, so that the presentation has its reserve.
    Coordination,
    /// The run must end.
    Run,
    /// An execution reaches a limit of its time.
    Round {
        /// Whose.
        agent: AgentNo,
        /// Which execution; a timer of an earlier one says nothing.
        execution: u32,
        /// Which limit.
        limit: RoundLimit,
    },
}

impl State {
    /// The next deadline, in time at work.
    pub fn next_timer(&self) -> Option<(RunMillis, Timer)> {
        if self.interrupted {
            return None;
        }
        match &self.phase {
            Phase::Coordinating => {
                let coordination = self.coordination_deadline();
                let run = if self.now < coordination {
                    (coordination, Timer::Coordination)
                } else {
                    (self.run_deadline(), Timer::Run)
                };
                let rounds = self.agents.iter().filter_map(|agent| self.round_timer(agent));
                rounds.chain([run]).min()
            }
            Phase::Won { presentation: Some(_), .. } => Some((self.run_deadline(), Timer::Run)),
            Phase::Ended { .. }
            | Phase::Won { presentation: None, .. }
            | Phase::Final
            | Phase::Finished { .. } => None,
        }
    }

    pub(crate) fn run_deadline(&self) -> RunMillis {
        RunMillis::default() + self.spec.timeouts.orchestrator
    }

    /// The run's deadline less the presentation's reserve.
    pub(crate) fn coordination_deadline(&self) -> RunMillis {
        let total = self.spec.timeouts.orchestrator;
        let reserve = match plan(&self.spec) {
            Plan::Reuse => Duration::ZERO,
            Plan::Present | Plan::Synthesize => {
                (total * limits::PRESENTATION_RESERVE_PER_MILLE / 1000).min(limits::PRESENTATION_RESERVE_MAX)
            }
        };
        RunMillis::default() + total.saturating_sub(reserve)
    }

    /// When the soft limit of `agent`'s execution is reached, if it has one.
    pub(crate) fn soft_limit(&self, agent: &Agent, work: &Work) -> Option<RunMillis> {
        let timeouts = &self.spec.timeouts;
        let limit = if agent.answers.is_empty() { timeouts.initial_round } else { timeouts.subsequent_round };
        Some(work.started + limit?)
    }

    fn round_timer(&self, agent: &Agent) -> Option<(RunMillis, Timer)> {
        let AgentState::Working(work) = &agent.state else {
            return None;
        };
        let soft = self.soft_limit(agent, work)?;
        let grace = self.spec.timeouts.round_grace;
        let (at, limit) = match work.limit {
            None => (soft, RoundLimit::Soft),
            Some(RoundLimit::Soft) => (soft + grace, RoundLimit::Hard),
            Some(RoundLimit::Hard | RoundLimit::Final) => {
                (soft + grace + grace.max(limits::LAST_CALL_MIN), RoundLimit::Final)
            }
        };
        Some((at, Timer::Round { agent: agent.no, execution: work.execution, limit }))
    }
}

//! Who starts, who waits, and whether coordination is over: pure questions to the state.

use massgen_protocol::event::{EndCause, WaitCause};
use massgen_protocol::spec::Voting;

use crate::gate::{takes_answers, too_far_ahead};
use crate::plan::{Plan, plan};
use crate::state::{Agent, AgentState, State};

/// Whether an agent's next execution may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It is in an execution, out, or has nothing to do.
    Nothing,
    /// Begin.
    Start,
    /// Later: it leads its peers by too many answers.
    HeldByFairness,
}

/// Whether votes are taken in this run.
pub(crate) fn takes_votes(state: &State) -> bool {
    let options = &state.spec.orchestration;
    let synthesis_of_first_answers = plan(&state.spec) == Plan::Synthesize
        && state.agents.len() > 1
        && options.max_new_answers_per_agent.is_some_and(|max| max.get() == 1)
        && options.voting == Voting::WhenReady;
    options.voting != Voting::Skip && !synthesis_of_first_answers
}

/// Whether some agent is still at a first answer that would be taken. Asked once for many agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstAnswers {
    /// Some agent is.
    Outstanding,
    /// None is.
    Given,
}

/// Whether the next execution of `agent` may begin now.
pub(crate) fn readiness(state: &State, agent: &Agent, first_answers: FirstAnswers) -> Readiness {
    let has_something_to_do = match agent.state {
        AgentState::Answered => true,
        AgentState::Waiting { on } => match on {
            WaitCause::Start | WaitCause::SlowerPeers => true,
            WaitCause::News => state.has_news_for(agent),
        },
        AgentState::Voted(_) => state.has_news_for(agent),
        AgentState::Working(_) | AgentState::Presenting(_) | AgentState::Out { .. } | AgentState::Done => {
            false
        }
    };
    if !has_something_to_do {
        return Readiness::Nothing;
    }
    if agent.answers.is_empty() {
        return Readiness::Start;
    }
    // Whoever judges before all first answers are there judges in vain: the next one outdates the vote.
    if first_answers == FirstAnswers::Outstanding || !takes_votes(state) {
        return Readiness::Nothing;
    }
    if too_far_ahead(state, agent).is_some() { Readiness::HeldByFairness } else { Readiness::Start }
}

/// Whether first answers are outstanding.
pub(crate) fn first_answers(state: &State) -> FirstAnswers {
    let at_first_answer = |agent: &Agent| {
        agent.answers.is_empty()
            && match agent.state {
                AgentState::Working(_) => true,
                AgentState::Waiting { on } => match on {
                    WaitCause::Start | WaitCause::SlowerPeers => true,
                    WaitCause::News => false,
                },
                AgentState::Answered
                | AgentState::Voted(_)
                | AgentState::Presenting(_)
                | AgentState::Out { .. }
                | AgentState::Done => false,
            }
    };
    if takes_answers(state) && state.agents.iter().any(at_first_answer) {
        FirstAnswers::Outstanding
    } else {
        FirstAnswers::Given
    }
}

/// Why coordination is over; `None` while it is not.
pub(crate) fn end_of_coordination(state: &State) -> Option<EndCause> {
    if state.now >= state.run_deadline()
        || (state.has_answers() && state.now >= state.coordination_deadline())
    {
        return Some(EndCause::Deadline);
    }
    if state.agents.iter().all(Agent::is_out) {
        return Some(EndCause::AllOut);
    }
    let votes = takes_votes(state);
    let is_done = |agent: &Agent| match agent.state {
        AgentState::Out { .. } => true,
        AgentState::Voted(_) => !state.has_news_for(agent),
        AgentState::Waiting { on: WaitCause::News } => {
            !state.has_news_for(agent) || (!votes && !agent.answers.is_empty())
        }
        AgentState::Answered => !votes,
        AgentState::Waiting { on: WaitCause::Start | WaitCause::SlowerPeers }
        | AgentState::Working(_)
        | AgentState::Presenting(_)
        | AgentState::Done => false,
    };
    if !state.agents.iter().all(is_done) {
        return None;
    }
    Some(if votes { EndCause::AllVoted } else { EndCause::AllAnswered })
}

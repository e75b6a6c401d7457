//! Who wins: one pure function, used on every path.

use massgen_protocol::event::WinnerBasis;
use massgen_protocol::turn::TallyRow;
use massgen_protocol::{AgentNo, AnswerLabel};

use crate::state::{Agent, AgentState, State};

/// The outcome of the ballot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// The winning answer.
    pub answer: AnswerLabel,
    /// The votes that count, most first, then by agent number.
    pub tally: Vec<TallyRow>,
    /// What decided.
    pub basis: WinnerBasis,
}

/// How coordination came to its end, as far as it matters to the ballot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The agents finished.
    Complete,
    /// A deadline, the budget or a person cut it short.
    CutShort,
}

/// Chooses the winner; `None` when nobody has answered.
///
/// Votes count when their voter had seen all current revisions. Most votes win; a tie goes to the first in
/// registration order. Without any vote, the first agent in registration order that has an answer wins, or, when
/// coordination was cut short, the latest answer.
pub fn select(state: &State, ending: Ending) -> Option<Selection> {
    let tally = count(state);
    let most = tally.first().map(|row| row.votes);
    let leaders: Vec<AnswerLabel> =
        tally.iter().filter(|row| Some(row.votes) == most).map(|row| row.answer).collect();
    let (answer, basis) = match (leaders.as_slice(), ending) {
        ([winner], _) => (*winner, WinnerBasis::MostVotes),
        ([], Ending::Complete) => (first_registered(state, |_| true)?, WinnerBasis::FirstAnswer),
        ([], Ending::CutShort) => (latest(state)?, WinnerBasis::LatestAnswer),
        (tied, _) => {
            let is_tied = |no| tied.iter().any(|label| label.agent == no);
            (first_registered(state, is_tied)?, WinnerBasis::Tie)
        }
    };
    Some(Selection { answer, tally, basis })
}

/// The votes that count, most first.
fn count(state: &State) -> Vec<TallyRow> {
    let mut tally: Vec<TallyRow> = Vec::new();
    for vote in state.agents.iter().filter_map(valid_vote(state)) {
        match tally.iter_mut().find(|row| row.answer == vote) {
            Some(row) => row.votes += 1,
            None => tally.push(TallyRow { answer: vote, votes: 1 }),
        }
    }
    tally.sort_by(|a, b| b.votes.cmp(&a.votes).then(a.answer.cmp(&b.answer)));
    tally
}

fn valid_vote(state: &State) -> impl Fn(&Agent) -> Option<AnswerLabel> + '_ {
    |agent| match &agent.state {
        AgentState::Voted(vote) if vote.seen == state.revisions => Some(vote.answer),
        AgentState::Voted(_)
        | AgentState::Waiting { .. }
        | AgentState::Working(_)
        | AgentState::Answered
        | AgentState::Presenting(_)
        | AgentState::Out { .. }
        | AgentState::Done => None,
    }
}

fn first_registered(state: &State, admits: impl Fn(AgentNo) -> bool) -> Option<AnswerLabel> {
    state.registration.iter().filter(|no| admits(**no)).find_map(|no| state.agent(*no)?.latest())
}

fn latest(state: &State) -> Option<AnswerLabel> {
    let with_order = |agent: &Agent| Some((agent.answers.last()?.order, agent.latest()?));
    state.agents.iter().filter_map(with_order).max().map(|(_, label)| label)
}

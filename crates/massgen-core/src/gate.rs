//! Whether a submission counts: one decision value per submission, so that message, log and counter agree.

use std::borrow::Cow;
use std::collections::BTreeSet;

use massgen_protocol::event::{RoundLimit, WaitCause};
use massgen_protocol::spec::Novelty;
use massgen_protocol::turn::Refusal;
use massgen_protocol::{AgentNo, AnswerLabel, CallId, places};

use crate::state::{Agent, AgentState, Answer, State};
use crate::submission::Ballot;

/// Bytes of a wrong vote target that are shown back.
const SHOWN_TARGET_CHARS: usize = 80;

/// What becomes of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum VoteJudgement {
    /// It counts.
    Cast(AnswerLabel),
    /// Its voter has not seen everything.
    Outdated(AnswerLabel),
    /// It cannot count.
    Refused(Refusal),
}

/// Whether the run still takes answers: its own number is not used up.
pub(crate) fn takes_answers(state: &State) -> bool {
    state.spec.orchestration.max_new_answers_global.is_none_or(|limit| state.answer_count() < limit.get())
}

/// Whether `agent` may still give answers: neither its own nor the run's number is used up.
pub(crate) fn may_answer(state: &State, agent: &Agent) -> bool {
    let limit = state.spec.orchestration.max_new_answers_per_agent;
    takes_answers(state) && limit.is_none_or(|limit| agent.answer_count() < limit.get())
}

impl State {
    /// Whether `agent` may still give answers.
    pub fn may_answer(&self, agent: AgentNo) -> bool {
        self.agent(agent).is_some_and(|agent| may_answer(self, agent))
    }
}

/// Checks an answer, given in the reply to `call`, in the order of the rules. Whether it says something new is judged with
/// its files, so an answer whose files have yet to be kept passes that far.
pub(crate) fn judge_answer(state: &State, agent: &Agent, call: CallId, content: &str) -> Result<(), Refusal> {
    if !may_answer(state, agent) {
        return Err(Refusal::AnswerLimit);
    }
    let past_hard_limit = agent.work().is_some_and(|work| work.limit >= Some(RoundLimit::Hard));
    if !past_hard_limit && let Some(slowest) = too_far_ahead(state, agent) {
        return Err(Refusal::AheadOfPeers { slowest });
    }
    if has_files_to_keep(state, agent, call) {
        return Ok(());
    }
    let content = places::compared(&state.spec, agent.no, content);
    let kept = agent.kept_for(call).and_then(|kept| kept.snapshot.as_ref());
    // The same words about other files are another answer.
    let has_same_files = |answer: &Answer| match (&answer.snapshot, kept) {
        (Some(known), Some(kept)) => known == kept,
        (None, Some(_)) | (_, None) => true,
    };
    let known: Vec<(AnswerLabel, Cow<'_, str>)> = known_answers(state, agent)
        .filter(|(_, answer)| has_same_files(answer))
        .map(|(label, answer)| (label, places::compared(&state.spec, label.agent, &answer.content)))
        .collect();
    if let Some((of, _)) = known.iter().find(|(_, text)| text.trim() == content.trim()) {
        return Err(Refusal::Duplicate { of: *of });
    }
    let Some(limit) = allowed_overlap(state.spec.orchestration.novelty) else {
        return Ok(());
    };
    let words = word_set(&content);
    let closest =
        known.iter().map(|(label, text)| (overlap_per_mille(&words, &word_set(text)), *label)).max();
    match closest {
        Some((overlap_per_mille, like)) if overlap_per_mille > limit => {
            Err(Refusal::NotNovel { like, overlap_per_mille })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether `agent` has files that must be kept before what it submits in the reply to `call` counts.
pub(crate) fn has_files_to_keep(state: &State, agent: &Agent, call: CallId) -> bool {
    let has_workspace = state.agent_spec(agent.no).is_some_and(|spec| spec.workspace.is_some());
    has_workspace && agent.kept_for(call).is_none()
}

/// The newest answers that `agent` was shown, and its own.
fn known_answers<'a>(state: &'a State, agent: &'a Agent) -> impl Iterator<Item = (AnswerLabel, &'a Answer)> {
    agent.seen.labels().filter_map(|label| Some((label, state.answer(label)?)))
}

/// Fairness: the answers of the slowest active peer, when one more answer of `agent` would lead it by too many.
pub(crate) fn too_far_ahead(state: &State, agent: &Agent) -> Option<u32> {
    let cap = state.spec.orchestration.fairness_lead_cap?.get();
    let active = |peer: &&Agent| match peer.state {
        AgentState::Working(_) | AgentState::Answered => true,
        AgentState::Waiting { on } => match on {
            WaitCause::Start | WaitCause::SlowerPeers => true,
            WaitCause::News => false,
        },
        AgentState::Voted(_) | AgentState::Presenting(_) | AgentState::Out { .. } | AgentState::Done => false,
    };
    let peers = state.agents.iter().filter(|peer| peer.no != agent.no).filter(active);
    let slowest = peers.map(Agent::answer_count).min()?;
    (agent.answer_count() + 1 > slowest + cap).then_some(slowest)
}

/// Checks a vote.
pub(crate) fn judge_vote(state: &State, agent: &Agent, ballot: &Ballot) -> VoteJudgement {
    if !state.has_answers() {
        return VoteJudgement::Refused(Refusal::NoAnswersYet);
    }
    let invalid = || {
        let named = ballot.target.chars().filter(|c| !c.is_control()).take(SHOWN_TARGET_CHARS).collect();
        VoteJudgement::Refused(Refusal::InvalidTarget { named })
    };
    let Some(target) = target_of(state, &ballot.target) else {
        return invalid();
    };
    let seen = agent.seen.get(target);
    if seen == 0 && state.revisions.get(target) == 0 {
        return invalid();
    }
    let answer = target.label(seen.max(1));
    if state.has_news_for(agent) { VoteJudgement::Outdated(answer) } else { VoteJudgement::Cast(answer) }
}

/// The agent that a vote names: `agentN`, a label `agentN.K`, or the id in the configuration.
fn target_of(state: &State, named: &str) -> Option<AgentNo> {
    let by_label = || named.parse::<AnswerLabel>().ok().map(|label| label.agent);
    let by_id = || state.agents.iter().find(|agent| agent.id.as_str() == named).map(|agent| agent.no);
    let no = named.parse::<AgentNo>().ok().or_else(by_label);
    no.filter(|no| state.agent(*no).is_some()).or_else(by_id)
}

/// Most words that an answer may share with a known one, in per mille of both together; `None` is no limit.
fn allowed_overlap(novelty: Novelty) -> Option<u32> {
    match novelty {
        Novelty::Lenient => None,
        Novelty::Balanced => Some(700),
        Novelty::Strict => Some(500),
    }
}

fn word_set(text: &str) -> BTreeSet<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

/// Jaccard similarity in per mille: words of both over words of either.
fn overlap_per_mille(a: &BTreeSet<String>, b: &BTreeSet<String>) -> u32 {
    let common = a.intersection(b).count();
    let all = a.len() + b.len() - common;
    (common * 1000).checked_div(all).and_then(|share| u32::try_from(share).ok()).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overlap_is_the_share_of_common_words() {
        let overlap = |a, b| overlap_per_mille(&word_set(a), &word_set(b));
        assert_eq!(overlap("the cat sat", "The CAT sat"), 1000);
        assert_eq!(overlap("a b c d", "c d e f"), 333);
        assert_eq!(overlap("a b", "c d"), 0);
        assert_eq!(overlap("", ""), 1000);
    }
}

//! What a simulated agent does by itself: it answers, then votes, and presents when it has won.

use std::sync::Arc;

use massgen_protocol::{AgentId, AgentNo, ModelRequest, Purpose};

use super::phrases;
use super::script::Step;

/// Longest part of the question that an answer quotes, in characters. All answers of a team share these words, and
/// must still pass as different ones under the strictest check for novelty.
const QUOTE_CHARS: usize = 120;

/// One agent in this many votes for its second choice, so that the votes of a team agree, but not always.
const DISSENT_ONE_IN: u64 = 5;

/// One simulated agent. Equal seeds, agents and requests give equal replies.
#[derive(Debug, Clone)]
pub(super) struct Character {
    seed: u64,
    agent: AgentId,
    /// First line of the question, cut.
    question: Arc<str>,
    team_size: usize,
}

impl Character {
    pub(super) fn new(seed: u64, agent: AgentId, team: &[AgentId], question: &str) -> Self {
        Self { seed, agent, question: quote(question).into(), team_size: team.len() }
    }

    pub(super) fn agent(&self) -> &AgentId {
        &self.agent
    }

    /// The reply to `request`.
    pub(super) fn reply(&self, request: &ModelRequest) -> Vec<Step> {
        let context = &request.context;
        match context.purpose {
            Purpose::Present => vec![
                Step::Think(phrases::think_about_presenting(&self.agent, &self.question)),
                Step::Answer(phrases::final_answer(&self.agent, &self.question, self.slot(request))),
            ],
            Purpose::Summarize => vec![Step::Say(phrases::summary(&self.agent, &self.question))],
            Purpose::Coordinate => {
                let has_answered = context.candidates.contains(&context.call.agent)
                    || super::has_accepted_answer(&request.messages);
                match self.choice(&context.candidates) {
                    Some(chosen) if has_answered || !context.may_answer => vec![
                        Step::Think(phrases::think_about_voting(&self.agent, context.candidates.len())),
                        Step::Vote {
                            target: chosen.to_string(),
                            reason: phrases::reason(chosen, self.number(&["reason", &chosen.to_string()])),
                        },
                    ],
                    Some(_) | None => vec![
                        Step::Think(phrases::think_about_answering(&self.agent, &self.question)),
                        Step::Answer(phrases::answer(&self.agent, &self.question, self.slot(request))),
                    ],
                }
            }
        }
    }

    /// Which answer of the stock to give: different for every agent of the team and every call.
    fn slot(&self, request: &ModelRequest) -> u64 {
        let call = request.context.call;
        let earlier_calls = u64::from(call.number.saturating_sub(1));
        let turn = earlier_calls.saturating_mul(number_of(self.team_size));
        let shift = hash(self.seed, &["slot"]) % phrases::OPENINGS;
        shift.saturating_add(turn).saturating_add(number_of(call.agent.index()))
    }

    /// For whom to vote. The order of preference follows from the seed alone, so agents with one seed agree unless
    /// one of them is a dissenter.
    fn choice(&self, candidates: &[AgentNo]) -> Option<AgentNo> {
        let mut ranked: Vec<AgentNo> = candidates.to_vec();
        ranked
            .sort_by_key(|candidate| (hash(self.seed, &["preference", &candidate.to_string()]), *candidate));
        let dissents = self.number(&["dissent"]).is_multiple_of(DISSENT_ONE_IN);
        ranked.get(usize::from(dissents)).or_else(|| ranked.first()).copied()
    }

    /// A number that follows from the seed, the agent and `parts`.
    fn number(&self, parts: &[&str]) -> u64 {
        let mut all = vec![self.agent.as_str()];
        all.extend_from_slice(parts);
        hash(self.seed, &all)
    }
}

fn hash(seed: u64, parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    for part in parts {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    let mut number = [0; 8];
    hasher.finalize_xof().fill(&mut number);
    u64::from_le_bytes(number)
}

fn number_of(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The first line of the question that says something, cut to [`QUOTE_CHARS`].
fn quote(question: &str) -> String {
    let line = question.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match line.char_indices().nth(QUOTE_CHARS) {
        None => line.to_owned(),
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
    }
}

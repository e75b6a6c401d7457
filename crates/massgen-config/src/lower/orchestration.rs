//! How the agents work together, deadlines and budget.

use std::num::NonZeroU32;
use std::time::Duration;

use massgen_protocol::Usd;
use massgen_protocol::spec::{
    Budget, Continuation, FinalAnswerStrategy, Novelty, Orchestration, PeerUpdates, Presentation, Timeouts,
    Voting,
};

use super::Lower;
use crate::finding::Finding;
use crate::node::Node;

impl Lower<'_> {
    pub(super) fn orchestration(&mut self, node: &Node) -> Orchestration {
        let default = Orchestration::default();
        let is = |key: &str| node.get(key).and_then(Node::bool).unwrap_or(false);
        let text = |key: &str| node.get(key).and_then(Node::text);
        let coordination = |key: &str| node.at(&["coordination", key]);
        let peer_updates = if is("disable_injection") {
            PeerUpdates::AtNextExecution
        } else if is("defer_peer_updates_until_restart") {
            PeerUpdates::AtRestart
        } else {
            PeerUpdates::Inject
        };
        let voting = if is("skip_voting") {
            Voting::Skip
        } else if is("defer_voting_until_all_answered") {
            Voting::AfterAllAnswered
        } else {
            Voting::WhenReady
        };
        Orchestration {
            max_new_answers_per_agent: positive(node.get("max_new_answers_per_agent")),
            max_new_answers_global: positive(node.get("max_new_answers_global")),
            novelty: match text("answer_novelty_requirement") {
                Some("balanced") => Novelty::Balanced,
                Some("strict") => Novelty::Strict,
                _ => default.novelty,
            },
            fairness_lead_cap: self.fairness(node, default.fairness_lead_cap),
            max_injections_per_execution: positive(node.get("max_midstream_injections_per_round"))
                .unwrap_or(default.max_injections_per_execution),
            peer_updates,
            voting,
            final_answer: match text("final_answer_strategy") {
                Some("winner_reuse") => Some(FinalAnswerStrategy::WinnerReuse),
                Some("winner_present") => Some(FinalAnswerStrategy::WinnerPresent),
                Some("synthesize") => Some(FinalAnswerStrategy::Synthesize),
                _ => None,
            },
            presentation: if is("skip_final_presentation") { Presentation::Skip } else { Presentation::Run },
            continuation: match coordination("continuation").and_then(Node::text) {
                Some("fresh") => Continuation::Fresh,
                _ => coordination("continuation_share")
                    .and_then(Node::number)
                    .map_or(default.continuation, |share| Continuation::Auto {
                        share_per_mille: per_mille(share),
                    }),
            },
            enforcement_attempts: positive(coordination("enforcement_attempts"))
                .unwrap_or(default.enforcement_attempts),
        }
    }

    fn fairness(&mut self, node: &Node, default: Option<NonZeroU32>) -> Option<NonZeroU32> {
        if node.get("fairness_enabled").and_then(Node::bool) == Some(false) {
            return None;
        }
        let Some(cap) = node.get("fairness_lead_cap_answers") else {
            return default;
        };
        let answers: u32 = cap.int()?;
        if answers == 0 {
            self.report(
                Finding::warning(
                    "orchestrator.fairness_lead_cap_answers",
                    "a lead of `0` answers would refuse every first answer; `1` is used",
                )
                .hint("write `1`, or `fairness_enabled: false` for no limit")
                .at(&cap.origin),
            );
        }
        NonZeroU32::new(answers.max(1))
    }
}

fn positive(node: Option<&Node>) -> Option<NonZeroU32> {
    NonZeroU32::new(node?.int()?)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=1000 before the cast"
)]
fn per_mille(share: f64) -> u16 {
    (share * 1000.0).round().clamp(0.0, 1000.0) as u16
}

pub(super) fn timeouts(node: &Node) -> Timeouts {
    let default = Timeouts::default();
    let seconds = |key: &str| {
        let value = node.get(key)?.number()?;
        // Whole milliseconds, because that is what a journal keeps.
        let duration = Duration::try_from_secs_f64(value).ok()?;
        u64::try_from(duration.as_millis()).ok().map(Duration::from_millis)
    };
    Timeouts {
        orchestrator: seconds("orchestrator_timeout_seconds").unwrap_or(default.orchestrator),
        initial_round: seconds("initial_round_timeout_seconds"),
        subsequent_round: seconds("subsequent_round_timeout_seconds"),
        round_grace: seconds("round_timeout_grace_seconds").unwrap_or(default.round_grace),
    }
}

pub(super) fn budget(node: &Node) -> Budget {
    Budget {
        max_cost: node.get("max_cost").and_then(Node::number).map(Usd::from_dollars),
        max_tokens: node.get("max_tokens").and_then(Node::int),
    }
}

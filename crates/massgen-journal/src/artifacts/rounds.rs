//! Rounds: the executions of an agent, as the artifact files count them.

use std::collections::BTreeMap;

use massgen_protocol::money::{TokenUsage, UsageSource};
use massgen_protocol::{RunMillis, Timestamp};
use serde_json::{Map, Value, json};

use super::usage::{CallTimes, Cost, decimals, dollars, mean, millis, total};

/// What a round was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoundKind {
    InitialAnswer,
    Voting,
    Presentation,
}

impl RoundKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InitialAnswer => "initial_answer",
            Self::Voting => "voting",
            Self::Presentation => "presentation",
        }
    }
}

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoundOutcome {
    Answer,
    Vote,
    Presentation,
    Restarted,
    Error,
    Timeout,
    /// Cut because the run ended for a reason that is nobody's fault.
    Cancelled,
}

impl RoundOutcome {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Vote => "vote",
            Self::Presentation => "presentation",
            Self::Restarted => "restarted",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How and when a round ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundEnd {
    pub(super) outcome: RoundOutcome,
    at: Timestamp,
    millis: u64,
}

/// One round of an agent.
#[derive(Debug, Clone)]
pub(super) struct Round {
    /// Its display number, from 0, strictly increasing per agent: the one that `events.jsonl` carries.
    pub(super) number: u32,
    pub(super) kind: RoundKind,
    pub(super) started: Timestamp,
    started_work: RunMillis,
    pub(super) end: Option<RoundEnd>,
    usage: TokenUsage,
    cost: Cost,
    /// Input of the largest call: what filled the context window most.
    largest_input: u64,
    tool_calls: u64,
    times: CallTimes,
}

impl Round {
    pub(super) fn new(number: u32, kind: RoundKind, at: Timestamp, work: RunMillis, cost: Cost) -> Self {
        Self {
            number,
            kind,
            started: at,
            started_work: work,
            end: None,
            usage: TokenUsage::default(),
            cost,
            largest_input: 0,
            tool_calls: 0,
            times: CallTimes::default(),
        }
    }

    pub(super) fn finish(&mut self, outcome: RoundOutcome, at: Timestamp, work: RunMillis) {
        let span = work.since(self.started_work).as_millis();
        self.end = Some(RoundEnd { outcome, at, millis: u64::try_from(span).unwrap_or(u64::MAX) });
    }

    /// The payload of `round_end`.
    pub(super) fn end_data(&self) -> Value {
        match &self.end {
            Some(end) => json!({"outcome": end.outcome.name(), "duration_ms": millis(end.millis)}),
            None => json!({}),
        }
    }

    pub(super) fn add_usage(&mut self, usage: &TokenUsage, cost: Option<massgen_protocol::Usd>) {
        self.usage += *usage;
        self.cost.add(cost);
        self.largest_input = self.largest_input.max(usage.input);
    }

    pub(super) fn add_call(&mut self, time_ms: u64, first_token_ms: Option<u64>) {
        self.times.add(time_ms, first_token_ms);
    }

    pub(super) fn add_tool_call(&mut self) {
        self.tool_calls += 1;
    }

    /// A record of `round_history`.
    pub(super) fn json(&self, agent_id: &str, window: Option<u64>) -> Value {
        json!({
            "round_number": self.number,
            "agent_id": agent_id,
            "round_type": self.kind.name(),
            "outcome": self.end.as_ref().map(|end| end.outcome.name()),
            "input_tokens": self.usage.input,
            "output_tokens": self.usage.output,
            "reasoning_tokens": self.usage.reasoning,
            "cached_input_tokens": self.usage.cached_input,
            "cache_creation_tokens": self.usage.cache_write,
            "estimated_cost": dollars(self.cost.sum()),
            "context_window_size": window,
            "context_usage_pct": self.context_share(window),
            "tool_calls_count": self.tool_calls,
            "token_source": match self.usage.source {
                UsageSource::Api => "api",
                UsageSource::Estimated => "estimated",
            },
            "start_time": self.started.unix_seconds(),
            "end_time": self.end.as_ref().map(|end| end.at.unix_seconds()),
            "duration_ms": self.end.as_ref().map(|end| millis(end.millis)),
            "api_calls_count": self.times.calls,
            "api_time_ms": millis(self.times.time_ms),
            "avg_ttft_ms": mean(self.times.first_token_ms, self.times.first_tokens, 2),
        })
    }

    /// Percent of the context window that the largest call filled; `None` when nobody knows the window.
    fn context_share(&self, window: Option<u64>) -> Option<f64> {
        let window = window.filter(|window| *window > 0)?;
        Some(decimals(millis(self.largest_input) * 100.0 / millis(window), 2))
    }
}

/// `rounds` of a whole run, in `status.json`.
pub(super) fn run_rounds<'a>(rounds: impl IntoIterator<Item = &'a Round>) -> Value {
    let sums = Sums::of(rounds);
    json!({
        "total_rounds": sums.count,
        "by_outcome": sums.by_outcome(),
        "total_round_input_tokens": sums.usage.input,
        "total_round_output_tokens": sums.usage.output,
        "total_round_cost": dollars(sums.cost),
    })
}

/// `rounds` of a whole run, in `metrics_summary.json`; each round with the context window of its model.
pub(super) fn summary_rounds<'a>(rounds: impl IntoIterator<Item = (&'a Round, Option<u64>)>) -> Value {
    let rounds: Vec<_> = rounds.into_iter().filter(|(round, _)| round.end.is_some()).collect();
    let shares: Vec<f64> = rounds.iter().filter_map(|(round, window)| round.context_share(*window)).collect();
    let count = u32::try_from(shares.len()).unwrap_or(u32::MAX);
    let share = (count > 0).then(|| decimals(shares.iter().sum::<f64>() / f64::from(count), 2));
    let sums = Sums::of(rounds.into_iter().map(|(round, _)| round));
    json!({
        "total_rounds": sums.count,
        "by_outcome": sums.by_outcome(),
        "total_input_tokens": sums.usage.input,
        "total_output_tokens": sums.usage.output,
        "total_reasoning_tokens": sums.usage.reasoning,
        "total_estimated_cost": dollars(sums.cost),
        "avg_context_usage_pct": share,
    })
}

/// `api_timing` of a whole run; each round with the name of its backend.
pub(super) fn api_timing<'a>(rounds: impl IntoIterator<Item = (&'a Round, &'a str)>) -> Value {
    let mut all = CallTimes::default();
    let mut by_round: BTreeMap<u32, CallTimes> = BTreeMap::new();
    let mut by_backend: BTreeMap<&str, CallTimes> = BTreeMap::new();
    for (round, backend) in rounds.into_iter().filter(|(round, _)| round.times.calls > 0) {
        all.merge(&round.times);
        by_round.entry(round.number).or_default().merge(&round.times);
        by_backend.entry(backend).or_default().merge(&round.times);
    }
    let by_round: Map<_, _> =
        by_round.iter().map(|(n, times)| (format!("round_{n}"), times.json())).collect();
    let by_backend: Map<_, _> =
        by_backend.iter().map(|(name, times)| ((*name).to_owned(), times.json())).collect();
    json!({
        "total_calls": all.calls,
        "total_time_ms": millis(all.time_ms),
        "avg_time_ms": mean(all.time_ms, all.calls, 2),
        "avg_ttft_ms": mean(all.first_token_ms, all.first_tokens, 2),
        "by_round": by_round,
        "by_backend": by_backend,
    })
}

/// Ended rounds, added up.
struct Sums {
    count: u64,
    outcomes: BTreeMap<&'static str, u64>,
    usage: TokenUsage,
    cost: Option<massgen_protocol::Usd>,
}

impl Sums {
    fn of<'a>(rounds: impl IntoIterator<Item = &'a Round>) -> Self {
        let mut sums = Self { count: 0, outcomes: BTreeMap::new(), usage: TokenUsage::default(), cost: None };
        let mut costs = Vec::new();
        for round in rounds {
            let Some(end) = &round.end else { continue };
            sums.count += 1;
            *sums.outcomes.entry(end.outcome.name()).or_default() += 1;
            sums.usage += round.usage;
            costs.push(round.cost);
        }
        sums.cost = total(&costs);
        sums
    }

    /// The seven counters that are always there; other outcomes count in the total only.
    fn by_outcome(&self) -> Value {
        ["answer", "vote", "presentation", "post_evaluation", "restarted", "error", "timeout"]
            .into_iter()
            .map(|name| (name.to_owned(), Value::from(self.outcomes.get(name).copied().unwrap_or(0))))
            .collect::<Map<_, _>>()
            .into()
    }
}

//! What calls cost and how long they took, added up.

use massgen_protocol::Usd;
use massgen_protocol::money::TokenUsage;
use serde_json::{Value, json};

/// Money spent on some calls; unknown as soon as the cost of one of them is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cost {
    known: Usd,
    is_complete: bool,
    /// What to say while nothing was spent: zero, or unknown.
    before_calls: Option<Usd>,
    calls: u32,
}

impl Cost {
    /// Nothing spent yet on a model whose price is `price`.
    pub(super) fn nothing<P>(price: Option<P>) -> Self {
        Self { known: Usd::ZERO, is_complete: true, before_calls: price.map(|_| Usd::ZERO), calls: 0 }
    }

    /// One more call.
    pub(super) fn add(&mut self, cost: Option<Usd>) {
        self.calls += 1;
        self.known += cost.unwrap_or_default();
        self.is_complete &= cost.is_some();
    }

    /// The sum; `None` when a part of it is unknown.
    pub(super) fn sum(&self) -> Option<Usd> {
        if self.calls == 0 { self.before_calls } else { self.is_complete.then_some(self.known) }
    }
}

/// The sum of `costs`; `None` when one is unknown.
pub(super) fn total<'a>(costs: impl IntoIterator<Item = &'a Cost>) -> Option<Usd> {
    costs.into_iter().try_fold(Usd::ZERO, |sum, cost| Some(sum + cost.sum()?))
}

/// Dollars with six decimals, or null: an unknown price is never zero.
pub(super) fn dollars(cost: Option<Usd>) -> Value {
    cost.map_or(Value::Null, |cost| json!(decimals(cost.dollars(), 6)))
}

/// `value` rounded to `places` decimals.
pub(super) fn decimals(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale
}

/// Milliseconds as a number with a point, as the files carry them.
#[expect(clippy::cast_precision_loss, reason = "no run takes 2^53 milliseconds")]
pub(super) fn millis(millis: u64) -> f64 {
    millis as f64
}

/// `sum ÷ count` with two decimals; zero without a count.
#[expect(clippy::cast_precision_loss, reason = "counts and times stay far below 2^53")]
pub(super) fn mean(sum: u64, count: u64, places: i32) -> f64 {
    if count == 0 { 0.0 } else { decimals(sum as f64 / count as f64, places) }
}

/// Time that model calls took.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct CallTimes {
    /// How many calls.
    pub(super) calls: u64,
    /// All of their time, in milliseconds.
    pub(super) time_ms: u64,
    /// Their time to the first token, in milliseconds, of those that had one.
    pub(super) first_token_ms: u64,
    /// How many had one.
    pub(super) first_tokens: u64,
}

impl CallTimes {
    /// One more call.
    pub(super) fn add(&mut self, time_ms: u64, first_token_ms: Option<u64>) {
        self.calls += 1;
        self.time_ms += time_ms;
        if let Some(first_token_ms) = first_token_ms {
            self.first_token_ms += first_token_ms;
            self.first_tokens += 1;
        }
    }

    /// The calls of `other` too.
    pub(super) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        self.time_ms += other.time_ms;
        self.first_token_ms += other.first_token_ms;
        self.first_tokens += other.first_tokens;
    }

    /// As a part of `api_timing`.
    pub(super) fn json(&self) -> Value {
        json!({"calls": self.calls, "time_ms": millis(self.time_ms), "ttft_ms": millis(self.first_token_ms)})
    }
}

/// `token_usage` of the files.
pub(super) fn token_usage(usage: &TokenUsage, cost: &Cost) -> Value {
    json!({
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "reasoning_tokens": usage.reasoning,
        "cached_input_tokens": usage.cached_input,
        "cache_creation_tokens": usage.cache_write,
        "estimated_cost": dollars(cost.sum()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_is_unknown_as_soon_as_one_part_is() {
        let mut cost = Cost::nothing(Some(()));
        assert_eq!(dollars(cost.sum()), json!(0.0));
        cost.add(Some(Usd::from_dollars(0.25)));
        assert_eq!(dollars(cost.sum()), json!(0.25));
        cost.add(None);
        assert_eq!(dollars(cost.sum()), Value::Null);
        let mut reported = Cost::nothing(None::<()>);
        assert_eq!(reported.sum(), None);
        reported.add(Some(Usd::from_dollars(1.0)));
        assert_eq!(reported.sum(), Some(Usd::from_dollars(1.0)));
        assert_eq!(total([&reported, &cost]), None);
    }
}

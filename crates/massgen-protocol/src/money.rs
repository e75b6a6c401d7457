//! Money and tokens. Money is whole nano-dollars, so sums are exact.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount of money in nano US dollars (10⁻⁹ USD).
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Usd {
    nanos: u64,
}

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self { nanos: 0 };

    /// `nanos` nano-dollars.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self { nanos }
    }

    /// `dollars` US dollars, rounded to nano-dollars. Negative and non-finite amounts become zero.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "saturating casts of a checked value"
    )]
    pub fn from_dollars(dollars: f64) -> Self {
        if dollars.is_finite() && dollars > 0.0 {
            Self { nanos: (dollars * 1e9).round() as u64 }
        } else {
            Self::ZERO
        }
    }

    /// The amount in nano-dollars.
    pub const fn nanos(self) -> u64 {
        self.nanos
    }

    /// The amount in dollars, for printing and for files.
    #[expect(clippy::cast_precision_loss, reason = "amounts stay far below 2^53 nano-dollars")]
    pub fn dollars(self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// The difference, or zero when `other` is larger.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_sub(other.nanos) }
    }
}

impl Add for Usd {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { nanos: self.nanos.saturating_add(other.nanos) }
    }
}

impl AddAssign for Usd {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Prints `$0.0042`, `$0.123`, `$4.20`: more digits for small amounts, half a digit rounded up. What is too little for
/// them is not shown as nothing: `<$0.0001`.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CENT: u64 = 10_000_000;
        let (unit, places) = match self.nanos {
            1..50_000 => return write!(f, "<$0.0001"),
            50_000..CENT => (CENT / 100, 4),
            CENT..1_000_000_000 => (CENT / 10, 3),
            0 | 1_000_000_000.. => (CENT, 2),
        };
        let units = self.nanos.saturating_add(unit / 2) / unit;
        let whole = 1_000_000_000 / unit;
        write!(f, "${}.{:0places$}", units / whole, units % whole)
    }
}

/// What a model costs, in nano-dollars per million tokens.
///
/// It is the list price of the usual service. What providers add or take off for long prompts, for batches and other
/// service tiers, and for tools that they run themselves is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Price {
    /// Input tokens that the provider had not cached.
    pub input: u64,
    /// Output tokens, reasoning included.
    pub output: u64,
    /// Input tokens read from the provider's cache.
    pub cached_input: u64,
    /// Input tokens written to the provider's cache.
    pub cache_write: u64,
}

impl Price {
    /// A model that costs nothing: local servers and the simulated model.
    pub const FREE: Self = Self { input: 0, output: 0, cached_input: 0, cache_write: 0 };

    /// Input tokens that stay in the provider's cache for longer than usual (an hour at Anthropic, not five minutes)
    /// cost twice the input where the usual ones cost 1.25 times as much: 8/5 of [`Price::cache_write`].
    const fn long_cache_write(&self) -> u64 {
        // Who charges nothing extra for writing charges nothing extra for keeping.
        if self.cache_write > self.input { self.cache_write / 5 * 8 } else { self.cache_write }
    }

    /// The most that an input token can cost: every one may be written to the cache.
    #[must_use]
    pub fn dearest_input(&self) -> u64 {
        self.input.max(self.long_cache_write())
    }

    /// The cost of `usage`, each part rounded up to whole nano-dollars.
    pub fn cost(&self, usage: &TokenUsage) -> Usd {
        let part = |tokens: u64, per_million: u64| {
            let nanos = (u128::from(tokens) * u128::from(per_million)).div_ceil(1_000_000);
            Usd::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let uncached = usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
        let long_write = usage.cache_write_long.min(usage.cache_write);
        part(uncached, self.input)
            + part(usage.cached_input, self.cached_input)
            + part(usage.cache_write - long_write, self.cache_write)
            + part(long_write, self.long_cache_write())
            + part(usage.output, self.output)
    }
}

/// Tokens of one or more model calls, in one meaning for all providers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenUsage {
    /// All input tokens, cached ones included.
    pub input: u64,
    /// All output tokens, reasoning included.
    pub output: u64,
    /// Output tokens spent on reasoning; part of `output`.
    #[serde(default)]
    pub reasoning: u64,
    /// Input tokens read from the provider's cache; part of `input`.
    #[serde(default)]
    pub cached_input: u64,
    /// Input tokens written to the provider's cache; part of `input`.
    #[serde(default)]
    pub cache_write: u64,
    /// Input tokens written to a part of the cache that keeps them for longer than usual; part of `cache_write`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_long: u64,
    /// Who counted.
    #[serde(default)]
    pub source: UsageSource,
}

impl TokenUsage {
    /// Input and output together: what a token budget counts.
    pub fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl AddAssign for TokenUsage {
    /// Adds counter by counter; the sum is an estimate when one part is.
    fn add_assign(&mut self, other: Self) {
        self.input = self.input.saturating_add(other.input);
        self.output = self.output.saturating_add(other.output);
        self.reasoning = self.reasoning.saturating_add(other.reasoning);
        self.cached_input = self.cached_input.saturating_add(other.cached_input);
        self.cache_write = self.cache_write.saturating_add(other.cache_write);
        self.cache_write_long = self.cache_write_long.saturating_add(other.cache_write_long);
        if other.source == UsageSource::Estimated {
            self.source = UsageSource::Estimated;
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Who counted the tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UsageSource {
    /// The provider.
    #[default]
    Api,
    /// We did, from the length of the texts.
    Estimated,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_counts_cached_input_once_and_rounds_up() {
        let price =
            Price { input: 3_000_000_000, output: 15_000_000_000, cached_input: 300_000_000, cache_write: 0 };
        let usage =
            TokenUsage { input: 1_000_001, output: 10, cached_input: 1_000_000, ..TokenUsage::default() };
        assert_eq!(price.cost(&usage), Usd::from_nanos(300_000_000 + 3_000 + 150_000));
        let one = TokenUsage { input: 1, ..TokenUsage::default() };
        assert_eq!(Price { input: 1, ..Price::FREE }.cost(&one), Usd::from_nanos(1));
    }

    #[test]
    fn what_is_kept_in_the_cache_for_longer_costs_twice_the_input() {
        // $3 per million of input; 1.25 times that for five minutes, twice for an hour.
        let price =
            Price { input: 3_000_000_000, output: 0, cached_input: 300_000_000, cache_write: 3_750_000_000 };
        let usage =
            TokenUsage { input: 1000, cache_write: 900, cache_write_long: 400, ..TokenUsage::default() };
        // 100 x $3 + 500 x $3.75 + 400 x $6, per million.
        assert_eq!(price.cost(&usage), Usd::from_nanos(300_000 + 1_875_000 + 2_400_000));
        assert_eq!(price.dearest_input(), 6_000_000_000);
        let free_to_write = Price { cache_write: 3_000_000_000, ..price };
        assert_eq!(free_to_write.cost(&usage), Usd::from_nanos(3_000_000));
        assert_eq!(free_to_write.dearest_input(), 3_000_000_000);
        // What a journal of before says is still read.
        let old: TokenUsage = serde_json::from_str(r#"{"input": 5, "output": 1, "cache_write": 2}"#).unwrap();
        assert_eq!((old.cache_write, old.cache_write_long), (2, 0));
    }

    #[test]
    fn amounts_print_with_digits_that_matter() {
        let shown: Vec<_> = [0.0, 0.000_01, 0.002_25, 0.0042, 0.1234, 0.9999, 4.2, 1234.567, f64::MAX]
            .map(|d| Usd::from_dollars(d).to_string())
            .into();
        let expected = [
            "$0.00",
            "<$0.0001",
            "$0.0023",
            "$0.0042",
            "$0.123",
            "$1.000",
            "$4.20",
            "$1234.57",
            "$18446744073.70",
        ];
        assert_eq!(shown, expected);
        assert_eq!(Usd::from_dollars(f64::NAN), Usd::ZERO);
    }
}

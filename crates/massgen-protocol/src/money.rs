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

/// Prints `$0.0042`, `$0.123`, `$4.20`: more digits for small amounts.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dollars = self.dollars();
        if self.nanos == 0 || dollars >= 1.0 {
            write!(f, "${dollars:.2}")
        } else if dollars >= 0.01 {
            write!(f, "${dollars:.3}")
        } else {
            write!(f, "${dollars:.4}")
        }
    }
}

/// What a model costs, in nano-dollars per million tokens.
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

    /// The cost of `usage`, each part rounded up to whole nano-dollars.
    pub fn cost(&self, usage: &TokenUsage) -> Usd {
        let part = |tokens: u64, per_million: u64| {
            let nanos = (u128::from(tokens) * u128::from(per_million)).div_ceil(1_000_000);
            Usd::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        };
        let uncached = usage.input.saturating_sub(usage.cached_input).saturating_sub(usage.cache_write);
        part(uncached, self.input)
            + part(usage.cached_input, self.cached_input)
            + part(usage.cache_write, self.cache_write)
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
        if other.source == UsageSource::Estimated {
            self.source = UsageSource::Estimated;
        }
    }
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
    fn amounts_print_with_digits_that_matter() {
        let shown: Vec<_> = [0.0, 0.0042, 0.1234, 4.2].map(|d| Usd::from_dollars(d).to_string()).into();
        assert_eq!(shown, ["$0.00", "$0.0042", "$0.123", "$4.20"]);
        assert_eq!(Usd::from_dollars(f64::NAN), Usd::ZERO);
    }
}

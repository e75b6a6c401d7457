//! What is known about a model.

use crate::money::Price;

/// What is known about a model; what nobody knows is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ModelFacts {
    /// Context window in tokens.
    pub context_window: Option<u64>,
    /// Longest output in tokens.
    pub max_output_tokens: Option<u32>,
    /// List price without discounts and surcharges.
    pub price: Option<Price>,
}

impl ModelFacts {
    /// These facts, and those of `other` where these say nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            context_window: self.context_window.or(other.context_window),
            max_output_tokens: self.max_output_tokens.or(other.max_output_tokens),
            price: self.price.or(other.price),
        }
    }
}

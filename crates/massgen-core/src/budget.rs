//! Money and tokens: the worst case is reserved before a call, the real amount settled after it.

use massgen_protocol::message::Reply;
use massgen_protocol::money::UsageSource;
use massgen_protocol::{AgentNo, TokenUsage, Usd, limits};

use crate::state::{Agent, Reserved, State};

impl State {
    /// Bound on the output of `agent`'s calls, in tokens: the configured one, or a fixed one when a budget must hold.
    pub fn output_bound(&self, agent: AgentNo) -> Option<u32> {
        let configured = self.backend(agent).and_then(|backend| backend.max_output_tokens);
        configured.or_else(|| self.spec.budget.is_limited().then_some(limits::BUDGETED_OUTPUT_TOKENS))
    }

    /// Tokens and money spent so far; calls with an unknown price count as tokens only.
    pub fn spent(&self) -> (u64, Usd) {
        (self.spent.tokens, self.spent.cost)
    }

    /// The most that the next call of `agent` can spend.
    pub(crate) fn worst_case(&self, agent: &Agent) -> Reserved {
        let input = agent.context.worst_tokens();
        let output = u64::from(self.output_bound(agent.no).unwrap_or(limits::BUDGETED_OUTPUT_TOKENS));
        let price = self.backend(agent.no).and_then(|backend| backend.price);
        let cost = price.map(|mut price| {
            // A provider may write the whole prompt to its cache, at its own price.
            price.input = price.dearest_input();
            price.cost(&TokenUsage { input, output, ..TokenUsage::default() })
        });
        Reserved { tokens: input.saturating_add(output), cost }
    }

    /// Whether a call with this worst case fits what is left after all calls under way.
    pub(crate) fn fits_budget(&self, call: Reserved) -> bool {
        let budget = &self.spec.budget;
        let tokens = self.reserved.values().map(|reserved| reserved.tokens);
        let tokens = tokens.fold(call.tokens, u64::saturating_add);
        let cost = self.reserved.values().filter_map(|reserved| reserved.cost).sum::<Usd>()
            + call.cost.unwrap_or_default();
        budget.max_tokens.is_none_or(|max| self.spent.tokens.saturating_add(tokens) <= max)
            && budget.max_cost.is_none_or(|max| self.spent.cost + cost <= max)
    }

    /// What a reply cost: as the provider says, else by the price list, else unknown.
    pub(crate) fn cost_of(&self, agent: AgentNo, reply: &Reply) -> Option<Usd> {
        reply.reported_cost.or_else(|| Some(self.backend(agent)?.price?.cost(&reply.usage)))
    }

    /// What a call that was cut off has used, as far as anyone can tell: its prompt.
    pub(crate) fn cut_off_usage(&self, agent: &Agent) -> (TokenUsage, Option<Usd>) {
        let input = agent.context.likely_tokens();
        let usage = TokenUsage { input, source: UsageSource::Estimated, ..TokenUsage::default() };
        let price = self.backend(agent.no).and_then(|backend| backend.price);
        (usage, price.map(|price| price.cost(&usage)))
    }
}

//! Tokens and cost as the providers report them, in one meaning: input holds what was cached, output holds the
//! reasoning.

use massgen_protocol::money::UsageSource;
use massgen_protocol::{TokenUsage, Usd, limits};
use serde_json::Value;

/// The unit in which xAI tells the cost (<https://docs.x.ai/developers/cost-tracking>).
const TICKS_PER_DOLLAR: f64 = 1e10;

/// What a usage object says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Reported {
    /// The tokens; `None` when none were counted.
    pub(crate) tokens: Option<TokenUsage>,
    /// The cost.
    pub(crate) cost: Option<Usd>,
}

impl Reported {
    /// Reads a usage object. An object whose counters are all zero says nothing: no request has an empty prompt.
    pub(crate) fn read(usage: &Value) -> Self {
        let count = |pointer: &str| usage.pointer(pointer).and_then(number);
        let first = |pointers: &[&str]| pointers.iter().find_map(|pointer| count(pointer).filter(|n| *n > 0));
        let total = first(&["/total_tokens"]);
        let input = first(&["/prompt_tokens", "/input_tokens"]);
        let output = first(&["/completion_tokens", "/output_tokens"])
            .or_else(|| total.zip(input).map(|(total, input)| total.saturating_sub(input)));
        let tokens = (input.is_some() || output.is_some()).then(|| {
            let cached_input = first(&[
                "/prompt_tokens_details/cached_tokens",
                "/input_tokens_details/cached_tokens",
                "/cache_read_input_tokens",
                "/cached_input_tokens",
                "/num_cached_tokens",
                "/prompt_cache_hit_tokens",
                "/cached_tokens",
            ]);
            let cache_write = first(&[
                "/prompt_tokens_details/cache_write_tokens",
                "/input_tokens_details/cache_write_tokens",
                "/cache_creation_input_tokens",
            ]);
            let reasoning = first(&[
                "/completion_tokens_details/reasoning_tokens",
                "/output_tokens_details/reasoning_tokens",
                "/reasoning_tokens",
            ]);
            let (mut input, mut output) = (input.unwrap_or(0), output.unwrap_or(0));
            // xAI at times counts what it cached apart from the rest, which shows when it is more.
            let apart = first(&["/input_tokens_details/cached_tokens"]).filter(|cached| *cached > input);
            input = input.saturating_add(apart.unwrap_or(0));
            // In Chat Completions xAI counts reasoning apart from the output, and so does Gemini's compatible endpoint,
            // without a count of its own for it. The total tells. Gateways to Anthropic may count the cache apart.
            let uncounted = total.unwrap_or(0).saturating_sub(input.saturating_add(output));
            let cache = cached_input.unwrap_or(0).saturating_add(cache_write.unwrap_or(0));
            if uncounted > 0 && uncounted == cache && reasoning != Some(uncounted) {
                input = input.saturating_add(uncounted);
            } else {
                output = output.saturating_add(uncounted);
            }
            let cached_input = cached_input.unwrap_or(0).min(input);
            TokenUsage {
                input,
                output,
                // Some servers count more reasoning than output; the part is never more than the whole.
                reasoning: reasoning.unwrap_or(0).min(output),
                cached_input,
                cache_write: cache_write.unwrap_or(0).min(input - cached_input),
                cache_write_long: 0,
                source: UsageSource::Api,
            }
        });
        Self { tokens, cost: reported_cost(usage) }
    }

    /// Takes what `later` says; a report without counters does not undo an earlier one.
    pub(crate) fn update(&mut self, later: Self) {
        self.tokens = later.tokens.or(self.tokens);
        self.cost = later.cost.or(self.cost);
    }
}

/// What a usage object says of the cost, in the spellings of OpenRouter and xAI.
///
/// With a provider key of one's own OpenRouter's `cost` is its fee alone. The provider's bill stands beside it, and
/// without it nobody knows the cost.
pub(crate) fn reported_cost(usage: &Value) -> Option<Usd> {
    let said = usage.get("cost").and_then(cost);
    if usage.get("is_byok").and_then(Value::as_bool) == Some(true) {
        let bill = usage.pointer("/cost_details/upstream_inference_cost").and_then(cost)?;
        return Some(said.unwrap_or_default() + bill);
    }
    let ticks = || usage.get("cost_in_usd_ticks")?.as_f64().filter(|ticks| *ticks >= 0.0);
    said.or_else(|| Some(Usd::from_dollars(ticks()? / TICKS_PER_DOLLAR)))
}

/// A cost in US dollars: a number, or an object with `total_cost`. A cost of zero counts: free models say so.
pub(crate) fn cost(value: &Value) -> Option<Usd> {
    let value = value.get("total_cost").unwrap_or(value);
    let dollars = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (dollars.is_finite() && dollars >= 0.0).then(|| Usd::from_dollars(dollars))
}

/// Tokens of `bytes` bytes of text when nobody counted: four bytes a token, rounded up.
pub(crate) fn estimated_tokens(bytes: usize) -> u64 {
    u64::try_from(bytes.div_ceil(4)).unwrap_or(u64::MAX)
}

/// Bytes of a request as far as they are text: a file in it, which is one unbroken run of base64, counts as
/// [`limits::FILE_IN_PROMPT_BYTES`].
pub(crate) fn text_bytes(body: &[u8]) -> usize {
    let ends = body.iter().enumerate().filter(|(_, byte)| !is_base64(**byte)).map(|(at, _)| at);
    let (mut begin, mut beyond) = (0, 0);
    for end in ends.chain([body.len()]) {
        beyond += (end - begin).saturating_sub(limits::FILE_IN_PROMPT_BYTES);
        begin = end + 1;
    }
    body.len() - beyond
}

/// Whether a text in base64, of either alphabet, may hold `byte`.
fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=')
}

/// A count that some servers write as `12.0`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
pub(crate) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().filter(|n| (0.0..1e15).contains(n)).map(|n| n as u64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_in_a_request_does_not_count_as_text() {
        let text = r#"{"messages": [{"content": "why is the sky blue?"}]}"#;
        assert_eq!(text_bytes(text.as_bytes()), text.len());
        let picture = "iVBORw0KGgo/+A".repeat(100_000);
        let body = |data: &str| {
            format!(r#"{{"parts": [{{"inlineData": {{"data": "{data}=="}}}}, {{"text": "é"}}]}}"#)
        };
        let around = text_bytes(body("").as_bytes()) - "==".len();
        assert_eq!(text_bytes(body(&picture).as_bytes()), around + limits::FILE_IN_PROMPT_BYTES);
    }

    #[test]
    fn every_spelling_has_one_meaning() {
        let openai = json!({"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 140,
            "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
            "completion_tokens_details": {"reasoning_tokens": 30}});
        let tokens = TokenUsage {
            input: 100,
            output: 40,
            reasoning: 30,
            cached_input: 60,
            cache_write: 10,
            ..TokenUsage::default()
        };
        assert_eq!(Reported::read(&openai), Reported { tokens: Some(tokens), cost: None });

        let deepseek =
            json!({"prompt_tokens": 10.0, "total_tokens": 15, "prompt_cache_hit_tokens": 99, "cost": "0.5"});
        let tokens = TokenUsage { input: 10, output: 5, cached_input: 10, ..TokenUsage::default() };
        let expected = Reported { tokens: Some(tokens), cost: Some(Usd::from_dollars(0.5)) };
        assert_eq!(Reported::read(&deepseek), expected);
    }

    #[test]
    fn a_cached_part_larger_than_the_whole_was_counted_apart() {
        let usage =
            json!({"input_tokens": 30, "input_tokens_details": {"cached_tokens": 70}, "output_tokens": 1});
        let tokens = Reported::read(&usage).tokens.unwrap();
        assert_eq!((tokens.input, tokens.cached_input), (100, 70));
    }

    #[test]
    fn what_is_counted_apart_is_found_by_the_total() {
        let counts = |usage: Value| {
            let tokens = Reported::read(&usage).tokens.unwrap();
            [tokens.input, tokens.output, tokens.reasoning, tokens.cached_input, tokens.cache_write]
        };
        // xAI: 10120 + 1499 + 2809 = 14428.
        let xai = json!({"prompt_tokens": 10_120, "completion_tokens": 1499, "total_tokens": 14_428,
            "prompt_tokens_details": {"cached_tokens": 128},
            "completion_tokens_details": {"reasoning_tokens": 2809}});
        assert_eq!(counts(xai), [10_120, 4308, 2809, 128, 0]);
        // OpenAI: reasoning is in the output, 500 + 500 = 1000.
        let openai = json!({"prompt_tokens": 500, "completion_tokens": 500, "total_tokens": 1000,
            "completion_tokens_details": {"reasoning_tokens": 200}});
        assert_eq!(counts(openai), [500, 500, 200, 0, 0]);
        // Gemini's compatible endpoint does not say that the rest were thoughts.
        let gemini = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 45});
        assert_eq!(counts(gemini), [10, 35, 0, 0, 0]);
        // A gateway to Anthropic: 3 + 40 written + 60 read, 7 out.
        let gateway = json!({"prompt_tokens": 3, "completion_tokens": 7, "total_tokens": 110,
            "cache_read_input_tokens": 60, "cache_creation_input_tokens": 40});
        assert_eq!(counts(gateway), [103, 7, 0, 60, 40]);
        // Moonshot has the counter at the top, beside those of the protocol.
        let moonshot =
            json!({"prompt_tokens": 19, "completion_tokens": 21, "total_tokens": 40, "cached_tokens": 10});
        assert_eq!(counts(moonshot), [19, 21, 0, 10, 0]);
        // DeepSeek: hit and miss together are the prompt.
        let deepseek = json!({"prompt_tokens": 30, "completion_tokens": 2, "total_tokens": 32,
            "prompt_cache_hit_tokens": 20, "prompt_cache_miss_tokens": 10});
        assert_eq!(counts(deepseek), [30, 2, 0, 20, 0]);
    }

    #[test]
    fn with_a_key_of_ones_own_the_providers_bill_is_added_to_the_fee() {
        let cost = |usage: Value| reported_cost(&usage);
        let upstream = |is_byok: bool| json!({"cost": 0.001, "is_byok": is_byok, "cost_details": {"upstream_inference_cost": 0.02}});
        assert_eq!(cost(upstream(true)), Some(Usd::from_dollars(0.021)));
        assert_eq!(cost(upstream(false)), Some(Usd::from_dollars(0.001)));
        let bill_unknown =
            json!({"cost": 0, "is_byok": true, "cost_details": {"upstream_inference_cost": null}});
        assert_eq!(cost(bill_unknown), None);
    }

    #[test]
    fn costs_in_ticks_are_dollars() {
        let usage = json!({"input_tokens": 3, "output_tokens": 2, "cost_in_usd_ticks": 37_756_000});
        assert_eq!(Reported::read(&usage).cost, Some(Usd::from_dollars(0.003_775_6)));
    }

    #[test]
    fn counters_of_zero_are_no_report_and_a_cost_of_zero_is_one() {
        let zeros = json!({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0, "cost": 0});
        assert_eq!(Reported::read(&zeros), Reported { tokens: None, cost: Some(Usd::ZERO) });
    }
}

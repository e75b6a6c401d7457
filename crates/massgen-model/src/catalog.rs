//! What is known about models: context windows, output bounds, prices. The figures are rig's, compiled in; nothing is
//! fetched.
//!
//! It has one price per model: the list price of the usual service. Dearer tiers for long prompts (Gemini Pro above
//! 200,000 tokens, for one), cheaper ones for batches, and the fees of tools that providers run are not in it; where a
//! provider tells the cost itself (OpenRouter, xAI), that counts instead.
//!
//! The catalog is parsed at the first look-up (4 ms and 5 MB); whoever does not ask does not pay.

use massgen_protocol::{ModelFacts, Price};
use reqwest::Url;
use rig_core::catalog::{Catalog, ModelSpec, Pricing};

use crate::http::is_loopback_host;
use crate::listing::{Abilities, Ability};

/// Backend types that are servers of one's own.
const LOCAL: [&str; 5] = ["inference", "lmstudio", "ollama", "sglang", "vllm"];

/// Catalog vendors by the end of an endpoint's host name.
const VENDORS: [(&str, &str); 16] = [
    ("openai.com", "openai"),
    ("anthropic.com", "anthropic"),
    ("googleapis.com", "gcp.gemini"),
    ("x.ai", "xai"),
    ("openrouter.ai", "openrouter"),
    ("groq.com", "groq"),
    ("together.xyz", "together"),
    ("together.ai", "together"),
    ("deepseek.com", "deepseek"),
    ("mistral.ai", "mistral"),
    ("moonshot.ai", "moonshot"),
    ("moonshot.cn", "moonshot"),
    ("z.ai", "zai"),
    ("bigmodel.cn", "zai"),
    ("minimax.io", "minimax"),
    ("xiaomimimo.com", "xiaomimimo"),
];

/// What is known about `model` of the backend type `backend_kind` behind `base_url`.
///
/// Where the model runs decides about its price, so the host is asked first and the type only for endpoints without
/// a known host. A server on this machine, or of a type that one runs oneself, costs nothing. Ollama's own cloud is no
/// such server.
pub fn lookup(backend_kind: &str, model: &str, base_url: &str) -> ModelFacts {
    let url = Url::parse(base_url).ok();
    let is_cloud = host_belongs(base_url, "ollama.com");
    if is_local(backend_kind) && !is_cloud || url.as_ref().is_some_and(is_loopback_host) {
        return ModelFacts { price: Some(Price::FREE), ..ModelFacts::default() };
    }
    vendor_at(base_url).and_then(|vendor| find(vendor, model)).map(facts).unwrap_or_default()
}

/// What `model` behind `base_url` can do; nothing is known of models that the catalogue does not have.
pub fn abilities(model: &str, base_url: &str) -> Abilities {
    let Some(spec) = vendor_at(base_url).and_then(|vendor| find(vendor, model)) else {
        return Abilities::default();
    };
    Abilities::from_iter([
        (Ability::Tools, spec.tools),
        (Ability::Reasoning, spec.reasoning.supported),
        (Ability::Images, spec.input.image),
        (Ability::Audio, spec.input.audio),
        (Ability::Video, spec.input.video),
        (Ability::Documents, spec.input.pdf),
    ])
}

/// The names of the models that the catalogue knows of the vendor behind `base_url`, without deprecated ones.
pub fn models(base_url: &str) -> Vec<&'static str> {
    let Some(vendor) = vendor_at(base_url) else {
        return Vec::new();
    };
    let known = Catalog::builtin().iter();
    known
        .filter(|spec| spec.provider.vendor() == vendor && !spec.deprecated)
        .map(|spec| spec.id.as_str())
        .collect()
}

/// The vendor whose host stands in `base_url`.
fn vendor_at(base_url: &str) -> Option<&'static str> {
    VENDORS.iter().find(|(domain, _)| host_belongs(base_url, domain)).map(|(_, vendor)| *vendor)
}

/// Whether the host of `base_url` is `domain` or a part of it.
fn host_belongs(base_url: &str, domain: &str) -> bool {
    let url = Url::parse(base_url).ok();
    let rest = url.as_ref().and_then(Url::host_str).and_then(|host| host.strip_suffix(domain));
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a backend type is a server of one's own, which wants no key and no money.
pub(crate) fn is_local(backend_kind: &str) -> bool {
    LOCAL.contains(&backend_kind)
}

/// Whether `model` of the catalogue's `vendor` reasons; `None` when nobody knows.
pub(crate) fn reasons(vendor: &str, model: &str) -> Option<bool> {
    find(vendor, model).map(|spec| spec.reasoning.supported)
}

/// The entry of a model, by its name or its name without the date of a snapshot.
fn find(vendor: &str, model: &str) -> Option<&'static ModelSpec> {
    let catalog = Catalog::builtin();
    let exact = |model: &str| catalog.resolve(&format!("{vendor}/{model}"));
    exact(model).or_else(|| model.rmatch_indices("-20").find_map(|(at, _)| exact(model.get(..at)?)))
}

/// The catalog writes 0 for a figure that a model does not have.
fn facts(spec: &ModelSpec) -> ModelFacts {
    ModelFacts {
        context_window: spec.context_window.filter(|tokens| *tokens > 0).map(u64::from),
        max_output_tokens: spec.max_output_tokens.filter(|tokens| *tokens > 0),
        price: spec.pricing.as_ref().map(price),
    }
}

/// A cache price that is not listed is the price of input.
fn price(pricing: &Pricing) -> Price {
    Price {
        input: nanos(pricing.input),
        output: nanos(pricing.output),
        cached_input: nanos(pricing.cache_read.unwrap_or(pricing.input)),
        cache_write: nanos(pricing.cache_write.unwrap_or(pricing.input)),
    }
}

/// Nano-dollars of an amount in dollars.
fn nanos(dollars: f64) -> u64 {
    massgen_protocol::Usd::from_dollars(dollars).nanos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_model_has_a_window_and_a_price() {
        let known = lookup("chatcompletion", "gpt-5.2", "https://api.openai.com/v1");
        assert!(known.context_window.unwrap() > 100_000 && known.max_output_tokens.unwrap() > 1000);
        let price = known.price.unwrap();
        assert!(price.input > 0 && price.output > price.input && price.cached_input < price.input);
        assert_eq!(lookup("openai", "gpt-5.2-2025-12-11", "https://api.openai.com/v1"), known);
    }

    #[test]
    fn the_models_of_a_vendor_are_named_with_what_they_can_do() {
        let url = "https://api.anthropic.com";
        let names = models(url);
        assert!(names.contains(&"claude-sonnet-4-6"), "{names:?}");
        let able = abilities("claude-sonnet-4-6", url);
        assert_eq!((able.can(Ability::Tools), able.can(Ability::Images)), (Some(true), Some(true)));
        assert_eq!(abilities("no-such-model", url), Abilities::default());
        assert!(models("https://notanthropic.com").is_empty());
    }

    #[test]
    fn a_model_elsewhere_is_unknown_even_if_its_name_is_known() {
        let nothing = ModelFacts::default();
        assert_eq!(lookup("chatcompletion", "gpt-5.2", "https://notopenai.com/v1"), nothing);
        assert_eq!(lookup("chatcompletion", "no-such-model", "https://api.openai.com/v1"), nothing);
        assert_eq!(lookup("chatcompletion", "gpt-5.2", "not a url"), nothing);
    }

    #[test]
    fn ones_own_servers_cost_nothing() {
        for (kind, url) in [
            ("chatcompletion", "http://localhost:8000/v1"),
            ("chatcompletion", "http://127.0.0.5:1/v1"),
            ("chatcompletion", "http://[::1]:1/v1"),
            ("vllm", "http://gpu.example:8000/v1"),
        ] {
            assert_eq!(lookup(kind, "gpt-5.2", url).price, Some(Price::FREE), "{url}");
        }
        assert_eq!(lookup("ollama", "gpt-oss:120b", "https://ollama.com").price, None);
    }
}

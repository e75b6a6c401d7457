//! What is told of the models, for programs.

use massgen_config::backends::Capability;
use massgen_model::listing::{Abilities, Ability};
use massgen_protocol::{ModelFacts, Price, Usd};
use serde_json::{Map, Value, json};

/// What providers do themselves.
pub(super) const PROVIDER_TOOLS: [Capability; 3] =
    [Capability::WebSearch, Capability::XSearch, Capability::CodeExecution];

/// The models of a type.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Provider {
    /// The type, as in `type:`.
    pub(super) kind: String,
    pub(super) display_name: String,
    pub(super) origin: Origin,
    /// In the order of their names.
    pub(super) models: Vec<Entry>,
    /// Models whose names cannot be used.
    pub(super) unusable: usize,
    /// Why there is no list.
    pub(super) error: Option<String>,
}

/// Who says which models there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The service.
    Service,
    /// The built-in catalogue and the user's file.
    Catalogue,
}

/// A model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) facts: ModelFacts,
    pub(super) abilities: Abilities,
    /// What the provider does itself for it.
    pub(super) tools: Vec<Capability>,
}

/// The JSON: what nobody knows is `null`.
pub(super) fn json(providers: &[Provider]) -> Value {
    json!({ "providers": providers.iter().map(provider).collect::<Vec<_>>() })
}

fn provider(provider: &Provider) -> Value {
    json!({
        "type": provider.kind,
        "display_name": provider.display_name,
        "source": match (provider.origin, &provider.error) {
            (_, Some(_)) => Value::Null,
            (Origin::Service, None) => "live".into(),
            (Origin::Catalogue, None) => "catalogue".into(),
        },
        "error": provider.error,
        "unusable_names": provider.unusable,
        "models": provider.models.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn entry(entry: &Entry) -> Value {
    let abilities =
        Ability::ALL.map(|ability| (word(ability).to_owned(), json!(entry.abilities.can(ability))));
    json!({
        "name": entry.name,
        "context_window": entry.facts.context_window,
        "max_output_tokens": entry.facts.max_output_tokens,
        "price": entry.facts.price.as_ref().map(price),
        "capabilities": Map::from_iter(abilities),
        "provider_tools": entry.tools.iter().map(|tool| tool.as_str()).collect::<Vec<_>>(),
    })
}

/// Dollars per million tokens.
fn price(price: &Price) -> Value {
    let dollars = |nanos| Usd::from_nanos(nanos).dollars();
    json!({
        "input": dollars(price.input),
        "output": dollars(price.output),
        "cached_input": dollars(price.cached_input),
        "cache_write": dollars(price.cache_write),
    })
}

/// An ability as the list of backends calls it.
pub(super) fn word(ability: Ability) -> &'static str {
    match ability {
        Ability::Tools => "tools",
        Ability::Reasoning => "reasoning",
        Ability::Images => "image_understanding",
        Ability::Audio => "audio_understanding",
        Ability::Video => "video_understanding",
        Ability::Documents => "document_understanding",
    }
}

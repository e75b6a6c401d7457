//! Which models a service has, by what it says itself.
//!
//! Services list their models in many shapes and tell little or much about each. What is read here is what they say;
//! what they leave out stays unknown, and the catalogue may know it.

mod ask;

use std::collections::{BTreeMap, HashSet};

use massgen_protocol::spec::Protocol;
use massgen_protocol::{ModelFacts, Price, Usd};
use serde_json::Value;

pub use ask::{Inquiry, MODELS, PATIENCE, ask};

/// Longest name of a model that is taken, in bytes.
const NAME_BYTES: usize = 200;

/// Highest price that is believed, in dollars per million tokens.
const DEAREST: f64 = 1e6;

/// Kinds of models that write no text, in the words of services.
const NO_TEXT: [&str; 7] = ["audio", "embedding", "image", "moderation", "rerank", "transcribe", "video"];

/// What a model can do besides text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// It calls tools.
    Tools,
    /// It thinks before it answers.
    Reasoning,
    /// It sees images.
    Images,
    /// It hears sounds.
    Audio,
    /// It sees videos.
    Video,
    /// It reads PDF documents.
    Documents,
}

impl Ability {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Tools, Self::Reasoning, Self::Images, Self::Audio, Self::Video, Self::Documents];
}

/// What is known of the abilities of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities(BTreeMap<Ability, bool>);

impl Abilities {
    /// Whether it can; `None` when nobody knows.
    pub fn can(&self, ability: Ability) -> Option<bool> {
        self.0.get(&ability).copied()
    }

    /// These, and those of `other` that these say nothing about.
    #[must_use]
    pub fn or(mut self, other: Self) -> Self {
        for (ability, can) in other.0 {
            self.0.entry(ability).or_insert(can);
        }
        self
    }
}

impl FromIterator<(Ability, bool)> for Abilities {
    /// What is said to be there is, if it is said more than once.
    fn from_iter<I: IntoIterator<Item = (Ability, bool)>>(said: I) -> Self {
        let mut abilities = BTreeMap::new();
        for (ability, can) in said {
            *abilities.entry(ability).or_insert(false) |= can;
        }
        Self(abilities)
    }
}

/// A model that a service has.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Its name, as in `model:`; visible ASCII.
    pub name: String,
    /// What the service tells of its size and price.
    pub facts: ModelFacts,
    /// What the service tells of its abilities.
    pub abilities: Abilities,
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The models that write text, in the order of the service.
    pub models: Vec<Listed>,
    /// What asks for the next page; `None` on the last one.
    pub next: Option<String>,
    /// Entries whose names cannot be used.
    pub unusable: usize,
}

/// Reads a page of the list that services with `protocol` give.
///
/// # Errors
/// It is no list of models.
pub fn page(protocol: Protocol, body: &[u8]) -> Result<Page, String> {
    let document: Value = serde_json::from_slice(body).map_err(|error| format!("no JSON: {error}"))?;
    let (key, name, next) = match protocol {
        Protocol::ChatCompletions | Protocol::Responses => ("data", "id", None),
        Protocol::Messages => {
            let is_more = document.get("has_more").and_then(Value::as_bool).unwrap_or_default();
            ("data", "id", document.get("last_id").filter(|_| is_more))
        }
        Protocol::Gemini => ("models", "name", document.get("nextPageToken")),
        Protocol::Ollama => ("models", "name", None),
    };
    // Together sends the bare list.
    let entries = document.get(key).unwrap_or(&document);
    let entries = entries.as_array().ok_or_else(|| format!("no list under `{key}`"))?;
    let mut page = Page {
        next: next.and_then(Value::as_str).filter(|next| !next.is_empty()).map(str::to_owned),
        ..Page::default()
    };
    let mut names = HashSet::new();
    for entry in entries {
        let name = entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let name = name.strip_prefix("models/").filter(|_| protocol == Protocol::Gemini).unwrap_or(name);
        if !is_usable(name) {
            page.unusable += 1;
        } else if writes_text(entry) && names.insert(name) {
            let listed = Listed { name: name.to_owned(), facts: facts(entry), abilities: abilities(entry) };
            page.models.push(listed);
        }
    }
    Ok(page)
}

/// Names go into commands, configurations and terminals.
fn is_usable(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a model writes text, as far as its service says.
fn writes_text(entry: &Value) -> bool {
    let is_other = entry.get("type").and_then(Value::as_str).is_some_and(|kind| NO_TEXT.contains(&kind));
    let converses = flag(entry, "/capabilities/completion_chat").unwrap_or(true);
    let methods = words(entry, "/supportedGenerationMethods");
    let modalities = words(entry, "/architecture/output_modalities");
    let lists = |words: Option<Vec<&str>>, word: &str| words.is_none_or(|words| words.contains(&word));
    !is_other && converses && lists(methods, "generateContent") && lists(modalities, "text")
}

fn facts(entry: &Value) -> ModelFacts {
    let first = |places: &[&str]| places.iter().find_map(|place| count(entry, place));
    let output = first(&[
        "/top_provider/max_completion_tokens",
        "/max_completion_tokens",
        "/context_window/max_output_tokens",
        "/outputTokenLimit",
        "/max_tokens",
    ]);
    ModelFacts {
        context_window: first(&[
            "/context_length",
            "/context_window",
            "/context_window/context_length",
            "/max_context_length",
            "/max_model_len",
            "/max_input_tokens",
            "/inputTokenLimit",
            "/details/context_length",
        ]),
        max_output_tokens: output.and_then(|tokens| u32::try_from(tokens).ok()),
        price: entry.get("pricing").and_then(price),
    }
}

/// Services write 0 for a number that they do not know.
fn count(entry: &Value, place: &str) -> Option<u64> {
    entry.pointer(place).and_then(Value::as_u64).filter(|number| *number > 0)
}

/// OpenRouter and Poe tell dollars per token, in strings; Together tells dollars per million tokens, and 0 for models
/// that are paid by the hour.
fn price(pricing: &Value) -> Option<Price> {
    let per_token = |key: &str| dollars(pricing.get(key)?, 1e6);
    let per_million = |key: &str| dollars(pricing.get(key)?, 1.0);
    if let (Some(input), Some(output)) = (per_token("prompt"), per_token("completion")) {
        return Some(Price {
            input,
            output,
            cached_input: per_token("input_cache_read").unwrap_or(input),
            cache_write: per_token("input_cache_write").unwrap_or(input),
        });
    }
    let (input, output) = (per_million("input")?, per_million("output")?);
    let cached_input = per_million("cached_input").filter(|price| *price > 0).unwrap_or(input);
    (input > 0 || output > 0).then_some(Price { input, output, cached_input, cache_write: input })
}

/// Nano-dollars per million tokens of an amount of dollars for some tokens, `per_million` of which make a million. An
/// amount below zero stands for a price that varies.
fn dollars(amount: &Value, per_million: f64) -> Option<u64> {
    let amount = amount.as_f64().or_else(|| amount.as_str()?.trim().parse().ok())?;
    let amount = amount * per_million;
    (0.0..=DEAREST).contains(&amount).then(|| Usd::from_dollars(amount).nanos())
}

fn abilities(entry: &Value) -> Abilities {
    const FLAGS: [(&str, Ability); 13] = [
        ("/supports_tools", Ability::Tools),
        ("/capabilities/function_calling", Ability::Tools),
        ("/supports_reasoning", Ability::Reasoning),
        ("/thinking", Ability::Reasoning),
        ("/capabilities/thinking", Ability::Reasoning),
        ("/capabilities/reasoning", Ability::Reasoning),
        ("/supports_image_in", Ability::Images),
        ("/supports_image_input", Ability::Images),
        ("/capabilities/vision", Ability::Images),
        ("/capabilities/image_input", Ability::Images),
        ("/supports_video_in", Ability::Video),
        ("/capabilities/audio", Ability::Audio),
        ("/capabilities/pdf_input", Ability::Documents),
    ];
    const LISTS: [(&str, &[(&str, Ability)]); 3] = [
        ("/supported_parameters", &[("tools", Ability::Tools), ("reasoning", Ability::Reasoning)]),
        (
            "/architecture/input_modalities",
            &[
                ("image", Ability::Images),
                ("audio", Ability::Audio),
                ("video", Ability::Video),
                ("file", Ability::Documents),
            ],
        ),
        (
            "/capabilities",
            &[("tools", Ability::Tools), ("thinking", Ability::Reasoning), ("vision", Ability::Images)],
        ),
    ];
    let flags = FLAGS.iter().filter_map(|(place, ability)| Some((*ability, flag(entry, place)?)));
    let lists = LISTS.iter().filter_map(|(place, known)| Some((words(entry, place)?, known)));
    let listed = lists
        .flat_map(|(words, known)| known.iter().map(move |(word, ability)| (*ability, words.contains(word))));
    flags.chain(listed).collect()
}

/// What is true or false there, be it in an object with more about it.
fn flag(entry: &Value, place: &str) -> Option<bool> {
    let said = entry.pointer(place)?;
    said.as_bool().or_else(|| said.get("supported")?.as_bool())
}

/// The words of the list there.
fn words<'a>(entry: &'a Value, place: &str) -> Option<Vec<&'a str>> {
    Some(entry.pointer(place)?.as_array()?.iter().filter_map(Value::as_str).collect())
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;

//! What every request of an endpoint says besides the conversation.

use std::collections::BTreeMap;

use massgen_protocol::ModelRequest;
use massgen_protocol::spec::{BackendSpec, ProviderTool};
use reqwest::Url;
use rig_core::providers::openai::responses_api::ResponsesToolDefinition;
use rig_core::providers::openai::wire::{self, Dialect};
use rig_core::providers::xai;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::catalog;

/// The dialect of servers that nobody has described: the protocol as it is.
const COMPATIBLE: Dialect = Dialect::gateway("compatible", "", "");

/// Keys of a body that no parameter of a configuration replaces.
const OURS: [&str; 5] = ["model", "input", "instructions", "tools", "stream"];

/// Names under which people bound the output.
const BOUNDS: [&str; 3] = ["max_output_tokens", "max_tokens", "max_completion_tokens"];

/// What makes reasoning readable for the provider when nothing is stored there.
const CIPHERTEXT: &str = "reasoning.encrypted_content";

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// OpenAI, be it at Azure.
    OpenAi,
    Xai,
    OpenRouter,
    /// Somebody who speaks the protocol.
    Compatible,
}

impl Host {
    fn of(url: &Url) -> Self {
        let host = url.host_str().unwrap_or_default();
        let belongs = |domain: &str| {
            host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        match () {
            () if belongs("openai.com") || belongs("azure.com") => Self::OpenAi,
            () if belongs("x.ai") => Self::Xai,
            () if belongs("openrouter.ai") => Self::OpenRouter,
            () => Self::Compatible,
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::OpenAi => wire::OPENAI,
            Self::Xai => xai::DIALECT,
            Self::OpenRouter => wire::OPENROUTER,
            Self::Compatible => COMPATIBLE,
        }
    }

    /// The name under which the catalogue lists the models.
    fn vendor(self) -> Option<&'static str> {
        match self {
            Self::OpenAi => Some("openai"),
            Self::Xai => Some("xai"),
            Self::OpenRouter => Some("openrouter"),
            Self::Compatible => None,
        }
    }
}

/// The settings of one endpoint.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub(super) dialect: Dialect,
    /// Fields of the body besides rig's.
    pub(super) parameters: Map<String, Value>,
    /// What the provider runs itself.
    pub(super) tools: Vec<ResponsesToolDefinition>,
    /// Bound on the output, in tokens.
    pub(super) max_output_tokens: Option<u64>,
    /// Fields of rig's body with another value, or left out.
    changes: Vec<(&'static str, Option<Value>)>,
    /// Whether requests say which of them begin alike.
    cache_key: CacheKey,
}

/// A field with its value; `None` leaves it out.
pub(super) type Change = (&'static str, Option<Box<RawValue>>);

/// Whether requests say which of them begin alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CacheKey {
    /// A key for each agent.
    PerAgent,
    /// None: the configuration has one, or the server may not know the field.
    Unsent,
}

impl Settings {
    /// The settings for `backend` behind `url`. What the configuration says stays; what it leaves open makes each
    /// request complete in itself, with nothing stored at the provider.
    pub(super) fn new(url: &Url, backend: &BackendSpec) -> Self {
        let host = Host::of(url);
        let model = backend.model.as_str();
        let mut parameters = open_parameters(&backend.parameters);
        let mut max_output_tokens = backend.max_output_tokens.map(u64::from);
        for key in BOUNDS {
            // What is no number stays, for the provider to complain about.
            if let Some(bound) = parameters.get(key).and_then(Value::as_u64) {
                max_output_tokens.get_or_insert(bound);
                parameters.remove(key);
            }
        }

        let known = host.vendor().and_then(|vendor| catalog::reasons(vendor, model));
        let may_reason = known.unwrap_or_else(|| !is_without_reasoning(model));
        if let Some(reasoning) = default_reasoning(model).filter(|_| may_reason) {
            parameters.entry("reasoning").or_insert(reasoning);
        }
        let tools: Vec<_> = backend
            .service()
            .map_or(&[][..], |service| &service.tools)
            .iter()
            .copied()
            .map(provider_tool)
            .collect();
        if !tools.is_empty() {
            parameters.insert("parallel_tool_calls".to_owned(), json!(false));
        }
        let cache_key = match host {
            Host::OpenAi | Host::Xai if !parameters.contains_key("prompt_cache_key") => CacheKey::PerAgent,
            Host::OpenAi | Host::Xai | Host::OpenRouter | Host::Compatible => CacheKey::Unsent,
        };

        let reasons = may_reason || parameters.contains_key("reasoning");
        let stored = parameters.get("store").cloned().unwrap_or(json!(false));
        let included = parameters.get("include").cloned();
        let mut changes = Vec::new();
        match host {
            Host::OpenAi => {
                // rig asks for the ciphertext and leaves out reasoning that came without, which OpenAI does not take.
                parameters.insert("store".to_owned(), stored);
                if !reasons {
                    // Asking for what a model does not have is an error.
                    changes.push(("include", included));
                }
            }
            Host::Xai | Host::OpenRouter | Host::Compatible => {
                // Others take reasoning in any form back, so rig is not told: it would leave some out.
                parameters.remove("store");
                if reasons && stored == json!(false) && host != Host::Compatible {
                    include_ciphertext(&mut parameters);
                }
                changes.push(("store", Some(stored)));
            }
        }
        Self { dialect: host.dialect(), parameters, tools, max_output_tokens, changes, cache_key }
    }

    /// The parameters of `request`.
    pub(super) fn parameters_of(&self, request: &ModelRequest) -> Map<String, Value> {
        let mut parameters = self.parameters.clone();
        if self.cache_key == CacheKey::PerAgent {
            parameters.insert("prompt_cache_key".to_owned(), cache_key(request).into());
        }
        parameters
    }

    /// Fields of rig's body with another value, or left out.
    pub(super) fn changes(&self) -> Result<Vec<Change>, serde_json::Error> {
        let raw = |value: &Option<Value>| value.as_ref().map(to_raw_value).transpose();
        self.changes.iter().map(|(key, value)| Ok((*key, raw(value)?))).collect()
    }
}

fn open_parameters(configured: &BTreeMap<String, Value>) -> Map<String, Value> {
    let open = |(key, value): &(&String, &Value)| !OURS.contains(&key.as_str()) && !value.is_null();
    configured.iter().filter(open).map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// Reasoning as a model gets it when the configuration says nothing.
fn default_reasoning(model: &str) -> Option<Value> {
    if model.starts_with("gpt-5.") {
        Some(json!({"effort": "medium", "summary": "auto"}))
    } else if ["gpt-5", "o3", "o4"].iter().any(|family| model.starts_with(family)) {
        Some(json!({"summary": "auto"}))
    } else {
        None
    }
}

/// Whether a model that the catalogue does not list is of a family from before there was reasoning.
fn is_without_reasoning(model: &str) -> bool {
    let model = model.strip_prefix("ft:").unwrap_or(model).to_ascii_lowercase();
    ["gpt-3", "gpt-4", "gpt-5-chat", "chatgpt-"].iter().any(|family| model.contains(family))
}

fn include_ciphertext(parameters: &mut Map<String, Value>) {
    let included = parameters.entry("include").or_insert(json!([]));
    if let Some(included) = included.as_array_mut()
        && !included.iter().any(|wanted| wanted == CIPHERTEXT)
    {
        included.push(json!(CIPHERTEXT));
    }
}

fn provider_tool(tool: ProviderTool) -> ResponsesToolDefinition {
    match tool {
        ProviderTool::WebSearch => ResponsesToolDefinition::web_search(),
        ProviderTool::XSearch => ResponsesToolDefinition::hosted("x_search"),
        ProviderTool::CodeExecution => {
            let container = json!({"type": "auto"});
            ResponsesToolDefinition::hosted("code_interpreter").with_config("container", container)
        }
    }
}

/// A name for the requests that begin alike: those of one agent with its system text. It tells nothing of either.
fn cache_key(request: &ModelRequest) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(request.context.agent.as_str().as_bytes()).update(&[0]).update(request.system.as_bytes());
    // OpenAI takes keys of up to 64 characters.
    let hash: String = hasher.finalize().to_hex().chars().take(32).collect();
    format!("massgen-{hash}")
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

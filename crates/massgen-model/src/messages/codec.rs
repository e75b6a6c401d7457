//! Requests of the protocol, in the dialect of the provider.

use std::borrow::Cow;

use bytes::Bytes;
use massgen_protocol::ModelRequest;
use massgen_protocol::message::ReplyItem;
use massgen_protocol::spec::{BackendSpec, Protocol, ProviderTool};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName};
use rig_core::completion::{CompletionRequest, ReplayTarget};
use rig_core::message::{Api, AssistantContent, Fingerprint, Message, Origin, ToolChoice};
use rig_core::providers::anthropic::wire::{AnthropicConfig, Messages};
use rig_core::wire::{Mode, Wire};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::decoder::{CONTAINER, Decoder, REFUSAL};
use super::dialect::{self, Caching, Signatures};
use super::settings::Settings;
use super::stored_files::stored_files;
use crate::catalog;
use crate::provider::body::{arrange, written};
use crate::provider::codec::{Codec, Decode, Framing};
use crate::provider::conversation::rig_request;
use crate::provider::fetched::StoredFile;
use crate::provider::files::Files;
use crate::provider::form::{self, Tools};

/// Bound on the output where nobody knows the model's own, in tokens. The protocol demands one.
const OUTPUT_TOKENS: u32 = 32_000;

/// Least budget for thinking that the service takes, in tokens.
const LEAST_THINKING: u64 = 1024;

/// Headers of the protocol that rig knows the values of.
const HEADERS: [&str; 2] = ["anthropic-version", "anthropic-beta"];

/// The kind of a block that tells which model took over; it does not go back.
const FALLBACK: &str = "fallback";

/// The Messages protocol as one endpoint speaks it.
#[derive(Clone)]
pub(crate) struct MessagesCodec {
    wire: Messages,
    origin: Origin,
    caching: Caching,
    signatures: Signatures,
    /// What the configuration asks for, or why it cannot be sent.
    settings: Result<Settings, String>,
    headers: HeaderMap,
    /// Bound on the output, in tokens.
    max_output_tokens: u32,
}

impl MessagesCodec {
    /// The protocol for the model of `backend` behind `url`, with `tools` that the provider runs itself.
    pub(crate) fn new(url: &Url, backend: &BackendSpec, tools: &[ProviderTool]) -> Self {
        let mut dialect = dialect::of(url.host_str().unwrap_or_default());
        let caching = dialect::caching(&dialect);
        let mut settings = Settings::read(&backend.parameters, tools);
        let asked = settings.as_mut().map_or_else(
            |_| Settings::default(),
            |settings| {
                if caching == Caching::Automatic {
                    let mark = || json!({"type": "ephemeral"});
                    settings.body.entry("cache_control").or_insert_with(mark);
                }
                settings.clone()
            },
        );
        dialect.quirks.strict_tool_schemas |= asked.strict_tools;
        // The key goes into a header, not through rig.
        let mut provider = AnthropicConfig::with_key(&dialect, "");
        provider.betas.clone_from(&asked.betas);
        let is_marked = caching != Caching::Unasked || asked.body.contains_key("cache_control");
        let by_dialect =
            dialect.default_max_tokens(&backend.model).filter(|_| dialect::is_anthropic(&dialect));
        let wire = Messages {
            default_max_tokens: by_dialect,
            provider,
            model: backend.model.clone(),
            prompt_caching: is_marked,
            static_prefix_cache_ttl: None,
            strict_tools: asked.strict_tools,
            tool_input_streaming: dialect::tool_input(&dialect),
        };
        let known = || catalog::lookup(&backend.kind, &backend.model, url.as_str()).max_output_tokens;
        let max_output_tokens = backend
            .max_output_tokens
            .or_else(|| by_dialect.and_then(|tokens| u32::try_from(tokens).ok()))
            .or_else(known)
            .unwrap_or(OUTPUT_TOKENS);
        Self {
            origin: Origin::new(Api::from_static("anthropic.messages"), dialect.name, &*backend.model),
            caching,
            signatures: dialect::signatures(&dialect),
            headers: headers(&wire, &asked.body),
            settings,
            wire,
            max_output_tokens,
        }
    }
}

impl Codec for MessagesCodec {
    fn body(&self, request: &ModelRequest) -> Result<Bytes, String> {
        let settings = self.settings.as_ref().map_err(Clone::clone)?;
        let mut said = rig_request(request, &self.origin)?;
        let container = container(settings.container.as_ref(), &said.chat_history);
        said.chat_history.retain_mut(goes_back);
        let bound = request.max_output_tokens.unwrap_or(self.max_output_tokens);
        said.max_tokens = Some(bound.into());
        let mut parameters = settings.body.clone();
        if bound < self.max_output_tokens {
            think_less(&mut parameters, bound.into());
        }
        if let Some(output) = &request.output {
            parameters.remove("tool_choice");
            if output.is_closed() && !output.is_recursive() {
                form::ask(&mut said, output, Tools::Kept)?;
            } else {
                // The service takes no schema as advice; it stands in the system text.
                form::write_only(&mut said, Tools::Kept);
            }
            if parameters.contains_key("tools") {
                said.tool_choice = Some(ToolChoice::None);
            }
        }
        if self.wire.binds_context(&self.wire.model) {
            bind(&mut said, request, parameters.get("tools"));
        }
        said.additional_params = Some(Value::Object(parameters));
        let body = written(&self.wire, said)?;
        let files = Files::of(request, Protocol::Messages, "");
        let body = arrange(&body, &["tools", "system"], "messages", |message| {
            files.placed(vec![match self.caching {
                Caching::StaticMarks => unmarked(message),
                Caching::Automatic | Caching::Unasked => Cow::Borrowed(message.get()),
            }])
        });
        let body = body.map_err(|error| error.to_string())?;
        Ok(with_container(body, container.as_ref()))
    }

    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::new(self.signatures))
    }

    fn stored_files(&self, items: &[ReplyItem]) -> Vec<StoredFile> {
        stored_files(items)
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }
}

/// The protocol's headers of every request. Which betas rig needs depends on the model and on `parameters`, not on
/// what is said.
fn headers(wire: &Messages, parameters: &Map<String, Value>) -> HeaderMap {
    let sample = |parameters: Map<String, Value>| {
        let mut sample = CompletionRequest::new("x");
        sample.max_tokens = Some(1);
        sample.additional_params = Some(Value::Object(parameters));
        wire.encode(sample, Mode::Streaming).ok()
    };
    // Parameters that cannot be written are told with the first request.
    let Some(encoded) = sample(parameters.clone()).or_else(|| sample(Map::new())) else {
        return HeaderMap::new();
    };
    let made = encoded.request.headers();
    HEADERS
        .iter()
        .filter_map(|name| Some((HeaderName::from_static(name), made.get(*name)?.clone())))
        .collect()
}

/// Takes out of a message what stays here: reasoning that the provider gave no item for, the container, which the
/// request names elsewhere, what was said of a refusal, and the marks of models that took over. Whether anything is
/// left.
fn goes_back(message: &mut Message) -> bool {
    let Message::Assistant(turn) = message else {
        return true;
    };
    turn.content.retain(|block| match block {
        AssistantContent::Reasoning(_) => block.native_item().is_some(),
        AssistantContent::Opaque(opaque) => !matches!(opaque.kind(), Some(CONTAINER | FALLBACK)),
        AssistantContent::Text(_) => block.native_item().is_none_or(|item| item["type"] != REFUSAL),
        _ => true,
    });
    !turn.content.is_empty()
}

/// Says that all replies were made under this request's tools and system text, as they are: an agent keeps both. rig
/// would take the replies for another model's otherwise.
fn bind(said: &mut CompletionRequest, request: &ModelRequest, raw_tools: Option<&Value>) {
    let mut tools: Vec<_> = said.tools.iter().collect();
    tools.sort_by(|left, right| left.name.cmp(&right.name));
    let system: Vec<&str> =
        Some(request.system.as_ref()).filter(|text| !text.trim().is_empty()).into_iter().collect();
    let mut fields = vec![json!("context"), json!(tools), json!(system)];
    fields.extend(raw_tools.cloned());
    let context = Fingerprint::of(&fields);
    for message in &mut said.chat_history {
        if let Message::Assistant(turn) = message
            && let Some(origin) = &mut turn.origin
        {
            origin.context = Some(context);
        }
    }
}

/// Makes the budget for thinking fit a bound on the output that is tighter than the configuration's: the service
/// refuses a budget that is not below it.
fn think_less(parameters: &mut Map<String, Value>, bound: u64) {
    let Some(thinking) = parameters.get_mut("thinking").and_then(Value::as_object_mut) else {
        return;
    };
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    if budget.is_none_or(|budget| budget < bound) {
        return;
    }
    if bound > LEAST_THINKING {
        thinking.insert("budget_tokens".to_owned(), (bound - 1).into());
    } else {
        *thinking = Map::from_iter([("type".to_owned(), json!("disabled"))]);
    }
}

/// The container that the request names: the one that the provider's tools ran in last, with what the configuration
/// says of it.
fn container(configured: Option<&Value>, history: &[Message]) -> Option<Value> {
    let blocks = history.iter().rev().filter_map(|message| match message {
        Message::Assistant(turn) => Some(turn.content.iter().rev()),
        Message::User { .. } | Message::System { .. } => None,
    });
    let last = blocks.flatten().find_map(|block| match block {
        AssistantContent::Opaque(opaque) if opaque.kind() == Some(CONTAINER) => {
            opaque.item.pointer("/container/id").cloned()
        }
        _ => None,
    });
    match (configured, last) {
        (Some(Value::Object(fields)), Some(id)) if !fields.contains_key("id") => {
            let mut fields = fields.clone();
            fields.insert("id".to_owned(), id);
            Some(Value::Object(fields))
        }
        (Some(configured), _) => Some(configured.clone()),
        (None, last) => last,
    }
}

/// The body with its container at the end: it comes up in the middle of a conversation, and what was sent before
/// must not change.
fn with_container(body: Bytes, container: Option<&Value>) -> Bytes {
    match (container, body.strip_suffix(b"}")) {
        (Some(container), Some(open)) => {
            let tail = format!(",\"container\":{container}}}");
            Bytes::from([open, tail.as_bytes()].concat())
        }
        (None, _) | (_, None) => body,
    }
}

/// The message without the mark that rig puts at the end of the last one.
fn unmarked(message: &RawValue) -> Cow<'_, str> {
    const MARK: &str = r#","cache_control":{"type":"ephemeral"}}]}"#;
    match message.get().strip_suffix(MARK) {
        Some(rest) => Cow::Owned(format!("{rest}}}]}}")),
        None => Cow::Borrowed(message.get()),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
pub(super) mod tests;

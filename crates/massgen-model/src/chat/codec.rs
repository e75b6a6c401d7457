//! Requests of the protocol, in the dialect of the provider.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use massgen_protocol::message::{Message, Reply};
use massgen_protocol::spec::Protocol;
use massgen_protocol::{ModelRequest, OutputSchema, ReplyItem};
use reqwest::Url;
use rig_core::completion::CompletionRequest;
use rig_core::message::{Api, Origin};
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::wire::{self, Chat, Dialect};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::azure;
use super::decoder::Decoder;
use super::sources::holds_sources;
use crate::provider::body::{arrange, written};
use crate::provider::codec::{Codec, Decode, Framing};
use crate::provider::conversation::rig_request;
use crate::provider::files::Files;
use crate::provider::form::{self, Tools};
use crate::provider::made_files::{Sight, in_words};

/// The dialect of servers that nobody has described: the protocol as it is.
const COMPATIBLE: Dialect = Dialect::gateway("compatible", "", "");

/// Dialects that differ from [`COMPATIBLE`] in what they want to be sent, by the end of their hosts' names. Those
/// whose rig dialect drops tools are left out: an agent without tools cannot vote.
const DIALECTS: [(&str, Dialect); 13] = [
    ("openai.com", wire::OPENAI),
    ("deepseek.com", wire::DEEPSEEK),
    ("groq.com", wire::GROQ),
    ("mistral.ai", wire::MISTRAL),
    ("openrouter.ai", wire::OPENROUTER),
    ("together.xyz", wire::TOGETHER),
    ("together.ai", wire::TOGETHER),
    ("z.ai", wire::ZAI),
    ("bigmodel.cn", wire::ZAI),
    ("moonshot.ai", wire::MOONSHOT),
    ("moonshot.cn", wire::MOONSHOT),
    ("minimax.io", wire::MINIMAX),
    ("xiaomimimo.com", wire::XIAOMIMIMO),
];

/// The newer name of the bound on the output.
const MAX_COMPLETION_TOKENS: &str = "max_completion_tokens";

/// Keys of a body that no parameter of a configuration replaces.
const OURS: [&str; 4] = ["model", "messages", "tools", "stream"];

/// Chat Completions as one endpoint speaks it.
#[derive(Clone)]
pub(crate) struct ChatCodec {
    wire: Chat,
    origin: Origin,
    host: String,
    parameters: Map<String, Value>,
    max_output_tokens: Option<u32>,
    bound: Bound,
    cache_marks: CacheMarks,
}

/// Where a request says what is to be cached, for models behind OpenRouter that cache nothing unless they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CacheMarks {
    /// Nowhere: the model caches by itself, or the configuration says otherwise.
    None,
    /// Beside the messages: OpenRouter marks the last block, and moves the mark as the conversation grows.
    Whole,
    /// At the text of the system and at the first message of the user. These never change; a mark at the end would move,
    /// and with it bytes that were sent before.
    Beginning,
}

impl CacheMarks {
    fn of(dialect: &Dialect, model: &str, parameters: &BTreeMap<String, Value>) -> Self {
        if dialect.name != wire::OPENROUTER.name || parameters.contains_key(CACHE_CONTROL) {
            return Self::None;
        }
        match model.split_once('/').map(|(vendor, _)| vendor) {
            Some("anthropic") => Self::Whole,
            Some("qwen" | "alibaba") => Self::Beginning,
            Some(_) | None => Self::None,
        }
    }
}

/// What marks a place up to which is cached.
const CACHE_CONTROL: &str = "cache_control";

/// Under which name the bound on the output is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    /// As the dialect names it.
    OfDialect,
    /// As `max_completion_tokens`.
    MaxCompletionTokens,
}

impl ChatCodec {
    /// The protocol for `model` behind `url`. `parameters` go into the body as they are.
    pub(crate) fn new(
        url: &Url,
        model: &str,
        parameters: &BTreeMap<String, Value>,
        max_output_tokens: Option<u32>,
    ) -> Self {
        let host = url.host_str().unwrap_or_default().to_owned();
        let dialect = dialect_of(url, model);
        // The key goes into a header, not through rig.
        let wire = OpenAIConfig::with_key(&dialect, "").chat(model);
        let cache_marks = CacheMarks::of(&dialect, model, parameters);
        let mark = (CACHE_CONTROL.to_owned(), json!({"type": "ephemeral"}));
        let mark = (cache_marks == CacheMarks::Whole).then_some(mark);
        let parameters =
            parameters.iter().filter(|(key, value)| !OURS.contains(&key.as_str()) && !value.is_null());
        let parameters = parameters.map(|(key, value)| (key.clone(), value.clone())).chain(mark);
        Self {
            wire,
            origin: Origin::new(Api::from_static("openai.chat"), dialect.name, model),
            host,
            parameters: parameters.collect(),
            cache_marks,
            max_output_tokens,
            bound: if azure::is_at(url) && azure::takes_max_completion_tokens(url, model) {
                Bound::MaxCompletionTokens
            } else {
                Bound::OfDialect
            },
        }
    }
}

impl ChatCodec {
    /// `request` with words in place of the files that the model made, and without its sources: its own messages hold none
    /// in this protocol. Only OpenRouter takes pictures back, beside the content.
    fn told<'a>(&self, request: &'a ModelRequest) -> Cow<'a, ModelRequest> {
        let stays = |message: &Message| match message {
            Message::Assistant { reply } => {
                reply.files().next().is_some() || reply.items.iter().any(holds_sources)
            }
            Message::User { .. } | Message::ToolResult { .. } => false,
        };
        if !request.messages.iter().any(stays) {
            return Cow::Borrowed(request);
        }
        let mut request = request.clone();
        for message in &mut request.messages {
            if let Message::Assistant { reply } = message {
                *reply = Arc::new(Reply { items: self.items(reply), ..Reply::clone(reply) });
            }
        }
        Cow::Owned(request)
    }

    fn items(&self, reply: &Reply) -> Vec<ReplyItem> {
        let said: Vec<_> = reply.items.iter().filter(|item| !holds_sources(item)).cloned().collect();
        if self.origin.provider != wire::OPENROUTER.name {
            return in_words(&said, Sight::NotShown);
        }
        let mut items = in_words(&said, Sight::Shown);
        let is_image = |item: &&ReplyItem| item.file().is_some_and(|file| file.kind() == "image");
        let images: Vec<Value> =
            said.iter().filter(is_image).filter_map(|item| item.provider.clone()).collect();
        let first = said.iter().position(|item| is_image(&item));
        if let Some(line) = first.and_then(|at| items.get_mut(at)) {
            // rig puts the fields of a text's item beside the content of the message.
            line.provider = Some(json!({ "images": images }));
        }
        items
    }

    /// Asks for text that follows `output`: to the letter where the schema is closed, else as well as the model can.
    fn shape(
        &self,
        output: &OutputSchema,
        said: &mut CompletionRequest,
        parameters: &mut Map<String, Value>,
    ) -> Result<(), String> {
        let quirks = &self.wire.provider.dialect.quirks;
        // Many services refuse a form beside tools, or write no JSON then.
        let tools = if quirks.response_format_with_tools { Tools::Kept } else { Tools::LeftOut };
        if tools == Tools::LeftOut {
            // Services that know the field want tools beside it.
            parameters.remove("parallel_tool_calls");
        }
        if quirks.supports_response_format && output.is_closed() {
            return form::ask(said, output, tools);
        }
        form::write_only(said, tools);
        let format = if quirks.supports_response_format {
            let schema = json!({"name": output.name(), "schema": output.to_value(), "strict": false});
            json!({"type": "json_schema", "json_schema": schema})
        } else {
            // The schema itself stands in the system text.
            json!({"type": "json_object"})
        };
        parameters.insert("response_format".to_owned(), format);
        Ok(())
    }
}

impl Codec for ChatCodec {
    fn body(&self, request: &ModelRequest) -> Result<Bytes, String> {
        let mut said = rig_request(&self.told(request), &self.origin)?;
        let mut parameters = self.parameters.clone();
        let bound = request.max_output_tokens.or(self.max_output_tokens);
        match (self.bound, bound) {
            (Bound::OfDialect, bound) => said.max_tokens = bound.map(u64::from),
            (Bound::MaxCompletionTokens, Some(bound)) => {
                parameters.insert(MAX_COMPLETION_TOKENS.to_owned(), bound.into());
            }
            (Bound::MaxCompletionTokens, None) => {}
        }
        if let Some(output) = &request.output {
            self.shape(output, &mut said, &mut parameters)?;
        }
        said.additional_params = Some(Value::Object(parameters));
        let body = written(&self.wire, said)?;
        let files = Files::of(request, Protocol::ChatCompletions, &self.host);
        // Each role is marked where it comes first.
        let unmarked = Cell::new(match self.cache_marks {
            CacheMarks::None | CacheMarks::Whole => [false; 2],
            CacheMarks::Beginning => [true; 2],
        });
        arrange(&body, &["tools"], "messages", |message| {
            let mut entries = plain(message)?;
            let [system, user] = unmarked.get();
            if let (true, Some(entry)) = (system || user, entries.first_mut()) {
                let roles = [("system", system), ("user", user)];
                let role = roles.iter().find(|(role, wanted)| *wanted && entry.starts_with(&text_of(role)));
                if let Some((role, _)) = role {
                    *entry = Cow::Owned(marked(entry, role));
                    unmarked.set([system && *role != "system", user && *role != "user"]);
                }
            }
            files.placed(entries)
        })
        .map_err(|error| error.to_string())
    }

    fn decoder(&self) -> Box<dyn Decode> {
        Box::new(Decoder::default())
    }

    fn framing(&self) -> Framing {
        Framing::Events
    }
}

fn dialect_of(url: &Url, model: &str) -> Dialect {
    let host = url.host_str().unwrap_or_default();
    let belongs =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let known = DIALECTS.iter().find(|(domain, _)| belongs(domain)).map(|(_, dialect)| *dialect);
    let mut dialect = known.unwrap_or(COMPATIBLE);
    // OpenAI takes a form beside tools from the first call on; rig waits for a result.
    dialect.quirks.response_format_with_tools |= dialect.name == wire::OPENAI.name;
    if azure::is_at(url) && azure::refuses_stream_options(model) {
        dialect.quirks = dialect.quirks.without_stream_usage();
    }
    dialect
}

/// How the message of a role begins that is nothing but text.
fn text_of(role: &str) -> String {
    format!("{{\"role\":\"{role}\",\"content\":\"")
}

/// The text message `entry` of `role` as a block with a mark: what comes up to it is to be cached.
fn marked(entry: &str, role: &str) -> String {
    let head = format!("{{\"role\":\"{role}\",\"content\":");
    let text = entry.strip_prefix(&head).and_then(|rest| rest.strip_suffix('}')).unwrap_or("\"\"");
    format!("{head}[{{\"type\":\"text\",\"text\":{text},\"{CACHE_CONTROL}\":{{\"type\":\"ephemeral\"}}}}]}}")
}

/// The message with its text parts as plain text, one message per part; any other message as it is.
///
/// rig sends the content of system and user messages as parts, which not every server reads, and it joins neighbouring
/// user messages into one, which would change bytes that were sent before.
fn plain(message: &RawValue) -> Result<Vec<Cow<'_, str>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Shape<'a> {
        #[serde(borrow)]
        role: Cow<'a, str>,
        #[serde(default, borrow)]
        content: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(rename = "type", borrow)]
        kind: Cow<'a, str>,
        #[serde(default, borrow)]
        text: Option<&'a RawValue>,
    }
    let as_it_is = || Ok(vec![Cow::Borrowed(message.get())]);
    let shape: Shape<'_> = serde_json::from_str(message.get())?;
    let parts = shape.content.filter(|content| content.get().starts_with('['));
    let (Some(parts), "system" | "user") = (parts, shape.role.as_ref()) else {
        return as_it_is();
    };
    let parts: Vec<Part<'_>> = serde_json::from_str(parts.get())?;
    let texts: Option<Vec<&RawValue>> =
        parts.iter().map(|part| part.text.filter(|_| part.kind == "text")).collect();
    match texts {
        Some(texts) => {
            let one = |text: &&RawValue| {
                Cow::Owned(format!("{{\"role\":\"{}\",\"content\":{}}}", shape.role, text.get()))
            };
            Ok(texts.iter().map(one).collect())
        }
        None => as_it_is(),
    }
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;

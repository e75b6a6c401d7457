//! From our request to the bytes of the provider's: rig writes the body, [`arrange`] puts it into an order that
//! caches well.

use std::borrow::Cow;
use std::collections::BTreeMap;

use bytes::Bytes;
use massgen_protocol::message::{ItemContent, Message, Reply, ReplyItem};
use massgen_protocol::{ModelRequest, ToolSchema};
use reqwest::Url;
use rig_core::completion::{CompletionRequest, ToolDefinition};
use rig_core::message::{
    Api, AssistantContent, AssistantMessage, CallId, Message as RigMessage, Origin, Reasoning, Text,
    ToolCall, ToolFunction, ToolName, ToolResult, ToolResultContent, UserContent,
};
use rig_core::operation::Completion;
use rig_core::providers::openai::OpenAIConfig;
use rig_core::providers::openai::wire::{self, Chat, Dialect};
use rig_core::wire::{Body, Mode, Operation, Wire};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

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

/// Keys of a body that no parameter of a configuration replaces.
const OURS: [&str; 4] = ["model", "messages", "tools", "stream"];

/// Writes the requests of one endpoint.
#[derive(Clone)]
pub(super) struct Writer {
    wire: Chat,
    origin: Origin,
    parameters: Map<String, Value>,
    max_output_tokens: Option<u32>,
}

impl Writer {
    /// A writer for `model` behind `url`. `parameters` go into the body as they are.
    pub(super) fn new(
        url: &Url,
        model: &str,
        parameters: &BTreeMap<String, Value>,
        max_output_tokens: Option<u32>,
    ) -> Self {
        let dialect = dialect_of(url.host_str().unwrap_or_default());
        // The key goes into a header, not through rig.
        let wire = OpenAIConfig::with_key(&dialect, "").chat(model);
        let parameters =
            parameters.iter().filter(|(key, value)| !OURS.contains(&key.as_str()) && !value.is_null());
        Self {
            wire,
            origin: Origin::new(Api::from_static("openai.chat"), dialect.name, model),
            parameters: parameters.map(|(key, value)| (key.clone(), value.clone())).collect(),
            max_output_tokens,
        }
    }

    /// The body of `request`, or why there is none.
    pub(super) fn body(&self, request: &ModelRequest) -> Result<Bytes, String> {
        let mut written = CompletionRequest::new("");
        written.chat_history = self.history(request);
        written.tools = request.tools.iter().map(tool).collect::<Result<_, _>>()?;
        written.max_tokens = request.max_output_tokens.or(self.max_output_tokens).map(u64::from);
        written.additional_params = Some(Value::Object(self.parameters.clone()));
        let written =
            Completion::prepare(written, &self.wire.describe()).map_err(|error| error.to_string())?;
        let encoded = self.wire.encode(written, Mode::Streaming).map_err(|error| error.to_string())?;
        match encoded.request.into_body() {
            Body::Bytes(body) => arrange(&body).map_err(|error| error.to_string()),
            Body::Multipart(_) => Err("the body is a form".to_owned()),
        }
    }

    fn history(&self, request: &ModelRequest) -> Vec<RigMessage> {
        let system = (!request.system.is_empty()).then(|| RigMessage::system(request.system.as_ref()));
        let rest = request.messages.iter().filter_map(|message| match message {
            Message::User { text } => Some(RigMessage::user(text.as_str())),
            Message::Assistant { reply } => self.turn(reply),
            Message::ToolResult { id, name, text, is_error } => {
                let result = ToolResult {
                    call: call_id(id),
                    name: tool_name(name)?,
                    content: vec![ToolResultContent::Text(Text::new(text.as_str()))],
                    is_error: *is_error,
                };
                Some(RigMessage::User { content: vec![UserContent::ToolResult(result)] })
            }
        });
        system.into_iter().chain(rest).collect()
    }

    /// An earlier reply, with the provider's items where there are some. A reply without parts says nothing.
    fn turn(&self, reply: &Reply) -> Option<RigMessage> {
        let content: Vec<_> = reply.items.iter().filter_map(block).collect();
        if content.is_empty() {
            return None;
        }
        let mut turn = AssistantMessage::new(content);
        turn.origin = Some(self.origin.clone());
        Some(RigMessage::Assistant(turn))
    }
}

fn block(item: &ReplyItem) -> Option<AssistantContent> {
    let block = match &item.content {
        ItemContent::Text { text } => AssistantContent::Text(Text::new(text.as_str())),
        ItemContent::Reasoning { text } => AssistantContent::Reasoning(Reasoning::new(text.as_str())),
        ItemContent::ToolCall(call) => {
            let function = ToolFunction::parse(tool_name(&call.name)?, &call.arguments);
            AssistantContent::ToolCall(ToolCall::new(call_id(&call.id), function))
        }
        ItemContent::Opaque => return None,
    };
    Some(match (&item.provider, &item.content) {
        (Some(provider), ItemContent::ToolCall(_)) => {
            let mut fields = provider.as_object().cloned().unwrap_or_default();
            fields.entry("type").or_insert_with(|| "function".into());
            block.with_native(Value::Object(fields))
        }
        (Some(provider), _) => block.with_native(provider.clone()),
        (None, _) => block,
    })
}

fn tool(schema: &ToolSchema) -> Result<ToolDefinition, String> {
    let name = ToolName::new(schema.name.clone()).map_err(|error| error.to_string())?;
    Ok(ToolDefinition::new(name, schema.description.clone(), schema.parameters.clone()))
}

/// The name of a tool that was called. Only the empty name is refused, and a reply with one is not taken.
fn tool_name(name: &str) -> Option<ToolName> {
    ToolName::new(name).ok()
}

/// The id of a call. rig would make up another one for an empty id each time.
fn call_id(id: &str) -> CallId {
    CallId::from_wire(if id.is_empty() { "call" } else { id })
}

fn dialect_of(host: &str) -> Dialect {
    let belongs =
        |domain: &str| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    DIALECTS.iter().find(|(domain, _)| belongs(domain)).map_or(COMPATIBLE, |(_, dialect)| *dialect)
}

/// Puts what changes least first: settings, tools, messages. A longer conversation then only adds bytes at the end,
/// except for the closing brackets.
///
/// The content of a system or user message becomes plain text again. rig sends parts, which not every server reads,
/// and it joins neighbouring user messages into one, which would change bytes that were sent before.
fn arrange(body: &[u8]) -> Result<Bytes, serde_json::Error> {
    let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_slice(body)?;
    let tools = fields.remove("tools");
    let messages: Vec<&RawValue> = match fields.remove("messages") {
        Some(messages) => serde_json::from_str(messages.get())?,
        None => Vec::new(),
    };
    let mut out = String::with_capacity(body.len());
    out.push('{');
    for (key, value) in
        fields.iter().map(|(key, value)| (key.as_ref(), *value)).chain(tools.map(|tools| ("tools", tools)))
    {
        out.push_str(&serde_json::to_string(key)?);
        out.push(':');
        out.push_str(value.get());
        out.push(',');
    }
    out.push_str("\"messages\":[");
    let mut separator = "";
    for message in messages {
        for message in plain(message)? {
            out.push_str(separator);
            out.push_str(&message);
            separator = ",";
        }
    }
    out.push_str("]}");
    Ok(Bytes::from(out))
}

/// The message with its text parts as plain text, one message per part; any other message as it is.
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
#[path = "request_tests.rs"]
mod tests;

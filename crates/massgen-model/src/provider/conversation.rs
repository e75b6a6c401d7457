//! Our conversation in the words of rig, which writes the requests of all protocols.

use massgen_protocol::message::{ItemContent, Message, Reply, ReplyItem};
use massgen_protocol::{ModelRequest, ToolSchema};
use rig_core::completion::{CompletionRequest, ToolDefinition};
use rig_core::message::{
    AssistantContent, AssistantMessage, CallId, Message as RigMessage, Opaque, Origin, Reasoning, Text,
    ToolCall, ToolFunction, ToolName, ToolResult, ToolResultContent, UserContent,
};

use super::files::marked;

/// `request` with its whole conversation, and marks where files belong. `origin` says whose items the replies hold.
pub(crate) fn rig_request(request: &ModelRequest, origin: &Origin) -> Result<CompletionRequest, String> {
    let mut written = CompletionRequest::new("");
    let system = (!request.system.is_empty()).then(|| RigMessage::system(request.system.as_ref()));
    let rest = request.messages.iter().filter_map(|message| match message {
        Message::User { text, files } => Some(RigMessage::user(marked(text, files))),
        Message::Assistant { reply } => turn(reply, origin),
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
    written.chat_history = system.into_iter().chain(rest).collect();
    written.tools = request.tools.iter().map(tool).collect::<Result<_, _>>()?;
    Ok(written)
}

/// An earlier reply, with the provider's items where there are some. A reply without parts says nothing.
fn turn(reply: &Reply, origin: &Origin) -> Option<RigMessage> {
    // What was fetched is for us; the provider's own item names it.
    let sent = reply.items.iter().filter(|item| !item.is_fetched());
    let content: Vec<_> = sent.filter_map(block).collect();
    if content.is_empty() {
        return None;
    }
    let mut turn = AssistantMessage::new(content);
    turn.origin = Some(origin.clone());
    Some(RigMessage::Assistant(turn))
}

fn block(item: &ReplyItem) -> Option<AssistantContent> {
    let block = match &item.content {
        ItemContent::Text { text } => AssistantContent::Text(Text::new(text.as_str())),
        ItemContent::Reasoning { text } => AssistantContent::Reasoning(Reasoning::new(text.as_str())),
        ItemContent::ToolCall(call) => {
            let function = ToolFunction::parse(tool_name(&call.name)?, &call.arguments);
            AssistantContent::ToolCall(ToolCall::new(call_id(&call.id), function))
        }
        ItemContent::File { .. } | ItemContent::Opaque => {
            AssistantContent::Opaque(Opaque { item: item.provider.clone()?, replay: true })
        }
    };
    Some(match &item.provider {
        Some(provider) => block.with_native(provider.clone()),
        None => block,
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

//! Switches of a backend that need a capability of its type.

use crate::backends::Capability;
use crate::node::{Node, Value};

/// Keys of a backend that switch something on, and the capability that the type needs for it.
pub(crate) const SWITCHES: &[(&str, Capability)] = &[
    ("enable_web_search", Capability::WebSearch),
    ("enable_x_search", Capability::XSearch),
    ("enable_code_execution", Capability::CodeExecution),
    ("enable_code_interpreter", Capability::CodeExecution),
    ("enable_programmatic_flow", Capability::ProgrammaticToolCalling),
    ("enable_tool_search", Capability::ToolSearch),
    ("mcp_servers", Capability::Mcp),
];

/// The switches that are on in `backend`, with their capabilities.
pub(crate) fn wanted(backend: &Node) -> impl Iterator<Item = (&'static str, Capability)> {
    SWITCHES.iter().copied().filter(|(key, _)| {
        backend.get(key).is_some_and(|node| match &node.value {
            Value::Bool(on) => *on,
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            Value::Null | Value::Int(_) | Value::Float(_) | Value::Text(_) => false,
        })
    })
}

/// A capability as people call it.
pub(crate) fn described(capability: Capability) -> String {
    match capability {
        Capability::WebSearch => "web search".to_owned(),
        Capability::XSearch => "search on X".to_owned(),
        Capability::CodeExecution => "code execution".to_owned(),
        Capability::ProgrammaticToolCalling => "calls of tools from code".to_owned(),
        Capability::ToolSearch => "search for tools".to_owned(),
        Capability::Mcp => "MCP servers".to_owned(),
        Capability::Bash
        | Capability::Reasoning
        | Capability::FilesystemNative
        | Capability::ImageGeneration
        | Capability::ImageUnderstanding
        | Capability::AudioGeneration
        | Capability::AudioUnderstanding
        | Capability::VideoGeneration
        | Capability::VideoUnderstanding => capability.as_str().replace('_', " "),
    }
}

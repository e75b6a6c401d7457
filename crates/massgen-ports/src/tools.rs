//! Work tools that agents may call.

use futures::future::BoxFuture;
use massgen_protocol::{AgentId, ToolCall, ToolOutcome, ToolSchema, ToolUse};

/// Runs the work tools of all agents of a session.
pub trait ToolHost: Send + Sync {
    /// The tools that `agent` may call. The same for the whole run.
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema>;

    /// Runs one call. Dropping the future stops it as far as that is possible.
    fn run(&self, agent: &AgentId, tool_use: ToolUse, call: ToolCall) -> BoxFuture<'static, ToolOutcome>;
}

/// A host without any tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

impl ToolHost for NoTools {
    fn tools(&self, _agent: &AgentId) -> Vec<ToolSchema> {
        Vec::new()
    }

    fn run(&self, _agent: &AgentId, _tool_use: ToolUse, call: ToolCall) -> BoxFuture<'static, ToolOutcome> {
        let text = format!("there is no tool `{}`", call.name);
        Box::pin(async move { ToolOutcome::Denied { text } })
    }
}

//! The work tools of scripts.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use massgen_ports::{CallWatch, ToolHost, ToolRun};
use massgen_protocol::{AgentId, ToolCall, ToolOutcome, ToolSchema, ToolUse};
use serde_json::json;

use super::Script;

/// Tools with scripted results. Each simulated agent has the tools of its own script; other agents have none.
#[derive(Debug, Clone)]
pub struct SimulatedTools {
    scripts: Arc<BTreeMap<AgentId, Arc<Script>>>,
}

impl SimulatedTools {
    pub(super) fn new(scripts: impl IntoIterator<Item = (AgentId, Arc<Script>)>) -> Self {
        Self { scripts: Arc::new(scripts.into_iter().collect()) }
    }
}

impl ToolHost for SimulatedTools {
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema> {
        let Some(script) = self.scripts.get(agent) else {
            return Vec::new();
        };
        let schema = |(name, tool): (&String, &super::script::ScriptedTool)| ToolSchema {
            name: name.clone(),
            description: tool.description.clone(),
            parameters: json!({ "type": "object", "properties": {}, "additionalProperties": true }),
        };
        script.tools().iter().map(schema).collect()
    }

    fn run(
        &self,
        agent: &AgentId,
        tool_use: ToolUse,
        call: ToolCall,
        _watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        let script = self.scripts.get(agent).map(Arc::clone);
        async move {
            let found = script.as_ref().and_then(|script| Some((script, script.tools().get(&call.name)?)));
            let Some((script, tool)) = found else {
                return ToolOutcome::Denied { text: format!("there is no tool `{}`", call.name) }.into();
            };
            // The side effect comes first: a run that is killed while the tool works has it already.
            if let Some(file) = &tool.append_to
                && let Err(error) = append(&script.resolve(file), tool_use)
            {
                return ToolOutcome::Error { text: error.to_string() }.into();
            }
            tokio::time::sleep(tool.wait()).await;
            let text = tool.result.clone();
            if tool.error { ToolOutcome::Error { text }.into() } else { ToolOutcome::ok(text).into() }
        }
        .boxed()
    }
}

/// Adds the id of `tool_use` as a line to `file`, in one write so that lines of parallel tools do not mix.
fn append(file: &Path, tool_use: ToolUse) -> io::Result<()> {
    let mut file = fs_err::OpenOptions::new().create(true).append(true).open(file)?;
    file.write_all(format!("{tool_use}\n").as_bytes())
}

#[cfg(test)]
#[path = "tools_tests.rs"]
mod tests;

//! Tools that the user wrote, as tools of agents.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::{AgentId, ToolSchema};
use massgen_tools::custom::{CallerContext, CustomOutcome, CustomTools};
use massgen_tools::policy::Request;
use massgen_tools::{Capability, Failed, Invocation, Kind, Output, Source};
use serde_json::{Map, Value};

/// The tools of one agent, and what its functions are told of it.
pub(crate) struct Written {
    pub(crate) tools: CustomTools,
    pub(crate) context: CallerContext,
}

/// The tools that the user wrote, of all agents.
pub(crate) struct CustomToolSource(pub(crate) BTreeMap<AgentId, Arc<Written>>);

impl Source for CustomToolSource {
    fn kind(&self) -> Kind {
        Kind::Custom
    }

    fn schemas(&self, agent: &AgentId) -> Vec<ToolSchema> {
        self.0.get(agent).map(|written| written.tools.schemas().to_vec()).unwrap_or_default()
    }

    fn capabilities(&self, agent: &AgentId, name: &str) -> Option<Vec<Capability>> {
        let known = self.0.get(agent).is_some_and(|written| written.tools.has(name));
        known.then(|| vec![Capability::Executes])
    }

    fn requests(&self, _agent: &AgentId, name: &str, arguments: &Map<String, Value>) -> Vec<Request> {
        Request::of_tool(name, arguments)
    }

    fn run(&self, invocation: Invocation) -> BoxFuture<'static, Result<Output, Failed>> {
        let written = self.0.get(&invocation.agent).map(Arc::clone);
        Box::pin(async move {
            let Some(written) = written else {
                return Err(Failed::Denied(format!("there is no tool `{}`", invocation.name)));
            };
            let reply = written.tools.call(&invocation.name, invocation.arguments, &written.context).await;
            match reply.outcome {
                CustomOutcome::Done => {
                    let files = reply.media.into_iter();
                    let files = files.map(|block| super::tool_file(block.media_type, &block.data)).collect();
                    Ok(Output { text: reply.text, files })
                }
                CustomOutcome::Failed | CustomOutcome::Refused => Err(Failed::Error(reply.text)),
            }
        })
    }
}

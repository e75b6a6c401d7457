//! Models and tools that do what a test says.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt};
use massgen_ports::{CallWatch, Model, ModelEvent, ModelStream, ToolHost, ToolRun};
use massgen_protocol::{AgentId, ModelRequest, ToolCall, ToolOutcome, ToolSchema, ToolUse};

/// What a [`ScriptedModel`] makes of a request: events, each after a wait.
pub type Script = dyn Fn(&ModelRequest) -> Vec<(Duration, ModelEvent)> + Send + Sync;

/// A model whose replies are computed from its requests, and which remembers them.
#[derive(Clone)]
pub struct ScriptedModel {
    script: Arc<Script>,
    requests: Arc<Mutex<Vec<ModelRequest>>>,
}

impl std::fmt::Debug for ScriptedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScriptedModel")
    }
}

impl ScriptedModel {
    /// A model that follows `script`. A call whose events do not end hangs until it is cut off.
    pub fn new(
        script: impl Fn(&ModelRequest) -> Vec<(Duration, ModelEvent)> + Send + Sync + 'static,
    ) -> Self {
        Self { script: Arc::new(script), requests: Arc::default() }
    }

    /// All requests so far, in the order of their calls.
    pub fn requests(&self) -> Vec<ModelRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Model for ScriptedModel {
    fn call(&self, request: ModelRequest) -> ModelStream {
        let events = (self.script)(&request);
        let ends =
            events.iter().any(|(_, event)| matches!(event, ModelEvent::Finished(_) | ModelEvent::Failed(_)));
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        let events = stream::iter(events).then(|(wait, event)| async move {
            tokio::time::sleep(wait).await;
            event
        });
        if ends { events.boxed() } else { events.chain(stream::pending()).boxed() }
    }
}

/// A tool host with one tool, `look`, that takes a moment and remembers its calls.
#[derive(Debug, Clone, Default)]
pub struct OneTool {
    uses: Arc<Mutex<Vec<ToolUse>>>,
}

impl OneTool {
    /// The calls that were begun, in order.
    pub fn uses(&self) -> Vec<ToolUse> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ToolHost for OneTool {
    fn tools(&self, _agent: &AgentId) -> Vec<ToolSchema> {
        vec![ToolSchema {
            name: "look".to_owned(),
            description: "Looks.".to_owned(),
            parameters: serde_json::json!({ "type": "object" }),
        }]
    }

    fn run(
        &self,
        _agent: &AgentId,
        tool_use: ToolUse,
        _call: ToolCall,
        _watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner).push(tool_use);
        Box::pin(async {
            tokio::time::sleep(Duration::from_millis(5)).await;
            ToolOutcome::ok("seen").into()
        })
    }
}

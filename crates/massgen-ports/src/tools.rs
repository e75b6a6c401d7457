//! Work tools that agents may call.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use massgen_protocol::message::{Asking, ToolDecision};
use massgen_protocol::{AgentId, ToolCall, ToolOutcome, ToolSchema, ToolUse};

/// What a call came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRun {
    /// How it ended.
    pub outcome: ToolOutcome,
    /// What was decided on what it wanted, as far as it matters. A call that was refused because of a decision, and not
    /// because there is no such tool, has one.
    pub decisions: Vec<ToolDecision>,
}

impl From<ToolOutcome> for ToolRun {
    /// A call on which nothing was to be decided.
    fn from(outcome: ToolOutcome) -> Self {
        Self { outcome, decisions: Vec::new() }
    }
}

/// Whether a tool may let its agent wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Waiting {
    /// As long as the call asks for.
    #[default]
    Allowed,
    /// Something new is there, which the agent hears with the results of its tools.
    Pointless,
}

/// Hears of a call while it is under way.
pub trait CallWatch: fmt::Debug + Send + Sync {
    /// A person is asked about the call, still is, or is no longer. Ends when that is durable: what waits for a reply begins
    /// after it.
    fn asks(&self, asking: Asking) -> BoxFuture<'static, ()>;

    /// How far the tool says that it is, in one line. It is shown at most, and never kept; of what comes fast some is lost.
    fn progress(&self, line: &str);
}

/// Nobody hears of a call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unwatched;

impl CallWatch for Unwatched {
    fn asks(&self, _asking: Asking) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }

    fn progress(&self, _line: &str) {}
}

/// Runs the work tools of all agents of a session.
pub trait ToolHost: Send + Sync {
    /// The tools that `agent` may call. The same for the whole run.
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema>;

    /// Runs one call, of which `watch` hears. Dropping the future stops it as far as that is possible.
    fn run(
        &self,
        agent: &AgentId,
        tool_use: ToolUse,
        call: ToolCall,
        watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun>;

    /// Says whether tools of `agent` may only wait, from now on and until the next word. A tool that does so ends when it
    /// becomes pointless; others go on. Hosts without such a tool need not listen.
    fn set_waiting(&self, _agent: &AgentId, _waiting: Waiting) {}
}

/// A host without any tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoTools;

impl ToolHost for NoTools {
    fn tools(&self, _agent: &AgentId) -> Vec<ToolSchema> {
        Vec::new()
    }

    fn run(
        &self,
        _agent: &AgentId,
        _tool_use: ToolUse,
        call: ToolCall,
        _watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        let text = format!("there is no tool `{}`", call.name);
        Box::pin(async move { ToolOutcome::Denied { text }.into() })
    }
}

/// Several hosts as one. A tool belongs to the first host that lists it.
pub struct Several {
    hosts: Vec<Arc<dyn ToolHost>>,
}

impl Several {
    /// These hosts, in this order.
    pub fn new(hosts: Vec<Arc<dyn ToolHost>>) -> Self {
        Self { hosts }
    }
}

impl fmt::Debug for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Several").field("hosts", &self.hosts.len()).finish()
    }
}

impl ToolHost for Several {
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema> {
        let mut all: Vec<ToolSchema> = Vec::new();
        for tool in self.hosts.iter().flat_map(|host| host.tools(agent)) {
            if all.iter().all(|known| known.name != tool.name) {
                all.push(tool);
            }
        }
        all
    }

    fn run(
        &self,
        agent: &AgentId,
        tool_use: ToolUse,
        call: ToolCall,
        watch: Arc<dyn CallWatch>,
    ) -> BoxFuture<'static, ToolRun> {
        let lists = |host: &&Arc<dyn ToolHost>| host.tools(agent).iter().any(|tool| tool.name == call.name);
        // A name that none lists may be an older spelling: the last host, which has most tools, says what it thinks of it.
        match self.hosts.iter().find(lists).or(self.hosts.last()) {
            Some(host) => host.run(agent, tool_use, call, watch),
            None => NoTools.run(agent, tool_use, call, watch),
        }
    }

    fn set_waiting(&self, agent: &AgentId, waiting: Waiting) {
        for host in &self.hosts {
            host.set_waiting(agent, waiting);
        }
    }
}

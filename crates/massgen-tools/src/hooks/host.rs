//! Hooks around all tools: asked before each call, told after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use massgen_ports::{Clock, ToolHost, ToolRun};
use massgen_protocol::message::{ToolDecision, ToolVerdict};
use massgen_protocol::tooling::Hooks;
use massgen_protocol::{AgentId, Timestamp, ToolCall, ToolOutcome, ToolSchema, ToolUse};
use serde_json::Value;

use crate::naming::server_and_tool;
use crate::policy::Effect;

use super::{HookEvent, HookFailed, HookRunner, HookType, Injection, Verdict, after, before};

/// Hears of what goes wrong with the tools of an agent.
pub type Notify = Arc<dyn Fn(&AgentId, String) + Send + Sync>;

/// A host whose calls pass the hooks of its agents.
pub struct HookedHost {
    shared: Arc<Shared>,
}

struct Shared {
    host: Arc<dyn ToolHost>,
    hooks: BTreeMap<AgentId, Hooks>,
    runner: Arc<dyn HookRunner>,
    session: String,
    clock: Arc<dyn Clock>,
    notify: Notify,
    /// Failures that were told: each is told once.
    told: Mutex<BTreeSet<String>>,
}

impl fmt::Debug for HookedHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedHost").field("hooks", &self.shared.hooks).finish_non_exhaustive()
    }
}

impl HookedHost {
    /// `host` with `hooks` around it, which `runner` runs. `session` is what events name. `notify` hears of every way in
    /// which a hook fails, once.
    pub fn new(
        host: Arc<dyn ToolHost>,
        hooks: BTreeMap<AgentId, Hooks>,
        runner: Arc<dyn HookRunner>,
        session: String,
        clock: Arc<dyn Clock>,
        notify: Notify,
    ) -> Self {
        let told = Mutex::default();
        Self { shared: Arc::new(Shared { host, hooks, runner, session, clock, notify, told }) }
    }
}

impl ToolHost for HookedHost {
    fn tools(&self, agent: &AgentId) -> Vec<ToolSchema> {
        self.shared.host.tools(agent)
    }

    fn run(&self, agent: &AgentId, tool_use: ToolUse, call: ToolCall) -> BoxFuture<'static, ToolRun> {
        let (shared, agent) = (Arc::clone(&self.shared), agent.clone());
        Box::pin(async move {
            match shared.hooks.get(&agent) {
                Some(hooks) => shared.through(hooks, &agent, tool_use, call).await,
                None => shared.host.run(&agent, tool_use, call).await,
            }
        })
    }
}

impl Shared {
    async fn through(&self, hooks: &Hooks, agent: &AgentId, tool_use: ToolUse, call: ToolCall) -> ToolRun {
        // Arguments that are no JSON are refused by the host, which tells the model why.
        let Ok(input) = serde_json::from_str::<Value>(&call.arguments) else {
            return self.host.run(agent, tool_use, call).await;
        };
        let event = |kind, input, output| HookEvent {
            hook_type: kind,
            session_id: self.session.clone(),
            orchestrator_id: self.session.clone(),
            agent_id: agent.to_string(),
            timestamp: rfc3339(self.clock.now()),
            tool_name: call.name.clone(),
            tool_input: input,
            tool_output: output,
        };
        let asked = before(hooks, event(HookType::PreToolUse, input.clone(), None), &*self.runner).await;
        self.tell(agent, &asked.failures);
        let (input, injections) = match asked.verdict {
            Verdict::Denied { reason } => return refused(&call.name, reason),
            Verdict::Ask { reason, .. } => {
                let reason = format!("{reason}; nobody can be asked here, so it is refused");
                return refused(&call.name, reason);
            }
            Verdict::Allowed { input: allowed, injections } => (allowed, injections),
        };
        let made = ToolCall { arguments: input.to_string(), ..call.clone() };
        let ToolRun { outcome, decisions } = self.host.run(agent, tool_use, made).await;
        let said = match &outcome {
            ToolOutcome::Ok { text, .. } | ToolOutcome::Error { text } | ToolOutcome::Denied { text } => {
                Some(text.clone())
            }
            ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => None,
        };
        let told = after(hooks, &event(HookType::PostToolUse, input, said), &*self.runner).await;
        self.tell(agent, &told.failures);
        let outcome = with(outcome, injections.into_iter().chain(told.injections));
        ToolRun { outcome, decisions }
    }

    /// A hook that fails is the user's to mend.
    fn tell(&self, agent: &AgentId, failures: &[HookFailed]) {
        for failure in failures {
            let line = format!("the hook {} failed: {}", failure.hook, failure.problem);
            if self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(line.clone()) {
                (self.notify)(agent, line);
            }
        }
    }
}

/// A call that a hook refused.
fn refused(tool: &str, reason: String) -> ToolRun {
    let decision = ToolDecision {
        action: Effect::Tool.action().to_owned(),
        target: server_and_tool(tool),
        verdict: ToolVerdict::Denied,
        rule: "hook".to_owned(),
        reason: reason.clone(),
    };
    ToolRun { outcome: ToolOutcome::Denied { text: reason }, decisions: vec![decision] }
}

/// `outcome` with what hooks add. Both ways of adding come to the same here: the next thing that the model reads.
fn with(outcome: ToolOutcome, injections: impl Iterator<Item = Injection>) -> ToolOutcome {
    let added: Vec<String> = injections.map(|injection| injection.content).collect();
    if added.is_empty() {
        return outcome;
    }
    let joined = |text: String| format!("{text}\n\n{}", added.join("\n\n"));
    match outcome {
        ToolOutcome::Ok { text, files } => ToolOutcome::Ok { text: joined(text), files },
        ToolOutcome::Error { text } => ToolOutcome::Error { text: joined(text) },
        ToolOutcome::Denied { text } => ToolOutcome::Denied { text: joined(text) },
        ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => outcome,
    }
}

/// A moment as hooks read it; the beginning of 1970 for one that no calendar has.
fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

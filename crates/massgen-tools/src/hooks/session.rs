//! The hooks of a session at work: asked before each call of its agents, told after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use massgen_ports::Clock;
use massgen_protocol::tooling::Hooks;
use massgen_protocol::{AgentId, Timestamp, ToolOutcome};
use serde_json::{Map, Value};

use super::{HookEvent, HookFailed, HookRunner, HookType, Verdict, after, before};

/// Hears of what goes wrong with the tools of an agent.
pub type Notify = Arc<dyn Fn(&AgentId, String) + Send + Sync>;

/// The hooks of all agents of a session.
///
/// A tool box asks them of what a call really comes to: the tool under the name that it is listed by, and arguments that
/// were read. So a matcher holds however a model spells a call.
pub struct SessionHooks {
    hooks: BTreeMap<AgentId, Hooks>,
    runner: Arc<dyn HookRunner>,
    session: String,
    clock: Arc<dyn Clock>,
    notify: Notify,
    /// Failures that were told: each is told once.
    told: Mutex<BTreeSet<String>>,
}

impl fmt::Debug for SessionHooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHooks").field("hooks", &self.hooks).finish_non_exhaustive()
    }
}

impl SessionHooks {
    /// These `hooks`, which `runner` runs. `session` is what events name. `notify` hears of every way in which a hook
    /// fails, once.
    pub fn new(
        hooks: BTreeMap<AgentId, Hooks>,
        runner: Arc<dyn HookRunner>,
        session: String,
        clock: Arc<dyn Clock>,
        notify: Notify,
    ) -> Self {
        Self { hooks, runner, session, clock, notify, told: Mutex::default() }
    }

    /// What the hooks of `agent` say of a call that it wants to make.
    pub(crate) async fn before(&self, agent: &AgentId, tool: &str, arguments: Map<String, Value>) -> Verdict {
        let Some(hooks) = self.hooks.get(agent) else {
            return Verdict::Allowed { input: arguments, injections: Vec::new() };
        };
        let event = self.event(HookType::PreToolUse, (agent, tool), arguments);
        let asked = before(hooks, event, &*self.runner).await;
        self.tell(agent, &asked.failures);
        asked.verdict
    }

    /// What the hooks of `agent` add to what its call came to.
    pub(crate) async fn after(
        &self,
        agent: &AgentId,
        tool: &str,
        arguments: Map<String, Value>,
        outcome: &ToolOutcome,
    ) -> Vec<String> {
        let Some(hooks) = self.hooks.get(agent) else { return Vec::new() };
        let said = match outcome {
            ToolOutcome::Ok { text, .. } | ToolOutcome::Error { text } | ToolOutcome::Denied { text } => {
                Some(text.clone())
            }
            ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => None,
        };
        let event = self.event(HookType::PostToolUse, (agent, tool), arguments);
        let told = after(hooks, &HookEvent { tool_output: said, ..event }, &*self.runner).await;
        self.tell(agent, &told.failures);
        told.injections.into_iter().map(|injection| injection.content).collect()
    }

    fn event(
        &self,
        kind: HookType,
        (agent, tool): (&AgentId, &str),
        arguments: Map<String, Value>,
    ) -> HookEvent {
        HookEvent {
            hook_type: kind,
            session_id: self.session.clone(),
            orchestrator_id: self.session.clone(),
            agent_id: agent.to_string(),
            timestamp: rfc3339(self.clock.now()),
            tool_name: tool.to_owned(),
            tool_input: arguments,
            tool_output: None,
        }
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

/// A moment as hooks read it; the beginning of 1970 for one that no calendar has.
fn rfc3339(at: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(at.micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH).to_string()
}

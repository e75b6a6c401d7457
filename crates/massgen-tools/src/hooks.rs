//! Hooks: programs that are asked before a tool call and told after it (`hooks`).
//!
//! What it holds: which hooks a call concerns, what their results mean together, and the runner that starts them.
//!
//! A hook is configuration that the user wrote or accepted, as a hook of git is. It runs with the user's rights, outside
//! the sandbox: what it guards must not be able to reach it. Whoever makes the runner tells the user once that hooks
//! run, and makes none for a configuration that the user has not accepted.
//!
//! Together they mean: in the order of the configuration, global hooks before those of the agent, each sees what the
//! ones before it have made of the arguments; the first refusal ends it; the wish to ask stays until a refusal; texts
//! are joined; a hook that fails allows the call, unless it is to fail closed.

use futures::future::BoxFuture;
use massgen_protocol::limits;
use massgen_protocol::tooling::{Hook, HookFailure, HookHandler, Hooks};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::custom::CustomError;
use crate::custom::streams::cut;

mod matcher;
mod result;
mod run;
mod session;

pub use matcher::matches;
pub use result::HookResult;
pub use run::HookPrograms;
pub use session::{Notify, SessionHooks};

/// What a hook is told of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HookEvent {
    /// Before or after.
    pub hook_type: HookType,
    /// The session.
    pub session_id: String,
    /// The run.
    pub orchestrator_id: String,
    /// The agent that calls.
    pub agent_id: String,
    /// When, in the form of RFC 3339.
    pub timestamp: String,
    /// The tool, under the name by which it is listed.
    pub tool_name: String,
    /// Its arguments.
    pub tool_input: Map<String, Value>,
    /// Its result; `None` before the call.
    pub tool_output: Option<String>,
}

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum HookType {
    /// Before the call.
    PreToolUse,
    /// After it.
    PostToolUse,
}

/// Runs one hook.
pub trait HookRunner: Send + Sync {
    /// Runs it and reads its result. An error is a failure of the hook, not its refusal.
    fn run<'a>(
        &'a self,
        hook: &'a Hook,
        event: &'a HookEvent,
    ) -> BoxFuture<'a, Result<HookResult, CustomError>>;
}

/// What hooks say of a call before it is made.
#[derive(Debug, Clone, PartialEq)]
pub struct Before {
    /// What is to happen.
    pub verdict: Verdict,
    /// Hooks that failed, for the user.
    pub failures: Vec<HookFailed>,
}

/// What is to happen with a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is made.
    Allowed {
        /// With these arguments. A hook may have written them: whoever makes the call checks them again, against the
        /// schema and against the rules.
        input: Map<String, Value>,
        /// What the model is told besides.
        injections: Vec<Injection>,
    },
    /// A person is asked. Where nobody can be asked, it is refused.
    Ask {
        /// Why.
        reason: String,
        /// The arguments, if the person agrees. They are checked again too.
        input: Map<String, Value>,
        /// What the model is told besides.
        injections: Vec<Injection>,
    },
    /// It is not made.
    Denied {
        /// Why not, for the model.
        reason: String,
    },
}

/// What hooks add after a call.
#[derive(Debug, Clone, PartialEq)]
pub struct After {
    /// What the model is told.
    pub injections: Vec<Injection>,
    /// Hooks that failed, for the user.
    pub failures: Vec<HookFailed>,
}

/// A text that a hook adds. It is the user's word, not a peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Injection {
    /// The text.
    pub content: String,
    /// Where it goes.
    pub strategy: Strategy,
}

/// Where a text of a hook goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// To the end of the tool's result.
    ToolResult,
    /// Into a message of the user's role after it.
    UserMessage,
}

/// What a hook decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookDecision {
    /// The call is made.
    Allow,
    /// It is not.
    Deny,
    /// A person is asked.
    Ask,
}

/// A hook that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookFailed {
    /// The hook, as it stands in the configuration.
    pub hook: String,
    /// What went wrong.
    pub problem: String,
    /// What that meant for the call.
    pub consequence: HookFailure,
}

/// Asks the hooks about a call that is to be made.
pub async fn before(hooks: &Hooks, mut event: HookEvent, runner: &dyn HookRunner) -> Before {
    let mut injections = Vec::new();
    let mut failures = Vec::new();
    let mut ask = None;
    for hook in &hooks.before {
        if !matches(&hook.matcher, &event.tool_name) {
            continue;
        }
        let result = match runner.run(hook, &event).await {
            Ok(result) => result,
            Err(error) => {
                failures.push(failed(hook, &error));
                match hook.on_failure {
                    HookFailure::Allow => continue,
                    HookFailure::Deny => {
                        let reason = format!("the hook {} failed: {error}", shown(&hook.handler));
                        let verdict = Verdict::Denied { reason: cut(reason, limits::HOOK_TEXT_BYTES) };
                        return Before { verdict, failures };
                    }
                }
            }
        };
        let HookResult { decision, reason, input, injection } = result;
        let reason = |word: &str| {
            let default = || format!("the hook {} {word}", shown(&hook.handler));
            cut(
                reason.filter(|reason| !reason.trim().is_empty()).unwrap_or_else(default),
                limits::HOOK_TEXT_BYTES,
            )
        };
        match decision {
            HookDecision::Deny => {
                return Before { verdict: Verdict::Denied { reason: reason("refused it") }, failures };
            }
            HookDecision::Ask => {
                ask.get_or_insert_with(|| reason("wants a person to be asked"));
            }
            HookDecision::Allow => {}
        }
        if let Some(input) = input {
            event.tool_input = input;
        }
        injections.extend(injection);
    }
    let input = event.tool_input;
    let verdict = match ask {
        Some(reason) => Verdict::Ask { reason, input, injections },
        None => Verdict::Allowed { input, injections },
    };
    Before { verdict, failures }
}

/// Tells the hooks of a call that was made. What they decide comes too late; what they say is passed on: a refusal's
/// reason too, so that the model can mend what it has done.
pub async fn after(hooks: &Hooks, event: &HookEvent, runner: &dyn HookRunner) -> After {
    let mut injections = Vec::new();
    let mut failures = Vec::new();
    for hook in &hooks.after {
        if !matches(&hook.matcher, &event.tool_name) {
            continue;
        }
        match runner.run(hook, event).await {
            Ok(HookResult { decision, reason, input: _, injection }) => {
                let told = match decision {
                    HookDecision::Deny => reason,
                    HookDecision::Allow | HookDecision::Ask => None,
                };
                injections.extend(told.filter(|reason| !reason.trim().is_empty()).map(|content| Injection {
                    content: cut(content, limits::HOOK_TEXT_BYTES),
                    strategy: Strategy::ToolResult,
                }));
                injections.extend(injection);
            }
            Err(error) => failures.push(failed(hook, &error)),
        }
    }
    After { injections, failures }
}

fn failed(hook: &Hook, error: &CustomError) -> HookFailed {
    HookFailed { hook: shown(&hook.handler), problem: error.to_string(), consequence: hook.on_failure }
}

/// The hook, as it stands in the configuration.
fn shown(handler: &HookHandler) -> String {
    match handler {
        HookHandler::Python { function, .. } => format!("`{function}`"),
        HookHandler::Command { command } => format!("`{}`", command.join(" ")),
    }
}

#[cfg(test)]
#[path = "hooks_tests.rs"]
mod tests;

//! What a hook says, read from its JSON.

use massgen_protocol::limits;
use serde_json::{Map, Value};

use super::{HookDecision, HookType, Injection, Strategy};
use crate::custom::CustomError;
use crate::custom::streams::cut;

/// What a hook wants.
#[derive(Debug, Clone, PartialEq)]
pub struct HookResult {
    /// What it decides.
    pub decision: HookDecision,
    /// Why.
    pub reason: Option<String>,
    /// Other arguments.
    pub input: Option<Map<String, Value>>,
    /// What the model is told.
    pub injection: Option<Injection>,
}

impl HookResult {
    /// Nothing against it.
    pub fn allow() -> Self {
        Self { decision: HookDecision::Allow, reason: None, input: None, injection: None }
    }

    /// A refusal.
    pub fn deny(reason: String) -> Self {
        let reason = (!reason.trim().is_empty()).then_some(reason);
        Self { decision: HookDecision::Deny, reason, ..Self::allow() }
    }

    /// Reads `{allowed, decision, reason, updated_input, modified_args, inject, metadata}`, where everything may be
    /// missing. The form of Claude Code's hooks (`hookSpecificOutput`) is understood too.
    ///
    /// # Errors
    /// A value that nobody can act on.
    pub fn read(value: &Value, hook_type: HookType) -> Result<Self, CustomError> {
        let form = |text: String| CustomError::Form(text);
        let map = match value {
            Value::Null => return Ok(Self::allow()),
            Value::Object(map) => map,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return Err(form("its result is no JSON object".to_owned()));
            }
        };
        let native = map.get("hookSpecificOutput").and_then(Value::as_object);
        let text = |keys: [&str; 2]| {
            let [own, other] = keys;
            let found = map.get(own).or_else(|| native.and_then(|native| native.get(other)));
            found.and_then(Value::as_str).map(str::to_owned)
        };
        let decision = match text(["decision", "permissionDecision"]).as_deref() {
            None | Some("allow" | "approve") => HookDecision::Allow,
            Some("deny" | "block") => HookDecision::Deny,
            Some("ask") => HookDecision::Ask,
            Some(other) => {
                let other = cut(other.to_owned(), 40);
                return Err(form(format!("its decision `{other}` is none of `allow`, `deny` and `ask`")));
            }
        };
        let decision = match map.get("allowed") {
            Some(Value::Bool(false)) => HookDecision::Deny,
            None | Some(Value::Bool(true) | Value::Null) => decision,
            Some(_) => return Err(form("its `allowed` is neither true nor false".to_owned())),
        };
        let input = ["updated_input", "modified_args"]
            .into_iter()
            .find_map(|key| map.get(key).filter(|v| !v.is_null()));
        let input = input.or_else(|| native.and_then(|native| native.get("updatedInput")));
        let injection = match map.get("inject") {
            None | Some(Value::Null) => native
                .and_then(|native| native.get("additionalContext"))
                .and_then(Value::as_str)
                .map(|text| injection(text, Strategy::ToolResult)),
            Some(inject) => read_injection(inject)?,
        };
        let reason = text(["reason", "permissionDecisionReason"]);
        Ok(Self {
            decision,
            reason: reason.map(|reason| cut(reason, limits::HOOK_TEXT_BYTES)),
            input: match hook_type {
                HookType::PreToolUse => input.map(arguments).transpose()?,
                // The call has been made.
                HookType::PostToolUse => None,
            },
            injection: injection.filter(|injection| !injection.content.trim().is_empty()),
        })
    }

    /// Reads what a program wrote. What does not begin as a JSON object is talk, and means nothing.
    ///
    /// # Errors
    /// What begins as JSON and is none, and what [`Self::read`] says.
    pub(crate) fn read_output(output: &[u8], hook_type: HookType) -> Result<Self, CustomError> {
        let output = output.trim_ascii();
        if !output.starts_with(b"{") {
            return Ok(Self::allow());
        }
        let value: Value = serde_json::from_slice(output)
            .map_err(|error| CustomError::Form(format!("its result is not understood: {error}")))?;
        Self::read(&value, hook_type)
    }
}

/// Arguments, as a map or as the JSON text of one.
fn arguments(value: &Value) -> Result<Map<String, Value>, CustomError> {
    let read = match value {
        Value::Object(map) => Some(map.clone()),
        Value::String(text) => serde_json::from_str(text).ok(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    };
    read.ok_or_else(|| CustomError::Form("the arguments in its result are no JSON object".to_owned()))
}

fn read_injection(value: &Value) -> Result<Option<Injection>, CustomError> {
    let form = |text: &str| CustomError::Form(text.to_owned());
    if let Some(text) = value.as_str() {
        return Ok(Some(injection(text, Strategy::ToolResult)));
    }
    let map = value.as_object().ok_or_else(|| form("its `inject` is no map"))?;
    let strategy = match map.get("strategy").filter(|strategy| !strategy.is_null()).map(Value::as_str) {
        None | Some(Some("tool_result")) => Strategy::ToolResult,
        Some(Some("user_message")) => Strategy::UserMessage,
        Some(Some(_) | None) => {
            return Err(form("the `strategy` of its `inject` is neither `tool_result` nor `user_message`"));
        }
    };
    match map.get("content") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(injection(text, strategy))),
        Some(other) => Ok(Some(injection(&other.to_string(), strategy))),
    }
}

fn injection(text: &str, strategy: Strategy) -> Injection {
    Injection { content: cut(text.to_owned(), limits::HOOK_TEXT_BYTES), strategy }
}

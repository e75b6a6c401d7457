//! The tools that handle background jobs.

use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::ToolSchema;
use serde_json::{Map, Value, json};

use super::WAIT;
use crate::arguments::{Arguments, parse};
use crate::jobs::{Jobs, MOVED, Which};
use crate::source::Failed;

/// Seconds that a wait takes when the call does not say.
const USUAL_WAIT: f64 = 30.0;

/// One tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Control {
    Start,
    Status,
    Result,
    Wait,
    Cancel,
    List,
}

/// What came of a call.
pub(super) enum Did {
    /// A result for the model.
    Told(String),
    /// This tool is to be started.
    Wants(String, Map<String, Value>),
}

/// The tools with their schemas.
pub(super) fn controls() -> Vec<(Control, ToolSchema)> {
    let schema = |name: &str, description: &str, parameters: Value| ToolSchema {
        name: format!("custom_tool__{name}"),
        description: description.to_owned(),
        parameters,
    };
    let job = || {
        json!({
            "type": "object",
            "properties": {"job_id": {"type": "string"}},
            "required": ["job_id"],
        })
    };
    vec![
        (
            Control::Start,
            schema(
                "start_background_tool",
                "Start another tool and go on while it runs. Returns its job_id.",
                json!({
                    "type": "object",
                    "properties": {"tool_name": {"type": "string"}, "arguments": {"type": "object"}},
                    "required": ["tool_name"],
                }),
            ),
        ),
        (Control::Status, schema("get_background_tool_status", "Tell how far a background job is.", job())),
        (Control::Result, schema("get_background_tool_result", "Get the result of a background job.", job())),
        (
            Control::Wait,
            schema(
                "wait_for_background_tool",
                "Wait until the next background job ends, and get its result. News for you ends the wait too.",
                json!({
                    "type": "object",
                    "properties": {"timeout_seconds": {
                        "type": "number",
                        "minimum": 0,
                        "description": format!("At most {}.", WAIT.as_secs()),
                    }},
                }),
            ),
        ),
        (Control::Cancel, schema("cancel_background_tool", "End a background job.", job())),
        (
            Control::List,
            schema(
                "list_background_tools",
                "List background jobs that run, or all of them.",
                json!({"type": "object", "properties": {"include_all": {"type": "boolean"}}}),
            ),
        ),
    ]
}

/// What a call is told whose tool was moved to the background.
pub(super) fn moved(name: &str, record: &Value) -> String {
    let job = record.get("job_id").and_then(Value::as_str).unwrap_or_default();
    json!({
        "success": true,
        "status": MOVED,
        "job_id": job,
        "tool_name": name,
        "message": "It runs in the background; you are told when it ends. custom_tool__get_background_tool_result \
                    gets its result.",
    })
    .to_string()
}

impl Control {
    /// The arguments under their usual names.
    pub(super) fn usual(self, mut arguments: Map<String, Value>) -> Map<String, Value> {
        if self != Self::Start {
            return arguments;
        }
        for (short, usual) in [("tool", "tool_name"), ("args", "arguments")] {
            if let Some(value) = arguments.remove(short) {
                arguments.entry(usual).or_insert(value);
            }
        }
        // Some models write them as a text.
        if let Some(Value::String(text)) = arguments.get("arguments")
            && let Ok(inner) = parse("tool_name", text)
        {
            arguments.insert("arguments".to_owned(), Value::Object(inner));
        }
        arguments
    }

    pub(super) async fn on(self, jobs: &Arc<Jobs>, arguments: Map<String, Value>) -> Result<Did, Failed> {
        let given = Arguments(&arguments);
        let record = match self {
            Self::Start => {
                let tool = given.text("tool_name")?.to_owned();
                let mut inner = match arguments.get("arguments") {
                    Some(Value::Object(inner)) => inner.clone(),
                    Some(
                        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_),
                    )
                    | None => Map::new(),
                };
                let beside =
                    arguments.iter().filter(|(name, _)| *name != "tool_name" && *name != "arguments");
                for (name, value) in beside {
                    inner.entry(name.clone()).or_insert_with(|| value.clone());
                }
                return Ok(Did::Wants(tool, inner));
            }
            Self::Status => jobs.status(given.text("job_id")?)?,
            Self::Result => jobs.result(given.text("job_id")?)?,
            Self::Cancel => jobs.cancel(given.text("job_id")?)?,
            Self::List => jobs.list(if given.is_on("include_all") { Which::All } else { Which::Running }),
            Self::Wait => {
                let seconds = arguments.get("timeout_seconds").and_then(Value::as_f64).unwrap_or(USUAL_WAIT);
                let time = Duration::try_from_secs_f64(seconds).unwrap_or(WAIT).min(WAIT);
                jobs.wait(time).await
            }
        };
        Ok(Did::Told(record.to_string()))
    }
}

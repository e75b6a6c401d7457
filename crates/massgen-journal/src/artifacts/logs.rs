//! Text logs for people: `massgen.log`, `agent_outputs/<agent>.txt`, `agent_outputs/system_status.txt`.

use massgen_protocol::Timestamp;
use serde_json::Value;

use super::events::CompatLine;
use super::excerpt::{head, one_line};
use super::stamps::LocalTime;

/// Characters of tool arguments that an output log shows.
const ARGUMENT_CHARS: usize = 200;

/// Characters of a tool result that an output log shows.
const RESULT_CHARS: usize = 500;

/// Characters of a text that a line of `massgen.log` shows.
const LOG_CHARS: usize = 200;

/// Seconds after which a tool counts as slow.
const SLOW_SECONDS: f64 = 5.0;

/// What the text logs get for one line of `events.jsonl`.
#[derive(Debug)]
pub(super) struct LogTexts {
    /// For `massgen.log`, with its line break.
    pub(super) log: Option<String>,
    /// For the output log of the agent, or of the system when no agent is concerned.
    pub(super) output: Option<String>,
}

/// The head of an output log.
pub(super) fn output_head(name: &str) -> String {
    format!("=== {} OUTPUT LOG ===\n\n", name.to_uppercase())
}

/// What the text logs tell of `line`, which concerns the agent with id `agent` or none.
pub(super) fn texts(line: &CompatLine, agent: Option<&str>, local: LocalTime, at: Timestamp) -> LogTexts {
    let clock = local.clock(at);
    LogTexts {
        log: log_line(line.event_type, agent, &line.data, &clock),
        output: output(line.event_type, &line.data, &clock),
    }
}

fn log_line(event_type: &str, agent: Option<&str>, data: &Value, clock: &str) -> Option<String> {
    let field = |name: &str| data[name].as_str().unwrap_or_default();
    let (level, message) = match event_type {
        "text"
        | "thinking"
        | "final_presentation_chunk"
        | "final_presentation_end"
        | "answer_locked"
        | "tool_start" => {
            return None;
        }
        "error" => ("ERROR", format!("[ERROR] {}", field("error"))),
        "status" => match field("level") {
            "error" => ("ERROR", format!("[ERROR] {}", field("message"))),
            "warning" => ("WARNING", field("message").to_owned()),
            _ => ("INFO", field("message").to_owned()),
        },
        "system_status" => ("INFO", field("message").to_owned()),
        "tool_complete" => {
            let seconds = data["elapsed_seconds"].as_f64().unwrap_or_default();
            let slow = if seconds > SLOW_SECONDS { "[SLOW] " } else { "" };
            let (level, failed) = if data["is_error"] == true { ("ERROR", "[ERROR] ") } else { ("INFO", "") };
            (level, format!("{failed}{slow}tool {} {} in {seconds:.2}s", field("tool_name"), field("status")))
        }
        "answer_submitted" => ("INFO", format!("answer {} submitted", field("answer_label"))),
        "vote" => ("INFO", format!("vote for {}: {}", field("voted_for_label"), field("reason"))),
        "round_end" => ("INFO", format!("round ended: {}", field("outcome"))),
        other => ("INFO", other.replace('_', " ")),
    };
    let message = one_line(&message);
    let who = agent.map(|agent| format!("{agent}: ")).unwrap_or_default();
    Some(format!("{clock} | {level:<8} | {who}{}\n", head(&message, LOG_CHARS)))
}

fn output(event_type: &str, data: &Value, clock: &str) -> Option<String> {
    let field = |name: &str| data[name].as_str().unwrap_or_default();
    match event_type {
        "text" | "thinking" | "final_presentation_chunk" => {
            let content = field("content");
            (!content.is_empty()).then(|| format!("{content}\n"))
        }
        "status" | "system_status" => Some(format!("[{clock}] {}\n", field("message"))),
        "error" => Some(format!("[{clock}] error: {}\n", field("error"))),
        "tool_start" => {
            let arguments = data["args"].to_string();
            Some(format!("[{clock}] tool {} {}\n", field("tool_name"), head(&arguments, ARGUMENT_CHARS)))
        }
        "tool_complete" => {
            let result = one_line(field("result"));
            let (name, status) = (field("tool_name"), field("status"));
            Some(format!("[{clock}] tool {name} {status}: {}\n", head(&result, RESULT_CHARS)))
        }
        "answer_submitted" => {
            Some(format!("[{clock}] answer {}\n{}\n", field("answer_label"), field("content")))
        }
        "vote" => Some(format!("[{clock}] vote for {}: {}\n", field("voted_for_label"), field("reason"))),
        "round_start" => Some(format!("[{clock}] round started\n")),
        "round_end" => Some(format!("[{clock}] round ended: {}\n", field("outcome"))),
        _ => None,
    }
}

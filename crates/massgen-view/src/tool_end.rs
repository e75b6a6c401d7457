//! How a tool call ended that did not work, its cause first.

use massgen_protocol::message::{ToolDecision, ToolOutcome, ToolVerdict};
use serde_json::{Map, Value};

use crate::clean::{clean_line, first_line, last_line};
use crate::wording;

/// What a person is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened.
    pub(crate) text: String,
    /// Why; empty where that is said.
    pub(crate) cause: String,
}

/// What went wrong; `None` when it worked. `workspace` is the folder of the agent: paths in it are told as the agent
/// writes them.
pub(crate) fn trouble(
    outcome: &ToolOutcome,
    decisions: &[ToolDecision],
    workspace: Option<&str>,
) -> Option<Trouble> {
    let text = wording::tool_trouble(outcome)?.to_owned();
    let here = |text: &str| match workspace {
        Some(folder) => text.replace(&format!("{folder}/"), ""),
        None => text.to_owned(),
    };
    Some(match outcome {
        ToolOutcome::Denied { text: told } => {
            match decisions.iter().find(|decision| decision.verdict == ToolVerdict::Denied) {
                Some(ToolDecision { action, target, rule, reason, .. }) => {
                    // Where no rule that somebody wrote decided, the word for what did is none to look for.
                    let rule = if rule.contains('(') { format!(" (rule: {rule})") } else { String::new() };
                    Trouble {
                        text: format!("{text}: {} `{}`{rule}", verb(action), here(target)),
                        cause: here(&cause(reason)),
                    }
                }
                None => Trouble { text, cause: here(&cause(told)) },
            }
        }
        ToolOutcome::Error { text: told } => Trouble { text, cause: here(&cause(told)) },
        ToolOutcome::Ok { .. } | ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => {
            Trouble { text, cause: String::new() }
        }
    })
}

/// An action in the words of rules, as a person says it.
fn verb(action: &str) -> &str {
    match action {
        "command" => "run",
        "read_file" => "read",
        "write_file" => "write",
        "read_url" => "fetch",
        "mcp" => "call",
        other => other,
    }
}

/// What a result says of its failure: of an object that tools answer with, the text that a person looks for.
fn cause(told: &str) -> String {
    // What hooks say stands behind it.
    let mut values = serde_json::Deserializer::from_str(told).into_iter::<Value>();
    let Some(Ok(Value::Object(result))) = values.next() else { return clean_line(told) };
    let said = |name: &str| result.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    if let Some(message) = ["error", "message"].into_iter().find_map(said) {
        return first_line(message);
    }
    // What a program complains about comes last.
    let output = ["stderr", "stdout"].into_iter().find_map(said).map(last_line).unwrap_or_default();
    match (exit_code(&result), output.as_str()) {
        (None, "") => clean_line(told),
        (None, _) => output,
        (Some(code), "") => format!("exit code {code}"),
        (Some(code), _) => format!("{output} (exit code {code})"),
    }
}

/// The exit code of a program; those that stand for none tell nothing.
fn exit_code(result: &Map<String, Value>) -> Option<i64> {
    result.get("exit_code").and_then(Value::as_i64).filter(|code| *code > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(outcome: &ToolOutcome, decisions: &[ToolDecision]) -> String {
        let Trouble { text, cause } = trouble(outcome, decisions, Some("/w/agent")).unwrap();
        format!("{text} | {cause}")
    }

    #[test]
    fn the_cause_comes_first_and_paths_are_those_of_the_agent() {
        let failed = |text: &str| told(&ToolOutcome::Error { text: text.to_owned() }, &[]);
        let results = [
            "`/w/agent/src/a.rs` is not there; see /w/agent2",
            r#"{"success": false, "exit_code": -1, "stdout": "", "stderr": "cannot start: no engine"}"#,
            r#"{"success": false, "exit_code": 2, "stdout": "many\nlines\n", "stderr": "a\nmake: *** failed\n"}"#,
            r#"{"success": false, "exit_code": 1, "stdout": "", "stderr": ""} and what a hook says"#,
            r#"{"success": false, "error": "there is no task `x`"}"#,
            r#"{"some": "thing"}"#,
        ];
        let denied = ToolOutcome::Denied { text: "`execute_command` is not allowed to …".to_owned() };
        let decision = |action: &str, target: &str, verdict| ToolDecision {
            action: action.to_owned(),
            target: target.to_owned(),
            verdict,
            rule: "command(git push*)".to_owned(),
            reason: "a rule refuses it".to_owned(),
        };
        let decisions = [
            decision("read_file", "/w/agent/a", ToolVerdict::Allowed),
            decision("command", "git push origin", ToolVerdict::Denied),
        ];
        let mut all: Vec<String> = results.map(failed).into();
        all.push(told(&denied, &decisions));
        all.push(told(&denied, &[]));
        // The tool itself refused it.
        let mut own = decision("command", "chmod +x x", ToolVerdict::Denied);
        own.reason = r#"{"success": false, "exit_code": -1, "stdout": "", "stderr": "the mode of `/w/agent/x` stays"}"#.to_owned();
        all.push(told(&denied, &[own]));
        all.push(told(&ToolOutcome::CutOff, &[]));
        insta::assert_snapshot!(all.join("\n"));
    }
}

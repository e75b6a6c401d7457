//! What a configuration asks of the protocol, sorted by where it goes: into the body, into a header, or to rig.

use std::collections::BTreeMap;

use massgen_protocol::spec::ProviderTool;
use rig_core::providers::anthropic::extension::MCP_CLIENT_BETA;
use serde_json::{Map, Value, json};

/// Keys of a body that no parameter of a configuration replaces. The bound on the output has a key of its own.
const OURS: [&str; 5] = ["model", "messages", "system", "stream", "max_tokens"];

/// The beta that the tool for code belongs to.
const CODE_EXECUTION_BETA: &str = "code-execution-2025-08-25";

/// The parameters of one agent.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Settings {
    /// Go into the body as they are, tools that the provider runs among them.
    pub(super) body: Map<String, Value>,
    /// Go into the header `anthropic-beta`.
    pub(super) betas: Vec<String>,
    /// Container to run code in, or skills to load into one.
    pub(super) container: Option<Value>,
    /// Tools ask for arguments that follow their schema.
    pub(super) strict_tools: bool,
}

impl Settings {
    /// Sorts `parameters`; those without a value say nothing. `tools` are run by the provider.
    ///
    /// # Errors
    /// What cannot be sent, in words.
    pub(super) fn read(parameters: &BTreeMap<String, Value>, tools: &[ProviderTool]) -> Result<Self, String> {
        let mut settings = Self::default();
        let mut entries = Vec::new();
        let mut parallel = true;
        for (key, value) in
            parameters.iter().filter(|(key, value)| !OURS.contains(&key.as_str()) && !value.is_null())
        {
            match key.as_str() {
                "betas" => settings.betas = betas(value)?,
                "container" => settings.container = Some(value.clone()),
                "enable_strict_tool_use" => settings.strict_tools = *value == Value::Bool(true),
                "disable_parallel_tool_use" => parallel = *value != Value::Bool(true),
                "tools" => {
                    let raw = value.as_array().ok_or("the parameter `tools` is no list")?;
                    entries.clone_from(raw);
                }
                _ => {
                    settings.body.insert(key.clone(), value.clone());
                }
            }
        }
        for tool in tools {
            let entry = entry(*tool)?;
            // An entry of the configuration says more than a switch.
            if !entries.iter().any(|known| known.get("name") == entry.get("name")) {
                entries.push(entry);
            }
        }
        settings.needs_betas(&entries);
        if !entries.is_empty() {
            settings.body.insert("tools".to_owned(), Value::Array(entries));
        }
        if !parallel {
            one_call_at_a_time(&mut settings.body);
        }
        Ok(settings)
    }

    /// Adds the betas without which the service refuses what is asked of it.
    fn needs_betas(&mut self, tools: &[Value]) {
        let runs_code = tools.iter().any(|tool| {
            tool.get("type").and_then(Value::as_str).is_some_and(|kind| kind.starts_with("code_execution_"))
        });
        let wanted = [
            (runs_code, "code-execution-", CODE_EXECUTION_BETA),
            (self.body.contains_key("mcp_servers"), "mcp-client-", MCP_CLIENT_BETA),
        ];
        for (is_needed, family, beta) in wanted {
            // Whoever names another date of it means that one.
            if is_needed && !self.betas.iter().any(|known| known.starts_with(family)) {
                self.betas.push(beta.to_owned());
            }
        }
    }
}

/// The names of betas: a list, or one text with commas.
fn betas(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || "the parameter `betas` is no list of names".to_owned();
    let names: Vec<&str> = match value {
        Value::String(names) => names.split(',').collect(),
        Value::Array(names) => {
            names.iter().map(|name| name.as_str().ok_or_else(wrong)).collect::<Result<_, _>>()?
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return Err(wrong()),
    };
    Ok(names.into_iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect())
}

/// The provider's entry for a tool that it runs itself.
fn entry(tool: ProviderTool) -> Result<Value, String> {
    match tool {
        ProviderTool::WebSearch => Ok(json!({"type": "web_search_20250305", "name": "web_search"})),
        ProviderTool::CodeExecution => {
            Ok(json!({"type": "code_execution_20250825", "name": "code_execution"}))
        }
        ProviderTool::XSearch => Err("the Messages protocol has no search in X".to_owned()),
    }
}

/// Asks for one tool call in a reply at most.
fn one_call_at_a_time(body: &mut Map<String, Value>) {
    let choice = body.entry("tool_choice").or_insert_with(|| json!({"type": "auto"}));
    if let Some(choice) = choice.as_object_mut().filter(|choice| choice.get("type") != Some(&json!("none"))) {
        choice.insert("disable_parallel_tool_use".to_owned(), Value::Bool(true));
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;

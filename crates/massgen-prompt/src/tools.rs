//! Schemas of the workflow tools. They stay the same for a whole run.

use massgen_protocol::{AgentNo, ToolSchema};
use minijinja::context;
use serde_json::json;

use crate::template::{PromptError, Prompts};

impl Prompts {
    /// `new_answer` and `vote` for a run of `agents` agents. The vote names all agents from the start; whether one has
    /// an answer is checked when the vote comes.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn workflow_tools(&self, agents: usize) -> Result<Vec<ToolSchema>, PromptError> {
        let ids: Vec<String> = (0..agents).map(|index| AgentNo::from_index(index).to_string()).collect();
        Ok(vec![
            ToolSchema {
                name: "new_answer".to_owned(),
                description: self.render("new_answer", context! {})?,
                parameters: json!({
                    "type": "object",
                    "properties": { "content": { "type": "string" } },
                    "required": ["content"],
                }),
            },
            ToolSchema {
                name: "vote".to_owned(),
                description: self.render("vote", context! {})?,
                parameters: json!({
                    "type": "object",
                    "properties": {
                        "agent_id": { "type": "string", "enum": ids },
                        "reason": { "type": "string" },
                    },
                    "required": ["agent_id", "reason"],
                }),
            },
        ])
    }
}

//! What conversations of these tests refer to.

use std::collections::BTreeMap;
use std::sync::Arc;

use massgen_prompt::{Finale, Materials, Prompts, Viewer};
use massgen_protocol::message::{Message, Reply, ToolOutcome};
use massgen_protocol::turn::Turn;
use massgen_protocol::{
    AgentNo, AnswerLabel, AttachedFile, CallId, Note, NoteId, PastTurn, ToolUse, WorkspaceSpec,
};

/// Texts by what they are referred to by.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    pub(crate) question: String,
    pub(crate) history: Vec<PastTurn>,
    pub(crate) files: Vec<Arc<AttachedFile>>,
    pub(crate) workspace: Option<WorkspaceSpec>,
    pub(crate) answers: BTreeMap<AnswerLabel, String>,
    pub(crate) notes: BTreeMap<NoteId, Note>,
    pub(crate) replies: BTreeMap<CallId, Arc<Reply>>,
    pub(crate) outcomes: BTreeMap<ToolUse, ToolOutcome>,
}

impl Materials for Shelf {
    fn question(&self) -> &str {
        &self.question
    }

    fn history(&self) -> &[PastTurn] {
        &self.history
    }

    fn attached(&self) -> &[Arc<AttachedFile>] {
        &self.files
    }

    fn workspace(&self) -> Option<&WorkspaceSpec> {
        self.workspace.as_ref()
    }

    fn answer(&self, label: AnswerLabel) -> Option<&str> {
        self.answers.get(&label).map(String::as_str)
    }

    fn note(&self, id: NoteId) -> Option<&Note> {
        self.notes.get(&id)
    }

    fn reply(&self, call: CallId) -> Option<&Arc<Reply>> {
        self.replies.get(&call)
    }

    fn tool_outcome(&self, tool_use: ToolUse) -> Option<&ToolOutcome> {
        self.outcomes.get(&tool_use)
    }
}

/// A shelf with a short task and answers under these labels.
pub(crate) fn shelf(labels: &[&str]) -> Shelf {
    let answer = |text: &&str| (label(text), format!("The text of {text}."));
    Shelf {
        question: "How many tides are there in a day?".into(),
        answers: labels.iter().map(answer).collect(),
        ..Shelf::default()
    }
}

pub(crate) fn label(text: &str) -> AnswerLabel {
    text.parse().unwrap()
}

/// The agent with number `number` (from 1) of `agents`.
pub(crate) fn viewer(number: usize, agents: usize) -> Viewer {
    Viewer { agent: AgentNo::from_index(number - 1), agents, finale: Finale::Submitted }
}

/// The messages of `turns`, one after the other, each with its role.
pub(crate) fn told(viewer: Viewer, turns: &[Turn], shelf: &Shelf) -> String {
    let messages = Prompts::new().unwrap().messages(viewer, turns, shelf).unwrap();
    let shown: Vec<String> = messages
        .iter()
        .map(|message| match message {
            Message::User { text, .. } => format!("[user]\n{text}"),
            Message::Assistant { reply } if reply.tool_calls().next().is_none() => {
                format!("[assistant]\n{}", reply.text())
            }
            Message::Assistant { reply } => format!("[assistant] {} tool calls", reply.tool_calls().count()),
            Message::ToolResult { id, name, text, is_error } => {
                let kind = if *is_error { "error" } else { "result" };
                format!("[{kind} of {name} {id}]\n{text}")
            }
        })
        .collect();
    shown.join("\n\n")
}

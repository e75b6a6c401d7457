//! The texts that one prompt needs, taken out of the state so that prompts are rendered away from the session loop.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use massgen_core::{Agent, State};
use massgen_prompt::Materials;
use massgen_protocol::message::{Reply, ToolOutcome};
use massgen_protocol::turn::Turn;
use massgen_protocol::{AnswerLabel, AttachedFile, CallId, Note, NoteId, PastTurn, RunSpec, ToolUse};

/// A conversation with everything it refers to. Texts are shared, not copied.
#[derive(Debug)]
pub(crate) struct PromptMaterials {
    spec: Arc<RunSpec>,
    attached: Arc<[Arc<AttachedFile>]>,
    pub(crate) conversation: Vec<Turn>,
    answers: HashMap<AnswerLabel, Arc<str>>,
    files: HashMap<AnswerLabel, Vec<String>>,
    notes: BTreeMap<NoteId, Note>,
    replies: BTreeMap<CallId, Arc<Reply>>,
    outcomes: BTreeMap<ToolUse, ToolOutcome>,
}

impl PromptMaterials {
    /// `attached` are the files that `agent` gets with the task.
    pub(crate) fn of(state: &State, agent: &Agent, attached: Arc<[Arc<AttachedFile>]>) -> Self {
        let mut materials = Self {
            spec: Arc::clone(state.spec()),
            attached,
            conversation: agent.conversation().to_vec(),
            answers: HashMap::new(),
            files: HashMap::new(),
            notes: BTreeMap::new(),
            replies: BTreeMap::new(),
            outcomes: BTreeMap::new(),
        };
        for turn in agent.conversation() {
            let news = match turn {
                Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. } => news,
                Turn::Reply { call } | Turn::Recap { call } => {
                    materials.take_reply(agent, *call);
                    continue;
                }
            };
            let answers = news.answers.iter();
            materials.answers.extend(
                answers.filter_map(|label| Some((*label, Arc::clone(&state.answer(*label)?.content)))),
            );
            for label in &news.answers {
                let made = state.made().of_answer(*label);
                if !made.is_empty() {
                    materials.files.insert(*label, made.iter().map(ToString::to_string).collect());
                }
            }
            let notes = news.notes.iter();
            materials.notes.extend(notes.filter_map(|id| Some((*id, state.note(*id)?.clone()))));
        }
        materials
    }

    fn take_reply(&mut self, agent: &Agent, call: CallId) {
        let Some(reply) = agent.reply(call) else { return };
        for (_, index) in reply.tool_calls().zip(0..=u16::MAX) {
            let tool_use = ToolUse { call, index };
            self.outcomes.extend(agent.tool_outcome(tool_use).map(|outcome| (tool_use, outcome.clone())));
        }
        self.replies.insert(call, Arc::clone(reply));
    }
}

impl Materials for PromptMaterials {
    fn question(&self) -> &str {
        &self.spec.question
    }

    fn history(&self) -> &[PastTurn] {
        &self.spec.history
    }

    fn attached(&self) -> &[Arc<AttachedFile>] {
        &self.attached
    }

    fn answer(&self, label: AnswerLabel) -> Option<&str> {
        self.answers.get(&label).map(AsRef::as_ref)
    }

    fn files(&self, label: AnswerLabel) -> &[String] {
        self.files.get(&label).map(Vec::as_slice).unwrap_or_default()
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

//! The texts that one prompt needs, taken out of the state so that prompts are rendered away from the session loop.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use massgen_core::{Agent, State};
use massgen_prompt::Materials;
use massgen_protocol::message::{Reply, ToolOutcome};
use massgen_protocol::paths::Rules;
use massgen_protocol::turn::Turn;
use massgen_protocol::workspace::left_out_words;
use massgen_protocol::{
    AgentNo, AnswerLabel, AttachedFile, CallId, Note, NoteId, PastTurn, RunSpec, SnapshotId, ToolUse,
    WorkspaceSpec, places,
};

/// A conversation with everything it refers to. Texts are shared, not copied.
#[derive(Debug)]
pub(crate) struct PromptMaterials {
    spec: Arc<RunSpec>,
    attached: Arc<[Arc<AttachedFile>]>,
    pub(crate) workspace: Option<Box<WorkspaceSpec>>,
    pub(crate) conversation: Vec<Turn>,
    answers: HashMap<AnswerLabel, Arc<str>>,
    files: HashMap<AnswerLabel, Vec<String>>,
    /// Of the agent's own answers.
    left_out: HashMap<AnswerLabel, String>,
    notes: BTreeMap<NoteId, Note>,
    replies: BTreeMap<CallId, Arc<Reply>>,
    outcomes: BTreeMap<ToolUse, ToolOutcome>,
    /// The files that the reader may look at: of the answers that it was shown.
    pub(crate) snapshots: Vec<(AnswerLabel, SnapshotId)>,
}

impl PromptMaterials {
    /// `attached` are the files that `agent` gets with the task.
    pub(crate) fn of(state: &State, agent: &Agent, attached: Arc<[Arc<AttachedFile>]>) -> Self {
        let mut materials = Self {
            spec: Arc::clone(state.spec()),
            attached,
            workspace: state.agent_spec(agent.no()).and_then(|spec| spec.workspace.clone()),
            conversation: agent.conversation().to_vec(),
            answers: HashMap::new(),
            files: HashMap::new(),
            left_out: HashMap::new(),
            notes: BTreeMap::new(),
            replies: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            snapshots: Vec::new(),
        };
        for (answer, revision) in agent.answers().iter().zip(1..) {
            if !answer.left_out.is_empty() {
                materials.left_out.insert(agent.no().label(revision), left_out_words(&answer.left_out));
            }
        }
        let reader = Reader::of(state, agent);
        if reader.workspace.is_some() {
            let shown = agent.seen().labels();
            materials
                .snapshots
                .extend(shown.filter_map(|label| Some((label, state.answer(label)?.snapshot.clone()?))));
        }
        for turn in agent.conversation() {
            let news = match turn {
                Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. } => news,
                Turn::Reply { call } | Turn::Recap { call } => {
                    materials.take_reply(agent, *call);
                    continue;
                }
            };
            for label in &news.answers {
                let Some(answer) = state.answer(*label) else { continue };
                materials.answers.insert(*label, reader.reads(label.agent, &answer.content));
                let mut files: Vec<String> =
                    state.made().of_answer(*label).iter().map(ToString::to_string).collect();
                files.extend(answer.snapshot.as_ref().and_then(|_| reader.folder_of(*label)));
                files.extend(materials.left_out.get(label).map(|words| format!("all but {words}")));
                if !files.is_empty() {
                    materials.files.insert(*label, files);
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

/// Who reads answers, and where it finds what they speak of.
struct Reader<'a> {
    workspace: Option<&'a WorkspaceSpec>,
    agent: AgentNo,
    places: Rules,
}

impl<'a> Reader<'a> {
    fn of(state: &'a State, agent: &Agent) -> Self {
        let workspace = state.agent_spec(agent.no()).and_then(|spec| spec.workspace.as_deref());
        Self { workspace, agent: agent.no(), places: places::for_agent(state.spec(), agent.no()) }
    }

    /// An answer of `author` as it reads it.
    fn reads(&self, author: AgentNo, content: &Arc<str>) -> Arc<str> {
        if author == self.agent {
            return Arc::clone(content);
        }
        match self.places.apply(content) {
            Cow::Borrowed(_) => Arc::clone(content),
            Cow::Owned(moved) => moved.into(),
        }
    }

    /// The folder with the files of an answer, to be told with it. The latest one replaces those before it.
    fn folder_of(&self, label: AnswerLabel) -> Option<String> {
        let own = self.workspace.filter(|_| label.agent != self.agent)?;
        Some(format!("{}/", own.of_peer(label.agent)))
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

    fn workspace(&self) -> Option<&WorkspaceSpec> {
        self.workspace.as_deref()
    }

    fn answer(&self, label: AnswerLabel) -> Option<&str> {
        self.answers.get(&label).map(AsRef::as_ref)
    }

    fn files(&self, label: AnswerLabel) -> &[String] {
        self.files.get(&label).map(Vec::as_slice).unwrap_or_default()
    }

    fn left_out(&self, label: AnswerLabel) -> Option<&str> {
        self.left_out.get(&label).map(String::as_str)
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

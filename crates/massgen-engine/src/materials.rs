//! The texts that one prompt needs, taken out of the state so that prompts are rendered away from the session loop.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use massgen_core::{Agent, State};
use massgen_prompt::Materials;
use massgen_protocol::message::{Reply, ToolOutcome};
use massgen_protocol::turn::Turn;
use massgen_protocol::{
    AgentNo, AnswerLabel, AttachedFile, CallId, Note, NoteId, PastTurn, RunSpec, SnapshotId, ToolUse,
    WorkspaceSpec, paths,
};

/// A conversation with everything it refers to. Texts are shared, not copied.
#[derive(Debug)]
pub(crate) struct PromptMaterials {
    spec: Arc<RunSpec>,
    attached: Arc<[Arc<AttachedFile>]>,
    workspace: Option<Box<WorkspaceSpec>>,
    pub(crate) conversation: Vec<Turn>,
    answers: HashMap<AnswerLabel, Arc<str>>,
    files: HashMap<AnswerLabel, Vec<String>>,
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
            notes: BTreeMap::new(),
            replies: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            snapshots: Vec::new(),
        };
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
                materials.answers.insert(*label, reader.reads(&answer.content));
                let mut files: Vec<String> =
                    state.made().of_answer(*label).iter().map(ToString::to_string).collect();
                files.extend(answer.snapshot.as_ref().and_then(|_| reader.folder_of(*label)));
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
    /// The folders of peers, and where the reader finds what was in them.
    places: Vec<(&'a str, String)>,
}

impl<'a> Reader<'a> {
    fn of(state: &'a State, agent: &Agent) -> Self {
        let workspace = |no: AgentNo| state.agent_spec(no)?.workspace.as_deref();
        let own = workspace(agent.no());
        // Its own folder stays what it is: the agent goes on working there.
        let peers = state.agents().iter().map(Agent::no).filter(|no| *no != agent.no());
        let places = peers.filter_map(|no| Some((workspace(no)?.folder.as_str(), place(own, no)))).collect();
        Self { workspace: own, agent: agent.no(), places }
    }

    /// An answer as it reads it.
    fn reads(&self, content: &Arc<str>) -> Arc<str> {
        let places: Vec<(&str, &str)> = self.places.iter().map(|(from, to)| (*from, to.as_str())).collect();
        match paths::moved(content, &places) {
            Cow::Borrowed(_) => Arc::clone(content),
            Cow::Owned(moved) => moved.into(),
        }
    }

    /// The folder with the files of an answer, to be told with it. The latest one replaces those before it.
    fn folder_of(&self, label: AnswerLabel) -> Option<String> {
        let folder = self.workspace.filter(|_| label.agent != self.agent)?;
        Some(format!("{}/", place(Some(folder), label.agent)))
    }
}

/// Where whoever works in `own` finds the files of `peer`.
fn place(own: Option<&WorkspaceSpec>, peer: AgentNo) -> String {
    own.map_or_else(|| peer.to_string(), |own| format!("{}/{peer}", own.peers.trim_end_matches('/')))
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

//! From turns to messages.

use std::sync::Arc;

use massgen_protocol::message::{Message, Reply, ToolFile, ToolOutcome};
use massgen_protocol::turn::{Directive, News, ResultRef, TallyRow, Turn, Verdict};
use massgen_protocol::workspace::Access;
use massgen_protocol::{
    AgentNo, AnswerLabel, AttachedFile, Attachment, AttachmentContent, AttachmentKind, CallId, Note, NoteId,
    PastTurn, ToolUse, WorkspaceSpec,
};
use minijinja::context;

use crate::fragment::{self, Ownership};
use crate::history;
use crate::template::{PromptError, Prompts};

/// Where the texts are that turns refer to.
pub trait Materials {
    /// The task.
    fn question(&self) -> &str;
    /// Earlier exchanges with the same user, the oldest first.
    fn history(&self) -> &[PastTurn];
    /// Files that the reading agent gets with the task, in order.
    fn attached(&self) -> &[Arc<AttachedFile>] {
        &[]
    }
    /// Where the reading agent works with files; `None` is nowhere.
    fn workspace(&self) -> Option<&WorkspaceSpec> {
        None
    }
    /// The text of an accepted answer.
    fn answer(&self, label: AnswerLabel) -> Option<&str>;
    /// The files that belong to an accepted answer, each as it is told: `image-1.png (image/png, 34 KB)`.
    fn files(&self, _label: AnswerLabel) -> &[String] {
        &[]
    }
    /// What the reader's workspace held besides and was not kept with its answer `label`, with the reasons.
    fn left_out(&self, _label: AnswerLabel) -> Option<&str> {
        None
    }
    /// A steering message.
    fn note(&self, id: NoteId) -> Option<&Note>;
    /// A reply of the reading agent.
    fn reply(&self, call: CallId) -> Option<&Arc<Reply>>;
    /// How a work tool of the reading agent ended.
    fn tool_outcome(&self, tool_use: ToolUse) -> Option<&ToolOutcome>;
}

/// Who reads.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    /// The reading agent.
    pub agent: AgentNo,
    /// How many agents take part.
    pub agents: usize,
    /// How it gives the final answer, should it be the one that does.
    pub finale: Finale,
}

/// How an agent gives the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finale {
    /// With a call of `new_answer`.
    Submitted,
    /// As text in the form that the system text names: services hold text to a form, and calls to none.
    Written,
}

impl Prompts {
    /// The messages of a conversation: earlier exchanges with the user first, if there are any, and then the turns.
    ///
    /// # Errors
    /// When a template is broken.
    pub fn messages(
        &self,
        viewer: Viewer,
        conversation: &[Turn],
        materials: &dyn Materials,
    ) -> Result<Vec<Message>, PromptError> {
        let past = materials.history();
        let mut messages = Vec::with_capacity(conversation.len() + 2 * past.len() + 2);
        messages.extend(past.iter().flat_map(history::messages));
        for turn in conversation {
            match turn {
                Turn::Opening(news) => {
                    let text = self.opening(viewer, news, materials)?;
                    let files = materials.attached().iter().filter(|file| file.text().is_none());
                    messages.push(Message::User { text, files: files.cloned().collect() });
                }
                Turn::Reply { call } => {
                    messages.extend(
                        materials.reply(*call).map(|reply| Message::Assistant { reply: Arc::clone(reply) }),
                    );
                }
                Turn::Results { call, results, news } => {
                    self.results(*call, results, materials, &mut messages)?;
                    self.update(viewer, news, materials, &mut messages)?;
                }
                Turn::Update(news) => self.update(viewer, news, materials, &mut messages)?,
                Turn::Recap { call } => {
                    let text = materials.reply(*call).map(|reply| reply.text()).unwrap_or_default();
                    let text = self.render("recap", context! { summary => fragment::summary(&text) })?;
                    messages.push(Message::user(text));
                }
            }
        }
        Ok(messages)
    }

    fn opening(&self, viewer: Viewer, news: &News, materials: &dyn Materials) -> Result<String, PromptError> {
        self.render(
            "opening",
            context! {
                question => materials.question(),
                files => files(materials.attached()),
                workspace => self.workspace(viewer, materials.workspace())?,
                is_first => materials.history().is_empty(),
                viewer => viewer.agent.to_string(),
                alone => viewer.agents == 1,
                answers => answers(viewer, &news.answers, materials),
                notes => notes(&news.notes, materials),
                directive => self.directive(viewer, news.directive.as_ref())?,
            },
        )
    }

    /// Where the agent works, and what it sees besides.
    fn workspace(&self, viewer: Viewer, workspace: Option<&WorkspaceSpec>) -> Result<String, PromptError> {
        let Some(workspace) = workspace else {
            return Ok(String::new());
        };
        let contexts: Vec<_> = workspace
            .seen()
            .map(|seen| {
                let protected = &seen.context.protected;
                context! {
                    path => fragment::path(&seen.context.path),
                    copy => workspace.copy_of(seen).as_deref().map(fragment::path),
                    writable => seen.context.access == Access::Write,
                    protected => protected.iter().map(|path| fragment::path(path)).collect::<Vec<_>>().join(", "),
                }
            })
            .collect();
        self.render(
            "workspace",
            context! {
                folder => fragment::path(&workspace.folder),
                peers => fragment::path(&workspace.peers),
                alone => viewer.agents == 1,
                contexts,
            },
        )
    }

    fn update(
        &self,
        viewer: Viewer,
        news: &News,
        materials: &dyn Materials,
        messages: &mut Vec<Message>,
    ) -> Result<(), PromptError> {
        if news.is_empty() {
            return Ok(());
        }
        let text = self.render(
            "update",
            context! {
                answers => answers(viewer, &news.answers, materials),
                notes => notes(&news.notes, materials),
                directive => self.directive(viewer, news.directive.as_ref())?,
            },
        )?;
        messages.push(Message::user(text));
        Ok(())
    }

    fn directive(&self, viewer: Viewer, directive: Option<&Directive>) -> Result<String, PromptError> {
        let Some(directive) = directive else {
            return Ok(String::new());
        };
        let rows = match directive {
            Directive::Present { tally, .. } | Directive::Synthesize { tally, .. } => tally.as_slice(),
            Directive::AnswerOrVote
            | Directive::VoteOnly
            | Directive::Act { .. }
            | Directive::WrapUp
            | Directive::LastCall
            | Directive::Summarize => &[],
        };
        let row = |row: &TallyRow| format!("{} has {}", row.answer, row.votes);
        let tally = rows.iter().map(row).collect::<Vec<_>>().join(", ");
        let written = viewer.finale == Finale::Written;
        self.render_tagged("directive", directive, context! { tally, written })
    }

    /// One message per tool call of the reply to `call`.
    fn results(
        &self,
        call: CallId,
        results: &[ResultRef],
        materials: &dyn Materials,
        messages: &mut Vec<Message>,
    ) -> Result<(), PromptError> {
        let Some(reply) = materials.reply(call) else {
            return Ok(());
        };
        let mut files = Vec::new();
        for ((tool_call, result), index) in reply.tool_calls().zip(results).zip(0..=u16::MAX) {
            let (text, is_error) = match result {
                ResultRef::Tool => {
                    let outcome = materials.tool_outcome(ToolUse { call, index });
                    files.extend(outcome.into_iter().flat_map(|outcome| shown(&tool_call.name, outcome)));
                    self.tool_outcome(outcome)?
                }
                ResultRef::Dropped => {
                    (self.render("tool_outcome", context! { outcome => "dropped", cause => "" })?, false)
                }
                ResultRef::Verdict { verdict } => self.verdict(verdict, materials)?,
            };
            let (id, name) = (tool_call.id.clone(), tool_call.name.clone());
            messages.push(Message::ToolResult { id, name, text, is_error });
        }
        // Few services take pictures inside a result; all take them in a message.
        if !files.is_empty() {
            let names: Vec<&str> = files.iter().map(|file| file.attachment.name.as_str()).collect();
            let text = self.render("tool_files", context! { names => names.join(", ") })?;
            messages.push(Message::User { text, files });
        }
        Ok(())
    }

    fn tool_outcome(&self, outcome: Option<&ToolOutcome>) -> Result<(String, bool), PromptError> {
        let outcome = outcome.unwrap_or(&ToolOutcome::Unknown);
        Ok(match outcome {
            ToolOutcome::Ok { text, .. } => (fragment::tool_result(text), false),
            ToolOutcome::Error { text } | ToolOutcome::Denied { text } => (fragment::tool_result(text), true),
            ToolOutcome::Unknown | ToolOutcome::NotRun { .. } | ToolOutcome::CutOff => {
                (self.render_tagged("tool_outcome", outcome, context! {})?, true)
            }
        })
    }

    fn verdict(&self, verdict: &Verdict, materials: &dyn Materials) -> Result<(String, bool), PromptError> {
        Ok(match verdict {
            Verdict::AnswerAccepted { label } => {
                let left_out = materials.left_out(*label).map(fragment::path);
                (self.render_tagged("verdict", verdict, context! { left_out })?, false)
            }
            Verdict::VoteCast { .. } => (self.render_tagged("verdict", verdict, context! {})?, false),
            Verdict::VoteOutdated { .. } | Verdict::Superseded => {
                (self.render_tagged("verdict", verdict, context! {})?, true)
            }
            Verdict::Refused { refusal } => (self.render_tagged("refusal", refusal, context! {})?, true),
        })
    }
}

/// The files of the result of `tool`, as they go into a request. What is no picture is only told by the tool's text: no
/// other kind is taken by all services.
fn shown(tool: &str, outcome: &ToolOutcome) -> Vec<Arc<AttachedFile>> {
    let files = match outcome {
        ToolOutcome::Ok { files, .. } => files.as_slice(),
        ToolOutcome::Error { .. }
        | ToolOutcome::Denied { .. }
        | ToolOutcome::Unknown
        | ToolOutcome::NotRun { .. }
        | ToolOutcome::CutOff => &[],
    };
    let attached = |(file, number): (&ToolFile, usize)| {
        let kind = AttachmentKind::Image;
        let is_image = kind.types().iter().any(|known| known.media_type == file.media_type);
        let bytes: Arc<[u8]> = file.bytes().filter(|_| is_image)?.into();
        let content = AttachmentContent::Blob {
            hash: file.hash.clone(),
            bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        };
        let name = format!("{}-{number}", fragment::name(tool));
        let attachment = Attachment { name, media_type: file.media_type.clone(), kind, content };
        Some(Arc::new(AttachedFile { attachment, bytes }))
    };
    files.iter().zip(1..).filter_map(attached).collect()
}

/// The names of `files`, and the content of those that are text.
fn files(files: &[Arc<AttachedFile>]) -> String {
    if files.is_empty() {
        return String::new();
    }
    let names: Vec<_> = files.iter().map(|file| fragment::name(&file.attachment.name)).collect();
    let names = format!("Files that belong to the task: {}", names.join(", "));
    let texts = files.iter().filter_map(|file| Some(fragment::attached(&file.attachment.name, file.text()?)));
    std::iter::once(names).chain(texts).collect::<Vec<_>>().join("\n")
}

/// The fragments of `labels`, in order of agent number, rotated so that the viewer's own answer is the last one.
fn answers(viewer: Viewer, labels: &[AnswerLabel], materials: &dyn Materials) -> String {
    let (own, peers): (Vec<_>, Vec<_>) =
        labels.iter().copied().partition(|label: &AnswerLabel| label.agent == viewer.agent);
    let (later, earlier): (Vec<_>, Vec<_>) =
        peers.into_iter().partition(|label: &AnswerLabel| label.agent > viewer.agent);
    let shown = later.into_iter().chain(earlier).map(|label| (label, Ownership::Peer));
    let shown = shown.chain(own.into_iter().map(|label| (label, Ownership::Own)));
    let fragment = |(label, ownership)| {
        Some(fragment::answer(label, ownership, materials.answer(label)?, materials.files(label)))
    };
    shown.filter_map(fragment).collect::<Vec<_>>().join("\n")
}

fn notes(ids: &[NoteId], materials: &dyn Materials) -> String {
    let fragment = |id: &NoteId| materials.note(*id).map(|note| fragment::note(&note.source, &note.content));
    ids.iter().filter_map(fragment).collect::<Vec<_>>().join("\n")
}

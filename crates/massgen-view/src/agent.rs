//! One agent as a person sees it.

use std::collections::BTreeSet;

use massgen_protocol::event::{AgentStatus, RoundLimit, WaitCause};
use massgen_protocol::spec::BackendSpec;
use massgen_protocol::{
    AgentId, AgentNo, AgentSpec, AnswerLabel, CallId, Delta, DeltaKind, Reply, RevisionSet, ToolUse,
};

use crate::clean::{Cleaner, clean_line, last_line, tells};
use crate::limits;
use crate::view::Spent;
use crate::wording;

/// What is known of an agent. All texts are cleaned.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentView {
    /// Number among its peers, `agentN`.
    pub no: AgentNo,
    /// Id from the configuration.
    pub id: AgentId,
    /// Name of its model.
    pub model: String,
    /// Whether no real model answers.
    pub simulated: bool,
    /// What it is at.
    pub status: AgentStatus,
    /// Its current or last execution, which users call a round: from 1, and 0 before the first.
    pub execution: u32,
    /// Accepted answers so far.
    pub answers: u32,
    /// The newest of them.
    pub latest: Option<AnswerLabel>,
    /// Words of the newest.
    pub latest_words: usize,
    /// Its last vote, which may no longer count: see [`crate::RunView::counts`].
    pub vote: Option<VoteView>,
    /// What its calls used and cost.
    pub spent: Spent,
    /// The time limit that its execution has reached.
    pub limit: Option<RoundLimit>,
    /// Requests that failed and were sent again.
    pub retries: u32,
    /// Calls that failed for good.
    pub failed_calls: u32,
    /// The last failure of a call.
    pub failure: Option<String>,
    /// Refused submissions.
    pub refusals: u32,
    /// Replies without a decision.
    pub undecided: u32,
    /// The last line that events tell of.
    said: String,
    /// What is being written right now; never there between calls.
    heard: Option<Heard>,
    /// Its tools that are at work.
    tools: BTreeSet<ToolUse>,
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteView {
    /// The answer that it is for.
    pub answer: AnswerLabel,
    /// Why, in the voter's words, cleaned, on one line.
    pub reason: String,
    /// What the voter had seen.
    pub seen: RevisionSet,
}

/// The last line of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// It is complete.
    Complete(&'a str),
    /// It still grows, so its end is the news.
    Growing(&'a str),
}

/// A reply while it streams: its last line that shows something.
#[derive(Debug, Clone, PartialEq)]
struct Heard {
    call: CallId,
    kind: DeltaKind,
    cleaner: Cleaner,
    /// The unfinished line.
    line: String,
    /// The finished line before it.
    before: String,
    escape: Escape,
}

/// Where the arguments of a tool call are inside an escape of a JSON string.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Escape {
    /// Outside.
    #[default]
    None,
    /// After the backslash.
    Begun,
    /// In `\uXXXX`: the code so far and how many digits are missing.
    Code(u32, u8),
}

impl AgentView {
    pub(crate) fn new(no: AgentNo, spec: &AgentSpec) -> Self {
        Self {
            no,
            id: spec.id.clone(),
            model: clean_line(&spec.backend.model),
            simulated: spec.backend.is_simulated(),
            status: AgentStatus::Waiting { on: WaitCause::Start },
            execution: 0,
            answers: 0,
            latest: None,
            latest_words: 0,
            vote: None,
            spent: Spent::default(),
            limit: None,
            retries: 0,
            failed_calls: 0,
            failure: None,
            refusals: 0,
            undecided: 0,
            said: String::new(),
            heard: None,
            tools: BTreeSet::new(),
        }
    }

    /// The last line that the agent wrote or that tells what became of it; empty before there is one.
    pub fn last_line(&self) -> Line<'_> {
        match &self.heard {
            Some(heard) if tells(heard.shown()) => Line::Growing(heard.shown()),
            Some(heard) if !heard.before.is_empty() => Line::Complete(&heard.before),
            _ => Line::Complete(&self.said),
        }
    }

    /// Another model takes the place of its own.
    pub(crate) fn take_model(&mut self, backend: &BackendSpec) {
        self.model = clean_line(&backend.model);
        self.simulated = backend.is_simulated();
    }

    /// The name of its model, which says so when it is simulated.
    pub fn model_name(&self) -> String {
        if self.simulated && !self.model.contains("simulated") {
            format!("{}, simulated", self.model)
        } else {
            self.model.clone()
        }
    }

    /// What it waits for, if it waits.
    pub fn waits_for(&self) -> Option<&'static str> {
        match &self.status {
            AgentStatus::Waiting { on } => Some(wording::wait(*on)),
            AgentStatus::Answered => Some("peers' answers"),
            AgentStatus::Voted => Some("peers' votes"),
            AgentStatus::Working | AgentStatus::Presenting | AgentStatus::Out { .. } | AgentStatus::Done => {
                None
            }
        }
    }

    /// Sets the last line; an empty one changes nothing.
    pub(crate) fn say(&mut self, line: &str) {
        let line = clean_line(line);
        if !line.is_empty() {
            self.said = line;
        }
    }

    pub(crate) fn say_reply(&mut self, reply: &Reply) {
        let text = last_line(&reply.text());
        self.say(&if text.is_empty() { last_line(&reply.reasoning()) } else { text });
    }

    pub(crate) fn start_tool(&mut self, tool_use: ToolUse) {
        self.tools.insert(tool_use);
    }

    /// What it told of its progress is over with it.
    pub(crate) fn end_tool(&mut self, tool_use: ToolUse) {
        self.tools.remove(&tool_use);
        self.stop_hearing();
    }

    /// Whether a tool is at work that the reply to `call` has called.
    pub(crate) fn runs_tools_of(&self, call: CallId) -> bool {
        self.tools.iter().any(|tool_use| tool_use.call == call)
    }

    /// A line of a tool, in the place of the one before.
    pub(crate) fn hear_tool(&mut self, delta: &Delta) {
        self.stop_hearing();
        self.hear(delta);
        if let Some(heard) = &mut self.heard {
            heard.push("\n");
        }
    }

    pub(crate) fn stop_hearing(&mut self) {
        self.heard = None;
    }

    pub(crate) fn hear(&mut self, delta: &Delta) {
        let same = |heard: &&mut Heard| heard.call == delta.call && heard.kind == delta.kind;
        if let Some(heard) = self.heard.as_mut().filter(same) {
            heard.push(&delta.text);
            return;
        }
        let before = match self.last_line() {
            Line::Complete(line) | Line::Growing(line) => line.to_owned(),
        };
        let mut heard = Heard {
            call: delta.call,
            kind: delta.kind,
            cleaner: Cleaner::default(),
            line: String::new(),
            before,
            escape: Escape::None,
        };
        heard.push(&delta.text);
        self.heard = Some(heard);
    }
}

impl Heard {
    fn push(&mut self, piece: &str) {
        let mut visible = String::new();
        match self.kind {
            DeltaKind::Text | DeltaKind::Reasoning | DeltaKind::ToolProgress => {
                self.cleaner.push(piece, &mut visible);
            }
            DeltaKind::ToolArguments => {
                let text = self.unescape(piece);
                self.cleaner.push(&text, &mut visible);
            }
        }
        for c in visible.chars() {
            if c == '\n' {
                let line = clean_line(self.shown());
                if tells(&line) {
                    self.before = line;
                }
                self.line.clear();
            } else {
                self.line.push(c);
            }
        }
        if self.line.len() > limits::STREAM_LINE_BYTES {
            let cut = self.line.len() - limits::STREAM_LINE_BYTES / 2;
            let cut = (cut..self.line.len()).find(|at| self.line.is_char_boundary(*at)).unwrap_or_default();
            self.line.drain(..cut);
        }
    }

    /// What of the unfinished line is for people: of arguments, without the name of the first and the brackets.
    fn shown(&self) -> &str {
        let line = self.line.trim();
        match self.kind {
            DeltaKind::Text | DeltaKind::Reasoning | DeltaKind::ToolProgress => line,
            DeltaKind::ToolArguments => value_of(line).unwrap_or(line),
        }
    }

    /// Reads the escapes of JSON strings, so that an answer that is written as an argument reads like text.
    fn unescape(&mut self, piece: &str) -> String {
        let mut text = String::with_capacity(piece.len());
        for c in piece.chars() {
            self.escape = match (self.escape, c) {
                (Escape::None, '\\') => Escape::Begun,
                (Escape::None, _) => {
                    text.push(c);
                    Escape::None
                }
                (Escape::Begun, 'u') => Escape::Code(0, 4),
                (Escape::Begun, _) => {
                    text.push(match c {
                        'n' | 'r' => '\n',
                        't' => ' ',
                        other => other,
                    });
                    Escape::None
                }
                (Escape::Code(code, missing), _) => match (c.to_digit(16), missing) {
                    (Some(digit), 1) => {
                        // Halves of surrogate pairs are no characters; this is only a glimpse of the text.
                        text.extend(char::from_u32(code * 16 + digit));
                        Escape::None
                    }
                    (Some(digit), _) => Escape::Code(code * 16 + digit, missing - 1),
                    (None, _) => Escape::None,
                },
            };
        }
        text
    }
}

/// The text behind `{"name":"`, as far as it has come.
fn value_of(arguments: &str) -> Option<&str> {
    let (_, value) = arguments.strip_prefix('{')?.trim_start().strip_prefix('"')?.split_once("\":")?;
    let value = value.trim_start().strip_prefix('"')?;
    Some(value.strip_suffix('}').map_or(value, |value| value.trim_end().trim_end_matches('"')))
}

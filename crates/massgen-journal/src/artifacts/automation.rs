//! The lines that automation mode prints on standard output.

use std::path::PathBuf;
use std::sync::Arc;

use massgen_protocol::event::WinnerBasis;
use massgen_protocol::turn::TallyRow;
use massgen_protocol::{AgentNo, AnswerLabel, Envelope, Event, RevisionSet, RunMillis, RunSpec};

use super::excerpt::{cut, head, one_line};
use super::folder::RunFolder;

/// Scripts wait for this line.
const NOTICE: &str = "[Coordination in progress - monitor status.json for real-time updates]";

/// Characters of a vote's reason that are printed.
const REASON_CHARS: usize = 50;

/// Characters of the final answer that are printed.
const PREVIEW_CHARS: usize = 200;

/// Paths that are printed besides those of the run folder; absolute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AutomationPaths {
    /// The steering inbox, if there is one.
    pub runtime_inbox: Option<PathBuf>,
    /// The file that gets a copy of the final answer, if one was asked for.
    pub output_file: Option<PathBuf>,
}

/// Folds events into the lines of standard output, in the order in which scripts expect them.
///
/// Lines made from what models wrote are single lines, so none of them can pass for one of ours. The lines of
/// [`Event::RunFinished`] and [`Event::RunInterrupted`] name files: print them when the files are there, that is after
/// [`super::Projector::apply`] for the same event.
#[derive(Debug)]
pub struct AutomationLines {
    folder: RunFolder,
    paths: AutomationPaths,
    question: String,
    spec: Option<Arc<RunSpec>>,
    /// By agent number.
    ids: Vec<String>,
    started: RunMillis,
    revisions: RevisionSet,
    votes: Vec<Ballot>,
    tally: Vec<TallyRow>,
    basis: Option<WinnerBasis>,
    winner: Option<AgentNo>,
}

#[derive(Debug)]
struct Ballot {
    voter: AgentNo,
    answer: AnswerLabel,
    reason: String,
    seen: RevisionSet,
}

impl AutomationLines {
    /// No event folded yet.
    pub fn new(folder: RunFolder, paths: AutomationPaths) -> Self {
        Self {
            folder,
            paths,
            question: String::new(),
            spec: None,
            ids: Vec::new(),
            started: RunMillis::default(),
            revisions: RevisionSet::default(),
            votes: Vec::new(),
            tally: Vec::new(),
            basis: None,
            winner: None,
        }
    }

    /// Folds `envelope` and returns the lines that it brings. A process that takes a run up again folds the past
    /// events first and drops their lines; `RunResumed` brings the first ones again.
    pub fn lines(&mut self, envelope: &Envelope) -> Vec<String> {
        match &envelope.event {
            Event::RunStarted { spec, .. } => {
                self.ids = spec.agents.iter().map(|agent| agent.id.to_string()).collect();
                self.ids.sort();
                self.question.clone_from(&spec.question);
                self.spec = Some(Arc::clone(spec));
                self.started = envelope.run_time;
                self.revisions = RevisionSet::empty(self.ids.len());
                self.opening()
            }
            Event::RunResumed => self.opening(),
            Event::AnswerAccepted { label, .. } => {
                self.revisions.include(*label);
                Vec::new()
            }
            Event::VoteCast { voter, answer, reason, seen } => {
                self.votes.retain(|ballot| ballot.voter != *voter);
                self.votes.push(Ballot {
                    voter: *voter,
                    answer: *answer,
                    reason: reason.clone(),
                    seen: seen.clone(),
                });
                Vec::new()
            }
            Event::WinnerSelected { tally, basis, .. } => {
                self.tally.clone_from(tally);
                self.basis = Some(*basis);
                Vec::new()
            }
            Event::FinalAnswerReady { agent, content, snapshot, .. } => {
                self.winner = Some(*agent);
                let told = |spec: &Arc<RunSpec>| {
                    self.folder.final_text(spec, *agent, content, snapshot.as_ref()).into_owned()
                };
                let told = self.spec.as_ref().map(told).unwrap_or_default();
                self.result(*agent, &told, envelope.run_time)
            }
            Event::RunFinished { .. } | Event::RunInterrupted { .. } => self.closing(envelope.run_time),
            Event::ExecutionStarted { .. }
            | Event::PromptExtended { .. }
            | Event::ModelCallStarted { .. }
            | Event::ModelCallRetried { .. }
            | Event::ServiceReported { .. }
            | Event::ModelCallFinished { .. }
            | Event::ToolCallStarted { .. }
            | Event::ToolCallFinished { .. }
            | Event::ToolCallAsked { .. }
            | Event::SnapshotStarted { .. }
            | Event::SnapshotFinished { .. }
            | Event::VoteIgnored { .. }
            | Event::SubmissionRefused { .. }
            | Event::NoDecision { .. }
            | Event::FallbackTaken { .. }
            | Event::ConversationCompacted { .. }
            | Event::AgentStateChanged { .. }
            | Event::NoteReceived { .. }
            | Event::RoundLimitReached { .. }
            | Event::CoordinationEnded { .. }
            | Event::PresentationStarted { .. }
            | Event::Degraded { .. } => Vec::new(),
        }
    }

    fn opening(&self) -> Vec<String> {
        let mut lines = vec![
            format!("LOG_DIR: {}", self.folder.root.display()),
            format!("STATUS: {}", self.folder.status_file().display()),
        ];
        if let Some(inbox) = &self.paths.runtime_inbox {
            lines.push(format!("RUNTIME_INBOX: {}", inbox.display()));
        }
        // It keeps its lines, but names of files in it may be hostile: nothing steers the terminal.
        let question: String = self.question.chars().filter(|c| !c.is_control() || *c == '\n').collect();
        lines.push(format!("QUESTION: {question}"));
        lines.push(NOTICE.to_owned());
        lines
    }

    fn result(&self, agent: AgentNo, content: &str, now: RunMillis) -> Vec<String> {
        let mut lines = vec![
            String::new(),
            format!("WINNER: {}", self.id(agent)),
            format!("ANSWER_FILE: {}", self.folder.final_answer_file(self.id(agent)).display()),
            format!("DURATION: {}", self.duration(now)),
        ];
        lines.extend(self.timeline());
        lines.push(format!("ANSWER_PREVIEW: {}", cut(&one_line(content), PREVIEW_CHARS)));
        lines
    }

    /// The votes that count and their result.
    fn timeline(&self) -> Vec<String> {
        if self.tally.is_empty() {
            return Vec::new();
        }
        let mut lines = vec![String::new(), "TIMELINE:".to_owned()];
        for ballot in self.votes.iter().filter(|ballot| ballot.seen == self.revisions) {
            lines.push(format!("  [VOTE] {} -> {}", self.id(ballot.voter), self.id(ballot.answer.agent)));
            let reason = one_line(&ballot.reason);
            lines.push(format!("         Reason: {}", head(&reason, REASON_CHARS)));
        }
        lines.push("  [RESULTS]".to_owned());
        for row in &self.tally {
            let mark = match (self.winner == Some(row.answer.agent), self.basis) {
                (true, Some(WinnerBasis::Tie)) => " (winner) (tie-broken)",
                (true, _) => " (winner)",
                (false, _) => "",
            };
            lines.push(format!("    {}: {} vote(s){mark}", self.id(row.answer.agent), row.votes));
        }
        lines
    }

    fn closing(&self, now: RunMillis) -> Vec<String> {
        let completed = format!("COMPLETED: {} agents, {} total", self.ids.len(), self.duration(now));
        let mut lines = vec![String::new(), completed];
        let answer = self.winner.map(|winner| self.folder.turn_final_answer_file(self.id(winner)));
        lines.extend(answer.map(|path| format!("ANSWER: {}", path.display())));
        // Without an answer nothing is written to the output file.
        let output = self.paths.output_file.as_ref().filter(|_| self.winner.is_some());
        lines.extend(output.map(|path| format!("OUTPUT_FILE: {}", path.display())));
        lines.extend(self.winner.map(|_| format!("FINAL_DIR: {}", self.folder.final_dir().display())));
        lines
    }

    fn duration(&self, now: RunMillis) -> String {
        format!("{:.1}s", now.since(self.started).as_secs_f64())
    }

    fn id(&self, no: AgentNo) -> &str {
        self.ids.get(no.index()).map_or("unknown", String::as_str)
    }
}

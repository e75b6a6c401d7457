//! Folds events and writes every file when its time has come.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_ports::SnapshotFiles;
use massgen_protocol::event::AgentStatus;
use massgen_protocol::{AgentNo, AnswerLabel, Envelope, Event, NamedFile, SnapshotId, places};
use serde_json::Value;

use super::ArtifactError;
use super::coordination::CoordinationLog;
use super::decisions;
use super::events::{self, CompatLine};
use super::files::Files;
use super::folder::{MADE_FOLDER, RunFolder, WORKSPACE, folder_name, replace_link};
use super::logs;
use super::metadata;
use super::metrics;
use super::redact;
use super::state::{Folded, RunState};
use super::status::StatusDocument;
use super::table::CoordinationTable;
use super::trace::TraceHead;
use crate::private::create_folder;

/// Agents up to which `status.json` is due at once after every answer and vote. With more they come in so quick a
/// succession, and the file is so large, that the timer is soon enough.
const PROMPT_STATUS_AGENTS: usize = 32;

/// When `status.json` should be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// It is up to date.
    Nothing,
    /// With the next [`Flush::Everything`], a fraction of a second from now.
    Soon,
    /// As soon as the events that are there already are folded: [`Flush::Urgent`].
    Now,
}

/// What [`Projector::flush`] is to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// `status.json`, if it is due now. For the caller to ask for after each batch of events.
    Urgent,
    /// All that waits. For a timer (at most every 250 ms) and for the end.
    Everything,
}

/// Writes the files of one run from its events.
///
/// After an error the files may be behind the events; later calls go on, and [`super::rebuild`] mends what is missing.
#[derive(Debug)]
pub struct Projector {
    folder: RunFolder,
    files: Files,
    state: Option<RunState>,
    status: StatusDocument,
    coordination: CoordinationLog,
    table: CoordinationTable,
    due: Due,
    is_linked: bool,
    snapshots: Shelf,
}

/// Where the files of snapshots come from.
struct Shelf(Arc<dyn SnapshotFiles>);

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shelf")
    }
}

impl Shelf {
    /// Writes the files of a snapshot beside an answer.
    fn export(&self, snapshot: Option<&SnapshotId>, answer: &Path) -> Result<(), ArtifactError> {
        let Some(snapshot) = snapshot else { return Ok(()) };
        self.0.export(snapshot, &answer.join(WORKSPACE)).map_err(ArtifactError::Snapshot)
    }
}

impl Projector {
    /// For a new run in `folder`, whose first event is still to come.
    ///
    /// # Errors
    /// When the folder cannot be made or written to.
    pub fn new(folder: RunFolder, snapshots: Arc<dyn SnapshotFiles>) -> Result<Self, ArtifactError> {
        Self::resume(folder, snapshots, [])
    }

    /// For a run that goes on after `past`, all of its events so far. Every file is written again, because the process
    /// that wrote them may have died in the middle of a line.
    ///
    /// # Errors
    /// When the folder cannot be written to, or `past` are not the events of a run from its first one.
    pub fn resume<'a>(
        folder: RunFolder,
        snapshots: Arc<dyn SnapshotFiles>,
        past: impl IntoIterator<Item = &'a Envelope>,
    ) -> Result<Self, ArtifactError> {
        create_folder(&folder.root)?;
        create_folder(&folder.turn_dir())?;
        create_folder(&folder.attempt_dir())?;
        let mut projector = Self {
            folder,
            files: Files::new(),
            state: None,
            status: StatusDocument::default(),
            coordination: CoordinationLog::default(),
            table: CoordinationTable::default(),
            due: Due::Nothing,
            is_linked: false,
            snapshots: Shelf(snapshots),
        };
        for envelope in past {
            projector.apply(envelope)?;
        }
        projector.files.go_on()?;
        projector.flush(Flush::Everything)?;
        Ok(projector)
    }

    /// The folder that is written to.
    pub fn folder(&self) -> &RunFolder {
        &self.folder
    }

    /// When [`Projector::flush`] should be called.
    pub fn due(&self) -> Due {
        self.due
    }

    /// How many times a file was written or appended to.
    pub fn writes(&self) -> u64 {
        self.files.writes()
    }

    /// How many parts of `status.json` (one per agent) were made: what its cost grows with.
    pub fn status_parts_made(&self) -> u64 {
        self.status.parts_made()
    }

    pub(super) fn files(&self) -> &Files {
        &self.files
    }

    /// Folds the next event, writes the files that it brings about (except `status.json` and the text logs, which wait
    /// for [`Projector::flush`]) and returns the lines that were added to `events.jsonl`.
    ///
    /// # Errors
    /// When a file cannot be written, or the event does not follow the one before.
    pub fn apply(&mut self, envelope: &Envelope) -> Result<Vec<CompatLine>, ArtifactError> {
        let folded = if let Some(state) = &mut self.state {
            state.fold(envelope)?
        } else {
            self.state = Some(RunState::start(self.folder.clone(), envelope)?);
            Folded::default()
        };
        let Some(state) = &mut self.state else {
            return Ok(Vec::new());
        };
        for no in &folded.touched {
            self.status.touch(*no);
        }
        self.due = self.due.max(due(state, &envelope.event));
        self.coordination.add(state, envelope)?;
        self.table.add(state, envelope);
        self.write_files(envelope)?;
        self.write_lines(envelope, &folded)
    }

    /// Writes what waits.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn flush(&mut self, what: Flush) -> Result<(), ArtifactError> {
        let is_due = match what {
            Flush::Urgent => self.due == Due::Now,
            Flush::Everything => self.due != Due::Nothing,
        };
        if let (Some(state), true) = (&self.state, is_due) {
            let text = self.status.render(state)?;
            self.files.replace_raw(&self.folder.status_file(), &text)?;
            self.due = Due::Nothing;
            if !self.is_linked {
                // The files of an earlier turn may be written again while there is a later one.
                let newest = RunFolder::turns_in(&self.folder.root)?.pop();
                if newest.is_none_or(|newest| newest.turn <= self.folder.turn) {
                    replace_link(&self.folder.root_status_target(), &self.folder.root_status_link())?;
                }
                self.is_linked = true;
            }
        }
        match what {
            Flush::Urgent => Ok(()),
            Flush::Everything => self.files.flush(),
        }
    }

    fn write_files(&mut self, envelope: &Envelope) -> Result<(), ArtifactError> {
        match &envelope.event {
            Event::RunStarted { .. } => self.write_start(),
            Event::AnswerAccepted { label, .. } => self.write_answer(*label),
            Event::VoteCast { voter, .. } => self.write_vote(*voter),
            Event::FinalAnswerReady { agent, content, snapshot, .. } => {
                self.write_final(*agent, content, None, snapshot.as_ref())
            }
            Event::RunInterrupted { best } => {
                self.write_partial(*best)?;
                self.write_end()
            }
            Event::RunResumed => self.remove_partial(),
            Event::RunFinished { .. } => self.write_end(),
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
            | Event::WinnerSelected { .. }
            | Event::PresentationStarted { .. }
            | Event::Degraded { .. } => Ok(()),
        }
    }

    fn write_start(&mut self) -> Result<(), ArtifactError> {
        let Some(state) = &self.state else { return Ok(()) };
        let metadata = metadata::document(state);
        self.files.replace(&self.folder.attempt_dir().join("execution_metadata.yaml"), &metadata)?;
        for agent in &state.agents {
            self.files.append(&self.output_file(Some(&agent.id)), &logs::output_head(&agent.id))?;
        }
        self.files.append(&self.output_file(None), &logs::output_head("system_status"))
    }

    fn write_answer(&mut self, label: AnswerLabel) -> Result<(), ArtifactError> {
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let Some(answer) = state.answers.get(&label) else {
            return Ok(());
        };
        let folder = self.folder.answer_dir(state.id(label.agent), &answer.stamp);
        let text = beside(state, label.agent, &answer.content, answer.snapshot.as_ref(), &folder);
        self.files.replace_raw(&folder.join("answer.txt"), &text)?;
        self.snapshots.export(answer.snapshot.as_ref(), &folder)?;
        write_made(&mut self.files, &folder, &state.made.of_answer(label))?;
        Story::of(state, label.agent, &label.to_string(), decisions::context)?
            .write(&mut self.files, &folder)?;
        self.status.add_answer(state, label)?;
        if let Some(agent) = state.agents.get_mut(label.agent.index()) {
            agent.trace.reset();
        }
        Ok(())
    }

    fn write_vote(&mut self, voter: AgentNo) -> Result<(), ArtifactError> {
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let Some(vote) = state.votes.last() else {
            return Ok(());
        };
        let folder = self.folder.answer_dir(state.id(voter), &vote.stamp);
        self.files.replace(&folder.join("vote.json"), &pretty(&decisions::vote(state, vote))?)?;
        Story::of(state, voter, &vote.label(), decisions::context)?.write(&mut self.files, &folder)?;
        if let Some(agent) = state.agents.get_mut(voter.index()) {
            agent.trace.reset();
        }
        Ok(())
    }

    /// `final/` of the attempt and its copy in the turn. `stored` is the answer that stands in for a final one.
    fn write_final(
        &mut self,
        winner: AgentNo,
        text: &str,
        stored: Option<AnswerLabel>,
        snapshot: Option<&SnapshotId>,
    ) -> Result<(), ArtifactError> {
        let Some(state) = &self.state else { return Ok(()) };
        let name = folder_name(state.id(winner)).into_owned();
        let story = Story::of(state, winner, &format!("{winner}.final"), decisions::final_context)?;
        let made = match stored {
            Some(label) => state.made.of_answer(label),
            None => state.made.of_final_answer(),
        };
        for above in [self.folder.final_dir(), self.folder.turn_final_dir()] {
            let folder = above.join(&name);
            let text = beside(state, winner, text, snapshot, &folder);
            self.files.replace_raw(&folder.join("answer.txt"), &text)?;
            self.snapshots.export(snapshot, &folder)?;
            write_made(&mut self.files, &folder, &made)?;
            story.write(&mut self.files, &folder)?;
        }
        Ok(())
    }

    /// The best answer so far as the result of an interrupted run.
    fn write_partial(&mut self, best: Option<AnswerLabel>) -> Result<(), ArtifactError> {
        let Some(state) = &self.state else { return Ok(()) };
        // A final answer that is known already is on disk.
        if state.final_answer.is_some() {
            return Ok(());
        }
        let Some(label) = best else { return Ok(()) };
        let Some(answer) = state.answers.get(&label) else {
            return Ok(());
        };
        let (text, snapshot) = (Arc::clone(&answer.content), answer.snapshot.clone());
        self.write_final(label.agent, &text, Some(label), snapshot.as_ref())
    }

    /// The run goes on: what an interruption left is no result.
    fn remove_partial(&mut self) -> Result<(), ArtifactError> {
        if self.state.as_ref().is_some_and(|state| state.final_answer.is_some()) {
            return Ok(());
        }
        for folder in [self.folder.final_dir(), self.folder.turn_final_dir()] {
            self.files.remove_folder(&folder)?;
        }
        Ok(())
    }

    /// The files that tell of the whole run. A person waits for them, so two threads make them.
    fn write_end(&mut self) -> Result<(), ArtifactError> {
        let Some(state) = &self.state else { return Ok(()) };
        let attempt = self.folder.attempt_dir();
        let (files, coordination, table) = (&mut self.files, &self.coordination, &self.table);
        let mut write = |name: &str, text: &str| files.replace_raw(&attempt.join(name), text);
        std::thread::scope(|scope| {
            let summary = scope.spawn(|| clean(&metrics::summary(state)));
            write("coordination_events.json", &coordination.render(state)?)?;
            write("coordination_table.txt", &table.render(state))?;
            let mappings = decisions::snapshot_mappings(state);
            if !mappings.is_empty() {
                write("snapshot_mappings.json", &clean(&mappings.into())?)?;
            }
            write("metrics_events.json", &clean(&metrics::events(state))?)?;
            let summary = summary.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            write("metrics_summary.json", &summary)
        })
    }

    fn write_lines(
        &mut self,
        envelope: &Envelope,
        folded: &Folded,
    ) -> Result<Vec<CompatLine>, ArtifactError> {
        let Some(state) = &self.state else {
            return Ok(Vec::new());
        };
        let lines = events::lines(state, envelope, folded);
        let mut text = String::new();
        for line in &lines {
            text.push_str(line.as_str());
            text.push('\n');
        }
        let log = self.folder.attempt_dir().join("massgen.log");
        for line in &lines {
            let id = line.agent.map(|no| state.id(no));
            let texts = logs::texts(line, id, state.local, envelope.at);
            if let Some(text) = texts.log {
                self.files.append(&log, &text)?;
            }
            if let Some(text) = texts.output {
                self.files.append(&self.output_file(id), &text)?;
            }
        }
        if !text.is_empty() {
            let path = self.folder.events_file();
            self.files.append(&path, &text)?;
            self.files.flush_one(&path)?;
        }
        Ok(lines)
    }

    /// The output log of an agent, or of the system.
    fn output_file(&self, agent_id: Option<&str>) -> PathBuf {
        let name = agent_id.map_or_else(|| "system_status".into(), folder_name);
        self.folder.attempt_dir().join("agent_outputs").join(format!("{name}.txt"))
    }
}

/// A text of agent `author` as it stands in `folder`, beside its files: its own folder does not outlive the run.
fn beside<'a>(
    state: &RunState,
    author: AgentNo,
    text: &'a str,
    snapshot: Option<&SnapshotId>,
    folder: &Path,
) -> Cow<'a, str> {
    let kept = snapshot.map(|_| folder.join(WORKSPACE).display().to_string());
    places::for_people(&state.spec, author, kept.as_deref()).apply(text)
}

/// Writes files that an agent made beside its answer in `folder`. Bytes that are none any more are left out: the journal
/// was changed by hand.
fn write_made(files: &mut Files, folder: &Path, made: &[NamedFile<'_>]) -> Result<(), ArtifactError> {
    for NamedFile { name, file } in made {
        if let Some(bytes) = file.bytes() {
            files.replace_bytes(&folder.join(MADE_FOLDER).join(name), &bytes)?;
        }
    }
    Ok(())
}

/// How soon `status.json` must tell of `event`.
fn due(state: &RunState, event: &Event) -> Due {
    let is_small = state.agents.len() <= PROMPT_STATUS_AGENTS;
    match event {
        Event::RunStarted { .. }
        | Event::RunResumed
        | Event::RunInterrupted { .. }
        | Event::CoordinationEnded { .. }
        | Event::WinnerSelected { .. }
        | Event::PresentationStarted { .. }
        | Event::FinalAnswerReady { .. }
        | Event::RunFinished { .. }
        | Event::AgentStateChanged { state: AgentStatus::Out { .. }, .. } => Due::Now,
        Event::AnswerAccepted { .. } | Event::VoteCast { .. } if is_small => Due::Now,
        Event::AnswerAccepted { .. }
        | Event::VoteCast { .. }
        | Event::ExecutionStarted { .. }
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
        | Event::Degraded { .. } => Due::Soon,
    }
}

/// How an answer or a vote came about, without secrets.
struct Story {
    /// `context.txt`.
    context: String,
    /// `execution_trace.md`.
    trace: String,
}

impl Story {
    /// The story so far of agent `no`, told under `label`.
    fn of(
        state: &RunState,
        no: AgentNo,
        label: &str,
        context: fn(&RunState, &Value) -> Value,
    ) -> Result<Self, ArtifactError> {
        let Some(agent) = state.agent(no) else {
            return Err(ArtifactError::UnknownAgent { agent: no });
        };
        let messages = agent.transcript.messages(state);
        let head = TraceHead {
            agent_id: &agent.id,
            model: &agent.model,
            label,
            local: state.local,
            at: state.last.at,
        };
        Ok(Self {
            context: clean(&context(state, &messages))?,
            trace: redact::text(&agent.trace.render(&head)).into_owned(),
        })
    }

    fn write(&self, files: &mut Files, folder: &Path) -> Result<(), ArtifactError> {
        files.replace_raw(&folder.join("context.txt"), &self.context)?;
        files.replace_raw(&folder.join("execution_trace.md"), &self.trace)
    }
}

/// A document without secrets.
fn clean(value: &Value) -> Result<String, ArtifactError> {
    Ok(redact::text(&pretty(value)?).into_owned())
}

fn pretty(value: &Value) -> Result<String, ArtifactError> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

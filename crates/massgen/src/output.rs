//! The thread that turns committed events into files and, for scripts, into lines.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_journal::artifacts::{AutomationLines, AutomationPaths, CompatLine, Flush, Projector, RunFolder};
use massgen_journal::sessions::TurnRecord;
use massgen_ports::{SessionHandle, SnapshotFiles};
use massgen_protocol::{Envelope, Event, Seq};
use massgen_view::clean::clean_line;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

use crate::form::FormCheck;

/// How often files that can wait are written.
const FLUSH_INTERVAL: Duration = Duration::from_millis(250);

/// What scripts get to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lines {
    /// Nothing: a display is at work.
    None,
    /// `KEY: value` lines on stdout.
    Automation,
    /// JSON lines on stdout, `KEY: value` lines on stderr.
    Events,
}

/// Everything that is written from events.
pub(crate) struct Output {
    pub(crate) lines: Lines,
    pub(crate) paths: AutomationPaths,
    /// What an earlier process told.
    pub(crate) told: Told,
}

/// What of a run has been told before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Told {
    /// The events up to this one. They are not told again.
    UpTo(Seq),
    /// All of it: the run is over, and is told once more from its beginning.
    Everything,
}

impl Told {
    /// What stays untold now.
    pub(crate) fn known(self) -> Seq {
        match self {
            Self::UpTo(seq) => seq,
            Self::Everything => Seq(0),
        }
    }
}

/// What went wrong with files and lines. The run itself is in its journal.
#[derive(Debug, Default)]
pub(crate) struct Troubles {
    /// For a person to hear of.
    pub(crate) lines: Vec<String>,
    /// Whether something that was asked for (lines, the output file) is missing.
    pub(crate) is_undelivered: bool,
}

impl Troubles {
    fn incomplete(&mut self, error: &dyn std::fmt::Display) {
        // One file that cannot be written mostly means that none can.
        if self.lines.is_empty() {
            self.lines.push(format!(
                "warning: a file of the run folder was not written: {error}\nhint: `massgen logs rebuild` writes it again"
            ));
        }
    }

    fn undelivered(&mut self, problem: String) {
        self.lines.push(problem);
        self.is_undelivered = true;
    }
}

/// What the thread leaves.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) troubles: Troubles,
    /// What the session keeps of the run.
    pub(crate) record: TurnRecord,
    /// For a person to hear of the final answer.
    pub(crate) remark: Option<String>,
}

impl Written {
    /// What is left when the thread broke.
    pub(crate) fn lost() -> Self {
        let mut troubles = Troubles::default();
        troubles.undelivered(
            "error: the files of the run are not complete: their writer broke\nhint: `massgen logs rebuild` writes them again"
                .to_owned(),
        );
        Self { troubles, ..Self::default() }
    }
}

/// Starts the thread. It ends with the session.
pub(crate) fn spawn(
    output: Output,
    folder: RunFolder,
    snapshots: Arc<dyn SnapshotFiles>,
    past: Vec<Envelope>,
    session: Arc<dyn SessionHandle>,
) -> io::Result<std::thread::JoinHandle<Written>> {
    let runtime = Handle::current();
    std::thread::Builder::new().name("artifacts".to_owned()).spawn(move || {
        let mut writer = Writer::new(output, folder, snapshots, &past);
        runtime.block_on(writer.follow(session.as_ref()));
        Written { troubles: writer.troubles, record: writer.record, remark: writer.form.remark() }
    })
}

struct Writer {
    output: Output,
    automation: AutomationLines,
    /// `None` after the folder could not be used at all.
    projector: Option<Projector>,
    /// The last event that is in the files.
    written: Seq,
    /// The lines of a final answer that an earlier process told of, and then did not finish.
    result: Vec<String>,
    is_stdout_open: bool,
    troubles: Troubles,
    record: TurnRecord,
    form: FormCheck,
}

impl Writer {
    fn new(output: Output, folder: RunFolder, snapshots: Arc<dyn SnapshotFiles>, past: &[Envelope]) -> Self {
        let mut automation = AutomationLines::new(folder.clone(), output.paths.clone());
        let (mut record, mut form) = (TurnRecord::of(folder.clone()), FormCheck::default());
        let mut troubles = Troubles::default();
        let events_file = folder.events_file();
        let projector =
            Projector::resume(folder, snapshots, past).map_err(|error| troubles.incomplete(&error)).ok();
        let mut result = Vec::new();
        for envelope in past.iter().filter(|envelope| envelope.seq <= output.told.known()) {
            let lines = automation.lines(envelope);
            if matches!(envelope.event, Event::FinalAnswerReady { .. }) {
                result = lines;
            }
        }
        for envelope in past {
            record.fold(envelope);
            form.fold(envelope);
        }
        let written = past.last().map_or(Seq(0), |envelope| envelope.seq);
        let is_stdout_open = true;
        let mut writer =
            Self { output, automation, projector, written, result, is_stdout_open, troubles, record, form };
        if !writer.result.is_empty() {
            writer.write_answer();
        }
        if writer.output.told == Told::Everything && writer.output.lines == Lines::Events {
            writer.print_file(&events_file);
        }
        writer
    }

    async fn follow(&mut self, session: &dyn SessionHandle) {
        let mut events = session.events(self.output.told.known()).ready_chunks(256);
        let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                batch = events.next() => match batch {
                    Some(batch) => {
                        for envelope in &batch {
                            self.take(envelope);
                        }
                        self.flush(Flush::Urgent);
                    }
                    None => break,
                },
                _ = ticks.tick() => self.flush(Flush::Everything),
            }
        }
        self.flush(Flush::Everything);
    }

    fn take(&mut self, envelope: &Envelope) {
        self.record.fold(envelope);
        self.form.fold(envelope);
        let compatible = self.project(envelope);
        if matches!(envelope.event, Event::FinalAnswerReady { .. }) {
            self.write_answer();
        }
        // The first lines and the last ones name files, and who is asked may look there: those come first.
        if matches!(
            envelope.event,
            Event::RunStarted { .. }
                | Event::RunResumed
                | Event::ToolCallAsked { .. }
                | Event::RunFinished { .. }
                | Event::RunInterrupted { .. }
        ) {
            self.flush(Flush::Everything);
        }
        let lines = self.lines(envelope);
        match self.output.lines {
            Lines::None => {}
            Lines::Automation => {
                self.print(lines.iter().map(String::as_str));
                self.tell_question(&envelope.event);
            }
            Lines::Events => {
                self.print(compatible.iter().map(CompatLine::as_str));
                self.tell_question(&envelope.event);
                let mut stderr = io::stderr().lock();
                for line in lines {
                    let _ = writeln!(stderr, "{line}");
                }
            }
        }
    }

    /// Tells on stderr what the run stands still for: a script may be what replies, and a person what has started it.
    fn tell_question(&self, event: &Event) {
        let Event::ToolCallAsked { tool_use, asking } = event else { return };
        if let (Some(spec), Some(line)) = (self.record.spec(), asking.line()) {
            let agents = spec.agent_nos().into_iter().zip(&spec.agents);
            let id =
                agents.filter(|(no, _)| *no == tool_use.call.agent).map(|(_, agent)| agent.id.to_string());
            let id: String = id.collect();
            let _ = writeln!(io::stderr().lock(), "{id} {}", clean_line(&line));
        }
    }

    /// Brings the files up to `envelope`, if they are not, and returns the lines that this adds to the event log.
    fn project(&mut self, envelope: &Envelope) -> Vec<CompatLine> {
        let Some(projector) = self.projector.as_mut().filter(|_| envelope.seq > self.written) else {
            return Vec::new();
        };
        projector.apply(envelope).unwrap_or_else(|error| {
            self.troubles.incomplete(&error);
            Vec::new()
        })
    }

    fn lines(&mut self, envelope: &Envelope) -> Vec<String> {
        let mut lines = self.automation.lines(envelope);
        match self.output.told {
            Told::UpTo(_) => {
                if matches!(envelope.event, Event::RunResumed) {
                    lines.append(&mut self.result);
                }
            }
            // A story that is told as a whole does not stop in between.
            Told::Everything => {
                if matches!(envelope.event, Event::RunResumed | Event::RunInterrupted { .. }) {
                    lines.clear();
                }
            }
        }
        if self.troubles.is_undelivered {
            lines.retain(|line| !line.starts_with("OUTPUT_FILE: "));
        }
        lines
    }

    /// Writes the final answer, which is in the record, to the file that was asked for.
    fn write_answer(&mut self) {
        let (Some(path), Some(answer)) = (&self.output.paths.output_file, self.record.final_answer()) else {
            return;
        };
        let folder = path.parent().map_or(Ok(()), fs_err::create_dir_all);
        if let Err(error) = folder.and_then(|()| fs_err::write(path, answer)) {
            self.troubles
                .undelivered(format!("error: the answer was not written to the output file: {error}"));
        }
    }

    /// Prints the lines of a file.
    fn print_file(&mut self, file: &Path) {
        match fs_err::read_to_string(file) {
            Ok(text) => self.print(text.lines()),
            Err(error) => {
                self.troubles.undelivered(format!("error: the events cannot be told again: {error}"));
            }
        }
    }

    fn flush(&mut self, what: Flush) {
        if let Some(projector) = &mut self.projector
            && let Err(error) = projector.flush(what)
        {
            self.troubles.incomplete(&error);
        }
    }

    fn print<'a>(&mut self, lines: impl Iterator<Item = &'a str>) {
        if !self.is_stdout_open {
            return;
        }
        let mut text = String::new();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        if text.is_empty() {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            self.is_stdout_open = false;
            // A reader that has gone away has read enough.
            if error.kind() != io::ErrorKind::BrokenPipe {
                self.troubles.undelivered(format!("error: cannot write to stdout: {error}"));
            }
        }
    }
}

//! The thread that turns committed events into files and, for scripts, into lines.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_journal::artifacts::{AutomationLines, AutomationPaths, Flush, Projector, RunFolder};
use massgen_ports::SessionHandle;
use massgen_protocol::{Envelope, Event, Seq};
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

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
    /// Events up to this one were told by an earlier process.
    pub(crate) known: Seq,
}

/// Starts the thread. It ends with the session; joining it gives the problems that a person must hear of.
pub(crate) fn spawn(
    output: Output,
    folder: RunFolder,
    past: Vec<Envelope>,
    session: Arc<dyn SessionHandle>,
) -> io::Result<std::thread::JoinHandle<Vec<String>>> {
    let runtime = Handle::current();
    std::thread::Builder::new().name("artifacts".to_owned()).spawn(move || {
        let mut writer = Writer::new(output, folder, &past);
        runtime.block_on(writer.follow(session.as_ref()));
        writer.problems
    })
}

struct Writer {
    output: Output,
    automation: AutomationLines,
    /// `None` after the folder could not be used at all.
    projector: Option<Projector>,
    is_stdout_open: bool,
    problems: Vec<String>,
}

impl Writer {
    fn new(output: Output, folder: RunFolder, past: &[Envelope]) -> Self {
        let mut automation = AutomationLines::new(folder.clone(), output.paths.clone());
        let mut problems = Vec::new();
        let projector =
            Projector::resume(folder, past).map_err(|error| problems.push(incomplete(&error))).ok();
        for envelope in past.iter().filter(|envelope| envelope.seq <= output.known) {
            automation.lines(envelope);
        }
        Self { output, automation, projector, is_stdout_open: true, problems }
    }

    async fn follow(&mut self, session: &dyn SessionHandle) {
        let written = self.projector.is_some().then_some(()).map_or(Seq(0), |()| self.output.known);
        let mut events = session.events(written).ready_chunks(256);
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
        let mut compatible = Vec::new();
        if let Some(projector) = &mut self.projector {
            match projector.apply(envelope) {
                Ok(lines) => compatible = lines,
                Err(error) => self.problems.push(incomplete(&error)),
            }
        }
        if let (Event::FinalAnswerReady { content, .. }, Some(path)) =
            (&envelope.event, &self.output.paths.output_file)
            && let Err(error) = write_answer(path, content)
        {
            self.problems.push(format!("error: the answer was not written to the output file: {error}"));
        }
        // The last lines name files: those come first.
        if matches!(envelope.event, Event::RunFinished { .. } | Event::RunInterrupted { .. }) {
            self.flush(Flush::Everything);
        }
        let lines = self.automation.lines(envelope);
        match self.output.lines {
            Lines::None => {}
            Lines::Automation => self.print(lines.iter().map(String::as_str)),
            Lines::Events => {
                self.print(compatible.iter().map(massgen_journal::artifacts::CompatLine::as_str));
                let mut stderr = io::stderr().lock();
                for line in lines {
                    let _ = writeln!(stderr, "{line}");
                }
            }
        }
    }

    fn flush(&mut self, what: Flush) {
        if let Some(projector) = &mut self.projector
            && let Err(error) = projector.flush(what)
        {
            self.problems.push(incomplete(&error));
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
                self.problems.push(format!("error: cannot write to stdout: {error}"));
            }
        }
    }
}

fn incomplete(error: &dyn std::fmt::Display) -> String {
    format!(
        "warning: a file of the run folder was not written: {error}\nhint: `massgen logs rebuild` writes it again"
    )
}

fn write_answer(path: &PathBuf, answer: &str) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    fs_err::write(path, answer)
}

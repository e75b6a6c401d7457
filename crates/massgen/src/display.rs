//! The plain display: progress and summary on stderr, the final answer on stdout.
//!
//! On a terminal, one line per agent is drawn again and again under the log of answers and votes; elsewhere every step
//! is one line. So `massgen "question" > answer.md` shows progress and writes the answer, as the model wrote it, to
//! the file.

pub mod live;
pub mod surroundings;

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use massgen_ports::{SessionEnd, SessionHandle};
use massgen_protocol::{Envelope, RunMillis, RunSpec, Seq};
use massgen_view::{
    FinalAnswer, Phase, Place, RunView, Style, Weight, event_line, final_answer, summary, weight,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use live::Live;
pub use live::Size;

/// Shortest time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);

/// How to show a run.
pub struct DisplayOptions {
    /// How progress is shown on stderr.
    pub progress: Progress,
    /// How the final answer is written to stdout.
    pub answer: AnswerForm,
    /// The look of progress and summary. Its width is that of lines; live progress asks for the size each time.
    pub progress_style: Style,
    /// The look of the final answer when it is rendered.
    pub answer_style: Style,
    /// Events up to this number are known to the person already: they count, but have no line.
    pub known: Seq,
    /// The files to name in the summary; asked once, at the end.
    pub places: Places,
    /// Names files in the final answer where a person finds them; asked once, when it is there.
    pub told: Telling,
    /// Lines for the person that come from elsewhere in the program while the run is shown.
    pub remarks: mpsc::Receiver<String>,
}

impl fmt::Debug for DisplayOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisplayOptions")
            .field("progress", &self.progress)
            .field("answer", &self.answer)
            .field("progress_style", &self.progress_style)
            .field("answer_style", &self.answer_style)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Tells which files there are at the end of a run.
pub type Places = Box<dyn FnOnce(&RunView) -> Vec<Place> + Send>;

/// Makes of a run's final answer what a person reads.
pub type Telling = Box<dyn FnOnce(&RunSpec, &FinalAnswer) -> Arc<str> + Send>;

/// Tells the size that the terminal has at this moment.
pub type SizeSource = Box<dyn Fn() -> Size + Send>;

/// How progress is shown.
pub enum Progress {
    /// Lines that are drawn again and again, at most ten times a second.
    Live(SizeSource),
    /// One line per step.
    Lines,
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live(_) => "Live",
            Self::Lines => "Lines",
        })
    }
}

/// How the final answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// As text for a terminal.
    Rendered,
    /// As the model wrote it: markdown, for files and pipes.
    Raw,
}

/// Why something could not be shown. The run itself is not affected.
#[derive(Debug, thiserror::Error)]
pub enum DisplayError {
    /// Progress or summary.
    #[error("cannot write progress: {0}")]
    Progress(#[source] io::Error),
    /// The final answer.
    #[error("cannot write the final answer: {0}")]
    Answer(#[source] io::Error),
}

/// What was shown.
#[derive(Debug)]
pub struct Shown {
    /// How the session ended.
    pub end: SessionEnd,
    /// The run at its end.
    pub view: RunView,
    /// What could not be written. A reader that has gone away (`| head`) is no trouble.
    pub troubles: Vec<DisplayError>,
}

/// Shows the run of `handle` until its session ends, then the final answer and the summary.
pub async fn show(
    handle: Arc<dyn SessionHandle>,
    options: DisplayOptions,
    stdout: &mut (dyn Write + Send),
    stderr: &mut (dyn Write + Send),
) -> Shown {
    let DisplayOptions { progress, answer, progress_style, answer_style, known, places, told, mut remarks } =
        options;
    let mut screen = Screen::new(progress, progress_style, known, stderr);
    let mut view = watch(handle.as_ref(), &mut remarks, &mut screen).await;
    screen.erase();
    while let Ok(text) = remarks.try_recv() {
        screen.line(&text);
    }
    // What comes from now on is told by whoever has it.
    drop(remarks);
    let end = handle.ended().await;
    let mut troubles = Vec::new();
    if let (Some(spec), Some(answer)) = (&view.spec, &mut view.final_answer) {
        answer.content = told(spec, answer);
    }
    if let Some(text) = answer_text(&view, answer, &answer_style) {
        if answer == AnswerForm::Rendered {
            screen.line("");
        }
        let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        troubles.extend(trouble(written).map(DisplayError::Answer));
    }
    screen.line("");
    screen.line(&summary(&view, &places(&view), &progress_style));
    troubles.extend(screen.failure.and_then(|error| trouble(Err(error))).map(DisplayError::Progress));
    Shown { end, view, troubles }
}

/// An error that a person must hear of: not that the reader has gone away.
fn trouble(written: io::Result<()>) -> Option<io::Error> {
    written.err().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
}

fn answer_text(view: &RunView, form: AnswerForm, style: &Style) -> Option<String> {
    match form {
        AnswerForm::Rendered => final_answer(view, style).map(|text| text + "\n"),
        AnswerForm::Raw => view.final_answer.as_ref().map(|answer| {
            let end = if answer.content.ends_with('\n') { "" } else { "\n" };
            format!("{}{end}", answer.content)
        }),
    }
}

/// Takes in events and deltas until the session ends.
async fn watch(
    handle: &dyn SessionHandle,
    remarks: &mut mpsc::Receiver<String>,
    screen: &mut Screen<'_>,
) -> RunView {
    // First the deltas, so that none of a call is missed whose start is seen.
    let mut deltas = handle.deltas().fuse();
    let mut events = handle.events(Seq(0));
    let mut redraw = interval(REDRAW);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = RunView::default();
    loop {
        tokio::select! {
            biased;
            event = events.next() => match event {
                Some(envelope) => {
                    view.apply(&envelope);
                    screen.event(&view, &envelope);
                }
                None => return view,
            },
            Some(text) = remarks.recv() => screen.log(text),
            _ = redraw.tick(), if screen.is_live() => screen.draw(&view),
            Some(delta) = deltas.next() => view.apply_delta(&delta),
        }
    }
}

/// Stderr, as lines or with a part that is drawn again.
struct Screen<'w> {
    out: &'w mut (dyn Write + Send),
    style: Style,
    known: Seq,
    live: Option<Live>,
    /// Lines of the log that wait for the next drawing.
    log: Vec<String>,
    /// When the last event came, to go on counting the time from it.
    heard: Instant,
    /// The first error; nothing is written after it.
    failure: Option<io::Error>,
}

impl<'w> Screen<'w> {
    fn new(progress: Progress, style: Style, known: Seq, out: &'w mut (dyn Write + Send)) -> Self {
        let live = match progress {
            Progress::Live(size) => Some(Live::new(size)),
            Progress::Lines => None,
        };
        Self { out, style, known, live, log: Vec::new(), heard: Instant::now(), failure: None }
    }

    fn is_live(&self) -> bool {
        self.live.is_some() && self.failure.is_none()
    }

    fn event(&mut self, view: &RunView, envelope: &Envelope) {
        self.heard = Instant::now();
        let (least, style) = match &self.live {
            Some(live) => (Weight::Milestone, live.style(&self.style)),
            None => (Weight::Step, self.style),
        };
        if envelope.seq <= self.known || weight(&envelope.event) < least {
            return;
        }
        if let Some(line) = event_line(view, envelope, &style) {
            self.log(line);
        }
    }

    /// A line of the log, above what is drawn again.
    fn log(&mut self, line: String) {
        if self.live.is_some() {
            self.log.push(line);
        } else {
            self.line(&line);
        }
    }

    fn draw(&mut self, view: &RunView) {
        let now = match view.phase {
            Phase::Coordinating | Phase::Choosing | Phase::Presenting => view.elapsed + self.heard.elapsed(),
            Phase::Starting | Phase::Interrupted | Phase::Finished => view.elapsed,
        };
        self.paint(Some((view, now)));
    }

    /// Ends the live part: what was drawn goes, the log stays.
    fn erase(&mut self) {
        self.paint(None);
    }

    fn paint(&mut self, agents: Option<(&RunView, RunMillis)>) {
        let Some(live) = &mut self.live else { return };
        let text = live.paint(&self.log, agents, &self.style);
        self.log.clear();
        self.write(&text);
    }

    fn line(&mut self, line: &str) {
        self.write(&format!("{line}\n"));
    }

    fn write(&mut self, text: &str) {
        if self.failure.is_none() && !text.is_empty() {
            self.failure = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush()).err();
        }
    }
}

#[cfg(test)]
mod tests;

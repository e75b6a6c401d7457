use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::future::BoxFuture;
use futures::stream::BoxStream;
use massgen_protocol::event::{
    AgentStatus, Conversation, ENVELOPE_VERSION, FinalSource, RunOutcome, WaitCause,
};
use massgen_protocol::spec::{
    BackendSpec, Budget, Orchestration, RunMeta, SimulatedSpec, Timeouts, VotingSensitivity, Wire,
};
use massgen_protocol::{
    AgentId, AgentNo, AgentSpec, CallId, Command, Delta, DeltaKind, Event, Price, Purpose, RevisionSet,
    RunSpec, Timestamp,
};
use massgen_view::{Color, Ends, Glyphs};
use tokio::sync::mpsc;
use tokio_stream_of::stream_of;

use super::live::Size;
use super::surroundings::{Stream, Wish};
use super::*;

/// A channel as a stream, without another crate.
mod tokio_stream_of {
    use futures::StreamExt;
    use futures::stream::BoxStream;
    use tokio::sync::mpsc;

    pub(super) fn stream_of<T: Send + 'static>(from: mpsc::Receiver<T>) -> BoxStream<'static, T> {
        futures::stream::unfold(from, |mut from| async move { from.recv().await.map(|item| (item, from)) })
            .boxed()
    }
}

/// A session that says what a test sends.
struct Scripted {
    events: Mutex<Option<mpsc::Receiver<Arc<Envelope>>>>,
    deltas: Mutex<Option<mpsc::Receiver<Delta>>>,
    end: SessionEnd,
}

impl SessionHandle for Scripted {
    fn send(&self, _command: Command) -> BoxFuture<'static, bool> {
        Box::pin(async { false })
    }

    fn events(&self, after: Seq) -> BoxStream<'static, Arc<Envelope>> {
        assert_eq!(after, Seq(0));
        stream_of(self.events.lock().unwrap().take().unwrap())
    }

    fn deltas(&self) -> BoxStream<'static, Delta> {
        stream_of(self.deltas.lock().unwrap().take().unwrap())
    }

    fn ended(&self) -> BoxFuture<'static, SessionEnd> {
        let end = self.end.clone();
        Box::pin(async { end })
    }
}

struct Script {
    events: mpsc::Sender<Arc<Envelope>>,
    deltas: mpsc::Sender<Delta>,
    seq: u64,
}

impl Script {
    fn new(end: SessionEnd) -> (Self, Arc<Scripted>) {
        let (events, from_events) = mpsc::channel(1000);
        let (deltas, from_deltas) = mpsc::channel(1000);
        let session =
            Scripted { events: Mutex::new(Some(from_events)), deltas: Mutex::new(Some(from_deltas)), end };
        (Self { events, deltas, seq: 0 }, Arc::new(session))
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.seq += 1;
        let envelope = Envelope {
            v: ENVELOPE_VERSION,
            seq: Seq(self.seq),
            at: Timestamp::default(),
            run_time: RunMillis(self.seq * 100),
            event,
        };
        self.events.try_send(Arc::new(envelope)).unwrap();
        self
    }

    fn start(&mut self, agents: usize) -> &mut Self {
        let agents = (0..agents)
            .map(|i| AgentSpec {
                id: AgentId::new(format!("agent_{i:02}")).unwrap(),
                backend: BackendSpec {
                    kind: "simulated".into(),
                    wire: Wire::Simulated(SimulatedSpec {
                        seed: 0,
                        latency: Duration::ZERO,
                        tokens_per_second: None,
                        script: None,
                    }),
                    model: "simulated".into(),
                    max_output_tokens: None,
                    context_window: None,
                    price: Some(Price::FREE),
                    parameters: BTreeMap::new(),
                    output_schema: None,
                },
                system_message: None,
                voting_sensitivity: VotingSensitivity::Lenient,
                fallback: Vec::new(),
                attachments: Vec::new(),
                workspace: None,
                tooling: Box::default(),
            })
            .collect();
        let spec = RunSpec {
            question: "why".into(),
            agents,
            orchestration: Orchestration::default(),
            timeouts: Timeouts::default(),
            budget: Budget::default(),
            history: Vec::new(),
            instructions: None,
            skills: Vec::new(),
            memories: None,
        };
        self.event(Event::RunStarted { spec: Arc::new(spec), meta: Arc::new(RunMeta::default()) })
    }

    fn works(&mut self, agent: usize) -> &mut Self {
        let agent = AgentNo::from_index(agent);
        let conversation = Conversation::Fresh;
        self.event(Event::ExecutionStarted { agent, execution: 1, round: 0, conversation });
        self.event(Event::AgentStateChanged { agent, state: AgentStatus::Working });
        let call = CallId { agent, number: 1 };
        self.event(Event::ModelCallStarted {
            call,
            purpose: Purpose::Coordinate,
            reserved_tokens: 0,
            reserved_cost: None,
        })
    }

    fn says(&mut self, agent: usize, text: &str) -> &mut Self {
        let call = CallId { agent: AgentNo::from_index(agent), number: 1 };
        self.deltas.try_send(Delta { call, kind: DeltaKind::Text, text: text.into() }).unwrap();
        self
    }

    fn answers(&mut self, agent: usize, content: &str) -> &mut Self {
        let label = AgentNo::from_index(agent).label(1);
        self.event(Event::AnswerAccepted {
            label,
            content: content.into(),
            seen: RevisionSet::default(),
            snapshot: None,
        })
    }

    fn ends(&mut self, content: &str) -> &mut Self {
        let agent = AgentNo::from_index(0);
        self.event(Event::FinalAnswerReady {
            agent,
            content: content.into(),
            source: FinalSource::Stored,
            snapshot: None,
        });
        self.event(Event::RunFinished { outcome: RunOutcome::Answered })
    }
}

fn options(progress: Progress, answer: AnswerForm) -> DisplayOptions {
    DisplayOptions {
        progress,
        answer,
        progress_style: Style::plain(80),
        answer_style: Style::plain(80),
        known: Seq(0),
        places: Box::new(|view| {
            vec![Place { what: "answer".into(), path: format!("/log/{}", view.agents.len()) }]
        }),
        told: Box::new(|_, answer| Arc::clone(&answer.content)),
        remarks: mpsc::channel(1).1,
    }
}

/// Fails every write.
struct Broken(io::ErrorKind);

impl Write for Broken {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        Err(self.0.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(self.0.into())
    }
}

/// What a terminal shows: as much of one as our live part uses, with wrapped lines that flow anew when its width
/// changes.
struct Terminal {
    /// Lines as written; a row begins at every multiple of the width.
    lines: Vec<Vec<char>>,
    line: usize,
    column: usize,
    columns: usize,
}

impl Terminal {
    fn new(columns: usize) -> Self {
        Self { lines: vec![Vec::new()], line: 0, column: 0, columns }
    }

    fn rows(&self, line: usize) -> usize {
        self.lines[line].len().div_ceil(self.columns).max(1)
    }

    fn up(&mut self, mut rows: usize) {
        let mut row = (self.column.min(self.lines[self.line].len().saturating_sub(1))) / self.columns;
        while rows > 0 {
            if row > 0 {
                row -= 1;
            } else {
                assert!(self.line > 0, "the cursor leaves the screen");
                self.line -= 1;
                row = self.rows(self.line) - 1;
            }
            rows -= 1;
        }
        self.column = row * self.columns;
    }

    fn feed(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            match c {
                '\u{1b}' => {
                    let end = rest.find(|c: char| c.is_ascii_alphabetic()).expect("a sequence ends");
                    let (code, tail) = rest.split_at(end);
                    match (&tail[..1], code) {
                        ("A", code) => self.up(code[1..].parse().unwrap()),
                        ("J", "[") => {
                            self.lines.truncate(self.line + 1);
                            self.lines[self.line].truncate(self.column);
                        }
                        ("h" | "l", "[?2026" | "[?7") => {}
                        other => panic!("unknown sequence {other:?}"),
                    }
                    rest = &tail[1..];
                }
                '\r' => {
                    let row = self.column.min(self.lines[self.line].len().saturating_sub(1)) / self.columns;
                    self.column = row * self.columns;
                }
                '\n' => {
                    self.line += 1;
                    self.column = 0;
                    if self.line == self.lines.len() {
                        self.lines.push(Vec::new());
                    }
                }
                c => {
                    let line = &mut self.lines[self.line];
                    assert_eq!(self.column, line.len(), "we only write at the end");
                    line.push(c);
                    self.column += 1;
                }
            }
        }
    }

    fn text(&self) -> String {
        self.lines.iter().map(|line| line.iter().collect::<String>() + "\n").collect()
    }
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_a_terminal_every_step_is_a_line_and_stdout_is_the_answer_as_written() {
    let (mut script, session) = Script::new(SessionEnd::Finished(RunOutcome::Answered));
    script.start(2).works(0).says(0, "thinking").works(1).answers(0, "one two three").ends("# *Answer*");
    drop(script);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let shown = show(session, options(Progress::Lines, AnswerForm::Raw), &mut stdout, &mut stderr).await;
    assert_eq!(text(stdout), "# *Answer*\n");
    insta::assert_snapshot!(text(stderr), @"
    00:00  SIMULATED: no real model is at work. 2 agents start: agent_00
           (simulated), agent_01 (simulated)
    00:00  agent_00  starts round 1
    00:00  agent_01  starts round 1
    00:00  agent_00  answered agent1.1 (3 words, simulated)
    00:00  agent_00  final answer ready (2 words, the winning answer as it is,
                     simulated)
    00:01  finished: answered

    ── Summary ─────────────────────────────────────────────────────────────────────
    SIMULATED: no real model is at work.
    Answer    the winning answer as it is
    Time      00:01 of 30:00
    Tokens    0 in, 0 out
    Cost      $0.00

    Agents
      agent     model      state    answer    vote  tokens   cost
      agent_00  simulated  working  agent1.1  -          0  $0.00
      agent_01  simulated  working  -         -          0  $0.00

    Files
      answer  /log/2
    ");
    assert_eq!(shown.end, SessionEnd::Finished(RunOutcome::Answered));
    assert!(shown.troubles.is_empty());
    assert_eq!(shown.view.last_seq, Seq(10));
}

#[tokio::test(start_paused = true)]
async fn on_a_terminal_the_answer_is_rendered() {
    let (mut script, session) = Script::new(SessionEnd::Finished(RunOutcome::Answered));
    script.start(1).ends("# Answer\u{1b}[2J");
    drop(script);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    show(session, options(Progress::Lines, AnswerForm::Rendered), &mut stdout, &mut stderr).await;
    let stdout = text(stdout);
    assert!(stdout.contains("Final answer of agent_00") && stdout.contains("══════"), "{stdout}");
    assert!(stdout.contains("SIMULATED") && !stdout.contains('\u{1b}'), "{stdout}");
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_has_gone_away_is_no_trouble_and_a_full_disk_is() {
    for (kind, troubles) in [(io::ErrorKind::BrokenPipe, 0), (io::ErrorKind::StorageFull, 2)] {
        let (mut script, session) = Script::new(SessionEnd::Finished(RunOutcome::Answered));
        script.start(2).works(0).answers(0, "x").ends("answer");
        drop(script);
        let options = options(Progress::Lines, AnswerForm::Raw);
        let shown = show(session, options, &mut Broken(kind), &mut Broken(kind)).await;
        assert_eq!(shown.troubles.len(), troubles);
        assert_eq!(shown.view.outcome, Some(RunOutcome::Answered), "the run is watched to its end");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_resumed_run_did_before_is_known_and_not_told_again() {
    let (mut script, session) = Script::new(SessionEnd::Interrupted);
    script.start(1).works(0).answers(0, "old").event(Event::RunResumed).works(0);
    drop(script);
    let options = DisplayOptions { known: Seq(5), ..options(Progress::Lines, AnswerForm::Raw) };
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let shown = show(session, options, &mut stdout, &mut stderr).await;
    let stderr = text(stderr);
    assert!(stderr.starts_with("00:00  the run goes on where it was\n"), "{stderr}");
    assert!(stdout.is_empty());
    assert_eq!((shown.end, shown.view.answers()), (SessionEnd::Interrupted, 1));
}

#[tokio::test(start_paused = true)]
async fn live_lines_are_drawn_anew_and_leave_only_the_log() {
    let (mut script, session) = Script::new(SessionEnd::Finished(RunOutcome::Answered));
    let progress = Progress::Live(Box::new(|| Size { columns: 60, rows: 24 }));
    let task = tokio::spawn(async move {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let shown = show(session, options(progress, AnswerForm::Raw), &mut stdout, &mut stderr).await;
        (shown, text(stdout), text(stderr))
    });
    script.start(2).works(0).works(1);
    tokio::time::sleep(REDRAW * 2).await;
    script.says(0, "The tides are").says(1, "Moon");
    tokio::time::sleep(REDRAW * 2).await;
    script.answers(0, "The tides.");
    tokio::time::sleep(REDRAW * 2).await;
    script.ends("answer");
    drop(script);
    let (_, stdout, stderr) = task.await.unwrap();
    assert_eq!(stdout, "answer\n");
    assert!(stderr.contains("The tides are") && stderr.contains("Moon"), "{stderr:?}");
    let mut terminal = Terminal::new(60);
    terminal.feed(&stderr);
    insta::assert_snapshot!(terminal.text(), @"
    00:00  SIMULATED: no real model is at work. 2 agents start:
           agent_00 (simulated), agent_01 (simulated)
    00:00  agent_00  answered agent1.1 (2 words, simulated)
    00:00  agent_00  final answer ready (1 word, the winning
           answer as it is, simulated)
    00:01  finished: answered

    ── Summary ─────────────────────────────────────────────────────────────────────
    SIMULATED: no real model is at work.
    Answer    the winning answer as it is
    Time      00:01 of 30:00
    Tokens    0 in, 0 out
    Cost      $0.00

    Agents
      agent     model      state    answer    vote  tokens   cost
      agent_00  simulated  working  agent1.1  -          0  $0.00
      agent_01  simulated  working  -         -          0  $0.00

    Files
      answer  /log/2
    ");
}

#[tokio::test(start_paused = true)]
async fn fast_deltas_do_not_mean_fast_drawing() {
    let (mut script, session) = Script::new(SessionEnd::Finished(RunOutcome::Answered));
    let progress = Progress::Live(Box::new(|| Size { columns: 60, rows: 24 }));
    let task = tokio::spawn(async move {
        let mut stderr = Vec::new();
        show(session, options(progress, AnswerForm::Raw), &mut Vec::new(), &mut stderr).await;
        text(stderr)
    });
    script.start(1).works(0);
    for i in 0..500 {
        script.says(0, &format!(" {i}"));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    drop(script);
    let drawings = task.await.unwrap().matches("\u{1b}[?2026h").count();
    assert!((2..=12).contains(&drawings), "{drawings} drawings in a second");
}

fn view(agents: usize) -> RunView {
    let (mut script, session) = Script::new(SessionEnd::Interrupted);
    script.start(agents);
    for agent in 0..agents {
        script.works(agent);
    }
    for agent in 0..agents / 2 {
        let agent = AgentNo::from_index(agent);
        let state = AgentStatus::Waiting { on: WaitCause::SlowerPeers };
        script.event(Event::AgentStateChanged { agent, state });
    }
    drop(script);
    let mut events = session.events.lock().unwrap().take().unwrap();
    let mut view = RunView::default();
    while let Ok(envelope) = events.try_recv() {
        view.apply(&envelope);
    }
    view
}

#[test]
fn agents_that_do_not_fit_are_counted() {
    let mut live = Live::new(Box::new(|| Size { columns: 70, rows: 10 }));
    let mut terminal = Terminal::new(70);
    terminal.feed(&live.paint(&[], Some((&view(20), RunMillis(0))), &Style::plain(80)));
    insta::assert_snapshot!(terminal.text(), @"
    ● agent_10  sim  working   r1  0
    ● agent_11  sim  working   r1  0
    ● agent_12  sim  working   r1  0
    ● agent_13  sim  working   r1  0
    ● agent_14  sim  working   r1  0
    … and 15 more
    00:00 / 30:00  SIMULATED  10 of 20 at work  0 answers  $0.00
    ");
}

#[test]
fn a_terminal_of_another_size_keeps_no_remains() {
    let size = Arc::new(Mutex::new(Size { columns: 70, rows: 24 }));
    let seen = Arc::clone(&size);
    let mut live = Live::new(Box::new(move || *seen.lock().unwrap()));
    let view = view(4);
    let mut terminal = Terminal::new(70);
    terminal.feed("$ massgen\n");
    for (at, columns) in [70, 33, 90, 12, 5, 120, 1, 70].into_iter().enumerate() {
        *size.lock().unwrap() = Size { columns, rows: 24 };
        terminal.columns = columns;
        let log = [format!("log {at}")];
        terminal.feed(&live.paint(&log, Some((&view, RunMillis(0))), &Style::plain(80)));
        let lines = terminal.text().lines().count();
        assert_eq!(lines, 1 + (at + 1) + 5, "at {columns} columns:\n{}", terminal.text());
    }
    terminal.feed(&live.paint(&[], None, &Style::plain(80)));
    assert_eq!(terminal.text(), "$ massgen\nlog 0\nlog 1\nlog 2\nlog 3\nlog 4\nlog 5\nlog 6\nlog 7\n\n");
}

#[test]
fn nothing_is_written_when_nothing_has_changed() {
    let mut live = Live::new(Box::new(|| Size { columns: 70, rows: 24 }));
    let view = view(3);
    assert!(!live.paint(&[], Some((&view, RunMillis(0))), &Style::plain(80)).is_empty());
    assert_eq!(live.paint(&[], Some((&view, RunMillis(10))), &Style::plain(80)), "");
    assert!(
        !live.paint(&[], Some((&view, RunMillis(1000))), &Style::plain(80)).is_empty(),
        "the clock goes on"
    );
}

#[test]
fn options_fit_the_streams_and_the_environment() {
    let terminal = Stream::Terminal(Size { columns: 200, rows: 50 });
    let fitting = |wish, stdout, stderr, variables: &[(&str, &str)]| {
        let variables: BTreeMap<_, _> =
            variables.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        DisplayOptions::fitting(wish, stdout, stderr, |name| variables.get(name).cloned())
    };
    let live = |options: &DisplayOptions| matches!(options.progress, Progress::Live(_));
    let both = fitting(Wish::Live, terminal, terminal, &[("NO_COLOR", "")]);
    assert!(live(&both) && both.answer == AnswerForm::Rendered);
    assert_eq!(
        both.progress_style,
        Style { width: 200, color: Color::Always, glyphs: Glyphs::Unicode, ends: Ends::Cut }
    );
    assert_eq!(both.answer_style.width, 100);
    let file = fitting(Wish::Live, Stream::Other, terminal, &[("COLUMNS", "120")]);
    assert!(
        live(&file) && file.answer == AnswerForm::Raw,
        "progress is live while the answer goes to a file"
    );
    let piped = fitting(Wish::Live, Stream::Other, Stream::Other, &[("COLUMNS", "120")]);
    assert!(!live(&piped));
    assert_eq!(
        piped.progress_style,
        Style { width: 120, color: Color::Never, glyphs: Glyphs::Unicode, ends: Ends::Kept }
    );
    let simple = fitting(Wish::Simple, terminal, terminal, &[]);
    assert!(!live(&simple) && simple.progress_style.color == Color::Always);
    let dumb = fitting(Wish::Live, terminal, terminal, &[("TERM", "dumb")]);
    assert!(!live(&dumb) && dumb.progress_style.color == Color::Never);
    let gray = fitting(Wish::Live, terminal, terminal, &[("NO_COLOR", "1"), ("LANG", "C")]);
    assert!(live(&gray));
    assert_eq!((gray.answer_style.color, gray.answer_style.glyphs), (Color::Never, Glyphs::Ascii));
    let utf8 = fitting(Wish::Live, terminal, terminal, &[("LC_ALL", "C.UTF-8"), ("LANG", "C")]);
    assert_eq!(utf8.answer_style.glyphs, Glyphs::Unicode);
}

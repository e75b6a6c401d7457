//! Runs that die and are taken up again: every life in a runtime of its own, on paused time, against models whose
//! replies follow from a seed and the call alone.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use massgen_engine::{Ports, Redactor, Session};
use massgen_ports::workspaces::NoWorkspaces;
use massgen_ports::{Clock, Journal, JournalError, Model, ModelEvent, SessionEnd, SessionHandle};
use massgen_protocol::message::{FailureKind, ItemContent, ModelFailure};
use massgen_protocol::spec::{RunMeta, RunSpec};
use massgen_protocol::{
    Command, DeltaKind, Envelope, Event, ModelRequest, Note, Purpose, Seq, Timestamp, ToolUse,
};
use massgen_testkit::clock::TestClock;
use massgen_testkit::history::{answer, reply, text_item, vote, work};
use massgen_testkit::models::{OneTool, ScriptedModel};
use tokio::sync::Notify;

/// Calls of an agent after which it only does what ends a run.
const WILD_CALLS: u32 = 9;

/// Rounds of the session loop after which a life counts as a hot loop.
const MAX_ROUNDS: u32 = 5_000;

/// A number that follows from `parts`.
pub(crate) fn dice(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

/// How a life ends before its run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It lives to the end of the run.
    Lives,
    /// It dies at this append to its journal (from 1), which is stored.
    DiesAfter(u64),
    /// It dies at this append to its journal, which is lost, and with it everything that was not yet durable.
    DiesBefore(u64),
    /// A person interrupts it.
    IsInterrupted,
}

/// One life of a run.
pub(crate) struct Life {
    /// How it ended; `None` when it was killed.
    pub(crate) end: Option<SessionEnd>,
    /// Everything that is stored, in the units of its appends; the past is the first unit.
    pub(crate) appends: Vec<Vec<Envelope>>,
    pub(crate) requests: Vec<ModelRequest>,
    pub(crate) uses: Vec<ToolUse>,
    /// What went wrong, as seen from outside.
    pub(crate) complaints: Vec<String>,
}

impl Life {
    pub(crate) fn stored(&self) -> Vec<Envelope> {
        self.appends.concat()
    }
}

/// Lives one life of the run of `spec`, which has the past `past`.
pub(crate) fn live(seed: u64, spec: &RunSpec, past: Vec<Envelope>, fate: Fate) -> Life {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let journal = Arc::new(MortalJournal::new(seed, &past, fate));
        let world = Arc::clone(&journal);
        let model = ScriptedModel::new(move |request| {
            world.check_call(request);
            script(seed, request)
        });
        let tools = OneTool::default();
        let shared: Arc<dyn Model> = Arc::new(model.clone());
        let models: BTreeMap<_, _> =
            spec.agents.iter().map(|agent| (agent.id.clone(), Arc::clone(&shared))).collect();
        let ports = Ports {
            journal: Arc::clone(&journal) as Arc<_>,
            clock: Arc::new(CountingClock::start()),
            models,
            tools: Arc::new(tools.clone()),
            workspaces: Arc::new(NoWorkspaces),
            files: BTreeMap::new(),
            redactor: Redactor::default(),
        };
        let first_seq = past.len();
        let session = if past.is_empty() {
            Session::start(spec.clone(), RunMeta::default(), ports).unwrap()
        } else {
            Session::resume(past, ports).unwrap()
        };
        tokio::spawn(command(seed ^ first_seq as u64, session.clone(), fate));
        let watched = watch(Arc::clone(&journal), session.clone());
        let end = tokio::select! {
            (end, ()) = async { tokio::join!(session.ended(), watched) } => Some(end),
            () = journal.death.notified() => None,
        };
        let state = journal.state.lock().unwrap();
        Life {
            end,
            appends: state.survivors(),
            requests: model.requests(),
            uses: tools.uses(),
            complaints: state.complaints.clone(),
        }
    })
}

/// People: notes, a request for answers, an interrupt, at times that follow from the seed.
async fn command(seed: u64, session: Session, fate: Fate) {
    let after = |salt: u64, max: u64| Duration::from_millis(dice((seed, salt)) % max);
    if fate == Fate::IsInterrupted {
        tokio::time::sleep(after(1, 900)).await;
        session.send(Command::Interrupt).await;
        return;
    }
    for n in 0..dice((seed, 2)) % 4 {
        tokio::time::sleep(after(10 + n, 500)).await;
        let is_note = dice((seed, 3, n)).is_multiple_of(3);
        let note = Note { content: format!("note {n}"), source: "human".into(), targets: None };
        let command = if is_note { Command::Steer(note) } else { Command::AnswerNow };
        session.send(command).await;
    }
}

/// Reads everything that is published, and checks that it is durable by then.
async fn watch(journal: Arc<MortalJournal>, session: Session) {
    let mut events = session.events(Seq(0));
    while let Some(envelope) = events.next().await {
        let mut state = journal.state.lock().unwrap();
        if envelope.seq > state.durable {
            state.complaints.push(format!("event {} was shown before it was durable", envelope.seq));
        }
    }
}

/// What a model replies to a request.
fn script(seed: u64, request: &ModelRequest) -> Vec<(Duration, ModelEvent)> {
    let context = &request.context;
    let roll = |salt: u64| dice((seed, &context.agent, context.call.number, salt));
    let wait = Duration::from_millis(roll(1) % 150);
    let text = format!("answer {} of {}: {}", context.call.number, context.agent, roll(2) % 7);
    let candidate = context.candidates.first().map(ToString::to_string);
    let calm = || match (context.purpose, &candidate) {
        (Purpose::Coordinate, Some(candidate)) => vec![vote(candidate)],
        (Purpose::Coordinate, None) | (Purpose::Present, _) => vec![answer(&text)],
        (Purpose::Summarize, _) => vec![text_item("what was done so far")],
    };
    let anybody = format!("agent{}", roll(3) % 4 + 1);
    let failed = |kind| {
        let failure = ModelFailure { kind, message: "it failed".into(), attempts: 2 };
        vec![(wait, ModelEvent::Failed(failure))]
    };
    let items: Vec<ItemContent> = match roll(4) % 100 {
        _ if context.call.number > WILD_CALLS => calm(),
        0..28 => vec![answer(&text)],
        28..46 => vec![vote(&anybody)],
        46..60 => (0..=roll(5) % 3).map(|_| work("look")).collect(),
        60..64 => vec![work("look"), answer(&text)],
        64..67 => vec![work("look"), vote(&anybody)],
        67..70 => vec![work("no_such_tool")],
        70..73 => vec![text_item("only words")],
        73..75 => Vec::new(),
        75..78 => vec![answer(&text), vote(&anybody)],
        78..81 => vec![answer("the same words"), answer("the same words")],
        81..84 => vec![ItemContent::ToolCall(massgen_protocol::ToolCall {
            id: String::new(),
            name: "new_answer".into(),
            arguments: "{".into(),
        })],
        84..87 => return failed(FailureKind::ContextOverflow),
        87..89 => return failed(FailureKind::Server),
        89..91 => return Vec::new(),
        91..94 => {
            let retrying = ModelEvent::Retrying {
                attempt: 1,
                kind: FailureKind::Network,
                message: "cut".into(),
                delay: wait,
            };
            let finished = ModelEvent::Finished(Box::new(reply(calm())));
            return vec![(wait, retrying), (wait, finished)];
        }
        _ => calm(),
    };
    let delta = ModelEvent::Delta { kind: DeltaKind::Text, text: "piece".into() };
    vec![(wait, delta), (wait, ModelEvent::Finished(Box::new(reply(items))))]
}

/// Keeps what survives a death, and takes its time to make appends durable.
struct MortalJournal {
    seed: u64,
    fate: Fate,
    state: Arc<Mutex<JournalState>>,
    death: Arc<Notify>,
}

#[derive(Default)]
struct JournalState {
    appends: Vec<Vec<Envelope>>,
    /// Everything up to this event is durable.
    durable: Seq,
    calls: u64,
    is_dead: bool,
    /// What is not durable is lost.
    loses: bool,
    announced: BTreeMap<String, Seq>,
    complaints: Vec<String>,
}

impl JournalState {
    fn survivors(&self) -> Vec<Vec<Envelope>> {
        let survives = |append: &&Vec<Envelope>| {
            !self.loses || append.last().is_none_or(|envelope| envelope.seq <= self.durable)
        };
        self.appends.iter().take_while(survives).cloned().collect()
    }
}

impl MortalJournal {
    fn new(seed: u64, past: &[Envelope], fate: Fate) -> Self {
        let mut state = JournalState {
            durable: past.last().map_or(Seq(0), |envelope| envelope.seq),
            appends: vec![past.to_vec()],
            ..JournalState::default()
        };
        for envelope in past {
            state.announce(envelope);
        }
        Self { seed, fate, state: Arc::new(Mutex::new(state)), death: Arc::new(Notify::new()) }
    }

    /// No call is made whose intent is not durable, and none that is malformed.
    fn check_call(&self, request: &ModelRequest) {
        let mut state = self.state.lock().unwrap();
        let call = request.context.call.to_string();
        if state.announced.get(&call).is_none_or(|seq| *seq > state.durable) {
            state.complaints.push(format!("{call} was made before its intent was durable"));
        }
        if let Err(problem) = check_messages(request) {
            state.complaints.push(format!("{call}: {problem}"));
        }
    }
}

impl JournalState {
    fn announce(&mut self, envelope: &Envelope) {
        if let Event::ModelCallStarted { call, .. } = &envelope.event {
            self.announced.insert(call.to_string(), envelope.seq);
        }
    }
}

impl Journal for MortalJournal {
    fn append(&self, batch: Vec<Arc<Envelope>>) -> BoxFuture<'static, Result<(), JournalError>> {
        let mut state = self.state.lock().unwrap();
        if state.is_dead {
            return Box::pin(std::future::pending());
        }
        state.calls += 1;
        let dies = match self.fate {
            Fate::DiesAfter(at) | Fate::DiesBefore(at) => at == state.calls,
            Fate::Lives | Fate::IsInterrupted => false,
        };
        if dies {
            state.is_dead = true;
            state.loses = matches!(self.fate, Fate::DiesBefore(_));
            self.death.notify_one();
        }
        if dies && state.loses {
            return Box::pin(std::future::pending());
        }
        let batch: Vec<Envelope> = batch.iter().map(|envelope| Envelope::clone(envelope)).collect();
        let last = batch.last().map_or(Seq(0), |envelope| envelope.seq);
        let before =
            state.appends.iter().rev().find_map(|append| append.last()).map_or(Seq(0), |last| last.seq);
        if batch.first().is_some_and(|first| first.seq != before.next()) {
            state.complaints.push(format!("event {last} leaves a gap"));
        }
        for envelope in &batch {
            state.announce(envelope);
        }
        state.appends.push(batch);
        if dies {
            return Box::pin(std::future::pending());
        }
        let delay = Duration::from_millis(dice((self.seed, state.calls)) % 12);
        let shared = Arc::clone(&self.state);
        Box::pin(async move {
            tokio::time::sleep(delay).await;
            let mut state = shared.lock().unwrap();
            state.durable = state.durable.max(last);
            Ok(())
        })
    }
}

/// What every provider asks of a conversation: a user speaks first, an assistant never last, and every tool call gets
/// exactly one result, in order, before anything else is said.
fn check_messages(request: &ModelRequest) -> Result<(), String> {
    use massgen_protocol::message::Message;
    let mut open: Vec<(String, String)> = Vec::new();
    let mut last_is_assistant = true;
    if !matches!(request.messages.first(), Some(Message::User { .. })) {
        return Err("the conversation does not begin with a user".into());
    }
    for message in &request.messages {
        match message {
            Message::User { text, .. } if text.trim().is_empty() => return Err("an empty message".into()),
            Message::User { .. } | Message::Assistant { .. } if !open.is_empty() => {
                return Err(format!("no result for {open:?}"));
            }
            Message::User { .. } => last_is_assistant = false,
            Message::Assistant { .. } if last_is_assistant => return Err("two replies in a row".into()),
            Message::Assistant { reply } => {
                last_is_assistant = true;
                open = reply.tool_calls().map(|call| (call.id.clone(), call.name.clone())).collect();
            }
            Message::ToolResult { id, name, text, .. } => {
                last_is_assistant = false;
                if open.is_empty() || open.remove(0) != (id.clone(), name.clone()) || text.is_empty() {
                    return Err(format!("a result `{text}` for `{name}` that nothing asked for"));
                }
            }
        }
    }
    if open.is_empty() && !last_is_assistant { Ok(()) } else { Err("nothing to reply to".into()) }
}

/// Counts the rounds of the session loop, which asks for the time in the world once per round.
#[derive(Debug)]
struct CountingClock {
    clock: TestClock,
    rounds: Mutex<u32>,
}

impl CountingClock {
    fn start() -> Self {
        Self { clock: TestClock::start(), rounds: Mutex::new(0) }
    }
}

impl Clock for CountingClock {
    fn now(&self) -> Timestamp {
        let mut rounds = self.rounds.lock().unwrap();
        *rounds += 1;
        assert!(*rounds < MAX_ROUNDS, "the session loop spins");
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    fn sleep_until(&self, deadline: Duration) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(deadline)
    }
}

/// A run of `spec`, life after life, until it is over.
pub(crate) fn whole_run(seed: u64, spec: &RunSpec, fates: &[Fate]) -> Vec<Life> {
    let mut lives: Vec<Life> = Vec::new();
    for fate in fates.iter().copied().chain([Fate::Lives]) {
        let past = lives.last().map(Life::stored).unwrap_or_default();
        let life = live(seed, spec, past, fate);
        let is_over = matches!(life.end, Some(SessionEnd::Finished(_) | SessionEnd::JournalFailed(_)));
        lives.push(life);
        if is_over {
            break;
        }
    }
    lives
}

/// Calls whose reply is stored.
pub(crate) fn paid(envelopes: &[Envelope]) -> BTreeSet<String> {
    envelopes
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::ModelCallFinished { call, .. } => Some(call.to_string()),
            _ => None,
        })
        .collect()
}

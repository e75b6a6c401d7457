//! Coordination histories in one line.
//!
//! Agents are called by their ids. One word is one thing that happens:
//!
//! | word | meaning |
//! |---|---|
//! | `a=text` | `a` submits the answer `text` (underscores become spaces) |
//! | `a>b` | `a` votes for `b` (any text is taken as the target's name) |
//! | `a?` | `a` replies with text only; `a?text` says which |
//! | `a^how=text` | `a` replies with text that ended badly: `cut`, `paused`, `withheld`, `refused` or `full` |
//! | `a~x` | `a` calls the work tool `x`; `a~x=text` also submits an answer in the same reply |
//! | `a@x` | the files of `a` are kept as snapshot `x`; `a@!` says that they could not be |
//! | `a.` | the tools of `a` end well |
//! | `a!` | the model of `a` fails for good; `a!overflow` because the conversation is too long |
//! | `+60s`, `+5ms` | time passes, deadlines fire |
//! | `/text` | a person sends a note to all |
//! | `now` | a person asks for answers now |
//! | `stop`, `go` | the run is interrupted, or goes on |

use std::sync::Arc;
use std::time::Duration;

use massgen_core::{Effect, Input, Open, Phase, State, Step, advance, begin, step};
use massgen_protocol::event::ENVELOPE_VERSION;
use massgen_protocol::message::{
    FailureKind, FinishReason, ItemContent, ModelFailure, Reply, ReplyItem, ToolCall,
};
use massgen_protocol::spec::RunMeta;
use massgen_protocol::workspace::{Deletion, DriftPolicy, Isolation};
use massgen_protocol::{
    AgentId, AgentNo, CallId, Command, Envelope, Event, Note, RunMillis, RunSpec, Seq, Snapshot, SnapshotId,
    SnapshotOutcome, Timestamp, TokenUsage, ToolOutcome, WorkspaceSpec,
};

/// A run under the hands of a test.
#[derive(Debug, Clone)]
pub struct History {
    /// The state now.
    pub state: State,
    /// Everything that happened.
    pub events: Vec<Envelope>,
    /// All effects so far.
    pub effects: Vec<Effect>,
    now: RunMillis,
}

impl History {
    /// Begins a run of `spec`.
    pub fn start(spec: RunSpec) -> Self {
        let meta = RunMeta { fixed_prompt_bytes: 400, ..RunMeta::default() };
        let now = RunMillis::default();
        let (mut state, first) = begin(Arc::new(spec), Arc::new(meta), now);
        let before = Open::wanted(&state);
        let mut events = vec![first];
        events.extend(advance(&mut state, now));
        let effects = before.effects_towards(&Open::wanted(&state));
        let mut history = Self { state: state.clone(), events: Vec::new(), effects: Vec::new(), now };
        history.take(Step { state, events, effects });
        history
    }

    /// Plays the words of `script`.
    ///
    /// # Panics
    /// When a word means nothing, or an agent is to reply that was not asked.
    #[must_use]
    pub fn play(mut self, script: &str) -> Self {
        for word in script.split_whitespace() {
            self.word(word);
        }
        self
    }

    /// The call of `agent` that is under way.
    pub fn call_of(&self, agent: &str) -> Option<CallId> {
        let no = self.no(agent);
        Open::wanted(&self.state).calls.keys().find(|call| call.agent == no).copied()
    }

    /// What comes in, at the present time.
    pub fn input(&mut self, input: Input) {
        let step = step(&self.state, self.now, input);
        self.take(step);
    }

    /// Lets time pass; every deadline on the way fires at its moment.
    pub fn pass(&mut self, span: Duration) {
        let until = self.now + span;
        while let Some((at, timer)) = self.state.next_timer().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::TimerFired(timer));
        }
        self.now = until;
    }

    /// The time at work.
    pub fn now(&self) -> RunMillis {
        self.now
    }

    /// How many model calls were started.
    pub fn calls(&self) -> usize {
        self.count(|event| matches!(event, Event::ModelCallStarted { .. }))
    }

    /// How many events `is` holds for.
    pub fn count(&self, is: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|envelope| is(&envelope.event)).count()
    }

    /// Every agent with its state and number of answers, then the phase: `a voted 1 · b working 2 · coordinating`.
    pub fn summary(&self) -> String {
        let agents = self.state.agents().iter().map(|agent| {
            let status = serde_json::to_value(agent.status()).unwrap_or_default();
            let word = |key: &str| status.get(key).and_then(|value| value.as_str()).map(str::to_owned);
            let cause = status.pointer("/cause/cause").and_then(|value| value.as_str()).map(str::to_owned);
            let why = word("on").or(cause).map(|why| format!("({why})")).unwrap_or_default();
            format!("{} {}{why} {}", agent.id(), word("state").unwrap_or_default(), agent.answers().len())
        });
        let phase = match self.state.phase() {
            Phase::Coordinating => "coordinating".to_owned(),
            Phase::Ended { .. } | Phase::Final => "ending".to_owned(),
            Phase::Won { answer, .. } => format!("presenting {answer}"),
            Phase::Finished { outcome } => self.ending(&format!("{outcome:?}")),
        };
        agents.chain([phase]).collect::<Vec<_>>().join(" · ")
    }

    fn ending(&self, outcome: &str) -> String {
        let winner = self.events.iter().find_map(|envelope| match &envelope.event {
            Event::WinnerSelected { answer, basis, .. } => Some(format!("{answer} by {basis:?}")),
            _ => None,
        });
        let text = self.events.iter().find_map(|envelope| match &envelope.event {
            Event::FinalAnswerReady { content, source, .. } => Some(format!("{source:?} `{content}`")),
            _ => None,
        });
        [Some(outcome.to_owned()), winner, text].into_iter().flatten().collect::<Vec<_>>().join(", ")
    }

    fn take(&mut self, step: Step) {
        for event in step.events {
            let seq = Seq(u64::try_from(self.events.len()).unwrap_or(u64::MAX)).next();
            let at = Timestamp::from_micros(i64::try_from(self.now.0).unwrap_or(i64::MAX) * 1000);
            self.events.push(Envelope { v: ENVELOPE_VERSION, seq, at, run_time: self.now, event });
        }
        self.effects.extend(step.effects);
        self.state = step.state;
    }

    fn no(&self, agent: &str) -> AgentNo {
        let found = self
            .state
            .agents()
            .iter()
            .find(|other| other.id().as_str() == agent)
            .map(massgen_core::Agent::no);
        found.unwrap_or_else(|| unknown_agent(agent))
    }

    fn word(&mut self, word: &str) {
        match word {
            "stop" => return self.input(Input::Command(Command::Interrupt)),
            "go" => return self.input(Input::Resumed),
            "now" => return self.input(Input::Command(Command::AnswerNow)),
            _ => {}
        }
        if let Some(span) = word.strip_prefix('+') {
            return self.pass(span_of(span));
        }
        if let Some(text) = word.strip_prefix('/') {
            let note = Note { content: spaced(text), source: "human".to_owned(), targets: None };
            return self.input(Input::Command(Command::Steer(note)));
        }
        let at = word.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(word.len());
        let (agent, action) = word.split_at(at);
        if action == "." {
            return self.end_tools(agent);
        }
        if let Some(snapshot) = action.strip_prefix('@') {
            let no = self.no(agent);
            let call = Open::wanted(&self.state).keeping.into_iter().find(|call| call.agent == no);
            let call = call.unwrap_or_else(|| not_asked(word, &self.summary()));
            return self.input(kept(call, (snapshot != "!").then(|| snapshot.to_owned())));
        }
        let call = self.call_of(agent).unwrap_or_else(|| not_asked(word, &self.summary()));
        let input = match action.split_at(1) {
            ("=", text) => replied(call, [answer(&spaced(text))]),
            (">", target) => replied(call, [vote(target)]),
            ("?", text) => replied(call, [text_item(&spaced(text))]),
            ("^", how) => {
                let (how, text) = how.split_once('=').unwrap_or((how, ""));
                let finish = ending(how).unwrap_or_else(|| unknown_word(word));
                let reply = Reply { finish, ..reply([text_item(&spaced(text))]) };
                Input::ModelReplied { call, reply: Arc::new(reply) }
            }
            ("~", tool) => match tool.split_once('=') {
                Some((tool, text)) => replied(call, [work(tool), answer(&spaced(text))]),
                None => replied(call, [work(tool)]),
            },
            ("!", kind) => {
                let kind =
                    if kind == "overflow" { FailureKind::ContextOverflow } else { FailureKind::Server };
                let failure = ModelFailure { kind, message: "it failed".to_owned(), attempts: 5 };
                Input::ModelFailed { call, failure }
            }
            _ => unknown_word(word),
        };
        self.input(input);
    }

    fn end_tools(&mut self, agent: &str) {
        let no = self.no(agent);
        for tool_use in Open::wanted(&self.state).tools {
            if tool_use.call.agent == no {
                let outcome = ToolOutcome::ok("done");
                self.input(Input::ToolFinished {
                    tool_use,
                    outcome,
                    duration: Duration::from_millis(1),
                    decisions: Vec::new(),
                });
            }
        }
    }
}

/// A reply with `items`, with plausible usage.
pub fn reply(items: impl IntoIterator<Item = ItemContent>) -> Reply {
    Reply {
        items: items.into_iter().map(ReplyItem::from).collect(),
        finish: FinishReason::Stop,
        usage: TokenUsage { input: 100, output: 20, ..TokenUsage::default() },
        reported_cost: None,
        first_token_after: Duration::from_millis(1),
        duration: Duration::from_millis(2),
        origin: None,
    }
}

/// The input of a reply with `items` to `call`.
pub fn replied(call: CallId, items: impl IntoIterator<Item = ItemContent>) -> Input {
    Input::ModelReplied { call, reply: Arc::new(reply(items)) }
}

/// The input that says that the files of a submission were kept as `snapshot`, or, without one, that they were not.
pub fn kept(call: CallId, snapshot: Option<String>) -> Input {
    let outcome = match snapshot {
        Some(id) => {
            let snapshot = Snapshot {
                id: SnapshotId(id),
                files: 1,
                bytes: 1,
                left_out: std::collections::BTreeMap::new(),
            };
            SnapshotOutcome::Kept { snapshot }
        }
        None => SnapshotOutcome::Failed { message: "the disk is full".to_owned() },
    };
    Input::SnapshotFinished { call, outcome }
}

/// A workspace in the folder `/w/<name>` whose peers are seen at `/p/<name>`.
pub fn workspace(name: &str) -> WorkspaceSpec {
    WorkspaceSpec {
        folder: format!("/w/{name}"),
        peers: format!("/p/{name}"),
        contexts: Vec::new(),
        isolation: Isolation::Auto,
        drift: DriftPolicy::Skip,
        deletion: Deletion::AfterReading,
    }
}

fn ending(how: &str) -> Option<FinishReason> {
    match how {
        "cut" => Some(FinishReason::Length),
        "paused" => Some(FinishReason::Paused),
        "withheld" => Some(FinishReason::ContentFilter),
        "refused" => Some(FinishReason::Refusal),
        "full" => Some(FinishReason::WindowFull),
        "stopped" => Some(FinishReason::Incomplete),
        "unknown" => Some(FinishReason::Other("unknown".to_owned())),
        _ => None,
    }
}

/// Visible text.
pub fn text_item(text: &str) -> ItemContent {
    ItemContent::Text { text: text.to_owned() }
}

/// A `new_answer` call.
pub fn answer(content: &str) -> ItemContent {
    tool_call("new_answer", &serde_json::json!({ "content": content }))
}

/// A `vote` call.
pub fn vote(target: &str) -> ItemContent {
    tool_call("vote", &serde_json::json!({ "agent_id": target, "reason": "it is best" }))
}

/// A call of the work tool `name`.
pub fn work(name: &str) -> ItemContent {
    tool_call(name, &serde_json::json!({}))
}

fn tool_call(name: &str, arguments: &serde_json::Value) -> ItemContent {
    ItemContent::ToolCall(ToolCall {
        id: format!("{name}-id"),
        name: name.to_owned(),
        arguments: arguments.to_string(),
    })
}

/// A specification of simulated agents with these ids and default options.
///
/// # Panics
/// When an id is not one.
pub fn spec(ids: &[&str]) -> RunSpec {
    RunSpec {
        question: "What is the answer?".to_owned(),
        agents: ids.iter().map(|id| agent_spec(id)).collect(),
        orchestration: massgen_protocol::spec::Orchestration::default(),
        timeouts: massgen_protocol::spec::Timeouts::default(),
        budget: massgen_protocol::spec::Budget::default(),
        history: Vec::new(),
        instructions: None,
        skills: Vec::new(),
        memories: None,
    }
}

fn agent_spec(id: &str) -> massgen_protocol::AgentSpec {
    use massgen_protocol::spec::{BackendSpec, SimulatedSpec, VotingSensitivity, Wire};
    let wire = Wire::Simulated(SimulatedSpec {
        seed: 7,
        latency: Duration::ZERO,
        tokens_per_second: None,
        script: None,
    });
    massgen_protocol::AgentSpec {
        id: AgentId::new(id).unwrap_or_else(|error| bad_id(&error)),
        backend: BackendSpec {
            kind: "simulated".to_owned(),
            wire,
            model: "simulated".to_owned(),
            max_output_tokens: None,
            context_window: None,
            price: Some(massgen_protocol::Price::FREE),
            parameters: std::collections::BTreeMap::new(),
            output_schema: None,
        },
        system_message: None,
        voting_sensitivity: VotingSensitivity::Lenient,
        fallback: Vec::new(),
        attachments: Vec::new(),
        workspace: None,
        tooling: Box::default(),
    }
}

fn spaced(text: &str) -> String {
    text.replace('_', " ")
}

fn span_of(text: &str) -> Duration {
    let number = |digits: &str| digits.parse().unwrap_or_else(|_| unknown_word(text));
    match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(digits), _) => Duration::from_millis(number(digits)),
        (None, Some(digits)) => Duration::from_secs(number(digits)),
        (None, None) => unknown_word(text),
    }
}

#[expect(clippy::panic, reason = "a test with a wrong word must fail loudly")]
fn unknown_word<T>(word: &str) -> T {
    panic!("`{word}` means nothing in a history")
}

#[expect(clippy::panic, reason = "a test with a wrong agent must fail loudly")]
fn unknown_agent(agent: &str) -> AgentNo {
    panic!("there is no agent `{agent}`")
}

#[expect(clippy::panic, reason = "a test that lets an agent reply unasked must fail loudly")]
fn not_asked(word: &str, summary: &str) -> CallId {
    panic!("`{word}`: that agent has no model call under way ({summary})")
}

#[expect(clippy::panic, reason = "a test with a wrong id must fail loudly")]
fn bad_id(error: &massgen_protocol::ids::IdError) -> AgentId {
    panic!("{error}")
}

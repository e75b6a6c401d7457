//! Histories made by hand, for the tests of the projections.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::event::*;
use massgen_protocol::message::*;
use massgen_protocol::money::{Price, TokenUsage};
use massgen_protocol::spec::*;
use massgen_protocol::turn::*;
use massgen_protocol::*;
use serde_json::json;

/// 2026-02-14 09:30:15 UTC.
const START: i64 = 1_771_061_415_000_000;

/// A history under construction. Every event comes a quarter of a second after the one before.
pub(crate) struct History {
    pub(crate) events: Vec<Envelope>,
    spec: Arc<RunSpec>,
    work: u64,
    calls: BTreeMap<AgentNo, u32>,
    executions: BTreeMap<AgentNo, u32>,
    answers: BTreeMap<AgentNo, u32>,
    pub(crate) revisions: RevisionSet,
}

/// `agent{n}`, from 1.
pub(crate) fn no(n: usize) -> AgentNo {
    AgentNo::from_index(n - 1)
}

pub(crate) fn price() -> Price {
    Price { input: 3_000_000_000, output: 15_000_000_000, cached_input: 300_000_000, cache_write: 0 }
}

pub(crate) fn agent(id: &str, price: Option<Price>) -> AgentSpec {
    AgentSpec {
        id: AgentId::new(id).unwrap(),
        backend: BackendSpec {
            kind: "chatcompletion".into(),
            wire: Wire::Service(Service::chat_completions("http://127.0.0.1:1", vec![])),
            model: "test-model".into(),
            max_output_tokens: None,
            context_window: Some(1000),
            price,
            parameters: BTreeMap::new(),
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

pub(crate) fn text(text: &str) -> ItemContent {
    ItemContent::Text { text: text.into() }
}

pub(crate) fn tool(name: &str, arguments: &str) -> ItemContent {
    ItemContent::ToolCall(ToolCall { id: "call_0".into(), name: name.into(), arguments: arguments.into() })
}

impl History {
    pub(crate) fn new(agents: Vec<AgentSpec>) -> Self {
        let count = agents.len();
        let spec = Arc::new(RunSpec {
            question: "Why is the sky blue?".into(),
            agents,
            orchestration: Orchestration::default(),
            timeouts: Timeouts::default(),
            budget: Budget { max_cost: Some(Usd::from_dollars(0.5)), max_tokens: None },
            history: Vec::new(),
            instructions: None,
            skills: Vec::new(),
            memories: None,
        });
        let meta = Arc::new(RunMeta {
            version: "1.2.3".into(),
            working_directory: "/home/user/project".into(),
            config_path: Some("/home/user/project/config.yaml".into()),
            config: Some(
                json!({"agents": [{"id": "a", "backend": {"type": "openai", "api_key": "sk-written-in-it"}}]}),
            ),
            arguments: json!({"config": "config.yaml", "automation": true, "rounds": null}),
            git: Some(GitState { commit: "0123abcd".into(), branch: "main".into() }),
            utc_offset_seconds: 3600,
            fixed_prompt_bytes: 0,
            session: None,
        });
        let mut history = Self {
            events: Vec::new(),
            spec: Arc::clone(&spec),
            work: 0,
            calls: BTreeMap::new(),
            executions: BTreeMap::new(),
            answers: BTreeMap::new(),
            revisions: RevisionSet::empty(count),
        };
        history.push(Event::RunStarted { spec, meta });
        history
    }

    pub(crate) fn push(&mut self, event: Event) {
        let seq = Seq(self.events.len() as u64 + 1);
        let at = Timestamp::from_micros(START + i64::try_from(self.work).unwrap() * 1000);
        let run_time = RunMillis(self.work);
        self.events.push(Envelope { v: ENVELOPE_VERSION, seq, at, run_time, event });
        self.work += 250;
    }

    /// An execution begins; `shown` answers are new to the agent.
    pub(crate) fn execution(&mut self, agent: AgentNo, shown: &[AnswerLabel]) {
        let execution = self.executions.entry(agent).or_default();
        *execution += 1;
        let execution = *execution;
        let round = self.answers.get(&agent).copied().unwrap_or(0);
        let conversation = if execution == 1 { Conversation::Fresh } else { Conversation::Continued };
        self.push(Event::ExecutionStarted { agent, execution, round, conversation });
        let news = News {
            answers: shown.to_vec(),
            notes: vec![],
            directive: (!shown.is_empty()).then_some(Directive::AnswerOrVote),
        };
        let turn = if execution == 1 { Turn::Opening(news) } else { Turn::Update(news) };
        self.push(Event::PromptExtended { agent, turn, occasion: Occasion::ExecutionStart });
        self.push(Event::AgentStateChanged { agent, state: AgentStatus::Working });
    }

    pub(crate) fn call(&mut self, agent: AgentNo, purpose: Purpose) -> CallId {
        let number = self.calls.entry(agent).or_default();
        *number += 1;
        let call = CallId { agent, number: *number };
        let price = self.spec.agent(agent).unwrap().backend.price;
        self.push(Event::ModelCallStarted {
            call,
            purpose,
            reserved_tokens: 5000,
            reserved_cost: price.map(|_| Usd::from_dollars(0.01)),
        });
        call
    }

    pub(crate) fn finish(&mut self, call: CallId, items: Vec<ItemContent>) {
        self.finish_with(call, items.into_iter().map(Into::into).collect());
    }

    pub(crate) fn finish_with(&mut self, call: CallId, items: Vec<ReplyItem>) {
        let usage =
            TokenUsage { input: 100, output: 20, reasoning: 5, cached_input: 50, ..TokenUsage::default() };
        let price = self.spec.agent(call.agent).unwrap().backend.price;
        let reply = Reply {
            items,
            finish: FinishReason::Stop,
            usage,
            reported_cost: None,
            first_token_after: Duration::from_millis(120),
            duration: Duration::from_millis(400),
            origin: None,
        };
        let cost = price.map(|price| price.cost(&usage));
        self.push(Event::ModelCallFinished {
            call,
            outcome: CallOutcome::Replied { reply: Arc::new(reply), cost },
        });
    }

    pub(crate) fn reply(&mut self, agent: AgentNo, items: Vec<ItemContent>) -> CallId {
        let call = self.call(agent, Purpose::Coordinate);
        self.finish(call, items);
        call
    }

    pub(crate) fn answer(&mut self, agent: AgentNo, content: &str) -> AnswerLabel {
        self.reply(
            agent,
            vec![text("I have it."), tool("new_answer", &json!({"content": content}).to_string())],
        );
        let revision = self.answers.entry(agent).or_default();
        *revision += 1;
        let label = agent.label(*revision);
        self.revisions.include(label);
        let seen = self.revisions.clone();
        self.push(Event::AnswerAccepted { label, content: content.into(), seen, snapshot: None });
        self.push(Event::AgentStateChanged { agent, state: AgentStatus::Answered });
        label
    }

    pub(crate) fn vote(&mut self, voter: AgentNo, answer: AnswerLabel, reason: &str) {
        let arguments = json!({"agent_id": answer.agent, "reason": reason}).to_string();
        self.reply(voter, vec![tool("vote", &arguments)]);
        let seen = self.revisions.clone();
        self.push(Event::VoteCast { voter, answer, reason: reason.into(), seen });
        self.push(Event::AgentStateChanged { agent: voter, state: AgentStatus::Voted });
    }

    pub(crate) fn finished(&mut self, outcome: RunOutcome) {
        self.push(Event::RunFinished { outcome });
    }
}

/// Three agents with everything that can happen to them: a slow tool, an injection, a note, a retry, a refusal, a reply
/// without decision, an ignored vote, a vote that becomes stale, an agent that fails, a tie, a presentation.
/// Registered zeta, alpha, mid; so zeta is agent3, alpha agent1, mid agent2.
pub(crate) fn eventful() -> History {
    let mut history = eventful_until_votes();
    history.push(Event::CoordinationEnded { cause: EndCause::AllVoted });
    let (first, second) = (no(3).label(1), no(1).label(1));
    let tally = vec![TallyRow { answer: first, votes: 1 }, TallyRow { answer: second, votes: 1 }];
    history.push(Event::WinnerSelected { answer: first, tally: tally.clone(), basis: WinnerBasis::Tie });
    history
        .push(Event::PresentationStarted { presenter: no(3), strategy: FinalAnswerStrategy::WinnerPresent });
    history.push(Event::ExecutionStarted {
        agent: no(3),
        execution: 5,
        round: 1,
        conversation: Conversation::Continued,
    });
    history.push(Event::PromptExtended {
        agent: no(3),
        turn: Turn::Update(News {
            directive: Some(Directive::Present { tally, restored: false }),
            ..News::default()
        }),
        occasion: Occasion::Presentation,
    });
    history.push(Event::AgentStateChanged { agent: no(3), state: AgentStatus::Presenting });
    let call = history.call(no(3), Purpose::Present);
    history.finish(call, vec![text("# Blue\n\nShort waves scatter most.")]);
    history.push(Event::FinalAnswerReady {
        agent: no(3),
        content: "# Blue\n\nShort waves scatter most.".into(),
        source: FinalSource::Presented,
        snapshot: None,
    });
    history.push(Event::AgentStateChanged { agent: no(3), state: AgentStatus::Done });
    history.finished(RunOutcome::Answered);
    history
}

/// The first part of [`eventful`], up to the last vote.
pub(crate) fn eventful_until_votes() -> History {
    let mut history =
        History::new(vec![agent("zeta", Some(price())), agent("alpha", Some(price())), agent("mid", None)]);
    let (alpha, mid, zeta) = (no(1), no(2), no(3));
    for agent in [zeta, alpha, mid] {
        history.execution(agent, &[]);
    }
    // alpha uses a slow tool; meanwhile zeta answers and the answer is injected.
    let call = history.reply(
        alpha,
        vec![
            ItemContent::Reasoning { text: "I should look it up.".into() },
            text("Let me read."),
            tool("mcp__files__read", r#"{"path":"sky.md","api_key":"hunter2"}"#),
        ],
    );
    let tool_use = ToolUse { call, index: 0 };
    let tool_call = ToolCall {
        id: "call_0".into(),
        name: "mcp__files__read".into(),
        arguments: r#"{"path":"sky.md","api_key":"hunter2"}"#.into(),
    };
    history.push(Event::ToolCallStarted { tool_use, tool_call });
    let first = history.answer(zeta, "Because of sk-abcdefghijklmnopqrst scattering.");
    history.push(Event::NoteReceived {
        id: NoteId(1),
        note: Note { content: "Keep it short.".into(), source: "human".into(), targets: None },
    });
    history.push(Event::ToolCallFinished {
        tool_use,
        outcome: ToolOutcome::ok("# Sky\nblue"),
        duration: Duration::from_millis(6100),
        decisions: Vec::new(),
    });
    history.push(Event::PromptExtended {
        agent: alpha,
        turn: Turn::Results {
            call,
            results: vec![ResultRef::Tool],
            news: News { answers: vec![first], notes: vec![NoteId(1)], directive: None },
        },
        occasion: Occasion::ToolBoundary,
    });
    // mid: a retried request, no decision, a refusal, an answer.
    let call = history.call(mid, Purpose::Coordinate);
    history.push(Event::ModelCallRetried {
        call,
        attempt: 1,
        kind: FailureKind::RateLimited,
        message: "slow down".into(),
        delay: Duration::from_millis(1500),
    });
    history.finish(call, vec![text("I think about it.")]);
    history.push(Event::NoDecision {
        agent: mid,
        call,
        attempt: 1,
        max_attempts: 3,
        cause: Shortfall::NoAction,
    });
    history.push(Event::PromptExtended {
        agent: mid,
        turn: Turn::Update(News {
            directive: Some(Directive::Act { attempts_left: 2, cause: Shortfall::NoAction }),
            ..News::default()
        }),
        occasion: Occasion::Retry,
    });
    let call = history.reply(mid, vec![tool("vote", r#"{"agent_id":"agent9"}"#)]);
    let refusal = Refusal::InvalidTarget { named: "agent9".into() };
    history.push(Event::SubmissionRefused { agent: mid, call, refusal: refusal.clone() });
    history.push(Event::PromptExtended {
        agent: mid,
        turn: Turn::Results {
            call,
            results: vec![ResultRef::Verdict { verdict: Verdict::Refused { refusal } }],
            news: News::default(),
        },
        occasion: Occasion::Retry,
    });
    // zeta votes for itself; before that, mid's answer came.
    history.execution(zeta, &[]);
    let second = history.answer(mid, "Rayleigh.");
    let call = history.reply(zeta, vec![tool("vote", r#"{"agent_id":"agent3","reason":"mine"}"#)]);
    history.push(Event::VoteIgnored {
        voter: zeta,
        answer: first,
        reason: "mine".into(),
        newer: vec![second],
    });
    history.push(Event::PromptExtended {
        agent: zeta,
        turn: Turn::Results {
            call,
            results: vec![ResultRef::Verdict { verdict: Verdict::VoteOutdated { newer: vec![second] } }],
            news: News::default(),
        },
        occasion: Occasion::Retry,
    });
    history.execution(zeta, &[second]);
    history.vote(zeta, second, "short and\nright");
    // mid's provider fails for good.
    history.execution(mid, &[first]);
    let call = history.call(mid, Purpose::Coordinate);
    let failure =
        ModelFailure { kind: FailureKind::Unauthorized, message: "no such key".into(), attempts: 1 };
    history
        .push(Event::ModelCallFinished { call, outcome: CallOutcome::Failed { failure: failure.clone() } });
    history.push(Event::AgentStateChanged {
        agent: mid,
        state: AgentStatus::Out { cause: OutCause::ModelFailed { failure } },
    });
    history
        .push(Event::Degraded { message: "the price of `test-model` is unknown".into(), agent: Some(mid) });
    // alpha answers: zeta's vote is stale.
    let third = history.answer(alpha, "Blue light scatters more.\nSee sky.md.");
    history.execution(zeta, &[third]);
    history.vote(zeta, third, "names the cause");
    history.execution(alpha, &[second]);
    history.vote(alpha, first, "complete");
    history
}

/// Every file below `root`, by path relative to it, with links as what they point to.
pub(crate) fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, out: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            let kind = fs_err::symlink_metadata(&path).unwrap().file_type();
            if kind.is_symlink() {
                out.insert(name, format!("-> {}", fs_err::read_link(&path).unwrap().display()).into_bytes());
            } else if kind.is_dir() {
                out.insert(format!("{name}/"), Vec::new());
                walk(root, &path, out);
            } else {
                out.insert(name, fs_err::read(&path).unwrap());
            }
        }
    }
    let mut out = BTreeMap::new();
    walk(root, root, &mut out);
    out
}

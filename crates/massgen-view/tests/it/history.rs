//! A small language for the events of a run.

use std::sync::Arc;
use std::time::Duration;

use massgen_protocol::event::{
    AgentStatus, CallOutcome, Conversation, ENVELOPE_VERSION, EndCause, FinalSource, Occasion, OutCause,
    RunOutcome, WaitCause, WinnerBasis,
};
use massgen_protocol::message::{FailureKind, FinishReason, ItemContent};
use massgen_protocol::spec::{
    BackendSpec, Budget, FinalAnswerStrategy, Orchestration, RunMeta, Service, SimulatedSpec, Timeouts,
    VotingSensitivity, Wire,
};
use massgen_protocol::turn::{News, Refusal, TallyRow, Turn};
use massgen_protocol::{
    AgentId, AgentNo, AgentSpec, AnswerLabel, CallId, Delta, DeltaKind, Envelope, Event, ModelFailure, Price,
    Purpose, Reply, RevisionSet, RunMillis, RunSpec, Seq, Timestamp, TokenUsage, Usd,
};

/// Events under construction. Every method adds one or a few, at the present time.
pub(crate) struct History {
    pub(crate) events: Vec<Envelope>,
    now: u64,
    calls: Vec<u32>,
    executions: Vec<u32>,
    current: RevisionSet,
}

/// The number of the agent at `index` of the sorted ids.
pub(crate) fn no(index: usize) -> AgentNo {
    AgentNo::from_index(index)
}

pub(crate) fn label(text: &str) -> AnswerLabel {
    text.parse().unwrap()
}

pub(crate) fn agent(id: &str, model: &str) -> AgentSpec {
    AgentSpec {
        id: AgentId::new(id).unwrap(),
        backend: BackendSpec {
            kind: "chatcompletion".into(),
            wire: Wire::Service(Service::chat_completions("http://127.0.0.1:1/v1", Vec::new())),
            model: model.into(),
            max_output_tokens: None,
            context_window: None,
            price: Some(Price::FREE),
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

pub(crate) fn simulated(id: &str) -> AgentSpec {
    let mut spec = agent(id, "simulated");
    spec.backend.kind = "simulated".into();
    spec.backend.wire = Wire::Simulated(SimulatedSpec {
        seed: 1,
        latency: Duration::ZERO,
        tokens_per_second: None,
        script: None,
    });
    spec
}

impl History {
    pub(crate) fn new(agents: Vec<AgentSpec>, budget: Budget) -> Self {
        let count = agents.len();
        let spec = RunSpec {
            question: "What causes the tides?".into(),
            agents,
            orchestration: Orchestration::default(),
            timeouts: Timeouts::default(),
            budget,
            history: Vec::new(),
            instructions: None,
            skills: Vec::new(),
            memories: None,
        };
        let mut history = Self {
            events: Vec::new(),
            now: 0,
            calls: vec![0; count],
            executions: vec![0; count],
            current: RevisionSet::empty(count),
        };
        history.event(Event::RunStarted { spec: Arc::new(spec), meta: Arc::new(RunMeta::default()) });
        history
    }

    pub(crate) fn event(&mut self, event: Event) -> &mut Self {
        self.events.push(Envelope {
            v: ENVELOPE_VERSION,
            seq: Seq(self.events.len() as u64 + 1),
            at: Timestamp::from_micros(1_800_000_000_000_000 + i64::try_from(self.now).unwrap() * 1000),
            run_time: RunMillis(self.now),
            event,
        });
        self
    }

    /// Lets `millis` pass.
    pub(crate) fn after(&mut self, millis: u64) -> &mut Self {
        self.now += millis;
        self
    }

    pub(crate) fn state(&mut self, agent: usize, state: AgentStatus) -> &mut Self {
        self.event(Event::AgentStateChanged { agent: no(agent), state })
    }

    /// An execution begins and its first call is made.
    pub(crate) fn works(&mut self, agent: usize) -> &mut Self {
        self.executions[agent] += 1;
        let execution = self.executions[agent];
        let conversation = if execution == 1 { Conversation::Fresh } else { Conversation::Continued };
        self.event(Event::ExecutionStarted {
            agent: no(agent),
            execution,
            round: execution - 1,
            conversation,
        });
        self.state(agent, AgentStatus::Working).calls(agent)
    }

    pub(crate) fn call(&self, agent: usize) -> CallId {
        CallId { agent: no(agent), number: self.calls[agent] }
    }

    pub(crate) fn calls(&mut self, agent: usize) -> &mut Self {
        self.calls[agent] += 1;
        let call = self.call(agent);
        let reserved_cost = Some(Usd::from_dollars(0.05));
        self.event(Event::ModelCallStarted {
            call,
            purpose: Purpose::Coordinate,
            reserved_tokens: 20_000,
            reserved_cost,
        })
    }

    pub(crate) fn replies(&mut self, agent: usize, text: &str, cost: Option<f64>) -> &mut Self {
        let usage = TokenUsage { input: 3_200, output: 450, cached_input: 1_024, ..TokenUsage::default() };
        let reply = Arc::new(Reply {
            items: vec![ItemContent::Text { text: text.into() }.into()],
            finish: FinishReason::ToolCalls,
            usage,
            reported_cost: None,
            first_token_after: Duration::from_millis(300),
            duration: Duration::from_secs(2),
            origin: None,
        });
        let outcome = CallOutcome::Replied { reply, cost: cost.map(Usd::from_dollars) };
        let call = self.call(agent);
        self.event(Event::ModelCallFinished { call, outcome })
    }

    pub(crate) fn fails(&mut self, agent: usize, message: &str) -> &mut Self {
        let failure = ModelFailure { kind: FailureKind::Unauthorized, message: message.into(), attempts: 1 };
        let call = self.call(agent);
        self.event(Event::ModelCallFinished {
            call,
            outcome: CallOutcome::Failed { failure: failure.clone() },
        });
        self.state(agent, AgentStatus::Out { cause: OutCause::ModelFailed { failure } })
    }

    pub(crate) fn retries(&mut self, agent: usize, message: &str) -> &mut Self {
        let call = self.call(agent);
        let delay = Duration::from_millis(1500);
        self.event(Event::ModelCallRetried {
            call,
            attempt: 1,
            kind: FailureKind::RateLimited,
            message: message.into(),
            delay,
        })
    }

    pub(crate) fn answers(&mut self, agent: usize, content: &str) -> &mut Self {
        let label = no(agent).label(self.current.get(no(agent)) + 1);
        let seen = self.current.clone();
        self.current.include(label);
        self.event(Event::AnswerAccepted { label, content: content.into(), seen, snapshot: None });
        self.state(agent, AgentStatus::Answered)
    }

    pub(crate) fn sees(&mut self, agent: usize, answers: &[&str]) -> &mut Self {
        let news = News { answers: answers.iter().map(|text| label(text)).collect(), ..News::default() };
        self.event(Event::PromptExtended {
            agent: no(agent),
            turn: Turn::Update(news),
            occasion: Occasion::ExecutionStart,
        })
    }

    pub(crate) fn votes(&mut self, voter: usize, answer: &str, reason: &str) -> &mut Self {
        let seen = self.current.clone();
        self.event(Event::VoteCast { voter: no(voter), answer: label(answer), reason: reason.into(), seen });
        self.state(voter, AgentStatus::Voted)
    }

    pub(crate) fn vote_is_ignored(&mut self, voter: usize, answer: &str, newer: &[&str]) -> &mut Self {
        let newer = newer.iter().map(|text| label(text)).collect();
        self.event(Event::VoteIgnored {
            voter: no(voter),
            answer: label(answer),
            reason: "clear".into(),
            newer,
        })
    }

    pub(crate) fn is_refused(&mut self, agent: usize, refusal: Refusal) -> &mut Self {
        let call = self.call(agent);
        self.event(Event::SubmissionRefused { agent: no(agent), call, refusal })
    }

    pub(crate) fn waits(&mut self, agent: usize, on: WaitCause) -> &mut Self {
        self.state(agent, AgentStatus::Waiting { on })
    }

    pub(crate) fn degraded(&mut self, message: &str, agent: Option<usize>) -> &mut Self {
        self.event(Event::Degraded { message: message.into(), agent: agent.map(no) })
    }

    pub(crate) fn wins(&mut self, answer: &str, tally: &[(&str, u32)]) -> &mut Self {
        self.event(Event::CoordinationEnded { cause: EndCause::AllVoted });
        let tally =
            tally.iter().map(|(answer, votes)| TallyRow { answer: label(answer), votes: *votes }).collect();
        self.event(Event::WinnerSelected { answer: label(answer), tally, basis: WinnerBasis::MostVotes })
    }

    pub(crate) fn presents(&mut self, presenter: usize, content: &str) -> &mut Self {
        self.event(Event::PresentationStarted {
            presenter: no(presenter),
            strategy: FinalAnswerStrategy::WinnerPresent,
        });
        self.state(presenter, AgentStatus::Presenting).calls(presenter).after(2_000);
        self.replies(presenter, content, Some(0.004));
        self.event(Event::FinalAnswerReady {
            agent: no(presenter),
            content: content.into(),
            source: FinalSource::Presented,
            snapshot: None,
        })
    }

    pub(crate) fn finishes(&mut self, outcome: RunOutcome) -> &mut Self {
        let out = |agent: &usize| {
            self.events.iter().any(|envelope| match &envelope.event {
                Event::AgentStateChanged { agent: other, state: AgentStatus::Out { .. } } => {
                    *other == no(*agent)
                }
                _ => false,
            })
        };
        let live: Vec<usize> = (0..self.calls.len()).filter(|agent| !out(agent)).collect();
        for agent in live {
            self.state(agent, AgentStatus::Done);
        }
        self.event(Event::RunFinished { outcome })
    }

    pub(crate) fn text_delta(&self, agent: usize, text: &str) -> Delta {
        Delta { call: self.call(agent), kind: DeltaKind::Text, text: text.into() }
    }
}

pub(crate) const FINAL: &str = "\
# What causes the tides

The **moon** pulls on the water of the oceans; the *sun* helps a little.

| body | share |
|------|------:|
| moon | 68 %  |
| sun  | 32 %  |

- Spring tides: sun and moon in line
- Neap tides: at right angles

```python
height = moon + sun
```
";

/// Three agents answer, one fails, one vote comes too late, `agent_b` wins.
pub(crate) fn three_agents() -> History {
    let agents =
        vec![agent("agent_a", "gpt-5.4"), agent("agent_b", "qwen3-32b"), agent("agent_c", "claude-sonnet-5")];
    let budget = Budget { max_cost: Some(Usd::from_dollars(1.0)), max_tokens: Some(500_000) };
    let mut run = History::new(agents, budget);
    run.degraded("the price of `qwen3-32b` is unknown: its cost is not counted", Some(1));
    run.works(0).works(1).works(2);
    run.after(900).fails(2, "invalid x-api-key");
    run.after(600).retries(1, "Too Many Requests");
    run.after(2_000).replies(0, "I will explain it.\nThe moon's gravity raises two bulges.", Some(0.012));
    run.answers(0, "The tides are caused by the moon, and a little by the sun.");
    run.after(1_500).replies(1, "Moon and sun both pull.", None);
    run.answers(1, "The moon's gravity, helped by the sun, raises the water on both sides of the earth.");
    run.sees(0, &["agent2.1"]).works(0).sees(1, &["agent1.1"]).works(1);
    run.after(1_000).is_refused(0, Refusal::Duplicate { of: label("agent1.1") });
    run.after(1_000).replies(1, "I have a better one.", None);
    run.answers(1, "The moon's gravity, helped by the sun, raises two bulges; spring and neap tides follow.");
    run.after(500).replies(0, "I vote.", Some(0.009)).vote_is_ignored(0, "agent2.1", &["agent2.2"]);
    run.calls(0).after(1_500).replies(0, "I vote again.", Some(0.003));
    run.votes(0, "agent2.2", "It names both bulges and explains spring and neap tides, which mine does not.");
    run.works(1).after(1_000).replies(1, "My answer stands.", None).votes(1, "agent2.2", "nothing to add");
    run.wins("agent2.2", &[("agent2.2", 2)]);
    run.presents(1, FINAL);
    run.finishes(RunOutcome::Answered);
    run
}

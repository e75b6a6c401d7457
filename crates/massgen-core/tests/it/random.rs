//! Random histories: whatever agents, tools, people and clocks do, the rules hold.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use massgen_core::{Effect, Input, Open, Phase, replay};
use massgen_protocol::event::{AgentStatus, CallOutcome, Event, RunOutcome};
use massgen_protocol::message::{FailureKind, FinishReason, ItemContent, ModelFailure, Purpose};
use massgen_protocol::spec::{
    Continuation, FinalAnswerStrategy, Novelty, PeerUpdates, Presentation, RunSpec, Voting,
};
use massgen_protocol::{AgentNo, AnswerLabel, CallId, Command, Note, RevisionSet, TokenUsage, ToolOutcome};
use massgen_testkit::history::{History, answer, kept, reply, spec, text_item, vote, work, workspace};
use proptest::prelude::*;

/// Histories in a normal run; `PROPTEST_CASES` overrides.
const CASES: u32 = 10_000;

/// Steps after which everybody just answers and votes, so that a run must end.
const RANDOM_STEPS: usize = 60;

/// Steps after which a run that has not ended never will.
const MAX_STEPS: usize = 600;

#[derive(Debug, Clone)]
struct Options {
    workspaces: bool,
    tools_together: u32,
    agents: usize,
    per_agent: Option<u32>,
    global: Option<u32>,
    lead_cap: Option<u32>,
    novelty: Novelty,
    peer_updates: PeerUpdates,
    voting: Voting,
    final_answer: Option<FinalAnswerStrategy>,
    presentation: Presentation,
    continuation: Continuation,
    soft_seconds: Option<u64>,
    max_tokens: Option<u64>,
    window: Option<u64>,
    fallbacks: usize,
}

fn options() -> impl Strategy<Value = Options> {
    let limits =
        (proptest::option::of(1..4u32), proptest::option::of(1..8u32), proptest::option::of(1..3u32));
    let ways = (
        prop_oneof![Just(Novelty::Lenient), Just(Novelty::Balanced), Just(Novelty::Strict)],
        prop_oneof![
            Just(PeerUpdates::Inject),
            Just(PeerUpdates::AtRestart),
            Just(PeerUpdates::AtNextExecution)
        ],
        prop_oneof![4 => Just(Voting::WhenReady), 1 => Just(Voting::AfterAllAnswered), 1 => Just(Voting::Skip)],
        proptest::option::of(prop_oneof![
            Just(FinalAnswerStrategy::WinnerReuse),
            Just(FinalAnswerStrategy::WinnerPresent),
            Just(FinalAnswerStrategy::Synthesize)
        ]),
        prop_oneof![3 => Just(Presentation::Run), 1 => Just(Presentation::Skip)],
        prop_oneof![Just(Continuation::Auto { share_per_mille: 600 }), Just(Continuation::Fresh)],
    );
    let bounds = (
        proptest::option::of(10..60u64),
        proptest::option::weighted(0.2, 2_000..200_000u64),
        proptest::option::of(500..5_000u64),
        0..3usize,
    );
    let work = (any::<bool>(), 1..3u32);
    (1..5usize, limits, ways, bounds, work).prop_map(|(agents, limits, ways, bounds, work)| Options {
        workspaces: work.0,
        tools_together: work.1,
        agents,
        per_agent: limits.0,
        global: limits.1,
        lead_cap: limits.2,
        novelty: ways.0,
        peer_updates: ways.1,
        voting: ways.2,
        final_answer: ways.3,
        presentation: ways.4,
        continuation: ways.5,
        soft_seconds: bounds.0,
        max_tokens: bounds.1,
        window: bounds.2,
        fallbacks: bounds.3,
    })
}

fn run_spec(options: &Options) -> RunSpec {
    let ids = ["delta", "alpha", "charlie", "bravo"];
    let mut spec = spec(&ids[..options.agents]);
    let orchestration = &mut spec.orchestration;
    orchestration.max_new_answers_per_agent = options.per_agent.and_then(NonZeroU32::new);
    orchestration.max_new_answers_global = options.global.and_then(NonZeroU32::new);
    orchestration.fairness_lead_cap = options.lead_cap.and_then(NonZeroU32::new);
    orchestration.novelty = options.novelty;
    orchestration.peer_updates = options.peer_updates;
    orchestration.voting = options.voting;
    orchestration.final_answer = options.final_answer;
    orchestration.presentation = options.presentation;
    orchestration.continuation = options.continuation;
    spec.timeouts.orchestrator = Duration::from_mins(10);
    spec.timeouts.subsequent_round = options.soft_seconds.map(Duration::from_secs);
    spec.timeouts.initial_round = options.soft_seconds.map(Duration::from_secs);
    spec.timeouts.round_grace = Duration::from_secs(5);
    spec.budget.max_tokens = options.max_tokens;
    for agent in &mut spec.agents {
        agent.backend.max_output_tokens = Some(400);
        agent.backend.context_window = options.window;
        agent.fallback = vec![agent.backend.clone(); options.fallbacks];
        agent.tooling.concurrent = NonZeroU32::new(options.tools_together).unwrap();
        agent.workspace = options.workspaces.then(|| Box::new(workspace(agent.id.as_str())));
    }
    spec
}

/// A run under random influence, and what the influence has said.
struct Random {
    history: History,
    /// What each voter voted for last, by its own words.
    intended: BTreeMap<AgentNo, AgentNo>,
    texts: usize,
}

impl Random {
    fn step(&mut self, choice: u32) {
        let open = Open::wanted(&self.history.state);
        if self.history.state.is_interrupted() {
            return self.history.input(Input::Resumed);
        }
        let keeping: Vec<CallId> = open.keeping.iter().copied().collect();
        let calls: Vec<(CallId, Purpose)> = open.calls.into_iter().collect();
        let tools: Vec<_> = open.tools.into_iter().collect();
        match choice % 100 {
            0..=1 => return self.history.input(Input::Command(Command::Interrupt)),
            2..=3 => {
                let note = Note { content: "note".into(), source: "human".into(), targets: None };
                return self.history.input(Input::Command(Command::Steer(note)));
            }
            4 => return self.history.input(Input::Command(Command::AnswerNow)),
            5..=7 => {
                return self.history.pass(Duration::from_secs(u64::from(choice / 100 % 40)));
            }
            // A crash: the state is what the journal gives.
            8..=9 => {
                self.history.state = replay(&self.history.events).expect("a history replays");
                return self.history.input(Input::Resumed);
            }
            _ => {}
        }
        let pick = usize::try_from(choice / 100).unwrap_or(0);
        if !keeping.is_empty() && (calls.is_empty() || choice.is_multiple_of(2)) {
            let call = keeping[pick % keeping.len()];
            return self
                .history
                .input(kept(call, (!choice.is_multiple_of(5)).then(|| format!("{}", choice % 7))));
        }
        if !tools.is_empty() && (calls.is_empty() || choice.is_multiple_of(3)) {
            let tool_use = tools[pick % tools.len()];
            let outcome = ToolOutcome::ok("ok");
            return self.history.input(Input::ToolFinished {
                tool_use,
                outcome,
                duration: Duration::ZERO,
                decisions: Vec::new(),
            });
        }
        if let Some((call, _)) = calls.get(pick % calls.len().max(1)).copied() {
            self.reply(call, choice);
        }
    }

    fn reply(&mut self, call: CallId, choice: u32) {
        let target =
            AgentNo::from_index(usize::try_from(choice / 7).unwrap_or(0) % self.history.state.agents().len());
        self.texts += 1;
        let fresh = format!("answer {} of {} words {}", self.texts, call.agent, self.texts * 31);
        let items: Vec<ItemContent> = match choice / 1000 % 16 {
            0..=5 => vec![answer(&fresh)],
            6..=9 => vec![vote(&target.to_string())],
            10 => vec![answer("the same words again")],
            11 => vec![work("look"), work("touch")],
            12 => vec![text_item("only words")],
            13 => vec![answer(&fresh), vote("agent1")],
            14 => vec![work("look"), vote(&target.to_string())],
            _ => {
                let kind =
                    if choice.is_multiple_of(2) { FailureKind::ContextOverflow } else { FailureKind::Server };
                let failure = ModelFailure { kind, message: "no".into(), attempts: 3 };
                return self.history.input(Input::ModelFailed { call, failure });
            }
        };
        self.intended.insert(call.agent, target);
        let finish = match choice / 16_000 % 12 {
            0 => FinishReason::Length,
            1 => FinishReason::Paused,
            2 => FinishReason::Refusal,
            3 => FinishReason::ContentFilter,
            4 => FinishReason::WindowFull,
            5 => FinishReason::Incomplete,
            _ => FinishReason::Stop,
        };
        self.send(call, items, finish);
    }

    /// Everybody does what ends a run: answers when there is nothing to vote for, votes otherwise.
    fn finish_step(&mut self) {
        if self.history.state.is_interrupted() {
            return self.history.input(Input::Resumed);
        }
        let open = Open::wanted(&self.history.state);
        if let Some(call) = open.keeping.iter().next() {
            return self.history.input(kept(*call, Some(call.to_string())));
        }
        if let Some(tool_use) = open.tools.iter().next() {
            let outcome = ToolOutcome::ok("ok");
            return self.history.input(Input::ToolFinished {
                tool_use: *tool_use,
                outcome,
                duration: Duration::ZERO,
                decisions: Vec::new(),
            });
        }
        let Some((call, purpose)) = open.calls.into_iter().next() else {
            return;
        };
        let agent = self.history.state.agent(call.agent).unwrap();
        let candidate = agent.seen().labels().next().map(|label| label.agent);
        self.texts += 1;
        let items = match (purpose, candidate) {
            (Purpose::Coordinate, Some(target)) => {
                self.intended.insert(call.agent, target);
                vec![vote(&target.to_string())]
            }
            (Purpose::Summarize, _) => vec![text_item("what was done")],
            (Purpose::Coordinate, None) | (Purpose::Present, _) => {
                vec![answer(&format!("closing words {} {}", self.texts, call.agent))]
            }
        };
        self.send(call, items, FinishReason::Stop);
    }

    fn send(&mut self, call: CallId, items: Vec<ItemContent>, finish: FinishReason) {
        let mut reply = reply(items);
        reply.finish = finish;
        let reserved = self.history.events.iter().rev().find_map(|envelope| match &envelope.event {
            Event::ModelCallStarted { call: started, reserved_tokens, .. } if *started == call => {
                Some(*reserved_tokens)
            }
            _ => None,
        });
        let used = reserved.unwrap_or(0) / 2;
        reply.usage = TokenUsage { input: used / 2, output: used - used / 2, ..TokenUsage::default() };
        self.history.input(Input::ModelReplied { call, reply: Arc::new(reply) });
    }

    fn is_finished(&self) -> bool {
        matches!(self.history.state.phase(), Phase::Finished { .. })
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_hold_in_random_histories(
        options in options(),
        choices in proptest::collection::vec(any::<u32>(), RANDOM_STEPS),
    ) {
        let history = History::start(run_spec(&options));
        let mut random = Random { history, intended: BTreeMap::new(), texts: 0 };
        let mut steps = 0;
        let mut choices = choices.into_iter();
        while !random.is_finished() {
            match choices.next() {
                Some(choice) => random.step(choice),
                None => random.finish_step(),
            }
            steps += 1;
            prop_assert!(steps < MAX_STEPS, "the run does not end: {}", random.history.summary());
            let open = Open::wanted(&random.history.state);
            let waits = open == Open::default() && !random.history.state.is_interrupted();
            prop_assert!(!waits || random.is_finished(), "deadlock: {}", random.history.summary());
            check_last_votes(&random)?;
            check_budget(&random.history, &options)?;
        }
        check_replay(&random.history)?;
        check_winner(&random.history)?;
        check_answers(&random.history)?;
        check_calls(&random.history)?;
    }
}

/// Every vote is credited to the agent that its voter named.
fn check_last_votes(random: &Random) -> Result<(), TestCaseError> {
    for envelope in random.history.events.iter().rev().take(8) {
        if let Event::VoteCast { voter, answer, .. } = &envelope.event
            && matches!(random.history.state.agent(*voter).unwrap().status(), AgentStatus::Voted)
        {
            prop_assert_eq!(Some(&answer.agent), random.intended.get(voter));
        }
    }
    Ok(())
}

fn check_budget(history: &History, options: &Options) -> Result<(), TestCaseError> {
    if let Some(max) = options.max_tokens {
        prop_assert!(history.state.spent().0 <= max, "spent {} of {max}", history.state.spent().0);
    }
    Ok(())
}

fn check_replay(history: &History) -> Result<(), TestCaseError> {
    let replayed = replay(&history.events).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(&replayed, &history.state);
    Ok(())
}

/// The winner follows from the events alone: a recount that shares no code with the state machine.
fn check_winner(history: &History) -> Result<(), TestCaseError> {
    let mut current = RevisionSet::empty(history.state.agents().len());
    let mut votes: BTreeMap<AgentNo, (AnswerLabel, RevisionSet)> = BTreeMap::new();
    let mut winner = None;
    let mut outcome = None;
    for envelope in &history.events {
        match &envelope.event {
            Event::AnswerAccepted { label, .. } => current.include(*label),
            Event::VoteCast { voter, answer, seen, .. } => {
                votes.insert(*voter, (*answer, seen.clone()));
            }
            Event::ExecutionStarted { agent, .. } if winner.is_none() => {
                votes.remove(agent);
            }
            Event::WinnerSelected { answer, tally, .. } => {
                let mut recount: BTreeMap<AnswerLabel, u32> = BTreeMap::new();
                for (label, _) in votes.values().filter(|(_, seen)| *seen == current) {
                    *recount.entry(*label).or_default() += 1;
                }
                let told: BTreeMap<_, _> = tally.iter().map(|row| (row.answer, row.votes)).collect();
                prop_assert_eq!(&told, &recount);
                let most = recount.values().max().copied();
                prop_assert!(
                    most.is_none() || recount.get(answer).copied() == most,
                    "the winner has fewer votes"
                );
                winner = Some(*answer);
            }
            Event::RunFinished { outcome: ended } => outcome = Some(*ended),
            _ => {}
        }
    }
    let has_answer = current.labels().next().is_some();
    prop_assert_eq!(winner.is_some(), has_answer, "a winner exactly when an answer exists");
    prop_assert_eq!(outcome == Some(RunOutcome::Answered), has_answer);
    Ok(())
}

/// No accepted answer is lost or changed, and labels are dense.
fn check_answers(history: &History) -> Result<(), TestCaseError> {
    let mut count = 0;
    for envelope in &history.events {
        if let Event::AnswerAccepted { label, content, .. } = &envelope.event {
            count += 1;
            prop_assert_eq!(&history.state.answer(*label).unwrap().content, content);
        }
    }
    let kept: usize = history.state.agents().iter().map(|agent| agent.answers().len()).sum();
    prop_assert_eq!(kept, count);
    Ok(())
}

/// A call is announced before it is made, announced once, and never made again after it has ended.
fn check_calls(history: &History) -> Result<(), TestCaseError> {
    let mut announced = BTreeSet::new();
    let mut replied = BTreeSet::new();
    for envelope in &history.events {
        match &envelope.event {
            Event::ModelCallStarted { call, .. } => {
                prop_assert!(announced.insert(*call), "{call} announced twice");
            }
            Event::ModelCallFinished { call, outcome } => {
                prop_assert!(announced.contains(call));
                if matches!(outcome, CallOutcome::Replied { .. }) {
                    prop_assert!(replied.insert(*call), "{call} replied to twice");
                }
            }
            _ => {}
        }
    }
    for effect in &history.effects {
        if let Effect::CallModel { call, .. } = effect {
            prop_assert!(announced.contains(call), "{call} made without being announced");
        }
    }
    Ok(())
}

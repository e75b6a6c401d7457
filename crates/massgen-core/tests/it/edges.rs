//! What happens at the edges: two things in one moment, deadlines that come too late, replies that are too much.

use std::num::NonZeroU32;
use std::time::Duration;

use massgen_core::{Input, Open, Timer, replay};
use massgen_protocol::event::{AgentStatus, CallOutcome, Event};
use massgen_protocol::message::{Asking, ItemContent, NotRunCause, ToolDecision, ToolQuestion, ToolVerdict};
use massgen_protocol::spec::{FinalAnswerStrategy, RunSpec};
use massgen_protocol::{AnswerLabel, Command, Note, TokenUsage, ToolOutcome, ToolUse, limits};
use massgen_testkit::history::{History, answer, replied, reply, spec, vote, work};

fn with(ids: &[&str], change: impl FnOnce(&mut RunSpec)) -> History {
    let mut spec = spec(ids);
    change(&mut spec);
    History::start(spec)
}

#[test]
fn a_coordination_deadline_that_comes_with_the_last_vote_does_not_cut_the_presentation() {
    let mut history = History::start(spec(&["a", "b"])).play("a=x b=y a>agent1 b>agent1");
    history.input(Input::TimerFired(Timer::Coordination));
    assert_eq!(history.summary(), "a presenting 1 · b voted 1 · presenting agent1.1");
    assert!(history.play("a=fin").summary().ends_with("Presented `fin`"));
}

#[test]
fn nothing_is_recorded_after_the_end() {
    let mut history = History::start(spec(&["a"])).play("a!");
    let events = history.events.len();
    for timer in [Timer::Coordination, Timer::Run] {
        history.input(Input::TimerFired(timer));
    }
    assert_eq!(history.events.len(), events);
    assert!(matches!(history.events.last().unwrap().event, Event::RunFinished { .. }));
}

#[test]
fn the_last_votes_are_told_before_the_end() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.final_answer = Some(FinalAnswerStrategy::WinnerReuse);
    })
    .play("a=x b=y a>agent2 b>agent2");
    assert!(matches!(history.events.last().unwrap().event, Event::RunFinished { .. }));
    let told =
        history.count(|event| matches!(event, Event::AgentStateChanged { state: AgentStatus::Voted, .. }));
    assert_eq!(told, 2);
}

#[test]
fn an_interrupt_during_the_presentation_names_the_winner() {
    // The winner no longer counts as a voter while it presents; a recount would give the tie to the other one.
    let history = History::start(spec(&["a", "b"])).play("a=x b=y a>agent1 b>agent2 stop");
    let best: Vec<Option<AnswerLabel>> = history
        .events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::RunInterrupted { best } => Some(*best),
            _ => None,
        })
        .collect();
    assert_eq!(best, ["agent1.1".parse().ok()]);
    let resumed = history.play("go a=fin");
    assert!(resumed.summary().ends_with("Answered, agent1.1 by Tie, Presented `fin`"));
}

#[test]
fn a_presentation_that_arrives_with_the_deadline_is_taken() {
    let mut history = History::start(spec(&["a"])).play("a=x a>agent1");
    let call = history.call_of("a").unwrap();
    let deadline = history.state.spec().timeouts.orchestrator;
    // The engine hears what came before a deadline first, but at the time of the deadline.
    history.pass(deadline.saturating_sub(Duration::from_millis(1)));
    let late = history.now() + Duration::from_secs(1);
    let step = massgen_core::step(&history.state, late, replied(call, [answer("fin")]));
    assert!(
        step.events.iter().any(
            |event| matches!(event, Event::FinalAnswerReady { content, .. } if content.as_ref() == "fin")
        ),
        "{:?}",
        step.events
    );
}

#[test]
fn a_presenter_that_also_votes_has_presented() {
    let mut history = History::start(spec(&["a"])).play("a=x a>agent1");
    let call = history.call_of("a").unwrap();
    history.input(replied(call, [answer("fin"), vote("agent1")]));
    assert!(history.summary().ends_with("Presented `fin`"), "{}", history.summary());
}

#[test]
fn work_between_two_idle_replies_breaks_the_row() {
    let history = History::start(spec(&["a", "b"])).play("a? a? a~look a. a? a? a~look a. a? a?");
    assert_eq!(history.summary(), "a working 0 · b working 0 · coordinating");
    assert!(history.play("a?").summary().starts_with("a out(never_acted)"));
}

#[test]
fn a_provider_that_counts_absurdly_many_tokens_ends_the_budget_and_nothing_else() {
    let mut history = with(&["a", "b"], |spec| spec.budget.max_tokens = Some(1_000_000)).play("b=y");
    let call = history.call_of("a").unwrap();
    let mut absurd = reply([answer("x")]);
    absurd.usage = TokenUsage { input: u64::MAX, output: u64::MAX, ..TokenUsage::default() };
    history.input(Input::ModelReplied { call, reply: absurd.into() });
    assert!(history.summary().contains("StoredAsFallback"), "{}", history.summary());
    assert_eq!(history.state.spent().0, u64::MAX);
}

#[test]
fn a_reply_with_more_tool_calls_than_can_be_counted_is_survived() {
    let mut history = History::start(spec(&["a"]));
    let call = history.call_of("a").unwrap();
    history.input(replied(call, (0..70_000).map(|_| work("look"))));
    while !Open::wanted(&history.state).tools.is_empty() {
        history = history.play("a.");
    }
    let started = history.count(|event| matches!(event, Event::ToolCallStarted { .. }));
    assert_eq!(started, limits::TOOL_CALLS_PER_REPLY);
    let history = history.play("a=x");
    assert_eq!(history.summary(), "a working 1 · coordinating");
}

#[test]
fn only_so_many_tools_of_a_reply_run_together_and_the_next_begins_when_one_ends() {
    let mut history = with(&["a"], |spec| spec.agents[0].tooling.concurrent = NonZeroU32::new(2).unwrap());
    let call = history.call_of("a").unwrap();
    history.input(replied(call, (0..4).map(|_| work("look"))));
    let running = |history: &History| -> Vec<u16> {
        Open::wanted(&history.state).tools.iter().map(|tool_use| tool_use.index).collect()
    };
    assert_eq!(running(&history), [0, 1]);
    let ended = |index| Input::ToolFinished {
        tool_use: ToolUse { call, index },
        outcome: ToolOutcome::ok("seen"),
        duration: Duration::ZERO,
        decisions: Vec::new(),
    };
    history.input(ended(1));
    assert_eq!(running(&history), [0, 2]);
    // What had not begun when the process was killed did not happen, and begins now.
    let mut killed = history.clone();
    killed.state = replay(&killed.events).unwrap();
    killed.input(Input::Resumed);
    assert_eq!(running(&killed), [3]);
    history.input(ended(0));
    history.input(ended(2));
    assert_eq!(running(&history), [3]);
    assert_eq!(history.calls(), 1, "the model is asked again when all have ended");
    history.input(ended(3));
    assert_eq!(history.calls(), 2);
}

#[test]
fn a_call_that_a_person_is_still_asked_about_when_the_run_ends_was_not_started() {
    let mut history = History::start(spec(&["a"]));
    let call = history.call_of("a").unwrap();
    history.input(replied(call, (0..3).map(|_| work("look"))));
    let asks = |index, asking| Input::ToolAsks { tool_use: ToolUse { call, index }, asking };
    let question = ToolQuestion {
        wants: "run `make`".to_owned(),
        reason: "it may do harm".to_owned(),
        reply_in: "resp_1.json".to_owned(),
        time: Duration::from_mins(5),
    };
    for index in [0, 1] {
        history.input(asks(index, Asking::Asked { question: question.clone() }));
    }
    let problem = Asking::Misunderstood { reply_in: "resp_1.json".to_owned(), problem: "no JSON".to_owned() };
    history.input(asks(0, problem));
    history.input(asks(1, Asking::Over));
    history.state = replay(&history.events).unwrap();
    history.input(Input::Resumed);
    let outcomes: Vec<_> = history
        .events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::ToolCallFinished { outcome, .. } => Some(outcome.clone()),
            _ => None,
        })
        .collect();
    let not_run = ToolOutcome::NotRun { cause: NotRunCause::Unanswered };
    assert_eq!(outcomes, [not_run, ToolOutcome::Unknown, ToolOutcome::Unknown]);
}

#[test]
fn who_hears_of_a_refusal_goes_on_and_who_calls_what_does_not_exist_only_talks() {
    let decision = ToolDecision {
        action: "write_file".to_owned(),
        target: "/etc/passwd".to_owned(),
        verdict: ToolVerdict::Denied,
        rule: "tool".to_owned(),
        reason: "it is outside".to_owned(),
    };
    for (decisions, summary) in
        [(vec![decision], "a working 0 · coordinating"), (Vec::new(), "a out(never_acted) 0 · NoAnswer")]
    {
        let mut history = History::start(spec(&["a"]));
        for _ in 0..3 {
            let call = history.call_of("a").unwrap();
            history.input(replied(call, [work("look")]));
            history.input(Input::ToolFinished {
                tool_use: ToolUse { call, index: 0 },
                outcome: ToolOutcome::Denied { text: "no".to_owned() },
                duration: Duration::ZERO,
                decisions: decisions.clone(),
            });
        }
        assert_eq!(history.summary(), summary);
        assert_eq!(replay(&history.events).unwrap(), history.state);
    }
}

#[test]
fn an_agent_that_is_out_does_not_use_up_the_places_for_notes() {
    let mut history = History::start(spec(&["a", "b"])).play("a!");
    for n in 0..=limits::PENDING_NOTES {
        let note = Note { content: format!("note {n}"), source: "human".into(), targets: None };
        history.input(Input::Command(Command::Steer(note)));
        // Delivered at the next tool boundary.
        history = history.play("b~look b.");
    }
    assert_eq!(history.count(|event| matches!(event, Event::Degraded { .. })), 0);
}

#[test]
fn tool_results_count_only_as_far_as_a_prompt_shows_them() {
    let mut history = with(&["a"], |spec| {
        spec.budget.max_tokens = Some(100_000);
        spec.agents[0].backend.max_output_tokens = Some(1_000);
    })
    .play("a~look");
    let tool_use = *massgen_core::Open::wanted(&history.state).tools.first().unwrap();
    let outcome = ToolOutcome::ok("x".repeat(10 * limits::TOOL_RESULT_IN_PROMPT_BYTES));
    history.input(Input::ToolFinished { tool_use, outcome, duration: Duration::ZERO, decisions: Vec::new() });
    assert_eq!(history.summary(), "a working 0 · coordinating", "the next call fits the budget");
}

#[test]
fn a_cut_off_call_is_settled_and_leaves_a_conversation_that_a_model_can_go_on_with() {
    let history = with(&["a", "b"], |spec| {
        spec.timeouts.initial_round = Some(Duration::from_mins(1));
        spec.timeouts.round_grace = Duration::from_secs(10);
    })
    .play("b=y a~look +70s");
    let cut = history.count(|event| {
        matches!(event, Event::ToolCallFinished { outcome: ToolOutcome::CutOff, .. })
            || matches!(event, Event::ModelCallFinished { outcome: CallOutcome::Cancelled { .. }, .. })
    });
    assert_eq!(cut, 1, "the tool is cut off, not the call that asked for it");
    assert_eq!(history.play("a=x").summary(), "a working 1 · b working 1 · coordinating");
}

#[test]
fn a_winner_that_dropped_out_is_not_asked_to_present() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.max_new_answers_per_agent = NonZeroU32::new(2);
    });
    let history = history.play("a=x b=y a! b>agent1");
    assert!(
        history.summary().ends_with("Answered, agent1.1 by MostVotes, StoredAsFallback `x`"),
        "{}",
        history.summary()
    );
}

#[test]
fn a_killed_presentation_goes_on_at_every_cut() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.final_answer = Some(FinalAnswerStrategy::Synthesize);
    })
    .play("a=x b=y a>agent2 b>agent2 b~look b. b=fin");
    let presenting = history
        .events
        .iter()
        .position(|envelope| matches!(envelope.event, Event::PresentationStarted { .. }))
        .unwrap();
    for cut in presenting + 1..history.events.len() {
        let state = replay(&history.events[..cut]).unwrap();
        let mut resumed = history.clone();
        resumed.state = state;
        resumed.events.truncate(cut);
        resumed.input(Input::Resumed);
        for _ in 0..4 {
            resumed = resumed.play("b.");
            if let Some(call) = resumed.call_of("b") {
                resumed.input(replied(call, [answer("fin")]));
            }
        }
        assert!(resumed.summary().ends_with("Presented `fin`"), "cut at {cut}: {}", resumed.summary());
    }
}

#[test]
fn an_empty_reply_is_a_reply_without_a_decision() {
    let mut history = History::start(spec(&["a"]));
    let call = history.call_of("a").unwrap();
    history.input(replied(call, Vec::<ItemContent>::new()));
    assert_eq!(history.count(|event| matches!(event, Event::NoDecision { .. })), 1);
    assert_eq!(history.summary(), "a working 0 · coordinating");
}

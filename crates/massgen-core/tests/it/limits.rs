//! Answer limits, fairness, time and budget.

use std::num::NonZeroU32;
use std::time::Duration;

use massgen_protocol::event::{Event, RoundLimit};
use massgen_protocol::spec::{FinalAnswerStrategy, RunSpec};
use massgen_protocol::{Price, Usd};
use massgen_testkit::history::{History, spec};

fn with(ids: &[&str], change: impl FnOnce(&mut RunSpec)) -> History {
    let mut spec = spec(ids);
    change(&mut spec);
    History::start(spec)
}

#[test]
fn an_agent_that_has_used_up_its_answers_may_only_vote() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.max_new_answers_per_agent = NonZeroU32::new(1);
    });
    let history = history.play("a=x b=y a=again");
    assert_eq!(history.summary(), "a working 1 · b working 1 · coordinating");
    assert!(history.play("a>agent1 b>agent1 a=fin").summary().contains("Answered"));
}

#[test]
fn the_global_limit_lets_everybody_vote_at_once() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.max_new_answers_global = NonZeroU32::new(1);
    });
    let history = history.play("a=x b=late");
    assert_eq!(history.summary(), "a working 1 · b working 0 · coordinating");
    let history = history.play("b>agent1 a>agent1 a=fin");
    assert!(history.summary().contains("Answered, agent1.1"), "{}", history.summary());
}

#[test]
fn fairness_parks_the_leader_until_its_peers_catch_up() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.fairness_lead_cap = NonZeroU32::new(1);
    });
    let history = history.play("a=1 b=1b a=2");
    assert_eq!(history.summary(), "a waiting(slower_peers) 2 · b working 1 · coordinating");
    let history = history.play("b=2b");
    assert_eq!(history.summary(), "a working 2 · b working 2 · coordinating");
}

#[test]
fn a_first_answer_is_never_unfair() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.fairness_lead_cap = NonZeroU32::new(1);
    });
    assert!(history.play("a=1").summary().starts_with("a answered 1"));
}

fn timed() -> History {
    with(&["a", "b"], |spec| {
        spec.timeouts.initial_round = Some(Duration::from_mins(1));
        spec.timeouts.round_grace = Duration::from_secs(10);
    })
}

fn limits(history: &History) -> Vec<RoundLimit> {
    history
        .events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::RoundLimitReached { limit, .. } => Some(*limit),
            _ => None,
        })
        .collect()
}

#[test]
fn round_limits_are_real_timers_soft_then_hard_then_out() {
    let history = timed().play("b=y +60s");
    assert_eq!(limits(&history), [RoundLimit::Soft]);
    let calls = history.calls();
    let history = history.play("+10s");
    assert_eq!(limits(&history), [RoundLimit::Soft, RoundLimit::Hard]);
    assert_eq!(history.calls(), calls + 1, "the stream is cut and a last call made");
    let history = history.play("+29s");
    assert!(history.summary().starts_with("a working 0"), "the last call has time: {}", history.summary());
    let history = history.play("+1s");
    assert!(history.summary().starts_with("a out(timed_out) 0"), "{}", history.summary());
}

#[test]
fn without_grace_an_agent_is_still_asked_before_it_is_out() {
    let history = with(&["a", "b"], |spec| {
        spec.timeouts.initial_round = Some(Duration::from_mins(1));
        spec.timeouts.round_grace = Duration::ZERO;
    });
    let history = history.play("b=y +60s");
    assert_eq!(limits(&history), [RoundLimit::Soft, RoundLimit::Hard]);
    assert_eq!(history.play("a=x").summary(), "a working 1 · b working 1 · coordinating");
}

#[test]
fn after_the_hard_limit_work_tools_do_not_run_but_answers_count() {
    let history = timed().play("b=y +70s a~write");
    assert_eq!(history.count(|event| matches!(event, Event::ToolCallStarted { .. })), 0);
    assert_eq!(history.play("a=x").summary(), "a working 1 · b working 1 · coordinating");
}

#[test]
fn a_person_can_ask_for_answers_now() {
    let history = History::start(spec(&["a", "b"])).play("a~look now a.");
    assert_eq!(limits(&history), [RoundLimit::Soft, RoundLimit::Soft]);
    let turn = serde_json::to_value(history.state.agents()[0].conversation().last()).unwrap();
    assert_eq!(turn["news"]["directive"]["directive"], "wrap_up");
}

#[test]
fn the_deadline_ends_with_the_latest_answer_presented_within_the_reserve() {
    let history = with(&["a", "b"], |spec| {
        spec.timeouts.orchestrator = Duration::from_secs(100);
    })
    .play("a=x b=y b=z +90s");
    assert_eq!(history.summary(), "a done 1 · b presenting 2 · presenting agent2.2");
    let in_time = history.clone().play("b=fin");
    assert!(
        in_time.summary().ends_with("Answered, agent2.2 by LatestAnswer, Presented `fin`"),
        "{}",
        in_time.summary()
    );
    let too_late = history.play("+10s");
    assert!(too_late.summary().ends_with("StoredAsFallback `z`"), "{}", too_late.summary());
}

#[test]
fn a_deadline_without_answers_asks_for_them_and_then_gives_up() {
    let history = with(&["a", "b"], |spec| {
        spec.timeouts.orchestrator = Duration::from_secs(100);
    })
    .play("+90s");
    assert_eq!(limits(&history), [RoundLimit::Hard, RoundLimit::Hard]);
    let saved = history.clone().play("b=late");
    assert!(saved.summary().contains("presenting agent2.1"), "{}", saved.summary());
    let lost = history.play("+10s");
    assert_eq!(lost.summary(), "a done 0 · b done 0 · DeadlineWithoutAnswer");
}

#[test]
fn without_a_presentation_there_is_no_reserve() {
    let history = with(&["a"], |spec| {
        spec.timeouts.orchestrator = Duration::from_secs(100);
        spec.orchestration.final_answer = Some(FinalAnswerStrategy::WinnerReuse);
    });
    let history = history.play("a=x +99s");
    assert_eq!(history.summary(), "a working 1 · coordinating");
    assert!(history.play("+1s").summary().contains("Answered"));
}

#[test]
fn a_token_budget_ends_with_the_best_answer_so_far_and_is_never_exceeded() {
    let history = with(&["a"], |spec| {
        spec.budget.max_tokens = Some(1_000);
        spec.agents[0].backend.max_output_tokens = Some(500);
    });
    let history = history.play("a=x");
    assert_eq!(history.summary(), "a working 1 · coordinating");
    let history = history.play("a? a?");
    assert!(
        history.summary().ends_with("Answered, agent1.1 by LatestAnswer, StoredAsFallback `x`"),
        "{}",
        history.summary()
    );
    assert!(history.state.spent().0 <= 1_000);
}

#[test]
fn a_budget_too_small_for_the_first_call_says_so() {
    let history = with(&["a", "b"], |spec| spec.budget.max_tokens = Some(10));
    assert!(history.summary().ends_with("BudgetWithoutAnswer"), "{}", history.summary());
    assert_eq!(history.calls(), 0);
}

#[test]
fn money_is_reserved_before_a_call_and_settled_after_it() {
    let history = with(&["a", "b"], |spec| {
        for agent in &mut spec.agents {
            agent.backend.max_output_tokens = Some(1_000);
            agent.backend.price = Some(Price { output: 1_000_000_000, ..Price::FREE });
        }
        // One call reserves a thousandth of a dollar; only one fits at a time.
        spec.budget.max_cost = Some(Usd::from_dollars(0.0015));
    });
    assert_eq!(history.calls(), 1, "the second agent waits for the first call to be settled");
    let history = history.play("a=x");
    assert_eq!(history.calls(), 2);
    assert_eq!(history.state.spent().1, Usd::from_nanos(20_000));
}

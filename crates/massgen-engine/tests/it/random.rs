//! Random sessions that are killed and interrupted at random: whatever happens, the rules of a session hold.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::time::Duration;

use massgen_core::{Phase, advance, replay};
use massgen_ports::SessionEnd;
use massgen_protocol::event::{CallOutcome, EndCause, RunOutcome};
use massgen_protocol::spec::{Continuation, FinalAnswerStrategy, Novelty, PeerUpdates, RunSpec, Voting};
use massgen_protocol::turn::Turn;
use massgen_protocol::{Envelope, Event, ModelRequest};
use massgen_testkit::history::spec;
use proptest::prelude::*;

use crate::lives::{Fate, Life, dice, paid, whole_run};

/// Runs in a normal test; `PROPTEST_CASES` overrides.
const CASES: u32 = 400;

/// A specification that follows from `seed`.
pub(crate) fn random_spec(seed: u64) -> RunSpec {
    let roll = |salt: u64, sides: u64| dice((seed, "spec", salt)) % sides;
    let ids = ["delta", "alpha", "charlie", "bravo"];
    let agents = usize::try_from(roll(1, 4)).unwrap() + 1;
    let mut spec = spec(&ids[..agents]);
    let number = |salt: u64, sides: u64| NonZeroU32::new(u32::try_from(roll(salt, sides)).unwrap());
    let options = &mut spec.orchestration;
    options.max_new_answers_per_agent = number(2, 4);
    options.max_new_answers_global = number(3, 9);
    options.fairness_lead_cap = number(4, 3);
    options.novelty =
        [Novelty::Lenient, Novelty::Lenient, Novelty::Balanced][usize::try_from(roll(5, 3)).unwrap()];
    options.peer_updates = [PeerUpdates::Inject, PeerUpdates::AtRestart, PeerUpdates::AtNextExecution]
        [usize::try_from(roll(6, 3)).unwrap()];
    options.voting = [Voting::WhenReady, Voting::WhenReady, Voting::AfterAllAnswered, Voting::Skip]
        [usize::try_from(roll(7, 4)).unwrap()];
    options.final_answer = [
        None,
        Some(FinalAnswerStrategy::WinnerPresent),
        Some(FinalAnswerStrategy::Synthesize),
        Some(FinalAnswerStrategy::WinnerReuse),
    ][usize::try_from(roll(8, 4)).unwrap()];
    if roll(9, 3) == 0 {
        options.continuation = Continuation::Fresh;
    }
    spec.timeouts.orchestrator = match roll(17, 5) {
        0 => Duration::from_millis(50 + roll(10, 1_000)),
        _ => Duration::from_secs(20 + roll(10, 60)),
    };
    if roll(11, 2) == 0 {
        spec.timeouts.initial_round = Some(Duration::from_millis(200 + roll(12, 2_000)));
        spec.timeouts.subsequent_round = Some(Duration::from_millis(200 + roll(13, 2_000)));
        spec.timeouts.round_grace = Duration::from_millis(100 + roll(14, 400));
    }
    if roll(15, 4) == 0 {
        spec.budget.max_tokens = Some(2_000 + roll(16, 8_000));
    }
    for agent in &mut spec.agents {
        agent.backend.max_output_tokens = Some(400);
    }
    spec
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        3 => (1..40u64).prop_map(Fate::DiesAfter),
        3 => (1..40u64).prop_map(Fate::DiesBefore),
        1 => Just(Fate::IsInterrupted),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(CASES),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_rules_of_a_session_hold_through_any_number_of_deaths(
        seed in any::<u64>(),
        fates in proptest::collection::vec(fate(), 0..5),
    ) {
        let spec = random_spec(seed);
        let lives = whole_run(seed, &spec, &fates);
        for life in &lives {
            prop_assert!(life.complaints.is_empty(), "{:?}", life.complaints);
        }
        check_end(&lives)?;
        check_payments(&lives)?;
        check_prompts(&lives)?;
        check_tools(&lives)?;
        check_units(&lives)?;
        check_notes(&lives.last().unwrap().stored())?;
        check_budget(&spec, &lives.last().unwrap().stored())?;
    }
}

/// The run ends, with an answer exactly when there is one, and nothing is left to be drawn from its last state.
fn check_end(lives: &[Life]) -> Result<(), TestCaseError> {
    let last = lives.last().unwrap();
    let stored = last.stored();
    let mut state = replay(&stored).unwrap();
    let has_answer = state.agents().iter().any(|agent| !agent.answers().is_empty());
    let Some(SessionEnd::Finished(outcome)) = last.end else {
        return Err(TestCaseError::fail(format!("the run ended as {:?}", last.end)));
    };
    prop_assert_eq!(outcome == RunOutcome::Answered, has_answer);
    prop_assert_eq!(state.phase(), &Phase::Finished { outcome });
    prop_assert!(
        matches!(stored.last().unwrap().event, Event::RunFinished { .. }),
        "something follows the end"
    );
    let now = state.now();
    prop_assert_eq!(advance(&mut state, now), []);
    Ok(())
}

/// No call is made again once its reply is stored, and none twice in one life.
fn check_payments(lives: &[Life]) -> Result<(), TestCaseError> {
    for (life, past) in lives.iter().skip(1).zip(lives) {
        let paid = paid(&past.stored());
        for request in &life.requests {
            let call = request.context.call.to_string();
            prop_assert!(!paid.contains(&call), "{call} is paid twice");
        }
    }
    for life in lives {
        let calls: BTreeSet<_> = life.requests.iter().map(|request| request.context.call).collect();
        prop_assert_eq!(calls.len(), life.requests.len(), "a call is made twice in one life");
    }
    Ok(())
}

/// A call that is made again is the same call, byte for byte.
fn check_prompts(lives: &[Life]) -> Result<(), TestCaseError> {
    let mut first: BTreeMap<String, &ModelRequest> = BTreeMap::new();
    for request in lives.iter().flat_map(|life| &life.requests) {
        let original = *first.entry(request.context.call.to_string()).or_insert(request);
        prop_assert_eq!(&original.messages, &request.messages);
        prop_assert_eq!(&original.system, &request.system);
        prop_assert_eq!(&original.tools, &request.tools);
        prop_assert_eq!(original.max_output_tokens, request.max_output_tokens);
        prop_assert_eq!(&original.context.candidates, &request.context.candidates);
    }
    Ok(())
}

/// A tool that was begun is never begun again.
fn check_tools(lives: &[Life]) -> Result<(), TestCaseError> {
    let mut begun = BTreeSet::new();
    for tool_use in lives.iter().flat_map(|life| &life.uses) {
        prop_assert!(begun.insert(*tool_use), "{tool_use} ran twice");
    }
    Ok(())
}

/// At every boundary between two appends the journal alone says what comes next: the consequences of a fact are those
/// that a replay draws, and the consequences of consequences are none.
fn check_units(lives: &[Life]) -> Result<(), TestCaseError> {
    for life in lives {
        let mut past: Vec<Envelope> = Vec::new();
        for (unit, next) in life.appends.iter().zip(life.appends.iter().skip(1)) {
            past.extend(unit.iter().cloned());
            let is_start_of_life = unit.last().is_none_or(|last| life.appends[0].last() == Some(last));
            if is_start_of_life {
                continue;
            }
            let mut state = replay(&past).unwrap();
            let now = state.now();
            let drawn = advance(&mut state, now);
            if !drawn.is_empty() {
                let stored: Vec<_> = next.iter().map(|envelope| envelope.event.clone()).collect();
                prop_assert_eq!(drawn, stored, "after event {}", past.len());
            }
        }
    }
    Ok(())
}

/// When all have voted, every voter has been told every note.
fn check_notes(events: &[Envelope]) -> Result<(), TestCaseError> {
    let is_end = |envelope: &&Envelope| {
        matches!(envelope.event, Event::CoordinationEnded { cause: EndCause::AllVoted })
    };
    let Some(end) = events.iter().find(is_end).map(|envelope| envelope.seq) else { return Ok(()) };
    let (mut told, mut notes, mut voters) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    for envelope in events.iter().filter(|envelope| envelope.seq < end) {
        match &envelope.event {
            Event::NoteReceived { id, .. } => notes.push(*id),
            Event::PromptExtended {
                agent,
                turn: Turn::Opening(news) | Turn::Update(news) | Turn::Results { news, .. },
                ..
            } => told.extend(news.notes.iter().map(|id| (*agent, *id))),
            Event::ExecutionStarted { agent, .. } => drop(voters.remove(agent)),
            Event::VoteCast { voter, .. } => drop(voters.insert(*voter)),
            _ => {}
        }
    }
    for voter in voters {
        for note in &notes {
            prop_assert!(told.contains(&(voter, *note)), "{voter} voted without having read {note:?}");
        }
    }
    Ok(())
}

/// What is settled never exceeds the budget.
fn check_budget(spec: &RunSpec, events: &[Envelope]) -> Result<(), TestCaseError> {
    let Some(max) = spec.budget.max_tokens else { return Ok(()) };
    let spent: u64 = events
        .iter()
        .map(|envelope| match &envelope.event {
            Event::ModelCallFinished { outcome: CallOutcome::Replied { reply, .. }, .. } => {
                reply.usage.total()
            }
            Event::ModelCallFinished { outcome: CallOutcome::Cancelled { usage, .. }, .. } => usage.total(),
            _ => 0,
        })
        .sum();
    prop_assert!(spent <= max, "spent {spent} of {max}");
    Ok(())
}

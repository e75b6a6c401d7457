//! The view is a function of the events.

use std::time::Duration;

use massgen_protocol::event::{AgentStatus, RunOutcome, WaitCause};
use massgen_protocol::spec::Budget;
use massgen_protocol::turn::TallyRow;
use massgen_protocol::{Delta, DeltaKind, Event, RunMillis, ToolCall, ToolOutcome, ToolUse, Usd};
use massgen_view::{Line, Phase, RunView, Spent};

use crate::history::{History, agent, label, no, simulated, three_agents};

#[test]
fn a_view_that_subscribes_again_from_any_number_equals_one_that_never_left() {
    let run = three_agents();
    let whole = RunView::of(&run.events);
    for known in 0..=run.events.len() {
        let mut view = RunView::of(&run.events[..known]);
        assert_eq!(view, RunView::of(&run.events[..known]), "same prefix, same view");
        let again = known.saturating_sub(3);
        for envelope in &run.events[again..] {
            view.apply(envelope);
        }
        assert_eq!(view, whole, "subscribed again from {again} knowing {known}");
    }
}

#[test]
fn deltas_show_what_is_being_written_and_leave_nothing_behind() {
    let run = three_agents();
    let mut watched = RunView::default();
    let mut heard = false;
    for envelope in &run.events {
        watched.apply(envelope);
        if let Event::ModelCallStarted { call, .. } = &envelope.event {
            for text in ["line one\nline t", "wo grows"] {
                let kind = DeltaKind::Text;
                watched.apply_delta(&Delta { call: *call, kind, text: text.into() });
            }
            let agent = watched.agent(call.agent).unwrap();
            assert_eq!(agent.last_line(), Line::Growing("line two grows"));
            heard = true;
        }
    }
    assert!(heard);
    assert_eq!(watched, RunView::of(&run.events));
    watched.apply_delta(&run.text_delta(0, "too late"));
    assert_eq!(watched, RunView::of(&run.events), "a piece of a call that has ended changes nothing");
}

#[test]
fn an_answer_that_is_written_as_a_tool_argument_reads_like_text() {
    let mut run = History::new(vec![agent("a", "m")], Budget::default());
    run.works(0);
    let mut view = RunView::of(&run.events);
    for text in ["{\"content\": \"# Tides\\", "nThe \\\"moon\\\" \\u006", "dakes caf\\u00e9 tides"] {
        let (call, kind) = (run.call(0), DeltaKind::ToolArguments);
        view.apply_delta(&Delta { call, kind, text: text.into() });
    }
    assert_eq!(view.agents[0].last_line(), Line::Growing("The \"moon\" makes café tides"));
    let mut view = RunView::of(&run.events);
    let (call, kind) = (run.call(0), DeltaKind::ToolArguments);
    view.apply_delta(&Delta { call, kind, text: "{\"content\":\"done\"}".into() });
    assert_eq!(view.agents[0].last_line(), Line::Growing("done"));
}

#[test]
fn how_far_a_tool_is_stands_in_the_line_of_its_agent_until_the_tool_ends() {
    let mut run = History::new(vec![agent("a", "m")], Budget::default());
    run.works(0).replies(0, "I copy it.", None);
    let tool_use = ToolUse { call: run.call(0), index: 0 };
    let tool_call = ToolCall { id: "1".into(), name: "copy".into(), arguments: "{}".into() };
    run.event(Event::ToolCallStarted { tool_use, tool_call });
    let mut view = RunView::of(&run.events);
    let progress =
        |text: &str| Delta { call: tool_use.call, kind: DeltaKind::ToolProgress, text: text.into() };
    view.apply_delta(&progress("copy: 1 of 3"));
    view.apply_delta(&progress("copy: 2 of 3: half\u{1b}[2J"));
    assert_eq!(view.agents[0].last_line(), Line::Complete("copy: 2 of 3: half"));
    let (outcome, duration) = (ToolOutcome::ok("done"), Duration::ZERO);
    run.event(Event::ToolCallFinished { tool_use, outcome, duration, decisions: Vec::new() });
    for envelope in &run.events {
        view.apply(envelope);
    }
    view.apply_delta(&progress("copy: 3 of 3"));
    assert_eq!(view, RunView::of(&run.events), "what comes too late changes nothing");
}

#[test]
fn a_line_that_never_ends_is_kept_short() {
    let mut run = History::new(vec![agent("a", "m")], Budget::default());
    run.works(0);
    let mut view = RunView::of(&run.events);
    for _ in 0..10_000 {
        view.apply_delta(&run.text_delta(0, "日本語"));
    }
    view.apply_delta(&run.text_delta(0, "end"));
    let Line::Growing(line) = view.agents[0].last_line() else { panic!("nothing grows") };
    assert!(
        line.len() <= massgen_view::limits::STREAM_LINE_BYTES && line.ends_with("語end"),
        "{}",
        line.len()
    );
}

#[test]
fn a_vote_counts_until_a_newer_answer_comes() {
    let mut run = History::new(vec![agent("a", "m"), agent("b", "m")], Budget::default());
    run.works(0).works(1).answers(0, "first").votes(1, "agent1.1", "good");
    let view = RunView::of(&run.events);
    let vote = |view: &RunView| view.agents[1].vote.clone().unwrap();
    assert!(view.counts(&vote(&view)));
    assert_eq!(view.tally(), [TallyRow { answer: label("agent1.1"), votes: 1 }]);
    run.works(0).answers(0, "second");
    let view = RunView::of(&run.events);
    assert!(!view.counts(&vote(&view)));
    assert_eq!(view.tally(), []);
}

#[test]
fn money_and_tokens_are_held_while_a_call_is_under_way_and_settled_after_it() {
    let mut run = History::new(vec![agent("a", "m"), agent("b", "m")], Budget::default());
    run.works(0).works(1);
    let view = RunView::of(&run.events);
    assert_eq!((view.reserved().tokens, view.reserved().cost), (40_000, Usd::from_dollars(0.1)));
    run.replies(0, "x", Some(0.02)).replies(1, "y", None);
    let view = RunView::of(&run.events);
    assert_eq!((view.reserved().tokens, view.reserved().cost), (0, Usd::ZERO));
    assert_eq!(view.spent.known_cost, Usd::from_dollars(0.02));
    assert_eq!(view.spent.cost(), None, "the price of one call is unknown");
    assert_eq!(view.agents[0].spent.cost(), Some(Usd::from_dollars(0.02)));
    assert_eq!(view.spent.usage.total(), 7_300);
}

#[test]
fn agents_stand_in_registration_order_and_are_found_by_number() {
    let run =
        History::new(vec![simulated("zeta"), agent("alpha", "m"), agent("mid", "m")], Budget::default());
    let view = RunView::of(&run.events);
    let ids: Vec<_> = view.agents.iter().map(|agent| agent.id.as_str()).collect();
    assert_eq!(ids, ["zeta", "alpha", "mid"]);
    assert_eq!(
        (view.name(no(0)), view.name(no(1)), view.name(no(2))),
        ("alpha".into(), "mid".into(), "zeta".into())
    );
    assert_eq!(view.name(no(9)), "agent10", "an agent that nobody knows keeps its number");
    assert!(view.agents[0].simulated && !view.agents[1].simulated && view.has_simulated());
}

#[test]
fn a_finished_run_tells_everything_about_its_agents() {
    let view = RunView::of(&three_agents().events);
    assert_eq!((view.phase, view.outcome), (Phase::Finished, Some(RunOutcome::Answered)));
    assert_eq!(view.elapsed, RunMillis(12_000));
    let [a, b, c] = view.agents.as_slice() else { panic!("three agents") };
    assert_eq!((a.execution, a.answers, a.latest, a.refusals), (2, 1, Some(label("agent1.1")), 1));
    assert_eq!((b.execution, b.answers, b.latest, b.retries), (3, 2, Some(label("agent2.2")), 1));
    assert_eq!(c.failure.as_deref(), Some("invalid x-api-key (not authorised, 1 attempt)"));
    assert_eq!(c.spent, Spent::default());
    assert_eq!(view.winner.as_ref().map(|winner| winner.answer), Some(label("agent2.2")));
}

#[test]
fn an_interrupted_run_goes_on_in_the_phase_where_it_was() {
    let mut run = History::new(vec![agent("a", "m")], Budget::default());
    run.works(0).answers(0, "x").event(Event::RunInterrupted { best: Some(label("agent1.1")) });
    let view = RunView::of(&run.events);
    assert_eq!((view.phase, view.best), (Phase::Interrupted, Some(label("agent1.1"))));
    run.event(Event::RunResumed);
    let view = RunView::of(&run.events);
    assert_eq!((view.phase, view.resumes), (Phase::Coordinating, 1));
}

#[test]
fn an_agent_says_what_it_waits_for() {
    let mut run = History::new(vec![agent("a", "m")], Budget::default());
    let waits = |run: &History| RunView::of(&run.events).agents[0].waits_for();
    assert_eq!(waits(&run), Some("the start"));
    run.works(0);
    assert_eq!(waits(&run), None);
    run.waits(0, WaitCause::SlowerPeers);
    assert_eq!(waits(&run), Some("slower peers"));
    run.state(0, AgentStatus::Voted);
    assert_eq!(waits(&run), Some("peers' votes"));
}

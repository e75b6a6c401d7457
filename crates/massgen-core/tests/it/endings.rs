//! Replies that end badly, conversations that fill their window, models that fail for good.

use massgen_core::replay;
use massgen_protocol::event::{Compaction, Conversation, Event};
use massgen_protocol::message::{Reply, ReplyItem};
use massgen_protocol::spec::RunSpec;
use massgen_protocol::turn::{Directive, ResultRef, Shortfall, Turn};
use massgen_protocol::{AgentNo, Purpose, TokenUsage, limits};
use massgen_testkit::history::{History, reply, spec, work};
use serde_json::json;

fn with(ids: &[&str], change: impl FnOnce(&mut RunSpec)) -> History {
    let mut spec = spec(ids);
    change(&mut spec);
    History::start(spec)
}

fn degraded(history: &History) -> Vec<String> {
    let told = history.events.iter().filter_map(|envelope| match &envelope.event {
        Event::Degraded { message, .. } => Some(message.clone()),
        _ => None,
    });
    told.collect()
}

fn first(history: &History) -> &massgen_core::Agent {
    history.state.agent(AgentNo::from_index(0)).unwrap()
}

#[test]
fn a_paused_reply_goes_back_as_it_is_and_is_no_missed_decision() {
    let history = History::start(spec(&["a", "b"])).play("a^paused=searching");
    assert_eq!(history.count(|event| matches!(event, Event::NoDecision { .. })), 0);
    assert!(matches!(first(&history).conversation().last(), Some(Turn::Reply { .. })), "nothing is added");
    assert!(history.call_of("a").is_some(), "it is asked to go on");
    assert_eq!(history.play("a=x").summary(), "a answered 1 · b working 0 · coordinating");
}

#[test]
fn a_provider_that_pauses_for_ever_does_not_hold_the_run_up() {
    let pauses = "a^paused=x ".repeat(limits::PAUSES_PER_EXECUTION as usize);
    let history = History::start(spec(&["a", "b"])).play(&pauses);
    assert_eq!(history.count(|event| matches!(event, Event::NoDecision { .. })), 0);
    let history = history.play("a^paused=x");
    assert_eq!(history.count(|event| matches!(event, Event::NoDecision { .. })), 1);
}

#[test]
fn a_presentation_that_was_paused_is_whole() {
    let history = History::start(spec(&["a"])).play("a=x a>agent1 a^paused=one_ a?two");
    assert!(history.summary().ends_with("Presented `one two`"), "{}", history.summary());
}

#[test]
fn an_agent_learns_what_was_wrong_with_its_reply() {
    for (how, shortfall) in [
        ("cut", Shortfall::CutShort),
        ("withheld", Shortfall::Withheld),
        ("refused", Shortfall::Refused),
        ("stopped", Shortfall::Incomplete),
        ("unknown", Shortfall::Incomplete),
    ] {
        let history = History::start(spec(&["a", "b"])).play(&format!("a^{how}=half"));
        let told = history.events.iter().rev().find_map(|envelope| match &envelope.event {
            Event::PromptExtended { turn: Turn::Update(news), .. } => news.directive.clone(),
            _ => None,
        });
        assert_eq!(told, Some(Directive::Act { attempts_left: 2, cause: shortfall }), "{how}");
        let events =
            history.count(|event| matches!(event, Event::NoDecision { cause, .. } if *cause == shortfall));
        assert_eq!(events, 1, "{how}");
    }
}

#[test]
fn half_a_final_answer_is_not_presented() {
    for how in ["cut", "withheld", "refused", "full", "stopped", "unknown"] {
        let history = History::start(spec(&["a"])).play(&format!("a=whole a>agent1 a^{how}=hal"));
        assert!(history.summary().ends_with("StoredAsFallback `whole`"), "{how}: {}", history.summary());
        assert_eq!(degraded(&history).len(), 1, "{how}");
    }
}

#[test]
fn a_full_window_costs_old_tool_results_first_and_the_conversation_then() {
    let history = History::start(spec(&["a", "b"])).play("a~r1 a. a~r2 a. a~r3 a. a!overflow");
    let dropped = |history: &History| {
        let turns = first(history).conversation().iter();
        let results = turns.filter_map(|turn| match turn {
            Turn::Results { results, .. } => Some(results.clone()),
            _ => None,
        });
        results.flatten().map(|result| result == ResultRef::Dropped).collect::<Vec<_>>()
    };
    assert_eq!(dropped(&history), [true, false, false]);
    assert!(history.call_of("a").is_some(), "it goes on");
    assert!(degraded(&history).is_empty());
    let history = history.play("a!overflow");
    let fresh = history.count(|event| {
        matches!(event, Event::ExecutionStarted { execution: 2, conversation: Conversation::Fresh, .. })
    });
    assert_eq!((fresh, degraded(&history).len()), (1, 1));
    assert_eq!(replay(&history.events).unwrap(), history.state);
}

#[test]
fn a_reply_that_filled_the_window_is_answered_before_the_next_one_once_results_are_left_out() {
    let history = History::start(spec(&["a", "b"])).play("a~r1 a. a~r2 a. a~r3 a. a^full=hal");
    let compacted = history.count(|event| matches!(event, Event::ConversationCompacted { .. }));
    assert_eq!((compacted, degraded(&history).len()), (1, 0));
    let Some(Turn::Update(news)) = first(&history).conversation().last() else {
        panic!("no request ends with a reply: {:?}", first(&history).conversation().last());
    };
    assert_eq!(news.directive, Some(Directive::Act { attempts_left: 2, cause: Shortfall::CutShort }));
    assert!(history.play("a=x").summary().starts_with("a answered 1"));
}

#[test]
fn an_agent_whose_window_is_full_again_and_again_is_out() {
    // Each turn leads to a call that costs: the window is full in the middle of a reply, or before it.
    for full in ["a^full=hal", "a~r1 a. a!overflow"] {
        let again = format!("{full} ").repeat(limits::FRESH_STARTS as usize);
        let history = History::start(spec(&["a", "b"])).play(&again);
        assert!(history.summary().starts_with("a working 0"), "{full}: {}", history.summary());
        let history = history.play(full);
        assert!(history.summary().starts_with("a out(model_failed) 0"), "{full}: {}", history.summary());
        let afresh = history.count(|event| matches!(event, Event::ExecutionStarted { execution: 2.., .. }));
        assert_eq!(afresh, limits::FRESH_STARTS as usize, "{full}");
        assert_eq!(replay(&history.events).unwrap(), history.state);
    }
}

#[test]
fn a_decision_that_counts_lets_an_agent_begin_afresh_again() {
    let full = "a^full=hal ".repeat(limits::FRESH_STARTS as usize);
    let history = History::start(spec(&["a", "b"])).play(&format!("b=y {full} a=x {full} a>agent2"));
    assert!(history.summary().starts_with("a voted 1"), "{}", history.summary());
    let history = history.play(&format!("b=z {full}"));
    assert!(history.summary().starts_with("a working 1"), "{}", history.summary());
}

#[test]
fn a_conversation_near_its_window_goes_on_with_a_summary() {
    let mut history =
        with(&["a", "b"], |spec| spec.agents[0].backend.context_window = Some(10_000)).play("b=y");
    for (tool, tokens) in [("one", 2_000), ("two", 9_000)] {
        let call = history.call_of("a").unwrap();
        let mut reply = reply([work(tool)]);
        reply.usage = TokenUsage { input: tokens, output: 0, ..TokenUsage::default() };
        history.input(massgen_core::Input::ModelReplied { call, reply: reply.into() });
        history = history.play("a.");
    }
    let purposes: Vec<Purpose> = history
        .events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::ModelCallStarted { call, purpose, .. } if call.agent == AgentNo::from_index(0) => {
                Some(*purpose)
            }
            _ => None,
        })
        .collect();
    assert_eq!(purposes, [Purpose::Coordinate, Purpose::Coordinate, Purpose::Summarize]);
    let before = history.clone();
    let history = history.play("a?what_i_found");
    assert!(
        matches!(first(&history).conversation(), [Turn::Opening(news), Turn::Recap { .. }] if news.answers.len() == 1)
    );
    assert_eq!(
        history.count(|event| matches!(
            event,
            Event::ConversationCompacted { compaction: Compaction::Summarized { .. }, .. }
        )),
        1
    );
    assert_eq!(history.clone().play("a>agent2").summary(), "a voted 0 · b working 1 · coordinating");
    assert_eq!(replay(&history.events).unwrap(), history.state);
    // A summary that says nothing, or cannot be had, costs the conversation.
    for word in ["a?", "a!overflow"] {
        let history = before.clone().play(word);
        assert!(matches!(first(&history).conversation(), [Turn::Opening(_)]), "{word}");
        assert_eq!(degraded(&history).len(), 1, "{word}");
    }
}

#[test]
fn the_next_model_of_the_list_takes_over_and_stays() {
    let two = |spec: &mut RunSpec| {
        let mut other = spec.agents[0].backend.clone();
        other.price = None;
        spec.agents[0].fallback = vec![other.clone(), other];
    };
    let history = with(&["a", "b"], two).play("a!");
    assert_eq!(history.summary(), "a working 0 · b working 0 · coordinating");
    assert_eq!(first(&history).fallback(), 1);
    assert_eq!(history.state.backend(AgentNo::from_index(0)).unwrap().price, None);
    let history = history.play("a=x b=y");
    assert_eq!(first(&history).fallback(), 1, "it stays");
    let overflow = history.clone().play("a!overflow");
    assert_eq!(first(&overflow).fallback(), 1, "a long conversation is no fault of the model");
    let history = history.play("a! a!");
    assert!(history.summary().starts_with("a out(model_failed) 1"), "{}", history.summary());
    assert_eq!(history.count(|event| matches!(event, Event::FallbackTaken { .. })), 2);
    let history = with(&["a"], two).play("a=x a>agent1 a! a?fin");
    assert!(history.summary().ends_with("Presented `fin`"), "{}", history.summary());
}

/// The reply of a model that made a picture and said nothing.
fn picture() -> Reply {
    let item = json!({"inlineData": {"data": "cGljdHVyZQ=="}});
    Reply {
        items: vec![ReplyItem::with_file(item, "/inlineData/data", Some("image/png"))],
        ..reply(Vec::new())
    }
}

fn paint(mut history: History, agent: &str) -> History {
    let call = history.call_of(agent).unwrap();
    history.input(massgen_core::Input::ModelReplied { call, reply: picture().into() });
    history
}

#[test]
fn a_picture_alone_is_no_answer_and_goes_with_the_next_one() {
    let history = paint(History::start(spec(&["a", "b"])), "a");
    let told = history.events.iter().rev().find_map(|envelope| match &envelope.event {
        Event::PromptExtended { turn: Turn::Update(news), .. } => news.directive.clone(),
        _ => None,
    });
    assert_eq!(told, Some(Directive::Act { attempts_left: 2, cause: Shortfall::NoAction }));
    let history = history.play("a=look b=y");
    let names = |history: &History, agent| {
        let label = AgentNo::from_index(agent).label(1);
        history.state.made().of_answer(label).iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(names(&history, 0), ["image-1.png (image/png, 7 bytes)"]);
    assert!(names(&history, 1).is_empty());
    assert_eq!(replay(&history.events).unwrap(), history.state);
}

#[test]
fn a_presenter_that_only_paints_is_asked_for_words_and_its_picture_is_kept() {
    let mut history = paint(History::start(spec(&["a"])).play("a=x a>agent1"), "a");
    assert_eq!(history.count(|event| matches!(event, Event::NoDecision { .. })), 1);
    while history.call_of("a").is_some() {
        history = paint(history, "a");
    }
    assert!(history.summary().ends_with("StoredAsFallback `x`"), "{}", history.summary());
    assert!(!history.state.made().of_final_answer().is_empty());
}

//! Answers, votes, updates and the end, in short histories.

use std::num::NonZeroU32;

use massgen_core::replay;
use massgen_protocol::event::{Event, FinalSource};
use massgen_protocol::spec::{
    Continuation, FinalAnswerStrategy, Novelty, PeerUpdates, Presentation, RunSpec, Voting,
};
use massgen_protocol::turn::Turn;
use massgen_testkit::history::{History, answer, replied, spec, vote};

fn with(ids: &[&str], change: impl FnOnce(&mut RunSpec)) -> History {
    let mut spec = spec(ids);
    change(&mut spec);
    History::start(spec)
}

fn three() -> History {
    History::start(spec(&["a", "b", "c"]))
}

#[test]
fn three_agents_answer_vote_and_the_winner_presents_in_seven_calls() {
    let history = three().play("a=x b=y c=z a>agent2 b>agent2 c>agent1 b=final_text");
    assert_eq!(
        history.summary(),
        "a voted 1 · b done 1 · c voted 1 · Answered, agent2.1 by MostVotes, Presented `final text`"
    );
    assert_eq!(history.calls(), 7);
}

#[test]
fn an_agent_with_an_answer_waits_for_first_answers() {
    let history = three().play("a=x");
    assert_eq!(history.summary(), "a answered 1 · b working 0 · c working 0 · coordinating");
    let history = history.play("b=y c=z");
    assert_eq!(history.summary(), "a working 1 · b working 1 · c working 1 · coordinating");
}

#[test]
fn a_new_answer_outdates_votes_and_calls_the_voters_back() {
    let history = three().play("a=x b=y c=z a>agent1 b>agent1 c=better");
    assert_eq!(history.summary(), "a working 1 · b working 1 · c working 2 · coordinating");
    let history = history.play("a>agent3 b>agent3 c>agent3 c=done");
    assert!(
        history.summary().ends_with("Answered, agent3.2 by MostVotes, Presented `done`"),
        "{}",
        history.summary()
    );
}

#[test]
fn a_vote_cast_without_having_seen_the_newest_answer_does_not_count() {
    let history = three().play("a=x b=y c=z a=better b>agent2");
    assert_eq!(history.count(|event| matches!(event, Event::VoteIgnored { .. })), 1);
    assert_eq!(history.count(|event| matches!(event, Event::VoteCast { .. })), 0);
    assert_eq!(history.summary(), "a working 2 · b working 1 · c working 1 · coordinating");
}

#[test]
fn ties_go_to_the_first_in_registration_order() {
    let history = History::start(spec(&["z", "a"])).play("z=1 a=2 z>agent1 a>agent2 z=fin");
    assert!(history.summary().contains("agent2.1 by Tie"), "{}", history.summary());
}

#[test]
fn an_agent_may_vote_without_an_answer_of_its_own() {
    let history = History::start(spec(&["a", "b"])).play("a=x b>agent1");
    assert_eq!(history.summary(), "a answered 1 · b working 0 · coordinating");
    let history = history.play("b>agent1 a>agent1 a=fin");
    assert!(history.summary().contains("agent1.1 by MostVotes"), "{}", history.summary());
}

#[test]
fn a_single_agent_votes_for_itself_unless_voting_is_skipped() {
    let history = History::start(spec(&["a"])).play("a=x a>agent1 a=fin");
    assert_eq!(history.summary(), "a done 1 · Answered, agent1.1 by MostVotes, Presented `fin`");
    let skipped = with(&["a"], |spec| {
        spec.orchestration.voting = Voting::Skip;
        spec.orchestration.presentation = Presentation::Skip;
    });
    assert_eq!(skipped.play("a=x").summary(), "a answered 1 · Answered, agent1.1 by FirstAnswer, Stored `x`");
}

#[test]
fn quick_mode_with_several_agents_votes_once_and_synthesizes() {
    let history = with(&["a", "b"], |spec| {
        let options = &mut spec.orchestration;
        options.max_new_answers_per_agent = NonZeroU32::new(1);
        options.presentation = Presentation::Skip;
        options.peer_updates = PeerUpdates::AtNextExecution;
        options.voting = Voting::AfterAllAnswered;
        options.final_answer = Some(FinalAnswerStrategy::Synthesize);
    });
    let history = history.play("a=x b=y a>agent2 b>agent2 b=both");
    assert_eq!(history.summary(), "a voted 1 · b done 1 · Answered, agent2.1 by MostVotes, Presented `both`");
}

#[test]
fn synthesis_of_single_answers_skips_the_vote() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.max_new_answers_per_agent = NonZeroU32::new(1);
        spec.orchestration.final_answer = Some(FinalAnswerStrategy::Synthesize);
    });
    let history = history.play("a=x b=y a=both");
    assert_eq!(
        history.summary(),
        "a done 1 · b answered 1 · Answered, agent1.1 by FirstAnswer, Presented `both`"
    );
}

#[test]
fn winner_reuse_makes_no_call_for_the_final_answer() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.final_answer = Some(FinalAnswerStrategy::WinnerReuse);
    });
    let history = history.play("a=x b=y a>agent2 b>agent2");
    assert_eq!((history.calls(), history.summary().ends_with("Stored `y`")), (4, true));
}

#[test]
fn answers_and_votes_in_one_reply_are_refused_without_ending_the_agent() {
    let mut history = History::start(spec(&["a", "b"])).play("b=y");
    for _ in 0..3 {
        let call = history.call_of("a").unwrap();
        history.input(replied(call, [answer("x"), vote("agent2")]));
    }
    assert_eq!(history.summary(), "a working 0 · b answered 1 · coordinating");
    let history = history.play("a>agent2 b>agent2 b=fin");
    assert!(history.summary().contains("Answered"), "{}", history.summary());
}

#[test]
fn a_refused_agent_abstains_after_too_many_refusals_and_wakes_with_news() {
    let history = History::start(spec(&["a", "b"])).play("a=x b=y a=x a=x a=x");
    assert_eq!(history.summary(), "a waiting(news) 1 · b working 1 · coordinating");
    let woken = history.clone().play("b=better");
    assert_eq!(woken.summary(), "a working 1 · b working 2 · coordinating");
    let ended = history.play("b>agent1 a=fin");
    assert!(ended.summary().contains("agent1.1 by MostVotes"), "{}", ended.summary());
}

#[test]
fn duplicates_of_known_answers_are_refused() {
    let history = History::start(spec(&["a", "b"])).play("a=same_text b=same_text a=same_text b=other");
    assert_eq!(history.count(|event| matches!(event, Event::AnswerAccepted { .. })), 3);
    assert_eq!(history.count(|event| matches!(event, Event::SubmissionRefused { .. })), 1);
}

#[test]
fn novelty_is_measured_against_every_known_answer() {
    let novel = |novelty| {
        let history = with(&["a", "b"], |spec| spec.orchestration.novelty = novelty);
        history.play("a=one_two_three_four b=five_six a=one_two_three_seven").summary()
    };
    assert!(novel(Novelty::Lenient).starts_with("a working 2"));
    assert!(novel(Novelty::Balanced).starts_with("a working 2"));
    assert!(novel(Novelty::Strict).starts_with("a working 1"));
}

#[test]
fn an_agent_that_never_acts_is_out_and_its_peers_go_on() {
    let history = History::start(spec(&["a", "b"])).play("a? a? a?");
    assert_eq!(history.summary(), "a out(never_acted) 0 · b working 0 · coordinating");
    let history = history.play("b=y b>agent2 b=fin");
    assert!(history.summary().contains("Answered, agent2.1"), "{}", history.summary());
}

#[test]
fn a_run_in_which_nobody_answers_says_so() {
    let history = History::start(spec(&["a", "b"])).play("a! b? b? b?");
    assert_eq!(history.summary(), "a out(model_failed) 0 · b out(never_acted) 0 · NoAnswer");
}

#[test]
fn the_answer_of_a_failed_agent_can_still_win() {
    let history = History::start(spec(&["a", "b"])).play("a=x b=y a! b>agent1");
    assert_eq!(
        history.summary(),
        "a out(model_failed) 1 · b voted 1 · Answered, agent1.1 by MostVotes, StoredAsFallback `x`"
    );
}

#[test]
fn tools_of_a_reply_run_before_its_decision_counts() {
    let history = History::start(spec(&["a"])).play("a~write=x");
    assert_eq!(history.summary(), "a working 0 · coordinating");
    assert_eq!(history.play("a.").summary(), "a working 1 · coordinating");
}

#[test]
fn peers_answers_are_injected_at_a_tool_boundary_but_not_into_a_first_answer() {
    let history = three().play("a=x b=y c~look c.");
    let seen = |history: &History, agent: usize| history.state.agents()[agent].seen().labels().count();
    assert_eq!(seen(&history, 2), 0, "a first answer is undisturbed");
    let history = history.play("c=z a=better b~look b.");
    assert_eq!(
        history.state.agents()[1].seen().labels().map(|l| l.to_string()).collect::<Vec<_>>(),
        ["agent1.2", "agent2.1", "agent3.1"]
    );
    let off = with(&["a", "b"], |spec| {
        spec.orchestration.peer_updates = PeerUpdates::AtNextExecution;
    });
    let off = off.play("a=x b=y a=better b~look b.");
    assert_eq!(
        off.state.agents()[1].seen().labels().next().map(|l| l.to_string()).as_deref(),
        Some("agent1.1")
    );
}

#[test]
fn injection_takes_the_newest_answers_up_to_its_limit() {
    let history = with(&["a", "b", "c", "d"], |spec| {
        spec.orchestration.max_injections_per_execution = NonZeroU32::MIN;
    });
    let history = history.play("a=1 b=2 c=3 d=4 a=1b b=2b d~look d.");
    let seen: Vec<_> = history.state.agents()[3].seen().labels().map(|l| l.to_string()).collect();
    assert_eq!(seen, ["agent1.1", "agent2.2", "agent3.1", "agent4.1"]);
}

#[test]
fn a_conversation_goes_on_with_its_verdict_or_begins_afresh() {
    let history = History::start(spec(&["a", "b"])).play("a=x b=y");
    let turns = history.state.agents()[0].conversation();
    assert!(matches!(turns[0], Turn::Opening(_)));
    assert!(
        matches!(&turns[2], Turn::Results { results, news, .. }
        if results.len() == 1 && news.answers.len() == 1),
        "{:?}",
        turns[2]
    );
    let fresh = with(&["a", "b"], |spec| {
        spec.orchestration.continuation = Continuation::Fresh;
    })
    .play("a=x b=y");
    assert!(
        matches!(fresh.state.agents()[0].conversation(), [Turn::Opening(news)] if news.answers.len() == 2)
    );
}

#[test]
fn deferred_updates_restart_the_conversation() {
    let history = with(&["a", "b"], |spec| {
        spec.orchestration.peer_updates = PeerUpdates::AtRestart;
    });
    let history = history.play("a=x b=y a=better b>agent1");
    assert!(matches!(history.state.agents()[1].conversation(), [Turn::Opening(_)]));
}

#[test]
fn a_conversation_that_outgrows_its_window_begins_afresh() {
    let history = History::start(spec(&["a", "b"])).play("a=x b=y a!overflow");
    assert!(matches!(history.state.agents()[0].conversation(), [Turn::Opening(_)]));
    assert_eq!(history.summary(), "a working 1 · b working 1 · coordinating");
}

#[test]
fn votes_may_name_a_label_or_a_configured_id() {
    for target in ["agent2", "agent2.1", "b"] {
        let history = History::start(spec(&["a", "b"])).play(&format!("a=x b=y a>{target} b>agent2 b=fin"));
        assert!(history.summary().contains("agent2.1 by MostVotes"), "{target}: {}", history.summary());
    }
    let history = History::start(spec(&["a", "b"])).play("a=x b=y a>agent9");
    assert_eq!(history.count(|event| matches!(event, Event::SubmissionRefused { .. })), 1);
}

#[test]
fn a_presenter_that_just_writes_has_presented_and_one_that_fails_is_stood_in_for() {
    let play = |end: &str| History::start(spec(&["a"])).play(&format!("a=x a>agent1 {end}")).summary();
    assert!(play("a?plain_words").ends_with("Presented `plain words`"));
    assert!(play("a!").ends_with("StoredAsFallback `x`"));
    assert!(play("a>agent1 a>agent1 a>agent1").ends_with("StoredAsFallback `x`"));
}

#[test]
fn a_person_s_note_reaches_every_agent_once_and_calls_voters_back() {
    let history = History::start(spec(&["a", "b"])).play("a=x b=y a>agent1 /be_brief");
    assert_eq!(history.summary(), "a working 1 · b working 1 · coordinating");
    let history = history.play("a>agent1 b>agent1");
    assert_eq!(
        history.count(|event| matches!(event, Event::VoteIgnored { .. })),
        1,
        "b had not seen the note"
    );
    let history = history.play("b>agent1 a=fin");
    assert!(history.summary().contains("Answered"), "{}", history.summary());
}

#[test]
fn an_interrupted_run_goes_on_where_it_was() {
    let history = three().play("a=x b=y stop");
    assert!(history.state.is_interrupted());
    let calls = history.calls();
    let history = history.play("go");
    assert_eq!(history.calls(), calls, "the open call is made again, not a new one");
    let history = history.play("c=z a>agent1 b>agent1 c>agent1 a=fin");
    assert!(history.summary().contains("Answered, agent1.1"), "{}", history.summary());
    assert_eq!(replay(&history.events), Ok(history.state));
}

#[test]
fn after_a_crash_running_tools_are_told_as_unknown_and_not_run_again() {
    let history = History::start(spec(&["a"])).play("a~write");
    let effects = history.effects.len();
    let history = history.play("go");
    assert_eq!(history.count(|event| matches!(event, Event::ToolCallStarted { .. })), 1);
    let turn = history.state.agents()[0].conversation().last().cloned();
    assert!(matches!(turn, Some(Turn::Results { .. })), "{turn:?}");
    assert!(history.effects.len() > effects, "the model is called with the unknown outcome");
}

#[test]
fn superseded_calls_of_a_reply_are_told_so() {
    let mut history = History::start(spec(&["a"]));
    let call = history.call_of("a").unwrap();
    history.input(replied(call, [answer("first"), answer("second")]));
    let content: Vec<_> = history
        .events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::AnswerAccepted { content, .. } => Some(content.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(content, ["second"]);
    let Some(Turn::Results { results, .. }) = history.state.agents()[0].conversation().get(2) else {
        panic!()
    };
    let verdict = |index: usize| serde_json::to_value(&results[index]).unwrap()["verdict"]["verdict"].clone();
    assert_eq!((verdict(0), verdict(1)), ("superseded".into(), "answer_accepted".into()));
}

#[test]
fn the_stored_answer_is_marked_as_a_fallback_only_when_it_is_one() {
    let sources = |history: &History| {
        history
            .events
            .iter()
            .find_map(|envelope| match &envelope.event {
                Event::FinalAnswerReady { source, .. } => Some(*source),
                _ => None,
            })
            .unwrap()
    };
    let reuse = with(&["a"], |spec| {
        spec.orchestration.final_answer = Some(FinalAnswerStrategy::WinnerReuse);
    });
    assert_eq!(sources(&reuse.play("a=x a>agent1")), FinalSource::Stored);
}

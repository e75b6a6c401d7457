use std::num::NonZeroU32;

use super::*;
use crate::interactive::test_run::write_run;

fn shown(width: usize, turn: u32, topic: Topic) -> String {
    let root = tempfile::tempdir().unwrap();
    let turns = [write_run(root.path(), 1, "why?"), write_run(root.path(), 2, "# And\n\u{1b}[31mwhere?")];
    let inspection = Inspection { turns: &turns, style: Style::plain(width), working_directory: root.path() };
    let turn = NonZeroU32::new(turn).map_or(Turn::Last, Turn::Number);
    let text = inspection.show(&Inspect { turn, topic });
    assert!(!text.contains('\u{1b}'), "{text:?}");
    text
}

#[test]
fn an_overview_tells_the_result_and_what_else_there_is() {
    insta::assert_snapshot!(shown(80, 0, Topic::Overview));
}

#[test]
fn an_overview_fits_a_narrow_terminal() {
    let text = shown(30, 1, Topic::Overview);
    assert!(text.lines().all(|line| massgen_view::columns(line) <= 30), "{text}");
}

#[test]
fn every_topic_shows_its_part_of_the_run() {
    let topics = [
        Topic::Agent("agent_a".to_owned()),
        Topic::Agent("../../secret".to_owned()),
        Topic::Answer,
        Topic::Answers,
        Topic::Votes,
        Topic::Cost,
        Topic::Log,
        Topic::Events(3),
        Topic::Files,
    ];
    let text: Vec<_> =
        topics.into_iter().map(|topic| format!("== {topic:?}\n{}", shown(80, 1, topic.clone()))).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn an_agent_is_known_by_its_label_too() {
    let output = |name: &str| shown(80, 1, Topic::Agent(name.to_owned()));
    for name in ["agent2", "agent2.1"] {
        assert_eq!(output(name), output("agent_b"));
    }
    assert!(output("agent3").starts_with("There is no agent `agent3`."));
}

#[test]
fn a_table_that_is_too_wide_is_cut_and_its_file_is_named() {
    insta::assert_snapshot!(shown(40, 1, Topic::Table), @"
    +-------+
    | Event |
    | E1 starts round 0 and goes on and on …
    +-------+

    The terminal is too narrow for it; all
    of it is in
    turn_1/attempt_1/coordination_table.txt
    ");
    assert_eq!(shown(80, 1, Topic::Table).lines().count(), 4);
}

#[test]
fn a_question_that_was_not_asked_cannot_be_inspected() {
    assert_eq!(
        shown(80, 3, Topic::Cost),
        "There is no question 3 in this session; /inspect all lists those that there are.\n"
    );
    let nothing = Inspection { turns: &[], style: Style::plain(80), working_directory: Path::new("/") };
    let last = Inspect { turn: Turn::Last, topic: Topic::Overview };
    assert_eq!(nothing.show(&last), "Nothing was asked in this session yet.\n");
    assert_eq!(nothing.turns(), "Nothing was asked in this session yet.\n");
}

#[test]
fn a_run_without_files_says_what_is_missing() {
    let turns = [RunFolder::new("/nowhere/log_1")];
    let inspection =
        Inspection { turns: &turns, style: Style::plain(100), working_directory: Path::new("/nowhere") };
    let text = inspection.show(&Inspect { turn: Turn::Last, topic: Topic::Votes });
    assert!(text.starts_with("This cannot be shown: there is no `/nowhere/log_1/turn_1/"), "{text}");
    assert!(inspection.turns().starts_with("1  there is no `/nowhere/log_1/"));
}

#[test]
fn all_questions_are_listed_with_their_results() {
    let root = tempfile::tempdir().unwrap();
    let turns = [write_run(root.path(), 1, "why?"), write_run(root.path(), 2, "where?")];
    let inspection = Inspection { turns: &turns, style: Style::plain(80), working_directory: root.path() };
    assert_eq!(inspection.turns(), "1  why? - answered by agent_b\n2  where? - answered by agent_b\n");
}

#[test]
fn an_unknown_price_is_never_nothing() {
    assert_eq!(money(None), "price unknown");
    assert_eq!(money(Some(0.0)), "$0.00");
    assert_eq!(money(Some(0.001_234)), "$0.001234");
    assert_eq!(money(Some(1.5)), "$1.50");
}

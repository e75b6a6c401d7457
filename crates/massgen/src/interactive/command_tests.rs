use std::collections::BTreeSet;

use super::*;

fn command(line: &str) -> Command {
    parse(line).unwrap().unwrap()
}

fn refusal(line: &str) -> NotACommand {
    parse(line).unwrap().unwrap_err()
}

fn look(turn: u32, topic: Topic) -> Command {
    let turn = NonZeroU32::new(turn).map_or(Turn::Last, Turn::Number);
    Command::Inspect(Inspect { turn, topic })
}

#[test]
fn no_name_belongs_to_two_commands_and_each_stands_in_the_help() {
    let names: Vec<_> = COMMANDS.iter().flat_map(Entry::names).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    let help = help(500);
    for name in names {
        assert!(name.starts_with('/'));
        assert!(help.contains(name), "{name}");
        assert!(matches!(parse(name), Some(Ok(_))), "{name}");
    }
    let words: Vec<_> = TOPICS.iter().flat_map(|topic| [topic.word, topic.alias]).collect();
    assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), words.len());
    let inspect = entry("/inspect").unwrap();
    assert!(TOPICS.iter().all(|topic| inspect.help.contains(topic.word)), "{}", inspect.help);
}

#[test]
fn help_reads_well_on_wide_and_narrow_terminals() {
    insta::assert_snapshot!("help_80", help(80));
    insta::assert_snapshot!("help_32", help(32));
}

#[test]
fn commands_are_known_by_every_name_in_any_case() {
    assert_eq!(command("/help"), Command::Help);
    assert_eq!(command("  /? "), Command::Help);
    assert_eq!(command("/EXIT"), Command::Quit);
    assert_eq!(command("/clear"), Command::Reset);
    assert_eq!(command("/vote"), look(0, Topic::Votes));
    assert_eq!(command("/events"), look(0, Topic::Events(5)));
    assert_eq!(command("/events 12"), look(0, Topic::Events(12)));
}

#[test]
fn some_words_need_no_slash_when_they_stand_alone() {
    for (word, expected) in BARE {
        assert_eq!(command(word), expected);
        assert_eq!(command(&format!(" {} ", word.to_uppercase())), expected);
    }
    assert_eq!(parse("quit smoking: how?"), None);
    assert_eq!(parse("help me with this"), None);
}

#[test]
fn a_text_is_no_command() {
    assert_eq!(parse("what is 6 / 7?"), None);
    assert_eq!(parse("/usr is full\nwhat now?"), None);
    assert_eq!(parse(""), None);
}

#[test]
fn an_inspection_names_a_question_and_what_to_see_of_it() {
    assert_eq!(command("/inspect"), look(0, Topic::Overview));
    assert_eq!(command("/i 2"), look(2, Topic::Overview));
    assert_eq!(command("/i 2 table"), look(2, Topic::Table));
    assert_eq!(command("/inspect r"), look(0, Topic::Table));
    assert_eq!(command("/inspect agent_a"), look(0, Topic::Agent("agent_a".to_owned())));
    assert_eq!(command("/inspect 3 events 7"), look(3, Topic::Events(7)));
    assert_eq!(command("/inspect all"), Command::Turns);
    for (line, expected) in [
        ("/inspect 0", "questions are counted from 1"),
        ("/inspect all table", "nothing follows `all`, not `table`"),
        ("/inspect table now", "nothing follows `table`, not `now`"),
        ("/inspect events x", "N is a number from 1 to 200, not `x`"),
    ] {
        let NotACommand::Arguments { usage, problem } = refusal(line) else { panic!("{line}") };
        assert_eq!((usage.as_str(), problem.as_str()), ("/inspect [N|all] [WHAT]", expected));
    }
}

#[test]
fn a_context_path_may_be_quoted_and_writable() {
    let path = |path: &str, permission| Command::Context(Some(PathWish { path: path.into(), permission }));
    assert_eq!(command("/context"), Command::Context(None));
    assert_eq!(command("/context src"), path("src", Permission::Read));
    assert_eq!(command("/context ~/my notes:w"), path("~/my notes", Permission::Write));
    assert_eq!(command("/context @\"my notes\":w"), path("my notes", Permission::Write));
    assert!(matches!(refusal("/context :w"), NotACommand::Arguments { .. }));
}

#[test]
fn a_command_that_takes_nothing_refuses_arguments() {
    let NotACommand::Arguments { usage, problem } = refusal("/status all") else { panic!() };
    assert_eq!((usage.as_str(), problem.as_str()), ("/status", "it takes nothing, not `all`"));
    assert!(matches!(refusal("/events 0"), NotACommand::Arguments { .. }));
    assert!(matches!(refusal("/events 99999999999999999999"), NotACommand::Arguments { .. }));
}

#[test]
fn an_unknown_command_has_a_nearest_one() {
    let nearest = |line| match refusal(line) {
        NotACommand::Unknown { nearest, .. } => nearest,
        NotACommand::Arguments { .. } => panic!("{line}"),
    };
    assert_eq!(nearest("/hlep"), Some("/help"));
    assert_eq!(nearest("/stat"), Some("/status"));
    assert_eq!(nearest("/EXTI now"), Some("/exit"));
    assert_eq!(nearest("/inspct 2"), Some("/inspect"));
    assert_eq!(nearest("/usr/bin"), None);
    assert_eq!(nearest("/"), None);
}

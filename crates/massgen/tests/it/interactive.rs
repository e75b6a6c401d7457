//! A conversation on a terminal.

use std::os::unix::fs::PermissionsExt;

use nix::sys::termios::tcgetattr;

use crate::program::{MASSGEN, World};
use crate::pty::Terminal;

/// A team of two.
const TEAM: &str = "agents:\n  \
    agent_a: {replies: [[{answer: the answer of a}], [{vote: agent_b}]]}\n  \
    agent_b: {replies: [[{answer: the answer of b}], [{vote: agent_b}]], present: [[{answer: the final words}]]}\n";

/// Ends the marking of pasted text, which is the last that the line editor does.
const END_OF_READING: &str = "\u{1b}[?2004l";

impl Terminal {
    /// Waits for the prompt, types `line`, and presses Enter.
    fn ask(&mut self, line: &str) {
        self.hear("massgen> ");
        self.press(line);
        // What is typed is shown before it counts.
        self.hear(line);
        self.press("\r");
    }

    /// Presses Ctrl-C at the prompt, and waits until the line is given up: what is typed before that is lost.
    fn clear(&mut self) {
        self.press("\u{3}");
        self.hear(END_OF_READING);
    }
}

fn start(world: &World, arguments: &[&str]) -> Terminal {
    let mut command = world.command(MASSGEN, &[]);
    command.args(arguments);
    Terminal::start(command)
}

#[test]
fn questions_are_asked_one_after_the_other_and_looked_at() {
    let world = World::scripted(2, TEAM);
    let mut terminal = start(&world, &[]);
    let welcome = terminal.hear("Ctrl-D leaves.");
    for line in ["agent_a", "agent_b", ".massgen/config.yaml"] {
        assert!(welcome.contains(line), "{welcome}");
    }
    terminal.ask("/help");
    terminal.hear("/inspect [N|all] [WHAT]");
    terminal.ask("What is a monad?");
    terminal.hear("the final words");
    terminal.hear("Question 1 is answered");
    terminal.ask("And a comonad?");
    terminal.hear("the final words");
    terminal.hear("Question 2 is answered");
    terminal.ask("/inspect");
    terminal.hear("Question 2: And a comonad?");
    terminal.hear("answered by agent_b");
    terminal.ask("/inspect 1 votes");
    terminal.hear("The winner is agent_b.");
    for topic in ["answer", "answers", "table", "cost", "log", "events", "files", "agent_a"] {
        terminal.ask(&format!("/inspect 1 {topic}"));
        let shown = terminal.hear("massgen> ");
        terminal.heard -= "massgen> ".len();
        assert!(!shown.contains("cannot be shown"), "{shown}");
        assert!(shown.lines().count() > 1, "{topic}: {shown}");
    }
    terminal.ask("/status");
    terminal.hear("2 questions");
    terminal.hear("massgen> ");
    terminal.press("\u{4}");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.trim_end().ends_with("The conversation is kept: `massgen --continue` goes on with it."),
        "{shown}"
    );

    let mut terminal = start(&world, &["--continue"]);
    let welcome = terminal.hear("Ctrl-D leaves.");
    assert!(welcome.contains("2 questions"), "{welcome}");
    terminal.ask("And what do both have in common?");
    terminal.hear("Question 3 is answered");
    terminal.ask("/inspect all");
    terminal.hear("1  What is a monad? - answered by agent_b");
    terminal.ask("/q");
    assert_eq!(terminal.wait().0, Some(0));
    assert_eq!(world.log_dirs().len(), 1);

    let history = world.home().join(".massgen/history");
    assert_eq!(fs_err::metadata(&history).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(fs_err::read_to_string(&history).unwrap().contains("And a comonad?\n/inspect\n"));
}

#[test]
fn an_interrupted_question_returns_to_the_prompt() {
    let world = World::scripted(1, "agents: {default: {replies: [[{hang: true}]]}}");
    let mut terminal = start(&world, &[]);
    terminal.ask("Does it hang?");
    terminal.hear("at work");
    terminal.signal("-INT");
    terminal.hear("Question 1 was stopped");
    terminal.hear("massgen> ");
    terminal.press("half a question");
    terminal.clear();
    terminal.hear("massgen> ");
    terminal.clear();
    terminal.hear("To leave, press Ctrl-D or type /quit.");
    terminal.ask("/quit");
    assert_eq!(terminal.wait().0, Some(0));
}

#[test]
fn what_is_typed_while_agents_work_is_not_shown_before_the_next_prompt() {
    let world = World::scripted(1, "agents: {default: {replies: [[{hang: true}]]}}");
    let mut terminal = start(&world, &[]);
    terminal.ask("Does it hang?");
    terminal.hear("at work");
    terminal.press("something else\n");
    // Ctrl-C as a key, which the terminal makes a signal of, would take back what was typed.
    terminal.signal("-INT");
    let between = terminal.hear("Question 1 was stopped");
    assert!(!between.contains("something else"), "{between}");
    terminal.hear("massgen> ");
    terminal.hear("something else");
    terminal.hear("at work");
    // Whoever leaves at once has a terminal that shows what is typed.
    terminal.signal("-INT");
    terminal.hear("stopping this question");
    terminal.hear("massgen> ");
    terminal.press("\u{4}");
    let (keys, settings) = (terminal.keys.try_clone().unwrap(), terminal.settings.clone());
    assert_eq!(terminal.wait().0, Some(0));
    assert_eq!(tcgetattr(&keys).unwrap(), settings);
}

#[test]
fn a_remark_that_is_wider_than_the_terminal_is_shown_as_a_whole() {
    let world = World::scripted(1, "agents: {default: {replies: [[{hang: true}]]}}");
    let mut terminal = Terminal::of_width(world.command(MASSGEN, &[]), 40);
    terminal.ask("Does it hang?");
    terminal.hear("working");
    terminal.signal("-INT");
    let before = terminal.hear("stopping this question: what is there is saved; once more to leave at once");
    // Otherwise the terminal would show the first 39 columns of it and the last letter.
    let (wraps, stays) = (before.rfind("\u{1b}[?7h"), before.rfind("\u{1b}[?7l"));
    assert!(wraps > stays, "{before:?}");
    terminal.ask("/q");
    assert_eq!(terminal.wait().0, Some(0));
}

#[test]
fn a_forgotten_and_a_left_conversation_are_gone_on_with_as_it_is_told() {
    let world = World::scripted(2, TEAM);
    let mut terminal = start(&world, &[]);
    terminal.ask("What is a monad?");
    terminal.hear("Question 1 is answered");
    terminal.ask("/reset");
    terminal.hear("The old one is kept: `massgen --session-id session_");
    terminal.ask("And a comonad?");
    terminal.hear("Question 1 is answered");
    terminal.ask("/q");
    let (_, shown) = terminal.wait();
    assert!(shown.contains("`massgen --continue` goes on with it."), "{shown}");

    // Of two, the older one is not the one that `--continue` means.
    let sessions = fs_err::read_dir(world.work().join(".massgen/sessions")).unwrap();
    let mut ids: Vec<String> =
        sessions.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    ids.sort();
    let mut terminal = start(&world, &["--session-id", &ids[0]]);
    terminal.ask("help");
    terminal.hear("/inspect [N|all] [WHAT]");
    terminal.ask("quit");
    let (_, shown) = terminal.wait();
    let goes_on = format!("`massgen --session-id {}` goes on\r\nwith it.", ids[0]);
    assert!(shown.contains(&goes_on), "{shown}");
}

#[test]
fn a_terminal_that_cannot_edit_is_asked_line_by_line_and_answers_stay_apart() {
    let world = World::scripted(2, TEAM);
    let answers = world.work().join("answers.txt");
    let script = format!("TERM=dumb exec {MASSGEN} > {}", answers.display());
    let mut command = world.command("/bin/sh", &[]);
    command.args(["-c", &script]);
    let mut terminal = Terminal::start(command);
    terminal.hear("massgen> ");
    terminal.press("What is a monad?\n");
    terminal.hear("Question 1 is answered");
    terminal.hear("massgen> ");
    terminal.press("\u{4}");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(0), "{shown}");
    assert!(
        shown.ends_with("massgen> \r\nThe conversation is kept: `massgen --continue` goes on with it.\r\n"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    assert_eq!(fs_err::read_to_string(answers).unwrap(), "the final words\n");
}

#[test]
fn a_question_of_several_lines_is_typed_between_delimiters() {
    let world = World::scripted(2, TEAM);
    let mut terminal = start(&world, &[]);
    terminal.hear("massgen> ");
    terminal.press("\"\"\"\rfirst\rsecond\r\"\"\"\r");
    terminal.hear("Question 1 is answered");
    terminal.ask("quit");
    assert_eq!(terminal.wait().0, Some(0));
    assert_eq!(world.status()["meta"]["question"], "first\nsecond");
}

#[test]
fn tab_completes_commands_and_paths() {
    let world = World::scripted(2, TEAM);
    world.write("notes/plan.md", "");
    let mut terminal = start(&world, &[]);
    terminal.hear("massgen> ");
    terminal.press("/stat\t");
    terminal.hear("/status ");
    terminal.press("\r");
    terminal.hear("History");
    terminal.hear("massgen> ");
    terminal.press("see @no\t");
    terminal.hear("@notes/");
    terminal.press("\t");
    terminal.hear("@notes/plan.md");
    terminal.clear();
    terminal.ask("exit");
    assert_eq!(terminal.wait().0, Some(0));
}

#[test]
fn a_request_to_terminate_ends_the_conversation_and_gives_the_terminal_back() {
    let world = World::scripted(2, TEAM);
    let mut terminal = start(&world, &[]);
    terminal.ask("What is a monad?");
    terminal.hear("Question 1 is answered");
    terminal.hear("massgen> ");
    assert_ne!(tcgetattr(&terminal.keys).unwrap(), terminal.settings, "the line editor reads keys");
    terminal.signal("-TERM");
    let (keys, settings) = (terminal.keys.try_clone().unwrap(), terminal.settings.clone());
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(4), "{shown}");
    assert_eq!(tcgetattr(&keys).unwrap(), settings);
    assert!(shown.contains(END_OF_READING));
}

#[test]
fn a_key_that_is_typed_is_not_kept_and_the_editor_of_the_person_opens_the_configuration() {
    let world = World::scripted(2, TEAM);
    let key = "sk-canary-0123456789";
    let variables =
        [("OPENAI_API_KEY", key), ("EDITOR", "sed -i s/agent_b/agent_z/"), ("PATH", "/usr/bin:/bin")];
    let mut terminal = Terminal::start(world.command(MASSGEN, &variables));
    terminal.ask(&format!("/inspect {key}"));
    terminal.ask("/config");
    terminal.hear("The next question uses the configuration as it is now.");
    terminal.ask("/status");
    terminal.hear("agent_z");
    terminal.ask("/q");
    assert_eq!(terminal.wait().0, Some(0));
    let history = fs_err::read_to_string(world.home().join(".massgen/history")).unwrap();
    assert!(history.contains("/inspect ") && !history.contains(key), "{history}");
}

#[test]
fn a_request_to_terminate_also_ends_a_question() {
    let world = World::scripted(1, "agents: {default: {replies: [[{hang: true}]]}}");
    let mut terminal = start(&world, &[]);
    terminal.ask("Does it hang?");
    terminal.hear("at work");
    terminal.signal("-TERM");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("Question 1 was stopped"), "{shown}");
}

#[test]
fn where_nothing_is_configured_a_person_is_told_how_to_go_on() {
    let world = World::new();
    let mut terminal = start(&world, &[]);
    terminal.hear("Set up a team now?");
    terminal.press("\u{1b}");
    let (code, shown) = terminal.wait();
    assert_eq!(code, Some(2), "{shown}");
    assert!(shown.contains("massgen --quickstart") && !shown.contains("massgen> "), "{shown}");
    let mut terminal = start(&world, &["--simulate"]);
    assert!(terminal.hear("Ctrl-D leaves.").contains("simulated"));
    terminal.ask("q");
    assert_eq!(terminal.wait().0, Some(0));
}

#[test]
fn a_question_of_the_configuration_is_asked_at_once() {
    let world = World::scripted(2, TEAM);
    let config = world.read(".massgen/config.yaml");
    world.write(".massgen/config.yaml", &config.replacen('{', "{\"prompt\": \"Why?\", ", 1));
    let (code, shown) = start(&world, &[]).wait();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("the final words") && !shown.contains("massgen> "), "{shown}");
}

#[test]
fn a_missing_path_or_a_broken_configuration_is_told_where_it_is_met() {
    let world = World::scripted(2, TEAM);
    let mut terminal = start(&world, &[]);
    terminal.ask("Read @src/nothing.rs");
    terminal.hear("@src/nothing.rs");
    terminal.hear("massgen> ");
    terminal.press("/context notes.md\r");
    terminal.hear("error: there is no `");
    terminal.hear("massgen> ");
    terminal.press("\u{4}");
    assert_eq!(terminal.wait().0, Some(0));

    world.write(".massgen/config.yaml", "agents: [");
    let mut terminal = start(&world, &[]);
    terminal.hear("config.yaml");
    assert_eq!(terminal.wait().0, Some(1));
}

#[test]
fn without_a_terminal_a_missing_question_is_a_mistake() {
    let world = World::scripted(2, TEAM);
    let told = world.run(&[]).exits(2);
    assert!(told.stderr.contains("there is no question"), "{told}");
}

//! Set-up by questions, on a terminal, from the first question to the file.

use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::program::{MASSGEN, World, files};
use crate::pty::Terminal;

/// A key of signs that stand nowhere in what the program shows.
const KEY: &str = "~%^&$@!~%^&$@!~%^&$@!~%^&$@!~%^&$@!~%^&$@!~%^&$@!~%^&$@!~%^&$@!~%^&$@!";

const ENTER: &str = "\r";
const DOWN: &str = "\u{1b}[B";
const UP: &str = "\u{1b}[A";
const ESCAPE: &str = "\u{1b}";
const CONTROL_C: &str = "\u{3}";

/// Ends what goes on while something is true, also when the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn start(world: &World, arguments: &[&str]) -> Terminal {
    let mut command = world.command(MASSGEN, &[]);
    command.args(arguments);
    Terminal::start(command)
}

/// Waits for `question` and presses `keys`.
fn answer(terminal: &mut Terminal, question: &str, keys: &str) {
    terminal.hear(question);
    // The end of the frame: now the keys are waited for.
    terminal.hear("—");
    terminal.press(keys);
}

/// Ends with `code`, the terminal as it was before.
fn ends(terminal: Terminal, code: i32) -> String {
    let (keys, before) = (terminal.keys.try_clone().unwrap(), terminal.settings.clone());
    let (ended, shown) = terminal.wait();
    assert_eq!(ended, Some(code), "{shown}");
    assert_eq!(tcgetattr(keys).unwrap(), before, "{shown}");
    let (hidden, visible) = (shown.rfind("\u{1b}[?25l"), shown.rfind("\u{1b}[?25h"));
    assert!(hidden <= visible, "the cursor stays hidden: {shown}");
    shown
}

fn nothing_written(world: &World) -> bool {
    files(&world.home()).is_empty() && files(&world.work()).is_empty()
}

#[test]
fn keys_are_taken_without_an_echo_and_kept_for_their_owner() {
    let world = World::new();
    let mut terminal = start(&world, &["--setup"]);
    answer(&mut terminal, "Which providers do you have a key of?", &format!("{} {ENTER}", DOWN.repeat(8)));
    terminal.hear("GROQ_API_KEY (Enter leaves it as it is)");
    // What comes between two keys that are waited for would be echoed.
    let (watched, typing) = (terminal.keys.try_clone().unwrap(), AtomicBool::new(true));
    let echoes = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut echoes = 0;
            while typing.load(Ordering::Relaxed) {
                let settings = tcgetattr(&watched).unwrap();
                echoes += usize::from(settings.local_flags.contains(LocalFlags::ECHO));
            }
            echoes
        });
        let stop = Stop(&typing);
        for (position, sign) in KEY.chars().enumerate() {
            terminal.press(&sign.to_string());
            terminal.hear(&"*".repeat(position + 1));
        }
        drop(stop);
        watch.join().unwrap()
    });
    assert_eq!(echoes, 0);
    let heard = terminal.shown.len();
    terminal.press(ENTER);
    answer(&mut terminal, "Where shall they be kept?", ENTER);
    terminal.hear("GROQ_API_KEY saved in ~/.config/massgen/.env");
    let shown = ends(terminal, 0);
    let typed = shown.find("(Enter leaves it as it is)").unwrap();
    let echoed: String = shown[typed..heard].chars().filter(|sign| KEY.contains(*sign)).collect();
    assert_eq!(echoed, "");
    let env_file = world.home().join(".config/massgen/.env");
    assert!(fs_err::read_to_string(env_file).unwrap().ends_with(&format!("GROQ_API_KEY='{KEY}'\n")));
}

#[test]
fn the_first_team_of_somebody_new_passes_the_strict_check_and_answers() {
    let world = World::new();
    let mut terminal = start(&world, &[]);
    answer(&mut terminal, "Nothing is configured yet. Set up a team now?", ENTER);
    answer(&mut terminal, "How many agents?", &format!("{UP}{ENTER}"));
    answer(&mut terminal, "Which models?", ENTER);
    answer(&mut terminal, "Provider of the agents?", ENTER);
    answer(&mut terminal, "Where shall it be written?", ENTER);
    terminal.hear("Written to .massgen/config.yaml. Ask: massgen \"your question\"");
    ends(terminal, 0);
    let told = world.run(&["--validate", ".massgen/config.yaml", "--strict"]).exits(0);
    assert_eq!(told.stdout, "✓ .massgen/config.yaml is valid\n");
    world.run(&["hi"]).exits(0);
}

#[test]
fn the_long_way_takes_text_and_a_name_for_the_file() {
    let world = World::new();
    let mut terminal = start(&world, &["--init"]);
    answer(&mut terminal, "How many agents?", &format!("{UP}{UP}{ENTER}"));
    answer(&mut terminal, "Provider of the agent?", ENTER);
    answer(&mut terminal, "Anything that the agent should always know", &format!("Say \"yes\": 'ü'.{ENTER}"));
    answer(&mut terminal, "Run their commands in containers (docker)?", ENTER);
    answer(&mut terminal, "A folder that they work on", ENTER);
    answer(&mut terminal, "Where shall it be written?", &format!("{DOWN}{DOWN}{ENTER}"));
    answer(&mut terminal, "Name of the file", "team");
    // A name that is none is told, and typed on.
    terminal.press(ENTER);
    terminal.hear("it ends in .yaml");
    terminal.press(&format!(".yaml{ENTER}"));
    terminal.hear("Written to team.yaml. Ask: massgen --config team.yaml \"your question\"");
    ends(terminal, 0);
    world.run(&["--validate", "team.yaml", "--strict"]).exits(0);
    let shown = world.run(&["config", "show", "--config", "team.yaml", "--json"]).exits(0);
    assert!(shown.stdout.contains("Say \\\"yes\\\": 'ü'."), "{shown}");
}

#[test]
fn who_stops_leaves_the_terminal_and_the_folders_as_they_were() {
    for stop in [CONTROL_C, ESCAPE] {
        let world = World::new();
        let mut terminal = start(&world, &["--setup"]);
        answer(&mut terminal, "Which providers do you have a key of?", &format!(" {ENTER}"));
        answer(&mut terminal, "AZURE_OPENAI_API_KEY (Enter leaves it as it is)", KEY);
        terminal.hear("*****");
        terminal.press(stop);
        ends(terminal, 1);
        assert!(nothing_written(&world));

        let mut terminal = start(&world, &["--quickstart"]);
        answer(&mut terminal, "How many agents?", &format!("{UP}{UP}{ENTER}"));
        answer(&mut terminal, "Provider of the agent?", &format!("{}{ENTER}", DOWN.repeat(3)));
        answer(&mut terminal, "Model of the agent?", ENTER);
        answer(&mut terminal, "CEREBRAS_API_KEY is not set", &format!("{KEY}{ENTER}"));
        answer(&mut terminal, "Where shall it be written?", stop);
        ends(terminal, 1);
        assert!(nothing_written(&world));
    }
}

#[test]
fn empty_answers_change_nothing() {
    let world = World::new();
    let mut terminal = start(&world, &["--setup"]);
    answer(&mut terminal, "Which providers do you have a key of?", ENTER);
    terminal.hear("Input required");
    terminal.press(&format!(" {ENTER}"));
    answer(&mut terminal, "AZURE_OPENAI_API_KEY (Enter leaves it as it is)", &format!("  {ENTER}"));
    terminal.hear("Nothing was changed.");
    ends(terminal, 1);
    assert!(nothing_written(&world));
}

#[test]
fn a_terminal_that_cannot_draw_is_told_the_way_without_questions() {
    let world = World::new();
    for flag in ["--setup", "--init"] {
        let mut command = world.command(MASSGEN, &[("TERM", "dumb")]);
        command.arg(flag);
        let shown = ends(Terminal::start(command), 2);
        assert!(shown.contains("there is no terminal to ask them on"), "{shown}");
        assert!(!shown.contains('\u{1b}'), "{shown:?}");
    }
    let mut command = world.command(MASSGEN, &[("TERM", "dumb")]);
    command.arg("--quickstart");
    let shown = ends(Terminal::start(command), 1);
    assert!(shown.contains("going on as with `--headless`"), "{shown}");
}

#[test]
fn a_narrow_terminal_is_asked_the_same() {
    let world = World::new();
    let mut command = world.command(MASSGEN, &[("NO_COLOR", "1"), ("CI", "true")]);
    command.arg("--init");
    let mut terminal = Terminal::of_width(command, 40);
    answer(&mut terminal, "How many agents?", ENTER);
    answer(&mut terminal, "Which models?", ENTER);
    answer(&mut terminal, "Provider of the agents?", ENTER);
    answer(&mut terminal, "Anything that the agents should", ENTER);
    answer(&mut terminal, "Run their commands in containers", ENTER);
    answer(&mut terminal, "A folder that they work on", ENTER);
    answer(&mut terminal, "Where shall it be written?", ENTER);
    terminal.hear("Written to .massgen/config.yaml.");
    ends(terminal, 0);
    world.run(&["--validate", ".massgen/config.yaml", "--strict"]).exits(0);
}

//! The commands of the interactive mode: one table, from which they are parsed, completed and explained.

use std::num::NonZeroU32;
use std::path::PathBuf;

use massgen_config::Permission;
use strsim::damerau_levenshtein;

use super::page::Page;

/// Events that are shown when nobody says how many.
const EVENTS: usize = 5;

/// Most events that are shown.
pub(crate) const MOST_EVENTS: usize = 200;

/// Most mistakes in a word for which another one is suggested.
const MISTAKES: usize = 2;

/// What a command asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// Show the commands.
    Help,
    /// Leave.
    Quit,
    /// Forget the conversation.
    Reset,
    /// Show what runs, and where.
    Status,
    /// Edit the configuration.
    Config,
    /// Add a path to what the agents may read; without one, show those that there are.
    Context(Option<PathWish>),
    /// List the questions of the session.
    Turns,
    /// Look at the run of a question.
    Inspect(Inspect),
}

/// A path that a person wants the agents to use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PathWish {
    /// As written: perhaps relative, perhaps with `~`.
    pub(crate) path: PathBuf,
    /// What they may do with it.
    pub(crate) permission: Permission,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inspect {
    /// Of which question.
    pub(crate) turn: Turn,
    /// What of its run.
    pub(crate) topic: Topic,
}

/// A question of the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// The last one.
    Last,
    /// That with this number, from 1.
    Number(NonZeroU32),
}

/// What there is to see of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Result, agents, and what else there is.
    Overview,
    /// What an agent wrote and did; its id.
    Agent(String),
    /// The final answer.
    Answer,
    /// The answers of all agents.
    Answers,
    /// The votes.
    Votes,
    /// The table of all steps.
    Table,
    /// Tokens and money.
    Cost,
    /// Notices of the system.
    Log,
    /// The last events, so many.
    Events(usize),
    /// The files of the run.
    Files,
}

/// A word after `/inspect`.
pub(crate) struct TopicWord {
    pub(crate) word: &'static str,
    alias: &'static str,
    pub(crate) help: &'static str,
    topic: Topic,
}

/// The words after `/inspect`, beside the ids of agents.
pub(crate) const TOPICS: [TopicWord; 8] = [
    TopicWord { word: "answer", alias: "f", help: "the final answer", topic: Topic::Answer },
    TopicWord { word: "answers", alias: "b", help: "the answers of all agents", topic: Topic::Answers },
    TopicWord { word: "votes", alias: "v", help: "who voted for whom, and why", topic: Topic::Votes },
    TopicWord { word: "table", alias: "r", help: "every step in one table", topic: Topic::Table },
    TopicWord { word: "cost", alias: "c", help: "tokens and money", topic: Topic::Cost },
    TopicWord { word: "log", alias: "s", help: "notices of the system", topic: Topic::Log },
    TopicWord { word: "events", alias: "o", help: "the last events", topic: Topic::Events(EVENTS) },
    TopicWord { word: "files", alias: "w", help: "the files of the run", topic: Topic::Files },
];

/// What completion offers for the argument of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Argument {
    /// There is none, or nothing to offer for it.
    None,
    /// A path.
    Path,
    /// A number of a question, `all`, an agent, a word of [`TOPICS`].
    Inspection,
}

/// One command.
pub(crate) struct Entry {
    /// With the slash.
    pub(crate) name: &'static str,
    /// Other names, with the slash.
    pub(crate) aliases: &'static [&'static str],
    /// How its arguments are written; empty when it takes none.
    arguments: &'static str,
    /// What completion offers after it.
    pub(crate) argument: Argument,
    /// What it does, for `/help`.
    help: &'static str,
    parse: fn(&str) -> Result<Command, String>,
}

/// Every command, in the order of `/help`.
pub(crate) const COMMANDS: [Entry; 13] = [
    Entry {
        name: "/help",
        aliases: &["/h", "/?"],
        arguments: "",
        argument: Argument::None,
        help: "show this",
        parse: |text| alone(text, Command::Help),
    },
    Entry {
        name: "/status",
        aliases: &[],
        arguments: "",
        argument: Argument::None,
        help: "agents, conversation, configuration, session, log folder",
        parse: |text| alone(text, Command::Status),
    },
    Entry {
        name: "/inspect",
        aliases: &["/i"],
        arguments: "[N|all] [WHAT]",
        argument: Argument::Inspection,
        help: "look at the run of the last question, or of question N; WHAT is an agent, answer, answers, votes, \
               table, cost, log, events or files",
        parse: inspect,
    },
    Entry {
        name: "/answers",
        aliases: &["/b"],
        arguments: "",
        argument: Argument::None,
        help: "the answers of all agents to the last question",
        parse: |text| alone(text, last(Topic::Answers)),
    },
    Entry {
        name: "/vote",
        aliases: &["/v"],
        arguments: "",
        argument: Argument::None,
        help: "who voted for whom on the last question, and why",
        parse: |text| alone(text, last(Topic::Votes)),
    },
    Entry {
        name: "/timeline",
        aliases: &["/t"],
        arguments: "",
        argument: Argument::None,
        help: "every step of the last question, in one table",
        parse: |text| alone(text, last(Topic::Table)),
    },
    Entry {
        name: "/cost",
        aliases: &["/c"],
        arguments: "",
        argument: Argument::None,
        help: "tokens and money of the last question",
        parse: |text| alone(text, last(Topic::Cost)),
    },
    Entry {
        name: "/events",
        aliases: &["/o"],
        arguments: "[N]",
        argument: Argument::None,
        help: "the last N events of the last question; 5 without N",
        parse: |text| Ok(last(Topic::Events(how_many(text)?))),
    },
    Entry {
        name: "/files",
        aliases: &[],
        arguments: "",
        argument: Argument::None,
        help: "the files of the last question",
        parse: |text| alone(text, last(Topic::Files)),
    },
    Entry {
        name: "/context",
        aliases: &[],
        arguments: "[PATH[:w]]",
        argument: Argument::Path,
        help: "let the agents read PATH, with :w also change it; without PATH, show what they may use",
        parse: |text| Ok(Command::Context(context_path(text)?)),
    },
    Entry {
        name: "/config",
        aliases: &[],
        arguments: "",
        argument: Argument::None,
        help: "open the configuration in $VISUAL or $EDITOR",
        parse: |text| alone(text, Command::Config),
    },
    Entry {
        name: "/reset",
        aliases: &["/clear"],
        arguments: "",
        argument: Argument::None,
        help: "forget the conversation and begin a new one",
        parse: |text| alone(text, Command::Reset),
    },
    Entry {
        name: "/quit",
        aliases: &["/exit", "/q"],
        arguments: "",
        argument: Argument::None,
        help: "leave; so does Ctrl-D",
        parse: |text| alone(text, Command::Quit),
    },
];

/// Words that are commands without a slash, when nothing else is on the line.
const BARE: [(&str, Command); 7] = [
    ("help", Command::Help),
    ("?", Command::Help),
    ("quit", Command::Quit),
    ("exit", Command::Quit),
    ("q", Command::Quit),
    ("reset", Command::Reset),
    ("clear", Command::Reset),
];

/// Why something that begins with a slash is no command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NotACommand {
    /// There is none of this name; the nearest one that there is.
    Unknown {
        /// As written.
        name: String,
        /// What was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// Its arguments are wrong.
    Arguments {
        /// How it is written.
        usage: String,
        /// What is wrong.
        problem: String,
    },
}

/// The command that `line` is: `None` for one that is not meant as one.
pub(crate) fn parse(line: &str) -> Option<Result<Command, NotACommand>> {
    let line = line.trim();
    if let Some((_, command)) = BARE.iter().find(|(word, _)| line.eq_ignore_ascii_case(word)) {
        return Some(Ok(command.clone()));
    }
    // What goes on for several lines is a text that happens to begin with a slash.
    if !line.starts_with('/') || line.contains('\n') {
        return None;
    }
    let (name, arguments) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let Some(entry) = entry(name) else {
        return Some(Err(NotACommand::Unknown { name: name.to_owned(), nearest: nearest(name) }));
    };
    Some(
        (entry.parse)(arguments.trim())
            .map_err(|problem| NotACommand::Arguments { usage: entry.usage(), problem }),
    )
}

/// The command with this name or alias, in whatever case.
pub(crate) fn entry(name: &str) -> Option<&'static Entry> {
    COMMANDS.iter().find(|entry| entry.names().any(|known| known.eq_ignore_ascii_case(name)))
}

fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let long_names = || COMMANDS.iter().flat_map(Entry::names).filter(|known| known.len() > 2);
    let begun = long_names().find(|known| name.len() > 1 && known.starts_with(&name));
    begun.or_else(|| {
        let apart = |known: &&str| damerau_levenshtein(known, &name);
        long_names().min_by_key(apart).filter(|known| apart(known) <= MISTAKES)
    })
}

/// All commands, for a person.
pub(crate) fn help(terminal: usize) -> String {
    let mut page = Page::new(terminal);
    let pairs: Vec<_> = COMMANDS
        .iter()
        .map(|entry| {
            let also = if entry.aliases.is_empty() {
                String::new()
            } else {
                format!(" ({})", entry.aliases.join(", "))
            };
            (entry.usage(), format!("{}{also}", entry.help))
        })
        .collect();
    page.pairs(&pairs);
    page.blank();
    page.line("Anything else is a question to the agents. It may name files: @src/main.rs to read, @notes.md:w to change. Tab completes.");
    page.line(
        "For several lines, or a question that begins with a slash, write \"\"\" or ''' before and after it.",
    );
    page.line(
        "Ctrl-C clears the line; while agents work it stops them and keeps what there is. Ctrl-D leaves.",
    );
    let bare: Vec<_> = BARE.iter().map(|(word, _)| *word).collect();
    page.line(&format!("Also without a slash: {}.", bare.join(", ")));
    page.finish()
}

impl Entry {
    /// The name and all aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// How it is written.
    fn usage(&self) -> String {
        format!("{} {}", self.name, self.arguments).trim_end().to_owned()
    }
}

fn alone(text: &str, command: Command) -> Result<Command, String> {
    if text.is_empty() { Ok(command) } else { Err(format!("it takes nothing, not `{text}`")) }
}

fn last(topic: Topic) -> Command {
    Command::Inspect(Inspect { turn: Turn::Last, topic })
}

fn inspect(text: &str) -> Result<Command, String> {
    let mut words = text.split_whitespace().peekable();
    let mut turn = Turn::Last;
    if let Some(first) = words.peek() {
        if first.eq_ignore_ascii_case("all") {
            return match words.nth(1) {
                None => Ok(Command::Turns),
                Some(more) => Err(format!("nothing follows `all`, not `{more}`")),
            };
        }
        if let Ok(number) = first.parse::<u32>() {
            turn = NonZeroU32::new(number).map(Turn::Number).ok_or("questions are counted from 1")?;
            words.next();
        }
    }
    let Some(word) = words.next() else {
        return Ok(Command::Inspect(Inspect { turn, topic: Topic::Overview }));
    };
    let topic = match topic(word) {
        Topic::Events(_) => Topic::Events(how_many(&words.by_ref().collect::<Vec<_>>().join(" "))?),
        other => other,
    };
    match words.next() {
        None => Ok(Command::Inspect(Inspect { turn, topic })),
        Some(more) => Err(format!("nothing follows `{word}`, not `{more}`")),
    }
}

/// What `word` names; whatever is no word of [`TOPICS`] is the id of an agent.
fn topic(word: &str) -> Topic {
    let named = TOPICS.iter().find(|topic| topic.word == word || topic.alias == word);
    named.map_or_else(|| Topic::Agent(word.to_owned()), |named| named.topic.clone())
}

fn how_many(text: &str) -> Result<usize, String> {
    if text.is_empty() {
        return Ok(EVENTS);
    }
    match text.parse() {
        Ok(count @ 1..=MOST_EVENTS) => Ok(count),
        Ok(_) | Err(_) => Err(format!("N is a number from 1 to {MOST_EVENTS}, not `{text}`")),
    }
}

/// `PATH`, `PATH:w`, `"PATH"`, `"PATH":w`, perhaps with the `@` of questions in front.
fn context_path(text: &str) -> Result<Option<PathWish>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let text = text.strip_prefix('@').unwrap_or(text);
    let (path, permission) = match text.strip_suffix(":w") {
        Some(path) => (path, Permission::Write),
        None => (text, Permission::Read),
    };
    let path = path.strip_prefix('"').and_then(|path| path.strip_suffix('"')).unwrap_or(path);
    if path.is_empty() {
        return Err("the path is empty".to_owned());
    }
    Ok(Some(PathWish { path: PathBuf::from(path), permission }))
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;

//! The command line: what it accepts, and what was typed.

pub(crate) mod commands;
pub(crate) mod groups;
mod numbers;
pub(crate) mod unavailable;

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches, Parser};
use massgen_config::{ContextPath, nearest};
use serde::Serialize;

use commands::Subcommand;
use groups::{Conversations, Display, Information, Modes, SetUp};
use unavailable::{UnavailableFlags, unavailable};

use crate::failure::Failure;

/// What says how a new run is to be, and so says nothing to one that goes on.
const OF_NEW_RUNS: [&str; 25] = [
    "question",
    "config",
    "backend",
    "model",
    "base_url",
    "system_message",
    "single_agent",
    "simulate",
    "quick",
    "fast",
    "coordination_mode",
    "personas",
    "eval_criteria",
    "checklist_criteria_preset",
    "cwd_context",
    "orchestrator_timeout",
    "max_cost",
    "max_tokens",
    "rate_limit",
    "session_id",
    "continue_session",
    "no_session_registry",
    "no_parse_at_references",
    "skip_validation",
    "strict_validation",
];

/// What `-h` leaves out: options of other options, and what only programs type.
const RARE: [&str; 12] = [
    "broadcast",
    "no_parse_at_references",
    "skip_agent_selector",
    "no_browser",
    "schema_backend",
    "with_examples",
    "config_agents",
    "config_backend",
    "config_model",
    "config_agent_id",
    "no_session_registry",
    "quickstart_agent",
];

/// Below every help of the program as a whole.
const AFTER_HELP: &str = "\
A question that is also the name of a command can be asked after `--`: massgen -- logs
Long flags may be cut short as long as they stay unique: --orch 60

Exit codes:
  0  a final answer exists, or what was asked for was done
  1  the configuration is wrong, a key is missing, a file cannot be used
  2  no agent answered, or the arguments are wrong
  3  the deadline came before any answer
  4  interrupted; go on with --resume
  5  the budget was spent before any answer";

/// Several language-model agents answer one question in parallel, see each other's answers, and vote.
#[derive(Debug, Parser, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
#[command(
    name = "massgen",
    version,
    args_conflicts_with_subcommands = true,
    infer_long_args = true,
    disable_help_flag = true,
    max_term_width = 100,
    after_help = AFTER_HELP
)]
pub(crate) struct Arguments {
    /// Commands beside asking a question.
    #[command(subcommand)]
    #[serde(skip)]
    pub(crate) command: Option<Subcommand>,

    /// The question; without one, `prompt` of the configuration, else a conversation on the terminal
    pub(crate) question: Option<String>,

    /// Paths that agents are to see beside those of the configuration; they are not typed on the command line.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) context_paths: Vec<ContextPath>,

    /// Whether the configuration is that of the session that goes on, and nobody typed it.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) is_config_recalled: bool,

    /// Configuration: a file, `@examples/NAME`, or a name in ~/.config/massgen/agents; without it,
    /// ./.massgen/config.yaml, then ~/.config/massgen/config.yaml
    #[arg(long, value_name = "FILE", help_heading = "What runs", conflicts_with_all = ["backend", "select"])]
    pub(crate) config: Option<PathBuf>,
    /// Run one agent of this backend type without a configuration file; `simulated` needs no key
    #[arg(long, value_name = "TYPE", help_heading = "What runs", conflicts_with = "select")]
    pub(crate) backend: Option<String>,
    /// Model of that agent; alone, it also tells the backend type
    #[arg(long, value_name = "NAME", help_heading = "What runs")]
    pub(crate) model: Option<String>,
    /// Endpoint of that agent, up to and with `/v1`
    #[arg(long, value_name = "URL", help_heading = "What runs")]
    pub(crate) base_url: Option<String>,
    /// System message of that agent
    #[arg(long, value_name = "TEXT", help_heading = "What runs", allow_hyphen_values = true)]
    pub(crate) system_message: Option<String>,
    /// Keep one agent of the configuration: the first one, or the one with this id
    #[arg(long, value_name = "ID", num_args = 0..=1, require_equals = false, help_heading = "What runs")]
    #[expect(clippy::option_option, reason = "a flag whose value is optional")]
    pub(crate) single_agent: Option<Option<String>>,
    /// Replace every model by a simulated one: try a configuration without keys and costs
    #[arg(long, help_heading = "What runs")]
    pub(crate) simulate: bool,
    /// How the agents work.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) modes: Modes,

    /// Seconds that the whole run may take
    #[arg(long, value_name = "SECONDS", help_heading = "Limits", allow_negative_numbers = true,
        value_parser = numbers::seconds)]
    pub(crate) orchestrator_timeout: Option<u64>,
    /// US dollars that the run may spend
    #[arg(long, value_name = "USD", help_heading = "Limits", allow_negative_numbers = true,
        value_parser = numbers::dollars)]
    pub(crate) max_cost: Option<f64>,
    /// Tokens that the run may use, input and output together
    #[arg(long, value_name = "N", help_heading = "Limits", allow_negative_numbers = true,
        value_parser = numbers::tokens)]
    pub(crate) max_tokens: Option<u64>,
    /// Keep to the rate limits that are known for the models, beside those of `rate_limits` in the configuration
    #[arg(long, help_heading = "Limits")]
    pub(crate) rate_limit: bool,

    /// No display; `KEY: value` lines for scripts on stdout
    #[arg(long, help_heading = "Output")]
    pub(crate) automation: bool,
    /// Every event as one JSON line on stdout and nothing else there; implies --automation
    #[arg(long, help_heading = "Output")]
    pub(crate) stream_events: bool,
    /// Plain lines instead of live progress
    #[arg(long, help_heading = "Output")]
    pub(crate) no_display: bool,
    /// Also write the final answer to this file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) output_file: Option<PathBuf>,
    /// Debug messages on stderr
    #[arg(long, help_heading = "Output", action = ArgAction::SetTrue)]
    pub(crate) debug: bool,
    /// The rest of what is shown.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) display: Display,

    /// Go on with a run that was killed or interrupted: its log folder, or `latest`
    #[arg(long, value_name = "LOG_DIR", help_heading = "Runs", conflicts_with_all = OF_NEW_RUNS)]
    pub(crate) resume: Option<PathBuf>,
    /// Read steering messages for the agents from this folder while the run goes on
    #[arg(long, value_name = "DIR", help_heading = "Runs")]
    pub(crate) inbox_dir: Option<PathBuf>,
    /// Record all model calls to this file, for --replay
    #[arg(long, value_name = "FILE", help_heading = "Runs", conflicts_with = "replay")]
    pub(crate) record: Option<PathBuf>,
    /// Answer all model calls from a recording; needs neither network nor keys
    #[arg(long, value_name = "FILE", help_heading = "Runs", conflicts_with = "simulate")]
    pub(crate) replay: Option<PathBuf>,

    /// Conversations of several turns.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) sessions: Conversations,
    /// What makes configurations.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) set_up: SetUp,
    /// What tells about configurations and backends.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) information: Information,
    /// What is known and not there yet.
    #[command(flatten)]
    #[serde(flatten)]
    pub(crate) unavailable: UnavailableFlags,
}

impl Arguments {
    /// Whether the display is to be lines that stay. `--display` wins over `--no-display`.
    pub(crate) fn wants_plain_lines(&self) -> bool {
        self.no_display && self.display.kind.is_none()
    }
}

/// What was typed.
#[derive(Debug)]
pub(crate) struct CommandLine {
    /// Its meaning.
    pub(crate) arguments: Arguments,
    /// The flags, in the order of the help.
    pub(crate) typed: Vec<Typed>,
    /// The command that was probably meant, when the question is one word, nearly that of a command, and all there is.
    pub(crate) meant: Option<String>,
}

/// A flag as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Typed {
    /// Its name with underscores, as in the code.
    pub(crate) id: String,
    /// Its values.
    pub(crate) values: Vec<String>,
}

impl CommandLine {
    /// Parses the arguments of the process, the program's name first.
    ///
    /// # Errors
    /// What is wrong with them; also a request for help or the version.
    pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Self, clap::Error> {
        let words = sorted(words);
        let mut command = command(Detail::wanted_by(&words));
        let only = match words.as_slice() {
            [_, only] => only.to_str().map(str::to_owned),
            _ => None,
        };
        let matches = command.try_get_matches_from_mut(words)?;
        let arguments = Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        let typed = command.get_arguments().filter_map(|arg| typed(arg, &matches)).collect();
        let meant = only
            .filter(|only| arguments.question.as_ref() == Some(only))
            .and_then(|only| nearest_command(&only, &command).map(str::to_owned));
        Ok(Self { arguments, typed, meant })
    }

    /// The flag with this id, if it was typed.
    pub(crate) fn typed(&self, id: &str) -> Option<&Typed> {
        self.typed.iter().find(|typed| typed.id == id)
    }
}

/// The command that `word` is nearly the name of, or the beginning of the name of.
fn nearest_command<'a>(word: &str, command: &'a Command) -> Option<&'a str> {
    const SHORTEST: usize = 3;
    if word.len() < SHORTEST || !word.chars().all(|c| c.is_ascii_alphabetic()) {
        return None;
    }
    let names = || command.get_subcommands().map(Command::get_name);
    let word = word.to_ascii_lowercase();
    names().find(|name| name.starts_with(&word)).or_else(|| nearest(&word, names()))
}

/// What to tell of `error` when it is that of a person who wrote a question without quotes.
pub(crate) fn unquoted(error: &clap::Error) -> Option<Failure> {
    // A second word looks like a command that comes too late.
    if error.kind() != ErrorKind::ArgumentConflict {
        return None;
    }
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else {
        return None;
    };
    let message = format!("`{}` stands behind the question", word.escape_debug());
    Some(
        Failure::usage(message)
            .hint("put a question of several words into quotes: massgen \"your question\""),
    )
}

/// `arg` as it was typed, if it was.
fn typed(arg: &Arg, matches: &ArgMatches) -> Option<Typed> {
    let id = arg.get_id().as_str();
    // Flags of the builder itself, as `--help`, end the parsing before this.
    if matches.try_contains_id(id).is_err() || matches.value_source(id) != Some(ValueSource::CommandLine) {
        return None;
    }
    let values = matches.get_raw(id).filter(|_| arg.get_action().takes_values()).into_iter().flatten();
    Some(Typed {
        id: id.to_owned(),
        values: values.map(|value| value.to_string_lossy().into_owned()).collect(),
    })
}

/// How much the help tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// What most people need: `-h`.
    Usual,
    /// All there is: `--help`, `massgen help`, completions, the man page.
    Everything,
}

impl Detail {
    /// What `words` want, should they ask for help.
    fn wanted_by(words: &[OsString]) -> Self {
        let flags = words.iter().take_while(|word| *word != "--");
        let is_long = |word: &OsString| word == "help" || word == "--help";
        if flags.into_iter().any(is_long) { Self::Everything } else { Self::Usual }
    }
}

/// The command line as clap sees it, its help in this detail.
pub(crate) fn command(detail: Detail) -> Command {
    let is_missing = |id: &str| unavailable(id).is_some_and(|row| row.values.is_empty());
    let is_rare = |arg: &Arg| RARE.iter().any(|id| arg.get_id() == *id);
    let command = Arguments::command().mut_args(|arg| {
        let hidden = detail == Detail::Usual && (is_missing(arg.get_id().as_str()) || is_rare(&arg));
        arg.hide(hidden)
    });
    let missing: Vec<String> = command.get_arguments().map(|arg| arg.get_id().to_string()).collect();
    // This also puts each behind all others, and so the heading behind all headings.
    let command = missing
        .into_iter()
        .filter(|id| is_missing(id))
        .fold(command, |command, id| command.mut_arg(id, |arg| arg.help_heading(unavailable::HEADING)));
    let help = "Print this help: the usual flags with `-h`, all of them with `--help`";
    command.arg(help_flag(help)).mut_subcommands(|command| {
        let is_missing = unavailable::is_command(command.get_name());
        with_help_flag(command).hide(detail == Detail::Usual && is_missing)
    })
}

/// A flag that prints the help; always in the form of two columns.
fn help_flag(help: &'static str) -> Arg {
    let flag = Arg::new("help").short('h').long("help").action(ArgAction::HelpShort).help(help);
    flag.help_heading(None::<&str>)
}

/// `command` and all below it with a flag that prints the help.
fn with_help_flag(command: Command) -> Command {
    command.arg(help_flag("Print help")).mut_subcommands(with_help_flag)
}

/// The arguments of the process as they are to be parsed: a text that begins with a hyphen, such as `- name three`, is
/// no flag and stands behind `--`.
fn sorted(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut sorted: Vec<OsString> = Vec::new();
    let mut texts = Vec::new();
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        if argument == "--" {
            texts.splice(0..0, [argument]);
            break;
        }
        let is_value = sorted.last().is_some_and(|flag| takes_texts(flag));
        if is_text(&argument) && !is_value {
            texts.push(argument);
        } else {
            sorted.push(argument);
        }
    }
    if texts.first().is_some_and(|first| first != "--") {
        sorted.push("--".into());
    }
    sorted.extend(texts);
    sorted.extend(arguments);
    sorted
}

/// Whether `flag` is `--system-message`, perhaps cut short.
fn takes_texts(flag: &OsStr) -> bool {
    const SHORTEST: &str = "--sy";
    flag.to_str().is_some_and(|flag| flag.starts_with(SHORTEST) && "--system-message".starts_with(flag))
}

/// Whether `argument` looks like a flag and has more words than the name of one.
fn is_text(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    let name = argument.split('=').next().unwrap_or_default();
    name.starts_with('-') && name.contains(char::is_whitespace)
}

#[cfg(test)]
#[path = "arguments/arguments_tests.rs"]
mod tests;

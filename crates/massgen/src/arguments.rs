//! The command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{ArgAction, Parser};
use serde::Serialize;

/// What says how a new run is to be, and so says nothing to one that goes on.
const OF_NEW_RUNS: [&str; 11] = [
    "question",
    "config",
    "backend",
    "model",
    "base_url",
    "system_message",
    "single_agent",
    "quick",
    "orchestrator_timeout",
    "max_cost",
    "max_tokens",
];

/// Several language-model agents answer one question in parallel, see each other's answers, and vote.
#[derive(Debug, Parser, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
#[command(
    name = "massgen",
    version,
    args_conflicts_with_subcommands = true,
    max_term_width = 100,
    after_help = "A question that is also the name of a command can be asked after `--`: massgen -- logs\n\n\
                  Exit codes: 0 a final answer exists; 1 the configuration is wrong; 2 no agent answered, or \
                  the arguments are wrong; 3 the deadline came before any answer; 4 interrupted, can be \
                  resumed; 5 the budget was spent before any answer"
)]
pub(crate) struct Arguments {
    /// Commands beside asking a question.
    #[command(subcommand)]
    #[serde(skip)]
    pub(crate) command: Option<Subcommand>,

    /// The question; the key `prompt` of the configuration stands in for it
    pub(crate) question: Option<String>,

    /// Configuration file; without it, ./.massgen/config.yaml, then ~/.config/massgen/config.yaml
    #[arg(long, value_name = "FILE", help_heading = "What runs", conflicts_with = "backend")]
    pub(crate) config: Option<PathBuf>,
    /// Run one agent of this backend type without a configuration file; `simulated` needs no key
    #[arg(long, value_name = "TYPE", help_heading = "What runs")]
    pub(crate) backend: Option<String>,
    /// Model of that agent
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
    /// One answer each and no refinement
    #[arg(long, help_heading = "What runs")]
    pub(crate) quick: bool,

    /// Seconds that the whole run may take
    #[arg(long, value_name = "SECONDS", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) orchestrator_timeout: Option<u64>,
    /// US dollars that the run may spend
    #[arg(long, value_name = "USD", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) max_cost: Option<f64>,
    /// Tokens that the run may use, input and output together
    #[arg(long, value_name = "N", help_heading = "Limits", allow_negative_numbers = true)]
    pub(crate) max_tokens: Option<u64>,

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
    #[arg(long, value_name = "FILE", help_heading = "Runs")]
    pub(crate) replay: Option<PathBuf>,
}

/// Commands beside asking a question.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Work with the logs of runs
    #[command(subcommand)]
    Logs(Logs),
}

/// What can be done with the logs of runs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Logs {
    /// Write all files of a run again from its journal
    Rebuild {
        /// The run's log folder, or `latest`
        #[arg(value_name = "LOG_DIR")]
        log_dir: PathBuf,
    },
}

/// The arguments of the process as they are to be parsed: a text that begins with a hyphen, such as `- name three`, is
/// no flag and stands behind `--`.
pub(crate) fn sorted(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut sorted: Vec<OsString> = Vec::new();
    let mut texts = Vec::new();
    let mut arguments = arguments.into_iter();
    for argument in arguments.by_ref() {
        if argument == "--" {
            texts.splice(0..0, [argument]);
            break;
        }
        let is_value = sorted.last().is_some_and(|flag| flag == "--system-message");
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

/// Whether `argument` looks like a flag and has more words than the name of one.
fn is_text(argument: &OsStr) -> bool {
    let argument = argument.to_string_lossy();
    let name = argument.split('=').next().unwrap_or_default();
    name.starts_with('-') && name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_question_may_be_the_name_of_a_command_after_two_dashes() {
        let arguments = Arguments::try_parse_from(["massgen", "--", "logs"]).unwrap();
        assert_eq!(arguments.question.as_deref(), Some("logs"));
        assert!(arguments.command.is_none());
    }

    #[test]
    fn a_question_may_begin_with_a_hyphen() {
        let parse = |words: &[&str]| Arguments::try_parse_from(sorted(words.iter().map(OsString::from)));
        for words in [
            &["massgen", "- name three", "--automation"][..],
            &["massgen", "--automation", "- name three"],
            &["massgen", "--automation", "--", "- name three"],
        ] {
            let arguments = parse(words).unwrap();
            assert_eq!(arguments.question.as_deref(), Some("- name three"));
            assert!(arguments.automation);
        }
        let arguments = parse(&["massgen", "--system-message", "- be brief", "why?"]).unwrap();
        assert_eq!(arguments.system_message.as_deref(), Some("- be brief"));
        assert_eq!(arguments.question.as_deref(), Some("why?"));
        let arguments = parse(&["massgen", "--system-message=be brief", "why?"]).unwrap();
        assert_eq!(arguments.system_message.as_deref(), Some("be brief"));
        assert!(parse(&["massgen", "--bogus", "why?"]).is_err());
        assert!(parse(&["massgen", "- one text", "- and another"]).is_err());
    }
}

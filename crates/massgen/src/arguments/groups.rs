//! Flags by topic, beside those that say what runs.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::numbers;

/// How the agents work.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Modes")]
pub(crate) struct Modes {
    /// One answer each and no refinement
    #[arg(long)]
    pub(crate) quick: bool,
    /// Fewer checks per round, for every setting that the configuration leaves open
    #[arg(long)]
    pub(crate) fast: bool,
    /// Whether all agents answer the whole question or each does a part, which is not in this version yet
    #[arg(long, value_name = "MODE")]
    pub(crate) coordination_mode: Option<CoordinationMode>,
    /// Give each agent a point of view of its own; not in this version yet, only `off` is
    #[arg(long, value_name = "KIND")]
    pub(crate) personas: Option<Personas>,
    /// Criteria from a JSON file: a list of `{"text": …}`
    #[arg(long, value_name = "FILE", help_heading = "Criteria")]
    pub(crate) eval_criteria: Option<PathBuf>,
    /// A set of criteria by its name, such as `analysis`
    #[arg(long, value_name = "NAME", help_heading = "Criteria")]
    pub(crate) checklist_criteria_preset: Option<String>,
    /// Let the agents see the current folder: to read, or also to propose changes to
    #[arg(long, value_name = "ACCESS")]
    pub(crate) cwd_context: Option<Access>,
    /// Leave `@path` in the question as it is
    #[arg(long)]
    pub(crate) no_parse_at_references: bool,
}

/// Values of `--coordination-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CoordinationMode {
    Parallel,
    Decomposition,
}

/// Values of `--personas`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Personas {
    Off,
    Perspective,
    Implementation,
    Methodology,
}

/// Values of `--cwd-context`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    Ro,
    Read,
    Rw,
    Write,
}

/// What is shown, beside the usual flags.
#[derive(Debug, Args, Serialize)]
#[command(next_help_heading = "Output")]
pub(crate) struct Display {
    /// Which display; `textual`, the full-screen one, is not in this version yet
    #[arg(id = "display", long = "display", value_name = "KIND")]
    #[serde(rename = "display")]
    pub(crate) kind: Option<DisplayKind>,
    /// No massgen.log with the run's files, unless --debug
    #[arg(long)]
    pub(crate) no_logs: bool,
    /// No menu at the end of a run; there is none in this version
    #[arg(long)]
    pub(crate) skip_agent_selector: bool,
    /// Open no browser; nothing in this version does
    #[arg(long)]
    pub(crate) no_browser: bool,
}

/// Values of `--display`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DisplayKind {
    Rich,
    Textual,
}

/// Conversations of several turns.
#[derive(Debug, Args, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
#[command(next_help_heading = "Sessions")]
pub(crate) struct Conversations {
    /// Go on with the newest conversation of this folder
    #[arg(long = "continue")]
    pub(crate) continue_session: bool,
    /// Go on with this conversation
    #[arg(long, value_name = "ID")]
    pub(crate) session_id: Option<String>,
    /// List the 10 newest conversations
    #[arg(long)]
    pub(crate) list_sessions: bool,
    /// With --list-sessions: all of them, in detail
    #[arg(long)]
    pub(crate) all: bool,
    /// Keep this run out of the list of conversations
    #[arg(long)]
    pub(crate) no_session_registry: bool,
}

/// What makes configurations.
#[derive(Debug, Args, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
#[command(next_help_heading = "Set-up")]
pub(crate) struct SetUp {
    /// Be set up in a minute: find keys, write a configuration; --config names the file
    #[arg(long)]
    pub(crate) quickstart: bool,
    /// With --quickstart: ask nothing
    #[arg(long)]
    pub(crate) headless: bool,
    /// With --quickstart --headless: an agent, as `backend=openai,model=gpt-5.4`; may be repeated
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub(crate) quickstart_agent: Vec<String>,
    /// Build a configuration by questions and answers
    #[arg(long)]
    pub(crate) init: bool,
    /// Enter keys of providers, to be kept in a file of yours
    #[arg(long)]
    pub(crate) setup: bool,
    /// Write a configuration to this file; needs --config-backend and --config-model
    #[arg(long, value_name = "FILE")]
    pub(crate) generate_config: Option<PathBuf>,
    /// For a new configuration: the number of agents
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::whole)]
    pub(crate) config_agents: Option<i64>,
    /// For a new configuration: the backend type of the agents
    #[arg(long, value_name = "TYPE")]
    pub(crate) config_backend: Option<String>,
    /// For a new configuration: their model
    #[arg(long, value_name = "NAME")]
    pub(crate) config_model: Option<String>,
    /// For a new configuration: the id of the only agent
    #[arg(long, value_name = "ID")]
    pub(crate) config_agent_id: Option<String>,
    /// For a new configuration: run commands in containers
    #[arg(long)]
    pub(crate) config_docker: bool,
    /// For a new configuration: a folder that the agents work on
    #[arg(long, value_name = "DIR")]
    pub(crate) config_context_path: Option<PathBuf>,
}

/// What tells about configurations and backends.
#[derive(Debug, Args, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
#[command(next_help_heading = "Information")]
pub(crate) struct Information {
    /// List the backend types with their keys, models and abilities
    #[arg(long)]
    pub(crate) list_backends: bool,
    /// List the examples that --config @examples/NAME runs
    #[arg(long)]
    pub(crate) list_examples: bool,
    /// Print an example
    #[arg(long, value_name = "NAME")]
    pub(crate) example: Option<String>,
    /// Print the schema of configurations
    #[arg(long)]
    pub(crate) show_schema: bool,
    /// With --show-schema: only what this backend type takes
    #[arg(long, value_name = "TYPE")]
    pub(crate) schema_backend: Option<String>,
    /// With --show-schema: an example value for each key
    #[arg(long)]
    pub(crate) with_examples: bool,
    /// Check a configuration and run nothing
    #[arg(long, value_name = "FILE")]
    pub(crate) validate: Option<PathBuf>,
    /// With --validate: warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// With --validate, --list-backends, --list-examples and --show-schema: JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Run although the configuration has unknown keys
    #[arg(long, conflicts_with = "strict_validation")]
    pub(crate) skip_validation: bool,
    /// Do not run if the configuration has warnings
    #[arg(long)]
    pub(crate) strict_validation: bool,
}

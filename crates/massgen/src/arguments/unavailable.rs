//! Flags and commands whose feature is not in this version yet.
//!
//! They are parsed and documented, and whoever types one is told so instead of being ignored. A feature that arrives
//! takes its rows out of the tables here and moves its flags to [`super::groups`].

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::{CommandLine, numbers};
use crate::failure::Failure;

/// Heading of these flags in the help.
pub(super) const HEADING: &str = "Not in this version yet";

/// Something that cannot be done yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable {
    /// Id of the flag, or name of the command.
    pub(crate) name: &'static str,
    /// The values that cannot be had; empty when the flag as a whole cannot.
    pub(crate) values: &'static [&'static str],
    /// What it needs, as a phrase.
    pub(crate) feature: &'static str,
    /// What to do instead.
    pub(crate) instead: &'static str,
}

const PLANNING: &str = "planning";
const WEB: &str = "the web interface";
const CHECKLISTS: &str = "checklist-gated voting";
const CONTAINERS: &str = "containers";
const PUT_INTO_SYSTEM_MESSAGES: &str =
    "leave it out, and write what answers are judged by into the question or into `system_message`";
const STEPS: &str = "step mode";
const ASK_DIRECTLY: &str = "leave it out, and ask for the plan or the work in the question itself";
const IN_TERMINAL: &str =
    "leave it out: the run is shown in this terminal, and its files are in the log folder";

/// All flags that cannot be used yet.
pub(crate) const FLAGS: &[Unavailable] = &[
    flag(
        "select",
        "a menu of configurations",
        "see what there is with `massgen --list-examples`, and name it with `--config`",
    ),
    value(
        "display",
        &["textual"],
        "the full-screen terminal interface",
        "leave it out for live progress, or use `--no-display` for plain lines",
    ),
    value(
        "coordination_mode",
        &["decomposition"],
        "decomposition of the task",
        "leave it out: all agents answer the whole question and vote",
    ),
    value(
        "personas",
        &["perspective", "implementation", "methodology"],
        "agents with personas",
        "leave it out, or give each agent of the configuration a `system_message` of its own",
    ),
    flag("fast", "fast iteration", "leave it out, or use `--quick` for one answer each"),
    flag("eval_criteria", CHECKLISTS, PUT_INTO_SYSTEM_MESSAGES),
    flag("checklist_criteria_preset", CHECKLISTS, PUT_INTO_SYSTEM_MESSAGES),
    flag(
        "no_logs",
        "runs without massgen.log",
        "leave it out, or set MASSGEN_LOG_BASE_DIR to keep the files of runs elsewhere",
    ),
    flag(
        "save_streaming_buffers",
        "dumps of raw streams",
        "use `--record FILE`, which keeps every model call",
    ),
    flag("logfire", "telemetry", "use `--stream-events`, or read events.jsonl in the log folder"),
    flag("plan", PLANNING, ASK_DIRECTLY),
    flag("spec", PLANNING, ASK_DIRECTLY),
    flag("plan_and_execute", PLANNING, ASK_DIRECTLY),
    flag("execute_plan", PLANNING, ASK_DIRECTLY),
    flag("execute_spec", PLANNING, ASK_DIRECTLY),
    flag("plan_depth", PLANNING, ASK_DIRECTLY),
    flag("plan_thoroughness", PLANNING, ASK_DIRECTLY),
    flag("plan_steps", PLANNING, ASK_DIRECTLY),
    flag("plan_chunks", PLANNING, ASK_DIRECTLY),
    value(
        "broadcast",
        &["human", "agents"],
        "questions between agents and to people",
        "leave it out, or steer a run by files with `--inbox-dir DIR`",
    ),
    flag("setup_skills", "skills", "leave it out: a run needs no skills"),
    flag("setup_docker", CONTAINERS, "leave it out: a run needs no containers"),
    flag("textual_serve", "the full-screen terminal interface", IN_TERMINAL),
    flag("textual_serve_port", "the full-screen terminal interface", IN_TERMINAL),
    flag("web_quickstart", WEB, "use `massgen --quickstart`"),
    flag("web", WEB, IN_TERMINAL),
    flag("web_host", WEB, IN_TERMINAL),
    flag("web_port", WEB, IN_TERMINAL),
    flag("web_review", WEB, IN_TERMINAL),
    flag("step", STEPS, "run the whole team, and steer it by files with `--inbox-dir DIR`"),
    flag("session_dir", STEPS, "run the whole team, and steer it by files with `--inbox-dir DIR`"),
];

/// All commands that cannot be used yet.
pub(crate) const COMMANDS: &[&Unavailable] = &[&VIEWER, &EXPORT, &SHARES, &SERVE, &ANALYZE];

/// `massgen viewer`.
pub(crate) const VIEWER: Unavailable =
    flag("viewer", "a viewer of runs", "see a run with `massgen logs`; its answers are in the log folder");
/// `massgen export`.
pub(crate) const EXPORT: Unavailable =
    flag("export", "sharing of runs", "pack the log folder: it is complete in itself");
/// `massgen shares`.
pub(crate) const SHARES: Unavailable =
    flag("shares", "sharing of runs", "pack the log folder: it is complete in itself");
/// `massgen serve`.
pub(crate) const SERVE: Unavailable =
    flag("serve", "a model server", "start `massgen --automation \"your question\"` from your program");
/// `massgen logs analyze`.
pub(crate) const ANALYZE: Unavailable = flag(
    "logs analyze",
    "analysis of runs by models",
    "see a run with `massgen logs`, or `massgen logs tools`",
);

const fn flag(name: &'static str, feature: &'static str, instead: &'static str) -> Unavailable {
    Unavailable { name, values: &[], feature, instead }
}

const fn value(
    name: &'static str,
    values: &'static [&'static str],
    feature: &'static str,
    instead: &'static str,
) -> Unavailable {
    Unavailable { name, values, feature, instead }
}

/// The row of the flag with this id.
pub(crate) fn unavailable(id: &str) -> Option<&'static Unavailable> {
    FLAGS.iter().find(|row| row.name == id)
}

/// Whether the command with this name, its parts apart by spaces, waits for its feature.
pub(crate) fn is_command(name: &str) -> bool {
    COMMANDS.iter().any(|row| row.name == name)
}

impl Unavailable {
    /// Whether it was typed: the flag, or one of the values that cannot be had.
    pub(crate) fn is_in(&self, line: &CommandLine) -> bool {
        line.typed(self.name).is_some_and(|typed| {
            self.values.is_empty() || typed.values.iter().any(|value| self.values.contains(&value.as_str()))
        })
    }

    /// What is told to a person who typed the flag.
    pub(crate) fn flag_failure(&self, line: &CommandLine) -> Failure {
        let mut shown = format!("--{}", self.name.replace('_', "-"));
        if !self.values.is_empty()
            && let Some(typed) = line.typed(self.name)
        {
            shown = format!("{shown} {}", typed.values.join(" "));
        }
        self.failure(&shown)
    }

    /// What is told to a person who typed the command.
    pub(crate) fn command_failure(&self) -> Failure {
        self.failure(&format!("massgen {}", self.name))
    }

    fn failure(&self, shown: &str) -> Failure {
        let feature = self.feature;
        Failure::usage(format!("`{shown}` needs {feature}, which this version of massgen does not have yet"))
            .hint(self.instead)
    }
}

/// The flags that only wait for their feature.
#[derive(Debug, Args, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
#[command(next_help_heading = HEADING)]
pub(crate) struct UnavailableFlags {
    /// Choose a configuration from a menu
    #[arg(long)]
    select: bool,
    /// Keep what models stream, as it came
    #[arg(long)]
    save_streaming_buffers: bool,
    /// Send traces of the run
    #[arg(long)]
    logfire: bool,
    /// Make a plan instead of an answer
    #[arg(long)]
    plan: bool,
    /// Make a list of requirements instead of an answer
    #[arg(long)]
    spec: bool,
    /// How far a plan goes into detail
    #[arg(long, value_name = "DEPTH")]
    plan_depth: Option<PlanDepth>,
    /// How thorough a plan is
    #[arg(long, value_name = "KIND")]
    plan_thoroughness: Option<PlanThoroughness>,
    /// How many steps a plan has, about
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::whole)]
    pub(crate) plan_steps: Option<i64>,
    /// How many parts a plan is carried out in
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = numbers::whole)]
    pub(crate) plan_chunks: Option<i64>,
    /// Whom agents may ask while they work; `false`, nobody, is how this version works
    #[arg(long, value_name = "WHOM")]
    broadcast: Option<Broadcast>,
    /// Make a plan and carry it out
    #[arg(long)]
    plan_and_execute: bool,
    /// Carry out a plan: its folder, its id, or `latest`
    #[arg(long, value_name = "PLAN")]
    execute_plan: Option<PathBuf>,
    /// Carry out a list of requirements: its folder, its id, or `latest`
    #[arg(long, value_name = "SPEC")]
    execute_spec: Option<PathBuf>,
    /// Install skills
    #[arg(long)]
    setup_skills: bool,
    /// Fetch the images of containers
    #[arg(long)]
    setup_docker: bool,
    /// Show the full-screen interface in a browser
    #[arg(long)]
    textual_serve: bool,
    /// Port of --textual-serve
    #[arg(long, value_name = "PORT")]
    textual_serve_port: Option<u16>,
    /// Show runs in a browser
    #[arg(long)]
    web: bool,
    /// Address of --web
    #[arg(long, value_name = "ADDRESS")]
    web_host: Option<String>,
    /// Port of --web
    #[arg(long, value_name = "PORT")]
    web_port: Option<u16>,
    /// Be set up in a browser
    #[arg(long)]
    web_quickstart: bool,
    /// Approve changes of files in a browser
    #[arg(long)]
    web_review: bool,
    /// Let one agent take one action, then end
    #[arg(long)]
    step: bool,
    /// Folder that --step reads and writes
    #[arg(long, value_name = "DIR")]
    session_dir: Option<PathBuf>,
}

/// Values of `--plan-depth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum PlanDepth {
    Dynamic,
    Shallow,
    Medium,
    Deep,
}

/// Values of `--plan-thoroughness`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum PlanThoroughness {
    Standard,
    Thorough,
}

/// Values of `--broadcast`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Broadcast {
    Human,
    Agents,
    False,
}

//! Commands beside asking a question.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use clap_complete::Shell;

use super::numbers;

/// Commands beside asking a question.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Look at runs: what they cost, which tools they used, where they are
    Logs(Logs),
    /// Show what a configuration comes to
    #[command(subcommand)]
    Config(Config),
    /// See what is on this machine, what would run, and what is missing
    Doctor(Doctor),
    /// Trust the configuration and the skills of a project
    Trust(Trust),
    /// List the models that can be asked, with windows and prices
    Models(Models),
    /// Show what a run changed in the project
    Changes {
        /// The run: its log folder, or `latest`
        #[arg(value_name = "LOG_DIR", default_value = "latest")]
        log_dir: PathBuf,
        /// In full, as `git apply` reads it
        #[arg(long)]
        diff: bool,
    },
    /// Apply what a run changed and was not applied
    Apply {
        /// The run: its log folder, or `latest`
        #[arg(value_name = "LOG_DIR", default_value = "latest")]
        log_dir: PathBuf,
        /// Only this file, or what is below this folder; can be repeated
        #[arg(long = "file", value_name = "PATH")]
        files: Vec<String>,
        /// Only this place of a file, by its number in `massgen changes`; can be repeated
        #[arg(long = "hunk", value_name = "PATH:N")]
        places: Vec<String>,
        /// Also to files that changed in the project meanwhile
        #[arg(long)]
        overwrite: bool,
    },
    /// Take back what a run changed in the project
    Undo {
        /// The run: its log folder, or `latest`; without it, the newest with something applied
        #[arg(value_name = "LOG_DIR")]
        log_dir: Option<PathBuf>,
        /// Also files that changed since
        #[arg(long)]
        overwrite: bool,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page
    Man,
    /// Look at a run as it went; not in this version yet
    Viewer(Viewer),
    /// Share a run; not in this version yet
    Export(Export),
    /// Manage what was shared; not in this version yet
    Shares(Shares),
    /// Answer as a model over HTTP; not in this version yet
    Serve(Serve),
}

/// `massgen logs`; bare, it is `massgen logs summary`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Logs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<LogsCommand>,
    /// Options of the summary.
    #[command(flatten)]
    pub(crate) summary: RunReport,
}

/// What can be done with the logs of runs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum LogsCommand {
    /// What a run was about, who won, what it took; this is what bare `logs` does
    Summary(RunReport),
    /// The tools that a run used
    Tools {
        /// Which come first
        #[arg(long, value_enum, value_name = "BY", default_value_t = ToolOrder::Time)]
        sort: ToolOrder,
        /// Which run, and in which form.
        #[command(flatten)]
        report: RunReport,
    },
    /// The newest runs
    List(ListRuns),
    /// Open a run's folder in the file manager
    Open {
        /// The run: its log folder, the folder's name with or without `log_`, or `latest`
        #[arg(long, value_name = "LOG_DIR", default_value = "latest")]
        log_dir: PathBuf,
    },
    /// Have a model analyse a run; not in this version yet
    Analyze(Analyze),
    /// Remove old runs, and what dead runs left
    Prune(Prune),
    /// Write all files of a run again from its journal
    Rebuild {
        /// The run's log folder, or `latest`
        #[arg(value_name = "LOG_DIR")]
        log_dir: PathBuf,
    },
}

/// Which runs go.
#[derive(Debug, Clone, Args)]
pub(crate) struct Prune {
    /// Keep so many of the newest runs
    #[arg(long, value_name = "N")]
    pub(crate) keep: Option<usize>,
    /// Remove what is older than this, as in `30d`, `12h` or `2w`; with `--keep`, only what is beyond those
    #[arg(long, value_name = "TIME", value_parser = numbers::age)]
    pub(crate) older_than: Option<Duration>,
    /// Only tell what would go
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// Which run to report on, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunReport {
    /// The run: its log folder, the folder's name with or without `log_`, or `latest`
    #[arg(long, value_name = "LOG_DIR", default_value = "latest")]
    pub(crate) log_dir: PathBuf,
    /// JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Order of tools in a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolOrder {
    Time,
    Calls,
}

/// Which runs to list, and how.
#[derive(Debug, Clone, Args)]
pub(crate) struct ListRuns {
    /// How many
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) limit: NonZeroUsize,
    /// Only runs with an analysis
    #[arg(long, conflicts_with = "unanalyzed")]
    pub(crate) analyzed: bool,
    /// Only runs without one
    #[arg(long)]
    pub(crate) unanalyzed: bool,
    /// JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `massgen logs analyze`.
#[derive(Debug, Args)]
pub(crate) struct Analyze {
    /// The run
    #[arg(long, value_name = "LOG_DIR")]
    log_dir: Option<PathBuf>,
    /// A request for an assistant, or a run of massgen on its own log
    #[arg(long, value_name = "MODE")]
    mode: Option<AnalyzeMode>,
    /// Configuration of that run
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How that run is shown
    #[arg(long, value_name = "KIND")]
    ui: Option<AnalyzeUi>,
    /// Which turn
    #[arg(long, short, value_name = "N")]
    turn: Option<u32>,
    /// Also when there is an analysis already
    #[arg(long, short)]
    force: bool,
}

/// Values of `massgen logs analyze --mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnalyzeMode {
    Prompt,
    #[value(name = "self")]
    Own,
}

/// Values of `massgen logs analyze --ui`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum AnalyzeUi {
    Automation,
    RichTerminal,
    Webui,
}

/// What can be shown of configurations.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Config {
    /// The values that would apply, each with where it comes from
    Show(ShowConfig),
    /// The file that would be used
    Path {
        /// A configuration, as for running
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

/// Options of `massgen config show`.
#[derive(Debug, Args)]
pub(crate) struct ShowConfig {
    /// A configuration, as for running
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Also what nobody set and has its default
    #[arg(long)]
    pub(crate) all: bool,
    /// JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `massgen doctor`.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `massgen trust`.
#[derive(Debug, Args)]
pub(crate) struct Trust {
    /// A folder of the project, or of a run; without it, the project that you are in
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: Option<PathBuf>,
    /// Show what you trust
    #[arg(long, conflicts_with_all = ["folder", "forget"])]
    pub(crate) list: bool,
    /// Take it back
    #[arg(long)]
    pub(crate) forget: bool,
}

/// Options of `massgen models`.
#[derive(Debug, Args)]
pub(crate) struct Models {
    /// Only this backend type
    #[arg(long, value_name = "TYPE")]
    pub(crate) backend: Option<String>,
    /// Also types without a key, from the built-in catalogue
    #[arg(long)]
    pub(crate) all: bool,
    /// JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `massgen viewer`.
#[derive(Debug, Args)]
pub(crate) struct Viewer {
    /// The run: its log folder, or the folder's name
    #[arg(value_name = "LOG_DIR")]
    log: Option<PathBuf>,
    /// Which turn
    #[arg(long, value_name = "N")]
    turn: Option<u32>,
    /// Which attempt
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// How fast to replay; 0 is at once
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0)]
    replay_speed: f64,
    /// Choose the run from a list
    #[arg(long)]
    pick: bool,
    /// In a browser
    #[arg(long)]
    web: bool,
    /// Port for the browser
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    port: u16,
    /// Open no browser
    #[arg(long)]
    no_browser: bool,
}

/// Options of `massgen export`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "these are the switches of the command line")]
pub(crate) struct Export {
    /// The run: its log folder, or the folder's name
    #[arg(value_name = "LOG_DIR")]
    log: Option<PathBuf>,
    /// Which turns: `all`, `N`, `N-M` or `latest`
    #[arg(long, short, value_name = "TURNS", default_value = "all")]
    turns: String,
    /// Without the agents' files
    #[arg(long)]
    no_workspace: bool,
    /// Most that is taken of each agent's files
    #[arg(long, value_name = "SIZE", default_value = "500KB")]
    workspace_limit: String,
    /// Ask nothing
    #[arg(long, short)]
    yes: bool,
    /// Only tell what would be shared
    #[arg(long)]
    dry_run: bool,
    /// Tell more
    #[arg(long, short)]
    verbose: bool,
    /// JSON instead of text
    #[arg(long)]
    json: bool,
}

/// `massgen shares`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct Shares {
    /// What to do.
    #[command(subcommand)]
    command: SharesCommand,
}

/// What can be done with shared runs.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum SharesCommand {
    /// List them
    List,
    /// Delete one
    Delete {
        /// Its id
        id: String,
    },
}

/// Options of `massgen serve`.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address to listen on
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    port: u16,
    /// Configuration of the runs
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Start again when files change
    #[arg(long)]
    reload: bool,
}

//! Development tasks: `cargo xtask ci`, `layers`, `sizes`, `gen`, `peers`, `litellm`, `published`, `servers`,
//! `bench`.
//!
//! What it does not hold: anything that ships, or that a test needs.
//!
//! Who calls it: people, and continuous integration through `.ci/run`.
//!
//! Invariants: a task that fails says so in one line and exits with 1; a task changes nothing outside `target/` and the
//! folders `node_modules` below `tests/peers`, except `gen`, which writes the files it lists.

mod bench;
mod ci;
mod generate;
mod helper;
mod layers;
mod needs;
mod out;
mod peers;
mod places;
mod product;
mod programs;
mod published;
mod python;
mod servers;
mod sizes;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Development tasks of the massgen workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must hold before a change lands, in order, up to the first failure.
    Ci {
        /// Also what is large or may be missing: a second independent peer.
        #[arg(long)]
        full: bool,
    },
    /// Check the crates' dependencies and the pure crates' sources against the house (xtask/src/layers/house.rs).
    Layers,
    /// Show the largest source files and the size of every crate; fail when a file is too large.
    Sizes,
    /// Write the files that come out of the code.
    Gen {
        /// Change nothing; fail when a file is stale.
        #[arg(long)]
        check: bool,
        /// This program instead of a fresh debug build.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Run the debug program against aimock, without and with faults.
    Peers {
        /// Where aimock's faults begin.
        #[arg(long, default_value_t = ci::SEED)]
        seed: u32,
        /// This program instead of a fresh debug build.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Check every configuration of the published MassGen package; left out where that cannot be had.
    Published {
        /// This program instead of a fresh debug build.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Run the debug program against the proxy of LiteLLM; left out where that cannot be had.
    Litellm {
        /// This program instead of a fresh debug build.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Run our client of tool servers against servers of others; it fails where they cannot be had.
    Servers,
    /// Measure the release program and print the figures beside what was hoped for.
    Bench {
        /// Only what a chunk of a reply costs each decoder.
        #[arg(long, conflicts_with = "program")]
        decoders: bool,
        /// This program, measured by this build of the tool, instead of fresh release builds of both.
        #[arg(long)]
        program: Option<PathBuf>,
    },
    /// Serve as the model of a bench; for `bench`.
    #[command(hide = true)]
    ModelServer {
        #[command(flatten)]
        schedule: bench::server::Schedule,
    },
    /// Run a program and write what it used; for `bench`.
    #[command(hide = true)]
    Measure {
        /// Where to write it.
        file: PathBuf,
        /// The program and its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<PathBuf>,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Ci { full } => ci::run(if full { ci::Extent::Full } else { ci::Extent::Usual }),
        Task::Layers => layers::run(),
        Task::Sizes => sizes::run(),
        Task::Gen { check, program } => {
            let mode = if check { generate::Mode::Check } else { generate::Mode::Write };
            given_or_built(program).and_then(|program| generate::run(&program, mode))
        }
        Task::Peers { seed, program } => {
            given_or_built(program).and_then(|program| peers::run(&program, seed))
        }
        Task::Published { program } => given_or_built(program).and_then(|program| published::run(&program)),
        Task::Litellm { program } => {
            given_or_built(program).and_then(|program| peers::litellm::run(&program))
        }
        Task::Servers => servers::run(),
        Task::Bench { decoders: true, program: _ } => bench::run_decoders(),
        Task::Bench { decoders: false, program } => bench::run(program),
        Task::ModelServer { schedule } => bench::server::serve(schedule),
        Task::Measure { file, command } => bench::measure::run(&file, &command),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn given_or_built(program: Option<PathBuf>) -> Result<PathBuf> {
    program.map_or_else(programs::debug_program, |program| Ok(fs_err::canonicalize(program)?))
}

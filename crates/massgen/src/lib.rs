//! The massgen program: command line, plain and JSON output, wiring.
//!
//! What it holds: the arguments, where configuration and keys are looked for, how a run is set up, shown, resumed and
//! ended, and the exit codes.
//!
//! What it does not hold: behaviour of a run. It is the only crate that knows all others, so whatever could live in
//! one of them does.
//!
//! Who calls it: `src/main.rs`, and tests that start the program under another journal.
//!
//! Invariants: a run exits with 0 only when a final answer exists; with `--stream-events`, stdout is JSON lines and
//! nothing else; no key of the environment is printed or stored.

mod action;
mod arguments;
mod asking;
mod at_paths;
mod backends;
mod closing;
mod discovery;
pub mod display;
mod dotenv;
mod environment;
mod examples;
mod failure;
mod form;
mod git;
mod guidance;
mod inbox;
mod information;
mod instructions;
mod interactive;
mod key_command;
mod logs;
mod models;
mod output;
mod pages;
mod reach;
mod real_folders;
mod remarks;
mod review;
mod run;
mod sessions;
mod setting_up;
mod setup;
mod shell;
mod skills;
mod terminal;
mod trust;
mod uploads;
mod wiring;
mod workbench;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use massgen_ports::Journal;
use massgen_workspace::changes::Later;

use action::Action;
use arguments::CommandLine;
use arguments::commands::Subcommand;
use arguments::unavailable;
use environment::Environment;
use failure::Failure;
use remarks::Remarks;
use sessions::listing::Extent;
use setting_up::Person;
use setting_up::doctor::{self, Form};

/// Something between the engine and its journal. Tests use it to break things at a chosen moment.
pub struct JournalLayer(Box<Wrap>);

type Wrap = dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync;

impl JournalLayer {
    /// Nothing.
    pub fn none() -> Self {
        Self::new(|journal| journal)
    }

    /// What `wrap` makes of the journal.
    pub fn new(wrap: impl Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + Send + Sync + 'static) -> Self {
        Self(Box::new(wrap))
    }

    pub(crate) fn around(&self, journal: Arc<dyn Journal>) -> Arc<dyn Journal> {
        (self.0)(journal)
    }
}

impl std::fmt::Debug for JournalLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JournalLayer")
    }
}

/// Runs the program with `arguments`, the program's name first.
pub fn main(arguments: impl IntoIterator<Item = OsString>, layer: &JournalLayer) -> ExitCode {
    let mut line = match CommandLine::parse(arguments) {
        Ok(line) => line,
        Err(error) => {
            if let Some(failure) = arguments::unquoted(&error) {
                return report(&failure);
            }
            // Help and version are asked for and go to stdout; everything else is a mistake and goes to stderr.
            let code = if error.use_stderr() { failure::USAGE } else { failure::SUCCESS };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match perform(&mut line, layer) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => report(&failure),
    }
}

/// Does what was asked for.
fn perform(line: &mut CommandLine, layer: &JournalLayer) -> Result<u8, Failure> {
    let action = action::decide(line)?;
    if matches!(action, Action::Quickstart)
        && let Some(failure) = action::answered_unasked(line, Person::of_process())
    {
        return Err(failure);
    }
    for remark in action::idle(line) {
        Remarks::direct().tell(&remark);
    }
    let arguments = &line.arguments;
    match action {
        Action::Unavailable(row) => Err(row.flag_failure(line)),
        Action::Command(command) => perform_command(command),
        Action::ListSessions => {
            let extent = if arguments.sessions.all { Extent::All } else { Extent::Newest };
            sessions::listing::perform(extent, &Environment::for_telling()?)
        }
        Action::Validate(file) => {
            information::validate(file, &arguments.information, &Environment::for_telling()?)
        }
        Action::ListBackends => {
            information::list_backends(&arguments.information, &Environment::for_telling()?)
        }
        Action::ListExamples if arguments.information.json => {
            print(format!("{:#}\n", examples::json()).as_bytes())
        }
        Action::ListExamples => print(examples::list().as_bytes()),
        Action::Example(name) => print(examples::find(name)?.text.as_bytes()),
        Action::ShowSchema => information::show_schema(&arguments.information, &Environment::for_telling()?),
        Action::Setup => setting_up::setup(&Environment::for_telling()?),
        Action::GenerateConfig(file) => {
            setting_up::generate_config(file, arguments, &Environment::for_telling()?)
        }
        Action::Quickstart => setting_up::quickstart(arguments, &Environment::for_telling()?),
        Action::Init => setting_up::init(arguments.config.as_deref(), &Environment::for_telling()?),
        Action::Run => {
            let environment = Environment::for_run()?;
            match setting_up::first_run(arguments, &environment)? {
                Some(code) => Ok(code),
                None => run::perform(&mut line.arguments, &environment, layer),
            }
        }
    }
}

/// Does what a command beside asking a question asks for. What needs no environment does not fail for it.
fn perform_command(command: &Subcommand) -> Result<u8, Failure> {
    match command {
        Subcommand::Completions { shell } => print(&pages::completions(*shell)),
        Subcommand::Man => print(&pages::manual()?),
        Subcommand::Logs(logs) => logs::perform(logs, &Environment::for_telling()?),
        Subcommand::Config(command) => information::config(command, &Environment::for_telling()?),
        Subcommand::Doctor(doctor) => {
            let form = if doctor.json { Form::Json } else { Form::Text };
            doctor::perform(form, &Environment::of_process()?)
        }
        Subcommand::Changes { log_dir, diff } => {
            let form = if *diff { review::commands::Form::Diff } else { review::commands::Form::List };
            review::commands::changes(log_dir, form, &Environment::for_telling()?)
        }
        Subcommand::Apply { log_dir, files, places, overwrite } => {
            let later = if *overwrite { Later::Overwrite } else { Later::Keep };
            let chosen = review::Chosen { files, places };
            review::commands::apply(log_dir, &chosen, later, &Environment::for_telling()?)
        }
        Subcommand::Undo { log_dir, overwrite } => {
            let later = if *overwrite { Later::Overwrite } else { Later::Keep };
            review::commands::undo(log_dir.as_deref(), later, &Environment::for_telling()?)
        }
        Subcommand::Trust(options) => trust::perform(options, &Environment::for_telling()?),
        Subcommand::Models(options) => models::perform(options, &Environment::for_telling()?),
        Subcommand::Viewer(_) => Err(unavailable::VIEWER.command_failure()),
        Subcommand::Export(_) => Err(unavailable::EXPORT.command_failure()),
        Subcommand::Shares(_) => Err(unavailable::SHARES.command_failure()),
        Subcommand::Serve(_) => Err(unavailable::SERVE.command_failure()),
    }
}

/// Prints what was asked for. A reader that has seen enough is no failure.
fn print(text: &[u8]) -> Result<u8, Failure> {
    match std::io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::configuration(format!("cannot write to stdout: {error}")))
        }
        Ok(()) | Err(_) => Ok(failure::SUCCESS),
    }
}

/// Tells a person what went wrong, on stderr. Lines are broken for people only: programs look for whole ones.
fn report(failure: &Failure) -> ExitCode {
    let stderr = std::io::stderr();
    let columns = stderr.is_terminal().then(|| terminal::columns(&stderr));
    let _ = stderr.lock().write_all(failure.shown(columns).as_bytes());
    ExitCode::from(failure.code())
}

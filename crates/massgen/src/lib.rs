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

mod arguments;
mod closing;
mod discovery;
pub mod display;
mod environment;
mod failure;
mod git;
mod inbox;
mod logs;
mod output;
mod remarks;
mod run;
mod setup;
mod wiring;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use massgen_ports::Journal;

use arguments::{Arguments, Subcommand};
use environment::Environment;
use failure::Failure;

/// Something between the engine and its journal. Tests use it to break things at a chosen moment.
pub struct JournalLayer(Box<Wrap>);

type Wrap = dyn Fn(Arc<dyn Journal>) -> Arc<dyn Journal>;

impl JournalLayer {
    /// Nothing.
    pub fn none() -> Self {
        Self::new(|journal| journal)
    }

    /// What `wrap` makes of the journal.
    pub fn new(wrap: impl Fn(Arc<dyn Journal>) -> Arc<dyn Journal> + 'static) -> Self {
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
    let arguments = match Arguments::try_parse_from(arguments::sorted(arguments)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version are asked for and go to stdout; everything else is a mistake and goes to stderr.
            let code = if error.use_stderr() { failure::USAGE } else { failure::SUCCESS };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let environment = match Environment::of_process() {
        Ok(environment) => environment,
        Err(failure) => return report(&failure),
    };
    let outcome = match &arguments.command {
        Some(Subcommand::Logs(logs)) => logs::perform(logs, &environment),
        None => run::perform(&arguments, &environment, layer),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(failure) => report(&failure),
    }
}

/// Tells a person what went wrong, on stderr.
fn report(failure: &Failure) -> ExitCode {
    let _ = write!(std::io::stderr().lock(), "{failure}");
    ExitCode::from(failure.code())
}

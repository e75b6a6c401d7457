//! The plain interactive mode: a person asks one question after the other on a terminal, and looks at what came of it.
//!
//! What it holds: the commands and what a line means (pure), completion (pure over a view of folders), the files of a
//! run as text, the line editor, and the dialogue that joins them.
//!
//! What it does not hold: how a question is run. That is [`crate::asking`]'s.
//!
//! Invariants: `/help`, completion and what is understood come from one table; whatever is shown of a run, a
//! configuration or a file name is cleaned of what a terminal would obey; a question that fails returns to the prompt.

mod command;
mod completion;
mod dialogue;
mod editor;
mod inspection;
mod line;
mod open_file;
mod page;
mod record;
mod session_host;
pub(crate) mod terminal_mode;
#[cfg(test)]
mod test_run;

use std::io::{self, IsTerminal};

use massgen_view::Style;
use tokio::signal::unix::{SignalKind, signal};

use crate::JournalLayer;
use crate::arguments::Arguments;
use crate::asking::Asking;
use crate::display::DisplayOptions;
use crate::display::surroundings::{Stream, Wish};
use crate::environment::Environment;
use crate::failure::{Failure, INTERRUPTED, SUCCESS};
use crate::remarks::Remarks;
use crate::run::OnInterrupt;
use crate::setup;
use dialogue::{Dialogue, Left};
use editor::Terminal;
use session_host::SessionHost;
use terminal_mode::TerminalMode;

/// Whether `arguments` begin a conversation: they ask for no question, nor does the configuration, and a person sits at
/// the terminal.
pub(crate) fn is_wanted(arguments: &Arguments, environment: &Environment) -> bool {
    let is_for_programs = arguments.automation || arguments.stream_events;
    let is_open = arguments.question.is_none() && arguments.resume.is_none() && !is_for_programs;
    if !is_open || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return false;
    }
    // What is wrong with a configuration is told when it is used.
    let continues = arguments.sessions.continue_session || arguments.sessions.session_id.is_some();
    continues || !setup::has_question(arguments, environment).unwrap_or(false)
}

/// Talks with the person at the terminal until they leave; returns the exit code. The dialogue is written to stderr, so
/// that stdout holds answers only.
///
/// # Errors
/// When there is nothing that could run, or the terminal cannot be used.
pub(crate) async fn converse(
    arguments: &mut Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<u8, Failure> {
    let asking = Asking::begin(arguments, environment, layer, OnInterrupt::AskOn)?;
    let host = SessionHost::new(asking, environment)?;
    let redactor = environment.redactor(host.secrets().iter().cloned());
    let redact = Box::new(move |text: &str| redactor.text(text).into_owned());
    let history = environment.home.as_ref().map(|home| home.join(".massgen").join("history"));
    let unusable = |error: io::Error| Failure::configuration(format!("the terminal cannot be used: {error}"));
    let (editor, remark) = Terminal::open(history, redact, environment.clone()).map_err(unusable)?;
    if let Some(remark) = remark {
        Remarks::direct().tell(&remark);
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(unusable)?;
    // Nobody reads it: from now on, Ctrl-C in an editor that `/config` has opened does not end this process.
    let _interrupt = signal(SignalKind::interrupt()).map_err(unusable)?;
    let mode = TerminalMode::now();
    let mut dialogue = Dialogue {
        host,
        out: io::stderr(),
        style: style(environment),
        version: env!("CARGO_PKG_VERSION"),
        working_directory: environment.working_directory.clone(),
        open_file: open_file::chosen(|name| environment.of_person(name)),
    };
    let left = dialogue.run(editor, async move {
        terminate.recv().await;
    });
    let left = left.await;
    // A reader that is still waiting has left the terminal as it needs it.
    mode.restore();
    match left.map_err(unusable)? {
        Left::ByChoice => Ok(SUCCESS),
        Left::OnRequest => Ok(INTERRUPTED),
    }
}

/// The look of text on stderr.
fn style(environment: &Environment) -> Style {
    let variable = |name: &str| environment.get(name);
    DisplayOptions::fitting(Wish::Simple, Stream::stdout(), Stream::stderr(), variable).progress_style
}

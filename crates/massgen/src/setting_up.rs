//! Set-up: how somebody who has nothing configured gets a team that runs, and what is on this machine.
//!
//! Decisions are pure functions over plain data (what there is, what was asked for, what was answered); files, programs
//! and the terminal are at the rim. All configurations that are written come from one generator,
//! [`massgen_config::generate`]. Nothing is installed and no existing file is replaced unasked.

mod damage;
pub(crate) mod dialogue;
pub(crate) mod doctor;
mod env_file;
mod headless;
mod keys;
mod offers;
mod programs;
mod readiness;
mod request;
mod saving;
pub(crate) mod terminal;
mod welcome;
mod wizard;

pub(crate) use headless::{generate_config, quickstart};
pub(crate) use keys::setup;
pub(crate) use welcome::first_run;
pub(crate) use wizard::init;

use std::io::IsTerminal;

use dialogue::Dialogue;
use massgen_config::registry::{self, Effect};

use crate::failure::Failure;
use crate::terminal::is_dumb;

/// Whether somebody can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Person {
    /// Keys are read from a terminal, and questions are shown on one.
    Present,
    /// Stdin or stderr is no terminal, or one that cannot draw over what it has shown.
    Absent,
}

impl Person {
    /// Whether somebody sits before this process.
    pub(crate) fn of_process() -> Self {
        if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() && !is_dumb() {
            Self::Present
        } else {
            Self::Absent
        }
    }
}

/// Asks somebody who is [`Person::Present`] a question whose answer is no unless they say yes.
///
/// # Errors
/// When the terminal cannot be used.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = dialogue::cancelled(terminal::Terminal::take().confirm(question, dialogue::Start::No))?;
    Ok(answer.unwrap_or(false))
}

/// What is told where questions cannot be put.
fn nobody_to_ask(flag: &str) -> Failure {
    Failure::usage(format!("`{flag}` asks questions, and there is no terminal to ask them on"))
        .hint("`massgen --quickstart --headless` asks nothing")
}

/// Whether this version does what a key of the configuration asks for.
fn has_effect(path: &str) -> bool {
    registry::key(path).is_some_and(|key| key.effect == Effect::Active)
}

/// Writes `text` to stdout.
fn tell(text: &str) -> Result<(), Failure> {
    crate::print(text.as_bytes()).map(|_| ())
}

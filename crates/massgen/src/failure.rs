//! What ends the program before or beside a run, and the exit codes.

use std::fmt;

use massgen_config::Findings;
use massgen_protocol::event::RunOutcome;
use massgen_view::clean::clean_text;

use crate::terminal::findings_style;

/// A final answer exists, or what was asked for was done.
pub(crate) const SUCCESS: u8 = 0;
/// The configuration is wrong, a key is missing, a folder cannot be used.
pub(crate) const CONFIGURATION: u8 = 1;
/// The arguments are wrong; also: no agent gave an answer.
pub(crate) const USAGE: u8 = 2;
/// No agent gave an answer.
const NO_ANSWER: u8 = 2;
/// The deadline came before any answer.
const DEADLINE: u8 = 3;
/// Interrupted; what is there was saved and the run can be resumed.
pub(crate) const INTERRUPTED: u8 = 4;
/// The budget was spent before any answer.
const BUDGET: u8 = 5;

/// The exit code of a run that has ended.
pub(crate) fn code_of(outcome: RunOutcome) -> u8 {
    match outcome {
        RunOutcome::Answered => SUCCESS,
        RunOutcome::NoAnswer => NO_ANSWER,
        RunOutcome::DeadlineWithoutAnswer => DEADLINE,
        RunOutcome::BudgetWithoutAnswer => BUDGET,
    }
}

/// Something that keeps the program from doing what it was asked for.
#[derive(Debug)]
pub(crate) enum Failure {
    /// One thing is wrong.
    Plain {
        /// What.
        message: String,
        /// What to do about it.
        hint: Option<String>,
        /// The exit code.
        code: u8,
    },
    /// The configuration is wrong in one or more places.
    Configuration(Box<Findings>),
}

impl Failure {
    /// A problem of configuration or surroundings.
    pub(crate) fn configuration(message: impl fmt::Display) -> Self {
        Self::Plain { message: message.to_string(), hint: None, code: CONFIGURATION }
    }

    /// A problem of the arguments.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::Plain { message: message.to_string(), hint: None, code: USAGE }
    }

    /// The same, with advice.
    pub(crate) fn hint(self, advice: impl fmt::Display) -> Self {
        match self {
            Self::Plain { message, code, .. } => {
                Self::Plain { message, hint: Some(advice.to_string()), code }
            }
            Self::Configuration(_) => self,
        }
    }

    /// The same, with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        match self {
            Self::Plain { message, hint, .. } => Self::Plain { message, hint, code },
            Self::Configuration(_) => self,
        }
    }

    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Plain { code, .. } => *code,
            Self::Configuration(_) => CONFIGURATION,
        }
    }
}

/// Lines for a person, the last one ended.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain { message, hint, .. } => {
                // Names of files, ids and what other programs say may hold what a terminal would obey.
                writeln!(f, "error: {}", clean_text(message))?;
                match hint {
                    Some(hint) => writeln!(f, "hint: {}", clean_text(hint)),
                    None => Ok(()),
                }
            }
            Self::Configuration(findings) => {
                f.write_str(&massgen_config::render(findings, findings_style(&std::io::stderr())))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_named_does_not_steer_the_terminal() {
        let failure =
            Failure::configuration("there is no `a\u{1b}[2Jb`").hint("look at `\u{9b}31m`\nand below");
        let shown = failure.to_string();
        assert!(shown.chars().all(|c| c == '\n' || !c.is_control()), "{shown:?}");
        assert!(shown.starts_with("error: there is no `a") && shown.ends_with("\nand below\n"), "{shown:?}");
    }
}

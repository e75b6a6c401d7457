//! What somebody sees first who has configured nothing and asked nothing.

use super::dialogue::{Dialogue, Start, cancelled};
use super::terminal::Terminal;
use super::{Person, wizard};
use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::setup::find_source;

/// Five lines that tell how to go on.
const LINES: [&str; 5] = [
    "  massgen --quickstart              find keys and write a configuration",
    "  massgen --setup                   enter keys of providers",
    "  massgen --backend openai \"...\"    ask one model without a configuration",
    "  massgen --backend simulated \"...\" try it without any model or key",
    "  massgen doctor                    see what is on this machine",
];

/// Offers the wizard, or tells how to go on where nobody can be asked, when nothing is configured and nothing is asked.
/// `None` when there is something to do.
pub(crate) fn first_run(arguments: &Arguments, environment: &Environment) -> Result<Option<u8>, Failure> {
    if !is_first_run(arguments, environment) {
        return Ok(None);
    }
    match Person::of_process() {
        Person::Absent => Err(lines()),
        Person::Present => {
            let mut terminal = Terminal::take();
            let question = "Nothing is configured yet. Set up a team now?";
            match cancelled(terminal.confirm(question, Start::Yes))? {
                Some(true) => wizard::quickstart(None, environment).map(Some),
                Some(false) | None => Err(lines()),
            }
        }
    }
}

/// Whether there is neither a question nor anything that says what runs.
fn is_first_run(arguments: &Arguments, environment: &Environment) -> bool {
    let asks = arguments.question.as_ref().is_some_and(|question| !question.trim().is_empty());
    let named = arguments.config.is_some()
        || arguments.simulate
        || arguments.resume.is_some()
        || arguments.replay.is_some()
        || arguments.sessions.continue_session
        || arguments.sessions.session_id.is_some()
        || arguments.backend.is_some()
        || arguments.model.is_some()
        || arguments.base_url.is_some();
    !asks && !named && matches!(find_source(None, environment), Ok(None))
}

fn lines() -> Failure {
    Failure::usage(format!("there is no question, and nothing is configured yet\n{}", LINES.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_new_is_told_in_five_lines_how_to_go_on() {
        insta::assert_snapshot!(lines(), @r#"
        error: there is no question, and nothing is configured yet
          massgen --quickstart              find keys and write a configuration
          massgen --setup                   enter keys of providers
          massgen --backend openai "..."    ask one model without a configuration
          massgen --backend simulated "..." try it without any model or key
          massgen doctor                    see what is on this machine
        "#);
        assert_eq!(lines().code(), 2);
    }
}

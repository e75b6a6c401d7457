//! What a server may be, and what it may be asked: checks of what the configuration says, before anything is started or
//! sent. They judge what is written; what a started program reaches is the sandbox's part.
//!
//! All functions here are pure.

mod address;
mod arguments;
mod names;
mod program;

pub use address::{AddressRules, check_address, check_headers, check_url, is_named};
pub use arguments::check_arguments;
pub use names::{check_server_name, check_tool_name};
pub use program::{Environment, check_command, check_folder, judge_environment};

/// Characters that mean something to a shell.
const SHELL_CHARACTERS: [char; 9] = ['&', '|', ';', '`', '$', '(', ')', '<', '>'];

/// Why something is refused, as the second half of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

impl Refused {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Fails unless `text` is at most `most` characters long.
fn at_most(what: &str, text: &str, most: usize) -> Result<(), Refused> {
    let length = text.chars().count();
    if length > most {
        return Err(Refused::new(format!("{what} has {length} characters, at most {most} are allowed")));
    }
    Ok(())
}

/// The first character of `text` that means something to a shell, outside of `${NAME}`.
fn shell_character(text: &str) -> Option<char> {
    crate::variables::without_references(text).chars().find(|found| SHELL_CHARACTERS.contains(found))
}

/// Fails if there is a line break or another control character in `text`.
fn no_control(what: &str, text: &str) -> Result<(), Refused> {
    if text.chars().any(char::is_control) {
        return Err(Refused::new(format!("{what} holds a line break or another control character")));
    }
    Ok(())
}

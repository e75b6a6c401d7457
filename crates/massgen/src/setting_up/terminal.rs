//! Questions on the terminal. Nothing is decided here.

use std::io;

use secrecy::SecretString;

use super::dialogue::{Check, Choice, Dialogue, Need, Start};
use super::env_file::is_writable;

/// Rows of a list that are shown at once.
const ROWS: usize = 12;

/// The terminal of this process: keys from stdin, questions on stderr.
#[derive(Debug)]
pub(crate) struct Terminal;

impl Dialogue for Terminal {
    fn begin(&mut self, title: &str) -> io::Result<()> {
        cliclack::intro(title)
    }

    fn choose(&mut self, question: &str, choices: &[Choice], first: usize) -> io::Result<usize> {
        let mut select = cliclack::select(question).max_rows(ROWS).initial_value(first);
        for (position, choice) in choices.iter().enumerate() {
            select = select.item(position, &choice.label, &choice.hint);
        }
        select.interact()
    }

    fn choose_several(&mut self, question: &str, choices: &[Choice]) -> io::Result<Vec<usize>> {
        let question = format!("{question} (space marks, Enter goes on)");
        let mut select = cliclack::multiselect(question).max_rows(ROWS).required(true);
        for (position, choice) in choices.iter().enumerate() {
            select = select.item(position, &choice.label, &choice.hint);
        }
        select.interact()
    }

    fn line(&mut self, question: &str, proposal: &str, need: Need, check: Check) -> io::Result<String> {
        let input = cliclack::input(question).required(need == Need::Required);
        let input = if proposal.is_empty() { input } else { input.default_input(proposal) };
        let text: String = input.validate(move |text: &String| check(text.trim())).interact()?;
        Ok(text.trim().to_owned())
    }

    fn secret(&mut self, question: &str) -> io::Result<Option<SecretString>> {
        let check = |text: &String| {
            let is_fine = text.trim().is_empty() || is_writable(text.trim());
            if is_fine { Ok(()) } else { Err("a key has no line breaks and no control characters") }
        };
        let typed = cliclack::password(question).mask('*').allow_empty().validate(check).interact()?;
        Ok(Some(typed.trim()).filter(|typed| !typed.is_empty()).map(SecretString::from))
    }

    fn confirm(&mut self, question: &str, start: Start) -> io::Result<bool> {
        cliclack::confirm(question).initial_value(start == Start::Yes).interact()
    }

    fn show(&mut self, title: &str, text: &str) -> io::Result<()> {
        cliclack::note(title, text)
    }

    fn end(&mut self, text: &str) -> io::Result<()> {
        cliclack::outro(text)
    }
}

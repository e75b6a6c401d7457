//! Questions on the terminal. Nothing is decided here.

use std::io;

use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;

use super::dialogue::{Check, Choice, Dialogue, Need, Start};
use super::env_file::is_writable;

/// Rows of a list that are shown at once.
const ROWS: usize = 12;

/// The terminal of this process: keys from stdin, questions on stderr. Until it is dropped, what is typed is shown only
/// where a question shows it.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// How it was before; nothing when stdin is no terminal.
    before: Option<Termios>,
}

impl Terminal {
    /// Takes the terminal. The questions set it for each key and set it back behind each: what is typed or pasted in
    /// between would be echoed, keys of providers too, and Ctrl-C would leave the cursor hidden.
    pub(crate) fn take() -> Self {
        let before = tcgetattr(io::stdin()).ok();
        if let Some(mut quiet) = before.clone() {
            quiet.local_flags.remove(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG);
            // A terminal that refuses asks its questions all the same.
            let _ = tcsetattr(io::stdin(), SetArg::TCSADRAIN, &quiet);
        }
        Self { before }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // What was typed and nobody asked for may be a key: it does not go to the shell.
            let _ = tcsetattr(io::stdin(), SetArg::TCSAFLUSH, before);
        }
    }
}

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

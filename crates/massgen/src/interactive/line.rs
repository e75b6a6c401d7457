//! What a person has typed: a question, a command, or something in between.

use super::command::{self, Command, NotACommand};

/// What begins and ends a text of several lines.
const DELIMITERS: [&str; 2] = ["\"\"\"", "'''"];

/// What an input means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Line {
    /// A question to the agents.
    Question(String),
    /// A command.
    Command(Command),
    /// Something that looks like a command and is none.
    NotACommand(NotACommand),
    /// Nothing but white space.
    Empty,
}

/// What `input` means.
pub(crate) fn interpret(input: &str) -> Line {
    if let Some(block) = Block::of(input) {
        return question(&block.text());
    }
    match command::parse(input) {
        Some(Ok(command)) => Line::Command(command),
        Some(Err(problem)) => Line::NotACommand(problem),
        None => question(input),
    }
}

/// Whether `input` began a text of several lines that is not ended yet.
pub(crate) fn goes_on(input: &str) -> bool {
    Block::of(input).is_some_and(|block| block.end.is_none())
}

fn question(text: &str) -> Line {
    let text = text.trim();
    if text.is_empty() { Line::Empty } else { Line::Question(text.to_owned()) }
}

/// A text between delimiters.
struct Block<'i> {
    inside: &'i str,
    /// What comes after it, once it is ended.
    end: Option<&'i str>,
}

impl<'i> Block<'i> {
    fn of(input: &'i str) -> Option<Self> {
        let input = input.trim_start();
        let delimiter = DELIMITERS.iter().find(|delimiter| input.starts_with(**delimiter))?;
        let rest = input.get(delimiter.len()..)?;
        Some(match rest.split_once(delimiter) {
            Some((inside, after)) => Self { inside, end: Some(after) },
            None => Self { inside: rest, end: None },
        })
    }

    /// What is asked: nothing that was typed is lost.
    fn text(&self) -> String {
        let after = self.end.unwrap_or_default().trim();
        let inside = self.inside.trim_matches(['\r', '\n']);
        if after.is_empty() { inside.to_owned() } else { format!("{inside}\n{after}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> Line {
        Line::Question(text.to_owned())
    }

    #[test]
    fn what_is_no_command_is_a_question() {
        assert_eq!(interpret("  why? "), asked("why?"));
        assert_eq!(interpret("pasted\nin two lines"), asked("pasted\nin two lines"));
        assert_eq!(interpret("/q"), Line::Command(Command::Quit));
        assert_eq!(interpret("quit"), Line::Command(Command::Quit));
        assert!(matches!(interpret("/qui"), Line::NotACommand(NotACommand::Unknown { .. })));
        assert_eq!(interpret(" \t\n "), Line::Empty);
    }

    #[test]
    fn a_block_goes_on_until_the_same_delimiter() {
        for delimiter in DELIMITERS {
            let other = DELIMITERS.iter().find(|other| **other != delimiter).unwrap();
            assert!(goes_on(delimiter));
            assert!(goes_on(&format!(" {delimiter}first\n{other}\nsecond")));
            let whole = format!("{delimiter}first\n{other}\n\n  second\n{delimiter}");
            assert!(!goes_on(&whole));
            assert_eq!(interpret(&whole), asked(&format!("first\n{other}\n\n  second")));
        }
        assert!(!goes_on("what does \"\"\" mean?"));
        assert!(!goes_on("\"\"\"all on one line\"\"\""));
    }

    #[test]
    fn a_block_is_never_a_command_and_loses_nothing() {
        assert_eq!(interpret("'''/quit'''"), asked("/quit"));
        assert_eq!(interpret("'''quit'''"), asked("quit"));
        assert_eq!(interpret("'''one''' two"), asked("one\ntwo"));
        assert_eq!(interpret("'''\n\n'''"), Line::Empty);
        // At the end of the input, what was not ended is taken as it is.
        assert_eq!(interpret("'''one\ntwo"), asked("one\ntwo"));
    }
}

//! Questions to a person. The terminal asks them; tests answer them.

use std::io;

use secrecy::SecretString;

use crate::failure::{CONFIGURATION, Failure};

/// One of several things to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// What it is.
    pub(crate) label: String,
    /// A few words beside it.
    pub(crate) hint: String,
}

impl Choice {
    pub(crate) fn new(label: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { label: label.into(), hint: hint.into() }
    }
}

/// What a yes-or-no question starts with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Yes,
    No,
}

/// Whether an answer may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    Required,
    Optional,
}

/// What is wrong with an answer, for the person; `Ok` when nothing is.
pub(crate) type Check = fn(&str) -> Result<(), String>;

/// Somebody who answers. Every answer may be a refusal: an error of the kind [`io::ErrorKind::Interrupted`].
pub(crate) trait Dialogue {
    /// Begins a sequence of questions.
    fn begin(&mut self, title: &str) -> io::Result<()>;
    /// Which one of `choices`, by position. `first` is what Enter chooses.
    fn choose(&mut self, question: &str, choices: &[Choice], first: usize) -> io::Result<usize>;
    /// Which of `choices`, by position; at least one.
    fn choose_several(&mut self, question: &str, choices: &[Choice]) -> io::Result<Vec<usize>>;
    /// A line of text; `proposal` is what Enter gives.
    fn line(&mut self, question: &str, proposal: &str, need: Need, check: Check) -> io::Result<String>;
    /// A key, which is not shown; `None` when it is left out.
    fn secret(&mut self, question: &str) -> io::Result<Option<SecretString>>;
    /// Yes or no.
    fn confirm(&mut self, question: &str, start: Start) -> io::Result<bool>;
    /// Shows a text under a title.
    fn show(&mut self, title: &str, text: &str) -> io::Result<()>;
    /// Ends the sequence with what was done.
    fn end(&mut self, text: &str) -> io::Result<()>;
}

/// The answer; `None` when the person wanted to stop.
pub(crate) fn cancelled<T>(answer: io::Result<T>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(None),
        Err(error) => Err(Failure::configuration(format!("the terminal cannot be used: {error}"))),
    }
}

/// Why a sequence of questions did not come to its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The person wanted it, or the terminal is gone.
    Asking(io::Error),
    /// Something could not be done.
    Failed(Failure),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Asking(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl Stop {
    /// How the program ends because of it.
    pub(crate) fn outcome(self) -> Result<u8, Failure> {
        match self {
            Self::Failed(failure) => Err(failure),
            Self::Asking(error) => match cancelled(Err::<(), _>(error))? {
                Some(()) | None => Ok(CONFIGURATION),
            },
        }
    }
}

#[cfg(test)]
pub(crate) mod scripted {
    //! Answers that are known before.

    use std::collections::VecDeque;
    use std::fmt::Write as _;

    use super::*;

    /// One answer.
    #[derive(Debug)]
    pub(crate) enum Answer {
        /// The choice with this label.
        Pick(&'static str),
        /// The choices with these labels.
        Picks(&'static [&'static str]),
        /// This text.
        Line(&'static str),
        /// What is proposed.
        Enter,
        /// This key; empty to leave it out.
        Secret(&'static str),
        Yes,
        /// Esc.
        Escape,
    }

    /// Somebody who gives these answers, and the questions that were put.
    #[derive(Debug, Default)]
    pub(crate) struct Scripted {
        answers: VecDeque<Answer>,
        /// Everything that was shown.
        pub(crate) transcript: String,
    }

    impl Scripted {
        pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
            Self { answers: answers.into_iter().collect(), transcript: String::new() }
        }

        /// What was shown, all answers used.
        pub(crate) fn finished(self) -> String {
            assert!(self.answers.is_empty(), "{:?} were not asked for\n{}", self.answers, self.transcript);
            self.transcript
        }

        fn next(&mut self, question: &str) -> io::Result<Answer> {
            let _ = writeln!(self.transcript, "? {question}");
            match self.answers.pop_front() {
                Some(Answer::Escape) => Err(io::ErrorKind::Interrupted.into()),
                Some(answer) => Ok(answer),
                None => panic!("no answer to the last question of\n{}", self.transcript),
            }
        }

        fn list(&mut self, choices: &[Choice]) {
            for Choice { label, hint } in choices {
                let _ = writeln!(self.transcript, "{}", format!("    {label}  {hint}").trim_end());
            }
        }
    }

    fn position(choices: &[Choice], label: &str) -> usize {
        let found = choices.iter().position(|choice| choice.label == label);
        found.unwrap_or_else(|| panic!("no {label:?} in {choices:?}"))
    }

    impl Dialogue for Scripted {
        fn begin(&mut self, title: &str) -> io::Result<()> {
            let _ = writeln!(self.transcript, "= {title}");
            Ok(())
        }

        fn choose(&mut self, question: &str, choices: &[Choice], first: usize) -> io::Result<usize> {
            let answer = self.next(question)?;
            self.list(choices);
            match answer {
                Answer::Pick(label) => Ok(position(choices, label)),
                Answer::Enter => Ok(first),
                other => panic!("{other:?} is no answer to {question:?}"),
            }
        }

        fn choose_several(&mut self, question: &str, choices: &[Choice]) -> io::Result<Vec<usize>> {
            let answer = self.next(question)?;
            self.list(choices);
            match answer {
                Answer::Picks(labels) => Ok(labels.iter().map(|label| position(choices, label)).collect()),
                other => panic!("{other:?} is no answer to {question:?}"),
            }
        }

        fn line(&mut self, question: &str, proposal: &str, need: Need, check: Check) -> io::Result<String> {
            let text = match self.next(question)? {
                Answer::Line(text) => text,
                Answer::Enter => proposal,
                other => panic!("{other:?} is no answer to {question:?}"),
            };
            assert!(need == Need::Optional || !text.is_empty(), "{question:?} needs an answer");
            check(text).unwrap();
            Ok(text.to_owned())
        }

        fn secret(&mut self, question: &str) -> io::Result<Option<SecretString>> {
            match self.next(question)? {
                Answer::Secret("") => Ok(None),
                Answer::Secret(secret) => Ok(Some(SecretString::from(secret))),
                other => panic!("{other:?} is no answer to {question:?}"),
            }
        }

        fn confirm(&mut self, question: &str, start: Start) -> io::Result<bool> {
            match self.next(question)? {
                Answer::Yes => Ok(true),
                Answer::Enter => Ok(start == Start::Yes),
                other => panic!("{other:?} is no answer to {question:?}"),
            }
        }

        fn show(&mut self, title: &str, text: &str) -> io::Result<()> {
            let _ = writeln!(self.transcript, "[{title}]\n{text}");
            Ok(())
        }

        fn end(&mut self, text: &str) -> io::Result<()> {
            let _ = writeln!(self.transcript, ". {text}");
            Ok(())
        }
    }
}

//! What ends the program before or beside a run, and the exit codes.

use std::fmt;

use massgen_config::Findings;
use massgen_protocol::event::RunOutcome;
use massgen_view::clean::clean_text;
use textwrap::core::Word;

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

impl Failure {
    /// Lines for a person, the last one ended; broken where `columns` are given.
    pub(crate) fn shown(&self, columns: Option<usize>) -> String {
        match self {
            Self::Plain { message, hint, .. } => {
                // Names of files, ids and what other programs say may hold what a terminal would obey.
                let mut out = labelled("error: ", &clean_text(message), columns);
                if let Some(hint) = hint {
                    out.push_str(&labelled("hint: ", &clean_text(hint), columns));
                }
                out
            }
            Self::Configuration(findings) => {
                massgen_config::render(findings, findings_style(&std::io::stderr()))
            }
        }
    }
}

/// Lines for a person, the last one ended, each as long as it is.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown(None))
    }
}

/// `text` behind its label. A line that is broken goes on below its first word; one that is indented was laid out by
/// whoever wrote it and stays.
fn labelled(label: &str, text: &str, columns: Option<usize>) -> String {
    let indent = " ".repeat(label.len());
    let mut out = String::new();
    for (number, line) in text.lines().enumerate() {
        let first = if number == 0 { label } else { "" };
        match columns {
            Some(columns) if !line.starts_with(' ') => {
                let options = textwrap::Options::new(columns)
                    .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
                    .word_separator(textwrap::WordSeparator::Custom(words))
                    .word_splitter(textwrap::WordSplitter::NoHyphenation)
                    .break_words(false)
                    .initial_indent(first)
                    .subsequent_indent(&indent);
                out.push_str(&textwrap::fill(line, options));
            }
            Some(_) | None => {
                out.push_str(first);
                out.push_str(line);
            }
        }
        out.push('\n');
    }
    out
}

/// The words of `line`, each with the spaces behind it. What stands in backticks is one word: a command or a path that
/// is broken cannot be copied.
fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    let mut words = Vec::new();
    let (mut start, mut before, mut is_quoted) = (0, '`', false);
    for (at, c) in line.char_indices() {
        if before == ' ' && c != ' ' && !is_quoted {
            words.extend(line.get(start..at));
            start = at;
        }
        if c == '`' {
            // A backtick without a partner quotes nothing.
            is_quoted = !is_quoted && line.get(at + 1..).is_some_and(|later| later.contains('`'));
        }
        before = c;
    }
    words.extend(line.get(start..));
    Box::new(words.into_iter().map(Word::from))
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

    #[test]
    fn lines_are_broken_between_words_and_never_inside_of_what_is_copied() {
        let failure = Failure::configuration(
            "the folder `/home/somebody/a path with spaces/and more` is not there\n  massgen --backend simulated \"this line stays as it is\"\nand this is a `line",
        )
        .hint("run `massgen --quickstart --headless --config-backend openai`, or write it yourself");
        for columns in [20, 40, 200] {
            let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(words(failure.shown(Some(columns))), words(failure.to_string()));
        }
        insta::assert_snapshot!(failure.shown(Some(40)));
        assert_eq!(failure.shown(Some(200)), failure.to_string());
    }
}

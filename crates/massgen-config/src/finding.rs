//! What is wrong with a configuration, or worth knowing about it: all of it at once, each with its place.

use std::collections::HashSet;
use std::fmt;

use crate::load::Validation;
use crate::node::{Origin, SOURCE_BYTES};
use crate::secrets::Secrets;
use crate::source::{Source, Span, steers_terminals};

/// Most findings that are kept of one configuration. A file that is not a configuration at all has no end of them.
pub const FINDINGS: usize = 200;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing runs.
    Error,
    /// It runs, but not as written.
    Warning,
    /// It runs; something that was written has no effect yet.
    Notice,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Notice => "notice",
        })
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// Where in the structure: `agents[0].backend.type`; `root` for the whole, `file` for a text that cannot be read.
    pub path: String,
    /// What it is: lower case, no full stop, values in backticks.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where in the text, or which flag.
    pub origin: Option<Origin>,
}

impl Finding {
    /// A finding without a hint and a place.
    pub(crate) fn new(severity: Severity, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, path: path.into(), message: message.into(), hint: None, origin: None }
    }

    /// An error.
    pub(crate) fn error(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, path, message)
    }

    /// A warning.
    pub(crate) fn warning(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, path, message)
    }

    /// A notice.
    pub(crate) fn notice(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Notice, path, message)
    }

    /// The same with a hint.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same at a place.
    #[must_use]
    pub(crate) fn at(mut self, origin: &Origin) -> Self {
        self.origin = Some(origin.clone());
        self
    }

    /// Its place in the text.
    pub fn span(&self) -> Option<Span> {
        self.origin.as_ref().and_then(Origin::span)
    }
}

/// All findings of one configuration, in the order of the text; those without a place come first.
#[derive(Debug, Clone, Default)]
pub struct Findings {
    items: Vec<Finding>,
    /// The text, keys covered.
    source: Option<Source>,
    left_out: usize,
}

impl Findings {
    /// Puts the findings in order. `source` is the text that they are about; keys in it are covered here, and in the
    /// messages too.
    pub(crate) fn new(mut items: Vec<Finding>, source: Option<&Source>, secrets: &Secrets) -> Self {
        let covering = secrets.covering();
        for finding in &mut items {
            for text in [&mut finding.path, &mut finding.message].into_iter().chain(&mut finding.hint) {
                *text = covering.message(text);
                if text.chars().any(steers_terminals) {
                    *text = text.chars().map(|c| if steers_terminals(c) { '?' } else { c }).collect();
                }
            }
        }
        items.sort_by_key(|finding| finding.span().map(|span| span.start));
        items.dedup();
        // That a key waits for its feature is news once its value is right.
        let wrong: HashSet<String> = items
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .map(|finding| finding.path.clone())
            .collect();
        items.retain(|finding| finding.severity != Severity::Notice || !wrong.contains(&finding.path));
        // Errors stay when there are too many.
        let mut left_out = 0;
        for severity in [Severity::Notice, Severity::Warning, Severity::Error] {
            let mut excess = items.len().saturating_sub(FINDINGS);
            left_out += excess.min(items.iter().filter(|finding| finding.severity == severity).count());
            let mut position = items.len();
            while excess > 0 && position > 0 {
                position -= 1;
                if items.get(position).is_some_and(|finding| finding.severity == severity) {
                    items.remove(position);
                    excess -= 1;
                }
            }
        }
        let source = source.map(|source| {
            // Of a text that is too long to be read nothing is shown.
            if source.text().len() > SOURCE_BYTES {
                return Source::new(source.name(), "");
            }
            let masked = source.masked(secrets.spans());
            Source::new(masked.name(), covering.text(masked.text()))
        });
        Self { items, source, left_out }
    }

    /// All of them.
    pub fn items(&self) -> &[Finding] {
        &self.items
    }

    /// Those of one severity.
    pub fn of(&self, severity: Severity) -> impl Iterator<Item = &Finding> {
        self.items.iter().filter(move |finding| finding.severity == severity)
    }

    /// How many of one severity there are.
    pub fn count(&self, severity: Severity) -> usize {
        self.of(severity).count()
    }

    /// Whether nothing may run.
    pub fn has_errors(&self) -> bool {
        self.count(Severity::Error) > 0
    }

    /// Whether a check as strict as this one stops here.
    pub fn refuses(&self, validation: Validation) -> bool {
        let strict = match validation {
            Validation::Strict => self.count(Severity::Warning) > 0,
            Validation::Normal | Validation::Skip => false,
        };
        self.has_errors() || strict
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// How many are not kept because there are more than [`FINDINGS`].
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// The text that they are about, every key in it covered.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// The findings as `--validate --json` prints them: the shape of the Python program, with `file`, `line` and
    /// `column` added to each, and the notices beside errors and warnings.
    pub fn to_json(&self) -> serde_json::Value {
        let file = self.source.as_ref().map(Source::name);
        let list = |severity| -> Vec<serde_json::Value> {
            self.of(severity)
                .map(|finding| {
                    let span = finding.span();
                    serde_json::json!({
                        "message": finding.message,
                        "location": finding.path,
                        "suggestion": finding.hint,
                        "file": span.and(file),
                        "line": span.map(|span| span.line),
                        "column": span.map(|span| span.column),
                    })
                })
                .collect()
        };
        serde_json::json!({
            "valid": !self.has_errors(),
            "error_count": self.count(Severity::Error),
            "warning_count": self.count(Severity::Warning),
            "errors": list(Severity::Error),
            "warnings": list(Severity::Warning),
            "notices": list(Severity::Notice),
        })
    }
}

/// How many there are, as the last line of a list of findings: `2 errors and 1 warning in config.yaml`.
impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted: Vec<String> = [Severity::Error, Severity::Warning, Severity::Notice]
            .into_iter()
            .filter_map(|severity| match self.count(severity) {
                0 => None,
                1 => Some(format!("1 {severity}")),
                many => Some(format!("{many} {severity}s")),
            })
            .collect();
        match counted.split_last() {
            None => f.write_str("no findings")?,
            Some((only, [])) => f.write_str(only)?,
            Some((last, first)) => write!(f, "{} and {last}", first.join(", "))?,
        }
        if let Some(source) = &self.source {
            write!(f, " in {}", source.name())?;
        }
        if self.left_out > 0 {
            write!(f, " ({} more not shown)", self.left_out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// What can go wrong beside the findings of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Neither the command line nor the configuration has a question.
    #[error("there is no question")]
    NoQuestion,
    /// The file's name says that it is something else.
    #[error("`{name}` is neither YAML nor JSON by its name")]
    Suffix {
        /// The name.
        name: String,
    },
    /// The question has no character that can be read.
    #[error("the question is empty")]
    EmptyQuestion,
    /// The question is longer than [`massgen_protocol::limits::QUESTION_BYTES`].
    #[error("the question has {bytes} bytes; at most {max} are taken", max = massgen_protocol::limits::QUESTION_BYTES)]
    QuestionTooLong {
        /// Its length.
        bytes: usize,
    },
    /// A plan of a team cannot become a configuration.
    #[error("{problem}")]
    Plan {
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        hint: String,
    },
    /// A `SKILL.md` is no skill.
    #[error("{problem}")]
    Skill {
        /// What is wrong with it.
        problem: String,
    },
}

impl ConfigError {
    /// What to do about it.
    pub fn hint(&self) -> &str {
        match self {
            Self::NoQuestion => {
                "write it behind the command, as in `massgen \"your question\"`, or as `prompt:`"
            }
            Self::Suffix { .. } => "give it a name that ends in `.yaml`, `.yml` or `.json`",
            Self::EmptyQuestion => "write a text between the quotes",
            Self::QuestionTooLong { .. } => "put the long part into a file and name the file in the question",
            Self::Plan { hint, .. } => hint,
            Self::Skill { .. } => {
                "begin it with `---`, `name: NAME`, `description: \"WHAT IT IS GOOD FOR\"` and `---`, a line each"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Node, Value};

    fn at(line: u32) -> Origin {
        Origin::File(Span { line, column: 1, start: line as usize * 10, length: 1 })
    }

    #[test]
    fn findings_come_in_the_order_of_the_text() {
        let items = vec![
            Finding::notice("b", "second").at(&at(2)),
            Finding::error("a", "first").at(&at(1)),
            Finding::error("root", "nowhere"),
        ];
        let findings = Findings::new(items, Some(&Source::new("c.yaml", "")), &Secrets::default());
        let shown: Vec<_> = findings.items().iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(shown, ["nowhere", "first", "second"]);
        assert_eq!(findings.to_string(), "2 errors and 1 notice in c.yaml");
    }

    #[test]
    fn errors_are_kept_when_there_are_too_many_findings() {
        let mut items: Vec<_> = (0..300).map(|i| Finding::notice("n", format!("{i}")).at(&at(i))).collect();
        items.push(Finding::error("e", "last").at(&at(900)));
        let findings = Findings::new(items, None, &Secrets::default());
        assert_eq!((findings.items().len(), findings.left_out()), (FINDINGS, 101));
        assert_eq!(findings.count(Severity::Error), 1);
        assert!(findings.to_string().ends_with("(101 more not shown)"));
    }

    #[test]
    fn secrets_are_covered_in_messages_and_in_the_text() {
        let mut secrets = Secrets::default();
        secrets.add(&Node::new(Value::Text("sk-very-secret".to_owned()), Origin::BuiltIn));
        let items = vec![Finding::error("a", "bad `sk-very-secret`").hint("not sk-very-secret")];
        let findings = Findings::new(items, Some(&Source::new("c", "x: &k sk-very-secret\n")), &secrets);
        assert!(
            !format!("{findings:?}{}{:?}", findings.to_json(), findings.source().unwrap().text())
                .contains("very")
        );
    }
}

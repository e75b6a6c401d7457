//! What is checked in the text of a command before it runs. The sandbox is what keeps a command in its place; this
//! refuses, with a reason, what is surely a mistake, and what the configuration does not want. What destroys a machine
//! was refused before, by the policy ([`crate::policy::hardline`]).

use massgen_protocol::tooling::CommandSpec;
use regex::{Regex, RegexBuilder};

use crate::error::Error;
use crate::policy::seen;

/// Bytes that one compiled pattern of a configuration may take.
const PATTERN_BYTES: usize = 1024 * 1024;

/// Programs that are refused unless commands have the rights of the administrator.
const WITHOUT_RIGHTS: &[(&str, &str)] = &[
    ("sudo", "`sudo` is not available"),
    ("su", "`su` is not available"),
    ("chown", "`chown` is not available"),
    ("chmod", "`chmod` is not available; run a script with its interpreter, `sh script.sh`"),
];

/// Whether commands have the rights of the administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// They have, in their container (`command_line_docker_enable_sudo`).
    Administrator,
    /// They have not.
    User,
}

/// The checks of one agent's commands.
#[derive(Debug, Clone)]
pub struct Checks {
    allowed: Vec<Regex>,
    blocked: Vec<Regex>,
    rights: Rights,
}

impl Checks {
    /// The checks that `spec` asks for.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    pub fn new(spec: &CommandSpec, rights: Rights) -> Result<Self, Error> {
        let list = |patterns: &[String], before: &str, after: &str| {
            let compile = |pattern: &String| {
                RegexBuilder::new(&format!("{before}{pattern}{after}"))
                    .size_limit(PATTERN_BYTES)
                    .build()
                    .map_err(|error| Error::CommandPattern {
                        pattern: pattern.clone(),
                        reason: error.to_string(),
                    })
            };
            patterns.iter().map(compile).collect::<Result<Vec<_>, _>>()
        };
        Ok(Self { allowed: list(&spec.allowed, "^(?:", ")")?, blocked: list(&spec.blocked, "", "")?, rights })
    }

    /// Refuses `line`, with the reason for the model.
    ///
    /// # Errors
    /// Why it is not run.
    pub fn check(&self, line: &str) -> Result<(), String> {
        if line.contains('\0') {
            return Err("the command holds a NUL character".to_owned());
        }
        if let Some(why) = seen(line).commands.iter().find_map(|command| self.refusal(command)) {
            return Err(format!("the command is refused: {why}"));
        }
        if !self.allowed.is_empty() && !self.allowed.iter().any(|pattern| pattern.is_match(line)) {
            let patterns: Vec<&str> = self.allowed.iter().map(shown).collect();
            return Err(format!(
                "the command is refused: only commands like `{}` are allowed",
                patterns.join("`, `")
            ));
        }
        match self.blocked.iter().find(|pattern| pattern.is_match(line)) {
            Some(pattern) => {
                Err(format!("the command is refused: commands like `{}` are blocked", pattern.as_str()))
            }
            None => Ok(()),
        }
    }

    /// Why a command, its program first and without a folder, is refused whatever the lists say.
    fn refusal(&self, command: &str) -> Option<&'static str> {
        let mut words = command.split_whitespace();
        let program = words.next()?;
        let without_rights = match self.rights {
            Rights::Administrator => &[],
            Rights::User => WITHOUT_RIGHTS,
        };
        match program {
            "dd" => Some("`dd` is not available"),
            "mv" if words.next_back() == Some("/dev/null") => Some("it moves files into nothing"),
            program => without_rights.iter().find(|(name, _)| *name == program).map(|(_, why)| *why),
        }
    }
}

fn shown(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(')')).unwrap_or(text)
}

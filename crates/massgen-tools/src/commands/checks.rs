//! What is checked in the text of a command before it runs. The sandbox is what keeps a command in its place; this
//! refuses, with a reason, what is surely a mistake, and what the configuration does not want.

use std::sync::LazyLock;

use massgen_protocol::tooling::CommandSpec;
use regex::{Regex, RegexBuilder};

use crate::error::Error;

/// Bytes that one compiled pattern of a configuration may take.
const PATTERN_BYTES: usize = 1024 * 1024;

/// Where a command begins in a line.
const START: &str = r"(?:^|[;&|(\n`]|\$\()\s*(?:\w+=\S*\s+)*(?:\S*/)?";

/// What is refused always.
const NEVER: &[(&str, &str)] = &[
    (
        r"rm\s+(?:-\S+\s+)*-[a-zA-Z]*[rR][a-zA-Z]*\s+(?:-\S+\s+)*/\*?(?:\s|;|&|\||$)",
        "it deletes the whole file system",
    ),
    (r"mv\s+.*\s/dev/null(?:\s|;|&|\||$)", "it moves files into nothing"),
    (r"dd(?:\s|$)", "`dd` is not available"),
];

/// What is refused unless commands have the rights of the administrator.
const WITHOUT_RIGHTS: &[(&str, &str)] = &[
    (r"sudo(?:\s|$)", "`sudo` is not available"),
    (r"su(?:\s|$)", "`su` is not available"),
    (r"chown(?:\s|$)", "`chown` is not available"),
    (r"chmod(?:\s|$)", "`chmod` is not available; run a script with its interpreter, `sh script.sh`"),
];

/// What is refused wherever it stands in a line.
const ANYWHERE: &[(&str, &str)] = &[
    (r">\s*/dev/(?:sd|hd|vd|xvd|nvme|mmcblk)", "it writes to a raw disk"),
    (r":\s*\(\s*\)\s*\{.*\|.*&.*\}\s*;\s*:", "it is a fork bomb"),
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

type Refusals = Vec<(Regex, &'static str)>;

static REFUSALS: LazyLock<Result<(Refusals, Refusals), regex::Error>> = LazyLock::new(|| {
    let list = |patterns: &[(&str, &'static str)], start: &str| -> Result<Refusals, regex::Error> {
        patterns.iter().map(|(pattern, why)| Ok((Regex::new(&format!("{start}{pattern}"))?, *why))).collect()
    };
    let mut always = list(NEVER, START)?;
    always.extend(list(ANYWHERE, "")?);
    Ok((always, list(WITHOUT_RIGHTS, START)?))
});

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
        let (always, without_rights) =
            REFUSALS.as_ref().map_err(|error| format!("commands cannot be checked: {error}"))?;
        let without_rights = match self.rights {
            Rights::Administrator => &[],
            Rights::User => without_rights.as_slice(),
        };
        if let Some((_, why)) =
            always.iter().chain(without_rights).find(|(pattern, _)| pattern.is_match(line))
        {
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
}

fn shown(pattern: &Regex) -> &str {
    let text = pattern.as_str();
    text.strip_prefix("^(?:").and_then(|text| text.strip_suffix(')')).unwrap_or(text)
}

//! What can be wrong with the settings of tools.

/// Why tools cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A pattern of allowed or blocked commands.
    #[error("the pattern `{pattern}` for commands is wrong: {reason}")]
    CommandPattern {
        /// As it stands in the configuration.
        pattern: String,
        /// One line.
        reason: String,
    },
    /// A rule of `permissions`.
    #[error("the rule `{rule}` is wrong: {reason}")]
    Rule {
        /// As it stands in the configuration.
        rule: String,
        /// One line.
        reason: String,
    },
    /// The schema of a tool.
    #[error("the schema of the tool `{tool}` is wrong: {reason}")]
    Schema {
        /// Its name.
        tool: String,
        /// One line.
        reason: String,
    },
    /// Two sources have a tool of the same name.
    #[error("there are two tools with the name `{0}`")]
    SameName(String),
    /// Remembered replies could not be read or written.
    #[error("`{path}` cannot be used: {reason}")]
    Remembered {
        /// The file.
        path: String,
        /// One line.
        reason: String,
    },
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::CommandPattern { .. } => Some("patterns are regular expressions, for example `git .*`"),
            Self::Rule { .. } => Some(
                "rules look like `action(pattern)`; actions are command, read_file, write_file, read_url, mcp and *",
            ),
            Self::SameName(_) => Some("leave one of them out with `exclude_tools`"),
            Self::Remembered { .. } => Some("mend or remove the file"),
            Self::Schema { .. } => None,
        }
    }
}

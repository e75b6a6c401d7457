//! What people are told of servers.

use std::fmt;

use massgen_protocol::AgentId;

use crate::limits::QUOTED_BYTES;

/// Something about a server that a person should know. It never ends a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Whose server it is.
    pub agent: AgentId,
    /// The server's name as the configuration says it.
    pub server: String,
    /// What it means for the run.
    pub kind: NoticeKind,
    /// What happened, as a sentence without a full stop; one line, without control codes and values of variables.
    pub what: String,
    /// What can be done about it.
    pub hint: Option<String>,
}

/// What a notice means for the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeKind {
    /// The server is missing, with all of its tools.
    Missing,
    /// Some of its tools are missing or changed.
    ToolsDiffer,
    /// Its command names folders that it cannot see.
    FoldersUnseen,
    /// It does not get some variables that are written for it.
    VariablesHeldBack,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MCP server `{}` of {}: {}", self.server, self.agent, self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// `text` as one line without control codes, cut to what a sentence can hold.
pub(crate) fn quoted(text: &str) -> String {
    let mut line = String::new();
    for character in without_codes(text).chars() {
        if line.len() >= QUOTED_BYTES {
            line.push('…');
            break;
        }
        if !character.is_whitespace() {
            line.push(character);
        } else if !line.is_empty() && !line.ends_with(' ') {
            line.push(' ');
        }
    }
    line.trim_end().to_owned()
}

/// `text` without control codes and without characters that turn or hide what stands around them. Line breaks and tabs
/// stay, and a carriage return that does not belong to a line break becomes one.
pub(crate) fn without_codes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            // The whole of `ESC [ … letter`, of which only the first is a control character.
            '\u{1b}' if characters.peek() == Some(&'[') => {
                let _ = characters.find(|&c| ('\u{40}'..='\u{7e}').contains(&c) && c != '[');
            }
            // The whole of `ESC ] … BEL`.
            '\u{1b}' if characters.peek() == Some(&']') => {
                let _ = characters.find(|&c| matches!(c, '\u{7}' | '\u{9c}' | '\\'));
            }
            '\n' | '\t' => plain.push(character),
            '\r' if characters.peek() != Some(&'\n') => plain.push('\n'),
            _ if character.is_control() => {}
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' => {}
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_is_one_short_line_without_codes() {
        assert_eq!(
            quoted("\u{1b}[31mred\u{1b}[0m\r\nnext\tone \u{1b}]0;title\u{7}end\u{202e}!"),
            "red next one end!"
        );
        assert_eq!(quoted(&"x".repeat(1000)).chars().count(), QUOTED_BYTES + 1);
        assert_eq!(quoted("\u{1b}[2J"), "");
    }

    #[test]
    fn notices_name_server_agent_reason_and_help() {
        let notice = Notice {
            agent: AgentId::new("agent1").expect("an id"),
            server: "git".to_owned(),
            kind: NoticeKind::Missing,
            what: "its program `uvx` cannot be started: not found".to_owned(),
            hint: Some("install the program".to_owned()),
        };
        insta::assert_snapshot!(notice, @"MCP server `git` of agent1: its program `uvx` cannot be started: not found; install the program");
    }
}

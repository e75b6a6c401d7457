//! Names of servers and tools.

use super::{Refused, at_most};

const SERVER_NAME_CHARACTERS: usize = 100;
const TOOL_NAME_CHARACTERS: usize = 100;

/// Names that no tool may have: they look like words of the connection itself.
const RESERVED: [&str; 18] = [
    "connect",
    "disconnect",
    "list",
    "help",
    "version",
    "status",
    "health",
    "ping",
    "debug",
    "admin",
    "system",
    "config",
    "settings",
    "auth",
    "login",
    "logout",
    "exit",
    "quit",
];

/// Judges the name of a server.
///
/// # Errors
/// It is not allowed; the reason.
pub fn check_server_name(name: &str) -> Result<(), Refused> {
    at_most("its name", name, SERVER_NAME_CHARACTERS)?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')) {
        return Err(Refused::new("its name may hold letters, digits, `_` and `-` only"));
    }
    Ok(())
}

/// Judges the name of a tool, as its server says it.
///
/// # Errors
/// It is not allowed; the reason.
pub fn check_tool_name(name: &str) -> Result<(), Refused> {
    at_most("its name", name, TOOL_NAME_CHARACTERS)?;
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err(Refused::new("its name may hold letters, digits, `_`, `-` and `.` only"));
    }
    if !name.chars().any(|c| c.is_ascii_alphanumeric()) {
        return Err(Refused::new("its name holds no letter and no digit"));
    }
    if RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name)) {
        return Err(Refused::new("its name is reserved"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_are_plain() {
        for name in ["git", "my_server-2", &"a".repeat(100)] {
            check_server_name(name).expect(name);
        }
        for name in ["", "a.b", "a b", "ü", "a/b", &"a".repeat(101)] {
            check_server_name(name).unwrap_err();
        }
    }

    #[test]
    fn names_of_tools_are_plain_and_not_reserved() {
        for name in ["read_file", "a.b-c", "list_files", &"a".repeat(100)] {
            check_tool_name(name).expect(name);
        }
        for name in ["", "a b", "a\u{1b}[2J", "list", "Ping", "...", &"a".repeat(101)] {
            check_tool_name(name).unwrap_err();
        }
    }
}

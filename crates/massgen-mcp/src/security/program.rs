//! Programs that are started as servers: their command, their variables, their folder.

use std::collections::BTreeMap;

use massgen_protocol::tooling::{EnvironmentMode, SecurityLevel, ServerSecurity};

use super::{Refused, at_most, no_control, shell_character};

const COMMAND_CHARACTERS: usize = 1000;
const COMMAND_PARTS: usize = 50;
const PART_CHARACTERS: usize = 500;
const FOLDER_CHARACTERS: usize = 500;
const VARIABLE_NAME_CHARACTERS: usize = 100;
const VARIABLE_VALUE_CHARACTERS: usize = 1000;

/// Variables that change what a program loads or where it believes to be.
const HELD_BACK: [&str; 7] = [
    "LD_LIBRARY_PATH",
    "LD_PRELOAD",
    "DYLD_LIBRARY_PATH",
    "DYLD_INSERT_LIBRARIES",
    "PYTHONPATH",
    "PWD",
    "OLDPWD",
];
/// Those that the level `strict` adds: a server gets them from us.
const STRICTLY_HELD_BACK: [&str; 5] = ["PATH", "HOME", "USER", "USERNAME", "SHELL"];

/// Judges `command`, the program first, as it is written.
///
/// Only the program is searched for what a shell would understand: no shell reads the rest.
///
/// # Errors
/// It is not allowed; the reason.
pub fn check_command(command: &[String], security: &ServerSecurity) -> Result<(), Refused> {
    let Some(program) = command.first().filter(|program| !program.trim().is_empty()) else {
        return Err(Refused::new("it has no command"));
    };
    if command.len() > COMMAND_PARTS {
        let count = command.len();
        return Err(Refused::new(format!(
            "its command has {count} parts, at most {COMMAND_PARTS} are allowed"
        )));
    }
    at_most("its program", program, COMMAND_CHARACTERS.min(PART_CHARACTERS))?;
    for part in command {
        at_most("a part of its command", part, PART_CHARACTERS)?;
        if part.contains('\0') {
            return Err(Refused::new("a part of its command holds a zero byte"));
        }
    }
    no_control("its program", program)?;
    if let Some(character) = shell_character(program) {
        return Err(Refused::new(format!("its program holds `{character}`, which is not allowed")));
    }
    if program.contains("../") || program.contains("..\\") {
        return Err(Refused::new("its program is named by a path with `..`, which is not allowed"));
    }
    if security.may_start(program) {
        return Ok(());
    }
    let name = ServerSecurity::program_name(program);
    Err(Refused::new(format!(
        "its program `{name}` is not among those that may be started; add `security: {{allowed_executables: [{name}]}}` \
         to it"
    )))
}

/// The variables of a server after they were judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Those that it gets, as written.
    pub given: BTreeMap<String, String>,
    /// Names of those that it does not get.
    pub held_back: Vec<String>,
}

/// Divides the variables that are written for a server into those that it gets and those that are held back.
///
/// # Errors
/// One of them cannot be given to any program, or holds what a shell would understand; its name and the reason, never
/// its value.
pub fn judge_environment(
    written: &BTreeMap<String, String>,
    security: &ServerSecurity,
) -> Result<Environment, Refused> {
    let mut judged = Environment::default();
    for (name, value) in written {
        if name.is_empty() || name.contains('=') || name.chars().any(char::is_control) {
            return Err(Refused::new("one of its variables has a name that cannot be used"));
        }
        at_most("the name of one of its variables", name, VARIABLE_NAME_CHARACTERS)?;
        if !is_given(name, security) {
            judged.held_back.push(name.clone());
            continue;
        }
        let what = format!("its variable `{name}`");
        at_most(&what, value, VARIABLE_VALUE_CHARACTERS)?;
        if value.contains('\0') {
            return Err(Refused::new(format!("{what} holds a zero byte")));
        }
        if let Some(character) = shell_character(value) {
            return Err(Refused::new(format!(
                "{what} holds `{character}`, which is not allowed there; put the value into a variable of your own \
                 and write `${{ITS_NAME}}`"
            )));
        }
        judged.given.insert(name.clone(), value.clone());
    }
    Ok(judged)
}

fn is_given(name: &str, security: &ServerSecurity) -> bool {
    let listed = |names: &[String]| names.iter().any(|listed| listed.eq_ignore_ascii_case(name));
    let known = |names: &[&str]| names.iter().any(|known| known.eq_ignore_ascii_case(name));
    if listed(&security.denied_variables) {
        return false;
    }
    match security.environment_mode {
        EnvironmentMode::Allowlist => listed(&security.allowed_variables),
        EnvironmentMode::Denylist => {
            let strictly = match security.environment_level {
                SecurityLevel::Strict => known(&STRICTLY_HELD_BACK),
                SecurityLevel::Moderate | SecurityLevel::Permissive => false,
            };
            !strictly && !known(&HELD_BACK)
        }
    }
}

/// Judges the folder that a server is started in, as it is written.
///
/// # Errors
/// It is not allowed; the reason.
pub fn check_folder(folder: &str) -> Result<(), Refused> {
    at_most("its folder", folder, FOLDER_CHARACTERS)?;
    no_control("its folder", folder)?;
    if folder.split(['/', '\\']).any(|part| part == "..") {
        return Err(Refused::new("its folder holds `..`, which is not allowed"));
    }
    Ok(())
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;

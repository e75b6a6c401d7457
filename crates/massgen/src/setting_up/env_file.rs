//! Keys in an `.env` file: written so that they are read back as they are, and that only their owner reads them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret, SecretString};

use crate::failure::Failure;

/// The first line of a file that was not there before.
const HEADER: &str = "# Keys for massgen. Only you can read this file; do not share it.\n";

/// A variable and what it is to be.
pub(crate) type Assignment = (String, SecretString);

/// Why keys cannot be put into a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EnvFileError {
    /// A key holds something that no line of a file can.
    #[error("the value of `{0}` holds a line break or another character that cannot be typed")]
    Unwritable(String),
    /// The file is written in a way that leaves no safe place for a change.
    #[error("the lines that are there cannot be kept as they are")]
    Entangled,
}

/// Whether `value` can stand in a line of a file.
pub(crate) fn is_writable(value: &str) -> bool {
    !value.trim().is_empty() && !value.chars().any(char::is_control)
}

/// `old`, the text of an `.env` file, with these variables set. All other lines stay as they are.
pub(crate) fn merged(old: &str, changes: &[Assignment]) -> Result<String, EnvFileError> {
    let old = old.trim_start_matches('\u{feff}');
    let mut text = String::new();
    let mut done: Vec<&str> = Vec::new();
    for line in old.split_inclusive('\n') {
        let change = assigned(line).and_then(|name| changes.iter().find(|(changed, _)| changed == name));
        match change {
            None => text.push_str(line),
            // A second line would say nothing: the first one counts.
            Some((name, _)) if done.contains(&name.as_str()) => {}
            Some((name, value)) => {
                text.push_str(&assignment(name, value)?);
                done.push(name);
            }
        }
    }
    if text.is_empty() {
        text.push_str(HEADER);
    } else if !text.ends_with('\n') {
        text.push('\n');
    }
    for (name, value) in changes.iter().filter(|(name, _)| !done.contains(&name.as_str())) {
        text.push_str(&assignment(name, value)?);
    }
    // A value over several lines may have looked like an assignment. Then nothing is written.
    let mut expected = variables(old).ok_or(EnvFileError::Entangled)?;
    expected.extend(changes.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())));
    if variables(&text) == Some(expected) { Ok(text) } else { Err(EnvFileError::Entangled) }
}

/// Puts variables into the file at `path`, which only its owner can read afterwards. The file is replaced as a whole.
pub(crate) fn save(path: &Path, changes: &[Assignment]) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::configuration(format!("the keys were not saved to `{}`: {error}", path.display()))
    };
    // A link stays one; what it leads to is replaced.
    let target = fs_err::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = match fs_err::read_to_string(&target) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(failed(&error)),
    };
    let text = merged(&old, changes)
        .map_err(|error| failed(&error).hint("put them in yourself, one NAME=value to a line"))?;
    replace(&target, &text).map_err(|error| failed(&error))
}

/// Makes the file at `path`, which only its owner can read. One that is there already stays as it is.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::configuration(format!("`{}` cannot be written: {error}", path.display()))
    };
    let file = prepared(path, text).map_err(|error| failed(&error))?;
    match file.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => Err(failed(&error.error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Writes a new file beside `target`, readable by its owner alone, and puts it in its place.
fn replace(target: &Path, text: &str) -> io::Result<()> {
    prepared(target, text)?.persist(target).map_err(|error| error.error)?;
    Ok(())
}

/// A file beside `target` that waits to take its place.
fn prepared(target: &Path, text: &str) -> io::Result<tempfile::NamedTempFile> {
    let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
    fs_err::create_dir_all(&folder)?;
    // Such a file has the mode 0600 from the start.
    let mut file = tempfile::Builder::new().prefix(".env.").tempfile_in(&folder)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The name of the variable that a line sets.
fn assigned(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let exported = line.strip_prefix("export").filter(|rest| rest.starts_with([' ', '\t']));
    let name = exported.unwrap_or(line).split_once('=')?.0.trim();
    let is_name =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    is_name.then_some(name)
}

fn assignment(name: &str, value: &SecretString) -> Result<String, EnvFileError> {
    let value = value.expose_secret();
    if !is_writable(value) {
        return Err(EnvFileError::Unwritable(name.to_owned()));
    }
    Ok(format!("{name}={}\n", quoted(value)))
}

/// A value as this program and shells read it back.
fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./+=:@%,".contains(c);
    if value.chars().all(is_plain) {
        value.to_owned()
    } else if !value.contains(['\'', '\\']) {
        format!("'{value}'")
    } else {
        let escaped = |c: char| {
            let mark = matches!(c, '"' | '\\' | '$').then_some('\\');
            mark.into_iter().chain([c])
        };
        format!("\"{}\"", value.chars().flat_map(escaped).collect::<String>())
    }
}

/// What a text sets; of several lines for one variable the first counts. `None` when it is not understood.
fn variables(text: &str) -> Option<HashMap<String, String>> {
    let mut variables = HashMap::new();
    for entry in dotenvy::from_read_iter(text.as_bytes()) {
        let (name, value) = entry.ok()?;
        variables.entry(name).or_insert(value);
    }
    Some(variables)
}

#[cfg(test)]
#[path = "env_file_tests.rs"]
mod tests;

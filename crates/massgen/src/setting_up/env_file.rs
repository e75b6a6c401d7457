//! Keys in an `.env` file: written so that they are read back as they are, and that only their owner reads them.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::os::unix::fs::OpenOptionsExt;
use secrecy::{ExposeSecret, SecretString};

use crate::dotenv::Dotenv;
use crate::environment::{ENV_FILE_BYTES, read_text, why};
use crate::failure::Failure;

/// The first line of a file that was not there before.
const HEADER: &str = "# Keys for massgen. Only you can read this file; do not share it.\n";

/// Links that are followed, one behind the other.
const LINKS: usize = 16;

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
    // Editors of other systems put a mark before the first line.
    let unmarked = old.trim_start_matches('\u{feff}');
    let mut text = old.strip_suffix(unmarked).unwrap_or_default().to_owned();
    let mut done: Vec<&str> = Vec::new();
    for line in unmarked.split_inclusive('\n') {
        let change = assigned(line).and_then(|name| changes.iter().find(|(changed, _)| changed == name));
        match change {
            None => text.push_str(line),
            // A second line would say nothing: the first one counts.
            Some((name, _)) if done.contains(&name.as_str()) => {}
            Some((name, value)) => {
                text.push_str(&assignment(name, value, end_of(line))?);
                done.push(name);
            }
        }
    }
    let end = end_of(&text);
    if unmarked.is_empty() {
        text.push_str(HEADER);
    } else if !text.ends_with('\n') {
        text.push_str(end);
    }
    for (name, value) in changes.iter().filter(|(name, _)| !done.contains(&name.as_str())) {
        text.push_str(&assignment(name, value, end)?);
    }
    // A value over several lines may have looked like an assignment. Then nothing is written.
    let mut expected = variables(old);
    expected.extend(changes.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())));
    if variables(&text) == expected { Ok(text) } else { Err(EnvFileError::Entangled) }
}

/// How the last line of `text` ends; a line without an end gets the usual one.
fn end_of(text: &str) -> &'static str {
    if text.ends_with("\r\n") { "\r\n" } else { "\n" }
}

/// Puts variables into the file at `path`, which only its owner can read afterwards. The file is replaced as a whole;
/// writers at the same time wait for each other. A link stays one: what it leads to is written. Returned is the file
/// that holds the variables now.
pub(crate) fn save(path: &Path, changes: &[Assignment]) -> Result<PathBuf, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::configuration(format!("the keys were not saved to `{}`: {error}", path.display()))
    };
    let writable = "make the file and its folder writable for you";
    let target = target(path).map_err(|error| failed(&why(&error)).hint(writable))?;
    let held = Held::open(&target).map_err(|error| failed(&why(&error)).hint(writable))?;
    let saved = read_text(&target, ENV_FILE_BYTES).map_err(|problem| failed(&problem)).and_then(|old| {
        let text = merged(&old, changes)
            .map_err(|error| failed(&error).hint("put them in yourself, one NAME=value to a line"))?;
        replace(&target, &text).map_err(|error| failed(&why(&error)).hint(writable))
    });
    if saved.is_err() && held.begun == Begun::Now {
        // It is empty, and nobody else writes to it while it is held.
        fs_err::remove_file(&target).map_err(|error| failed(&error))?;
    }
    saved.map(|()| target)
}

/// The file that is written for `path`: what it leads to when it is a link, whether or not that is there yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        if !target.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink()) {
            let folder = target.parent().map_or_else(|| PathBuf::from("."), Path::to_owned);
            if target == path {
                fs_err::create_dir_all(&folder)?;
            } else if !folder.is_dir() {
                let problem = format!("it is a link to `{}`, and that folder is not there", target.display());
                return Err(io::Error::other(problem));
            }
            return Ok(target);
        }
        let next = fs_err::read_link(&target)?;
        target = target.parent().map_or_else(|| next.clone(), |folder| folder.join(&next));
    }
    Err(io::Error::other("it is a link that leads nowhere"))
}

/// Whether a file was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Before,
    Now,
}

/// A file that one writer holds until this is dropped.
#[derive(Debug)]
struct Held {
    _file: fs_err::File,
    begun: Begun,
}

impl Held {
    /// Opens the file at `path`, or makes an empty one, and waits until no other writer holds it.
    fn open(path: &Path) -> io::Result<Self> {
        loop {
            // To open a pipe would wait for its other end.
            if let Ok(metadata) = fs_err::metadata(path)
                && !metadata.is_file()
            {
                let what = if metadata.is_dir() { "it is a folder" } else { "it is no regular file" };
                return Err(io::Error::other(what));
            }
            let mut options = fs_err::OpenOptions::new();
            options.read(true).write(true).mode(0o600);
            let (file, begun) = match options.clone().create_new(true).open(path) {
                Ok(file) => (file, Begun::Now),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match options.open(path) {
                    // It was replaced in between.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    file => (file?, Begun::Before),
                },
                Err(error) => return Err(error),
            };
            file.lock()?;
            // A writer that held it before has put a new file in its place.
            let held = file.metadata()?;
            let is_same = |there: std::fs::Metadata| (there.dev(), there.ino()) == (held.dev(), held.ino());
            if fs_err::metadata(path).is_ok_and(is_same) {
                return Ok(Self { _file: file, begun });
            }
        }
    }
}

/// Makes the file at `path`, which only its owner can read. One that is there already stays as it is.
pub(crate) fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let failed = |error: &io::Error| {
        Failure::configuration(format!("`{}` cannot be written: {}", path.display(), why(error)))
            .hint("make the folder writable for you, or go to another one")
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

fn assignment(name: &str, value: &SecretString, end: &str) -> Result<String, EnvFileError> {
    let value = value.expose_secret();
    if !is_writable(value) {
        return Err(EnvFileError::Unwritable(name.to_owned()));
    }
    Ok(format!("{name}={}{end}", quoted(value)))
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

/// What a text sets; of several lines for one variable the first counts.
fn variables(text: &str) -> HashMap<String, String> {
    let mut variables = HashMap::new();
    for (name, value) in Dotenv::parse(text).variables {
        variables.entry(name).or_insert(value);
    }
    variables
}

#[cfg(test)]
#[path = "env_file_tests.rs"]
mod tests;

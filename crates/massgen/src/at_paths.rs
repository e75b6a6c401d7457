//! `@path` in a question, against the files of this machine.

use std::fmt::Write;
use std::path::Path;

use massgen_config::references::{Missing, Parsed, PathKind, PathProbe, parse};
use massgen_view::clean::{clean_line, clean_text};

use crate::environment::Environment;
use crate::failure::Failure;

/// Most entries of a folder that are looked at for a completion.
const ENTRIES: usize = 10_000;

/// Most missing paths that a message names.
const NAMED: usize = 10;

/// The files of this machine, seen from a working directory.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a>(pub(crate) &'a Environment);

impl PathProbe for Files<'_> {
    fn kind(&self, path: &Path) -> Option<PathKind> {
        let metadata = fs_err::metadata(path).ok()?;
        Some(if metadata.is_dir() { PathKind::Folder } else { PathKind::File })
    }

    fn entries(&self, path: &Path) -> Vec<(String, PathKind)> {
        // Somebody is typing: a folder that cannot be read offers nothing.
        let Ok(entries) = fs_err::read_dir(path) else {
            return Vec::new();
        };
        let named = entries.flatten().take(ENTRIES).filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            Some((name, self.kind(&entry.path())?))
        });
        named.collect()
    }

    fn home(&self) -> Option<&Path> {
        self.0.home.as_deref()
    }

    fn working_directory(&self) -> &Path {
        &self.0.working_directory
    }
}

/// Reads a question.
///
/// # Errors
/// When it names paths that do not exist.
pub(crate) fn read(question: &str, environment: &Environment) -> Result<Parsed, Failure> {
    let parsed = parse(question, &Files(environment));
    if parsed.missing.is_empty() { Ok(parsed) } else { Err(absent(&parsed.missing, environment)) }
}

fn absent(missing: &[Missing], environment: &Environment) -> Failure {
    let name = |missing: &Missing| format!("`{}`", clean_line(&missing.was));
    let names: Vec<String> = missing.iter().take(NAMED).map(name).collect();
    let more = missing.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = match names.as_slice() {
        [only] => format!("the question names {only}, and there is no such path"),
        _ => format!("the question names paths that are not there: {}{more}", names.join(", ")),
    };
    Failure::configuration(message).hint(format!(
        "looked in {}; where no path is meant, write `\\@`, or add --no-parse-at-references",
        environment.working_directory.display()
    ))
}

/// What a person is told of the paths in a question; nothing when it names none.
pub(crate) fn told(parsed: &Parsed) -> Option<String> {
    if parsed.references.is_empty() {
        return None;
    }
    let mut told = "paths in the question, added to `context_paths`:".to_owned();
    for reference in &parsed.references {
        let path = clean_text(&reference.path.to_string_lossy()).replace('\n', " ");
        let _ = write!(told, "\n  {:5}  {path}", reference.permission.name());
    }
    for hint in &parsed.hints {
        let _ = write!(told, "\nhint: {}", clean_line(hint));
    }
    Some(told)
}

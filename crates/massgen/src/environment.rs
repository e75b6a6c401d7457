//! What the process was given: variables, `.env` files, folders. Read once; nothing here changes the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};

use massgen_config::variable_names_a_secret;
use massgen_engine::Redactor;
use massgen_model::Keys;
use secrecy::SecretString;

use crate::failure::Failure;

/// The files that keys are read from. The first one that has a variable wins, and the environment wins over all.
pub(crate) const ENV_FILES: [&str; 3] = ["./.env", "~/.config/massgen/.env", "~/.massgen/.env"];

/// Largest `.env` file that is read.
const ENV_FILE_BYTES: u64 = 1 << 20;

/// Where keys are looked for, for messages.
pub(crate) const SEARCHED: &str = "the environment, ./.env, ~/.config/massgen/.env, ~/.massgen/.env";

/// The surroundings of the process.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: HashMap<String, String>,
    /// The `.env` file of each variable that comes from one, as a person would type it.
    files: HashMap<String, &'static str>,
    pub(crate) working_directory: PathBuf,
    pub(crate) home: Option<PathBuf>,
}

impl Environment {
    /// Reads the environment and the `.env` files. The environment wins over `./.env`, that over
    /// `~/.config/massgen/.env`, and that over `~/.massgen/.env`.
    pub(crate) fn of_process() -> Result<Self, Failure> {
        let working_directory = std::env::current_dir().map_err(|error| {
            Failure::configuration(format!("the working directory cannot be used: {error}"))
        })?;
        let mut variables: HashMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let home = variables.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let mut files = HashMap::new();
        for name in ENV_FILES {
            let file = match (name.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => home.join(rest),
                (Some(_), None) => continue,
                (None, _) => working_directory.join(".env"),
            };
            for (variable, value) in read_env_file(&file)? {
                if let Entry::Vacant(free) = variables.entry(variable) {
                    files.insert(free.key().clone(), name);
                    free.insert(value);
                }
            }
        }
        Ok(Self { variables, files, working_directory, home })
    }

    /// An environment with these variables and no folders.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            variables: variables.collect(),
            files: HashMap::new(),
            working_directory: PathBuf::from("/nowhere"),
            home: None,
        }
    }

    /// The value of a variable; blank ones count as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    /// Whether a variable is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Where a variable that is set comes from: an `.env` file as a person would type it, or `the environment`.
    pub(crate) fn origin(&self, name: &str) -> Option<&'static str> {
        self.has(name).then(|| self.files.get(name).copied().unwrap_or("the environment"))
    }

    /// A variable that decides which program is run. It comes from the environment alone: a project's `.env` must not.
    pub(crate) fn of_person(&self, name: &str) -> Option<String> {
        if self.files.contains_key(name) { None } else { self.get(name) }
    }

    /// All variables as a source of keys, with `more` before them.
    pub(crate) fn keys(&self, more: impl IntoIterator<Item = (String, String)>) -> Keys {
        Keys::from_pairs(more.into_iter().chain(self.variables.clone()))
    }

    /// A redactor for everything that looks like a secret, and for `more`.
    pub(crate) fn redactor(&self, more: impl IntoIterator<Item = String>) -> Redactor {
        let found = self
            .variables
            .iter()
            .filter(|(name, _)| variable_names_a_secret(name))
            .map(|(_, value)| value.trim().to_owned());
        Redactor::new(found.chain(more).map(SecretString::from))
    }

    /// `path`, seen from the working directory, with `~` for the home directory.
    pub(crate) fn absolute(&self, path: &Path) -> PathBuf {
        match (path.strip_prefix("~"), &self.home) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.working_directory.join(path),
        }
    }

    /// Where the logs of runs go.
    pub(crate) fn log_base(&self) -> PathBuf {
        match self.get("MASSGEN_LOG_BASE_DIR") {
            Some(base) => self.absolute(Path::new(&base)),
            None => self.working_directory.join(".massgen").join("massgen_logs"),
        }
    }
}

/// The variables of an `.env` file; none when there is no such file.
/// The text of a file that a person wrote, or what is wrong with it. A device or a pipe is not read: it may have no end.
pub(crate) fn read_text(path: &Path, most_bytes: u64) -> Result<String, String> {
    let metadata = fs_err::metadata(path).map_err(|error| error.to_string())?;
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if metadata.len() > most_bytes {
        return Err(format!("it has {} bytes; at most {most_bytes} are read", metadata.len()));
    }
    let bytes = fs_err::read(path).map_err(|error| error.to_string())?;
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())
}

fn read_env_file(file: &Path) -> Result<Vec<(String, String)>, Failure> {
    match fs_err::metadata(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Ok(_) | Err(_) => {}
    }
    let text = read_text(file, ENV_FILE_BYTES).map_err(|problem| {
        Failure::configuration(format!("the keys in `{}` cannot be used: {problem}", file.display()))
    })?;
    // Editors of other systems put a mark before the first line.
    let entries = dotenvy::from_read_iter(text.trim_start_matches('\u{feff}').as_bytes());
    let entries = entries.map(|entry| {
        entry.map_err(|error| {
            Failure::configuration(format!("`{}` is not understood{}", file.display(), place(&text, &error)))
                .hint("each line is NAME=value; put values with spaces into quotes")
        })
    });
    entries.collect()
}

/// Where `error` is in `text`: only the number of the line, because what stands there may be a key.
fn place(text: &str, error: &dotenvy::Error) -> String {
    let dotenvy::Error::LineParse(rest, _) = error else {
        return String::new();
    };
    let before = text.split_once(rest.as_str()).map_or("", |(before, _)| before);
    format!(" at line {}", before.matches('\n').count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(".env");
        fs_err::write(&file, text).unwrap();
        let failure = read_env_file(&file).unwrap_err().to_string();
        failure.replace(&folder.path().display().to_string(), "")
    }

    #[test]
    fn only_files_of_a_bounded_size_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        fs_err::write(&file, "abc").unwrap();
        assert_eq!(read_text(&file, 3).as_deref(), Ok("abc"));
        assert!(read_text(&file, 2).unwrap_err().contains("at most 2"));
        assert_eq!(read_text(folder.path(), 3).unwrap_err(), "it is a folder");
        assert_eq!(read_text(Path::new("/dev/zero"), 3).unwrap_err(), "it is no regular file");
    }

    #[test]
    fn a_line_that_is_not_understood_is_named_by_its_number_and_never_shown() {
        let hint = "hint: each line is NAME=value; put values with spaces into quotes\n";
        assert_eq!(
            problem("A=1\n\n# keys\nB_KEY=top secret\n"),
            format!("error: `/.env` is not understood at line 4\n{hint}")
        );
        assert_eq!(
            problem("top secret value\n"),
            format!("error: `/.env` is not understood at line 1\n{hint}")
        );
        assert!(problem("A=1\nB='top secret").contains("at line 2"));
    }

    #[test]
    fn a_file_that_is_not_there_sets_nothing() {
        assert_eq!(read_env_file(Path::new("/nowhere/.env")).unwrap(), []);
    }
}

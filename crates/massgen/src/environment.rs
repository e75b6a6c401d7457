//! What the process was given: variables, `.env` files, folders. Read once; nothing here changes the process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use massgen_engine::Redactor;
use massgen_model::Keys;
use secrecy::SecretString;

use crate::failure::Failure;

/// Ends of names of variables whose values are secrets.
const SECRET_NAMES: [&str; 7] = ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_CREDENTIALS", "_PAT", "_AUTH"];

/// Where keys are looked for, for messages.
pub(crate) const SEARCHED: &str = "the environment, ./.env, ~/.config/massgen/.env, ~/.massgen/.env";

/// The surroundings of the process.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: HashMap<String, String>,
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
        let in_home = |path: &str| home.as_ref().map(|home| home.join(path));
        let files =
            [Some(working_directory.join(".env")), in_home(".config/massgen/.env"), in_home(".massgen/.env")];
        for file in files.into_iter().flatten() {
            for (name, value) in read_env_file(&file)? {
                variables.entry(name).or_insert(value);
            }
        }
        Ok(Self { variables, working_directory, home })
    }

    /// The value of a variable; blank ones count as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    /// Whether a variable is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All variables as a source of keys, with `more` before them.
    pub(crate) fn keys(&self, more: impl IntoIterator<Item = (String, String)>) -> Keys {
        Keys::from_pairs(more.into_iter().chain(self.variables.clone()))
    }

    /// A redactor for everything that looks like a secret, and for `more`.
    pub(crate) fn redactor(&self, more: impl IntoIterator<Item = String>) -> Redactor {
        let is_secret = |name: &str| SECRET_NAMES.iter().any(|end| name.to_ascii_uppercase().ends_with(end));
        let found = self
            .variables
            .iter()
            .filter(|(name, _)| is_secret(name))
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
fn read_env_file(file: &Path) -> Result<Vec<(String, String)>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::configuration(format!("cannot read `{}`: {error}", file.display()))
            .hint("each line is NAME=value; put values with spaces into quotes")
    };
    match dotenvy::from_path_iter(file) {
        Ok(entries) => entries.map(|entry| entry.map_err(|error| wrong(&without_line(error)))).collect(),
        Err(error) if error.not_found() => Ok(Vec::new()),
        Err(error) => Err(wrong(&without_line(error))),
    }
}

/// The error without the line that it is about, which may hold a key.
fn without_line(error: dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(line, position) => {
            let before = line.get(..position).unwrap_or_default();
            let name = before.split('=').next().unwrap_or_default().trim();
            format!("the line of `{name}` is not understood")
        }
        other => other.to_string(),
    }
}

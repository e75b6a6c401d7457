//! What the process was given: variables, `.env` files, folders. Read once; nothing here changes the process.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use massgen_config::{There, variable_names_a_secret};
use massgen_engine::Redactor;
use massgen_model::Keys;
use secrecy::SecretString;

use crate::dotenv::Dotenv;
use crate::failure::Failure;
use crate::remarks::Remarks;

/// The files that keys are read from. The first one that has a variable wins, and the environment wins over all.
pub(crate) const ENV_FILES: [&str; 3] = ["./.env", "~/.config/massgen/.env", "~/.massgen/.env"];

/// Largest `.env` file that is read.
pub(crate) const ENV_FILE_BYTES: u64 = 1 << 20;

/// The permissions of other users than the owner.
const OTHERS: u32 = 0o077;

/// Lines of one file that are named by their numbers.
const NAMED_LINES: usize = 5;

/// Where the logs of a project's runs are, below it.
const LOGS: &str = ".massgen/massgen_logs";

/// Where keys are looked for, for messages.
pub(crate) const SEARCHED: &str = "the environment, ./.env, ~/.config/massgen/.env, ~/.massgen/.env";

/// The surroundings of the process.
#[derive(Clone)]
pub(crate) struct Environment {
    variables: HashMap<String, String>,
    /// The `.env` file of each variable that comes from one, as a person would type it.
    files: HashMap<String, &'static str>,
    /// What of the `.env` files could not be used.
    damage: Vec<EnvDamage>,
    pub(crate) working_directory: PathBuf,
    pub(crate) home: Option<PathBuf>,
}

/// What of an `.env` file could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvDamage {
    /// The file, as a person would type it.
    pub(crate) file: &'static str,
    /// What is wrong with it. Nothing that stands in it is shown: it may be a key.
    pub(crate) problem: String,
    /// What to do about it.
    pub(crate) mend: &'static str,
}

impl Environment {
    /// The environment for something that spends.
    ///
    /// # Errors
    /// An `.env` file that is not understood as a whole: a key may be lost, and with it the wrong one be used.
    pub(crate) fn for_run() -> Result<Self, Failure> {
        let environment = Self::of_process()?;
        if environment.damage.is_empty() {
            return Ok(environment);
        }
        let problems: Vec<&str> = environment.damage.iter().map(|damage| damage.problem.as_str()).collect();
        let mut mends: Vec<&str> = environment.damage.iter().map(|damage| damage.mend).collect();
        mends.dedup();
        Err(Failure::configuration(problems.join("; ")).hint(mends.join("; ")))
    }

    /// The environment for something that tells or mends: what of the `.env` files cannot be used is told on stderr.
    pub(crate) fn for_telling() -> Result<Self, Failure> {
        let environment = Self::of_process()?;
        for EnvDamage { problem, mend, .. } in &environment.damage {
            Remarks::direct().tell(&format!("warning: {problem}; a run stops at this\nhint: {mend}"));
        }
        Ok(environment)
    }

    /// Reads the environment and the `.env` files. The environment wins over `./.env`, that over
    /// `~/.config/massgen/.env`, and that over `~/.massgen/.env`. What of them cannot be used is in [`Self::damage`].
    pub(crate) fn of_process() -> Result<Self, Failure> {
        let working_directory = std::env::current_dir().map_err(|error| {
            Failure::configuration(format!("the working directory cannot be used: {error}"))
        })?;
        let mut variables: HashMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let home = variables.get("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let mut files = HashMap::new();
        let mut damage = Vec::new();
        for name in ENV_FILES {
            let file = match (name.strip_prefix("~/"), &home) {
                (Some(rest), Some(home)) => home.join(rest),
                (Some(_), None) => continue,
                (None, _) => working_directory.join(".env"),
            };
            let (found, damaged) = read_env_file(name, &file);
            damage.extend(damaged);
            for (variable, value) in found {
                if let Entry::Vacant(free) = variables.entry(variable) {
                    files.insert(free.key().clone(), name);
                    free.insert(value);
                }
            }
        }
        Ok(Self { variables, files, damage, working_directory, home })
    }

    /// An environment with these variables and no folders.
    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            variables: variables.collect(),
            files: HashMap::new(),
            damage: Vec::new(),
            working_directory: PathBuf::from("/nowhere"),
            home: None,
        }
    }

    /// The same, seen from another folder.
    pub(crate) fn in_folder(&self, folder: &Path) -> Self {
        Self { working_directory: folder.to_owned(), ..self.clone() }
    }

    /// The value of a variable; blank ones count as not set.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).filter(|value| !value.trim().is_empty()).cloned()
    }

    /// All variables that are set.
    pub(crate) fn all(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.variables.iter().map(|(name, value)| (name.clone(), value.clone()))
    }

    /// Whether a variable is set.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// What of the `.env` files could not be used.
    pub(crate) fn damage(&self) -> &[EnvDamage] {
        &self.damage
    }

    /// The `.env` files that set something which other users of the machine can read, as a person would type them.
    pub(crate) fn open_env_files(&self) -> Vec<&'static str> {
        let is_open = |name: &&str| {
            let mode = |path| fs_err::metadata(path).map(|metadata| metadata.permissions().mode());
            self.files.iter().any(|(variable, file)| file == name && variable_names_a_secret(variable))
                && mode(self.absolute(name.as_ref())).is_ok_and(|mode| mode & OTHERS != 0)
        };
        ENV_FILES.into_iter().filter(is_open).collect()
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
            None => self.working_directory.join(LOGS),
        }
    }

    /// Where the logs of the project's runs are, seen from a folder in it: the nearest one, as git finds its own. The home
    /// directory is no project, unless it is the working directory.
    pub(crate) fn found_log_base(&self) -> PathBuf {
        if self.has("MASSGEN_LOG_BASE_DIR") {
            return self.log_base();
        }
        let here = self.working_directory.as_path();
        let is_project = |folder: &&Path| *folder == here || self.home.as_deref() != Some(*folder);
        let bases = here.ancestors().take_while(is_project).map(|folder| folder.join(LOGS));
        bases.into_iter().find(|base| base.is_dir()).unwrap_or_else(|| self.log_base())
    }
}

/// The text of a file that a person wrote, or what is wrong with it.
pub(crate) fn read_text(path: &Path, most_bytes: u64) -> Result<String, String> {
    let bytes = read_bytes(path, most_bytes)?;
    String::from_utf8(bytes).map_err(|_| "it is not text in UTF-8".to_owned())
}

/// The bytes of a file, or what is wrong with it. A device or a pipe is not read: it may have no end.
pub(crate) fn read_bytes(path: &Path, most_bytes: u64) -> Result<Vec<u8>, String> {
    let metadata = fs_err::metadata(path).map_err(|error| why(&error))?;
    if metadata.is_dir() {
        return Err("it is a folder".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is no regular file".to_owned());
    }
    if metadata.len() > most_bytes {
        return Err(format!("it has {} bytes; at most {most_bytes} are read", metadata.len()));
    }
    fs_err::read(path).map_err(|error| why(&error))
}

/// Whether there is something at `path`.
///
/// # Errors
/// Why that cannot be known.
pub(crate) fn is_there(path: &Path) -> Result<bool, String> {
    match fs_err::metadata(path) {
        Ok(_) => Ok(true),
        // Nothing is in what is no folder.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(false)
        }
        Err(error) => Err(why(&error)),
    }
}

/// What there is at `path`. What cannot be looked at is not there for a run either.
pub(crate) fn there(path: &Path) -> There {
    match fs_err::metadata(path) {
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => There::Program,
        Ok(_) => There::Something,
        Err(_) => There::Nothing,
    }
}

/// The cause alone, for a message that names the file.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "it is not there".to_owned(),
        io::ErrorKind::PermissionDenied => "you have no permission".to_owned(),
        _ => error.to_string(),
    }
}

/// The variables of the `.env` file at `path`, and what of it cannot be used; nothing when there is no such file.
fn read_env_file(file: &'static str, path: &Path) -> (Vec<(String, String)>, Option<EnvDamage>) {
    if is_there(path) == Ok(false) {
        return (Vec::new(), None);
    }
    let text = match read_text(path, ENV_FILE_BYTES) {
        Ok(text) => text,
        Err(problem) => {
            let problem = format!("the keys in `{file}` cannot be used: {problem}");
            let mend = "make it a file that you can read, or move it away";
            return (Vec::new(), Some(EnvDamage { file, problem, mend }));
        }
    };
    let Dotenv { variables, torn } = Dotenv::parse(&text);
    let damage = (!torn.is_empty()).then(|| EnvDamage {
        file,
        problem: format!("`{file}` is not understood at {}", lines(&torn)),
        mend: "each line is NAME=value; put values with spaces into quotes",
    });
    (variables, damage)
}

/// The numbers of lines, as words.
fn lines(numbers: &[usize]) -> String {
    let named: Vec<String> = numbers.iter().take(NAMED_LINES).map(usize::to_string).collect();
    match (named.split_last(), numbers.len().saturating_sub(NAMED_LINES)) {
        (Some((only, [])), _) => format!("line {only}"),
        (Some((last, first)), 0) => format!("lines {} and {last}", first.join(", ")),
        (_, more) => format!("lines {} and {more} more", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        fs_err::write(&path, text).unwrap();
        read_env_file("./.env", &path).1.unwrap().problem
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
    fn lines_that_are_not_understood_are_named_by_their_numbers_and_never_shown() {
        assert_eq!(problem("A=1\n\n# keys\nB_KEY=top secret\n"), "`./.env` is not understood at line 4");
        assert_eq!(problem("x y\nA=1\nB='x"), "`./.env` is not understood at lines 1 and 3");
        assert_eq!(
            problem(&"x y\n".repeat(9)),
            "`./.env` is not understood at lines 1, 2, 3, 4, 5 and 4 more"
        );
    }

    #[test]
    fn a_file_that_is_not_there_sets_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs_err::write(&file, "").unwrap();
        for path in [folder.path().join(".env"), file.join(".env")] {
            assert_eq!(read_env_file("./.env", &path), (Vec::new(), None));
        }
        let (found, damage) = read_env_file("./.env", folder.path());
        assert!(found.is_empty() && damage.unwrap().problem.ends_with("it is a folder"));
    }
}

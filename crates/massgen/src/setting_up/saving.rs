//! Files that set-up writes. An existing one that says something else is never replaced unasked.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::failure::Failure;
use crate::setup::CONFIGS;
use crate::shell::quoted;

/// What happens to a file that is there and says something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the saving fails.
    Kept,
    /// It is replaced.
    Replaced,
}

/// Whether a file would have to be replaced to hold `text`.
pub(crate) fn says_something_else(path: &Path, text: &str) -> bool {
    path.symlink_metadata().is_ok() && !fs_err::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
}

/// Writes `text` to `path`, with the folders above it. One that holds the same text already is left alone.
pub(crate) fn save(path: &Path, text: &str, existing: Existing) -> Result<(), Failure> {
    if !path.extension().is_some_and(|suffix| suffix == "yaml" || suffix == "yml") {
        return Err(Failure::configuration(format!(
            "`{}` would be no configuration by its name",
            path.display()
        ))
        .hint("name a file that ends in `.yaml`"));
    }
    let failed = |error: io::Error| {
        Failure::configuration(format!("the file cannot be written: {error}"))
            .hint("name a file in a folder that you can write to")
    };
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(failed)?;
    }
    if path.symlink_metadata().is_ok() {
        if !says_something_else(path, text) {
            return Ok(());
        }
        return match existing {
            Existing::Kept => Err(Failure::configuration(format!(
                "`{}` is there already and says something else",
                path.display()
            ))
            .hint("move it away, or name another file")),
            Existing::Replaced => fs_err::write(path, text).map_err(failed),
        };
    }
    // Somebody else may have made the file in the meantime.
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| {
        // Half a configuration is worse than none.
        let _ = fs_err::remove_file(path);
        failed(error)
    })
}

/// `path` as a person would type it: from the working directory, or from the home folder.
pub(crate) fn shown(path: &Path, environment: &Environment) -> String {
    if let Ok(rest) = path.strip_prefix(&environment.working_directory) {
        return rest.display().to_string();
    }
    match environment.home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => PathBuf::from("~").join(rest).display().to_string(),
        None => path.display().to_string(),
    }
}

/// The command that asks a question of the configuration at `path`.
pub(crate) fn run_line(path: &Path, environment: &Environment) -> String {
    let is_found = CONFIGS.iter().any(|name| environment.absolute(name.as_ref()) == path);
    if is_found {
        return "massgen \"your question\"".to_owned();
    }
    format!("massgen --config {} \"your question\"", quoted(&shown(path, environment)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::PROJECT_CONFIG;

    #[test]
    fn an_existing_file_is_replaced_only_on_demand() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b/config.yaml");
        for unusable in ["team", "team.txt", "team.json"] {
            let failure = save(&folder.path().join(unusable), "one", Existing::Kept).unwrap_err();
            assert!(failure.to_string().contains(".yaml"), "{failure}");
        }
        save(&path, "one", Existing::Kept).unwrap();
        save(&path, "one", Existing::Kept).unwrap();
        let failure = save(&path, "two", Existing::Kept).unwrap_err();
        assert_eq!(failure.code(), 1);
        assert!(failure.to_string().contains("says something else"), "{failure}");
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "one");
        save(&path, "two", Existing::Replaced).unwrap();
        assert_eq!(fs_err::read_to_string(&path).unwrap(), "two");
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_nowhere_is_not_written_through_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("config.yaml");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(save(&link, "text", Existing::Kept).is_err());
        assert!(!folder.path().join("elsewhere").exists());
    }

    #[test]
    fn the_command_to_run_can_be_typed_as_it_stands() {
        let environment = Environment::of(&[]);
        let line = |path: &str| run_line(&environment.absolute(path.as_ref()), &environment);
        assert_eq!(line(PROJECT_CONFIG), "massgen \"your question\"");
        assert_eq!(line("team.yaml"), "massgen --config team.yaml \"your question\"");
        assert_eq!(line("my team's.yaml"), "massgen --config 'my team'\\''s.yaml' \"your question\"");
        assert_eq!(line("/etc/team.yaml"), "massgen --config /etc/team.yaml \"your question\"");
    }
}

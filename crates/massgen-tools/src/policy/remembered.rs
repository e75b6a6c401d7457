//! Replies that a person gave for good: rules in a file, which later runs go by.

use std::io;
use std::path::Path;
use std::time::Duration;

use fs_err::{File, OpenOptions};
use massgen_workspace::write_whole;
use serde_json::{Map, Value, json};

use crate::error::Error;

/// Where, in the file, the rules stand that allow.
const PLACE: (&str, &str) = ("permissions", "allow");

/// How often the file is tried while others write it, and the pause between.
const TRIES: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// Largest file that is read.
const FILE_BYTES: u64 = 4 * 1024 * 1024;

/// The rules in the file at `path`; none when there is no file.
pub(super) fn rules(path: &Path) -> Result<Vec<String>, Error> {
    Ok(rules_in(&read(path)?))
}

/// Adds a rule to the file at `path`. Agents and runs may do so at the same time: none loses what another has added.
pub(super) fn add(path: &Path, rule: &str) -> Result<(), Error> {
    let system = |error: io::Error| broken(path, &error.to_string());
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(system)?;
    }
    let _locked = lock(path, TRIES).map_err(system)?;
    let mut settings = read(path)?;
    let mut known = rules_in(&settings);
    if known.iter().any(|known| known == rule) {
        return Ok(());
    }
    known.push(rule.to_owned());
    let permissions = settings.entry(PLACE.0).or_insert_with(|| json!({}));
    let Some(permissions) = permissions.as_object_mut() else {
        return Err(broken(path, "`permissions` is no object"));
    };
    permissions.insert(PLACE.1.to_owned(), json!(known));
    write(path, &Value::Object(settings))
}

/// The right to write the file, held until this is dropped.
fn lock(path: &Path, tries: u32) -> io::Result<File> {
    let file =
        OpenOptions::new().write(true).create(true).truncate(false).open(path.with_extension("lock"))?;
    for _ in 0..tries {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(std::fs::TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            Err(std::fs::TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(io::Error::other("another program holds it"))
}

fn rules_in(settings: &Map<String, Value>) -> Vec<String> {
    let rules = settings.get(PLACE.0).and_then(|permissions| permissions.get(PLACE.1));
    let rules = rules.and_then(Value::as_array).into_iter().flatten();
    rules.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn read(path: &Path) -> Result<Map<String, Value>, Error> {
    use std::io::Read;

    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(broken(path, &error.to_string())),
    };
    let mut text = String::new();
    let read = file.take(FILE_BYTES).read_to_string(&mut text);
    read.map_err(|error| broken(path, &error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| broken(path, &error.to_string()))
}

/// Writes the file whole or not at all. Only who holds the lock does.
fn write(path: &Path, settings: &Value) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(settings).map_err(|error| broken(path, &error.to_string()))?;
    write_whole(path, text.as_bytes()).map_err(|error| broken(path, &error.to_string()))
}

fn broken(path: &Path, reason: &str) -> Error {
    Error::Remembered { path: path.display().to_string(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_that_come_at_the_same_time_are_all_remembered() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deep/settings.local.json");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..5 {
                        add(path, &format!("command(make {writer}-{number})")).expect("added");
                    }
                });
            }
        });
        assert_eq!(rules(&path).expect("read").len(), 20);
    }

    #[test]
    fn a_file_that_another_program_holds_is_given_up_and_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("settings.local.json");
        let held = lock(&path, 1).expect("locked");
        let told = lock(&path, 2).expect_err("held").to_string();
        assert_eq!(told, "another program holds it");
        drop(held);
        lock(&path, 1).expect("free again");
    }
}

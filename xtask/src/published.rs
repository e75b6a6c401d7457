//! `cargo xtask published`: every configuration of the published MassGen package against the program.
//!
//! The package is downloaded with pip into `target/published` and kept there; nothing of it gets into the repository.
//! That needs Python with pip and, the first time, a network. Without them the check is left out, and says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::out::say;
use crate::places;
use crate::product::last_line;
use crate::programs::{on_path, read};
use crate::table::{Align, Table};

/// The package and the version that this program is a drop-in for, as pip wants it.
const PACKAGE: &str = "massgen==0.1.97";

/// The configurations in the package.
const CONFIGS: &str = "massgen/configs/";

/// How many there are, and of them those that can run.
const KNOWN: usize = 276;

/// The one that is a table of rate limits and no configuration.
const NOT_RUNNABLE: &[&str] = &["rate_limits/rate_limits.yaml"];

/// Files that are checked at a time.
const AT_A_TIME: usize = 4;

/// What `massgen --validate FILE --json` says.
#[derive(Debug, Deserialize)]
struct Verdict {
    valid: bool,
    error_count: usize,
    warning_count: usize,
    errors: Vec<Told>,
    warnings: Vec<Told>,
}

/// One finding of it.
#[derive(Debug, Deserialize)]
struct Told {
    message: String,
    location: String,
}

/// A configuration and what was said of it.
#[derive(Debug)]
struct Checked {
    /// The path below the package's folder of configurations.
    name: String,
    verdict: Verdict,
}

/// Checks all configurations with `program`.
pub(crate) fn run(program: &Path) -> Result<()> {
    let folder = match package()? {
        Package::At(folder) => folder,
        Package::Missing(why) => {
            say(&format!("published: left out: {why}"));
            return Ok(());
        }
    };
    let configs = configs(&folder.join(CONFIGS))?;
    ensure!(configs.len() == KNOWN, "the package holds {} configurations, not {KNOWN}", configs.len());
    let checked = check_all(program, &folder, &configs)?;
    report(&checked)
}

/// Whether the package could be had.
#[derive(Debug)]
enum Package {
    /// Unpacked in this folder.
    At(PathBuf),
    /// Not, for this reason.
    Missing(String),
}

fn package() -> Result<Package> {
    let folder = places::target().join("published").join(PACKAGE);
    let unpacked = folder.join("unpacked");
    if unpacked.is_dir() {
        return Ok(Package::At(unpacked));
    }
    let Some(python) = on_path("python3") else {
        return Ok(Package::Missing("there is no python3".to_owned()));
    };
    if read(Command::new(&python).args(["-m", "pip", "--version"])).is_err() {
        return Ok(Package::Missing("python3 has no pip".to_owned()));
    }
    fs_err::create_dir_all(&folder)?;
    if wheel(&folder)?.is_none()
        && let Err(why) = download(&python, &folder)
    {
        return Ok(Package::Missing(format!("{PACKAGE} cannot be downloaded: {why}")));
    }
    let wheel = wheel(&folder)?.context("pip left no wheel behind")?;
    // Unpacked beside its place and renamed, so that what is there is whole.
    let staged = tempfile::tempdir_in(&folder)?;
    read(Command::new(&python).args(["-m", "zipfile", "-e"]).arg(&wheel).arg(staged.path()))
        .context("the package cannot be unpacked")?;
    fs_err::rename(staged.keep(), &unpacked)?;
    Ok(Package::At(unpacked))
}

fn download(python: &Path, folder: &Path) -> Result<()> {
    say(&format!("downloading {PACKAGE}, once"));
    let output = Command::new(python)
        .args(["-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"])
        .args(["--quiet", "--timeout=15", "--retries=1", "--dest"])
        .arg(folder)
        .arg(PACKAGE)
        .stdin(Stdio::null())
        .output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!("{}", last_line(&String::from_utf8_lossy(&output.stderr)).trim_start_matches("ERROR: "))
}

/// The downloaded package, if it is there.
fn wheel(folder: &Path) -> Result<Option<PathBuf>> {
    for entry in fs_err::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "whl") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// All configurations below `folder`, by their paths in it.
fn configs(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(next)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "yaml") {
                let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                found.insert(name, path);
            }
        }
    }
    Ok(found)
}

fn check_all(program: &Path, folder: &Path, configs: &BTreeMap<String, PathBuf>) -> Result<Vec<Checked>> {
    let configs: Vec<(&String, &PathBuf)> = configs.iter().collect();
    let share = configs.len().div_ceil(AT_A_TIME).max(1);
    let check = |part: &[(&String, &PathBuf)]| -> Result<Vec<Checked>> {
        let checked = part.iter().map(|(name, file)| {
            let verdict = check(program, folder, file).with_context(|| format!("`{name}`"))?;
            Ok(Checked { name: (*name).clone(), verdict })
        });
        checked.collect()
    };
    let parts: Vec<Result<Vec<Checked>>> = std::thread::scope(|scope| {
        let threads: Vec<_> = configs.chunks(share).map(|part| scope.spawn(|| check(part))).collect();
        let joined = threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| bail!("a check of configurations broke off")));
        joined.collect()
    });
    parts.into_iter().try_fold(Vec::new(), |mut all, part| {
        all.extend(part?);
        Ok(all)
    })
}

/// What the program says of one file. Its environment is empty: a configuration is right or wrong whoever has which key.
fn check(program: &Path, folder: &Path, file: &Path) -> Result<Verdict> {
    let output = Command::new(program)
        .args(["--json", "--validate"])
        .arg(file)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("`{}` cannot be run", program.display()))?;
    let verdict: Verdict = serde_json::from_slice(&output.stdout).with_context(|| {
        format!("no verdict as JSON: {}", last_line(&String::from_utf8_lossy(&output.stderr)))
    })?;
    let counted = (verdict.errors.len(), verdict.warnings.len());
    ensure!(counted == (verdict.error_count, verdict.warning_count), "the counts and the lists differ");
    ensure!(verdict.valid == (verdict.error_count == 0), "`valid` contradicts the errors");
    let code = i32::from(!verdict.valid);
    ensure!(output.status.code() == Some(code), "it ended with {}, not with {code}", output.status);
    Ok(verdict)
}

/// Tells what was found; an error in a configuration that can run is a failure.
fn report(checked: &[Checked]) -> Result<()> {
    let is_runnable = |config: &&Checked| !NOT_RUNNABLE.contains(&config.name.as_str());
    let runnable: Vec<&Checked> = checked.iter().filter(is_runnable).collect();
    let failed: Vec<&&Checked> = runnable.iter().filter(|config| !config.verdict.valid).collect();
    let warned = runnable.iter().filter(|config| config.verdict.warning_count > 0).count();
    if !failed.is_empty() {
        let mut table = Table::new(&[
            ("configuration", Align::Left),
            ("errors", Align::Right),
            ("the first", Align::Left),
        ]);
        for config in &failed {
            let first = config.verdict.errors.first();
            let first =
                first.map(|error| format!("[{}] {}", error.location, error.message)).unwrap_or_default();
            table.row([config.name.clone(), config.verdict.error_count.to_string(), first]);
        }
        say(&table.render());
    }
    if warned > 0 {
        say(&format!("\n{}\n", reasons(&runnable).render()));
    }
    let valid = runnable.len() - failed.len();
    say(&format!(
        "published: {valid} of {} runnable configurations of {PACKAGE} are valid, {warned} of them with warnings",
        runnable.len()
    ));
    let wrong = checked.iter().find(|config| !is_runnable(config) && config.verdict.valid);
    ensure!(
        wrong.is_none(),
        "a file that is no configuration passes: {}",
        wrong.map_or("", |config| &config.name)
    );
    ensure!(failed.is_empty(), "{} configurations that run with {PACKAGE} are refused", failed.len());
    Ok(())
}

/// Warnings by how many configurations have them.
fn reasons(checked: &[&Checked]) -> Table {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for warning in checked.iter().flat_map(|config| &config.verdict.warnings) {
        *reasons.entry(&warning.message).or_default() += 1;
    }
    let mut reasons: Vec<(&str, usize)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut table = Table::new(&[("warnings", Align::Right), ("what", Align::Left)]);
    for (message, count) in reasons {
        table.row([count.to_string(), message.to_owned()]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(name: &str, errors: &[&str]) -> Checked {
        let errors: Vec<Told> = errors
            .iter()
            .map(|error| Told { message: (*error).to_owned(), location: "agent".to_owned() })
            .collect();
        let verdict = Verdict {
            valid: errors.is_empty(),
            error_count: errors.len(),
            warning_count: 0,
            errors,
            warnings: Vec::new(),
        };
        Checked { name: name.to_owned(), verdict }
    }

    #[test]
    fn an_error_in_a_runnable_configuration_fails_and_one_elsewhere_does_not() {
        let table = || checked(NOT_RUNNABLE[0], &["there are no agents"]);
        report(&[checked("a.yaml", &[]), table()]).unwrap();
        let error = report(&[checked("a.yaml", &["bad"]), table()]).unwrap_err();
        assert!(error.to_string().starts_with("1 configurations"), "{error}");
        assert!(report(&[checked("a.yaml", &[]), checked(NOT_RUNNABLE[0], &[])]).is_err());
    }

    #[test]
    fn configurations_are_found_in_all_folders() {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(folder.path().join("a/b")).unwrap();
        for file in ["a/b/c.yaml", "d.yaml", "a/readme.md"] {
            fs_err::write(folder.path().join(file), "").unwrap();
        }
        let found: Vec<String> = configs(folder.path()).unwrap().into_keys().collect();
        assert_eq!(found, ["a/b/c.yaml", "d.yaml"]);
    }

    #[test]
    fn what_the_program_says_is_taken_seriously() {
        let folder = tempfile::tempdir().unwrap();
        let says = |verdict: &str, code: u8| {
            let program = folder.path().join("program");
            fs_err::write(&program, format!("#!/bin/sh\necho '{verdict}'\nexit {code}\n")).unwrap();
            read(Command::new("chmod").arg("+x").arg(&program)).unwrap();
            check(&program, folder.path(), Path::new("c.yaml"))
        };
        let valid = r#"{"valid": true, "error_count": 0, "warning_count": 0, "errors": [], "warnings": []}"#;
        assert!(says(valid, 0).unwrap().valid);
        assert!(says(valid, 1).is_err());
        assert!(says("nothing", 0).is_err());
        assert!(says(&valid.replace("true", "false"), 1).is_err());
    }
}

//! Throw-away environments of Python, for programs of others.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::places;
use crate::programs::{on_path, read, run};

/// What is installed into an environment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The environment's folder below `target/`.
    pub(crate) folder: &'a str,
    /// What pip installs: packages with their versions, or `-r` and a file.
    pub(crate) install: &'a [&'a str],
    /// What the environment is made anew for when it changes: the packages, or the content of the file.
    pub(crate) stamp: &'a str,
    /// The oldest Python that it runs on, as its minor version.
    pub(crate) oldest: u32,
}

/// The folder of an environment, made unless it is there.
pub(crate) fn environment(wanted: Wanted<'_>) -> Result<PathBuf> {
    let folder = places::target().join(wanted.folder);
    let stamp = folder.join("installed");
    if fs_err::read_to_string(&stamp).is_ok_and(|installed| installed == wanted.stamp) {
        return Ok(folder);
    }
    let python = on_path("python3").context("there is no `python3`")?;
    let version = read(Command::new(&python).args(["-c", "import sys; print(sys.version_info[1])"]))?;
    let minor: u32 = version.trim().parse().context("`python3` does not tell its version")?;
    ensure!(minor >= wanted.oldest, "it needs Python 3.{} or newer, not 3.{minor}", wanted.oldest);
    run(Command::new(&python).args(["-m", "venv"]).arg(&folder))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(folder.join("bin/python")).args(install).args(wanted.install))?;
    fs_err::write(&stamp, wanted.stamp)?;
    Ok(folder)
}

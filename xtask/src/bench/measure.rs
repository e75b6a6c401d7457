//! What a program uses. A program is run by a process of its own (`xtask measure`), because the system tells the peak
//! memory of children only as the largest one that ever ended.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{Usage as Resources, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde::{Deserialize, Serialize};

/// What one program used, from start to end.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) wall_ms: f64,
    /// User and system time together.
    pub(crate) cpu_ms: f64,
    /// Peak resident memory. Never below that of the measuring process when it started the program: a few MB.
    pub(crate) peak_mb: f64,
    /// Its exit code; `None` when a signal ended it.
    pub(crate) code: Option<i32>,
}

/// Turns `command` into one that runs it and writes its [`Usage`] to `file`.
pub(crate) fn measured(command: &Command, file: &Path) -> Result<Command> {
    let mut outer = Command::new(std::env::current_exe()?);
    outer.arg("measure").arg(file).arg(command.get_program()).args(command.get_args());
    outer.env_clear();
    outer.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        outer.current_dir(folder);
    }
    outer.stdin(Stdio::null());
    Ok(outer)
}

/// What `measured` wrote.
pub(crate) fn usage(file: &Path) -> Result<Usage> {
    serde_json::from_str(&fs_err::read_to_string(file)?).context("the usage of a program cannot be read")
}

/// The hidden task `measure`.
pub(crate) fn run(file: &Path, command: &[PathBuf]) -> Result<()> {
    let (program, arguments) = command.split_first().context("nothing to measure")?;
    let begin = Instant::now();
    let status = Command::new(program).args(arguments).status()?;
    let wall_ms = begin.elapsed().as_secs_f64() * 1e3;
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let usage = Usage {
        wall_ms,
        cpu_ms: cpu_ms(&used),
        peak_mb: used.max_rss() as f64 * 1024.0 / 1e6,
        code: status.code(),
    };
    fs_err::write(file, serde_json::to_string(&usage)?)?;
    Ok(())
}

/// Runs `command` to its end without output and returns what it used.
pub(crate) fn of(command: &Command, file: &Path) -> Result<Usage> {
    let mut outer = measured(command, file)?;
    let status = outer.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.success(), "`{}` cannot be measured", command.get_program().display());
    usage(file)
}

/// Processor time that this process has used.
pub(crate) fn own_cpu_ms() -> Result<f64> {
    Ok(cpu_ms(&getrusage(UsageWho::RUSAGE_SELF)?))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn cpu_ms(used: &Resources) -> f64 {
    (used.user_time().num_microseconds() + used.system_time().num_microseconds()) as f64 / 1e3
}

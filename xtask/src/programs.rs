//! Running other programs.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use cargo_metadata::{Message, TargetKind};

use crate::places;
use crate::product::last_line;

/// A command as a person would type it, for messages.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let words = std::iter::once(program.file_name().unwrap_or(program.as_os_str())).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// Runs `command` with our own output and fails unless it succeeds.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("`{}` cannot be run", shown(command)))?;
    ensure!(status.success(), "`{}` failed ({status})", shown(command));
    Ok(())
}

/// Runs `command` and returns its standard output; fails unless it succeeds.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("`{}` cannot be run", shown(command)))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed ({}): {}", shown(command), output.status, last_line(&said));
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed something that is not text", shown(command)))
}

/// The file that would be run for `name`, if there is one on the search path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

/// The cargo that runs us, in the root of the workspace.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(places::root());
    command
}

/// Runs a cargo build with `arguments` and returns the program or example `name` that came out of it, if one did.
pub(crate) fn build(arguments: &[&str], name: &str) -> Result<Option<PathBuf>> {
    let mut command = cargo();
    command.args(arguments).arg("--message-format=json-render-diagnostics");
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("`{}` cannot be run", shown(&command)))?;
    let messages = child.stdout.take().context("cargo has no output")?;
    let mut program = None;
    for message in Message::parse_stream(std::io::BufReader::new(messages)) {
        // Only the artefact matters: cargo prints diagnostics itself.
        if let Message::CompilerArtifact(artifact) = message?
            && artifact.target.name == name
            && artifact.target.kind.iter().any(|kind| matches!(kind, TargetKind::Bin | TargetKind::Example))
            && !artifact.profile.test
        {
            program = artifact.executable.map(PathBuf::from).or(program);
        }
    }
    let status = child.wait()?;
    ensure!(status.success(), "`cargo {}` failed ({status})", arguments.join(" "));
    Ok(program)
}

/// Builds the program for debugging, as a person would who works on it.
pub(crate) fn debug_program() -> Result<PathBuf> {
    build(&["build", "--package", "massgen"], "massgen")?.context("cargo built no program `massgen`")
}

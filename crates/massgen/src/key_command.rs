//! Commands that print a key (`api_key_command`). What one prints is a secret from its first byte: it is in no message,
//! no log and no file.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use massgen_protocol::spec::KeyCommand;
use massgen_view::clean::clean_line;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

use crate::shell::quoted;

/// How long a command may take: a person may have to unlock a store of passwords.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Longest key.
const KEY_BYTES: usize = 16 * 1024;

/// Most that is read of what a command says about its failure, and most that is told.
const COMPLAINT_BYTES: usize = 4096;
const COMPLAINT_CHARS: usize = 200;

/// The key that `command` prints when it is run in `folder`, or what is wrong, as the end of a sentence.
///
/// The command sees the terminal but no input. It is killed after `limit`.
pub(crate) async fn run(
    command: &KeyCommand,
    folder: &Path,
    limit: Duration,
) -> Result<SecretString, String> {
    let mut process = match command {
        KeyCommand::Shell(line) => {
            let mut shell = Command::new("sh");
            shell.arg("-c").arg(line);
            shell
        }
        KeyCommand::Program(parts) => {
            let (program, arguments) = parts.split_first().ok_or("is empty")?;
            let mut process = Command::new(program);
            process.args(arguments);
            process
        }
    };
    process.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child =
        process.kill_on_drop(true).spawn().map_err(|error| format!("cannot be started: {error}"))?;
    let (printed, complaint) = (child.stdout.take(), child.stderr.take());
    let all =
        async { tokio::join!(child.wait(), read(printed, KEY_BYTES + 1), read(complaint, COMPLAINT_BYTES)) };
    let ended = tokio::time::timeout(limit, all).await;
    let (status, printed, complaint) =
        ended.map_err(|_| format!("did not end within {} s", limit.as_secs_f64()))?;
    let status = status.map_err(|error| format!("was lost: {error}"))?;
    if !status.success() {
        return Err(failed(status, &complaint));
    }
    key(printed)
}

/// The command as a person would type it.
pub(crate) fn shown(command: &KeyCommand) -> String {
    match command {
        KeyCommand::Shell(line) => line.clone(),
        KeyCommand::Program(parts) => parts.iter().map(|part| quoted(part)).collect::<Vec<_>>().join(" "),
    }
}

/// The first `most` bytes of `stream`. The rest is read too, so that the command can end.
async fn read(stream: Option<impl AsyncRead + Unpin>, most: usize) -> Vec<u8> {
    let Some(mut stream) = stream else { return Vec::new() };
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    // An error ends the stream like its end: the exit code tells whether it was good.
    while let Ok(count) = stream.read(&mut piece).await
        && count > 0
    {
        let room = most.saturating_sub(bytes.len());
        bytes.extend(piece.iter().take(count.min(room)));
    }
    bytes
}

fn failed(status: ExitStatus, complaint: &[u8]) -> String {
    let complaint = String::from_utf8_lossy(complaint);
    let first = complaint.lines().map(clean_line).find(|line| !line.trim().is_empty());
    let told = first.map_or_else(String::new, |line| {
        format!(": {}", line.trim().chars().take(COMPLAINT_CHARS).collect::<String>())
    });
    match status.code() {
        Some(code) => format!("ended with exit code {code}{told}"),
        None => format!("was killed{told}"),
    }
}

fn key(printed: Vec<u8>) -> Result<SecretString, String> {
    if printed.len() > KEY_BYTES {
        return Err(format!("printed more than {KEY_BYTES} bytes"));
    }
    // The bytes of what cannot be read are not told either.
    let printed = String::from_utf8(printed).map_err(|_| "printed something that is no text")?;
    match printed.trim() {
        "" => Err("printed nothing".to_owned()),
        key if key.contains(['\n', '\r']) => Err("printed more than one line".to_owned()),
        key => Ok(SecretString::from(key)),
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    async fn told(command: KeyCommand, limit: Duration) -> String {
        match run(&command, Path::new("/"), limit).await {
            Ok(key) => format!("<{}>", key.expose_secret()),
            Err(problem) => problem,
        }
    }

    async fn shell(line: &str) -> String {
        told(KeyCommand::Shell(line.to_owned()), LIMIT).await
    }

    async fn program(parts: &[&str]) -> String {
        told(KeyCommand::Program(parts.iter().map(|&part| part.to_owned()).collect()), LIMIT).await
    }

    #[tokio::test]
    async fn a_line_goes_to_a_shell_and_a_list_does_not() {
        assert_eq!(shell("echo ' sk-1 ' | cat").await, "<sk-1>");
        assert_eq!(program(&["echo", "$HOME; echo 2"]).await, "<$HOME; echo 2>");
        assert_eq!(shell("pwd").await, "</>");
        assert_eq!(shell("cat; echo no input").await, "<no input>");
    }

    #[tokio::test]
    async fn a_failure_tells_code_and_first_line_and_nothing_that_was_printed() {
        let line = "echo canary; echo >&2; printf '\\033[31mno such entry\\nmore\\n' >&2; exit 3";
        assert_eq!(shell(line).await, "ended with exit code 3: no such entry");
        assert_eq!(shell("kill -9 $$").await, "was killed");
        assert!(program(&["/nowhere/at-all"]).await.starts_with("cannot be started: "));
    }

    #[tokio::test]
    async fn what_is_no_key_is_refused_without_being_shown() {
        for (line, problem) in [
            ("true", "printed nothing"),
            ("printf 'canary\\ncanary'", "printed more than one line"),
            ("printf 'canary\\377'", "printed something that is no text"),
            ("yes canary | head -c 100000", "printed more than 16384 bytes"),
        ] {
            assert_eq!(shell(line).await, problem, "{line}");
        }
    }

    #[tokio::test]
    async fn a_command_that_does_not_end_is_killed() {
        let command = KeyCommand::Program(["sleep", "1000"].map(str::to_owned).to_vec());
        assert_eq!(told(command, Duration::from_millis(50)).await, "did not end within 0.05 s");
    }
}

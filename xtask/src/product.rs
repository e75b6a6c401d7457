//! The program that all this is about, run as a script would run it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::out::complain;

/// Where the program finds the key. No provider's own variable: their keys are not sent to hosts that are not theirs.
const KEY_VARIABLE: &str = "XTASK_MODEL_KEY";

/// An agent of a configuration that we write.
#[derive(Debug, Clone)]
pub(crate) struct Agent {
    pub(crate) id: String,
    /// Its backend type.
    pub(crate) kind: &'static str,
    pub(crate) model: String,
    pub(crate) base_url: String,
    /// Time that a call of it may take; `None` is the standard.
    pub(crate) call_timeout: Option<Duration>,
}

impl Agent {
    /// An agent whose server speaks the first protocol of all.
    pub(crate) fn of_chat_completions(
        id: impl Into<String>,
        model: impl Into<String>,
        base_url: impl Into<String>,
    ) -> Self {
        let (model, base_url) = (model.into(), base_url.into());
        Self { id: id.into(), kind: "chatcompletion", model, base_url, call_timeout: None }
    }
}

/// A configuration of `agents`. It is JSON, and so it is YAML.
pub(crate) fn configuration(agents: &[Agent]) -> String {
    let agents: Vec<Value> = agents
        .iter()
        .map(|agent| {
            let timeout = agent.call_timeout.map(|timeout| timeout.as_secs_f64());
            json!({
                "id": agent.id,
                "backend": {
                    "type": agent.kind,
                    "model": agent.model,
                    "base_url": agent.base_url,
                    "api_key": format!("${{{KEY_VARIABLE}}}"),
                    "call_timeout_seconds": timeout,
                },
            })
        })
        .collect();
    json!({"agents": agents}).to_string()
}

/// A place for one run: its working folder, home and configuration.
#[derive(Debug)]
pub(crate) struct Stage {
    folder: tempfile::TempDir,
    program: PathBuf,
    key: String,
}

impl Stage {
    /// Makes a stage for `program` with `configuration`; `key` is the only secret in the environment.
    pub(crate) fn new(program: &Path, configuration: &str, key: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("massgen-xtask-").tempdir()?;
        fs_err::create_dir(folder.path().join("home"))?;
        fs_err::write(folder.path().join("team.yaml"), configuration)?;
        Ok(Self { folder, program: program.to_owned(), key: key.to_owned() })
    }

    /// The working folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What the program has printed so far.
    pub(crate) fn printed(&self) -> Result<String> {
        Ok(fs_err::read_to_string(self.folder().join("stdout.txt"))?)
    }

    /// What the program has printed on standard error so far.
    pub(crate) fn complained(&self) -> Result<String> {
        Ok(fs_err::read_to_string(self.folder().join("stderr.txt"))?)
    }

    /// The program with `arguments`, in this place, with an environment of its own.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.folder()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder().join("home")).env(KEY_VARIABLE, &self.key);
        command
    }

    /// Starts `command` with what it prints going to files of this place.
    pub(crate) fn spawn(&self, mut command: Command) -> Result<Child> {
        let file =
            |name| -> Result<File> { Ok(fs_err::File::create(self.folder().join(name))?.into_parts().0) };
        command.stdin(Stdio::null()).stdout(file("stdout.txt")?).stderr(file("stderr.txt")?);
        command.spawn().with_context(|| format!("`{}` cannot be run", self.program.display()))
    }

    /// Asks a question, as a script does.
    pub(crate) fn ask(&self, question: &str) -> Command {
        self.command(&["--config", "team.yaml", "--automation", question])
    }

    /// Keeps the folder and tells where it is: for a run that went wrong.
    pub(crate) fn keep(self) {
        let folder = self.folder.keep();
        complain(&format!("the run is kept in {}", folder.display()));
    }
}

/// The value of the line `key: value`, the last one if there are several.
pub(crate) fn value<'a>(printed: &'a str, key: &str) -> Option<&'a str> {
    printed.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
}

/// The last line that is not empty, for messages.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing")
}

/// Waits for `child`, and kills it when it takes longer than `limit`.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait().context("a killed run cannot be waited for")?;
            return Ok(None);
        }
        sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_by_their_key() {
        let printed = "LOG_DIR: /a b/c\nANSWER_FILE: rel\nANSWER: /x\n";
        assert_eq!(value(printed, "LOG_DIR"), Some("/a b/c"));
        assert_eq!(value(printed, "ANSWER"), Some("/x"));
        assert_eq!(value(printed, "STATUS"), None);
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::from_millis(1)).unwrap(), None);
        let mut child = Command::new("true").spawn().unwrap();
        assert!(wait(&mut child, Duration::from_mins(1)).unwrap().unwrap().success());
    }
}

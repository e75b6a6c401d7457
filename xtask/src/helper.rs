//! A program beside us that serves and tells: one line of JSON when it is ready, then one line of JSON for every line
//! that it is asked. It ends when its standard input closes, so it never outlives us.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A running helper. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Helper {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// What it said when it was ready.
    pub(crate) hello: Value,
}

impl Helper {
    /// Starts `command` and waits until it is ready.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let input = child.stdin.take().context("the helper has no input")?;
        let output = BufReader::new(child.stdout.take().context("the helper has no output")?);
        let mut helper = Self { child, input, output, hello: Value::Null };
        helper.hello = helper.line().context("the helper did not start")?;
        Ok(helper)
    }

    /// Asks and waits for the reply.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Value> {
        writeln!(self.input, "{question}")
            .with_context(|| format!("the helper cannot be asked `{question}`"))?;
        self.line().with_context(|| format!("the helper did not reply to `{question}`"))
    }

    fn line(&mut self) -> Result<Value> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "it has ended");
        serde_json::from_str(&line).with_context(|| format!("it said `{}`", line.trim()))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_helper_says_hello_and_replies_line_by_line() {
        let script = "echo '{\"ready\":true}'; while read -r line; do echo \"\\\"$line\\\"\"; done";
        let mut helper = Helper::start(Command::new("sh").args(["-c", script])).unwrap();
        assert_eq!(helper.hello, serde_json::json!({"ready": true}));
        assert_eq!(helper.ask("one").unwrap(), "one");
        assert_eq!(helper.ask("two").unwrap(), "two");
    }

    #[test]
    fn a_helper_that_ends_at_once_is_an_error() {
        let error = Helper::start(&mut Command::new("true")).unwrap_err();
        assert_eq!(format!("{error:#}"), "the helper did not start: it has ended");
    }
}

//! The program, started in folders of its own and with nothing of the environment of the tests.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Longer than anything here takes. It ends tests that would hang; none is measured by it.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program.
pub(crate) const MASSGEN: &str = env!("CARGO_BIN_EXE_massgen");

/// An empty home and an empty working directory.
pub(crate) struct World {
    folder: tempfile::TempDir,
}

impl World {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::create_dir(folder.path().join("home")).unwrap();
        fs_err::create_dir(folder.path().join("work")).unwrap();
        Self { folder }
    }

    /// One whose agents follow `script`. They are called `agent_a`, `agent_b` and so on.
    pub(crate) fn scripted(agents: usize, script: &str) -> Self {
        let world = Self::new();
        world.write("script.yaml", script);
        let agents = (b'a'..).take(agents).map(|letter| {
            let backend =
                serde_json::json!({ "type": "simulated", "script": "script.yaml", "latency_ms": 0, "tokens_per_second": 0 });
            serde_json::json!({ "id": format!("agent_{}", char::from(letter)), "backend": backend })
        });
        let agents: Vec<Value> = agents.collect();
        world.write(".massgen/config.yaml", &serde_json::json!({ "agents": agents }).to_string());
        world
    }

    pub(crate) fn home(&self) -> PathBuf {
        fs_err::canonicalize(self.folder.path().join("home")).unwrap()
    }

    pub(crate) fn work(&self) -> PathBuf {
        fs_err::canonicalize(self.folder.path().join("work")).unwrap()
    }

    /// Writes a file, seen from the working directory.
    pub(crate) fn write(&self, path: &str, text: &str) -> PathBuf {
        let path = self.work().join(path);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
        path
    }

    /// Reads a file, seen from the working directory.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> String {
        fs_err::read_to_string(self.work().join(path)).unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Told {
        self.run_with(&[], arguments)
    }

    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Told {
        let mut command = assert_cmd::Command::from_std(self.command(MASSGEN, variables));
        let output = command.args(arguments).timeout(PATIENCE).output().unwrap();
        Told {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Starts the program and does not wait for its end.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = self.command(MASSGEN, &[]);
        command.args(arguments);
        Running::start(command)
    }

    /// `program` in this world.
    pub(crate) fn command(&self, program: &str, variables: &[(&str, &str)]) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.work())
            .env_clear()
            .env("HOME", self.home())
            .env("TZ", "UTC")
            .envs(variables.iter().copied())
            .stdin(Stdio::null());
        command
    }

    /// The log folders of all runs, the oldest first.
    pub(crate) fn log_dirs(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs_err::read_dir(self.work().join(".massgen/massgen_logs")) else {
            return Vec::new();
        };
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        folders.sort();
        folders
    }

    /// The log folder of the only run.
    pub(crate) fn log_dir(&self) -> PathBuf {
        let folders = self.log_dirs();
        assert_eq!(folders.len(), 1, "{folders:?}");
        folders[0].clone()
    }

    /// The folder of the attempt of the only run.
    pub(crate) fn attempt(&self) -> PathBuf {
        self.log_dir().join("turn_1/attempt_1")
    }

    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&fs_err::read_to_string(self.attempt().join("status.json")).unwrap()).unwrap()
    }
}

/// What the program said and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Told {
    /// The same, ended with this exit code.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// The value of the line `key: …` of stdout.
    pub(crate) fn value(&self, key: &str) -> Option<&str> {
        self.stdout.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(": "))
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.stdout, self.stderr)
    }
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Stdout,
    Stderr,
}

/// The program while it runs. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    lines: Receiver<(From, String)>,
    stdout: String,
    stderr: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let forward = |pipe: Box<dyn Read + Send>, from: From| {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines() {
                    // The test may have seen enough.
                    let _ = sender.send((from, line.unwrap()));
                }
            });
        };
        forward(Box::new(child.stdout.take().unwrap()), From::Stdout);
        forward(Box::new(child.stderr.take().unwrap()), From::Stderr);
        Self { child, lines, stdout: String::new(), stderr: String::new() }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a line with `part` in it and returns it.
    pub(crate) fn hear(&mut self, part: &str) -> String {
        loop {
            let line = self.next().unwrap_or_else(|| panic!("no `{part}`\n{}\n{}", self.stdout, self.stderr));
            if line.contains(part) {
                return line;
            }
        }
    }

    fn next(&mut self) -> Option<String> {
        let (from, line) = self.lines.recv_timeout(PATIENCE).ok()?;
        let text = match from {
            From::Stdout => &mut self.stdout,
            From::Stderr => &mut self.stderr,
        };
        text.push_str(&line);
        text.push('\n');
        Some(line)
    }

    /// Presses Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Waits for the end. Both pipes are closed by then, so nothing is missed.
    pub(crate) fn wait(mut self) -> Told {
        while self.next().is_some() {}
        let code = self.child.wait().unwrap().code();
        Told { code, stdout: std::mem::take(&mut self.stdout), stderr: std::mem::take(&mut self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All files below `folder` with their contents; links are not followed.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path().strip_prefix(folder).unwrap().to_owned();
                files.insert(path, fs_err::read(entry.path()).unwrap());
            }
        }
    }
    files
}

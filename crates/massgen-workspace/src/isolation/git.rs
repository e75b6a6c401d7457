//! Calls of `git` that run nothing but git.
//!
//! A repository may come from anywhere, and its configuration can name programs: hooks, a file system monitor, filters of
//! contents, pagers, editors, helpers for passwords, commands for connections. All of them are switched off here, for
//! every call, on the command line, which comes before any file. Connections are refused. The environment is made anew,
//! so that nothing of a surrounding call of git (`GIT_DIR` and the like) gets in. The user's own settings are read: the
//! list of ignored files and the list of trusted folders are theirs to make.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use massgen_protocol::limits::{GIT_OUTPUT_BYTES, GIT_TIME};

use crate::isolation::error::IsolationError;

/// Variables that git gets from the user's environment: where programs are, where the user's settings are, and where
/// files for a moment go.
const KEPT: [&str; 4] = ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"];

/// Settings of every call. Those with an empty value name no program.
const SETTINGS: [&str; 20] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=",
    "core.sshCommand=false",
    "core.gitProxy=",
    "core.alternateRefsCommand=",
    "core.safecrlf=false",
    "credential.helper=",
    "diff.external=",
    "protocol.allow=never",
    "safe.bareRepository=explicit",
    "submodule.recurse=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "index.threads=1",
    "advice.detachedHead=false",
];

/// The `git` program, with the environment that it gets.
#[derive(Debug, Clone)]
pub struct Git {
    environment: BTreeMap<OsString, OsString>,
}

/// One call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Call {
    pub(crate) folder: PathBuf,
    /// The repository, if git shall not look for it. Files of agents decide nothing then.
    pub(crate) repository: Option<PathBuf>,
    pub(crate) words: Vec<OsString>,
    pub(crate) input: Vec<u8>,
    /// Further settings, which may have odd names.
    pub(crate) settings: Vec<(String, String)>,
}

/// What came of a call.
pub(crate) struct Output {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: Vec<u8>,
}

impl Call {
    pub(crate) fn at<'a>(folder: &Path, words: impl IntoIterator<Item = &'a str>) -> Self {
        Self {
            folder: folder.to_owned(),
            words: words.into_iter().map(OsString::from).collect(),
            ..Self::default()
        }
    }

    pub(crate) fn word(mut self, word: impl AsRef<OsStr>) -> Self {
        self.words.push(word.as_ref().to_owned());
        self
    }

    fn failed(&self, problem: impl Into<String>) -> IsolationError {
        let command: Vec<_> = self.words.iter().take(2).map(|word| word.to_string_lossy()).collect();
        IsolationError::Git {
            command: command.join(" "),
            folder: self.folder.clone(),
            problem: problem.into(),
        }
    }
}

impl Git {
    /// Git as a person with this environment would find it.
    pub fn new(environment: &BTreeMap<OsString, OsString>) -> Self {
        let mut kept: BTreeMap<OsString, OsString> = KEPT
            .iter()
            .filter_map(|name| {
                environment.get(OsStr::new(name)).map(|value| (OsString::from(name), value.clone()))
            })
            .collect();
        for (name, value) in [
            // What it says is read by this program.
            ("LC_ALL", "C"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_OPTIONAL_LOCKS", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_ALLOW_PROTOCOL", "none"),
            ("GIT_AUTHOR_NAME", "massgen"),
            ("GIT_AUTHOR_EMAIL", "massgen@localhost"),
            ("GIT_COMMITTER_NAME", "massgen"),
            ("GIT_COMMITTER_EMAIL", "massgen@localhost"),
        ] {
            kept.insert(name.into(), value.into());
        }
        Self { environment: kept }
    }

    /// The variable that git gets.
    pub(crate) fn variable(&self, name: &str) -> Option<&OsStr> {
        self.environment.get(OsStr::new(name)).map(OsString::as_os_str)
    }

    /// Makes a call that has to succeed, and gives back its output.
    pub(crate) fn run(&self, call: &Call) -> Result<Vec<u8>, IsolationError> {
        let output = self.attempt(call)?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(call.failed(first_lines(&output.stderr)))
    }

    /// The same, for one line.
    pub(crate) fn line(&self, call: &Call) -> Result<OsString, IsolationError> {
        let output = self.run(call)?;
        let line = output.strip_suffix(b"\n").unwrap_or(&output);
        if line.is_empty() || line.contains(&b'\n') {
            return Err(call.failed("it did not answer with one line"));
        }
        Ok(std::os::unix::ffi::OsStringExt::from_vec(line.to_vec()))
    }

    /// Makes a call.
    pub(crate) fn attempt(&self, call: &Call) -> Result<Output, IsolationError> {
        let mut command = Command::new("git");
        command.env_clear().envs(&self.environment).current_dir(&call.folder);
        if let Some(repository) = &call.repository {
            command.env("GIT_DIR", repository).env("GIT_WORK_TREE", &call.folder);
        }
        command.env("GIT_CONFIG_COUNT", call.settings.len().to_string());
        for (number, (name, value)) in call.settings.iter().enumerate() {
            command
                .env(format!("GIT_CONFIG_KEY_{number}"), name)
                .env(format!("GIT_CONFIG_VALUE_{number}"), value);
        }
        command.arg("--no-pager");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        command.args(&call.words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| match error.kind() {
            // A missing folder is reported the same way.
            io::ErrorKind::NotFound if call.folder.is_dir() => IsolationError::NoGit,
            _ => IsolationError::io(&call.folder, error),
        })?;
        let answer = converse(&mut child, &call.input);
        // Whatever came of it, no process stays behind.
        let ended = match &answer {
            Ok(_) => Ok(()),
            Err(_) => child.kill(),
        };
        let status = child.wait();
        let (stdout, stderr) = answer.map_err(|problem| call.failed(problem))?;
        ended.map_err(|error| call.failed(error.to_string()))?;
        let status = status.map_err(|error| call.failed(error.to_string()))?;
        Ok(Output { status, stdout, stderr })
    }
}

/// Gives the child its input and takes its output, until it closes both streams or it was too long or too much.
fn converse(child: &mut Child, input: &[u8]) -> Result<(Vec<u8>, Vec<u8>), String> {
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_vec();
        // Whoever ends without reading everything says why in its status.
        thread::spawn(move || stdin.write_all(&input));
    }
    let stdout = child.stdout.take().map(reader);
    let stderr = child.stderr.take().map(reader);
    let take = |stream: Option<mpsc::Receiver<io::Result<Vec<u8>>>>| match stream {
        None => Ok(Vec::new()),
        Some(stream) => match stream.recv_timeout(GIT_TIME) {
            Ok(Ok(bytes)) if bytes.len() > GIT_OUTPUT_BYTES => Err("it said too much".to_owned()),
            Ok(Ok(bytes)) => Ok(bytes),
            Ok(Err(error)) => Err(error.to_string()),
            Err(RecvTimeoutError::Timeout) => Err(format!("it took longer than {} s", GIT_TIME.as_secs())),
            Err(RecvTimeoutError::Disconnected) => Err("its output was lost".to_owned()),
        },
    };
    Ok((take(stdout)?, take(stderr)?))
}

/// Reads a stream to its end, or to one byte more than is taken.
fn reader(stream: impl Read + Send + 'static) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let limit = u64::try_from(GIT_OUTPUT_BYTES).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        let result = stream.take(limit).read_to_end(&mut bytes).map(|_| bytes);
        // Nobody waits any more if the time was over.
        let _ = sender.send(result);
    });
    receiver
}

/// What git said, short enough for a sentence.
pub(crate) fn first_lines(stderr: &[u8]) -> String {
    const LINES: usize = 3;
    const CHARACTERS: usize = 400;
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(LINES).collect();
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = lines.join("; ").chars().take(CHARACTERS).map(plain).collect();
    if line.is_empty() { "it gave no reason".to_owned() } else { line }
}

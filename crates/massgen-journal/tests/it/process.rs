//! Other processes: this test program, started again to play one part.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// Which part the started process plays.
const PART: &str = "MASSGEN_TEST_PART";

/// The run folder that it works in.
const RUN_DIR: &str = "MASSGEN_TEST_RUN_DIR";

/// A process that plays a part.
pub(crate) struct Player {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Player {
    pub(crate) fn start(part: &str, run_dir: &Path) -> Self {
        Self::start_under(&[], part, run_dir)
    }

    /// Starts it as the last arguments of another program, such as `unshare`.
    pub(crate) fn start_under(program: &[&OsStr], part: &str, run_dir: &Path) -> Self {
        let this = std::env::current_exe().unwrap();
        let mut words = program.iter().copied().chain([this.as_os_str()]);
        let mut child = Command::new(words.next().unwrap())
            .args(words)
            .args(["process::part", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
            .env(PART, part)
            .env(RUN_DIR, run_dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    /// Waits until it says `word <value>` and returns the value.
    pub(crate) fn hear(&mut self, word: &str) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "the process ended without `{word}`");
            // The test harness may have begun the line.
            if let Some((_, value)) = line.split_once(&format!("says {word} ")) {
                return value.trim_end().to_owned();
            }
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait(mut self) -> ExitStatus {
        drop(self.child.stdin.take());
        std::io::copy(&mut self.lines, &mut std::io::sink()).unwrap();
        self.child.wait().unwrap()
    }
}

/// What a process that plays a part says to the test that started it.
pub(crate) fn say(word: &str, value: impl std::fmt::Display) {
    println!("says {word} {value}");
}

/// Keeps the process that plays a part until its test lets it go or kills it.
pub(crate) fn stay() {
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).unwrap();
}

#[test]
#[ignore = "started by other tests as a process of its own"]
fn part() {
    let Some(part) = std::env::var_os(PART) else {
        return;
    };
    let run_dir = std::env::var_os(RUN_DIR).unwrap();
    let run_dir = Path::new(&run_dir);
    match part.to_str().unwrap() {
        "hold" => crate::lock::hold(run_dir),
        "write on" => crate::crash::write_on(run_dir),
        "crash before" => crate::crash::crash_before(run_dir),
        "crash after" => crate::crash::crash_after(run_dir),
        "fill the disk" => crate::disk::fill_with_events(run_dir),
        "fill the disk with blobs" => crate::disk::fill_with_blobs(run_dir),
        "read" => crate::reading::read_and_count(run_dir),
        "one large batch" => crate::append::one_large_batch(run_dir),
        other => panic!("there is no part `{other}`"),
    }
}

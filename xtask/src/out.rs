//! What tasks print.

use std::io::{self, Write};

/// Prints a line (or several) on standard output. A closed pipe is no reason to stop a task.
pub(crate) fn say(text: &str) {
    let mut stdout = io::stdout().lock();
    // Nobody is left to be told that standard output is gone.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

/// Prints a line on standard error.
pub(crate) fn complain(text: &str) {
    let mut stderr = io::stderr().lock();
    // As above.
    let _ = writeln!(stderr, "{text}").and_then(|()| stderr.flush());
}

//! `--list-sessions`.

use std::fmt::Write;
use std::io::stdout;
use std::path::Path;

use massgen_journal::artifacts::RunFolder;
use massgen_journal::sessions::Entry;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{entries, log_root};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::terminal::columns;

/// Sessions of the short list.
const SHOWN: usize = 10;

/// Most columns of all lines, on however wide a terminal.
const WIDEST: usize = 100;

/// Columns of the start, as in `YYYY-MM-DD HH:MM`, and of the longest status.
const FIXED: [usize; 2] = [16, 13];

/// Least columns of a model. An id gets all others: a shortened one cannot be typed.
const MODEL: usize = 8;

/// Columns between two.
const GAP: usize = 2;

/// Whether a session is at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    /// A process is at work on it.
    Active,
    /// Its turns are over.
    Completed,
    /// Nobody is at work on it, and its newest turn is not over.
    Interrupted,
}

impl Status {
    fn text(self) -> &'static str {
        match self {
            Self::Active => "○ active",
            Self::Completed => "✓ completed",
            Self::Interrupted => "! interrupted",
        }
    }
}

/// How much of the list is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The newest, a line each.
    Newest,
    /// All, in detail.
    All,
}

/// Prints the sessions of the user.
pub(crate) fn perform(extent: Extent, environment: &Environment) -> Result<u8, Failure> {
    let mut sessions: Vec<(Entry, Status)> = entries(environment)?
        .into_iter()
        .map(|entry| {
            let status = status(&entry, environment);
            (entry, status)
        })
        .collect();
    // Of two that began in the same second, the later one in the file is the newer one.
    sessions.reverse();
    sessions.sort_by(|(one, _), (other, _)| other.start_time.cmp(&one.start_time));
    let text = match (sessions.is_empty(), extent) {
        (true, _) => "no sessions yet; a question begins one: massgen \"your question\"\n".to_owned(),
        (false, Extent::All) => details(&sessions, columns(&stdout())),
        (false, Extent::Newest) => table(&sessions, columns(&stdout())),
    };
    crate::print(text.as_bytes())
}

/// What is the matter with a session. Whoever was killed could not say so.
fn status(entry: &Entry, environment: &Environment) -> Status {
    if !entry.is_active() {
        return Status::Completed;
    }
    let project =
        entry.project_directory.as_deref().map_or(&environment.working_directory as &Path, Path::new);
    let root = entry.log_directory.as_deref().and_then(|root| log_root(root, project, environment));
    let runs = root.and_then(|root| RunFolder::turns_in(&root).ok()).unwrap_or_default();
    // Without a journal it is the session of another program, which nobody can ask.
    if runs.is_empty() || runs.iter().any(|run| run.is_locked().unwrap_or(true)) {
        Status::Active
    } else {
        Status::Interrupted
    }
}

/// The newest sessions, one line each, on a terminal of so many columns.
fn table(sessions: &[(Entry, Status)], columns: usize) -> String {
    let newest = || sessions.iter().take(SHOWN);
    let width = columns.min(WIDEST);
    let fixed = FIXED.iter().sum::<usize>() + 3 * GAP;
    let longest = newest().map(|(entry, _)| plain(&entry.session_id).width()).max().unwrap_or_default();
    let id = longest.max("Session ID".len()).min(width.saturating_sub(fixed + MODEL));
    let [start, state] = FIXED;
    let widths = [id, start, state, width.saturating_sub(fixed + id).max(MODEL)];
    let rule = |c: &str| c.repeat(width);
    let mut out = format!("{}\n", rule("="));
    row(&mut out, widths, ["Session ID", "Started", "Status", "Model"]);
    let _ = writeln!(out, "{}", rule("-"));
    for (entry, status) in newest() {
        let started = started(entry, "YYYY-MM-DD HH:MM".len());
        let model = entry.model.as_deref().unwrap_or("-");
        row(&mut out, widths, [&entry.session_id, &started, status.text(), model]);
    }
    let _ = writeln!(out, "{}", rule("="));
    if sessions.len() > SHOWN {
        let _ = writeln!(
            out,
            "the newest {SHOWN} of {}; all of them: massgen --list-sessions --all",
            sessions.len()
        );
    }
    out.push_str("go on with one:            massgen --session-id ID \"your question\"\n");
    out.push_str("with this folder's newest: massgen --continue \"your question\"\n");
    out
}

fn row(out: &mut String, widths: [usize; 4], cells: [&str; 4]) {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let cell = fitted(cell, width);
        let space = width.saturating_sub(cell.width()) + GAP;
        line.push_str(&cell);
        line.push_str(&" ".repeat(space));
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{}", line.trim_end());
}

/// Every session with all that is known of it, on a terminal of so many columns.
fn details(sessions: &[(Entry, Status)], columns: usize) -> String {
    const NAMES: usize = 13;
    let width = columns.min(WIDEST);
    let indent = " ".repeat(NAMES);
    let mut out = String::new();
    for (entry, status) in sessions {
        let _ = writeln!(out, "{}", "=".repeat(width));
        let mut line = |name: &str, value: Option<&str>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let name = format!("{name:<NAMES$}");
                // A path or an id that is broken cannot be copied.
                let options = textwrap::Options::new(width)
                    .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
                    .word_separator(textwrap::WordSeparator::AsciiSpace)
                    .word_splitter(textwrap::WordSplitter::NoHyphenation)
                    .break_words(false)
                    .initial_indent(&name)
                    .subsequent_indent(&indent);
                let _ = writeln!(out, "{}", textwrap::fill(&plain(value), options));
            }
        };
        line("Session ID:", Some(&entry.session_id));
        line("Status:", Some(status.text()));
        line("Started:", Some(&started(entry, "YYYY-MM-DD HH:MM:SS".len())));
        line("Model:", entry.model.as_deref());
        line("Description:", entry.description.as_deref());
        let config = entry.config_path.as_deref().and_then(|path| Path::new(path).file_name());
        line("Config:", config.map(|name| name.to_string_lossy()).as_deref());
        line("Folder:", entry.project_directory.as_deref());
    }
    let _ = writeln!(out, "{}", "=".repeat(width));
    out
}

/// When a session began, to `chars` characters of `YYYY-MM-DD HH:MM:SS`.
fn started(entry: &Entry, chars: usize) -> String {
    let text = if entry.start_time.is_empty() { "-" } else { &entry.start_time };
    text.replacen('T', " ", 1).chars().take(chars).collect()
}

/// `text` in `width` columns.
fn fitted(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.width() <= width {
        return text;
    }
    let mut head = String::new();
    for c in text.chars() {
        if head.width() + c.width().unwrap_or_default() > width.saturating_sub(2) {
            break;
        }
        head.push(c);
    }
    format!("{head}..")
}

/// `text` on one line and without what a terminal would obey: other programs write to the index too.
fn plain(text: &str) -> String {
    massgen_view::clean::clean_line(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> Vec<(Entry, Status)> {
        let entry = |number: u32, model: &str| Entry {
            session_id: format!("session_20260214_0930{number:02}"),
            start_time: format!("2026-02-14T09:30:{number:02}.482913"),
            model: Some(model.to_owned()),
            description: Some(
                "Why is the sky blue, and why is it red where the sun goes down in the west?".to_owned(),
            ),
            config_path: Some("/home/user/project/.massgen/config.yaml".to_owned()),
            project_directory: Some("/home/user/project".to_owned()),
            ..Entry::default()
        };
        let mut sessions = vec![
            (entry(15, "gpt-5.4"), Status::Active),
            (entry(14, "a-model-with-a-long-name, another"), Status::Completed),
            (Entry { model: None, start_time: String::new(), ..entry(13, "") }, Status::Interrupted),
            (Entry { session_id: "evil\u{1b}[2J\nid".to_owned(), ..entry(12, "m") }, Status::Completed),
        ];
        sessions.extend((1..9).map(|number| (entry(number, "m"), Status::Completed)));
        sessions
    }

    #[test]
    fn the_newest_sessions_are_a_table() {
        for columns in [80, 100, 200] {
            let table = table(&sessions(), columns);
            assert!(table.lines().all(|line| line.width() <= columns.min(WIDEST)), "{table}");
        }
        insta::assert_snapshot!(table(&sessions(), 80));
    }

    #[test]
    fn all_sessions_are_told_in_detail() {
        let details = details(&sessions()[..4], 80);
        assert!(details.lines().all(|line| line.width() <= 80), "{details}");
        insta::assert_snapshot!(details);
    }
}

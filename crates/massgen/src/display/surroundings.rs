//! What stdout, stderr and the environment say about how to show a run.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::sync::Arc;

use massgen_protocol::Seq;
use massgen_view::{Color, Ends, Glyphs, Style};
use tokio::sync::mpsc;

use super::live::Size;
use super::{AnswerForm, DisplayOptions, Progress};

/// Columns when nobody tells.
const COLUMNS: usize = 80;
/// Rows when nobody tells.
const ROWS: usize = 24;
/// Widest text: longer lines are hard to read.
const TEXT_COLUMNS: usize = 100;

/// What a stream is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// A terminal, of this size.
    Terminal(Size),
    /// A file or a pipe.
    Other,
}

impl Stream {
    /// What stdout is connected to.
    pub fn stdout() -> Self {
        Self::of(&io::stdout())
    }

    /// What stderr is connected to.
    pub fn stderr() -> Self {
        Self::of(&io::stderr())
    }

    fn of(stream: &(impl IsTerminal + AsFd)) -> Self {
        if stream.is_terminal() { Self::Terminal(size(stream).unwrap_or(UNKNOWN)) } else { Self::Other }
    }
}

const UNKNOWN: Size = Size { columns: COLUMNS, rows: ROWS };

fn size(stream: &impl AsFd) -> Option<Size> {
    let (columns, rows) = terminal_size::terminal_size_of(stream)?;
    Some(Size { columns: usize::from(columns.0), rows: usize::from(rows.0) })
}

/// Whether a person asked for lines that stay (`--no-display`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Live where that works.
    Live,
    /// Lines only.
    Simple,
}

impl DisplayOptions {
    /// The options that fit `stdout`, `stderr` and the environment, which `variable` reads: `NO_COLOR`, `TERM`,
    /// `COLUMNS`, `LC_ALL`, `LC_CTYPE`, `LANG`. Nothing is known yet and no file is named.
    pub fn fitting(
        wish: Wish,
        stdout: Stream,
        stderr: Stream,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let dumb = set("TERM").is_some_and(|term| term == "dumb");
        let glyphs = glyphs(&set);
        let style = |stream: Stream| {
            let columns = set("COLUMNS").and_then(|columns| columns.parse().ok()).unwrap_or(COLUMNS);
            let (width, color) = match stream {
                Stream::Terminal(size) if !dumb && set("NO_COLOR").is_none() => (size.columns, Color::Always),
                Stream::Terminal(size) => (size.columns, Color::Never),
                Stream::Other => (columns, Color::Never),
            };
            let ends = match stream {
                Stream::Terminal(_) => Ends::Cut,
                Stream::Other => Ends::Kept,
            };
            Style { width: width.max(1), color, glyphs, ends }
        };
        let progress = match (stderr, wish) {
            (Stream::Terminal(_), Wish::Live) if !dumb => {
                Progress::Live(Box::new(|| size(&io::stderr()).unwrap_or(UNKNOWN)))
            }
            (Stream::Terminal(_) | Stream::Other, Wish::Live | Wish::Simple) => Progress::Lines,
        };
        let answer = match stdout {
            Stream::Terminal(_) => AnswerForm::Rendered,
            Stream::Other => AnswerForm::Raw,
        };
        let answer_style = style(stdout);
        Self {
            progress,
            answer,
            progress_style: style(stderr),
            answer_style: answer_style.with_width(answer_style.width.min(TEXT_COLUMNS)),
            known: Seq(0),
            told: Box::new(|_, answer| Arc::clone(&answer.content)),
            places: Box::new(|_| Vec::new()),
            remarks: mpsc::channel(1).1,
        }
    }
}

/// Symbols, unless the first of the locale variables that is set says that the terminal is not in UTF-8.
fn glyphs(set: &impl Fn(&str) -> Option<String>) -> Glyphs {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| set(name));
    let utf8 = |locale: String| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    };
    if locale.is_none_or(utf8) { Glyphs::Unicode } else { Glyphs::Ascii }
}

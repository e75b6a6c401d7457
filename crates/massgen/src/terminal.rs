//! How wide texts for people are, and whether they are drawn.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use massgen_config::Style;

/// Columns when nobody tells.
const COLUMNS: usize = 80;

/// Columns of what `stream` is connected to.
pub(crate) fn columns(stream: &impl AsFd) -> usize {
    terminal_size::terminal_size_of(stream).map_or(COLUMNS, |(columns, _)| usize::from(columns.0))
}

/// Whether the terminal says of itself that it shows lines and nothing else.
pub(crate) fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// How findings look on `stream`.
pub(crate) fn findings_style(stream: &(impl AsFd + IsTerminal)) -> Style {
    let width = columns(stream);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    if stream.is_terminal() && !plain && !is_dumb() { Style::Drawn { width } } else { Style::Plain { width } }
}

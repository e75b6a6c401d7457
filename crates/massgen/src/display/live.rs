//! Lines at the bottom of a terminal that are drawn again and again.
//!
//! Every line ends before the last column and with a line feed of its own, never by wrapping. So a terminal that
//! becomes wider leaves it as it is, and for one that becomes narrower the rows it then takes can be counted.

use massgen_protocol::RunMillis;
use massgen_view::{AgentView, RunView, Style, agent_line, columns, more_line, most_active, status_line};

use super::SizeSource;

/// Rows that stay free for the log above.
const LOG_ROWS: usize = 3;

/// Begins a drawing that the terminal shows at once.
const BEGIN: &str = "\u{1b}[?2026h";
/// From here on lines do not wrap, should a character be wider than we think. In the log above they may: nothing moves
/// back over it, and of a remark that is wider than the terminal nothing must be lost.
const NO_WRAP: &str = "\u{1b}[?7l";
/// Ends a drawing.
const END: &str = "\u{1b}[?7h\u{1b}[?2026l";

/// The size of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
}

/// What is drawn at the bottom of a terminal.
pub(super) struct Live {
    size: SizeSource,
    /// The lines that are there now.
    drawn: Vec<String>,
    /// The size for which they were drawn.
    drawn_for: Option<Size>,
}

impl Live {
    pub(super) fn new(size: SizeSource) -> Self {
        Self { size, drawn: Vec::new(), drawn_for: None }
    }

    /// `style` for the width that the terminal has now.
    pub(super) fn style(&self, style: &Style) -> Style {
        style.with_width((self.size)().columns.saturating_sub(1).max(1))
    }

    /// What to write so that `log` stands above and `agents`, the state of the run at a moment, at the bottom. Empty
    /// when nothing has changed.
    pub(super) fn paint(
        &mut self,
        log: &[String],
        agents: Option<(&RunView, RunMillis)>,
        style: &Style,
    ) -> String {
        let size = (self.size)();
        let style = self.style(style);
        let lines = agents.map_or_else(Vec::new, |(view, now)| lines(view, now, &style, size.rows));
        let same_size = lines.is_empty() || self.drawn_for == Some(size);
        if log.is_empty() && lines == self.drawn && same_size {
            return String::new();
        }
        let mut text = format!("{BEGIN}{}", self.erasing(size.columns));
        for line in log {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str(NO_WRAP);
        text.push_str(&lines.join("\n"));
        text.push_str(END);
        self.drawn = lines;
        self.drawn_for = Some(size);
        text
    }

    /// Moves to the beginning of what is drawn and clears from there on. The terminal may have become narrower since,
    /// and have wrapped the lines.
    fn erasing(&self, now: usize) -> String {
        let rows: usize = self.drawn.iter().map(|line| columns(line).div_ceil(now.max(1)).max(1)).sum();
        if rows > 1 { format!("\r\u{1b}[{}A\u{1b}[J", rows - 1) } else { "\r\u{1b}[J".to_owned() }
    }
}

/// One line per agent, as many as fit with `rows` rows, how many are left out, and the line of the run.
fn lines(view: &RunView, now: RunMillis, style: &Style, rows: usize) -> Vec<String> {
    let room = rows.saturating_sub(LOG_ROWS + 1).max(1);
    let shown: Vec<&AgentView> = if view.agents.len() <= room {
        view.agents.iter().collect()
    } else {
        most_active(view, room.saturating_sub(1).max(1))
    };
    let mut lines: Vec<String> = shown.iter().map(|agent| agent_line(view, agent, style)).collect();
    let hidden = view.agents.len() - shown.len();
    if hidden > 0 {
        lines.push(more_line(hidden, style));
    }
    lines.push(status_line(view, now, style));
    lines
}

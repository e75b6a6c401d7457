//! Rows and columns: cells are measured, columns shrunk to fit, cells wrapped.

use crate::limits;
use crate::style::{Look, Style, Styled};

/// Where a cell's text stands in its column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Align {
    #[default]
    Left,
    Center,
    Right,
}

/// What stands between columns and under the first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Spaces.
    Open,
    /// Lines between columns, and a rule under the first row.
    Ruled,
}

/// A table; the first row is its header.
#[derive(Debug, Clone, Default)]
pub(crate) struct Grid {
    pub(crate) aligns: Vec<Align>,
    pub(crate) rows: Vec<Vec<Styled>>,
}

impl Grid {
    fn columns(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// The lines of the table, at most `width` columns wide; `None` when its columns would become too narrow to read.
    pub(crate) fn lines(&self, width: usize, frame: Frame, style: &Style) -> Option<Vec<Styled>> {
        let separator = match frame {
            Frame::Open => "  ",
            Frame::Ruled => style.glyph(" │ ", " | "),
        };
        let columns = self.columns();
        if columns == 0 {
            return Some(Vec::new());
        }
        let gaps = crate::style::width(separator).saturating_mul(columns - 1);
        let widths = fit(self.natural_widths(columns), width.checked_sub(gaps)?)?;
        let mut lines = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            lines.extend(self.row_lines(row, &widths, separator));
            if at == 0 && frame == Frame::Ruled {
                let rule: Vec<_> = widths.iter().map(|width| style.glyph("─", "-").repeat(*width)).collect();
                lines.push(Styled::new(&rule.join(style.glyph("─┼─", "-+-")), Look::DIM));
            }
        }
        Some(lines)
    }

    /// The widest line of each column's cells.
    fn natural_widths(&self, columns: usize) -> Vec<usize> {
        let mut widths = vec![1; columns];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                let natural = cell.wrap(usize::MAX / 2).iter().map(Styled::width).max().unwrap_or(0);
                *width = natural.max(*width);
            }
        }
        widths
    }

    fn row_lines(&self, row: &[Styled], widths: &[usize], separator: &str) -> Vec<Styled> {
        let empty = Styled::default();
        let cells: Vec<_> =
            widths.iter().enumerate().map(|(at, width)| row.get(at).unwrap_or(&empty).wrap(*width)).collect();
        let height = cells.iter().map(Vec::len).max().unwrap_or(0);
        (0..height)
            .map(|line| {
                let mut whole = Styled::default();
                let mut end = 0;
                for (at, (cell, width)) in cells.iter().zip(widths).enumerate() {
                    if at > 0 {
                        whole.push(separator, Look::DIM);
                        end += crate::style::width(separator);
                    }
                    let text = cell.get(line).unwrap_or(&empty);
                    let missing = width.saturating_sub(text.width());
                    let before = match self.aligns.get(at).copied().unwrap_or_default() {
                        Align::Left => 0,
                        Align::Center => missing / 2,
                        Align::Right => missing,
                    };
                    whole.pad(end + before);
                    whole.append(text);
                    end += width;
                    whole.pad(end);
                }
                whole
            })
            .collect()
    }
}

/// Takes columns away from the widest until all fit in `room`; `None` when they would become too narrow.
fn fit(mut widths: Vec<usize>, room: usize) -> Option<Vec<usize>> {
    let mut total: usize = widths.iter().sum();
    while total > room {
        let widest = widths.iter().copied().max()?;
        let next = widths.iter().copied().filter(|width| *width < widest).max().unwrap_or(0);
        let floor = next.max(limits::TABLE_COLUMNS);
        if widest <= limits::TABLE_COLUMNS {
            return None;
        }
        let count = widths.iter().filter(|width| **width == widest).count();
        let excess = total - room;
        // All of the widest shrink together, down to the next widest at most.
        let step = (widest - floor).min(excess.div_ceil(count));
        let mut left = excess;
        for width in widths.iter_mut().filter(|width| **width == widest) {
            let taken = step.min(left);
            *width -= taken;
            left -= taken;
        }
        total = widths.iter().sum();
    }
    Some(widths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_widest_columns_shrink_first_and_none_below_the_least() {
        assert_eq!(fit(vec![10, 50, 20], 60), Some(vec![10, 30, 20]));
        assert_eq!(fit(vec![10, 50, 20], 40), Some(vec![10, 15, 15]));
        assert_eq!(fit(vec![3, 50, 50], 20), Some(vec![3, 8, 9]));
        assert_eq!(fit(vec![20, 20, 20], 23), None);
        assert_eq!(fit(vec![1; 10_000], 80), None);
    }
}

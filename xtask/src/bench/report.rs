//! Figures, and the table and the file that they end up in.

use serde::Serialize;

use crate::table::{Align, Table};

/// What a figure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unit {
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Megabytes (10⁶ bytes).
    Mb,
    /// A quotient.
    Ratio,
    /// A number of things.
    Count,
}

impl Unit {
    fn shown(self, value: f64) -> String {
        match self {
            Self::Ms => format!("{value:.1} ms"),
            Self::Us => format!("{value:.1} µs"),
            Self::Mb => format!("{value:.1} MB"),
            Self::Ratio => format!("{value:.3}"),
            Self::Count => format!("{value:.0}"),
        }
    }
}

/// Something measured.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub(crate) what: String,
    pub(crate) value: f64,
    pub(crate) unit: Unit,
    /// What it must not exceed, where something is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) at_most: Option<f64>,
    /// How it came about, where that is not plain.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) note: String,
}

impl Figure {
    /// A figure that must not exceed `at_most`.
    pub(crate) fn bounded(what: impl Into<String>, value: f64, unit: Unit, at_most: f64) -> Self {
        Self { what: what.into(), value, unit, at_most: Some(at_most), note: String::new() }
    }

    /// A figure of which nothing is asked.
    pub(crate) fn plain(what: impl Into<String>, value: f64, unit: Unit) -> Self {
        Self { what: what.into(), value, unit, at_most: None, note: String::new() }
    }

    /// Says how it came about.
    pub(crate) fn noted(self, note: impl Into<String>) -> Self {
        Self { note: note.into(), ..self }
    }

    /// By how much it is worse than hoped: the excess, and as a share of what is allowed.
    fn worse(&self) -> Option<String> {
        let most = self.at_most.filter(|most| self.value > *most)?;
        let share = if most > 0.0 {
            format!(" (+{:.0} %)", 100.0 * (self.value / most - 1.0))
        } else {
            String::new()
        };
        Some(format!("by {}{share}", self.unit.shown(self.value - most)))
    }
}

/// The table for people.
pub(crate) fn table(figures: &[Figure]) -> String {
    let mut table = Table::new(&[
        ("what", Align::Left),
        ("measured", Align::Right),
        ("at most", Align::Right),
        ("worse than hoped", Align::Left),
        ("how", Align::Left),
    ]);
    for figure in figures {
        table.row([
            figure.what.clone(),
            figure.unit.shown(figure.value),
            figure.at_most.map(|most| figure.unit.shown(most)).unwrap_or_default(),
            figure.worse().unwrap_or_default(),
            figure.note.clone(),
        ]);
    }
    table.render()
}

/// How many figures are worse than hoped.
pub(crate) fn missed(figures: &[Figure]) -> usize {
    figures.iter().filter(|figure| figure.worse().is_some()).count()
}

/// The smallest and the middle of `values`, zero when there are none.
pub(crate) fn min_and_median(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |index: usize| sorted.get(index).copied().unwrap_or(0.0);
    (at(0), at(sorted.len() / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_worse_than_hoped_stands_in_its_column() {
        let figures = [
            Figure::bounded("fast", 10.0, Unit::Ms, 15.0),
            Figure::bounded("slow", 30.0, Unit::Ms, 15.0).noted("of 20"),
            Figure::bounded("twice", 2.0, Unit::Count, 0.0),
            Figure::plain("free", 1.5, Unit::Ratio),
        ];
        let shown = table(&figures);
        let lines: Vec<&str> = shown.lines().skip(2).collect();
        assert_eq!(lines[0], "fast    10.0 ms  15.0 ms");
        assert_eq!(lines[1], "slow    30.0 ms  15.0 ms  by 15.0 ms (+100 %)  of 20");
        assert_eq!(lines[2], "twice         2        0  by 2");
        assert_eq!(lines[3], "free      1.500");
        assert_eq!(missed(&figures), 2);
    }

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(min_and_median(&[3.0, 1.0, 2.0]), (1.0, 2.0));
        assert_eq!(min_and_median(&[]), (0.0, 0.0));
    }
}

//! What a snapshot of a large workspace takes. The example `snapshots` of `massgen-workspace` takes them.

use std::process::Command;

use anyhow::{Context, Result};

use super::report::{Figure, Unit};
use crate::programs::{build, read};

const MOST_UNCHANGED_MS: f64 = 60.0;
const MOST_CHANGED_MS: f64 = 80.0;

pub(super) fn figures() -> Result<Vec<Figure>> {
    let arguments = ["build", "--release", "--package", "massgen-workspace", "--example", "snapshots"];
    let program = build(&arguments, "snapshots")?.context("cargo built no example `snapshots`")?;
    // Where the project is: a folder in memory would flatter.
    let folder = tempfile::tempdir_in(crate::places::target())?;
    of(&read(Command::new(program).arg(folder.path()))?)
}

/// The figures that the example tells in one line.
fn of(told: &str) -> Result<Vec<Figure>> {
    let numbers = told.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [unchanged, changed, look, grown] = numbers.as_slice() else {
        anyhow::bail!("`snapshots` does not tell four numbers but `{}`", told.trim());
    };
    let what = |rest: &str| format!("snapshot of 10,000 files: {rest}");
    let looks = |time: f64| format!("{:.1} times a bare look at all files", time / look);
    Ok(vec![
        Figure::bounded(what("unchanged"), *unchanged, Unit::Ms, MOST_UNCHANGED_MS).noted(looks(*unchanged)),
        Figure::bounded(what("one changed"), *changed, Unit::Ms, MOST_CHANGED_MS).noted(looks(*changed)),
        Figure::bounded(what("unchanged, files stored"), *grown, Unit::Count, 0.0),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::missed;

    #[test]
    fn what_the_example_tells_becomes_figures_with_limits() {
        let figures = of("30.5 90 10 0\n").unwrap();
        assert_eq!(figures.len(), 3);
        assert_eq!(missed(&figures), 1);
        assert_eq!(figures[0].note, "3.0 times a bare look at all files");
        assert_eq!(missed(&of("30 40 10 1").unwrap()), 1);
        assert!(of("30 40").is_err());
    }
}

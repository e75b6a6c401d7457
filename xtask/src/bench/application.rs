//! What applying changes to a large project takes, and taking them back. The example `application` of
//! `massgen-workspace` does it.

use std::process::Command;

use anyhow::{Context, Result};

use super::report::{Figure, Unit};
use crate::programs::{build, read};

const MOST_PLANNED_MS: f64 = 500.0;
const MOST_APPLIED_MS: f64 = 1_000.0;
const MOST_UNDONE_MS: f64 = 1_000.0;

pub(super) fn figures() -> Result<Vec<Figure>> {
    let arguments = ["build", "--release", "--package", "massgen-workspace", "--example", "application"];
    let program = build(&arguments, "application")?.context("cargo built no example `application`")?;
    // Where the project is: a folder in memory would flatter.
    let folder = tempfile::tempdir_in(crate::places::target())?;
    of(&read(Command::new(program).arg(folder.path()))?)
}

/// The figures that the example tells in one line.
fn of(told: &str) -> Result<Vec<Figure>> {
    let numbers = told.split_whitespace().map(str::parse).collect::<Result<Vec<f64>, _>>()?;
    let [planned, applied, undone, other] = numbers.as_slice() else {
        anyhow::bail!("`application` does not tell four numbers but `{}`", told.trim());
    };
    let what = |rest: &str| format!("1,000 changes of 10,000 files: {rest}");
    Ok(vec![
        Figure::bounded(what("found and planned"), *planned, Unit::Ms, MOST_PLANNED_MS),
        Figure::bounded(what("applied"), *applied, Unit::Ms, MOST_APPLIED_MS),
        Figure::bounded(what("undone"), *undone, Unit::Ms, MOST_UNDONE_MS),
        Figure::bounded(what("undone, files that differ"), *other, Unit::Count, 0.0),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::report::missed;

    #[test]
    fn what_the_example_tells_becomes_figures_with_limits() {
        let figures = of("30.5 90 10 0\n").unwrap();
        assert_eq!((figures.len(), missed(&figures)), (4, 0));
        assert_eq!(missed(&of("30.5 90 10 1\n").unwrap()), 1);
        assert!(of("30 40").is_err());
    }
}

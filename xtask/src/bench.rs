//! `cargo xtask bench`: the figures that the design promises, measured on a release build in one go. It prints a table
//! and writes `target/bench.json`. `bench/README.md` tells how each figure is made.

mod application;
mod decoders;
mod log;
pub(crate) mod measure;
mod report;
mod resume;
pub(crate) mod server;
mod snapshots;
mod startup;
mod stream;
mod teams;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::json;

use crate::out::say;
use crate::places;
use crate::programs;
use report::{Figure, missed, table};

/// Any key: the model server lets everybody in.
const KEY: &str = "bench-key";
const QUESTION: &str = "How many high tides are there in a day, and why?";

/// What is measured, in this order, and how.
type Part = (&'static str, fn(&Path) -> Result<Vec<Figure>>);

const PARTS: &[Part] = &[
    ("the program", startup::figures),
    ("teams", teams::figures),
    ("the decoders", |_| decoders::figures()),
    ("snapshots", |_| snapshots::figures()),
    ("an application of changes", |_| application::figures()),
    ("a long stream", stream::figures),
    ("a killed run", resume::figures),
    ("the file", startup::file_figures),
];

/// Measures `program`. Without one, builds it and this very tool for release and has that measure: the model server is
/// then as fast as what it serves.
pub(crate) fn run(program: Option<PathBuf>) -> Result<()> {
    let Some(program) = program else {
        let build = |name| {
            let built = programs::build(&["build", "--release", "--package", name], name)?;
            built.with_context(|| format!("cargo built no program `{name}`"))
        };
        let program = build("massgen")?;
        return programs::run(Command::new(build("xtask")?).args(["bench", "--program"]).arg(program));
    };
    let program = fs_err::canonicalize(program)?;
    let mut figures: Vec<Figure> = Vec::new();
    for (what, measure) in PARTS {
        say(&format!("measuring {what} …"));
        figures.extend(measure(&program).with_context(|| format!("while measuring {what}"))?);
    }
    let file = places::target().join("bench.json");
    let result = json!({
        "program": program,
        "cores": std::thread::available_parallelism().map_or(0, usize::from),
        "figures": figures,
    });
    fs_err::create_dir_all(places::target())?;
    fs_err::write(&file, serde_json::to_string_pretty(&result)? + "\n")?;
    let worse = missed(&figures);
    say(&format!("\n{}\n\n{worse} worse than hoped; also in {}", table(&figures), file.display()));
    decoders::judge(&figures)
}

/// Measures the decoders only.
pub(crate) fn run_decoders() -> Result<()> {
    let figures = decoders::figures()?;
    say(&table(&figures));
    decoders::judge(&figures)
}

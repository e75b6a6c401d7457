//! `cargo xtask ci`: everything that must hold before a change lands, in order, up to the first failure.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use massgen_testkit::mechanisms::MECHANISMS;

use crate::out::say;
use crate::programs::{build, cargo, debug_program, run as run_program};
use crate::table::{Align, Table};
use crate::{generate, layers, needs, peers, published, servers, sizes};

/// Where the peer's faults begin: any number, but always the same.
pub(crate) const SEED: u32 = 2;

/// What later steps take from earlier ones.
#[derive(Debug, Default)]
struct Made {
    program: Option<PathBuf>,
}

impl Made {
    fn program(&self) -> Result<&PathBuf> {
        self.program.as_ref().context("the build made no program `massgen`")
    }
}

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What must hold before a change lands.
    Usual,
    /// That, and what is large or may be missing.
    Full,
}

/// A step: what it is called, what it is, how it is done.
type Step = (&'static str, &'static str, fn(&mut Made) -> Result<()>);

const STEPS: &[Step] = &[
    ("needs", "what the rest needs beyond Rust", |_| {
        needs::c_compiler()?;
        needs::programs_of_tests()?;
        needs::node_with_peers().map(drop)
    }),
    ("format", "cargo fmt --all --check", |_| run_program(cargo().args(["fmt", "--all", "--check"]))),
    ("clippy", "cargo clippy --workspace --all-targets -- -D warnings", |_| {
        run_program(cargo().args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("layers", "dependencies against the house", |_| layers::run()),
    ("sizes", "no large files", |_| sizes::run()),
    ("build", "cargo test --workspace --no-run", |made| {
        let tests = ["test", "--workspace", "--no-run", "--quiet"];
        made.program = Some(build(&tests, "massgen")?.map_or_else(debug_program, Ok)?);
        Ok(())
    }),
    ("gen", "generated files are current", |made| generate::run(made.program()?, generate::Mode::Check)),
    ("tests", "cargo test --workspace", |_| {
        let mechanisms = needs::mechanisms();
        say(&format!("mechanisms of the sandbox that must work: {mechanisms}"));
        run_program(cargo().args(["test", "--workspace"]).env(MECHANISMS, mechanisms))
    }),
    ("peers", "contract tests against aimock", |made| peers::run(made.program()?, SEED)),
    ("servers", "tool servers of others", |_| servers::run()),
    ("published", "configurations of the published package", |made| published::run(made.program()?)),
];

/// Further steps of [`Extent::Full`].
const FULL: &[Step] =
    &[("litellm", "the protocols against a second peer", |made| peers::litellm::run(made.program()?))];

pub(crate) fn run(extent: Extent) -> Result<()> {
    let more = match extent {
        Extent::Usual => &[],
        Extent::Full => FULL,
    };
    let steps = STEPS.iter().chain(more);
    let count = STEPS.len() + more.len();
    let begin = Instant::now();
    let mut made = Made::default();
    let mut times = Table::new(&[("step", Align::Left), ("time", Align::Right)]);
    for (number, (name, what, step)) in (1..).zip(steps) {
        say(&format!("\n== {number}/{count} {name}: {what}"));
        let begin = Instant::now();
        step(&mut made).with_context(|| format!("step `{name}` failed after {}", shown(begin.elapsed())))?;
        say(&format!("== {name}: ok, {}", shown(begin.elapsed())));
        times.row([(*name).to_owned(), shown(begin.elapsed())]);
    }
    times.row(["all".to_owned(), shown(begin.elapsed())]);
    say(&format!("\n{}\n\nci: all steps passed", times.render()));
    if !needs::mechanisms().contains("bubblewrap") {
        say(&format!("ci: but {}", needs::NO_BUBBLEWRAP));
    }
    Ok(())
}

fn shown(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

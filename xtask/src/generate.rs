//! `cargo xtask gen`: files in the repository that come out of the code, written or compared.

mod cli;
mod marks;
mod picture;
mod providers;

use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::out::say;
use crate::places;

/// What to do with the generated texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write the files that differ.
    Write,
    /// Change nothing; fail when a file differs.
    Check,
}

/// A file and what makes its text, given the program.
struct Generated {
    path: &'static str,
    make: fn(&Path) -> Result<String>,
}

const FILES: &[Generated] = &[
    Generated { path: "docs/assets/run.svg", make: |_| picture::run() },
    Generated { path: "docs/guide/providers.md", make: |_| providers::page() },
    Generated { path: "docs/reference/cli.md", make: cli::reference },
    Generated { path: "docs/reference/config.md", make: |_| Ok(massgen_config::docs::reference_markdown()) },
    Generated { path: "docs/schema/events.schema.json", make: |_| event_schema() },
    Generated {
        path: "docs/schema/massgen.schema.json",
        make: |_| pretty(&massgen_config::docs::json_schema()),
    },
];

pub(crate) fn run(program: &Path, mode: Mode) -> Result<()> {
    let mut stale = Vec::new();
    for file in FILES {
        let text = (file.make)(program).with_context(|| format!("{} cannot be generated", file.path))?;
        if settle(&places::root().join(file.path), &text, mode)? == Found::Stale {
            stale.push(file.path);
        }
    }
    match (mode, stale.as_slice()) {
        (_, []) => say(&format!("{} generated files are current", FILES.len())),
        (Mode::Write, written) => say(&format!("written: {}", written.join(", "))),
        (Mode::Check, stale) => bail!("stale, run `cargo xtask gen`: {}", stale.join(", ")),
    }
    Ok(())
}

/// How a file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Current,
    Stale,
}

fn settle(file: &Path, text: &str, mode: Mode) -> Result<Found> {
    if fs_err::read(file).is_ok_and(|bytes| bytes == text.as_bytes()) {
        return Ok(Found::Current);
    }
    if mode == Mode::Write {
        fs_err::create_dir_all(file.parent().context("a generated file has no folder")?)?;
        fs_err::write(file, text)?;
    }
    Ok(Found::Stale)
}

/// The schema of an event as the journal holds it.
fn event_schema() -> Result<String> {
    pretty(&schemars::schema_for!(massgen_protocol::Envelope))
}

fn pretty(schema: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(schema)? + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checking_finds_a_stale_file_and_leaves_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("docs/a.md");
        assert_eq!(settle(&file, "new\n", Mode::Check).unwrap(), Found::Stale);
        assert!(!file.exists());
        assert_eq!(settle(&file, "new\n", Mode::Write).unwrap(), Found::Stale);
        assert_eq!(settle(&file, "new\n", Mode::Check).unwrap(), Found::Current);
        assert_eq!(settle(&file, "newer\n", Mode::Check).unwrap(), Found::Stale);
        assert_eq!(fs_err::read_to_string(&file).unwrap(), "new\n");
    }

    #[test]
    fn the_event_schema_knows_every_event() {
        let schema = event_schema().unwrap();
        assert!(schema.contains("\"answer_accepted\"") && schema.contains("\"run_finished\""));
    }
}

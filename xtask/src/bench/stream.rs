//! One agent whose reply comes in very many pieces.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::measure::{self, Usage};
use super::report::{Figure, Unit};
use super::server::{ModelServer, Schedule};
use super::teams::agents;
use crate::product::{Stage, configuration, last_line, wait};

const MANY: u32 = 20_000;
const FEW: u32 = 20;
/// The same text in both runs, a few bytes to a chunk in the long one.
const ANSWER_BYTES: usize = 80_000;
const MOST_US_PER_CHUNK: f64 = 20.0;
/// The text itself must be kept once; more than this is growth.
const MOST_GROWTH_MB: f64 = 2.0;
const LONGEST: Duration = Duration::from_mins(5);

pub(crate) fn figures(program: &Path) -> Result<Vec<Figure>> {
    let (few, few_chunks) = run(program, FEW)?;
    let (many, many_chunks) = run(program, MANY)?;
    let more = many_chunks.saturating_sub(few_chunks);
    ensure!(more > 0, "the long run had no more chunks than the short one");
    #[expect(clippy::cast_precision_loss, reason = "tens of thousands")]
    let per_chunk = (many.cpu_ms - few.cpu_ms) * 1e3 / more as f64;
    let growth = many.peak_mb - few.peak_mb;
    Ok(vec![
        Figure::bounded(
            "a reply of 20,000 chunks: processor time per chunk",
            per_chunk,
            Unit::Us,
            MOST_US_PER_CHUNK,
        )
        .noted(format!("({:.0} − {:.0} ms) ÷ {more} chunks", many.cpu_ms, few.cpu_ms)),
        Figure::bounded("a reply of 20,000 chunks: memory over one of 20", growth, Unit::Mb, MOST_GROWTH_MB)
            .noted(format!("{:.1} − {:.1} MB", many.peak_mb, few.peak_mb)),
    ])
}

/// A run of one agent whose replies are the same text in `chunks` pieces, as fast as they can be written: what it used,
/// and how many chunks there were in all.
fn run(program: &Path, chunks: u32) -> Result<(Usage, usize)> {
    let schedule = Schedule { first_token_ms: 0, chunks, chunk_ms: 0, answer_bytes: ANSWER_BYTES };
    let mut server = ModelServer::start(schedule)?;
    let stage = Stage::new(program, &configuration(&agents(1, &server.base_url)), super::KEY)?;
    let file = stage.folder().join("usage.json");
    let mut child = stage.spawn(measure::measured(&stage.ask(super::QUESTION), &file)?)?;
    wait(&mut child, LONGEST)?
        .with_context(|| format!("a run with {chunks} chunks did not end within {LONGEST:?}"))?;
    let usage = measure::usage(&file)?;
    let words = stage.complained()?;
    ensure!(
        usage.code == Some(0),
        "a run with {chunks} chunks ended with {:?}: {}",
        usage.code,
        last_line(&words)
    );
    Ok((usage, server.timings()?.iter().map(|request| request.chunks).sum()))
}

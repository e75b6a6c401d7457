//! What a chunk of a streamed reply costs each decoder: from its bytes to the piece that a person sees, without the
//! connection. One program reads the same long reply once, and many times; the difference is the reading alone.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::measure;
use super::report::{Figure, Unit, missed};
use crate::programs::{build, read};

/// The names that the example `decoders` of `massgen-model` has for the protocols.
const PROTOCOLS: [&str; 5] = ["chat_completions", "responses", "messages", "gemini", "ollama"];
/// How often the reply is read more in the long run.
const TIMES: u32 = 25;
const MOST_US_PER_CHUNK: f64 = 20.0;
/// What the figures are called before the protocol.
const WHAT: &str = "reading a chunk: ";

pub(super) fn figures() -> Result<Vec<Figure>> {
    let arguments = [
        "build",
        "--release",
        "--package",
        "massgen-model",
        "--features",
        "measuring",
        "--example",
        "decoders",
    ];
    let program = build(&arguments, "decoders")?.context("cargo built no example `decoders`")?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("usage.json");
    let mut figures = Vec::new();
    for protocol in PROTOCOLS {
        let of = |times: u32| {
            let mut command = Command::new(&program);
            command.args([protocol, &times.to_string()]);
            command
        };
        let told = read(&mut of(1))?;
        let (chunks, bytes) = told.trim().split_once(' ').context("`decoders` does not tell its chunks")?;
        let chunks: u32 = chunks.parse()?;
        let cpu_ms = |times: u32| -> Result<f64> {
            let used = measure::of(&of(times), &file)?;
            ensure!(used.code == Some(0), "reading `{protocol}` ended with {:?}", used.code);
            Ok(used.cpu_ms)
        };
        let (once, often) = (cpu_ms(1)?, cpu_ms(1 + TIMES)?);
        let per_chunk = (often - once) * 1e3 / f64::from(TIMES * chunks);
        let figure = Figure::bounded(format!("{WHAT}{protocol}"), per_chunk, Unit::Us, MOST_US_PER_CHUNK);
        figures.push(figure.noted(format!(
            "({often:.0} − {once:.0} ms) ÷ {TIMES} replies of {chunks} chunks of {bytes} bytes"
        )));
    }
    Ok(figures)
}

/// Fails when a decoder costs more than it may: what it may cost leaves room for any machine.
pub(super) fn judge(figures: &[Figure]) -> Result<()> {
    let decoders: Vec<Figure> =
        figures.iter().filter(|figure| figure.what.starts_with(WHAT)).cloned().collect();
    match missed(&decoders) {
        0 => Ok(()),
        slow => bail!("{slow} decoders take more than {MOST_US_PER_CHUNK} µs of processor time for a chunk"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_slow_decoder_fails_the_bench() {
        let slow = |what: &str| Figure::bounded(what, 21.0, Unit::Us, MOST_US_PER_CHUNK);
        judge(&[slow("a team"), Figure::bounded(format!("{WHAT}gemini"), 19.0, Unit::Us, 20.0)]).unwrap();
        let error = judge(&[slow("a team"), slow(&format!("{WHAT}gemini"))]).unwrap_err();
        assert_eq!(error.to_string(), "1 decoders take more than 20 µs of processor time for a chunk");
    }
}

//! What the program costs before it does anything, and what its file is.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::measure::{self, Usage};
use super::report::{Figure, Unit, min_and_median};
use crate::product::{Agent, Stage, configuration};
use crate::programs::read;

/// How often each command is run.
const TIMES: usize = 20;
const MOST_MS: f64 = 15.0;
const MOST_MB: f64 = 15.0;
const MOST_FILE_MB: f64 = 40.0;

pub(crate) fn figures(program: &Path) -> Result<Vec<Figure>> {
    let agents = ["a", "b", "c"].map(|id| Agent::of_chat_completions(id, id, "http://127.0.0.1:9/v1"));
    let stage = Stage::new(program, &configuration(&agents), super::KEY)?;
    let help = read(Command::new(program).arg("--help").env_clear())?;
    let floor = repeat(&stage, &Command::new("/bin/true"))?;
    let mut figures = Vec::new();
    for (flag, arguments) in [
        ("--help", vec!["--help"]),
        ("--list-backends", vec!["--list-backends"]),
        ("--validate", vec!["--validate", "team.yaml"]),
    ] {
        if !help.contains(flag) {
            continue;
        }
        let runs = repeat(&stage, &stage.command(&arguments))?;
        ensure!(runs.iter().all(|run| run.code == Some(0)), "`massgen {flag}` fails");
        let (least, median) = min_and_median(&walls(&runs));
        let (_, nothing) = min_and_median(&walls(&floor));
        let note = format!("median of {TIMES}, least {least:.1}; a program that does nothing: {nothing:.1}");
        figures.push(Figure::bounded(format!("massgen {flag}"), median, Unit::Ms, MOST_MS).noted(note));
        let note = format!("a program that does nothing: {:.1}", peak(&floor));
        figures.push(
            Figure::bounded(format!("massgen {flag}, memory"), peak(&runs), Unit::Mb, MOST_MB).noted(note),
        );
    }
    Ok(figures)
}

fn repeat(stage: &Stage, command: &Command) -> Result<Vec<Usage>> {
    let file = stage.folder().join("usage.json");
    (0..TIMES).map(|_| measure::of(command, &file)).collect()
}

fn walls(runs: &[Usage]) -> Vec<f64> {
    runs.iter().map(|run| run.wall_ms).collect()
}

fn peak(runs: &[Usage]) -> f64 {
    runs.iter().map(|run| run.peak_mb).fold(0.0, f64::max)
}

pub(crate) fn file_figures(program: &Path) -> Result<Vec<Figure>> {
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let size = fs_err::metadata(program)?.len() as f64 / 1e6;
    let told = Command::new("ldd").arg(program).output().context("`ldd` cannot be run")?;
    // It calls a static program a failure, and says so on standard error.
    let libraries = foreign_libraries(&String::from_utf8_lossy(&told.stdout));
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let count = libraries.len() as f64;
    Ok(vec![
        Figure::bounded("release file", size, Unit::Mb, MOST_FILE_MB),
        Figure::bounded("dynamic libraries beyond libc", count, Unit::Count, 0.0).noted(libraries.join(" ")),
    ])
}

/// The libraries in the output of `ldd` that the C library does not consist of.
fn foreign_libraries(told: &str) -> Vec<String> {
    const LIBC: [&str; 7] = ["linux-vdso", "libc", "libm", "libpthread", "libdl", "librt", "ld-linux"];
    let names = told.lines().filter_map(|line| line.split_whitespace().next());
    let names = names.filter_map(|name| name.rsplit('/').next()).filter(|name| name.contains(".so"));
    let of_libc = |name: &&str| {
        LIBC.iter().any(|own| name.strip_prefix(own).is_some_and(|rest| rest.starts_with(['.', '-'])))
    };
    names.filter(|name| !of_libc(name)).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_libc_are_not_foreign() {
        let told = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibgcc_s.so.1 => /lib/x86_64-linux-gnu/libgcc_s.so.1 (0x0)\n\
            \tlibm.so.6 => /lib/libm.so.6 (0x0)\n\tlibc.so.6 => /lib/libc.so.6 (0x0)\n\
            \tlibcrypto.so.3 => /lib/libcrypto.so.3 (0x0)\n\t/lib64/ld-linux-x86-64.so.2 (0x0)\n";
        assert_eq!(foreign_libraries(told), ["libgcc_s.so.1", "libcrypto.so.3"]);
        assert!(foreign_libraries("\tstatically linked\n").is_empty());
    }
}

//! `cargo xtask sizes`: the number that keeps files small.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::out::say;
use crate::places;
use crate::table::{Align, Table};

/// A source file may have this many lines, tests apart. About 400 is the aim.
const MOST_LINES: usize = 700;
/// How many files are shown.
const SHOWN: usize = 10;

/// Lines of one file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lines {
    code: usize,
    tests: usize,
}

pub(crate) fn run() -> Result<()> {
    let root = places::root();
    let mut totals = Table::new(&[
        ("crate", Align::Left),
        ("files", Align::Right),
        ("lines", Align::Right),
        ("test lines", Align::Right),
    ]);
    let mut all: Vec<(PathBuf, Lines)> = Vec::new();
    let mut sum = (0, Lines::default());
    for (name, folder) in crates(&root)? {
        let mut files = Vec::new();
        for part in ["src", "tests", "benches", "build.rs"] {
            rust_files(&folder.join(part), &mut files)?;
        }
        let mut total = Lines::default();
        for file in &files {
            let lines = count(&fs_err::read_to_string(file)?, kind(file.strip_prefix(&folder)?));
            total = Lines { code: total.code + lines.code, tests: total.tests + lines.tests };
            all.push((file.strip_prefix(&root)?.to_owned(), lines));
        }
        totals.row([name, files.len().to_string(), total.code.to_string(), total.tests.to_string()]);
        sum =
            (sum.0 + files.len(), Lines { code: sum.1.code + total.code, tests: sum.1.tests + total.tests });
    }
    totals.row(["all".into(), sum.0.to_string(), sum.1.code.to_string(), sum.1.tests.to_string()]);

    all.sort_by(|(a, x), (b, y)| y.code.cmp(&x.code).then_with(|| a.cmp(b)));
    let mut largest = Table::new(&[("file", Align::Left), ("lines", Align::Right)]);
    for (file, lines) in all.iter().take(SHOWN) {
        largest.row([file.display().to_string(), lines.code.to_string()]);
    }
    say(&format!("{}\n\n{}", totals.render(), largest.render()));
    let too_large: Vec<String> = all
        .iter()
        .filter(|(_, lines)| lines.code > MOST_LINES)
        .map(|(file, lines)| format!("{} ({})", file.display(), lines.code))
        .collect();
    if too_large.is_empty() {
        say(&format!("\nno file has more than {MOST_LINES} lines, tests apart"));
        return Ok(());
    }
    bail!("over {MOST_LINES} lines, tests apart: {}", too_large.join(", "));
}

/// The crates' names and folders, by name.
fn crates(root: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut folders = vec![root.join("xtask")];
    for entry in fs_err::read_dir(root.join("crates"))? {
        folders.push(entry?.path());
    }
    folders.retain(|folder| folder.join("Cargo.toml").is_file());
    let named = folders.into_iter().map(|folder| {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        (name.unwrap_or_default(), folder)
    });
    let mut named: Vec<_> = named.collect();
    named.sort();
    Ok(named)
}

/// Adds all Rust files at or under `place`, which need not exist.
pub(crate) fn rust_files(place: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    if place.is_dir() {
        let mut entries = Vec::new();
        for entry in fs_err::read_dir(place)? {
            entries.push(entry?.path());
        }
        entries.sort();
        for entry in entries {
            rust_files(&entry, found)?;
        }
    } else if place.extension().is_some_and(|extension| extension == "rs") && place.is_file() {
        found.push(place.to_owned());
    }
    Ok(())
}

/// What a file is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Code, perhaps with a module of unit tests at its end.
    Code,
    /// Nothing but tests.
    Tests,
}

/// What `file`, named relative to its crate, is for.
pub(crate) fn kind(file: &Path) -> Kind {
    let in_tests = file.starts_with("tests") || file.starts_with("benches");
    let stem = file.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    if in_tests || stem == "tests" || stem.ends_with("_tests") { Kind::Tests } else { Kind::Code }
}

fn count(text: &str, kind: Kind) -> Lines {
    let all = text.lines().count();
    match kind {
        Kind::Tests => Lines { code: 0, tests: all },
        Kind::Code => {
            let code = without_tests(text).lines().count();
            Lines { code, tests: all - code }
        }
    }
}

/// `text` without its modules of unit tests. Sources are formatted: such a module begins with `#[cfg(test)]` at the
/// start of a line and ends with the next `}` at the start of a line.
pub(crate) fn without_tests(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line != "#[cfg(test)]" {
            kept.push_str(line);
            kept.push('\n');
            continue;
        }
        // Other attributes, then the item: its body when it has one.
        for item in lines.by_ref() {
            if item.starts_with('#') {
                continue;
            }
            if item.ends_with('{') {
                lines.by_ref().find(|line| *line == "}");
            }
            break;
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str =
        "//! A crate.\nfn a() {\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {\n    }\n}\n\nfn b() {}\n";

    #[test]
    fn a_module_of_tests_does_not_count() {
        assert_eq!(count(SOURCE, Kind::Code), Lines { code: 6, tests: 5 });
        assert_eq!(count(SOURCE, Kind::Tests), Lines { code: 0, tests: 11 });
    }

    #[test]
    fn tests_in_a_file_of_their_own_count_as_tests() {
        let text = "fn a() {}\n#[cfg(test)]\n#[path = \"a_tests.rs\"]\nmod tests;\nfn b() {}\n";
        assert_eq!(without_tests(text), "fn a() {}\nfn b() {}\n");
        let kinds =
            ["src/a.rs", "src/a_tests.rs", "src/a/tests.rs", "tests/it.rs"].map(|file| kind(Path::new(file)));
        assert_eq!(kinds, [Kind::Code, Kind::Tests, Kind::Tests, Kind::Tests]);
    }
}

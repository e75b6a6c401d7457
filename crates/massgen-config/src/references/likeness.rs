//! Whether a word that leads nowhere was meant as a path.

use super::{PathProbe, absolute, asked_permission};
use crate::context_paths::Permission;

/// What a path begins with that is not simply the name of something in the working directory.
const BEGINNINGS: [&str; 4] = ["/", "./", "../", "~/"];

/// Signs that stand in code and hardly ever in paths.
const CODE: [char; 12] = ['(', '{', '[', '<', '"', '\'', '`', '=', '|', '\\', '$', '*'];

/// Endings of usual kinds of files, in lower case. What is also a usual name in code behind a dot (`key`, `map`, `data`,
/// `test`, `id`) is left out: `@app.map` is a decorator.
#[rustfmt::skip]
const ENDINGS: &[&str] = &[
    // Programs.
    "asm", "bash", "bat", "c", "cc", "cjs", "clj", "cmake", "cpp", "cs", "css", "cu", "cxx", "dart", "dockerfile",
    "erl", "ex", "exs", "f90", "fish", "fs", "go", "gradle", "graphql", "groovy", "h", "hpp", "hs", "htm", "html",
    "ipynb", "java", "jl", "js", "jsx", "kt", "kts", "less", "lua", "mjs", "mk", "ml", "mts", "nim", "nix", "php",
    "pl", "proto", "ps1", "py", "pyi", "pyx", "r", "rb", "rs", "sass", "scala", "scss", "sh", "sol", "sql", "svelte",
    "swift", "tf", "ts", "tsx", "v", "vb", "vhdl", "vue", "wgsl", "zig", "zsh",
    // Texts and documents.
    "adoc", "bib", "doc", "docx", "epub", "log", "markdown", "md", "mdx", "odp", "ods", "odt", "pdf", "ppt", "pptx",
    "rst", "rtf", "tex", "txt", "xls", "xlsx",
    // Data and settings.
    "avro", "bak", "cfg", "cnf", "conf", "csv", "db", "diff", "editorconfig", "env", "feather", "geojson",
    "gitattributes", "gitignore", "h5", "hdf5", "ini", "json", "json5", "jsonc", "jsonl", "lock", "ndjson", "npy", "npz",
    "parquet", "patch", "pem", "pickle", "pkl", "plist", "properties", "snap", "sqlite", "sqlite3", "toml", "tsv",
    "wasm", "xml", "xsd", "yaml", "yml",
    // Pictures, sounds and films.
    "avif", "bmp", "flac", "gif", "heic", "ico", "jpeg", "jpg", "m4a", "mkv", "mov", "mp3", "mp4", "ogg", "png", "psd",
    "svg", "tif", "tiff", "ttf", "wav", "webm", "webp", "woff", "woff2",
    // Packed files and programs.
    "7z", "bin", "bz2", "deb", "dll", "dmg", "exe", "gz", "iso", "jar", "rar", "rpm", "so", "tar", "tgz", "whl", "xz",
    "zip", "zst",
];

/// Whether nobody writes such a word behind an `@` without meaning a path. `after` is all that follows the `@`; the rule is
/// told at the head of [the module](super).
pub(super) fn looks_like_a_path(word: &str, after: &str, probe: &dyn PathProbe) -> bool {
    let (name, has_code) = match word.find(CODE) {
        Some(code) => (word.get(..code).unwrap_or_default(), true),
        None => (word, false),
    };
    let goes_on = |start: &&str| name.strip_prefix(*start).is_some_and(|rest| !rest.is_empty());
    if BEGINNINGS.iter().any(goes_on) || first_part_exists(name, probe) {
        return true;
    }
    if has_code {
        return false;
    }
    // `@types/*` names no folder, though the star is taken off as a mark.
    let behind = after.get(word.len()..).unwrap_or_default();
    let is_pattern = behind.starts_with('*');
    asked_permission(behind) == Permission::Write || name.ends_with('/') && !is_pattern || has_ending(name)
}

/// Whether the first of several parts of a relative path is there.
fn first_part_exists(name: &str, probe: &dyn PathProbe) -> bool {
    let first = name.split_once('/').map(|(first, _)| first).filter(|first| !first.is_empty());
    first.is_some_and(|first| probe.kind(&absolute(first, probe)).is_some())
}

/// Whether the last part ends as a usual kind of file does.
fn has_ending(name: &str) -> bool {
    let last = name.rsplit('/').next().unwrap_or_default();
    last.rsplit_once('.')
        .is_some_and(|(_, ending)| ENDINGS.iter().any(|known| known.eq_ignore_ascii_case(ending)))
}

//! Kinds of files that rules of the file tools know.

use std::path::Path;

/// Endings of files that are no text, and that text tools refuse without looking.
const BINARY: &[&str] = &[
    "7z", "a", "avi", "bin", "bmp", "bz2", "class", "db", "dll", "dmg", "doc", "docx", "dylib", "eot", "exe",
    "flac", "gif", "gz", "heic", "ico", "jar", "jpeg", "jpg", "m4a", "mkv", "mov", "mp3", "mp4", "npy", "o",
    "odt", "ogg", "otf", "parquet", "pdf", "pickle", "pkl", "png", "ppt", "pptx", "pyc", "pyo", "rar", "so",
    "sqlite", "tar", "tif", "tiff", "ttf", "wasm", "wav", "webm", "webp", "whl", "woff", "woff2", "xls",
    "xlsx", "xz", "zip", "zst",
];

/// Endings of pictures, sounds and films, for which there are other tools.
const MEDIA: &[&str] = &[
    "avi", "bmp", "flac", "gif", "heic", "ico", "jpeg", "jpg", "m4a", "mkv", "mov", "mp3", "mp4", "ogg",
    "png", "tif", "tiff", "wav", "webm", "webp",
];

/// Names of files and folders that programs make again; nobody needs to read them before they are removed.
const MADE_AGAIN: &[&str] = &[
    ".DS_Store",
    ".git",
    ".mypy_cache",
    ".next",
    ".pytest_cache",
    ".ruff_cache",
    ".tool_results",
    ".tox",
    ".venv",
    "__pycache__",
    "build",
    "coverage",
    "dist",
    "node_modules",
    "target",
    "venv",
];

/// Endings of such files.
const MADE_AGAIN_ENDINGS: &[&str] = &["class", "log", "o", "pyc", "pyd", "pyo", "swp", "tmp"];

/// Names that the tools which remove files leave alone.
pub(super) const CRITICAL: &[&str] = &[
    ".git",
    ".gemini",
    ".env",
    ".massgen",
    "massgen_logs",
    "node_modules",
    "__pycache__",
    ".venv",
    "venv",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
];

/// Whether the name says that it is no text.
pub(super) fn is_named_binary(path: &Path) -> bool {
    ending(path).is_some_and(|ending| BINARY.contains(&ending.as_str()))
}

/// Whether the name says that it is a picture, a sound or a film.
pub(super) fn is_named_media(path: &Path) -> bool {
    ending(path).is_some_and(|ending| MEDIA.contains(&ending.as_str()))
}

/// Whether these bytes are no text: they hold a NUL, as text never does.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.contains(&0)
}

/// Whether a part of `path` says that it is made again by a program.
pub(super) fn is_made_again(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str().to_str().is_some_and(|name| MADE_AGAIN.contains(&name)))
        || ending(path).is_some_and(|ending| MADE_AGAIN_ENDINGS.contains(&ending.as_str()))
}

fn ending(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

//! The keys as text for people: what `massgen --show-schema` shows.

use std::fmt::Write;

use crate::parameters;
use crate::registry::{Effect, Key, SECTIONS};

/// What of the schema is shown.
#[derive(Debug, Clone, Copy)]
pub struct SchemaView<'a> {
    /// Only keys that mean something to this backend type, by its name in the table.
    pub kind: Option<&'a str>,
    /// Whether each key comes with an example.
    pub examples: Examples,
    /// Columns.
    pub width: usize,
}

/// Whether examples are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Examples {
    /// They are not.
    #[default]
    Hidden,
    /// They are.
    Shown,
}

/// All keys that can be written, part by part, with what may stand there.
pub fn schema_text(view: SchemaView<'_>) -> String {
    let mut out = match view.kind {
        Some(kind) => format!("Configuration keys for the backend type {kind}\n"),
        None => "Configuration keys\n".to_owned(),
    };
    let intro = "agents[] is each element of the list `agents`; `agent` has the same keys. A key marked (not yet) is \
                 understood but waits for its feature.";
    out.push('\n');
    filled(&mut out, intro, "", view.width);
    for section in SECTIONS {
        let shown = |key: &&Key| {
            !matches!(key.effect, Effect::Refused { .. }) && view.kind.is_none_or(|kind| key.applies_to(kind))
        };
        let mut keys = section.keys.iter().filter(shown).peekable();
        if keys.peek().is_none() {
            continue;
        }
        // Writing to a String cannot fail.
        let _ = writeln!(out, "\n{}\n", section.title.to_uppercase());
        for key in keys {
            entry(&mut out, key, view);
        }
    }
    if let Some(kind) = view.kind {
        free_names(&mut out, kind, view.width);
    }
    out
}

fn entry(out: &mut String, key: &Key, view: SchemaView<'_>) {
    const INDENT: &str = "    ";
    let mark = match key.effect {
        Effect::Active | Effect::Note => "",
        Effect::Accepted { .. } => " (not yet)",
        Effect::Needless { .. } | Effect::Deprecated { .. } | Effect::Refused { .. } => " (no effect)",
    };
    let _ = writeln!(out, "{}{mark}", key.path);
    filled(out, key.doc.trim(), INDENT, view.width);
    let mut about = plain(&key.shape.wanted());
    if !key.default.is_empty() {
        let _ = write!(about, "; default: {}", key.default);
    }
    filled(out, &about, INDENT, view.width);
    let state = match key.effect {
        Effect::Active => format!("since {}", key.since),
        Effect::Accepted { feature } => format!("waits for: {feature}"),
        Effect::Note => "a note for people".to_owned(),
        Effect::Needless { because } => format!("no effect: {because}"),
        Effect::Deprecated { use_instead } | Effect::Refused { use_instead } => {
            format!("use {}", plain(use_instead))
        }
    };
    filled(out, &state, INDENT, view.width);
    if view.examples == Examples::Shown {
        // An example is for copying, so it is never broken.
        let _ = writeln!(out, "{INDENT}example: {}: {}", key.name(), key.example);
    }
}

/// The names that go to the provider of `kind` as they are.
fn free_names(out: &mut String, kind: &str, width: usize) {
    let names: Vec<_> =
        parameters::all_names().into_iter().filter(|name| parameters::accepts(kind, name)).collect();
    if names.is_empty() {
        return;
    }
    out.push_str("\nGO TO THE PROVIDER AS THEY ARE\n\n");
    filled(out, &names.join(", "), "", width);
}

/// Without the marks of code, which a terminal does not need.
fn plain(text: &str) -> String {
    text.replace('`', "")
}

fn filled(out: &mut String, text: &str, indent: &str, width: usize) {
    const NARROWEST: usize = 30;
    let options = textwrap::Options::new(width.max(NARROWEST))
        .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit)
        .initial_indent(indent)
        .subsequent_indent(indent)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    out.push_str(&textwrap::fill(text, options));
    out.push('\n');
}

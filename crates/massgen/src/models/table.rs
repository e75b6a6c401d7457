//! The models as a table for people.

use std::fmt::Write as _;

use massgen_model::listing::Ability;
use massgen_protocol::{ModelFacts, Usd};
use unicode_width::UnicodeWidthStr;

use super::report::{Entry, Origin, Provider};

/// Columns of the numbers, with the gaps before them.
const NUMBERS: [usize; 5] = [9, 8, 9, 9, 9];

/// Columns of the letters.
const LETTERS: usize = 6;

/// Below this many columns each model takes lines of its own.
const NARROW: usize = 72;

/// Fewer columns than this are not filled.
const NARROWEST: usize = 20;

/// More columns than this help nobody.
const WIDEST: usize = 120;

/// What nobody knows.
const UNKNOWN: &str = "-";

/// A model that is known to have none of the abilities.
const TEXT: &str = "text";

/// Letters of the abilities.
const MARKS: [(Ability, char, &str); 6] = [
    (Ability::Tools, 't', "tools"),
    (Ability::Reasoning, 'r', "reasoning"),
    (Ability::Images, 'i', "images"),
    (Ability::Audio, 'a', "audio"),
    (Ability::Video, 'v', "video"),
    (Ability::Documents, 'd', "documents"),
];

/// The text of the command, at most `width` columns wide where names allow it.
pub(super) fn table(providers: &[Provider], width: usize) -> String {
    let width = width.min(WIDEST);
    let mut out = String::new();
    for provider in providers.iter().filter(|provider| provider.error.is_none()) {
        let source = match provider.origin {
            Origin::Service => "from the service",
            Origin::Catalogue => "from the built-in catalogue",
        };
        let count = match provider.models.len() {
            0 => "no model".to_owned(),
            1 => "1 model".to_owned(),
            count => format!("{count} models"),
        };
        filled(&mut out, &format!("{} ({}): {count}, {source}", provider.kind, provider.display_name), width);
        if provider.unusable > 0 {
            let text = format!("  left out for names that cannot be used: {}", provider.unusable);
            filled(&mut out, &text, width);
        }
        if width < NARROW {
            provider.models.iter().for_each(|entry| stacked(&mut out, entry));
        } else if !provider.models.is_empty() {
            rows(&mut out, &provider.models, width);
        }
        out.push('\n');
    }
    if providers.iter().any(|provider| !provider.models.is_empty()) {
        legend(&mut out, width);
    }
    out
}

fn rows(out: &mut String, models: &[Entry], width: usize) {
    let taken = NUMBERS.iter().sum::<usize>() + 2 + LETTERS;
    let name = width.saturating_sub(taken);
    let row = |out: &mut String, title: &str, cells: [&str; 5], letters: &str| {
        let mut line = format!("  {title}");
        // A long name has its numbers below, where the eye looks for them.
        if line.width() > name {
            line.push('\n');
            line.push_str(&" ".repeat(name));
        } else {
            line.push_str(&" ".repeat(name - line.width()));
        }
        for (cell, width) in cells.iter().zip(NUMBERS) {
            let _ = write!(line, "{cell:>width$}");
        }
        let _ = writeln!(out, "{}", format!("{line}  {letters}").trim_end());
    };
    row(out, "Model", ["Context", "Output", "$ in", "$ out", "$ cached"], "Can");
    for entry in models {
        let [context, output, input, price, cached] = numbers(&entry.facts);
        row(out, &entry.name, [&context, &output, &input, &price, &cached], &letters(entry));
    }
}

fn stacked(out: &mut String, entry: &Entry) {
    let [context, output, input, price, cached] = numbers(&entry.facts);
    let _ = writeln!(out, "  {}", entry.name);
    let _ = writeln!(out, "    context {context}, output {output}, {}", letters(entry));
    let _ = writeln!(out, "    $ {input} in, {price} out, {cached} cached");
}

fn legend(out: &mut String, width: usize) {
    let marks =
        MARKS.iter().map(|(_, letter, word)| format!("{letter} {word}")).collect::<Vec<_>>().join(", ");
    let text = format!(
        "Context and output in tokens, prices in dollars per million tokens. Can: {marks}; {TEXT} alone. \
         `{UNKNOWN}` is unknown."
    );
    filled(out, &text, width);
}

fn filled(out: &mut String, text: &str, width: usize) {
    let options = textwrap::Options::new(width.max(NARROWEST)).subsequent_indent("  ");
    let _ = writeln!(out, "{}", textwrap::fill(text, options));
}

fn numbers(facts: &ModelFacts) -> [String; 5] {
    let unknown = || UNKNOWN.to_owned();
    let price = facts.price.as_ref();
    let dollars = |nanos: Option<u64>| nanos.map_or_else(unknown, dollars);
    [
        facts.context_window.map_or_else(unknown, tokens),
        facts.max_output_tokens.map_or_else(unknown, |count| tokens(count.into())),
        dollars(price.map(|price| price.input)),
        dollars(price.map(|price| price.output)),
        dollars(price.map(|price| price.cached_input)),
    ]
}

/// `800`, `128k`, `1.05M`.
fn tokens(count: u64) -> String {
    match count {
        0..1000 => count.to_string(),
        1000..999_500 => format!("{}k", (count + 500) / 1000),
        _ => {
            let hundredths = count.saturating_add(5000) / 10_000;
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            format!("{}M", text.trim_end_matches('0').trim_end_matches('.'))
        }
    }
}

/// `3`, `0.25`, `0.0028`, `free`.
fn dollars(nanos: u64) -> String {
    if nanos == 0 {
        return "free".to_owned();
    }
    let text = format!("{:.4}", Usd::from_nanos(nanos).dollars());
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "0" { "<0.0001".to_owned() } else { text.to_owned() }
}

/// What the model can do; [`UNKNOWN`] when nobody knows anything.
fn letters(entry: &Entry) -> String {
    let known =
        MARKS.iter().filter_map(|(ability, letter, _)| Some((entry.abilities.can(*ability)?, letter)));
    let known: Vec<_> = known.collect();
    if known.is_empty() {
        return UNKNOWN.to_owned();
    }
    let letters: String = known.iter().filter(|(can, _)| *can).map(|(_, letter)| **letter).collect();
    if letters.is_empty() { TEXT.to_owned() } else { letters }
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;

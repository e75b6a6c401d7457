//! Secrets in the lines of a text that is no configuration, or not yet one.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::LazyLock;

use super::{Under, address, named, names_a_secret};
use crate::registry;
use crate::source::Span;

/// The parts of one line that a key with a secret's name is followed by, and user name and password in addresses.
pub(crate) fn named_parts(line: &str) -> Vec<Range<usize>> {
    let mut parts: Vec<_> = address::user_parts(line).into_iter().map(|part| part.range).collect();
    let flow = line.find(['{', '[']).unwrap_or(line.len());
    let mut covered_to = 0;
    for (colon, _) in line.match_indices(':') {
        if colon < covered_to || !names_a_secret(last_word(line.get(..colon).unwrap_or_default())) {
            continue;
        }
        let from = colon + 1;
        let value = line.get(from..).unwrap_or_default();
        let start = from + value.len() - value.trim_start().len();
        let value = value.trim();
        // In a flow map the value ends before its neighbour; elsewhere it goes on to the end of the line.
        let length = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value.get(1..).and_then(|rest| rest.find(quote)).map(|end| end + 2),
            _ if is_reference(value) => Some(0),
            _ if flow < colon => value.find([',', '}', ']']),
            _ => None,
        };
        let length = length.unwrap_or(value.len());
        let inner = value.get(..length).unwrap_or_default().trim_matches(['"', '\'']);
        if !named(inner).is_empty() {
            covered_to = start + length;
            parts.push(start..covered_to);
        }
    }
    parts
}

/// Whether `text` begins with one `${NAME}` that is a value of its own.
fn is_reference(text: &str) -> bool {
    let Some((name, after)) = text.strip_prefix("${").and_then(|rest| rest.split_once('}')) else {
        return false;
    };
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !after.starts_with(|c: char| c.is_alphanumeric())
}

/// The last word of `text`, quotes and spaces behind it left out.
fn last_word(text: &str) -> &str {
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    text.trim_end().trim_end_matches(['"', '\'']).rsplit(|c: char| !is_word(c)).next().unwrap_or_default()
}

/// Names of keys of the registry: where one stands no further in than `env`, what is below `env` has ended.
static KNOWN: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| registry::keys().map(registry::Key::name).collect());

/// The words of all values that may be secrets. What stands below `env`, `headers` or `args` is told by how far lines
/// are set in; in a text that is wrong that may be wrong too, so more is covered than would be in a right one.
pub(super) fn spans(text: &str) -> Vec<Span> {
    let mut spans = Vec::new();
    // How far in the line stands whose values are covered.
    let mut block: Option<usize> = None;
    let mut start = 0;
    for (line, number) in text.split_inclusive('\n').zip(1_u32..) {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let (first, rest) = first_key(line);
        if block.is_some_and(|outer| indent <= outer && first.is_some_and(|key| KNOWN.contains(key))) {
            block = None;
        }
        let from = match block {
            Some(_) => Some(rest),
            None => opening(line),
        };
        let mut covered: Vec<Range<usize>> = match from {
            Some(from) => words(line, from),
            None => address::of_line(line).into_iter().map(|part| part.range).collect(),
        };
        if block.is_none() && from.is_some() {
            block = Some(indent);
        }
        covered.sort_by_key(|range| range.start);
        spans.extend(covered.into_iter().map(|range| Span {
            line: number,
            column: 1,
            start: start + range.start,
            length: range.len(),
        }));
        start += line.len();
    }
    spans
}

/// The first key of a line, and where what follows it begins.
fn first_key(line: &str) -> (Option<&str>, usize) {
    let content = line.trim_start_matches([' ', '\t', '-', '{', '[', ',']);
    let at = line.len() - content.len();
    let key = content
        .split_once(':')
        .filter(|(_, value)| value.is_empty() || value.starts_with(char::is_whitespace));
    match key {
        Some((key, _)) => (Some(key.trim().trim_matches(['"', '\''])), at + key.len() + 1),
        None => (None, at),
    }
}

/// Where in a line the value of a key begins whose values are covered.
fn opening(line: &str) -> Option<usize> {
    let opens = |colon: &usize| match Under::key(
        last_word(line.get(..*colon).unwrap_or_default()),
        Under::Free,
        "",
    ) {
        Under::Held | Under::Line => true,
        Under::Free | Under::Named | Under::Address | Under::Servers | Under::Server => false,
    };
    line.match_indices(':').map(|(colon, _)| colon).find(opens).map(|colon| colon + 1)
}

/// The words of a line from a byte on.
fn words(line: &str, from: usize) -> Vec<Range<usize>> {
    let is_mark = |c: char| c.is_whitespace() || "{}[],:\"'".contains(c);
    let mut at = from;
    let mut words = Vec::new();
    for word in line.get(from..).unwrap_or_default().split(is_mark) {
        words.push(at..at + word.len());
        at += word.len();
        at += line.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    }
    words.retain(|word| !word.is_empty());
    words
}

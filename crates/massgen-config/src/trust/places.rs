//! Where a configuration says what it demands, and which files of the project belong to it.

use std::collections::BTreeSet;

use crate::judge;
use crate::node::{Node, Value};
use crate::source::Source;

use super::{Demand, DemandKind};

/// The keys under which programs, and files that they run, are named.
const PROGRAMS: [&str; 4] = ["api_key_command", "mcp_servers", "custom_tools", "hooks"];

/// Something in a configuration that may be the name of a file that is run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A path.
    Path(String),
    /// A module of Python with dots, or a function of one.
    Module(String),
}

/// What may be the name of a file that is run, wherever the configuration names programs. Most of it is the name of
/// nothing: look which of these are there. A text that cannot be read names nothing.
pub fn named(source: &Source) -> BTreeSet<Named> {
    let mut found = BTreeSet::new();
    if let Ok(root) = judge::read(source) {
        below_programs(&root, &mut found);
    }
    found
}

fn below_programs(node: &Node, found: &mut BTreeSet<Named>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|item| below_programs(item, found)),
        Value::Map(entries) => {
            for entry in entries {
                if PROGRAMS.contains(&entry.key.as_str()) {
                    texts(&entry.node, &mut |text| words(text, found));
                } else {
                    below_programs(&entry.node, found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

/// A command in one text has words; the name of a file may have spaces.
fn words(text: &str, found: &mut BTreeSet<Named>) {
    for word in std::iter::once(text.trim()).chain(text.split_whitespace()) {
        let word = word.trim_matches(['"', '\'']);
        if word.is_empty() {
            continue;
        }
        found.insert(Named::Path(word.to_owned()));
        let is_module =
            |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
        if word.split('.').all(is_module) {
            found.insert(Named::Module(word.to_owned()));
        }
    }
}

fn texts<'a>(node: &'a Node, take: &mut impl FnMut(&'a str)) {
    match &node.value {
        Value::Text(text) => take(text),
        Value::List(items) => items.iter().for_each(|item| texts(item, take)),
        Value::Map(entries) => entries.iter().for_each(|entry| texts(&entry.node, take)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}

/// For each of `demands`, the line of `source` that makes it; `None` where that cannot be told, as for what a variable
/// of the environment brings.
pub fn lines(source: &Source, demands: &[Demand]) -> Vec<Option<u32>> {
    let root = judge::read(source).ok();
    let line = |demand: &Demand| {
        let mut best = None;
        look(root.as_ref()?, demand, &mut best);
        best.map(|(_, line)| line)
    };
    demands.iter().map(line).collect()
}

/// How surely a value is what makes a demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Match {
    /// Its end, as of a path, or its beginning, as of a command.
    Part,
    /// All of it.
    Whole,
}

/// Keeps in `best` the first of the surest lines.
fn look(node: &Node, demand: &Demand, best: &mut Option<(Match, u32)>) {
    let mut take = |found: Match, node: &Node| {
        if let Some(span) = node.origin.span()
            && best.is_none_or(|(known, _)| known < found)
        {
            *best = Some((found, span.line));
        }
    };
    match &node.value {
        Value::Text(text) => {
            if let Some(found) = compare(text.trim(), &demand.what) {
                take(found, node);
            }
        }
        Value::List(items) => {
            if is_command(items, &demand.what) {
                take(Match::Whole, node);
            }
            for item in items {
                look(item, demand, best);
            }
        }
        Value::Map(entries) => {
            for entry in entries {
                if key_of(demand.kind) == Some(entry.key.as_str()) {
                    take(Match::Part, &entry.node);
                }
            }
            for entry in entries {
                look(&entry.node, demand, best);
            }
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}

fn compare(text: &str, what: &str) -> Option<Match> {
    if text.is_empty() {
        return None;
    }
    if text == what {
        return Some(Match::Whole);
    }
    let relative = text.trim_start_matches("./").trim_start_matches("~/");
    let is_end = what.strip_suffix(relative).is_some_and(|rest| rest.ends_with('/'));
    let first = what.split(' ').next().unwrap_or_default();
    let is_start = text == first || first.strip_suffix(relative).is_some_and(|rest| rest.ends_with('/'));
    (is_end || is_start).then_some(Match::Part)
}

fn is_command(items: &[Node], what: &str) -> bool {
    let parts: Option<Vec<&str>> = items.iter().map(Node::text).collect();
    parts.is_some_and(|parts| !parts.is_empty() && parts.join(" ") == what)
}

/// The key that makes a demand whose object stands elsewhere.
fn key_of(kind: DemandKind) -> Option<&'static str> {
    match kind {
        DemandKind::Unsandboxed => Some("unsandboxed"),
        DemandKind::DirectWrite => Some("write_mode"),
        DemandKind::KeyCommand
        | DemandKind::Server
        | DemandKind::Variables
        | DemandKind::Tool
        | DemandKind::Hook
        | DemandKind::Reach
        | DemandKind::Removal => None,
    }
}

//! The values in force as text.

use std::collections::HashMap;
use std::fmt::Write;

use serde_json::Value as Json;

use super::{Effective, EffectiveValue, ValueOrigin};
use crate::registry::Effect;
use crate::source::{Source, steers_terminals};

/// Widest column of names; a longer name stands on a line of its own.
const NAMES: usize = 34;

/// Narrowest column of values.
const VALUES: usize = 12;

/// Mark of a key without effect.
const MARK: &str = " *";

pub(super) fn table(effective: &Effective, width: usize) -> String {
    let rows: Vec<Row> = effective.values.iter().map(Row::of).collect();
    let mut out = String::new();
    if let Some(name) = effective.findings.source().map(Source::name) {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{name}\n");
    }
    let widest = |of: fn(&Row) -> usize| rows.iter().map(of).max().unwrap_or_default();
    let names = widest(|row| row.name.chars().count()).min(NAMES);
    let origins = widest(|row| row.origin.chars().count());
    let values = width.saturating_sub(names + origins + 6).max(VALUES);
    let values = widest(|row| row.value.chars().count()).min(values);
    let mut groups: Vec<(&str, Vec<&Row>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for row in &rows {
        let place = *places.entry(&row.group).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((_, members)) => members.push(row),
            None => groups.push((&row.group, vec![row])),
        }
    }
    for (i, (group, members)) in groups.iter().enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let _ = writeln!(out, "{}", if group.is_empty() { "(top level)" } else { group });
        for row in members {
            let fits = row.name.chars().count() <= names;
            if !fits {
                let _ = writeln!(out, "  {}", row.name);
            }
            let name = if fits { row.name.as_str() } else { "" };
            let value = shortened(&row.value, values);
            let _ = writeln!(out, "  {name:names$}  {value:values$}  {}", row.origin);
        }
    }
    if rows.iter().any(|row| row.name.ends_with(MARK)) {
        out.push_str("\n* without effect in this version\n");
    }
    out
}

struct Row {
    group: String,
    name: String,
    value: String,
    origin: String,
}

impl Row {
    fn of(value: &EffectiveValue) -> Self {
        let (group, name) = value.path.rsplit_once('.').unwrap_or(("", &value.path));
        let mark = match value.effect {
            Effect::Active | Effect::Note => "",
            Effect::Accepted { .. }
            | Effect::Needless { .. }
            | Effect::Deprecated { .. }
            | Effect::Refused { .. } => MARK,
        };
        Self {
            group: group.to_owned(),
            name: format!("{name}{mark}"),
            value: value.words.map_or_else(|| plain(&value.value), |words| format!("({words})")),
            origin: origin(&value.origin),
        }
    }
}

fn origin(origin: &ValueOrigin) -> String {
    match origin {
        ValueOrigin::Default => "default".to_owned(),
        ValueOrigin::BuiltIn => "built in".to_owned(),
        ValueOrigin::File { line, .. } => format!("line {line}"),
        ValueOrigin::Environment { variables } => format!("env {}", variables.join(", ")),
        ValueOrigin::Flag("question") => "command line".to_owned(),
        ValueOrigin::Flag(flag) => (*flag).to_owned(),
    }
}

/// A text as it is, anything else as JSON; on one line.
fn plain(value: &Json) -> String {
    let text = match value {
        Json::String(text) => text.clone(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => value.to_string(),
    };
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").chars().map(|c| if steers_terminals(c) { '?' } else { c }).collect()
}

fn shortened(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).collect();
    short.push('…');
    short
}

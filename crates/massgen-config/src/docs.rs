//! What the registry says, for people and for editors.

mod text;

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::parameters;
use crate::registry::{self, Effect, Key, SECTIONS, Shape};

/// The map of the registry that a backend is.
const BACKEND: &str = "agents[].backend";

pub use text::{Examples, SchemaView, schema_text};

/// The reference page of all keys, as markdown: one table per part.
pub fn reference_markdown() -> String {
    let mut out = String::from(
        "# Configuration keys\n\n\
         This page is generated from the registry of keys in `crates/massgen-config`; do not edit it by hand.\n\n\
         `null` means the default everywhere. `${NAME}` in a text is replaced from the environment. `agent` has the keys \
         of one element of `agents`. **Not yet** marks a key that is understood and checked but waits for its feature; \
         a run says so once.\n",
    );
    for section in SECTIONS {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n## {}\n\n| Key | Value | Default | What it does | Example |\n", section.title);
        out.push_str("|---|---|---|---|---|\n");
        for key in section.keys {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} |",
                key.path,
                cell(&key.shape.wanted()),
                value_cell(key.default),
                cell(&described(key)),
                value_cell(key.example),
            );
        }
    }
    out
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

/// A default or an example: YAML as code, words as words.
fn value_cell(text: &str) -> String {
    match yaml(text) {
        Some(_) => format!("`{}`", cell(text)),
        None if text.is_empty() => "–".to_owned(),
        None => cell(text),
    }
}

/// The doc line of a key, with what became of it.
fn described(key: &Key) -> String {
    let doc = key.doc.trim();
    match key.effect {
        Effect::Active => doc.to_owned(),
        Effect::Accepted { feature } => format!("{doc} **Not yet**: {feature}."),
        Effect::Needless { because } => format!("{doc} **No effect**: {because}."),
        Effect::Note => format!("{doc} A note for people."),
        Effect::Deprecated { use_instead } => format!("{doc} **No effect**; use {use_instead}."),
        Effect::Refused { use_instead } => format!("{doc} **An error**; use {use_instead}."),
    }
}

/// The JSON schema of a configuration, for editors.
pub fn json_schema() -> Value {
    let mut root = section("");
    let agent = section("agents[]");
    if let Some(properties) = root.get_mut("properties").and_then(Value::as_object_mut) {
        let doc = |path| registry::key(path).map(described).unwrap_or_default();
        properties
            .insert("agent".to_owned(), json!({ "$ref": "#/$defs/agent", "description": doc("agent") }));
        let agents =
            json!({ "type": "array", "items": { "$ref": "#/$defs/agent" }, "description": doc("agents") });
        properties.insert("agents".to_owned(), agents);
    }
    if let Some(root) = root.as_object_mut() {
        root.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
        root.insert("title".to_owned(), "massgen configuration".into());
        root.insert("oneOf".to_owned(), json!([{ "required": ["agents"] }, { "required": ["agent"] }]));
        root.insert("$defs".to_owned(), json!({ "agent": agent }));
    }
    root
}

/// The schema of the map at `path`.
fn section(path: &str) -> Value {
    let mut properties = Map::new();
    for key in registry::children(path) {
        match key.effect {
            Effect::Refused { .. } => continue,
            Effect::Active
            | Effect::Accepted { .. }
            | Effect::Needless { .. }
            | Effect::Note
            | Effect::Deprecated { .. } => {}
        }
        let mut schema = shape(key, &key.shape);
        if let Some(object) = schema.as_object_mut() {
            object.insert("description".to_owned(), described(key).into());
            if let Some(default) = yaml(key.default) {
                object.insert("default".to_owned(), default);
            }
            if let Some(example) = yaml(key.example) {
                object.insert("examples".to_owned(), json!([example]));
            }
            if matches!(key.effect, Effect::Deprecated { .. }) {
                object.insert("deprecated".to_owned(), true.into());
            }
        }
        properties.insert(key.name().to_owned(), schema);
    }
    if path == BACKEND {
        for name in parameters::all_names() {
            let types = parameters::takers(name).join(", ");
            let description = format!("Goes to the provider as it is ({types}).");
            properties.entry(name).or_insert_with(|| json!({ "description": description }));
        }
    }
    let mut schema = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let required: &[&str] = match path {
        "agents[]" => &["id", "backend"],
        BACKEND => &["type"],
        _ => &[],
    };
    if !required.is_empty()
        && let Some(object) = schema.as_object_mut()
    {
        object.insert("required".to_owned(), json!(required));
    }
    schema
}

fn shape(key: &Key, wanted: &Shape) -> Value {
    // A variable may stand where a number or a truth value is wanted.
    let variable = json!({ "type": "string", "pattern": "\\$\\{[A-Za-z_][A-Za-z0-9_]*\\}" });
    let elements = || match registry::element(key) {
        path if path == BACKEND => json!({ "$ref": "#/$defs/agent/properties/backend" }),
        path => section(&path),
    };
    match wanted {
        Shape::Bool => json!({ "anyOf": [{ "type": ["boolean", "null"] }, variable] }),
        Shape::Int(min, max) if *max >= registry::MAX_U32 => {
            json!({ "anyOf": [{ "type": ["integer", "null"], "minimum": min }, variable] })
        }
        Shape::Int(min, max) => {
            json!({ "anyOf": [{ "type": ["integer", "null"], "minimum": min, "maximum": max }, variable] })
        }
        Shape::Number(min, max) => {
            json!({ "anyOf": [{ "type": ["number", "null"], "minimum": min, "maximum": max }, variable] })
        }
        Shape::Text | Shape::Secret => json!({ "type": ["string", "null"] }),
        Shape::Choice(choices) => {
            let mut values: Vec<Value> = choices.iter().map(|choice| (*choice).into()).collect();
            values.push(Value::Null);
            json!({ "anyOf": [{ "enum": values }, variable] })
        }
        Shape::List(item) => json!({ "type": ["array", "null"], "items": shape(key, item) }),
        Shape::Section => section(if key.path == "agent" { "agents[]" } else { key.path }),
        Shape::Sections => json!({ "type": ["array", "null"], "items": elements() }),
        Shape::NamedSections => json!({ "anyOf": [
            { "type": ["array", "null"], "items": elements() },
            { "type": "object", "additionalProperties": elements() },
        ] }),
        Shape::Headers => {
            json!({ "type": ["object", "null"], "additionalProperties": { "type": "string" } })
        }
        Shape::Open => json!({ "type": ["object", "null"] }),
        Shape::Later(same) => shape(key, same),
        Shape::Any => json!({}),
        Shape::Either(shapes) => {
            json!({ "anyOf": shapes.iter().map(|one| shape(key, one)).collect::<Vec<_>>() })
        }
    }
}

/// A default or an example as JSON; `None` for words that only describe one.
pub(crate) fn yaml(text: &str) -> Option<Value> {
    if text.is_empty() || text.contains(' ') && !text.starts_with(['[', '{', '"']) {
        return None;
    }
    let node = crate::node::parse(&crate::source::Source::new("registry", text)).ok()?;
    Some(node.to_json())
}

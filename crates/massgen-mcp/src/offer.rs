//! Which tools of a server an agent is offered, and under which names.

use std::collections::BTreeSet;

use massgen_protocol::ToolSchema;
use massgen_protocol::tooling::ServerSpec;
use serde_json::{Map, Value, json};

use crate::limits::{DESCRIPTION_BYTES, SCHEMA_BYTES, TOOL_NAME_BYTES, TOOL_TEXT_BYTES, TOOLS_PER_SERVER};
use crate::notice::quoted;
use crate::security::check_tool_name;

/// What stands before the name of a server.
const PREFIX: &str = "mcp__";
/// Letters of the digest in a shortened name.
const DIGEST: usize = 8;

/// A tool as its server tells it, before anything is judged.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The schema of the arguments; `None` if it told none.
    pub(crate) schema: Option<Value>,
    pub(crate) hints: Hints,
}

/// What a server says of the effects of a tool. It may be wrong: nothing may be allowed because of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hints {
    /// It changes nothing.
    pub read_only: Option<bool>,
    /// It may destroy something.
    pub destructive: Option<bool>,
    /// It reaches things that nobody knows in advance, such as the web.
    pub open_world: Option<bool>,
}

/// A tool of a server that an agent may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerTool {
    /// As the model sees it; its name is the one that calls use.
    pub schema: ToolSchema,
    /// The server, as the configuration names it.
    pub server: String,
    /// The tool, as its server names it.
    pub name: String,
    /// What the server says of its effects.
    pub hints: Hints,
}

/// Names of tools that an agent may and may not call, of all of its servers (`allowed_tools` and `exclude_tools` of the
/// backend). A tool is meant by its own name or by the one that the model sees.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these; `None` is all. A list of the server itself counts instead.
    pub allowed: Option<Vec<String>>,
    /// Not these, beside those that the server excludes.
    pub excluded: Vec<String>,
}

/// What a server offers after everything was judged.
#[derive(Debug, Default)]
pub(crate) struct Offer {
    pub(crate) tools: Vec<ServerTool>,
    /// What people should know, as sentences without a full stop.
    pub(crate) notes: Vec<String>,
}

/// Judges the tools that a server told. `taken` are names that the agent's other tools have; the offered ones are added.
pub(crate) fn offer(
    spec: &ServerSpec,
    filter: &Filter,
    told: Vec<Told>,
    taken: &mut BTreeSet<String>,
) -> Offer {
    let mut offer = Offer::default();
    let mut bytes = 0;
    let mut over = 0_usize;
    let mut same = Vec::new();
    let named: BTreeSet<String> = told.iter().flat_map(|tool| both_names(&spec.name, &tool.name)).collect();
    for tool in told {
        let shown = quoted(&tool.name);
        if let Err(refused) = check_tool_name(&tool.name) {
            offer.notes.push(format!("its tool `{shown}` is left out: {refused}"));
            continue;
        }
        if !is_wanted(spec, filter, &tool.name) {
            continue;
        }
        let name = name_for_models(&spec.name, &tool.name);
        if taken.contains(&name) {
            same.push((format!("`{shown}`"), name));
            continue;
        }
        let (parameters, schema_note) = parameters(tool.schema);
        let schema_bytes = serde_json::to_string(&parameters).map_or(usize::MAX, |text| text.len());
        if schema_bytes > SCHEMA_BYTES {
            offer.notes.push(format!(
                "its tool `{shown}` is left out: its schema has {schema_bytes} bytes, at most {SCHEMA_BYTES} are allowed"
            ));
            continue;
        }
        let (description, description_note) = shortened(tool.description);
        let size = schema_bytes.saturating_add(description.len());
        if offer.tools.len() == TOOLS_PER_SERVER || bytes + size > TOOL_TEXT_BYTES {
            over += 1;
            continue;
        }
        bytes += size;
        for note in [schema_note, description_note].into_iter().flatten() {
            offer.notes.push(format!("its tool `{shown}` {note}"));
        }
        taken.insert(name.clone());
        offer.tools.push(ServerTool {
            schema: ToolSchema { name, description, parameters },
            server: spec.name.clone(),
            name: tool.name,
            hints: tool.hints,
        });
    }
    match same.as_slice() {
        [] => {}
        [(tool, name)] => {
            offer.notes.push(format!("its tool {tool} is left out: another one is called `{name}`"));
        }
        several => {
            let tools: Vec<&str> = several.iter().map(|(tool, _)| tool.as_str()).collect();
            let tools = tools.join(", ");
            offer.notes.push(format!("its tools {tools} are left out: other tools have their names"));
        }
    }
    if over > 0 {
        offer.notes.push(format!("{over} of its tools are left out: it tells more than a prompt can hold"));
    }
    let wished = spec.allowed.iter().flatten();
    for wish in wished.filter(|wish| !named.contains(*wish)) {
        offer.notes.push(format!("it has no tool `{}`, which `allowed_tools` names", quoted(wish)));
    }
    offer
}

fn is_wanted(spec: &ServerSpec, filter: &Filter, tool: &str) -> bool {
    let names = both_names(&spec.name, tool);
    let listed = |list: &[String]| list.iter().any(|entry| names.contains(entry));
    let allowed = spec.allowed.as_ref().or(filter.allowed.as_ref());
    !listed(&spec.excluded) && !listed(&filter.excluded) && allowed.is_none_or(|allowed| listed(allowed))
}

/// The names by which a list may mean a tool: its own, the one that the model sees, and that one before it was shortened
/// or rid of dots.
fn both_names(server: &str, tool: &str) -> [String; 3] {
    [tool.to_owned(), name_for_models(server, tool), plain_name(server, tool)]
}

fn plain_name(server: &str, tool: &str) -> String {
    let bare = |name: &str| name.trim_matches(['_', '-', '.']).to_owned();
    format!("{PREFIX}{}__{}", bare(server), bare(tool))
}

/// The name under which models see `tool` of `server`: letters, digits, `_` and `-`, at most [`TOOL_NAME_BYTES`] long, which
/// every provider takes. A longer one is cut, and ends in letters that depend on all of it.
pub(crate) fn name_for_models(server: &str, tool: &str) -> String {
    let plain = plain_name(server, tool);
    let name = plain.replace('.', "_");
    if name.len() <= TOOL_NAME_BYTES {
        return name;
    }
    let digest: String = blake3::hash(plain.as_bytes()).to_hex().chars().take(DIGEST).collect();
    let kept: String = name.chars().take(TOOL_NAME_BYTES - DIGEST - 1).collect();
    format!("{kept}_{digest}")
}

/// The schema of the arguments as models get it, and what people should know of it.
fn parameters(schema: Option<Value>) -> (Value, Option<&'static str>) {
    let nothing = || json!({"type": "object", "properties": {}});
    match schema {
        Some(Value::Object(schema)) if schema.get("type").is_none_or(|kind| kind == "object") => {
            (Value::Object(with_type(schema)), None)
        }
        Some(_) => (nothing(), Some("has a schema that is no object: it is offered without arguments")),
        None => (nothing(), None),
    }
}

/// Services want the type and the properties to be there.
fn with_type(mut schema: Map<String, Value>) -> Map<String, Value> {
    if !schema.contains_key("type") {
        schema.insert("type".to_owned(), json!("object"));
    }
    if !schema.contains_key("properties") {
        schema.insert("properties".to_owned(), json!({}));
    }
    schema
}

fn shortened(mut description: String) -> (String, Option<&'static str>) {
    if description.len() <= DESCRIPTION_BYTES {
        return (description, None);
    }
    description.truncate(description.floor_char_boundary(DESCRIPTION_BYTES));
    description.push('…');
    (description, Some("has a description that is too long: its end is cut"))
}

#[cfg(test)]
#[path = "offer_tests.rs"]
mod tests;

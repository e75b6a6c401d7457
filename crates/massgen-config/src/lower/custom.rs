//! Tools that the user wrote (`custom_tools`): functions in Python, and programs.

use std::collections::BTreeMap;

use massgen_protocol::tooling::{CustomSource, CustomTool};
use serde_json::{Value as Json, json};

use super::Lower;
use crate::check::{join, shortened};
use crate::finding::Finding;
use crate::needed::{Needed, NeededKind};
use crate::node::{Entry, Node, Value};
use crate::secrets;

/// Longest name of a tool, in bytes, as providers take it.
const NAME_BYTES: usize = 64;

/// What a function looks like in a configuration.
const FUNCTION: &str = "for example `{function: add, path: tools.py}`";

/// One entry of the list.
struct Written<'a> {
    path: String,
    node: &'a Node,
}

/// A key that holds one value for all tools of an entry, or one for each.
enum Column<'a> {
    One(&'a Node),
    Each(&'a [Node]),
}

impl<'a> Column<'a> {
    fn of(node: &'a Node) -> Self {
        match &node.value {
            Value::List(items) => Self::Each(items),
            Value::Null
            | Value::Bool(_)
            | Value::Int(_)
            | Value::Float(_)
            | Value::Text(_)
            | Value::Map(_) => Self::One(node),
        }
    }

    fn len(&self) -> Option<usize> {
        match self {
            Self::One(_) => None,
            Self::Each(items) => Some(items.len()),
        }
    }

    fn at(&self, row: usize) -> Option<&'a Node> {
        match self {
            Self::One(node) => Some(node),
            Self::Each(items) => items.get(row),
        }
    }
}

impl Lower<'_> {
    /// The tools in the `backend` `node`, at `path`.
    pub(super) fn custom_tools(
        &mut self,
        node: &Node,
        path: &str,
        needed: &mut Vec<Needed>,
    ) -> Vec<CustomTool> {
        let mut tools: Vec<CustomTool> = Vec::new();
        for (i, node) in node.get("custom_tools").and_then(Node::list).unwrap_or_default().iter().enumerate()
        {
            let Value::Map(_) = node.value else { continue };
            let written = Written { path: format!("{path}.custom_tools[{i}]"), node };
            let more = if node.get("command").is_some() {
                self.program_tool(&written, needed).into_iter().collect()
            } else {
                self.functions(&written, needed)
            };
            for tool in more {
                if let Some(name) = name_of(&tool)
                    && tools.iter().any(|known| name_of(known) == Some(name))
                {
                    let message = format!("two tools have the name `{}`", shortened(name));
                    self.report(
                        Finding::error(&written.path, message)
                            .hint("give one of them another `name`")
                            .at(&node.origin),
                    );
                    continue;
                }
                tools.push(tool);
            }
        }
        tools
    }

    /// The functions of an entry: lists are read side by side, and what is no list counts for all.
    fn functions(&mut self, written: &Written<'_>, needed: &mut Vec<Needed>) -> Vec<CustomTool> {
        let node = written.node;
        let Some(function) = self.function_key(written) else { return Vec::new() };
        let Some(file) = node.entry("path").filter(|entry| entry.node.value != Value::Null) else {
            // In the Python program such a tool is one that it ships.
            let message = format!("agents do without {}: the tool has no `path`", names(&function.node));
            self.report(
                Finding::new(self.doubt(), join(&written.path, "path"), message)
                    .hint("name the file with the function, for example `path: tools.py`")
                    .at(&node.origin),
            );
            return Vec::new();
        };
        let preset = node.entry("preset_args").filter(|entry| entry.node.value != Value::Null);
        if let Some(entry) = preset {
            self.refuse_preset_keys(entry, &written.path);
        }
        let columns = [Some(function), Some(file), node.entry("name"), node.entry("description"), preset];
        let Some(rows) = self.rows(&columns, written) else { return Vec::new() };
        let at = |entry: Option<&'_ Entry>, row: usize| -> Option<Node> {
            Column::of(&entry?.node).at(row).cloned()
        };
        let mut tools = Vec::new();
        for row in 0..rows {
            let text = |entry| at(entry, row).and_then(|node| node.text().map(|text| text.trim().to_owned()));
            let (Some(name), Some(file_text)) = (text(Some(function)), text(Some(file))) else { continue };
            if self.waits(&name) || self.waits(&file_text) {
                continue;
            }
            if !is_identifier(&name) {
                let message = format!("`{}` cannot be the name of a function", shortened(&name));
                self.report(
                    Finding::error(join(&written.path, &function.key), message)
                        .hint(FUNCTION)
                        .at(&function.node.origin),
                );
                continue;
            }
            let file_path = self.by.absolute(&file_of(&file_text));
            needed.push(Needed {
                path: file_path.clone().into(),
                at: join(&written.path, "path"),
                origin: file.node.origin.clone(),
                kind: NeededKind::Tool,
            });
            let shown = text(node.entry("name"));
            if !self.is_tool_name(shown.as_deref(), written) {
                continue;
            }
            let preset = match at(preset, row) {
                Some(args) => self.preset(&args, &join(&written.path, "preset_args")),
                None => BTreeMap::new(),
            };
            tools.push(CustomTool {
                source: CustomSource::Python { path: file_path, function: name },
                name: shown,
                description: text(node.entry("description")),
                preset,
            });
        }
        tools
    }

    /// The entry that names the functions: `function`, or `func`.
    fn function_key<'n>(&mut self, written: &Written<'n>) -> Option<&'n Entry> {
        let of = |key: &str| written.node.entry(key).filter(|entry| entry.node.value != Value::Null);
        let path = join(&written.path, "function");
        match (of("function"), of("func")) {
            (Some(_), Some(second)) => {
                self.report(
                    Finding::error(path, "both `function` and `func` are given")
                        .hint("they are the same: remove `func`")
                        .at(&second.key_origin),
                );
                None
            }
            (Some(entry), None) | (None, Some(entry)) => Some(entry),
            (None, None) => {
                let hint = format!("{FUNCTION}, or `{{name: weather, command: ./weather}}` for a program");
                let message = "the tool has no `function`";
                self.report(Finding::error(path, message).hint(hint).at(&written.node.origin));
                None
            }
        }
    }

    /// How many tools an entry names; `None` when its lists have different lengths.
    fn rows(&mut self, columns: &[Option<&Entry>], written: &Written<'_>) -> Option<usize> {
        let lists = columns.iter().flatten().filter_map(|entry| {
            Some((entry.key.as_str(), Column::of(&entry.node).len()?, &entry.key_origin))
        });
        let mut first: Option<(&str, usize)> = None;
        for (key, length, origin) in lists {
            match first {
                Some((known, wanted)) if wanted != length => {
                    let message = format!("`{known}` is a list of {wanted}, and `{key}` one of {length}");
                    self.report(
                        Finding::error(join(&written.path, key), message)
                            .hint("lists have an element for each function; what is the same for all is no list")
                            .at(origin),
                    );
                    return None;
                }
                Some(_) => {}
                None => first = Some((key, length)),
            }
        }
        Some(first.map_or(1, |(_, length)| length))
    }

    /// A tool that is a program.
    fn program_tool(&mut self, written: &Written<'_>, needed: &mut Vec<Needed>) -> Option<CustomTool> {
        let node = written.node;
        for key in ["function", "func", "path"] {
            if let Some(entry) = node.entry(key).filter(|entry| entry.node.value != Value::Null) {
                let message = format!("`command` and `{key}` exclude each other");
                self.report(
                    Finding::error(join(&written.path, key), message)
                        .hint("a tool is a program or a function: make two entries of it")
                        .at(&entry.key_origin),
                );
                return None;
            }
        }
        let path = join(&written.path, "command");
        let line = node.get("command");
        if line.and_then(Node::text).is_some_and(|text| self.waits(text)) {
            return None;
        }
        let mut command = self.words(line, &path)?;
        let Some(program) = command.first_mut().filter(|program| !program.is_empty()) else {
            let hint = "for example `command: [./weather, --json]`";
            self.report(Finding::error(path, "the command is empty").hint(hint).at(&node.origin));
            return None;
        };
        if program.contains('/') {
            *program = self.by.absolute(program);
            needed.push(Needed {
                path: program.clone().into(),
                at: path,
                origin: line.unwrap_or(node).origin.clone(),
                kind: NeededKind::ToolProgram,
            });
        }
        let Some(name) = node.get("name").and_then(Node::text).filter(|name| !self.waits(name)) else {
            self.report(
                Finding::error(join(&written.path, "name"), "the tool has no `name`")
                    .hint("for example `{name: weather, command: ./weather}`")
                    .at(&node.origin),
            );
            return None;
        };
        if !self.is_tool_name(Some(name), written) {
            return None;
        }
        let schema = node.get("schema").map_or_else(|| json!({ "type": "object" }), Node::to_json);
        if schema.get("type").is_some_and(|kind| kind != "object") {
            self.report(
                Finding::error(join(&written.path, "schema"), "the arguments of a tool are an object")
                    .hint("for example `schema: {type: object, properties: {city: {type: string}}}`")
                    .at(&node.get("schema").unwrap_or(node).origin),
            );
            return None;
        }
        let preset = match node.entry("preset_args").filter(|entry| entry.node.value != Value::Null) {
            Some(entry) => {
                self.refuse_preset_keys(entry, &written.path);
                self.preset(&entry.node, &join(&written.path, "preset_args"))
            }
            None => BTreeMap::new(),
        };
        Some(CustomTool {
            source: CustomSource::Program { command, schema },
            name: Some(name.trim().to_owned()),
            description: node.get("description").and_then(Node::text).map(|text| text.trim().to_owned()),
            preset,
        })
    }

    fn is_tool_name(&mut self, name: Option<&str>, written: &Written<'_>) -> bool {
        let Some(name) = name.filter(|name| !self.waits(name)) else { return true };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if !name.is_empty() && name.len() <= NAME_BYTES && name.chars().all(fits) {
            return true;
        }
        let message = format!("`{}` cannot be the name of a tool", shortened(name));
        self.report(
            Finding::error(join(&written.path, "name"), message)
                .hint(format!("use letters, digits, `_` and `-`, at most {NAME_BYTES}"))
                .at(&written.node.get("name").unwrap_or(written.node).origin),
        );
        false
    }

    /// Arguments that are given already: a map, or such a map as a text of JSON.
    fn preset(&mut self, node: &Node, path: &str) -> BTreeMap<String, Json> {
        let value = match &node.value {
            Value::Null => return BTreeMap::new(),
            Value::Text(text) if self.waits(text) => return BTreeMap::new(),
            Value::Text(text) => serde_json::from_str(text).unwrap_or(Json::Null),
            Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::List(_) | Value::Map(_) => {
                node.to_json()
            }
        };
        if let Json::Object(arguments) = value {
            return arguments.into_iter().collect();
        }
        self.report(
            Finding::error(path, format!("the arguments must be a map, not {}", node.describe()))
                .hint("for example `preset_args: {city: Paris}`")
                .at(&node.origin),
        );
        BTreeMap::new()
    }

    /// Arguments that are given already are kept in the run's files.
    fn refuse_preset_keys(&mut self, entry: &Entry, path: &str) {
        for origin in secrets::places(entry) {
            self.report(
                Finding::error(join(path, &entry.key), "a key or token cannot stand in `preset_args`")
                    .hint("put it into an environment variable that the tool reads by itself")
                    .at(&origin),
            );
        }
    }
}

/// The functions of an entry, for a message.
fn names(node: &Node) -> String {
    let texts = std::iter::once(node).chain(node.list().unwrap_or_default()).filter_map(Node::text);
    texts.map(|text| format!("`{}`", shortened(text))).collect::<Vec<_>>().join(", ")
}

/// The name that the model sees.
fn name_of(tool: &CustomTool) -> Option<&str> {
    tool.name.as_deref().or(match &tool.source {
        CustomSource::Python { function, .. } => Some(function.as_str()),
        CustomSource::Program { .. } => None,
    })
}

/// The file that a `path` means: itself, or that of a module such as `tools.weather`.
fn file_of(path: &str) -> std::borrow::Cow<'_, str> {
    let is_module = path.split('.').all(is_identifier) && path.split('.').next_back() != Some("py");
    if is_module { format!("{}.py", path.replace('.', "/")).into() } else { path.into() }
}

/// Whether Python would take it as a name.
pub(super) fn is_identifier(text: &str) -> bool {
    text.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || c == '_')
}

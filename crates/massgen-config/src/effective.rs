//! The values that are in force and where each comes from: what `massgen config show` shows.

mod table;

use std::fmt;
use std::path::Path;

use serde_json::{Value as Json, json};

use crate::backends::{BackendType, Backends};
use crate::check::{Checking, Lookup, Purpose, UnknownKeys, join};
use crate::finding::Findings;
use crate::judge::{examine, read};
use crate::load::lay_over;
use crate::node::{self, Entry, Node, Origin, Value};
use crate::registry::{self, Effect, Key, Shape};
use crate::secrets::{self, Secrets};
use crate::settings::{self, Base, Settings};
use crate::source::Source;

/// Whose values are asked for.
#[derive(Clone, Copy)]
pub struct EffectiveRequest<'a> {
    /// The configuration file; `None` when there is none, then flags alone decide.
    pub source: Option<&'a Source>,
    /// The flags.
    pub settings: &'a Settings,
    /// Looks up a variable of the environment, `.env` files included.
    pub lookup: Lookup<'a>,
    /// Directory that relative paths start from, absolute.
    pub working_directory: &'a Path,
    /// The backend types.
    pub backends: &'a Backends,
    /// Which values are listed.
    pub defaults: Defaults,
}

/// Shows the names only: texts and look-ups lead to keys.
impl fmt::Debug for EffectiveRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EffectiveRequest")
            .field("source", &self.source)
            .field("settings", &self.settings)
            .field("defaults", &self.defaults)
            .finish_non_exhaustive()
    }
}

/// Whether values that nobody wrote are listed too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Defaults {
    /// Only what the file, a variable or a flag says.
    #[default]
    Hidden,
    /// The defaults of all keys with an effect, too.
    Shown,
}

/// One value in force.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveValue {
    /// Where it stands: `agents[0].backend.model`.
    pub path: String,
    /// The value, keys covered; `null` for a default that only words describe.
    pub value: Json,
    /// The default in words, when it is no value: `no limit`.
    pub words: Option<&'static str>,
    /// Where it comes from.
    pub origin: ValueOrigin,
    /// What it does.
    pub effect: Effect,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueOrigin {
    /// Nobody wrote it.
    Default,
    /// massgen itself, for the team that runs when nothing is configured.
    BuiltIn,
    /// The file.
    File {
        /// Line, from 1.
        line: u32,
        /// Column in characters, from 1.
        column: u32,
    },
    /// Variables of the environment that the file names.
    Environment {
        /// Their names.
        variables: Vec<String>,
    },
    /// A flag with its dashes, or `question` for the question on the command line.
    Flag(&'static str),
}

/// All values in force, and what is to be said about them.
#[derive(Debug, Clone)]
pub struct Effective {
    /// The values, in the order of the file, then those of flags, then defaults.
    pub values: Vec<EffectiveValue>,
    /// What is wrong, or has no effect. With errors the values are those that could be read.
    pub findings: Findings,
}

/// The values that are in force when a run starts.
pub fn effective(request: EffectiveRequest<'_>) -> Effective {
    let mut findings = Vec::new();
    let (mut root, base) = match request.source {
        Some(source) => match read(source) {
            Ok(root) => (root, Base::File),
            Err(findings) => return Effective { values: Vec::new(), findings },
        },
        None => (settings::without_file(request.settings, request.backends, &mut findings), Base::Flags),
    };
    lay_over(&mut root, request.settings, base, request.lookup, request.working_directory, &mut findings);
    let by = Checking {
        lookup: request.lookup,
        working_directory: request.working_directory,
        instance: None,
        backends: request.backends,
        unknown: UnknownKeys::Refused,
        purpose: Purpose::Run,
    };
    let mut secrets = Secrets::of(&root);
    examine(&mut root, by, &mut findings);
    // Variables in texts have their values now.
    secrets.add_tree(&root);
    let mut listing = Listing { values: Vec::new(), backends: request.backends, defaults: request.defaults };
    listing.map(&secrets::covered(&root), "", "", None);
    Effective { values: listing.values, findings: Findings::new(findings, request.source, &secrets) }
}

/// Lists a tree whose secrets are covered.
struct Listing<'a> {
    values: Vec<EffectiveValue>,
    backends: &'a Backends,
    defaults: Defaults,
}

impl Listing<'_> {
    /// The entries of the map `node` at `pattern` (a path of the registry), shown to people as `shown`. `kind` is the
    /// type of the backend that it is in.
    fn map(&mut self, node: &Node, pattern: &str, shown: &str, kind: Option<&str>) {
        let backends = self.backends;
        let own = node.get("type").and_then(Node::text).and_then(|name| backends.get(name));
        let own = own.map(|kind| kind.name.as_str());
        let kind = if pattern == "agents[].backend" { own } else { kind };
        for entry in node.entries().unwrap_or_default() {
            let key = registry::children(pattern).iter().find(|key| key.name() == entry.key);
            self.entry(entry, key.copied(), &join(shown, &entry.key), kind);
        }
        if self.defaults == Defaults::Shown {
            self.defaults_of(node, pattern, shown, kind);
        }
    }

    fn entry(&mut self, entry: &Entry, key: Option<&'static Key>, path: &str, kind: Option<&str>) {
        let node = &entry.node;
        let Some(key) = key else {
            // Unknown keys are findings; what is left goes to a provider as it is.
            if node.value != Value::Null {
                self.leaf(entry, Effect::Active, path);
            }
            return;
        };
        let pattern = if key.path == "agent" { "agents[]" } else { key.path };
        match (&key.shape, &node.value) {
            (_, Value::Null) => {}
            (shape, Value::Map(_)) if shape.allows_section() => self.map(node, pattern, path, kind),
            (Shape::Sections | Shape::NamedSections, Value::List(items)) => {
                for (i, item) in items.iter().enumerate() {
                    self.map(item, &registry::element(key), &format!("{path}[{i}]"), kind);
                }
            }
            (Shape::NamedSections, Value::Map(entries)) => {
                for entry in entries {
                    self.map(&entry.node, &format!("{pattern}[]"), &join(path, &entry.key), kind);
                }
            }
            _ => self.leaf(entry, key.effect, path),
        }
    }

    fn leaf(&mut self, entry: &Entry, effect: Effect, path: &str) {
        self.values.push(EffectiveValue {
            path: path.to_owned(),
            value: entry.node.to_json(),
            words: None,
            origin: origin_of(&entry.node),
            effect,
        });
    }

    fn defaults_of(&mut self, node: &Node, pattern: &str, shown: &str, kind: Option<&str>) {
        for key in registry::children(pattern) {
            let applies = kind.is_none_or(|kind| key.applies_to(kind));
            if key.effect != Effect::Active || !applies || node.get(key.name()).is_some() {
                continue;
            }
            let path = join(shown, key.name());
            if matches!(key.shape, Shape::Section) {
                // Of `agent` and `agents` one is written.
                if key.path != "agent" {
                    let nothing = Node::new(Value::Map(Vec::new()), Origin::BuiltIn);
                    self.map(&nothing, key.path, &path, kind);
                }
                continue;
            }
            // What a provider does unasked is not known here.
            if matches!(key.default, "" | "the provider's") {
                continue;
            }
            let (value, words) = default_of(key, kind.and_then(|kind| self.backends.get(kind)));
            let origin = ValueOrigin::Default;
            self.values.push(EffectiveValue { path, value, words, origin, effect: key.effect });
        }
    }
}

/// The default of a key: a value, or words.
fn default_of(key: &Key, kind: Option<&BackendType>) -> (Json, Option<&'static str>) {
    let of_the_type = kind.and_then(|kind| match key.name() {
        "model" => kind.default_model.clone(),
        "base_url" => kind.base_url.clone(),
        _ => None,
    });
    if let Some(value) = of_the_type {
        return (value.into(), None);
    }
    match crate::docs::yaml(key.default) {
        Some(value) => (value, None),
        None => (Json::Null, Some(key.default)),
    }
}

fn origin_of(node: &Node) -> ValueOrigin {
    let mut variables = Vec::new();
    collect_variables(node, &mut variables);
    match &node.origin {
        _ if !variables.is_empty() => ValueOrigin::Environment { variables },
        Origin::File(span) | Origin::Environment { span, .. } => {
            ValueOrigin::File { line: span.line, column: span.column }
        }
        Origin::Flag(flag) => ValueOrigin::Flag(flag),
        Origin::BuiltIn => ValueOrigin::BuiltIn,
    }
}

fn collect_variables(node: &Node, into: &mut Vec<String>) {
    if let Origin::Environment { variables, .. } = &node.origin {
        for name in variables {
            if !into.contains(name) {
                into.push(name.clone());
            }
        }
    }
    match &node.value {
        node::Value::List(items) => items.iter().for_each(|item| collect_variables(item, into)),
        node::Value::Map(entries) => entries.iter().for_each(|entry| collect_variables(&entry.node, into)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {}
    }
}

impl Effective {
    /// The values as a table of at most `width` columns, where the values allow it.
    pub fn table(&self, width: usize) -> String {
        table::table(self, width)
    }

    /// The values and the findings as one JSON object.
    pub fn to_json(&self) -> Json {
        let file = self.findings.source().map(Source::name);
        let values: Vec<_> = self
            .values
            .iter()
            .map(|value| {
                json!({
                    "path": value.path,
                    "value": value.value,
                    "words": value.words,
                    "origin": value.origin.to_json(file),
                    "effect": value.effect.name(),
                })
            })
            .collect();
        json!({ "file": file, "values": values, "findings": self.findings.to_json() })
    }
}

impl ValueOrigin {
    fn to_json(&self, file: Option<&str>) -> Json {
        match self {
            Self::Default => json!({ "kind": "default" }),
            Self::BuiltIn => json!({ "kind": "built_in" }),
            Self::File { line, column } => {
                json!({ "kind": "file", "file": file, "line": line, "column": column })
            }
            Self::Environment { variables } => json!({ "kind": "environment", "variables": variables }),
            Self::Flag(flag) => json!({ "kind": "flag", "flag": flag }),
        }
    }
}

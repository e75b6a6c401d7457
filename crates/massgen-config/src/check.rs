//! The check of a written configuration against the registry: unknown keys, wrong values, keys without effect, and the
//! variables of the environment that it names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::backends::Backends;
use crate::capabilities::SWITCHES;
use crate::context_paths::absolute;
use crate::expand::{self, Expanded};
use crate::finding::{FINDINGS, Finding};
use crate::node::{Entry, Node, Origin, Value};
use crate::registry::{self, Effect, Key, Shape};
use crate::secrets::variable_names_a_secret;
use crate::source::steers_terminals;
use crate::{hint, parameters, paths};

pub(crate) use crate::hint::nearest;

/// Looks up a variable of the environment; `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the check makes of keys that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownKeys {
    Refused,
    Tolerated,
}

/// What a configuration is read for.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// To run it here and now: variables are looked up, and what cannot run is an error.
    Run,
    /// To say whether it is right: variables stay as they are, and what this version cannot do yet is told, not
    /// refused.
    Judge {
        /// The environment of a machine that it may run on: which variables are not set there is told.
        environment: Lookup<'a>,
    },
}

/// How a configuration is checked.
#[derive(Clone, Copy)]
pub(crate) struct Checking<'a> {
    pub(crate) lookup: Lookup<'a>,
    pub(crate) working_directory: &'a Path,
    /// Eight hexadecimal digits of the run; `None` while there is no run yet.
    pub(crate) instance: Option<&'a str>,
    pub(crate) backends: &'a Backends,
    pub(crate) unknown: UnknownKeys,
    pub(crate) purpose: Purpose<'a>,
}

impl Checking<'_> {
    /// The workspace of the agent `id`, whose `cwd` is `written`.
    pub(crate) fn workspace(&self, written: &str, id: &str) -> PathBuf {
        let home = (self.lookup)("HOME");
        let written = written.trim();
        let placed = written.starts_with("~/").then(|| {
            let path = absolute(written, self.working_directory, home.as_deref());
            path.to_string_lossy().into_owned()
        });
        let token = self.instance.map(|instance| paths::token(instance, id));
        paths::workspace(self.working_directory, placed.as_deref().unwrap_or(written), token.as_deref())
    }

    /// A path of the configuration, from the root.
    pub(crate) fn absolute(&self, written: &str) -> String {
        let home = (self.lookup)("HOME");
        absolute(written.trim(), self.working_directory, home.as_deref()).to_string_lossy().into_owned()
    }
}

/// Whether a key without effect is told on its own, or its map was told already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Each,
    Covered,
}

/// The map of the registry that a backend's keys stand in.
const BACKEND: &str = "agents[].backend";

/// Choices that a message lists; more are left to the hint.
const CHOICES_IN_MESSAGE: usize = 6;

struct Check<'a> {
    by: Checking<'a>,
    findings: Vec<Finding>,
    /// The backend that is looked at.
    scope: Scope,
    /// Keys without effect by the feature that they wait for: names, and where the first one stands.
    waiting: BTreeMap<&'static str, Option<Waiting>>,
    /// Keys that nobody misses, by the reason.
    needless: BTreeMap<&'static str, Option<Waiting>>,
    /// The id of the agent that is looked at.
    agent: String,
    /// Variables that are not set where the configuration is judged, and the finding about the first place of each.
    unset: BTreeMap<String, Finding>,
}

/// What holds inside of one backend.
#[derive(Default)]
struct Scope {
    /// Its type, when that is known.
    kind: Option<String>,
    /// What `${cwd}` stands for.
    workspace: Option<String>,
    /// Keys that mean something to other types only, and where the first one stands.
    idle: Option<Waiting>,
}

struct Waiting {
    names: Vec<&'static str>,
    path: String,
    origin: Origin,
}

impl Waiting {
    /// Adds a key to those that are told together.
    fn add(into: &mut Option<Self>, name: &'static str, path: &str, origin: &Origin) {
        let waiting = into.get_or_insert_with(|| Self {
            names: Vec::new(),
            path: path.to_owned(),
            origin: origin.clone(),
        });
        if !waiting.names.contains(&name) {
            waiting.names.push(name);
        }
    }

    fn list(&self) -> String {
        self.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }
}

/// Checks `root` and puts the values of variables into the texts that have an effect.
pub(crate) fn check(root: &mut Node, by: Checking<'_>) -> Vec<Finding> {
    let mut check = Check {
        by,
        findings: Vec::new(),
        scope: Scope::default(),
        waiting: BTreeMap::new(),
        needless: BTreeMap::new(),
        agent: String::new(),
        unset: BTreeMap::new(),
    };
    check.section(root, "", "", Telling::Each);
    check.finish()
}

impl Check<'_> {
    fn finish(mut self) -> Vec<Finding> {
        for (feature, waiting) in self.waiting {
            let Some(waiting) = waiting else { continue };
            let message = format!("not in this version yet: {feature}; without effect: {}", waiting.list());
            let finding = Finding::notice(waiting.path, message).hint("the run goes on without it");
            self.findings.push(finding.at(&waiting.origin));
        }
        for (because, needless) in self.needless {
            let Some(needless) = needless else { continue };
            let message = format!("without effect: {}; {because}", needless.list());
            let finding = Finding::notice(needless.path, message).hint("remove it: nothing is lost");
            self.findings.push(finding.at(&needless.origin));
        }
        self.findings.extend(self.unset.into_values());
        self.findings
    }

    /// Checks the entries of the map `node` at `pattern` (a path of the registry), shown to people as `shown`.
    fn section(&mut self, node: &mut Node, pattern: &str, shown: &str, telling: Telling) {
        let is_backend = pattern == BACKEND;
        if pattern == "agents[]" {
            node.get("id").and_then(Node::text).unwrap_or_default().clone_into(&mut self.agent);
        }
        if is_backend {
            self.scope = self.scope_of(node);
        }
        let Value::Map(entries) = &mut node.value else {
            return;
        };
        for entry in entries {
            let path = join(shown, &entry.key);
            let known = registry::children(pattern).iter().find(|key| key.name() == entry.key);
            match known {
                Some(key) => self.known(key, entry, &path, telling),
                None => self.unknown(pattern, shown, entry, &path),
            }
        }
        if is_backend {
            self.tell_idle();
        }
    }

    fn scope_of(&self, backend_node: &Node) -> Scope {
        let kind = backend_node.get("type").and_then(Node::text).and_then(|name| self.by.backends.get(name));
        let cwd = backend_node.get("cwd").and_then(Node::text);
        // A variable in it is looked up here, because the key itself may stand behind those that name it.
        let cwd = cwd.and_then(|text| match expand::expand(text, self.by.lookup) {
            Some(expanded) => expanded.unset.is_empty().then_some(expanded.text),
            None => Some(text.to_owned()),
        });
        let workspace = |cwd: String| self.by.workspace(&cwd, &self.agent);
        Scope {
            kind: kind.map(|kind| kind.name.clone()),
            workspace: cwd.map(|cwd| workspace(cwd).to_string_lossy().into_owned()),
            idle: None,
        }
    }

    /// Says once of a backend which of its keys are for other types.
    fn tell_idle(&mut self) {
        let scope = std::mem::take(&mut self.scope);
        if let (Some(kind), Some(idle)) = (scope.kind, scope.idle) {
            let message = format!("without effect on the type `{kind}`: {}", idle.list());
            let finding =
                Finding::notice(idle.path, message).hint("remove it, or choose the type that has it");
            self.findings.push(finding.at(&idle.origin));
        }
    }

    /// Whether the key is for other backend types than the one that is looked at. What `simulated` does with keys of
    /// providers, and a missing capability, is told elsewhere.
    fn is_idle(&self, key: &Key) -> bool {
        let told_elsewhere = SWITCHES.iter().any(|(switch, _)| *switch == key.name());
        self.scope
            .kind
            .as_deref()
            .is_some_and(|kind| kind != "simulated" && !key.applies_to(kind) && key.applies_to_a_provider())
            && !told_elsewhere
    }

    fn known(&mut self, key: &'static Key, entry: &mut Entry, path: &str, telling: Telling) {
        let node = &mut entry.node;
        match key.effect {
            Effect::Refused { use_instead } => self.findings.push(
                Finding::error(path, format!("`{}` cannot be used here", key.name()))
                    .hint(format!("use {use_instead}"))
                    .at(&entry.key_origin),
            ),
            Effect::Deprecated { use_instead } => self.findings.push(
                Finding::warning(path, format!("`{}` has no effect", key.name()))
                    .hint(format!("use {use_instead}"))
                    .at(&entry.key_origin),
            ),
            Effect::Accepted { feature } => {
                let asks = telling == Telling::Each && asks_for_something(key, node);
                if asks && self.is_idle(key) {
                    Waiting::add(&mut self.scope.idle, key.name(), path, &entry.key_origin);
                } else if asks {
                    let waiting = self.waiting.entry(feature).or_default();
                    Waiting::add(waiting, key.name(), path, &entry.key_origin);
                }
                self.value(key, &key.shape, node, path, Telling::Covered);
            }
            Effect::Needless { because } => {
                if telling == Telling::Each && asks_for_something(key, node) {
                    let needless = self.needless.entry(because).or_default();
                    Waiting::add(needless, key.name(), path, &entry.key_origin);
                }
                self.value(key, &key.shape, node, path, Telling::Covered);
            }
            Effect::Note => self.value(key, &key.shape, node, path, Telling::Covered),
            Effect::Active => {
                if self.is_idle(key) && node.value != Value::Null {
                    match self.scope.kind.as_deref().and_then(|kind| self.by.backends.get(kind)) {
                        Some(kind) if key.is_parameter() && kind.support.runs() => {
                            self.findings.push(
                                Finding::error(
                                    path,
                                    format!("`{}` is no parameter of the type `{}`", key.name(), kind.name),
                                )
                                .hint(hint::for_parameter(key, self.by.backends))
                                .at(&entry.key_origin),
                            );
                        }
                        Some(_) | None => {
                            Waiting::add(&mut self.scope.idle, key.name(), path, &entry.key_origin);
                        }
                    }
                }
                self.value(key, &key.shape, node, path, telling);
            }
        }
    }

    fn unknown(&mut self, pattern: &str, shown: &str, entry: &mut Entry, path: &str) {
        let passes = match self.scope.kind.as_deref() {
            Some(kind) => parameters::accepts(kind, &entry.key),
            None => !parameters::takers(&entry.key).is_empty(),
        };
        if pattern == BACKEND && passes {
            let name = entry.key.clone();
            self.expanded(&name, &Shape::Any, &mut entry.node, path);
            return;
        }
        if self.by.unknown == UnknownKeys::Tolerated {
            return;
        }
        let place = if shown.is_empty() { "at the top level".to_owned() } else { format!("in `{shown}`") };
        let finding = Finding::error(path, format!("unknown key `{}` {place}", shortened(&entry.key)));
        // Nobody sees more than so many, and to look for what was meant takes time.
        let hint = if self.findings.len() < FINDINGS * 2 {
            hint::for_unknown(pattern, &entry.key)
        } else {
            "remove it".to_owned()
        };
        self.findings.push(finding.hint(hint).at(&entry.key_origin));
    }

    /// Checks one value against a shape.
    fn value(&mut self, key: &'static Key, shape: &Shape, node: &mut Node, path: &str, telling: Telling) {
        if matches!(node.value, Value::Null) || !self.variables(key, shape, node, path) {
            return;
        }
        let pattern = if key.path == "agent" { "agents[]" } else { key.path };
        if matches!(node.value, Value::Map(_)) && shape.allows_section() {
            return self.section(node, pattern, path, telling);
        }
        match (shape, &mut node.value) {
            (Shape::List(item), Value::List(items)) => {
                for (i, element) in items.iter_mut().enumerate() {
                    self.value(key, item, element, &format!("{path}[{i}]"), telling);
                }
            }
            (Shape::Sections | Shape::NamedSections, Value::List(items)) => {
                for (i, element) in items.iter_mut().enumerate() {
                    self.element(key, element, &format!("{path}[{i}]"), telling);
                }
            }
            (Shape::NamedSections, Value::Map(entries)) => {
                for entry in entries {
                    self.element(key, &mut entry.node, &join(path, &entry.key), telling);
                }
            }
            _ => {
                if !fits(shape, node) {
                    self.wrong(key, shape, node, path);
                }
            }
        }
    }

    fn element(&mut self, key: &'static Key, node: &mut Node, path: &str, telling: Telling) {
        if let Value::Map(_) = node.value {
            self.section(node, &registry::element(key), path, telling);
        } else {
            self.wrong(key, &Shape::Section, node, path);
        }
    }

    fn wrong(&mut self, key: &'static Key, shape: &Shape, node: &Node, path: &str) {
        let is = match (&node.origin, shape) {
            (_, Shape::Secret) => "something else".to_owned(),
            (Origin::Environment { variables, .. }, _) => {
                format!("the value of `{}`", variables.join("`, `"))
            }
            (Origin::File(_) | Origin::Flag(_) | Origin::BuiltIn, _) => node.describe(),
        };
        let message = match shape {
            // The hint lists them.
            Shape::Choice(choices) if choices.len() > CHOICES_IN_MESSAGE => {
                format!("`{}` cannot be {is}", key.name())
            }
            _ => format!("`{}` must be {}, not {is}", key.name(), shape.wanted()),
        };
        let finding = Finding::error(path, message);
        self.findings.push(finding.hint(hint::for_wrong(key, shape, node)).at(&node.origin));
    }

    /// Puts the values of variables into the texts of a value that has an effect. `false` when that cannot be done,
    /// or when the text waits for a variable and so cannot be checked.
    fn variables(&mut self, key: &'static Key, shape: &Shape, node: &mut Node, path: &str) -> bool {
        if let Shape::Later(_) = shape {
            self.later(node, path);
            return true;
        }
        if shape.allows_section()
            || matches!(shape, Shape::Secret | Shape::Headers | Shape::Sections | Shape::NamedSections)
        {
            // A key itself is looked up when it is needed.
            if matches!(shape, Shape::Secret)
                && let Some(expanded) = node.text().and_then(|text| expand::expand(text, self.by.lookup))
            {
                self.tell_unset(&expanded, node, path);
            }
            return true;
        }
        if key.effect == Effect::Active {
            return self.expanded(key.name(), shape, node, path);
        }
        // Nothing is looked up for a key without effect.
        node.text().is_none_or(|text| !text.contains("${"))
    }

    /// Puts the values of variables into the texts of `node`, the value of the key `name`. `false` when that cannot be
    /// done, or when the value waits for a variable and so cannot be checked.
    fn expanded(&mut self, name: &str, shape: &Shape, node: &mut Node, path: &str) -> bool {
        match (&mut node.value, &node.origin) {
            (Value::Text(text), Origin::File(span)) => {
                let workspace = self.scope.workspace.clone();
                let lookup = |variable: &str| match (variable, &workspace) {
                    ("cwd", Some(workspace)) => Some(workspace.clone()),
                    _ => (self.by.lookup)(variable),
                };
                let Some(expanded) = expand::expand(text, &lookup) else {
                    return true;
                };
                if matches!(self.by.purpose, Purpose::Judge { .. }) {
                    self.tell_unset(&expanded, node, path);
                    self.refuse_secret_variables(name, &expanded, node, path);
                    return matches!(shape, Shape::Text | Shape::Any);
                }
                // The workspace is no variable of the environment.
                let is_variable = |name: &&String| name.as_str() != "cwd" || workspace.is_none();
                let variables: Vec<_> = expanded.variables.iter().filter(is_variable).cloned().collect();
                let origin = if variables.is_empty() {
                    Origin::File(*span)
                } else {
                    Origin::Environment { variables, span: *span }
                };
                if !self.may_be_used(name, &expanded, node, path) {
                    return false;
                }
                node.value = typed(shape, expanded.text);
                node.origin = origin;
                true
            }
            (Value::List(items), _) if !matches!(shape, Shape::List(_)) => {
                items.iter_mut().all(|item| self.expanded(name, &Shape::Any, item, path))
            }
            (Value::Map(entries), _) => entries
                .iter_mut()
                .all(|entry| self.expanded(name, &Shape::Any, &mut entry.node, &join(path, &entry.key))),
            _ => true,
        }
    }

    /// Puts the workspace into texts whose variables are looked up when they are used, and tells of variables that are
    /// not set.
    fn later(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::Text(text) => {
                if let Some(workspace) = &self.scope.workspace {
                    *text = text.replace("${cwd}", workspace);
                }
                let Some(expanded) = expand::expand(text, self.by.lookup) else { return };
                if let Purpose::Judge { .. } = self.by.purpose {
                    self.tell_unset(&expanded, node, path);
                    return;
                }
                for name in expanded.unset {
                    let message =
                        format!("the environment variable `{name}` is not set, and the server needs it");
                    let finding =
                        Finding::warning(path, message).hint(hint::for_unset(&name)).at(&node.origin);
                    self.unset.entry(name).or_insert(finding);
                }
            }
            Value::List(items) => items.iter_mut().for_each(|item| self.later(item, path)),
            Value::Map(entries) => {
                for entry in entries {
                    self.later(&mut entry.node, &join(path, &entry.key));
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
        }
    }

    /// Where a configuration is judged, tells of the variables that a run will miss, each once.
    fn tell_unset(&mut self, expanded: &Expanded, node: &Node, path: &str) {
        let Purpose::Judge { environment } = self.by.purpose else {
            return;
        };
        for name in expanded.unset.iter().filter(|name| environment(name).is_none()) {
            self.unset.entry(name.clone()).or_insert_with_key(|name| {
                Finding::notice(
                    path,
                    format!("the environment variable `{name}` is not set here, and a run needs it"),
                )
                .hint(hint::for_unset(name))
                .at(&node.origin)
            });
        }
    }

    fn may_be_used(&mut self, key: &str, expanded: &Expanded, node: &Node, path: &str) -> bool {
        for name in &expanded.unset {
            let finding = Finding::error(path, format!("the environment variable `{name}` is not set"));
            self.findings.push(finding.hint(hint::for_unset(name)).at(&node.origin));
        }
        self.refuse_secret_variables(key, expanded, node, path) && expanded.unset.is_empty()
    }

    /// `true` when no variable in the value of `key` looks like that of a secret.
    fn refuse_secret_variables(&mut self, key: &str, expanded: &Expanded, node: &Node, path: &str) -> bool {
        let Some(name) = expanded.variables.iter().find(|name| variable_names_a_secret(name)) else {
            return true;
        };
        let message = format!("`${{{name}}}` looks like a key and cannot stand in `{}`", shortened(key));
        let hint = "keys are read only through `api_key`; everything else is kept in the run's files";
        self.findings.push(Finding::error(path, message).hint(hint).at(&node.origin));
        false
    }
}

/// A value that came out of the environment as text, as the shape wants it.
fn typed(shape: &Shape, text: String) -> Value {
    let word = text.trim();
    match shape {
        Shape::Bool => match word {
            "true" | "True" => Value::Bool(true),
            "false" | "False" => Value::Bool(false),
            _ => Value::Text(text),
        },
        Shape::Int(..) => word.parse().map_or(Value::Text(text), Value::Int),
        Shape::Number(..) => match word.parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            Ok(_) | Err(_) => Value::Text(text),
        },
        Shape::Text
        | Shape::Secret
        | Shape::Choice(_)
        | Shape::List(_)
        | Shape::Section
        | Shape::Sections
        | Shape::NamedSections
        | Shape::Headers
        | Shape::Open
        | Shape::Later(_)
        | Shape::Any
        | Shape::Either(_) => Value::Text(text),
    }
}

/// Whether a value fits a shape; the insides of maps are not looked at.
pub(crate) fn fits(shape: &Shape, node: &Node) -> bool {
    match (shape, &node.value) {
        (Shape::Any, _)
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Text | Shape::Secret, Value::Text(_))
        | (Shape::Section | Shape::Open | Shape::NamedSections, Value::Map(_))
        | (Shape::Sections | Shape::NamedSections, Value::List(_)) => true,
        (Shape::Headers, Value::Map(entries)) => entries.iter().all(|entry| entry.node.text().is_some()),
        (Shape::Int(min, max), Value::Int(value)) => (i128::from(*min)..=i128::from(*max)).contains(value),
        (Shape::Number(min, max), _) => node.number().is_some_and(|value| (*min..=*max).contains(&value)),
        (Shape::Choice(choices), Value::Text(text)) => choices.contains(&text.as_str()),
        (Shape::List(item), Value::List(items)) => items.iter().all(|element| fits(item, element)),
        (Shape::Later(same), _) => fits(same, node),
        (Shape::Either(shapes), _) => shapes.iter().any(|shape| fits(shape, node)),
        _ => false,
    }
}

/// Whether the value of a key without effect asks for anything beyond what happens anyway.
fn asks_for_something(key: &Key, node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => false,
        Value::Text(text) if text.is_empty() => false,
        Value::List(items) if items.is_empty() => false,
        Value::Map(entries) if entries.is_empty() => false,
        Value::Map(_) if node.get("enabled").and_then(Node::bool) == Some(false) => false,
        Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => !is_default(key, node),
        Value::Map(entries) if key.shape.allows_section() => entries.iter().any(|entry| {
            let child = registry::children(key.path).iter().find(|child| child.name() == entry.key);
            child.is_none_or(|child| asks_for_something(child, &entry.node))
        }),
        Value::List(_) | Value::Map(_) => true,
    }
}

fn is_default(key: &Key, node: &Node) -> bool {
    let default = crate::node::parse(&crate::source::Source::new("default", key.default));
    default.is_ok_and(|default| {
        default.value == node.value || default.number().is_some() && default.number() == node.number()
    })
}

pub(crate) fn join(path: &str, name: &str) -> String {
    let name = shortened(name);
    if path.is_empty() { name } else { format!("{path}.{name}") }
}

/// A name from a file, fit for a message.
pub(crate) fn shortened(name: &str) -> String {
    const LONGEST: usize = 60;
    let visible = |c: char| if steers_terminals(c) { '?' } else { c };
    let mut short: String = name.chars().take(LONGEST).map(visible).collect();
    if name.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

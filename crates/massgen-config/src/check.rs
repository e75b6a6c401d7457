//! The check of a written configuration against the registry: unknown keys, wrong values, keys without effect, and the
//! variables of the environment that it names.

use std::collections::BTreeMap;

use crate::expand::{self, Expanded};
use crate::finding::Finding;
use crate::node::{Entry, Node, Origin, Value};
use crate::registry::{self, Effect, Key, Shape};
use crate::source::{steers_terminals, variable_names_a_secret};

/// Looks up a variable of the environment; `None` when it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What the check makes of keys that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownKeys {
    Refused,
    Tolerated,
}

/// Whether a key without effect is told on its own, or its map was told already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    Each,
    Covered,
}

/// Choices that a message lists; more are left to the hint.
const CHOICES_IN_MESSAGE: usize = 6;

struct Check<'a> {
    lookup: Lookup<'a>,
    unknown: UnknownKeys,
    findings: Vec<Finding>,
    /// Keys without effect by the feature that they wait for: names, and where the first one stands.
    waiting: BTreeMap<&'static str, Waiting>,
}

struct Waiting {
    names: Vec<&'static str>,
    path: String,
    origin: Origin,
}

/// Checks `root` and puts the values of variables into the texts that have an effect.
pub(crate) fn check(root: &mut Node, lookup: Lookup<'_>, unknown: UnknownKeys) -> Vec<Finding> {
    let mut check = Check { lookup, unknown, findings: Vec::new(), waiting: BTreeMap::new() };
    check.section(root, "", "", Telling::Each);
    check.finish()
}

impl Check<'_> {
    fn finish(mut self) -> Vec<Finding> {
        for (feature, waiting) in self.waiting {
            let names: Vec<_> = waiting.names.iter().map(|name| format!("`{name}`")).collect();
            self.findings.push(
                Finding::notice(
                    waiting.path,
                    format!("not in this version yet: {feature}; without effect: {}", names.join(", ")),
                )
                .hint("the run goes on without it")
                .at(&waiting.origin),
            );
        }
        self.findings
    }

    /// Checks the entries of the map `node` at `pattern` (a path of the registry), shown to people as `shown`.
    fn section(&mut self, node: &mut Node, pattern: &str, shown: &str, telling: Telling) {
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
                if asks {
                    let waiting = self.waiting.entry(feature).or_insert_with(|| Waiting {
                        names: Vec::new(),
                        path: path.to_owned(),
                        origin: entry.key_origin.clone(),
                    });
                    if !waiting.names.contains(&key.name()) {
                        waiting.names.push(key.name());
                    }
                }
                self.value(key, &key.shape, node, path, Telling::Covered);
            }
            Effect::Active => self.value(key, &key.shape, node, path, telling),
        }
    }

    fn unknown(&mut self, pattern: &str, shown: &str, entry: &Entry, path: &str) {
        if self.unknown == UnknownKeys::Tolerated {
            return;
        }
        let place = if shown.is_empty() { "at the top level".to_owned() } else { format!("in `{shown}`") };
        let finding = Finding::error(path, format!("unknown key `{}` {place}", shortened(&entry.key)));
        self.findings.push(finding.hint(hint_for_unknown(pattern, &entry.key)).at(&entry.key_origin));
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
            self.section(node, &format!("{}[]", key.path), path, telling);
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
        self.findings.push(finding.hint(hint_for_wrong(key, shape, node)).at(&node.origin));
    }

    /// Puts the values of variables into the texts of a value that has an effect. `false` when that cannot be done,
    /// or when the text waits for a variable and so cannot be checked.
    fn variables(&mut self, key: &'static Key, shape: &Shape, node: &mut Node, path: &str) -> bool {
        if shape.allows_section() || matches!(shape, Shape::Secret | Shape::Sections | Shape::NamedSections) {
            return true;
        }
        match (&mut node.value, &node.origin) {
            (Value::Text(text), Origin::File(span)) => {
                if key.effect != Effect::Active {
                    return !text.contains("${");
                }
                let Some(expanded) = expand::expand(text, self.lookup) else {
                    return true;
                };
                let origin = Origin::Environment { variables: expanded.variables.clone(), span: *span };
                if !self.may_be_used(key, &expanded, node, path) {
                    return false;
                }
                node.value = typed(shape, expanded.text);
                node.origin = origin;
                true
            }
            (Value::List(items), _) if !matches!(shape, Shape::List(_)) => {
                items.iter_mut().all(|item| self.variables(key, &Shape::Any, item, path))
            }
            (Value::Map(entries), _) => entries
                .iter_mut()
                .all(|entry| self.variables(key, &Shape::Any, &mut entry.node, &join(path, &entry.key))),
            _ => true,
        }
    }

    fn may_be_used(&mut self, key: &'static Key, expanded: &Expanded, node: &Node, path: &str) -> bool {
        for name in &expanded.unset {
            self.findings.push(
                Finding::error(path, format!("the environment variable `{name}` is not set"))
                    .hint(format!(
                        "set `{name}`, for example in `.env`, or write the value in place of `${{{name}}}`"
                    ))
                    .at(&node.origin),
            );
        }
        let secrets: Vec<_> =
            expanded.variables.iter().filter(|name| variable_names_a_secret(name)).collect();
        if let Some(name) = secrets.first() {
            self.findings.push(
                Finding::error(
                    path,
                    format!("`${{{name}}}` looks like a key and cannot stand in `{}`", key.name()),
                )
                .hint("keys are read only through `api_key`; everything else is kept in the run's files")
                .at(&node.origin),
            );
        }
        expanded.unset.is_empty() && secrets.is_empty()
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
        Shape::Text | Shape::Secret | Shape::Choice(_) | Shape::List(_) | Shape::Section => Value::Text(text),
        Shape::Sections | Shape::NamedSections | Shape::Open | Shape::Any | Shape::Either(_) => {
            Value::Text(text)
        }
    }
}

/// Whether a value fits a shape; the insides of maps are not looked at.
fn fits(shape: &Shape, node: &Node) -> bool {
    match (shape, &node.value) {
        (Shape::Any, _)
        | (Shape::Bool, Value::Bool(_))
        | (Shape::Text | Shape::Secret, Value::Text(_))
        | (Shape::Section | Shape::Open | Shape::NamedSections, Value::Map(_))
        | (Shape::Sections | Shape::NamedSections, Value::List(_)) => true,
        (Shape::Int(min, max), Value::Int(value)) => (i128::from(*min)..=i128::from(*max)).contains(value),
        (Shape::Number(min, max), _) => node.number().is_some_and(|value| (*min..=*max).contains(&value)),
        (Shape::Choice(choices), Value::Text(text)) => choices.contains(&text.as_str()),
        (Shape::List(item), Value::List(items)) => items.iter().all(|element| fits(item, element)),
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

fn hint_for_unknown(pattern: &str, name: &str) -> String {
    const LISTED: usize = 12;
    /// Places that a hint names at most; a name that stands in more says nothing.
    const PLACES: usize = 2;
    /// Shortest name that is not in use for anything.
    const TELLING_NAME: usize = 6;
    let usable = |key: &&Key| !matches!(key.effect, Effect::Refused { .. } | Effect::Deprecated { .. });
    let siblings = || registry::children(pattern).iter().copied().filter(usable);
    let near = nearest(name, siblings().map(Key::name));
    // A slip of one letter is likelier than a wrong place, and a wrong place than a word that is only similar.
    if let Some(meant) = near.filter(|meant| strsim::damerau_levenshtein(name, meant) <= 1) {
        return format!("did you mean `{meant}`?");
    }
    let mut places: Vec<&str> =
        registry::keys().filter(usable).filter(|key| key.name() == name).map(Key::parent).collect();
    places.dedup();
    if (1..=PLACES).contains(&places.len()) && name.len() >= TELLING_NAME {
        let places: Vec<_> = places
            .iter()
            .map(|place| if place.is_empty() { "the top level".to_owned() } else { format!("`{place}`") })
            .collect();
        return format!("`{name}` belongs into {}", places.join(" or "));
    }
    if let Some(meant) = near {
        return format!("did you mean `{meant}`?");
    }
    if pattern == "agents[].backend" {
        return "a parameter that only the provider knows goes under `extra_body`".to_owned();
    }
    let names: Vec<_> = siblings().map(|key| format!("`{}`", key.name())).collect();
    match names.get(..LISTED) {
        Some(first) if names.len() > LISTED => format!("keys here are {}, …", first.join(", ")),
        _ if names.is_empty() => "remove it".to_owned(),
        _ => format!("keys here are {}", names.join(", ")),
    }
}

fn hint_for_wrong(key: &Key, shape: &Shape, node: &Node) -> String {
    match (shape, &node.value) {
        (Shape::Text, Value::Int(_) | Value::Float(_) | Value::Bool(_)) => {
            "put it in quotes to make it a text".to_owned()
        }
        (Shape::Choice(choices), Value::Text(text)) => nearest(text, choices.iter().copied()).map_or_else(
            || format!("it is one of {}", shape.wanted()),
            |meant| format!("did you mean `{meant}`?"),
        ),
        (Shape::Bool | Shape::Int(..) | Shape::Number(..), Value::Text(text)) if is_quoted(shape, text) => {
            "write it without quotes".to_owned()
        }
        (Shape::Bool | Shape::Int(..) | Shape::Number(..), Value::Text(text)) if text.contains("${") => {
            "set the variable to such a value".to_owned()
        }
        _ => format!("for example `{}: {}`", key.name(), key.example),
    }
}

/// Whether a text would be the value that is wanted, but for its quotes.
fn is_quoted(shape: &Shape, text: &str) -> bool {
    let bare = crate::node::parse(&crate::source::Source::new("value", text));
    bare.is_ok_and(|bare| fits(shape, &bare))
}

/// The name that `typed` was most likely meant to be.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LONGEST: usize = 64;
    if typed.len() > LONGEST {
        return None;
    }
    let plain = |name: &str| name.to_lowercase().replace(['-', ' ', '.'], "_");
    let typed = plain(typed);
    names
        .map(|name| (strsim::damerau_levenshtein(&typed, &plain(name)), name))
        .filter(|(distance, name)| *distance <= (typed.chars().count().min(name.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
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

//! The written level: a tree of values, each with the place or flag it came from.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::budget::BudgetBreach;

use crate::check::shortened;
use crate::json;
use crate::source::{Source, Span};

/// Longest configuration text that is read, in bytes. The largest known one has 20 KB.
pub const SOURCE_BYTES: usize = 2 * 1024 * 1024;

/// Most values of one configuration, aliases expanded.
const NODES: usize = 100_000;

/// Deepest nesting of one configuration.
const DEPTH: usize = 48;

/// Most merges of maps by `<<` in one configuration.
const MERGES: usize = 1000;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration file, at this place.
    File(Span),
    /// A command line flag, with its dashes.
    Flag(&'static str),
    /// Environment variables named in the file at this place.
    Environment {
        /// Names, in order of appearance.
        variables: Vec<String>,
        /// The place that names them.
        span: Span,
    },
    /// massgen itself, for the team that runs when nothing is configured.
    BuiltIn,
}

impl Origin {
    /// The place in the file, if there is one.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::File(span) | Self::Environment { span, .. } => Some(*span),
            Self::Flag(_) | Self::BuiltIn => None,
        }
    }
}

/// One written value.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// The value.
    pub value: Value,
    /// Where it comes from.
    pub origin: Origin,
}

/// The shapes of a written value.
#[derive(Clone, PartialEq)]
pub enum Value {
    /// `null` or nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number, finite.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A map, in written order, without duplicate keys.
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key stands.
    pub key_origin: Origin,
    /// The value.
    pub node: Node,
}

impl Node {
    /// A value that a flag or massgen itself puts in.
    pub(crate) fn new(value: Value, origin: Origin) -> Self {
        Self { value, origin }
    }

    /// The entries, when this is a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        if let Value::Map(entries) = &self.value { Some(entries) } else { None }
    }

    /// The value under `key`, when this is a map that has it; a written `null` counts as absent.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let entry = self.entries()?.iter().find(|entry| entry.key == key)?;
        if entry.node.value == Value::Null { None } else { Some(&entry.node) }
    }

    /// The entry of `key`, `null` included.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// The text, when this is one.
    pub fn text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// The truth value, when this is one.
    pub fn bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self.value { Some(value) } else { None }
    }

    /// The whole number, when this is one that fits.
    pub fn int<T: TryFrom<i128>>(&self) -> Option<T> {
        if let Value::Int(value) = self.value { T::try_from(value).ok() } else { None }
    }

    /// The number, when this is one.
    #[expect(clippy::cast_precision_loss, reason = "settings are compared with ranges far below 2^53")]
    pub fn number(&self) -> Option<f64> {
        match self.value {
            Value::Int(value) => Some(value as f64),
            Value::Float(value) => Some(value),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The elements, when this is a list.
    pub fn list(&self) -> Option<&[Self]> {
        if let Value::List(items) = &self.value { Some(items) } else { None }
    }

    /// What it is, in words a person uses: `a list`, `the text "x"`, `the number 3`.
    pub(crate) fn describe(&self) -> String {
        const SHOWN: usize = 40;
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("`{value}`"),
            Value::Int(value) => format!("the number `{value}`"),
            Value::Float(value) => format!("the number `{value}`"),
            Value::Text(text) if text.chars().count() > SHOWN => {
                format!("the text `{}…`", text.chars().take(SHOWN).collect::<String>().escape_debug())
            }
            Value::Text(text) => format!("the text `{}`", text.escape_debug()),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a map".to_owned(),
        }
    }

    /// Puts `value` at a path of keys, making the maps on the way. Where something else than a map stands in the way
    /// nothing happens: the check says what is wrong there.
    pub(crate) fn set(&mut self, path: &[&str], value: Value, origin: &Origin) {
        let Some((key, rest)) = path.split_first() else {
            *self = Self::new(value, origin.clone());
            return;
        };
        if self.value == Value::Null {
            *self = Self::new(Value::Map(Vec::new()), origin.clone());
        }
        let Value::Map(entries) = &mut self.value else {
            return;
        };
        let position = entries.iter().position(|entry| entry.key == *key);
        if let Some(entry) = position.and_then(|at| entries.get_mut(at)) {
            entry.node.set(rest, value, origin);
        } else {
            let mut node = Self::new(Value::Null, origin.clone());
            node.set(rest, value, origin);
            entries.push(Entry { key: (*key).to_owned(), key_origin: origin.clone(), node });
        }
    }

    /// The tree as JSON, secrets and all: what is shown or kept is made of a tree that is covered.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => i64::try_from(*value)
                .map(serde_json::Value::from)
                .or_else(|_| u64::try_from(*value).map(serde_json::Value::from))
                .unwrap_or_else(|_| value.to_string().into()),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Self::to_json).collect(),
            Value::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), entry.node.to_json()));
                entries.collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
}

/// Shows shapes and keys, never texts: a text may be a key of a provider.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Int(_) | Self::Float(_) => f.write_str("number"),
            Self::Text(text) => write!(f, "text of {} bytes", text.len()),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Map(entries) => f.debug_map().entries(entries.iter().map(|e| (&e.key, &e.node))).finish(),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.key, self.node)
    }
}

/// Why a text is no configuration, where, and what to do about it.
#[derive(Debug, Clone)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) span: Option<Span>,
    pub(crate) hint: &'static str,
}

/// What to do about a text that breaks the rules of YAML.
const MEND: &str = "check the indentation, the quotes and the brackets here and in the line above";

/// What to do about a key that a map has twice.
const TWICE: &str = "write it once, with all that belongs to it";

/// What to do about a text that is too much.
const LOOK: &str = "a configuration has a few hundred values; check that this is the right file";

/// Reads YAML into a tree; of a source that is JSON by its name, only what JSON allows.
pub(crate) fn parse(source: &Source) -> Result<Node, SyntaxError> {
    let text = source.text();
    if text.len() > SOURCE_BYTES {
        let message = format!("the file has {} bytes; at most {SOURCE_BYTES} are read", text.len());
        return Err(SyntaxError { message, span: None, hint: LOOK });
    }
    if source.is_json() {
        json::check(source)?;
    }
    let options = serde_saphyr::options! {
        strict_booleans: true,
        ignore_binary_tag_for_string: true,
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_nodes: NODES,
            max_events: NODES * 4,
            max_depth: DEPTH,
            flow_nesting_limit: DEPTH,
            max_total_scalar_bytes: SOURCE_BYTES * 4,
            max_merge_keys: MERGES,
        },
    };
    let mut node: Node =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax_error(&error, source))?;
    classic_booleans(&mut node, source);
    Ok(node)
}

fn syntax_error(error: &serde_saphyr::Error, source: &Source) -> SyntaxError {
    let plain = error.without_snippet();
    let span = plain.location().and_then(|location| {
        span_of(location)
            .or_else(|| source.place(location.line().try_into().ok()?, location.column().try_into().ok()?))
    });
    if let serde_saphyr::Error::Budget { breach, .. } = plain {
        return SyntaxError { message: too_much(breach), span, hint: LOOK };
    }
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = plain {
        let named =
            key.as_ref().map_or_else(|| "a key".to_owned(), |key| format!("the key `{}`", shortened(key)));
        return SyntaxError { message: format!("{named} stands here a second time"), span, hint: TWICE };
    }
    let options = serde_saphyr::render_options! {
        formatter: &serde_saphyr::UserMessageFormatter,
        snippets: serde_saphyr::SnippetMode::Off,
    };
    let mut message = plain.render_with_options(options);
    // The place is shown beside the message, not in it.
    if let Some(at) = message.find(" at line ") {
        message.truncate(at);
    }
    let message = message.trim_end_matches(['.', ' ']);
    // The scanner has a limit of its own for brackets and no error of its own for it.
    if message == "recursion limit exceeded" {
        return SyntaxError { message: too_deep(), span, hint: LOOK };
    }
    // A limit that is broken by an alias comes as the text of the error of that alias.
    if message.contains("limits breached") {
        let message = "`*aliases` repeat more than a configuration may hold".to_owned();
        return SyntaxError { message, span, hint: LOOK };
    }
    SyntaxError { message: message.to_owned(), span, hint: MEND }
}

/// What a text has too much of.
fn too_much(breach: &BudgetBreach) -> String {
    match breach {
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => {
            format!("more than {NODES} values, with those that `*aliases` repeat")
        }
        BudgetBreach::ScalarBytes { .. } => {
            format!("more than {} bytes of text, with those that `*aliases` repeat", SOURCE_BYTES * 4)
        }
        BudgetBreach::Depth { .. } => too_deep(),
        BudgetBreach::MergeKeys { .. } => format!("more than {MERGES} maps are merged by `<<`"),
        // What else the parser counts is about anchors, aliases and documents.
        _ => "too many anchors, aliases or documents".to_owned(),
    }
}

fn too_deep() -> String {
    format!("nested deeper than {DEPTH} levels")
}

fn span_of(location: serde_saphyr::Location) -> Option<Span> {
    let place = location.span();
    Some(Span {
        line: u32::try_from(location.line()).ok().filter(|line| *line > 0)?,
        column: u32::try_from(location.column()).ok().filter(|column| *column > 0)?,
        start: usize::try_from(place.byte_offset()?).ok()?,
        length: usize::try_from(place.byte_len().unwrap_or(0)).ok()?,
    })
}

/// Plain `yes`, `no`, `on`, `off` are truth values, as the Python program reads them. Quoted ones stay texts.
fn classic_booleans(node: &mut Node, source: &Source) {
    match &mut node.value {
        Value::Text(text) => {
            let meant = match text.as_str() {
                "yes" | "Yes" | "YES" | "on" | "On" | "ON" => true,
                "no" | "No" | "NO" | "off" | "Off" | "OFF" => false,
                _ => return,
            };
            let quoted =
                node.origin.span().and_then(|span| source.slice(span)).is_none_or(|raw| raw.trim() != text);
            if !quoted {
                node.value = Value::Bool(meant);
            }
        }
        Value::List(items) => items.iter_mut().for_each(|item| classic_booleans(item, source)),
        Value::Map(entries) => entries.iter_mut().for_each(|entry| classic_booleans(&mut entry.node, source)),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self { value: spanned.value, origin: origin_of(spanned.referenced) })
    }
}

fn origin_of(location: serde_saphyr::Location) -> Origin {
    Origin::File(span_of(location).unwrap_or(Span { line: 1, column: 1, start: 0, length: 0 }))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Int(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        if value.is_finite() { Ok(Value::Float(value)) } else { Err(E::custom("a number must be finite")) }
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Node>()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let node = map.next_value()?;
            entries.push(Entry { key: key.value, key_origin: origin_of(key.referenced), node });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;

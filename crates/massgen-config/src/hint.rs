//! What to do about an unknown key or a wrong value.

use crate::backends::{BackendType, Backends};
use crate::check::fits;
use crate::node::{Node, Value};
use crate::parameters;
use crate::registry::{self, Effect, Key, Shape};

/// The hint for a key `name` that the map at `pattern` does not have.
pub(crate) fn for_unknown(pattern: &str, name: &str) -> String {
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
        let takers = parameters::takers(name);
        if takers.is_empty() {
            return "a parameter that only the provider knows goes under `extra_body`".to_owned();
        }
        let takers: Vec<_> = takers.iter().map(|kind| format!("`{kind}`")).collect();
        return format!("it is a parameter of {}; for others put it under `extra_body`", takers.join(", "));
    }
    let names: Vec<_> = siblings().map(|key| format!("`{}`", key.name())).collect();
    match names.get(..LISTED) {
        Some(first) if names.len() > LISTED => format!("keys here are {}, …", first.join(", ")),
        _ if names.is_empty() => "remove it".to_owned(),
        _ => format!("keys here are {}", names.join(", ")),
    }
}

/// The hint for a parameter of other types.
pub(crate) fn for_parameter(key: &Key, backends: &Backends) -> String {
    /// Types that a hint names at most.
    const NAMED: usize = 4;
    let takes = |kind: &&BackendType| kind.support.runs() && key.applies_to(&kind.name);
    let types: Vec<String> =
        backends.types().iter().filter(takes).map(|kind| format!("`{}`", kind.name)).collect();
    let named = types.get(..NAMED).unwrap_or(&types).join(", ");
    let more = if types.len() > NAMED { " and others" } else { "" };
    format!("remove it: it is one of {named}{more}; what only the provider knows goes under `extra_body`")
}

/// The hint for a value that does not have the shape of its key.
pub(crate) fn for_wrong(key: &Key, shape: &Shape, node: &Node) -> String {
    match (shape, &node.value) {
        (Shape::Choice(_), Value::Text(text))
            if key.path == "agents[].backend.mcp_servers[].type" && text == "sse" =>
        {
            "the protocol has given `sse` up: ask who runs the server for its `streamable-http` address"
                .to_owned()
        }
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

/// The hint for a variable of the environment that is not set.
pub(crate) fn for_unset(name: &str) -> String {
    if name == "cwd" {
        return "`${cwd}` is the workspace of an agent: give its `backend` a `cwd`".to_owned();
    }
    format!("set `{name}`, for example in `.env`, or write the value in place of `${{{name}}}`")
}

/// Whether a text would be the value that is wanted, but for its quotes.
fn is_quoted(shape: &Shape, text: &str) -> bool {
    let bare = crate::node::parse(&crate::source::Source::new("value", text));
    bare.is_ok_and(|bare| fits(shape, &bare))
}

/// The name that `typed` was most likely meant to be; nothing when none is near.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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

//! Taking what may be a secret out of a server of tools, with names in its place.

use super::{Certainty, Found, Part, Under, Walk, names_a_place};
use crate::node::{Entry, Node, Origin, Value};

/// Something that was taken out.
pub(crate) struct Taken<'a> {
    pub(crate) text: &'a str,
    /// Where it stands, or the key that it stands under.
    pub(crate) at: &'a Origin,
    pub(crate) certainty: Certainty,
}

/// The map `server` of a server of tools with everything that is covered where it is shown replaced by what `name` makes
/// of it. Places, which a server needs more often than not, stay unless they are made like keys.
pub(crate) fn apart(server: &Node, name: &mut dyn FnMut(&Taken<'_>) -> String) -> Node {
    let mut walk = Walk { found: Vec::new() };
    walk.covered(server, Under::Server, "mcp_servers", &server.origin);
    replaced(server, &walk.found, name)
}

fn replaced(node: &Node, found: &[Found<'_>], name: &mut dyn FnMut(&Taken<'_>) -> String) -> Node {
    let secret = found.iter().find(|found| std::ptr::eq(found.node, node));
    let whole = |text: &str, secret: &Found<'_>, name: &mut dyn FnMut(&Taken<'_>) -> String| {
        Value::Text(name(&Taken { text, at: secret.at, certainty: Certainty::Likely }))
    };
    let value = match (&node.value, secret) {
        (Value::List(items), _) => {
            Value::List(items.iter().map(|item| replaced(item, found, name)).collect())
        }
        (Value::Map(entries), _) => {
            let entry = |entry: &Entry| Entry { node: replaced(&entry.node, found, name), ..entry.clone() };
            Value::Map(entries.iter().map(entry).collect())
        }
        (value, None) | (value @ (Value::Null | Value::Bool(_)), Some(_)) => value.clone(),
        (Value::Text(text), Some(secret)) => Value::Text(with_names(text, secret, name)),
        (Value::Int(number), Some(secret)) => whole(&number.to_string(), secret, name),
        (Value::Float(number), Some(secret)) => whole(&number.to_string(), secret, name),
    };
    Node { value, origin: node.origin.clone() }
}

fn with_names(text: &str, secret: &Found<'_>, name: &mut dyn FnMut(&Taken<'_>) -> String) -> String {
    let mut parts: Vec<&Part> = secret.parts.iter().collect();
    parts.sort_by_key(|part| (part.range.start, part.range.end));
    let mut out = String::new();
    let mut copied = 0;
    for part in parts {
        let start = part.range.start.max(copied);
        let Some(taken) = text.get(start..part.range.end).filter(|taken| !taken.is_empty()) else { continue };
        // The variables in such a text are looked up later.
        if part.certainty == Certainty::Possible && (names_a_place(taken) || taken.contains("${")) {
            continue;
        }
        out.push_str(text.get(copied..start).unwrap_or_default());
        out.push_str(&name(&Taken { text: taken, at: secret.at, certainty: part.certainty }));
        copied = part.range.end;
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn keys_give_way_to_names_and_places_stay() {
        let text = "{command: 'run --token sk-canary-0123456789 --port 80', args: ['--header', 'X-Key: sk-canary-0123456789'], \
                    env: {API_KEY: 'abc', OTHER_KEY: '${X}', MODE: read-only, LEVEL: high, PIN_TOKEN: 12345, DATA: /home/me/data, BASE: 'v1-${X}'}, \
                    url: 'https://me:secret99@example.org/mcp'}";
        let server = crate::node::parse(&Source::new("c", text)).unwrap();
        let mut taken = Vec::new();
        let open = apart(&server, &mut |part| {
            taken.push(format!("{:?} {}", part.certainty, part.text));
            format!("<{}>", taken.len())
        });
        insta::assert_snapshot!(format!("{:#}\n{}", open.to_json(), taken.join("\n")));
    }
}

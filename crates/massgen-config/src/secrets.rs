//! What in a configuration is a secret: the one place that knows. All that is shown or kept is covered by it.
//!
//! Covered is
//!
//! * the value of a key whose name says so (`api_key`, `GITHUB_TOKEN`, `Authorization`), also in a list;
//! * every value below `env` and `headers` that is not clearly harmless: a truth value, a number of up to six digits, one
//!   plain word without digits, a media type. Harmless names hold keys too (`NOTION: ntn_1`), so the name does not help.
//!   The same goes for keys of a server of tools that nobody knows, which may be those two, misspelt;
//! * in `args` and `command`, what follows a flag with such a name, a header, or the assignment of a variable, and what
//!   is made like a key;
//! * in addresses, everything before the `@`, and the values of the query.
//!
//! A reference such as `${MY_KEY}` is no secret and stays, also behind the scheme of a header (`Bearer ${MY_KEY}`).

mod address;
mod apart;
mod covering;
mod line;
mod unreadable;

use std::collections::BTreeSet;
use std::ops::Range;

use crate::expand;
use crate::node::{Entry, Node, Origin, Value};
use crate::registry;
use crate::source::Span;

pub(crate) use apart::apart;
pub(crate) use covering::Covering;
pub(crate) use unreadable::named_parts;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Shortest text, in bytes, that is looked for in other texts. Shorter ones would cover half the file.
const SHORTEST: usize = 6;

/// Most digits of a number that is harmless: ports, sizes and times have no more.
const HARMLESS_DIGITS: usize = 6;

/// Longest plain word that is harmless, in bytes: `development` has eleven.
const HARMLESS_WORD: usize = 12;

/// Shortest word inside of a secret that is one by itself, in bytes, as the token in `Bearer TOKEN`.
const PIECE: usize = 8;

/// Longest part of a path of files, in bytes; where one is longer it may be a key in Base64.
const PATH_PART: usize = 20;

/// Fewest digits of a number to the base 16 that is made like a key.
const HEX_DIGITS: usize = 32;

/// Shortest word that is made like a key, in bytes.
const KEY_BYTES: usize = 20;

/// The map of the registry that a server of tools is.
const SERVER: &str = "agents[].backend.mcp_servers[]";

/// Whether a configuration key of this name holds a secret.
pub(crate) fn names_a_secret(name: &str) -> bool {
    const ENDS: &[&str] = &[
        "_key",
        "apikey",
        "_token",
        "_pat",
        "_auth",
        "_jwt",
        "_pass",
        "_pwd",
        "_dsn",
        "cookie",
        "passphrase",
        "secret",
        "password",
        "passwd",
        "authorization",
        "credential",
        "credentials",
        "_keys",
        "apikeys",
        "_secrets",
        "passwords",
    ];
    let name = name.to_ascii_lowercase().replace('-', "_");
    matches!(name.as_str(), "token" | "bearer" | "pat" | "jwt" | "dsn")
        || ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether an environment variable of this name holds a secret.
pub fn variable_names_a_secret(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    names_a_secret(name) || lower.ends_with("key") || lower.ends_with("token")
}

/// What stands under a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    /// Anything.
    Free,
    /// A secret: the name says so.
    Named,
    /// Variables of a program, or headers.
    Held,
    /// A program and its arguments.
    Line,
    /// An address.
    Address,
    /// Servers of tools, in a list or by name.
    Servers,
    /// One server of tools.
    Server,
}

impl Under {
    /// What stands under `key`, itself under `outer`, in a map that stands under the key `parent`.
    fn key(key: &str, outer: Self, parent: &str) -> Self {
        let name = key.to_ascii_lowercase().replace('-', "_");
        let is_known = || registry::children(SERVER).iter().any(|known| known.name() == key);
        match name.as_str() {
            _ if outer == Self::Servers => Self::Server,
            _ if names_a_secret(&name) => Self::Named,
            _ if outer == Self::Held => Self::Held,
            "mcp_servers" => Self::Servers,
            // Those are rules about variables, without their values.
            "env" if parent == "security" => Self::Free,
            "env" | "environment" | "headers" => Self::Held,
            "args" | "arguments" | "command" | "cmd" => Self::Line,
            "url" | "uri" | "endpoint" => Self::Address,
            _ if name.ends_with("_headers") => Self::Held,
            _ if ["_url", "_uri", "_endpoint"].iter().any(|end| name.ends_with(end)) => Self::Address,
            // What is misspelt was to be `env` or `headers`, for all one knows.
            _ if outer == Self::Server && !is_known() => Self::Held,
            _ => Self::Free,
        }
    }
}

/// How sure it is that a part of a text is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Certainty {
    /// It is taken for one everywhere.
    Likely,
    /// It is covered where it stands, and is no secret elsewhere: `de` in `?lang=de`, a user's name without a password.
    Possible,
}

/// A part of a text that is covered.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    range: Range<usize>,
    certainty: Certainty,
}

impl Part {
    fn likely(range: Range<usize>) -> Self {
        Self { range, certainty: Certainty::Likely }
    }

    fn within(self, start: usize) -> Self {
        Self { range: self.range.start + start..self.range.end + start, ..self }
    }
}

/// The value of a name that says secret. What is left beside references may only be the scheme of a header.
fn named(text: &str) -> Vec<Part> {
    const SCHEMES: [&str; 5] = ["basic", "bearer", "token", "apikey", "key"];
    let rest = without_references(text);
    let is_scheme = |word: &str| SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(word));
    let is_open = rest.len() < text.len() && rest.split_whitespace().all(is_scheme);
    if is_open || text.trim().is_empty() { Vec::new() } else { vec![Part::likely(0..text.len())] }
}

/// A value below `env` or `headers`.
fn held(text: &str) -> Vec<Part> {
    if without_references(text).split_whitespace().all(is_harmless) || is_harmless(text.trim()) {
        Vec::new()
    } else {
        // A name of a model or a place is covered here, and must stay where an answer speaks of it.
        let certainty = if holds_a_key(text) { Certainty::Likely } else { Certainty::Possible };
        vec![Part { range: 0..text.len(), certainty }]
    }
}

/// Whether a word of `text` is made like a key, or the scheme of a header announces one.
fn holds_a_key(text: &str) -> bool {
    let is_scheme = |word: &str| ["bearer", "basic"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    let words = text.split(|c: char| c.is_whitespace() || "/?&=:;,\"'{}[]".contains(c));
    words.into_iter().any(|word| is_scheme(word) || is_made_like_a_key(word))
}

/// A value of an assignment or a header with this name.
fn of_name(name: &str, text: &str) -> Vec<Part> {
    if variable_names_a_secret(name) { named(text) } else { held(text) }
}

/// `text` with nothing in place of its references.
fn without_references(text: &str) -> String {
    expand::expand(text, &|_| Some(String::new())).map_or_else(|| text.to_owned(), |expanded| expanded.text)
}

/// Whether nobody would keep this as a secret.
fn is_harmless(word: &str) -> bool {
    let is_number = |word: &str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        word.parse::<f64>().is_ok() && digits <= HARMLESS_DIGITS && word.len() <= HARMLESS_DIGITS + 2
    };
    let is_word = |word: &str| {
        let rest = word.get(1..).unwrap_or_default();
        let all = |text: &str, is: fn(&char) -> bool| text.chars().all(|c| is(&c));
        (1..=HARMLESS_WORD).contains(&word.len())
            && all(word, char::is_ascii_alphabetic)
            && (all(rest, char::is_ascii_lowercase) || all(word, char::is_ascii_uppercase))
    };
    let is_media_type =
        |word: &str| word.split_once('/').is_some_and(|(kind, subtype)| is_word(kind) && is_word(subtype));
    word.is_empty() || is_number(word) || is_word(word) || is_media_type(word)
}

/// Whether a word is made like the keys that providers give out: it begins as theirs do; or it is long, without
/// separators of paths and addresses, of letters in both cases and digits; or it is a long number to the base 16.
fn is_made_like_a_key(word: &str) -> bool {
    const BEGINNINGS: [&str; 14] = [
        "sk-",
        "pk_",
        "rk_",
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "ntn_",
        "hf_",
        "r8_",
        "AIza",
    ];
    let begins = BEGINNINGS
        .iter()
        .any(|beginning| word.strip_prefix(beginning).is_some_and(|rest| rest.len() >= PIECE));
    let is_hexadecimal = word.len() >= HEX_DIGITS && word.chars().all(|c| c.is_ascii_hexdigit());
    let has = |is: fn(char) -> bool| word.chars().any(is);
    begins
        || is_hexadecimal
        || word.len() >= KEY_BYTES
            && word.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
            && has(|c| c.is_ascii_uppercase())
            && has(|c| c.is_ascii_lowercase())
            && has(|c| c.is_ascii_digit())
}

/// Whether a text names a file or a plain address: it is covered, but stays where it occurs elsewhere.
fn names_a_place(text: &str) -> bool {
    let is_path = ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    let is_address = text.contains("://");
    (is_path || is_address) && text.split(['/', ':', '?', '&', '=']).all(|part| part.len() < PATH_PART)
}

/// A value with secrets in it.
struct Found<'a> {
    node: &'a Node,
    /// The key that it stands under, or the value itself.
    at: &'a Origin,
    parts: Vec<Part>,
}

/// Goes through a tree, covers it, and collects what it covers.
struct Walk<'a> {
    found: Vec<Found<'a>>,
}

impl<'a> Walk<'a> {
    /// `node` with its secrets covered. It stands under the key `key`, which stands at `at`.
    fn covered(&mut self, node: &'a Node, under: Under, key: &str, at: &'a Origin) -> Node {
        let value = match &node.value {
            Value::Null => Value::Null,
            Value::Bool(value) => Value::Bool(*value),
            Value::Int(number) => self.number(node, Value::Int(*number), &number.to_string(), under, at),
            Value::Float(number) => self.number(node, Value::Float(*number), &number.to_string(), under, at),
            Value::Text(text) => self.text(node, text, parts(text, under), at),
            Value::List(items) => Value::List(self.list(items, under, key, at)),
            Value::Map(entries) => {
                let outer = match under {
                    Under::Held | Under::Servers | Under::Server => under,
                    Under::Free | Under::Named | Under::Line | Under::Address => Under::Free,
                };
                let entry = |entry: &'a Entry| {
                    let under = Under::key(&entry.key, outer, key);
                    let node = self.covered(&entry.node, under, &entry.key, &entry.key_origin);
                    Entry { key: entry.key.clone(), key_origin: entry.key_origin.clone(), node }
                };
                Value::Map(entries.iter().map(entry).collect())
            }
        };
        Node { value, origin: node.origin.clone() }
    }

    fn number(&mut self, node: &'a Node, value: Value, text: &str, under: Under, at: &'a Origin) -> Value {
        let is_covered = match under {
            Under::Named => true,
            Under::Held => !is_harmless(text),
            Under::Free | Under::Line | Under::Address | Under::Servers | Under::Server => false,
        };
        if !is_covered {
            return value;
        }
        self.found.push(Found { node, at, parts: vec![Part::likely(0..text.len())] });
        Value::Text(MASK.to_owned())
    }

    fn text(&mut self, node: &'a Node, text: &str, parts: Vec<Part>, at: &'a Origin) -> Value {
        let covered = with_masks(text, &parts);
        if !parts.is_empty() {
            self.found.push(Found { node, at, parts });
        }
        Value::Text(covered)
    }

    fn list(&mut self, items: &'a [Node], under: Under, key: &str, at: &'a Origin) -> Vec<Node> {
        let mut words = line::Words::default();
        let item = |item: &'a Node| {
            let Value::Text(text) = &item.value else {
                let under = match under {
                    _ if words.want_a_secret() => Under::Named,
                    Under::Servers => Under::Server,
                    Under::Free
                    | Under::Named
                    | Under::Held
                    | Under::Line
                    | Under::Address
                    | Under::Server => under,
                };
                return self.covered(item, under, key, at);
            };
            let parts = match under {
                Under::Named | Under::Held | Under::Address => parts(text, under),
                // Any list may be the arguments of a program under a name that is not known.
                Under::Line | Under::Free | Under::Servers | Under::Server => words.item(text),
            };
            Node { value: self.text(item, text, parts, at), origin: item.origin.clone() }
        };
        items.iter().map(item).collect()
    }
}

/// The secrets in a text that stands under a key.
fn parts(text: &str, under: Under) -> Vec<Part> {
    match under {
        Under::Free | Under::Servers | Under::Server => address::user_parts(text),
        Under::Named => named(text),
        Under::Held => held(text),
        Under::Line => line::Words::default().item(text),
        Under::Address => address::parts(text),
    }
}

fn with_masks(text: &str, parts: &[Part]) -> String {
    let mut covered = String::new();
    let mut copied = 0;
    for part in sorted(parts) {
        // What overlaps is covered once.
        if part.end > copied {
            covered.push_str(text.get(copied..part.start.max(copied)).unwrap_or_default());
            if part.start >= copied {
                covered.push_str(MASK);
            }
            copied = part.end;
        }
    }
    covered.push_str(text.get(copied..).unwrap_or_default());
    covered
}

fn sorted(parts: &[Part]) -> Vec<Range<usize>> {
    let mut ranges: Vec<_> = parts.iter().map(|part| part.range.clone()).collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    ranges
}

/// The tree with every secret covered.
pub(crate) fn covered(root: &Node) -> Node {
    Walk { found: Vec::new() }.covered(root, Under::Free, "", &root.origin)
}

/// Where in the value of `entry` secrets stand.
pub(crate) fn places(entry: &Entry) -> Vec<Origin> {
    let mut walk = Walk { found: Vec::new() };
    walk.covered(&entry.node, Under::key(&entry.key, Under::Free, ""), &entry.key, &entry.key_origin);
    let is_likely = |found: &&Found<'_>| found.parts.iter().any(|part| part.certainty == Certainty::Likely);
    walk.found.iter().filter(is_likely).map(|found| found.at.clone()).collect()
}

/// The secrets that were written into a configuration, and where: never shown, only covered.
#[derive(Default)]
pub(crate) struct Secrets {
    spans: Vec<Span>,
    texts: BTreeSet<String>,
}

impl Secrets {
    /// Those in a tree that was read from a text.
    pub(crate) fn of(root: &Node) -> Self {
        let mut secrets = Self::default();
        secrets.add_tree(root);
        secrets
    }

    /// Those in a text that no tree was made of.
    pub(crate) fn of_unreadable(text: &str) -> Self {
        Self { spans: unreadable::spans(text), texts: BTreeSet::new() }
    }

    /// Adds those in `root`.
    pub(crate) fn add_tree(&mut self, root: &Node) {
        let mut walk = Walk { found: Vec::new() };
        walk.covered(root, Under::Free, "", &root.origin);
        for found in walk.found {
            self.add_found(&found);
        }
    }

    /// Adds a value that is one as a whole.
    pub(crate) fn add(&mut self, node: &Node) {
        self.spans.extend(node.origin.span());
        self.texts.extend(node.text().map(str::to_owned));
    }

    fn add_found(&mut self, found: &Found<'_>) {
        let text = match &found.node.value {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            Value::Float(number) => number.to_string(),
            Value::Null | Value::Bool(_) | Value::List(_) | Value::Map(_) => return,
        };
        let text = text.as_str();
        for part in &found.parts {
            let Some(secret) = text.get(part.range.clone()) else { continue };
            self.spans.extend(found.node.origin.span().map(|span| part_of(span, text, &part.range)));
            if part.certainty == Certainty::Likely {
                self.add_text(secret);
            }
        }
    }

    /// Adds a text, and the words in it that are secrets by themselves.
    fn add_text(&mut self, text: &str) {
        let is_around = |c: char| c.is_whitespace() || matches!(c, '"' | '\'');
        let text = text.trim_matches(is_around);
        if !names_a_place(text) {
            self.texts.insert(text.to_owned());
        }
        let rest = without_references(text);
        let is_address = text.contains("://");
        let ends = |c: char| c.is_whitespace() || "\"'`{}[](),;=&?:".contains(c) || is_address && c == '/';
        let is_telling = |piece: &str| {
            piece.len() >= PIECE
                && piece.chars().any(|c| c.is_ascii_digit())
                && piece.chars().any(char::is_alphabetic)
                && !names_a_place(piece)
        };
        // Of an address only what is made like a key: hosts and other parts of paths stand in other texts too.
        let is_secret = |piece: &&str| if is_address { is_made_like_a_key(piece) } else { is_telling(piece) };
        self.texts.extend(rest.split(ends).filter(is_secret).map(str::to_owned));
    }

    /// The places in the text.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// The texts that are secrets wherever they occur.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// What covers them in other texts.
    pub(crate) fn covering(&self) -> Covering {
        Covering::of(self)
    }
}

/// The place of a part of a text whose place is `span`. In a text that is written in another way (with escapes, over
/// lines) it is the whole.
fn part_of(span: Span, text: &str, part: &Range<usize>) -> Span {
    let quotes = match span.length.checked_sub(text.len()) {
        Some(0) => 0,
        Some(2) => 1,
        Some(_) | None => return span,
    };
    let before = text.get(..part.start).unwrap_or_default().chars().count();
    Span {
        line: span.line,
        column: span.column + u32::try_from(before + quotes).unwrap_or_default(),
        start: span.start + quotes + part.start,
        length: part.len(),
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;

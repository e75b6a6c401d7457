//! From the text of a table of backend types to the table: the one that is compiled in, and what a user's file changes
//! in it.

use massgen_protocol::spec::{KeyHeader, Protocol};
use massgen_protocol::{ModelFacts, Price, Usd};

use super::{BackendType, Backends, Capability, FileAccess, GENERAL, Host, KeysAre, Model, REGION, Support};
use crate::check::{join, nearest, shortened};
use crate::endpoint::Endpoint;
use crate::finding::{Finding, Findings};
use crate::judge::unreadable;
use crate::node::{self, Entry, Node, Value};
use crate::secrets::{Secrets, names_a_secret};
use crate::source::Source;

/// Keys of the whole file.
const TOP: &[&str] = &["backends", "hosts"];

/// Keys of a type that a user may change.
const USERS: &[&str] = &["default_model", "base_url", "key_variables", "models", "protocol", "key_header"];

/// Keys of a type in the table itself.
const OURS: &[&str] = &[
    "default_model",
    "base_url",
    "key_variables",
    "models",
    "protocol",
    "key_header",
    "region_variables",
    "display_name",
    "provider",
    "base_url_variable",
    "auth",
    "families",
    "files",
    "capabilities",
    "support",
    "speaks",
];

/// Keys of a model.
const MODEL: &[&str] = &["context_window", "max_output_tokens", "price", "lacks"];

/// Keys of a price.
const PRICE: &[&str] = &["input", "cached_input", "cache_write", "output"];

/// What may stand under the keys with a plain value.
const EXAMPLES: &[(&str, &str)] = &[
    ("default_model", "gpt-5.4"),
    ("base_url", "https://llm.example.com/v1"),
    ("context_window", "128000"),
    ("max_output_tokens", "16384"),
    ("input", "1.25"),
    ("cached_input", "0.125"),
    ("cache_write", "1.25"),
    ("output", "10"),
    ("lacks", "[reasoning]"),
    ("display_name", "OpenAI"),
    ("provider", "OpenAI"),
    ("base_url_variable", "MY_BASE_URL"),
    ("auth", "login"),
    ("families", "[gpt-]"),
    ("files", "mcp"),
    ("capabilities", "[web_search]"),
    ("support", "provider"),
    ("speaks", "the protocol of an agent program"),
    ("protocol", "chat_completions"),
    ("key_header", "bearer"),
    ("region_variables", "[AWS_REGION]"),
];

/// The protocols by their names.
const PROTOCOLS: [(&str, Protocol); 5] = [
    ("chat_completions", Protocol::ChatCompletions),
    ("responses", Protocol::Responses),
    ("messages", Protocol::Messages),
    ("gemini", Protocol::Gemini),
    ("ollama", Protocol::Ollama),
];

/// The headers for keys by their names.
const KEY_HEADERS: [(&str, KeyHeader); 4] = [
    ("bearer", KeyHeader::Bearer),
    ("api_key", KeyHeader::ApiKey),
    ("x_api_key", KeyHeader::XApiKey),
    ("x_goog_api_key", KeyHeader::XGoogApiKey),
];

/// Most tokens that are believed of a context window or of an output.
const MOST_TOKENS: u32 = 1_000_000_000;

/// Most dollars per million tokens that are believed of a price.
const MOST_DOLLARS: f64 = 1_000_000.0;

/// Most types, hosts and models of one type that are read of one file.
const MOST_ENTRIES: usize = 10_000;

/// Reads the table that is compiled in.
pub(super) fn built_in(source: &Source, table: &mut Backends) -> Findings {
    read(source, table, Author::Us)
}

/// Reads a user's file into the table.
pub(super) fn extension(source: &Source, table: &mut Backends) -> Findings {
    read(source, table, Author::User)
}

/// Who wrote the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Author {
    Us,
    User,
}

fn read(source: &Source, table: &mut Backends, author: Author) -> Findings {
    let root = match node::parse(source) {
        Ok(root) => root,
        Err(error) => {
            return Findings::new(
                vec![unreadable(error)],
                Some(source),
                &Secrets::of_unreadable(source.text()),
            );
        }
    };
    let mut reader = Reader { author, findings: Vec::new(), secrets: Secrets::of(&root) };
    if root.value != Value::Null {
        reader.file(&root, table);
    }
    Findings::new(reader.findings, Some(source), &reader.secrets)
}

struct Reader {
    author: Author,
    findings: Vec<Finding>,
    /// Texts that look like keys where none belong: they are not shown.
    secrets: Secrets,
}

impl Reader {
    fn file(&mut self, root: &Node, table: &mut Backends) {
        self.map(root, "root", TOP);
        if let Some(hosts) = root.get("hosts") {
            for entry in self.free_map(hosts, "hosts", "`llm.example.com: [EXAMPLE_API_KEY]`") {
                self.host(entry, &mut table.hosts);
            }
        }
        let types = root.get("backends").map(|node| self.free_map(node, "backends", "`openai: {…}`"));
        for entry in types.unwrap_or_default() {
            let path = join("backends", &entry.key);
            match self.author {
                Author::Us => {
                    let mut backend = self.row(entry, &path);
                    self.settings(&entry.node, &path, &mut backend);
                    table.types.push(backend);
                }
                Author::User => {
                    let found = table.types.iter().position(|backend| backend.name == entry.key);
                    if let Some(backend) = found.and_then(|at| table.types.get_mut(at)) {
                        self.map(&entry.node, &path, USERS);
                        self.settings(&entry.node, &path, backend);
                    } else {
                        self.unknown_type(entry, &path, table);
                    }
                }
            }
        }
        if self.author == Author::User {
            table.follow_hosts();
        }
    }

    fn unknown_type(&mut self, entry: &Entry, path: &str, table: &Backends) {
        let hint = table.nearest_type(&entry.key).map_or_else(
            || format!("`massgen --list-backends` lists the types; another service is a `{GENERAL}`"),
            |meant| format!("did you mean `{meant}`?"),
        );
        let message = format!("unknown backend type `{}`", shortened(&entry.key));
        self.tell(Finding::error(path, message).hint(hint).at(&entry.key_origin));
    }

    /// What only the table itself says about a type.
    fn row(&mut self, entry: &Entry, path: &str) -> BackendType {
        let node = &entry.node;
        self.map(node, path, OURS);
        let mut text = |key| self.text(node, path, key).unwrap_or_default().to_owned();
        let [display_name, provider] = ["display_name", "provider"].map(&mut text);
        let [base_url_variable, other_auth] =
            ["base_url_variable", "auth"].map(|key| Some(text(key)).filter(|text| !text.is_empty()));
        let files = match self.text(node, path, "files") {
            None => FileAccess::None,
            Some(name) => [FileAccess::None, FileAccess::Native, FileAccess::Mcp]
                .into_iter()
                .find(|files| files.as_str() == name)
                .unwrap_or_else(|| {
                    self.wrong(node, path, "files", "`none`, `native` or `mcp`");
                    FileAccess::None
                }),
        };
        let speaks = self.text(node, path, "speaks").map(str::to_owned);
        let support = match (self.text(node, path, "support"), speaks) {
            (None, Some(speaks)) => Support::NotYet { speaks },
            (None | Some("provider"), None) => Support::Provider,
            (Some("own_server"), None) => Support::OwnServer,
            (Some("simulated"), None) => Support::Simulated,
            (Some("never"), None) => Support::Never,
            (Some(_), _) => {
                self.wrong(
                    node,
                    path,
                    "support",
                    "`provider`, `own_server`, `simulated` or `never`, without `speaks`",
                );
                Support::Never
            }
        };
        BackendType {
            name: entry.key.clone(),
            display_name,
            provider,
            protocol: Protocol::ChatCompletions,
            key_header: KeyHeader::Bearer,
            base_url: None,
            region_variables: self.texts(node, path, "region_variables").unwrap_or_default(),
            base_url_variable,
            key_variables: Vec::new(),
            other_auth,
            default_model: None,
            families: self.texts(node, path, "families").unwrap_or_default(),
            files,
            capabilities: self.capabilities(node, path, "capabilities"),
            support,
            models: Vec::new(),
            keys_are_named: KeysAre::OfTheHost,
        }
    }

    /// What a user may change of a type.
    fn settings(&mut self, node: &Node, path: &str, backend: &mut BackendType) {
        if let Some(model) = self.text(node, path, "default_model") {
            backend.default_model = Some(model.to_owned());
        }
        if self.author == Author::User && matches!(backend.support, Support::Simulated | Support::Never) {
            for key in ["base_url", "key_variables", "protocol", "key_header"]
                .into_iter()
                .filter(|key| node.get(key).is_some())
            {
                let message = format!("`{key}` has no effect on the type `{}`", backend.name);
                self.at_key(node, path, key, message, "remove it");
            }
        }
        if let Some(protocol) = self.named(node, path, "protocol", &PROTOCOLS) {
            backend.protocol = protocol;
            backend.key_header = usual_key_header(protocol);
        }
        if let Some(header) = self.named(node, path, "key_header", &KEY_HEADERS) {
            backend.key_header = header;
        }
        if let Some(url) = self.text(node, path, "base_url") {
            match Endpoint::parse(url) {
                Ok(_) => backend.base_url = Some(url.to_owned()),
                Err(why) => {
                    let message = format!("`base_url` is no address: it {why}");
                    let hint = "for example `base_url: https://llm.example.com/v1`";
                    self.at_key(node, path, "base_url", message, hint);
                }
            }
        }
        if let Some(variables) = node.get("key_variables")
            && let Some(variables) = self.variables(variables, &join(path, "key_variables"))
        {
            backend.key_variables = variables;
            if self.author == Author::User {
                backend.keys_are_named = KeysAre::Named;
                if backend.support == Support::Provider && backend.base_url.is_none() {
                    let message = format!("the keys of `{}` have no address to go to", backend.name);
                    self.at_key(node, path, "key_variables", message, "write its `base_url` beside them");
                }
            }
        }
        if let Some(models) = node.get("models") {
            let mut new = Vec::new();
            let path = join(path, "models");
            for entry in self.free_map(models, &path, "`my-model: {context_window: 128000}`") {
                let found = backend.models.iter().position(|model| model.name == entry.key);
                if let Some(model) = found.and_then(|at| backend.models.get_mut(at)) {
                    self.model(entry, &path, model);
                    continue;
                }
                let facts = ModelFacts::default();
                let mut model = Model { name: entry.key.clone(), facts, lacks: Vec::new() };
                self.model(entry, &path, &mut model);
                new.push(model);
            }
            new.append(&mut backend.models);
            backend.models = new;
        }
    }

    fn model(&mut self, entry: &Entry, path: &str, model: &mut Model) {
        let path = join(path, &entry.key);
        let node = &entry.node;
        if node.value == Value::Null {
            return;
        }
        self.map(node, &path, MODEL);
        let window = self.tokens(node, &path, "context_window").map(u64::from);
        let facts = ModelFacts {
            context_window: window,
            max_output_tokens: self.tokens(node, &path, "max_output_tokens"),
            price: node.get("price").and_then(|price| self.price(price, &join(&path, "price"))),
        };
        model.facts = facts.or(model.facts);
        if node.get("lacks").is_some() {
            model.lacks = self.capabilities(node, &path, "lacks");
        }
    }

    /// A price. One that is not written for the cache is that of input.
    fn price(&mut self, node: &Node, path: &str) -> Option<Price> {
        if !self.map(node, path, PRICE) {
            return None;
        }
        let [input, output, cached_input, cache_write] =
            ["input", "output", "cached_input", "cache_write"].map(|key| self.nanos(node, path, key));
        for key in ["input", "output"] {
            if node.get(key).is_none() {
                let hint = "for example `price: {input: 1.25, cached_input: 0.125, output: 10}`, in dollars per \
                            million tokens";
                let message = format!("the price has no `{key}`");
                self.tell(Finding::error(path, message).hint(hint).at(&node.origin));
            }
        }
        let (input, output) = (input?, output?);
        Some(Price {
            input,
            output,
            cached_input: cached_input.unwrap_or(input),
            cache_write: cache_write.unwrap_or(input),
        })
    }

    fn host(&mut self, entry: &Entry, hosts: &mut Vec<Host>) {
        let path = join("hosts", &entry.key);
        let domain = entry.key.to_lowercase();
        let parsed = Endpoint::parse(&format!("https://{domain}"));
        if parsed.as_ref().is_ok_and(Endpoint::is_loopback) {
            let message = "a server on this machine gets no key by its address";
            let hint = "write `api_key: ${MY_API_KEY}` into the backend of the configuration";
            self.tell(Finding::error(&path, message).hint(hint).at(&entry.key_origin));
            return;
        }
        if !parsed.is_ok_and(|parsed| parsed.host == domain && domain.contains('.')) {
            let message = format!("`{}` is not the name of a host", shortened(&entry.key));
            let hint = "write the name alone, as in `llm.example.com: [EXAMPLE_API_KEY]`";
            self.tell(Finding::error(&path, message).hint(hint).at(&entry.key_origin));
            return;
        }
        let Some(key_variables) = self.variables(&entry.node, &path) else {
            return;
        };
        match hosts.iter_mut().find(|host| host.domain == domain) {
            Some(host) => host.key_variables = key_variables,
            None => hosts.push(Host { domain, key_variables }),
        }
    }

    /// Names of environment variables. What does not look like one may be a key and is not shown.
    fn variables(&mut self, node: &Node, path: &str) -> Option<Vec<String>> {
        let is_name = |text: &str| {
            text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        };
        let items = node.list().unwrap_or(std::slice::from_ref(node));
        let mut names = Vec::new();
        for item in items {
            match item.text() {
                Some(text) if is_name(text) => names.push(text.to_owned()),
                Some(_) | None => {
                    self.secrets.add(item);
                    let message = "this is not the name of an environment variable";
                    let hint = "write the name alone, as in `[EXAMPLE_API_KEY]`; the key itself stays in the environment";
                    self.tell(Finding::error(path, message).hint(hint).at(&item.origin));
                }
            }
        }
        let complete = names.len() == items.len();
        if complete && node.list().is_none() {
            let message = "the names of variables are a list";
            self.tell(
                Finding::error(path, message)
                    .hint(format!("write `[{}]`", names.join(", ")))
                    .at(&node.origin),
            );
            return None;
        }
        complete.then_some(names)
    }

    fn capabilities(&mut self, node: &Node, path: &str, key: &str) -> Vec<Capability> {
        let names = self.texts(node, path, key).unwrap_or_default();
        let mut known = Vec::new();
        for name in names {
            if let Some(capability) = Capability::ALL.into_iter().find(|one| one.as_str() == name) {
                known.push(capability);
                continue;
            }
            let all = || Capability::ALL.iter().map(|one| one.as_str());
            let hint = nearest(&name, all()).map_or_else(
                || {
                    format!(
                        "there are {}",
                        all().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
                    )
                },
                |meant| format!("did you mean `{meant}`?"),
            );
            self.at_key(node, path, key, format!("unknown capability `{}`", shortened(&name)), &hint);
        }
        known
    }

    fn text<'n>(&mut self, node: &'n Node, path: &str, key: &str) -> Option<&'n str> {
        let text = node.get(key)?.text().map(str::trim).filter(|text| !text.is_empty());
        if text.is_none() {
            self.wrong(node, path, key, "a text");
        }
        text
    }

    /// One of the things that have a name in `table`.
    fn named<T: Copy>(&mut self, node: &Node, path: &str, key: &str, table: &[(&str, T)]) -> Option<T> {
        let name = self.text(node, path, key)?;
        let found = table.iter().find(|(known, _)| *known == name).map(|(_, thing)| *thing);
        if found.is_none() {
            let names: Vec<String> = table.iter().map(|(known, _)| format!("`{known}`")).collect();
            self.wrong(node, path, key, &format!("one of {}", names.join(", ")));
        }
        found
    }

    fn texts(&mut self, node: &Node, path: &str, key: &str) -> Option<Vec<String>> {
        let items = node.get(key)?.list();
        let texts = items.and_then(|items| items.iter().map(|item| item.text().map(str::to_owned)).collect());
        if texts.is_none() {
            self.wrong(node, path, key, "a list of texts");
        }
        texts
    }

    fn tokens(&mut self, node: &Node, path: &str, key: &str) -> Option<u32> {
        let tokens = node.get(key)?.int().filter(|tokens| (1..=MOST_TOKENS).contains(tokens));
        if tokens.is_none() {
            self.wrong(node, path, key, &format!("a whole number of tokens from 1 to {MOST_TOKENS}"));
        }
        tokens
    }

    /// Nano-dollars of dollars.
    fn nanos(&mut self, node: &Node, path: &str, key: &str) -> Option<u64> {
        let dollars = node.get(key)?.number().filter(|dollars| (0.0..=MOST_DOLLARS).contains(dollars));
        if dollars.is_none() {
            self.wrong(node, path, key, &format!("a number of dollars from 0 to {MOST_DOLLARS}"));
        }
        dollars.map(|dollars| Usd::from_dollars(dollars).nanos())
    }

    /// Whether `node` is a map; its keys are checked.
    fn map(&mut self, node: &Node, path: &str, known: &[&str]) -> bool {
        let Some(entries) = node.entries() else {
            if node.value != Value::Null {
                self.not_a_map(node, path, &format!("its keys are `{}`", known.join("`, `")));
            }
            return false;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            let hint = match nearest(&entry.key, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if names_a_secret(&entry.key) => {
                    "keys stay in the environment; name their variables in `key_variables`".to_owned()
                }
                None => format!("keys here are `{}`", known.join("`, `")),
            };
            let place = if path == "root" { "at the top level".to_owned() } else { format!("in `{path}`") };
            let message = format!("unknown key `{}` {place}", shortened(&entry.key));
            let path = if path == "root" { shortened(&entry.key) } else { join(path, &entry.key) };
            self.tell(Finding::error(path, message).hint(hint).at(&entry.key_origin));
        }
        true
    }

    /// The entries of a map whose keys are free.
    fn free_map<'n>(&mut self, node: &'n Node, path: &str, example: &str) -> &'n [Entry] {
        match node.entries() {
            Some(entries) if entries.len() > MOST_ENTRIES => {
                let message =
                    format!("`{path}` has {} entries; at most {MOST_ENTRIES} are read", entries.len());
                self.tell(Finding::error(path, message).hint("keep those that you use").at(&node.origin));
                &[]
            }
            Some(entries) => entries,
            None => {
                self.not_a_map(node, path, &format!("for example {example}"));
                &[]
            }
        }
    }

    fn not_a_map(&mut self, node: &Node, path: &str, hint: &str) {
        let what = if path == "root" { "the file".to_owned() } else { format!("`{path}`") };
        let message = format!("{what} must be a map of keys, not {}", node.describe());
        self.tell(Finding::error(path, message).hint(hint).at(&node.origin));
    }

    fn wrong(&mut self, node: &Node, path: &str, key: &str, wanted: &str) {
        let is = node.get(key).map_or_else(|| "nothing".to_owned(), Node::describe);
        let example = EXAMPLES.iter().find(|(name, _)| *name == key).map_or("", |(_, example)| example);
        let hint = format!("for example `{key}: {example}`");
        self.at_key(node, path, key, format!("`{key}` must be {wanted}, not {is}"), &hint);
    }

    /// An error at the value of `key`.
    fn at_key(&mut self, node: &Node, path: &str, key: &str, message: String, hint: &str) {
        let origin = node.get(key).map_or(&node.origin, |value| &value.origin);
        self.tell(Finding::error(join(path, key), message).hint(hint).at(origin));
    }

    fn tell(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

/// The header that the inventor of a protocol wants the key in.
fn usual_key_header(protocol: Protocol) -> KeyHeader {
    match protocol {
        Protocol::ChatCompletions | Protocol::Responses | Protocol::Ollama => KeyHeader::Bearer,
        Protocol::Messages => KeyHeader::XApiKey,
        Protocol::Gemini => KeyHeader::XGoogApiKey,
    }
}

impl Backends {
    /// Where a user's file moves a type or a host, the keys of the type follow, unless it names them: a key goes to
    /// the host of the provider that gave it.
    fn follow_hosts(&mut self) {
        for at in 0..self.types.len() {
            let Some(backend) = self.types.get(at) else { break };
            let follows =
                backend.support == Support::Provider && backend.keys_are_named == KeysAre::OfTheHost;
            // An address with a region in it is the provider's own.
            let moved = backend.base_url.clone().filter(|url| follows && !url.contains(REGION));
            let Some(url) = moved else { continue };
            let variables = self.host_key_variables(&url).to_vec();
            if let Some(backend) = self.types.get_mut(at) {
                backend.key_variables = variables;
            }
        }
    }
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;

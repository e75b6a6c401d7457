//! The backend of an agent: its type, where it is, which key goes there, and the parameters of its calls.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use massgen_protocol::spec::{BackendSpec, Service, SimulatedSpec, Wire};
use massgen_protocol::{AgentId, Price};

use super::Lower;
use super::agents::Place;
use crate::backends::{BackendType, Support};
use crate::check::join;
use crate::endpoint::{Endpoint, Transport};
use crate::expand::only_reference;
use crate::finding::{Finding, Severity};
use crate::literal::LiteralKey;
use crate::node::{Entry, Node, Origin, Value};
use crate::{passthrough, secrets};

/// From a request to the first part of the reply of the simulated model, when nothing is written.
const SIMULATED_LATENCY_MS: u64 = 300;

/// Speed of the simulated model, in tokens per second, when nothing is written.
const SIMULATED_SPEED: u32 = 200;

/// Parameters of Chat Completions that go to the provider under their own name.
const PARAMETERS: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "seed",
    "stop",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
    "parallel_tool_calls",
    "reasoning_effort",
    "verbosity",
    "service_tier",
    "chat_template_kwargs",
    "separate_reasoning",
];

/// Further keys that mean something to a provider and nothing to the simulated model.
const PROVIDER_ONLY: &[&str] = &["base_url", "api_key", "reasoning", "text", "extra_body"];

/// Keys that only the simulated model has.
const SIMULATED_ONLY: &[&str] = &["latency_ms", "tokens_per_second", "script"];

/// Fields of a request that massgen sets itself.
const OWN_FIELDS: &[&str] = &["model", "messages", "stream", "stream_options", "tools", "tool_choice", "n"];

/// A backend on its way to the specification.
struct Draft<'a> {
    node: &'a Node,
    path: String,
    kind: &'a BackendType,
    place: &'a Place<'a>,
}

impl Draft<'_> {
    fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// What to do, said for where the backend was named: by a flag, or in a file.
    fn advice(&self, for_a_flag: &'static str, for_a_file: &'static str) -> &'static str {
        match self.node.origin {
            Origin::Flag(_) => for_a_flag,
            Origin::File(_) | Origin::Environment { .. } | Origin::BuiltIn => for_a_file,
        }
    }
}

impl<'a> Lower<'a> {
    pub(super) fn backend(
        &mut self,
        agent: &Node,
        place: &Place<'_>,
        id: Option<&AgentId>,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Option<BackendSpec> {
        let path = format!("{}.backend", place.path);
        let Some(node) = agent.get("backend") else {
            let hint = "for example `backend: {type: openai, model: gpt-5.4}`";
            self.report(Finding::error(path, "the agent has no `backend`").hint(hint).at(&agent.origin));
            return None;
        };
        let Value::Map(_) = node.value else { return None };
        let kind = self.backend_type(node, &path)?;
        let draft = Draft { node, path, kind, place };
        if !kind.support.runs() {
            self.judge_only(&draft, id, literal_keys);
            return None;
        }
        let model = self.model(&draft)?;
        let max_output_tokens = node.get("max_tokens").and_then(Node::int);
        let spec = |wire, parameters, price| BackendSpec {
            kind: kind.name.clone(),
            wire,
            model,
            max_output_tokens,
            context_window: None,
            price,
            parameters,
        };
        if kind.support == Support::Simulated {
            return Some(spec(Wire::Simulated(self.simulated(&draft)), BTreeMap::new(), Some(Price::FREE)));
        }
        for key in SIMULATED_ONLY {
            if let Some(entry) = node.entry(key) {
                let message = format!("`{key}` is a key of the type `simulated`, not of `{}`", kind.name);
                self.report(Finding::error(draft.at(key), message).hint("remove it").at(&entry.key_origin));
            }
        }
        let endpoint = self.endpoint(&draft)?;
        let key_variables = self.key_variables(&draft, &endpoint, id, literal_keys);
        let parameters = self.parameters(&draft, &endpoint);
        let service = Service::chat_completions(endpoint.url, key_variables);
        Some(spec(Wire::Service(service), parameters, None))
    }

    /// What can be said of a backend whose protocol is not there yet.
    fn judge_only(&mut self, draft: &Draft<'_>, id: Option<&AgentId>, literal_keys: &mut Vec<LiteralKey>) {
        // An agent of a framework names its model in the framework's own settings.
        if draft.node.get("agent_config").or_else(|| draft.node.get("group_config")).is_none() {
            self.model(draft);
        }
        if draft.node.get("base_url").is_some() {
            self.endpoint(draft);
        }
        if let Some(node) = draft.node.get("api_key") {
            self.written_key(draft, node, id, literal_keys);
        }
        self.free_parameters(draft, &mut BTreeMap::new());
    }

    fn backend_type(&mut self, node: &Node, path: &str) -> Option<&'a BackendType> {
        let path = format!("{path}.type");
        let Some(written) = node.get("type") else {
            let hint = format!("write one of {}", self.by.backends.running_types());
            self.report(Finding::error(path, "the backend has no `type`").hint(hint).at(&node.origin));
            return None;
        };
        let name = written.text().filter(|name| !self.waits(name))?;
        let Some(known) = self.by.backends.get(name) else {
            let hint = self.by.backends.nearest_type(name).map_or_else(
                || format!("types that run are {}", self.by.backends.running_types()),
                |meant| format!("did you mean `{meant}`?"),
            );
            let message = format!("unknown backend type `{}`", crate::check::shortened(name));
            self.report(Finding::error(path, message).hint(hint).at(&written.origin));
            return None;
        };
        let message = match &known.support {
            Support::Provider | Support::OwnServer | Support::Simulated => return Some(known),
            Support::NotYet { speaks } => {
                format!("the type `{}` is not in this version yet: it needs {speaks}", known.name)
            }
            Support::Never => format!("the type `{}` is a name without a program behind it", known.name),
        };
        let severity = self.limit(Severity::Error);
        let hint = match severity {
            Severity::Error => format!("types that run are {}", self.by.backends.running_types()),
            Severity::Warning | Severity::Notice => "the file is right, but a run stops here".to_owned(),
        };
        self.report(Finding::new(severity, path, message).hint(hint).at(&written.origin));
        (severity != Severity::Error).then_some(known)
    }

    fn model(&mut self, draft: &Draft<'_>) -> Option<String> {
        let path = draft.at("model");
        let name = &draft.kind.name;
        let Some(node) = draft.node.get("model") else {
            if draft.kind.default_model.is_none() {
                self.report(
                    Finding::error(path, format!("the type `{name}` has no default model"))
                        .hint(draft.advice(
                            "add `--model` with a name that the service knows",
                            "write `model:` with a name that the service knows",
                        ))
                        .at(&draft.node.origin),
                );
            }
            return draft.kind.default_model.clone();
        };
        let model = node.text()?.trim();
        if model.is_empty() {
            self.report(
                Finding::error(path, "the name of the model is empty").hint("write one").at(&node.origin),
            );
            return None;
        }
        Some(model.to_owned())
    }

    fn simulated(&mut self, draft: &Draft<'_>) -> SimulatedSpec {
        let node = draft.node;
        let idle: Vec<_> = PARAMETERS
            .iter()
            .chain(PROVIDER_ONLY)
            .filter(|key| **key != "seed" && node.get(key).is_some())
            .map(|key| format!("`{key}`"))
            .collect();
        if !idle.is_empty() {
            let message = format!("without effect on a simulated model: {}", idle.join(", "));
            self.report(
                Finding::notice(&draft.path, message)
                    .hint("remove it, or choose a real type")
                    .at(&node.origin),
            );
        }
        let position = u64::try_from(draft.place.position).unwrap_or_default();
        let speed = node.get("tokens_per_second").and_then(Node::int).unwrap_or(SIMULATED_SPEED);
        let script = node.get("script").and_then(Node::text);
        SimulatedSpec {
            seed: node.get("seed").and_then(Node::int).unwrap_or(position),
            latency: Duration::from_millis(
                node.get("latency_ms").and_then(Node::int).unwrap_or(SIMULATED_LATENCY_MS),
            ),
            tokens_per_second: NonZeroU32::new(speed),
            script: script
                .map(|script| self.by.working_directory.join(script).to_string_lossy().into_owned()),
        }
    }

    fn endpoint(&mut self, draft: &Draft<'_>) -> Option<Endpoint> {
        let path = draft.at("base_url");
        let Some(node) = draft.node.get("base_url") else {
            let parsed = draft.kind.base_url.as_deref().and_then(|url| Endpoint::parse(url).ok());
            if parsed.is_none() {
                self.report(
                    Finding::error(path, format!("the type `{}` needs a `base_url`", draft.kind.name))
                        .hint(draft.advice(
                            "add `--base-url` with the address, up to and without `/chat/completions`",
                            "write the address of the service, up to and without `/chat/completions`",
                        ))
                        .at(&draft.node.origin),
                );
            }
            return parsed;
        };
        match Endpoint::parse(node.text().filter(|text| !self.waits(text))?) {
            Ok(endpoint) => Some(endpoint),
            Err(why) => {
                self.report(
                    Finding::error(path, format!("`base_url` is no address: it {why}"))
                        .hint("for example `base_url: http://localhost:8080/v1`")
                        .at(&node.origin),
                );
                None
            }
        }
    }

    /// The names of the variables that may hold the key. A key goes to the host of the provider that gave it, to a
    /// server of the user's own whose variable is set, or where the configuration sends it by name; nowhere else.
    fn key_variables(
        &mut self,
        draft: &Draft<'_>,
        endpoint: &Endpoint,
        id: Option<&AgentId>,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Vec<String> {
        let variables = match draft.node.get("api_key") {
            Some(node) => self.written_key(draft, node, id, literal_keys),
            None if draft.kind.support == Support::OwnServer => {
                let set = |name: &&String| (self.by.lookup)(name).is_some_and(|value| !value.is_empty());
                draft.kind.key_variables.iter().filter(set).cloned().collect()
            }
            None if draft.kind.keys_go_to(endpoint) => draft.kind.key_variables.clone(),
            None if endpoint.is_loopback() => Vec::new(),
            None => {
                let known = self.by.backends.host_key_variables(&endpoint.url);
                if known.is_empty() {
                    self.tell_no_key(draft, endpoint);
                }
                known.to_vec()
            }
        };
        if endpoint.transport == Transport::Open && !endpoint.is_loopback() && !variables.is_empty() {
            let origin = &draft.node.get("base_url").unwrap_or(draft.node).origin;
            self.report(
                Finding::warning(
                    draft.at("base_url"),
                    format!("the key travels readable to `{}`", endpoint.host),
                )
                .hint("use `https://`")
                .at(origin),
            );
        }
        variables
    }

    fn tell_no_key(&mut self, draft: &Draft<'_>, endpoint: &Endpoint) {
        // A readable address is almost always a server of one's own, which wants no key.
        let severity = match endpoint.transport {
            Transport::Secure => Severity::Warning,
            Transport::Open => Severity::Notice,
        };
        let variable = draft.kind.key_variables.first().map_or("MY_API_KEY", String::as_str);
        let origin = &draft.node.get("base_url").unwrap_or(draft.node).origin;
        self.report(
            Finding::new(
                severity,
                draft.at("base_url"),
                format!("no key is sent to `{}`: its provider is not known", endpoint.host),
            )
            .hint(format!("if it wants one, name its variable: `api_key: ${{{variable}}}`"))
            .at(origin),
        );
    }

    fn written_key(
        &mut self,
        draft: &Draft<'_>,
        node: &Node,
        id: Option<&AgentId>,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Vec<String> {
        let path = draft.at("api_key");
        let Some(text) = node.text() else {
            return Vec::new();
        };
        if let Some(variable) = only_reference(text) {
            return vec![variable.to_owned()];
        }
        if text.contains("${") {
            self.report(
                Finding::error(path, "`api_key` mixes a variable with other text")
                    .hint("put the whole key into one variable and write `api_key: ${MY_API_KEY}`")
                    .at(&node.origin),
            );
            return Vec::new();
        }
        let (Some(id), false) = (id, text.trim().is_empty()) else {
            return Vec::new();
        };
        self.report(
            Finding::warning(path, "a key is written into the configuration itself")
                .hint("put it into an environment variable and write `api_key: ${MY_API_KEY}`")
                .at(&node.origin),
        );
        let key = LiteralKey::new(id.clone(), draft.place.position, text.trim());
        let variable = key.variable.clone();
        literal_keys.push(key);
        vec![variable]
    }

    fn parameters(&mut self, draft: &Draft<'_>, endpoint: &Endpoint) -> BTreeMap<String, serde_json::Value> {
        let node = draft.node;
        let mut parameters = BTreeMap::new();
        for key in PARAMETERS {
            if let Some(entry) = node.entry(key).filter(|entry| entry.node.value != Value::Null) {
                self.refuse_secrets(entry, &draft.at(key));
                parameters.insert((*key).to_owned(), entry.node.to_json());
            }
        }
        if let Some(verbosity) = node.at(&["text", "verbosity"]) {
            parameters.entry("verbosity".to_owned()).or_insert_with(|| verbosity.to_json());
        }
        self.reasoning(draft, endpoint, &mut parameters);
        self.free_parameters(draft, &mut parameters);
        parameters
    }

    /// The parameters that have no key of their own: those that the provider documents, and those of `extra_body`.
    fn free_parameters(&mut self, draft: &Draft<'_>, parameters: &mut BTreeMap<String, serde_json::Value>) {
        let node = draft.node;
        for entry in node.entries().unwrap_or_default() {
            let is_free = passthrough::accepts(&draft.kind.name, &entry.key);
            if is_free && entry.node.value != Value::Null {
                self.refuse_secrets(entry, &draft.at(&entry.key));
                parameters.insert(entry.key.clone(), entry.node.to_json());
            }
        }
        for entry in node.get("extra_body").and_then(Node::entries).unwrap_or_default() {
            let path = join(&draft.at("extra_body"), &entry.key);
            if OWN_FIELDS.contains(&entry.key.as_str()) {
                let message = format!("`{}` in `extra_body` would replace what massgen sends", entry.key);
                self.report(Finding::error(path, message).hint("remove it").at(&entry.key_origin));
            } else if matches!(entry.key.as_str(), "max_tokens" | "max_completion_tokens") {
                let message = format!("`{}` in `extra_body` would escape the budget", entry.key);
                let hint = "write `max_tokens` into `backend`";
                self.report(Finding::error(path, message).hint(hint).at(&entry.key_origin));
            } else {
                self.refuse_secrets(entry, &path);
                parameters.insert(entry.key.clone(), entry.node.to_json());
            }
        }
    }

    fn reasoning(
        &mut self,
        draft: &Draft<'_>,
        endpoint: &Endpoint,
        parameters: &mut BTreeMap<String, serde_json::Value>,
    ) {
        const OPENROUTER: &[&str] = &["effort", "max_tokens", "exclude", "enabled"];
        let Some(node) = draft.node.get("reasoning") else {
            return;
        };
        if endpoint.is_in("openrouter.ai") {
            let wanted = match node.bool() {
                Some(enabled) => serde_json::json!({ "enabled": enabled }),
                None => OPENROUTER
                    .iter()
                    .filter_map(|key| node.get(key).map(|value| ((*key).to_owned(), value.to_json())))
                    .collect::<serde_json::Map<_, _>>()
                    .into(),
            };
            parameters.insert("reasoning".to_owned(), wanted);
            return;
        }
        if let Some(effort) = node.get("effort") {
            parameters.entry("reasoning_effort".to_owned()).or_insert_with(|| effort.to_json());
        }
        let idle: Vec<_> =
            OPENROUTER.iter().filter(|key| **key != "effort" && node.get(key).is_some()).collect();
        if node.bool().is_some() || !idle.is_empty() {
            self.report(
                Finding::notice(
                    draft.at("reasoning"),
                    "of `reasoning` only `effort` has an effect with this service",
                )
                .hint("the other settings are OpenRouter's")
                .at(&node.origin),
            );
        }
    }

    fn refuse_secrets(&mut self, entry: &Entry, path: &str) {
        for origin in secrets::places(entry) {
            self.report(
                Finding::error(path, "a key or token cannot stand in the parameters of a request")
                    .hint("keys are read only through `api_key`; everything else is kept in the run's files")
                    .at(&origin),
            );
        }
    }
}

//! The parameters of the calls of a backend, as its request has them. Which there are, [`crate::parameters`] says.

use std::collections::BTreeMap;

use massgen_protocol::spec::Protocol;
use serde_json::{Map, Value as Json, json};

use super::Lower;
use super::backend::Draft;
use super::openrouter;
use crate::check::join;
use crate::endpoint::Endpoint;
use crate::finding::Finding;
use crate::node::{Entry, Node, Value};
use crate::{parameters, secrets};

/// Parameters by their names in the request, or in what the adapter of the protocol reads.
pub(super) type Parameters = BTreeMap<String, Json>;

/// Fields of a request, of whatever protocol, that massgen sets itself.
const OWN_FIELDS: &[&str] = &[
    "model",
    "messages",
    "input",
    "contents",
    "instructions",
    "system",
    "systemInstruction",
    "system_instruction",
    "previous_response_id",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "n",
    "candidateCount",
    "candidate_count",
];

/// Fields that bound the output.
const BOUNDS: &[&str] =
    &["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"];

impl Lower<'_> {
    /// All parameters of the backend. `endpoint` is where they go, when that is known.
    pub(super) fn parameters(&mut self, draft: &Draft<'_>, endpoint: Option<&Endpoint>) -> Parameters {
        let mut parameters = Parameters::new();
        let protocol = draft.kind.protocol;
        for (key, name) in parameters::names(protocol) {
            if let Some(entry) = draft.node.entry(key).filter(|entry| entry.node.value != Value::Null) {
                self.refuse_secrets(entry, &draft.at(key));
                parameters.insert(name.to_owned(), entry.node.to_json());
            }
        }
        self.free_parameters(draft, &mut parameters);
        match protocol {
            Protocol::ChatCompletions => {
                if let Some(verbosity) = draft.node.at(&["text", "verbosity"]) {
                    parameters.entry("verbosity".to_owned()).or_insert_with(|| verbosity.to_json());
                }
                if endpoint.is_some_and(|endpoint| endpoint.is_in(openrouter::HOST)) {
                    self.openrouter(draft, &mut parameters);
                } else {
                    self.effort_only(draft, &mut parameters);
                }
            }
            Protocol::Responses => responses(draft.node, &mut parameters),
            Protocol::Messages => self.messages(draft, &mut parameters),
            Protocol::Gemini => self.idle_reasoning(draft, &[]),
            Protocol::Ollama => {
                self.idle_reasoning(draft, &["effort", "enabled"]);
                if let Some(think) = think(draft.node) {
                    parameters.entry("think".to_owned()).or_insert(think);
                }
            }
        }
        parameters
    }

    /// The parameters that have no key of their own: those that the provider documents, and those of `extra_body`.
    pub(super) fn free_parameters(&mut self, draft: &Draft<'_>, parameters: &mut Parameters) {
        let node = draft.node;
        for entry in node.entries().unwrap_or_default() {
            let is_free = parameters::accepts(&draft.kind.name, &entry.key);
            if is_free && entry.node.value != Value::Null {
                self.refuse_secrets(entry, &draft.at(&entry.key));
                parameters.insert(entry.key.clone(), entry.node.to_json());
            }
        }
        for entry in node.get("extra_body").and_then(Node::entries).unwrap_or_default() {
            let path = join(&draft.at("extra_body"), &entry.key);
            let inner = ["generationConfig", "generation_config", "options"].contains(&entry.key.as_str());
            let bounds = |bound: &&&str| {
                if inner { entry.node.get(bound).is_some() } else { **bound == entry.key }
            };
            let bound = BOUNDS.iter().find(bounds);
            if OWN_FIELDS.contains(&entry.key.as_str()) {
                let message = format!("`{}` in `extra_body` would replace what massgen sends", entry.key);
                self.report(Finding::error(path, message).hint("remove it").at(&entry.key_origin));
            } else if let Some(bound) = bound {
                let message = format!("`{bound}` in `extra_body` would escape the budget");
                let hint = "write `max_tokens` into `backend`";
                self.report(Finding::error(path, message).hint(hint).at(&entry.key_origin));
            } else {
                self.refuse_secrets(entry, &path);
                parameters.insert(entry.key.clone(), entry.node.to_json());
            }
        }
    }

    /// Of `reasoning` the plain protocol knows the effort.
    fn effort_only(&mut self, draft: &Draft<'_>, parameters: &mut Parameters) {
        if let Some(effort) = draft.node.at(&["reasoning", "effort"]) {
            parameters.entry("reasoning_effort".to_owned()).or_insert_with(|| effort.to_json());
        }
        let Some(node) = draft.node.get("reasoning") else { return };
        let idle = ["max_tokens", "exclude", "enabled"].iter().any(|key| node.get(key).is_some());
        if node.bool().is_some() || idle {
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

    fn messages(&mut self, draft: &Draft<'_>, parameters: &mut Parameters) {
        let node = draft.node;
        self.idle_reasoning(draft, &["effort", "type", "budget_tokens"]);
        let thinking: Map<String, Json> = ["type", "budget_tokens"]
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), node.at(&["reasoning", key])?.to_json())))
            .collect();
        if !thinking.is_empty() {
            parameters.entry("thinking".to_owned()).or_insert(thinking.into());
        }
        let effort = node.get("reasoning_effort").or_else(|| node.at(&["reasoning", "effort"]));
        if let Some(effort) = effort {
            let config = parameters.entry("output_config".to_owned()).or_insert_with(|| json!({}));
            if let Some(config) = config.as_object_mut() {
                config.entry("effort").or_insert_with(|| effort.to_json());
            }
        }
    }

    /// Says that of `reasoning` nothing but `known` has an effect, where something else is written.
    fn idle_reasoning(&mut self, draft: &Draft<'_>, known: &[&str]) {
        let Some(node) = draft.node.get("reasoning") else { return };
        let idle = |entry: &&Entry| !known.contains(&entry.key.as_str());
        let has_idle = node.entries().is_some_and(|entries| entries.iter().any(|entry| idle(&entry)));
        let is_switch = node.bool().is_some() && !known.contains(&"enabled");
        if has_idle || is_switch {
            let message = match known {
                [] => format!("`reasoning` has no effect on the type `{}`", draft.kind.name),
                known => format!(
                    "of `reasoning` only `{}` have an effect on the type `{}`",
                    known.join("`, `"),
                    draft.kind.name
                ),
            };
            let hint = match draft.kind.protocol {
                Protocol::Gemini => "use `thinking_config`, for example `{thinking_level: high}`",
                Protocol::ChatCompletions | Protocol::Responses | Protocol::Messages | Protocol::Ollama => {
                    "remove the others"
                }
            };
            self.report(Finding::notice(draft.at("reasoning"), message).hint(hint).at(&node.origin));
        }
    }

    pub(super) fn refuse_secrets(&mut self, entry: &Entry, path: &str) {
        for origin in secrets::places(entry) {
            self.report(
                Finding::error(path, "a key or token cannot stand in the parameters of a request")
                    .hint("keys are read only through `api_key`; everything else is kept in the run's files")
                    .at(&origin),
            );
        }
    }
}

/// `reasoning` and `text` are maps in this protocol, and effort and verbosity stand in them.
fn responses(node: &Node, parameters: &mut Parameters) {
    for (map, inner, short) in
        [("reasoning", "effort", "reasoning_effort"), ("text", "verbosity", "verbosity")]
    {
        let mut fields: Map<String, Json> = Map::new();
        for entry in node.get(map).and_then(Node::entries).unwrap_or_default() {
            if entry.node.value != Value::Null {
                fields.insert(entry.key.clone(), entry.node.to_json());
            }
        }
        if let Some(value) = node.get(short).filter(|node| node.value != Value::Null) {
            fields.entry(inner).or_insert_with(|| value.to_json());
        }
        if !fields.is_empty() {
            parameters.entry(map.to_owned()).or_insert(fields.into());
        }
    }
}

/// Whether and how hard a model thinks, as Ollama wants it.
fn think(node: &Node) -> Option<Json> {
    let reasoning = node.get("reasoning")?;
    let switch = reasoning.bool().or_else(|| reasoning.get("enabled").and_then(Node::bool));
    let effort = reasoning.get("effort").map(Node::to_json);
    if switch == Some(false) { Some(false.into()) } else { effort.or_else(|| switch.map(Json::from)) }
}

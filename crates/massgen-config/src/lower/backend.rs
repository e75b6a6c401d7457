//! The backend of an agent: its type, where it is, which key goes there, and the parameters of its calls.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use massgen_protocol::spec::{BackendSpec, Service, SimulatedSpec, UNNAMED_KEY_PREFIX, Wire};
use massgen_protocol::{AgentId, Price};

use super::Lower;
use crate::backends::{BackendType, Support};
use crate::finding::{Finding, Severity};
use crate::literal::LiteralKey;
use crate::node::{Node, Origin, Value};

/// From a request to the first part of the reply of the simulated model, when nothing is written.
const SIMULATED_LATENCY_MS: u64 = 300;

/// Speed of the simulated model, in tokens per second, when nothing is written.
const SIMULATED_SPEED: u32 = 200;

/// Keys that mean something to a provider and nothing to the simulated model.
const PROVIDER_ONLY: &[&str] = &[
    "temperature",
    "top_p",
    "top_k",
    "min_p",
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
    "base_url",
    "api_key",
    "api_key_command",
    "reasoning",
    "text",
    "extra_body",
    "extra_headers",
    "organization",
    "region",
    "azure_endpoint",
    "api_version",
    "enable_web_search",
    "enable_x_search",
    "enable_code_execution",
    "enable_code_interpreter",
    "thinking",
    "thinking_config",
    "betas",
    "output_schema",
];

/// Keys that only the simulated model has.
const SIMULATED_ONLY: &[&str] = &["latency_ms", "tokens_per_second", "script"];

/// Where a backend stands, and whose it is.
pub(super) struct Slot<'a> {
    /// Its path, for findings.
    pub(super) path: String,
    /// The position of its agent, from 0.
    pub(super) position: usize,
    /// Which backend of the agent it is: 0 is its own, others are entries of its fallback list, from 1.
    pub(super) entry: usize,
    /// Its agent, when that has a name.
    pub(super) agent: Option<&'a AgentId>,
}

impl Slot<'_> {
    /// The name that stands for a key that is in no variable.
    pub(super) fn key_variable(&self) -> String {
        match self.entry {
            0 => format!("{UNNAMED_KEY_PREFIX}{}_KEY", self.position + 1),
            entry => format!("{UNNAMED_KEY_PREFIX}{}_FALLBACK_{entry}_KEY", self.position + 1),
        }
    }
}

/// A backend on its way to the specification.
pub(super) struct Draft<'a> {
    pub(super) node: &'a Node,
    pub(super) kind: &'a BackendType,
    pub(super) slot: &'a Slot<'a>,
}

impl Draft<'_> {
    pub(super) fn at(&self, key: &str) -> String {
        format!("{}.{key}", self.slot.path)
    }

    /// What to do, said for where the backend was named: by a flag, or in a file.
    pub(super) fn advice(&self, for_a_flag: &'static str, for_a_file: &'static str) -> &'static str {
        match self.node.origin {
            Origin::Flag(_) => for_a_flag,
            Origin::File(_) | Origin::Environment { .. } | Origin::BuiltIn => for_a_file,
        }
    }
}

impl<'a> Lower<'a> {
    /// The backend that `node` describes. Keys that stand in it go into `literal_keys`.
    pub(super) fn backend(
        &mut self,
        node: &Node,
        slot: &Slot<'_>,
        literal_keys: &mut Vec<LiteralKey>,
    ) -> Option<BackendSpec> {
        let Value::Map(_) = node.value else { return None };
        let kind = self.backend_type(node, &slot.path)?;
        let draft = Draft { node, kind, slot };
        if !kind.support.runs() {
            self.judge_only(&draft, literal_keys);
            return None;
        }
        let model = self.model(&draft)?;
        let max_output_tokens = node.get("max_tokens").and_then(Node::int);
        if kind.support == Support::Simulated {
            if slot.entry > 0 {
                let message = "a simulated model cannot take the place of a real one";
                let hint = "name a model that answers, or remove the entry";
                self.report(Finding::error(draft.at("type"), message).hint(hint).at(&node.origin));
                return None;
            }
            return Some(BackendSpec {
                kind: kind.name.clone(),
                wire: Wire::Simulated(self.simulated(&draft)),
                model,
                max_output_tokens,
                context_window: None,
                price: Some(Price::FREE),
                parameters: BTreeMap::new(),
                output_schema: None,
            });
        }
        for key in SIMULATED_ONLY {
            if let Some(entry) = node.entry(key) {
                let message = format!("`{key}` is a key of the type `simulated`, not of `{}`", kind.name);
                self.report(Finding::error(draft.at(key), message).hint("remove it").at(&entry.key_origin));
            }
        }
        let found = self.endpoint(&draft);
        let parameters = self.parameters(&draft, found.as_ref().map(|found| &found.endpoint));
        let tools = self.provider_tools(&draft, &model, found.as_ref().map(|found| &found.endpoint));
        let service = self.service(&draft, found?, &model, literal_keys)?;
        Some(BackendSpec {
            kind: kind.name.clone(),
            wire: Wire::Service(Service { tools, ..service }),
            model,
            max_output_tokens,
            context_window: None,
            price: None,
            parameters,
            // It is the agent's, and the same for all of its models.
            output_schema: None,
        })
    }

    /// What can be said of a backend whose protocol is not there yet.
    fn judge_only(&mut self, draft: &Draft<'_>, literal_keys: &mut Vec<LiteralKey>) {
        // An agent of a framework names its model in the framework's own settings.
        if draft.node.get("agent_config").or_else(|| draft.node.get("group_config")).is_none() {
            self.model(draft);
        }
        if draft.node.get("base_url").is_some() {
            self.endpoint(draft);
        }
        if let Some(node) = draft.node.get("api_key") {
            self.written_key(draft, node, literal_keys);
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
        let idle: Vec<_> = PROVIDER_ONLY
            .iter()
            .filter(|key| node.get(key).is_some())
            .map(|key| format!("`{key}`"))
            .collect();
        if !idle.is_empty() {
            let message = format!("without effect on a simulated model: {}", idle.join(", "));
            self.report(
                Finding::notice(&draft.slot.path, message)
                    .hint("remove it, or choose a real type")
                    .at(&node.origin),
            );
        }
        let position = u64::try_from(draft.slot.position).unwrap_or_default();
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
}

//! The form of an agent's final answers (`output_schema`).

use std::sync::Arc;

use massgen_protocol::OutputSchema;
use massgen_protocol::spec::{BackendSpec, Protocol};
use serde_json::Value as Json;

use super::Lower;
use super::backend::Slot;
use crate::check::join;
use crate::finding::Finding;
use crate::node::Node;

/// The key.
const KEY: &str = "output_schema";

/// Parameters that bind the form of every reply, as JSON pointers into what is sent.
fn forms(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::ChatCompletions => &[
            "/response_format",
            "/structured_outputs",
            "/guided_json",
            "/guided_grammar",
            "/guided_regex",
            "/guided_choice",
            "/ebnf",
            "/regex",
        ],
        Protocol::Responses => &["/text/format"],
        Protocol::Messages => &["/output_config/format", "/output_format"],
        Protocol::Gemini => &[
            "/response_mime_type",
            "/responseMimeType",
            "/response_schema",
            "/responseSchema",
            "/response_json_schema",
            "/responseJsonSchema",
            "/generationConfig/responseMimeType",
            "/generationConfig/responseSchema",
            "/generationConfig/responseJsonSchema",
        ],
        Protocol::Ollama => &["/format"],
    }
}

impl Lower<'_> {
    /// The form that the backend `node` names.
    pub(super) fn form(&mut self, node: &Node, slot: &Slot<'_>) -> Option<Arc<OutputSchema>> {
        let entry = node.entry(KEY)?;
        let Json::Object(schema) = entry.node.to_json() else { return None };
        self.refuse_secrets(entry, &join(&slot.path, KEY));
        Some(Arc::new(OutputSchema(schema)))
    }

    /// Gives the form of the agent to one of its backends, which `node` describes. A simulated model keeps to none.
    pub(super) fn take_form(
        &mut self,
        node: &Node,
        slot: &Slot<'_>,
        backend: &mut BackendSpec,
        form: Option<&Arc<OutputSchema>>,
    ) {
        let (Some(service), Some(form)) = (backend.service(), form) else { return };
        let has = |pointer: &str| {
            let mut names = pointer.split('/').skip(1);
            let first = names.next().and_then(|name| backend.parameters.get(name));
            names.try_fold(first?, |value, name| value.get(name)).filter(|value| !value.is_null())
        };
        if let Some(written) = forms(service.protocol).iter().find(|pointer| has(pointer).is_some()) {
            let name = written.trim_start_matches('/').replace('/', ".");
            let message = format!("both `{KEY}` and `{name}` say what form a reply has");
            self.report(
                Finding::error(join(&slot.path, KEY), message)
                    .hint(format!(
                        "remove `{name}`: it would bind every reply, and agents decide by calls of tools"
                    ))
                    .at(&node.entry(KEY).map_or(&node.origin, |entry| &entry.key_origin).clone()),
            );
        }
        backend.output_schema = Some(Arc::clone(form));
    }

    /// The models that take an agent's place answer in the form of its own.
    pub(super) fn refuse_own_form(&mut self, node: &Node, slot: &Slot<'_>) {
        let Some(entry) = node.entry(KEY) else { return };
        self.report(
            Finding::error(join(&slot.path, KEY), format!("`{KEY}` in `fallback` has no effect"))
                .hint(format!("write `{KEY}` into the agent's `backend`: it holds for all of its models"))
                .at(&entry.key_origin),
        );
    }
}

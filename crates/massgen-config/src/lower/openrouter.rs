//! What OpenRouter has beyond the protocol: search as a plugin, settings of reasoning, costs in the usage.

use serde_json::{Value as Json, json};

use super::Lower;
use super::backend::Draft;
use super::parameters::Parameters;
use crate::finding::Finding;
use crate::node::Node;

/// The host.
pub(super) const HOST: &str = "openrouter.ai";

/// Efforts that it knows.
const EFFORTS: &[&str] = &["xhigh", "high", "medium", "low", "minimal", "none"];

/// Settings of reasoning.
const REASONING: &[&str] = &["effort", "max_tokens", "exclude", "enabled"];

/// Results of one search when nothing is written.
const RESULTS: u32 = 5;

impl Lower<'_> {
    /// Adds what the configuration asks of OpenRouter.
    pub(super) fn openrouter(&mut self, draft: &Draft<'_>, parameters: &mut Parameters) {
        self.openrouter_reasoning(draft, parameters);
        // The costs of a call are told only when they are asked for.
        parameters.entry("usage".to_owned()).or_insert_with(|| json!({ "include": true }));
        if draft.node.get("enable_web_search").and_then(Node::bool) == Some(true) {
            search(draft.node, parameters);
        }
    }

    fn openrouter_reasoning(&mut self, draft: &Draft<'_>, parameters: &mut Parameters) {
        let effort = draft.node.get("reasoning_effort").map(|node| ("reasoning_effort", node));
        let nested = draft.node.at(&["reasoning", "effort"]).map(|node| ("reasoning.effort", node));
        for (key, node) in [effort, nested].into_iter().flatten() {
            let Some(word) = node.text().filter(|word| !EFFORTS.contains(word) && !self.waits(word)) else {
                continue;
            };
            let message = format!("OpenRouter knows no effort `{}`", crate::check::shortened(word));
            let hint = format!("it is one of `{}`", EFFORTS.join("`, `"));
            self.report(Finding::error(draft.at(key), message).hint(hint).at(&node.origin));
        }
        let Some(node) = draft.node.get("reasoning") else { return };
        let wanted = match node.bool() {
            Some(enabled) => json!({ "enabled": enabled }),
            None => REASONING
                .iter()
                .filter_map(|key| node.get(key).map(|value| ((*key).to_owned(), value.to_json())))
                .collect::<serde_json::Map<_, _>>()
                .into(),
        };
        parameters.insert("reasoning".to_owned(), wanted);
    }
}

/// Adds the plugin that searches the web, unless the configuration has it among its own plugins.
fn search(node: &Node, parameters: &mut Parameters) {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let mut plugin = json!({
        "id": "web",
        "engine": text("engine").unwrap_or("exa"),
        "max_results": node.get("max_results").and_then(Node::int).unwrap_or(RESULTS),
    });
    if let (Some(prompt), Some(plugin)) = (text("search_prompt"), plugin.as_object_mut()) {
        plugin.insert("search_prompt".to_owned(), prompt.into());
    }
    let plugins = parameters.entry("plugins".to_owned()).or_insert_with(|| json!([]));
    if let Some(plugins) = plugins.as_array_mut()
        && !plugins.iter().any(|known| known.get("id").and_then(Json::as_str) == Some("web"))
    {
        plugins.push(plugin);
    }
    if let Some(size) = text("search_context_size") {
        parameters
            .entry("web_search_options".to_owned())
            .or_insert_with(|| json!({ "search_context_size": size }));
    }
}

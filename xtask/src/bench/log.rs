//! What the model server saw, and what follows from it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request as the model server logged it. Times are milliseconds since the server began.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Served {
    /// When all of the request had arrived.
    pub(crate) begin_ms: f64,
    /// When the last byte of the reply had been written; `None` while it is not, or when the client left before.
    pub(crate) end_ms: Option<f64>,
    /// How long the reply takes by the schedule.
    pub(crate) planned_ms: f64,
    /// In how many chunks it goes out.
    pub(crate) chunks: usize,
    /// The body as sent.
    pub(crate) body: Value,
}

impl Served {
    /// Whose it is: every agent of the bench has a model name of its own.
    pub(crate) fn agent(&self) -> &str {
        self.body.get("model").and_then(Value::as_str).unwrap_or_default()
    }
}

/// When the last reply was complete.
pub(crate) fn last_end(log: &[Served]) -> Option<f64> {
    log.iter().filter_map(|request| request.end_ms).reduce(f64::max)
}

/// The most requests that came one after the other, each after the reply before it was complete.
pub(crate) fn longest_chain(log: &[Served]) -> usize {
    let mut spans: Vec<(f64, f64)> =
        log.iter().filter_map(|request| Some((request.begin_ms, request.end_ms?))).collect();
    spans.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut free_from = f64::NEG_INFINITY;
    let mut chain = 0;
    // Always the next one that ends first: it leaves the most room for those after it.
    for (begin, end) in spans {
        if begin >= free_from {
            chain += 1;
            free_from = end;
        }
    }
    chain
}

/// How long a run takes at least when its longest chain has `phases` requests and nothing but the model takes time.
pub(crate) fn ideal_ms(log: &[Served], phases: f64) -> f64 {
    phases * log.iter().map(|request| request.planned_ms).fold(0.0, f64::max)
}

/// Providers cache prompts in blocks; this is the size that the figures to compare with were made with.
const BLOCK: usize = 1024;

/// Bytes of all prompts that no cache held: per agent, what follows the longest prefix, in whole blocks, that a prompt
/// shares with an earlier one of the same agent.
pub(crate) fn uncached_bytes(log: &[Served]) -> usize {
    let mut in_order: Vec<&Served> = log.iter().collect();
    in_order.sort_by(|a, b| a.begin_ms.total_cmp(&b.begin_ms));
    let mut earlier: HashMap<&str, Vec<String>> = HashMap::new();
    let mut uncached = 0;
    for request in in_order {
        let prompt = prompt(&request.body);
        let known = earlier.entry(request.agent()).or_default();
        let shared = known.iter().map(|other| shared_bytes(other, &prompt)).max().unwrap_or(0);
        uncached += prompt.len() - shared / BLOCK * BLOCK;
        known.push(prompt);
    }
    uncached
}

/// A prompt in one canonical text: the tools, then the messages, system message first as it is sent.
fn prompt(body: &Value) -> String {
    let mut text = body.get("tools").map(Value::to_string).unwrap_or_default();
    for message in body.get("messages").and_then(Value::as_array).into_iter().flatten() {
        text.push_str(&message.to_string());
    }
    text
}

fn shared_bytes(a: &str, b: &str) -> usize {
    a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count()
}

/// How many requests of `after` had been answered completely in `before` already.
pub(crate) fn paid_twice(before: &[Served], after: &[Served]) -> usize {
    let finished: Vec<&Value> =
        before.iter().filter(|request| request.end_ms.is_some()).map(|request| &request.body).collect();
    after.iter().filter(|request| finished.contains(&&request.body)).count()
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;

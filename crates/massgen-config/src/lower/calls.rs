//! How the calls of a backend go out: how they are held back, what headers they carry, which command gives their key.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use massgen_protocol::pacing::{BackoffSettings, BreakerSettings, Pacing, RateLimit};
use massgen_protocol::spec::{BackendSpec, KeyCommand, Wire};

use super::Lower;
use crate::check::{join, shortened};
use crate::finding::{Finding, Severity};
use crate::node::{Entry, Node, Value};
use crate::secrets::names_a_secret;

/// The prefix of the keys of the circuit breaker.
const BREAKER: &str = "llm_circuit_breaker_";

/// Limits that providers are known to have: type, model, requests a minute, tokens a minute, requests a day. The
/// model `default` stands for all others.
const KNOWN_RATES: &[(&str, &str, u32, u32, u32)] = &[
    ("gemini", "gemini-2.5-flash", 9, 240_000, 245),
    ("gemini", "gemini-2.5-pro", 2, 120_000, 48),
    ("gemini", DEFAULT_MODEL, 7, 100_000, 100),
];

/// The name of the limits for models without a name of their own in a table.
const DEFAULT_MODEL: &str = "default";

/// Rate limits by backend type and model.
#[derive(Debug, Default, PartialEq)]
pub(super) struct RateTable {
    rates: BTreeMap<String, BTreeMap<String, RateLimit>>,
}

impl RateTable {
    /// The limits that come with massgen.
    fn known() -> Self {
        let mut table = Self::default();
        for (kind, model, requests, tokens, requests_of_a_day) in KNOWN_RATES {
            let limit = RateLimit {
                requests_per_minute: NonZeroU32::new(*requests),
                tokens_per_minute: NonZeroU32::new(*tokens).map(Into::into),
                requests_per_day: NonZeroU32::new(*requests_of_a_day),
            };
            table.rates.entry((*kind).to_owned()).or_default().insert((*model).to_owned(), limit);
        }
        table
    }

    /// The limits of `model`: those of its own name, else of the longest name that is a part of it, else the default.
    fn of(&self, kind: &str, model: &str) -> Option<RateLimit> {
        let models = self.rates.get(kind)?;
        let within = || {
            let named = models.iter().filter(|(name, _)| *name != DEFAULT_MODEL && model.contains(*name));
            named.max_by_key(|(name, _)| name.len()).map(|(_, limit)| limit)
        };
        models.get(model).or_else(within).or_else(|| models.get(DEFAULT_MODEL)).copied()
    }
}

impl Lower<'_> {
    /// The limits that the configuration names.
    pub(super) fn rates(&mut self, root: &Node) -> RateTable {
        let mut table = RateTable::default();
        for kind in root.get("rate_limits").and_then(Node::entries).unwrap_or_default() {
            let path = join("rate_limits", &kind.key);
            if self.by.backends.get(&kind.key).is_none() {
                let hint = self.by.backends.nearest_type(&kind.key).map_or_else(
                    || "write limits under the `type` of a backend".to_owned(),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let message = format!("unknown backend type `{}`", shortened(&kind.key));
                self.report(Finding::error(path, message).hint(hint).at(&kind.key_origin));
                continue;
            }
            let Some(models) = kind.node.entries() else {
                self.not_a_rate(&path, "a map from model to limits", &kind.node);
                continue;
            };
            for model in models {
                if let Some(limit) = self.rate(&join(&path, &model.key), &model.node) {
                    table.rates.entry(kind.key.clone()).or_default().insert(model.key.clone(), limit);
                }
            }
        }
        table
    }

    fn rate(&mut self, path: &str, node: &Node) -> Option<RateLimit> {
        let Some(entries) = node.entries() else {
            self.not_a_rate(path, "a map of limits", node);
            return None;
        };
        let mut limit = RateLimit::default();
        for entry in entries {
            let path = join(path, &entry.key);
            let amount: Option<NonZeroU32> = entry.node.int().and_then(NonZeroU32::new);
            if amount.is_none() && entry.node.value != Value::Null {
                self.not_a_rate(&path, "a whole number from 1", &entry.node);
            }
            match entry.key.as_str() {
                "rpm" => limit.requests_per_minute = amount,
                "tpm" => limit.tokens_per_minute = amount.map(Into::into),
                "rpd" => limit.requests_per_day = amount,
                other => {
                    let message = format!("unknown limit `{}`", shortened(other));
                    self.report(Finding::error(path, message).hint(RATES).at(&entry.key_origin));
                }
            }
        }
        Some(limit)
    }

    fn not_a_rate(&mut self, path: &str, wanted: &str, node: &Node) {
        let message = format!("this must be {wanted}, not {}", node.describe());
        self.report(Finding::error(path, message).hint(RATES).at(&node.origin));
    }

    /// Puts into `backend` what `node`, at `path`, says about its calls.
    pub(super) fn calls(&mut self, node: &Node, path: &str, backend: &mut BackendSpec, rates: &RateTable) {
        let (kind, model) = (backend.kind.clone(), backend.model.clone());
        let Wire::Service(service) = &mut backend.wire else { return };
        *service.pacing = Pacing {
            breaker: self.breaker(node, path),
            rate: self.rate_of(node, path, (&kind, &model), rates),
            backoff: (kind == "gemini").then(|| backoff(node)),
            deadline: seconds(node.get("call_timeout_seconds")),
            idle_timeout: seconds(node.get("idle_timeout_seconds")),
        };
        service.key_command = self.key_command(node, path);
        service.headers = self.headers(node, path);
    }

    fn breaker(&mut self, node: &Node, path: &str) -> Option<BreakerSettings> {
        let key = |name: &str| node.get(&format!("{BREAKER}{name}"));
        if key("enabled").and_then(Node::bool) != Some(true) {
            let entries = node.entries().unwrap_or_default();
            let is_idle = |entry: &&Entry| {
                entry.key.starts_with(BREAKER)
                    && entry.key != "llm_circuit_breaker_enabled"
                    && entry.node.value != Value::Null
            };
            if let Some(entry) = entries.iter().find(is_idle) {
                self.report(
                    Finding::notice(join(path, &entry.key), format!("`{}` has no effect", entry.key))
                        .hint("write `llm_circuit_breaker_enabled: true` beside it")
                        .at(&entry.key_origin),
                );
            }
            return None;
        }
        let default = BreakerSettings::default();
        let statuses = key("retryable_status_codes").and_then(Node::list);
        Some(BreakerSettings {
            max_failures: key("max_failures")
                .and_then(Node::int)
                .and_then(NonZeroU32::new)
                .unwrap_or(default.max_failures),
            pause: seconds(key("reset_time_seconds")).unwrap_or(default.pause),
            growth_percent: percent(key("backoff_multiplier")).unwrap_or(default.growth_percent),
            max_pause: seconds(key("max_backoff_seconds")).unwrap_or(default.max_pause),
            max_retry_after: seconds(key("retry_after_threshold_seconds")).unwrap_or(default.max_retry_after),
            statuses: statuses.map_or(default.statuses, |list| list.iter().filter_map(Node::int).collect()),
        })
    }

    /// What the file names holds unless it is switched off; what massgen knows holds when it is switched on.
    fn rate_of(
        &mut self,
        node: &Node,
        path: &str,
        (kind, model): (&str, &str),
        rates: &RateTable,
    ) -> Option<RateLimit> {
        let switch = node.entry("enable_rate_limit");
        let wanted = switch.and_then(|entry| entry.node.bool());
        let named = rates.of(kind, model).filter(|_| wanted != Some(false));
        let limit = named.or_else(|| RateTable::known().of(kind, model).filter(|_| wanted == Some(true)));
        if let (None, Some(true), Some(switch)) = (limit, wanted, switch) {
            let message = format!("no rate limit is known for `{kind}` and `{}`", shortened(model));
            let hint = format!("name it: `rate_limits: {{{kind}: {{default: {{rpm: 10}}}}}}`");
            let severity = self.limit(Severity::Warning);
            let path = join(path, "enable_rate_limit");
            self.report(Finding::new(severity, path, message).hint(hint).at(&switch.key_origin));
        }
        limit.filter(RateLimit::is_limited)
    }

    fn key_command(&mut self, node: &Node, path: &str) -> Option<KeyCommand> {
        let entry = node.entry("api_key_command")?;
        let command = match &entry.node.value {
            Value::Text(line) => KeyCommand::Shell(line.trim().to_owned()),
            Value::List(parts) => {
                KeyCommand::Program(parts.iter().filter_map(Node::text).map(str::to_owned).collect())
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Map(_) => return None,
        };
        let is_empty = match &command {
            KeyCommand::Shell(line) => line.is_empty(),
            KeyCommand::Program(parts) => parts.first().is_none_or(String::is_empty),
        };
        let path = join(path, "api_key_command");
        if is_empty {
            let hint = "for example `api_key_command: pass show openai`";
            self.report(Finding::error(path, "the command is empty").hint(hint).at(&entry.node.origin));
            return None;
        }
        if node.get("api_key").is_some() {
            self.report(
                Finding::error(path, "both `api_key` and `api_key_command` are given")
                    .hint("remove one of them")
                    .at(&entry.key_origin),
            );
            return None;
        }
        Some(command)
    }

    fn headers(&mut self, node: &Node, path: &str) -> BTreeMap<String, String> {
        let path = join(path, "extra_headers");
        let mut headers = BTreeMap::new();
        for entry in node.get("extra_headers").and_then(Node::entries).unwrap_or_default() {
            let Some(text) = entry.node.text() else { continue };
            if names_a_secret(&entry.key) && !text.contains("${") {
                self.report(
                    Finding::error(join(&path, &entry.key), "a key is written into a header itself")
                        .hint("put it into an environment variable and write `${MY_API_KEY}` in its place")
                        .at(&entry.key_origin),
                );
                continue;
            }
            headers.insert(entry.key.clone(), text.to_owned());
        }
        if let Some(organization) = node.get("organization").and_then(Node::text) {
            headers.entry("OpenAI-Organization".to_owned()).or_insert_with(|| organization.to_owned());
        }
        headers
    }
}

/// What a rate limit looks like.
const RATES: &str = "for example `rate_limits: {openai: {default: {rpm: 60, tpm: 200000, rpd: 1000}}}`";

fn backoff(node: &Node) -> BackoffSettings {
    let key = |name: &str| node.get(&format!("gemini_backoff_{name}"));
    let attempts: Option<u32> = key("max_attempts").and_then(Node::int);
    BackoffSettings {
        attempts: attempts.and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN.saturating_add(4)),
        first_delay: seconds(key("initial_delay")).unwrap_or(Duration::from_secs(2)),
        growth_percent: percent(key("multiplier")).unwrap_or(300),
        max_delay: seconds(key("max_delay")).unwrap_or(Duration::from_mins(1)),
        jitter_percent: percent(key("jitter")).unwrap_or(20),
    }
}

fn seconds(node: Option<&Node>) -> Option<Duration> {
    Duration::try_from_secs_f64(node?.number()?).ok()
}

/// A factor in percent.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the registry bounds factors")]
fn percent(node: Option<&Node>) -> Option<u32> {
    Some((node?.number()?.clamp(0.0, 100.0) * 100.0).round() as u32)
}

//! What the command line asks for, and how it is laid over the written configuration.

mod modes;

use crate::backends::{Backends, GENERAL};
use crate::context_paths::ContextPath;
use crate::finding::Finding;
use crate::node::{Entry, Node, Origin, Value};

pub use modes::{Coordination, Modes, Personas};

/// Seed of the simulated team that runs when nothing is configured.
pub const DEMO_SEED: u64 = 1;

/// The backend type that asks no model.
const SIMULATED: &str = "simulated";

/// Agents of the simulated team.
const DEMO_AGENTS: [&str; 3] = ["agent_a", "agent_b", "agent_c"];

/// Flags of the command line that change what runs. A flag wins over the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    /// The question, from the positional argument.
    pub question: Option<String>,
    /// `--backend`: a backend type; only without a file.
    pub backend: Option<String>,
    /// `--model`.
    pub model: Option<String>,
    /// `--base-url`.
    pub base_url: Option<String>,
    /// `--system-message`.
    pub system_message: Option<String>,
    /// `--orchestrator-timeout`, in seconds.
    pub orchestrator_timeout: Option<u64>,
    /// The flags that set a way of working.
    pub modes: Modes,
    /// `--single-agent`.
    pub single_agent: Option<SingleAgent>,
    /// `--max-cost`, in US dollars.
    pub max_cost: Option<f64>,
    /// `--max-tokens`.
    pub max_tokens: Option<u64>,
    /// `--rate-limit`: every agent keeps to the rates that are known.
    pub rate_limit: bool,
    /// `--simulate`: every model is replaced by a simulated one.
    pub simulate: bool,
    /// Paths that the question names, for agents to see beside those of the configuration.
    pub context_paths: Vec<ContextPath>,
}

/// Which agent stays when only one is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SingleAgent {
    /// The first of the configuration.
    First,
    /// The one with this id.
    Named(String),
}

impl Settings {
    /// Whether they say which model runs, so that no file is looked for.
    pub fn name_a_backend(&self) -> bool {
        self.backend.is_some() || self.model.is_some()
    }

    /// Whether they make a configuration where there is no file, or are wrong without one.
    pub fn stand_in_for_a_file(&self) -> bool {
        self.name_a_backend() || self.simulate || self.base_url.is_some()
    }
}

/// The configuration that flags alone make; the simulated team when they name no model.
pub(crate) fn without_file(settings: &Settings, backends: &Backends, findings: &mut Vec<Finding>) -> Node {
    if !settings.name_a_backend() {
        if settings.base_url.is_some() {
            findings.push(
                Finding::error("agent.backend.model", "an address is given, and no model")
                    .hint("add `--model` with the name that the service has for it, or name a file with `--config`")
                    .at(&Origin::Flag("--base-url")),
            );
        }
        return simulated_team_node(DEMO_SEED);
    }
    let kind = match (&settings.backend, &settings.model, &settings.base_url) {
        (Some(kind), _, _) => kind.clone(),
        (None, _, Some(_)) => GENERAL.to_owned(),
        (None, Some(model), None) => {
            if let Some(known) = backends.type_of_model(model) {
                known.name.clone()
            } else {
                findings.push(
                    Finding::error(
                        "agent.backend.type",
                        format!("no backend is known for the model `{}`", model.escape_debug()),
                    )
                    .hint(format!("say which with `--backend`, one of {}", backends.running_types()))
                    .at(&Origin::Flag("--model")),
                );
                return Node::new(Value::Null, Origin::BuiltIn);
            }
        }
        (None, None, None) => String::new(),
    };
    if backends.get(&kind).is_some_and(|known| known.name == SIMULATED) && settings.model.is_none() {
        return simulated_team_node(DEMO_SEED);
    }
    let mut root = Node::new(Value::Map(Vec::new()), Origin::BuiltIn);
    root.set(&["agent", "id"], Value::Text("agent1".to_owned()), &Origin::BuiltIn);
    let flag = if settings.backend.is_some() {
        "--backend"
    } else if settings.base_url.is_some() {
        "--base-url"
    } else {
        "--model"
    };
    root.set(&["agent", "backend", "type"], Value::Text(kind), &Origin::Flag(flag));
    root
}

/// Three simulated agents; what runs when nothing is configured, labelled as simulated wherever it is shown.
pub(crate) fn simulated_team_node(seed: u64) -> Node {
    let text = |text: &str| Value::Text(text.to_owned());
    let agents = (0u64..).zip(DEMO_AGENTS).map(|(i, id)| {
        let mut agent = Node::new(Value::Map(Vec::new()), Origin::BuiltIn);
        agent.set(&["id"], text(id), &Origin::BuiltIn);
        agent.set(&["backend", "type"], text(SIMULATED), &Origin::BuiltIn);
        let seed = seed.wrapping_add(i) & i64::MAX.cast_unsigned();
        agent.set(&["backend", "seed"], Value::Int(seed.into()), &Origin::BuiltIn);
        agent
    });
    let agents = Node::new(Value::List(agents.collect()), Origin::BuiltIn);
    let entry = Entry { key: "agents".to_owned(), key_origin: Origin::BuiltIn, node: agents };
    Node::new(Value::Map(vec![entry]), Origin::BuiltIn)
}

/// Whether the tree that flags are laid over was read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Base {
    File,
    Flags,
}

/// Lays the flags over the tree.
pub(crate) fn overlay(root: &mut Node, settings: &Settings, base: Base, findings: &mut Vec<Finding>) {
    if settings.backend.is_some() && base == Base::File {
        findings.push(
            Finding::error("root", "a configuration file and `--backend` exclude each other")
                .hint("leave out one of `--config` and `--backend`")
                .at(&Origin::Flag("--backend")),
        );
    }
    keep_single_agent(root, settings, findings);
    for (flag, keys, value) in [
        ("--model", &["backend", "model"][..], &settings.model),
        ("--base-url", &["backend", "base_url"][..], &settings.base_url),
        ("--system-message", &["system_message"][..], &settings.system_message),
    ] {
        if let Some(value) = value {
            set_on_only_agent(root, flag, keys, value, findings);
        }
    }
    let mut put = |flag, path: &[&str], value| root.set(path, value, &Origin::Flag(flag));
    if let Some(question) = &settings.question {
        put("question", &["prompt"], Value::Text(question.clone()));
    }
    if let Some(seconds) = settings.orchestrator_timeout {
        let path = ["timeout_settings", "orchestrator_timeout_seconds"];
        put("--orchestrator-timeout", &path, Value::Int(seconds.into()));
    }
    if let Some(dollars) = settings.max_cost {
        put("--max-cost", &["orchestrator", "budget", "max_cost"], Value::Float(dollars));
    }
    if let Some(tokens) = settings.max_tokens {
        put("--max-tokens", &["orchestrator", "budget", "max_tokens"], Value::Int(tokens.into()));
    }
    modes::overlay(root, &settings.modes);
    if settings.rate_limit {
        for_each_agent(root, &mut |agent, _| {
            if agent.get("backend").is_some() {
                let path = ["backend", "enable_rate_limit"];
                agent.set(&path, Value::Bool(true), &Origin::Flag("--rate-limit"));
            }
            for backend in fallback_of(agent) {
                backend.set(&["enable_rate_limit"], Value::Bool(true), &Origin::Flag("--rate-limit"));
            }
        });
    }
    if settings.simulate {
        for_each_agent(root, &mut simulate_agent);
    }
}

/// Changes every agent, with its position.
fn for_each_agent(root: &mut Node, change: &mut dyn FnMut(&mut Node, i128)) {
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    for entry in entries {
        match (entry.key.as_str(), &mut entry.node.value) {
            ("agent", Value::Map(_)) => change(&mut entry.node, 0),
            ("agents", Value::List(agents)) => {
                agents.iter_mut().zip(0..).for_each(|(agent, position)| change(agent, position));
            }
            // The check says what is wrong there.
            _ => {}
        }
    }
}

/// The maps in the list of an agent's backends for when its own fails.
fn fallback_of(agent: &mut Node) -> impl Iterator<Item = &mut Node> {
    let entries = match &mut agent.value {
        Value::Map(entries) => entries.as_mut_slice(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => {
            &mut []
        }
    };
    let list = entries.iter_mut().filter(|entry| entry.key == "fallback").map(|entry| &mut entry.node.value);
    list.flat_map(|value| match value {
        Value::List(items) => items.as_mut_slice(),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) | Value::Map(_) => {
            &mut []
        }
    })
    .filter(|node| node.entries().is_some())
}

/// Takes the list of an agent's other backends away: `flag` says which model answers.
fn forget_fallback(agent: &mut Node, flag: &'static str) {
    if agent.get("fallback").is_some() {
        agent.set(&["fallback"], Value::List(Vec::new()), &Origin::Flag(flag));
    }
}

/// Replaces the backend of an agent by a simulated one. One that is simulated stays: it may have a script.
fn simulate_agent(agent: &mut Node, position: i128) {
    let origin = Origin::Flag("--simulate");
    forget_fallback(agent, "--simulate");
    let written = agent.get("backend");
    let is_map = written.is_some_and(|backend| backend.entries().is_some());
    let kind = written.and_then(|backend| backend.get("type")).and_then(Node::text);
    let is_simulated =
        kind.and_then(|kind| Backends::built_in().get(kind)).is_some_and(|kind| kind.name == SIMULATED);
    if is_map && !is_simulated {
        let mut simulated = Node::new(Value::Map(Vec::new()), origin.clone());
        simulated.set(&["type"], Value::Text(SIMULATED.to_owned()), &origin);
        simulated.set(&["seed"], Value::Int(position), &origin);
        agent.set(&["backend"], simulated.value, &origin);
    }
}

fn set_on_only_agent(
    root: &mut Node,
    flag: &'static str,
    keys: &[&str],
    value: &str,
    findings: &mut Vec<Finding>,
) {
    let origin = Origin::Flag(flag);
    let value = Value::Text(value.to_owned());
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    let agents = entries.iter_mut().find(|entry| entry.key == "agents" && entry.node.value != Value::Null);
    match agents.map(|entry| &mut entry.node.value) {
        None => {
            let path: Vec<_> = std::iter::once("agent").chain(keys.iter().copied()).collect();
            if root.get("agent").is_some() {
                root.set(&path, value, &origin);
            }
            if keys.first() == Some(&"backend") && root.at(&["agent", "fallback"]).is_some() {
                root.set(&["agent", "fallback"], Value::List(Vec::new()), &origin);
            }
        }
        Some(Value::List(agents)) => match agents.as_mut_slice() {
            [only] => {
                only.set(keys, value, &origin);
                if keys.first() == Some(&"backend") {
                    forget_fallback(only, flag);
                }
            }
            [] => {}
            several => findings.push(
                Finding::error(
                    "agents",
                    format!("`{flag}` is for one agent, but there are {}", several.len()),
                )
                .hint("add `--single-agent ID`, or write it into the file")
                .at(&origin),
            ),
        },
        Some(_) => {}
    }
}

fn keep_single_agent(root: &mut Node, settings: &Settings, findings: &mut Vec<Finding>) {
    let Some(single) = &settings.single_agent else {
        return;
    };
    let origin = Origin::Flag("--single-agent");
    let Value::Map(entries) = &mut root.value else {
        return;
    };
    let Some(entry) = entries.iter_mut().find(|entry| matches!(entry.key.as_str(), "agents" | "agent"))
    else {
        return;
    };
    let id_of = |agent: &Node| agent.get("id").and_then(Node::text).map(str::to_owned);
    let mut ids = Vec::new();
    let found = match (&mut entry.node.value, single) {
        (Value::List(agents), SingleAgent::First) => {
            agents.truncate(1);
            true
        }
        (Value::List(agents), SingleAgent::Named(id)) => {
            ids = agents.iter().filter_map(id_of).collect();
            let position = agents.iter().position(|agent| id_of(agent).as_deref() == Some(id));
            if let Some(position) = position {
                agents.swap(0, position);
                agents.truncate(1);
            }
            position.is_some()
        }
        (_, SingleAgent::First) => true,
        (_, SingleAgent::Named(id)) => {
            ids = id_of(&entry.node).into_iter().collect();
            ids.contains(id)
        }
    };
    if let (false, SingleAgent::Named(id)) = (found, single) {
        findings.push(
            Finding::error("agents", format!("there is no agent `{}`", id.escape_debug()))
                .hint(format!("agents are `{}`", ids.join("`, `")))
                .at(&origin),
        );
    }
}

#[cfg(test)]
#[path = "settings/settings_tests.rs"]
mod tests;

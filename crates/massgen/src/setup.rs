//! From the command line and the configuration to the specification of a run.

use std::path::Path;

use massgen_config::{
    DisplayType, Findings, LoadRequest, Loaded, Settings, Severity, SingleAgent, Source, Validation, load,
};
use massgen_model::catalog;
use massgen_protocol::spec::{RunMeta, RunSpec, Wire};
use massgen_protocol::{Price, limits};

use crate::arguments::Arguments;
use crate::discovery;
use crate::environment::{Environment, SEARCHED};
use crate::failure::{Failure, stderr_style};
use crate::git;

/// Longest configuration file that is read.
const CONFIG_BYTES: u64 = 16 * 1024 * 1024;

/// What a new run starts from.
pub(crate) struct Setup {
    pub(crate) spec: RunSpec,
    pub(crate) meta: RunMeta,
    /// Keys that stand in the configuration itself: the names that stand for them, and the keys.
    pub(crate) literal_keys: Vec<(String, String)>,
    pub(crate) display: Option<DisplayType>,
    pub(crate) automation: bool,
    /// Lines for a person before the run begins.
    pub(crate) remarks: Vec<String>,
}

/// Loads and checks everything that a new run needs.
pub(crate) fn prepare(arguments: &Arguments, environment: &Environment) -> Result<Setup, Failure> {
    let settings = settings(arguments);
    let source = source(arguments, &settings, environment)?;
    let mut remarks = Vec::new();
    if source.is_none() && !settings.name_a_backend() {
        unconfigured(arguments, environment, &mut remarks)?;
    }
    let lookup = |name: &str| environment.get(name);
    let loaded = load(LoadRequest {
        source: source.as_ref(),
        settings: &settings,
        lookup: &lookup,
        working_directory: &environment.working_directory,
        validation: Validation::Normal,
    })
    .map_err(configuration)?;
    if arguments.replay.is_none() {
        let missing = loaded.missing_keys(&lookup, SEARCHED);
        if missing.has_errors() {
            return Err(configuration(missing));
        }
    }
    if !loaded.findings.is_empty() {
        remarks.push(massgen_config::render(&loaded.findings, stderr_style()).trim_end().to_owned());
    }
    finish(arguments, environment, source.as_ref(), loaded, remarks)
}

fn finish(
    arguments: &Arguments,
    environment: &Environment,
    source: Option<&Source>,
    loaded: Loaded,
    mut remarks: Vec<String>,
) -> Result<Setup, Failure> {
    let literal_keys: Vec<(String, String)> =
        loaded.literal_keys.iter().map(|key| (key.variable.clone(), key.expose().to_owned())).collect();
    let redactor = environment.redactor(literal_keys.iter().map(|(_, key)| key.clone()));
    let (display, automation) = (loaded.ui.display, loaded.ui.automation.unwrap_or(false));
    let mut spec = loaded.draft.finish().map_err(|error| Failure::usage(&error).hint(error.hint()))?;
    spec.question = redactor.text(&spec.question).into_owned();
    add_facts(&mut spec);
    remarks.extend(unpriced(&spec));
    let arguments = serde_json::to_value(arguments).map_err(Failure::configuration)?;
    let meta = RunMeta {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        working_directory: environment.working_directory.display().to_string(),
        config_path: source.map(|source| environment.absolute(source.name().as_ref()).display().to_string()),
        config: source.map(|_| redactor.json(loaded.written)),
        arguments: redactor.json(arguments),
        git: git::state_of(&environment.working_directory),
        utc_offset_seconds: jiff::Zoned::now().offset().seconds(),
        fixed_prompt_bytes: 0,
    };
    Ok(Setup { spec, meta, literal_keys, display, automation, remarks })
}

fn settings(arguments: &Arguments) -> Settings {
    Settings {
        question: arguments.question.clone(),
        backend: arguments.backend.clone(),
        model: arguments.model.clone(),
        base_url: arguments.base_url.clone(),
        system_message: arguments.system_message.clone(),
        orchestrator_timeout: arguments.orchestrator_timeout,
        quick: arguments.quick,
        single_agent: arguments.single_agent.as_ref().map(|id| match id {
            Some(id) => SingleAgent::Named(id.clone()),
            None => SingleAgent::First,
        }),
        max_cost: arguments.max_cost,
        max_tokens: arguments.max_tokens,
    }
}

/// The configuration file: the one that was named, else the project's, else the user's, unless flags name a backend.
fn source(
    arguments: &Arguments,
    settings: &Settings,
    environment: &Environment,
) -> Result<Option<Source>, Failure> {
    let candidates = match &arguments.config {
        Some(path) => named(path),
        None if settings.name_a_backend() => return Ok(None),
        None => vec![".massgen/config.yaml".to_owned(), "~/.config/massgen/config.yaml".to_owned()],
    };
    for name in &candidates {
        let path = environment.absolute(name.as_ref());
        if path.exists() {
            return read_source(name.clone(), &path).map(Some);
        }
    }
    match &arguments.config {
        None => Ok(None),
        Some(path) => Err(Failure::configuration(format!("there is no configuration `{}`", path.display()))
            .hint(format!("looked for {}", candidates.join(", ")))),
    }
}

/// Where a configuration is looked for that was named.
fn named(path: &Path) -> Vec<String> {
    let name = path.display();
    let mut candidates = vec![name.to_string()];
    if path.is_relative() && !path.starts_with("~") {
        candidates.push(format!("~/.config/massgen/agents/{name}"));
        candidates.push(format!("~/.config/massgen/agents/{name}.yaml"));
    }
    candidates
}

fn read_source(name: String, path: &Path) -> Result<Source, Failure> {
    let unreadable = |problem: &dyn std::fmt::Display| {
        Failure::configuration(format!("cannot read the configuration `{name}`: {problem}"))
            .hint("give the path of a YAML or JSON file with `--config`")
    };
    let metadata = fs_err::metadata(path).map_err(|error| unreadable(&error))?;
    if metadata.is_dir() {
        return Err(unreadable(&"it is a folder"));
    }
    if metadata.len() > CONFIG_BYTES {
        let length = metadata.len();
        return Err(unreadable(&format!("it has {length} bytes; at most {CONFIG_BYTES} are read")));
    }
    let bytes = fs_err::read(path).map_err(|error| unreadable(&error))?;
    let text = String::from_utf8(bytes).map_err(|_| unreadable(&"it is not text in UTF-8"))?;
    Ok(Source::new(name, text))
}

/// Nothing is configured. With a key or a local server at hand the person decides; nothing is spent unasked. With
/// neither, the simulated team shows what would happen.
fn unconfigured(
    arguments: &Arguments,
    environment: &Environment,
    remarks: &mut Vec<String>,
) -> Result<(), Failure> {
    if arguments.question.as_ref().is_none_or(|question| question.trim().is_empty()) {
        return Err(Failure::usage("there is no question")
            .hint("write it behind the command, as in `massgen \"your question\"`; see `massgen --help`"));
    }
    let found = discovery::suggestions(environment, &discovery::LOCAL_SERVERS);
    if found.is_empty() {
        remarks.push(
            "nothing is configured: three SIMULATED agents answer, no model is asked\n\
             hint: set a key such as OPENAI_API_KEY, or write ./.massgen/config.yaml"
                .to_owned(),
        );
        return Ok(());
    }
    let mut message = "nothing is configured, but this could be used:".to_owned();
    for line in found {
        message.push_str("\n  ");
        message.push_str(&line);
    }
    message.push_str("\n  without any model: massgen --backend simulated \"your question\"");
    Err(Failure::configuration(message).hint("run one of these, or write ./.massgen/config.yaml"))
}

/// Context windows and prices, where they are known.
fn add_facts(spec: &mut RunSpec) {
    for agent in &mut spec.agents {
        let backend = &mut agent.backend;
        let facts = match &backend.wire {
            Wire::Simulated(_) => {
                backend.price = Some(Price::FREE);
                continue;
            }
            Wire::ChatCompletions { base_url, .. } => {
                catalog::lookup(&backend.kind, &backend.model, base_url)
            }
        };
        backend.context_window = facts.and_then(|facts| facts.context_window);
        backend.price = facts.and_then(|facts| facts.price);
    }
}

/// A cost limit that cannot be held, said before the run.
fn unpriced(spec: &RunSpec) -> Option<String> {
    spec.budget.max_cost?;
    let unknown = spec.agents.iter().filter(|agent| agent.backend.price.is_none());
    let models: Vec<String> = unknown.map(|agent| format!("`{}`", agent.backend.model)).collect();
    if models.is_empty() {
        return None;
    }
    let bound = limits::BUDGETED_OUTPUT_TOKENS;
    Some(format!(
        "warning: the price of {} is unknown, so `--max-cost` does not count its calls (each is bounded to {bound} output \
         tokens)\nhint: bound the run with `--max-tokens`",
        models.join(", ")
    ))
}

fn configuration(findings: Findings) -> Failure {
    let no_question = |finding: &massgen_config::Finding| finding.severity == Severity::Error;
    debug_assert!(findings.items().iter().any(no_question), "only findings with errors stop a run");
    Failure::Configuration(Box::new(findings))
}

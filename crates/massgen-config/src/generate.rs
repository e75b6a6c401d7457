//! A plan of a team as the text of a configuration: the one generator behind all wizards and flags that write one.
//!
//! It writes only keys that say something: what is a default already stays out, so that a newcomer reads a page and
//! not a catalogue.

use std::collections::HashSet;
use std::fmt::Write as _;

use massgen_protocol::{AgentId, limits};

use crate::backends::{BackendType, Backends, Capability, Support};
use crate::capabilities::described;
use crate::check::{nearest, shortened};
use crate::finding::ConfigError;
use crate::registry::{self, Shape};

/// Most agents of a generated team. Larger teams are written by hand.
pub const MOST_AGENTS: usize = 10;

/// Answers that one agent of a generated team may give when the agents vote. Each costs a round of calls.
const ANSWERS_WHEN_VOTING: usize = 3;

/// Answers that one agent of a generated team may give to its part of the task.
const ANSWERS_TO_A_PART: usize = 2;

/// Parts of a description of an agent, as in `backend=openai,model=gpt-5.4`.
const PARTS: [&str; 6] = ["id", "backend", "type", "model", "reasoning_effort", "base_url"];

/// A description of an agent, for messages.
const EXAMPLE: &str = "id=agent_a,backend=openai,model=gpt-5.4";

/// The key of the registry that says how hard a model thinks.
const EFFORT: &str = "agents[].backend.reasoning_effort";

/// A team that is to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The agents, from one to [`MOST_AGENTS`].
    pub agents: Vec<PlannedAgent>,
    /// How they work together. One agent alone always works as with [`Cooperation::Voting`].
    pub cooperation: Cooperation,
    /// Where their commands run.
    pub execution: Execution,
    /// A folder or file that they work on and may write to.
    pub context_path: Option<String>,
}

impl Plan {
    /// Agents that vote and run no commands in containers.
    pub fn of(agents: Vec<PlannedAgent>) -> Self {
        Self { agents, cooperation: Cooperation::Voting, execution: Execution::Local, context_path: None }
    }

    /// `count` agents like `agent`, called `agent_a`, `agent_b` and so on.
    pub fn of_equal(agent: &PlannedAgent, count: usize) -> Self {
        Self::of(
            (0..count).map(|position| PlannedAgent { id: letter_id(position), ..agent.clone() }).collect(),
        )
    }
}

/// An agent that is to be written down.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannedAgent {
    /// Its name, unique in the team.
    pub id: String,
    /// The backend type, in any of the forms that [`Backends::get`] knows.
    pub backend: String,
    /// The model; `None` for the default of the type.
    pub model: Option<String>,
    /// How hard the model thinks, in the provider's words.
    pub reasoning_effort: Option<String>,
    /// Address of the service; `None` for the one of the type.
    pub base_url: Option<String>,
    /// Whether the provider's own web search is on.
    pub web_search: bool,
    /// Whether the provider's own running of code is on.
    pub code_execution: bool,
    /// Text in front of the system text.
    pub system_message: Option<String>,
}

impl PlannedAgent {
    /// An agent of this type with nothing else said.
    pub fn new(id: impl Into<String>, backend: impl Into<String>) -> Self {
        Self { id: id.into(), backend: backend.into(), ..Self::default() }
    }
}

/// How planned agents work together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cooperation {
    /// Each answers the whole question; they vote for the best answer.
    Voting,
    /// Each does a part; the last one puts the parts together.
    Decomposition,
}

/// Where planned agents run commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Execution {
    /// Nothing is said: what this machine does by default.
    Local,
    /// In containers.
    Docker,
}

/// What is wrong with a plan, and what to do about it.
fn refused(problem: impl Into<String>, hint: impl Into<String>) -> ConfigError {
    ConfigError::Plan { problem: problem.into(), hint: hint.into() }
}

/// The backend type of this name.
///
/// # Errors
/// [`ConfigError::Plan`] when there is none.
pub fn known_type<'a>(name: &str, backends: &'a Backends) -> Result<&'a BackendType, ConfigError> {
    backends.get(name).ok_or_else(|| {
        let hint = backends.nearest_type(name).map_or_else(
            || format!("types that run are {}", backends.running_types()),
            |meant| format!("did you mean `{meant}`?"),
        );
        refused(format!("unknown backend type `{}`", shortened(name)), hint)
    })
}

/// The values of `reasoning_effort`.
fn efforts() -> &'static [&'static str] {
    match registry::key(EFFORT).map(|key| &key.shape) {
        Some(Shape::Choice(efforts)) => efforts,
        Some(_) | None => &[],
    }
}

/// The id of the agent at `position`, from 0: `agent_a`, `agent_b`, …; after `agent_z`, `agent_27` and so on.
pub fn letter_id(position: usize) -> String {
    let letter =
        u8::try_from(position).ok().filter(|position| *position < 26).map(|position| b'a' + position);
    letter.map_or_else(|| format!("agent_{}", position + 1), |letter| format!("agent_{}", char::from(letter)))
}

/// The id of the agent at `position`, from 0, out of its type and its model: `openai-5.41` for the first agent of
/// `gpt-5.4`. What cannot stand in an id becomes a hyphen.
pub fn model_id(backend: &str, model: &str, position: usize) -> String {
    let last = model.rsplit('-').next().unwrap_or_default();
    let fits = |c: char| if c.is_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let number = (position + 1).to_string();
    let mut id: String = format!("{backend}-{last}").chars().map(fits).collect();
    while id.len() + number.len() > limits::AGENT_ID_BYTES {
        id.pop();
    }
    id + &number
}

/// The agent that `text` describes: `key=value` parts joined by commas, as in `backend=openai,model=gpt-5.4`.
/// `position`, from 0, gives it an id when the text does not.
///
/// # Errors
/// Names the part that is wrong.
pub fn described_agent(text: &str, position: usize) -> Result<PlannedAgent, ConfigError> {
    let whole = shortened(text);
    let wrong = |problem: String| refused(problem, format!("for example `{EXAMPLE}`"));
    if text.trim().is_empty() {
        return Err(wrong("the description of an agent is empty".to_owned()));
    }
    let mut seen: HashSet<&str> = HashSet::new();
    let mut agent = PlannedAgent::new(letter_id(position), "");
    for part in text.split(',').map(str::trim) {
        if part.is_empty() {
            return Err(wrong(format!("`{whole}` has a comma with nothing beside it")));
        }
        let Some((name, value)) = part.split_once('=') else {
            let problem = format!("`{}` in `{whole}` is not `name=value`", shortened(part));
            return Err(refused(problem, format!("for example `{EXAMPLE}`; a value cannot hold a comma")));
        };
        let (name, value) = (name.trim(), value.trim());
        let Some(known) = PARTS.into_iter().find(|known| *known == name) else {
            return Err(unknown_part(name, &whole));
        };
        if value.is_empty() {
            return Err(wrong(format!("`{name}` in `{whole}` has no value")));
        }
        // Two names of one thing.
        let known = if known == "type" { "backend" } else { known };
        if !seen.insert(known) {
            return Err(wrong(format!("`{known}` stands twice in `{whole}`")));
        }
        let value = value.to_owned();
        match known {
            "id" => agent.id = value,
            "backend" => agent.backend = value,
            "model" => agent.model = Some(value),
            "reasoning_effort" => agent.reasoning_effort = Some(value),
            _ => agent.base_url = Some(value),
        }
    }
    if agent.backend.is_empty() {
        return Err(wrong(format!("`{whole}` does not say which backend")));
    }
    Ok(agent)
}

fn unknown_part(name: &str, whole: &str) -> ConfigError {
    let hint = nearest(name, PARTS.into_iter()).map_or_else(
        || "parts are `id`, `backend`, `model`, `reasoning_effort` and `base_url`".to_owned(),
        |meant| format!("did you mean `{meant}`?"),
    );
    refused(format!("`{}` in `{whole}` says nothing about an agent", shortened(name)), hint)
}

/// The text of a configuration for `plan`, in YAML, with comments. The type and the model of every agent stand in it,
/// so that it means the same after the defaults have changed.
///
/// # Errors
/// What keeps the plan from being a team.
pub fn generate(plan: &Plan, backends: &Backends) -> Result<String, ConfigError> {
    let count = plan.agents.len();
    if !(1..=MOST_AGENTS).contains(&count) {
        return Err(refused(
            format!("a team has 1 to {MOST_AGENTS} agents, not {count}"),
            "larger teams are written by hand, as `agents:` in a file",
        ));
    }
    let mut ids = HashSet::new();
    let mut text = String::from(
        "# A team for massgen. Change what you like; `massgen --validate FILE` checks it.\n\nagents:\n",
    );
    for agent in &plan.agents {
        AgentId::new(agent.id.as_str()).map_err(|error| {
            refused(error.to_string(), "the id names folders of the run: letters, digits, `_`, `-` and `.`")
        })?;
        if !ids.insert(agent.id.as_str()) {
            let problem = format!("two agents have the id `{}`", agent.id);
            return Err(refused(problem, "give each agent a name of its own"));
        }
        write_agent(&mut text, agent, plan.execution, backends)?;
    }
    write_orchestrator(&mut text, plan);
    text.push_str(
        "\ntimeout_settings:\n  \
         # Seconds for the whole run, the final answer included.\n  \
         orchestrator_timeout_seconds: 3600\n  \
         # Seconds for the first round of an agent, and for each later one.\n  \
         initial_round_timeout_seconds: 1200\n  \
         subsequent_round_timeout_seconds: 900\n  \
         round_timeout_grace_seconds: 300\n",
    );
    Ok(text)
}

fn write_agent(
    text: &mut String,
    agent: &PlannedAgent,
    execution: Execution,
    backends: &Backends,
) -> Result<(), ConfigError> {
    let kind = known_type(&agent.backend, backends)?;
    let Some(model) = agent.model.as_ref().or(kind.default_model.as_ref()) else {
        let problem = format!("the type `{}` has no default model", kind.name);
        return Err(refused(problem, "name a model that the service knows"));
    };
    if needs_address(kind) && agent.base_url.is_none() {
        let problem = format!("the type `{}` needs an address", kind.name);
        return Err(refused(problem, "name the `base_url` of the service"));
    }
    can_do(agent, kind, model)?;
    line(text, "  - id", &agent.id);
    text.push_str("    backend:\n");
    line(text, "      type", &kind.name);
    line(text, "      model", model);
    if let Some(url) = &agent.base_url {
        line(text, "      base_url", url);
    }
    if let Some(effort) = &agent.reasoning_effort {
        text.push_str("      reasoning:\n");
        line(text, "        effort", effort);
    }
    if agent.web_search {
        text.push_str("      enable_web_search: true\n");
    }
    if agent.code_execution {
        let key = if kind.name == "openai" { "enable_code_interpreter" } else { "enable_code_execution" };
        let _ = writeln!(text, "      {key}: true");
    }
    match execution {
        Execution::Local => {}
        Execution::Docker => text.push_str(
            "      # Commands run in a container.\n      \
             enable_mcp_command_line: true\n      \
             command_line_execution_mode: docker\n",
        ),
    }
    if let Some(message) = agent.system_message.as_deref().filter(|message| !message.trim().is_empty()) {
        line(text, "    system_message", message);
    }
    Ok(())
}

/// Whether what is asked of the agent is there: it would be refused in the configuration, too.
fn can_do(agent: &PlannedAgent, kind: &BackendType, model: &str) -> Result<(), ConfigError> {
    if let Some(effort) = &agent.reasoning_effort
        && !efforts().contains(&effort.as_str())
    {
        let hint = nearest(effort, efforts().iter().copied()).map_or_else(
            || format!("it is one of `{}`", efforts().join("`, `")),
            |meant| format!("did you mean `{meant}`?"),
        );
        return Err(refused(format!("`reasoning_effort` cannot be `{}`", shortened(effort)), hint));
    }
    for (is_wanted, what) in
        [(agent.web_search, Capability::WebSearch), (agent.code_execution, Capability::CodeExecution)]
    {
        if is_wanted && !kind.can(model, what) {
            let who = if kind.capabilities.contains(&what) {
                format!("model `{}`", shortened(model))
            } else {
                format!("type `{}`", kind.name)
            };
            let hint = "leave it out, or choose one that has it: `massgen --list-backends`";
            return Err(refused(format!("the {who} has no {}", described(what)), hint));
        }
    }
    Ok(())
}

fn write_orchestrator(text: &mut String, plan: &Plan) {
    text.push_str("\norchestrator:\n");
    match (plan.cooperation, plan.agents.as_slice()) {
        (Cooperation::Decomposition, [_, .., last]) => {
            let answers = (3 * plan.agents.len()).max(3);
            text.push_str("  # Each agent does a part; the presenter puts the parts together.\n");
            text.push_str("  coordination_mode: decomposition\n");
            line(text, "  presenter_agent", &last.id);
            let _ = writeln!(text, "  max_new_answers_per_agent: {ANSWERS_TO_A_PART}");
            let _ = writeln!(text, "  max_new_answers_global: {answers}");
            text.push_str(
                "  coordination:\n    # A model cuts the task, unless each agent has a `subtask`.\n",
            );
            text.push_str("    task_decomposer: {enabled: true}\n");
        }
        (Cooperation::Voting | Cooperation::Decomposition, _) => {
            let _ = write!(
                text,
                "  # How readily agents vote: lenient, balanced or strict.\n  \
                 voting_sensitivity: balanced\n  \
                 # Answers that one agent may give. More can be better, and cost more.\n  \
                 max_new_answers_per_agent: {ANSWERS_WHEN_VOTING}\n"
            );
        }
    }
    text.push_str(
        "  # A bound in US dollars: the run then ends with the best answer so far.\n  \
         # budget: {max_cost: 0.50}\n",
    );
    if let Some(path) = &plan.context_path {
        text.push_str("  # What the agents work on. Only the one that presents the result writes there.\n");
        text.push_str("  context_paths:\n");
        line(text, "    - path", path);
        text.push_str("      permission: write\n");
    }
}

/// Whether a type has no address of its own and wants one.
pub fn needs_address(kind: &BackendType) -> bool {
    match kind.support {
        Support::Provider | Support::OwnServer => kind.base_url.is_none(),
        Support::Simulated | Support::NotYet { .. } | Support::Never => false,
    }
}

/// Writes `key: value`, the value quoted where YAML would read something else.
fn line(text: &mut String, key: &str, value: &str) {
    let _ = writeln!(text, "{key}: {}", scalar(value));
}

/// A text as YAML reads it back. Bare when it looks like a word and like nothing else.
fn scalar(value: &str) -> String {
    const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
    let is_word = value.starts_with(|c: char| c.is_ascii_alphabetic())
        && value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !WORDS.contains(&value.to_ascii_lowercase().as_str());
    if is_word {
        return value.to_owned();
    }
    let mut quoted = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            // YAML takes these only as numbers; the last three end lines in it.
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{2028}' | '\u{2029}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;

//! Scripts for simulated agents.
//!
//! ```yaml
//! agents:
//!   agent_a:                     # an agent id; `default` stands for every agent that is not named
//!     replies:                   # the first reply serves the agent's first call of the coordination, and so on
//!       - - think: "…"           # reasoning
//!         - say: "…"             # visible text
//!         - call: {tool: lookup, arguments: {q: x}}  # arguments given as a text are sent as they are
//!       - - wait_ms: 50          # a pause
//!         - answer: "…"          # calls `new_answer`
//!       - - vote: agent_b        # calls `vote`, for an agent id or `agentN`; other words are sent as they are
//!           reason: "…"
//!       - - fail: {kind: server, message: "…", retries: 2, delay_ms: 10}  # so many retries, then the failure
//!       - - hang: true           # no end until the call is cut off
//!     present:                   # replies for the final presentation, in order
//!       - - answer: "…"
//! tools:                         # work tools, offered to the agents that have this script
//!   lookup: {result: "…", description: "…", wait_ms: 10, error: false, append_to: ran.txt}
//! ```
//!
//! When the replies have run out, the agent goes on by itself. `append_to` names a file, relative to the folder of
//! the script, that gets a line with the id of the tool use each time the tool is started.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use massgen_protocol::AgentId;
use massgen_protocol::message::FailureKind;
use serde::Deserialize;
use serde_saphyr::{Location, Spanned};

use super::{NEW_ANSWER, SimulatedError, VOTE};

/// The entry of `agents` that stands for every agent without one of its own.
const DEFAULT_AGENT: &str = "default";

/// What a script file says, checked.
#[derive(Debug)]
pub struct Script {
    path: PathBuf,
    parts: BTreeMap<String, Part>,
    tools: BTreeMap<String, ScriptedTool>,
}

impl Script {
    /// Reads the script file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or is not a script; the latter tells the line and the column.
    pub fn load(path: &Path) -> Result<Self, SimulatedError> {
        Self::parse(&fs_err::read_to_string(path)?, path)
    }

    /// Reads the script `text`; `path` is where it comes from, for errors and for files that it names.
    fn parse(text: &str, path: &Path) -> Result<Self, SimulatedError> {
        let located = |problem: Problem| SimulatedError::Script {
            path: path.to_owned(),
            line: problem.at.line(),
            column: problem.at.column(),
            problem: problem.text,
        };
        let written: WrittenScript =
            serde_saphyr::from_str(text).map_err(|error| located(Problem::from_parser(&error)))?;
        let parts = written.agents.into_iter().map(|(agent, part)| Ok((agent, Part::check(part)?)));
        let tools = written
            .tools
            .into_iter()
            .map(|(name, tool)| Ok((check_tool_name(name, tool.referenced)?, tool.value)));
        Ok(Self {
            path: path.to_owned(),
            parts: parts.collect::<Result<_, _>>().map_err(located)?,
            tools: tools.collect::<Result<_, _>>().map_err(located)?,
        })
    }

    /// Refuses a script that names an agent outside `team`.
    pub(super) fn check_agents(&self, team: &[AgentId]) -> Result<(), SimulatedError> {
        let stranger = |name: &str| name != DEFAULT_AGENT && team.iter().all(|id| id.as_str() != name);
        match self.parts.iter().find(|(name, _)| stranger(name)) {
            None => Ok(()),
            Some((name, part)) => Err(SimulatedError::Script {
                path: self.path.clone(),
                line: part.at.line(),
                column: part.at.column(),
                problem: format!("this is for agent `{name}`, which the run does not have"),
            }),
        }
    }

    /// What `agent` is to do.
    pub(super) fn part(&self, agent: &AgentId) -> Option<&Part> {
        self.parts.get(agent.as_str()).or_else(|| self.parts.get(DEFAULT_AGENT))
    }

    /// The work tools by name.
    pub(super) fn tools(&self) -> &BTreeMap<String, ScriptedTool> {
        &self.tools
    }

    /// The place of a file that the script names.
    pub(super) fn resolve(&self, file: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(file)
    }
}

/// The replies of one agent.
#[derive(Debug)]
pub(super) struct Part {
    /// For its calls in the coordination, in order.
    pub(super) replies: Vec<Vec<Step>>,
    /// For its calls in the presentation, in order.
    pub(super) present: Vec<Vec<Step>>,
    at: Location,
}

impl Part {
    fn check(written: Spanned<WrittenPart>) -> Result<Self, Problem> {
        let replies =
            |replies: Vec<WrittenReply>| replies.into_iter().map(check_reply).collect::<Result<_, _>>();
        Ok(Self {
            replies: replies(written.value.replies)?,
            present: replies(written.value.present)?,
            at: written.referenced,
        })
    }
}

/// One step of a reply.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    Think(String),
    Say(String),
    Call { tool: String, arguments: String },
    Answer(String),
    Vote { target: String, reason: String },
    Wait(Duration),
    Fail(ScriptedFailure),
    Hang,
}

/// A call that fails after some retries.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedFailure {
    pub(super) kind: FailureKind,
    #[serde(default = "failure_message")]
    pub(super) message: String,
    #[serde(default)]
    pub(super) retries: u32,
    #[serde(default)]
    delay_ms: u64,
}

impl ScriptedFailure {
    /// Wait before each retry.
    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }
}

fn failure_message() -> String {
    "the script lets this call fail".to_owned()
}

/// A work tool of a script.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptedTool {
    pub(super) result: String,
    #[serde(default = "tool_description")]
    pub(super) description: String,
    #[serde(default)]
    wait_ms: u64,
    #[serde(default)]
    pub(super) error: bool,
    pub(super) append_to: Option<PathBuf>,
}

impl ScriptedTool {
    /// How long the tool runs.
    pub(super) fn wait(&self) -> Duration {
        Duration::from_millis(self.wait_ms)
    }
}

fn tool_description() -> String {
    "A simulated tool with a fixed result.".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenScript {
    #[serde(default)]
    agents: BTreeMap<String, Spanned<WrittenPart>>,
    #[serde(default)]
    tools: BTreeMap<String, Spanned<ScriptedTool>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPart {
    #[serde(default)]
    replies: Vec<WrittenReply>,
    #[serde(default)]
    present: Vec<WrittenReply>,
}

type WrittenReply = Spanned<Vec<Spanned<WrittenStep>>>;

/// A step as written: exactly one key, but `reason` stands beside `vote`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct WrittenStep {
    think: Option<String>,
    say: Option<String>,
    call: Option<WrittenCall>,
    answer: Option<String>,
    vote: Option<String>,
    reason: Option<String>,
    wait_ms: Option<u64>,
    fail: Option<ScriptedFailure>,
    hang: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenCall {
    tool: String,
    #[serde(default = "no_arguments")]
    arguments: serde_json::Value,
}

fn no_arguments() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

struct Problem {
    at: Location,
    text: String,
}

impl Problem {
    fn new(at: Location, text: impl Into<String>) -> Self {
        Self { at, text: text.into() }
    }

    fn from_parser(error: &serde_saphyr::Error) -> Self {
        let at = error.location().unwrap_or(Location::UNKNOWN);
        let text = error.without_snippet().to_string();
        let place = format!(" at line {}, column {}", at.line(), at.column());
        Self::new(at, text.strip_suffix(&place).unwrap_or(&text))
    }
}

fn check_reply(written: WrittenReply) -> Result<Vec<Step>, Problem> {
    if written.value.is_empty() {
        return Err(Problem::new(written.referenced, "a reply needs at least one step"));
    }
    let mut steps: Vec<Step> = Vec::with_capacity(written.value.len());
    for step in written.value {
        let at = step.referenced;
        if let Some(last) = steps.last().and_then(Step::ending) {
            return Err(Problem::new(at, format!("nothing can follow `{last}`")));
        }
        steps.push(check_step(step.value).map_err(|text| Problem::new(at, text))?);
    }
    Ok(steps)
}

impl Step {
    /// The key of a step after which the call is over.
    fn ending(&self) -> Option<&'static str> {
        match self {
            Self::Fail(_) => Some("fail"),
            Self::Hang => Some("hang"),
            Self::Think(_)
            | Self::Say(_)
            | Self::Call { .. }
            | Self::Answer(_)
            | Self::Vote { .. }
            | Self::Wait(_) => None,
        }
    }
}

fn check_step(written: WrittenStep) -> Result<Step, String> {
    let WrittenStep { think, say, call, answer, vote, reason, wait_ms, fail, hang } = written;
    if reason.is_some() && vote.is_none() {
        return Err("`reason` belongs to `vote`".to_owned());
    }
    if hang == Some(false) {
        return Err("`hang` can only be `true`".to_owned());
    }
    let mut steps = [
        think.map(Step::Think),
        say.map(Step::Say),
        call.map(|call| Step::Call { tool: call.tool, arguments: arguments_text(call.arguments) }),
        answer.map(Step::Answer),
        vote.map(|target| Step::Vote { target, reason: reason.unwrap_or_default() }),
        wait_ms.map(|millis| Step::Wait(Duration::from_millis(millis))),
        fail.map(Step::Fail),
        hang.map(|_| Step::Hang),
    ]
    .into_iter()
    .flatten();
    match (steps.next(), steps.next()) {
        (Some(step), None) => Ok(step),
        _ => Err(
            "a step has exactly one of `think`, `say`, `call`, `answer`, `vote`, `wait_ms`, `fail`, `hang`"
                .to_owned(),
        ),
    }
}

/// A text is taken for what the model wrote, so that a script can also write bad JSON.
fn arguments_text(arguments: serde_json::Value) -> String {
    match arguments {
        serde_json::Value::String(text) => text,
        other => other.to_string(),
    }
}

fn check_tool_name(name: String, at: Location) -> Result<String, Problem> {
    if name == NEW_ANSWER || name == VOTE {
        return Err(Problem::new(at, format!("`{name}` is a workflow tool and cannot be scripted")));
    }
    Ok(name)
}

#[cfg(test)]
#[path = "script_tests.rs"]
mod tests;

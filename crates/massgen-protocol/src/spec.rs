//! The run specification: complete, checked, immutable. It is the first event of a journal.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attachment::Attachment;
use crate::guidance::{Instructions, Skill};
use crate::ids::{AgentId, AgentNo};
use crate::limits;
use crate::memory::Memory;
use crate::money::{Price, Usd};
use crate::output_schema::OutputSchema;
use crate::pacing::Pacing;
use crate::time::{millis, optional_millis};
use crate::tooling::Tooling;
use crate::workspace::WorkspaceSpec;

/// Everything that decides how a run goes. No default is left open.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunSpec {
    /// The task.
    pub question: String,
    /// The agents, in the order of the configuration (registration order, which breaks ties).
    pub agents: Vec<AgentSpec>,
    /// How they work together.
    pub orchestration: Orchestration,
    /// Deadlines.
    pub timeouts: Timeouts,
    /// What the run may spend.
    pub budget: Budget,
    /// Earlier exchanges with the same user, the oldest first. Journals from before there were any have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<PastTurn>,
    /// What the project tells every agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<Instructions>,
    /// What agents can read when they need it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skills: Vec<Skill>,
    /// What agents wrote down for themselves in earlier runs of the session; `None` when they keep no memory files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memories: Option<Vec<Memory>>,
}

/// An earlier exchange of the session: what was asked, and what came of it. Not more than
/// [`limits::HISTORY_TURNS`] of them, of [`limits::HISTORY_TEXT_BYTES`] for each text, are put into a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastTurn {
    /// What the user had asked.
    pub question: String,
    /// The final answer, or a remark in brackets where there was none.
    pub answer: String,
}

impl PastTurn {
    /// Bytes of both texts.
    pub fn bytes(&self) -> usize {
        self.question.len() + self.answer.len()
    }
}

impl RunSpec {
    /// The agents' numbers in registration order: entry i is the number of `agents[i]`.
    pub fn agent_nos(&self) -> Vec<AgentNo> {
        let mut sorted: Vec<&AgentId> = self.agents.iter().map(|agent| &agent.id).collect();
        sorted.sort();
        let number = |id| sorted.binary_search(&id).unwrap_or_default();
        self.agents.iter().map(|agent| AgentNo::from_index(number(&agent.id))).collect()
    }

    /// The model that `entry` of the fallback list of agent `no` names, counted from 1.
    pub fn fallback(&self, no: AgentNo, entry: u32) -> Option<&BackendSpec> {
        let index = usize::try_from(entry.checked_sub(1)?).ok()?;
        self.agent(no)?.fallback.get(index)
    }

    /// The agent with number `no`. All agents are numbered for it: whoever asks for many keeps [`Self::agent_nos`].
    pub fn agent(&self, no: AgentNo) -> Option<&AgentSpec> {
        let position = self.agent_nos().iter().position(|other| *other == no)?;
        self.agents.get(position)
    }

    /// Whether no real model takes part.
    pub fn is_simulated(&self) -> bool {
        self.agents.iter().all(|agent| agent.backend.is_simulated())
    }
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgentSpec {
    /// Id from the configuration.
    pub id: AgentId,
    /// Its model.
    pub backend: BackendSpec,
    /// Models that take its place, one after the other, when it fails for good (`fallback`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fallback: Vec<BackendSpec>,
    /// Text of the user in front of the system text.
    pub system_message: Option<String>,
    /// How readily it votes instead of improving.
    pub voting_sensitivity: VotingSensitivity,
    /// Files that its models get with the task (`upload_files`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Where it works with files; `None` is nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Box<WorkspaceSpec>>,
    /// What it may work with.
    #[serde(default, skip_serializing_if = "Tooling::is_nothing")]
    pub tooling: Box<Tooling>,
}

impl AgentSpec {
    /// Its own model and those that may take its place, in this order.
    pub fn backends(&self) -> impl Iterator<Item = &BackendSpec> {
        std::iter::once(&self.backend).chain(&self.fallback)
    }

    /// As [`backends`](Self::backends), to be changed.
    pub fn backends_mut(&mut self) -> impl Iterator<Item = &mut BackendSpec> {
        std::iter::once(&mut self.backend).chain(&mut self.fallback)
    }
}

/// The model of an agent and how to reach it. Holds names of keys, never keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BackendSpec {
    /// Type as written, for example `chatcompletion`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The wire it speaks.
    pub wire: Wire,
    /// Model name.
    pub model: String,
    /// Bound on the output of one call, in tokens, from the configuration.
    pub max_output_tokens: Option<u32>,
    /// Context window in tokens; `None` when nobody knows.
    pub context_window: Option<u64>,
    /// Price; `None` when nobody knows.
    pub price: Option<Price>,
    /// Parameters that go to the provider as they are (`temperature`, `top_p`, …).
    #[serde(default)]
    pub parameters: BTreeMap<String, serde_json::Value>,
    /// The form of the final answer (`output_schema`); `None` is free text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Arc<OutputSchema>>,
}

impl BackendSpec {
    /// The service behind it; `None` for the simulated model.
    pub fn service(&self) -> Option<&Service> {
        match &self.wire {
            Wire::Service(service) => Some(service),
            Wire::Simulated(_) => None,
        }
    }

    /// The window to count with: the known one, or [`limits::UNKNOWN_CONTEXT_WINDOW_TOKENS`].
    pub fn assumed_context_window(&self) -> u64 {
        self.context_window.unwrap_or(limits::UNKNOWN_CONTEXT_WINDOW_TOKENS)
    }

    /// Whether no real model answers.
    pub fn is_simulated(&self) -> bool {
        match self.wire {
            Wire::Simulated(_) => true,
            Wire::Service(_) => false,
        }
    }
}

/// How a backend is reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "wire", rename_all = "snake_case")]
pub enum Wire {
    /// A service over HTTP.
    Service(Service),
    /// The simulated model in this process.
    Simulated(SimulatedSpec),
}

/// A service over HTTP and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Service {
    /// The protocol.
    pub protocol: Protocol,
    /// The address, without the path that the protocol adds.
    pub base_url: String,
    /// Environment variables that may hold the key, in order; empty when the service wants none.
    pub key_variables: Vec<String>,
    /// The header that carries the key.
    pub key_header: KeyHeader,
    /// Tools that the provider runs itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<ProviderTool>,
    /// A command that prints the key (`api_key_command`). What it prints stands for the first of `key_variables`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_command: Option<KeyCommand>,
    /// Further headers of every request (`extra_headers`). `${NAME}` in a value stands for a variable, which is looked
    /// up when the service is connected: values of secrets are never here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// How calls are held back.
    #[serde(default, skip_serializing_if = "Pacing::is_standard")]
    pub pacing: Box<Pacing>,
}

/// How the variables begin that stand for keys which are in no variable: those that a configuration holds itself, and
/// those that commands print.
pub const UNNAMED_KEY_PREFIX: &str = "MASSGEN_AGENT_";

/// A command that prints a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyCommand {
    /// A program and its arguments; no shell looks at them.
    Program(Vec<String>),
    /// A line for `sh -c`.
    Shell(String),
}

impl Service {
    /// A service with the protocol of OpenAI's first API, as most servers speak it.
    pub fn chat_completions(base_url: impl Into<String>, key_variables: Vec<String>) -> Self {
        Self {
            protocol: Protocol::ChatCompletions,
            base_url: base_url.into(),
            key_variables,
            key_header: KeyHeader::Bearer,
            tools: Vec::new(),
            key_command: None,
            headers: BTreeMap::new(),
            pacing: Box::default(),
        }
    }
}

/// Protocols of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// OpenAI Chat Completions: `<base>/chat/completions`.
    ChatCompletions,
    /// OpenAI Responses: `<base>/responses`.
    Responses,
    /// Anthropic Messages: `<base>/v1/messages`.
    Messages,
    /// Gemini: `<base>/models/<model>:streamGenerateContent`.
    Gemini,
    /// Ollama's own: `<base>/api/chat`.
    Ollama,
}

/// Headers that carry a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyHeader {
    /// `Authorization: Bearer …`.
    Bearer,
    /// `api-key`, of Azure.
    ApiKey,
    /// `x-api-key`, of Anthropic.
    XApiKey,
    /// `x-goog-api-key`, of Google.
    XGoogApiKey,
}

/// A tool that the provider runs itself, while it makes a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProviderTool {
    /// Search in the web (`enable_web_search`).
    WebSearch,
    /// Search in X (`enable_x_search`).
    XSearch,
    /// Code in a container of the provider (`enable_code_execution`, `enable_code_interpreter`).
    CodeExecution,
}

/// Settings of the simulated model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimulatedSpec {
    /// Decides texts and votes.
    pub seed: u64,
    /// From the request to the first part of the reply.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub latency: Duration,
    /// Speed of the reply after that, in tokens per second; `None` is at once.
    pub tokens_per_second: Option<NonZeroU32>,
    /// File that scripts the agents' replies, absolute.
    pub script: Option<String>,
}

/// How the agents work together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Orchestration {
    /// Answers that one agent may give; `None` is unlimited.
    pub max_new_answers_per_agent: Option<NonZeroU32>,
    /// Answers that all agents may give together; `None` is unlimited.
    pub max_new_answers_global: Option<NonZeroU32>,
    /// How different a new answer must be.
    pub novelty: Novelty,
    /// By how many answers an agent may lead the slowest active peer; `None` switches fairness off.
    pub fairness_lead_cap: Option<NonZeroU32>,
    /// Peer answers that may be injected into one execution.
    pub max_injections_per_execution: NonZeroU32,
    /// When a working agent learns of peers' answers.
    pub peer_updates: PeerUpdates,
    /// Whether and when votes are taken.
    pub voting: Voting,
    /// Who writes the final answer; `None` follows `presentation`.
    pub final_answer: Option<FinalAnswerStrategy>,
    /// Whether the final presentation may be left out.
    pub presentation: Presentation,
    /// What the next execution of an agent starts from.
    pub continuation: Continuation,
    /// Replies without a decision, in a row, before an agent is given up.
    pub enforcement_attempts: NonZeroU32,
}

impl Default for Orchestration {
    /// The defaults of the configuration file.
    fn default() -> Self {
        Self {
            max_new_answers_per_agent: None,
            max_new_answers_global: None,
            novelty: Novelty::Lenient,
            fairness_lead_cap: NonZeroU32::new(2),
            max_injections_per_execution: NonZeroU32::MIN.saturating_add(1),
            peer_updates: PeerUpdates::Inject,
            voting: Voting::WhenReady,
            final_answer: None,
            presentation: Presentation::Run,
            continuation: Continuation::Auto { share_per_mille: 600 },
            enforcement_attempts: NonZeroU32::MIN.saturating_add(2),
        }
    }
}

/// How different a new answer must be from every known one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Novelty {
    /// Not checked, except that it must not be the same text.
    Lenient,
    /// At most 70 % of the words shared.
    Balanced,
    /// At most 50 % of the words shared.
    Strict,
}

/// When a working agent learns of peers' new answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerUpdates {
    /// At its next tool result.
    Inject,
    /// When its execution ends, in a fresh conversation (`defer_peer_updates_until_restart`).
    AtRestart,
    /// When its execution ends (`disable_injection`).
    AtNextExecution,
}

/// Whether and when votes are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Voting {
    /// As soon as an agent is ready to.
    WhenReady,
    /// Once all agents have answered or are out (`defer_voting_until_all_answered`).
    AfterAllAnswered,
    /// Never: the run ends when all have answered (`skip_voting`).
    Skip,
}

/// Who writes the final answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FinalAnswerStrategy {
    /// The winner's answer as it is.
    WinnerReuse,
    /// The winner, in one more call.
    WinnerPresent,
    /// One agent, out of all answers.
    Synthesize,
}

/// Whether the final presentation may be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Presentation {
    /// It takes place.
    Run,
    /// It is left out where that is allowed (`skip_final_presentation`).
    Skip,
}

/// What the next execution of an agent starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mode", rename_all = "snake_case")]
pub enum Continuation {
    /// Its conversation, while that fills less than a share of the context window; else a fresh one.
    Auto {
        /// The share, in per mille.
        share_per_mille: u16,
    },
    /// Always a fresh conversation.
    Fresh,
}

/// How readily an agent votes instead of improving. It changes only the policy text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VotingSensitivity {
    /// Vote when the best answer is good enough.
    Lenient,
    /// Improve when a real weakness can be mended.
    Balanced,
    /// Vote only for an answer without a flaw.
    Strict,
}

/// Deadlines, all in time at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timeouts {
    /// The whole run, presentation included.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub orchestrator: Duration,
    /// Soft limit of an execution of an agent without an answer.
    #[serde(with = "optional_millis")]
    #[schemars(with = "Option<u64>")]
    pub initial_round: Option<Duration>,
    /// Soft limit of later executions.
    #[serde(with = "optional_millis")]
    #[schemars(with = "Option<u64>")]
    pub subsequent_round: Option<Duration>,
    /// From the soft limit to the hard one.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub round_grace: Duration,
}

impl Default for Timeouts {
    /// The defaults of the configuration file.
    fn default() -> Self {
        Self {
            orchestrator: Duration::from_mins(30),
            initial_round: None,
            subsequent_round: None,
            round_grace: Duration::from_mins(2),
        }
    }
}

/// What a run may spend; `None` is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// Money.
    pub max_cost: Option<Usd>,
    /// Input and output tokens together.
    pub max_tokens: Option<u64>,
}

impl Budget {
    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        self.max_cost.is_some() || self.max_tokens.is_some()
    }
}

/// Where a run comes from; for `execution_metadata.yaml` and for a resume on another day.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunMeta {
    /// Version of massgen that started the run.
    pub version: String,
    /// Directory that it was started in, absolute.
    pub working_directory: String,
    /// The configuration file, absolute; `None` when there was none.
    pub config_path: Option<String>,
    /// The configuration as written, variables not replaced.
    pub config: Option<serde_json::Value>,
    /// All parsed arguments, by name.
    pub arguments: serde_json::Value,
    /// Commit and branch of the working directory.
    pub git: Option<GitState>,
    /// Offset of local time from UTC when the run started, in seconds east.
    pub utc_offset_seconds: i32,
    /// Size of the fixed part of a prompt (system text, tools, earlier exchanges, question), in bytes; the largest over
    /// the agents.
    pub fixed_prompt_bytes: u64,
    /// The session that the run is a turn of; `None` when it is of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionMeta>,
}

/// The session that a run is a turn of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionMeta {
    /// Its id.
    pub id: String,
    /// The directory whose `.massgen/sessions/` keeps its turns, absolute.
    pub project_directory: String,
    /// Whether the index of sessions in the home directory knows it.
    pub is_registered: bool,
}

/// Commit and branch of a checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GitState {
    /// Full hash.
    pub commit: String,
    /// Branch name, or `HEAD` when detached.
    pub branch: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_numbered_by_sorted_id_and_kept_in_registration_order() {
        let agent = |id: &str| AgentSpec {
            id: AgentId::new(id).unwrap(),
            backend: BackendSpec {
                kind: "simulated".into(),
                wire: Wire::Simulated(SimulatedSpec {
                    seed: 0,
                    latency: Duration::ZERO,
                    tokens_per_second: None,
                    script: None,
                }),
                model: "simulated".into(),
                max_output_tokens: None,
                context_window: None,
                price: Some(Price::FREE),
                parameters: BTreeMap::new(),
                output_schema: None,
            },
            system_message: None,
            voting_sensitivity: VotingSensitivity::Lenient,
            fallback: Vec::new(),
            attachments: Vec::new(),
            workspace: None,
            tooling: Box::default(),
        };
        let spec = RunSpec {
            question: "why".into(),
            agents: vec![agent("zeta"), agent("alpha"), agent("mid")],
            orchestration: Orchestration::default(),
            timeouts: Timeouts::default(),
            budget: Budget::default(),
            history: Vec::new(),
            instructions: None,
            skills: Vec::new(),
            memories: None,
        };
        let numbers: Vec<_> = spec.agent_nos().iter().map(ToString::to_string).collect();
        assert_eq!(numbers, ["agent3", "agent1", "agent2"]);
        assert_eq!(spec.agent(AgentNo::from_index(0)).map(|a| a.id.as_str()), Some("alpha"));
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<RunSpec>(&json).unwrap(), spec);
        assert!(!json.contains("history"), "journals of single questions stay as they were");
        let past = PastTurn { question: "what".into(), answer: "that".into() };
        let spec = RunSpec { history: vec![past], ..spec };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<RunSpec>(&json).unwrap(), spec);
    }
}

//! What an agent may work with: file tools, commands, tool servers, tools of the user, hooks, and rules for all of them.
//! Names of variables, never their values.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::{millis, optional_millis};

mod commands;
mod programs;
mod rules;
mod servers;

pub use commands::{
    CommandNetwork, CommandPlace, CommandSpec, ContainerCredentials, ContainerEngine, ContainerNetwork,
    ContainerPackages, ContainerSpec, Mount, ReadMode, SandboxSpec,
};
pub use rules::{Covers, PathRule, Refuses};
pub use servers::{EnvironmentMode, SecurityLevel, ServerSecurity, ServerSpec, ServerTransport};

/// Everything an agent may call beside its two decisions. The default is nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Tooling {
    /// Its file tools, if it has a workspace.
    pub files: FileTools,
    /// Its commands (`enable_mcp_command_line`).
    pub commands: Option<CommandSpec>,
    /// Whether what it starts on this machine is confined (`unsandboxed`).
    #[serde(skip_serializing_if = "Programs::are_confined")]
    pub programs: Programs,
    /// The plan of its own tasks (`enable_agent_task_planning`).
    pub planning: Planning,
    /// Tool servers that speak the Model Context Protocol (`mcp_servers`).
    pub servers: Vec<ServerSpec>,
    /// Tools that the user wrote (`custom_tools`).
    pub custom: Vec<CustomTool>,
    /// Only these tools (`allowed_tools`); `None` is all.
    pub allowed: Option<Vec<String>>,
    /// Not these tools (`exclude_tools`).
    pub excluded: Vec<String>,
    /// Programs that are asked before and told after a call (`hooks`).
    pub hooks: Hooks,
    /// Rules (`permissions`); `None` is none.
    pub permissions: Option<Permissions>,
    /// Calls of one reply that run together at most (`max_concurrent_tools`).
    pub concurrent: NonZeroU32,
}

impl Tooling {
    /// Calls that run together at most, when the configuration does not say.
    pub const CONCURRENT: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);

    /// Whether it is the default: nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Default for Tooling {
    fn default() -> Self {
        Self {
            files: FileTools::All,
            commands: None,
            programs: Programs::Confined,
            planning: Planning::Off,
            servers: Vec::new(),
            custom: Vec::new(),
            allowed: None,
            excluded: Vec::new(),
            hooks: Hooks::default(),
            permissions: None,
            concurrent: Self::CONCURRENT,
        }
    }
}

/// Which file tools an agent with a workspace has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileTools {
    /// All.
    #[default]
    All,
    /// Those that write a file; for the rest it uses commands (`exclude_file_operation_mcps`).
    WritersOnly,
}

/// Whether the programs that an agent starts on this machine are confined: its commands, its tool servers, and the tools
/// that the user wrote. Commands in a container are not on this machine, and hooks are never confined.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Programs {
    /// They are.
    #[default]
    Confined,
    /// They have all the rights of the user.
    Unconfined,
}

impl Programs {
    /// Whether they are confined, which goes without saying.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn are_confined(&self) -> bool {
        *self == Self::Confined
    }
}

/// Whether an agent has tools for a plan of its tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Planning {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
}

/// A tool that the user wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CustomTool {
    /// What runs.
    pub source: CustomSource,
    /// The name that the model sees; `None` is that of the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it does, for the model; `None` is what the function says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Arguments that are given already; the model does not see them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub preset: BTreeMap<String, serde_json::Value>,
}

/// What runs when a custom tool is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum CustomSource {
    /// A function in a Python file; its schema comes from its signature and its documentation.
    Python {
        /// The file, absolute.
        path: String,
        /// The function.
        function: String,
    },
    /// A program that reads the arguments as JSON and writes the result.
    Program {
        /// The program and its arguments.
        command: Vec<String>,
        /// JSON Schema of the arguments.
        schema: serde_json::Value,
    },
}

/// Programs that are asked before, and told after, every call that matches.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hooks {
    /// Asked before (`PreToolUse`), in order; the first refusal counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<Hook>,
    /// Told after (`PostToolUse`), in order; what they add is joined.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Hook>,
}

/// One hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hook {
    /// Patterns of tool names with `*` and `?`, `|` between them.
    pub matcher: String,
    /// What runs.
    pub handler: HookHandler,
    /// How long it may take.
    #[serde(with = "millis")]
    #[schemars(with = "u64")]
    pub time: Duration,
    /// What happens when it fails.
    pub on_failure: HookFailure,
}

/// What runs as a hook. It reads the event as JSON and writes what is to happen as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "handler", rename_all = "snake_case")]
pub enum HookHandler {
    /// A function of a Python module, `package.module.function`.
    Python {
        /// Its name.
        function: String,
        /// The folder in which modules are looked for, absolute.
        folder: String,
    },
    /// A program and its arguments.
    Command {
        /// The program first.
        command: Vec<String>,
    },
}

/// What happens when a hook fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HookFailure {
    /// The call goes on.
    #[default]
    Allow,
    /// The call is refused (`fail_closed`).
    Deny,
}

/// Rules for tools (`permissions`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Permissions {
    /// A ready set of rules.
    pub role: Option<Role>,
    /// What may be done unasked: `action(pattern)`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What is asked about.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ask: Vec<String>,
    /// What is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
    /// Who replies to a question.
    pub approval: Approval,
    /// What happens to a question when nobody is there to reply.
    pub unattended: Unattended,
    /// Where replies that are meant for good are remembered, absolute; `None` forgets them.
    pub remembered: Option<String>,
    /// Whether every decision is written down.
    pub audit: Audit,
    /// Calls in a row that may go on without a person; `None` is any number.
    pub unasked_in_a_row: Option<NonZeroU32>,
}

/// A ready set of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Reading only.
    ReadOnly,
    /// No writes, no commands; addresses are asked about.
    Researcher,
    /// Reading and writing.
    ReadWrite,
    /// Everything that the sandbox allows.
    Implementer,
}

/// Who replies to a question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "approval", rename_all = "snake_case")]
pub enum Approval {
    /// Nobody: `unattended` decides.
    Policy,
    /// Somebody who reads and writes files in a folder, absolute.
    Files {
        /// The folder.
        folder: String,
    },
}

/// What happens to a question that nobody can reply to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unattended {
    /// What can do no harm is allowed.
    #[default]
    RiskBased,
    /// Everything is allowed.
    AllowAll,
    /// Nothing is allowed.
    DenyAll,
}

/// Whether every decision is written to `ledger.jsonl`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Audit {
    /// Yes.
    #[default]
    On,
    /// No.
    Off,
}

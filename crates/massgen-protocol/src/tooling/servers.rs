//! Tool servers that speak the Model Context Protocol.

use std::collections::BTreeMap;

use super::{Deserialize, Duration, JsonSchema, Serialize, optional_millis};

/// A tool server of one agent (`mcp_servers[]`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerSpec {
    /// Its name, unique for the agent: letters, digits, `_`, `-`.
    pub name: String,
    /// How it is reached.
    pub transport: ServerTransport,
    /// How long one call may take (`timeout`); `None` is the standard.
    #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<u64>")]
    pub call_time: Option<Duration>,
    /// Only these of its tools; `None` is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed: Option<Vec<String>>,
    /// Not these of its tools.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<String>,
    /// How far it is trusted.
    #[serde(default)]
    pub security: ServerSecurity,
}

/// How a server is reached. `${NAME}` in values stands for a variable, which is looked up when it is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "transport", rename_all = "snake_case")]
pub enum ServerTransport {
    /// A program that we start.
    Stdio {
        /// The program first, then its arguments.
        command: Vec<String>,
        /// Its variables.
        #[serde(default)]
        environment: BTreeMap<String, String>,
        /// Its folder, absolute; `None` is the agent's workspace.
        #[serde(default)]
        folder: Option<String>,
    },
    /// A service.
    Http {
        /// Its address.
        url: String,
        /// Headers of every request.
        #[serde(default)]
        headers: BTreeMap<String, String>,
        /// How long its connection may be silent (`http_read_timeout`).
        #[serde(default, with = "optional_millis", skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<u64>")]
        silence: Option<Duration>,
    },
}

/// How far a server is trusted (`security`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct ServerSecurity {
    /// How strictly its command is judged.
    pub level: SecurityLevel,
    /// Programs that may be started instead of the usual ones; empty is the usual ones.
    pub allowed_executables: Vec<String>,
    /// How strictly its variables are judged.
    pub environment_level: SecurityLevel,
    /// Whether the lists say what is held back or what is given.
    pub environment_mode: EnvironmentMode,
    /// Variables that are given.
    pub allowed_variables: Vec<String>,
    /// Variables that are held back.
    pub denied_variables: Vec<String>,
    /// Whether a service on this machine may be reached.
    pub allow_localhost: bool,
    /// Whether a service in the local network may be reached.
    pub allow_private_ips: bool,
    /// Hosts that may be reached even if the rest forbids them.
    pub allowed_hostnames: Vec<String>,
    /// Whether the addresses of a host are judged too.
    pub resolve_dns: bool,
}

/// How strictly something of a server is judged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityLevel {
    /// Strictly.
    #[default]
    Strict,
    /// Less so.
    Moderate,
    /// Hardly.
    Permissive,
}

/// What the lists of variables say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentMode {
    /// What is held back.
    #[default]
    Denylist,
    /// What is given.
    Allowlist,
}

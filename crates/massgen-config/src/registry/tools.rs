//! Keys of a backend that give tools to its agent.

use super::Effect::{Active, Needless, Note};
use super::{Key, POSITIVE, SECONDS, Shape, TEXTS, feature, table};

/// Hooks of one moment; what stands in them is looked into where they are lowered.
pub(super) const HOOKS: Shape = Shape::Either(&[Shape::List(&Shape::Open), Shape::Open]);

const DIRECT: super::Effect =
    Needless { because: "agents call their tools directly, and need no files for that" };

const WHOLE: super::Effect =
    Needless { because: "the whole conversation is kept, and shortened when it is too long" };

const NAMES: Shape = Shape::Either(&[Shape::Text, TEXTS]);

pub(crate) const KEYS: &[Key] = table! {
    /// Tool servers that speak the Model Context Protocol.
    "agents[].backend.mcp_servers": Shape::NamedSections, "[]", "[{name: time, command: mcp-time}]", Active;
    /// Name of the server, unique for the agent.
    "agents[].backend.mcp_servers[].name": Shape::Text, "", "time", Active;
    /// How the server is reached.
    "agents[].backend.mcp_servers[].type": Shape::Choice(&["stdio", "streamable-http"]), "stdio", "streamable-http", Active;
    /// Program, with or without its arguments.
    "agents[].backend.mcp_servers[].command": Shape::Later(&NAMES), "", "mcp-time", Active;
    /// Arguments of the program.
    "agents[].backend.mcp_servers[].args": Shape::Later(&Shape::List(&Shape::Any)), "[]", "[--utc]", Active;
    /// Variables of the program.
    "agents[].backend.mcp_servers[].env": Shape::Later(&Shape::Open), "{}", "{TOKEN: \"${TOKEN}\"}", Active;
    /// Directory of the program.
    "agents[].backend.mcp_servers[].cwd": Shape::Text, "", "tools", Active;
    /// Address of the server.
    "agents[].backend.mcp_servers[].url": Shape::Later(&Shape::Text), "", "https://tools.example.org/mcp", Active;
    /// Headers of the requests.
    "agents[].backend.mcp_servers[].headers": Shape::Later(&Shape::Open), "{}", "{Authorization: \"Bearer ${TOKEN}\"}", Active;
    /// How long one call may take.
    "agents[].backend.mcp_servers[].timeout": SECONDS, "", "60", Active;
    /// How long the connection may be silent.
    "agents[].backend.mcp_servers[].http_read_timeout": SECONDS, "300", "60", Active;
    /// What the server is trusted with.
    "agents[].backend.mcp_servers[].security": Shape::Section, "{level: strict}", "{level: moderate}", Active;
    /// How far the server is trusted; `high` is another word for `strict`.
    "agents[].backend.mcp_servers[].security.level": Shape::Choice(&["strict", "moderate", "permissive", "high"]), "strict", "moderate", Active;
    /// Programs that may be started, in the place of the usual ones.
    "agents[].backend.mcp_servers[].security.allowed_executables": TEXTS, "[]", "[mcp-time]", Active;
    /// Which variables the program gets.
    "agents[].backend.mcp_servers[].security.env": Shape::Section, "{}", "{mode: allowlist, allowed_vars: [HOME]}", Active;
    /// How strictly its variables are held back.
    "agents[].backend.mcp_servers[].security.env.level": Shape::Choice(&["strict", "moderate", "permissive"]), "strict", "moderate", Active;
    /// Whether the lists say what is held back or what is given.
    "agents[].backend.mcp_servers[].security.env.mode": Shape::Choice(&["denylist", "allowlist"]), "denylist", "allowlist", Active;
    /// Variables that are given.
    "agents[].backend.mcp_servers[].security.env.allowed_vars": TEXTS, "[]", "[HOME]", Active;
    /// Variables that are held back.
    "agents[].backend.mcp_servers[].security.env.denied_vars": TEXTS, "[]", "[AWS_PROFILE]", Active;
    /// Whether a server on this machine may be reached.
    "agents[].backend.mcp_servers[].security.allow_localhost": Shape::Bool, "false", "true", Active;
    /// Whether a server in the local network may be reached.
    "agents[].backend.mcp_servers[].security.allow_private_ips": Shape::Bool, "false", "true", Active;
    /// Hosts that may be reached.
    "agents[].backend.mcp_servers[].security.allowed_hostnames": TEXTS, "[]", "[tools.example.org]", Active;
    /// Whether a host is looked up before it is judged.
    "agents[].backend.mcp_servers[].security.resolve_dns": Shape::Bool, "false", "true", Active;
    /// Only these tools of the server.
    "agents[].backend.mcp_servers[].allowed_tools": TEXTS, "[]", "[now]", Active;
    /// All but these tools of the server.
    "agents[].backend.mcp_servers[].exclude_tools": TEXTS, "[]", "[set]", Active;
    /// What the server is for.
    "agents[].backend.mcp_servers[].description": Shape::Text, "", "Tells the time", Note;
    /// The tools are found by search (Claude).
    "agents[].backend.mcp_servers[].defer_loading": Shape::Bool, "", "true", feature::PROVIDER_TOOLS;
    /// Tool arguments keep to their schema (Claude).
    "agents[].backend.mcp_servers[].strict": Shape::Bool, "", "true", feature::PROVIDER_TOOLS;
    /// Tools of your own: functions in Python, or programs.
    "agents[].backend.custom_tools": Shape::Sections, "[]", "[{function: add, path: tools.py}]", Active;
    /// Function or functions.
    "agents[].backend.custom_tools[].function": NAMES, "", "add", Active;
    /// The same as `function`.
    "agents[].backend.custom_tools[].func": NAMES, "", "add", Active;
    /// File with the functions.
    "agents[].backend.custom_tools[].path": NAMES, "", "tools.py", Active;
    /// Program that is the tool, with its arguments: it reads the tool's arguments as JSON and writes the result.
    "agents[].backend.custom_tools[].command": NAMES, "", "[./weather, --json]", Active;
    /// JSON Schema of the arguments of `command`.
    "agents[].backend.custom_tools[].schema": Shape::Open, "{type: object}", "{type: object, properties: {city: {type: string}}}", Active;
    /// Group of the tools.
    "agents[].backend.custom_tools[].category": NAMES, "default", "math", Note;
    /// Name or names that the model sees.
    "agents[].backend.custom_tools[].name": NAMES, "", "add", Active;
    /// What the tools do.
    "agents[].backend.custom_tools[].description": NAMES, "", "Adds numbers", Active;
    /// Arguments that are given already.
    "agents[].backend.custom_tools[].preset_args": Shape::Any, "", "{a: 1}", Active;
    /// The tools are found by search (Claude).
    "agents[].backend.custom_tools[].defer_loading": Shape::Bool, "", "true", feature::PROVIDER_TOOLS;
    /// Tool arguments keep to their schema (Claude).
    "agents[].backend.custom_tools[].strict": Shape::Bool, "", "true", feature::PROVIDER_TOOLS;
    /// Arguments that nothing reads.
    "agents[].backend.custom_tools[].default_params": Shape::Any, "", "{}", super::Effect::Deprecated { use_instead: "`preset_args`" };
    /// Only these tools.
    "agents[].backend.allowed_tools": TEXTS, "", "[add]", Active;
    /// All but these tools.
    "agents[].backend.exclude_tools": TEXTS, "[]", "[add]", Active;
    /// Tools are offered as code in the workspace.
    "agents[].backend.enable_code_based_tools": Shape::Bool, "false", "true", DIRECT;
    /// The shipped custom tools are offered.
    "agents[].backend.auto_discover_custom_tools": Shape::Bool, "false", "true", feature::SHIPPED_TOOLS;
    /// Shipped custom tools that are not offered.
    "agents[].backend.exclude_custom_tools": TEXTS, "[]", "[_claude_computer_use]", feature::SHIPPED_TOOLS;
    /// Servers whose tools stay direct when tools are offered as code.
    "agents[].backend.direct_mcp_servers": TEXTS, "[]", "[time]", DIRECT;
    /// Where tools offered as code are shared.
    "agents[].backend.shared_tools_directory": Shape::Text, "", "shared_tools", DIRECT;
    /// Folder of custom tools.
    "agents[].backend.custom_tools_path": Shape::Text, "", "tools", DIRECT;
    /// Tool calls of one reply run together.
    "agents[].backend.concurrent_tool_execution": Shape::Bool, "true", "false", Active;
    /// Tool calls that run together at most.
    "agents[].backend.max_concurrent_tools": POSITIVE, "10", "4", Active;
    /// Messages of tool calls that are kept.
    "agents[].backend.max_mcp_message_history": POSITIVE, "200", "100", WHOLE;
    /// Attempts after a reply that broke off.
    "agents[].backend.max_incomplete_response_retries": super::COUNT, "5", "2", feature::RETRIES;
    /// Programs called before and after a tool.
    "agents[].backend.hooks": Shape::Section, "{}", "{PreToolUse: [{handler: checks.py}]}", Active;
    /// Hooks that run before a tool: a list, or a map with `override` and `hooks`.
    "agents[].backend.hooks.PreToolUse": HOOKS, "[]", "[{handler: checks.before, matcher: \"write_*\"}]", Active;
    /// Hooks that run after a tool: a list, or a map with `override` and `hooks`.
    "agents[].backend.hooks.PostToolUse": HOOKS, "[]", "[{handler: checks.after}]", Active;
    /// What tools may do, by rule.
    "agents[].backend.permissions": Shape::Section, "{}", "{rules: {deny: [\"command(rm *)\"]}}", Active;
    /// Switches the rules off without removing them.
    "agents[].backend.permissions.enabled": Shape::Bool, "true", "false", Active;
    /// A ready set of rules.
    "agents[].backend.permissions.role": Shape::Choice(&["read-only", "researcher", "read-write", "implementer"]), "", "read-only", Active;
    /// Rules of the form `action(pattern)`.
    "agents[].backend.permissions.rules": Shape::Section, "{}", "{deny: [\"command(rm *)\"]}", Active;
    /// What may be done unasked.
    "agents[].backend.permissions.rules.allow": TEXTS, "[]", "[\"read_file(./**)\"]", Active;
    /// What is asked about.
    "agents[].backend.permissions.rules.ask": TEXTS, "[]", "[\"read_url(*)\"]", Active;
    /// What is refused.
    "agents[].backend.permissions.rules.deny": TEXTS, "[]", "[\"command(rm *)\"]", Active;
    /// What happens to a question when nobody is there to reply.
    "agents[].backend.permissions.automation_default": Shape::Choice(&["risk-based", "deny-all", "allow-all"]), "risk-based", "deny-all", Active;
    /// Who replies to a question.
    "agents[].backend.permissions.approval_mode": Shape::Choice(&["policy", "file"]), "policy", "file", Active;
    /// Folder of questions and replies.
    "agents[].backend.permissions.approval_dir": Shape::Text, ".massgen/approvals", "approvals", Active;
    /// Whether a reply is remembered.
    "agents[].backend.permissions.persist_approvals": Shape::Bool, "true", "false", Active;
    /// File of remembered replies.
    "agents[].backend.permissions.settings_path": Shape::Text, ".massgen/settings.local.json", "permissions.json", Active;
    /// Whether decisions are written down.
    "agents[].backend.permissions.audit": Shape::Bool, "true", "false", Active;
    /// Decisions in a row without a person.
    "agents[].backend.permissions.max_consecutive_auto": POSITIVE, "no limit", "20", Active;
};

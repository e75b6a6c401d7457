//! Keys of a backend that give tools to its agent.

use super::{Key, POSITIVE, SECONDS, Shape, TEXTS, feature, table};

/// Hooks of one moment; the check of hooks looks into them.
const HOOKS: Shape = Shape::Either(&[Shape::List(&Shape::Open), Shape::Open]);

const NAMES: Shape = Shape::Either(&[Shape::Text, TEXTS]);

pub(crate) const KEYS: &[Key] = table! {
    /// Tool servers that speak the Model Context Protocol.
    "agents[].backend.mcp_servers": Shape::NamedSections, "[]", "[{name: time, command: mcp-time}]", feature::MCP;
    /// Name of the server, unique for the agent.
    "agents[].backend.mcp_servers[].name": Shape::Text, "", "time", feature::MCP;
    /// How the server is reached.
    "agents[].backend.mcp_servers[].type": Shape::Choice(&["stdio", "streamable-http"]), "stdio", "streamable-http", feature::MCP;
    /// Program, with or without its arguments.
    "agents[].backend.mcp_servers[].command": NAMES, "", "mcp-time", feature::MCP;
    /// Arguments of the program.
    "agents[].backend.mcp_servers[].args": Shape::List(&Shape::Any), "[]", "[--utc]", feature::MCP;
    /// Variables of the program.
    "agents[].backend.mcp_servers[].env": Shape::Open, "{}", "{TOKEN: \"${TOKEN}\"}", feature::MCP;
    /// Directory of the program.
    "agents[].backend.mcp_servers[].cwd": Shape::Text, "", "tools", feature::MCP;
    /// Address of the server.
    "agents[].backend.mcp_servers[].url": Shape::Text, "", "https://tools.example.org/mcp", feature::MCP;
    /// Headers of the requests.
    "agents[].backend.mcp_servers[].headers": Shape::Open, "{}", "{Authorization: \"Bearer ${TOKEN}\"}", feature::MCP;
    /// How long one call may take.
    "agents[].backend.mcp_servers[].timeout": SECONDS, "", "60", feature::MCP;
    /// How long the connection may be silent.
    "agents[].backend.mcp_servers[].http_read_timeout": SECONDS, "300", "60", feature::MCP;
    /// What the server is trusted with.
    "agents[].backend.mcp_servers[].security": Shape::Section, "{level: strict}", "{level: moderate}", feature::MCP;
    /// How far the server is trusted; `high` is another word for `strict`.
    "agents[].backend.mcp_servers[].security.level": Shape::Choice(&["strict", "moderate", "permissive", "high"]), "strict", "moderate", feature::MCP;
    /// Further programs that may be started.
    "agents[].backend.mcp_servers[].security.allowed_executables": TEXTS, "[]", "[mcp-time]", feature::MCP;
    /// Which variables the program gets.
    "agents[].backend.mcp_servers[].security.env": Shape::Section, "{}", "{mode: allowlist, allowed_vars: [HOME]}", feature::MCP;
    /// How strictly its variables are held back.
    "agents[].backend.mcp_servers[].security.env.level": Shape::Choice(&["strict", "moderate", "permissive"]), "strict", "moderate", feature::MCP;
    /// Whether the lists say what is held back or what is given.
    "agents[].backend.mcp_servers[].security.env.mode": Shape::Choice(&["denylist", "allowlist"]), "denylist", "allowlist", feature::MCP;
    /// Variables that are given.
    "agents[].backend.mcp_servers[].security.env.allowed_vars": TEXTS, "[]", "[HOME]", feature::MCP;
    /// Variables that are held back.
    "agents[].backend.mcp_servers[].security.env.denied_vars": TEXTS, "[]", "[AWS_PROFILE]", feature::MCP;
    /// Whether a server on this machine may be reached.
    "agents[].backend.mcp_servers[].security.allow_localhost": Shape::Bool, "false", "true", feature::MCP;
    /// Whether a server in the local network may be reached.
    "agents[].backend.mcp_servers[].security.allow_private_ips": Shape::Bool, "false", "true", feature::MCP;
    /// Hosts that may be reached.
    "agents[].backend.mcp_servers[].security.allowed_hostnames": TEXTS, "[]", "[tools.example.org]", feature::MCP;
    /// Whether a host is looked up before it is judged.
    "agents[].backend.mcp_servers[].security.resolve_dns": Shape::Bool, "false", "true", feature::MCP;
    /// Only these tools of the server.
    "agents[].backend.mcp_servers[].allowed_tools": TEXTS, "[]", "[now]", feature::MCP;
    /// All but these tools of the server.
    "agents[].backend.mcp_servers[].exclude_tools": TEXTS, "[]", "[set]", feature::MCP;
    /// What the server is for, for people.
    "agents[].backend.mcp_servers[].description": Shape::Text, "", "Tells the time", feature::MCP;
    /// The tools are found by search (Claude).
    "agents[].backend.mcp_servers[].defer_loading": Shape::Bool, "", "true", feature::MCP;
    /// Tool arguments keep to their schema (Claude).
    "agents[].backend.mcp_servers[].strict": Shape::Bool, "", "true", feature::MCP;
    /// Tools written in Python.
    "agents[].backend.custom_tools": Shape::Sections, "[]", "[{function: add, path: tools.py}]", feature::CUSTOM_TOOLS;
    /// Function or functions.
    "agents[].backend.custom_tools[].function": NAMES, "", "add", feature::CUSTOM_TOOLS;
    /// The same as `function`.
    "agents[].backend.custom_tools[].func": NAMES, "", "add", feature::CUSTOM_TOOLS;
    /// File with the functions.
    "agents[].backend.custom_tools[].path": Shape::Text, "", "tools.py", feature::CUSTOM_TOOLS;
    /// Group of the tools.
    "agents[].backend.custom_tools[].category": Shape::Text, "default", "math", feature::CUSTOM_TOOLS;
    /// Name or names that the model sees.
    "agents[].backend.custom_tools[].name": NAMES, "", "add", feature::CUSTOM_TOOLS;
    /// What the tools do.
    "agents[].backend.custom_tools[].description": NAMES, "", "Adds numbers", feature::CUSTOM_TOOLS;
    /// Arguments that are given already.
    "agents[].backend.custom_tools[].preset_args": Shape::Any, "", "{a: 1}", feature::CUSTOM_TOOLS;
    /// The tools are found by search (Claude).
    "agents[].backend.custom_tools[].defer_loading": Shape::Bool, "", "true", feature::CUSTOM_TOOLS;
    /// Tool arguments keep to their schema (Claude).
    "agents[].backend.custom_tools[].strict": Shape::Bool, "", "true", feature::CUSTOM_TOOLS;
    /// Arguments that nothing reads.
    "agents[].backend.custom_tools[].default_params": Shape::Any, "", "{}", super::Effect::Deprecated { use_instead: "`preset_args`" };
    /// Only these tools.
    "agents[].backend.allowed_tools": TEXTS, "", "[add]", feature::CUSTOM_TOOLS;
    /// All but these tools.
    "agents[].backend.exclude_tools": TEXTS, "[]", "[add]", feature::CUSTOM_TOOLS;
    /// Tools are offered as code in the workspace.
    "agents[].backend.enable_code_based_tools": Shape::Bool, "false", "true", feature::CUSTOM_TOOLS;
    /// The shipped custom tools are offered.
    "agents[].backend.auto_discover_custom_tools": Shape::Bool, "false", "true", feature::CUSTOM_TOOLS;
    /// Shipped custom tools that are not offered.
    "agents[].backend.exclude_custom_tools": TEXTS, "[]", "[_claude_computer_use]", feature::CUSTOM_TOOLS;
    /// Servers whose tools stay direct when tools are offered as code.
    "agents[].backend.direct_mcp_servers": TEXTS, "[]", "[time]", feature::CUSTOM_TOOLS;
    /// Where tools offered as code are shared.
    "agents[].backend.shared_tools_directory": Shape::Text, "", "shared_tools", feature::CUSTOM_TOOLS;
    /// Folder of custom tools.
    "agents[].backend.custom_tools_path": Shape::Text, "", "tools", feature::CUSTOM_TOOLS;
    /// Tool calls of one reply run together.
    "agents[].backend.concurrent_tool_execution": Shape::Bool, "false", "true", feature::CUSTOM_TOOLS;
    /// Tool calls that run together at most.
    "agents[].backend.max_concurrent_tools": POSITIVE, "10", "4", feature::CUSTOM_TOOLS;
    /// Messages of tool calls that are kept.
    "agents[].backend.max_mcp_message_history": POSITIVE, "200", "100", feature::MCP;
    /// Attempts after a reply that broke off.
    "agents[].backend.max_incomplete_response_retries": super::COUNT, "5", "2", feature::RETRIES;
    /// Programs called before and after a tool.
    "agents[].backend.hooks": Shape::Section, "{}", "{PreToolUse: [{handler: checks.py}]}", feature::HOOKS;
    /// Hooks that run before a tool: a list, or a map with `override` and `hooks`.
    "agents[].backend.hooks.PreToolUse": HOOKS, "[]", "[{handler: checks.before, matcher: \"write_*\"}]", feature::HOOKS;
    /// Hooks that run after a tool: a list, or a map with `override` and `hooks`.
    "agents[].backend.hooks.PostToolUse": HOOKS, "[]", "[{handler: checks.after}]", feature::HOOKS;
    /// What tools may do, by rule.
    "agents[].backend.permissions": Shape::Section, "{}", "{rules: {deny: [\"command(rm *)\"]}}", feature::HOOKS;
    /// Switches the rules off without removing them.
    "agents[].backend.permissions.enabled": Shape::Bool, "true", "false", feature::HOOKS;
    /// A ready set of rules.
    "agents[].backend.permissions.role": Shape::Choice(&["read-only", "researcher", "read-write", "implementer"]), "", "read-only", feature::HOOKS;
    /// Rules of the form `action(pattern)`.
    "agents[].backend.permissions.rules": Shape::Section, "{}", "{deny: [\"command(rm *)\"]}", feature::HOOKS;
    /// What may be done unasked.
    "agents[].backend.permissions.rules.allow": TEXTS, "[]", "[\"read_file(./**)\"]", feature::HOOKS;
    /// What is asked about.
    "agents[].backend.permissions.rules.ask": TEXTS, "[]", "[\"read_url(*)\"]", feature::HOOKS;
    /// What is refused.
    "agents[].backend.permissions.rules.deny": TEXTS, "[]", "[\"command(rm *)\"]", feature::HOOKS;
    /// What happens to a question when nobody is there to reply.
    "agents[].backend.permissions.automation_default": Shape::Choice(&["risk-based", "deny-all", "allow-all"]), "risk-based", "deny-all", feature::HOOKS;
    /// Who replies to a question.
    "agents[].backend.permissions.approval_mode": Shape::Choice(&["policy", "file"]), "policy", "file", feature::HOOKS;
    /// Folder of questions and replies.
    "agents[].backend.permissions.approval_dir": Shape::Text, ".massgen/approvals", "approvals", feature::HOOKS;
    /// Whether a reply is remembered.
    "agents[].backend.permissions.persist_approvals": Shape::Bool, "true", "false", feature::HOOKS;
    /// File of remembered replies.
    "agents[].backend.permissions.settings_path": Shape::Text, ".massgen/settings.local.json", "permissions.json", feature::HOOKS;
    /// Whether decisions are written down.
    "agents[].backend.permissions.audit": Shape::Bool, "true", "false", feature::HOOKS;
    /// Decisions in a row without a person.
    "agents[].backend.permissions.max_consecutive_auto": POSITIVE, "no limit", "20", feature::HOOKS;
};

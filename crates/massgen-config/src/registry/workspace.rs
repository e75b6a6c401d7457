//! Keys of a backend that concern its working directory and the commands it may run.

use super::Effect::Deprecated;
use super::{Key, Shape, TEXTS, feature, table};

pub(crate) const KEYS: &[Key] = table! {
    /// Working directory of the agent; it switches file tools on.
    "agents[].backend.cwd": Shape::Text, "", "workspace", feature::WORKSPACES;
    /// Real directories that this agent sees, beside the orchestrator's.
    "agents[].backend.context_paths": Shape::Sections, "[]", "[{path: src, permission: read}]", feature::WORKSPACES;
    /// The directory or file.
    "agents[].backend.context_paths[].path": Shape::Text, "", "src", feature::WORKSPACES;
    /// What may be done there.
    "agents[].backend.context_paths[].permission": Shape::Choice(&["read", "write"]), "read", "write", feature::WORKSPACES;
    /// Parts that stay read-only.
    "agents[].backend.context_paths[].protected_paths": TEXTS, "[]", "[.git]", feature::WORKSPACES;
    /// Whether the agent may write to writable context paths.
    "agents[].backend.context_write_access_enabled": Shape::Bool, "false", "true", feature::WORKSPACES;
    /// A file must be read before it is deleted.
    "agents[].backend.enforce_read_before_delete": Shape::Bool, "true", "false", feature::WORKSPACES;
    /// No file tools: the agent uses the shell.
    "agents[].backend.exclude_file_operation_mcps": Shape::Bool, "false", "true", feature::WORKSPACES;
    /// Internal switch of the Python program.
    "agents[].backend.use_no_roots_wrapper": Shape::Bool, "false", "true", Deprecated { use_instead: "nothing: it is not needed here" };
    /// Internal switch of the Python program.
    "agents[].backend.use_mcpwrapped_for_tool_filtering": Shape::Bool, "false", "true", Deprecated { use_instead: "nothing: it is not needed here" };
    /// The agent may run commands.
    "agents[].backend.enable_mcp_command_line": Shape::Bool, "false", "true", feature::COMMANDS;
    /// Where commands run.
    "agents[].backend.command_line_execution_mode": Shape::Choice(&["local", "docker", "srt", "sandbox"]), "local", "docker", feature::COMMANDS;
    /// Image that commands run in.
    "agents[].backend.command_line_docker_image": Shape::Text, "ghcr.io/massgen/mcp-runtime:latest", "debian:stable", feature::COMMANDS;
    /// Network of the container.
    "agents[].backend.command_line_docker_network_mode": Shape::Choice(&["none", "bridge", "host"]), "none", "bridge", feature::COMMANDS;
    /// Commands may use sudo in the container.
    "agents[].backend.command_line_docker_enable_sudo": Shape::Bool, "false", "true", feature::COMMANDS;
    /// Memory of the container.
    "agents[].backend.command_line_docker_memory_limit": Shape::Text, "", "2g", feature::COMMANDS;
    /// Processors of the container.
    "agents[].backend.command_line_docker_cpu_limit": Shape::Number(0.01, 4096.0), "", "2", feature::COMMANDS;
    /// Secrets that the container gets.
    "agents[].backend.command_line_docker_credentials": Shape::Section, "", "{env_file: .env}", feature::COMMANDS;
    /// File with variables.
    "agents[].backend.command_line_docker_credentials.env_file": Shape::Text, "", ".env", feature::COMMANDS;
    /// Variables taken from the environment.
    "agents[].backend.command_line_docker_credentials.env_vars": TEXTS, "[]", "[GITHUB_TOKEN]", feature::COMMANDS;
    /// Variables taken from the file.
    "agents[].backend.command_line_docker_credentials.env_vars_from_file": TEXTS, "[]", "[GITHUB_TOKEN]", feature::COMMANDS;
    /// The whole environment.
    "agents[].backend.command_line_docker_credentials.pass_all_env": Shape::Bool, "false", "true", feature::COMMANDS;
    /// Well-known configuration folders to mount.
    "agents[].backend.command_line_docker_credentials.mount": Shape::List(&Shape::Choice(&[
        "ssh_keys", "git_config", "gh_config", "npm_config", "pypi_config", "claude_config", "codex_config",
    ])), "[]", "[git_config]", feature::COMMANDS;
    /// Further mounts.
    "agents[].backend.command_line_docker_credentials.additional_mounts": Shape::Any, "{}", "{/data: {bind: /data, mode: ro}}", feature::COMMANDS;
    /// Packages put into the container.
    "agents[].backend.command_line_docker_packages": Shape::Open, "", "{preinstall: {python: [numpy]}}", feature::COMMANDS;
    /// Patterns of commands that are allowed.
    "agents[].backend.command_line_allowed_commands": TEXTS, "[]", "[\"git .*\"]", feature::COMMANDS;
    /// Patterns of commands that are refused.
    "agents[].backend.command_line_blocked_commands": TEXTS, "[]", "[\"rm .*\"]", feature::COMMANDS;
    /// Domains that sandboxed commands may reach.
    "agents[].backend.command_line_srt_network_allowed_domains": TEXTS, "[]", "[example.org]", feature::COMMANDS;
    /// Paths that sandboxed commands may not read.
    "agents[].backend.command_line_srt_deny_read": TEXTS, "[]", "[~/.ssh]", feature::COMMANDS;
    /// Paths that sandboxed commands may read.
    "agents[].backend.command_line_srt_allow_read": TEXTS, "[]", "[/usr]", feature::COMMANDS;
    /// Sockets that sandboxed commands may use.
    "agents[].backend.command_line_srt_allow_unix_sockets": TEXTS, "[]", "[/run/x.sock]", feature::COMMANDS;
    /// How much sandboxed commands may read.
    "agents[].backend.command_line_srt_read_mode": Shape::Choice(&["confined", "strict", "open"]), "confined", "strict", feature::COMMANDS;
};

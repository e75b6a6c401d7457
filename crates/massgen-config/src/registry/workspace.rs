//! Keys of a backend that concern its working directory and the commands it may run.

use super::Effect::{Active, Deprecated, Needless};
use super::{Key, Shape, TEXTS, table};

pub(crate) const KEYS: &[Key] = table! {
    /// Working directory of the agent; it switches file tools on.
    "agents[].backend.cwd": Shape::Text, "", "workspace", Active;
    /// Real directories that this agent sees, beside the orchestrator's.
    "agents[].backend.context_paths": Shape::Sections, "[]", "[{path: src, permission: read}]", Active;
    /// The directory or file.
    "agents[].backend.context_paths[].path": Shape::Text, "", "src", Active;
    /// What may be done there.
    "agents[].backend.context_paths[].permission": Shape::Choice(&["read", "write"]), "read", "write", Active;
    /// Parts that stay read-only.
    "agents[].backend.context_paths[].protected_paths": TEXTS, "[]", "[.git]", Active;
    /// Whether the agent may write to writable context paths.
    "agents[].backend.context_write_access_enabled": Shape::Bool, "false", "true", Needless { because: "the presenter, and only it, writes to writable context paths" };
    /// A file must be read before it is deleted.
    "agents[].backend.enforce_read_before_delete": Shape::Bool, "true", "false", Active;
    /// Only the file tools that write: for the rest the agent uses commands.
    "agents[].backend.exclude_file_operation_mcps": Shape::Bool, "false", "true", Active;
    /// Internal switch of the Python program.
    "agents[].backend.use_no_roots_wrapper": Shape::Bool, "false", "true", Deprecated { use_instead: "nothing: it is not needed here" };
    /// Internal switch of the Python program.
    "agents[].backend.use_mcpwrapped_for_tool_filtering": Shape::Bool, "false", "true", Deprecated { use_instead: "nothing: it is not needed here" };
    /// The agent may run commands.
    "agents[].backend.enable_mcp_command_line": Shape::Bool, "false", "true", Active;
    /// Where commands run.
    "agents[].backend.command_line_execution_mode": Shape::Choice(&["local", "docker", "srt", "sandbox"]), "local", "docker", Active;
    /// Commands, tool servers and custom tools run with all your rights, outside of any sandbox.
    "agents[].backend.unsandboxed": Shape::Bool, "false", "true", Active;
    /// What sandboxed commands reach of the network; `allowlist` is `command_line_srt_network_allowed_domains`.
    "agents[].backend.command_line_network": Shape::Choice(&["none", "allowlist", "full"]), "by the list of domains", "full", Active;
    /// Program that makes the container.
    "agents[].backend.command_line_docker_engine": Shape::Choice(&["docker", "podman"]), "docker", "podman", Active;
    /// Image that commands run in.
    "agents[].backend.command_line_docker_image": Shape::Text, "ghcr.io/massgen/mcp-runtime:latest", "debian:stable", Active;
    /// Network of the container.
    "agents[].backend.command_line_docker_network_mode": Shape::Choice(&["none", "bridge", "host"]), "none", "bridge", Active;
    /// Commands may use sudo in the container.
    "agents[].backend.command_line_docker_enable_sudo": Shape::Bool, "false", "true", Active;
    /// Memory of the container.
    "agents[].backend.command_line_docker_memory_limit": Shape::Text, "", "2g", Active;
    /// Processors of the container.
    "agents[].backend.command_line_docker_cpu_limit": Shape::Number(0.01, 4096.0), "", "2", Active;
    /// Secrets that the container gets.
    "agents[].backend.command_line_docker_credentials": Shape::Section, "", "{env_file: .env}", Active;
    /// File with variables.
    "agents[].backend.command_line_docker_credentials.env_file": Shape::Text, "", ".env", Active;
    /// Variables taken from the environment.
    "agents[].backend.command_line_docker_credentials.env_vars": TEXTS, "[]", "[GITHUB_TOKEN]", Active;
    /// Variables taken from the file.
    "agents[].backend.command_line_docker_credentials.env_vars_from_file": TEXTS, "[]", "[GITHUB_TOKEN]", Active;
    /// The whole environment.
    "agents[].backend.command_line_docker_credentials.pass_all_env": Shape::Bool, "false", "true", Active;
    /// Well-known configuration folders to mount.
    "agents[].backend.command_line_docker_credentials.mount": Shape::List(&Shape::Choice(&[
        "ssh_keys", "git_config", "gh_config", "npm_config", "pypi_config", "claude_config", "codex_config",
        "gemini_config",
    ])), "[]", "[git_config]", Active;
    /// Further mounts.
    "agents[].backend.command_line_docker_credentials.additional_mounts": Shape::Open, "{}", "{/data: {bind: /data, mode: ro}}", Active;
    /// Packages put into the container.
    "agents[].backend.command_line_docker_packages": Shape::Section, "", "{preinstall: {python: [numpy]}}", Active;
    /// Packages that are there before the first command.
    "agents[].backend.command_line_docker_packages.preinstall": Shape::Section, "{}", "{python: [numpy]}", Active;
    /// Packages of Python.
    "agents[].backend.command_line_docker_packages.preinstall.python": TEXTS, "[]", "[numpy]", Active;
    /// Packages of npm.
    "agents[].backend.command_line_docker_packages.preinstall.npm": TEXTS, "[]", "[typescript]", Active;
    /// Packages of the system; they need `command_line_docker_enable_sudo`.
    "agents[].backend.command_line_docker_packages.preinstall.system": TEXTS, "[]", "[graphviz]", Active;
    /// Patterns of commands that are allowed.
    "agents[].backend.command_line_allowed_commands": TEXTS, "[]", "[\"git .*\"]", Active;
    /// Patterns of commands that are refused.
    "agents[].backend.command_line_blocked_commands": TEXTS, "[]", "[\"rm .*\"]", Active;
    /// Domains that sandboxed commands may reach.
    "agents[].backend.command_line_srt_network_allowed_domains": TEXTS, "[]", "[example.org]", Active;
    /// Paths that sandboxed commands may not read.
    "agents[].backend.command_line_srt_deny_read": TEXTS, "[]", "[~/.ssh]", Active;
    /// Paths that sandboxed commands may read.
    "agents[].backend.command_line_srt_allow_read": TEXTS, "[]", "[/usr]", Active;
    /// Sockets that sandboxed commands may use.
    "agents[].backend.command_line_srt_allow_unix_sockets": TEXTS, "[]", "[/run/x.sock]", Active;
    /// How much sandboxed commands may read.
    "agents[].backend.command_line_srt_read_mode": Shape::Choice(&["confined", "strict", "open"]), "confined", "strict", Active;
};

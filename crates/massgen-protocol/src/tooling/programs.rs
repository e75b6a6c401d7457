//! Which programs may be started as tool servers.

use super::servers::{SecurityLevel, ServerSecurity};

/// Programs that may be started as servers at every level.
const PROGRAMS: [&str; 36] = [
    "python",
    "python3",
    "python3.8",
    "python3.9",
    "python3.10",
    "python3.11",
    "python3.12",
    "python3.13",
    "python3.14",
    "py",
    "uv",
    "uvx",
    "pipx",
    "pip",
    "pip3",
    "node",
    "npm",
    "npx",
    "yarn",
    "pnpm",
    "bun",
    "bunx",
    "deno",
    "java",
    "ruby",
    "go",
    "rust",
    "cargo",
    "fastmcp",
    "srt",
    "mcp-server-filesystem",
    "bash",
    "sh",
    "zsh",
    "fish",
    "dash",
];
/// Those that the level `moderate` adds.
const MODERATE_PROGRAMS: [&str; 1] = ["git"];
/// Those that the level `permissive` adds to them.
const PERMISSIVE_PROGRAMS: [&str; 2] = ["curl", "wget"];

impl ServerSecurity {
    /// Whether `program`, a name or a path, may be started: it is named by `allowed_executables`, or, where that names none,
    /// is among the usual ones of the level.
    pub fn may_start(&self, program: &str) -> bool {
        let name = Self::program_name(program);
        let own = &self.allowed_executables;
        if !own.is_empty() {
            return own.iter().any(|allowed| Self::program_name(allowed) == name);
        }
        let more: &[&[&str]] = match self.level {
            SecurityLevel::Strict => &[&PROGRAMS],
            SecurityLevel::Moderate => &[&PROGRAMS, &MODERATE_PROGRAMS],
            SecurityLevel::Permissive => &[&PROGRAMS, &MODERATE_PROGRAMS, &PERMISSIVE_PROGRAMS],
        };
        more.iter().any(|names| names.contains(&name.as_str()))
    }

    /// The name of a program without its folder and without the ending that it has on Windows.
    pub fn program_name(program: &str) -> String {
        let name = program.rsplit(['/', '\\']).next().unwrap_or(program).to_ascii_lowercase();
        let bare = [".exe", ".cmd", ".bat"].into_iter().find_map(|ending| name.strip_suffix(ending));
        bare.unwrap_or(&name).to_owned()
    }
}

//! What the facts mean, and how that is told.

use std::fmt;

use massgen_protocol::size::size;
use serde::Serialize;

use super::facts::{Config, Facts, Found, Level, Logs, ProgramState, Sandbox, State};
use crate::setting_up::has_effect;
use crate::setting_up::offers::{Key, Server};

/// Below this, runs may not get to their end.
const LITTLE_SPACE: u64 = 200 * 1024 * 1024;

/// Columns of the report.
const COLUMNS: usize = 80;

/// Problems of a configuration that are shown; `--validate` tells all.
const SHOWN: usize = 5;

/// What programs are for, and the key that asks for it.
const USES: [(&str, &str, &str); 6] = [
    ("git", "changes to a project", "orchestrator.context_paths"),
    ("docker", "commands in containers", "agents[].backend.command_line_execution_mode"),
    ("podman", "commands in containers", "agents[].backend.command_line_execution_mode"),
    ("node", "MCP servers", "agents[].backend.mcp_servers"),
    ("npx", "MCP servers", "agents[].backend.mcp_servers"),
    ("python3", "custom tools", "agents[].backend.custom_tools"),
];

/// The oldest git that does what is needed, as in 2.33.
const GIT: (u32, u32) = (2, 33);

/// The key that lets agents run commands.
const COMMANDS: &str = "agents[].backend.enable_mcp_command_line";

/// The report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    version: String,
    platform: String,
    /// Whether a run that asks a model is possible.
    pub(super) possible: bool,
    /// Whether a run without any model is possible.
    simulated_possible: bool,
    /// The command that asks a question, if a run is possible.
    run: Option<String>,
    config: Config,
    /// The keys that are set, by name.
    keys: Vec<Key>,
    servers: Vec<Server>,
    servers_asked: Vec<String>,
    sandbox: Sandbox,
    programs: Vec<Tool>,
    logs: Logs,
    missing: Vec<Missing>,
}

/// A program and what it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Tool {
    #[serde(flatten)]
    found: Found,
    /// What it is for.
    used_for: String,
    /// Whether this version has a use for it.
    used_now: bool,
}

/// Something that is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Missing {
    what: String,
    /// The command that mends it, or what to do where no command can.
    mend: String,
    /// Whether no run is possible without it.
    needed: bool,
}

impl Missing {
    fn needed(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { what: what.into(), mend: mend.into(), needed: true }
    }

    fn useful(what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { needed: false, ..Self::needed(what, mend) }
    }
}

impl Report {
    /// What `facts` mean.
    pub(super) fn of(facts: Facts) -> Self {
        let files = facts.damaged.iter().map(|file| Missing::needed(&file.problem, &file.mend));
        let mut missing: Vec<Missing> = files.collect();
        let run = run(&facts, &mut missing);
        logs(&facts.logs, &mut missing);
        missing.extend(facts.open_env_files.iter().map(|file| {
            Missing::useful(
                format!("{file} holds keys and can be read by others"),
                format!("chmod 600 {file}"),
            )
        }));
        if facts.sandbox.level == Level::None && has_effect(COMMANDS) {
            missing.push(Missing::useful("no sandbox for commands", install("bubblewrap")));
        }
        let programs: Vec<Tool> = facts.programs.into_iter().map(tool).collect();
        for tool in programs.iter().filter(|tool| tool.used_now && !tool.is_replaced(&programs)) {
            match tool.found.state {
                ProgramState::Works => missing.extend(too_old(&tool.found)),
                ProgramState::Fails => {
                    let mend = format!("start it, or see what `{}` says", tool.found.name);
                    missing.push(Missing::useful(format!("{} does not work", tool.found.name), mend));
                }
                ProgramState::Missing => {
                    let what = format!("{} is not installed, for {}", tool.found.name, tool.used_for);
                    missing.push(Missing::useful(what, install(&tool.found.name)));
                }
            }
        }
        let possible = !missing.iter().any(|missing| missing.needed);
        Self {
            version: facts.version,
            platform: facts.platform,
            possible,
            simulated_possible: facts.damaged.is_empty() && facts.logs.writable,
            run: run.filter(|_| possible),
            config: facts.config,
            keys: facts.keys.into_iter().filter(|key| key.origin.is_some()).collect(),
            servers: facts.servers,
            servers_asked: facts.servers_asked,
            sandbox: facts.sandbox,
            programs,
            logs: facts.logs,
            missing,
        }
    }
}

impl Tool {
    /// Whether another program does the same and works.
    fn is_replaced(&self, programs: &[Self]) -> bool {
        let is_container = |name: &str| matches!(name, "docker" | "podman");
        is_container(&self.found.name)
            && programs
                .iter()
                .any(|other| is_container(&other.found.name) && other.found.state == ProgramState::Works)
    }
}

/// The command that asks a question; what is missing for it goes to `missing`.
fn run(facts: &Facts, missing: &mut Vec<Missing>) -> Option<String> {
    let path = facts.config.path.clone().unwrap_or_default();
    match (facts.config.state, &facts.choice) {
        (State::Ready, _) => Some("massgen \"your question\"".to_owned()),
        (State::Keyless, _) => {
            // Set-up takes the keys of providers; others have variables of their own.
            let is_taken = |problem: &str| facts.keys.iter().any(|key| problem.starts_with(&key.variable));
            missing.extend(facts.config.problems.iter().map(|problem| {
                let elsewhere = "write it into ./.env or ~/.config/massgen/.env, as NAME=value";
                let mend = if is_taken(problem) { "massgen --setup" } else { elsewhere };
                Missing::needed(problem.as_str(), mend)
            }));
            None
        }
        (State::Broken, _) => {
            let what = format!("{path} is wrong");
            missing.push(Missing::needed(what, format!("massgen --validate {path}")));
            None
        }
        (State::None, Some(choice)) => {
            missing.push(Missing::useful("no configuration", "massgen --quickstart"));
            Some(format!("massgen {} \"your question\"", choice.flags))
        }
        (State::None, None) => {
            let what = if facts.keys.iter().any(|key| key.origin.is_some()) {
                "no configuration, and the keys that are set do not say which model"
            } else {
                "no configuration, no key, no local model server"
            };
            missing.push(Missing::needed(what, "massgen --quickstart, or massgen --setup for keys"));
            None
        }
    }
}

fn logs(logs: &Logs, missing: &mut Vec<Missing>) {
    if !logs.writable {
        let what = format!("the log folder {} cannot be written", logs.path);
        missing.push(Missing::needed(what, "export MASSGEN_LOG_BASE_DIR=FOLDER"));
    } else if logs.free_bytes.is_some_and(|free| free < LITTLE_SPACE) {
        let what = format!("little space is left in the log folder {}", logs.path);
        missing.push(Missing::useful(what, "export MASSGEN_LOG_BASE_DIR=FOLDER on a larger disk"));
    }
}

fn tool(found: Found) -> Tool {
    let use_of = USES.iter().find(|(name, ..)| *name == found.name);
    let (used_for, key) = use_of.map_or(("", ""), |(_, used_for, key)| (*used_for, *key));
    Tool { found, used_for: used_for.to_owned(), used_now: has_effect(key) }
}

/// Told of a git that is older than [`GIT`].
fn too_old(found: &Found) -> Option<Missing> {
    let version = found.version.as_deref().filter(|_| found.name == "git")?;
    let version = without_name(version, "git");
    let mut numbers = version.split('.').map(|part| part.parse::<u32>().ok());
    let known = (numbers.next()??, numbers.next()??);
    let (major, minor) = GIT;
    (known < GIT).then(|| {
        let what = format!("git {version} is too old to change projects: it takes {major}.{minor}");
        Missing::useful(what, "update git")
    })
}

/// The command that installs a program, where most people have the same one.
fn install(name: &str) -> String {
    let package = match name {
        "node" => "nodejs",
        "npx" => "npm",
        "docker" => "docker.io",
        other => other,
    };
    if cfg!(target_os = "macos") {
        format!("brew install {name}")
    } else {
        format!("sudo apt install {package}, or with the package manager of your system")
    }
}

/// The report for a person: 80 columns, no colours.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "massgen {} on {}", self.version, self.platform)?;
        self.write_config(f)?;
        writeln!(f, "\nKeys, by name only")?;
        if self.keys.is_empty() {
            writeln!(f, "  none is set")?;
        }
        for key in &self.keys {
            let origin = key.origin.as_deref().unwrap_or_default();
            let used = match key.backends.join(", ") {
                none if none.is_empty() => "no use in this version yet".to_owned(),
                types => format!("for {types}"),
            };
            writeln!(f, "  {} in {origin}, {used}", key.variable)?;
        }
        writeln!(f, "\nModel servers on this machine")?;
        if self.servers.is_empty() {
            writeln!(f, "  none answers of {}", self.servers_asked.join(", "))?;
        }
        for server in &self.servers {
            writeln!(f, "  {} at {}, with {}", server.name, server.base_url, server.model)?;
        }
        self.write_sandbox(f)?;
        writeln!(f, "\nPrograms")?;
        for tool in &self.programs {
            let Found { name, state, version } = &tool.found;
            let state = match state {
                ProgramState::Works => version.as_deref().unwrap_or("works"),
                ProgramState::Fails => "there, but does not answer",
                ProgramState::Missing => "not installed",
            };
            let later = if tool.used_now { "" } else { " *" };
            writeln!(f, "  {name:<8} {}; for {}{later}", without_name(state, name), tool.used_for)?;
        }
        if self.programs.iter().any(|tool| !tool.used_now) {
            writeln!(f, "  * not in this version yet")?;
        }
        let space = self.logs.free_bytes.map(|free| format!(", {} free", size(free))).unwrap_or_default();
        let state = if self.logs.writable { "can be written" } else { "cannot be written" };
        writeln!(f, "\nLogs\n  {}: {state}{space}", self.logs.path)?;
        self.write_verdict(f)
    }
}

impl Report {
    fn write_config(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { path, state, agents, problems, warnings } = &self.config;
        let path = path.as_deref().unwrap_or_default();
        let agents = if *agents == 1 { "1 agent".to_owned() } else { format!("{agents} agents") };
        let warned = match warnings {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            several => format!(", {several} warnings"),
        };
        writeln!(f, "\nConfiguration")?;
        match state {
            State::None => {
                writeln!(f, "  none: no agents in ./.massgen/config.yaml or ~/.config/massgen/config.yaml")?;
            }
            State::Ready => writeln!(f, "  {path}: valid, {agents}{warned}")?,
            State::Keyless => writeln!(f, "  {path}: valid, {agents}{warned}, but without a key:")?,
            State::Broken => writeln!(f, "  {path}: wrong{warned}:")?,
        }
        for problem in problems.iter().take(SHOWN) {
            wrapped(f, problem, "    ", "      ")?;
        }
        match problems.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => writeln!(f, "    and {more} more"),
        }
    }

    fn write_sandbox(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sandbox { level, bubblewrap, landlock, gaps } = &self.sandbox;
        let level = match level {
            Level::Bubblewrap => "bubblewrap",
            Level::Landlock => "Landlock",
            Level::None => "none works",
        };
        let later = if has_effect(COMMANDS) { "" } else { " (commands are not in this version yet)" };
        writeln!(f, "\nSandbox for commands{later}\n  best: {level}")?;
        for (name, trial) in [("bubblewrap", bubblewrap), ("Landlock", landlock)] {
            let outcome = match &trial.reason {
                None => "works",
                Some(reason) => reason,
            };
            wrapped(f, &format!("{name}: {outcome}"), "  ", "    ")?;
        }
        for gap in gaps {
            wrapped(f, &format!("not kept from: {gap}"), "  ", "    ")?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.run, self.simulated_possible) {
            (Some(run), _) => writeln!(f, "\nA run is possible: {run}")?,
            (None, true) => writeln!(
                f,
                "\nNo model can be asked yet. To try without one:\n  massgen --backend simulated \"your question\""
            )?,
            (None, false) => writeln!(f, "\nNothing can run yet.")?,
        }
        if !self.missing.is_empty() {
            writeln!(f, "\nTo mend")?;
        }
        for Missing { what, mend, needed } in &self.missing {
            let mark = if *needed { "needed" } else { "useful" };
            wrapped(f, &format!("{mark}: {what}"), "  ", "    ")?;
            wrapped(f, mend, "    -> ", "       ")?;
        }
        Ok(())
    }
}

/// Lines of at most 80 columns. What is longer than a line stays whole, for copying.
fn wrapped(f: &mut fmt::Formatter<'_>, text: &str, first: &str, later: &str) -> fmt::Result {
    let options = textwrap::Options::new(COLUMNS)
        .initial_indent(first)
        .subsequent_indent(later)
        .word_separator(textwrap::WordSeparator::AsciiSpace)
        .word_splitter(textwrap::WordSplitter::NoHyphenation)
        .break_words(false);
    writeln!(f, "{}", textwrap::fill(text, options))
}

/// What a program says it is, as in `git version 2.39.5`, without what is known already.
fn without_name<'a>(said: &'a str, name: &str) -> &'a str {
    let without = |said: &'a str, word: &str| {
        let long = said.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if long { said.get(word.len()..).unwrap_or_default().trim_start() } else { said }
    };
    without(without(said, name.trim_end_matches(|c: char| c.is_ascii_digit())), "version")
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;

//! What the program is to do, decided from the command line alone.

use std::path::Path;

use crate::arguments::commands::Subcommand;
use crate::arguments::groups::{CoordinationMode, Personas};
use crate::arguments::unavailable::{self, Unavailable, unavailable};
use crate::arguments::{Arguments, CommandLine};
use crate::failure::Failure;

/// What the program is to do.
#[derive(Debug)]
pub(crate) enum Action<'a> {
    /// A command beside asking a question.
    Command(&'a Subcommand),
    /// `--list-sessions`, with `--all` for everything.
    ListSessions,
    /// `--validate`: check this file.
    Validate(&'a Path),
    /// `--list-backends`.
    ListBackends,
    /// `--list-examples`.
    ListExamples,
    /// `--example`: print the one with this name.
    Example(&'a str),
    /// `--show-schema`.
    ShowSchema,
    /// `--setup`: ask for keys.
    Setup,
    /// `--generate-config`: write this file.
    GenerateConfig(&'a Path),
    /// `--quickstart`.
    Quickstart,
    /// `--init`.
    Init,
    /// Something that cannot be done yet.
    Unavailable(&'static Unavailable),
    /// A run, new or resumed; without a question anywhere, a conversation.
    Run,
}

/// Flags that only say something about others; alone they have nothing to do.
const BELONGING: &[(&str, &[&str])] = &[
    ("all", &["list_sessions"]),
    ("strict", &["validate"]),
    ("json", &["validate", "list_backends", "show_schema"]),
    ("schema_backend", &["show_schema"]),
    ("with_examples", &["show_schema"]),
    ("headless", &["quickstart"]),
    ("config_agents", &["quickstart", "generate_config"]),
    ("config_backend", &["quickstart", "generate_config"]),
    ("config_model", &["quickstart", "generate_config"]),
    ("config_agent_id", &["quickstart", "generate_config"]),
    ("config_docker", &["quickstart", "generate_config"]),
    ("config_context_path", &["quickstart", "generate_config"]),
];

/// What `line` asks for.
///
/// # Errors
/// Flags that contradict each other.
pub(crate) fn decide(line: &CommandLine) -> Result<Action<'_>, Failure> {
    if let Some(command) = &line.arguments.command {
        return Ok(Action::Command(command));
    }
    if let Some(contradiction) = contradiction(line) {
        return Err(contradiction);
    }
    let run = || unavailable::first(line).map_or(Action::Run, Action::Unavailable);
    Ok(special(line).unwrap_or_else(run))
}

/// The flag that takes the place of a run. Of several, the first of this list wins.
fn special(line: &CommandLine) -> Option<Action<'_>> {
    let Arguments { information, sessions, set_up, .. } = &line.arguments;
    let is_web = line.typed("web").is_some();
    let missing = |id: &str| unavailable(id).filter(|row| row.is_in(line)).map(Action::Unavailable);
    let order = [
        sessions.list_sessions.then_some(Action::ListSessions),
        information.validate.as_deref().map(Action::Validate),
        information.list_backends.then_some(Action::ListBackends),
        information.list_examples.then_some(Action::ListExamples),
        information.example.as_deref().map(Action::Example),
        information.show_schema.then_some(Action::ShowSchema),
        (set_up.setup && !is_web).then_some(Action::Setup),
        missing("setup_skills"),
        missing("setup_docker"),
        missing("textual_serve"),
        missing("web_quickstart"),
        missing("web"),
        missing("select"),
        set_up.generate_config.as_deref().map(Action::GenerateConfig),
        set_up.quickstart.then_some(Action::Quickstart),
        set_up.init.then_some(Action::Init),
    ];
    order.into_iter().flatten().next()
}

/// The first contradiction between flags that the parser does not know of.
fn contradiction(line: &CommandLine) -> Option<Failure> {
    let Arguments { modes, set_up, unavailable, .. } = &line.arguments;
    let decomposes = modes.coordination_mode == Some(CoordinationMode::Decomposition);
    let of_generators = ["config_backend", "config_model", "config_agent_id", "config_agents"];
    let is_typed = |id: &&str| line.typed(id).is_some();
    let refused = |message: &str, hint: &str| Some(Failure::usage(message).hint(hint));
    if line.arguments.single_agent.is_some() && decomposes {
        return refused(
            "`--single-agent` and `--coordination-mode decomposition` exclude each other",
            "one agent has nobody to share the work with; leave out one of them",
        );
    }
    if decomposes && modes.personas.is_some_and(|personas| personas != Personas::Off) {
        return refused(
            "`--personas` and `--coordination-mode decomposition` exclude each other",
            "where each agent does a part, the parts set them apart; leave out one of them",
        );
    }
    if ["web_quickstart", "web"].iter().all(is_typed) {
        return refused("`--web-quickstart` and `--web` exclude each other", "leave out one of them");
    }
    if !set_up.quickstart_agent.is_empty() {
        if !(set_up.quickstart && set_up.headless) {
            return refused(
                "`--quickstart-agent` needs `--quickstart --headless`",
                "add them, or leave it out to be asked for the agents",
            );
        }
        if let Some(other) = of_generators.iter().find(|id| is_typed(id)) {
            return refused(
                &format!("`--quickstart-agent` and `{}` exclude each other", flag(other)),
                "say everything about an agent in its `--quickstart-agent`",
            );
        }
    }
    let counts = [("plan_steps", unavailable.plan_steps), ("plan_chunks", unavailable.plan_chunks)];
    let (id, count) = counts.into_iter().find_map(|(id, count)| Some((id, count.filter(|n| *n <= 0)?)))?;
    refused(&format!("`{}` must be above 0, not {count}", flag(id)), "give a number such as 5")
}

/// A line about each flag that was typed and has nothing to do without another one.
pub(crate) fn idle(line: &CommandLine) -> Vec<String> {
    let is_idle = |(id, owners): &&(&str, &[&str])| {
        line.typed(id).is_some() && owners.iter().all(|owner| line.typed(owner).is_none())
    };
    let tell = |(id, owners): &(&str, &[&str])| {
        let owners: Vec<String> = owners.iter().map(|owner| format!("`{}`", flag(owner))).collect();
        format!("warning: `{}` has nothing to do here; it belongs to {}", flag(id), owners.join(" or "))
    };
    BELONGING.iter().filter(is_idle).map(tell).collect()
}

/// The flag with this id as it is typed.
fn flag(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

#[cfg(test)]
#[path = "action_tests.rs"]
mod tests;

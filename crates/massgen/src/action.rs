//! What the program is to do, decided from the command line alone.

use std::path::Path;

use crate::arguments::commands::Subcommand;
use crate::arguments::groups::{CoordinationMode, Personas};
use crate::arguments::unavailable::{self, Unavailable, unavailable};
use crate::arguments::{Arguments, CommandLine};
use crate::failure::Failure;
use crate::setting_up::Person;

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

/// The flags that take the place of a run, and those that say something about each.
const TAKES: &[(&str, &[&str])] = &[
    ("list_sessions", &["all"]),
    ("validate", &["strict", "json", "strict_validation"]),
    ("list_backends", &["json"]),
    ("list_examples", &["json"]),
    ("example", &[]),
    ("show_schema", &["json", "schema_backend", "with_examples"]),
    ("setup", &[]),
    (
        "quickstart",
        &[
            "headless",
            "quickstart_agent",
            "config_agents",
            "config_backend",
            "config_model",
            "config_agent_id",
            "config_docker",
            "config_context_path",
            "config",
            "base_url",
        ],
    ),
    (
        "generate_config",
        &[
            "config_agents",
            "config_backend",
            "config_model",
            "config_agent_id",
            "config_docker",
            "config_context_path",
            "base_url",
        ],
    ),
    ("init", &["config"]),
];

/// Those of them that say something about a run too.
const ALSO_OF_RUNS: [&str; 3] = ["config", "base_url", "strict_validation"];

/// What asks for no more than is the case where nothing runs: no display, no menu, no browser, nothing to debug.
const OF_THE_DISPLAY: [&str; 5] = ["automation", "no_display", "debug", "skip_agent_selector", "no_browser"];

/// Flags of a run and what says the same of a new configuration.
const OF_NEW_CONFIGURATIONS: [(&str, &str); 2] = [("backend", "config_backend"), ("model", "config_model")];

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
    let found = special(line);
    if let Some((_, action @ Action::Unavailable(_))) = found {
        return Ok(action);
    }
    let is_wanting = |row: &&Unavailable| row.is_in(line) && !is_rival(row.name);
    if let Some(row) = unavailable::FLAGS.iter().find(is_wanting) {
        return Ok(Action::Unavailable(row));
    }
    let Some((winner, action)) = found else {
        return mistyped(line).map_or(Ok(Action::Run), Err);
    };
    match stray(line, winner) {
        Some(failure) => Err(failure),
        None => Ok(action),
    }
}

/// A question that was probably meant as a command: a run costs money.
fn mistyped(line: &CommandLine) -> Option<Failure> {
    let (meant, word) = (line.meant.as_deref()?, line.arguments.question.as_deref()?);
    Some(
        Failure::usage(format!("`{word}` is no command"))
            .hint(format!("did you mean `massgen {meant}`? To ask it as a question: `massgen -- {word}`")),
    )
}

/// Flags that cannot be used yet and would take the place of a run; where another one does, they are left out.
const RIVALS: [&str; 6] =
    ["setup_skills", "setup_docker", "textual_serve", "web_quickstart", "web", "select"];

fn is_rival(id: &str) -> bool {
    RIVALS.contains(&id) || TAKES.iter().any(|(owner, _)| *owner == id)
}

/// The flag that takes the place of a run, and what it asks for. Of several, the first of this list wins.
fn special(line: &CommandLine) -> Option<(&'static str, Action<'_>)> {
    let Arguments { information, sessions, set_up, .. } = &line.arguments;
    let is_web = line.typed("web").is_some();
    let missing = |id: &str| unavailable(id).filter(|row| row.is_in(line)).map(Action::Unavailable);
    let order = [
        ("list_sessions", sessions.list_sessions.then_some(Action::ListSessions)),
        ("validate", information.validate.as_deref().map(Action::Validate)),
        ("list_backends", information.list_backends.then_some(Action::ListBackends)),
        ("list_examples", information.list_examples.then_some(Action::ListExamples)),
        ("example", information.example.as_deref().map(Action::Example)),
        ("show_schema", information.show_schema.then_some(Action::ShowSchema)),
        ("setup", (set_up.setup && !is_web).then_some(Action::Setup)),
        ("setup_skills", missing("setup_skills")),
        ("setup_docker", missing("setup_docker")),
        ("textual_serve", missing("textual_serve")),
        ("web_quickstart", missing("web_quickstart")),
        ("web", missing("web")),
        ("select", missing("select")),
        ("generate_config", set_up.generate_config.as_deref().map(Action::GenerateConfig)),
        ("quickstart", set_up.quickstart.then_some(Action::Quickstart)),
        ("init", set_up.init.then_some(Action::Init)),
    ];
    order.into_iter().find_map(|(id, action)| Some((id, action?)))
}

/// The flags that say something about `owner`.
fn taken_by(owner: &str) -> &'static [&'static str] {
    TAKES.iter().find(|(id, _)| *id == owner).map_or(&[], |(_, taken)| taken)
}

/// What was typed and says nothing to `winner`, which takes the place of a run.
fn stray(line: &CommandLine, winner: &str) -> Option<Failure> {
    let typed = || line.typed.iter().map(|typed| typed.id.as_str());
    // What belongs to something that is left out is left out with it.
    let is_taken = |id: &str| typed().any(|owner| taken_by(owner).contains(&id));
    let stray: Vec<&str> =
        typed().filter(|id| !is_rival(id) && !OF_THE_DISPLAY.contains(id) && !is_taken(id)).collect();
    let (_, more) = stray.split_first()?;
    let list = |ids: &[&str]| ids.iter().map(|id| shown(id)).collect::<Vec<_>>().join(" and ");
    let verb = if more.is_empty() { "has" } else { "have" };
    let message = format!("{} {verb} no use beside `{}`", list(&stray), flag(winner));
    let meant = OF_NEW_CONFIGURATIONS.iter().filter(|(id, _)| stray.contains(id)).map(|(_, meant)| *meant);
    let meant: Vec<&str> = meant.filter(|meant| taken_by(winner).contains(meant)).collect();
    let hint = match (meant.as_slice(), more) {
        ([], []) => "leave it out".to_owned(),
        ([], _) => "leave them out".to_owned(),
        (meant, _) => format!("what a new configuration has is said by {}", list(meant)),
    };
    Some(Failure::usage(message).hint(hint))
}

/// The first contradiction between flags that the parser does not know of.
fn contradiction(line: &CommandLine) -> Option<Failure> {
    let Arguments { modes, sessions, set_up, unavailable, .. } = &line.arguments;
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
    if ["continue_session", "session_id"].iter().all(is_typed) {
        return refused(
            "`--continue` and `--session-id` exclude each other",
            "both name the conversation to go on with; leave out one of them",
        );
    }
    if sessions.no_session_registry && (sessions.continue_session || sessions.session_id.is_some()) {
        let other = if sessions.continue_session { "--continue" } else { "--session-id" };
        return refused(
            &format!("`--no-session-registry` and `{other}` exclude each other"),
            "a conversation is kept out of the list when it begins; leave out one of them",
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

/// A line about each flag that was typed and is left out: it has nothing to do without another one, or another one takes
/// the place of the run.
pub(crate) fn idle(line: &CommandLine) -> Vec<String> {
    let typed = line.typed.iter().map(|typed| typed.id.as_str());
    match special(line) {
        Some((_, Action::Unavailable(_))) => Vec::new(),
        Some((winner, _)) => typed
            .filter(|id| is_rival(id) && *id != winner)
            .map(|id| format!("warning: `{}` is left out: `{}` comes first", flag(id), flag(winner)))
            .collect(),
        None => typed.filter_map(without_owner).collect(),
    }
}

/// A line about the flag `id` when all that it says something about was not typed.
fn without_owner(id: &str) -> Option<String> {
    let owners = TAKES.iter().filter(|(_, taken)| taken.contains(&id));
    let owners: Vec<String> = owners.map(|(owner, _)| format!("`{}`", flag(owner))).collect();
    if owners.is_empty() || ALSO_OF_RUNS.contains(&id) {
        return None;
    }
    Some(format!("warning: `{}` has nothing to do here; it belongs to {}", flag(id), owners.join(" or ")))
}

/// What keeps `--quickstart` from asking a person at a terminal: flags that answer its questions, which the person would
/// be asked all the same.
pub(crate) fn answered_unasked(line: &CommandLine, person: Person) -> Option<Failure> {
    if line.arguments.set_up.headless || person == Person::Absent {
        return None;
    }
    let mut answers = taken_by("quickstart").iter().filter(|id| !["config", "headless"].contains(*id));
    let id = answers.find(|id| line.typed(id).is_some())?;
    Some(
        Failure::usage(format!("`{}` needs `--quickstart --headless`", flag(id)))
            .hint("add `--headless`, or leave it out to be asked"),
    )
}

/// What was typed, as it is told: the question has no name.
fn shown(id: &str) -> String {
    if id == "question" { "a question".to_owned() } else { format!("`{}`", flag(id)) }
}

/// The flag with this id as it is typed.
fn flag(id: &str) -> String {
    format!("--{}", id.replace('_', "-"))
}

#[cfg(test)]
#[path = "action_tests.rs"]
mod tests;

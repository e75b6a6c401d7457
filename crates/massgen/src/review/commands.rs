//! `massgen changes`, `massgen apply` and `massgen undo`: what a run changed, seen, applied and taken back later.

use std::path::{Path, PathBuf};

use massgen_engine::SystemClock;
use massgen_journal::artifacts::RunFolder;
use massgen_ports::Clock;
use massgen_protocol::workspace::{Access, Isolation};
use massgen_protocol::{Envelope, Event};
use massgen_view::clean::clean_line;
use massgen_workspace::changes::{Later, Undone};

use super::application::{Application, Decision, Resolver, recover_all};
use super::chosen::{self, Chosen};
use super::proposal::{answered, begun};
use super::settling::{Opened, keep, open, remarks, told, write_result};
use super::standing::Standings;
use super::telling;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure};
use crate::logs::{find_run, own_runs};
use crate::remarks::Remarks;
use crate::run::open_journal;
use crate::setting_up::Person;
use crate::trust;
use crate::workbench::projects::Projects;

/// How changes are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// A line for each file.
    List,
    /// As a text that `git apply` reads.
    Diff,
}

/// Shows what the newest turn of a run changed.
///
/// # Errors
/// When there is no such run, or it changed nothing.
pub(crate) fn changes(log_dir: &Path, form: Form, environment: &Environment) -> Result<u8, Failure> {
    let folder = find_run(log_dir, environment)?.newest();
    let (_journal, events) = open_journal(&folder.journal_dir())?;
    let Opened { proposal, store } = opened(&folder, &events)?;
    if form == Form::Diff {
        return crate::print(&proposal.diff());
    }
    let standings = Standings::of(&proposal, (&folder, &store))?;
    let mut lines = vec![telling::list(&proposal, Some(&standings))];
    lines.extend(telling::next(&standings, &named(&folder)?));
    lines.push(String::new());
    for (context, error) in &standings.unknown {
        let place = telling::place(context);
        Remarks::direct().tell(&format!("warning: what of it is in `{place}` is not known: {error}"));
    }
    crate::print(lines.join("\n").as_bytes())
}

/// Applies what the newest turn of a run changed and is not in the project yet: all of it, or what is chosen.
///
/// # Errors
/// When there is no such run, it did not change what is named, or nothing can be applied.
pub(crate) fn apply(
    log_dir: &Path,
    chosen: &Chosen<'_>,
    later: Later,
    environment: &Environment,
) -> Result<u8, Failure> {
    let folder = find_run(log_dir, environment)?.newest();
    let (_journal, events) = open_journal(&folder.journal_dir())?;
    let projects = require_trust(&folder, &events, environment)?;
    recover_all(&folder, &projects.targets())?;
    let Opened { proposal, store } = opened(&folder, &events)?;
    let log_dir = named(&folder)?;
    let choice = chosen.of(&proposal, environment).map_err(|problem| {
        Failure::usage(problem).hint(format!("see {}", telling::command("changes", &log_dir)))
    })?;
    let open = chosen::open(&choice, &Standings::of(&proposal, (&folder, &store))?);
    if open.is_empty() {
        return crate::print(format!("{}\n", telling::nothing_to_apply(choice.len())).as_bytes());
    }
    keep(&folder, &proposal)?;
    let now = SystemClock::start().now();
    let approval = chosen::approval(&proposal, &open);
    let decision = Decision::new(Some(approval), &proposal, Resolver::Command, now);
    let decision = match later {
        Later::Keep => decision,
        Later::Overwrite => decision.overwriting(),
    };
    let application = Application::begin(&folder, &decision)?;
    write_result(&folder, &decision)?;
    let outcome = application.carry_out(&decision, &proposal, &store)?;
    let mut lines = told(&folder, &log_dir, &decision, &outcome);
    if outcome.applied() == 0 {
        Remarks::direct().tell(&lines.join("\n"));
        return Ok(CONFIGURATION);
    }
    lines.push(String::new());
    crate::print(lines.join("\n").as_bytes())
}

/// Takes back the last application of a run, of its newest turn that has one; without a run, of the newest run that has
/// one.
///
/// # Errors
/// When there is none, or the project cannot be changed.
pub(crate) fn undo(log_dir: Option<&Path>, later: Later, environment: &Environment) -> Result<u8, Failure> {
    let runs = match log_dir {
        Some(log_dir) => vec![find_run(log_dir, environment)?],
        None => own_runs(environment)?,
    };
    for folder in runs.into_iter().flat_map(|run| run.turns().into_iter().rev()) {
        let mut applications = Application::all(&folder)?;
        applications.retain(|application| !application.is_undone());
        if applications.is_empty() {
            continue;
        }
        let (_journal, events) = open_journal(&folder.journal_dir())?;
        let targets = require_trust(&folder, &events, environment)?.targets();
        for application in applications.into_iter().rev() {
            let undone = application.undo(later, &targets)?;
            if undone.is_empty() {
                continue;
            }
            return tell_undone(&application, &undone, &folder, log_dir);
        }
    }
    Err(match log_dir {
        Some(log_dir) => {
            let what = format!("the run `{}` has nothing applied that can be undone", log_dir.display());
            Failure::configuration(what)
                .hint(format!("{} tells what it changed", telling::command("changes", log_dir)))
        }
        None => Failure::configuration("no run in this folder has anything applied that can be undone")
            .hint("`massgen changes` tells what the newest run changed"),
    })
}

/// Tells what was undone of the run in `folder`; if nobody has named it, which one that is.
fn tell_undone(
    application: &Application,
    undone: &[Undone],
    folder: &RunFolder,
    asked: Option<&Path>,
) -> Result<u8, Failure> {
    let log_dir = named(folder)?;
    let mut lines = Vec::new();
    if asked.is_none() {
        lines.push(format!("taking back what the run in `{}` changed last", log_dir.display()));
    }
    let outcome = application.outcome()?.unwrap_or_default();
    lines.extend(undone.iter().flat_map(|undone| telling::undone(undone, &outcome)));
    if undone.iter().any(|undone| !undone.kept.is_empty()) {
        let command = telling::command("undo --overwrite", &log_dir);
        lines.push(format!("hint: what was kept goes back too with {command}"));
    }
    if undone.iter().all(|undone| undone.restored.is_empty() && !undone.kept.is_empty()) {
        Remarks::direct().tell(&lines.join("\n"));
        return Ok(CONFIGURATION);
    }
    lines.push(String::new());
    crate::print(lines.join("\n").as_bytes())
}

/// How the turn in `folder` is named so that a command means it: by its run if it is the newest turn of that.
fn named(folder: &RunFolder) -> Result<PathBuf, Failure> {
    let turns = RunFolder::turns_in(&folder.root).map_err(Failure::configuration)?;
    let is_newest = turns.last().is_none_or(|newest| newest.turn == folder.turn);
    Ok(if is_newest { folder.root.clone() } else { folder.turn_dir() })
}

/// The copies of a run whose changes may be put into files, or taken out of them.
fn require_trust(
    folder: &RunFolder,
    events: &[Envelope],
    environment: &Environment,
) -> Result<Projects, Failure> {
    let Some((spec, _)) = begun(events) else { return Ok(Projects::default()) };
    let projects = Projects::of_run(folder, spec)?;
    let demands = trust::demands_of_changes(&projects);
    trust::require_run(folder, demands, environment.redactor([]), Person::of_process(), environment)?;
    Ok(projects)
}

/// What the run with these `events` changed.
fn opened(folder: &RunFolder, events: &[Envelope]) -> Result<Opened, Failure> {
    let is_over = events.iter().any(|envelope| matches!(envelope.event, Event::RunFinished { .. }));
    if answered(events).is_none() && !is_over {
        let resume = telling::command("--resume", &folder.root);
        let what = format!("the run in `{}` is not over", folder.turn_dir().display());
        return Err(Failure::configuration(what).hint(format!("go on with it: {resume}")));
    }
    let opened = open(folder, events)?.ok_or_else(|| nothing(folder, events))?;
    for remark in remarks(folder, &opened.proposal) {
        Remarks::direct().tell(&remark);
    }
    if opened.proposal.is_empty() {
        return Err(nothing(folder, events));
    }
    Ok(opened)
}

/// That there are no changes of the run with these `events`; where nothing was kept apart, that nobody knows of any.
fn nothing(folder: &RunFolder, events: &[Envelope]) -> Failure {
    let run = folder.turn_dir();
    let run = run.display();
    let agents = begun(events).map(|(spec, _)| spec.agents.as_slice()).unwrap_or_default();
    let direct = agents.iter().filter_map(|agent| agent.workspace.as_deref()).find_map(|workspace| {
        let is_direct = workspace.isolation == Isolation::Direct;
        workspace.contexts.iter().find(|context| is_direct && context.access == Access::Write)
    });
    match direct {
        None => Failure::configuration(format!("the run in `{run}` changed nothing"))
            .hint("`massgen logs list` shows the runs before it; name one to see what that changed"),
        Some(context) => Failure::configuration(format!(
            "what the run in `{run}` changed in `{}` was not kept apart: its agents wrote to the files themselves",
            clean_line(&context.path)
        ))
        .hint("what they did can be shown and undone later unless `write_mode: legacy` is set"),
    }
}

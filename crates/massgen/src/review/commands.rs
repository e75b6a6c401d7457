//! `massgen changes` and `massgen apply`: what a run changed, seen and applied later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use massgen_engine::SystemClock;
use massgen_journal::artifacts::RunFolder;
use massgen_ports::Clock;
use massgen_protocol::Envelope;
use massgen_workspace::changes::{Approval, ApprovalByContext, Later, listed};

use super::application::{Application, Decision, Resolver, recover_all};
use super::proposal::Proposal;
use super::settling::{Opened, open, remarks, told, write_result};
use super::telling;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, SUCCESS};
use crate::logs::find_run;
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
    let Opened { proposal, .. } = opened(&folder, &events)?;
    if form == Form::Diff {
        return crate::print(&proposal.diff());
    }
    let mut lines = vec![telling::list(&proposal, telling::Places::Listed)];
    for application in Application::all(&folder)? {
        if let Some((decision, outcome)) = application.decision()?.zip(application.outcome()?) {
            lines.push(String::new());
            if application.is_undone() {
                lines.push(format!("{} changed, and taken back", telling::files(outcome.applied())));
                continue;
            }
            lines.extend(told(&folder, &folder.root, &decision, &outcome));
        }
    }
    lines.push(String::new());
    crate::print(lines.join("\n").as_bytes())
}

/// What of a run is applied; without any of it, everything.
#[derive(Debug, Default)]
pub(crate) struct Chosen<'a> {
    /// Files, named as `massgen changes` does.
    pub(crate) files: &'a [String],
    /// Places of files: the name, `:`, and the number of the place, from 1.
    pub(crate) places: &'a [String],
}

/// Applies what the newest turn of a run changed: all of it, or what is chosen.
///
/// # Errors
/// When there is no such run, it did not change what is named, or nothing can be applied.
pub(crate) fn apply(log_dir: &Path, chosen: &Chosen<'_>, environment: &Environment) -> Result<u8, Failure> {
    let folder = find_run(log_dir, environment)?.newest();
    let (_journal, events) = open_journal(&folder.journal_dir())?;
    let projects = require_trust(&folder, environment)?;
    recover_all(&folder, &projects.targets())?;
    let Opened { proposal, store } = opened(&folder, &events)?;
    let approval = approval(&proposal, chosen).map_err(|problem| {
        Failure::usage(problem).hint(format!("see {}", telling::command("changes", &folder.root)))
    })?;
    let now = SystemClock::start().now();
    let decision = Decision::new(Some(approval), &proposal, Resolver::Command, now);
    let application = Application::begin(&folder, &decision)?;
    write_result(&folder, &decision)?;
    let outcome = application.carry_out(&decision, &proposal, &store)?;
    let mut lines = told(&folder, &folder.root, &decision, &outcome);
    lines.push(String::new());
    let text = lines.join("\n");
    if outcome.problem.is_some() {
        Remarks::direct().tell(text.trim_end());
        return Ok(CONFIGURATION);
    }
    crate::print(text.as_bytes())
}

/// Takes back the last application of a run: of its newest turn that has one.
///
/// # Errors
/// When there is none, or the project cannot be changed.
pub(crate) fn undo(log_dir: &Path, later: Later, environment: &Environment) -> Result<u8, Failure> {
    for folder in find_run(log_dir, environment)?.turns().into_iter().rev() {
        let (_journal, _) = open_journal(&folder.journal_dir())?;
        let targets = require_trust(&folder, environment)?.targets();
        for application in Application::all(&folder)?.into_iter().rev() {
            let undone = application.undo(later, &targets)?;
            if undone.is_empty() {
                continue;
            }
            let mut lines: Vec<String> = undone.iter().flat_map(telling::undone).collect();
            if undone.iter().any(|undone| !undone.kept.is_empty()) {
                let command =
                    format!("{} --overwrite", telling::command("undo", &folder.root).trim_matches('`'));
                lines.push(format!("hint: what was kept goes back too with `{command}`"));
            }
            lines.push(String::new());
            crate::print(lines.join("\n").as_bytes())?;
            return Ok(SUCCESS);
        }
    }
    Err(Failure::configuration(format!(
        "the run `{}` has nothing applied that can be undone",
        log_dir.display()
    ))
    .hint("`massgen changes LOG_DIR` tells what it changed"))
}

/// The copies of a run whose changes may be put into files, or taken out of them.
fn require_trust(folder: &RunFolder, environment: &Environment) -> Result<Projects, Failure> {
    let projects = Projects::of_run(folder)?;
    let demands = trust::demands_of_changes(&projects, environment);
    trust::require_run(folder, demands, environment.redactor([]), Person::of_process(), environment)?;
    Ok(projects)
}

/// What `chosen` says of `proposal`.
fn approval(proposal: &Proposal, chosen: &Chosen<'_>) -> Result<Approval, String> {
    if chosen.files.is_empty() && chosen.places.is_empty() {
        return Ok(Approval::default());
    }
    let names = proposal.names();
    let find = |name: &str| {
        let known = names.iter().find(|(_, known)| *known == name).map(|((at, number), _)| (*at, *number));
        let context = known.and_then(|(at, _)| proposal.contexts.get(at));
        let change = context.zip(known).and_then(|(context, (_, number))| context.changes.get(number));
        context.zip(change).ok_or_else(|| format!("the run did not change `{name}`"))
    };
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut hunks: BTreeMap<String, BTreeMap<String, BTreeSet<usize>>> = BTreeMap::new();
    for place in chosen.places {
        let (name, number) = place
            .rsplit_once(':')
            .and_then(|(name, number)| Some((name, number.parse::<usize>().ok()?)))
            .ok_or_else(|| {
                format!("`{place}` names no place of a file: that is the file, `:` and a number")
            })?;
        let (context, change) = find(name)?;
        let places = telling::places(change);
        if places.is_empty() {
            return Err(format!("`{name}` is applied as a whole, with `--file`"));
        }
        let index = number.checked_sub(1).filter(|index| *index < places.len());
        let index =
            index.ok_or_else(|| format!("`{name}` changed in {} places, not {number}", places.len()))?;
        let path = listed(change).path;
        files.entry(context.path.clone()).or_default().insert(path.clone());
        hunks.entry(context.path.clone()).or_default().entry(path).or_default().insert(index);
    }
    for name in chosen.files {
        let (context, change) = find(name)?;
        let path = listed(change).path;
        // The whole has all places.
        if let Some(of_context) = hunks.get_mut(&context.path) {
            of_context.remove(&path);
        }
        files.entry(context.path.clone()).or_default().insert(path);
    }
    let list = |paths: BTreeSet<String>| paths.into_iter().collect();
    let numbers = |hunks: BTreeSet<usize>| hunks.into_iter().collect();
    let of_files = |files: BTreeMap<String, BTreeSet<usize>>| {
        files.into_iter().map(|(path, hunks)| (path, numbers(hunks))).collect()
    };
    Ok(Approval {
        approved_files: None,
        metadata: ApprovalByContext {
            approved_files_by_context: Some(
                files.into_iter().map(|(context, paths)| (context, list(paths))).collect(),
            ),
            approved_hunks_by_context: Some(
                hunks.into_iter().map(|(context, files)| (context, of_files(files))).collect(),
            ),
        },
    })
}

fn opened(folder: &RunFolder, events: &[Envelope]) -> Result<Opened, Failure> {
    let nothing =
        || Failure::configuration(format!("the run in `{}` changed nothing", folder.turn_dir().display()));
    let opened = open(folder, events)?.ok_or_else(nothing)?;
    for remark in remarks(folder, &opened.proposal) {
        Remarks::direct().tell(&remark);
    }
    if opened.proposal.is_empty() {
        return Err(nothing());
    }
    Ok(opened)
}

//! `massgen changes` and `massgen apply`: what a run changed, seen and applied later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use massgen_engine::SystemClock;
use massgen_journal::artifacts::RunFolder;
use massgen_ports::Clock;
use massgen_protocol::Envelope;
use massgen_workspace::changes::{Approval, ApprovalByContext, Later};

use super::application::{Application, Decision, Resolver, recover_all};
use super::settling::{Opened, open, told, write_result};
use super::telling;
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, SUCCESS};
use crate::logs::find_run;
use crate::remarks::Remarks;
use crate::run::open_journal;

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
    let mut lines = vec![telling::list(&proposal)];
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

/// Applies what the newest turn of a run changed: all of it, or these files.
///
/// # Errors
/// When there is no such run, it did not change what is named, or nothing can be applied.
pub(crate) fn apply(log_dir: &Path, files: &[String], environment: &Environment) -> Result<u8, Failure> {
    let folder = find_run(log_dir, environment)?.newest();
    let (_journal, events) = open_journal(&folder.journal_dir())?;
    recover_all(&folder)?;
    let Opened { proposal, store } = opened(&folder, &events)?;
    let mut approval = Approval::default();
    if !files.is_empty() {
        let names = proposal.names();
        let known: BTreeMap<&str, (usize, usize)> =
            names.iter().map(|(key, name)| (name.as_str(), *key)).collect();
        let mut chosen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for file in files.iter().collect::<BTreeSet<_>>() {
            let Some((at, number)) = known.get(file.as_str()) else {
                return Err(Failure::usage(format!("the run did not change `{file}`"))
                    .hint(format!("see {}", telling::command("changes", &folder.root))));
            };
            if let Some(context) = proposal.contexts.get(*at)
                && let Some(change) = context.changes.get(*number)
            {
                let path = massgen_workspace::changes::listed(change).path;
                chosen.entry(context.path.clone()).or_default().push(path);
            }
        }
        approval.metadata =
            ApprovalByContext { approved_files_by_context: Some(chosen), approved_hunks_by_context: None };
    }
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
        for application in Application::all(&folder)?.into_iter().rev() {
            let undone = application.undo(later)?;
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

fn opened(folder: &RunFolder, events: &[Envelope]) -> Result<Opened, Failure> {
    let nothing =
        || Failure::configuration(format!("the run in `{}` changed nothing", folder.turn_dir().display()));
    let opened = open(folder, events)?.ok_or_else(nothing)?;
    if opened.proposal.is_empty() {
        for remark in &opened.proposal.remarks {
            Remarks::direct().tell(remark);
        }
        return Err(nothing());
    }
    Ok(opened)
}

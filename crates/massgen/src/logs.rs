//! Work with the logs of runs.

mod find;
mod prune;
mod report;
mod turns;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use massgen_journal::artifacts::rebuild;
use massgen_ports::workspaces::NoWorkspaces;
use massgen_protocol::Event;
use serde_json::Value;

use crate::arguments::commands::{ListRuns, Logs, LogsCommand, RunReport};
use crate::arguments::unavailable;
use crate::environment::Environment;
use crate::failure::{Failure, SUCCESS};
use crate::print;
use crate::run::open_journal;
use crate::terminal::columns;
use crate::workbench;

pub(crate) use prune::retain;
pub(crate) use turns::{find_run, own_runs};

/// Opens folders in the file manager.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

/// Performs `massgen logs …`.
pub(crate) fn perform(logs: &Logs, environment: &Environment) -> Result<u8, Failure> {
    match &logs.command {
        None => summary(&logs.summary, environment),
        Some(LogsCommand::Summary(report)) => summary(report, environment),
        Some(LogsCommand::Tools { sort, report }) => {
            let documents = find::attempt(&report.log_dir, environment)?.documents()?;
            if report.json {
                return print_json(documents.tools());
            }
            print(report::tool_table(&documents, *sort).as_bytes())
        }
        Some(LogsCommand::List(options)) => list(options, environment),
        Some(LogsCommand::Open { log_dir }) => open(log_dir, environment),
        Some(LogsCommand::Analyze(_)) => Err(unavailable::ANALYZE.command_failure()),
        Some(LogsCommand::Prune(options)) => prune::perform(options, environment),
        Some(LogsCommand::Rebuild { log_dir }) => rebuild_run(log_dir, environment),
    }
}

fn summary(options: &RunReport, environment: &Environment) -> Result<u8, Failure> {
    let attempt = find::attempt(&options.log_dir, environment)?;
    let documents = attempt.documents()?;
    if !options.json {
        return print(report::summary(&attempt, &documents, columns(&std::io::stdout())).as_bytes());
    }
    if documents.metrics.is_null() {
        let folder = attempt.folder.display();
        return Err(Failure::configuration(format!("there is no metrics_summary.json in `{folder}` yet"))
            .hint("it is written at the end of a run; until then, read status.json"));
    }
    print_json(&documents.metrics)
}

fn list(options: &ListRuns, environment: &Environment) -> Result<u8, Failure> {
    let is_wanted = |is_analyzed: bool| match (options.analyzed, options.unanalyzed) {
        (true, _) => is_analyzed,
        (false, true) => !is_analyzed,
        (false, false) => true,
    };
    let runs = find::runs(environment);
    let attempts = runs.iter().filter_map(|root| find::newest_attempt(root));
    let wanted = attempts.filter(|attempt| is_wanted(attempt.is_analyzed())).take(options.limit.get());
    let entries = wanted.map(|attempt| Ok(report::Entry::new(&attempt, &attempt.documents()?)));
    let entries: Vec<report::Entry> = entries.collect::<Result<_, Failure>>()?;
    if options.json {
        return print_json(&entries.iter().map(report::Entry::json).collect());
    }
    if entries.is_empty() {
        return print(b"There are no runs here yet. Ask a question: massgen \"your question\"\n");
    }
    print(report::list(&entries, columns(&std::io::stdout())).as_bytes())
}

/// Opens a run's folder in the file manager, and prints its path for those who have none.
fn open(log_dir: &Path, environment: &Environment) -> Result<u8, Failure> {
    let attempt = find::attempt(log_dir, environment)?;
    let folder = attempt.root.display();
    print(format!("{folder}\n").as_bytes())?;
    let opened = Command::new(OPENER)
        .arg(&attempt.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let trouble = match opened {
        Ok(status) if status.success() => return Ok(SUCCESS),
        Ok(status) => status.to_string(),
        Err(error) => error.to_string(),
    };
    Err(Failure::configuration(format!("`{OPENER}` cannot open `{folder}`: {trouble}"))
        .hint("open the folder yourself; its path is above"))
}

fn print_json(document: &Value) -> Result<u8, Failure> {
    print(format!("{document:#}\n").as_bytes())
}

/// Writes all files of a run again: of all its turns, or of the one that is named.
fn rebuild_run(log_dir: &Path, environment: &Environment) -> Result<u8, Failure> {
    let found = find_run(log_dir, environment)?;
    for folder in found.turns() {
        // Whoever is at work on the run writes the same files.
        let (journal, events) = open_journal(&folder.journal_dir())?;
        let spec = events.iter().find_map(|envelope| match &envelope.event {
            Event::RunStarted { spec, .. } => Some(spec),
            _ => None,
        });
        let snapshots = match spec {
            Some(spec) => workbench::kept(spec, &folder)?,
            None => Arc::new(NoWorkspaces),
        };
        let report = rebuild(&folder, snapshots, &events).map_err(Failure::configuration)?;
        drop(journal);
        let mut stdout = std::io::stdout().lock();
        let _ = writeln!(
            stdout,
            "{}: {} files written from {} events, {} removed",
            folder.journal_dir().display(),
            report.files,
            report.events,
            report.removed
        );
    }
    Ok(SUCCESS)
}

//! The end of a run for the user's project: what changed is shown, decided on and applied.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use massgen_engine::SystemClock;
use massgen_journal::artifacts::RunFolder;
use massgen_ports::Clock;
use massgen_protocol::{Envelope, Timestamp};
use massgen_view::clean::clean_text;
use massgen_workspace::SnapshotStore;
use massgen_workspace::changes::Approval;
use serde::Serialize;

use super::application::{Application, Decision, Outcome, Resolver};
use super::dialogue;
use super::proposal::{Proposal, answered};
use super::telling;
use crate::failure::Failure;
use crate::run::open_journal;
use crate::setting_up::terminal::Terminal;
use crate::workbench::projects::{Projects, write_whole};
use crate::workbench::store;

/// The result of a review, as programs read it.
const RESULT: &str = "review_result.json";
/// All changes as a text.
pub(super) const DIFF: &str = "changes.diff";
/// All changes as a list.
const LIST: &str = "changes.json";

/// Who decides what becomes of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Nobody: they are applied.
    Nobody,
    /// A person at the terminal, with this program to read long texts with.
    Person {
        /// `$PAGER`.
        pager: Option<String>,
    },
}

/// What became of the user's project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    /// For a person.
    pub(crate) lines: Vec<String>,
    /// How many files changed; nothing when there was nothing to decide.
    pub(crate) applied: Option<usize>,
}

/// A run whose files are looked at, and its proposal.
pub(super) struct Opened {
    pub(super) proposal: Proposal,
    pub(super) store: SnapshotStore,
}

/// Decides on what the final answer of the run in `folder` changed in the user's project, and applies it; what was decided
/// before is ended as it was decided, and nothing is done twice. `log_dir` is how people name the run.
///
/// # Errors
/// When what was changed cannot be found out, or what is done not be written down. An application that fails is no error:
/// it is told of.
pub(crate) fn settle(folder: &RunFolder, log_dir: &Path, asked: &Asked) -> Result<Settled, Failure> {
    let (journal, events) = open_journal(&folder.journal_dir())?;
    let applications = Application::all(folder)?;
    let newest = applications.last();
    let begun = newest.map(|newest| Ok::<_, Failure>((newest, newest.decision()?, newest.outcome()?)));
    let begun = begun.transpose()?;
    if let Some((_, _, Some(_))) = &begun {
        return Ok(Settled::default());
    }
    let Some(Opened { proposal, store }) = open(folder, &events)? else { return Ok(Settled::default()) };
    let mut settled = Settled { lines: proposal.remarks.clone(), applied: None };
    if proposal.is_empty() {
        return Ok(settled);
    }
    keep(folder, &proposal)?;
    let (application, decision) = if let Some((application, Some(decision), _)) = begun {
        // Somebody decided, and then the process was killed.
        (application.clone(), decision)
    } else {
        let decision = decide(&proposal, asked, SystemClock::start().now())?;
        (Application::begin(folder, &decision)?, decision)
    };
    write_result(folder, &decision)?;
    let outcome = application.carry_out(&decision, &proposal, &store)?;
    drop(journal);
    settled.applied = Some(outcome.applied());
    settled.lines.extend(told(folder, log_dir, &decision, &outcome));
    Ok(settled)
}

/// The lines about an application.
pub(super) fn told(
    folder: &RunFolder,
    log_dir: &Path,
    decision: &Decision,
    outcome: &Outcome,
) -> Vec<String> {
    if decision.approved {
        telling::outcome(outcome, log_dir, &folder.attempt_dir().join(DIFF))
    } else {
        telling::declined(log_dir)
    }
}

/// What the run with these `events` changed; nothing if it has no final answer, or had nothing that it could change.
///
/// # Errors
/// When that cannot be read.
pub(super) fn open(folder: &RunFolder, events: &[Envelope]) -> Result<Option<Opened>, Failure> {
    let projects = Projects::of_run(folder)?;
    if projects.is_empty() {
        return Ok(None);
    }
    let Some((spec, answered)) = answered(events) else { return Ok(None) };
    let store = SnapshotStore::open(&store(folder)).map_err(Failure::configuration)?;
    let proposal = Proposal::of(&answered, spec, &projects, &store)?;
    Ok(Some(Opened { proposal, store }))
}

/// Writes the changes into the folder of the attempt, for people and programs.
fn keep(folder: &RunFolder, proposal: &Proposal) -> Result<(), Failure> {
    let attempt = folder.attempt_dir();
    write_whole(&attempt.join(DIFF), &proposal.diff())
        .and_then(|()| write_json(&attempt.join(LIST), &proposal.listed()))
        .map_err(Failure::configuration)
}

/// Tells programs what was decided.
pub(super) fn write_result(folder: &RunFolder, decision: &Decision) -> Result<(), Failure> {
    #[derive(Serialize)]
    struct Shown<'a> {
        approved: bool,
        approved_files: &'a Option<Vec<String>>,
        action: super::application::Action,
        resolved_by: Resolver,
        timestamp: i64,
    }
    let Decision { approved, approved_files, action, resolved_by, timestamp, .. } = decision;
    let shown = Shown {
        approved: *approved,
        approved_files,
        action: *action,
        resolved_by: *resolved_by,
        timestamp: *timestamp,
    };
    write_json(&folder.attempt_dir().join(RESULT), &shown).map_err(Failure::configuration)
}

fn write_json(path: &Path, document: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(document)?;
    bytes.push(b'\n');
    write_whole(path, &bytes)
}

fn decide(proposal: &Proposal, asked: &Asked, now: Timestamp) -> Result<Decision, Failure> {
    match asked {
        Asked::Nobody => Ok(Decision::new(Some(Approval::default()), proposal, Resolver::Automatic, now)),
        Asked::Person { pager } => {
            let diff = clean_text(&String::from_utf8_lossy(&proposal.diff()));
            let mut terminal = Terminal::take();
            let mut show = || page(&diff, pager.as_deref());
            let answer = dialogue::ask(&mut terminal, proposal, &mut show).map_err(|error| {
                Failure::configuration(format!("nobody could be asked about the changes: {error}"))
            })?;
            Ok(Decision::new(answer, proposal, Resolver::Terminal, now))
        }
    }
}

/// Shows a long text, through `pager` if there is one.
pub(super) fn page(text: &str, pager: Option<&str>) -> io::Result<()> {
    let Some(pager) = pager else {
        return io::stderr().lock().write_all(text.as_bytes());
    };
    let mut child = Command::new("sh").args(["-c", pager]).stdin(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        match stdin.write_all(text.as_bytes()) {
            // Whoever leaves the pager has read enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    child.wait().map(drop)
}

//! The end of a run for the user's project: what changed is shown, decided on and applied.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use massgen_engine::SystemClock;
use massgen_journal::SqliteJournal;
use massgen_journal::artifacts::RunFolder;
use massgen_ports::Clock;
use massgen_protocol::{Envelope, Timestamp};
use massgen_view::clean::clean_text;
use massgen_workspace::changes::Approval;
use massgen_workspace::{SnapshotStore, write_whole};
use serde::Serialize;

use super::application::{Application, Decision, Outcome, Resolver};
use super::dialogue;
use super::proposal::{Proposal, Unkept, answered};
use super::stop::Stop;
use super::telling;
use crate::failure::Failure;
use crate::run::open_journal;
use crate::setting_up::terminal::Terminal;
use crate::workbench::projects::Projects;
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
    /// How many files changed; nothing when there was nothing to decide, or nobody decided.
    pub(crate) applied: Option<usize>,
    /// Whether it was stopped before anything was decided.
    pub(crate) is_stopped: bool,
}

/// A run whose files are looked at, and its proposal.
pub(super) struct Opened {
    pub(super) proposal: Proposal,
    pub(super) store: SnapshotStore,
}

/// What the final answer of a run changed in the user's project, before it is decided on. As long as it lasts, nobody else
/// is at work on the run.
pub(crate) struct Review {
    folder: RunFolder,
    opened: Opened,
    /// What somebody decided before the process was killed.
    decided: Option<(Application, Decision)>,
    _journal: SqliteJournal,
}

impl Review {
    /// Looks at what the run in `folder` changed; nothing when there is nothing left to decide. Once this has come back,
    /// nobody needs the copies that agents worked on any more: those with changes that are nowhere else are in a safe
    /// place. Blocks.
    ///
    /// # Errors
    /// When what was changed cannot be found out, or not be kept.
    pub(crate) fn open(folder: &RunFolder) -> Result<Option<Self>, Failure> {
        let (journal, events) = open_journal(&folder.journal_dir())?;
        let decided = match Application::all(folder)?.pop() {
            Some(newest) if newest.outcome()?.is_some() => return Ok(None),
            Some(newest) => newest.decision()?.map(|decision| (newest, decision)),
            None => None,
        };
        let Some(opened) = open(folder, &events)? else { return Ok(None) };
        for unkept in &opened.proposal.unkept {
            unkept.copy.rescue(folder).map_err(|error| {
                let place = unkept.copy.isolated.folder.display();
                Failure::configuration(format!("{}, and `{place}` cannot be kept: {error}", unkept.told))
            })?;
        }
        Ok(Some(Self { folder: folder.clone(), opened, decided, _journal: journal }))
    }

    /// Decides on the changes, and applies what is approved; what was decided before is ended as it was decided, and
    /// nothing is done twice. `log_dir` is how people name the run. Blocks.
    ///
    /// # Errors
    /// When what is done cannot be written down, or nobody be asked. An application that fails is no error: it is told of.
    pub(crate) fn settle(self, log_dir: &Path, asked: &Asked, stop: &Stop) -> Result<Settled, Failure> {
        let Self { folder, opened: Opened { proposal, store }, decided, _journal } = self;
        let mut settled = Settled { lines: remarks(&folder, &proposal), applied: None, is_stopped: false };
        if proposal.is_empty() {
            return Ok(settled);
        }
        keep(&folder, &proposal)?;
        let decision = match &decided {
            Some((_, decision)) => decision.clone(),
            None => decide(&proposal, asked, stop, SystemClock::start().now())?,
        };
        if !stop.lets_apply() {
            settled.is_stopped = true;
            settled.lines.extend(telling::declined(log_dir));
            return Ok(settled);
        }
        let application = match decided {
            Some((application, _)) => application,
            None => Application::begin(&folder, &decision)?,
        };
        write_result(&folder, &decision)?;
        let outcome = application.carry_out(&decision, &proposal, &store)?;
        settled.applied = Some(outcome.applied());
        settled.lines.extend(told(&folder, log_dir, &decision, &outcome));
        Ok(settled)
    }
}

/// What people are told of a proposal besides its changes.
pub(super) fn remarks(folder: &RunFolder, proposal: &Proposal) -> Vec<String> {
    let unkept = proposal.unkept.iter().map(|Unkept { copy, told }| {
        let refuge = copy.refuge(folder);
        if refuge.is_dir() {
            format!(
                "warning: {told}\nhint: the copy is in `{}`; take from it what you need",
                refuge.display()
            )
        } else {
            format!("warning: {told}")
        }
    });
    proposal.remarks.iter().cloned().chain(unkept).collect()
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
    let Some((spec, answered)) = answered(events) else { return Ok(None) };
    let projects = Projects::of_run(folder, spec)?;
    if projects.is_empty() {
        return Ok(None);
    }
    let store = SnapshotStore::open(&store(folder)).map_err(Failure::configuration)?;
    let proposal = Proposal::of(&answered, spec, &projects, (folder, &store))?;
    Ok(Some(Opened { proposal, store }))
}

/// Writes the changes into the folder of the attempt, for people and programs.
pub(super) fn keep(folder: &RunFolder, proposal: &Proposal) -> Result<(), Failure> {
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

fn decide(proposal: &Proposal, asked: &Asked, stop: &Stop, now: Timestamp) -> Result<Decision, Failure> {
    match asked {
        Asked::Nobody => Ok(Decision::new(Some(Approval::default()), proposal, Resolver::Automatic, now)),
        Asked::Person { pager } => {
            let diff = clean_text(&String::from_utf8_lossy(&proposal.diff()));
            let mut terminal = Terminal::take();
            let mut show = || stop.while_reading(|| page(&diff, pager.as_deref()));
            let answer = stop.while_asking(|| dialogue::ask(&mut terminal, proposal, &mut show));
            let answer = match answer {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => None,
                answer => answer.map_err(|error| {
                    Failure::configuration(format!("nobody could be asked about the changes: {error}"))
                })?,
            };
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

//! Decisions on changes, and what was done because of them, as files of a run.
//!
//! Each application is a folder `changes/<n>` beside the journal: the decision first, then a record for each context path,
//! which is what undoes it, and last the outcome. So a killed application is known by its missing outcome.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use massgen_journal::artifacts::RunFolder;
use massgen_protocol::Timestamp;
use massgen_protocol::workspace::DriftPolicy;
use massgen_workspace::changes::{
    Approval, ChangesError, FileChange, Later, Plan, Reason, Recovered, Selection, Skipped, Target, Undone,
    Wish, apply, plan, recover, spell, targets_of, undo,
};
use massgen_workspace::{SnapshotStore, write_whole};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::proposal::{ContextChanges, Proposal};
use crate::failure::Failure;

/// The folder beside the journal with all applications.
const FOLDER: &str = "changes";
const DECISION: &str = "decision.json";
const OUTCOME: &str = "outcome.json";
/// Why a file stays that somebody else changed, for people.
pub(super) const DRIFTED: &str = "it changed in the project meanwhile";
/// Stands where the whole application was taken back.
const UNDONE: &str = "undone.json";

/// What became of a review. The first fields are those of `review_result.json`, the others say what they leave open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Decision {
    pub(super) approved: bool,
    /// Names of files, or nothing for all.
    pub(super) approved_files: Option<Vec<String>>,
    pub(super) action: Action,
    pub(super) resolved_by: Resolver,
    /// Seconds since 1970.
    pub(super) timestamp: i64,
    /// What exactly is approved.
    pub(super) approval: Approval,
    /// What is done with files that somebody else changed meanwhile, where that is not as the run has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) drift: Option<DriftPolicy>,
}

/// What a review ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Approve,
    Reject,
}

/// Who ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Resolver {
    /// Nobody was there to ask.
    Automatic,
    /// A person at a terminal.
    Terminal,
    /// `massgen apply`, later.
    Command,
}

impl Decision {
    /// `approval` of `proposal`, or nothing of it.
    pub(super) fn new(
        approval: Option<Approval>,
        proposal: &Proposal,
        resolved_by: Resolver,
        now: Timestamp,
    ) -> Self {
        let approved_files = approval.as_ref().map_or(Some(Vec::new()), |approval| {
            let is_all = *approval == Approval::default();
            (!is_all).then(|| approved_names(proposal, approval))
        });
        let nothing = Approval { approved_files: Some(Vec::new()), ..Approval::default() };
        Self {
            approved: approval.is_some(),
            approved_files,
            action: if approval.is_some() { Action::Approve } else { Action::Reject },
            resolved_by,
            timestamp: now.micros().div_euclid(1_000_000),
            approval: approval.unwrap_or(nothing),
            drift: None,
        }
    }

    /// The same, and files that somebody else changed meanwhile are overwritten.
    pub(super) fn overwriting(self) -> Self {
        Self { drift: Some(DriftPolicy::PreferPresenter), ..self }
    }
}

fn approved_names(proposal: &Proposal, approval: &Approval) -> Vec<String> {
    let names = proposal.names();
    let approved = names.into_iter().filter(|((at, number), _)| {
        let Some(context) = proposal.contexts.get(*at) else { return false };
        let Some(change) = context.changes.get(*number) else { return false };
        is_selected(&approval.selection(&context.path), change)
    });
    approved.map(|(_, name)| name).collect()
}

fn is_selected(selection: &Selection, change: &FileChange) -> bool {
    selection.files.as_ref().is_none_or(|files| files.contains(&change.path))
        && selection.hunks.get(&change.path).is_none_or(|hunks| !hunks.is_empty())
}

/// What an application came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// In order of context path.
    pub(super) contexts: Vec<ContextOutcome>,
    /// Why nothing was applied, if something went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<Problem>,
}

/// What was done below one context path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ContextOutcome {
    pub(super) context: String,
    /// Changes that are in the project now.
    pub(super) applied: Vec<String>,
    /// Approved changes that are not, each with the reason.
    pub(super) skipped: Vec<(String, String)>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Problem {
    pub(super) message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
}

impl From<ChangesError> for Problem {
    fn from(error: ChangesError) -> Self {
        Self { message: error.to_string(), hint: error.hint().map(str::to_owned) }
    }
}

impl Outcome {
    /// How many changes are in the project now.
    pub(super) fn applied(&self) -> usize {
        self.contexts.iter().map(|context| context.applied.len()).sum()
    }
}

/// One application of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Application {
    folder: PathBuf,
}

impl Application {
    /// All applications of a run, the oldest first.
    ///
    /// # Errors
    /// When their folder cannot be read.
    pub(super) fn all(run: &RunFolder) -> Result<Vec<Self>, Failure> {
        let all = run.journal_dir().join(FOLDER);
        let entries = match fs_err::read_dir(&all) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(Failure::configuration(error)),
        };
        let mut numbers = Vec::new();
        for entry in entries {
            let name = entry.map_err(Failure::configuration)?.file_name();
            numbers.extend(name.to_str().and_then(|name| name.parse::<u32>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers.into_iter().map(|number| Self { folder: all.join(number.to_string()) }).collect())
    }

    /// Begins the next application of a run with its decision.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub(super) fn begin(run: &RunFolder, decision: &Decision) -> Result<Self, Failure> {
        let all = Self::all(run)?;
        let folder = run.journal_dir().join(FOLDER).join((all.len() + 1).to_string());
        fs_err::create_dir_all(&folder).map_err(Failure::configuration)?;
        let application = Self { folder };
        application.write(DECISION, decision)?;
        Ok(application)
    }

    /// What was decided. There is nothing when the process was killed before it was.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn decision(&self) -> Result<Option<Decision>, Failure> {
        self.read(DECISION)
    }

    /// What came of it; nothing when it was not ended.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn outcome(&self) -> Result<Option<Outcome>, Failure> {
        self.read(OUTCOME)
    }

    /// Does what was decided, in all context paths or in none, and writes down what came of it. It ends what a killed
    /// process began, and does nothing twice.
    ///
    /// # Errors
    /// When what came of it cannot be written down.
    pub(super) fn carry_out(
        &self,
        decision: &Decision,
        proposal: &Proposal,
        store: &SnapshotStore,
    ) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        let mut done = Vec::new();
        for context in &proposal.contexts {
            let selection = decision.approval.selection(&context.path);
            let record = self.record(context.number);
            let drift = decision.drift.unwrap_or(context.drift);
            match carry_out((context, drift), &selection, store, &record) {
                Ok(came) => {
                    outcome.contexts.push(came);
                    done.push(record);
                }
                Err(error) => {
                    outcome = Outcome { contexts: Vec::new(), problem: Some(error.into()) };
                    take_back(&done, &mut outcome);
                    break;
                }
            }
        }
        self.write(OUTCOME, &outcome)?;
        Ok(outcome)
    }

    /// Takes it back, as far as it is about `targets`, folders without links; nothing when there is nothing to take back.
    /// The last context path comes first.
    ///
    /// # Errors
    /// When the project cannot be changed; what was undone before stays undone.
    pub(super) fn undo(&self, later: Later, targets: &BTreeSet<PathBuf>) -> Result<Vec<Undone>, Failure> {
        let mut numbers: Vec<usize> = fs_err::read_dir(&self.folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        numbers.sort_unstable();
        let mut undone = Vec::new();
        for number in numbers.into_iter().rev() {
            if !is_about(&self.record(number), targets)? {
                continue;
            }
            match undo(&self.record(number), later) {
                Ok(done) => undone.push(done),
                Err(ChangesError::NotApplied { .. }) => {}
                Err(error) => return Err(failed(error)),
            }
        }
        if !undone.is_empty() && undone.iter().all(|undone| undone.kept.is_empty()) {
            self.write(UNDONE, &true)?;
        }
        Ok(undone)
    }

    /// Whether all of it was taken back.
    pub(super) fn is_undone(&self) -> bool {
        self.folder.join(UNDONE).is_file()
    }

    fn record(&self, number: usize) -> PathBuf {
        self.folder.join(number.to_string())
    }

    fn write(&self, name: &str, document: &impl Serialize) -> Result<(), Failure> {
        let bytes = serde_json::to_vec_pretty(document).map_err(Failure::configuration)?;
        write_whole(&self.folder.join(name), &bytes).map_err(Failure::configuration)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Failure> {
        let path = self.folder.join(name);
        let bytes = match fs_err::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Failure::configuration(error)),
        };
        let unusable =
            |error| Failure::configuration(format!("`{}` cannot be used: {error}", path.display()));
        serde_json::from_slice(&bytes).map(Some).map_err(unusable)
    }
}

/// Ends what killed processes began in the records of `run` that are about `targets`, folders without links. A record
/// says itself which folder it is about, and may have been written by anybody.
///
/// # Errors
/// When the project or a record cannot be read or changed.
pub(super) fn recover_all(run: &RunFolder, targets: &BTreeSet<PathBuf>) -> Result<Vec<Recovered>, Failure> {
    let mut all = Vec::new();
    for application in Application::all(run)? {
        for entry in fs_err::read_dir(&application.folder).into_iter().flatten().flatten() {
            let record = entry.path();
            if record.is_dir() && is_about(&record, targets)? {
                all.push(recover(&record).map_err(failed)?);
            }
        }
    }
    Ok(all)
}

fn is_about(record: &Path, targets: &BTreeSet<PathBuf>) -> Result<bool, Failure> {
    Ok(targets_of(record).map_err(failed)?.is_subset(targets))
}

/// Ends what killed processes began to apply to `targets`, of all `runs`: before another one begins with these folders,
/// they are to be as they were or as they were to become. Returns what was done, and what could not be, for people.
pub(crate) fn end_interrupted(
    runs: impl Iterator<Item = RunFolder>,
    targets: &BTreeSet<PathBuf>,
) -> Vec<String> {
    let mut told = Vec::new();
    // Whoever is at work on a run ends it itself.
    for turn in runs.filter(|turn| !turn.is_locked().unwrap_or(true)) {
        let place = turn.turn_dir();
        let place = place.display();
        match recover_all(&turn, targets) {
            Ok(all) => told.extend(all.into_iter().filter_map(|recovered| match recovered {
                Recovered::Nothing => None,
                Recovered::Finished => {
                    Some(format!("changes that the run in `{place}` had begun to apply are applied now"))
                }
                Recovered::TakenBack { left } if left.is_empty() => {
                    Some(format!("changes that the run in `{place}` had begun to apply were taken back"))
                }
                Recovered::TakenBack { left } => Some(format!(
                    "changes that the run in `{place}` had begun to apply were taken back, except in {}, which changed since",
                    left.iter().map(|path| format!("`{}`", spell(path))).collect::<Vec<_>>().join(", ")
                )),
            })),
            Err(failure) => told.push(format!(
                "changes that the run in `{place}` had begun to apply cannot be taken back: {}",
                failure.to_string().trim_end()
            )),
        }
    }
    told
}

/// `error` with what to do about it.
pub(super) fn failed(error: ChangesError) -> Failure {
    let Problem { message, hint } = error.into();
    let failure = Failure::configuration(message);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn carry_out(
    (context, drift): (&ContextChanges, DriftPolicy),
    selection: &Selection,
    store: &SnapshotStore,
    record: &Path,
) -> Result<ContextOutcome, ChangesError> {
    let target = Target::open(&context.isolated.target)?;
    if targets_of(record)?.iter().any(|found| found != target.path()) {
        let problem = format!("it is not about `{}`", target.path().display());
        return Err(ChangesError::Record { path: record.to_owned(), problem });
    }
    recover(record)?;
    let current = target.current(&context.changes, selection)?;
    let wish =
        Wish { changes: &context.changes, selection, drift, protected: &context.protected, contents: store };
    let plan = plan(&wish, &current)?;
    if !plan.operations.is_empty() {
        match apply(&plan, &target, store, record) {
            // It is taken when a process was killed that had applied all of it, and the project changed since.
            Ok(_) | Err(ChangesError::RecordTaken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(told(context, selection, &plan))
}

/// What `plan` came to, of the changes that were approved.
fn told(context: &ContextChanges, selection: &Selection, plan: &Plan) -> ContextOutcome {
    let reason = |change: &FileChange| {
        plan.skipped.iter().find(|skipped| skipped.path == change.path).map(|skipped| skipped.reason)
    };
    let approved = || context.changes.iter().filter(|change| is_selected(selection, change));
    let is_there = |change: &&FileChange| matches!(reason(change), None | Some(Reason::Done));
    let skipped =
        plan.skipped.iter().filter_map(|Skipped { path, reason }| Some((spell(path), words(*reason)?)));
    ContextOutcome {
        context: context.path.clone(),
        applied: approved().filter(is_there).map(|change| spell(&change.path)).collect(),
        skipped: skipped.collect(),
    }
}

/// Why an approved change is not in the project, for people.
pub(super) fn words(reason: Reason) -> Option<String> {
    let words = match reason {
        Reason::NotApproved | Reason::Done => return None,
        Reason::NotChanged => "it did not change",
        Reason::Protected => "it is protected",
        Reason::Drifted => DRIFTED,
        Reason::Blocked => "something else stands in its place",
    };
    Some(words.to_owned())
}

fn take_back(done: &[PathBuf], outcome: &mut Outcome) {
    for record in done.iter().rev() {
        match undo(record, Later::Keep) {
            Ok(_) | Err(ChangesError::NotApplied { .. }) => {}
            Err(error) => {
                if let Some(problem) = &mut outcome.problem {
                    problem.message.push_str("; and it could not be taken back elsewhere: ");
                    problem.message.push_str(&error.to_string());
                }
            }
        }
    }
}

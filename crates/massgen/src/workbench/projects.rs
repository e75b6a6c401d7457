//! The user's project in isolation: each agent works on a copy of its own of every context path that it may change.
//!
//! The copies are made when a run begins, with a snapshot of what they held then; both are noted in a file of the run, so
//! that a resumed run goes on with them and the final answer can be compared with where it began.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Component, Path, PathBuf};

use massgen_journal::artifacts::RunFolder;
use massgen_protocol::spec::RunSpec;
use massgen_protocol::workspace::WorkspaceSpec;
use massgen_protocol::{AgentId, SnapshotId};
use massgen_view::clean::clean_line;
use massgen_workspace::changes::{read_path, spell};
use massgen_workspace::isolation::{
    Git, Isolated, IsolationError, Kind, Leftover, Life, Owner, Request, isolate, leftovers, trace,
};
use massgen_workspace::{ScanLimits, SnapshotStore, StatCache, Taken, TreePath, write_whole};
use serde::{Deserialize, Serialize};

use super::{credentials, previous};
use crate::environment::Environment;
use crate::failure::Failure;
use crate::{review, trust};

/// The file of a run, beside its journal, that tells of the copies.
const FILE: &str = "projects.json";

/// The folder of a run, beside its journal, with copies that hold what nothing else does.
pub(crate) const REFUGE: &str = "copies";

/// Files that a copy lacks, and are named.
const NAMED: usize = 5;

/// The form of that file.
const VERSION: u32 = 1;

/// The copies that the agents of a run work on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Projects {
    version: u32,
    /// Whether nobody needs them any more.
    #[serde(default)]
    is_over: bool,
    /// In order of agent and context path.
    pub(crate) copies: Vec<ProjectCopy>,
    /// Where this is noted.
    #[serde(skip)]
    file: PathBuf,
    /// What was done before the copies were made, for people.
    #[serde(skip)]
    remarks: Vec<String>,
}

/// One agent's copy of one context path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProjectCopy {
    /// Whose.
    pub(crate) agent: AgentId,
    /// Which of the agent's copies, from 1.
    pub(crate) number: usize,
    /// Where it is and what it stands for.
    pub(crate) isolated: Isolated,
    /// What it held before the agent began.
    pub(crate) baseline: SnapshotId,
    /// What it held besides, which snapshots do not hold: paths, spelled, each with its trace.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    unkept: BTreeMap<String, String>,
}

impl ProjectCopy {
    /// The context path that it stands for, without links.
    pub(crate) fn context(&self) -> String {
        self.isolated.review(&[]).original_path
    }

    /// Where it stays after its run, if changes in it are nowhere else.
    pub(crate) fn refuge(&self, run: &RunFolder) -> PathBuf {
        run.journal_dir().join(REFUGE).join(format!("{}_{}", self.agent, self.number))
    }

    /// Whether an agent of `spec` has a copy there. What is noted of it may have been written by anybody, and what is noted is
    /// moved and removed.
    fn is_of(&self, spec: &RunSpec) -> bool {
        let agent = spec.agents.iter().find(|agent| agent.id == self.agent);
        let Some(workspace) = agent.and_then(|agent| agent.workspace.as_deref()) else { return false };
        let Isolated { place, folder, .. } = &self.isolated;
        let copy = PathBuf::from(workspace.copy(self.number));
        workspace.seen().any(|seen| seen.copy == Some(self.number))
            && (*place == copy || *place == whole_of(&copy, self.number))
            && folder.starts_with(place)
            && folder.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
    }

    /// What changed of that which snapshots do not hold. Nothing is known of a copy that is gone. Blocks.
    ///
    /// # Errors
    /// What the file system says.
    pub(crate) fn changed_unkept(&self, run: &RunFolder) -> io::Result<Vec<TreePath>> {
        let places = [self.isolated.folder.clone(), self.refuge(run)];
        let Some(place) = places.iter().find(|place| place.is_dir()) else { return Ok(Vec::new()) };
        let mut changed = Vec::new();
        for (path, before) in self.unkept.iter().filter_map(|(path, before)| Some((read_path(path)?, before)))
        {
            if trace(place, &path)? != *before {
                changed.push(path);
            }
        }
        Ok(changed)
    }

    /// Moves it to where it stays. One that is there already, or is gone, is left as it is; so is what an agent put a link
    /// to in its place. Blocks.
    ///
    /// # Errors
    /// What the file system says. It is where it was then.
    pub(crate) fn rescue(&self, run: &RunFolder) -> io::Result<()> {
        let (from, to) = (&self.isolated.folder, self.refuge(run));
        let is_there = fs_err::canonicalize(from).is_ok_and(|real| real == *from);
        if !is_there || !from.is_dir() || to.exists() {
            return Ok(());
        }
        let above = run.journal_dir().join(REFUGE);
        fs_err::create_dir_all(&above)?;
        match fs_err::rename(from, &to) {
            Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                let unfinished = above.join(format!(".{}_{}", self.agent, self.number));
                remove_if_there(&unfinished)?;
                fs_err::create_dir(&unfinished)?;
                previous::copy(from, &unfinished)?;
                fs_err::rename(&unfinished, &to)?;
            }
            moved => moved?,
        }
        match &self.isolated.kind {
            Kind::Copy => Ok(()),
            // What it points to goes with the run.
            Kind::Worktree { .. } => remove_if_there(&to.join(".git")),
        }
    }
}

/// Removes what is at `path`, if anything is.
fn remove_if_there(path: &Path) -> io::Result<()> {
    let removed = match fs_err::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs_err::remove_dir_all(path),
        Ok(_) => fs_err::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl Default for Projects {
    fn default() -> Self {
        Self {
            version: VERSION,
            is_over: false,
            copies: Vec::new(),
            file: PathBuf::new(),
            remarks: Vec::new(),
        }
    }
}

/// A copy that is to be made.
struct Wanted<'a> {
    agent: &'a AgentId,
    workspace: &'a WorkspaceSpec,
    path: &'a Path,
    number: usize,
}

impl Projects {
    /// Makes the copies for a run that begins, and notes them. Blocks.
    ///
    /// # Errors
    /// When one cannot be made; none is left behind then.
    pub(crate) fn begin(
        spec: &RunSpec,
        folder: &RunFolder,
        store: &SnapshotStore,
        environment: &Environment,
    ) -> Result<Self, Failure> {
        let wanted = wanted(spec);
        if wanted.is_empty() {
            return Ok(Self::default());
        }
        let git = Git::new(&std::env::vars_os().collect());
        clear_leftovers(&git, wanted.iter().map(|wanted| wanted.path))?;
        let owner = owner(folder)?;
        let skip = own_folders(spec, folder);
        let targets = wanted.iter().filter_map(|wanted| target_of(wanted.path)).collect();
        let remarks = review::end_interrupted(own_runs_beside(folder, environment), &targets);
        let mut projects = Self { file: folder.journal_dir().join(FILE), remarks, ..Self::default() };
        for wanted in &wanted {
            let keys = credentials::within(wanted.workspace, environment.home.as_deref());
            let skip: Vec<PathBuf> = skip.iter().chain(&keys).cloned().collect();
            let made = make(&git, wanted, &skip, &owner).and_then(|mut isolated| {
                let baseline = store
                    .take(&isolated.folder, &mut StatCache::default(), &ScanLimits::default())
                    .map_err(Failure::configuration)
                    .and_then(|baseline| Ok((unkept(&isolated, &baseline)?, baseline)));
                let agent = wanted.agent.clone();
                match baseline {
                    Ok((unkept, baseline)) => {
                        note_what_is_missing(&mut isolated, &baseline);
                        leave_out(&mut isolated, &keys);
                        projects.copies.push(ProjectCopy {
                            agent,
                            number: wanted.number,
                            isolated,
                            baseline: baseline.id,
                            unkept,
                        });
                        Ok(())
                    }
                    Err(error) => {
                        // Why the run ends comes first.
                        let _ = isolated.remove();
                        Err(error)
                    }
                }
            });
            if let Err(failure) = made {
                let _ = projects.remove_all();
                return Err(failure);
            }
        }
        projects.save().map_err(|error| {
            let _ = projects.remove_all();
            Failure::configuration(format!("the copies of the project cannot be noted: {error}"))
        })?;
        Ok(projects)
    }

    /// The copies of a run that goes on in this process. Blocks.
    ///
    /// # Errors
    /// When one is gone, or what is noted of them cannot be read.
    pub(crate) fn resume(folder: &RunFolder, spec: &RunSpec) -> Result<Self, Failure> {
        let projects = Self::of_run(folder, spec)?;
        let owner = owner(folder)?;
        for copy in &projects.copies {
            let gone = |problem: String| {
                let target = copy.isolated.target.display();
                Failure::configuration(format!(
                    "the copy of `{target}` that `{}` worked on cannot be used: {problem}",
                    copy.agent
                ))
                .hint("ask the question again; what was answered so far is in the log folder")
            };
            if !copy.isolated.folder.is_dir() {
                return Err(gone(format!("`{}` is gone", copy.isolated.folder.display())));
            }
            copy.isolated.take_over(&owner).map_err(|error| gone(error.to_string()))?;
        }
        Ok(projects)
    }

    /// The copies of a run with this `spec`; nothing when it had none.
    ///
    /// # Errors
    /// When what is noted of them cannot be read, or is about something else.
    pub(crate) fn of_run(folder: &RunFolder, spec: &RunSpec) -> Result<Self, Failure> {
        let projects = Self::noted(folder)?;
        match projects.copies.iter().find(|copy| !copy.is_of(spec)) {
            None => Ok(projects),
            Some(copy) => {
                let place = clean_line(&copy.isolated.folder.display().to_string());
                let problem = format!("the run has no copy of a project in `{place}`");
                Err(unusable(&projects.file, &problem))
            }
        }
    }

    /// What is noted of a run, believed as it stands: nothing may be changed because of it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn noted(folder: &RunFolder) -> Result<Self, Failure> {
        let path = folder.journal_dir().join(FILE);
        let unusable = |problem: &dyn std::fmt::Display| unusable(&path, problem);
        let bytes = match fs_err::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unusable(&error)),
        };
        let projects: Self = serde_json::from_slice(&bytes).map_err(|error| unusable(&error))?;
        if projects.version != VERSION {
            return Err(unusable(&format!("version {} is not known", projects.version)));
        }
        Ok(Self { file: path, ..projects })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.copies.is_empty()
    }

    /// The folders that their changes go to, without links.
    pub(crate) fn targets(&self) -> BTreeSet<PathBuf> {
        self.copies.iter().map(|copy| copy.isolated.target.clone()).collect()
    }

    /// What people are told of them: what is not as one might expect, each once.
    pub(crate) fn notes(&self) -> BTreeSet<&str> {
        let of_copies = self.copies.iter().flat_map(|copy| &copy.isolated.notes);
        of_copies.chain(&self.remarks).map(String::as_str).collect()
    }

    /// The folders of git that a program needs to read to ask it about the copies of `agent`.
    pub(crate) fn histories(&self, agent: &AgentId) -> BTreeSet<PathBuf> {
        let copies = self.copies.iter().filter(|copy| copy.agent == *agent);
        let history = |copy: &ProjectCopy| match &copy.isolated.kind {
            // `<common>/worktrees/<name>`
            Kind::Worktree { own } => own.parent()?.parent().map(Path::to_owned),
            Kind::Copy => None,
        };
        copies.filter_map(history).collect()
    }

    /// Whether git knows in a copy of `agent` what was there when the run began.
    pub(crate) fn have_history(&self, agent: &AgentId) -> bool {
        self.copies.iter().any(|copy| copy.agent == *agent && copy.isolated.base.is_some())
    }

    /// Removes the copies of a run that is over. Returns what could not be removed, for people. Blocks.
    pub(crate) fn remove(&mut self) -> Vec<String> {
        if self.is_empty() {
            return Vec::new();
        }
        // First: what is then left of them is cleared away by the next run.
        self.is_over = true;
        let noted = self.save().err().map(|error| error.to_string());
        noted.into_iter().chain(self.remove_all()).collect()
    }

    fn remove_all(&self) -> Vec<String> {
        let removed = self.copies.iter().map(|copy| copy.isolated.remove());
        removed.filter_map(Result::err).map(|error| error.to_string()).collect()
    }

    fn save(&self) -> io::Result<()> {
        write_whole(&self.file, &serde_json::to_vec_pretty(self)?)
    }
}

fn unusable(file: &Path, problem: &dyn std::fmt::Display) -> Failure {
    Failure::configuration(format!("`{}` cannot be used: {problem}", file.display()))
        .hint("it tells where agents changed the project; restore it from a backup")
}

fn wanted(spec: &RunSpec) -> Vec<Wanted<'_>> {
    let workspaces = spec.agents.iter().filter_map(|agent| Some((&agent.id, agent.workspace.as_deref()?)));
    workspaces
        .flat_map(|(agent, workspace)| {
            workspace.seen().filter_map(move |seen| {
                let path = Path::new(&seen.context.path);
                Some(Wanted { agent, workspace, path, number: seen.copy? })
            })
        })
        .collect()
}

/// The folder that the changes of a context path go to, without links.
fn target_of(context: &Path) -> Option<PathBuf> {
    let real = fs_err::canonicalize(context).ok()?;
    if real.is_dir() { Some(real) } else { real.parent().map(Path::to_owned) }
}

/// All turns of the runs of this user that lie beside `run`, without itself.
fn own_runs_beside(run: &RunFolder, environment: &Environment) -> impl Iterator<Item = RunFolder> {
    let roots = run.root.parent().map(fs_err::read_dir).into_iter().flatten().flatten().flatten();
    let turns = roots.flat_map(|root| RunFolder::turns_in(&root.path()).unwrap_or_default());
    turns.filter(move |turn| turn != run && trust::is_own(turn, environment))
}

/// What of a project belongs to runs, should they be in it.
fn own_folders(spec: &RunSpec, folder: &RunFolder) -> Vec<PathBuf> {
    let workspaces = spec.agents.iter().filter_map(|agent| agent.workspace.as_deref());
    let own = workspaces.flat_map(|workspace| [&workspace.folder, &workspace.peers]).map(PathBuf::from);
    own.chain([folder.root.clone()]).collect()
}

fn make(git: &Git, wanted: &Wanted<'_>, skip: &[PathBuf], owner: &Owner) -> Result<Isolated, Failure> {
    let copy = PathBuf::from(wanted.workspace.copy(wanted.number));
    let isolation = wanted.workspace.isolation;
    let request = |place| Request { source: wanted.path, place, isolation, skip, owner };
    if !is_part_of_a_repository(wanted.path) {
        return isolate(git, &request(&copy)).map_err(|error| refused(&error));
    }
    // A worktree holds the whole repository. Agents are told of one place, which is to be the part that they were given.
    let whole = whole_of(&copy, wanted.number);
    let isolated = isolate(git, &request(&whole)).map_err(|error| refused(&error))?;
    let part = isolated.folder.strip_prefix(isolated.place.parent().unwrap_or(&isolated.place));
    match part.map(|part| symlink(part, &copy)) {
        Ok(Ok(())) => Ok(isolated),
        Ok(Err(error)) => {
            let _ = isolated.remove();
            Err(Failure::configuration(format!("`{}` cannot be made: {error}", copy.display())))
        }
        Err(_) => {
            let _ = isolated.remove();
            Err(Failure::configuration(format!("`{}` has an odd place", isolated.folder.display())))
        }
    }
}

/// Where the worktree of the whole repository is whose part is `copy`.
fn whole_of(copy: &Path, number: usize) -> PathBuf {
    copy.with_file_name(format!("repository_{number}"))
}

/// What a copy holds and its first snapshot does not, with the traces by which it is known whether it changed.
fn unkept(isolated: &Isolated, baseline: &Taken) -> Result<BTreeMap<String, String>, Failure> {
    let traced = baseline.left_out.told().map(|(path, _)| {
        trace(&isolated.folder, path).map(|trace| (spell(path), trace)).map_err(Failure::configuration)
    });
    traced.collect()
}

/// Notes what agents do not get of a project, and what they can change in vain.
fn note_what_is_missing(isolated: &mut Isolated, baseline: &Taken) {
    let place = isolated.review(&[]).original_path;
    let (missing, unkept) = (&isolated.left_out, baseline.left_out.named());
    let mut notes: Vec<String> = missing
        .iter()
        .take(NAMED)
        .map(|(path, why)| format!("agents do not see `{}` of `{place}`: {why}", clean_line(path)))
        .collect();
    if let Some(more @ 1..) = missing.len().checked_sub(NAMED) {
        notes.push(format!("agents do not see {more} more files and folders of `{place}`"));
    }
    notes.extend(unkept.iter().map(|(path, why)| {
        format!("what agents change in `{path}` of `{place}` is not applied; it is not kept whole ({why})")
    }));
    isolated.notes.extend(notes);
}

/// Keeps what an agent makes in place of `keys`, which it does not see, from being applied. People are told of them by
/// themselves.
fn leave_out(isolated: &mut Isolated, keys: &BTreeSet<PathBuf>) {
    let below = keys.iter().filter_map(|path| path.strip_prefix(&isolated.target).ok());
    let paths: Vec<String> = below.filter_map(TreePath::from_path).map(|path| spell(&path)).collect();
    isolated.left_out.extend(paths.into_iter().map(|path| (path, credentials::REASON.to_owned())));
}

/// Whether `path` is a folder inside of a checkout, and not the whole of it.
fn is_part_of_a_repository(path: &Path) -> bool {
    let is_checkout = |folder: &Path| fs_err::symlink_metadata(folder.join(".git")).is_ok();
    fs_err::canonicalize(path)
        .is_ok_and(|path| path.is_dir() && !is_checkout(&path) && path.ancestors().skip(1).any(is_checkout))
}

fn refused(error: &IsolationError) -> Failure {
    let failure = Failure::configuration(format!("agents cannot work on a copy of the project: {error}"));
    match error.hint() {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}

fn owner(folder: &RunFolder) -> Result<Owner, Failure> {
    Owner::this_process(&folder.journal_dir().display().to_string()).map_err(Failure::configuration)
}

/// Removes what runs that were killed left in the repositories of `contexts`, unless they can still be resumed.
fn clear_leftovers<'a>(git: &Git, contexts: impl Iterator<Item = &'a Path>) -> Result<(), Failure> {
    let contexts: BTreeSet<&Path> = contexts.collect();
    for context in contexts {
        let folder = if context.is_dir() { context } else { context.parent().unwrap_or(context) };
        for leftover in leftovers(git, folder).map_err(|error| refused(&error))? {
            if leftover.owner.life() == Life::Dead && !is_wanted(&leftover) {
                leftover.remove().map_err(|error| refused(&error))?;
            }
        }
    }
    Ok(())
}

/// Whether the run of a worktree can go on with it.
fn is_wanted(leftover: &Leftover) -> bool {
    let noted = fs_err::read(Path::new(&leftover.owner.run).join(FILE)).ok();
    let projects = noted.and_then(|bytes| serde_json::from_slice::<Projects>(&bytes).ok());
    leftover.place.is_dir() && projects.is_some_and(|projects| !projects.is_over)
}

#[cfg(test)]
#[path = "projects_tests.rs"]
mod tests;

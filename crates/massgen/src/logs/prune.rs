//! `massgen logs prune`, and the limits of `logs` in a configuration: old runs go as a whole, with all that belongs to
//! them, and what dead runs left goes too.
//!
//! A run goes only if nobody is at work on it. Its folder gets another name first, so that nobody begins to work on it
//! while it goes; a removal that was cut off is taken up by the next one. Links are not followed.

mod belongings;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use massgen_config::{Retention, retention};
use massgen_journal::artifacts::RunFolder;
use massgen_protocol::Timestamp;
use massgen_protocol::size::size;
use massgen_view::clean::clean_text;
use massgen_workspace::isolation::{Git, Leftover, Life, leftovers};
use massgen_workspace::remove_tree;

use self::belongings::{Belongings, Standing};
use super::turns::newest_beginning;
use crate::arguments::Arguments;
use crate::arguments::commands::Prune;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::print;
use crate::remarks::Remarks;
use crate::setup::{USER_CONFIG, find_source, read_source};
use crate::trust::{FoundConfig, is_own};
use crate::workbench::projects::Projects;

/// What the name of a run's folder begins with while it goes.
const GOING: &str = ".pruned-";

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Which runs stay.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Limits {
    /// So many of the newest.
    keep: Option<usize>,
    /// Those that did not begin before the run that would have this name.
    since: Option<String>,
}

/// Whether anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// It is.
    Remove,
    /// It is only told.
    Tell,
}

/// A run in the folder of logs.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Run {
    /// Its folder, as it was called while it was whole.
    root: PathBuf,
    /// Where that is now.
    place: PathBuf,
    /// When its newest turn began, as a text that sorts by time.
    began: String,
}

impl Run {
    fn name(&self) -> String {
        self.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    fn turns(&self) -> Vec<RunFolder> {
        RunFolder::turns_in(&self.place).unwrap_or_default()
    }

    /// Who is at work on it; what cannot be known counts as that.
    fn holder(&self) -> Option<String> {
        self.turns().iter().find_map(|turn| turn.holder().unwrap_or_else(|error| Some(error.to_string())))
    }
}

/// What was, or would be, removed and kept.
#[derive(Debug, Default)]
struct Report {
    /// Names of runs, and their bytes.
    runs: Vec<(String, u64)>,
    /// Folders of agents that dead runs had left, and their bytes.
    left: (usize, u64),
    /// Folders of interrupted runs that can go on, and their bytes, by the name of the run.
    waiting: Vec<(String, (usize, u64))>,
    worktrees: usize,
    /// What was not removed although its time had come, and why.
    kept: Vec<String>,
}

/// Performs `massgen logs prune`.
pub(super) fn perform(options: &Prune, environment: &Environment) -> Result<u8, Failure> {
    let limits = match (options.keep, options.older_than) {
        (None, None) => configured(None, environment),
        (keep, age) => Some(Limits { keep, since: age.map(since) }),
    };
    let limits = limits.ok_or_else(|| {
        Failure::usage("nothing says which runs are to go").hint(
            "say it with `--keep 20` or `--older-than 30d`, or write `logs: {keep_runs: 20}` into \
             `~/.config/massgen/config.yaml`: nothing else has to stand there",
        )
    })?;
    let manner = if options.dry_run { Manner::Tell } else { Manner::Remove };
    let report = prune(&limits, manner, environment)?;
    print(told(&report, manner).as_bytes())
}

/// Removes what is beyond the limits of the configuration, after a run. What goes wrong is told and no more: the run
/// is over.
pub(crate) fn retain(arguments: &Arguments, environment: &Environment) {
    let Some(limits) = configured(Some(arguments), environment) else { return };
    let told = match prune(&limits, Manner::Remove, environment) {
        Ok(report) => {
            let bytes = report.runs.iter().map(|(_, bytes)| bytes).sum();
            let trouble = report.kept.iter().map(|kept| format!("warning: an old run is kept: {kept}"));
            let runs = match report.runs.len() {
                0 => None,
                1 => Some(format!("1 old run went, as `logs` says ({})", size(bytes))),
                count => Some(format!("{count} old runs went, as `logs` says ({})", size(bytes))),
            };
            runs.into_iter().chain(trouble).collect()
        }
        Err(failure) => vec![format!("warning: old runs are kept: {failure}").trim_end().to_owned()],
    };
    for line in told {
        Remarks::direct().tell(&line);
    }
}

/// The limits of the run's configuration, unless it is only found in the project; else those of the user's own.
fn configured(arguments: Option<&Arguments>, environment: &Environment) -> Option<Limits> {
    let of_run = || {
        let arguments = arguments?;
        let source = find_source(arguments.config.as_deref(), environment).ok()??;
        FoundConfig::of(&source, arguments, environment).is_none().then(|| limits_of(retention(&source)))?
    };
    let of_user = || {
        let path = environment.absolute(Path::new(USER_CONFIG));
        limits_of(retention(&read_source(USER_CONFIG.to_owned(), &path).ok()?))
    };
    of_run().or_else(of_user)
}

fn limits_of(retention: Retention) -> Option<Limits> {
    let Retention { keep_runs, keep_days } = retention;
    let keep = keep_runs.map(|runs| usize::try_from(runs).unwrap_or(usize::MAX));
    let since = keep_days.map(|days| since(Duration::from_secs(u64::from(days) * DAY)));
    (keep.is_some() || since.is_some()).then_some(Limits { keep, since })
}

/// The name of a run that began so long ago.
fn since(age: Duration) -> String {
    let now = jiff::Zoned::now();
    let age = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    let then = now.timestamp().as_microsecond().saturating_sub(age).max(0);
    RunFolder::name_for(Timestamp::from_micros(then), now.offset().seconds())
}

fn prune(limits: &Limits, manner: Manner, environment: &Environment) -> Result<Report, Failure> {
    let mut report = Report::default();
    let mut worktrees = Worktrees::default();
    let Some(base) = base(environment)? else { return Ok(report) };
    let runs = runs_in(&base).map_err(Failure::configuration)?;
    let is_beyond = |place: usize, run: &Run| {
        limits.keep.is_none_or(|keep| place >= keep)
            && limits.since.as_ref().is_none_or(|since| run.began < *since)
    };
    for (place, run) in runs.iter().enumerate() {
        let belongings = Belongings::of(run, environment);
        let holder = run.holder();
        // A removal that was cut off comes to its end whatever the limits are.
        if run.place != run.root || is_beyond(place, run) {
            let bytes = tree::bytes(&run.place);
            worktrees.look_in_repositories_of(run, environment);
            let removed = match (&holder, manner) {
                (Some(holder), _) => Err(format!("at work on it is {holder}")),
                (None, Manner::Tell) => Ok(()),
                (None, Manner::Remove) => remove(run, &base, &belongings, environment),
            };
            match removed {
                Ok(()) => {
                    worktrees.of_runs.insert(run.name());
                    report.runs.push((run.name(), bytes));
                    add(&mut report.left, belongings.left());
                }
                Err(problem) => report.kept.push(format!("{}: {problem}", run.name())),
            }
        } else if holder.is_none() {
            match belongings.standing(run) {
                Standing::Open => match belongings.left() {
                    (0, _) => {}
                    left => report.waiting.push((run.name(), left)),
                },
                Standing::Over => {
                    worktrees.look_in_repositories_of(run, environment);
                    worktrees.of_runs.insert(run.name());
                    add(&mut report.left, belongings.left());
                    if manner == Manner::Remove {
                        report.kept.extend(belongings.remove_left());
                    }
                }
            }
        }
    }
    worktrees.remove(&mut report, manner, environment);
    Ok(report)
}

fn add(to: &mut (usize, u64), more: (usize, u64)) {
    *to = (to.0 + more.0, to.1.saturating_add(more.1));
}

/// The folder of logs, free of links; `None` when there is none.
fn base(environment: &Environment) -> Result<Option<PathBuf>, Failure> {
    let named = environment.log_base();
    let Ok(real) = fs_err::canonicalize(&named) else { return Ok(None) };
    if environment.of_person("MASSGEN_LOG_BASE_DIR").is_some() {
        return Ok(Some(real));
    }
    let here = fs_err::canonicalize(&environment.working_directory).map_err(Failure::configuration)?;
    if real == here.join(".massgen").join("massgen_logs") {
        return Ok(Some(real));
    }
    Err(Failure::configuration(format!("the folder of logs `{}` leads out of the project", named.display()))
        .hint(format!("if these are your runs: `MASSGEN_LOG_BASE_DIR={}`", real.display())))
}

/// The runs in `base` that have a journal, the one first that began last. Links are none.
fn runs_in(base: &Path) -> std::io::Result<Vec<Run>> {
    // One whose removal was cut off is there once.
    let mut runs = BTreeMap::new();
    for entry in fs_err::read_dir(base)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let whole = name.strip_prefix(GOING).unwrap_or(&name);
        if !entry.file_type()?.is_dir() || !is_name_of_run(whole) {
            continue;
        }
        let run = Run { root: base.join(whole), place: entry.path(), began: newest_beginning(&entry.path()) };
        if !run.turns().is_empty() {
            runs.insert((run.began.clone(), name.clone()), run);
        }
    }
    Ok(runs.into_values().rev().collect())
}

/// Whether `name` is `log_YYYYMMDD_HHMMSS_ffffff`.
fn is_name_of_run(name: &str) -> bool {
    let parts: Vec<&str> = name.split('_').collect();
    let is_number =
        |part: &str, digits: usize| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
    matches!(parts.as_slice(), ["log", day, time, micros]
        if is_number(day, 8) && is_number(time, 6) && is_number(micros, 6))
}

/// Removes a run with all that belongs to it.
fn remove(run: &Run, base: &Path, belongings: &Belongings, environment: &Environment) -> Result<(), String> {
    let going = base.join(format!("{GOING}{}", run.name()));
    let text = |error: std::io::Error| error.to_string();
    if run.place != going {
        fs_err::rename(&run.place, &going).map_err(text)?;
    }
    let moved = Run { place: going.clone(), ..run.clone() };
    if let Some(holder) = moved.holder() {
        // Somebody was faster.
        fs_err::rename(&going, &run.root).map_err(text)?;
        return Err(format!("at work on it is {holder}"));
    }
    belongings.remove(environment)?;
    remove_tree(&going).map_err(text)
}

/// Worktrees that belonged to runs which are gone, or over.
#[derive(Debug, Default)]
struct Worktrees {
    /// Names of such runs.
    of_runs: BTreeSet<String>,
    /// Folders in repositories that may have some, besides the project.
    repositories: BTreeSet<PathBuf>,
}

impl Worktrees {
    /// Notes where a run had copies. What came with a project says nothing of other places.
    fn look_in_repositories_of(&mut self, run: &Run, environment: &Environment) {
        let turns = run.turns();
        let own = turns.iter().filter(|turn| is_own(turn, environment));
        let targets = own.filter_map(|turn| Projects::noted(turn).ok()).flat_map(|copies| copies.targets());
        self.repositories.extend(targets.filter(|target| target.is_dir()));
    }

    fn remove(mut self, report: &mut Report, manner: Manner, environment: &Environment) {
        let variables = ["PATH", "HOME", "XDG_CONFIG_HOME", "TMPDIR"];
        let variables =
            variables.into_iter().filter_map(|name| Some((name.into(), environment.of_person(name)?.into())));
        let git = Git::new(&variables.collect());
        self.repositories.insert(environment.working_directory.clone());
        let mut found: Vec<Leftover> = Vec::new();
        for repository in &self.repositories {
            match leftovers(&git, repository) {
                // Two folders may be in one repository.
                Ok(all) => found.extend(all),
                Err(error) => report.kept.push(format!("worktrees of dead runs: {error}")),
            }
        }
        found.sort_by(|one, other| one.place.cmp(&other.place));
        found.dedup();
        for worktree in found.into_iter().filter(|worktree| worktree.owner.life() == Life::Dead) {
            let run = Path::new(&worktree.owner.run);
            let is_over = run.ancestors().filter_map(Path::file_name).any(|name| {
                // The first turn has the folder of the run, later ones have theirs in it.
                name.to_str().is_some_and(|name| self.of_runs.contains(name))
            });
            // A run that is still there can go on, and needs it.
            if !is_over && (!run.is_absolute() || run.exists()) {
                continue;
            }
            let removed = match manner {
                Manner::Tell => Ok(()),
                Manner::Remove => worktree.remove(),
            };
            match removed {
                Ok(()) => report.worktrees += 1,
                Err(error) => report.kept.push(format!("{}: {error}", worktree.place.display())),
            }
        }
    }
}

fn told(report: &Report, manner: Manner) -> String {
    let verb = match manner {
        Manner::Remove => "Removed",
        Manner::Tell => "Would remove",
    };
    let many = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let mut lines = Vec::new();
    if !report.runs.is_empty() {
        let all = report.runs.iter().map(|(_, bytes)| bytes).sum();
        lines.push(format!("{verb} {} ({})", many(report.runs.len(), "run"), size(all)));
    }
    lines.extend(report.runs.iter().map(|(name, bytes)| format!("  {name}: {}", size(*bytes))));
    if report.left.0 > 0 {
        let folders = many(report.left.0, "folder");
        lines.push(format!("{verb} {folders} that dead runs left ({})", size(report.left.1)));
    }
    if report.worktrees > 0 {
        lines.push(format!("{verb} {} of git that dead runs left", many(report.worktrees, "worktree")));
    }
    if lines.is_empty() {
        lines.push("There is nothing to remove.".to_owned());
    }
    if !report.waiting.is_empty() {
        lines.push("Kept what runs left that can go on with `massgen --resume RUN`:".to_owned());
    }
    lines.extend(report.waiting.iter().map(|(name, (folders, bytes))| {
        format!("  {name}: {} ({})", many(*folders, "folder"), size(*bytes))
    }));
    lines.extend(report.kept.iter().map(|kept| format!("Kept {kept}")));
    lines.into_iter().map(|line| clean_text(&line) + "\n").collect()
}

#[cfg(test)]
#[path = "prune/prune_tests.rs"]
mod tests;

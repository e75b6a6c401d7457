//! One run at work in this process: how it is shown, interrupted, resumed, and what its exit code is.

mod interrupt;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_config::{DisplayType, UiSettings};
use massgen_core::{Phase, replay};
use massgen_engine::{Session, SystemClock};
use massgen_journal::artifacts::{AutomationPaths, RunFolder};
use massgen_journal::sessions::TurnRecord;
use massgen_journal::{Owner, SqliteJournal};
use massgen_model::cassette::CassetteWriter;
use massgen_ports::{Clock, JournalError, SessionEnd, SessionHandle};
use massgen_protocol::spec::RunMeta;
use massgen_protocol::{Envelope, Event, NamedFile, Seq};
use massgen_view::{FinalAnswer, Place, RunView};
use massgen_workspace::Beginning;

use crate::JournalLayer;
use crate::arguments::Arguments;
use crate::asking::Asking;
use crate::closing::Closing;
use crate::display::surroundings::{Stream, Wish};
use crate::display::{DisplayOptions, show};
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, INTERRUPTED, SUCCESS, code_of};
use crate::interactive::terminal_mode::{TerminalMode, Unseen};
use crate::output::{Lines, Output, Told, Written};
use crate::reach::{self, Reach, Replies, Secrets};
use crate::remarks::Remarks;
use crate::review::{Asked, Review, Settled, Stop};
use crate::sessions::OpenSession;
use crate::setting_up::Person;
use crate::shell::quoted;
use crate::wiring::{Tape, Wired, wire};
use crate::workbench::projects::Projects;
use crate::workbench::{RunState, Surroundings, Workbench};
use crate::{inbox, interactive, logs, output, trust, uploads};
use interrupt::{Interruptible, interrupt};

pub(crate) use interrupt::Signals;

/// A run that is ready to be shown.
pub(crate) struct Prepared {
    pub(crate) session: Arc<dyn SessionHandle>,
    pub(crate) folder: RunFolder,
    pub(crate) past: Vec<Envelope>,
    pub(crate) told: Told,
    pub(crate) manner: Manner,
    pub(crate) recording: Option<Arc<CassetteWriter>>,
    pub(crate) closing: Closing,
    pub(crate) workbench: Workbench,
    /// Listened to since before the session began: what was pressed meanwhile is not lost.
    pub(crate) signals: Signals,
}

/// How a run is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manner {
    pub(crate) lines: Lines,
    pub(crate) wish: Wish,
}

/// What the first Ctrl-C leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnInterrupt {
    /// The end of the program.
    Leave,
    /// The next question: only this run ends.
    AskOn,
}

/// How the run of a question ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TurnEnd {
    /// The exit code of a program that ends here.
    pub(crate) code: u8,
    /// Whether a person or program interrupted it.
    pub(crate) is_interrupted: bool,
    /// Its files.
    pub(crate) folder: RunFolder,
}

/// A run that was shown to its end.
pub(crate) struct Followed {
    pub(crate) end: Result<TurnEnd, Failure>,
    /// What its session keeps of it.
    pub(crate) record: TurnRecord,
}

/// Runs, or goes on with, what `arguments` ask for.
pub(crate) fn perform(
    arguments: &mut Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<u8, Failure> {
    in_runtime(arguments.debug, async {
        let end = if let Some(log_dir) = arguments.resume.clone() {
            resume(&log_dir, arguments, environment, layer).await?
        } else if interactive::is_wanted(arguments, environment) {
            let code = interactive::converse(arguments, environment, layer).await?;
            logs::retain(arguments, environment);
            return Ok(code);
        } else {
            let asking = Asking::begin(arguments, environment, layer, OnInterrupt::Leave);
            asking?.ask(None).await?
        };
        logs::retain(arguments, environment);
        Ok(end.code)
    })
}

/// Completes `work` on threads of its own.
pub(crate) fn in_runtime(
    debug: bool,
    work: impl Future<Output = Result<u8, Failure>>,
) -> Result<u8, Failure> {
    if debug {
        let filter = tracing_subscriber::EnvFilter::new("debug,hyper_util=info,reqwest=info,rmcp=off");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::configuration(format!("cannot start: {error}")))?;
    let code = runtime.block_on(work);
    // Calls that were cut off may still hold threads of the runtime; nobody waits for them.
    runtime.shutdown_background();
    code
}

/// Goes on with the run in `log_dir`.
async fn resume(
    log_dir: &Path,
    arguments: &Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<TurnEnd, Failure> {
    let paths = paths(arguments, environment)?;
    let folder = logs::find_run(log_dir, environment)?.newest();
    let (journal, past) = open_journal(&folder.journal_dir())?;
    let state = replay(&past).map_err(|error| {
        let place = folder.journal_dir();
        Failure::configuration(format!("the run in `{}` cannot be resumed: {error}", place.display()))
            .hint("it was killed before it began; ask the question again")
    })?;
    let is_over = matches!(state.phase(), Phase::Finished { .. });
    let mut demands = trust::demands_of_changes(&Projects::of_run(&folder, state.spec())?);
    if !is_over {
        demands.extend(trust::demands_of_agents(&state.spec().agents, environment)?);
    }
    let is_for_programs = arguments.automation || arguments.stream_events;
    let person = if is_for_programs { Person::Absent } else { Person::of_process() };
    // Nothing that the journal names is started before.
    trust::require_run(&folder, demands, environment.redactor([]), person, environment)?;
    let mut reach = Reach::of(environment)?;
    let secrets = if is_over {
        Secrets::default()
    } else {
        reach.secrets(&state.spec().agents, replies(arguments), environment).await?
    };
    let redactor = environment.redactor(secrets.values());
    let keys = environment.keys(secrets.keys);
    let wired = if is_over {
        Wired::default()
    } else {
        wire(state.spec(), &past, &keys, reach.http(), &redactor, &tape(arguments, environment))?
    };
    let mut kept = meta_of(&past).and_then(|meta| OpenSession::of_run(meta, &folder, environment));
    let (journal, closing) = Closing::watch(layer.around(Arc::new(journal)));
    let files =
        if is_over { uploads::Files::new() } else { uploads::kept(state.spec(), &folder.journal_dir())? };
    let mut workbench = if is_over {
        Workbench::over(state.spec(), &folder)?
    } else {
        Workbench::open(state.spec(), &folder, Beginning::Resumed, environment)?
    };
    if !is_over {
        let lookup = reach::lookup(&keys, environment);
        let configuration = meta_of(&past).and_then(|meta| meta.config_path.as_ref()).map(Into::into);
        let surroundings =
            Surroundings { environment, configuration, lookup, web: reach.web()?, past: &past };
        workbench.equip(state.spec(), &folder, surroundings).await?;
    }
    let ports = wired.ports(journal, &workbench, redactor, files);
    let signals = Signals::listen().map_err(Failure::configuration)?;
    let session = Session::resume(past.clone(), ports).map_err(Failure::configuration)?;
    let known = past.last().map_or(Seq(0), |envelope| envelope.seq);
    let told = if is_over { Told::Everything } else { Told::UpTo(known) };
    let manner = Manner::of(arguments, &UiSettings::default());
    if is_over && manner.lines == Lines::None {
        Remarks::direct().tell("the run is over; this is what came of it");
    }
    if let Some(kept) = kept.as_mut().filter(|_| !is_over) {
        kept.resume();
    }
    let turn = folder.turn;
    let session: Arc<dyn SessionHandle> = Arc::new(session);
    workbench.follow(&session);
    let recording = wired.recording;
    let prepared = Prepared { session, folder, past, told, manner, recording, closing, workbench, signals };
    let followed = follow(prepared, paths, environment, OnInterrupt::Leave).await;
    // Also for a run that was over before: its process may have been killed before it could.
    if let Some(kept) = &mut kept {
        kept.end(turn, &followed.record, SystemClock::start().now());
    }
    followed.end
}

/// Where the run with these events comes from: its first event tells.
fn meta_of(past: &[Envelope]) -> Option<&RunMeta> {
    let first = past.first()?;
    if let Event::RunStarted { meta, .. } = &first.event { Some(meta.as_ref()) } else { None }
}

/// Shows the run to its end.
pub(crate) async fn follow(
    prepared: Prepared,
    paths: AutomationPaths,
    environment: &Environment,
    on_interrupt: OnInterrupt,
) -> Followed {
    let Prepared {
        session,
        folder,
        past,
        told,
        manner: Manner { lines, wish },
        recording,
        closing,
        workbench,
        signals,
    } = prepared;
    let nothing = |error: io::Error| Followed {
        end: Err(Failure::configuration(error)),
        record: TurnRecord::default(),
    };
    let output = Output { lines, paths: paths.clone(), told };
    let files = match output::spawn(output, folder.clone(), workbench.files(), past, Arc::clone(&session)) {
        Ok(files) => files,
        Err(error) => return nothing(error),
    };
    let (remarks, for_display) = match lines {
        Lines::None => Remarks::through_display(),
        Lines::Automation | Lines::Events => (Remarks::direct(), tokio::sync::mpsc::channel(1).1),
    };
    let mode = TerminalMode::now();
    let unseen = match on_interrupt {
        OnInterrupt::AskOn => Some(Unseen::begin()),
        OnInterrupt::Leave => None,
    };
    let stop = Stop::default();
    let interrupts = tokio::spawn(interrupt(
        signals,
        Interruptible { session: Arc::clone(&session), review: stop.clone(), on_interrupt, mode },
        remarks.clone(),
    ));
    let inbox = paths.runtime_inbox.clone().map(|inbox| {
        let remarks = remarks.clone();
        tokio::spawn(inbox::watch(inbox, Arc::clone(&session), move |text| remarks.tell(&text)))
    });
    let mut is_undelivered = false;
    let end = match lines {
        Lines::None => {
            let options = {
                let variable = |name: &str| environment.get(name);
                let options = DisplayOptions::fitting(wish, Stream::stdout(), Stream::stderr(), variable);
                let (run_folder, here) = (folder.clone(), environment.working_directory.clone());
                let of_run = folder.clone();
                DisplayOptions {
                    told: Box::new(move |spec, FinalAnswer { agent, content, snapshot, .. }| {
                        of_run.final_text(spec, *agent, content, snapshot.as_ref()).into()
                    }),
                    known: told.known(),
                    places: Box::new(move |view| places(view, &run_folder, &paths, &here)),
                    remarks: for_display,
                    ..options
                }
            };
            let shown = show(session, options, &mut std::io::stdout(), &mut std::io::stderr()).await;
            for trouble in shown.troubles {
                is_undelivered = true;
                remarks.tell(&format!("error: {trouble}"));
            }
            shown.end
        }
        Lines::Automation | Lines::Events => session.ended().await,
    };
    if let Some(inbox) = inbox {
        inbox.abort();
    }
    let joined = tokio::task::spawn_blocking(move || files.join()).await;
    let Written { troubles, record, remark } = joined.ok().and_then(Result::ok).unwrap_or_else(Written::lost);
    for line in troubles.lines.iter().chain(&remark) {
        remarks.tell(line);
    }
    let problem = match recording {
        Some(recording) => recording.finish().await,
        None => None,
    };
    if let Some(problem) = problem {
        remarks.tell(&format!("warning: the recording is not complete: {problem}"));
    }
    let has_projects = workbench.has_projects();
    let state = match end {
        SessionEnd::Finished(_) => RunState::Over,
        SessionEnd::Interrupted | SessionEnd::JournalFailed(_) => RunState::GoesOn,
    };
    closing.closed().await;
    let review = match state {
        RunState::Over if has_projects => open_review(&folder).await,
        RunState::Over | RunState::GoesOn => Ok(None),
    };
    // What is nowhere else is not removed.
    let used = if review.is_ok() { state } else { RunState::GoesOn };
    for trouble in workbench.close(used).await {
        remarks.tell(&format!("warning: something that agents used is left: {trouble}"));
    }
    if let Some(unseen) = &unseen {
        unseen.end();
    }
    let target = resume_target(&folder, on_interrupt);
    let target = match lines {
        Lines::None => from_here(&target, &environment.working_directory),
        Lines::Automation | Lines::Events => &target,
    };
    let settled = match review {
        Ok(Some(review)) => settle(review, target, lines, environment, stop).await,
        Ok(None) => Ok(Settled::default()),
        Err(failure) => Err(failure),
    };
    // Not before: whoever hangs must not keep a person from leaving.
    interrupts.abort();
    let is_stopped = settled.as_ref().is_ok_and(|settled| settled.is_stopped);
    tell_settled(settled, lines, &remarks);
    let ended = |code, is_interrupted| TurnEnd { code, is_interrupted, folder: folder.clone() };
    let end = match end {
        SessionEnd::JournalFailed(error) => {
            let failure = journal_failure(&error).with_code(INTERRUPTED);
            Err(failure.hint(format!("{}, then go on with {}", remedy(&error), resume_command(target))))
        }
        SessionEnd::Interrupted => {
            let advice = match on_interrupt {
                OnInterrupt::Leave => "go on with",
                OnInterrupt::AskOn => "this turn can be finished later with",
            };
            remarks.tell(&format!("hint: {advice} {}", resume_command(target)));
            Ok(ended(INTERRUPTED, true))
        }
        SessionEnd::Finished(_) if is_stopped => Ok(ended(INTERRUPTED, true)),
        SessionEnd::Finished(outcome) => match code_of(outcome) {
            SUCCESS if is_undelivered || troubles.is_undelivered => Ok(ended(CONFIGURATION, false)),
            code => Ok(ended(code, false)),
        },
    };
    Followed { end, record }
}

/// What the run in `folder` changed in the user's project.
async fn open_review(folder: &RunFolder) -> Result<Option<Review>, Failure> {
    let folder = folder.clone();
    let opened = tokio::task::spawn_blocking(move || Review::open(&folder)).await;
    opened.unwrap_or_else(|error| Err(not_settled(&error)))
}

/// Settles `review`, of the run that people call `log_dir`.
async fn settle(
    review: Review,
    log_dir: &Path,
    lines: Lines,
    environment: &Environment,
    stop: Stop,
) -> Result<Settled, Failure> {
    let asked = match (lines, Person::of_process()) {
        (Lines::None, Person::Present) => Asked::Person { pager: environment.of_person("PAGER") },
        (Lines::None, Person::Absent) | (Lines::Automation | Lines::Events, _) => Asked::Nobody,
    };
    let named = log_dir.to_owned();
    let settled = tokio::task::spawn_blocking(move || review.settle(&named, &asked, &stop)).await;
    settled.unwrap_or_else(|error| Err(not_settled(&error)))
}

fn not_settled(error: &tokio::task::JoinError) -> Failure {
    Failure::configuration(format!("the changes of the project were not settled: {error}"))
}

/// Tells what became of the user's project. The exit code stays that of the answer.
fn tell_settled(settled: Result<Settled, Failure>, lines: Lines, remarks: &Remarks) {
    let settled = match settled {
        Ok(settled) => settled,
        Err(failure) => return remarks.tell(failure.to_string().trim_end()),
    };
    for line in &settled.lines {
        remarks.tell(line);
    }
    match (lines, settled.applied) {
        (Lines::Automation | Lines::Events, Some(1)) => remarks.tell("CHANGES_APPLIED: 1 file"),
        (Lines::Automation | Lines::Events, Some(number)) => {
            remarks.tell(&format!("CHANGES_APPLIED: {number} files"));
        }
        (Lines::None, _) | (Lines::Automation | Lines::Events, None) => {}
    }
}

/// What to name to go on with the run in `folder`: the session root means its newest turn.
fn resume_target(folder: &RunFolder, on_interrupt: OnInterrupt) -> PathBuf {
    let newest = RunFolder::turns_in(&folder.root).ok().and_then(|mut turns| turns.pop());
    let is_newest = newest.is_none_or(|newest| newest.turn == folder.turn);
    match on_interrupt {
        OnInterrupt::Leave if is_newest => folder.root.clone(),
        // A later question makes another turn the newest.
        OnInterrupt::Leave | OnInterrupt::AskOn => folder.turn_dir(),
    }
}

/// The command that goes on with the run in `folder`.
pub(crate) fn resume_command(folder: &Path) -> String {
    format!("`massgen --resume {}`", quoted(&folder.display().to_string()))
}

/// The paths that the arguments name, usable or refused before anything is paid.
pub(crate) fn paths(arguments: &Arguments, environment: &Environment) -> Result<AutomationPaths, Failure> {
    let output_file = arguments.output_file.as_ref().map(|path| environment.absolute(path));
    if let Some(path) = &output_file {
        let unusable = |problem: &dyn std::fmt::Display| {
            Failure::configuration(format!("the output file cannot be written: {problem}"))
        };
        if path.is_dir() {
            return Err(unusable(&format!("`{}` is a folder", path.display())));
        }
        path.parent().map_or(Ok(()), fs_err::create_dir_all).map_err(|error| unusable(&error))?;
    }
    Ok(AutomationPaths { runtime_inbox: inbox_folder(arguments, environment)?, output_file })
}

fn inbox_folder(arguments: &Arguments, environment: &Environment) -> Result<Option<PathBuf>, Failure> {
    let named = arguments.inbox_dir.clone();
    let Some(folder) = named.or_else(|| environment.get("MASSGEN_RUNTIME_INBOX_DIR").map(PathBuf::from))
    else {
        return Ok(None);
    };
    let folder = environment.absolute(&folder);
    fs_err::create_dir_all(&folder)
        .map_err(|error| Failure::configuration(format!("the inbox cannot be used: {error}")))?;
    Ok(Some(folder))
}

impl Manner {
    /// Which lines and which display: flags win over the configuration.
    pub(crate) fn of(arguments: &Arguments, ui: &UiSettings) -> Self {
        let is_for_programs = ui.automation == Some(true) && !arguments.wants_plain_lines();
        let lines = if arguments.stream_events {
            Lines::Events
        } else if arguments.automation || is_for_programs {
            Lines::Automation
        } else {
            Lines::None
        };
        let wish = match (arguments.display.kind, ui.display) {
            (None, Some(DisplayType::Simple)) => Wish::Simple,
            (Some(_) | None, _) if arguments.wants_plain_lines() => Wish::Simple,
            (Some(_), _) | (None, Some(DisplayType::Terminal | DisplayType::Rich) | None) => Wish::Live,
        };
        Self { lines, wish }
    }
}

pub(crate) fn tape(arguments: &Arguments, environment: &Environment) -> Tape {
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(|path| environment.absolute(path));
    Tape { record: absolute(&arguments.record), replay: absolute(&arguments.replay) }
}

/// Where the replies of models come from.
pub(crate) fn replies(arguments: &Arguments) -> Replies {
    if arguments.replay.is_some() { Replies::Recorded } else { Replies::Asked }
}

/// `path` as a person in the folder `here` would write it.
fn from_here<'a>(path: &'a Path, here: &Path) -> &'a Path {
    path.strip_prefix(here).unwrap_or(path)
}

/// The files that a person in the folder `here` may want to open.
fn places(view: &RunView, folder: &RunFolder, paths: &AutomationPaths, here: &Path) -> Vec<Place> {
    let place = |what: &str, path: PathBuf| Place {
        what: what.to_owned(),
        path: from_here(&path, here).display().to_string(),
    };
    let files = |agent: &str, made: &[NamedFile<'_>]| -> Vec<Place> {
        made.iter().map(|made| place(made.file.kind(), folder.turn_final_file(agent, &made.name))).collect()
    };
    let answer = view.final_answer.as_ref().and_then(|answer| Some(view.agent(answer.agent)?.id.as_str()));
    let made = answer.map(|agent| files(agent, &view.made.of_final_answer())).unwrap_or_default();
    let answer = answer.map(|agent| place("answer", folder.turn_final_answer_file(agent)));
    let output =
        paths.output_file.clone().filter(|_| answer.is_some()).map(|path| place("output file", path));
    let best = view.best.filter(|_| view.phase == massgen_view::Phase::Interrupted && answer.is_none());
    let best = best.and_then(|label| Some((label, view.agent(label.agent)?.id.as_str())));
    let made_so_far =
        best.map(|(label, agent)| files(agent, &view.made.of_answer(label))).unwrap_or_default();
    let best = best.map(|(_, agent)| place("best so far", folder.turn_final_answer_file(agent)));
    let answer = answer.into_iter().chain(made);
    answer
        .chain(best)
        .chain(made_so_far)
        .chain(output)
        .chain([place("log folder", folder.root.clone())])
        .collect()
}

/// The journal in `root` with its events, locked against other processes.
pub(crate) fn open_journal(root: &Path) -> Result<(SqliteJournal, Vec<Envelope>), Failure> {
    SqliteJournal::open(root, &owner(SystemClock::start().now())).map_err(|error| journal_failure(&error))
}

pub(crate) fn owner(now: massgen_protocol::Timestamp) -> Owner {
    Owner { pid: std::process::id(), started_at: now.micros() / 1_000_000, command: "massgen".to_owned() }
}

/// `error` with what to do about it, for a journal that cannot be opened.
pub(crate) fn journal_failure(error: &JournalError) -> Failure {
    Failure::configuration(error).hint(remedy(error))
}

/// What to do about `error`.
fn remedy(error: &JournalError) -> &'static str {
    match error {
        JournalError::DiskFull { .. } => "make room",
        JournalError::Locked { .. } => {
            "wait for that process, or end it; a run is written by one process at a time"
        }
        JournalError::NotFound { .. } => "give the folder that was printed as LOG_DIR, or `latest`",
        JournalError::Corrupt { .. } | JournalError::OutOfOrder { .. } => {
            "restore the folder from a backup, or ask the question again"
        }
        JournalError::Io { .. } => {
            "check the folder's permissions, or set MASSGEN_LOG_BASE_DIR to another one"
        }
    }
}

//! One session of a run, from the arguments to the exit code.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use massgen_config::DisplayType;
use massgen_core::{Phase, replay};
use massgen_engine::{Session, SystemClock};
use massgen_journal::artifacts::{AutomationPaths, RunFolder, link_in_home};
use massgen_journal::{Owner, SqliteJournal};
use massgen_model::cassette::CassetteWriter;
use massgen_ports::{Clock, JournalError, SessionEnd, SessionHandle};
use massgen_protocol::{Command, Envelope, Seq};
use massgen_view::{Place, RunView};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::JournalLayer;
use crate::arguments::Arguments;
use crate::closing::Closing;
use crate::display::surroundings::{Stream, Wish};
use crate::display::{DisplayOptions, show};
use crate::environment::Environment;
use crate::failure::{CONFIGURATION, Failure, INTERRUPTED, SUCCESS, code_of};
use crate::output::{Lines, Output, Told};
use crate::remarks::Remarks;
use crate::wiring::{Tape, Wired, wire};
use crate::{inbox, logs, output, setup};

/// A session that is ready to be shown.
struct Prepared {
    session: Arc<dyn SessionHandle>,
    folder: RunFolder,
    past: Vec<Envelope>,
    told: Told,
    lines: Lines,
    wish: Wish,
    recording: Option<Arc<CassetteWriter>>,
    closing: Closing,
}

/// Runs, or goes on with, what `arguments` ask for.
pub(crate) fn perform(
    arguments: &Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<u8, Failure> {
    if arguments.debug {
        let filter = tracing_subscriber::EnvFilter::new("debug,hyper_util=info,reqwest=info");
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::configuration(format!("cannot start: {error}")))?;
    let code = runtime.block_on(async {
        let paths = paths(arguments, environment)?;
        let prepared = match &arguments.resume {
            Some(log_dir) => take_up(log_dir, arguments, environment, layer)?,
            None => start(arguments, environment, layer)?,
        };
        follow(prepared, paths, environment).await
    });
    // Calls that were cut off may still hold threads of the runtime; nobody waits for them.
    runtime.shutdown_background();
    code
}

fn start(
    arguments: &Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<Prepared, Failure> {
    let setup = setup::prepare(arguments, environment)?;
    for remark in &setup.remarks {
        Remarks::direct().tell(remark);
    }
    let redactor = environment.redactor(setup.literal_keys.iter().map(|(_, key)| key.clone()));
    let keys = environment.keys(setup.literal_keys);
    let wired = wire(&setup.spec, &[], &keys, &redactor, &tape(arguments, environment))?;
    // Nothing is left behind in the logs by a run that cannot begin.
    let now = SystemClock::start().now();
    let name = RunFolder::name_for(now, setup.meta.utc_offset_seconds);
    let folder = RunFolder::new(environment.log_base().join(name));
    let journal =
        SqliteJournal::create(&folder.root, &owner(now)).map_err(|error| journal_failure(&error))?;
    if let Some(home) = &environment.home
        && let Err(error) = link_in_home(home, &folder)
    {
        let remark = format!("warning: the run is not linked below the home directory: {error}");
        Remarks::direct().tell(&remark);
    }
    let (journal, closing) = Closing::watch(layer.around(Arc::new(journal)));
    let ports = wired.ports(journal, redactor);
    let session = Session::start(setup.spec, setup.meta, ports).map_err(Failure::configuration)?;
    let (lines, wish) = manner(arguments, setup.automation, setup.display);
    Ok(Prepared {
        session: Arc::new(session),
        folder,
        past: Vec::new(),
        told: Told::UpTo(Seq(0)),
        lines,
        wish,
        recording: wired.recording,
        closing,
    })
}

/// Goes on with the run in `log_dir`.
fn take_up(
    log_dir: &Path,
    arguments: &Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<Prepared, Failure> {
    let folder = RunFolder::new(logs::find_run(log_dir, environment)?);
    let (journal, past) = open_journal(&folder.root)?;
    let state = replay(&past).map_err(|error| {
        Failure::configuration(format!("the run in `{}` cannot be resumed: {error}", folder.root.display()))
            .hint("it was killed before it began; ask the question again")
    })?;
    let is_over = matches!(state.phase(), Phase::Finished { .. });
    let redactor = environment.redactor([]);
    let keys = environment.keys([]);
    let wired = if is_over {
        Wired::default()
    } else {
        wire(state.spec(), &past, &keys, &redactor, &tape(arguments, environment))?
    };
    let (journal, closing) = Closing::watch(layer.around(Arc::new(journal)));
    let ports = wired.ports(journal, redactor);
    let session = Session::resume(past.clone(), ports).map_err(Failure::configuration)?;
    let known = past.last().map_or(Seq(0), |envelope| envelope.seq);
    let told = if is_over { Told::Everything } else { Told::UpTo(known) };
    let (lines, wish) = manner(arguments, false, None);
    if is_over && lines == Lines::None {
        Remarks::direct().tell("the run is over; this is what came of it");
    }
    let (session, recording) = (Arc::new(session), wired.recording);
    Ok(Prepared { session, folder, past, told, lines, wish, recording, closing })
}

async fn follow(
    prepared: Prepared,
    paths: AutomationPaths,
    environment: &Environment,
) -> Result<u8, Failure> {
    let Prepared { session, folder, past, told, lines, wish, recording, closing } = prepared;
    let signals = Signals::listen().map_err(Failure::configuration)?;
    let output = Output { lines, paths: paths.clone(), told };
    let files =
        output::spawn(output, folder.clone(), past, Arc::clone(&session)).map_err(Failure::configuration)?;
    let (remarks, for_display) = match lines {
        Lines::None => Remarks::through_display(),
        Lines::Automation | Lines::Events => (Remarks::direct(), tokio::sync::mpsc::channel(1).1),
    };
    let interrupts = tokio::spawn(interrupt(signals, Arc::clone(&session), remarks.clone()));
    let inbox = paths.runtime_inbox.clone().map(|inbox| {
        let remarks = remarks.clone();
        tokio::spawn(inbox::watch(inbox, Arc::clone(&session), move |text| remarks.tell(&text)))
    });
    let mut is_undelivered = false;
    let end = match lines {
        Lines::None => {
            let variable = |name: &str| environment.get(name);
            let options = DisplayOptions::fitting(wish, Stream::stdout(), Stream::stderr(), variable);
            let (run_folder, paths, here) = (folder.clone(), paths, environment.working_directory.clone());
            let options = DisplayOptions {
                known: told.known(),
                places: Box::new(move |view| places(view, &run_folder, &paths, &here)),
                remarks: for_display,
                ..options
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
    let troubles = joined.ok().and_then(Result::ok).unwrap_or_default();
    for line in &troubles.lines {
        remarks.tell(line);
    }
    let problem = match recording {
        Some(recording) => recording.finish().await,
        None => None,
    };
    if let Some(problem) = problem {
        remarks.tell(&format!("warning: the recording is not complete: {problem}"));
    }
    closing.closed().await;
    // Not before: a reader of ours that hangs must not keep a person from leaving.
    interrupts.abort();
    let root = match lines {
        Lines::None => from_here(&folder.root, &environment.working_directory),
        Lines::Automation | Lines::Events => &folder.root,
    };
    match end {
        SessionEnd::JournalFailed(error) => {
            let failure = journal_failure(&error).with_code(INTERRUPTED);
            Err(failure.hint(format!("{}, then {}", remedy(&error), resume_command(root))))
        }
        SessionEnd::Interrupted => {
            remarks.tell(&format!("hint: {}", resume_command(root)));
            Ok(INTERRUPTED)
        }
        SessionEnd::Finished(outcome) => match code_of(outcome) {
            SUCCESS if is_undelivered || troubles.is_undelivered => Ok(CONFIGURATION),
            code => Ok(code),
        },
    }
}

/// How to go on with the run in `folder`.
fn resume_command(folder: &Path) -> String {
    let root = folder.display().to_string();
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',' | '@');
    let root = if root.chars().all(is_plain) { root } else { format!("'{}'", root.replace('\'', r"'\''")) };
    format!("go on with `massgen --resume {root}`")
}

/// Ctrl-C and requests to terminate, from now on.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The first signal saves what is there and ends the session; the second ends the process at once.
async fn interrupt(mut signals: Signals, session: Arc<dyn SessionHandle>, remarks: Remarks) {
    signals.next().await;
    remarks.tell("stopping: what is there is saved; once more to stop at once");
    session.send(Command::Interrupt).await;
    signals.next().await;
    #[expect(clippy::exit, reason = "a person asked twice; the journal holds everything that was committed")]
    std::process::exit(INTERRUPTED.into());
}

/// The paths that the arguments name, usable or refused before anything is paid.
fn paths(arguments: &Arguments, environment: &Environment) -> Result<AutomationPaths, Failure> {
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

/// Which lines and which display: flags win over the configuration.
fn manner(arguments: &Arguments, automation: bool, display: Option<DisplayType>) -> (Lines, Wish) {
    let lines = if arguments.stream_events {
        Lines::Events
    } else if arguments.automation || (automation && !arguments.no_display) {
        Lines::Automation
    } else {
        Lines::None
    };
    let wish = match display {
        Some(DisplayType::Simple) => Wish::Simple,
        Some(DisplayType::Terminal | DisplayType::Rich) | None => {
            if arguments.no_display {
                Wish::Simple
            } else {
                Wish::Live
            }
        }
    };
    (lines, wish)
}

fn tape(arguments: &Arguments, environment: &Environment) -> Tape {
    let absolute = |path: &Option<PathBuf>| path.as_ref().map(|path| environment.absolute(path));
    Tape { record: absolute(&arguments.record), replay: absolute(&arguments.replay) }
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
    let answer = view.final_answer.as_ref().and_then(|answer| Some(view.agent(answer.agent)?.id.as_str()));
    let answer = answer.map(|agent| place("answer", folder.turn_final_answer_file(agent)));
    let output =
        paths.output_file.clone().filter(|_| answer.is_some()).map(|path| place("output file", path));
    let best = view.best.filter(|_| view.phase == massgen_view::Phase::Interrupted && answer.is_none());
    let best = best.and_then(|label| view.agent(label.agent));
    let best = best.map(|agent| place("best so far", folder.turn_final_answer_file(agent.id.as_str())));
    answer.into_iter().chain(best).chain(output).chain([place("log folder", folder.root.clone())]).collect()
}

/// The journal in `root` with its events, locked against other processes.
pub(crate) fn open_journal(root: &Path) -> Result<(SqliteJournal, Vec<Envelope>), Failure> {
    SqliteJournal::open(root, &owner(SystemClock::start().now())).map_err(|error| journal_failure(&error))
}

fn owner(now: massgen_protocol::Timestamp) -> Owner {
    Owner { pid: std::process::id(), started_at: now.micros() / 1_000_000, command: "massgen".to_owned() }
}

/// `error` with what to do about it, for a journal that cannot be opened.
fn journal_failure(error: &JournalError) -> Failure {
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

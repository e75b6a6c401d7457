//! One session of a run, from the arguments to the exit code.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use massgen_config::DisplayType;
use massgen_core::{Phase, replay};
use massgen_engine::{Session, SystemClock};
use massgen_journal::artifacts::{AutomationPaths, RunFolder, link_in_home};
use massgen_journal::{Owner, SqliteJournal};
use massgen_ports::{Clock, Journal, JournalError, SessionEnd, SessionHandle};
use massgen_protocol::{Command, Envelope, Seq};
use massgen_view::{Place, RunView};

use crate::JournalLayer;
use crate::arguments::Arguments;
use crate::display::surroundings::{Stream, Wish};
use crate::display::{DisplayOptions, show};
use crate::environment::Environment;
use crate::failure::{Failure, INTERRUPTED, code_of};
use crate::output::{Lines, Output};
use crate::wiring::{Tape, Wired, wire};
use crate::{inbox, logs, output, setup};

/// A session that is ready to be shown.
struct Prepared {
    session: Arc<dyn SessionHandle>,
    folder: RunFolder,
    past: Vec<Envelope>,
    /// Events up to this one were told by an earlier process.
    known: Seq,
    lines: Lines,
    wish: Wish,
    recording: Option<Arc<massgen_model::cassette::CassetteWriter>>,
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
        let prepared = match &arguments.resume {
            Some(log_dir) => take_up(log_dir, arguments, environment, layer)?,
            None => start(arguments, environment, layer)?,
        };
        follow(prepared, arguments, environment).await
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
    let mut stderr = std::io::stderr().lock();
    for remark in &setup.remarks {
        let _ = writeln!(stderr, "{remark}");
    }
    drop(stderr);
    let now = SystemClock::start().now();
    let name = RunFolder::name_for(now, setup.meta.utc_offset_seconds);
    let folder = RunFolder::new(environment.log_base().join(name));
    let journal =
        SqliteJournal::create(&folder.root, &owner(now)).map_err(|error| journal_failure(&error))?;
    if let Some(home) = &environment.home
        && let Err(error) = link_in_home(home, &folder)
    {
        remark(&format!("warning: the run is not linked below the home directory: {error}"));
    }
    let redactor = environment.redactor(setup.literal_keys.iter().map(|(_, key)| key.clone()));
    let keys = environment.keys(setup.literal_keys);
    let journal: Arc<dyn Journal> = layer.around(Arc::new(journal));
    let Wired { ports, recording } = wire(&setup.spec, &[], &keys, redactor, &tape(arguments), journal)?;
    let session = Session::start(setup.spec, setup.meta, ports).map_err(Failure::configuration)?;
    let (lines, wish) = manner(arguments, setup.automation, setup.display);
    Ok(Prepared {
        session: Arc::new(session),
        folder,
        past: Vec::new(),
        known: Seq(0),
        lines,
        wish,
        recording,
    })
}

/// Goes on with the run in `log_dir`.
fn take_up(
    log_dir: &std::path::Path,
    arguments: &Arguments,
    environment: &Environment,
    layer: &JournalLayer,
) -> Result<Prepared, Failure> {
    let folder = RunFolder::new(logs::find_run(log_dir, environment)?);
    let now = SystemClock::start().now();
    let (journal, past) =
        SqliteJournal::open(&folder.root, &owner(now)).map_err(|error| journal_failure(&error))?;
    let state = replay(&past).map_err(|error| {
        Failure::configuration(format!("the run in `{}` cannot be resumed: {error}", folder.root.display()))
            .hint("it was killed before it began; ask the question again")
    })?;
    let is_over = matches!(state.phase(), Phase::Finished { .. });
    let redactor = environment.redactor([]);
    let keys = environment.keys([]);
    let journal: Arc<dyn Journal> = layer.around(Arc::new(journal));
    let (ports, recording) = if is_over {
        let clock = Arc::new(SystemClock::start());
        let (models, tools) = (std::collections::BTreeMap::new(), Arc::new(massgen_ports::tools::NoTools));
        (massgen_engine::Ports { journal, clock, models, tools, redactor }, None)
    } else {
        let Wired { ports, recording } =
            wire(state.spec(), &past, &keys, redactor, &tape(arguments), journal)?;
        (ports, recording)
    };
    let session = Session::resume(past.clone(), ports).map_err(Failure::configuration)?;
    // A run that is over is told once more, from its beginning.
    let known = if is_over { Seq(0) } else { past.last().map_or(Seq(0), |envelope| envelope.seq) };
    let (lines, wish) = manner(arguments, false, None);
    Ok(Prepared { session: Arc::new(session), folder, past, known, lines, wish, recording })
}

async fn follow(prepared: Prepared, arguments: &Arguments, environment: &Environment) -> Result<u8, Failure> {
    let Prepared { session, folder, past, known, lines, wish, recording } = prepared;
    let runtime_inbox = inbox_folder(arguments, environment)?;
    let paths = AutomationPaths {
        runtime_inbox: runtime_inbox.clone(),
        output_file: arguments.output_file.as_ref().map(|path| environment.absolute(path)),
    };
    let output = Output { lines, paths: paths.clone(), known };
    let files =
        output::spawn(output, folder.clone(), past, Arc::clone(&session)).map_err(Failure::configuration)?;
    let interrupts = tokio::spawn(interrupt(Arc::clone(&session)));
    let inbox = runtime_inbox
        .map(|inbox| tokio::spawn(inbox::watch(inbox, Arc::clone(&session), |text| remark(&text))));
    let end = match lines {
        Lines::None => {
            let variable = |name: &str| environment.get(name);
            let options = DisplayOptions::fitting(wish, Stream::stdout(), Stream::stderr(), variable);
            let options = DisplayOptions {
                known,
                places: Box::new(move |view| places(view, &folder, &paths)),
                ..options
            };
            let shown = show(session, options, &mut std::io::stdout(), &mut std::io::stderr()).await;
            for trouble in shown.troubles {
                remark(&format!("error: {trouble}"));
            }
            shown.end
        }
        Lines::Automation | Lines::Events => session.ended().await,
    };
    interrupts.abort();
    if let Some(inbox) = inbox {
        inbox.abort();
    }
    let joined = tokio::task::spawn_blocking(move || files.join()).await;
    for problem in joined.ok().and_then(Result::ok).unwrap_or_default() {
        remark(&problem);
    }
    let problem = match recording {
        Some(recording) => recording.finish().await,
        None => None,
    };
    if let Some(problem) = problem {
        remark(&format!("warning: the recording is not complete: {problem}"));
    }
    if let SessionEnd::JournalFailed(error) = &end {
        return Err(journal_failure(error).with_code(INTERRUPTED));
    }
    Ok(code_of(&end))
}

/// The first Ctrl-C or SIGTERM saves what is there and ends the session; the second ends the process at once.
async fn interrupt(session: Arc<dyn SessionHandle>) {
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return;
    };
    for is_first in [true, false] {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        if is_first {
            remark("stopping: what is there is saved; once more to stop at once");
            session.send(Command::Interrupt).await;
        }
    }
    #[expect(clippy::exit, reason = "a person asked twice; the journal holds everything that was committed")]
    std::process::exit(INTERRUPTED.into());
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

fn tape(arguments: &Arguments) -> Tape<'_> {
    Tape { record: arguments.record.as_deref(), replay: arguments.replay.as_deref() }
}

/// The files that a person may want to open.
fn places(view: &RunView, folder: &RunFolder, paths: &AutomationPaths) -> Vec<Place> {
    let place = |what: &str, path: PathBuf| Place { what: what.to_owned(), path: path.display().to_string() };
    let answer = view.final_answer.as_ref().and_then(|answer| Some(view.agent(answer.agent)?.id.as_str()));
    let answer = answer.map(|agent| place("answer", folder.turn_final_answer_file(agent)));
    let output =
        paths.output_file.clone().filter(|_| answer.is_some()).map(|path| place("output file", path));
    answer.into_iter().chain(output).chain([place("log folder", folder.root.clone())]).collect()
}

fn owner(now: massgen_protocol::Timestamp) -> Owner {
    Owner { pid: std::process::id(), started_at: now.micros() / 1_000_000, command: "massgen".to_owned() }
}

fn journal_failure(error: &JournalError) -> Failure {
    let hint = match error {
        JournalError::DiskFull { .. } => "make room, then go on with `massgen --resume latest`",
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
    };
    Failure::configuration(error).hint(hint)
}

/// A line for a person, beside everything else.
fn remark(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

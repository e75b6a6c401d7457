//! The process between massgen and a command: it starts the command's sandbox, watches what the whole call uses, and ends
//! all of it when the command is over, when a limit is passed, or when massgen says so or is gone. It is not confined
//! itself, so nothing that is can reach it.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::process::{Child, Command, ExitCode};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill, killpg};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid, getppid};

use crate::helper::{self, FAILED};
use crate::policy::Limits;
use crate::processes::{self, Process};
use crate::signals;

/// Between two looks at the number of all processes of this machine.
const STEP: Duration = Duration::from_millis(10);

/// The same for root, whom the system does not hold to a number of processes.
const STEP_OF_ROOT: Duration = Duration::from_millis(3);

/// Between two looks at the processes of a call while no process begins or ends: memory can grow all the same. A call may
/// go on for hours, so that looking must not cost much.
const CALM: Duration = Duration::from_millis(40);

/// How much the supervisor is preferred to all that it watches, where the system lets it be: a command that starts
/// processes without end must not keep it from ending them. What the system refuses is not needed to go on.
const PREFERENCE: i32 = -20;

/// How long the end of all processes is waited for. What the kernel holds in a device may take longer than anybody
/// wants to wait.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// The exit code of a call that was ended by a limit, as that of a process that was killed.
const ENDED: u8 = 137;

/// The exit code of a command that the system ended by `SIGXCPU`, as bubblewrap and shells tell it.
const OUT_OF_PROCESSOR_TIME: u8 = 128 + 24;

/// Processes of bubblewrap and the relay that are counted with those of the command.
const OWN_PROCESSES: u32 = 3;

/// The process of the command.
static COMMAND: OnceLock<i32> = OnceLock::new();

/// Why the call was ended before the command was done.
static ENDED_BY: OnceLock<String> = OnceLock::new();

/// Runs `command` within `limits`, and returns its exit code.
pub(crate) fn supervise(limits: &OsStr, command: &[OsString]) -> ExitCode {
    run(limits, command).unwrap_or_else(|problem| {
        say(&problem);
        ExitCode::from(FAILED)
    })
}

fn run(limits: &OsStr, command: &[OsString]) -> Result<ExitCode, String> {
    let limits: Option<Limits> = limits.to_str().and_then(|text| serde_json::from_str(text).ok());
    let limits = limits.ok_or("the limits cannot be read")?;
    let told = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    // Orphans of the command become children of this process, so that none is lost sight of.
    prctl::set_child_subreaper(true).map_err(told("orphans cannot be taken in"))?;
    let massgen = getppid();
    signals::count_again().map_err(|error| format!("signals cannot be made to count: {error}"))?;
    let _ = rustix::process::setpriority_process(None, PREFERENCE);
    let ends = SigSet::from_iter([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
    // The command's own process lets them through again.
    ends.thread_block().map_err(told("signals cannot be held back"))?;
    let mut child = start(command).map_err(|error| format!("the command cannot be started: {error}"))?;
    let _ = i32::try_from(child.id()).map(|pid| COMMAND.set(pid));
    std::thread::spawn(move || {
        if ends.wait().is_ok() && ENDED_BY.set("stopped".to_owned()).is_ok() {
            end_all();
        }
    });
    let watched = limits.clone();
    std::thread::spawn(move || watch(&watched, massgen));
    let status = child.wait().map_err(|error| format!("the command was lost sight of: {error}"))?;
    end_all();
    if let Some(reason) = ENDED_BY.get() {
        say(reason);
        return Ok(ExitCode::from(ENDED));
    }
    let code = helper::code(status);
    if let Some(time) = limits.processor_time.filter(|_| code == OUT_OF_PROCESSOR_TIME) {
        say(&format!("ended: it used more than {} seconds of processor time", time.as_secs()));
    }
    Ok(ExitCode::from(code))
}

fn start(command: &[OsString]) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program).args(arguments).spawn()
}

/// Ends the call when all its processes together use too much, or when nobody waits for it any more.
fn watch(limits: &Limits, massgen: Pid) {
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(u64::MAX);
    let step = if nix::unistd::geteuid().is_root() { STEP_OF_ROOT } else { STEP };
    let mut looked = (Instant::now(), processes::load());
    loop {
        std::thread::sleep(step);
        let load = processes::load();
        if looked.0.elapsed() < CALM && load.is_some() && looked.1 == load {
            continue;
        }
        looked = (Instant::now(), load);
        let found = processes::below(getpid().as_raw()).map_or_else(descendants, Ok);
        let passed = match found {
            Ok(found) => passed(&found, limits, page),
            Err(error) => Some(format!("the processes of the call cannot be counted: {error}")),
        };
        // A signal of the kernel would come when the thread that started this process ends, which may be earlier.
        let passed = passed.or_else(|| (getppid() != massgen).then(|| "massgen is gone".to_owned()));
        if let Some(reason) = passed {
            if ENDED_BY.set(format!("ended: {reason}")).is_ok() {
                end_all();
            }
            return;
        }
    }
}

/// The limit of the whole call that `found` pass.
fn passed(found: &[Process], limits: &Limits, page: u64) -> Option<String> {
    let living = u32::try_from(found.iter().filter(|process| !process.is_zombie).count()).unwrap_or(u32::MAX);
    let memory =
        found.iter().map(|process| process.pages).fold(0_u64, u64::saturating_add).saturating_mul(page);
    if let Some(most) = limits.processes.filter(|most| living > most.saturating_add(OWN_PROCESSES)) {
        Some(format!("it had {living} processes at once, {most} are allowed"))
    } else if let Some(most) = limits.memory.filter(|most| memory > *most) {
        let mebibytes = |bytes: u64| bytes / (1024 * 1024);
        Some(format!("it held {} MiB of memory, {} are allowed", mebibytes(memory), mebibytes(most)))
    } else {
        None
    }
}

/// Ends every process that descends from this one. None gets to run between being seen and being ended: what could start
/// others is stopped first.
fn end_all() {
    let begun = Instant::now();
    if let Some(command) = COMMAND.get().copied().map(Pid::from_raw) {
        // With the first process of a namespace the kernel ends all of it, and a group ends at once: nothing that starts
        // processes without end outruns this. Both may have ended by themselves.
        let _ = kill(command, Signal::SIGKILL);
        let _ = killpg(command, Signal::SIGKILL);
    }
    while begun.elapsed() < END_PATIENCE {
        let Ok(found) = descendants() else { return };
        let living: Vec<_> = found.iter().filter(|process| !process.is_zombie).collect();
        for signal in [Signal::SIGSTOP, Signal::SIGKILL] {
            for process in &living {
                // It may have ended by itself.
                let _ = kill(Pid::from_raw(process.pid), signal);
            }
        }
        reap();
        if living.is_empty() {
            return;
        }
        std::thread::yield_now();
    }
}

/// Takes note of orphans that have ended. The command's own process is waited for where its exit code is wanted.
fn reap() {
    let Ok(found) = descendants() else { return };
    let me = getpid().as_raw();
    for orphan in found.iter().filter(|process| process.parent == me && process.is_zombie) {
        if COMMAND.get() != Some(&orphan.pid) {
            while matches!(
                waitpid(Pid::from_raw(orphan.pid), Some(WaitPidFlag::WNOHANG)),
                Err(Errno::EINTR) | Ok(WaitStatus::Continued(_))
            ) {}
        }
    }
}

fn descendants() -> io::Result<Vec<Process>> {
    Ok(processes::descendants(&processes::all()?, getpid().as_raw()))
}

/// The caller shows it as what the command wrote. There is nobody else to tell.
fn say(what: &str) {
    // A reader that does not read must not keep the call from its end. All others that write there are gone.
    let _ = rustix::io::ioctl_fionbio(io::stderr(), true);
    let _ = writeln!(io::stderr(), "massgen: {what}");
}

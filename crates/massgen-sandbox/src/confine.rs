//! The last step before a command: the process gives up what the command must not have, and then becomes it.

mod calls;
mod files;

pub(crate) use calls::close_dangerous;
pub(crate) use files::is_closed;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;

use crate::helper::FAILED;
use crate::orders::{Confinement, Counted, Orders, OwnTerminal};
use crate::policy::Limits;

/// The niceness of commands, of which 19 is the most.
const BACKGROUND: i32 = 10;

/// Confines this process as `orders` say, and becomes `command`. Returns only if that fails.
pub(crate) fn become_command(orders: &OsStr, command: &[OsString]) -> ExitCode {
    let Err(problem) = confined(orders).and_then(|()| execute(command));
    // The caller shows it as what the command wrote. There is nobody else to tell.
    let _ = writeln!(std::io::stderr(), "massgen: {problem}");
    ExitCode::from(FAILED)
}

fn confined(orders: &OsStr) -> Result<(), String> {
    let orders: Orders = orders
        .to_str()
        .ok_or("the orders are no text")
        .and_then(|text| serde_json::from_str(text).map_err(|_| "the orders cannot be read"))?;
    // A session of its own has no terminal that it could type into, unless it is given one. The supervisor's child is no leader of a group yet.
    nix::unistd::setsid().map_err(|error| format!("no session of its own: {error}"))?;
    match orders.terminal {
        OwnTerminal::Yes => rustix::process::ioctl_tiocsctty(std::io::stdin())
            .map_err(|error| format!("no terminal of its own: {error}"))?,
        OwnTerminal::No => {}
    }
    // The supervisor holds signals back, and a new process inherits that.
    SigSet::empty().thread_set_mask().map_err(|error| format!("signals cannot be let through: {error}"))?;
    // Commands wait for everything that the user does, and for what watches them.
    rustix::process::setpriority_process(None, BACKGROUND)
        .map_err(|error| format!("it cannot be put into the background: {error}"))?;
    limit(&orders.limits, orders.counted).map_err(|error| format!("a limit cannot be set: {error}"))?;
    match &orders.confinement {
        Confinement::Nothing => Ok(()),
        Confinement::Calls => {
            files::close_abstract_sockets()?;
            calls::close_dangerous()
        }
        Confinement::Files { readable, writable, sockets } => {
            drop_capabilities()?;
            files::close(readable, writable)?;
            calls::close_dangerous()?;
            calls::close_shared_memory()?;
            calls::close_sockets(*sockets)
        }
    }
}

/// Takes from root what it has beyond the owner of its files, so that nothing which it executes has it.
fn drop_capabilities() -> Result<(), String> {
    use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // Whoever may not take capabilities away has none, and older systems know fewer.
            Ok(()) | Err(rustix::io::Errno::PERM | rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(format!("a capability cannot be dropped: {error}")),
        }
    }
    Ok(())
}

fn limit(limits: &Limits, counted: Counted) -> Result<(), Errno> {
    let set = |resource, value: u64| setrlimit(resource, value, value);
    set(Resource::RLIMIT_CORE, 0)?;
    if let Some(bytes) = limits.memory {
        set(Resource::RLIMIT_DATA, bytes)?;
    }
    if let Some(bytes) = limits.file_size {
        set(Resource::RLIMIT_FSIZE, bytes)?;
    }
    if let Some(time) = limits.processor_time {
        let seconds = time.as_secs().max(1);
        // It is told first, by a signal that says why, and ended if it goes on all the same.
        setrlimit(Resource::RLIMIT_CPU, seconds, seconds.saturating_add(1))?;
    }
    match (limits.processes, counted) {
        (Some(processes), Counted::Alone) => set(Resource::RLIMIT_NPROC, processes.into()),
        // What the user runs besides is not the command's. The system does not hold root to it, so the supervisor counts
        // as well.
        (Some(processes), Counted::WithTheUser) => {
            set(Resource::RLIMIT_NPROC, u64::from(processes).saturating_add(threads_of_this_user()))
        }
        (None, _) => Ok(()),
    }
}

/// Threads that the user of this process runs now, which is what the system counts as processes.
fn threads_of_this_user() -> u64 {
    let me = nix::unistd::getuid().as_raw();
    let Ok(entries) = fs_err::read_dir("/proc") else { return 0 };
    let tasks = entries.filter_map(Result::ok).filter(|entry| {
        use std::os::unix::fs::MetadataExt;
        entry.metadata().is_ok_and(|told| told.uid() == me)
    });
    let threads = tasks.filter_map(|entry| fs_err::read_dir(entry.path().join("task")).ok());
    threads.map(|threads| u64::try_from(threads.count()).unwrap_or(u64::MAX)).fold(0, u64::saturating_add)
}

fn execute(command: &[OsString]) -> Result<std::convert::Infallible, String> {
    let (program, arguments) = command.split_first().ok_or("there is no command")?;
    let error = Command::new(program).args(arguments).exec();
    Err(format!("{} cannot be run: {error}", program.display()))
}

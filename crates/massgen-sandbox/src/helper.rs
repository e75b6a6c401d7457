//! The program that stands between massgen and a command.
//!
//! massgen starts itself again as this helper, so that a process with one thread and nothing open confines itself, and
//! no code runs between fork and exec of a process with many threads. The helper plays its roles one inside the other: the
//! supervisor, which stays outside the sandbox, watches the limits and ends all that the command started; the relay, for
//! a command that may reach some hosts only; and the command's own process, which confines itself and then executes the
//! command.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

/// The first argument of the supervisor.
pub(crate) const SUPERVISE: &str = "__massgen-sandbox-supervise";

/// The first argument of the process that becomes the command.
pub(crate) const CONFINE: &str = "__massgen-sandbox-confine";

/// The first argument of the process that leads to the network.
pub(crate) const RELAY: &str = "__massgen-sandbox-relay";

/// The exit code when the confinement fails: the command has not run.
pub(crate) const FAILED: u8 = 125;

/// The role that the arguments of a process ask for, with all that follows.
#[derive(Debug)]
pub struct Role {
    kind: Kind,
    orders: OsString,
    command: Vec<OsString>,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Supervise,
    Relay,
    Confine,
}

/// The role that `arguments`, the program's own name first, ask for. `None` is a usual start of massgen.
pub fn role(arguments: impl IntoIterator<Item = OsString>) -> Option<Role> {
    let mut arguments = arguments.into_iter().skip(1);
    let first = arguments.next()?;
    let kind = if first == OsStr::new(SUPERVISE) {
        Kind::Supervise
    } else if first == OsStr::new(RELAY) {
        Kind::Relay
    } else if first == OsStr::new(CONFINE) {
        Kind::Confine
    } else {
        return None;
    };
    Some(Role { kind, orders: arguments.next()?, command: arguments.collect() })
}

impl Role {
    /// Plays it. Returns when the command has ended, or could not be started.
    pub fn play(self) -> ExitCode {
        #[cfg(target_os = "linux")]
        match self.kind {
            Kind::Supervise => crate::supervise::supervise(&self.orders, &self.command),
            Kind::Relay => crate::relay::relay(&self.orders, &self.command),
            Kind::Confine => crate::confine::become_command(&self.orders, &self.command),
        }
        #[cfg(not(target_os = "linux"))]
        ExitCode::from(FAILED)
    }
}

/// The exit code that shells give to `status`.
#[cfg(target_os = "linux")]
pub(crate) fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(FAILED)
}

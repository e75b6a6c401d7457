//! The program that stands between massgen and a command.
//!
//! massgen starts itself again as this helper, so that a process with one thread and nothing open confines itself, and
//! no code runs between fork and exec of a process with many threads. The helper plays two roles, one inside the other: the
//! supervisor, which stays outside the sandbox, watches the limits and ends all that the command started; and the
//! command's own process, which confines itself and then executes the command.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

/// The first argument of the supervisor.
pub(crate) const SUPERVISE: &str = "__massgen-sandbox-supervise";

/// The first argument of the process that becomes the command.
pub(crate) const CONFINE: &str = "__massgen-sandbox-confine";

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
    Confine,
}

/// The role that `arguments`, the program's own name first, ask for. `None` is a usual start of massgen.
pub fn role(arguments: impl IntoIterator<Item = OsString>) -> Option<Role> {
    let mut arguments = arguments.into_iter().skip(1);
    let first = arguments.next()?;
    let kind = if first == OsStr::new(SUPERVISE) {
        Kind::Supervise
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
            Kind::Confine => crate::confine::become_command(&self.orders, &self.command),
        }
        #[cfg(not(target_os = "linux"))]
        ExitCode::from(FAILED)
    }
}

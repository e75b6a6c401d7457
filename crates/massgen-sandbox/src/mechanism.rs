//! How a command is confined, and which ways work on this machine.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::gap::{self, Gap};
use crate::policy::Network;

/// How a command is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mechanism {
    /// Namespaces made by `bwrap`, and a filter of system calls.
    Bubblewrap,
    /// Rules of the kernel on files and signals, and a filter of system calls.
    Landlock,
    /// Not at all: only the environment, the limits and the end of all its processes are taken care of.
    Unconfined,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bubblewrap => "bubblewrap",
            Self::Landlock => "Landlock",
            Self::Unconfined => "no sandbox",
        })
    }
}

/// What the trial runs of the mechanisms said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Available {
    /// The `bwrap` program, if a trial run under it worked.
    pub bubblewrap: Result<PathBuf, Unavailable>,
    /// Whether a trial run under Landlock and the filter worked.
    pub landlock: Result<(), Unavailable>,
    /// What this machine's kernel leaves open, the widest first. [`Available::gaps`] says what of that matters.
    pub open: Vec<Gap>,
}

/// Why a mechanism does not work here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// One line.
    pub reason: String,
}

impl Available {
    /// The strongest mechanism that works here; `None` when commands cannot be confined.
    pub fn best(&self) -> Option<Mechanism> {
        if self.bubblewrap.is_ok() {
            Some(Mechanism::Bubblewrap)
        } else if self.landlock.is_ok() {
            Some(Mechanism::Landlock)
        } else {
            None
        }
    }

    /// What commands under `mechanism` with `network` are not kept from on this machine.
    pub fn gaps(&self, mechanism: Mechanism, network: &Network) -> Vec<Gap> {
        gap::of(&self.open, mechanism, network)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no() -> Unavailable {
        Unavailable { reason: "no".to_owned() }
    }

    #[test]
    fn namespaces_come_before_rules_and_nothing_is_never_chosen() {
        let bwrap = || Ok(PathBuf::from("/usr/bin/bwrap"));
        let best = |bubblewrap, landlock| Available { bubblewrap, landlock, open: Vec::new() }.best();
        assert_eq!(best(bwrap(), Ok(())), Some(Mechanism::Bubblewrap));
        assert_eq!(best(bwrap(), Err(no())), Some(Mechanism::Bubblewrap));
        assert_eq!(best(Err(no()), Ok(())), Some(Mechanism::Landlock));
        assert_eq!(best(Err(no()), Err(no())), None);
    }
}

//! What one command may reach and use up.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::hosts::AllowedHost;

/// What a command may reach. Everything that is not named here is out of reach, apart from what every program on the
/// machine needs ([`Machine`](crate::Machine)).
///
/// Paths are absolute, without `.` and `..`, and free of symbolic links: whoever makes a policy resolves them first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Trees and files that may be read, and programs in them run.
    pub readable: Vec<PathBuf>,
    /// Trees that may be read, run from and changed.
    pub writable: Vec<PathBuf>,
    /// Paths inside writable trees that may be read but not changed.
    pub protected: Vec<PathBuf>,
    /// Paths inside readable and writable trees that cannot be looked into: folders look empty, files do not open. What is
    /// named above below one of them stays. Under bubblewrap only.
    pub masked: Vec<PathBuf>,
    /// What may be reached over the network.
    pub network: Network,
    /// What may be used up.
    pub limits: Limits,
}

impl Policy {
    /// A policy that opens nothing but `network`, within the standard limits.
    pub fn bare(network: Network) -> Self {
        Self {
            readable: Vec::new(),
            writable: Vec::new(),
            protected: Vec::new(),
            masked: Vec::new(),
            network,
            limits: Limits::STANDARD,
        }
    }

    /// The first protected path with the writable tree around it.
    pub(crate) fn protected_inside(&self) -> Option<(&Path, &Path)> {
        self.protected.iter().find_map(|protected| {
            let writable = self.writable.iter().find(|writable| protected.starts_with(writable))?;
            Some((protected.as_path(), writable.as_path()))
        })
    }

    /// The first masked path with the tree around it.
    pub(crate) fn masked_inside(&self) -> Option<(&Path, &Path)> {
        self.masked.iter().find_map(|masked| {
            let trees = self.readable.iter().chain(&self.writable);
            let tree = trees.into_iter().find(|tree| masked.starts_with(tree))?;
            Some((masked.as_path(), tree.as_path()))
        })
    }
}

/// The folders around what is `kept` from changes that are mounts of their own too: those of which `is_free` says that
/// they are inside of a writable mount. What is mounted cannot be moved away. A folder around it could be, and something
/// else would stand in its place.
pub fn pinned<'a>(
    kept: impl IntoIterator<Item = &'a PathBuf>,
    is_free: impl Fn(&Path) -> bool,
) -> BTreeSet<&'a Path> {
    kept.into_iter().flat_map(|kept| kept.ancestors().skip(1)).filter(|path| is_free(path)).collect()
}

/// What may be reached over the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// Nothing, not even services on this machine.
    None,
    /// These hosts, by programs that use the proxy of their environment (`HTTPS_PROXY` and its like). Everything else is
    /// out of reach. Under bubblewrap only.
    Allowlist {
        /// The hosts.
        hosts: Vec<AllowedHost>,
    },
    /// Everything that the machine reaches.
    Full,
}

/// What a command may use up. A limit of the whole call covers all processes that it starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Processes alive at one time in the whole call.
    pub processes: Option<u32>,
    /// Bytes of memory of the whole call. No single process gets more, and the call is ended when all together hold
    /// more.
    pub memory: Option<u64>,
    /// Bytes of one file that is written.
    pub file_size: Option<u64>,
    /// Processor time of one process, all its threads together. It is ended when it has used more.
    pub processor_time: Option<Duration>,
}

impl Limits {
    /// Bounds that no honest build comes near on a usual machine: 512 processes, 8 GiB of memory, 4 GiB a file. Processor
    /// time depends on how long a call may take: see [`Self::PROCESSORS`].
    pub const STANDARD: Self = Self {
        processes: Some(512),
        memory: Some(8 * 1024 * 1024 * 1024),
        file_size: Some(4 * 1024 * 1024 * 1024),
        processor_time: None,
    };

    /// How many processors one process may keep busy during all the time of its call.
    pub const PROCESSORS: u32 = 16;

    /// The same for a call that may take `time`.
    #[must_use]
    pub fn within(self, time: Duration) -> Self {
        let processor_time = self.processor_time.unwrap_or_else(|| time.saturating_mul(Self::PROCESSORS));
        Self { processor_time: Some(processor_time), ..self }
    }
}

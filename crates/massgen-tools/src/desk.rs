//! What one agent works with: the paths that it may reach, and what it knows of the files there.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use massgen_protocol::workspace::Deletion;
use massgen_workspace::access::{Error, Found, Last, Managed, Place};

use crate::policy::{Effect, Request, Rules, Verdict};
use crate::source::Failed;

/// The files of one agent.
#[derive(Debug)]
pub struct Desk {
    managed: RwLock<Arc<Managed>>,
    /// Files that it has read or made.
    known: Mutex<BTreeSet<PathBuf>>,
    deletion: Deletion,
    rules: RwLock<Option<Arc<Rules>>>,
}

impl Desk {
    /// A desk on which nothing was read yet.
    pub fn new(managed: Managed, deletion: Deletion) -> Self {
        Self {
            managed: RwLock::new(Arc::new(managed)),
            known: Mutex::default(),
            deletion,
            rules: RwLock::default(),
        }
    }

    /// Changes what the agent may reach from now on, for example when it presents.
    pub fn grant(&self, managed: Managed) {
        *self.managed.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(managed);
    }

    /// Holds work on a whole folder to the rules, file by file: a call was judged by the folder that it names.
    pub(crate) fn obey(&self, rules: Rules) {
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(rules));
    }

    /// Refuses what a rule refuses, or wants a person to be asked about, of the file at `path`.
    pub(crate) fn check_rules(&self, effect: Effect, path: &Path) -> Result<(), Failed> {
        let Some(rules) = self.rules.read().unwrap_or_else(PoisonError::into_inner).clone() else {
            return Ok(());
        };
        let request = Request {
            effect,
            target: path.display().to_string(),
            spellings: self.managed().spellings(path),
            asked: None,
        };
        let judgement = rules.judge(&request);
        match judgement.verdict {
            Verdict::Allow => Ok(()),
            // Without a rule, who may work on a folder may work on what is in it.
            Verdict::Ask if judgement.is_by_risk() => Ok(()),
            Verdict::Ask | Verdict::Deny => Err(Failed::Denied(format!(
                "`{}`: {} (rule: {}); name the other files one by one",
                self.shown(path),
                judgement.reason,
                judgement.rule
            ))),
        }
    }

    /// What the agent may reach.
    pub fn managed(&self) -> Arc<Managed> {
        self.managed.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When a file may be deleted.
    pub fn deletion(&self) -> Deletion {
        self.deletion
    }

    /// Notes that the agent knows what is in the file at `path`.
    pub fn note(&self, path: &Path) {
        self.known().insert(path.to_path_buf());
    }

    /// Forgets a file, and all below it, that is gone.
    pub(crate) fn forget(&self, path: &Path) {
        self.known().retain(|known| !known.starts_with(path));
    }

    /// What is known below `from` is known below `to` from now on.
    pub(crate) fn follow(&self, from: &Path, to: &Path) {
        let mut known = self.known();
        let moved: Vec<_> = known
            .iter()
            .filter_map(|path| {
                let rest = path.strip_prefix(from).ok()?;
                Some((
                    path.clone(),
                    if rest.as_os_str().is_empty() { to.to_path_buf() } else { to.join(rest) },
                ))
            })
            .collect();
        for (old, new) in moved {
            known.remove(&old);
            known.insert(new);
        }
    }

    /// Whether the agent has read or made the file at `path`.
    pub fn knows(&self, path: &Path) -> bool {
        self.known().contains(path)
    }

    /// What is at `path`, through links.
    pub(crate) fn existing(&self, path: &str) -> Result<Place, Error> {
        self.managed().find(path, Last::Followed)?.there()
    }

    /// What `path` leads to, or where something could be made.
    pub(crate) fn find(&self, path: &str, last: Last) -> Result<Found, Error> {
        self.managed().find(path, last)
    }

    /// `path` as the agent would write it: short inside its workspace.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let managed = self.managed();
        let short = path.strip_prefix(managed.workspace()).ok().filter(|short| !short.as_os_str().is_empty());
        short.unwrap_or(path).display().to_string()
    }

    fn known(&self) -> MutexGuard<'_, BTreeSet<PathBuf>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

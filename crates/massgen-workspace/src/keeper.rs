//! The workspaces of a run: made and emptied when it begins, kept as snapshots, shown to peers.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

use futures::future::BoxFuture;
use massgen_ports::Workspaces;
use massgen_protocol::workspace::COPIES;
use massgen_protocol::{AgentId, AgentNo, AnswerLabel, Snapshot, SnapshotId, limits};
use tokio::sync::Mutex;

use crate::cache::StatCache;
use crate::error::Error;
use crate::lay_out::link_inside;
use crate::left_out::shown;
use crate::own_folder::{Beginning, begin};
use crate::scan::ScanLimits;
use crate::scrub::Scrub;
use crate::store::{SnapshotStore, Taken};
use crate::tree::{Entry, Tree, TreePath};
use crate::views::{Rewriting, Setting, Sight, Views};

/// Where an agent works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    /// Who.
    pub agent: AgentId,
    /// What its peers call it.
    pub number: AgentNo,
    /// The folder that it works in. Absolute.
    pub folder: PathBuf,
    /// The folder in which it finds its peers' files. Absolute.
    pub peers: PathBuf,
}

/// The workspaces of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperSpec {
    /// The folder for snapshots, in the log of the run. Agents must not reach it.
    pub store: PathBuf,
    /// The folder for what peers see, below `.massgen/temp_workspaces` of the project. Agents may read in it what
    /// [`Keeper::visible`] says.
    pub views: PathBuf,
    /// All agents that have a workspace.
    pub seats: Vec<Seat>,
    /// How much of a workspace is kept.
    pub limits: ScanLimits,
}

/// Keeps the workspaces of a run. Work on files is done on threads of its own, one piece at a time for each agent; a
/// future that is dropped lets its piece end by itself.
#[derive(Debug, Clone)]
pub struct Keeper {
    run: Arc<Run>,
}

#[derive(Debug)]
struct Run {
    store: Arc<SnapshotStore>,
    views: Views,
    limits: ScanLimits,
    seats: BTreeMap<AgentId, Arc<Place>>,
}

/// A seat and what is known of it.
#[derive(Debug)]
struct Place {
    seat: Seat,
    /// The folder as the agent may write it: as it was named, and with all links resolved.
    homes: Vec<PathBuf>,
    cache: Arc<Mutex<StatCache>>,
    showing: Arc<Mutex<()>>,
    shown: std::sync::Mutex<Shown>,
}

/// Views that an agent sees. It may still read in those that it saw before: its commands began then.
#[derive(Debug, Default)]
struct Shown {
    now: BTreeMap<AgentNo, PathBuf>,
    before: BTreeMap<AgentNo, PathBuf>,
}

impl Keeper {
    /// Makes all folders, and empties those of agents and peers if a new run begins. Blocks.
    ///
    /// # Errors
    /// When a folder is not empty and massgen did not make it, or cannot be made.
    pub fn open(spec: KeeperSpec, beginning: Beginning) -> Result<Self, Error> {
        let mut seats = BTreeMap::new();
        for seat in spec.seats {
            begin(&seat.folder, beginning)?;
            begin(&seat.peers, beginning)?;
            let mut homes = vec![seat.folder.clone()];
            let real = fs_err::canonicalize(&seat.folder)?;
            if real != seat.folder {
                homes.push(real);
            }
            let place = Place {
                homes,
                cache: Arc::default(),
                showing: Arc::default(),
                shown: std::sync::Mutex::default(),
                seat,
            };
            seats.insert(place.seat.agent.clone(), Arc::new(place));
        }
        let run = Run {
            store: Arc::new(SnapshotStore::open(&spec.store)?),
            views: Views::open(&spec.views)?,
            limits: spec.limits,
            seats,
        };
        Ok(Self { run: Arc::new(run) })
    }

    /// Where the snapshots are.
    pub fn store(&self) -> &Arc<SnapshotStore> {
        &self.run.store
    }

    /// The folders outside its own that `agent` may read now: the views that the links in its folder of peers name, and
    /// those that they named before. None for an agent without a workspace.
    pub fn visible(&self, agent: &AgentId) -> Vec<PathBuf> {
        self.run.seats.get(agent).map(|place| place.visible().into_iter().collect()).unwrap_or_default()
    }
}

impl Workspaces for Keeper {
    fn keep(&self, agent: &AgentId) -> BoxFuture<'static, Result<Snapshot, String>> {
        let (run, agent) = (Arc::clone(&self.run), agent.clone());
        Box::pin(async move {
            let place = run.place(&agent).map_err(|error| error.to_string())?;
            let homes = place.homes.clone();
            let mut cache = Arc::clone(&place.cache).lock_owned().await;
            let taken = tokio::task::spawn_blocking(move || {
                run.store.take(&place.seat.folder, &mut cache, &run.limits)
            });
            let taken: Taken = ended(taken.await).map_err(|error| error.to_string())?;
            let mut snapshot = taken.snapshot();
            snapshot.left_out.extend(links_out(&taken.tree, &homes));
            Ok(snapshot)
        })
    }

    fn restore(&self, agent: &AgentId, snapshot: &SnapshotId) -> BoxFuture<'static, Result<(), String>> {
        let (run, agent, snapshot) = (Arc::clone(&self.run), agent.clone(), snapshot.clone());
        Box::pin(async move {
            let place = run.place(&agent).map_err(|error| error.to_string())?;
            // It stays as it is: the next snapshot looks at every file anyway.
            let cache = Arc::clone(&place.cache).lock_owned().await;
            let restored = tokio::task::spawn_blocking(move || {
                run.store.restore(&snapshot, &place.seat.folder, &cache, &run.limits)
            });
            ended(restored.await).map_err(|error| error.to_string())
        })
    }

    /// What agents may do is not decided here.
    fn let_present(&self, _agent: &AgentId) -> Result<(), String> {
        Ok(())
    }

    fn show(
        &self,
        viewer: &AgentId,
        answers: Vec<(AnswerLabel, SnapshotId)>,
    ) -> BoxFuture<'static, Result<(), String>> {
        let (run, viewer) = (Arc::clone(&self.run), viewer.clone());
        Box::pin(async move {
            let place = run.place(&viewer).map_err(|error| error.to_string())?;
            let one_at_a_time = Arc::clone(&place.showing).lock_owned().await;
            let shown = tokio::task::spawn_blocking(move || {
                let _one_at_a_time = one_at_a_time;
                run.show(&place, &answers)
            });
            ended(shown.await).map_err(|error| error.to_string())
        })
    }
}

/// Links of `tree` that nobody gets but who made them, because they lead out of the workspace at `homes`. Those of the
/// user's project are in its copies, which nobody gets as files.
fn links_out(tree: &Tree, homes: &[PathBuf]) -> BTreeMap<String, String> {
    let leads_out = |(path, entry): &(&TreePath, &Entry)| match entry {
        Entry::Link { target } => {
            path.parts().next() != Some(COPIES.as_bytes()) && link_inside(path, target, homes).is_none()
        }
        Entry::File { .. } | Entry::EmptyFolder => false,
    };
    let links = tree.entries.iter().filter(leads_out).take(limits::LEFT_OUT_NAMED);
    links.map(|(path, _)| (shown(path), "a link that leads out of the workspace".to_owned())).collect()
}

/// What a thread came to.
fn ended<T>(joined: Result<Result<T, Error>, tokio::task::JoinError>) -> Result<T, Error> {
    joined.unwrap_or_else(|error| Err(Error::BrokeOff(error.to_string())))
}

impl Run {
    fn place(&self, agent: &AgentId) -> Result<Arc<Place>, Error> {
        self.seats.get(agent).cloned().ok_or_else(|| Error::NoWorkspace(agent.to_string()))
    }

    fn show(&self, viewer: &Place, answers: &[(AnswerLabel, SnapshotId)]) -> Result<(), Error> {
        let homes = |number: AgentNo| {
            let place = self.seats.values().find(|place| place.seat.number == number);
            place.map(|place| place.homes.clone()).unwrap_or_default()
        };
        let sights: Vec<Sight> = answers
            .iter()
            .map(|(label, id)| Sight { owner: label.agent, id: id.clone(), homes: homes(label.agent) })
            .collect();
        let setting = Setting { store: &self.store, scrub: self };
        let used = |added: &BTreeMap<AgentNo, PathBuf>| -> BTreeSet<PathBuf> {
            let all = self.seats.values().flat_map(|place| place.visible());
            all.chain(added.values().cloned()).collect()
        };
        self.views.show(&setting, &viewer.seat.peers, &sights, |seen| {
            viewer.sees(seen);
            used(seen)
        })
    }
}

impl Rewriting for Run {
    fn rules(&self, owner: AgentNo, view: &Path, others: &BTreeMap<PathBuf, AgentNo>) -> Scrub {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut paths = Vec::new();
        for place in self.seats.values() {
            let to = if place.seat.number == owner { text(view) } else { place.seat.number.to_string() };
            paths.extend(place.homes.iter().map(|home| (text(home), to.clone())));
            // `<peers>/agent2/x` is `agent2/x` for whoever reads it.
            paths.push((format!("{}/", text(&place.seat.peers)), String::new()));
        }
        paths.extend(others.iter().map(|(view, number)| (text(view), number.to_string())));
        let ids = self.seats.values().map(|place| (place.seat.agent.clone(), place.seat.number));
        Scrub::new(ids, paths)
    }
}

impl Place {
    fn visible(&self) -> BTreeSet<PathBuf> {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.now.values().chain(shown.before.values()).cloned().collect()
    }

    fn sees(&self, seen: &BTreeMap<AgentNo, PathBuf>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if shown.now != *seen {
            shown.before = std::mem::replace(&mut shown.now, seen.clone());
        }
    }
}

#[cfg(test)]
#[path = "keeper_tests.rs"]
mod tests;

//! What agents reach of the files, as it changes: what they are shown of their peers, and, for who presents, the user's
//! own files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use massgen_protocol::AgentId;
use massgen_tools::Desk;
use massgen_workspace::access::Managed;

/// The desks of all agents with a workspace.
#[derive(Clone, Default)]
pub(crate) struct Desks(Arc<BTreeMap<AgentId, Seat>>);

struct Seat {
    desk: Arc<Desk>,
    base: Managed,
    presenting: Option<Managed>,
    state: Mutex<State>,
}

/// An agent and what it works at.
pub(crate) struct SeatParts {
    pub(crate) agent: AgentId,
    pub(crate) desk: Arc<Desk>,
    /// What it reaches before it is shown anything of its peers.
    pub(crate) base: Managed,
    /// What it reaches instead when it presents, where that is more.
    pub(crate) presenting: Option<Managed>,
}

struct State {
    part: Part,
    shown: Vec<PathBuf>,
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// It works on an answer.
    Works,
    /// It writes the final answer.
    Presents,
}

impl Desks {
    pub(crate) fn new(seats: impl IntoIterator<Item = SeatParts>) -> Self {
        let seats = seats.into_iter().map(|SeatParts { agent, desk, base, presenting }| {
            let state = Mutex::new(State { part: Part::Works, shown: Vec::new() });
            (agent, Seat { desk, base, presenting, state })
        });
        Self(Arc::new(seats.collect()))
    }

    /// Lets `agent` read `folders` besides, and none that it was shown before and that is not among them.
    ///
    /// # Errors
    /// When a folder is not there.
    pub(crate) fn show(&self, agent: &AgentId, folders: Vec<PathBuf>) -> Result<(), String> {
        let Some(seat) = self.0.get(agent) else { return Ok(()) };
        let mut state = seat.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.shown = folders;
        seat.grant(&state)
    }

    /// Where nothing is kept apart, lets `agent` change the user's own files: it writes the final answer, with which the run
    /// ends.
    ///
    /// # Errors
    /// When a folder that it was shown is gone.
    pub(crate) fn let_present(&self, agent: &AgentId) -> Result<(), String> {
        let Some(seat) = self.0.get(agent) else { return Ok(()) };
        let mut state = seat.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.part = Part::Presents;
        seat.grant(&state)
    }
}

impl Seat {
    /// Where a folder is gone, nothing that was shown can be read: what the agent may change is right in any case.
    fn grant(&self, state: &State) -> Result<(), String> {
        let base = match state.part {
            Part::Works => &self.base,
            Part::Presents => self.presenting.as_ref().unwrap_or(&self.base),
        };
        let mut shown = state.shown.iter();
        let all = shown.try_fold(base.clone(), |managed, folder| managed.with_readable(folder));
        let (managed, granted) = match all {
            Ok(all) => (all, Ok(())),
            Err(error) => (base.clone(), Err(error.to_string())),
        };
        self.desk.grant(managed);
        granted
    }
}

#[cfg(test)]
#[path = "desks_tests.rs"]
mod tests;

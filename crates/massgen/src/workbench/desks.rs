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
    base: Managed,
    shown: Vec<PathBuf>,
}

impl Desks {
    pub(crate) fn new(seats: impl IntoIterator<Item = SeatParts>) -> Self {
        let seats = seats.into_iter().map(|SeatParts { agent, desk, base, presenting }| {
            (agent, Seat { desk, presenting, state: Mutex::new(State { base, shown: Vec::new() }) })
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

    /// Lets `agent`, who writes the final answer, change the user's own files where nothing is kept apart.
    ///
    /// # Errors
    /// When a folder that it was shown is gone.
    pub(crate) fn let_present(&self, agent: &AgentId) -> Result<(), String> {
        let Some(seat) = self.0.get(agent) else { return Ok(()) };
        let Some(presenting) = &seat.presenting else { return Ok(()) };
        let mut state = seat.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.base = presenting.clone();
        seat.grant(&state)
    }
}

impl Seat {
    fn grant(&self, state: &State) -> Result<(), String> {
        let mut managed = state.base.clone();
        for folder in &state.shown {
            managed = managed.with_readable(folder).map_err(|error| error.to_string())?;
        }
        self.desk.grant(managed);
        Ok(())
    }
}

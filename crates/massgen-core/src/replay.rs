//! From a journal back to the state.

use std::fmt;

use massgen_protocol::{Envelope, Event, Seq};

use crate::state::State;

/// Why a list of events is not a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayError {
    /// There is no event.
    Empty,
    /// The first event is not `RunStarted`, or a later one is.
    Misplaced {
        /// The event at fault.
        seq: Seq,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the run has no events"),
            Self::Misplaced { seq } => write!(f, "event {seq}: a run begins with `run_started`, once"),
        }
    }
}

impl std::error::Error for ReplayError {}

/// Folds all events of a run.
///
/// # Errors
/// When the events do not begin with `RunStarted`, or hold another one.
pub fn replay<'a>(events: impl IntoIterator<Item = &'a Envelope>) -> Result<State, ReplayError> {
    let mut state: Option<State> = None;
    for envelope in events {
        match (&envelope.event, &mut state) {
            (Event::RunStarted { spec, meta }, None) => {
                state = Some(State::started(spec, meta, envelope.run_time));
            }
            (Event::RunStarted { .. }, Some(_)) | (_, None) => {
                return Err(ReplayError::Misplaced { seq: envelope.seq });
            }
            (event, Some(state)) => state.apply(event, envelope.run_time),
        }
    }
    state.ok_or(ReplayError::Empty)
}

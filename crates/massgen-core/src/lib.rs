//! The coordination state machine: who works, what counts, when it ends, who wins.
//!
//! What it holds: the [`State`] of a run, the fold of events into it ([`State::apply`]), and the two halves of a step:
//! [`record`] turns an input into the fact that it is, [`advance`] draws every consequence of the state.
//!
//! What it does not hold: texts that models read, input or output, a clock, randomness, waiting. Time comes in with
//! every input; work goes out as [`Effect`]s.
//!
//! Who calls it: `massgen-engine`, which stores the events before it performs the effects; tests; nobody else.
//!
//! Invariants:
//! * The state is a fold of the events: [`replay`] of what [`record`] and [`advance`] returned gives the same state.
//! * [`advance`] looks at the state only. After a crash anywhere, replay and `advance` go on where the run was.
//! * Every effect was announced by an event of the same or an earlier step (intent before effect).
//! * A vote counts while the set of revisions that its voter saw is the current one. Nothing is ever cleared.
//! * A refused submission never ends an agent.

mod advance;
mod apply;
mod budget;
mod compact;
mod decide;
mod draft;
mod effect;
mod gate;
mod plan;
mod present;
mod record;
mod replay;
mod schedule;
mod state;
mod submission;
mod tally;
mod timer;

pub use advance::{Step, advance, begin, step};
pub use effect::{Effect, Open};
pub use record::{Input, record};
pub use replay::{ReplayError, replay};
pub use state::{Agent, AgentState, Aim, Answer, Phase, State, Vote, Work, WorkStep};
pub use submission::{NEW_ANSWER, VOTE};
pub use tally::{Ending, Selection, select};
pub use timer::Timer;

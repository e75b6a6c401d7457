//! What a run changed in the user's project: found, shown, decided on, applied, and undone.
//!
//! [`Proposal`] says what the final answer changed, [`ask`](dialogue::ask) lets a person choose, [`Application`] does it
//! and keeps what undoes it, [`Review`] does all of this at the end of a run. Everything blocks.

mod application;
mod chosen;
pub(crate) mod commands;
mod dialogue;
mod proposal;
mod settling;
mod standing;
mod stop;
mod telling;

pub(crate) use application::end_interrupted;
pub(crate) use chosen::Chosen;
pub(crate) use settling::{Asked, Review, Settled};
pub(crate) use stop::Stop;

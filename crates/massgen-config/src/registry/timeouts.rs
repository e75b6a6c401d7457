//! Keys of `timeout_settings`.

use super::Effect::Active;
use super::{Key, SECONDS, SECONDS_OR_NONE, table};

pub(crate) const KEYS: &[Key] = table! {
    /// Time of the whole run, presentation included.
    "timeout_settings.orchestrator_timeout_seconds": SECONDS, "1800", "600", Active;
    /// Soft limit of a round of an agent without an answer.
    "timeout_settings.initial_round_timeout_seconds": SECONDS, "no limit", "300", Active;
    /// Soft limit of later rounds.
    "timeout_settings.subsequent_round_timeout_seconds": SECONDS, "no limit", "180", Active;
    /// From the soft limit to the hard one.
    "timeout_settings.round_timeout_grace_seconds": SECONDS_OR_NONE, "120", "60", Active;
};

//! Calls as the program's own journal tells them.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use massgen_protocol::event::CallOutcome;
use massgen_protocol::{Envelope, Event};

/// What a call says that could not be tried again because its time was over.
const NO_TIME: [&str; 2] = ["no time is left to try again", "took longer than"];

/// A call of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    /// When it was noted, since 1970: before its first request.
    pub(super) began: Duration,
    /// Whether it failed because its time was over.
    pub(super) ran_out: bool,
}

/// The calls of runs, by the number of the run and the name that requests have for them.
pub(super) type Calls = BTreeMap<(usize, String), Call>;

/// The calls of run `number`, whose journal is `journal`.
pub(super) fn calls(number: usize, journal: &[Envelope]) -> Result<Calls> {
    let mut calls = Calls::new();
    for envelope in journal {
        if let Event::ModelCallStarted { call, .. } = &envelope.event {
            let began = Duration::from_micros(envelope.at.micros().unsigned_abs());
            calls.insert((number, call.to_string()), Call { began, ran_out: false });
        } else if let Event::ModelCallFinished { call, outcome: CallOutcome::Failed { failure } } =
            &envelope.event
        {
            let known = calls.get_mut(&(number, call.to_string()));
            known.with_context(|| format!("{call} ended and has not begun"))?.ran_out =
                NO_TIME.iter().any(|said| failure.message.contains(said));
        }
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use massgen_protocol::message::{FailureKind, ModelFailure, Purpose};
    use massgen_protocol::time::{RunMillis, Timestamp};
    use massgen_protocol::{AgentNo, CallId, Seq};

    use super::*;

    fn event(at: i64, event: Event) -> Envelope {
        Envelope { v: 1, seq: Seq(1), at: Timestamp::from_micros(at), run_time: RunMillis(0), event }
    }

    #[test]
    fn calls_have_their_beginning_and_whether_their_time_ran_out() {
        let id = |number| CallId { agent: AgentNo::from_index(2), number };
        let started = |number| Event::ModelCallStarted {
            call: id(number),
            purpose: Purpose::Coordinate,
            reserved_tokens: 0,
            reserved_cost: None,
        };
        let failed = |number, message: &str| {
            let failure =
                ModelFailure { kind: FailureKind::Server, message: message.to_owned(), attempts: 2 };
            Event::ModelCallFinished { call: id(number), outcome: CallOutcome::Failed { failure } }
        };
        let journal = [
            event(1_000_500, started(1)),
            event(2_000_000, failed(1, "`host` answered 500; no time is left to try again")),
            event(3_000_000, started(2)),
            event(4_000_000, failed(2, "`host` answered 500")),
        ];
        let began = [1_000_500, 3_000_000].map(Duration::from_micros);
        let wanted = [("agent3-call-1", began[0], true), ("agent3-call-2", began[1], false)]
            .map(|(name, began, ran_out)| ((7, name.to_owned()), Call { began, ran_out }));
        assert_eq!(calls(7, &journal).unwrap(), Calls::from(wanted));
        let without_start = calls(7, &[event(1, failed(1, "x"))]).unwrap_err();
        assert_eq!(without_start.to_string(), "agent3-call-1 ended and has not begun");
    }
}

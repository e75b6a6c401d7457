//! What happened in the runs with faults.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::calls::Calls;
use super::seen::Seen;
use crate::table::{Align, Table};

/// Faults by the names that aimock gives them, with ours.
const KINDS: [(&str, &str); 5] = [
    ("rateLimit", "429"),
    ("drop", "500"),
    ("disconnect", "closed before the first byte"),
    ("truncateAfterChunks", "cut in the middle"),
    ("malformed", "malformed"),
];

/// What happened in the runs with faults.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tally {
    pub(super) requests: usize,
    /// Most requests of one run.
    pub(super) most: usize,
    /// As [`KINDS`].
    pub(super) faults: [usize; KINDS.len()],
    /// Calls that were given up because their time was over.
    pub(super) ran_out: usize,
}

impl Tally {
    pub(super) fn of(seen: &[Seen], told: &Calls) -> Self {
        let mut runs: BTreeMap<usize, usize> = BTreeMap::new();
        for run in seen.iter().filter_map(Seen::run) {
            *runs.entry(run).or_default() += 1;
        }
        let count = |kind: &str| seen.iter().filter(|request| request.fault() == Some(kind)).count();
        Self {
            requests: seen.len(),
            most: runs.into_values().max().unwrap_or(0),
            faults: KINDS.map(|(kind, _)| count(kind)),
            ran_out: told.values().filter(|call| call.ran_out).count(),
        }
    }

    /// Fails when a kind of fault never came, or no call ran out of time: then the runs have not shown what they are for.
    pub(super) fn proves(&self) -> Result<()> {
        ensure!(
            self.ran_out > 0,
            "no call ran out of time: nothing is shown about that; take another --seed"
        );
        let missing = KINDS.iter().zip(self.faults).find(|(_, times)| *times == 0);
        match missing {
            None => Ok(()),
            Some(((_, kind), _)) => {
                bail!("no request was {kind}: nothing is shown about that; take another --seed")
            }
        }
    }

    pub(super) fn told(&self, runs: usize, answered: usize) -> String {
        let mut table = Table::new(&[("runs with faults", Align::Left), ("", Align::Right)]);
        let mut row = |what: &str, value: String| table.row([what.to_owned(), value]);
        row("ended with an answer", format!("{answered} of {runs}"));
        row("requests", self.requests.to_string());
        row("most requests of one run", self.most.to_string());
        for ((_, kind), times) in KINDS.iter().zip(self.faults) {
            row(kind, times.to_string());
        }
        let all: usize = self.faults.iter().sum();
        row("faults", format!("{all} ({} %)", (100 * all).checked_div(self.requests).unwrap_or(0)));
        row("calls whose time ran out", self.ran_out.to_string());
        table.render()
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;

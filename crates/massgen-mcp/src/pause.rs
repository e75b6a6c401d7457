//! How long to wait before something is tried again.

use std::time::Duration;

use crate::limits::FIRST_PAUSE;

/// Pauses between attempts: each twice as long as the one before, and 10 to 30 % longer, so that many servers that fail
/// together are not tried together. The share depends on a seed and a name only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pauses {
    state: u64,
}

impl Pauses {
    /// Pauses of the server `name` of an agent, which have nothing to do with those of others.
    pub(crate) fn new(seed: u64, agent: &str, name: &str) -> Self {
        let mix = |state: u64, byte: u8| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        Self { state: agent.bytes().chain([0]).chain(name.bytes()).fold(seed ^ 0xcbf2_9ce4_8422_2325, mix) }
    }

    /// The pause after `failed` attempts.
    pub(crate) fn after(self, failed: u32) -> Duration {
        let doubled = FIRST_PAUSE * 2_u32.saturating_pow(failed.saturating_sub(1).min(16));
        let thousandths = 1100 + u32::try_from(mixed(self.state ^ u64::from(failed)) % 201).unwrap_or(0);
        doubled * thousandths / 1000
    }
}

/// A number that looks like any other, of `state` alone (the finaliser of splitmix64).
fn mixed(state: u64) -> u64 {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_ten_to_thirty_per_cent_longer() {
        for seed in 0..200 {
            let pauses = Pauses::new(seed, "agent1", "git");
            for (failed, base) in [(1, 500), (2, 1000), (3, 2000)] {
                let pause = pauses.after(failed).as_millis();
                assert!((base * 11 / 10..=base * 13 / 10).contains(&pause), "{pause}");
            }
        }
    }

    #[test]
    fn pauses_differ_between_servers_and_are_the_same_for_a_seed() {
        let pause = |seed, agent, name| Pauses::new(seed, agent, name).after(1);
        assert_eq!(pause(1, "a", "git"), pause(1, "a", "git"));
        let all = [pause(1, "a", "git"), pause(1, "b", "git"), pause(1, "a", "files"), pause(2, "a", "git")];
        assert!(all.iter().any(|other| *other != all[0]));
    }
}

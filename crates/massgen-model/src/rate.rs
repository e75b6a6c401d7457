//! Rates of one model of one service: requests and tokens in windows of time that move on.
//!
//! Exact windows, and not a bucket that fills: a bucket grants its size at once and its refill beside it, almost twice
//! the limit in the first minute. And not the `governor` crate: what it has granted it cannot take back or correct, but
//! the tokens of a call are known only after it.
//!
//! Pure: the caller brings the time, as a span since a moment of its choice, and does the waiting.

use std::collections::VecDeque;
use std::time::Duration;

use massgen_protocol::pacing::{RateLimit, RateWindow};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What went out lately.
#[derive(Debug, Clone, Default)]
pub struct Windows {
    /// The oldest first.
    spent: VecDeque<Spent>,
    next: u64,
    /// Whether anybody limits the requests of a day.
    keeps_days: bool,
}

#[derive(Debug, Clone, Copy)]
struct Spent {
    id: Reservation,
    at: Duration,
    tokens: u64,
}

/// A request that was let out, to be corrected when its tokens are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reservation(u64);

/// Why a request must wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wait {
    /// The limit that it waits for.
    pub limit: RateWindow,
    /// How long, if nothing is corrected meanwhile.
    pub wait: Duration,
}

impl Windows {
    /// Lets a request of about `tokens` out at `now`, if `limit` allows it.
    ///
    /// # Errors
    /// How long it must wait.
    pub fn admit(&mut self, now: Duration, tokens: u64, limit: &RateLimit) -> Result<Reservation, Wait> {
        self.keeps_days |= limit.requests_per_day.is_some();
        self.forget_old(now);
        if let Some(wait) = self.outlook(now, tokens, limit) {
            return Err(wait);
        }
        let id = Reservation(self.next);
        self.next += 1;
        self.spent.push_back(Spent { id, at: now, tokens });
        Ok(id)
    }

    /// What a request of about `tokens` would wait for at `now`; `None` when it could go.
    pub fn outlook(&self, now: Duration, tokens: u64, limit: &RateLimit) -> Option<Wait> {
        let waits = [
            limit.requests_per_minute.and_then(|most| {
                let wait = self.requests(now, MINUTE, most.get())?;
                Some(Wait { limit: RateWindow::RequestsPerMinute(most), wait })
            }),
            limit.tokens_per_minute.and_then(|most| {
                let wait = self.tokens(now, tokens, most.get())?;
                Some(Wait { limit: RateWindow::TokensPerMinute(most), wait })
            }),
            limit.requests_per_day.and_then(|most| {
                let wait = self.requests(now, DAY, most.get())?;
                Some(Wait { limit: RateWindow::RequestsPerDay(most), wait })
            }),
        ];
        waits.into_iter().flatten().max_by_key(|wait| wait.wait)
    }

    /// Puts the tokens of a request right.
    pub fn settle(&mut self, reservation: Reservation, tokens: u64) {
        if let Ok(at) = self.spent.binary_search_by_key(&reservation, |spent| spent.id)
            && let Some(spent) = self.spent.get_mut(at)
        {
            spent.tokens = tokens;
        }
    }

    /// Takes a request back that did not go out.
    pub fn withdraw(&mut self, reservation: Reservation) {
        if let Ok(at) = self.spent.binary_search_by_key(&reservation, |spent| spent.id) {
            self.spent.remove(at);
        }
    }

    fn forget_old(&mut self, now: Duration) {
        let span = if self.keeps_days { DAY } else { MINUTE };
        while self.spent.front().is_some_and(|spent| leaves_in(spent, now, span).is_none()) {
            self.spent.pop_front();
        }
    }

    /// How long until there are fewer than `most` requests in the window of `span`.
    fn requests(&self, now: Duration, span: Duration, most: u32) -> Option<Duration> {
        let newest_that_must_leave = usize::try_from(most).ok()?.checked_sub(1)?;
        let spent = self.spent.iter().rev().nth(newest_that_must_leave)?;
        leaves_in(spent, now, span)
    }

    /// How long until `tokens` more fit under `most`. What is larger than the limit goes when the window is empty.
    fn tokens(&self, now: Duration, tokens: u64, most: u64) -> Option<Duration> {
        let room = most.saturating_sub(tokens.min(most));
        let mut sum: u64 = 0;
        for spent in self.spent.iter().rev() {
            let leaves = leaves_in(spent, now, MINUTE)?;
            sum = sum.saturating_add(spent.tokens);
            if sum > room {
                return Some(leaves);
            }
        }
        None
    }
}

/// How long until `spent` leaves the window of `span`; `None` when it has.
fn leaves_in(spent: &Spent, now: Duration, span: Duration) -> Option<Duration> {
    let wait = spent.at.saturating_add(span).saturating_sub(now);
    (!wait.is_zero()).then_some(wait)
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroU64};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn per_minute(requests: u32) -> RateLimit {
        RateLimit { requests_per_minute: NonZeroU32::new(requests), ..RateLimit::default() }
    }

    fn tokens_per_minute(tokens: u64) -> RateLimit {
        RateLimit { tokens_per_minute: NonZeroU64::new(tokens), ..RateLimit::default() }
    }

    fn wait(result: Result<Reservation, Wait>) -> Duration {
        result.unwrap_err().wait
    }

    #[test]
    fn no_minute_holds_more_requests_than_allowed() {
        let mut windows = Windows::default();
        let limit = per_minute(3);
        for second in [0, 10, 20] {
            windows.admit(SECOND * second, 0, &limit).unwrap();
        }
        assert_eq!(wait(windows.admit(SECOND * 20, 0, &limit)), SECOND * 40);
        assert_eq!(wait(windows.admit(SECOND * 59, 0, &limit)), SECOND);
        windows.admit(SECOND * 60, 0, &limit).unwrap();
        assert_eq!(wait(windows.admit(SECOND * 60, 0, &limit)), SECOND * 10);
    }

    #[test]
    fn tokens_are_counted_as_estimated_until_they_are_settled() {
        let mut windows = Windows::default();
        let limit = tokens_per_minute(100);
        let first = windows.admit(SECOND, 60, &limit).unwrap();
        assert_eq!(wait(windows.admit(SECOND * 2, 41, &limit)), SECOND * 59);
        windows.settle(first, 59);
        let second = windows.admit(SECOND * 3, 41, &limit).unwrap();
        windows.settle(second, 100);
        assert_eq!(wait(windows.admit(SECOND * 61, 1, &limit)), SECOND * 2, "it was more than estimated");
        windows.withdraw(second);
        windows.admit(SECOND * 61, 100, &limit).unwrap();
    }

    #[test]
    fn a_request_that_is_larger_than_the_limit_goes_alone() {
        let mut windows = Windows::default();
        let limit = tokens_per_minute(100);
        windows.admit(SECOND, 1000, &limit).unwrap();
        assert_eq!(wait(windows.admit(SECOND * 2, 1, &limit)), SECOND * 59);
        assert_eq!(wait(windows.admit(SECOND * 2, 1000, &limit)), SECOND * 59);
        windows.admit(SECOND * 61, 1000, &limit).unwrap();
    }

    #[test]
    fn the_limit_with_the_longest_wait_is_named() {
        let mut windows = Windows::default();
        let day = NonZeroU32::new(2).unwrap();
        let limit = RateLimit { requests_per_day: Some(day), ..per_minute(1) };
        windows.admit(Duration::ZERO, 0, &limit).unwrap();
        let limited = windows.admit(SECOND, 0, &limit).unwrap_err();
        assert_eq!(limited.limit, RateWindow::RequestsPerMinute(NonZeroU32::MIN));
        windows.admit(SECOND * 60, 0, &limit).unwrap();
        let limited = windows.admit(SECOND * 61, 0, &limit).unwrap_err();
        assert_eq!(limited, Wait { limit: RateWindow::RequestsPerDay(day), wait: SECOND * (24 * 3600 - 61) });
    }

    #[test]
    fn what_has_left_the_windows_is_forgotten() {
        let mut windows = Windows::default();
        for second in 0..10_000 {
            windows.admit(SECOND * second, 1, &tokens_per_minute(1_000_000)).unwrap();
        }
        assert_eq!(windows.spent.len(), 60);
    }
}

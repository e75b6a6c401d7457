use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn after(attempt: u32, failure: &Failure) -> Decision {
    RetryPolicy::default().decide(attempt, SECOND, failure, 7)
}

fn asking(wait: Duration) -> Failure {
    Failure { retry_after: Some(wait), ..Failure::new(FailureKind::RateLimited, "slow down") }
}

#[test]
fn kinds_that_may_pass_are_sent_again_and_others_are_not() {
    use FailureKind::*;
    for kind in [RateLimited, Server, Network, Timeout, Malformed] {
        assert!(matches!(after(1, &Failure::new(kind, "x")), Decision::Retry { .. }), "{kind}");
        assert_eq!(after(1, &Failure::new(kind, "x").for_good()), Decision::GiveUp(GiveUp::NotRetryable));
    }
    for kind in [QuotaExhausted, Unauthorized, Rejected, ContextOverflow, NotRecorded] {
        assert_eq!(after(1, &Failure::new(kind, "x")), Decision::GiveUp(GiveUp::NotRetryable), "{kind}");
    }
}

#[test]
fn the_fifth_request_is_the_last() {
    let failure = Failure::new(FailureKind::Server, "x");
    assert!(matches!(after(4, &failure), Decision::Retry { .. }));
    assert_eq!(after(5, &failure), Decision::GiveUp(GiveUp::AttemptsUsed));
}

#[test]
fn waits_double_up_to_a_bound_and_differ_between_callers() {
    let policy = RetryPolicy::default();
    let mut waits = Vec::new();
    for attempt in 1..=9 {
        let wait = policy.backoff(attempt, 7);
        let base = policy.first_delay.saturating_mul(1 << (attempt - 1)).min(policy.max_delay);
        assert!(wait >= base && wait <= base * 2, "attempt {attempt}: {wait:?} for {base:?}");
        assert_eq!(wait, policy.backoff(attempt, 7), "the same seed gives the same wait");
        waits.push(wait);
    }
    assert_ne!(policy.backoff(1, 1), policy.backoff(1, 2));
}

#[test]
fn a_wait_that_the_server_asks_for_is_kept_and_a_long_one_ends_the_call() {
    assert_eq!(after(1, &asking(SECOND * 7)), Decision::Retry { delay: SECOND * 7 });
    assert_eq!(after(1, &asking(SECOND * 120)), Decision::Retry { delay: SECOND * 120 });
    assert_eq!(after(1, &asking(SECOND * 121)), Decision::GiveUp(GiveUp::WaitTooLong));
}

#[test]
fn no_attempt_begins_after_the_deadline() {
    let policy = RetryPolicy::default();
    let elapsed = SECOND * 595;
    assert!(matches!(policy.decide(1, elapsed, &asking(SECOND * 4), 7), Decision::Retry { .. }));
    assert_eq!(policy.decide(1, elapsed, &asking(SECOND * 5), 7), Decision::GiveUp(GiveUp::Deadline));
}

#[test]
fn what_the_server_says_of_a_repetition_counts_within_attempts_and_deadline() {
    let told = |repeat| Failure { repeat, ..Failure::new(FailureKind::Rejected, "x") };
    assert!(matches!(after(1, &told(Repeat::Always)), Decision::Retry { .. }));
    assert_eq!(after(5, &told(Repeat::Always)), Decision::GiveUp(GiveUp::AttemptsUsed));
    assert_eq!(after(1, &told(Repeat::ByKind)), Decision::GiveUp(GiveUp::NotRetryable));
    let passing = Failure { repeat: Repeat::Never, ..Failure::new(FailureKind::Server, "x") };
    assert_eq!(after(1, &passing), Decision::GiveUp(GiveUp::NotRetryable));
}

#[test]
fn the_configuration_of_a_service_changes_the_standard_policy() {
    use massgen_protocol::pacing::{BackoffSettings, BreakerSettings};

    assert_eq!(RetryPolicy::paced(&Pacing::default()), RetryPolicy::default());
    let breaker =
        BreakerSettings { max_retry_after: SECOND * 5, growth_percent: 300, ..BreakerSettings::default() };
    let policy = RetryPolicy::paced(&Pacing { breaker: Some(breaker), ..Pacing::default() });
    let standard = RetryPolicy::default();
    assert_eq!(
        policy,
        RetryPolicy { max_retry_after: SECOND * 5, growth_percent: 300, max_delay: SECOND * 300, ..standard }
    );
    let backoff = BackoffSettings {
        attempts: std::num::NonZeroU32::MIN.saturating_add(1),
        first_delay: SECOND * 2,
        growth_percent: 300,
        max_delay: SECOND * 10,
        jitter_percent: 0,
    };
    let policy = RetryPolicy::paced(&Pacing { backoff: Some(backoff), ..Pacing::default() });
    let waits: Vec<_> = (1..=3).map(|attempt| policy.backoff(attempt, 7).as_secs()).collect();
    assert_eq!((policy.attempts, waits), (2, vec![2, 6, 10]));
    let asks = |seconds| Failure {
        retry_after: Some(SECOND * seconds),
        ..Failure::new(FailureKind::RateLimited, "x")
    };
    let decide = |seconds| policy.decide(1, Duration::ZERO, &asks(seconds), 7);
    assert_eq!(decide(10), Decision::Retry { delay: SECOND * 10 });
    assert_eq!(
        decide(11),
        Decision::GiveUp(GiveUp::WaitTooLong),
        "the longest wait bounds those that are asked for"
    );
    let breaker = BreakerSettings { max_retry_after: SECOND * 5, ..BreakerSettings::default() };
    let both = Pacing { breaker: Some(breaker), backoff: Some(backoff), ..Pacing::default() };
    assert_eq!(RetryPolicy::paced(&both).max_retry_after, SECOND * 5);
    let policy = RetryPolicy::paced(&Pacing { deadline: Some(SECOND * 3), ..Pacing::default() });
    assert_eq!(policy, RetryPolicy { deadline: SECOND * 3, ..standard });
    let policy = RetryPolicy::paced(&Pacing { idle_timeout: Some(SECOND * 300), ..Pacing::default() });
    assert_eq!(policy, RetryPolicy { idle_timeout: SECOND * 300, ..standard });
}

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn settings() -> BreakerSettings {
    BreakerSettings { max_pause: SECOND * 200, ..BreakerSettings::default() }
}

fn report(breaker: &mut Breaker, second: u32, role: Role, verdict: Verdict) -> Option<Change> {
    breaker.report(SECOND * second, role, verdict, &settings())
}

/// A breaker that five failures have opened at the second 10.
fn open() -> Breaker {
    let mut breaker = Breaker::default();
    for _ in 0..4 {
        assert_eq!(report(&mut breaker, 10, Role::Ordinary, Verdict::Failed), None);
        assert_eq!(breaker.admit(SECOND * 10), Admission::Go(Role::Ordinary));
    }
    let cause = StopCause::Failures { count: 5 };
    let change = report(&mut breaker, 10, Role::Ordinary, Verdict::Failed);
    assert_eq!(change, Some(Change::Stopped { cause, pause: SECOND * 60 }));
    breaker
}

/// [`open`], and its probe under way.
fn half_open() -> Breaker {
    let mut breaker = open();
    assert_eq!(breaker.admit(SECOND * 70), Admission::Go(Role::Probe));
    breaker
}

#[test]
fn failures_in_a_row_stop_the_calls_and_a_success_in_between_does_not_let_them() {
    let mut breaker = open();
    assert_eq!(breaker.admit(SECOND * 30), Admission::Wait(SECOND * 40));
    assert_eq!(breaker.outlook(SECOND * 30), Some(Admission::Wait(SECOND * 40)));
    let mut breaker = Breaker::default();
    for verdict in [Verdict::Failed, Verdict::Failed, Verdict::Failed, Verdict::Failed, Verdict::Works] {
        assert_eq!(report(&mut breaker, 1, Role::Ordinary, verdict), None);
    }
    assert_eq!(report(&mut breaker, 1, Role::Ordinary, Verdict::Failed), None, "counted from one again");
}

#[test]
fn what_says_nothing_about_the_service_is_not_counted() {
    let mut breaker = Breaker::default();
    for verdict in [Verdict::Aside, Verdict::Busy(SECOND), Verdict::Abandoned] {
        for _ in 0..9 {
            assert_eq!(report(&mut breaker, 1, Role::Ordinary, verdict), None, "{verdict:?}");
        }
    }
    assert_eq!(breaker, Breaker::default());
}

#[test]
fn after_the_pause_one_call_tries_the_service_and_the_others_wait_for_it() {
    let mut breaker = half_open();
    assert_eq!(breaker.admit(SECOND * 70), Admission::AwaitProbe);
    assert_eq!(breaker.admit(SECOND * 900), Admission::AwaitProbe);
    assert_eq!(report(&mut breaker, 71, Role::Probe, Verdict::Works), Some(Change::Restored));
    assert_eq!(breaker.admit(SECOND * 71), Admission::Go(Role::Ordinary));
}

/// [`half_open`], and its probe has worked at the second 71.
fn restarting() -> Breaker {
    let mut breaker = half_open();
    assert_eq!(report(&mut breaker, 71, Role::Probe, Verdict::Works), Some(Change::Restored));
    breaker
}

#[test]
fn after_a_stop_calls_go_one_after_the_other_until_nobody_waits() {
    let mut breaker = restarting();
    let moment = |millis| SECOND * 71 + Duration::from_millis(millis);
    for turn in 0..5 {
        let wait = moment(turn * 100);
        assert_eq!(breaker.admit(wait), Admission::Go(Role::Ordinary));
        let soon = wait + Duration::from_millis(40);
        assert_eq!(breaker.admit(soon), Admission::InTurn(Duration::from_millis(60)));
    }
    assert_eq!(report(&mut breaker, 72, Role::Ordinary, Verdict::Works), None);
    assert_eq!(
        breaker.admit(moment(410)),
        Admission::InTurn(Duration::from_millis(90)),
        "it goes on in turns"
    );
    // The next turn was at half a second; nobody took it for a second.
    for _ in 0..9 {
        assert_eq!(breaker.admit(moment(1500)), Admission::Go(Role::Ordinary));
    }
    assert_eq!(breaker, Breaker::default());
}

#[test]
fn turns_end_after_a_minute_however_many_come() {
    let mut breaker = restarting();
    let mut now = SECOND * 71;
    let mut went = 0;
    while breaker != Breaker::default() {
        match breaker.admit(now) {
            Admission::Go(_) => went += 1,
            Admission::InTurn(wait) => now += wait,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((now, went), (SECOND * 131, 601));
    assert_eq!(breaker.admit(now), Admission::Go(Role::Ordinary));
}

#[test]
fn failures_stop_calls_that_go_in_turns_as_they_stop_others() {
    let mut breaker = restarting();
    for failure in 1..=5 {
        let stopped = report(&mut breaker, 71, Role::Ordinary, Verdict::Failed).is_some();
        assert_eq!(stopped, failure == 5);
    }
    assert_eq!(breaker.admit(SECOND * 72), Admission::Wait(SECOND * 59));
}

#[test]
fn a_service_that_refuses_the_probe_itself_answers_again() {
    assert_eq!(report(&mut half_open(), 71, Role::Probe, Verdict::Aside), Some(Change::Restored));
}

#[test]
fn each_stop_in_a_row_is_longer_up_to_a_bound() {
    let mut breaker = half_open();
    let mut second = 71;
    for pause in [120, 200, 200] {
        let change = report(&mut breaker, second, Role::Probe, Verdict::Failed);
        let cause = StopCause::FailedAgain;
        assert_eq!(change, Some(Change::Stopped { cause, pause: SECOND * pause }));
        assert_eq!(breaker.admit(SECOND * (second + pause - 1)), Admission::Wait(SECOND));
        second += pause;
        assert_eq!(breaker.admit(SECOND * second), Admission::Go(Role::Probe));
    }
    assert_eq!(report(&mut breaker, second, Role::Probe, Verdict::Works), Some(Change::Restored));
    assert_eq!(breaker.pause(&settings()), SECOND * 60, "a success ends the row");
    let short = BreakerSettings { max_pause: SECOND, ..settings() };
    assert_eq!(breaker.pause(&short), SECOND * 60, "what is asked for holds");
}

#[test]
fn a_probe_that_nobody_waits_for_leaves_the_try_to_the_next_call() {
    let mut breaker = half_open();
    assert_eq!(report(&mut breaker, 80, Role::Probe, Verdict::Abandoned), None);
    assert_eq!(breaker.admit(SECOND * 80), Admission::Go(Role::Probe));
}

#[test]
fn calls_from_before_a_stop_neither_end_nor_lengthen_it() {
    for mut breaker in [open(), half_open()] {
        let before = breaker.clone();
        for verdict in [Verdict::Works, Verdict::Failed, Verdict::Away(SECOND * 900)] {
            assert_eq!(report(&mut breaker, 20, Role::Ordinary, verdict), None);
        }
        assert_eq!(breaker, before);
    }
}

#[test]
fn a_long_wait_that_the_service_asks_for_stops_all_calls_for_that_time() {
    let mut breaker = Breaker::default();
    let change = report(&mut breaker, 5, Role::Ordinary, Verdict::Away(SECOND * 600));
    assert_eq!(change, Some(Change::Stopped { cause: StopCause::Asked, pause: SECOND * 600 }));
    assert_eq!(breaker.admit(SECOND * 6), Admission::Wait(SECOND * 599));
    let change = report(&mut half_open(), 71, Role::Probe, Verdict::Busy(SECOND * 3));
    assert_eq!(change, Some(Change::Stopped { cause: StopCause::Asked, pause: SECOND * 3 }));
}

#[test]
fn failures_say_what_they_say() {
    use FailureKind::*;
    let verdict = |kind, status, retry_after| {
        let failure = Failure { status, retry_after, ..Failure::new(kind, "x") };
        Verdict::of(&failure, &settings())
    };
    for (kind, status, asked, wanted) in [
        (RateLimited, Some(429), Some(SECOND * 120), Verdict::Busy(SECOND * 120)),
        (RateLimited, Some(429), Some(SECOND * 121), Verdict::Away(SECOND * 121)),
        (RateLimited, Some(429), None, Verdict::Failed),
        (Server, Some(503), None, Verdict::Failed),
        (Server, Some(503), Some(SECOND * 121), Verdict::Away(SECOND * 121)),
        (Server, Some(504), None, Verdict::Aside),
        (Server, None, None, Verdict::Failed),
        (Network, None, None, Verdict::Failed),
        (Timeout, None, None, Verdict::Failed),
        (Timeout, Some(408), None, Verdict::Aside),
        (Rejected, Some(400), None, Verdict::Aside),
        (Malformed, None, None, Verdict::Aside),
    ] {
        assert_eq!(verdict(kind, status, asked), wanted, "{kind} {status:?} {asked:?}");
    }
}

#[test]
fn a_listed_status_is_tried_again_whatever_it_means_elsewhere() {
    let listed = BreakerSettings { statuses: vec![404], ..settings() };
    let refused = |repeat| Failure { status: Some(404), repeat, ..Failure::new(FailureKind::Rejected, "x") };
    assert_eq!(repeatable(refused(Repeat::ByKind), &listed).repeat, Repeat::Always);
    assert_eq!(Verdict::of(&refused(Repeat::ByKind), &listed), Verdict::Failed);
    assert_eq!(repeatable(refused(Repeat::Never), &listed).repeat, Repeat::Never, "the service says so");
    assert_eq!(repeatable(refused(Repeat::ByKind), &settings()).repeat, Repeat::ByKind);
}

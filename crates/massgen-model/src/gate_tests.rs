use std::num::{NonZeroU32, NonZeroU64};

use massgen_protocol::pacing::{RateWindow, StopCause};
use tokio::sync::mpsc;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than any wait of a minute's window.
const PATIENCE: Duration = Duration::from_mins(2);

fn passage(gates: &Gates, model: &str, pacing: &Pacing) -> Passage {
    let url = Url::parse("https://me:canary@api.test/v1?key=canary").unwrap();
    gates.passage(&url, model, format!("{model} at api.test"), pacing)
}

fn rated(requests: u32, tokens: u64) -> Pacing {
    let rate = RateLimit {
        requests_per_minute: NonZeroU32::new(requests),
        tokens_per_minute: NonZeroU64::new(tokens),
        requests_per_day: None,
    };
    Pacing { rate: Some(rate), ..Pacing::default() }
}

fn breaking() -> Pacing {
    Pacing { breaker: Some(BreakerSettings::default()), ..Pacing::default() }
}

async fn pass(passage: &Passage, tokens: u64) -> Pass {
    let reservation = passage.turn(tokens, PATIENCE).await.unwrap();
    passage.enter(reservation).unwrap()
}

/// Five failures in a row, the last of which stops the calls.
async fn break_down(passage: &Passage) {
    for failure in 1..=5 {
        let report = pass(passage, 0).await.settle(Verdict::Failed, None);
        let cause = StopCause::Failures { count: 5 };
        let stopped = ServiceReport::Stopped { cause, pause: SECOND * 60 };
        assert_eq!(report, (failure == 5).then_some(stopped));
    }
}

#[tokio::test(start_paused = true)]
async fn agents_share_the_requests_of_a_minute_in_the_order_of_coming() {
    let gates = Gates::default();
    let start = Instant::now();
    let (sender, mut order) = mpsc::channel(8);
    for number in 0..5 {
        let (passage, sender) = (passage(&gates, "m", &rated(2, 0)), sender.clone());
        tokio::spawn(async move {
            let pass = pass(&passage, 0).await;
            sender.send((number, start.elapsed())).await.unwrap();
            pass.settle(Verdict::Works, Some(1));
        });
    }
    let mut went = Vec::new();
    for _ in 0..5 {
        went.push(order.recv().await.unwrap());
    }
    let second = |number, seconds| (number, SECOND * seconds);
    assert_eq!(went, [second(0, 0), second(1, 0), second(2, 60), second(3, 60), second(4, 120)]);
}

#[tokio::test(start_paused = true)]
async fn what_a_call_did_not_use_lets_the_next_one_go_at_once() {
    let gates = Gates::default();
    let (first, second) = (passage(&gates, "m", &rated(0, 100)), passage(&gates, "m", &rated(0, 100)));
    let start = Instant::now();
    let under_way = pass(&first, 90).await;
    assert_eq!(second.limited(50).map(|wait| wait.wait), Some(SECOND * 60));
    let waiting = tokio::spawn(async move { pass(&second, 50).await.settle(Verdict::Works, None) });
    tokio::time::sleep(SECOND * 3).await;
    under_way.settle(Verdict::Works, Some(10));
    waiting.await.unwrap();
    assert_eq!(start.elapsed(), SECOND * 3);
}

#[tokio::test(start_paused = true)]
async fn who_stops_waiting_keeps_nobody_back() {
    let gates = Gates::default();
    let one = passage(&gates, "m", &rated(1, 0));
    let start = Instant::now();
    pass(&one, 0).await.settle(Verdict::Works, None);
    let given_up = tokio::time::timeout(SECOND * 10, pass(&one, 0)).await;
    assert!(given_up.is_err());
    pass(&one, 0).await.settle(Verdict::Works, None);
    assert_eq!(start.elapsed(), SECOND * 60);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_patience_is_an_error_at_once() {
    let gates = Gates::default();
    let day = NonZeroU32::MIN;
    let rate = RateLimit { requests_per_day: Some(day), ..RateLimit::default() };
    let one = passage(&gates, "m", &Pacing { rate: Some(rate), ..Pacing::default() });
    pass(&one, 0).await.settle(Verdict::Works, None);
    tokio::time::sleep(SECOND * 3600).await;
    let wait = one.turn(0, PATIENCE).await.unwrap_err();
    assert_eq!(wait, Wait { limit: RateWindow::RequestsPerDay(day), wait: SECOND * 3600 * 23 });
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_one_of_all_agents_tries_and_its_success_lets_the_others_go() {
    let gates = Gates::default();
    break_down(&passage(&gates, "m", &breaking())).await;
    let went = thirty_calls(&gates, Verdict::Works).await;
    // One tries, and takes seven seconds; then they go ten a second.
    let after = |millis| SECOND * 67 + Duration::from_millis(millis);
    let wanted: Vec<Duration> = std::iter::once(SECOND * 60).chain((0..29).map(|n| after(n * 100))).collect();
    assert_eq!(went, wanted);
    tokio::time::sleep(SECOND * 2).await;
    let one = passage(&gates, "m", &breaking());
    for _ in 0..100 {
        assert_eq!(one.stop(), None, "nobody waits any more");
        one.enter(None).unwrap().settle(Verdict::Works, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_again_after_a_stop_meets_few_of_the_calls_that_waited() {
    let gates = Gates::default();
    break_down(&passage(&gates, "m", &breaking())).await;
    let went = thirty_calls(&gates, Verdict::Failed).await;
    let before =
        |seconds: u64| went.iter().filter(|at| **at < SECOND * u32::try_from(seconds).unwrap()).count();
    // The one that tries works; five more fail, and the others wait for another minute.
    assert_eq!((before(61), before(127)), (1, 6), "{went:?}");
}

/// Thirty calls that wait for the end of a stop of a minute, each for at most ten minutes: when they went, since now.
/// The first one works and takes seven seconds; the others are over at once, with `others`.
async fn thirty_calls(gates: &Gates, others: Verdict) -> Vec<Duration> {
    let start = Instant::now();
    let is_first = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let (sender, mut went) = mpsc::channel(32);
    for _ in 0..30 {
        let (passage, sender) = (passage(gates, "m", &breaking()), sender.clone());
        let is_first = Arc::clone(&is_first);
        assert_eq!(passage.stop(), Some(Stop::For(SECOND * 60)));
        tokio::spawn(async move {
            while passage.reopened(start + SECOND * 600).await {
                let Some(pass) = passage.enter(None) else { continue };
                let _ = sender.send(start.elapsed()).await;
                if is_first.swap(false, std::sync::atomic::Ordering::SeqCst) {
                    tokio::time::sleep(SECOND * 7).await;
                    pass.settle(Verdict::Works, None);
                } else {
                    pass.settle(others, None);
                }
                return;
            }
        });
    }
    drop(sender);
    let mut times = Vec::new();
    while let Some(time) = went.recv().await {
        times.push(time);
    }
    times
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_stop_ends_at_the_deadline() {
    let gates = Gates::default();
    let one = passage(&gates, "m", &breaking());
    break_down(&one).await;
    let start = Instant::now();
    assert!(!one.reopened(start + SECOND * 30).await);
    assert_eq!(start.elapsed(), SECOND * 30);
    assert!(one.reopened(start + SECOND * 61).await);
}

#[tokio::test(start_paused = true)]
async fn a_try_that_is_cut_off_leaves_it_to_the_next_call() {
    let gates = Gates::default();
    let one = passage(&gates, "m", &breaking());
    break_down(&one).await;
    tokio::time::sleep(SECOND * 60).await;
    let probe = one.enter(None).unwrap();
    assert_eq!(one.stop(), Some(Stop::For(Duration::ZERO)));
    assert!(one.enter(None).is_none());
    drop(probe);
    let report = one.enter(None).unwrap().settle(Verdict::Works, None);
    assert_eq!(report, Some(ServiceReport::Restored));
}

#[tokio::test(start_paused = true)]
async fn other_models_and_agents_without_a_breaker_are_not_held() {
    let gates = Gates::default();
    break_down(&passage(&gates, "m", &breaking())).await;
    for (other, pacing) in [("n", breaking()), ("m", Pacing::default())] {
        let other = passage(&gates, other, &pacing);
        assert_eq!(other.stop(), None);
        assert!(other.enter(None).is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_place_that_a_stopped_call_gives_back_is_free_again() {
    let gates = Gates::default();
    let both = Pacing { rate: rated(6, 0).rate, ..breaking() };
    let one = passage(&gates, "m", &both);
    let last = one.turn(0, PATIENCE).await.unwrap();
    break_down(&one).await;
    assert!(one.limited(0).is_some());
    assert!(one.enter(last).is_none());
    assert!(one.limited(0).is_none());
}

#[test]
fn no_secret_of_an_address_is_kept() {
    let gates = Gates::default();
    passage(&gates, "m", &Pacing::default());
    let places: Vec<String> = lock(&gates.gates).keys().map(|place| format!("{place:?}")).collect();
    assert_eq!(places, [r#"Place { address: "https://api.test/v1", model: "m" }"#]);
}

//! Agents that share a service hold back together.

use std::num::NonZeroU32;
use std::time::Duration;

use futures::StreamExt;
use massgen_model::{HttpClient, Keys, ProviderModel, RetryPolicy, connect_with};
use massgen_ports::{Model, ModelEvent, ModelStream};
use massgen_protocol::ServiceReport;
use massgen_protocol::message::FailureKind;
use massgen_protocol::pacing::{BreakerSettings, Pacing, RateLimit, RateWindow, StopCause};
use massgen_protocol::spec::Wire;
use massgen_testkit::model_server::{ModelServer, ReceivedRequest, Schedule, ScriptedReply};

use crate::support::{agent, hasty, question, see};

const PAUSE: Duration = Duration::from_millis(40);

fn paced(server: &ModelServer, http: &HttpClient, pacing: &Pacing, policy: RetryPolicy) -> ProviderModel {
    let mut agent = agent(&server.base_url(), &[]);
    if let Wire::Service(service) = &mut agent.backend.wire {
        *service.pacing = pacing.clone();
    }
    connect_with(&agent, &Keys::default(), http, policy).unwrap()
}

fn breaking(failures: u32, pause: Duration) -> Pacing {
    let max_failures = NonZeroU32::new(failures).unwrap();
    let breaker = BreakerSettings { max_failures, pause, ..BreakerSettings::default() };
    Pacing { breaker: Some(breaker), ..Pacing::default() }
}

fn one_a_minute() -> Pacing {
    let rate = RateLimit { requests_per_minute: Some(NonZeroU32::MIN), ..RateLimit::default() };
    Pacing { rate: Some(rate), ..Pacing::default() }
}

/// The first `count` requests fail, later ones succeed.
fn failing(count: usize) -> impl Fn(&ReceivedRequest) -> ScriptedReply + Send + Sync + 'static {
    move |request| {
        if request.number < count {
            ScriptedReply::refusal(503, "overloaded", "busy")
        } else {
            ScriptedReply::text("fine")
        }
    }
}

async fn reports(mut events: ModelStream) -> (Vec<ServiceReport>, ModelEvent) {
    let mut reports = Vec::new();
    loop {
        match events.next().await.unwrap() {
            ModelEvent::Service { service, report } => {
                assert!(service.starts_with("the-model at 127.0.0.1:"), "{service}");
                reports.push(report);
            }
            ModelEvent::Delta { .. } | ModelEvent::Retrying { .. } => {}
            end @ (ModelEvent::Finished(_) | ModelEvent::Failed(_)) => return (reports, end),
        }
    }
}

#[tokio::test]
async fn a_broken_service_is_left_alone_tried_once_and_taken_up_again() {
    let server = ModelServer::start(failing(3), Schedule::default()).await.unwrap();
    let model = paced(&server, &HttpClient::new(), &breaking(2, PAUSE), hasty());
    let (reports, end) = reports(model.call(question())).await;
    assert!(matches!(end, ModelEvent::Finished(_)), "{end:?}");
    let stopped = |cause, pause| ServiceReport::Stopped { cause, pause };
    let [first, held, second, held_again, restored] = reports.as_slice() else { panic!("{reports:?}") };
    assert_eq!(*first, stopped(StopCause::Failures { count: 2 }, PAUSE));
    assert_eq!(*second, stopped(StopCause::FailedAgain, PAUSE * 2));
    for held in [held, held_again] {
        assert!(matches!(held, ServiceReport::Held { .. }), "{held:?}");
    }
    assert_eq!(*restored, ServiceReport::Restored);
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn failures_of_one_agent_hold_another_one_back_and_what_cannot_wait_fails_at_once() {
    let server = ModelServer::start(failing(usize::MAX), Schedule::default()).await.unwrap();
    let http = HttpClient::new();
    let hour = Duration::from_hours(1);
    let policy = RetryPolicy { attempts: 2, ..hasty() };
    let pacing = breaking(2, hour);
    let first = see(&paced(&server, &http, &pacing, policy), question()).await;
    assert_eq!(first.end.unwrap_err().attempts, 2);
    let (told, end) = reports(paced(&server, &http, &pacing, policy).call(question())).await;
    let ModelEvent::Failed(failure) = end else { panic!("{end:?}") };
    assert_eq!((failure.kind, failure.attempts, told), (FailureKind::Server, 0, Vec::new()));
    let (head, tail) = failure.message.split_once(" for ").unwrap();
    assert!(
        head.ends_with(" have stopped") && head.starts_with("calls to the-model at 127.0.0.1:"),
        "{head}"
    );
    assert!(tail.ends_with(" s more after failures, and this call cannot wait"), "{tail}");
    assert_eq!(server.requests().len(), 2, "the second agent has sent nothing");
}

#[tokio::test]
async fn a_call_waits_for_its_turn_under_a_rate_and_its_deadline_waits_with_it() {
    let server = ModelServer::start(failing(0), Schedule::default()).await.unwrap();
    let http = HttpClient::new();
    let policy = RetryPolicy { deadline: Duration::from_secs(30), ..hasty() };
    let [first, second] = [(); 2].map(|()| paced(&server, &http, &one_a_minute(), policy));
    see(&first, question()).await.reply();
    let mut call = second.call(question());
    let Some(ModelEvent::Service { report: ServiceReport::Limited { limit, wait }, .. }) = call.next().await
    else {
        panic!("it is told")
    };
    assert_eq!(limit, RateWindow::RequestsPerMinute(NonZeroU32::MIN));
    assert!(wait <= Duration::from_mins(1), "{wait:?}");
    assert_eq!(server.requests().len(), 1);
    let rest = tokio::spawn(reports(call));
    tokio::task::yield_now().await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_mins(1)).await;
    tokio::time::resume();
    let (told, end) = rest.await.unwrap();
    assert!(matches!(end, ModelEvent::Finished(_)) && told.is_empty(), "{told:?} {end:?}");
    assert_eq!(server.requests().len(), 2);
}
